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
  EXPECT_EQ(read_file(path("a"), 4).error().code, ErrorCode::kTooLarge);
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

TEST_F(Files, AStampIsReliableWhereTheSystemKeepsTimesOfChange) {
  constexpr int64_t kExt4 = 0xEF53, kXfs = 0x58465342, kBtrfs = 0x9123683E, kTmpfs = 0x01021994;
  constexpr int64_t kSquashfs = 0x73717368, kErofs = 0xE0F5E1E2, kIso = 0x9660, kNfs = 0x6969,
                    kOverlay = 0x794C7630, kFuse = 0x65735546;
  constexpr int64_t kSecond = 1'000'000'000, kNow = 1'700'000'000 * kSecond + 123;
  constexpr int64_t kThen = kNow - 5 * kSecond;
  for (const int64_t system : {kExt4, kXfs, kBtrfs, kTmpfs}) {
    EXPECT_TRUE(stamp_is_reliable(system, kThen, kNow));
    EXPECT_FALSE(stamp_is_reliable(system, kNow - 1000, kNow)) << "it may change within the tick";
    EXPECT_FALSE(stamp_is_reliable(system, kNow + kSecond, kNow)) << "the clock was set back";
    EXPECT_FALSE(stamp_is_reliable(system, 1'600'000'000 * kSecond, kNow)) << "an image's time";
    EXPECT_FALSE(stamp_is_reliable(system, 0, kNow));
  }
  for (const int64_t system : {kSquashfs, kErofs, kIso, kNfs, kOverlay, kFuse, int64_t{0}}) {
    EXPECT_FALSE(stamp_is_reliable(system, kThen, kNow)) << system;
  }
  FileStamp stamp{.size_bytes = 1, .inode = 2, .modified_ns = 3, .changed_ns = 4};
  EXPECT_FALSE(stamp.same_bytes_as(stamp));
  stamp.reliable = true;
  EXPECT_TRUE(stamp.same_bytes_as(stamp));
  for (int64_t FileStamp::*const field : {&FileStamp::size_bytes, &FileStamp::inode,
                                          &FileStamp::modified_ns, &FileStamp::changed_ns}) {
    FileStamp other = stamp;
    ++(other.*field);
    EXPECT_FALSE(stamp.same_bytes_as(other));
  }
}

TEST_F(Files, APrivateFileIsClosedToOthersAndIsNobodyElses) {
  const std::string file_path = path("private");
  const auto mode = [&] {
    struct stat info {};
    EXPECT_EQ(::stat(file_path.c_str(), &info), 0);
    return info.st_mode & 07777;
  };
  for (const mode_t before : {mode_t{0666}, mode_t{0644}, mode_t{0640}, mode_t{04755}}) {
    std::ofstream(file_path) << "kept";
    ASSERT_EQ(::chmod(file_path.c_str(), before), 0);
    const auto file = open_private_file(file_path);
    ASSERT_TRUE(file) << file.error().message();
    ::close(*file);
    EXPECT_EQ(mode(), 0600U) << before;
    EXPECT_EQ(std::filesystem::file_size(file_path), 4U);
  }
  std::filesystem::remove(file_path);
  const mode_t mask = ::umask(0);
  const auto created = open_private_file(file_path);
  ::umask(mask);
  ASSERT_TRUE(created);
  ::close(*created);
  EXPECT_EQ(mode(), 0600U);

  const auto refusal = [&] {
    const auto file = open_private_file(file_path);
    return file ? std::string("opened") : file.error().message();
  };
  if (::geteuid() == 0) {  // only root gives files away
    ASSERT_EQ(::chown(file_path.c_str(), 4711, 4711), 0);
    EXPECT_NE(refusal().find("user 4711"), std::string::npos) << refusal();
  }
  std::filesystem::remove(file_path);
  std::ofstream(file_path + ".target") << "somebody's";
  std::filesystem::create_symlink(file_path + ".target", file_path);
  EXPECT_NE(refusal().find("a symbolic link"), std::string::npos) << refusal();
  std::filesystem::remove(file_path);
  std::filesystem::remove(file_path + ".target");
  std::filesystem::create_directory(file_path);
  EXPECT_NE(refusal(), "opened");
  std::filesystem::remove(file_path);
  ASSERT_EQ(::mkfifo(file_path.c_str(), 0600), 0);
  EXPECT_NE(refusal().find("regular file"), std::string::npos) << refusal();
  std::filesystem::remove(file_path);
}

TEST(TextFiles, AreReadWithoutAMarkAndWithPlainLineEnds) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"a\nb\n", "a\nb\n"},
                                                       {"a\r\nb\r\n", "a\nb\n"},
                                                       {"a\rb", "a\nb"},
                                                       {"\r\r\n\r", "\n\n\n"},
                                                       {"\xef\xbb\xbf{}", "{}"},
                                                       {"\xef\xbb", "\xef\xbb"},
                                                       {"a\xef\xbb\xbf", "a\xef\xbb\xbf"},
                                                       {"\r", "\n"}};
  for (const auto& [text, plain] : cases) EXPECT_EQ(with_plain_line_ends(text), plain);
}

}  // namespace
}  // namespace autoglm
