// Every allocation of OpenSSL's, on either host, fails once: the conversation ends well or with a
// documented error, and nothing leaks.
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/tls/play.h"

namespace sockbed::ssl {
namespace {

// The failures of one kind of conversation are dealt out to this many tests, so that they can run
// side by side.
constexpr uint64_t kParts = 16;
constexpr HostId kHostsMax = 2;

class EveryMalloc : public testing::TestWithParam<std::tuple<Kind, uint64_t>> {};

TEST_P(EveryMalloc, EndsWellOrWithADocumentedError) {
  const auto [kind, part] = GetParam();
  fault::Plan counting({});
  ASSERT_EQ(Play(kind, {.plan = &counting}).Wrong(), "");
  for (HostId host = 1; host <= kHostsMax; ++host) {
    const uint64_t visits = counting.visits(Site::kSslMalloc, host);
    ASSERT_GT(visits, 500u);
    for (uint64_t k = 1 + part; k <= visits; k += kParts) {
      fault::Plan plan({{.site = Site::kSslMalloc, .host = host, .only_ordinal = k}});
      const Tale tale = Play(kind, {.plan = &plan});
      ASSERT_EQ(tale.Wrong(), "") << "host " << host << ", allocation " << k << " of " << visits
                                  << "\n"
                                  << tale.ToString();
    }
  }
}

std::string NameOf(const testing::TestParamInfo<std::tuple<Kind, uint64_t>>& run) {
  static constexpr const char* kNames[] = {"Tls12", "Tls13", "Dtls"};
  return std::string(kNames[static_cast<int>(std::get<0>(run.param))]) + "Part" +
         std::to_string(std::get<1>(run.param));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryMalloc,
                         testing::Combine(testing::Values(Kind::kTls12, Kind::kTls13, Kind::kDtls),
                                          testing::Range<uint64_t>(0, kParts)),
                         NameOf);

}  // namespace
}  // namespace sockbed::ssl
