// Keys in a state folder: made, listed, ended; seen by others at once; never in any file.
#include "guard/key_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "guard/gate.h"
#include "state/state_dir.h"
#include "support/state_folder.h"

namespace autoglm::guard {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string bytes_of_all_files(const std::string& folder) {
  std::string bytes;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  return bytes;
}

TEST(KeyStore, AKeyIsFoundUntilItEnds) {
  const StateFolder folder;
  int64_t now = 1000;
  const auto store = *KeyStore::open(folder.path, [&] { return now; });
  EXPECT_FALSE(*store->any());
  const auto key = store->create({.tenant = "law", .name = "ci", .expires_in = 60});
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_TRUE(*store->any());
  auto found = *store->find(key->text);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, key->id);
  EXPECT_EQ(found->tenant, "law");
  EXPECT_EQ(found->scopes, Scopes{Scope::kInference});
  EXPECT_FALSE(*store->find(make_api_key()->text)) << "of the right form, and nobody's";
  now = 1059;
  EXPECT_TRUE(*store->find(key->text));
  now = 1060;
  EXPECT_FALSE(*store->find(key->text)) << "it has expired";
  EXPECT_TRUE(*store->any()) << "the server does not open by that";

  const auto second = *store->create({.name = "ci"});  // the name is free again
  EXPECT_TRUE(store->revoke("ci"));
  EXPECT_FALSE(*store->find(second.text));
  EXPECT_EQ(store->list()->size(), 2U);
}

TEST(KeyStore, OthersSeeItAtTheNextCall) {
  const StateFolder folder;
  const auto mine = *KeyStore::open(folder.path);
  const auto theirs = *KeyStore::open(folder.path);
  const ApiKey key = *mine->create({.name = "a"});
  EXPECT_TRUE(*theirs->find(key.text));
  const ApiKey next = *theirs->rotate("a");
  EXPECT_NE(next.id, key.id);
  EXPECT_FALSE(*mine->find(key.text));
  EXPECT_TRUE(*mine->find(next.text));
  EXPECT_TRUE(theirs->revoke(next.id));
  EXPECT_FALSE(*mine->find(next.text));
}

TEST(KeyStore, NoFileHoldsAKey) {
  const StateFolder folder;
  const auto store = *KeyStore::open(folder.path);
  const ApiKey key = *store->create({.name = "a"});
  const std::string secret = key.text.substr(14);
  const std::string bytes = bytes_of_all_files(folder.path);
  EXPECT_THAT(bytes, HasSubstr(key.id));
  EXPECT_THAT(bytes, testing::Not(HasSubstr(secret)));
  EXPECT_THAT(bytes, testing::Not(HasSubstr(secret.substr(0, 16))));
  for (const auto& entry : fs::directory_iterator(folder.path)) {
    struct stat found {};
    ASSERT_EQ(::stat(entry.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600U) << entry.path();
  }
  struct stat found {};
  ASSERT_EQ(::stat(folder.path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
}

TEST(KeyStore, RefusesWhatMakesNoSense) {
  const StateFolder folder;
  const auto store = *KeyStore::open(folder.path);
  ASSERT_TRUE(store->create({.name = "a"}));
  const auto message = [](const auto& result) {
    return result ? std::string("taken") : result.error().message();
  };
  EXPECT_THAT(message(store->create({.name = "a"})), HasSubstr("a valid key of that name"));
  EXPECT_THAT(message(store->create({})), HasSubstr("needs a name"));
  EXPECT_THAT(message(store->create({.name = "b", .scopes = {}})), HasSubstr("opens nothing"));
  EXPECT_THAT(message(store->create({.name = "\n"})), HasSubstr("control characters"));
  EXPECT_THAT(message(store->create({.tenant = std::string(257, 't'), .name = "b"})),
              HasSubstr("tenant"));
  EXPECT_THAT(message(store->revoke("nobody's")), HasSubstr("no such key"));
  ASSERT_TRUE(store->revoke("a"));
  EXPECT_THAT(message(store->rotate("a")), HasSubstr("no such key"));
  EXPECT_THAT(message(parse_scopes("inference,root")), HasSubstr("root"));
  EXPECT_THAT(message(parse_scopes("")), HasSubstr("at least one"));
}

TEST(KeyStore, RefusesAFolderThatOthersWriteToAndADamagedDatabase) {
  const StateFolder folder;
  ASSERT_EQ(::chmod(folder.path.c_str(), 0777), 0);
  EXPECT_THAT(state::open_state_dir(folder.path).error().message(), HasSubstr("mode 0777"));
  std::ofstream(folder.path + "/autoglm.db").close();
  EXPECT_TRUE(Gate({.state_folder = folder.path}).closed()) << "keys that others may write";
  ASSERT_EQ(::chmod(folder.path.c_str(), 0700), 0);
  std::ofstream(folder.path + "/autoglm.db") << std::string(5000, 'x');
  const auto opened = KeyStore::open(folder.path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message(), HasSubstr("autoglm.db"));
  // And a gate over it opens for nobody.
  Gate gate({.state_folder = folder.path});
  EXPECT_TRUE(gate.closed());
  const auto admitted = gate.admit(make_api_key()->text, Scope::kInference);
  EXPECT_EQ(std::get<Refusal>(admitted), Refusal::kNotDecided);
}

TEST(Gate, IsOpenUntilThereIsAKeyAndStaysClosed) {
  const StateFolder folder;
  Gate gate({.state_folder = folder.path});
  EXPECT_FALSE(gate.closed());
  EXPECT_FALSE(std::get<Principal>(gate.admit("", Scope::kAdmin)).proved);
  const auto store = *KeyStore::open(folder.path);
  EXPECT_FALSE(gate.closed()) << "a database without keys";
  const ApiKey key = *store->create({.tenant = "law", .name = "a"});
  EXPECT_TRUE(gate.closed());
  EXPECT_EQ(std::get<Refusal>(gate.admit("", Scope::kInference)), Refusal::kNoKey);
  EXPECT_EQ(std::get<Refusal>(gate.admit("wrong", Scope::kInference)), Refusal::kWrongKey);
  EXPECT_EQ(std::get<Refusal>(gate.admit(key.text, Scope::kMetrics)), Refusal::kScope);
  const Principal principal = std::get<Principal>(gate.admit(key.text, Scope::kInference));
  EXPECT_EQ(principal.tenant, "law");
  EXPECT_EQ(principal.name, "key " + key.id);
  EXPECT_TRUE(principal.proved);
  ASSERT_TRUE(store->revoke(key.id));
  EXPECT_EQ(std::get<Refusal>(gate.admit(key.text, Scope::kInference)), Refusal::kWrongKey);
  EXPECT_TRUE(gate.closed());
}

TEST(Gate, KeysInClearOpenAllButAuditAndGateway) {
  Gate gate({.api_keys = {"first-key", "second-key"}});
  for (const char* key : {"first-key", "second-key"}) {
    EXPECT_EQ(std::get<Principal>(gate.admit(key, Scope::kInference)).tenant, "");
    EXPECT_TRUE(std::holds_alternative<Principal>(gate.admit(key, Scope::kMetrics)));
    EXPECT_TRUE(std::holds_alternative<Principal>(gate.admit(key, Scope::kAdmin)));
    EXPECT_EQ(std::get<Refusal>(gate.admit(key, Scope::kAudit)), Refusal::kScope);
    EXPECT_EQ(std::get<Refusal>(gate.admit(key, Scope::kGateway)), Refusal::kScope);
  }
  for (const char* key : {"", "first-ke", "first-key ", "First-key", "third-key"}) {
    EXPECT_TRUE(std::holds_alternative<Refusal>(gate.admit(key, Scope::kInference))) << key;
  }
}

TEST(Gate, ReadsKeyFiles) {
  const StateFolder folder;
  const std::string path = folder.path + "/keys";
  const auto read = [&](std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
    return read_key_file(path);
  };
  EXPECT_EQ(*read("\xEF\xBB\xBF# mine\r\nfirst-key\r\n\r\nsecond-key"),
            (std::vector<std::string>{"first-key", "second-key"}));
  const auto message = [&](std::string_view text) {
    const auto keys = read(text);
    return keys ? std::string("taken") : keys.error().message();
  };
  EXPECT_THAT(message("# none\n"), HasSubstr("holds no key"));
  EXPECT_THAT(message("first-key\nshort\n"), HasSubstr("line 2"));
  EXPECT_THAT(message("first key\n"), HasSubstr("visible ASCII"));
  EXPECT_THAT(message("first key\n"), testing::Not(HasSubstr("first key")));
  EXPECT_THAT(message(std::string(2 << 20, 'x')), HasSubstr("too large"));
  EXPECT_THAT(read_key_file(folder.path + "/none").error().message(), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace autoglm::guard
