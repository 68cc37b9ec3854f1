// Handshakes over a link that loses, doubles, reorders and corrupts: 10 000 seeds in shards, and
// each again now and then, to the same digest.
#include "gtest/gtest.h"
#include "tests/tls/play.h"

namespace sockbed::ssl {
namespace {

constexpr int kSeeds = 10'000;
constexpr int kBlock = 250;       // seeds of one test
constexpr uint64_t kRepeat = 25;  // one in so many is played twice

class LossySeeds : public testing::TestWithParam<int> {};

TEST_P(LossySeeds, EndWellAndRepeat) {
  for (int i = 0; i < kBlock; ++i) {
    const auto seed = static_cast<uint64_t>(GetParam() * kBlock + i);
    const Kind kind = seed % 3 == 0 ? Kind::kDtls : seed % 3 == 1 ? Kind::kTls13 : Kind::kTls12;
    const PlayOptions options = {.seed = seed + 1,
                                 .link = {.latency = absl::Milliseconds(5),
                                          .loss = static_cast<double>(seed % 20) / 100,
                                          .duplicate = 0.03,
                                          .reorder = 0.05,
                                          .corrupt = 0.02},
                                 .nonblocking = seed % 2 == 0};
    const Tale tale = Play(kind, options);
    EXPECT_EQ(tale.Wrong(), "") << "seed " << options.seed;
    // TCP may find no way for a SYN; once connected it does not give up so soon.
    if (kind != Kind::kDtls && tale.client.set_up) {
      EXPECT_TRUE(tale.client.conversed) << "seed " << options.seed << "\n" << tale.ToString();
    }
    if (seed % kRepeat == 0) {
      EXPECT_EQ(Play(kind, options).result.digest, tale.result.digest) << "seed " << options.seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LossySeeds, testing::Range(0, kSeeds / kBlock));

}  // namespace
}  // namespace sockbed::ssl
