// TCP Fast Open through the BIOs, as OpenSSL 3.2 has it: 3.0 has no oracle for it.
#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BioTfo : public TwoHosts {
 protected:
  BioTfo() { ERR_clear_error(); }  // the library's keys are made outside processes

  void Enable() {
    for (Host* host : {&server_, &client_}) host->SetSysctl("net.inet.tcp.profile", 1);
    server_.SetSysctl("net.inet.tcp.fastopen.server_enable", 1);
    client_.SetSysctl("net.inet.tcp.fastopen.client_enable", 1);
  }
};

// The first connection brings a cookie home; the second one's data travels with the SYN.
TEST_F(BioTfo, TheSecondConnectionsDataArrivesWithTheSyn) {
  Enable();
  std::vector<double> waited;
  double started = 0;
  server_.Spawn("server", [&] {
    BIO* const bio = sockbed::BIO_new_accept("80");
    EXPECT_EQ(BIO_set_tfo_accept(bio, 1), 1);
    EXPECT_EQ(BIO_do_accept(bio), 1);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(BIO_do_accept(bio), 1);
      char text[8];
      EXPECT_EQ(BIO_read(bio, text, sizeof text), 2);
      waited.push_back(Seconds() - started);
      BIO_free_all(BIO_pop(bio));
    }
    BIO_free_all(bio);
  });
  client_.Spawn("client", [&] {
    for (int i = 0; i < 2; ++i) {
      uapi::usleep(500'000);
      const BioPtr bio(sockbed::BIO_new_connect("server:80"));
      EXPECT_EQ(BIO_set_tfo(bio.get(), 1), 1);
      EXPECT_EQ(BIO_do_connect(bio.get()), 1);  // nothing is sent yet
      started = Seconds();
      EXPECT_EQ(BIO_puts(bio.get(), "hi"), 2);
      uapi::usleep(500'000);
    }
  });
  Run();
  ASSERT_EQ(waited.size(), 2u);
  EXPECT_NEAR(waited[0], 0.015, 0.001);
  EXPECT_NEAR(waited[1], 0.005, 0.001);
}

TEST_F(BioTfo, WithoutLeaveItIsRefused) {
  client_.Spawn("client", [&] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_connect(fd, AddrOf(server_.address(80)).get(), BIO_SOCK_TFO), 0);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(sockbed::BIO_listen(fd, Loopback(80).get(), BIO_SOCK_TFO), 0);
    EXPECT_EQ(TakeErrors(), Errors(2, {ERR_LIB_BIO, BIO_R_TFO_DISABLED, ""}));
    EXPECT_EQ(BIO_closesocket(fd), 1);
    const int other = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_connect(other, Loopback(80).get(), 0x4000), 0);  // no such option
    EXPECT_EQ(errno, EINVAL);
    ERR_clear_error();
    EXPECT_EQ(BIO_closesocket(other), 1);
  });
  Run();
}

}  // namespace
}  // namespace sockbed
