#include "kernel/sched/sysctl.h"

#include <errno.h>

#include "gtest/gtest.h"
#include "kernel/sched/one_host.h"

namespace sockbed {
namespace {

TEST(SysctlTest, GetsAndSetsTheRoomsVariable) {
  SysctlTable table;
  int64_t variable = 5;
  table.Add("net.inet.ip.ttl", {.value = &variable, .min = 1, .max = 255});
  int64_t value = 0;
  EXPECT_EQ(table.Get("net.inet.ip.ttl", &value), 0);
  EXPECT_EQ(value, 5);
  EXPECT_EQ(table.Set("net.inet.ip.ttl", 64), 0);
  EXPECT_EQ(variable, 64);
}

TEST(SysctlTest, UnknownNameIsEnoent) {
  SysctlTable table;
  int64_t value = 0;
  EXPECT_EQ(table.Get("kern.nothing", &value), ENOENT);
  EXPECT_EQ(table.Set("kern.nothing", 1), ENOENT);
}

TEST(SysctlTest, RefusedValueChangesNothing) {
  SysctlTable table;
  int64_t variable = 5;
  table.Add("kern.even", {.value = &variable, .min = 0, .max = 10, .check = [](int64_t value) {
                            return value % 2 == 0 ? 0 : EBUSY;
                          }});
  EXPECT_EQ(table.Set("kern.even", -1), EINVAL);
  EXPECT_EQ(table.Set("kern.even", 11), EINVAL);
  EXPECT_EQ(table.Set("kern.even", 7), EBUSY);
  EXPECT_EQ(variable, 5);
  EXPECT_EQ(table.Set("kern.even", 8), 0);
}

TEST(SysctlTest, AliasIsTheSameVariable) {
  SysctlTable table;
  int64_t variable = 1;
  table.Add("net.inet.tcp.rfc1323", {.value = &variable, .max = 1});
  table.AddAlias("net.inet.tcp.timestamps", "net.inet.tcp.rfc1323");
  EXPECT_EQ(table.Set("net.inet.tcp.timestamps", 2), EINVAL);
  EXPECT_EQ(table.Set("net.inet.tcp.timestamps", 0), 0);
  EXPECT_EQ(variable, 0);
}

TEST(SysctlTest, TextIsSetAndReadAsTheRoomHasIt) {
  SysctlTable table;
  std::string list = "1,2";
  table.AddText("kern.list", {.get = [&] { return list; },
                              .set = [&](std::string_view text) {
                                if (text.empty()) return EINVAL;
                                list = text;
                                return 0;
                              },
                              .wants = "a list"});
  table.AddAlias("kern.names", "kern.list");
  std::string text;
  EXPECT_EQ(table.GetText("kern.list", &text), 0);
  EXPECT_EQ(text, "1,2");
  EXPECT_EQ(table.SetText("kern.list", ""), EINVAL);
  EXPECT_EQ(table.SetText("kern.names", "3"), 0);
  EXPECT_EQ(list, "3");
  EXPECT_EQ(table.Wants("kern.names"), "a list");
  int64_t value = 0;
  EXPECT_EQ(table.Get("kern.list", &value), EINVAL) << "no number";
  EXPECT_EQ(table.Set("kern.list", 3), EINVAL);
}

TEST(SysctlTest, NumberIsText) {
  SysctlTable table;
  int64_t variable = -5;
  table.Add("kern.number", {.value = &variable});
  std::string text;
  EXPECT_EQ(table.GetText("kern.number", &text), 0);
  EXPECT_EQ(text, "-5");
  EXPECT_EQ(table.SetText("kern.number", "7"), 0);
  EXPECT_EQ(variable, 7);
  for (const char* wrong : {"many", "1.5", "7 ", ""}) {
    EXPECT_EQ(table.SetText("kern.number", wrong), EINVAL) << wrong;
  }
  EXPECT_EQ(table.Wants("kern.number"), "a whole number");
  table.Add("kern.bit", {.value = &variable, .min = 0, .max = 1});
  EXPECT_EQ(table.Wants("kern.bit"), "a whole number from 0 to 1");
  table.Add("kern.count", {.value = &variable, .min = 0});
  EXPECT_EQ(table.Wants("kern.count"), "a whole number from 0 on");
  EXPECT_EQ(table.GetText("kern.nothing", &text), ENOENT);
  EXPECT_EQ(table.SetText("kern.nothing", "1"), ENOENT);
}

using HostSysctlTest = OneHost;

TEST_F(HostSysctlTest, CountsAreReadOnly) {
  EXPECT_EQ(host().sysctls.Names(),
            (std::vector<std::string>{"kern.maxfiles", "kern.nfiles", "kern.nprocs"}));
  EXPECT_EQ(host().sysctls.Set("kern.nprocs", 0), EPERM);
}

}  // namespace
}  // namespace sockbed
