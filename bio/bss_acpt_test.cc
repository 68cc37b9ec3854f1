// The accept BIO, both ways.
#include "bio/bss_acpt.h"

#include <fcntl.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BssAcpt : public BothWays {
 protected:
  // A client that comes after `ms`, says `text` and goes.
  void Call(int ms, const char* port, std::string text) {
    client_.Spawn("client", [this, ms, port, text = std::move(text)] {
      uapi::usleep(static_cast<useconds_t>(ms) * 1000);
      const BioPtr bio(bios().new_connect(("localhost:" + std::string(port)).c_str()));
      EXPECT_EQ(BIO_puts(bio.get(), text.c_str()), static_cast<int>(text.size()));
    });
  }

  static std::string ReadText(BIO* bio) {
    char text[16];
    const int n = BIO_read(bio, text, sizeof text);
    return n < 0 ? "error" : std::string(text, static_cast<size_t>(n));
  }
};

// OpenSSL's own gives back its part of an accept BIO only together with the listener.
BIO* NewLeaking(const BIO_METHOD* method) {
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler no_leaks;
#endif
  return BIO_new(method);
}

struct ChainFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using ChainPtr = std::unique_ptr<BIO, ChainFree>;

TEST_P(BssAcpt, TheFirstCallListensTheNextAccepts) {
  Call(100, "80", "one");
  Call(200, "80", "two");
  InProcess([&] {
    const ChainPtr bio(bios().new_accept("*:80"));
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_LT(Seconds(), 0.01);
    EXPECT_STREQ(BIO_get_accept_name(bio.get()), "0.0.0.0");
    EXPECT_STREQ(BIO_get_accept_port(bio.get()), "80");
    EXPECT_EQ(BIO_get_peer_name(bio.get()), nullptr);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_STREQ(BIO_get_peer_name(bio.get()), "127.0.0.1");
    EXPECT_NE(BIO_get_peer_port(bio.get()), nullptr);
    EXPECT_EQ(BIO_get_accept_ip_family(bio.get()), 4);
    const BioPtr first(BIO_pop(bio.get()));
    EXPECT_EQ(ReadText(first.get()), "one");
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);  // one is there already
    EXPECT_EQ(ReadText(bio.get()), "two");   // passes through
    EXPECT_EQ(BIO_eof(bio.get()), 0);
    EXPECT_EQ(ReadText(bio.get()), "");
    EXPECT_EQ(BIO_eof(bio.get()), 1);
  });
}

TEST_P(BssAcpt, ReadingListensAndAccepts) {
  Call(100, "80", "one");
  InProcess([&] {
    const ChainPtr bio(bios().new_accept("80"));
    EXPECT_EQ(ReadText(bio.get()), "one");
    EXPECT_EQ(BIO_puts(bio.get(), "x"), 1);
  });
}

TEST_P(BssAcpt, NonBlockingItSaysLaterAndWhy) {
  Call(100, "80", "one");
  InProcess([&] {
    const ChainPtr bio(bios().new_accept("80"));
    BIO_set_nbio_accept(bio.get(), 1);
    EXPECT_EQ(BIO_set_nbio(bio.get(), 1), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    ERR_clear_error();
    EXPECT_EQ(BIO_do_accept(bio.get()), -1);
    EXPECT_TRUE(BIO_should_io_special(bio.get()));
    EXPECT_EQ(BIO_get_retry_reason(bio.get()), BIO_RR_ACCEPT);
    EXPECT_EQ(TakeErrors(), Errors{});
    pollfd entry{static_cast<int>(BIO_get_fd(bio.get(), nullptr)), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    int why = -1;
    while (ReadText(bio.get()) == "error") {  // the accepted one does not block either
      EXPECT_TRUE(BIO_should_read(bio.get()));
      BIO_get_retry_BIO(bio.get(), &why);
      uapi::usleep(10'000);
    }
    EXPECT_LE(why, 0);
  });
}

TEST_P(BssAcpt, ACopyOfTheChainStandsAboveEachConnection) {
  Call(100, "80", "one\nline");
  Call(200, "80", "two\nlines");
  InProcess([&] {
    const ChainPtr bio(bios().new_accept("80"));
    EXPECT_EQ(BIO_set_accept_bios(bio.get(), BIO_new(BIO_f_buffer())), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    for (const char* const line : {"one\n", "two\n"}) {
      ASSERT_EQ(BIO_do_accept(bio.get()), 1);
      const ChainPtr connection(BIO_pop(bio.get()));
      EXPECT_EQ(BIO_method_type(connection.get()), BIO_TYPE_BUFFER);
      EXPECT_EQ(BIO_method_type(BIO_next(connection.get())), BIO_TYPE_SOCKET);
      char text[16];
      EXPECT_EQ(BIO_gets(connection.get(), text, sizeof text), 4);
      EXPECT_STREQ(text, line);
    }
  });
}

// A name that speaks of no host means any, whatever was said before.
TEST_P(BssAcpt, ANewNameForgetsTheOldHost) {
  InProcess([&] {
    const BioPtr bio(bios().new_accept("127.0.0.1:80"));
    EXPECT_EQ(BIO_set_accept_name(bio.get(), "81"), 1);
    int family = BIO_FAMILY_IPV4;
    EXPECT_EQ(BIO_set_accept_ip_family(bio.get(), family), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_STREQ(BIO_get_accept_name(bio.get()), "0.0.0.0");
    EXPECT_STREQ(BIO_get_accept_port(bio.get()), "81");
  });
}

TEST_P(BssAcpt, NobodySaidWhereToListen) {
  InProcess([&] {
    const ChainPtr bio(BIO_new(bios().s_accept()));
    ERR_clear_error();
    EXPECT_EQ(BIO_do_accept(bio.get()), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_NO_ACCEPT_ADDR_OR_SERVICE_SPECIFIED,
                                     "hostname=<NULL>, service=<NULL>"}}));
    EXPECT_EQ(BIO_get_fd(bio.get(), nullptr), -1);
    EXPECT_EQ(bios().new_accept("a:b:c"), nullptr);
    ERR_clear_error();
  });
}

TEST_P(BssAcpt, APortInUseFailsUntilReset) {
  InProcess([&] {
    const ChainPtr one(bios().new_accept("80")), two(bios().new_accept("80"));
    EXPECT_EQ(BIO_do_accept(one.get()), 1);
    ERR_clear_error();
    EXPECT_EQ(BIO_do_accept(two.get()), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EADDRINUSE, "calling bind()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_BIND_SOCKET, ""}}));
    EXPECT_EQ(BIO_do_accept(two.get()), -1);  // its socket is closed, its state stays
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_INVALID_SOCKET, ""}}));
    ERR_clear_error();
    EXPECT_EQ(BIO_reset(one.get()), 0);
    EXPECT_EQ(BIO_reset(two.get()), 0);
    EXPECT_EQ(BIO_do_accept(two.get()), 1);
  });
}

TEST_P(BssAcpt, ModesAreSetAndAsked) {
  InProcess([&] {
    const ChainPtr bio(BIO_new(bios().s_accept()));
    EXPECT_EQ(BIO_set_bind_mode(bio.get(), BIO_BIND_REUSEADDR), 1);
    EXPECT_EQ(BIO_get_bind_mode(bio.get()), BIO_BIND_REUSEADDR);
    EXPECT_EQ(BIO_set_accept_name(bio.get(), "localhost:7"), 1);
    EXPECT_EQ(BIO_set_accept_port(bio.get(), "9"), 1);
    int family = BIO_FAMILY_IPV4;
    EXPECT_EQ(BIO_set_accept_ip_family(bio.get(), family), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_STREQ(BIO_get_accept_name(bio.get()), "127.0.0.1");
    EXPECT_STREQ(BIO_get_accept_port(bio.get()), "9");
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_THAT(uapi::getsockopt(static_cast<int>(BIO_get_fd(bio.get(), nullptr)), SOL_SOCKET,
                                 SO_REUSEADDR, &value, &length),
                Works());
    EXPECT_NE(value, 0);
    EXPECT_EQ(BIO_flush(bio.get()), 1);
    EXPECT_EQ(BIO_ctrl(bio.get(), 73, 0, nullptr), 0);
    EXPECT_EQ(BIO_method_type(bio.get()), BIO_TYPE_ACCEPT);
  });
}

TEST_P(BssAcpt, AcceptedSocketsHaveAModeOfTheirOwn) {
  Call(100, "80", "one");
  Call(200, "80", "two");
  InProcess([&] {
    const ChainPtr bio(bios().new_accept("80"));
    EXPECT_EQ(BIO_get_accept_ip_family(bio.get()), BIO_FAMILY_IPANY);
    for (const int nonblocking : {1, 0}) {
      EXPECT_EQ(BIO_set_nbio(bio.get(), nonblocking), 1);
      if (nonblocking != 0) {
        EXPECT_EQ(BIO_do_accept(bio.get()), 1);
      }
      EXPECT_EQ(BIO_do_accept(bio.get()), 1);
      const ChainPtr connection(BIO_pop(bio.get()));
      const int fd = static_cast<int>(BIO_get_fd(connection.get(), nullptr));
      EXPECT_EQ((uapi::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, nonblocking != 0);
    }
    char line[8];
    EXPECT_EQ(BIO_gets(bio.get(), line, sizeof line), -2);
  });
}

// An accept BIO that has failed for the time being forgets the peer of before.
TEST_P(BssAcpt, ThePeerIsThatOfTheLastConnection) {
  Call(100, "80", "one");
  InProcess([&] {
    const ChainPtr bio(bios().new_accept("80"));
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_NE(BIO_get_peer_name(bio.get()), nullptr);
    const ChainPtr connection(BIO_pop(bio.get()));
    int fd = static_cast<int>(BIO_get_fd(bio.get(), nullptr));
    EXPECT_EQ(bios().socket_nbio(fd, 1), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), -1);
    EXPECT_TRUE(BIO_should_retry(bio.get()));
    EXPECT_EQ(BIO_get_peer_name(bio.get()), nullptr);
    EXPECT_EQ(BIO_reset(bio.get()), 0);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    EXPECT_EQ(BIO_set_bind_mode(bio.get(), BIO_BIND_REUSEADDR), 1);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);  // listens anew
  });
}

TEST_P(BssAcpt, WithoutTheCloseFlagTheListenerStays) {
  InProcess([&] {
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    BIO* const bio = NewLeaking(bios().s_accept());
    EXPECT_EQ(BIO_get_accept_name(bio), nullptr);
    BIO_set_fd(bio, listener, BIO_NOCLOSE);
    EXPECT_EQ(BIO_get_close(bio), BIO_NOCLOSE);
    BIO_free(bio);
    EXPECT_EQ(bios().closesocket(listener), 1);
    // A port alone is enough to know where to listen.
    const ChainPtr by_port(BIO_new(bios().s_accept()));
    EXPECT_EQ(BIO_set_accept_port(by_port.get(), "81"), 1);
    EXPECT_EQ(BIO_do_accept(by_port.get()), 1);
  });
}

TEST_P(BssAcpt, AListeningDescriptorIsAdopted) {
  Call(100, "80", "one");
  InProcess([&] {
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    const ChainPtr bio(BIO_new(bios().s_accept()));
    BIO_set_fd(bio.get(), listener, BIO_CLOSE);
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);  // no first call is needed
    EXPECT_EQ(ReadText(bio.get()), "one");
  });
}

SOCKBED_BOTH_WAYS(BssAcpt);

}  // namespace
}  // namespace sockbed
