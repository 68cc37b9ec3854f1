#include <cerrno>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

using Lens = std::vector<int>;

class ChainCopyTest : public TwoHosts {};

// --- m_copym. ---

TEST_F(ChainCopyTest, CopymSharesTheCluster) {  // figure 3
  MbufPtr m = Chain({1460}, true, Storage::kCluster);
  MbufPtr n = m_copym(m.get(), 100, 1000, M_DONTWAIT);
  EXPECT_EQ(n->m_flags, M_EXT | M_EXTWR);
  EXPECT_EQ(n->m_data, m->m_data + 100);
  EXPECT_EQ(n->m_len, 1000);
  EXPECT_EQ(m->m_ext.ext_nextref, n.get());
  EXPECT_EQ(n->m_ext.ext_nextref, m.get());
  EXPECT_TRUE(M_READONLY(m.get()));
  EXPECT_TRUE(M_READONLY(n.get()));
  EXPECT_EQ(Live(a(), "cluster"), 1);
  m_check(m.get());
  m_check(n.get());
}

TEST_F(ChainCopyTest, CopymCopiesInternalDataAtTheSamePlace) {
  MbufPtr m = Chain({100, 50});
  m_adj(m.get(), 30);
  MbufPtr n = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  EXPECT_EQ(Lengths(n), (Lens{70, 50}));
  EXPECT_EQ(m_leadingspace(n.get()), 30);
  EXPECT_EQ(Content(n), Bytes(120, 30));
  m_check(n.get());
}

TEST_F(ChainCopyTest, CopymTakesTheHeaderOnlyFromTheFront) {
  MbufPtr m = Chain({100, 50});
  m->m_flags |= M_BCAST;
  MbufPtr all = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  EXPECT_EQ(all->m_flags, M_PKTHDR | M_BCAST);
  EXPECT_EQ(all->m_pkthdr.len, 150);
  MbufPtr front = m_copym(m.get(), 0, 120, M_DONTWAIT);
  EXPECT_EQ(front->m_pkthdr.len, 120);
  m_check(front.get());
  MbufPtr back = m_copym(m.get(), 1, 149, M_DONTWAIT);
  EXPECT_EQ(back->m_flags, 0);
  EXPECT_EQ(Content(back), Bytes(149, 1));
}

TEST_F(ChainCopyTest, CopymOfAPacketWithAnEmptyFirstMbufKeepsIt) {
  MbufPtr m = Chain({0, 224});
  MbufPtr n = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  EXPECT_EQ(Lengths(n), (Lens{0, 224}));
  m_check(n.get());
}

TEST_F(ChainCopyTest, CopymOfNothingIsNullThoughNothingFailed) {
  MbufPtr m = Chain({10});
  EXPECT_EQ(m_copym(m.get(), 0, 0, M_DONTWAIT), nullptr);
  EXPECT_EQ(m_copym(m.get(), 10, 0, M_DONTWAIT), nullptr);
}

TEST_F(ChainCopyTest, CopymOutsideTheChainPanics) {
  MbufPtr m = Chain({10});
  EXPECT_DEATH((void)m_copym(m.get(), 10, 1, M_DONTWAIT), "m_copym: range");
  EXPECT_DEATH((void)m_copym(m.get(), 11, 0, M_DONTWAIT), "m_copym: offset");
  EXPECT_DEATH((void)m_copym(m.get(), -1, 1, M_DONTWAIT), "m_copym: negative");
  EXPECT_DEATH((void)m_copym(m.get(), 0, -1, M_DONTWAIT), "m_copym: negative");
}

TEST_F(ChainCopyTest, CopyIsTheNonwaitingForm) {
  MbufPtr m = Chain({10, 20});
  EXPECT_EQ(Content(m_copy(m.get(), 5, 10)), Bytes(10, 5));
}

TEST_F(ChainCopyTest, Copym2SharesNothing) {
  MbufPtr m = Chain({1460, 20, 3000});
  MbufPtr n = m_copym2(m.get(), 10, 4000, M_DONTWAIT);
  EXPECT_EQ(Content(n), Bytes(4000, 10));
  for (const mbuf* piece = n.get(); piece != nullptr; piece = piece->m_next) {
    EXPECT_FALSE(M_READONLY(piece));
  }
  EXPECT_FALSE(M_READONLY(m.get()));
}

TEST_F(ChainCopyTest, SurvivorOfACopyIsWritableAgain) {
  MbufPtr m = Chain({1460}, true, Storage::kCluster);
  MbufPtr n = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  m.reset();
  EXPECT_FALSE(M_READONLY(n.get()));
  EXPECT_EQ(Content(n), Bytes(1460));
}

// --- m_dup_pkt. ---

TEST_F(ChainCopyTest, DupPktMakesOneMbufShiftedRight) {
  MbufPtr m = Chain({54, 1460});
  MbufPtr n = m_dup_pkt(m.get(), 2, M_DONTWAIT);
  EXPECT_EQ(Lengths(n), (Lens{1514}));
  EXPECT_EQ(m_leadingspace(n.get()), 2);
  EXPECT_EQ(Content(n), Bytes(1514));
  m_check(n.get());
  MbufPtr small = m_dup_pkt(Chain({60, 68}).get(), max_linkhdr, M_DONTWAIT);
  EXPECT_EQ(small->m_flags & M_EXT, 0);
  EXPECT_EQ(m_leadingspace(small.get()), max_linkhdr);
}

TEST_F(ChainCopyTest, DupPktBeyond65536IsNull) {
  MbufPtr m = Chain({40'000, 25'536});
  EXPECT_EQ(m_dup_pkt(m.get(), 1, M_DONTWAIT), nullptr);
  EXPECT_EQ(m_dup_pkt(m.get(), 0, M_DONTWAIT)->m_len, 65536);
}

// --- m_copydata, m_copyback. ---

TEST_F(ChainCopyTest, CopydataCrossesMbufs) {
  MbufPtr m = Chain({10, 0, 300, 5});
  char buf[310];
  m_copydata(m.get(), 4, 310, buf);
  EXPECT_EQ(std::string(buf, 310), Bytes(310, 4));
  m_copydata(m.get(), 315, 0, buf);
  EXPECT_DEATH(m_copydata(m.get(), 6, 310, buf), "m_copydata: range");
  EXPECT_DEATH(m_copydata(m.get(), 316, 0, buf), "m_copydata: offset");
  EXPECT_DEATH(m_copydata(m.get(), -1, 1, buf), "m_copydata: negative");
  EXPECT_DEATH(m_copydata(m.get(), 0, -1, buf), "m_copydata: negative");
}

TEST_F(ChainCopyTest, CopybackOverwritesWithoutGrowing) {
  MbufPtr m = Chain({10, 20});
  EXPECT_EQ(m_copyback(m.get(), 8, 4, "WXYZ", M_DONTWAIT), 0);
  EXPECT_EQ(Content(m), Bytes(8) + "WXYZ" + Bytes(18, 12));
  EXPECT_EQ(m->m_pkthdr.len, 30);
}

TEST_F(ChainCopyTest, CopybackBeyondTheEndZeroesTheGap) {  // figure 14
  MbufPtr m = Chain({200}, true, Storage::kCluster);
  const std::string data = Bytes(50, 7);
  EXPECT_EQ(m_copyback(m.get(), 300, 50, data.data(), M_DONTWAIT), 0);
  EXPECT_EQ(Lengths(m), (Lens{200, 150}));
  EXPECT_EQ(m->m_next->m_flags, 0);
  EXPECT_EQ(m->m_pkthdr.len, 350);
  EXPECT_EQ(Content(m), Bytes(200) + std::string(100, '\0') + data);
  m_check(m.get());
}

TEST_F(ChainCopyTest, CopybackTakesAClusterForMoreThan224) {
  MbufPtr m = Chain({144});
  const std::string data = Bytes(125, 3);
  EXPECT_EQ(m_copyback(m.get(), 244, 125, data.data(), M_DONTWAIT), 0);
  EXPECT_EQ(Lengths(m), (Lens{144, 225}));
  EXPECT_EQ(m->m_next->m_ext.ext_size, 2048u);
}

TEST_F(ChainCopyTest, CopybackFillsTheLastMbufFirst) {
  MbufPtr m = Chain({100});
  const std::string data = Bytes(100, 3);
  EXPECT_EQ(m_copyback(m.get(), 90, 100, data.data(), M_DONTWAIT), 0);
  EXPECT_EQ(Lengths(m), (Lens{144, 46}));
  EXPECT_EQ(Content(m), Bytes(90) + data);
  EXPECT_EQ(m->m_pkthdr.len, 190);
  m_check(m.get());
}

TEST_F(ChainCopyTest, CopybackOfMoreThanACluster) {
  MbufPtr m = Chain({10});
  const std::string data = Bytes(150'000, 9);
  EXPECT_EQ(m_copyback(m.get(), 10, 150'000, data.data(), M_DONTWAIT), 0);
  EXPECT_EQ(Content(m), Bytes(10) + data);
  m_check(m.get());
}

TEST_F(ChainCopyTest, CopybackToBeforeTheChainPanics) {
  MbufPtr m = Chain({10});
  EXPECT_DEATH((void)m_copyback(m.get(), -1, 1, "x", M_DONTWAIT), "m_copyback: negative");
  EXPECT_DEATH((void)m_copyback(m.get(), 0, -1, "x", M_DONTWAIT), "m_copyback: negative");
}

TEST_F(ChainCopyTest, CopybackOnNothingIsZero) {
  EXPECT_EQ(m_copyback(nullptr, 0, 10, "0123456789", M_DONTWAIT), 0);
}

// --- m_devget. ---

TEST_F(ChainCopyTest, DevgetOfASmallPacketLeavesRoomForALinkHeader) {
  const std::string data = Bytes(100);
  MbufPtr m = m_devget(data.data(), 100, 2);
  EXPECT_EQ(Lengths(m), (Lens{100}));
  EXPECT_EQ(m_leadingspace(m.get()), max_linkhdr + 2);
  EXPECT_EQ(Content(m), data);
  m_check(m.get());
}

TEST_F(ChainCopyTest, DevgetLeavesRoomForALinkHeaderAsLongAsAllFits) {
  const std::string data = Bytes(129);
  EXPECT_EQ(m_leadingspace(m_devget(data.data(), 128, 0).get()), max_linkhdr);
  EXPECT_EQ(m_leadingspace(m_devget(data.data(), 129, 0).get()), 0);
  EXPECT_EQ(m_leadingspace(m_devget(data.data(), 126, 2).get()), max_linkhdr + 2);
  MbufPtr two = m_devget(Bytes(200).data(), 200, 0);
  EXPECT_EQ(Lengths(two), (Lens{144, 56}));
  EXPECT_EQ(m_leadingspace(two->m_next), 0) << "only the first has a header in front";
}

TEST_F(ChainCopyTest, DevgetWipesWhatItCouldNotFinish) {
  fault::Plan plan({{.site = Site::kMbufGet, .only_ordinal = 2}});
  Boot({.fault_plan = &plan});
  EXPECT_EQ(m_devget(Bytes(300, 1).data(), 300, 0), nullptr);
  const MbufPtr again = m_get(M_DONTWAIT, MT_DATA);  // the memory given back last
  EXPECT_EQ(std::string(again->m_pktdat(), MHLEN), std::string(MHLEN, '\0'));
}

TEST_F(ChainCopyTest, DevgetTakesClustersWhereTheyPay) {
  const std::string data = Bytes(5000);
  MbufPtr m = m_devget(data.data(), 5000, 2);
  EXPECT_EQ(Lengths(m), (Lens{2046, 2048, 906}));
  EXPECT_EQ(Content(m), data);
  m_check(m.get());
  EXPECT_EQ(Lengths(m_devget(data.data(), 368, 0)), (Lens{144, 224}));
  EXPECT_EQ(Lengths(m_devget(data.data(), 369, 0)), (Lens{369}));
}

TEST_F(ChainCopyTest, DevgetRefusesWhatHasNoPlace) {
  EXPECT_EQ(m_devget("", 0, MHLEN + 1), nullptr);
  EXPECT_EQ(m_devget("", 0, -1), nullptr);
  EXPECT_EQ(m_devget("", -1, 0), nullptr);
  EXPECT_EQ(m_devget("", 0, 0)->m_pkthdr.len, 0);
}

TEST_F(ChainCopyTest, CopybackNeverShrinksThePacket) {
  MbufPtr m = Chain({100});
  m->m_pkthdr.len = 500;  // more than there is: not m_copyback's to correct
  EXPECT_EQ(m_copyback(m.get(), 10, 5, "hello", M_DONTWAIT), 0);
  EXPECT_EQ(m->m_pkthdr.len, 500);
}

}  // namespace
}  // namespace sockbed
