#include "kernel/sim/fault.h"

#include <gtest/gtest.h>

#include <vector>

namespace sockbed {
namespace {

// The visits of `site` on `host`, out of `count`, at which `plan` fires.
std::vector<int> Firings(fault::Plan& plan, Site site, HostId host, int count) {
  Machine machine({.fault_plan = &plan});
  MachineScope scope(machine);
  Here().host_id = host;
  std::vector<int> firings;
  for (int i = 1; i <= count; ++i) {
    if (fault::Fires(site)) firings.push_back(i);
  }
  return firings;
}

TEST(FaultTest, NothingFiresWithoutAPlan) {
  Machine machine({});
  MachineScope scope(machine);
  EXPECT_FALSE(fault::Fires(Site::kMbufGet));
}

TEST(FaultTest, FiresAtTheOrdinalNamed) {
  fault::Plan plan({{.site = Site::kMbufGet, .only_ordinal = 3}});
  EXPECT_EQ(Firings(plan, Site::kMbufGet, 1, 10), (std::vector<int>{3}));
  EXPECT_EQ(Firings(plan, Site::kMbufGet, 2, 10), (std::vector<int>{3}));
}

TEST(FaultTest, KeepsToItsSiteAndHost) {
  fault::Plan plan({{.site = Site::kMbufGet, .host = 2}});
  EXPECT_EQ(Firings(plan, Site::kMbufGet, 1, 3), std::vector<int>{});
  EXPECT_EQ(Firings(plan, Site::kPoolGet, 2, 3), std::vector<int>{});
  EXPECT_EQ(Firings(plan, Site::kMbufGet, 2, 3), (std::vector<int>{1, 2, 3}));
}

TEST(FaultTest, RuleWithAnObjectCountsTheVisitsOfThatOneAlone) {
  fault::Plan plan({{.site = Site::kMbufCluster, .only_ordinal = 2, .only_object = 7},
                    {.site = Site::kMbufCluster, .only_object = 9}});
  Machine machine({.fault_plan = &plan});
  MachineScope scope(machine);
  const auto fires = [](HostId host, uint64_t object) {
    Here().host_id = host;
    return fault::Fires(Site::kMbufCluster, object);
  };
  EXPECT_FALSE(fires(1, 7));
  EXPECT_FALSE(fires(1, 8)) << "another object";
  EXPECT_FALSE(fires(2, 7)) << "the first on that host";
  EXPECT_TRUE(fires(1, 7)) << "the second, whatever came between";
  EXPECT_FALSE(fires(1, 7));
  EXPECT_TRUE(fires(1, 9));
  EXPECT_FALSE(fault::Fires(Site::kMbufGet, 9)) << "another site";
  EXPECT_EQ(plan.visits(Site::kMbufCluster, 1), 5u);
}

// Two rules for one object: both count what the first of them has already made fail.
TEST(FaultTest, RuleCountsVisitsThatAnotherMadeFail) {
  fault::Plan plan({{.site = Site::kLinkDrop, .only_ordinal = 1, .only_object = 3},
                    {.site = Site::kLinkDrop, .only_ordinal = 2, .only_object = 3}});
  Machine machine({.fault_plan = &plan});
  MachineScope scope(machine);
  EXPECT_TRUE(fault::Fires(Site::kLinkDrop, 3));
  EXPECT_TRUE(fault::Fires(Site::kLinkDrop, 3));
  EXPECT_FALSE(fault::Fires(Site::kLinkDrop, 3));
}

TEST(FaultTest, FollowsItsChanceAndTheSeed) {
  fault::Plan plan({{.site = Site::kFdLimit, .chance = kAlways / 4}});
  const std::vector<int> first = Firings(plan, Site::kFdLimit, 1, 1000);
  EXPECT_NEAR(first.size(), 250, 60);
  fault::Plan again({{.site = Site::kFdLimit, .chance = kAlways / 4}});
  EXPECT_EQ(Firings(again, Site::kFdLimit, 1, 1000), first);
}

TEST(FaultTest, CountsVisitsPerHostWhetherOrNotTheyFire) {
  fault::Plan plan({});
  Firings(plan, Site::kSslRand, 3, 12);
  Firings(plan, Site::kSslRand, 1, 5);
  EXPECT_EQ(plan.visits(Site::kSslRand, 3), 12u);
  EXPECT_EQ(plan.visits(Site::kSslRand, 1), 5u);
  EXPECT_EQ(plan.visits(Site::kSslRand, 200), 0u);
}

TEST(FaultTest, LeavesARecordWhenItFires) {
  fault::Plan plan({{.site = Site::kLinkDrop, .only_ordinal = 2}});
  Machine machine({.fault_plan = &plan});
  MachineScope scope(machine);
  const TraceId before = machine.trace().last_id();
  EXPECT_FALSE(fault::Fires(Site::kLinkDrop, 9));
  EXPECT_EQ(machine.trace().last_id(), before);
  EXPECT_TRUE(fault::Fires(Site::kLinkDrop, 9));
  const std::string line = machine.trace().Format(machine.trace().Recent().back());
  EXPECT_NE(line.find("FAULT   link.drop object 9, visit 2"), std::string::npos) << line;
}

}  // namespace
}  // namespace sockbed
