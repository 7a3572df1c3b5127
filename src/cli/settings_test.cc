#include "cli/settings.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "" : result.error().message();
}

TEST(Settings, AFileSetsWhatItNamesAndNothingElse) {
  Settings settings;
  const auto done =
      apply_yaml(settings,
                 "model_name_or_path: /models/glm-4-9b\ndevice: cpu\nport: 9000\nquantize: int8\n"
                 "max_batch_size: 4\nmax_model_len: 4096\noffline: true\nkv_cache_memory: 2GiB\n"
                 "served_model_name: [glm, glm-4]\n",
                 "config.yaml");
  ASSERT_TRUE(done) << error_of(done);
  EXPECT_EQ(settings.model_name_or_path, "/models/glm-4-9b");
  EXPECT_EQ(settings.service.port, 9000);
  EXPECT_EQ(settings.load.quantize, "int8");
  EXPECT_EQ(settings.load.max_batch_size, 4);
  EXPECT_EQ(settings.load.max_model_len, 4096);
  EXPECT_EQ(settings.load.kv_cache_memory_bytes, int64_t{2} << 30);
  EXPECT_EQ(settings.service.served_model_names, (std::vector<std::string>{"glm", "glm-4"}));
  EXPECT_EQ(settings.service.host, Settings().service.host);
}

TEST(Settings, AnUnknownKeyIsRefusedWithTheNearestKnownOne) {
  Settings settings;
  EXPECT_EQ(error_of(apply_yaml(settings, "port: 80\nquantise: int8\n", "config.yaml")),
            "config.yaml:2: quantise: unknown setting (expected perhaps quantize)");
  EXPECT_EQ(error_of(apply_environment(settings, {{"AUTOGLM_MAX_BATCHSIZE", "3"}})),
            "environment: max_batchsize: unknown setting (expected perhaps max_batch_size)");
  EXPECT_EQ(error_of(apply_yaml(settings, "zzzzzzzzzzzzz: 1\n", "config.yaml")),
            "config.yaml:1: zzzzzzzzzzzzz: unknown setting");
}

TEST(Settings, AWrongValueIsRefusedWithWhatWasExpected) {
  Settings settings;
  EXPECT_EQ(
      error_of(apply_yaml(settings, "port: 70000\n", "c.yaml")),
      "c.yaml:1: port: setting has the wrong value (expected a whole number from 0 to 65535, found "
      "\"70000\")");
  EXPECT_EQ(
      error_of(apply_yaml(settings, "quantize: int6\n", "c.yaml")),
      "c.yaml:1: quantize: setting has the wrong value (expected one of none, int8, int5, int4, "
      "int4-g64, int4-g128, int3, int3-g64, int2, int2-g64, found "
      "\"int6\")");
  EXPECT_EQ(
      error_of(apply_yaml(settings, "offline: maybe\n", "c.yaml")),
      "c.yaml:1: offline: setting has the wrong value (expected true or false, found \"maybe\")");
  EXPECT_FALSE(apply_yaml(settings, "port: {a: b}\n", "c.yaml"));
  EXPECT_FALSE(apply_yaml(settings, "port: 1\nport: 2\n", "c.yaml"));
  EXPECT_FALSE(apply_yaml(settings, "- port\n", "c.yaml"));
  EXPECT_FALSE(apply_yaml(settings, "port: [\n", "c.yaml"));
  EXPECT_FALSE(apply_yaml(settings, "port: 1\n---\nport: 2\n", "c.yaml"));
}

TEST(Settings, TheEnvironmentWinsOverTheFile) {
  Settings settings;
  ASSERT_TRUE(apply_yaml(settings, "port: 1\nthreads: 3\n", "c.yaml"));
  ASSERT_TRUE(apply_environment(settings, {{"AUTOGLM_PORT", "2"}, {"AUTOGLM_ISA", "avx2"}}));
  EXPECT_EQ(settings.service.port, 2);
  EXPECT_EQ(settings.load.threads, 3);
}

TEST(Settings, WhatIsPrintedCanBeReadBack) {
  Settings settings;
  settings.model_name_or_path = "a: strange # name";
  settings.load.kv_cache_memory_bytes = 12345;
  settings.service.served_model_names = {"a", "b"};
  Settings again;
  const auto done = apply_yaml(again, to_yaml(settings), "printed");
  ASSERT_TRUE(done) << error_of(done);
  EXPECT_EQ(to_yaml(again), to_yaml(settings));
  EXPECT_EQ(again.model_name_or_path, settings.model_name_or_path);
}

TEST(Settings, TheExampleFileHoldsEveryKeyWithItsDefault) {
  const auto text = read_file(source_path("docs/config.example.yaml"), 1 << 20);
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(*text, to_yaml(Settings()))
      << "autoglm serve --print-config > docs/config.example.yaml";
}

TEST(Settings, TenantsHaveWeights) {
  Settings settings;
  ASSERT_TRUE(apply_setting(settings, "tenant_weights", "research=3,a=b=0.5", "here"));
  EXPECT_EQ(settings.load.tenant_weights,
            (std::map<std::string, double>{{"a=b", 0.5}, {"research", 3}}));
  Settings again;
  ASSERT_TRUE(apply_yaml(again, to_yaml(settings), "printed"));
  EXPECT_EQ(again.load.tenant_weights, settings.load.tenant_weights);
  ASSERT_TRUE(apply_setting(settings, "tenant_priorities", "nightly=2,vip=-1", "here"));
  EXPECT_EQ(settings.load.tenant_priorities,
            (std::map<std::string, int32_t>{{"nightly", 2}, {"vip", -1}}));
  for (const char* wrong : {"research", "=3", "research=", "research=3x", "research=3,,a=1"}) {
    EXPECT_FALSE(apply_setting(settings, "tenant_weights", wrong, "here")) << wrong;
  }
}

TEST(Settings, SizesAreReadWithTheirUnits) {
  EXPECT_EQ(*parse_bytes("0"), 0);
  EXPECT_EQ(*parse_bytes("512"), 512);
  EXPECT_EQ(*parse_bytes("64MiB"), int64_t{64} << 20);
  EXPECT_EQ(*parse_bytes("1.5 GB"), int64_t{3} << 29);
  for (const char* wrong : {"", "x", "-1", "1e300GB", "nan", "12 parsecs", "inf"}) {
    EXPECT_FALSE(parse_bytes(wrong)) << wrong;
  }
}

TEST(Settings, NearestFindsTyposAndRefusesStrangers) {
  const std::vector<std::string_view> known = {"port", "host", "quantize"};
  EXPECT_EQ(nearest("prot", known), "port");
  EXPECT_EQ(nearest("quantise", known), "quantize");
  EXPECT_EQ(nearest("completely_else", known), "");
}

TEST(Settings, EveryFileOfTheYamlSuiteIsReadOrRefusedInPeace) {
  const auto folder = shared_data("malformed/yaml-test-suite");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    const auto text = read_file(entry.path().string(), 1 << 20);
    ASSERT_TRUE(text);
    Settings settings;
    // None of these is a configuration of ours: an error must come, and no crash.
    EXPECT_FALSE(apply_yaml(settings, *text, entry.path().filename().string())) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 100);
}

TEST(Settings, AnEmptyAddressIsRefusedWhereverItComesFrom) {
  Settings settings;
  for (const std::string& error :
       {error_of(apply_yaml(settings, "host: ''\n", "c.yaml")),
        error_of(apply_environment(settings, {{"AUTOGLM_HOST", ""}})),
        error_of(apply_setting(settings, "host", "", "command line")),
        error_of(apply_setting(settings, "host", " ", "command line"))}) {
    EXPECT_NE(error.find("host: "), std::string::npos) << error;
    EXPECT_NE(error.find("0.0.0.0 for all addresses"), std::string::npos) << error;
  }
  EXPECT_EQ(settings.service.host, "127.0.0.1");
}

TEST(Settings, OriginsAreOriginsAndNothingThatCouldEndAHeader) {
  Settings settings;
  for (const char* right :
       {"", "*", "http://localhost:3000", "https://a.example, http://b:1", "null"}) {
    EXPECT_TRUE(apply_setting(settings, "cors_allow_origin", right, "here")) << right;
  }
  for (const char* wrong : {"http://a\r\nX-Evil: 1", "http://a\n", "localhost", "http://a/b",
                            "http://", "http://a b", "http://*.example"}) {
    EXPECT_FALSE(apply_setting(settings, "cors_allow_origin", wrong, "here")) << wrong;
  }
}

// What Kubernetes (and Docker's links) set where a Service is named "autoglm" or "autoglm-gateway".
TEST(Settings, VariablesOfAServiceOfThisNameArePassedOver) {
  const std::map<std::string, std::string> variables = {
      {"AUTOGLM_PORT", "tcp://10.0.0.1:8000"},
      {"AUTOGLM_PORT_8000_TCP", "tcp://10.0.0.1:8000"},
      {"AUTOGLM_PORT_8000_TCP_ADDR", "10.0.0.1"},
      {"AUTOGLM_PORT_8000_TCP_PORT", "8000"},
      {"AUTOGLM_PORT_8000_TCP_PROTO", "tcp"},
      {"AUTOGLM_PORT_53_UDP", "udp://10.0.0.1:53"},
      {"AUTOGLM_SERVICE_HOST", "10.0.0.1"},
      {"AUTOGLM_SERVICE_PORT", "8000"},
      {"AUTOGLM_SERVICE_PORT_HTTP", "8000"},
      {"AUTOGLM_GATEWAY_PORT", "tcp://10.0.0.2:80"},
      {"AUTOGLM_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.2"},
      {"AUTOGLM_GATEWAY_SERVICE_HOST", "10.0.0.2"},
      {"AUTOGLM_GATEWAY_SERVICE_PORT", "80"},
      {"AUTOGLM_GATEWAY_SERVICE_PORT_METRICS", "9090"}};
  Settings settings;
  const auto passed_over = apply_environment(settings, variables);
  ASSERT_TRUE(passed_over) << passed_over.error().message();
  EXPECT_EQ(passed_over->size(), variables.size());
  EXPECT_EQ(settings.service.port, Settings().service.port);
  // The setting itself, and what only looks like one of those.
  ASSERT_TRUE(apply_environment(settings, {{"AUTOGLM_PORT", "81"}}));
  EXPECT_EQ(settings.service.port, 81);
  for (const char* name : {"AUTOGLM_PORTS", "AUTOGLM_SERVICE", "AUTOGLM_GATEWAY_PORT"}) {
    EXPECT_FALSE(apply_environment(settings, {{name, "82"}})) << name;
  }
}

TEST(Settings, ModelIsAWordForTheModel) {
  Settings settings;
  ASSERT_TRUE(apply_yaml(settings, "model: /models/a\n", "c.yaml"));
  EXPECT_EQ(settings.model_name_or_path, "/models/a");
  ASSERT_TRUE(apply_environment(settings, {{"AUTOGLM_MODEL", "/models/b"}}));
  EXPECT_EQ(settings.model_name_or_path, "/models/b");
  EXPECT_EQ(error_of(apply_yaml(settings, "model: a\nmodel_name_or_path: b\n", "c.yaml")),
            "c.yaml:2:1: model_name_or_path is given twice (expected each key once)");
  EXPECT_FALSE(
      apply_environment(settings, {{"AUTOGLM_MODEL", "a"}, {"AUTOGLM_MODEL_NAME_OR_PATH", "b"}}));
}

TEST(Settings, TakesAByteOrderMarkAndWindowsLineEnds) {
  Settings settings;
  ASSERT_TRUE(apply_yaml(settings, "\xef\xbb\xbfport: 81\r\nserved_model_name: glm\r\n", "c.yaml"));
  EXPECT_EQ(settings.service.port, 81);
  EXPECT_EQ(settings.service.served_model_names, std::vector<std::string>{"glm"});
}

}  // namespace
}  // namespace autoglm
