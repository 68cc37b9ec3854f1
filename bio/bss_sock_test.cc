#include "bio/bss_sock.h"

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BssSock : public BothWays {
 protected:
  // A connected pair over loopback; `accepted` is blocking.
  struct Pair {
    BioPtr connected, accepted;
  };
  Pair MakePair() {
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    const int fd = Stream();
    EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 1);
    const AddrPtr peer(BIO_ADDR_new());
    const int accepted = bios().accept_ex(listener, peer.get(), 0);
    EXPECT_EQ(BIO_ADDR_family(peer.get()), AF_INET);
    EXPECT_EQ(bios().closesocket(listener), 1);
    return {BioPtr(bios().new_socket(fd, BIO_CLOSE)),
            BioPtr(bios().new_socket(accepted, BIO_CLOSE))};
  }

  static int DescriptorOf(const BioPtr& bio) {
    return static_cast<int>(BIO_get_fd(bio.get(), nullptr));
  }
};

TEST_P(BssSock, CarriesBytesAndTellsTheEnd) {
  InProcess([&] {
    const Pair pair = MakePair();
    EXPECT_EQ(BIO_puts(pair.connected.get(), "hello"), 5);
    char buffer[16];
    EXPECT_EQ(BIO_read(pair.accepted.get(), buffer, sizeof(buffer)), 5);
    EXPECT_EQ(memcmp(buffer, "hello", 5), 0);
    EXPECT_EQ(BIO_eof(pair.accepted.get()), 0);
    uapi::shutdown(DescriptorOf(pair.connected), SHUT_WR);
    EXPECT_EQ(BIO_read(pair.accepted.get(), buffer, sizeof(buffer)), 0);
    EXPECT_FALSE(BIO_should_retry(pair.accepted.get()));
    EXPECT_EQ(BIO_eof(pair.accepted.get()), 1);
  });
}

TEST_P(BssSock, WithoutDataANonBlockingReadIsForLater) {
  InProcess([&] {
    const Pair pair = MakePair();
    bios().socket_nbio(DescriptorOf(pair.accepted), 1);
    char byte = 0;
    EXPECT_EQ(BIO_read(pair.accepted.get(), &byte, 1), -1);
    EXPECT_TRUE(BIO_should_retry(pair.accepted.get()));
    EXPECT_TRUE(BIO_should_read(pair.accepted.get()));
    EXPECT_EQ(BIO_puts(pair.connected.get(), "x"), 1);
    pollfd entry{DescriptorOf(pair.accepted), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(BIO_read(pair.accepted.get(), &byte, 1), 1);
    EXPECT_FALSE(BIO_should_retry(pair.accepted.get()));
  });
}

// The library writes with write(2), which raises SIGPIPE; ours never does.
TEST_P(BssSock, AWriteToADeadPeerIsAnErrorAndNoSignal) {
  InProcess([&] {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    if (!bios().ours) uapi::sigaction(SIGPIPE, &ignore, nullptr);
    const Pair pair = MakePair();
    uapi::shutdown(DescriptorOf(pair.connected), SHUT_WR);
    EXPECT_EQ(BIO_write(pair.connected.get(), "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_FALSE(BIO_should_retry(pair.connected.get()));
  });
}

TEST_P(BssSock, UnknownControlsAnswerZero) {
  InProcess([&] {
    const Pair pair = MakePair();
    // Kernel TLS: 72 would read its argument in the library's.
    if (bios().ours) {
      EXPECT_EQ(BIO_ctrl(pair.connected.get(), 72, 0, nullptr), 0);
    }
    for (const int command : {73, 76, BIO_CTRL_PENDING, BIO_CTRL_RESET, 102, 9999}) {
      EXPECT_EQ(BIO_ctrl(pair.connected.get(), command, 0, nullptr), 0) << command;
    }
    EXPECT_EQ(BIO_flush(pair.connected.get()), 1);
    EXPECT_EQ(BIO_get_close(pair.connected.get()), BIO_CLOSE);
    char line[8];
    EXPECT_EQ(BIO_gets(pair.connected.get(), line, sizeof(line)), -2);
  });
}

TEST_P(BssSock, TheEndIsNotForLaterWhateverErrnoWas) {
  InProcess([&] {
    const Pair pair = MakePair();
    uapi::shutdown(DescriptorOf(pair.connected), SHUT_WR);
    char byte = 0;
    errno = EAGAIN;
    EXPECT_EQ(BIO_read(pair.accepted.get(), &byte, 1), 0);
    EXPECT_FALSE(BIO_should_retry(pair.accepted.get()));
  });
}

TEST_P(BssSock, AFullSocketIsToBeWrittenLater) {
  InProcess([&] {
    const Pair pair = MakePair();
    bios().socket_nbio(DescriptorOf(pair.accepted), 1);
    const std::string bytes(100'000, 'x');
    while (BIO_write(pair.accepted.get(), bytes.data(), static_cast<int>(bytes.size())) > 0) {
    }
    EXPECT_TRUE(BIO_should_write(pair.accepted.get()));
    EXPECT_FALSE(BIO_should_read(pair.accepted.get()));
  });
}

TEST_P(BssSock, AnotherDescriptorClosesTheOldOneAndForgetsItsEnd) {
  InProcess([&] {
    const Pair pair = MakePair();
    uapi::shutdown(DescriptorOf(pair.connected), SHUT_WR);
    char byte = 0;
    EXPECT_EQ(BIO_read(pair.accepted.get(), &byte, 1), 0);
    const int old = DescriptorOf(pair.accepted);
    BIO_set_fd(pair.accepted.get(), Stream(), BIO_CLOSE);
    EXPECT_EQ(BIO_eof(pair.accepted.get()), 0);
    EXPECT_EQ(bios().closesocket(old), 0) << "it is closed already";
  });
}

TEST_P(BssSock, TheEndThatWasSeenStaysSeen) {
  InProcess([&] {
    const Pair pair = MakePair();
    uapi::shutdown(DescriptorOf(pair.connected), SHUT_WR);
    char byte = 0;
    EXPECT_EQ(BIO_read(pair.accepted.get(), &byte, 1), 0);
    bios().socket_nbio(DescriptorOf(pair.accepted), 1);
    EXPECT_EQ(BIO_puts(pair.accepted.get(), "x"), 1);
    EXPECT_EQ(BIO_eof(pair.accepted.get()), 1);
    BIO_set_fd(pair.accepted.get(), DescriptorOf(pair.accepted), BIO_NOCLOSE);
    EXPECT_EQ(BIO_eof(pair.accepted.get()), 0);
    EXPECT_EQ(BIO_get_close(pair.accepted.get()), BIO_NOCLOSE);
    EXPECT_EQ(BIO_set_close(pair.connected.get(), BIO_NOCLOSE), 1);
    EXPECT_EQ(BIO_set_close(pair.connected.get(), BIO_CLOSE), 1);
    const BioPtr fresh(BIO_new(bios().s_socket()));
    EXPECT_EQ(BIO_get_fd(fresh.get(), nullptr), -1);
    ERR_clear_error();
    EXPECT_EQ(BIO_read(fresh.get(), &byte, 1), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_UNINITIALIZED, ""}}));
  });
}

TEST_P(BssSock, GivesTheDescriptorUpUnlessItOwnsIt) {
  InProcess([&] {
    const int fd = Stream();
    BIO* bio = bios().new_socket(fd, BIO_NOCLOSE);
    BIO_free(bio);
    EXPECT_EQ(bios().closesocket(fd), 1);
    const int owned = Stream();
    bio = bios().new_socket(owned, BIO_CLOSE);
    BIO_free(bio);
    EXPECT_EQ(bios().closesocket(owned), 0);
  });
}

SOCKBED_BOTH_WAYS(BssSock);

}  // namespace
}  // namespace sockbed
