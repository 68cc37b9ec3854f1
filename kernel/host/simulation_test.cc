#include "kernel/host/simulation.h"

#include <arpa/inet.h>
#include <errno.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/link.h"
#include "kernel/net/tap.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

using testing::HasSubstr;

std::string Text(in_addr address) { return inet_ntoa(address); }

TEST(Simulation, DescribesAllRecordsInFormatsThatParse) {
  Simulation sim({.seed = 1});
  sim.trace().CheckFormats();
}

TEST(Simulation, GivesEachLinkANetworkOfItsOwn) {
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  Host& b = sim.AddHost("b");
  Host& c = sim.AddHost("c");
  EXPECT_EQ(Text(a.address()), "127.0.0.1");
  sim.Connect(a, b, {});
  sim.Connect(c, a, {});
  EXPECT_EQ(Text(a.address()), "10.0.1.1");
  EXPECT_EQ(Text(b.address()), "10.0.1.2");
  EXPECT_EQ(Text(c.address()), "10.0.2.1");
  EXPECT_EQ(Text(a.AddressFor(c)), "10.0.2.2");
  EXPECT_EQ(Text(a.AddressFor(b)), "10.0.1.1");
  EXPECT_EQ(Text(b.AddressFor(c)), "10.0.1.2");
  EXPECT_EQ(sim.FindHost("c"), &c);
  EXPECT_EQ(sim.FindHost("d"), nullptr);
  EXPECT_EQ(sim.FindHost(b.address()), &b);
  EXPECT_EQ(sim.FindHost(in_addr{htonl(INADDR_LOOPBACK)}), nullptr);
}

TEST(Simulation, TakesAddressesAsGiven) {
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  Host& b = sim.AddHost("b");
  sim.Connect(a, b, {.first_address = "192.0.2.1/24", .second_address = "192.0.2.77/24"});
  EXPECT_EQ(Text(b.address()), "192.0.2.77");
  EXPECT_EQ(b.addresses()[0].prefix_len, 24);
  EXPECT_EQ(b.address(80).sin_port, htons(80));
}

TEST(Simulation, ParsesAddressesWithTheirPrefix) {
  EXPECT_TRUE(ParseAddress("10.1.2.3/32").has_value());
  EXPECT_EQ(ParseAddress("10.1.2.3/8")->prefix_len, 8);
  for (const char* bad : {"", "10.1.2.3", "10.1.2/8", "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/8x",
                          "10.1.2.3/-1", "x/8"}) {
    EXPECT_FALSE(ParseAddress(bad).has_value()) << bad;
  }
}

TEST(Simulation, ParsesRoutes) {
  EXPECT_EQ(ParseRoute("default", "10.0.1.2")->prefix_len, 0);
  EXPECT_EQ(ParseRoute("10.0.2.0/24", "10.0.1.2")->prefix_len, 24);
  EXPECT_EQ(ParseRoute("10.0.2.1", "10.0.1.2")->prefix_len, 32);
  EXPECT_EQ(ParseRoute("2001:db8::/32", "2001:db8:1::2")->family, AF_INET6);
  EXPECT_EQ(ParseRoute("::/0", "2001:db8:1::2")->prefix_len, 0);
  constexpr const char* kBad[][2] = {{"", "10.0.1.2"},
                                     {"10.0.2.0/24", ""},
                                     {"10.0.2.1/24", "10.0.1.2"},
                                     {"10.0.2.0/33", "10.0.1.2"},
                                     {"10.0.2.0/", "10.0.1.2"},
                                     {"10.0.2.0/2x", "10.0.1.2"},
                                     {"2001:db8::1/32", "2001:db8:1::2"},
                                     {"10.0.2.0/24", "2001:db8:1::2"},
                                     {"2001:db8::/32", "10.0.1.2"}};
  for (const auto& [destination, gateway] : kBad) {
    EXPECT_FALSE(ParseRoute(destination, gateway).has_value()) << destination << " " << gateway;
  }
}

TEST(Simulation, AddsAndDeletesRoutes) {
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  Host& b = sim.AddHost("b");
  sim.Connect(a, b, {});
  const HostRoute route = *ParseRoute("10.9.0.0/16", "10.0.1.2");
  EXPECT_EQ(a.DeleteRoute(route), ESRCH);
  EXPECT_EQ(a.AddRoute(route), 0);
  EXPECT_EQ(a.AddRoute(route), EEXIST);
  EXPECT_EQ(a.DeleteRoute(*ParseRoute("10.9.0.0/16", "10.0.1.3")), ESRCH);
  EXPECT_EQ(a.DeleteRoute(route), 0);
  EXPECT_EQ(a.AddRoute(*ParseRoute("default", "192.0.2.1")), ENETUNREACH);
}

TEST(Simulation, ChangesTheRouterOfARoute) {
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  sim.Connect(a, sim.AddHost("b"), {});
  sim.Connect(a, sim.AddHost("c"), {});
  const HostRoute by_b = *ParseRoute("10.9.0.0/16", "10.0.1.2");
  const HostRoute by_c = *ParseRoute("10.9.0.0/16", "10.0.2.2");
  EXPECT_EQ(a.ChangeRoute(by_c), ESRCH);
  EXPECT_EQ(a.AddRoute(by_b), 0);
  EXPECT_EQ(a.ChangeRoute(by_c), 0);
  EXPECT_EQ(a.ChangeRoute(*ParseRoute("10.9.0.0/16", "10.0.9.2")), ENETUNREACH);
  EXPECT_EQ(a.DeleteRoute(by_b), ESRCH);
  EXPECT_EQ(a.DeleteRoute(by_c), 0);
}

TEST(Simulation, LinksHaveAddressesOfBothFamilies) {
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  Host& b = sim.AddHost("b");
  sim.Connect(a, b, {.first_address6 = "2001:db8::1/64", .second_address6 = "2001:db8::2/64"});
  const auto text = [](const in6_addr& address) {
    char shown[INET6_ADDRSTRLEN];
    return std::string(inet_ntop(AF_INET6, &address, shown, sizeof shown));
  };
  EXPECT_EQ(Text(b.address()), "10.0.1.2");
  EXPECT_EQ(text(b.address6()), "2001:db8::2");
  EXPECT_EQ(text(a.AddressFor6(b)), "2001:db8::1");
  EXPECT_EQ(sim.FindHost(b.address6()), &b);
  EXPECT_EQ(b.addresses6()[0].interface, "link1");
  EXPECT_EQ(ParseAddress6("2001:db8::1/128")->prefix_len, 128);
  for (const char* bad : {"10.0.0.1/8", "2001:db8::1", "2001:db8::1/129", "::/x"}) {
    EXPECT_FALSE(ParseAddress6(bad).has_value()) << bad;
  }
}

TEST(Simulation, ConvertsALinkOnce) {
  Simulation sim({.seed = 1});
  Link& link = sim.Connect(sim.AddHost("a"), sim.AddHost("b"),
                           {.latency = absl::Microseconds(1500),
                            .loss = 0.25,
                            .reorder = 1,
                            .rate_bps = 10'000'000,
                            .mtu = 9000});
  EXPECT_EQ(link.options(0).latency_ns, 1'500'000);
  EXPECT_EQ(link.options(1).loss, kAlways / 4);
  EXPECT_EQ(link.options(1).reorder, kAlways);
  EXPECT_EQ(link.options(1).duplicate, 0u);
  EXPECT_EQ(link.options(0).rate_bps, 10'000'000u);
}

TEST(Simulation, RefusesWhatCannotBe) {
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  Host& b = sim.AddHost("b");
  EXPECT_DEATH(sim.AddHost("a"), "a name of its own");
  EXPECT_DEATH(sim.Connect(a, b, {.loss = 1.5}), "a probability outside");
  EXPECT_DEATH(sim.Connect(a, b, {.latency = -absl::Seconds(1)}), "a negative duration");
  EXPECT_DEATH(sim.Connect(a, b, {.first_address = "10.0.0.1"}), "not an address");
  EXPECT_DEATH(a.SetSysctl("kern.nosuch", 1), "no such tunable");
  EXPECT_DEATH(a.SetSysctl("kern.connect_mode", 2), "not such a value");
}

TEST(Simulation, ReportsHowProcessesEnded) {
  Simulation sim({.seed = 1});
  Host& host = sim.AddHost("host");
  host.Spawn("fine", [] {});
  host.Spawn("late", [] { return 3; }, {.start_at = 2 * kSecond});
  host.Spawn("daemon", [] { (void)tsleep(&nowake, PWAIT, "pause", 0); }, {.daemon = true});
  const RunResult r = sim.Run();
  ASSERT_EQ(r.processes.size(), 3u);
  EXPECT_EQ(r.processes[1].exit_time, 2 * kSecond);
  EXPECT_EQ(r.last_exit, 2 * kSecond);
  EXPECT_TRUE(r.sleepers.empty());
  EXPECT_FALSE(r.processes[2].exited);
  EXPECT_EQ(r.Complaints(), "host: process 2 \"late\" exited with status 3 at 2.000000000 s\n");
}

TEST(Simulation, CanBeLookedAtBetweenRuns) {
  Simulation sim({.seed = 1});
  Host& host = sim.AddHost("host");
  host.Spawn("sleeper", [] { (void)tsleep(&nowake, PWAIT, "pause", 300); });
  EXPECT_EQ(sim.RunUntil({.deadline = kSecond}), Machine::End::kDeadline);
  {
    const MachineScope scope(sim.machine());
    EXPECT_EQ(sleepers(host).size(), 1u);
  }
  host.Spawn("another", [] {});
  EXPECT_EQ(sim.RunUntil({}), Machine::End::kQuiescent);
  const RunResult r = sim.Finish();
  EXPECT_EQ(r.Complaints(), "");
  EXPECT_EQ(r.time, 3 * kSecond);
}

// An interface that comes up asks at once whether its address is taken.
TEST(Simulation, ATapHearsOfTheFirstFrames) {
  struct Counter : PacketTap {
    void OnPacket(const TappedPacket& tapped) override {
      if (tapped.fate != PacketFate::kDelivered) ++sent;
    }
    uint64_t sent = 0;
  } counter;
  Simulation sim({.seed = 1});
  Host& a = sim.AddHost("a");
  Host& b = sim.AddHost("b");
  const LinkSpec ethernet = {.ethernet = true, .first_address6 = "2001:db8::1/64"};
  const Link& link = sim.Connect(a, b, ethernet, &counter);
  EXPECT_GT(counter.sent, 0u);
  EXPECT_TRUE(sim.Run().ok());
  uint64_t left = 0;
  for (const int end : {0, 1}) left += link.interface(end)->if_counters.ifi_opackets;
  EXPECT_EQ(counter.sent, left);
}

TEST(Simulation, NamesALeakAndWhereItWasMade) {
  Simulation sim({.seed = 1});
  MbufPtr kept;
  sim.AddHost("host").Spawn("careless", [&] { kept = m_get(M_WAIT, MT_DATA); });
  const RunResult r = sim.Run();
  EXPECT_THAT(r.leaks, HasSubstr("host: leaked 1 x mbuf\n"));
  EXPECT_THAT(r.leaks, HasSubstr("simulation_test.cc"));
  EXPECT_FALSE(r.ok());
}

TEST(Simulation, TwoStandSideBySide) {
  Simulation first({.seed = 1}), second({.seed = 1});
  for (Simulation* sim : {&first, &second}) {
    sim->AddHost("host").Spawn("prog", [] { CurrentHost().Say("hello"); });
  }
  const RunResult a = first.Run(), b = second.Run();
  EXPECT_EQ(a.digest, b.digest);
  EXPECT_EQ(first.console().size(), 1u);
  EXPECT_EQ(second.console()[0].text, "hello");
}

}  // namespace
}  // namespace sockbed
