// Limits in a state folder: kept as they were set, seen by others at the next call.
#include "guard/tenant_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guard/key_store.h"
#include "support/state_folder.h"

namespace autoglm::guard {
namespace {

using testing::HasSubstr;

TEST(TenantStore, KeepsWhatIsSetAndShowsChangesAtOnce) {
  const StateFolder folder;
  EXPECT_FALSE(TenantStore::exists(folder.path));
  const auto one = *TenantStore::open(folder.path);
  const auto other = *TenantStore::open(folder.path);
  EXPECT_TRUE((*other->all())->empty());
  const TenantLimits limits{.requests_per_minute = 1,
                            .tokens_per_minute = 2,
                            .requests_per_day = 3,
                            .tokens_per_day = 4,
                            .concurrent_requests = 0,
                            .priority = 6,
                            .models = {"a", "b\"c"}};
  ASSERT_TRUE(one->set("law", limits));
  ASSERT_TRUE(one->set("*", {}));
  EXPECT_EQ((*other->all())->at("law"), limits);
  EXPECT_EQ((*other->all())->at("*"), TenantLimits{});
  EXPECT_EQ((*one->all())->at("law"), limits);
  EXPECT_TRUE(*one->remove("law"));
  EXPECT_FALSE(*one->remove("law"));
  EXPECT_EQ((*other->all())->count("law"), 0);
}

TEST(TenantStore, RefusesWhatIsNoLimit) {
  const StateFolder folder;
  const auto store = *TenantStore::open(folder.path);
  const auto refused = store->set("law", {.tokens_per_day = -1});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("tokens_per_day"));
  EXPECT_FALSE(store->set("", {}));
  EXPECT_FALSE(store->set("a\nb", {}));
  EXPECT_FALSE(store->set(std::string(257, 'a'), {}));
  EXPECT_FALSE(store->set("a\xff", {}));
  EXPECT_FALSE(store->set("law", {.tokens_per_minute = int64_t{1} << 62}));
  EXPECT_FALSE(store->set("law", {.models = {"a\x01"}}));
  EXPECT_FALSE(store->set("law", {.models = std::vector<std::string>(1001, "a")}));
  EXPECT_TRUE((*store->all())->empty());
}

// A folder of the program before there were tenants.
TEST(TenantStore, OlderDatabasesGetTheirTable) {
  const StateFolder folder;
  {
    auto old = *state::Database::open(folder.path + "/autoglm.db");
    ASSERT_TRUE(
        old.migrate({"CREATE TABLE api_keys (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, "
                     "name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL, "
                     "expires INTEGER, revoked INTEGER, mac TEXT NOT NULL) STRICT"}));
  }
  ASSERT_TRUE((*TenantStore::open(folder.path))->set("law", {}));
  EXPECT_TRUE((*KeyStore::open(folder.path))->create({.name = "a"}));
}

TEST(TenantStore, ADamagedListOfModelsIsNoPermission) {
  const StateFolder folder;
  const auto store = *TenantStore::open(folder.path);
  ASSERT_TRUE(store->set("law", {}));
  for (const char* models : {"", "{}", "[1]", "[\"a\""}) {
    ASSERT_TRUE((*state::Database::open(folder.path + "/autoglm.db"))
                    .run("UPDATE tenants SET models = ?", {models}));
    EXPECT_FALSE(store->all()) << models;
  }
}

}  // namespace
}  // namespace autoglm::guard
