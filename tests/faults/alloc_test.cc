// Every allocation fails once: each scenario is told once without faults, which counts how often it
// asks for an mbuf, a cluster, a pool's item, a descriptor and an open file; then once for each of
// these, with that one refused.
#include <errno.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/faults/story.h"

namespace sockbed::faults {
namespace {

using testing::IsEmpty;

constexpr HostId kHostsMax = 2;

// What calls may say when memory, descriptors or files run out, under them or under their peer:
// from the error tables of the calls.
struct MaySay {
  std::string_view call;
  int error;
};
constexpr MaySay kMaySay[] = {
    {"socket", ENOBUFS},
    {"socket", EMFILE},
    {"socket", ENFILE},
    {"socketpair", ENOBUFS},
    {"socketpair", EMFILE},
    {"socketpair", ENFILE},
    {"dup", EMFILE},
    {"write", EPIPE},  // the reader gave up
    {"pipe", EMFILE},
    {"pipe", ENFILE},
    {"kqueue", EMFILE},
    {"kqueue", ENFILE},
    {"kevent", ENOMEM},
    {"epoll_create1", EMFILE},
    {"epoll_create1", ENFILE},
    {"epoll_ctl", ENOMEM},
    {"eventfd", EMFILE},
    {"eventfd", ENFILE},
    {"timerfd_create", EMFILE},
    {"timerfd_create", ENFILE},
    {"getaddrinfo", EAGAIN},
    {"accept", EMFILE},
    {"accept", ENFILE},
    {"accept", ECONNABORTED},
    // A listener without memory for a new connection refuses it.
    {"connect", ENOBUFS},
    {"connect", ECONNREFUSED},
    {"connect", ECONNRESET},
    {"bind", ENOBUFS},
    {"setsockopt", ENOBUFS},
    {"getsockopt", ENOBUFS},
    {"getsockname", ENOBUFS},
    {"send", ENOBUFS},
    // The peer that found no memory has closed.
    {"send", EPIPE},
    {"send", ECONNRESET},
    {"send", ECONNREFUSED},
    {"send", ENOTCONN},
    {"send", EDESTADDRREQ},
    {"recv", ECONNRESET},
    {"recv", ECONNREFUSED},
    {"recv", ETIMEDOUT},    // the reset was lost, and probes went unanswered
    {"recv", EMSGSIZE},     // no descriptors for the files in a message
    {"recv", EWOULDBLOCK},  // the datagram was lost
    {"recv", EPIPE},        // it was spliced, and the other side has closed
    {"setsockopt", ENOTCONN},
    // In the kernel.
    {"socreate", ENOBUFS},
    {"soaccept", ECONNABORTED},
    {"upcall", ENOBUFS},
    {"sosend", EPIPE},
    {"sosend", ECONNRESET},
    {"soreceive", ECONNRESET},
    {"soreceive", ETIMEDOUT},
};

std::string Text(const Failure& failure) {
  return failure.call + " " + strerrorname_np(failure.error);
}

class EveryAllocation : public testing::TestWithParam<Scenario> {
 protected:
  // What a run without faults says of its own accord.
  std::vector<Failure> Usual() {
    fault::Plan plan({});
    const Outcome outcome = Play(GetParam(), &plan);
    EXPECT_EQ(outcome.result.leaks, "");
    EXPECT_EQ(BadSleepers(outcome.result), "");
    EXPECT_EQ(outcome.story.corrupt, 0u);
    EXPECT_EQ(outcome.story.incomplete, 0u);
    EXPECT_EQ(outcome.story.failures.size(), GetParam().usual_failures);
    for (HostId host = 1; host <= kHostsMax; ++host) {
      for (size_t site = 0; site < kSiteCount; ++site) {
        visits_[host][site] = plan.visits(static_cast<Site>(site), host);
      }
    }
    return outcome.story.failures;
  }

  void Check(const Outcome& outcome, const std::vector<Failure>& usual) {
    EXPECT_EQ(outcome.result.end, Machine::End::kQuiescent);
    EXPECT_EQ(outcome.result.leaks, "");
    EXPECT_EQ(BadSleepers(outcome.result), "");
    EXPECT_EQ(outcome.story.corrupt, 0u);
    for (const ProcessRecord& process : outcome.result.processes) {
      EXPECT_EQ(process.status, 0) << process.name;
    }
    for (const Failure& failure : outcome.story.failures) {
      const bool is_usual = std::ranges::any_of(
          usual, [&](const Failure& u) { return Text(u) == Text(failure); });
      const bool may = std::ranges::any_of(kMaySay, [&](const MaySay& say) {
        return say.call == failure.call && say.error == failure.error;
      });
      EXPECT_TRUE(is_usual || may) << Text(failure);
    }
    // Where every call worked, everything came.
    if (outcome.story.failures.empty()) {
      EXPECT_EQ(outcome.story.incomplete, 0u);
    }
  }

  // Refuses each visit of `site` in turn; returns for how many of them the calls failed otherwise
  // than they usually do.
  int Sweep(Site site, const std::vector<Failure>& usual) {
    int noticed = 0;
    for (HostId host = 1; host <= kHostsMax; ++host) {
      const uint64_t visits = visits_[host][static_cast<size_t>(site)];
      for (uint64_t k = 1; k <= visits; ++k) {
        SCOPED_TRACE(std::string(InfoOf(site).name) + " on host " + std::to_string(host) +
                     ", visit " + std::to_string(k) + " of " + std::to_string(visits));
        fault::Plan plan({{.site = site, .host = host, .only_ordinal = k}});
        const Outcome outcome = Play(GetParam(), &plan);
        Check(outcome, usual);
        noticed += outcome.story.failures == usual ? 0 : 1;
        if (HasFailure()) return noticed;  // one is enough to look at
      }
    }
    return noticed;
  }

  std::array<std::array<uint64_t, kSiteCount>, kHostsMax + 1> visits_{};
};

TEST_P(EveryAllocation, FailsOnceAndNothingLeaks) {
  const std::vector<Failure> usual = Usual();
  ASSERT_FALSE(HasFailure());
  int noticed = 0;
  for (const Site site : {Site::kMbufGet, Site::kMbufCluster, Site::kPoolGet, Site::kFdLimit,
                          Site::kFileLimit}) {
    noticed += Sweep(site, usual);
    if (HasFailure()) return;
  }
  EXPECT_GT(noticed, 0);  // the faults are real
}

// A single refusal inside the network is a lost packet: streams recover, and no call notices.
TEST(EveryAllocationOfTheNetwork, IsALostPacketToAStream) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.name != "TcpOverALink") continue;
    for (HostId host = 1; host <= kHostsMax; ++host) {
      uint64_t visits = 1;
      for (uint64_t k = 1; k <= visits; ++k) {
        fault::Plan plan({{.site = Site::kMbufGet, .host = host, .only_ordinal = k}});
        const Outcome outcome = Play(scenario, &plan);
        visits = plan.visits(Site::kMbufGet, host);
        ASSERT_THAT(outcome.story.failures.size(), 0u) << "host " << host << ", mbuf " << k;
        ASSERT_EQ(outcome.story.incomplete, 0u);
      }
      EXPECT_GT(visits, 20u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryAllocation,
                         testing::ValuesIn(Scenarios().begin(), Scenarios().end()),
                         [](const testing::TestParamInfo<Scenario>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace sockbed::faults
