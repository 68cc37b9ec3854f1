// The walker must find every kind of damage: each test does one kind and undoes it.

#include <cstring>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"

namespace sockbed {
namespace {

class MbufCheckTest : public TwoHosts {
 protected:
  static void ExpectBroken(const mbuf* m, const char* what) {
    const char* const broken = m_broken(m);
    ASSERT_NE(broken, nullptr) << "expected: " << what;
    EXPECT_NE(std::strstr(broken, what), nullptr) << broken;
  }
};

TEST_F(MbufCheckTest, SoundChainsPass) {
  m_check(nullptr);
  m_check(Chain({0, 10, 2000, 0}).get());
  m_check(Chain({10, 20}, false).get());
}

TEST_F(MbufCheckTest, DataOutsideItsArea) {
  MbufPtr m = Chain({100});
  m->m_data -= 1;
  ExpectBroken(m.get(), "before the data area");
  m->m_data += 46;
  ExpectBroken(m.get(), "over the end");
  m->m_data -= 45;
  m->m_len = -1;
  ExpectBroken(m.get(), "negative");
}

TEST_F(MbufCheckTest, LengthOfThePacket) {
  MbufPtr m = Chain({100, 20});
  m->m_pkthdr.len = 119;
  ExpectBroken(m.get(), "sum of m_len");
}

TEST_F(MbufCheckTest, HeaderBehindTheFirst) {
  MbufPtr m = Chain({100});
  m->m_next = Chain({0}).release();
  ExpectBroken(m.get(), "M_PKTHDR behind");
}

TEST_F(MbufCheckTest, TagsUnion) {
  MbufPtr m = Chain({100});
  m_tag_prepend(m.get(), m_tag_get(PACKET_TAG_SRCROUTE, 0, M_DONTWAIT));
  m_check(m.get());
  m->m_pkthdr.ph_tagsset |= PACKET_TAG_IP_OFFNXT;
  ExpectBroken(m.get(), "ph_tagsset");
}

TEST_F(MbufCheckTest, FlagsAndRingOfExternalStorage) {
  MbufPtr m = Chain({100});
  m->m_flags |= M_EXTWR;
  ExpectBroken(m.get(), "M_EXTWR without");
  m = Chain({100}, true, Storage::kCluster);
  MbufPtr sharer = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  sharer->m_ext.ext_size = 99;
  ExpectBroken(m.get(), "disagree");
  sharer->m_ext.ext_size = m->m_ext.ext_size;
  sharer->m_ext.ext_prevref = sharer.get();
  ExpectBroken(m.get(), "ring of sharers is broken");
  sharer->m_ext.ext_prevref = m.get();
  m_check(m.get());
}

TEST_F(MbufCheckTest, EachFieldThatSharersMustAgreeOn) {
  MbufPtr m = Chain({100}, true, Storage::kCluster);
  MbufPtr sharer = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  mbuf_ext& ext = sharer->m_ext;
  ++ext.ext_buf;
  ExpectBroken(m.get(), "disagree");
  --ext.ext_buf;
  ++ext.ext_free_fn;
  ExpectBroken(m.get(), "disagree");
  --ext.ext_free_fn;
  sharer->m_flags &= static_cast<uint16_t>(~M_EXT);
  ExpectBroken(m.get(), "a sharer has lost M_EXT");
  sharer->m_flags |= M_EXT;
  mbuf* const other = sharer.release();
  m_freem(other);
  m_check(m.get());
  m->m_ext.ext_nextref = other;
  ExpectBroken(m.get(), "a freed mbuf is still in the ring");
  m->m_ext.ext_nextref = m.get();
}

TEST_F(MbufCheckTest, TypesThatAreNone) {
  MbufPtr m = Chain({100});
  for (const int16_t type : {int16_t{-2}, int16_t{MT_NTYPES}}) {
    m->m_type = type;
    ExpectBroken(m.get(), "m_type is none");
  }
  m->m_type = MT_DATA;
}

TEST_F(MbufCheckTest, QueueLinks) {
  MbufPtr m = Chain({100, 20});
  MbufPtr other = Chain({1});
  m->m_nextpkt = other.get();
  ExpectBroken(m.get(), "m_nextpkt");
  m_check(m.get(), /*queued=*/true);
  m->m_next->m_nextpkt = other.get();
  EXPECT_NE(m_broken(m.get(), /*queued=*/true), nullptr);
  m->m_nextpkt = nullptr;
  m->m_next->m_nextpkt = nullptr;
}

TEST_F(MbufCheckTest, ChainWithoutEndAndFreedMbufs) {
  MbufPtr ring = Chain({1, 1}, false);
  ring->m_next->m_next = ring.get();
  ExpectBroken(ring.get(), "no end");
  ring->m_next->m_next = nullptr;
  MbufPtr m = Chain({1, 1}, false);
  mbuf* const second = m->m_next;
  m_free(second);
  ExpectBroken(m.get(), "freed mbuf is in the chain");
  m->m_next = nullptr;
}

TEST_F(MbufCheckTest, CheckStopsTheRunAndShowsTheChain) {
  MbufPtr m = Chain({54, 1448});
  m->m_pkthdr.len = 7;
  EXPECT_DEATH(m_check(m.get()), "sum of m_len: \\[pkt 7: 54\\] -> \\[1448 of 2048\\]");
}

TEST_F(MbufCheckTest, ShowDrawsTheChainInOneLine) {
  MbufPtr m = Chain({54, 1448});
  MbufPtr sharer = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  MCHTYPE(m->m_next, MT_CONTROL);
  m->m_flags |= M_EOR;
  EXPECT_EQ(m_show(m.get()), "[pkt 1502: 54 eor] -> [1448 of 2048 shared by 2 control]");
  EXPECT_EQ(m_show(nullptr), "[]");
  EXPECT_NE(m_show(Chain(std::vector<int>(30, 1)).get()).find("-> ..."), std::string::npos);
}

}  // namespace
}  // namespace sockbed
