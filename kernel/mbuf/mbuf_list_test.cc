#include "kernel/mbuf/mbuf_list.h"

#include <deque>

#include "kernel/mbuf/two_hosts.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

using Lens = std::vector<int>;

class MbufListTest : public TwoHosts {
 protected:
  static Lens PacketLengths(const mbuf_list* ml) {
    Lens lengths;
    mbuf* m;
    MBUF_LIST_FOREACH(ml, m) lengths.push_back(m->m_pkthdr.len);
    EXPECT_EQ(lengths.size(), ml_len(ml));
    return lengths;
  }
  static void Fill(mbuf_list* ml, const Lens& lengths) {
    for (int length : lengths) ml_enqueue(ml, Chain({length}));
  }
};

TEST_F(MbufListTest, IsFirstInFirstOut) {
  mbuf_list ml;
  EXPECT_EQ(ml_dequeue(&ml), nullptr);
  EXPECT_EQ(ml_hdatalen(&ml), 0);
  Fill(&ml, {1, 2, 3});
  EXPECT_EQ(ml_hdatalen(&ml), 1);
  MbufPtr first = ml_dequeue(&ml);
  EXPECT_EQ(first->m_pkthdr.len, 1);
  EXPECT_EQ(first->m_nextpkt, nullptr);
  EXPECT_EQ(PacketLengths(&ml), (Lens{2, 3}));
  ml_dequeue(&ml).reset();
  ml_dequeue(&ml).reset();
  EXPECT_TRUE(ml_empty(&ml));
  Fill(&ml, {4});
  EXPECT_EQ(PacketLengths(&ml), (Lens{4}));
}

TEST_F(MbufListTest, EnlistPutsTheSecondBehindTheFirst) {
  mbuf_list ml, more, none;
  Fill(&ml, {1, 2});
  Fill(&more, {3, 4});
  ml_enlist(&ml, &more);
  ml_enlist(&ml, &none);
  EXPECT_EQ(PacketLengths(&ml), (Lens{1, 2, 3, 4}));
  EXPECT_TRUE(ml_empty(&more));
  ml_enlist(&more, &ml);
  EXPECT_EQ(PacketLengths(&more), (Lens{1, 2, 3, 4}));
  Fill(&more, {5});
  EXPECT_EQ(PacketLengths(&more), (Lens{1, 2, 3, 4, 5}));
}

TEST_F(MbufListTest, DechainHandsTheQueueOver) {
  mbuf_list ml;
  Fill(&ml, {1, 2});
  mbuf* const packets = ml_dechain(&ml);
  EXPECT_TRUE(ml_empty(&ml));
  EXPECT_EQ(packets->m_nextpkt->m_pkthdr.len, 2);
  m_purge(packets);
}

TEST_F(MbufListTest, PurgeCountsAndADyingListFrees) {
  mbuf_list ml;
  Fill(&ml, {1, 2});
  EXPECT_EQ(ml_purge(&ml), 2u);
  EXPECT_EQ(ml_purge(&ml), 0u);
  {
    mbuf_list dying;
    Fill(&dying, {1, 2, 3});
  }
  EXPECT_EQ(Live(a(), "mbuf"), 0);
}

class MbufQueueTest : public MbufListTest {
 protected:
  MbufQueueTest() { mq_init(&mq_, 2, IPL_SOFTNET); }
  ~MbufQueueTest() override { mq_purge(&mq_); }
  mbuf_queue mq_;
};

TEST_F(MbufQueueTest, EnqueueDropsTheNewestWhenFull) {
  EXPECT_EQ(mq_enqueue(&mq_, Chain({1})), 0);
  EXPECT_EQ(mq_enqueue(&mq_, Chain({2})), 0);
  EXPECT_TRUE(mq_full(&mq_));
  EXPECT_EQ(mq_enqueue(&mq_, Chain({3})), 1);
  EXPECT_EQ(mq_drops(&mq_), 1u);
  EXPECT_EQ(PacketLengths(&mq_.mq_list), (Lens{1, 2}));
  EXPECT_EQ(Live(a(), "mbuf"), 2);
}

TEST_F(MbufQueueTest, PushDropsTheOldestWhenFull) {
  EXPECT_EQ(mq_push(&mq_, Chain({1})), 0);
  EXPECT_EQ(mq_push(&mq_, Chain({2})), 0);
  EXPECT_EQ(mq_push(&mq_, Chain({3})), 1);
  EXPECT_EQ(mq_drops(&mq_), 1u);
  EXPECT_EQ(PacketLengths(&mq_.mq_list), (Lens{2, 3}));
}

TEST_F(MbufQueueTest, EnlistMayOvershootButNeverStartsFull) {
  mbuf_list ml;
  Fill(&ml, {1, 2, 3});
  EXPECT_EQ(mq_enlist(&mq_, &ml), 0);
  EXPECT_EQ(mq_len(&mq_), 3u);
  Fill(&ml, {4, 5});
  EXPECT_EQ(mq_enlist(&mq_, &ml), 2);
  EXPECT_EQ(mq_drops(&mq_), 2u);
  EXPECT_TRUE(ml_empty(&ml));
  EXPECT_EQ(mq_len(&mq_), 3u);
}

TEST_F(MbufQueueTest, DelistTakesEverything) {
  mbuf_list ml;
  (void)mq_enqueue(&mq_, Chain({1}));
  (void)mq_enqueue(&mq_, Chain({2}));
  EXPECT_EQ(mq_hdatalen(&mq_), 1);
  mq_delist(&mq_, &ml);
  EXPECT_EQ(PacketLengths(&ml), (Lens{1, 2}));
  EXPECT_TRUE(mq_empty(&mq_));
  EXPECT_EQ(mq_dequeue(&mq_), nullptr);
}

TEST_F(MbufQueueTest, PurgeFreesAllAndCountsNoDrop) {
  (void)mq_enqueue(&mq_, Chain({1}));
  (void)mq_enqueue(&mq_, Chain({2}));
  EXPECT_EQ(mq_purge(&mq_), 2u);
  EXPECT_EQ(mq_drops(&mq_), 0u);
  EXPECT_EQ(mq_hdatalen(&mq_), 0);
  EXPECT_EQ(Live(a(), "mbuf"), 0);
}

// Random operations against a deque of lengths.
TEST_F(MbufQueueTest, HoldsWhatADequeHolds) {
  Stream random(3, Site::kProgram, 0, 0);
  std::deque<int> model;
  uint32_t drops = 0;
  mq_set_maxlen(&mq_, 5);
  for (int i = 1; i <= 2000; ++i) {
    const bool full = model.size() >= 5;
    const int length = 1 + i % 100;
    switch (random.NextBelow(4)) {
      case 0:
        EXPECT_EQ(mq_enqueue(&mq_, Chain({length})), full);
        drops += full;
        if (!full) model.push_back(length);
        break;
      case 1:
        EXPECT_EQ(mq_push(&mq_, Chain({length})), full);
        drops += full;
        if (full) model.pop_front();
        model.push_back(length);
        break;
      case 2: {
        mbuf_list more;
        Fill(&more, {length, length + 1});
        EXPECT_EQ(mq_enlist(&mq_, &more), full ? 2 : 0);
        drops += full ? 2 : 0;
        if (!full) model.insert(model.end(), {length, length + 1});
        break;
      }
      default:
        EXPECT_EQ(mq_hdatalen(&mq_), model.empty() ? 0 : model.front());
        EXPECT_EQ(mq_dequeue(&mq_) == nullptr, model.empty());
        if (!model.empty()) model.pop_front();
    }
    ASSERT_EQ(PacketLengths(&mq_.mq_list), Lens(model.begin(), model.end()));
    ASSERT_EQ(mq_drops(&mq_), drops);
  }
}

TEST_F(MbufQueueTest, InitStartsOver) {
  mq_set_maxlen(&mq_, 0);
  EXPECT_EQ(mq_enqueue(&mq_, Chain({1})), 1);
  mq_init(&mq_, 1, IPL_NET);
  EXPECT_EQ(mq_drops(&mq_), 0u);
  EXPECT_EQ(mq_.mq_ipl, IPL_NET);
  EXPECT_EQ(mq_enqueue(&mq_, Chain({1})), 0);
  EXPECT_EQ(mq_enqueue(&mq_, Chain({2})), 1);
}

TEST_F(MbufQueueTest, SetMaxlenDoesNotTrim) {
  (void)mq_enqueue(&mq_, Chain({1}));
  (void)mq_enqueue(&mq_, Chain({2}));
  mq_set_maxlen(&mq_, 1);
  EXPECT_EQ(mq_len(&mq_), 2u);
  EXPECT_TRUE(mq_full(&mq_));
}

TEST_F(MbufListTest, EnqueueCutsWhatTheLastQueueLeft) {
  mbuf_list ml;
  MbufPtr m = Chain({1});
  MbufPtr stranger = Chain({2});
  m->m_nextpkt = stranger.get();
  ml_enqueue(&ml, std::move(m));
  EXPECT_EQ(MBUF_LIST_NEXT(MBUF_LIST_FIRST(&ml)), nullptr);
}

}  // namespace
}  // namespace sockbed
