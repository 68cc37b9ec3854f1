// The rules of spec sockbuf.md, row by row, with sbcheck after each step.
#include "kernel/socket/sockbuf.h"

#include <errno.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "kernel/sched/signal.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

// A buffer of its own, reserved as a socket's would be.
class SockbufTest : public LoopTestHost {
 protected:
  SockbufTest() : on_host_(host()) { Reserve(8192); }
  ~SockbufTest() override { sbflush(&sb_); }

  void Reserve(uint64_t size) {
    ASSERT_EQ(sbreserve(&sb_, size), 0);
    sb_.sb_lowat = 1;
  }
  void Stream(MbufPtr m) {
    sbappendstream(&sb_, std::move(m));
    sbcheck(&sb_);
  }
  void ExpectCounts(uint64_t cc, uint64_t datacc, uint64_t mbcnt) {
    EXPECT_EQ(sb_.sb_cc, cc);
    EXPECT_EQ(sb_.sb_datacc, datacc);
    EXPECT_EQ(sb_.sb_mbcnt, mbcnt);
  }
  int Records() {
    int n = 0;
    for (const mbuf* m = sb_.sb_mb; m != nullptr; m = m->m_nextpkt) ++n;
    return n;
  }
  // What the walker says of the buffer's fields once `damage` has been done to them; undoes it.
  template <typename Damage>
  const char* Broken(Damage damage) {
    const auto [cc, datacc, mbcnt, lowat] =
        std::tuple(sb_.sb_cc, sb_.sb_datacc, sb_.sb_mbcnt, sb_.sb_lowat);
    mbuf *const tail = sb_.sb_mbtail, *const last = sb_.sb_lastrecord;
    damage();
    const char* const broken = sb_broken(&sb_);
    std::tie(sb_.sb_cc, sb_.sb_datacc, sb_.sb_mbcnt, sb_.sb_lowat) =
        std::tie(cc, datacc, mbcnt, lowat);
    sb_.sb_mbtail = tail;
    sb_.sb_lastrecord = last;
    EXPECT_EQ(sb_broken(&sb_), nullptr);
    return broken;
  }
  std::string Record(int n) {
    const mbuf* m = sb_.sb_mb;
    while (n-- > 0) m = m->m_nextpkt;
    return BytesOf(m);
  }

  sockbuf sb_;

 private:
  const HostScope on_host_;
};

// --- Limits. ---

TEST_F(SockbufTest, ReservesTwiceTheBytesInStorage) {
  Reserve(4096);
  EXPECT_EQ(sb_.sb_hiwat, 4096u);
  EXPECT_EQ(sb_.sb_mbmax, 8192u);
}

TEST_F(SockbufTest, StorageLimitIsCappedByTheLargestBuffer) {
  Reserve(262144);
  EXPECT_EQ(sb_.sb_mbmax, 294912u);
}

TEST_F(SockbufTest, RefusesToReserveNothingOrMoreThanSbmax) {
  EXPECT_EQ(sbreserve(&sb_, 0), 1);
  EXPECT_EQ(sbreserve(&sb_, 262145), 1);
  EXPECT_EQ(sb_.sb_hiwat, 8192u);
}

TEST_F(SockbufTest, SbmaxIsATunable) {
  ASSERT_EQ(host().sysctls.Set("kern.sbmax", 1 << 20), 0);
  EXPECT_EQ(sbreserve(&sb_, 1 << 20), 0);
}

TEST_F(SockbufTest, ReservingLessLowersTheLowWaterMark) {
  sb_.sb_lowat = 5000;
  EXPECT_EQ(sbreserve(&sb_, 1000), 0);
  EXPECT_EQ(sb_.sb_lowat, 1000);
}

TEST_F(SockbufTest, SpaceIsTheSmallerRestAndMayBeNegative) {
  Stream(PacketOf(2048));
  EXPECT_EQ(sbspace(&sb_), 8192 - 2048);
  Reserve(1000);
  EXPECT_EQ(sbspace(&sb_), 2000 - 2304 < 1000 - 2048 ? 2000 - 2304 : 1000 - 2048);
}

TEST_F(SockbufTest, LargeClusterCountsAsASmallOne) {
  Stream(PacketOf(65536));
  ExpectCounts(65536, 65536, 256 + 2048);
}

// --- Compression. ---

TEST_F(SockbufTest, SmallAppendsShareAnMbuf) {
  Stream(PacketOf(1));
  Stream(PacketOf(1));
  ExpectCounts(2, 2, 256);
  EXPECT_EQ(sb_.sb_mb->m_next, nullptr);
}

TEST_F(SockbufTest, FullClusterIsFollowedByAnMbuf) {
  Stream(PacketOf(2048));
  Stream(PacketOf(1));
  ExpectCounts(2049, 2049, 256 + 2048 + 256);
}

TEST_F(SockbufTest, RoomInAClusterIsUsed) {
  MbufPtr m = PacketOf(200);
  m->m_len = m->m_pkthdr.len = 100;
  Stream(std::move(m));
  Stream(PacketOf(100));
  ExpectCounts(200, 200, 2304);
}

TEST_F(SockbufTest, LongMbufIsLinkedThoughThereIsRoom) {
  MbufPtr m = PacketOf(200);
  m->m_len = m->m_pkthdr.len = 100;
  Stream(std::move(m));
  Stream(PacketOf(600));
  ExpectCounts(700, 700, 2304 + 2304);
}

TEST_F(SockbufTest, EmptyMbufIsDiscarded) {
  Stream(PacketOf(0));
  ExpectCounts(0, 0, 0);
  EXPECT_EQ(sb_.sb_mb, nullptr);
}

TEST_F(SockbufTest, SharedClusterIsNotWrittenTo) {
  MbufPtr m = PacketOf(200);
  m->m_len = m->m_pkthdr.len = 100;
  const MbufPtr share = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  Stream(std::move(m));
  Stream(PacketOf(1));
  EXPECT_NE(sb_.sb_mb->m_next, nullptr);
  EXPECT_EQ(BytesOf(share.get()), std::string(100, 'x'));
}

// As the segments of one write do.
TEST_F(SockbufTest, PiecesOfOneClusterGrowTogetherWhereTheyMeet) {
  const MbufPtr whole = PacketOf(2000);
  const auto piece = [&](int off, int len) { return m_copym(whole.get(), off, len, M_DONTWAIT); };
  Stream(piece(0, 700));
  Stream(piece(700, 600));
  ExpectCounts(1300, 1300, 2304);
  EXPECT_EQ(sb_.sb_mb->m_next, nullptr);
  Stream(piece(1301, 600));
  ExpectCounts(1900, 1900, 2 * 2304);
  EXPECT_EQ(sb_.sb_mbtail->m_data, whole->m_data + 1301);
}

TEST_F(SockbufTest, OtherTypeIsNotMerged) {
  Stream(PacketOf(1));
  Stream(MbufWith("!", MT_OOBDATA));
  ExpectCounts(2, 2, 512);
}

TEST_F(SockbufTest, StreamHasNoPacketHeaders) {
  Stream(PacketOf(2048));
  Stream(PacketOf(2048));
  for (const mbuf* m = sb_.sb_mb; m != nullptr; m = m->m_next) EXPECT_EQ(m->m_flags & M_PKTHDR, 0);
}

// --- Records. ---

TEST_F(SockbufTest, AppendStartsARecordOnlyBehindTheEndOfOne) {
  sbappend(&sb_, MbufWith("ab"));
  sbappend(&sb_, MbufWith("cd"));
  EXPECT_EQ(Records(), 1);
  MbufPtr last = MbufWith("ef");
  last->m_flags |= M_EOR;
  sbappend(&sb_, std::move(last));
  EXPECT_EQ(Records(), 1);
  sbappend(&sb_, MbufWith("gh"));
  sbcheck(&sb_);
  EXPECT_EQ(Records(), 2);
  EXPECT_EQ(Record(0), "abcdef");
  EXPECT_EQ(Record(1), "gh");
  sbappend(&sb_, nullptr);
  EXPECT_EQ(Records(), 2);
}

TEST_F(SockbufTest, AppendrecordKeepsRecordsApartAndMayBeEmpty) {
  sbappendrecord(&sb_, MbufWith("one"));
  sbappendrecord(&sb_, MbufWith(""));
  sbappendrecord(&sb_, MbufWith("two"));
  sbappendrecord(&sb_, nullptr);
  sbcheck(&sb_);
  EXPECT_EQ(Records(), 3);
  ExpectCounts(6, 6, 3 * 256);
}

TEST_F(SockbufTest, EndOfRecordMovesToTheLastMbuf) {
  MbufPtr m = PacketOf(2048);
  m->m_flags |= M_EOR;
  m_cat(m.get(), PacketOf(2048));
  sbappendrecord(&sb_, std::move(m));
  sbcheck(&sb_);
  EXPECT_EQ(sb_.sb_mb->m_flags & M_EOR, 0);
  EXPECT_NE(sb_.sb_mbtail->m_flags & M_EOR, 0);
}

TEST_F(SockbufTest, ExpeditedRecordsOvertakeOthersButNotEachOther) {
  sbappendrecord(&sb_, MbufWith("normal"));
  sbinsertoob(&sb_, MbufWith("1", MT_OOBDATA));
  sbcheck(&sb_);
  sbinsertoob(&sb_, MbufWith("2", MT_OOBDATA));
  sbcheck(&sb_);
  EXPECT_EQ(Record(0) + Record(1) + Record(2), "12normal");
}

TEST_F(SockbufTest, ExpeditedRecordOfSeveralMbufsKeepsTheTail) {
  sbappendrecord(&sb_, MbufWith("normal"));
  MbufPtr m = PacketOf(2048);
  MCHTYPE(m.get(), MT_OOBDATA);
  MbufPtr more = PacketOf(2048);
  MCHTYPE(more.get(), MT_OOBDATA);
  m_cat(m.get(), std::move(more));
  sbinsertoob(&sb_, std::move(m));
  sbcheck(&sb_);
  sbinsertoob(&sb_, nullptr);
  EXPECT_EQ(Records(), 2);
  EXPECT_EQ(sb_.sb_cc, 4096u + 6);
  sbflush(&sb_);
  m = PacketOf(2048);
  m->m_next = PacketOf(1000).release();
  sbinsertoob(&sb_, std::move(m));
  sbcheck(&sb_);
  EXPECT_EQ(sb_.sb_cc, 3048u) << "into an empty buffer too";
}

TEST_F(SockbufTest, EmptyMbufGivesItsMarkToTheOneBeforeIt) {
  sbappend(&sb_, PacketOf(2048));
  MbufPtr end = MbufWith("");
  end->m_flags |= M_EOR;
  sbappend(&sb_, std::move(end));
  sbcheck(&sb_);
  ExpectCounts(2048, 2048, 2304);
  EXPECT_NE(sb_.sb_mb->m_flags & M_EOR, 0);
}

TEST_F(SockbufTest, ExpeditedRecordMayBeTheLast) {
  for (const char* byte : {"1", "2"}) {
    sbinsertoob(&sb_, MbufWith(byte, MT_OOBDATA));
    sbcheck(&sb_);
  }
  EXPECT_EQ(Record(0) + Record(1), "12");
}

TEST_F(SockbufTest, ExpeditedRecordOvertakesOneThatIsControlAlone) {
  sbappendrecord(&sb_, MbufWith("control!", MT_CONTROL));
  sbinsertoob(&sb_, MbufWith("!", MT_OOBDATA));
  sbcheck(&sb_);
  EXPECT_EQ(Record(0), "!");
}

TEST_F(SockbufTest, RecordThatNobodyMarkedHasNoMarkedEnd) {
  MbufPtr m = PacketOf(2048);
  m->m_next = PacketOf(2048).release();
  m_removehdr(m->m_next);
  sbappendrecord(&sb_, std::move(m));
  sbcheck(&sb_);
  EXPECT_EQ(sb_.sb_mbtail->m_flags & M_EOR, 0);
}

// --- Names and control. ---

TEST_F(SockbufTest, MergedControlIsNoData) {
  MbufPtr control = MbufWith("one-", MT_CONTROL);
  control->m_next = MbufWith("two", MT_CONTROL).release();
  sbappendrecord(&sb_, std::move(control));
  sbcheck(&sb_);
  ExpectCounts(7, 0, 256);
}

const sockaddr kAddress = {.sa_family = AF_INET, .sa_data = {}};

TEST_F(SockbufTest, DatagramIsNameControlData) {
  MbufPtr m = PacketOf(100);
  MbufPtr control = MbufWith("control!", MT_CONTROL);
  ASSERT_EQ(sbappendaddr(&sb_, &kAddress, 16, m, control), 1);
  sbcheck(&sb_);
  EXPECT_EQ(m, nullptr);
  EXPECT_EQ(control, nullptr);
  ExpectCounts(16 + 8 + 100, 100, 3 * 256);
  EXPECT_EQ(sb_.sb_mb->m_type, MT_SONAME);
  EXPECT_EQ(sb_.sb_mb->m_next->m_type, MT_CONTROL);
}

TEST_F(SockbufTest, DatagramWithoutDataIsItsName) {
  MbufPtr none, control;
  ASSERT_EQ(sbappendaddr(&sb_, &kAddress, 16, none, control), 1);
  sbcheck(&sb_);
  ExpectCounts(16, 0, 256);
}

TEST_F(SockbufTest, DatagramWithoutRoomIsLeftWithTheCaller) {
  Reserve(100);
  MbufPtr m = PacketOf(85);
  MbufPtr control;
  EXPECT_EQ(sbappendaddr(&sb_, &kAddress, 16, m, control), 0);
  EXPECT_NE(m, nullptr);
  EXPECT_EQ(sb_.sb_mb, nullptr);
}

TEST_F(SockbufTest, AddressLongerThanAnMbufIsRefused) {
  const std::string address(MLEN + 1, 'a');
  MbufPtr m = PacketOf(1);
  MbufPtr control;
  EXPECT_EQ(sbappendaddr(&sb_, reinterpret_cast<const sockaddr*>(address.data()),
                         static_cast<socklen_t>(address.size()), m, control),
            0);
}

TEST_F(SockbufTest, DatagramIsRefusedWithoutAnMbufForTheName) {
  MbufPtr m = PacketOf(1);
  MbufPtr control;
  Fail({{.site = Site::kMbufGet}});
  EXPECT_EQ(sbappendaddr(&sb_, &kAddress, 16, m, control), 0);
  Fail({});
  EXPECT_NE(m, nullptr);
}

TEST_F(SockbufTest, ControlStartsARecord) {
  sbappend(&sb_, MbufWith("before"));
  MbufPtr m = MbufWith("with");
  MbufPtr control = MbufWith("control!", MT_CONTROL);
  ASSERT_EQ(sbappendcontrol(&sb_, m, control), 1);
  sbcheck(&sb_);
  EXPECT_EQ(Records(), 2);
  ExpectCounts(6 + 8 + 4, 6 + 4, 3 * 256);
}

TEST_F(SockbufTest, ControlWithoutRoomIsLeftWithTheCaller) {
  Reserve(10);
  MbufPtr m = MbufWith("1234");
  MbufPtr control = MbufWith("control!", MT_CONTROL);
  EXPECT_EQ(sbappendcontrol(&sb_, m, control), 0);
  EXPECT_NE(m, nullptr);
  EXPECT_NE(control, nullptr);
}

TEST_F(SockbufTest, ControlMessageIsPaddedWithZeros) {
  const int fd = 0x01020304;
  const MbufPtr m = sbcreatecontrol(&fd, sizeof(fd), SCM_RIGHTS, SOL_SOCKET);
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->m_len, 24);
  EXPECT_EQ(mtod<cmsghdr>(m.get())->cmsg_len, 20u);
  EXPECT_EQ(BytesOf(m.get()).substr(20), std::string(4, '\0'));
}

TEST_F(SockbufTest, ControlMessageMayNeedAClusterButNoMore) {
  const std::string data(2032, 'd');
  const MbufPtr m = sbcreatecontrol(data.data(), 2032, SCM_RIGHTS, SOL_SOCKET);
  ASSERT_NE(m, nullptr);
  EXPECT_NE(m->m_flags & M_EXT, 0);
  EXPECT_EQ(sbcreatecontrol(data.data(), 2033, SCM_RIGHTS, SOL_SOCKET), nullptr);
}

TEST_F(SockbufTest, ControlMessageWithoutMemoryIsNone) {
  const std::string data(2032, 'd');
  for (const Site site : {Site::kMbufGet, Site::kMbufCluster}) {
    Fail({{.site = site}});
    EXPECT_EQ(sbcreatecontrol(data.data(), data.size(), SCM_RIGHTS, SOL_SOCKET), nullptr);
    Fail({});
    EXPECT_EQ(mbuf_stat(host()).m_mtypes[MT_CONTROL], 0) << "nothing is left behind";
  }
}

// --- Removing. ---

TEST_F(SockbufTest, DropCutsAnMbufAndCrossesRecords) {
  sbappendrecord(&sb_, MbufWith("abc"));
  sbappendrecord(&sb_, MbufWith("defg"));
  sbappendrecord(&sb_, MbufWith("hi"));
  sbdrop(&sb_, 1);
  sbcheck(&sb_);
  EXPECT_EQ(Record(0), "bc");
  sbdrop(&sb_, 3);
  sbcheck(&sb_);
  EXPECT_EQ(Record(0), "efg");
  EXPECT_EQ(Records(), 2);
  sbdrop(&sb_, 5);
  sbcheck(&sb_);
  ExpectCounts(0, 0, 0);
}

TEST_F(SockbufTest, DropTakesAllTheEmptyMbufsBehindTheLastByte) {
  MbufPtr control = MbufWith("c", MT_CONTROL);
  MbufPtr m = MbufWith("");
  m->m_next = MbufWith("").release();
  ASSERT_EQ(sbappendcontrol(&sb_, m, control), 1);  // does not compress
  sbappendrecord(&sb_, MbufWith(""));
  sbdrop(&sb_, 1);
  sbcheck(&sb_);
  EXPECT_EQ(Records(), 1) << "and the record with them, but none behind it";
}

TEST_F(SockbufTest, DropTakesEmptyMbufsOfTheSameRecordAlong) {
  MbufPtr m = MbufWith("ab");
  m->m_next = MbufWith("").release();
  m->m_next->m_next = MbufWith("cd").release();
  MbufPtr control = MbufWith("c", MT_CONTROL);
  ASSERT_EQ(sbappendcontrol(&sb_, m, control), 1);  // does not compress
  sbappendrecord(&sb_, MbufWith(""));
  sbdrop(&sb_, 3);
  sbcheck(&sb_);
  EXPECT_EQ(sb_.sb_mb->m_len, 2);
  sbdrop(&sb_, 2);
  sbcheck(&sb_);
  EXPECT_EQ(Records(), 1) << "an empty record of its own stays";
}

TEST_F(SockbufTest, DropOfNamesAndControlLeavesTheDataCount) {
  MbufPtr m = PacketOf(10);
  MbufPtr control = MbufWith("ctl", MT_CONTROL);
  ASSERT_EQ(sbappendaddr(&sb_, &kAddress, 16, m, control), 1);
  sbdrop(&sb_, 18);
  sbcheck(&sb_);
  ExpectCounts(11, 10, 512);
}

TEST_F(SockbufTest, DroprecordTakesTheFirst) {
  sbappendrecord(&sb_, MbufWith("abc"));
  sbappendrecord(&sb_, MbufWith("de"));
  sbdroprecord(&sb_);
  sbcheck(&sb_);
  EXPECT_EQ(Record(0), "de");
  sbdroprecord(&sb_);
  sbdroprecord(&sb_);
  EXPECT_EQ(sb_.sb_mb, nullptr);
}

TEST_F(SockbufTest, FlushTakesEmptyRecordsToo) {
  sbappendrecord(&sb_, MbufWith(""));
  sbappendrecord(&sb_, MbufWith(""));
  sbflush(&sb_);
  ExpectCounts(0, 0, 0);
}

TEST_F(SockbufTest, TakefirstLeavesASoundBuffer) {
  MbufPtr m = MbufWith("data");
  MbufPtr control = MbufWith("control!", MT_CONTROL);
  ASSERT_EQ(sbappendcontrol(&sb_, m, control), 1);
  sbappendrecord(&sb_, MbufWith("next"));
  for (const char* expected : {"control!", "data", "next"}) {
    EXPECT_EQ(BytesOf(sb_takefirst(&sb_).get()), expected);
    sbcheck(&sb_);
  }
}

TEST_F(SockbufTest, DropOfMoreThanThereIsStopsTheRun) {
  Stream(MbufWith("ab"));
  EXPECT_DEATH(sbdrop(&sb_, 3), "KASSERT");
}

TEST_F(SockbufTest, FlushOfALockedBufferStopsTheRun) {
  EXPECT_DEATH(
      {
        sb_.sb_flags |= SB_LOCK;
        sbflush(&sb_);
      },
      "KASSERT");
}

// --- What the walker sees: each test breaks one invariant, and mends it. ---

TEST_F(SockbufTest, WalkerSeesThatTheEndsDisagree) {
  sb_.sb_mbtail = sb_.sb_lastrecord = nullptr;
  EXPECT_EQ(sb_broken(&sb_), nullptr);
  Stream(MbufWith("ab"));
  EXPECT_STREQ(Broken([this] { sb_.sb_mbtail = nullptr; }),
               "sb_mb and sb_mbtail disagree on being empty");
  EXPECT_STREQ(Broken([this] { sb_.sb_lastrecord = nullptr; }),
               "sb_mb and sb_lastrecord disagree on being empty");
}

TEST_F(SockbufTest, WalkerSeesCountsOfAnEmptyBuffer) {
  EXPECT_STREQ(Broken([this] { sb_.sb_cc = 1; }), "sb_cc is not the sum of m_len");
  EXPECT_STREQ(Broken([this] { sb_.sb_datacc = 1; }), "sb_datacc is not the sum of the data");
  EXPECT_STREQ(Broken([this] { sb_.sb_mbcnt = 1; }), "sb_mbcnt is not the sum of the storage");
}

TEST_F(SockbufTest, WalkerSeesWrongCounts) {
  sbappendrecord(&sb_, PacketOf(1000));
  MbufPtr data = MbufWith("data"), control = MbufWith("control!", MT_CONTROL);
  ASSERT_EQ(sbappendcontrol(&sb_, data, control), 1);
  ExpectCounts(1012, 1004, 256 + 2048 + 256 + 256);
  EXPECT_STREQ(Broken([this] { --sb_.sb_cc; }), "sb_cc is not the sum of m_len");
  EXPECT_STREQ(Broken([this] { sb_.sb_datacc = sb_.sb_cc; }),
               "sb_datacc is not the sum of the data");
  EXPECT_STREQ(Broken([this] { sb_.sb_mbcnt -= 2048; }), "sb_mbcnt is not the sum of the storage");
}

TEST_F(SockbufTest, WalkerSeesTailsThatAreNotTheLast) {
  MbufPtr record = MbufWith("ab");
  record->m_next = PacketOf(1000).release();
  sbappendrecord(&sb_, std::move(record));
  EXPECT_STREQ(Broken([this] { sb_.sb_mbtail = sb_.sb_mb; }), "sb_mbtail is not the last mbuf");
  sbappendrecord(&sb_, MbufWith("cd"));
  EXPECT_STREQ(Broken([this] { sb_.sb_lastrecord = sb_.sb_mb; }),
               "sb_lastrecord is not the last record");
  EXPECT_STREQ(Broken([this] { sb_.sb_mbtail = sb_.sb_mb->m_next; }),
               "sb_mbtail is not the last mbuf");
}

TEST_F(SockbufTest, WalkerSeesWhatIsWrongInsideARecord) {
  MbufPtr record = MbufWith("ab");
  record->m_next = PacketOf(1000).release();
  sbappendrecord(&sb_, std::move(record));
  sbappendrecord(&sb_, MbufWith("cd"));
  mbuf* const first = sb_.sb_mb;
  first->m_next->m_nextpkt = sb_.sb_lastrecord;
  EXPECT_STREQ(sb_broken(&sb_), "m_nextpkt is set inside a record");
  first->m_next->m_nextpkt = nullptr;
  first->m_flags |= M_EOR;
  EXPECT_STREQ(sb_broken(&sb_), "M_EOR is not on the last mbuf");
  first->m_flags &= static_cast<uint16_t>(~M_EOR);
  first->m_len = -2;
  EXPECT_STREQ(sb_broken(&sb_), "m_len is negative");
  first->m_len = 2;
  EXPECT_EQ(sb_broken(&sb_), nullptr);
}

TEST_F(SockbufTest, WalkerSeesALowWaterMarkThatCannotBe) {
  EXPECT_STREQ(Broken([this] { sb_.sb_lowat = 8193; }), "sb_lowat is above sb_hiwat");
  sb_.sb_wat = 8192;
  EXPECT_STREQ(Broken([this] { sb_.sb_lowat = 0; }), "sb_lowat of a reserved buffer is below 1");
  // After sorflush a protocol may still grow the buffer, which nobody can read any more.
  sb_.sb_wat = 0;
  sb_.sb_lowat = 0;
  EXPECT_EQ(sb_broken(&sb_), nullptr);
}

TEST_F(SockbufTest, CheckStopsTheRunAndShowsTheRecord) {
  Stream(MbufWith("ab"));
  EXPECT_DEATH(
      {
        ++sb_.sb_datacc;
        sbcheck(&sb_);
      },
      "sb_datacc is not the sum of the data: \\[2\\]");
}

// --- Worked numbers. ---

TEST_F(SockbufTest, SmallDatagramsFillTheStorageBeforeTheBytes) {
  Reserve(41600);
  int accepted = 0;
  for (;;) {
    MbufPtr m = PacketOf(100);
    MbufPtr control;
    if (sbappendaddr(&sb_, &kAddress, 16, m, control) == 0) break;
    ++accepted;
  }
  EXPECT_EQ(accepted, 163);
  EXPECT_EQ(sb_.sb_mbcnt, 83456u);
}

TEST_F(SockbufTest, BytewiseStreamFillsHeaderMbufs) {
  Reserve(4096);
  while (sbspace(&sb_) > 0) Stream(PacketOf(1));
  ExpectCounts(4096, 4096, 29 * 256);
}

TEST_F(SockbufTest, ThreeClusterDatagramsFit) {
  Reserve(4096);
  int accepted = 0;
  for (;;) {
    MbufPtr m = PacketOf(1000);
    MbufPtr control;
    if (sbappendaddr(&sb_, &kAddress, 16, m, control) == 0) break;
    ++accepted;
  }
  EXPECT_EQ(accepted, 3);
  ExpectCounts(3048, 3000, 7680);
  EXPECT_EQ(sbspace(&sb_), 512);
}

// --- Locking and waiting. ---

TEST_F(SockbufTest, LockIsRefusedWithoutWaiting) {
  EXPECT_EQ(sblock(&sb_, true), 0);
  EXPECT_EQ(sblock(&sb_, false), EWOULDBLOCK);
  sbunlock(&sb_);
  EXPECT_EQ(sblock(&sb_, false), 0);
  sbunlock(&sb_);
}

// userret asserts that nobody returns to his program with a lock.
TEST_F(SockbufTest, HolderCarriesTheCountOfHisLocks) {
  Spawn("holder", [&] {
    EXPECT_EQ(sblock(&sb_, true), 0);
    EXPECT_EQ(sblock(&sb_, false), EWOULDBLOCK);
    EXPECT_EQ(curproc()->p_sblocks, 1);
    sbunlock(&sb_);
    EXPECT_EQ(curproc()->p_sblocks, 0);
  });
  Run();
}

TEST_F(SockbufTest, LockGoesToWhoSleptFirst) {
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    Spawn(std::string(1, name), [&, name] {
      EXPECT_EQ(sblock(&sb_, true), 0);
      Pause(kSecond);
      order += name;
      sbunlock(&sb_);
    });
  }
  Run();
  EXPECT_EQ(order, "abc");
}

TEST_F(SockbufTest, InterruptedWaitForTheLockLeavesItUntaken) {
  proc* waiter = nullptr;
  Spawn("holder", [&] {
    EXPECT_EQ(sblock(&sb_, true), 0);
    Pause(kSecond);
    psignal(waiter, SIGTERM);
    Pause(kSecond);
    sbunlock(&sb_);
  });
  waiter = Spawn("waiter", [&] {
    EXPECT_EQ(sblock(&sb_, true), EINTR);
    EXPECT_NE(sb_.sb_flags & SB_LOCK, 0) << "it is the holder's";
  });
  Run();
}

TEST_F(SockbufTest, WaitEndsWithItsTimeLimit) {
  InProcess([&] {
    sb_.sb_timeo = 3;
    EXPECT_EQ(sbwait(&sb_), EWOULDBLOCK);
    EXPECT_EQ(ticks(), 3);
    EXPECT_NE(sb_.sb_flags & SB_WAIT, 0) << "only a wakeup clears it";
  });
}

TEST_F(SockbufTest, WaitsOfABufferThatIgnoresSignalsGoOn) {
  proc* locker = nullptr;
  proc* waiter = nullptr;
  sb_.sb_flags |= SB_NOINTR;
  Spawn("holder", [&] {
    EXPECT_EQ(sblock(&sb_, true), 0);
    Pause(kSecond);
    psignal(locker, SIGUSR1);
    psignal(waiter, SIGUSR1);
    Pause(kSecond);
    sbunlock(&sb_);
    wakeup(&sb_.sb_cc);
  });
  locker = Spawn("locker", [&] {
    EXPECT_EQ(sblock(&sb_, true), 0);
    sbunlock(&sb_);
  });
  waiter = Spawn("waiter", [&] { EXPECT_EQ(sbwait(&sb_), 0); });
  Run();
  EXPECT_EQ(Now(), 2 * kSecond);
}

TEST_F(SockbufTest, UnlockForgetsWhoWantedTheLock) {
  EXPECT_EQ(sblock(&sb_, true), 0);
  sb_.sb_flags |= SB_WANT;
  sbunlock(&sb_);
  EXPECT_EQ(sb_.sb_flags, 0);
}

TEST_F(SockbufTest, ReleasedBufferHasNoLimits) {
  Stream(MbufWith("data"));
  sbrelease(&sb_);
  ExpectCounts(0, 0, 0);
  EXPECT_EQ(sb_.sb_hiwat + sb_.sb_mbmax, 0u);
  EXPECT_EQ(sb_.sb_lowat, 0);
}

TEST_F(SockbufTest, UnlockOfAFreeBufferStopsTheRun) { EXPECT_DEATH(sbunlock(&sb_), "SB_LOCK"); }

// --- What the callers promise. ---

TEST_F(SockbufTest, DatagramMustBeAPacket) {
  const sockaddr sa = {};
  MbufPtr m = MbufWith("x"), control;
  EXPECT_DEATH((void)sbappendaddr(&sb_, &sa, sizeof sa, m, control), "M_PKTHDR");
}

TEST_F(SockbufTest, ControlMustBeThere) {
  MbufPtr m = MbufWith("x"), control;
  EXPECT_DEATH((void)sbappendcontrol(&sb_, m, control), "control");
}

TEST_F(SockbufTest, StreamMustBeOneRecord) {
  sbappendrecord(&sb_, MbufWith("a"));
  sbappendrecord(&sb_, MbufWith("b"));
  EXPECT_DEATH(sbappendstream(&sb_, MbufWith("c")), "sb_lastrecord");
}

TEST_F(SockbufTest, EndOfARecordOfNothingCannotBeHeld) {
  MbufPtr m = MbufWith("");
  m->m_flags |= M_EOR;
  MbufPtr rest = MbufWith("", MT_OOBDATA);
  m->m_next = rest.release();
  sbappend(&sb_, std::move(m));
  EXPECT_EQ(Records(), 1) << "the last mbuf carries it";
  sbcheck(&sb_);
}

// --- Low memory. ---

TEST_F(SockbufTest, GrowthIsRefusedWhileMemoryIsLow) {
  EXPECT_EQ(sbcheckreserve(1000, 100), 0);
  ASSERT_EQ(host().sysctls.Set("kern.maxclusters", 10), 0);
  const MbufPtr a = PacketOf(16384);
  EXPECT_EQ(sbcheckreserve(1000, 100), ENOBUFS);
  EXPECT_EQ(sbcheckreserve(100, 100), 0) << "no growth";
}

TEST_F(SockbufTest, MemoryThatWasLowIsLowForLonger) {
  ASSERT_EQ(host().sysctls.Set("kern.maxclusters", 10), 0);
  std::vector<MbufPtr> held;
  const auto hold = [&](size_t percent) {
    while (m_pool_used() < static_cast<int>(percent)) held.push_back(PacketOf(MCLBYTES));
  };
  hold(70);
  ASSERT_LE(m_pool_used(), 80);
  EXPECT_EQ(sbcheckreserve(1000, 100), 0) << "not yet";
  hold(81);
  EXPECT_EQ(sbcheckreserve(1000, 100), ENOBUFS);
  while (m_pool_used() > 70) held.pop_back();
  ASSERT_GE(m_pool_used(), 60);
  EXPECT_EQ(sbcheckreserve(1000, 100), ENOBUFS) << "still";
  held.clear();
  EXPECT_EQ(sbcheckreserve(1000, 100), 0);
}

}  // namespace
}  // namespace sockbed
