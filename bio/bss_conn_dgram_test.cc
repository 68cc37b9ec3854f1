// A connect BIO of datagrams, as OpenSSL 3.2 has it; 3.0 has no oracle for it.
#include "bio/both_ways.h"

namespace sockbed {
namespace {

class ConnectDgram : public TwoHosts {
 protected:
  // A client process with a connect BIO to the server's port 7, of datagrams.
  void Ask(std::function<void(BIO* bio)> body) {
    client_.Spawn("client", [body] {
      const BioPtr bio(sockbed::BIO_new_connect("server:7"));
      EXPECT_EQ(BIO_ctrl(bio.get(), BIO_C_GET_SOCK_TYPE, 0, nullptr), SOCK_STREAM);
      EXPECT_EQ(BIO_ctrl(bio.get(), BIO_C_SET_SOCK_TYPE, SOCK_RAW, nullptr), 0);
      EXPECT_EQ(BIO_ctrl(bio.get(), BIO_C_SET_SOCK_TYPE, SOCK_DGRAM, nullptr), 1);
      EXPECT_EQ(BIO_ctrl(bio.get(), BIO_C_GET_SOCK_TYPE, 0, nullptr), SOCK_DGRAM);
      ERR_clear_error();
      body(bio.get());
    });
    Run();
  }

  // A server that sends `count` datagrams back.
  void Echo(int count) {
    server_.Spawn("server", [this, count] {
      const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
      EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(ServerPort(7)).get(), 0), 1);
      const BioPtr bio(sockbed::BIO_new_dgram(fd, BIO_CLOSE));
      for (int i = 0; i < count; ++i) {
        char text[64];
        const int n = BIO_read(bio.get(), text, sizeof text);
        EXPECT_EQ(BIO_write(bio.get(), text, n), n);
      }
    });
  }
};

TEST_F(ConnectDgram, WritesAndReadsDatagramsOfItsPeer) {
  Echo(2);
  Ask([](BIO* bio) {
    BIO* dgram = nullptr;
    EXPECT_EQ(BIO_ctrl(bio, BIO_C_GET_DGRAM_BIO, 0, &dgram), 0) << "not connected yet";
    EXPECT_EQ(BIO_write(bio, "one", 3), 3);
    EXPECT_EQ(BIO_write(bio, "three", 5), 5);
    char text[64];
    EXPECT_EQ(BIO_read(bio, text, sizeof text), 3);
    EXPECT_EQ(BIO_read(bio, text, sizeof text), 5);
    EXPECT_EQ(BIO_ctrl(bio, BIO_C_GET_DGRAM_BIO, 0, &dgram), 1);
    EXPECT_EQ(BIO_method_type(dgram), BIO_TYPE_DGRAM);
    EXPECT_EQ(BIO_ctrl(bio, BIO_C_SET_SOCK_TYPE, SOCK_STREAM, nullptr), 0) << "too late";
  });
}

TEST_F(ConnectDgram, HasTheRetryFlagsOfTheDatagramBio) {
  Ask([](BIO* bio) {
    EXPECT_EQ(BIO_set_nbio(bio, 1), 1);
    EXPECT_EQ(BIO_do_connect(bio), 1);
    char text[8];
    EXPECT_EQ(BIO_read(bio, text, sizeof text), -1);
    EXPECT_TRUE(BIO_should_read(bio));
    EXPECT_EQ(BIO_write(bio, "x", 1), 1);  // nobody is there
    EXPECT_FALSE(BIO_should_retry(bio));
    uapi::usleep(50'000);
    EXPECT_EQ(BIO_read(bio, text, sizeof text), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_FALSE(BIO_should_retry(bio));
  });
}

TEST_F(ConnectDgram, TellsItsPeerAndWhatToWaitOn) {
  Ask([](BIO* bio) {
    AddrStorage peer{};
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_GET_PEER, 0, &peer), 1);  // connects on the way
    EXPECT_EQ(TextOf(peer.addr()), "10.0.1.1:7");
    peer = {};
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_DETECT_PEER_ADDR, 2, &peer), 1);
    EXPECT_EQ(peer.sa.sa_family, AF_INET);
    EXPECT_EQ(peer.in.sin_port, 0) << "two bytes were asked for";
    BIO_POLL_DESCRIPTOR descriptor;
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_GET_RPOLL_DESCRIPTOR, 0, &descriptor), 1);
    EXPECT_EQ(descriptor.type, BIO_POLL_DESCRIPTOR_TYPE_SOCK_FD);
    EXPECT_EQ(descriptor.value.fd, BIO_get_fd(bio, nullptr));
    EXPECT_EQ(BIO_reset(bio), 0);
    BIO* dgram = nullptr;
    EXPECT_EQ(BIO_ctrl(bio, BIO_C_GET_DGRAM_BIO, 0, &dgram), 0);
  });
}

TEST_F(ConnectDgram, PassesManyMessagesOn) {
  Echo(2);
  Ask([](BIO* bio) {
    char one[] = "one", two[] = "two", room[8];
    BIO_MSG out[] = {{one, 3}, {two, 3}}, in{room, sizeof room};
    size_t processed = 0;
    EXPECT_EQ(BIO_sendmmsg(bio, out, sizeof out[0], 2, 0, &processed), 1);
    EXPECT_EQ(processed, 2u);
    EXPECT_EQ(BIO_recvmmsg(bio, &in, sizeof in, 1, 0, &processed), 1);
    EXPECT_EQ(in.data_len, 3u);
  });
}

// Without a name to connect to, it says why; of streams, that it has no such method.
TEST_F(ConnectDgram, OrSaysWhyItCannot) {
  client_.Spawn("client", [] {
    char x[] = "x";
    BIO_MSG out{x, 1};
    size_t processed = 9;
    const BioPtr nowhere(BIO_new(sockbed::BIO_s_connect()));
    EXPECT_EQ(BIO_ctrl(nowhere.get(), BIO_C_SET_SOCK_TYPE, SOCK_DGRAM, nullptr), 1);
    ERR_clear_error();
    EXPECT_EQ(BIO_sendmmsg(nowhere.get(), &out, sizeof out, 1, 0, &processed), 0);
    EXPECT_EQ(processed, 0u);
    const Errors errors = TakeErrors();
    ASSERT_FALSE(errors.empty());
    EXPECT_EQ(errors[0].reason, BIO_R_NO_HOSTNAME_OR_SERVICE_SPECIFIED);
    AddrStorage peer{};
    EXPECT_EQ(BIO_ctrl(nowhere.get(), BIO_CTRL_DGRAM_GET_PEER, 0, &peer), 0);
    BIO_POLL_DESCRIPTOR descriptor;
    EXPECT_EQ(BIO_ctrl(nowhere.get(), BIO_CTRL_GET_WPOLL_DESCRIPTOR, 0, &descriptor), 0);
    ERR_clear_error();
  });
  Run();
}

}  // namespace
}  // namespace sockbed
