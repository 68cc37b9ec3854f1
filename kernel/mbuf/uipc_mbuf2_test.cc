#include <cerrno>
#include <cstring>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

using Lens = std::vector<int>;

class PulldownTest : public TwoHosts {
 protected:
  // Pulls [off, off+len) of m down; checks that it is contiguous and private and that no byte of
  // the packet has changed. Returns the offset in the mbuf returned.
  int Pulldown(MbufPtr& m, int off, int len, bool want_offset = true) {
    const std::string before = Content(m);
    int o = 0;
    mbuf* const n = m_pulldown(m, off, len, want_offset ? &o : nullptr);
    EXPECT_NE(n, nullptr);
    if (n == nullptr) return -1;
    EXPECT_GE(n->m_len, o + len);
    EXPECT_FALSE(M_READONLY(n));
    EXPECT_EQ(std::string(n->m_data + o, static_cast<size_t>(len)),
              before.substr(static_cast<size_t>(off), static_cast<size_t>(len)));
    EXPECT_EQ(Content(m), before);
    m_check(m.get());
    return o;
  }
};

TEST_F(PulldownTest, RegionOverTwoFullMbufsGetsAnMbufOfItsOwn) {  // figure 6
  MbufPtr m = Chain({144, 224});
  m_adj(m.get(), 104);   // 40 bytes at the end of the area
  m_adj(m.get(), -164);  // 60 at the start
  ASSERT_EQ(Lengths(m), (Lens{40, 60}));
  EXPECT_EQ(Pulldown(m, 34, 20), 0);
  EXPECT_EQ(Lengths(m), (Lens{34, 20, 46}));
  EXPECT_EQ(mbuf_stat(a()).m_pulldown_alloc, 1);
}

TEST_F(PulldownTest, TrailingSpaceTakesTheTail) {
  MbufPtr m = Chain({40, 60});
  EXPECT_EQ(Pulldown(m, 34, 20), 34);
  EXPECT_EQ(Lengths(m), (Lens{54, 46}));
  EXPECT_EQ(mbuf_stat(a()).m_pulldown_copy, 1);
}

TEST_F(PulldownTest, LeadingSpaceTakesTheHead) {
  MbufPtr m = Chain({144, 224});
  m_adj(m.get(), 104);
  m->m_next->m_data += 10;
  m->m_next->m_len -= 10;
  m_calchdrlen(m.get());
  EXPECT_EQ(Pulldown(m, 34, 20), 0);
  EXPECT_EQ(Lengths(m), (Lens{34, 220}));
  EXPECT_EQ(mbuf_stat(a()).m_pulldown_copy, 1);
}

TEST_F(PulldownTest, NeitherSideOfASharedMbufTakesTheOther) {
  MbufPtr m = Chain({40, 100}, true, Storage::kCluster);
  MbufPtr sharer = m_copym(m.get(), 0, 40, M_DONTWAIT);
  m->m_next->m_data += 50;
  m->m_next->m_len -= 50;
  m_calchdrlen(m.get());
  EXPECT_EQ(Pulldown(m, 34, 20), 0);
  EXPECT_EQ(Lengths(m), (Lens{34, 20, 36})) << "though there were 50 bytes in front of the second";
  EXPECT_EQ(mbuf_stat(a()).m_pulldown_alloc, 1);
  EXPECT_EQ(Content(sharer), Bytes(40));
}

TEST_F(PulldownTest, PrivateAndContiguousStaysInPlace) {
  MbufPtr m = Chain({40, 60});
  mbuf* const second = m->m_next;
  int o = -1;
  EXPECT_EQ(m_pulldown(m, 50, 20, &o), second);
  EXPECT_EQ(o, 10);
  EXPECT_EQ(Lengths(m), (Lens{40, 60}));
}

TEST_F(PulldownTest, ContiguousInSharedStorageIsCopied) {
  MbufPtr m = Chain({1460}, true, Storage::kCluster);
  MbufPtr sharer = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  EXPECT_EQ(Pulldown(m, 34, 20), 0);
  EXPECT_EQ(Lengths(m), (Lens{34, 20, 1406}));
  EXPECT_EQ(mbuf_stat(a()).m_pulldown_alloc, 1);
  EXPECT_EQ(Content(sharer), Bytes(1460));
  EXPECT_EQ(Pulldown(m, 54, 1406), 0);  // to the end: nothing is left to share
  EXPECT_EQ(Lengths(m), (Lens{34, 20, 0, 1406}));
}

TEST_F(PulldownTest, WithoutOffsetTheRegionStartsItsMbuf) {
  MbufPtr internal = Chain({100, 60});
  Pulldown(internal, 34, 20, false);
  EXPECT_EQ(Lengths(internal), (Lens{34, 20, 46, 60}));
  MbufPtr straddling = Chain({40, 60});
  Pulldown(straddling, 34, 20, false);
  EXPECT_EQ(Lengths(straddling), (Lens{34, 20, 46}));
  MbufPtr front = Chain({40, 60});
  Pulldown(front, 0, 70, false);
  EXPECT_EQ(Lengths(front), (Lens{70, 30}));
}

TEST_F(PulldownTest, TooMuchFreesTheChain) {
  for (const auto& [off, len] : {std::pair{34, 67}, {101, 0}, {0, 65537}}) {
    MbufPtr m = Chain({40, 60});
    EXPECT_EQ(m_pulldown(m, off, len, nullptr), nullptr);
    EXPECT_EQ(m, nullptr);
  }
  MbufPtr large = Chain({40'000, 40'000});
  EXPECT_EQ(m_pulldown(large, 0, 65537, nullptr), nullptr) << "no mbuf is that large";
  EXPECT_EQ(large, nullptr);
  MbufPtr end = Chain({40, 60});
  EXPECT_NE(m_pulldown(end, 100, 0, nullptr), nullptr);
}

class MbufTagTest : public TwoHosts {
 protected:
  static void Add(mbuf* m, int id, char value) {
    m_tag* const t = m_tag_get(id, 1, M_DONTWAIT);
    t->m_tag_data[0] = static_cast<unsigned char>(value);
    m_tag_prepend(m, t);
  }
  // The values of m's tags in order.
  static std::string Values(const mbuf* m) {
    std::string values;
    for (m_tag* t = m_tag_first(m); t != nullptr; t = m_tag_next(t)) {
      values += static_cast<char>(t->m_tag_data[0]);
    }
    return values;
  }
};

TEST_F(MbufTagTest, LengthIsAtMost80) {
  EXPECT_EQ(m_tag_get(PACKET_TAG_SRCROUTE, -1, M_DONTWAIT), nullptr);
  m_tag* const t = m_tag_get(PACKET_TAG_SRCROUTE, 80, M_DONTWAIT);
  EXPECT_EQ(t->m_tag_len, 80);
  EXPECT_EQ(Live(a(), "mbuf tag"), 1);
  m_tag_free(t);
  EXPECT_DEATH((void)m_tag_get(PACKET_TAG_SRCROUTE, 81, M_DONTWAIT), "PACKET_TAG_MAXSIZE");
}

TEST_F(MbufTagTest, NewestIsFirstAndFindGoesOnBehindTheLastFound) {
  MbufPtr m = Chain({10});
  Add(m.get(), PACKET_TAG_SRCROUTE, 'a');
  Add(m.get(), PACKET_TAG_IP_OFFNXT, 'b');
  Add(m.get(), PACKET_TAG_SRCROUTE, 'c');
  EXPECT_EQ(Values(m.get()), "cba");
  EXPECT_EQ(m->m_pkthdr.ph_tagsset, PACKET_TAG_SRCROUTE | PACKET_TAG_IP_OFFNXT);
  m_tag* const c = m_tag_find(m.get(), PACKET_TAG_SRCROUTE, nullptr);
  EXPECT_EQ(c->m_tag_data[0], 'c');
  m_tag* const first = m_tag_find(m.get(), PACKET_TAG_SRCROUTE, c);
  EXPECT_EQ(first->m_tag_data[0], 'a');
  EXPECT_EQ(m_tag_find(m.get(), PACKET_TAG_SRCROUTE, first), nullptr);
  EXPECT_EQ(m_tag_find(m.get(), PACKET_TAG_IP6_OFFNXT, nullptr), nullptr);
}

TEST_F(MbufTagTest, DeleteRecomputesTheUnion) {
  MbufPtr m = Chain({10});
  Add(m.get(), PACKET_TAG_SRCROUTE, 'a');
  Add(m.get(), PACKET_TAG_IP_OFFNXT, 'b');
  Add(m.get(), PACKET_TAG_SRCROUTE, 'c');
  m_tag_delete(m.get(), m_tag_first(m.get()));
  EXPECT_EQ(m->m_pkthdr.ph_tagsset, PACKET_TAG_SRCROUTE | PACKET_TAG_IP_OFFNXT);
  m_tag_delete(m.get(), m_tag_find(m.get(), PACKET_TAG_SRCROUTE, nullptr));
  EXPECT_EQ(m->m_pkthdr.ph_tagsset, PACKET_TAG_IP_OFFNXT);
  m_tag_delete_chain(m.get());
  EXPECT_EQ(m->m_pkthdr.ph_tagsset, 0);
  m_check(m.get());
}

TEST_F(MbufTagTest, CopyIsATagOfItsOwn) {
  MbufPtr m = Chain({10});
  Add(m.get(), PACKET_TAG_SRCROUTE, 'a');
  m_tag* const copy = m_tag_copy(m_tag_first(m.get()), M_DONTWAIT);
  ASSERT_NE(copy, nullptr);
  m_tag_delete_chain(m.get());
  EXPECT_EQ(copy->m_tag_data[0], 'a');
  m_tag_prepend(m.get(), copy);
  EXPECT_EQ(m_tag_find(m.get(), PACKET_TAG_SRCROUTE, nullptr), copy);
  m_check(m.get());
}

TEST_F(MbufTagTest, CopyChainReplacesInOrder) {
  MbufPtr from = Chain({10});
  Add(from.get(), PACKET_TAG_SRCROUTE, 'a');
  Add(from.get(), PACKET_TAG_IP_OFFNXT, 'b');
  MbufPtr to = Chain({10});
  Add(to.get(), PACKET_TAG_IP6_OFFNXT, 'x');
  EXPECT_EQ(m_tag_copy_chain(to.get(), from.get(), M_DONTWAIT), 0);
  EXPECT_EQ(Values(to.get()), "ba");
  EXPECT_EQ(to->m_pkthdr.ph_tagsset, from->m_pkthdr.ph_tagsset);
}

TEST_F(MbufTagTest, CopyChainWithoutMemoryLeavesNone) {
  fault::Plan plan({{.site = Site::kPoolGet, .only_ordinal = 4}});
  Boot({.fault_plan = &plan});
  MbufPtr from = Chain({10});
  Add(from.get(), PACKET_TAG_SRCROUTE, 'a');
  Add(from.get(), PACKET_TAG_IP_OFFNXT, 'b');
  MbufPtr to = Chain({10});
  EXPECT_EQ(m_tag_copy_chain(to.get(), from.get(), M_DONTWAIT), ENOBUFS);
  EXPECT_EQ(m_tag_first(to.get()), nullptr);
  EXPECT_EQ(to->m_pkthdr.ph_tagsset, 0);
  m_check(to.get());
}

TEST_F(MbufTagTest, WhoMayWaitIsNeverRefused) {
  fault::Plan plan({{.site = Site::kPoolGet}});
  Boot({.fault_plan = &plan});
  EXPECT_EQ(m_tag_get(PACKET_TAG_SRCROUTE, 4, M_DONTWAIT), nullptr);
  InProcess([] { m_tag_free(m_tag_get(PACKET_TAG_SRCROUTE, 4, M_WAIT)); });
}

TEST_F(MbufTagTest, TagsFollowTheHeader) {
  MbufPtr m = Chain({10, 300});
  Add(m.get(), PACKET_TAG_SRCROUTE, 'a');
  MbufPtr copy = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  EXPECT_EQ(Values(copy.get()), "a");
  MbufPtr tail = m_split(m.get(), 100, M_DONTWAIT);
  EXPECT_EQ(Values(tail.get()), "a");
  m = m_prepend(std::move(m), 144, M_DONTWAIT);
  EXPECT_EQ(Values(m.get()), "a");
  EXPECT_EQ(Live(a(), "mbuf tag"), 3);
}

}  // namespace
}  // namespace sockbed
