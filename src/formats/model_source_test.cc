// Names that users write, and the place on disk and the name for clients that each becomes.
#include "formats/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "support/scratch_folder.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ModelSources : public ::testing::Test {
 protected:
  ModelSources() {
    ::setenv("HF_HUB_CACHE", folder_.path("first").c_str(), 1);
    ::setenv("HF_HOME", folder_.path().c_str(), 1);
  }
  ~ModelSources() override {
    ::unsetenv("HF_HUB_CACHE");
    ::unsetenv("HF_HOME");
  }

  void directory(const std::string& name) const {
    folder_.write(name + "/config.json", "{}");
    folder_.write(name + "/model.safetensors", "");
  }
  // A snapshot in the cache hub/; `ref`: refs/main names it.
  std::string snapshot(const std::string& repository, const std::string& revision, bool ref) const {
    const std::string place = "hub/models--" + repository;
    if (ref) folder_.write(place + "/refs/main", revision + "\n");
    fs::create_directories(folder_.path(place + "/snapshots/" + revision));
    return place + "/snapshots/" + revision;
  }
  std::string error(const std::string& name) const {
    const auto found = find_model(name);
    return found ? "found " + found->path : found.error().message();
  }
  void expect(const std::string& written, const std::string& path, const std::string& name) const {
    const auto found = find_model(written);
    ASSERT_TRUE(found) << written << ": " << found.error().message();
    EXPECT_EQ(fs::path(found->path).lexically_normal(), folder_.path(path)) << written;
    EXPECT_EQ(found->name, name) << written;
  }

  ScratchFolder folder_;
};

TEST_F(ModelSources, PathsAreTakenAsTheyAre) {
  directory("glm-4");
  expect(folder_.path("glm-4"), "glm-4", "glm-4");
  expect(folder_.path("glm-4") + "/", "glm-4/", "glm-4");
  folder_.write("one.gguf", "GGUF");
  expect(folder_.path("one.gguf"), "one.gguf", "one");
  fs::create_directory_symlink(folder_.path("glm-4"), folder_.path("current"));
  expect(folder_.path("current"), "current", "current");
}

TEST_F(ModelSources, ADotIsNamedAfterItsFolder) {
  directory("glm-4");
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path("glm-4"));
  for (const char* name : {".", "./", "../glm-4", "../glm-4/."}) {
    const auto found = find_model(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->name, "glm-4") << name;
  }
  fs::current_path(before);
}

TEST_F(ModelSources, AFolderOfOneGgufFileStandsForIt) {
  folder_.write("f/glm-Q8_0.gguf", "GGUF");
  folder_.write("f/mmproj-glm-f16.gguf", "GGUF");  // goes beside a model
  folder_.write("f/config.json", R"({"model_type": "llama"})");
  expect(folder_.path("f"), "f/glm-Q8_0.gguf", "f");
  // Weights in the folder itself come first.
  folder_.write("f/model.safetensors", "");
  expect(folder_.path("f"), "f", "f");
}

TEST_F(ModelSources, ASplitModelIsNamedByAnyOfItsParts) {
  for (const char* part : {"00001", "00002", "00003"}) {
    folder_.write(std::string("s/glm-") + part + "-of-00003.gguf", "GGUF");
  }
  const std::string first = "s/glm-00001-of-00003.gguf";
  expect(folder_.path("s"), first, "s");
  expect(folder_.path(first), first, "glm");
  expect(folder_.path("s/glm-00003-of-00003.gguf"), first, "glm");
}

TEST_F(ModelSources, ATagChoosesAmongSeveralFiles) {
  for (const char* name : {"glm-Q4_K_M.gguf", "glm-Q4_K_S.gguf", "glm-Q8_0.gguf"}) {
    folder_.write(std::string("g/") + name, "GGUF");
  }
  EXPECT_THAT(error(folder_.path("g")),
              AllOf(HasSubstr("several models"), HasSubstr("glm-Q4_K_S.gguf"), HasSubstr(":TAG")));
  expect(folder_.path("g") + ":Q4_K_M", "g/glm-Q4_K_M.gguf", "g:Q4_K_M");
  expect(folder_.path("g") + ":q8_0", "g/glm-Q8_0.gguf", "g:q8_0");
  EXPECT_THAT(error(folder_.path("g") + ":Q4_K"), HasSubstr("no .gguf file here has this"));
  EXPECT_THAT(error(folder_.path("g") + ":F16"), HasSubstr("glm-Q8_0.gguf"));
  // Large repositories have a folder for each.
  folder_.write("h/Q4_K_M/glm-Q4_K_M-00001-of-00002.gguf", "GGUF");
  folder_.write("h/Q4_K_M/glm-Q4_K_M-00002-of-00002.gguf", "GGUF");
  folder_.write("h/Q8_0/glm-Q8_0.gguf", "GGUF");
  expect(folder_.path("h") + ":Q4_K_M", "h/Q4_K_M/glm-Q4_K_M-00001-of-00002.gguf", "h:Q4_K_M");
}

TEST_F(ModelSources, AHubIdIsFoundInTheCacheWithARefAndWithout) {
  directory(snapshot("zai-org--GLM-4-9B-0414", "abc", false));
  directory(snapshot("zai-org--GLM-4-9B-0414", "def", true));
  const std::string repository = "hub/models--zai-org--GLM-4-9B-0414/";
  expect("zai-org/GLM-4-9B-0414", repository + "snapshots/def", "zai-org/GLM-4-9B-0414");
  expect("zai-org/GLM-4-9B-0414@main", repository + "snapshots/def", "zai-org/GLM-4-9B-0414@main");
  expect("zai-org/GLM-4-9B-0414@abc", repository + "snapshots/abc", "zai-org/GLM-4-9B-0414@abc");
  expect("zai-org/GLM-4-9B-0414@a", repository + "snapshots/abc", "zai-org/GLM-4-9B-0414@a");
  EXPECT_THAT(error("zai-org/GLM-4-9B-0414@x"), HasSubstr("does not have this revision"));
  // By its path a snapshot has the same name, and so has the cache's folder of the model.
  expect(folder_.path(repository + "snapshots/abc"), repository + "snapshots/abc",
         "zai-org/GLM-4-9B-0414");
  EXPECT_EQ(fs::path(find_model(folder_.path(repository))->path).lexically_normal(),
            folder_.path(repository + "snapshots/def"));

  directory(snapshot("o--noref", "b", false));
  expect("o/noref", "hub/models--o--noref/snapshots/b", "o/noref");
}

TEST_F(ModelSources, ASnapshotIsNeverGuessed) {
  directory(snapshot("o--two", "c1", false));
  directory(snapshot("o--two", "d2", false));
  EXPECT_THAT(error("o/two"), AllOf(HasSubstr("c1, d2"), HasSubstr("NAME@REVISION")));
  // A download of main that was cut off leaves its ref behind; the older snapshot is not main.
  directory(snapshot("o--gone", "e1", false));
  folder_.write("hub/models--o--gone/refs/main", "e2");
  EXPECT_THAT(error("o/gone"), AllOf(HasSubstr("e2"), HasSubstr("e1")));
  // Nothing outside of the snapshots is reachable through a ref.
  folder_.write("hub/models--o--evil/refs/main", "../../../../glm-4");
  fs::create_directories(folder_.path("hub/models--o--evil/snapshots"));
  EXPECT_THAT(error("o/evil"), HasSubstr("no ref says which snapshot is meant"));
}

TEST_F(ModelSources, AHubIdOfGgufFilesWorksAsAFolderDoes) {
  const std::string one = snapshot("o--one-GGUF", "f", true);
  folder_.write(one + "/m-Q8_0.gguf", "GGUF");
  expect("o/one-GGUF", one + "/m-Q8_0.gguf", "o/one-GGUF");
  const std::string many = snapshot("o--many-GGUF", "0", true);
  folder_.write(many + "/m-Q8_0.gguf", "GGUF");
  folder_.write(many + "/m-Q4_0.gguf", "GGUF");
  expect("o/many-GGUF:Q4_0", many + "/m-Q4_0.gguf", "o/many-GGUF:Q4_0");
  EXPECT_THAT(error("o/many-GGUF"), HasSubstr("m-Q4_0.gguf, m-Q8_0.gguf"));
}

TEST_F(ModelSources, AnUnknownNameListsEveryPlaceSearched) {
  EXPECT_THAT(error("zai-org/other"), AllOf(HasSubstr(folder_.path("first/models--zai-org--other")),
                                            HasSubstr(folder_.path("hub/models--zai-org--other")),
                                            HasSubstr("nothing is ever downloaded")));
  EXPECT_THAT(error("../zai-org/other"), Not(HasSubstr("models--")));
  EXPECT_THAT(error(folder_.path("none")), HasSubstr("no such checkpoint"));
  fs::create_symlink(folder_.path("none"), folder_.path("hanging"));
  EXPECT_THAT(error(folder_.path("hanging")), HasSubstr("link to nothing"));
}

TEST_F(ModelSources, OlderToolsCachesAreSearchedToo) {
  ::unsetenv("HF_HUB_CACHE");
  ::unsetenv("HF_HOME");
  ::setenv("HUGGINGFACE_HUB_CACHE", folder_.path("hub").c_str(), 1);
  directory(snapshot("o--m", "a", true));
  expect("o/m", "hub/models--o--m/snapshots/a", "o/m");
  ::unsetenv("HUGGINGFACE_HUB_CACHE");
}

}  // namespace
}  // namespace autoglm
