#include "base/files.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/aligned_buffer.h"

namespace autoglm {
namespace {

class Files : public testing::Test {
 protected:
  Files()
      : folder_(std::filesystem::temp_directory_path() /
                ("autoglm-files-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Files() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }
  std::filesystem::path folder_;
};

TEST_F(Files, WhatIsWrittenIsReadAndMapped) {
  ASSERT_TRUE(write_file(path("a"), bytes("hello")));
  EXPECT_EQ(*read_file(path("a"), 5), "hello");
  const Result<MappedFile> mapped = MappedFile::open(path("a"));
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(mapped->bytes()[4]), 'o');
  mapped->drop_pages(mapped->bytes());  // the bytes come back from the file
  EXPECT_EQ(static_cast<char>(mapped->bytes()[0]), 'h');
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}),
            1);  // no partial file left
}

TEST_F(Files, RefusalsNameThePath) {
  EXPECT_EQ(read_file(path("none"), 10).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_file(path("none"), 10).error().where, path("none"));
  EXPECT_EQ(read_file(folder_.string(), 10).error().found, "a directory");
  EXPECT_EQ(read_file("/dev/null", 10).error().found, "a special file");
  ASSERT_TRUE(write_file(path("a"), bytes("hello")));
  EXPECT_EQ(read_file(path("a"), 4).error().code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(write_file("/nowhere/at/all", bytes("x")));
  ASSERT_TRUE(write_file(path("empty"), {}));
  EXPECT_FALSE(MappedFile::open(path("empty")));
}

TEST_F(Files, APipeWithoutAWriterIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  for (const std::string& message : {read_file(path("pipe"), 5).error().message(),
                                     MappedFile::open(path("pipe")).error().message()}) {
    EXPECT_NE(message.find("pipe: not a regular file"), std::string::npos) << message;
  }
}

TEST(AlignedBuffer, IsAlignedAndZeroed) {
  const Result<AlignedBuffer> buffer = AlignedBuffer::allocate(1000);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % AlignedBuffer::kAlignment, 0u);
  for (size_t i = 0; i < buffer->size(); ++i) ASSERT_EQ(buffer->data()[i], std::byte{0});
}

TEST(AlignedBuffer, SaysHowMuchWasAskedWhenThereIsNoSuchMemory) {
  const Result<AlignedBuffer> buffer = AlignedBuffer::allocate(size_t{1} << 60);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().expected, "1152921504606846976 bytes");
}

}  // namespace
}  // namespace autoglm
