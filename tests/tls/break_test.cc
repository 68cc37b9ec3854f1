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
  bool recovers = false;  // the conversation ends well all the same
};

constexpr Break kBreaks[] = {
    {"Drop", Site::kLinkDrop, true},
    {"Duplicate", Site::kLinkDuplicate, true},
    {"Reorder", Site::kLinkReorder, true},
    {"Delay", Site::kLinkDelay, true},
    {"Corrupt", Site::kLinkCorrupt, true},
    {"Truncate", Site::kLinkTruncate, true},
    {"Mbuf", Site::kMbufGet},
    {"Cluster", Site::kMbufCluster},
    {"Pool", Site::kPoolGet},
    {"Descriptor", Site::kFdLimit},
    {"File", Site::kFileLimit},
    {"Random", Site::kSslRand},
    {"Verify", Site::kSslVerify},
    {"ShortCall", Site::kSyscallShort, true},
    {"OneByte", Site::kSyscallByte, true},
    {"Interrupt", Site::kSleepInterrupt},
    {"KillAsleep", Site::kSleepKill},
    {"KillAtCall", Site::kProcKill},
    {"HostCrash", Site::kHostCrash},
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
    for (uint64_t k = 1; k <= visits; ++k) {
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

// Every read and every write of both sides moves one byte.
TEST(EveryCall, MovesOneByteAndTheConversationEndsWell) {
  for (const Kind kind : {Kind::kTls12, Kind::kTls13}) {
    const int usual = Play(kind, {}).client.operations;
    fault::Plan plan({{.site = Site::kSyscallByte}});
    const Tale tale = Play(kind, {.plan = &plan});
    EXPECT_EQ(tale.Wrong(), "");
    EXPECT_TRUE(tale.client.conversed && tale.server.conversed) << tale.ToString();
    EXPECT_GT(tale.client.operations, 10 * usual) << "they did not";
  }
}

// A host that has crashed is silent: its peer is told by nobody, and ends by its own limits.
TEST(HostCrash, IsSilenceToThePeer) {
  fault::Plan counting({});
  ASSERT_EQ(Play(Kind::kTls13, {.plan = &counting}).Wrong(), "");
  constexpr HostId kServer = 1;
  const uint64_t middle = counting.visits(Site::kHostCrash, kServer) / 2;
  fault::Plan plan({{.site = Site::kHostCrash, .host = kServer, .only_ordinal = middle}});
  const Tale tale = Play(Kind::kTls13, {.plan = &plan});
  EXPECT_EQ(tale.Wrong(), "");
  ASSERT_TRUE(tale.client.handshake.has_value()) << tale.ToString();
  const Outcome& end = tale.client.failure ? *tale.client.failure : *tale.client.handshake;
  EXPECT_FALSE(tale.client.conversed);
  EXPECT_NE(end.sys_errno, ECONNRESET) << "somebody spoke for it: " << end.ToString();
  EXPECT_GE(tale.result.last_exit, 60 * kSecond) << "the client cannot know before its limit";
}

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
