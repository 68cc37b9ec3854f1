// The scoreboard against a model: what the peer has reported, byte by byte.
#include "kernel/tcp/tcp_sack.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/sim/random.h"
#include "kernel/tcp/segment_peer.h"
#include "kernel/tcp/tcp_var.h"

namespace sockbed {
namespace {

class Scoreboard : public SegmentTest {
 protected:
  void SetUp() override {
    Sysctl("net.inet.tcp.debug_walks", 0);  // the numbers below are not the socket's
    Establish(",sackOK,eol,eol");
    base_ = tp()->snd_una;
    tp()->snd_max = base_ + kBytes;
  }
  void TearDown() override {
    const MachineScope scope(machine());
    tcp_clear_sackholes(tp());
    tp()->snd_una = tp()->snd_nxt = tp()->snd_max = base_;
  }

  void Report(tcp_seq ack, std::vector<std::pair<uint32_t, uint32_t>> blocks) {
    TcpOptions options;
    for (const auto& [start, end] : blocks) {
      options.sack[options.sack_count++] = {base_ + start, base_ + end};
    }
    tcp_sack_option(tp(), ack, options);
  }
  // The holes as "start-end+dups".
  std::string Holes() {
    std::string text;
    for (sackhole* hole = tp()->snd_sack.holes; hole != nullptr; hole = hole->next) {
      text += std::to_string(hole->start - base_) + "-" + std::to_string(hole->end - base_) + "+" +
              std::to_string(hole->dups) + " ";
    }
    return text;
  }

  static constexpr uint32_t kBytes = 1000;
  tcp_seq base_;
};

TEST_F(Scoreboard, MakesAHoleBelowABlock) {
  Report(base_, {{300, 400}});
  EXPECT_EQ(Holes(), "0-300+1 ");
  Report(base_, {{600, 700}, {300, 400}});
  EXPECT_EQ(Holes(), "0-300+2 400-600+1 ");
}

TEST_F(Scoreboard, SplitsShrinksAndFillsHoles) {
  Report(base_, {{900, 1000}});
  Report(base_, {{400, 500}});
  EXPECT_EQ(Holes(), "0-400+2 500-900+1 ");
  Report(base_, {{300, 600}});
  EXPECT_EQ(Holes(), "0-300+3 600-900+1 ");
  Report(base_, {{600, 900}});
  EXPECT_EQ(Holes(), "0-300+4 ");
}

TEST_F(Scoreboard, CountsAcksNotBlocks) {
  Report(base_, {{300, 400}, {500, 600}, {700, 800}});
  EXPECT_EQ(tp()->snd_sack.holes->dups, 1);
  EXPECT_EQ(tcp_sack_output(tp()), nullptr);
  Report(base_, {{300, 400}});
  Report(base_, {{300, 400}});
  ASSERT_NE(tcp_sack_output(tp()), nullptr);
  EXPECT_EQ(tcp_sack_output(tp())->start, base_);
}

TEST_F(Scoreboard, AcknowledgementsEatHoles) {
  Report(base_, {{300, 400}, {600, 700}});
  tcp_del_sackholes(tp(), base_ + 100);
  EXPECT_EQ(Holes(), "100-300+1 400-600+1 ");
  tcp_del_sackholes(tp(), base_ + 500);
  EXPECT_EQ(Holes(), "500-600+1 ");
  tcp_del_sackholes(tp(), base_ + 700);
  EXPECT_EQ(Holes(), "");
  EXPECT_FALSE(tp()->snd_sack.active);
}

TEST_F(Scoreboard, RespectsItsLimits) {
  Sysctl("net.inet.tcp.sack.maxholes", 2);
  Report(base_, {{100, 200}, {300, 400}, {500, 600}});
  EXPECT_EQ(Holes(), "0-100+1 200-300+1 ");
  EXPECT_EQ(Stat(tcps_sack_drop), 1u);
}

// Any reports in any order: the holes are what the model says was not reported below its highest
// byte.
TEST_F(Scoreboard, AgreesWithAModel) {
  Stream random(1, Site::kProgram, 0, 0);
  for (int round = 0; round < 200; ++round) {
    tcp_clear_sackholes(tp());
    std::vector<bool> reported(kBytes, false);
    uint32_t high = 0, ack = 0;
    for (int step = 0; step < 20; ++step) {
      const auto start = static_cast<uint32_t>(random.NextBelow(kBytes / 10)) * 10;
      const auto end =
          std::min(start + 10 + static_cast<uint32_t>(random.NextBelow(20)) * 10, kBytes);
      Report(base_ + ack, {{start, end}});
      std::fill(reported.begin() + start, reported.begin() + end, true);
      if (end > ack) high = std::max(high, end);
      if (random.NextBelow(5) == 0) {
        while (ack < high && reported[ack]) ++ack;
        tp()->snd_una = base_ + ack;
        tcp_del_sackholes(tp(), base_ + ack);
      }
    }
    std::vector<bool> holes(kBytes, false);
    for (sackhole* hole = tp()->snd_sack.holes; hole != nullptr; hole = hole->next) {
      std::fill(holes.begin() + (hole->start - base_), holes.begin() + (hole->end - base_), true);
    }
    for (uint32_t i = 0; i < kBytes; ++i) {
      EXPECT_EQ(holes[i], i >= ack && i < high && !reported[i])
          << "round " << round << " byte " << i;
    }
    tp()->snd_una = base_;
  }
}

}  // namespace
}  // namespace sockbed
