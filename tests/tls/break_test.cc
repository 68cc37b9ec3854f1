// Every break point: what can fail in a conversation fails, once, everywhere. Each run ends well or
// with an error that the pages name, within a bound of virtual time, and leaks nothing.
#include <string>

#include "gtest/gtest.h"
#include "tests/tls/play.h"

namespace sockbed::ssl {
namespace {

constexpr HostId kHostsMax = 2;

struct Break {
  const char* name;
  Site site;
  uint64_t stride = 1;    // of the many places, every how many-th
  bool recovers = false;  // the conversation ends well all the same
};

constexpr Break kBreaks[] = {
    {"Drop", Site::kLinkDrop, 1, true},
    {"Duplicate", Site::kLinkDuplicate, 1, true},
    {"Reorder", Site::kLinkReorder, 1, true},
    {"Delay", Site::kLinkDelay, 1, true},
    {"Corrupt", Site::kLinkCorrupt, 1, true},
    {"Mbuf", Site::kMbufGet},
    {"Cluster", Site::kMbufCluster},
    {"Pool", Site::kPoolGet},
    {"Descriptor", Site::kFdLimit},
    {"File", Site::kFileLimit},
    {"Random", Site::kSslRand},
    {"Malloc", Site::kSslMalloc, 23},
    {"ShortCall", Site::kSyscallShort, 1, true},
    {"Interrupt", Site::kSleepInterrupt},
    {"KillAsleep", Site::kSleepKill},
    {"KillAtCall", Site::kProcKill},
};

using Way = std::tuple<Kind, Break>;

class EveryBreak : public testing::TestWithParam<Way> {
 protected:
  Kind kind() const { return std::get<0>(GetParam()); }
  const Break& what() const { return std::get<1>(GetParam()); }
};

TEST_P(EveryBreak, EndsWellOrWithADocumentedError) {
  fault::Plan counting({});
  const Tale whole = Play(kind(), {.plan = &counting});
  ASSERT_EQ(whole.Wrong(), "");
  ASSERT_TRUE(whole.client.conversed && whole.server.conversed);
  for (HostId host = 1; host <= kHostsMax; ++host) {
    const uint64_t visits = counting.visits(what().site, host);
    for (uint64_t k = 1; k <= visits; k += what().stride) {
      fault::Plan plan({{.site = what().site, .host = host, .only_ordinal = k}});
      const Tale tale = Play(kind(), {.plan = &plan});
      const std::string where = "host " + std::to_string(host) + ", visit " + std::to_string(k) +
                                " of " + std::to_string(visits) + "\n" + tale.ToString();
      EXPECT_EQ(tale.Wrong(), "") << where;
      if (what().recovers) {
        EXPECT_TRUE(tale.client.conversed && tale.server.conversed) << where;
      }
    }
  }
  // Whatever has failed, the next run knows nothing of it.
  EXPECT_EQ(Play(kind(), {}).result.digest, Play(kind(), {}).result.digest);
}

std::string NameOf(const testing::TestParamInfo<Way>& way) {
  static constexpr const char* kNames[] = {"Tls12", "Tls13", "Dtls"};
  return std::string(kNames[static_cast<int>(std::get<0>(way.param))]) +
         std::get<1>(way.param).name;
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryBreak,
                         testing::Combine(testing::Values(Kind::kTls12, Kind::kTls13, Kind::kDtls),
                                          testing::ValuesIn(kBreaks)),
                         NameOf);

// The connection reset before each read and write of either side.
class EveryReset : public testing::TestWithParam<Kind> {};

TEST_P(EveryReset, EndsWithADocumentedError) {
  const Tale whole = Play(GetParam(), {});
  ASSERT_EQ(whole.Wrong(), "");
  ASSERT_GT(whole.client.operations, 5);
  for (int k = 1; k <= whole.client.operations; ++k) {
    const Tale tale = Play(GetParam(), {.reset_client_at = k});
    EXPECT_EQ(tale.Wrong(), "") << "client, operation " << k << "\n" << tale.ToString();
  }
  for (int k = 1; k <= whole.server.operations; ++k) {
    const Tale tale = Play(GetParam(), {.reset_server_at = k});
    EXPECT_EQ(tale.Wrong(), "") << "server, operation " << k << "\n" << tale.ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(Streams, EveryReset, testing::Values(Kind::kTls12, Kind::kTls13),
                         [](const auto& kind) {
                           return kind.param == Kind::kTls12 ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace sockbed::ssl
