// The figures and edge cases of m_prepend, m_pullup, m_makespace, m_defrag, m_adj, m_split, m_cat
// and the looking functions. m_copym and kin: chain_copy_test.cc; m_pulldown: uipc_mbuf2_test.cc.

#include "kernel/mbuf/chain.h"

#include <cerrno>
#include <climits>

#include "kernel/mbuf/two_hosts.h"

namespace sockbed {
namespace {

using Lens = std::vector<int>;

class ChainTest : public TwoHosts {
 protected:
  mbstat stat() { return mbuf_stat(a()); }
};

// A packet of one mbuf whose cluster is shared with what is stored in *sharer.
MbufPtr SharedPacket(int len, MbufPtr* sharer) {
  MbufPtr m = Chain({len}, true, Storage::kCluster);
  *sharer = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  return m;
}

// --- Looking. ---

TEST_F(ChainTest, GetptrFindsTheFollowingMbufAtABoundary) {
  MbufPtr m = Chain({10, 0, 20});
  int off = -1;
  EXPECT_EQ(m_getptr(m.get(), 9, &off), m.get());
  EXPECT_EQ(off, 9);
  EXPECT_EQ(m_getptr(m.get(), 10, &off), m->m_next->m_next);
  EXPECT_EQ(off, 0);
  EXPECT_EQ(m_getptr(m.get(), 30, &off), m->m_next->m_next);
  EXPECT_EQ(off, 20);
  EXPECT_EQ(m_getptr(m.get(), 31, &off), nullptr);
  EXPECT_EQ(m_getptr(m.get(), -1, &off), nullptr);
}

TEST_F(ChainTest, GetptrOnEmptyMbufsFindsTheLast) {
  MbufPtr m = Chain({0, 0, 0});
  int off = -1;
  EXPECT_EQ(m_getptr(m.get(), 0, &off), m->m_next->m_next);
  EXPECT_EQ(off, 0);
}

int Collect(void* arg, char* data, int n) {
  std::string& seen = *static_cast<std::string*>(arg);
  seen.append(data, static_cast<size_t>(n)).append("|");
  return seen.size() > 20 ? 42 : 0;
}

TEST_F(ChainTest, ApplyVisitsThePiecesAndStopsAtTheFirstAnswer) {
  MbufPtr m = Chain({5, 5, 20, 5});
  std::string seen;
  EXPECT_EQ(m_apply(m.get(), 3, 6, &Collect, &seen), 0);
  EXPECT_EQ(seen, Bytes(2, 3) + "|" + Bytes(4, 5) + "|");
  EXPECT_EQ(m_apply(m.get(), 5, 28, &Collect, &seen), 42);
  EXPECT_EQ(m_apply(m.get(), 35, 0, &Collect, &seen), 0);
}

TEST_F(ChainTest, ApplyOutsideTheChainPanics) {
  MbufPtr m = Chain({5, 5});
  std::string seen;
  EXPECT_DEATH(m_apply(m.get(), -1, 2, &Collect, &seen), "m_apply: negative");
  EXPECT_DEATH(m_apply(m.get(), 1, -2, &Collect, &seen), "m_apply: negative");
  EXPECT_DEATH(m_apply(m.get(), 11, 0, &Collect, &seen), "m_apply: offset");
  EXPECT_DEATH(m_apply(m.get(), 6, 5, &Collect, &seen), "m_apply: range");
}

// --- m_prepend. ---

TEST_F(ChainTest, PrependUsesLeadingSpace) {  // figure 9
  MbufPtr m = Chain({100});
  m_adj(m.get(), 60);
  mbuf* const first = m.get();
  m = m_prepend(std::move(m), 20, M_DONTWAIT);
  EXPECT_EQ(m.get(), first);
  EXPECT_EQ(m->m_len, 60);
  EXPECT_EQ(m->m_pkthdr.len, 60);
  EXPECT_EQ(m_leadingspace(m.get()), 40);
  EXPECT_EQ(stat().m_prepend_alloc, 0);
  m_check(m.get());
}

TEST_F(ChainTest, PrependUsesLeadingSpaceToItsLastByte) {
  MbufPtr m = Chain({100});
  m_adj(m.get(), 20);
  m = m_prepend(std::move(m), 20, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{100}));
  EXPECT_EQ(m_leadingspace(m.get()), 0);
}

TEST_F(ChainTest, PrependMakesAFirstMbufWithRoomForMoreHeaders) {  // figure 10
  MbufPtr m = Chain({1460}, true, Storage::kCluster);
  mbuf* const second = m.get();
  m->m_flags |= M_MCAST;
  m = m_prepend(std::move(m), 20, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{20, 1460}));
  EXPECT_EQ(m->m_next, second);
  EXPECT_EQ(m->m_flags, M_PKTHDR | M_MCAST);
  EXPECT_EQ(m->m_pkthdr.len, 1480);
  EXPECT_EQ(second->m_flags & M_PKTHDR, 0);
  EXPECT_EQ(m_leadingspace(m.get()), 120);
  EXPECT_EQ(m_trailingspace(m.get()), 4);
  EXPECT_EQ(stat().m_prepend_alloc, 1);
  m_check(m.get());
}

TEST_F(ChainTest, PrependNeverWritesIntoSharedStorage) {
  MbufPtr sharer;
  MbufPtr m = SharedPacket(100, &sharer);
  m_adj(m.get(), 50);
  m = m_prepend(std::move(m), 20, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{20, 50}));
  EXPECT_EQ(Content(sharer), Bytes(100));
}

TEST_F(ChainTest, PrependToAPlainMbufStaysPlain) {
  MbufPtr m = m_prepend(Chain({224}, false), 144, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{144, 224}));
  EXPECT_EQ(m->m_flags, 0);
  m_check(m.get());
}

TEST_F(ChainTest, PrependOfLessThanNothingOrBeyond144Panics) {
  EXPECT_DEATH((void)m_prepend(Chain({10}), -1, M_DONTWAIT), "m_prepend: does not fit");
  EXPECT_DEATH((void)m_prepend(Chain({10}), 145, M_DONTWAIT), "m_prepend: does not fit");
}

// --- m_pullup. ---

TEST_F(ChainTest, PullupCopiesIntoTheFirstMbuf) {  // figure 4
  MbufPtr m = Chain({20, 100});
  mbuf* const first = m.get();
  m = m_pullup(std::move(m), 40);
  EXPECT_EQ(m.get(), first);
  EXPECT_EQ(Lengths(m), (Lens{40, 80}));
  EXPECT_EQ(Content(m), Bytes(120));
  EXPECT_EQ(stat().m_pullup_copy, 1);
  m_check(m.get());
}

TEST_F(ChainTest, PullupFreesWhatItEmpties) {
  MbufPtr m = m_pullup(Chain({20, 10, 0, 10, 5}), 40);
  EXPECT_EQ(Lengths(m), (Lens{40, 5}));
  EXPECT_EQ(Content(m), Bytes(45));
}

TEST_F(ChainTest, PullupLeavesTheLeadingSpaceThatItDoesNotNeed) {
  MbufPtr m = Chain({100, 100});
  m_adj(m.get(), 24);
  m = m_pullup(std::move(m), 100);
  EXPECT_EQ(Lengths(m), (Lens{100, 76}));
  EXPECT_EQ(m_leadingspace(m.get()), 24);
}

TEST_F(ChainTest, PullupMovesDataToTheFrontWhenThatMakesRoom) {
  MbufPtr m = Chain({100, 100});
  m_adj(m.get(), 83);  // odd, and 44 bytes of trailing space
  const auto odd = reinterpret_cast<uintptr_t>(m->m_data) & 7;
  m = m_pullup(std::move(m), 100);
  EXPECT_EQ(Lengths(m), (Lens{100, 17}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(m->m_data) & 7, odd);
  EXPECT_EQ(Content(m), Bytes(117, 83));
  m_check(m.get());
}

TEST_F(ChainTest, PullupOfSharedStorageMakesANewFirstMbuf) {  // figure 5
  MbufPtr sharer;
  MbufPtr m = SharedPacket(33, &sharer);
  m->m_next = Chain({100}, false).release();
  m->m_pkthdr.len += 100;
  m_adj(m.get(), 3);
  mbuf* const old = m.get();
  const auto odd = reinterpret_cast<uintptr_t>(m->m_data) & 7;
  m = m_pullup(std::move(m), 60);
  EXPECT_NE(m.get(), old);
  EXPECT_EQ(Lengths(m), (Lens{60, 70}));
  EXPECT_EQ(m->m_pkthdr.len, 130);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(m->m_data) & 7, odd);
  EXPECT_EQ(Content(m), Bytes(30, 3) + Bytes(100));
  EXPECT_FALSE(m_isshared(sharer.get()));  // the old first mbuf is gone
  EXPECT_EQ(stat().m_pullup_alloc, 1);
  m_check(m.get());
}

TEST_F(ChainTest, PullupWithinTheFirstMbufLeavesItEvenIfReadOnly) {
  MbufPtr sharer;
  MbufPtr m = SharedPacket(100, &sharer);
  mbuf* const first = m.get();
  m = m_pullup(std::move(m), 100);
  EXPECT_EQ(m.get(), first);
  EXPECT_TRUE(M_READONLY(m.get()));
}

TEST_F(ChainTest, PullupTakesAClusterBeyond144) {
  MbufPtr m = m_pullup(Chain({100, 200, 2000}), 2200);
  EXPECT_EQ(Lengths(m), (Lens{2200, 100}));
  EXPECT_EQ(m->m_ext.ext_size, 4096u);
  EXPECT_EQ(Content(m), Bytes(2300));
}

TEST_F(ChainTest, PullupMakesNoMoreContiguousThanALargestClusterHolds) {
  const auto pullup = [](int skip) {
    MbufPtr sharer;
    MbufPtr m = SharedPacket(40'000, &sharer);
    m->m_next = Chain({30'000}, false).release();
    m->m_pkthdr.len = 70'000;
    m_adj(m.get(), skip);
    return m_pullup(std::move(m), 65536);
  };
  EXPECT_EQ(pullup(0)->m_len, 65536);
  EXPECT_EQ(pullup(1), nullptr) << "which keeps the alignment: a byte too much";
}

TEST_F(ChainTest, PullupOfWhatCannotBeFreesTheChain) {
  EXPECT_EQ(m_pullup(Chain({20, 10}), 31), nullptr);
  EXPECT_EQ(m_pullup(Chain({20, 400}), 421), nullptr);
  EXPECT_EQ(m_pullup(Chain({40'000, 40'000}), 65537), nullptr);
  EXPECT_EQ(Live(a(), "mbuf"), 0);
}

// --- m_makespace and m_inject. ---

TEST_F(ChainTest, MakespaceMovesTheFrontIntoLeadingSpace) {  // figure 13 a
  MbufPtr m = Chain({1436}, true, Storage::kCluster);
  m_adj(m.get(), 16);
  int off = -1;
  EXPECT_EQ(m_makespace(m.get(), 20, 8, &off), m.get());
  EXPECT_EQ(off, 20);
  EXPECT_EQ(m_leadingspace(m.get()), 8);
  EXPECT_EQ(m->m_pkthdr.len, 1428);
  const std::string content = Content(m);
  EXPECT_EQ(content.substr(0, 20), Bytes(20, 16));
  EXPECT_EQ(content.substr(28), Bytes(1400, 36));
  m_check(m.get());
}

TEST_F(ChainTest, MakespaceMovesTheRestIntoTrailingSpace) {  // figure 13 b
  MbufPtr m = Chain({100});
  int off = -1;
  EXPECT_EQ(m_makespace(m.get(), 20, 8, &off), m.get());
  EXPECT_EQ(off, 20);
  EXPECT_EQ(Lengths(m), (Lens{108}));
  EXPECT_EQ(Content(m).substr(28), Bytes(80, 20));
  EXPECT_EQ(m->m_pkthdr.len, 108);
  m_check(m.get());
}

TEST_F(ChainTest, MakespaceMovesTheSmallerPartWhereThereIsRoomForEither) {
  MbufPtr m = Chain({200}, true, Storage::kCluster);
  m_adj(m.get(), 100);
  int off = -1;
  EXPECT_EQ(m_makespace(m.get(), 49, 8, &off), m.get());
  EXPECT_EQ(m_leadingspace(m.get()), 92) << "49 bytes moved left";
  EXPECT_EQ(m_makespace(m.get(), 80, 8, &off), m.get());
  EXPECT_EQ(m_leadingspace(m.get()), 92) << "28 bytes moved right";
  const std::string content = Content(m);
  EXPECT_EQ(content.substr(0, 49), Bytes(49, 100));
  EXPECT_EQ(content.substr(57, 23), Bytes(23, 149));
  EXPECT_EQ(content.substr(88), Bytes(28, 172));
}

TEST_F(ChainTest, MakespaceMovesTheRestOutWhenTheHoleThenFits) {  // figure 13 c
  MbufPtr m = Chain({144, 7});
  int off = -1;
  EXPECT_EQ(m_makespace(m.get(), 20, 8, &off), m.get());
  EXPECT_EQ(off, 20);
  EXPECT_EQ(Lengths(m), (Lens{28, 124, 7}));
  EXPECT_EQ(Content(m->m_next), Bytes(131, 20));
  m_check(m.get());
}

TEST_F(ChainTest, MakespaceGivesTheHoleAnMbufInSharedStorage) {  // figure 13 c, or
  MbufPtr sharer;
  MbufPtr m = SharedPacket(1420, &sharer);
  int off = -1;
  mbuf* const hole = m_makespace(m.get(), 20, 8, &off);
  EXPECT_EQ(hole, m->m_next);
  EXPECT_EQ(off, 0);
  EXPECT_EQ(Lengths(m), (Lens{20, 8, 1400}));
  EXPECT_EQ(Content(hole->m_next), Bytes(1400, 20));
  EXPECT_EQ(Content(sharer), Bytes(1420));
  m_check(m.get());
}

TEST_F(ChainTest, MakespaceAtTheEndAndBeyond) {
  MbufPtr m = Chain({100, 224});
  int off = -1;
  EXPECT_EQ(m_makespace(m.get(), 324, 8, &off), m->m_next->m_next);
  EXPECT_EQ(off, 0);
  EXPECT_EQ(Lengths(m), (Lens{100, 224, 8})) << "nothing was left to move out";
  EXPECT_EQ(m_makespace(m.get(), 333, 8, &off), nullptr);
  EXPECT_EQ(m->m_pkthdr.len, 332);
  m_check(m.get());
}

TEST_F(ChainTest, MakespaceNeverAddsAnMbufInFront) {
  MbufPtr sharer;
  MbufPtr m = SharedPacket(100, &sharer);
  mbuf* const first = m.get();
  int off = -1;
  EXPECT_EQ(m_makespace(m.get(), 0, 8, &off), first->m_next);
  EXPECT_EQ(m.get(), first);
  EXPECT_EQ(Lengths(m), (Lens{0, 8, 100}));
  EXPECT_EQ(Content(sharer), Bytes(100));
  m_check(m.get());
}

TEST_F(ChainTest, MakespacePanicsWithoutHeaderOrForTooMuch) {
  int off;
  EXPECT_DEATH(m_makespace(Chain({100}, false).get(), 20, 8, &off), "M_PKTHDR");
  EXPECT_DEATH(m_makespace(Chain({100}).get(), 20, 144, &off), "hlen < MHLEN");
}

TEST_F(ChainTest, InjectPutsAnMbufOfItsOwnBetween) {
  MbufPtr m = Chain({100, 50});
  mbuf* const hole = m_inject(m.get(), 60, 8, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{60, 8, 40, 50}));
  EXPECT_EQ(m->m_next, hole);
  EXPECT_EQ(m->m_pkthdr.len, 158);
  EXPECT_EQ(Content(hole->m_next), Bytes(90, 60));
  m_check(m.get());
  EXPECT_EQ(m_inject(m.get(), 60, 4, M_DONTWAIT), m->m_next);  // at a boundary
  EXPECT_EQ(Lengths(m), (Lens{60, 4, 8, 40, 50}));
  m_check(m.get());
}

TEST_F(ChainTest, InjectRefusesTheFrontTheBeyondAndTheLarge) {
  MbufPtr m = Chain({100});
  EXPECT_EQ(m_inject(m.get(), 0, 8, M_DONTWAIT), nullptr);
  EXPECT_EQ(m_inject(m.get(), 101, 8, M_DONTWAIT), nullptr);
  EXPECT_EQ(m_inject(m.get(), 50, 144, M_DONTWAIT), nullptr);
  EXPECT_EQ(m_inject(m.get(), 50, -1, M_DONTWAIT), nullptr);
  EXPECT_EQ(Content(m), Bytes(100));
}

// --- m_defrag. ---

TEST_F(ChainTest, DefragCollapsesIntoTheFirstMbuf) {  // figure 15
  MbufPtr m = Chain({144, 224, 224, 224, 84});
  mbuf* const first = m.get();
  EXPECT_EQ(m_defrag(m.get(), M_DONTWAIT), 0);
  EXPECT_EQ(m.get(), first);
  EXPECT_EQ(Lengths(m), (Lens{900}));
  EXPECT_EQ(m->m_ext.ext_size, 2048u);
  EXPECT_FALSE(M_READONLY(m.get()));
  EXPECT_EQ(Content(m), Bytes(900));
  EXPECT_EQ(stat().m_defrag_alloc, 1);
  EXPECT_EQ(Live(a(), "mbuf"), 1);
  EXPECT_EQ(RecordsOf(MbufRecord::kDefrag).size(), 1u);
  m_check(m.get());
}

TEST_F(ChainTest, DefragDropsTheFirstMbufsShare) {
  MbufPtr sharer;
  MbufPtr m = SharedPacket(50, &sharer);
  m->m_next = Chain({50}, false).release();
  m->m_pkthdr.len = 100;
  EXPECT_EQ(m_defrag(m.get(), M_DONTWAIT), 0);
  EXPECT_EQ(m->m_flags & M_EXT, 0);
  EXPECT_FALSE(M_READONLY(sharer.get()));
  EXPECT_EQ(Content(m), Bytes(50) + Bytes(50));
}

TEST_F(ChainTest, DefragOfOneMbufCountsNothing) {
  MbufPtr m = Chain({50}, false);
  EXPECT_EQ(m_defrag(m.get(), M_DONTWAIT), 0);
  EXPECT_EQ(stat().m_defrag_alloc, 0);
}

TEST_F(ChainTest, DefragPanicsWithoutAHeaderAndBeyond65536) {
  EXPECT_DEATH((void)m_defrag(Chain({10, 10}, false).get(), M_DONTWAIT), "no packet header");
  MbufPtr m = Chain({40'000, 40'000});
  EXPECT_DEATH((void)m_defrag(m.get(), M_DONTWAIT), "no cluster is that large");
}

// --- m_adj. ---

TEST_F(ChainTest, AdjTrimsHeadAndTailAndLeavesEmptyMbufs) {  // figure 11
  MbufPtr m = Chain({20, 100, 25});
  m_adj(m.get(), 50);
  EXPECT_EQ(Lengths(m), (Lens{0, 70, 25}));
  EXPECT_EQ(m->m_pkthdr.len, 95);
  m_adj(m.get(), -30);
  EXPECT_EQ(Lengths(m), (Lens{0, 65, 0}));
  EXPECT_EQ(m->m_pkthdr.len, 65);
  EXPECT_EQ(Content(m), Bytes(65, 50));
  m_check(m.get());
}

TEST_F(ChainTest, AdjBeyondTheChainEmptiesIt) {
  for (int n : {145, 146, INT_MAX, -145, -146, INT_MIN}) {
    MbufPtr m = Chain({20, 100, 25});
    m_adj(m.get(), n);
    EXPECT_EQ(Lengths(m), (Lens{0, 0, 0})) << n;
    EXPECT_EQ(m->m_pkthdr.len, 0) << n;
  }
  m_adj(nullptr, 5);
  m_adj(nullptr, -5);
}

TEST_F(ChainTest, AdjFromTheTailRepairsTheLengthUnlessTheLastMbufIsEnough) {
  MbufPtr m = Chain({20, 100, 25});
  m->m_pkthdr.len = 1000;
  m_adj(m.get(), -25);
  EXPECT_EQ(m->m_pkthdr.len, 975);
  m_adj(m.get(), -1);
  EXPECT_EQ(m->m_pkthdr.len, 119);
  m_check(m.get());
}

// --- m_split. ---

TEST_F(ChainTest, SplitSharesTheClusterAtTheCut) {  // figure 7
  MbufPtr m = Chain({1460, 40}, true);
  MbufPtr tail = m_split(m.get(), 1000, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{1000}));
  EXPECT_EQ(m->m_pkthdr.len, 1000);
  EXPECT_EQ(Lengths(tail), (Lens{460, 40}));
  EXPECT_EQ(tail->m_pkthdr.len, 500);
  EXPECT_TRUE(M_READONLY(m.get()));
  EXPECT_TRUE(M_READONLY(tail.get()));
  EXPECT_EQ(tail->m_ext.ext_buf, m->m_ext.ext_buf);
  EXPECT_EQ(Content(m) + Content(tail), Bytes(1500));
  m_check(m.get());
  m_check(tail.get());
}

TEST_F(ChainTest, SplitAtABoundaryPutsAnEmptyHeaderInFront) {  // figure 8
  MbufPtr m = Chain({54, 1460});
  MbufPtr tail = m_split(m.get(), 54, M_DONTWAIT);
  EXPECT_EQ(Lengths(m), (Lens{54}));
  EXPECT_EQ(Lengths(tail), (Lens{0, 1460}));
  EXPECT_EQ(tail->m_pkthdr.len, 1460);
  m_check(tail.get());
  m = Chain({1460, 40});
  tail = m_split(m.get(), 1460, M_DONTWAIT);
  EXPECT_EQ(Lengths(tail), (Lens{0, 40}));
  EXPECT_FALSE(M_READONLY(m.get())) << "nothing of its cluster went to the tail";
}

TEST_F(ChainTest, SplitOfAPlainChainAtABoundaryReturnsTheNextMbuf) {
  MbufPtr m = Chain({54, 30}, false);
  mbuf* const next = m->m_next;
  MbufPtr tail = m_split(m.get(), 54, M_DONTWAIT);
  EXPECT_EQ(tail.get(), next);
  EXPECT_EQ(m_split(m.get(), 54, M_DONTWAIT), nullptr);  // all of it: nothing is left over
  EXPECT_EQ(Lengths(m), (Lens{54}));
}

TEST_F(ChainTest, SplitBeyondTheChainLeavesIt) {
  MbufPtr m = Chain({54, 30});
  EXPECT_EQ(m_split(m.get(), 85, M_DONTWAIT), nullptr);
  EXPECT_EQ(Content(m), Bytes(84));
  EXPECT_EQ(m->m_pkthdr.len, 84);
}

TEST_F(ChainTest, SplitCopiesInternalDataToTheEndOfTheNewMbuf) {
  MbufPtr m = Chain({10, 224});
  MbufPtr tail = m_split(m.get(), 100, M_DONTWAIT);  // 134 left: fits beside a header
  EXPECT_EQ(Lengths(tail), (Lens{134}));
  EXPECT_EQ(m_leadingspace(tail.get()), 144 - 136);
  EXPECT_EQ(Content(m) + Content(tail), Bytes(234));
  m_check(tail.get());
  m_check(m.get());
}

TEST_F(ChainTest, SplitOfMoreThanAHeaderMbufHoldsPutsItBehindAnEmptyOne) {
  MbufPtr m = Chain({10, 224, 6});
  MbufPtr tail = m_split(m.get(), 20, M_DONTWAIT);  // 214 left of an internal mbuf
  EXPECT_EQ(Lengths(m), (Lens{10, 10}));
  EXPECT_EQ(Lengths(tail), (Lens{0, 214, 6}));
  EXPECT_EQ(Content(m) + Content(tail), Bytes(240));
  m_check(tail.get());
}

// --- m_cat. ---

TEST_F(ChainTest, CatCompactsUntilOneDoesNotFitThenJoins) {  // figure 12
  MbufPtr m = Chain({164}, false);
  MbufPtr n = Chain({40, 50, 10}, false);
  mbuf* const rest = n->m_next;
  m_cat(m.get(), std::move(n));
  EXPECT_EQ(Lengths(m), (Lens{204, 50, 10}));
  EXPECT_EQ(m->m_next, rest);
  EXPECT_EQ(Content(m), Bytes(164) + Bytes(100));
}

TEST_F(ChainTest, CatNeverWritesIntoSharedStorageNorTouchesHeaders) {
  MbufPtr sharer;
  MbufPtr m = SharedPacket(100, &sharer);
  m_cat(m.get(), Chain({5}));
  EXPECT_EQ(Lengths(m), (Lens{100, 5}));
  EXPECT_EQ(m->m_pkthdr.len, 100);
  EXPECT_NE(m->m_next->m_flags & M_PKTHDR, 0);
}

TEST_F(ChainTest, CatpktKeepsTheHeadersRight) {
  MbufPtr m = Chain({144});
  m_catpkt(m.get(), Chain({5, 300}));
  EXPECT_EQ(Lengths(m), (Lens{144, 5, 300}));
  EXPECT_EQ(m->m_pkthdr.len, 449);
  m_check(m.get());
}

TEST_F(ChainTest, CatCopiesWhatJustFits) {
  MbufPtr m = Chain({100}, false);
  m_cat(m.get(), Chain({m_trailingspace(m.get())}, false));
  EXPECT_EQ(m->m_next, nullptr);
  EXPECT_EQ(m_trailingspace(m.get()), 0);
}

}  // namespace
}  // namespace sockbed
