// The limit of a host's memory, who waits for it, faults, and who pays for what travels.

#include <cerrno>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/mbuf/mbuf_list.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

class MbufLimitTest : public TwoHosts {
 protected:
  // Limits host a to `pages` pages of 4096.
  void LimitToPages(int64_t pages) { ASSERT_EQ(a().sysctls.Set("kern.maxclusters", pages * 2), 0); }
  // Takes mbufs until there are no more.
  void Exhaust(mbuf_list* ml) {
    while (MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA)) ml_enqueue(ml, std::move(m));
  }
  // In time `ns` runs `f` in interrupt context on host a.
  struct Later : Event {
    std::function<void()> f;
  };
  void After(SimTime ns, std::function<void()> f) {
    later_.push_back(std::make_unique<Later>());
    Later& later = *later_.back();
    later.f = std::move(f);
    later.handler = [](Event* event) { static_cast<Later*>(event)->f(); };
    machine().ScheduleAfter(&later, ns);
  }

 private:
  std::vector<std::unique_ptr<Later>> later_;
};

// --- The limit. ---

TEST_F(MbufLimitTest, CountsWholePagesOfMbufsAndClusters) {
  LimitToPages(2);
  std::vector<MbufPtr> mbufs;
  for (int i = 0; i < 16; ++i) mbufs.push_back(m_get(M_DONTWAIT, MT_DATA));
  EXPECT_EQ(m_pool_used(), 50);
  EXPECT_TRUE(m_clget(mbufs[0].get(), M_DONTWAIT, 2048));
  EXPECT_EQ(m_pool_used(), 100);
  EXPECT_TRUE(m_clget(mbufs[1].get(), M_DONTWAIT, 2048));  // the page holds two
  EXPECT_FALSE(m_clget(mbufs[2].get(), M_DONTWAIT, 2048));
  EXPECT_EQ(mbufs[2]->m_flags, 0);
  EXPECT_EQ(mbufs[2]->m_data, mbufs[2]->m_dat);
  EXPECT_EQ(m_get(M_DONTWAIT, MT_DATA), nullptr);
  EXPECT_EQ(mbuf_stat(a()).m_drops, 2);
  mbufs[0].reset();
  EXPECT_EQ(m_pool_used(), 100);  // neither page is empty yet
  mbufs[1].reset();
  EXPECT_EQ(m_pool_used(), 50);
  EXPECT_EQ(RecordsOf(MbufRecord::kLimit).size(), 2u);
}

TEST_F(MbufLimitTest, PageThatIsEmptyAgainServesAnyPool) {
  LimitToPages(2);
  MbufPtr m = m_clget(nullptr, M_DONTWAIT, 2048);
  MbufPtr other = m_get(M_DONTWAIT, MT_DATA);
  EXPECT_FALSE(m_clget(other.get(), M_DONTWAIT, 4096));
  m.reset();
  EXPECT_TRUE(m_clget(other.get(), M_DONTWAIT, 4096));
}

TEST_F(MbufLimitTest, FailedClusterFreesTheMbufMadeForIt) {
  LimitToPages(1);
  EXPECT_EQ(m_clget(nullptr, M_DONTWAIT, 2048), nullptr);
  EXPECT_EQ(Live(a(), "mbuf"), 0);
}

TEST_F(MbufLimitTest, StatisticsShowPools) {
  MbufPtr m = m_clget(nullptr, M_DONTWAIT, 65536);
  MbufPtr two = m_clget(nullptr, M_DONTWAIT, 2050);
  const std::vector<MbufPoolStat> pools = mbuf_pools(a());
  ASSERT_EQ(pools.size(), 9u);
  EXPECT_STREQ(pools[0].name, "mbufpl");
  EXPECT_EQ(pools[0].live, 2);
  EXPECT_EQ(pools[0].pages, 1);
  EXPECT_STREQ(pools[2].name, "mcl2k2");
  EXPECT_EQ(pools[2].pages, 2);
  EXPECT_STREQ(pools[8].name, "mcl64k");
  EXPECT_EQ(pools[8].pages, 16);
  m.reset();
  EXPECT_EQ(mbuf_pools(a())[8].pages, 0);
  EXPECT_EQ(mbuf_pools(a())[8].pages_max, 16);
  EXPECT_EQ(mbuf_stat(a()).m_mtypes[MT_DATA], 1);
}

TEST_F(MbufLimitTest, StatisticsNameEveryPoolAndTheSizeOfItsItems) {
  const std::pair<std::string, int32_t> expected[] = {
      {"mbufpl", 256}, {"mcl2k", 2048},   {"mcl2k2", 2050},  {"mcl4k", 4096},  {"mcl8k", 8192},
      {"mcl9k", 9216}, {"mcl12k", 12288}, {"mcl16k", 16384}, {"mcl64k", 65536}};
  const std::vector<MbufPoolStat> pools = mbuf_pools(a());
  ASSERT_EQ(pools.size(), std::size(expected));
  for (size_t i = 0; i < pools.size(); ++i) {
    EXPECT_EQ(pools[i].name, expected[i].first);
    EXPECT_EQ(pools[i].size, expected[i].second);
  }
}

TEST_F(MbufLimitTest, MaxclustersRefusesWhatIsNoLimit) {
  EXPECT_EQ(a().sysctls.Set("kern.maxclusters", 0), ERANGE);
  EXPECT_EQ(a().sysctls.Set("kern.maxclusters", -1), ERANGE);
  EXPECT_EQ(a().sysctls.Set("kern.maxclusters", INT64_MAX / 2048 + 1), ERANGE);
  int64_t value = 0;
  EXPECT_EQ(a().sysctls.Get("kern.maxclusters", &value), 0);
  EXPECT_EQ(value, 262144);
}

// --- Waiting. ---

TEST_F(MbufLimitTest, WaitersAreServedFirstComeFirstServed) {
  LimitToPages(1);
  mbuf_list held;
  Exhaust(&held);
  EXPECT_EQ(ml_len(&held), 16u);
  std::string order;
  for (const char* name : {"1", "2", "3"}) {
    Spawn(name, [&order, name] {
      MbufPtr m = m_get(M_WAIT, MT_DATA);
      order += name;
    });
  }
  machine().Run();
  EXPECT_EQ(order, "");
  const std::vector<SleeperInfo> asleep = sleepers(a());
  ASSERT_EQ(asleep.size(), 3u);
  EXPECT_EQ(asleep[0].wmesg, "mbufpl");
  EXPECT_EQ(RecordsOf(MbufRecord::kWait).size(), 3u);
  EXPECT_EQ(mbuf_stat(a()).m_drops, 1 + 3) << "each was refused once";
  EXPECT_EQ(mbuf_pools(a())[0].failures, 1 + 3);
  ml_dequeue(&held).reset();
  EXPECT_EQ(order, "");  // not at once: whoever frees is in the middle of something
  machine().Run();
  EXPECT_EQ(order, "123");  // each passes it on when done
  EXPECT_EQ(RecordsOf(MbufRecord::kWake).size(), 3u);
}

TEST_F(MbufLimitTest, WhoComesLateDoesNotOvertakeWhoWaits) {
  LimitToPages(1);
  mbuf_list held;
  Exhaust(&held);
  std::string order;
  Spawn("waits", [&] {
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    order += "waits ";
  });
  machine().Run();
  ml_dequeue(&held).reset();
  Spawn("late", [&] {
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    order += "late ";
  });
  machine().Run();
  EXPECT_EQ(order, "waits late ");
}

TEST_F(MbufLimitTest, WaitersOfOtherPoolsAreNotHeldUp) {
  LimitToPages(16);
  MbufPtr big = m_clget(nullptr, M_DONTWAIT, 32768);  // 16 pages, and no mbuf fits beside it
  EXPECT_EQ(big, nullptr);
  LimitToPages(17);
  big = m_clget(nullptr, M_DONTWAIT, 32768);
  MbufPtr spare = m_get(M_DONTWAIT, MT_DATA);
  std::string order;
  Spawn("large", [&] {
    EXPECT_TRUE(m_clget(spare.get(), M_WAIT, 65536));
    order += "large ";
  });
  Spawn("small", [&] {
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    order += "small ";
  });
  machine().Run();
  EXPECT_EQ(order, "small ");
  EXPECT_EQ(sleepers(a())[0].wmesg, "mcl64k");
  big.reset();
  machine().Run();
  EXPECT_EQ(order, "small large ");
}

TEST_F(MbufLimitTest, RaisingTheLimitWakesEverySleeper) {
  LimitToPages(1);
  mbuf_list held;
  Exhaust(&held);
  int woken = 0;
  Spawn("mbuf", [&] {
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    ++woken;
  });
  Spawn("cluster", [&] {
    EXPECT_TRUE(m_clget(MBUF_LIST_FIRST(&held), M_WAIT, 9000));
    ++woken;
  });
  machine().Run();
  EXPECT_EQ(woken, 0);
  LimitToPages(100);
  machine().Run();
  EXPECT_EQ(woken, 2);
}

TEST_F(MbufLimitTest, WaiterKilledGivesBackWhatItWasGranted) {
  LimitToPages(1);
  mbuf_list held;
  Exhaust(&held);
  Spawn("doomed", [] {
    for (;;) MbufPtr m = m_get(M_WAIT, MT_DATA);
  });
  machine().Run();
  proc_killall(a());
  EXPECT_EQ(Live(a(), "mbuf"), 16);
  ml_purge(&held);
  EXPECT_EQ(m_pool_used(), 0);
}

TEST_F(MbufLimitTest, WaiterKilledBeforeItRunsGivesBackWhatItWasGranted) {
  LimitToPages(1);
  mbuf_list held;
  Exhaust(&held);
  Spawn("doomed", [] { MbufPtr m = m_get(M_WAIT, MT_DATA); });
  machine().Run();
  ml_dequeue(&held).reset();
  int64_t granted = 0;
  After(0, [&] {  // behind the wakeup, before the process
    granted = Live(a(), "mbuf");
    proc_killall(a());
  });
  machine().Run();
  EXPECT_EQ(granted, 16);
  EXPECT_EQ(Live(a(), "mbuf"), 15);
}

TEST_F(MbufLimitTest, FreeOnAnotherHostWakesTheWaiterOfTheHostThatPaid) {
  LimitToPages(1);
  mbuf_list held;
  Exhaust(&held);
  bool woken = false;
  Spawn("waits", [&] {
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    EXPECT_EQ(Here().host, &a());
    woken = true;
  });
  machine().Run();
  {
    HostScope on_b(b());
    ml_dequeue(&held).reset();
  }
  machine().Run();
  EXPECT_TRUE(woken);
}

// --- Faults. ---

TEST_F(MbufLimitTest, FaultsRefuseWhoMayNotWaitAndNobodyElse) {
  fault::Plan plan({{.site = Site::kMbufGet}, {.site = Site::kMbufCluster}});
  Boot({.fault_plan = &plan});
  EXPECT_EQ(m_get(M_DONTWAIT, MT_DATA), nullptr);
  EXPECT_EQ(m_getclr(M_DONTWAIT, MT_DATA), nullptr);
  EXPECT_EQ(m_clget(nullptr, M_DONTWAIT, 2048), nullptr);
  EXPECT_EQ(mbuf_stat(a()).m_drops, 3);
  InProcess([] {
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    EXPECT_FALSE(m_clget(m.get(), M_DONTWAIT, 2048));
    EXPECT_TRUE(m_clget(m.get(), M_WAIT, 2048));
  });
}

// One pool of the nine, by its name.
class NamedPoolTest : public MbufLimitTest, public testing::WithParamInterface<std::string> {
 protected:
  // Whether there was an item of that size, which goes back at once.
  static bool Take(const MbufPoolStat& pool) {
    if (pool.size == MSIZE) return m_get(M_DONTWAIT, MT_DATA) != nullptr;
    MbufPtr m = m_get(M_WAIT, MT_DATA);
    return m_clget(m.get(), M_DONTWAIT, static_cast<uint32_t>(pool.size));
  }
};

TEST_P(NamedPoolTest, ThirdRequestOfThatPoolIsRefusedAndNoOther) {
  std::optional<fault::Rule> rule = mbuf_pool_rule(GetParam());
  ASSERT_TRUE(rule.has_value());
  rule->only_ordinal = 3;
  fault::Plan plan({*rule});
  Boot({.fault_plan = &plan});
  InProcess([this] {
    for (int round = 1; round <= 5; ++round) {
      for (const MbufPoolStat& pool : mbuf_pools(a())) {
        const bool refused = round == 3 && pool.name == GetParam();
        EXPECT_EQ(Take(pool), !refused) << pool.name << ", round " << round;
      }
    }
    for (const MbufPoolStat& pool : mbuf_pools(a())) {
      EXPECT_EQ(pool.failures, pool.name == GetParam() ? 1 : 0) << pool.name;
    }
  });
  EXPECT_EQ(mbuf_stat(a()).m_drops, 1);
}

INSTANTIATE_TEST_SUITE_P(Pools, NamedPoolTest, testing::ValuesIn(mbuf_pool_names()),
                         [](const auto& info) { return info.param; });

TEST_F(MbufLimitTest, NoRuleNamesAPoolThatDoesNotExist) {
  EXPECT_EQ(mbuf_pool_rule("mcl3k"), std::nullopt);
  EXPECT_EQ(mbuf_pool_rule(""), std::nullopt);
}

// What each operation leaves of the packet {144, 200, 1400}. Each says itself what a failure must
// have left untouched; a null result means that the chain was consumed.
struct Operation {
  const char* name;
  MbufPtr (*run)(MbufPtr m);
};

const Operation kOperations[] = {
    {"m_copym", [](MbufPtr m) { return m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT); }},
    {"m_copym2", [](MbufPtr m) { return m_copym2(m.get(), 0, M_COPYALL, M_DONTWAIT); }},
    {"m_dup_pkt", [](MbufPtr m) { return m_dup_pkt(m.get(), 16, M_DONTWAIT); }},
    {"m_pullup", [](MbufPtr m) { return m_pullup(std::move(m), 300); }},
    {"m_prepend", [](MbufPtr m) { return m_prepend(std::move(m), 144, M_DONTWAIT); }},
    {"m_devget", [](MbufPtr) { return m_devget(Bytes(9000).data(), 9000, 0); }},
    {"m_copyback",
     [](MbufPtr m) {
       const int error = m_copyback(m.get(), 5000, 4, "data", M_DONTWAIT);
       EXPECT_EQ(m->m_pkthdr.len == 5004, error == 0);
       EXPECT_EQ(Content(m).substr(0, 1744), Bytes(1744));
       return m;
     }},
    {"m_split",
     [](MbufPtr m) {
       MbufPtr tail = m_split(m.get(), 100, M_DONTWAIT);
       EXPECT_EQ(m->m_pkthdr.len, tail ? 100 : 1744);
       EXPECT_EQ(Content(m) + Content(tail), Bytes(1744));
       return m;
     }},
    {"m_split of more than fits beside a header",
     [](MbufPtr m) {
       MbufPtr tail = m_split(m.get(), 150, M_DONTWAIT);
       EXPECT_EQ(m->m_pkthdr.len, tail ? 150 : 1744);
       EXPECT_EQ(Content(m) + Content(tail), Bytes(1744));
       return m;
     }},
    {"m_defrag",
     [](MbufPtr m) {
       const int error = m_defrag(m.get(), M_DONTWAIT);
       EXPECT_EQ(m->m_next == nullptr, error == 0);
       EXPECT_EQ(Content(m), Bytes(1744));
       return m;
     }},
    {"m_inject",
     [](MbufPtr m) {
       const mbuf* const hole = m_inject(m.get(), 120, 8, M_DONTWAIT);
       if (hole == nullptr) {
         EXPECT_EQ(Content(m), Bytes(1744));
       }
       return m;
     }},
    {"m_makespace",
     [](MbufPtr m) {
       int off;
       const mbuf* const hole = m_makespace(m.get(), 20, 100, &off);
       if (hole == nullptr) {
         EXPECT_EQ(Content(m), Bytes(1744));
       }
       return m;
     }},
    {"m_pulldown",
     [](MbufPtr m) {
       const mbuf* const n = m_pulldown(m, 100, 600, nullptr);
       EXPECT_EQ(m == nullptr, n == nullptr);
       return m;
     }},
};

TEST_F(MbufLimitTest, EveryAllocationFailsOnce) {
  for (const Operation& operation : kOperations) {
    for (const Site site : {Site::kMbufGet, Site::kMbufCluster}) {
      // The first three mbufs and the first cluster make the packet.
      const uint64_t setup = site == Site::kMbufGet ? 3 : 1;
      // The first time nothing fails: that counts the allocations.
      uint64_t visits = 0;
      for (uint64_t k = 0; k <= visits; ++k) {
        SCOPED_TRACE(std::string(operation.name) + ", allocation " + std::to_string(k));
        fault::Plan plan({});
        if (k > 0) plan = fault::Plan({{.site = site, .only_ordinal = setup + k}});
        Boot({.fault_plan = &plan});
        MbufPtr left = operation.run(Chain({144, 200, 1400}));
        m_check(left.get());
        left.reset();
        EXPECT_EQ(Live(a(), "mbuf"), 0);
        EXPECT_EQ(Live(a(), "cluster"), 0);
        if (k == 0) visits = plan.visits(site, 1) - setup;
        Shutdown();
      }
    }
  }
}

// --- Who pays. ---

TEST_F(MbufLimitTest, TransferChargesMbufsAndTagsToWhoeverReceives) {
  MbufPtr m = Chain({100, 1400});
  m_tag_prepend(m.get(), m_tag_get(PACKET_TAG_SRCROUTE, 4, M_DONTWAIT));
  HostScope on_b(b());
  m_transfer(m.get());
  EXPECT_EQ(Live(a(), "mbuf"), 0);
  EXPECT_EQ(Live(b(), "mbuf"), 2);
  EXPECT_EQ(Live(a(), "mbuf tag"), 0);
  EXPECT_EQ(Live(b(), "mbuf tag"), 1);
  EXPECT_EQ(Live(a(), "cluster"), 1);
  EXPECT_EQ(mbuf_stat(b()).m_mtypes[MT_DATA], 2);
  m_transfer(m.get());  // a second time: nothing changes
  EXPECT_EQ(Live(b(), "mbuf"), 2);
  m.reset();
  EXPECT_EQ(Live(a(), "cluster"), 0);
}

TEST_F(MbufLimitTest, ArrivalIsPaidForEvenBeyondTheLimit) {
  ASSERT_EQ(b().sysctls.Set("kern.maxclusters", 1), 0);
  MbufPtr m = Chain({100});
  HostScope on_b(b());
  EXPECT_EQ(m_get(M_DONTWAIT, MT_DATA), nullptr);
  m_transfer(m.get());
  EXPECT_EQ(m_pool_used(), 200);
}

TEST_F(MbufLimitTest, PacketOutlivesTheHostThatSentIt) {
  MbufPtr m = Chain({100, 1400});
  EndHostA();
  HostScope on_b(b());
  m_transfer(m.get());
  EXPECT_EQ(Content(m), Bytes(1500));
  m.reset();
  EXPECT_EQ(Live(b(), "mbuf"), 0);
}

TEST_F(MbufLimitTest, PoolsAreCarriedFromRunToRun) {
  MachineStore store;
  const mbuf* first = nullptr;
  for (int run = 0; run < 2; ++run) {
    Boot({.store = &store});
    MbufPtr m = Chain({1400});
    if (run == 0) first = m.get();
    EXPECT_EQ(m.get(), first);  // the very memory
    EXPECT_EQ(m->m_pkthdr.sim_id, 1u);
    m.reset();
    Shutdown();
  }
}

TEST_F(MbufLimitTest, LeaksAreNamedByPlace) {
  m_get(M_DONTWAIT, MT_DATA).reset();
  EXPECT_EQ(mbuf_leaks(a()), "") << "what was freed has not leaked";
  MbufPtr one = m_get(M_DONTWAIT, MT_CONTROL);
  const std::string line = std::to_string(__LINE__ - 1);
  MbufPtr two[2];
  for (MbufPtr& m : two) m = m_clget(nullptr, M_DONTWAIT, 2048);
  const std::string line_two = std::to_string(__LINE__ - 1);
  EXPECT_EQ(mbuf_leaks(a()), "1 mbuf from " __FILE__ ":" + line + " type 6\n" +
                                 "2 mbufs from " __FILE__ ":" + line_two +
                                 " type 1 with 2048 bytes\n");
  EXPECT_EQ(mbuf_leaks(b()), "");
}

}  // namespace
}  // namespace sockbed
