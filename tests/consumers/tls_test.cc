// OpenSSL's own ways to a socket, under a program in C: SSL_set_fd, BIO_s_connect and BIO_s_accept,
// BIO_s_datagram.
#include "gtest/gtest.h"
#include "tests/consumers/consumer.h"

namespace sockbed {
namespace {

constexpr char kHello[] = "tls.handshake.type == 1";
const Consumer kByNumber = {"tls.yaml", {"tls_echo"}, {{"how", "fd"}}};
const Consumer kByBio = {"tls.yaml", {"tls_echo"}, {{"how", "bio"}}};
const Consumer kByDatagrams = {"tls.yaml", {"tls_echo"}, {{"how", "dgram"}}};

TEST(SslSetFd, IsDeterministic) { ExpectDeterministic(kByNumber, "wire", kHello); }
TEST(SslSetFd, StandsLoss) { SweepSeeds(kByNumber, 20); }
TEST(OpensslsConnectAndAccept, AreDeterministic) { ExpectDeterministic(kByBio, "wire", kHello); }
TEST(OpensslsConnectAndAccept, StandLoss) { SweepSeeds(kByBio, 20); }
TEST(OpensslsDatagrams, AreDeterministic) {
  ExpectDeterministic(kByDatagrams, "wire", "dtls.handshake.type == 1");
}

}  // namespace
}  // namespace sockbed
