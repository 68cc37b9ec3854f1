#include "kernel/mbuf/mbuf_alloc.h"

#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

using Lens = std::vector<int>;

class MbufAllocTest : public TwoHosts {};

TEST_F(MbufAllocTest, PlainMbufHas224BytesFromTheStart) {
  MbufPtr m = m_get(M_DONTWAIT, MT_SONAME);
  EXPECT_EQ(m->m_flags, 0);
  EXPECT_EQ(m->m_type, MT_SONAME);
  EXPECT_EQ(m->m_len, 0);
  EXPECT_EQ(m_leadingspace(m.get()), 0);
  EXPECT_EQ(m_trailingspace(m.get()), 224);
  EXPECT_EQ(m->m_next, nullptr);
  EXPECT_EQ(m->m_nextpkt, nullptr);
}

TEST_F(MbufAllocTest, HeaderMbufHas144BytesAndAZeroedHeader) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  EXPECT_EQ(m->m_flags, M_PKTHDR);
  EXPECT_EQ(m_leadingspace(m.get()), 0);
  EXPECT_EQ(m_trailingspace(m.get()), 144);
  EXPECT_EQ(m->m_pkthdr.len, 0);
  EXPECT_EQ(m->m_pkthdr.ph_tags, nullptr);
  EXPECT_EQ(m->m_pkthdr.csum_flags, 0);
  EXPECT_EQ(m->m_pkthdr.pf.prio, 3);
}

TEST_F(MbufAllocTest, PacketsAreNumberedPerHost) {
  MbufPtr first = m_gethdr(M_DONTWAIT, MT_DATA);
  MbufPtr second = m_gethdr(M_DONTWAIT, MT_DATA);
  EXPECT_EQ(second->m_pkthdr.sim_id, first->m_pkthdr.sim_id + 1);
  HostScope on_b(b());
  MbufPtr other = m_gethdr(M_DONTWAIT, MT_DATA);
  EXPECT_EQ(other->m_pkthdr.sim_id, 1u);
}

TEST_F(MbufAllocTest, GetclrZeroesTheData) {
  { MbufPtr dirty = Chain({224}, false); }
  MbufPtr m = m_getclr(M_DONTWAIT, MT_SOOPTS);
  EXPECT_EQ(std::string(m->m_data, 224), std::string(224, '\0'));
}

TEST_F(MbufAllocTest, InithdrMakesOfARawMbufWhatGethdrGives) {
  MbufPtr m = m_get(M_DONTWAIT, MT_CONTROL);
  m->m_flags = M_EOR | M_BCAST;
  m->m_data += 200;
  m->m_pkthdr.csum_flags = M_TCP_CSUM_OUT;
  EXPECT_EQ(m_inithdr(m.get()), m.get());
  EXPECT_EQ(m->m_flags, M_PKTHDR);
  EXPECT_EQ(m->m_type, MT_CONTROL);
  EXPECT_EQ(m->m_data, m->m_pktdat());
  EXPECT_EQ(m->m_pkthdr.csum_flags, 0);
  EXPECT_EQ(m->m_pkthdr.pf.prio, IFQ_DEFPRIO);
  m_check(m.get());
}

TEST_F(MbufAllocTest, MacrosOfTheManualPage) {
  MbufPtr plain, header;
  MGET(plain, M_DONTWAIT, MT_SOOPTS);
  EXPECT_EQ(plain->m_flags, 0);
  M_ALIGN(plain.get(), 24);
  EXPECT_EQ(m_leadingspace(plain.get()), MLEN - 24);
  MGETHDR(header, M_DONTWAIT, MT_DATA);
  MH_ALIGN(header.get(), 24);
  EXPECT_EQ(m_leadingspace(header.get()), MHLEN - 24);
  M_PREPEND(header, 20, M_DONTWAIT);
  EXPECT_EQ(header->m_pkthdr.len, 20);
  EXPECT_TRUE(MCLGETL(plain.get(), M_DONTWAIT, 2049));
  EXPECT_EQ(plain->m_ext.ext_size, 2050u);
  m_reclaim();  // there is nothing that could be given back
  EXPECT_EQ(mbuf_stat(a()).m_wait, 0);
  EXPECT_EQ(mbuf_stat(a()).m_drain, 0);
}

TEST_F(MbufAllocTest, EveryTypeIsCountedUntilItIsFreed) {
  for (int type = 0; type < MT_NTYPES; ++type) {
    MbufPtr m = m_get(M_DONTWAIT, type);
    for (int other = 0; other < MT_NTYPES; ++other) {
      EXPECT_EQ(mbuf_stat(a()).m_mtypes[other], other == type ? 1 : 0);
    }
  }
}

TEST_F(MbufAllocTest, TypeOutsideTheTablePanics) {
  EXPECT_DEATH((void)m_get(M_DONTWAIT, MT_NTYPES), "type < MT_NTYPES");
  EXPECT_DEATH((void)m_gethdr(M_DONTWAIT, -1), "type >= 0");
}

TEST_F(MbufAllocTest, WaitingOutsideAProcessPanicsEvenIfThereIsMemory) {
  EXPECT_DEATH((void)m_get(M_WAIT, MT_DATA), "curproc");
  m_get(M_DONTWAIT, MT_DATA).reset();  // the next one need not be asked for
  EXPECT_DEATH((void)m_get(M_WAIT, MT_DATA), "curproc");
}

TEST_F(MbufAllocTest, FreeingTwicePanics) {
  EXPECT_DEATH(
      {
        mbuf* m = m_get(M_DONTWAIT, MT_DATA).release();
        m_free(m);
        m_free(m);
      },
      "kFreed");
}

// --- Clusters. ---

TEST_F(MbufAllocTest, ClusterComesFromTheFirstPoolThatFits) {
  const std::pair<uint32_t, uint32_t> sizes[] = {
      {1, 2048},    {2048, 2048},  {2049, 2050},   {2051, 4096},   {4097, 8192},
      {8193, 9216}, {9217, 12288}, {12289, 16384}, {16385, 65536}, {65536, 65536},
  };
  for (const auto& [asked, got] : sizes) {
    MbufPtr m = m_clget(nullptr, M_DONTWAIT, asked);
    EXPECT_EQ(m->m_ext.ext_size, got) << asked;
    EXPECT_EQ(m->m_flags, M_PKTHDR | M_EXT | M_EXTWR);
    EXPECT_EQ(m->m_data, m->m_ext.ext_buf);
    EXPECT_EQ(m_trailingspace(m.get()), static_cast<int>(got));
  }
}

TEST_F(MbufAllocTest, ClusterBeyond65536Panics) {
  EXPECT_DEATH((void)m_clget(nullptr, M_DONTWAIT, 65537), "no cluster is that large");
}

TEST_F(MbufAllocTest, MclgetAttaches2048) {
  MbufPtr m = m_get(M_DONTWAIT, MT_DATA);
  MCLGET(m.get(), M_DONTWAIT);
  EXPECT_NE(m->m_flags & M_EXT, 0);
  EXPECT_EQ(m->m_ext.ext_size, 2048u);
}

// --- External storage and sharing. ---

struct Released {
  std::vector<std::pair<char*, uint32_t>> calls;
};
void Release(char* buf, uint32_t size, void* arg) {
  static_cast<Released*>(arg)->calls.push_back({buf, size});
}
void ReleaseToo(char*, uint32_t, void*) {}
void ReleaseThree(char*, uint32_t, void*) {}
void ReleaseFour(char*, uint32_t, void*) {}

TEST_F(MbufAllocTest, ReleaseFunctionsAreNumberedOnceAndHoldFour) {
  EXPECT_EQ(mextfree_register(&Release), 1u);
  EXPECT_EQ(mextfree_register(&ReleaseToo), 2u);
  EXPECT_EQ(mextfree_register(&Release), 1u);
  EXPECT_EQ(mextfree_register(&ReleaseThree), 3u);
  EXPECT_DEATH(mextfree_register(&ReleaseFour), "ext_free.size");
}

TEST_F(MbufAllocTest, OwnStorageIsWritableOnlyIfSaidSo) {
  Released released;
  char buf[100];
  const uint32_t fn = mextfree_register(&Release);
  MbufPtr m = m_get(M_DONTWAIT, MT_DATA);
  MEXTADD(m.get(), buf, sizeof buf, 0, fn, &released);
  EXPECT_TRUE(M_READONLY(m.get()));
  EXPECT_EQ(m_trailingspace(m.get()), 0);
  EXPECT_EQ(m->m_data, buf);
  m.reset();
  ASSERT_EQ(released.calls.size(), 1u);
  EXPECT_EQ(released.calls[0], std::make_pair(&buf[0], uint32_t{100}));

  m = m_get(M_DONTWAIT, MT_DATA);
  MEXTADD(m.get(), buf, sizeof buf, M_EXTWR, fn, &released);
  EXPECT_FALSE(M_READONLY(m.get()));
  EXPECT_EQ(m_trailingspace(m.get()), 100);

  m = m_get(M_DONTWAIT, MT_DATA);
  MEXTADD(m.get(), buf, sizeof buf, M_EXTWR | M_BCAST, fn, &released);
  EXPECT_EQ(m->m_flags, M_EXT | M_EXTWR) << "no other flag is the storage's";
}

// Three sharers freed in every order: released once, by the last; the last but one leaves the
// survivor writable again.
TEST_F(MbufAllocTest, LastSharerReleasesWhateverTheOrder) {
  const uint32_t fn = mextfree_register(&Release);
  int order[] = {0, 1, 2};
  do {
    Released released;
    char buf[64];
    MbufPtr m[3] = {m_get(M_DONTWAIT, MT_DATA), m_get(M_DONTWAIT, MT_DATA),
                    m_get(M_DONTWAIT, MT_DATA)};
    MEXTADD(m[0].get(), buf, sizeof buf, M_EXTWR, fn, &released);
    m_extref(m[0].get(), m[1].get());
    m_extref(m[0].get(), m[2].get());
    m[2]->m_data = m[1]->m_data = buf;
    for (const MbufPtr& sharer : m) EXPECT_TRUE(M_READONLY(sharer.get()));
    m[order[0]].reset();
    EXPECT_TRUE(M_READONLY(m[order[1]].get()));
    m[order[1]].reset();
    EXPECT_FALSE(M_READONLY(m[order[2]].get()));
    EXPECT_EQ(m_broken(m[order[2]].get()), nullptr);
    EXPECT_EQ(released.calls.size(), 0u);
    m[order[2]].reset();
    EXPECT_EQ(released.calls.size(), 1u);
  } while (std::next_permutation(std::begin(order), std::end(order)));
}

TEST_F(MbufAllocTest, ZeroizeWipesWhenTheLastSharerGoes) {
  Released released;
  std::string buf = Bytes(64, 1);
  const std::string before = buf;
  MbufPtr m = m_get(M_DONTWAIT, MT_DATA);
  MEXTADD(m.get(), buf.data(), 64, M_EXTWR, mextfree_register(&Release), &released);
  MbufPtr sharer = m_get(M_DONTWAIT, MT_DATA);
  m_extref(m.get(), sharer.get());
  m->m_flags |= M_ZEROIZE;
  m.reset();
  EXPECT_EQ(buf, before);
  EXPECT_NE(sharer->m_flags & M_ZEROIZE, 0);
  sharer.reset();
  EXPECT_EQ(buf, std::string(64, '\0'));
}

TEST_F(MbufAllocTest, ZeroizePassesDownTheChain) {
  Released released;
  std::string buf = Bytes(64, 1);
  MbufPtr chain = Chain({10});
  MbufPtr tail = m_get(M_DONTWAIT, MT_DATA);
  MEXTADD(tail.get(), buf.data(), 64, M_EXTWR, mextfree_register(&Release), &released);
  chain->m_next = tail.release();
  chain->m_flags |= M_ZEROIZE;
  chain.reset();
  EXPECT_EQ(buf, std::string(64, '\0'));
}

TEST_F(MbufAllocTest, ZeroWipesTheWholeAreaNotOnlyTheData) {
  MbufPtr m = Chain({144});
  m_adj(m.get(), 100);
  m_zero(m.get());
  EXPECT_EQ(std::string(m->m_pktdat(), MHLEN), std::string(MHLEN, '\0'));
}

// Both neighbours in the ring are told, since either may be the one that stays to the end; storage
// that may not be written is not wiped either.
TEST_F(MbufAllocTest, ZeroMarksBothNeighboursOfASharer) {
  MbufPtr m[3] = {Chain({100}, true, Storage::kCluster), nullptr, nullptr};
  m[1] = m_copym(m[0].get(), 0, M_COPYALL, M_DONTWAIT);
  m[2] = m_copym(m[0].get(), 0, M_COPYALL, M_DONTWAIT);
  m_zero(m[0].get());
  EXPECT_EQ(Content(m[0]), Bytes(100));
  EXPECT_EQ(m[0]->m_flags & M_ZEROIZE, 0);
  EXPECT_NE(m[1]->m_flags & M_ZEROIZE, 0);
  EXPECT_NE(m[2]->m_flags & M_ZEROIZE, 0);

  Released released;
  std::string constant = Bytes(64, 1);
  MbufPtr foreign = m_get(M_DONTWAIT, MT_DATA);
  MEXTADD(foreign.get(), constant.data(), 64, 0, mextfree_register(&Release), &released);
  m_zero(foreign.get());
  EXPECT_EQ(constant, Bytes(64, 1));
}

// --- Freeing. ---

TEST_F(MbufAllocTest, FreeReturnsTheNextAndFreemTheNextPacket) {
  EXPECT_EQ(m_free(nullptr), nullptr);
  EXPECT_EQ(m_freem(nullptr), nullptr);
  MbufPtr chain = Chain({1, 2, 3});
  MbufPtr next_packet = Chain({4});
  mbuf* const first = chain.release();
  mbuf* const second = first->m_next;
  EXPECT_EQ(m_free(first), second);
  second->m_nextpkt = next_packet.get();
  EXPECT_EQ(m_freem(second), next_packet.get());
}

TEST_F(MbufAllocTest, FreempClearsThePointerFirst) {
  mbuf* m = Chain({1}).release();
  EXPECT_EQ(m_freemp(&m), nullptr);
  EXPECT_EQ(m, nullptr);
}

TEST_F(MbufAllocTest, PurgeFreesTheWholeQueue) {
  mbuf* first = Chain({1, 2}).release();
  first->m_nextpkt = Chain({3}).release();
  m_purge(first);
  m_purge(nullptr);
  EXPECT_EQ(Live(a(), "mbuf"), 0);
}

// --- Packet headers. ---

TEST_F(MbufAllocTest, ResethdrKeepsLengthLoopCountAndStorage) {
  MbufPtr m = Chain({100}, true, Storage::kCluster);
  m->m_flags |= M_EOR | M_ZEROIZE | M_BCAST | M_AUTH;
  m->m_pkthdr.ph_loopcnt = 9;
  m->m_pkthdr.ph_ifidx = 4;
  m->m_pkthdr.pf.prio = 6;
  m_tag_prepend(m.get(), m_tag_get(PACKET_TAG_SRCROUTE, 4, M_DONTWAIT));
  const uint64_t number = m->m_pkthdr.sim_id;
  m_resethdr(m.get());
  EXPECT_EQ(m->m_pkthdr.sim_id, number + 1) << "it is another packet now";
  EXPECT_EQ(m->m_flags, M_EXT | M_EXTWR | M_PKTHDR | M_EOR | M_ZEROIZE);
  EXPECT_EQ(m->m_pkthdr.len, 100);
  EXPECT_EQ(m->m_pkthdr.ph_loopcnt, 9);
  EXPECT_EQ(m->m_pkthdr.ph_ifidx, 0u);
  EXPECT_EQ(m->m_pkthdr.pf.prio, IFQ_DEFPRIO);
  EXPECT_EQ(m_tag_first(m.get()), nullptr);
  m_check(m.get());
}

TEST_F(MbufAllocTest, RemovehdrDeletesTagsAndGainsLeadingSpace) {
  MbufPtr m = Chain({30});
  m_tag_prepend(m.get(), m_tag_get(PACKET_TAG_SRCROUTE, 4, M_DONTWAIT));
  m_removehdr(m.get());
  EXPECT_EQ(m->m_flags & M_PKTHDR, 0);
  EXPECT_EQ(m_leadingspace(m.get()), MLEN - MHLEN);
  EXPECT_EQ(m_trailingspace(m.get()), MHLEN - 30);
  EXPECT_DEATH(m_removehdr(m.get()), "M_PKTHDR");
  EXPECT_DEATH(m_resethdr(m.get()), "M_PKTHDR");
  EXPECT_DEATH(m_calchdrlen(m.get()), "M_PKTHDR");
}

TEST_F(MbufAllocTest, CalchdrlenAddsUp) {
  MbufPtr m = Chain({10, 0, 300});
  m->m_pkthdr.len = 7;
  m_calchdrlen(m.get());
  EXPECT_EQ(m->m_pkthdr.len, 310);
}

TEST_F(MbufAllocTest, MoveTakesHeaderAndTagsAndKeepsTheTargetsStorage) {
  MbufPtr from = Chain({20});
  from->m_flags |= M_MCAST | M_EOR;
  from->m_pkthdr.ph_cookie = &from;
  const uint64_t number = from->m_pkthdr.sim_id;
  m_tag_prepend(from.get(), m_tag_get(PACKET_TAG_SRCROUTE, 4, M_DONTWAIT));
  MbufPtr to = m_get(M_DONTWAIT, MT_DATA);
  MCLGET(to.get(), M_DONTWAIT);
  to->m_data += 5;
  M_MOVE_PKTHDR(to.get(), from.get());
  EXPECT_EQ(to->m_flags, M_EXT | M_EXTWR | M_PKTHDR | M_MCAST | M_EOR);
  EXPECT_EQ(to->m_data, to->m_ext.ext_buf + 5);
  EXPECT_EQ(to->m_pkthdr.ph_cookie, &from);
  EXPECT_EQ(to->m_pkthdr.sim_id, number);
  EXPECT_NE(m_tag_find(to.get(), PACKET_TAG_SRCROUTE, nullptr), nullptr);
  EXPECT_EQ(from->m_flags & M_PKTHDR, 0);

  MbufPtr plain = m_get(M_DONTWAIT, MT_DATA);
  M_MOVE_PKTHDR(plain.get(), to.get());
  EXPECT_EQ(plain->m_data, plain->m_pktdat());
}

TEST_F(MbufAllocTest, DupCopiesTagsAndNumbersThePacketAnew) {
  MbufPtr from = Chain({20});
  from->m_flags |= M_LOOP;
  from->m_pkthdr.ph_cause = 77;
  for (int id : {PACKET_TAG_IP_OFFNXT, PACKET_TAG_SRCROUTE}) {
    m_tag_prepend(from.get(), m_tag_get(id, 4, M_DONTWAIT));
  }
  MbufPtr to = m_get(M_DONTWAIT, MT_DATA);
  ASSERT_EQ(m_dup_pkthdr(to.get(), from.get(), M_DONTWAIT), 0);
  EXPECT_EQ(to->m_flags, M_PKTHDR | M_LOOP);
  EXPECT_EQ(to->m_pkthdr.len, 20);
  EXPECT_EQ(to->m_pkthdr.ph_cause, 77u);
  EXPECT_NE(to->m_pkthdr.sim_id, from->m_pkthdr.sim_id);
  EXPECT_EQ(m_tag_first(to.get())->m_tag_id, PACKET_TAG_SRCROUTE);
  EXPECT_EQ(m_tag_next(m_tag_first(to.get()))->m_tag_id, PACKET_TAG_IP_OFFNXT);
  m_removehdr(from.get());
  EXPECT_DEATH((void)m_dup_pkthdr(to.get(), from.get(), M_DONTWAIT), "M_PKTHDR");
}

TEST_F(MbufAllocTest, DupKeepsTheTargetsStorageAndPlace) {
  MbufPtr from = Chain({20});
  MbufPtr to = m_get(M_DONTWAIT, MT_DATA);
  MCLGET(to.get(), M_DONTWAIT);
  to->m_data += 5;
  ASSERT_EQ(m_dup_pkthdr(to.get(), from.get(), M_DONTWAIT), 0);
  EXPECT_EQ(to->m_flags, M_EXT | M_EXTWR | M_PKTHDR);
  EXPECT_EQ(to->m_data, to->m_ext.ext_buf + 5);
}

TEST_F(MbufAllocTest, DupWithoutMemoryForTheTagsFillsInTheRest) {
  fault::Plan plan({{.site = Site::kPoolGet, .only_ordinal = 2}});
  Boot({.fault_plan = &plan});
  MbufPtr from = Chain({20});
  from->m_flags |= M_BCAST;
  m_tag_prepend(from.get(), m_tag_get(PACKET_TAG_SRCROUTE, 4, M_DONTWAIT));
  MbufPtr to = m_get(M_DONTWAIT, MT_DATA);
  EXPECT_EQ(m_dup_pkthdr(to.get(), from.get(), M_DONTWAIT), ENOBUFS);
  EXPECT_EQ(to->m_flags, M_PKTHDR | M_BCAST);
  EXPECT_EQ(to->m_pkthdr.len, 20);
  EXPECT_EQ(m_tag_first(to.get()), nullptr);
  EXPECT_NE(m_tag_first(from.get()), nullptr);
}

// The table of flags: which travel with the packet header, and which are the storage's.
TEST_F(MbufAllocTest, AllFlagsButThoseOfStorageTravelWithTheHeader) {
  constexpr uint16_t kTravel = 0x0002 | 0x0004 | 0x0010 | 0x0020 | 0x0040 | 0x0100 | 0x0200 |
                               0x0400 | 0x0800 | 0x1000 | 0x2000 | 0x4000 | 0x8000;
  EXPECT_EQ(M_COPYFLAGS, kTravel);
  MbufPtr from = m_clget(nullptr, M_DONTWAIT, 2048);
  from->m_flags |= kTravel;
  MbufPtr copy = m_get(M_DONTWAIT, MT_DATA);
  ASSERT_EQ(m_dup_pkthdr(copy.get(), from.get(), M_DONTWAIT), 0);
  EXPECT_EQ(copy->m_flags, kTravel);
  MbufPtr to = m_get(M_DONTWAIT, MT_DATA);
  M_MOVE_PKTHDR(to.get(), from.get());
  EXPECT_EQ(to->m_flags, kTravel);
  EXPECT_NE(from->m_flags & M_EXT, 0);
}

TEST_F(MbufAllocTest, MchtypeMovesTheCount) {
  MbufPtr m = m_get(M_DONTWAIT, MT_DATA);
  MCHTYPE(m.get(), MT_CONTROL);
  EXPECT_EQ(mbuf_stat(a()).m_mtypes[MT_DATA], 0);
  EXPECT_EQ(mbuf_stat(a()).m_mtypes[MT_CONTROL], 1);
}

// --- Geometry. ---

TEST_F(MbufAllocTest, AlignEndsTheDataAtTheEndOfTheArea) {
  MbufPtr plain = m_get(M_DONTWAIT, MT_DATA);
  m_align(plain.get(), 20);
  EXPECT_EQ(m_leadingspace(plain.get()), 200);  // 20 rounded up to 24
  MbufPtr header = m_gethdr(M_DONTWAIT, MT_DATA);
  m_align(header.get(), 144);
  EXPECT_EQ(m_leadingspace(header.get()), 0);
  MbufPtr cluster = m_clget(nullptr, M_DONTWAIT, 2048);
  m_align(cluster.get(), 1);
  EXPECT_EQ(m_leadingspace(cluster.get()), 2040);
}

TEST_F(MbufAllocTest, AlignPanicsWhenItCannot) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  EXPECT_DEATH(m_align(m.get(), 145), "too long");
  EXPECT_DEATH(m_align(m.get(), -1), "too long");
  m->m_data += 8;
  EXPECT_DEATH(m_align(m.get(), 8), "has moved");
  MbufPtr shared = m_clget(nullptr, M_DONTWAIT, 2048);
  shared->m_len = shared->m_pkthdr.len = 10;
  MbufPtr sharer = m_copym(shared.get(), 0, 10, M_DONTWAIT);
  EXPECT_DEATH(m_align(shared.get(), 8), "read-only");
}

TEST_F(MbufAllocTest, MicrotimeIsTheStampOrNow) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  timeval tv;
  m_microtime(m.get(), &tv);
  EXPECT_EQ(tv.tv_sec, kBootEpochSeconds);
  m->m_pkthdr.ph_timestamp = 3 * kSecond + 5 * kMicrosecond + 700;
  m->m_pkthdr.csum_flags |= M_TIMESTAMP;
  m_microtime(m.get(), &tv);
  EXPECT_EQ(tv.tv_sec, kBootEpochSeconds + 3);
  EXPECT_EQ(tv.tv_usec, 5);
}

TEST(MbufConstantsTest, AreThoseOfThe64BitKernel) {
  EXPECT_EQ(MSIZE, 256);
  EXPECT_EQ(MLEN, 224);
  EXPECT_EQ(MHLEN, 144);
  EXPECT_EQ(MINCLSIZE, 369);
  EXPECT_EQ(MCLSHIFT, 11);
  EXPECT_EQ(MCLBYTES, 2048);
  EXPECT_EQ(MAXMCLBYTES, 65536);
  EXPECT_EQ(M_COPYALL, 1'000'000'000);
  EXPECT_EQ(PACKET_TAG_MAXSIZE, 80);
  EXPECT_EQ(M_MAXLOOP, 128);
  EXPECT_EQ(max_linkhdr, 16);
  EXPECT_EQ(max_protohdr, 60);
  EXPECT_EQ(max_hdr, 76);
  EXPECT_EQ(M_COPYFLAGS & (M_EXT | M_EXTWR), 0);
}

// A trace shows flags and types as numbers.
TEST(MbufConstantsTest, FlagsTypesAndTagsHaveTheNumbersOfTheTables) {
  const std::pair<int, int> numbers[] = {{M_EXT, 0x1},
                                         {M_PKTHDR, 0x2},
                                         {M_EOR, 0x4},
                                         {M_EXTWR, 0x8},
                                         {M_PROTO1, 0x10},
                                         {M_VLANTAG, 0x20},
                                         {M_LOOP, 0x40},
                                         {M_BCAST, 0x100},
                                         {M_MCAST, 0x200},
                                         {M_CONF, 0x400},
                                         {M_AUTH, 0x800},
                                         {M_TUNNEL, 0x1000},
                                         {M_ZEROIZE, 0x2000},
                                         {M_COMP, 0x4000},
                                         {M_LINK0, 0x8000},
                                         {MT_FREE, 0},
                                         {MT_DATA, 1},
                                         {MT_HEADER, 2},
                                         {MT_SONAME, 3},
                                         {MT_SOOPTS, 4},
                                         {MT_FTABLE, 5},
                                         {MT_CONTROL, 6},
                                         {MT_OOBDATA, 7},
                                         {MT_NTYPES, 8},
                                         {PACKET_TAG_IP_OFFNXT, 0x10},
                                         {PACKET_TAG_IP6_OFFNXT, 0x20},
                                         {PACKET_TAG_SIM_TRACE, 0x100},
                                         {PACKET_TAG_SRCROUTE, 0x1000}};
  for (const auto& [ours, table] : numbers) EXPECT_EQ(ours, table);
  constexpr int kChecksums[] = {
      M_IPV4_CSUM_OUT,    M_TCP_CSUM_OUT,   M_UDP_CSUM_OUT,    M_IPV4_CSUM_IN_OK,
      M_IPV4_CSUM_IN_BAD, M_TCP_CSUM_IN_OK, M_TCP_CSUM_IN_BAD, M_UDP_CSUM_IN_OK,
      M_UDP_CSUM_IN_BAD,  M_ICMP_CSUM_OUT,  M_ICMP_CSUM_IN_OK, M_ICMP_CSUM_IN_BAD,
      M_IPV6_DF_OUT,      M_TIMESTAMP,      M_FLOWID,          M_TCP_TSO};
  for (size_t i = 0; i < std::size(kChecksums); ++i) EXPECT_EQ(kChecksums[i], 1 << i) << i;
}

}  // namespace
}  // namespace sockbed
