#include "kernel/net/loop.h"

#include <errno.h>

#include "kernel/net/link_test_hosts.h"

namespace sockbed {
namespace {

using LoopTest = LinkTestHosts;

TEST_F(LoopTest, ComesBackAtTheSameInstantInOrder) {
  ifnet* lo0 = if_loopback(host(0));
  EXPECT_EQ(lo0->if_xname, "lo0");
  EXPECT_EQ(lo0->if_mtu, kLoopMtu);
  EXPECT_EQ(SendOn(lo0, "first", M_UDP_CSUM_OUT), 0);
  EXPECT_EQ(SendOn(lo0, "second"), 0);
  EXPECT_EQ(Arrivals(0).size(), 0u);  // never by recursion
  Run();
  ASSERT_EQ(Arrivals(0).size(), 2u);
  EXPECT_EQ(Arrivals(0)[0].bytes, "first");
  EXPECT_EQ(Arrivals(0)[1].bytes, "second");
  EXPECT_EQ(Arrivals(0)[1].time, 0);
  EXPECT_NE(Arrivals(0)[0].csum_flags & M_UDP_CSUM_IN_OK, 0);
  EXPECT_EQ(inbox(0).finished, 0);
}

TEST_F(LoopTest, KeepsItsOrderWhenSimultaneousEventsAreShuffled) {
  SeededOrder order(11);
  Boot({.seed = 11, .choices = &order});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(SendOn(if_loopback(host(0)), std::to_string(i)), 0);
  Run();
  ASSERT_EQ(Arrivals(0).size(), 50u);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(Arrivals(0)[i].bytes, std::to_string(i));
}

TEST_F(LoopTest, RefusesAPacketThatGoesRoundForEver) {
  ifnet* lo0 = if_loopback(host(0));
  HostScope scope(host(0));
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  m->m_pkthdr.ph_loopcnt = M_MAXLOOP;
  const sockaddr dst = {.sa_family = AF_INET, .sa_data = {}};
  EXPECT_EQ(if_output(lo0, std::move(m), &dst), ELOOP);
  EXPECT_EQ(Drops(NetDrop::kLoops), 1);
}

TEST_F(LoopTest, RefusesWhatItsInputQueueCannotHold) {
  ifnet* lo0 = if_loopback(host(0));
  for (int i = 0; i < kInputQueueMax; ++i) ASSERT_EQ(SendOn(lo0, "x"), 0);
  EXPECT_EQ(SendOn(lo0, "x"), ENOBUFS);
  EXPECT_EQ(lo0->if_counters.ifi_iqdrops, 1u);
  EXPECT_EQ(Drops(NetDrop::kLoopQueue), 1);
  Run();
  EXPECT_EQ(Arrivals(0).size(), static_cast<size_t>(kInputQueueMax));
}

TEST_F(LoopTest, CopyForThisHostArrivesOnTheInterfaceItLeavesBy) {
  Join({});
  HostScope scope(host(0));
  ifnet* ifp = link().interface(0);
  MbufPtr m = m_devget("copy", 4, 0);
  m->m_pkthdr.csum_flags = M_UDP_CSUM_OUT;
  m->m_flags |= M_MCAST;
  if_input_local(ifp, std::move(m), AF_INET);
  EXPECT_EQ(Arrivals(0).size(), 0u);
  Run();
  ASSERT_EQ(Arrivals(0).size(), 1u);
  EXPECT_EQ(Arrivals(0)[0].bytes, "copy");
  EXPECT_NE(Arrivals(0)[0].csum_flags & M_UDP_CSUM_IN_OK, 0);
  EXPECT_EQ(ifp->if_counters.ifi_ipackets, 1u);
  EXPECT_EQ(ifp->if_counters.ifi_opackets, 0u) << "it has not left";
}

TEST_F(LoopTest, CountsPacketsOfAnUnknownFamily) {
  HostScope scope(host(0));
  const sockaddr dst = {.sa_family = AF_INET6, .sa_data = {}};
  EXPECT_EQ(if_output(if_loopback(host(0)), m_gethdr(M_DONTWAIT, MT_DATA), &dst), 0);
  Run();
  EXPECT_EQ(if_loopback(host(0))->if_counters.ifi_noproto, 1u);
  EXPECT_EQ(Drops(NetDrop::kNoFamily), 1);
}

TEST_F(LoopTest, WhatStillWaitsIsFreedAtTheEnd) {
  EXPECT_EQ(SendOn(if_loopback(host(0)), "left over"), 0);
  net_halt(host(0));
  EXPECT_EQ(mbuf_leaks(host(0)), "");
  EXPECT_EQ(Run(), Machine::End::kQuiescent);
}

TEST_F(LoopTest, InterfacesAreFoundByIndexAndName) {
  Join({});
  EXPECT_EQ(if_byindex(host(0), 2), link().interface(0));
  EXPECT_EQ(if_byname(host(0), "link1"), link().interface(0));
  EXPECT_EQ(if_byindex(host(0), 0), nullptr);
  EXPECT_EQ(if_byindex(host(0), 3), nullptr);
  EXPECT_EQ(if_byname(host(0), "link2"), nullptr);
  EXPECT_TRUE(if_is_up(link().interface(0)));
  if_down(link().interface(0));
  EXPECT_FALSE(if_is_up(link().interface(0)));
}

}  // namespace
}  // namespace sockbed
