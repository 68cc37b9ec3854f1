#include "kernel/inet/route.h"

#include <errno.h>

#include <map>

#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_test_net.h"
#include "kernel/inet/prefix_tree.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

uint32_t Head(uint32_t key, int length) {
  return length == 0 ? 0 : key & ~uint32_t{0} << (32 - length);
}

// The tree against a map of prefixes, searched from the longest on.
TEST(PrefixTreeTest, FindsWhatAListOfPrefixesFinds) {
  Stream draws(5, Site::kProgram, 1, 0);
  PrefixTree<uint32_t, const int*> tree;
  std::map<std::pair<int, uint32_t>, const int*> model;
  const std::vector<int> values(64);
  for (int step = 0; step < 20000; ++step) {
    // Few distinct bits, so that prefixes nest and collide.
    const uint32_t key = draws.Next32() & 0xf000'000f;
    const int length = static_cast<int>(draws.NextBelow(33));
    const uint32_t head = Head(key, length);
    if (draws.NextBelow(2) == 0) {
      const int* value = &values[draws.NextBelow(64)];
      tree.Set(head, length, value);
      model[{length, head}] = value;
    } else {
      tree.Set(head, length, nullptr);
      model.erase({length, head});
    }
    const uint32_t sought = draws.Next32() & 0xf000'000f;
    const int* expected = nullptr;
    for (int n = 32; n >= 0 && expected == nullptr; --n) {
      const auto found = model.find({n, Head(sought, n)});
      if (found != model.end()) expected = found->second;
    }
    ASSERT_EQ(tree.Match(sought, [](const int*) { return true; }), expected) << step;
    const auto exact = model.find({length, head});
    ASSERT_EQ(tree.Find(head, length), exact == model.end() ? nullptr : exact->second);
  }
  size_t count = 0;
  tree.ForEach([&](const int*) { ++count; });
  EXPECT_EQ(count, model.size());
}

class RouteTest : public InetTestNet {
 protected:
  RouteTest() : a_(AddHost("a")), b_(AddHost("b")), link_(Join(a_, b_)), scope_(a_) {}

  const rtentry* Match(const char* dst) { return rt_match(Addr(dst)); }

  HostBase& a_;
  HostBase& b_;
  Link& link_;
  HostScope scope_;
};

TEST_F(RouteTest, AnAddressBringsItsRoutes) {
  const rtentry* own = Match("10.0.1.1");
  EXPECT_EQ(own->rt_flags & (RTF_LOCAL | RTF_HOST | RTF_UP), RTF_LOCAL | RTF_HOST | RTF_UP);
  EXPECT_EQ(own->rt_ifp, if_loopback(a_));
  const rtentry* peer = Match("10.0.1.2");
  EXPECT_EQ(peer->rt_ifp, link_.interface(0));
  EXPECT_EQ(Text(ifatoia(peer->rt_ifa)->ia_addr), "10.0.1.1");
  EXPECT_EQ(Match("10.0.2.1"), nullptr);
  EXPECT_EQ(Match("127.0.0.1")->rt_flags & RTF_LOCAL, RTF_LOCAL);
}

TEST_F(RouteTest, TheLongestPrefixWins) {
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  AddRoute(a_, "10.9.0.0", 16, "10.0.1.3");
  AddRoute(a_, "10.9.8.7", 32, "10.0.1.4");
  EXPECT_EQ(Text(Match("8.8.8.8")->rt_gateway.v4()), "10.0.1.2");
  EXPECT_EQ(Text(Match("10.9.1.1")->rt_gateway.v4()), "10.0.1.3");
  EXPECT_EQ(Text(Match("10.9.8.7")->rt_gateway.v4()), "10.0.1.4");
}

TEST_F(RouteTest, OfOnePrefixTheLowestPriorityThatIsUpWins) {
  EXPECT_EQ(
      rt_add({.dest = Addr("10.9.0.0"), .plen = 16, .priority = 20, .gateway = Addr("10.0.1.3")}),
      0);
  EXPECT_EQ(
      rt_add({.dest = Addr("10.9.0.0"), .plen = 16, .priority = 8, .gateway = Addr("10.0.1.4")}),
      0);
  EXPECT_EQ(Text(Match("10.9.1.1")->rt_gateway.v4()), "10.0.1.4");
  rt_delete(rt_get(Addr("10.9.0.0"), 16, 8));
  EXPECT_EQ(Text(Match("10.9.1.1")->rt_gateway.v4()), "10.0.1.3");
}

TEST_F(RouteTest, AnotherGatewayTakesOver) {
  Link& other = Join(a_, AddHost("c"), {});
  AddRoute(a_, "10.9.0.0", 16, "10.0.1.3");
  rtentry* rt = rt_get(Addr("10.9.0.0"), 16);
  EXPECT_EQ(rt_set_mtu(rt, 1400), 0);
  route ro;
  (void)rtalloc(&ro, Addr("10.9.1.1"));
  EXPECT_EQ(rt_change(rt, Addr("10.0.2.2")), 0);
  const rtentry* now = rtalloc(&ro, Addr("10.9.1.1"));
  EXPECT_EQ(Text(now->rt_gateway.v4()), "10.0.2.2");
  EXPECT_EQ(now->rt_ifp, other.interface(0));
  EXPECT_EQ(Text(ifatoia(now->rt_ifa)->ia_addr), "10.0.2.1");
  EXPECT_EQ(rt_path_mtu(now), other.interface(0)->if_mtu);
  other.SetConnected(false);
  EXPECT_EQ(Match("10.9.1.1"), nullptr) << "it follows the new link";
  EXPECT_EQ(rt_change(rt, Addr("10.0.1.4")), 0);
  EXPECT_EQ(Text(Match("10.9.1.1")->rt_gateway.v4()), "10.0.1.4") << "and back";
}

TEST_F(RouteTest, WhatIsSetByHandDoesNotExpire) {
  AddRoute(a_, "10.9.0.0", 16, "10.0.1.3");
  const auto told = [](const char* dst) {
    rtentry* rt = rt_clone(AF_INET, Addr(dst));
    rt_lower_mtu(rt, 1200);
    rt_expire_after(rt, 600);
    return rt;
  };
  EXPECT_EQ(rt_change(told("10.9.1.1"), Addr("10.0.1.4")), 0);
  EXPECT_EQ(rt_set_mtu(told("10.9.2.2"), 1400), 0);
  AddRoute(a_, "10.9.3.3", 32, "10.0.1.3");
  rtentry* given = told("10.9.3.3");
  rt_lower_mtu(given, 0);
  EXPECT_EQ(rt_set_mtu(given, 1300), 0);
  EXPECT_EQ(given->rt_locks, 0u);
  (void)told("10.9.4.4");
  Wait(601 * kSecond);
  EXPECT_EQ(Text(Match("10.9.1.1")->rt_gateway.v4()), "10.0.1.4");
  EXPECT_EQ(Match("10.9.2.2")->rt_mtu, 1400u);
  EXPECT_EQ(Match("10.9.3.3")->rt_mtu, 1300u);
  EXPECT_EQ(Match("10.9.4.4")->rt_flags & RTF_HOST, 0u) << "what nobody has touched";
}

TEST_F(RouteTest, AGatewayThatCannotBeLeavesTheRouteAsItWas) {
  AddRoute(a_, "10.9.0.0", 16, "10.0.1.3");
  rtentry* rt = rt_get(Addr("10.9.0.0"), 16);
  EXPECT_EQ(rt_change(rt, Addr("0.0.0.0")), EINVAL);
  EXPECT_EQ(rt_change(rt, Addr("10.7.0.1")), ENETUNREACH);
  EXPECT_EQ(rt_change(rt, Addr("10.0.1.1")), ENETUNREACH) << "ourselves";
  EXPECT_EQ(Text(Match("10.9.1.1")->rt_gateway.v4()), "10.0.1.3");
  EXPECT_EQ(rt_change(rt_match(Addr("10.0.1.9")), Addr("10.0.1.3")), EINVAL) << "on-link";
}

TEST_F(RouteTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(rt_add({.dest = Addr("10.9.0.1"), .plen = 16, .gateway = Addr("10.0.1.2")}), EINVAL);
  EXPECT_EQ(rt_add({.dest = Addr("10.9.0.0"), .plen = 33, .gateway = Addr("10.0.1.2")}), EINVAL);
  EXPECT_EQ(rt_add({.dest = Addr("10.9.0.0"), .plen = 16}), EINVAL);
  EXPECT_EQ(rt_add({.dest = Addr("10.9.0.0"), .plen = 16, .gateway = Addr("10.7.0.1")}),
            ENETUNREACH);
  AddRoute(a_, "10.9.0.0", 16, "10.0.1.2");
  EXPECT_EQ(rt_add({.dest = Addr("10.9.0.0"), .plen = 16, .gateway = Addr("10.0.1.2")}), EEXIST);
  EXPECT_EQ(rt_get(Addr("10.8.0.0"), 16, RTP_STATIC), nullptr);
  EXPECT_EQ(rt_set_mtu(rt_get(Addr("10.9.0.0"), 16), 1501), EINVAL);
  EXPECT_EQ(rt_set_mtu(rt_get(Addr("10.9.0.0"), 16), 67), EINVAL);
  EXPECT_EQ(rt_set_mtu(rt_get(Addr("10.9.0.0"), 16), 1400), 0);
}

TEST_F(RouteTest, RoutesFollowTheirInterfaceUpAndDown) {
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  link_.SetConnected(false);
  EXPECT_EQ(Match("10.0.1.2"), nullptr);
  EXPECT_EQ(Match("8.8.8.8"), nullptr);
  EXPECT_NE(Match("10.0.1.1"), nullptr);  // the address is still ours
  link_.SetConnected(true);
  EXPECT_NE(Match("8.8.8.8"), nullptr);
}

TEST_F(RouteTest, ACacheIsFollowedOnlyWhileNothingChanged) {
  route ro;
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  const rtentry* first = rtalloc(&ro, Addr("8.8.8.8"));
  EXPECT_EQ(rtalloc(&ro, Addr("8.8.8.8")), first);
  AddRoute(a_, "8.8.8.0", 24, "10.0.1.3");
  EXPECT_EQ(Text(rtalloc(&ro, Addr("8.8.8.8"))->rt_gateway.v4()), "10.0.1.3");
  rt_delete(rt_get(Addr("8.8.8.0"), 24, RTP_STATIC));
  EXPECT_EQ(rtalloc(&ro, Addr("8.8.8.8")), first);
  EXPECT_EQ(Text(ifatoia(rtalloc(&ro, Addr("10.0.1.2"))->rt_ifa)->ia_addr), "10.0.1.1");
}

// A fresh cache begins with the last look-up of its table, if nothing has changed since.
TEST_F(RouteTest, AFreshCacheSeesTheTableAsItIs) {
  const auto gateway = [](const char* dst) {
    route fresh;
    return Text(rtalloc(&fresh, Addr(dst))->rt_gateway.v4());
  };
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  EXPECT_EQ(gateway("8.8.8.8"), "10.0.1.2");
  EXPECT_EQ(gateway("8.8.8.8"), "10.0.1.2");
  AddRoute(a_, "9.0.0.0", 8, "10.0.1.3");
  EXPECT_EQ(gateway("8.8.8.8"), "10.0.1.2");
  EXPECT_EQ(gateway("9.9.9.9"), "10.0.1.3");
  EXPECT_EQ(gateway("8.8.8.8"), "10.0.1.2");
  rt_delete(rt_get(Addr("0.0.0.0"), 0));
  route fresh;
  EXPECT_EQ(rtalloc(&fresh, Addr("8.8.8.8")), nullptr);
}

TEST_F(RouteTest, RemovingAnAddressRemovesWhatDependsOnIt) {
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  EXPECT_EQ(in_ifdel(link_.interface(0), Addr("10.0.1.9")), EADDRNOTAVAIL);
  EXPECT_EQ(in_ifdel(link_.interface(0), Addr("10.0.1.1")), 0);
  EXPECT_EQ(Match("10.0.1.1"), nullptr);
  EXPECT_EQ(Match("10.0.1.2"), nullptr);
  EXPECT_EQ(Match("8.8.8.8"), nullptr);
}

TEST_F(RouteTest, AnAliasTakesOverTheNetwork) {
  AddAddress(link_.interface(0), "10.0.1.5", 24);
  EXPECT_EQ(in_ifdel(link_.interface(0), Addr("10.0.1.1")), 0);
  EXPECT_EQ(Text(ifatoia(Match("10.0.1.2")->rt_ifa)->ia_addr), "10.0.1.5");
}

TEST_F(RouteTest, RefusesAddressesThatNoHostCanHave) {
  ifnet* ifp = link_.interface(0);
  EXPECT_EQ(in_ifadd(ifp, Addr("224.0.0.1"), 24), EINVAL);
  EXPECT_EQ(in_ifadd(ifp, Addr("0.0.0.0"), 24), EINVAL);
  EXPECT_EQ(in_ifadd(ifp, Addr("10.0.3.1"), 33), EINVAL);
  EXPECT_EQ(in_ifadd(ifp, Addr("10.0.1.1"), 24), EEXIST);
  EXPECT_EQ(in_ifadd(if_loopback(a_), Addr("10.0.3.1"), 32, Addr("10.0.3.2")), EINVAL);
}

TEST_F(RouteTest, APeerAloneIsReachedOverAPointToPointInterface) {
  EXPECT_EQ(in_ifadd(link_.interface(0), Addr("172.16.0.1"), 32, Addr("172.16.9.9")), 0);
  EXPECT_EQ(Match("172.16.9.9")->rt_ifp, link_.interface(0));
  EXPECT_EQ(Match("172.16.9.8"), nullptr);
}

}  // namespace
}  // namespace sockbed
