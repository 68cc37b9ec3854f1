// libcurl fetches HTTPS from a server on libevent, both as Debian ships them.
#include "gtest/gtest.h"
#include "tests/consumers/consumer.h"

namespace sockbed {
namespace {

const Consumer kHttps = {"https.yaml", {"https_server", "https_client"}, {}};

TEST(Https, IsDeterministic) { ExpectDeterministic(kHttps, "wan", "tls.handshake.type == 1"); }
TEST(Https, StandsLoss) { SweepSeeds(kHttps, 20); }

}  // namespace
}  // namespace sockbed
