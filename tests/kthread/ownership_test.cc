// One packet followed from sosend to soreceive: at each step, who owns its mbufs, who pays for
// them, and that its bytes stay where they were first put.
//
//   so_snd       in the interface     on the link      so_rcv        soreceive
//   [cluster]    [hdr]->[share]       [hdr]->[share]   [share]       [share]
//       ^ until the ACK, and no longer

#include <netinet/in.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/fault.h"
#include "kernel/socket/socketvar.h"
#include "tests/captures/test_simulation.h"
#include "tests/kthread/calls.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 7;
constexpr int kBytes = 1000;  // one segment
constexpr SimTime kSendAt = 100 * kMillisecond;
constexpr SimTime kReadAt = 3 * kSecond;
constexpr SimTime kCloseAt = 8 * kSecond;

void SleepUntil(SimTime when) {
  (void)tsleep_nsec(&nowake, PSOCK, "until", static_cast<uint64_t>(when - Now()));
}

int64_t Live(const HostBase& host, std::string_view what) {
  for (const LiveCount& count : host.live_counts) {
    if (count.what == what) return *count.count;
  }
  return -1;
}

class Ownership : public testing::Test {
 protected:
  explicit Ownership(std::vector<fault::Rule> rules = {})
      : plan_(rules), sim_({.seed = 1, .fault_plan = &plan_}) {
    sim_.Connect(client_, server_,
                 {.latency = absl::Milliseconds(10), .reorder_delay = absl::Seconds(5)});
    server_.Spawn("reader", [this] { Reader(); });
    client_.Spawn("writer", [this] { Writer(); });
  }

  // Connects, sends one packet whose bytes are in a cluster, and keeps the socket for a while.
  void Writer() {
    EXPECT_EQ(socreate(AF_INET, &from_, SOCK_STREAM, 0), 0);
    {
      const MbufPtr nam = PortName(server_.address(), kPort);
      EXPECT_EQ(ConnectAndWait(from_, nam.get(), 0), 0);
    }
    SleepUntil(kSendAt);
    MbufPtr top = m_clget(nullptr, M_WAIT, MCLBYTES);
    top->m_len = top->m_pkthdr.len = kBytes;
    bytes_ = top->m_data;
    std::fill_n(top->m_data, kBytes, 'x');
    EXPECT_EQ(sosend(from_, nullptr, nullptr, top.release() /*taken*/, nullptr, 0), 0);
    SleepUntil(kCloseAt);
    soclose(from_);
  }

  // Accepts, and reads late, so that the packet can be looked at where it waits.
  void Reader() {
    socket* head = nullptr;
    EXPECT_EQ(socreate(AF_INET, &head, SOCK_STREAM, 0), 0);
    {
      const MbufPtr nam = PortName({INADDR_ANY}, kPort);
      EXPECT_EQ(sobind(head, nam.get(), curproc()), 0);
    }
    EXPECT_EQ(solisten(head, 1), 0);
    EXPECT_EQ(AcceptNext(head, &to_), 0);
    SleepUntil(kReadAt);
    mbuf* chain = nullptr;
    EXPECT_EQ(soreceive(to_, nullptr, nullptr, &chain, nullptr, nullptr), 0);
    got_.reset(chain);
    SleepUntil(kReadAt + kSecond);
    got_.reset();
    soclose(to_);
    soclose(head);
  }

  void RunUntil(SimTime when) { sim_.RunUntil({.deadline = when}); }

  // How many mbufs and clusters the two hosts pay for.
  struct Paid {
    int64_t client_mbufs, client_clusters, server_mbufs, server_clusters;
    friend bool operator==(const Paid&, const Paid&) = default;
  };
  Paid Pays() const {
    return {Live(client_, "mbuf"), Live(client_, "cluster"), Live(server_, "mbuf"),
            Live(server_, "cluster")};
  }

  // Whether the one mbuf of data in `m` refers to the bytes as they were sent.
  bool HoldsTheBytes(const mbuf* m) const {
    return m != nullptr && m->m_next == nullptr && m->m_len == kBytes && m->m_data == bytes_;
  }

  fault::Plan plan_;
  TestSimulation sim_;
  Host& client_ = sim_.AddHost("client");
  Host& server_ = sim_.AddHost("server");
  socket* from_ = nullptr;
  socket* to_ = nullptr;
  char* bytes_ = nullptr;
  MbufPtr got_;  // what soreceive gave
};

constexpr SimTime kOnTheWay = kSendAt + 5 * kMillisecond;
constexpr SimTime kArrived = kSendAt + 15 * kMillisecond;  // and the ACK is delayed
constexpr SimTime kAcked = kSendAt + kSecond;

TEST_F(Ownership, OfOnePacketStepByStep) {
  RunUntil(kSendAt - kMillisecond);
  EXPECT_EQ(Pays(), (Paid{0, 0, 0, 0})) << "a connection at rest holds no mbuf";

  RunUntil(kOnTheWay);  // so_snd keeps the bytes; the segment shares them
  ASSERT_TRUE(HoldsTheBytes(from_->so_snd.sb_mb));
  EXPECT_TRUE(M_READONLY(from_->so_snd.sb_mb));
  EXPECT_EQ(Pays(), (Paid{3, 1, 0, 0}))
      << "so_snd's, and the segment's two: its headers, its share";

  RunUntil(kArrived);  // the receiver pays for what it received; storage is paid for by its maker
  ASSERT_TRUE(HoldsTheBytes(from_->so_snd.sb_mb));
  ASSERT_TRUE(HoldsTheBytes(to_->so_rcv.sb_mb));
  EXPECT_TRUE(M_READONLY(to_->so_rcv.sb_mb));
  EXPECT_EQ(Pays(), (Paid{1, 1, 1, 0}));

  RunUntil(kAcked);  // sbdrop let go of so_snd's share; the survivor may write again
  EXPECT_EQ(from_->so_snd.sb_mb, nullptr);
  ASSERT_TRUE(HoldsTheBytes(to_->so_rcv.sb_mb));
  EXPECT_FALSE(M_READONLY(to_->so_rcv.sb_mb));
  EXPECT_EQ(Pays(), (Paid{0, 1, 1, 0}));

  RunUntil(kReadAt + kMillisecond);  // the mbuf itself has left the buffer
  EXPECT_EQ(to_->so_rcv.sb_mb, nullptr);
  ASSERT_TRUE(HoldsTheBytes(got_.get()));
  EXPECT_EQ(Pays(), (Paid{0, 1, 1, 0}));

  RunUntil(kReadAt + 2 * kSecond);  // freed by who received it
  EXPECT_EQ(Pays(), (Paid{0, 0, 0, 0}));
  RunUntil(kForever);
  EXPECT_EQ(sim_.Finish().Complaints(), "");
}

// The client's packets: SYN, ACK, and then the segment.
constexpr uint64_t kTheSegment = 3;

class LostSegment : public Ownership {
 protected:
  LostSegment() : Ownership({{.site = Site::kLinkDrop, .host = 1, .only_ordinal = kTheSegment}}) {}
};

TEST_F(LostSegment, IsSentAgainWithoutACopy) {
  RunUntil(kOnTheWay);
  EXPECT_EQ(Pays(), (Paid{1, 1, 0, 0})) << "the link has freed its share";
  ASSERT_TRUE(HoldsTheBytes(from_->so_snd.sb_mb));
  RunUntil(kReadAt - kMillisecond);
  ASSERT_TRUE(HoldsTheBytes(to_->so_rcv.sb_mb));
  EXPECT_EQ(Pays(), (Paid{0, 1, 1, 0}));
  RunUntil(kForever);
  EXPECT_EQ(sim_.Finish().Complaints(), "");
}

class LateSegment : public Ownership {
 protected:
  LateSegment()
      : Ownership({{.site = Site::kLinkReorder, .host = 1, .only_ordinal = kTheSegment}}) {}
};

// Sent again and acknowledged, read and freed: one share is still on its way.
TEST_F(LateSegment, KeepsTheBytesAfterTheAckTookThemFromTheSendBuffer) {
  RunUntil(kReadAt + 2 * kSecond);
  EXPECT_EQ(from_->so_snd.sb_mb, nullptr);
  EXPECT_EQ(Pays(), (Paid{2, 1, 0, 0}));
  EXPECT_EQ(std::string(bytes_, kBytes), std::string(kBytes, 'x'));
  RunUntil(kSendAt + 6 * kSecond);  // it has arrived, and was a duplicate
  EXPECT_EQ(Pays(), (Paid{0, 0, 0, 0}));
  RunUntil(kForever);
  EXPECT_EQ(sim_.Finish().Complaints(), "");
}

}  // namespace
}  // namespace sockbed
