// c-ares and libuv, as Debian ships them.
#include "gtest/gtest.h"
#include "tests/consumers/consumer.h"

namespace sockbed {
namespace {

const Consumer kAres = {"ares.yaml", {"ares_lookup"}, {}};
const Consumer kUv = {"uv.yaml", {"uv_echo"}, {}};

TEST(Ares, IsDeterministic) { ExpectDeterministic(kAres, "wan", "dns.flags.response == 1"); }
TEST(Ares, StandsLoss) { SweepSeeds(kAres, 20); }
TEST(Uv, IsDeterministic) { ExpectDeterministic(kUv, "wire", "tcp.port == 7"); }
TEST(Uv, StandsLoss) { SweepSeeds(kUv, 20); }

}  // namespace
}  // namespace sockbed
