// The connect BIO, both ways.
#include "bio/bss_conn.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BssConn : public BothWays {
 protected:
  // A server that takes one connection, says "hi" and waits for the end.
  void ServeOnce() {
    server_.Spawn("server", [&] {
      const int listener = Stream();
      EXPECT_EQ(bios().listen(listener, AddrOf(server_.address(80)).get(), 0), 1);
      const BioPtr bio(bios().new_socket(bios().accept_ex(listener, nullptr, 0), BIO_CLOSE));
      bios().closesocket(listener);
      EXPECT_EQ(BIO_puts(bio.get(), "hi"), 2);
      char byte;
      EXPECT_EQ(BIO_read(bio.get(), &byte, 1), 0);
    });
  }

  static std::string ReadText(BIO* bio) {
    char text[16];
    const int n = BIO_read(bio, text, sizeof text);
    return n < 0 ? "error" : std::string(text, static_cast<size_t>(n));
  }
};

// The client gives the server time to listen.
void LetItListen() { uapi::usleep(50'000); }

TEST_P(BssConn, ReadingConnectsFirst) {
  ServeOnce();
  InProcess([&] {
    LetItListen();
    const BioPtr bio(bios().new_connect("server:http"));
    EXPECT_EQ(ReadText(bio.get()), "hi");
    const BIO_ADDR* address = BIO_get_conn_address(bio.get());
    EXPECT_EQ(TextOf(address), "10.0.1.1:80");
    EXPECT_STREQ(BIO_get_conn_hostname(bio.get()), "server");
    EXPECT_STREQ(BIO_get_conn_port(bio.get()), "http");
    EXPECT_EQ(BIO_do_connect(bio.get()), 1);  // it is
    int value = 0, fd = -1;
    socklen_t length = sizeof value;
    EXPECT_GE(BIO_get_fd(bio.get(), &fd), 0);
    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length), Works());
    EXPECT_NE(value, 0);
  });
}

// Not its own to close: the descriptor stays open, and connected.
// (OpenSSL's own then leaks what is the BIO's: not asked.)
TEST_P(BssConn, WithoutTheCloseFlagTheDescriptorStays) {
  if (!bios().ours) GTEST_SKIP();
  ServeOnce();
  InProcess([&] {
    LetItListen();
    BIO* const bio = bios().new_connect("server:80");
    EXPECT_EQ(BIO_do_connect(bio), 1);
    const int fd = static_cast<int>(BIO_get_fd(bio, nullptr));
    EXPECT_EQ(BIO_set_close(bio, BIO_NOCLOSE), 1);
    BIO_free(bio);
    char text[8];
    EXPECT_EQ(uapi::recv(fd, text, sizeof text, 0), 2);
    EXPECT_EQ(bios().closesocket(fd), 1);
  });
}

TEST_P(BssConn, ARefusedConnectionLeavesFourEntriesAndStaysFailed) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("server:81"));
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), 0);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ECONNREFUSED, "calling connect()"},
                                    {ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""},
                                    {ERR_LIB_SYS, ECONNREFUSED, "calling connect(server, 81)"},
                                    {ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""}}));
    EXPECT_LE(BIO_do_connect(bio.get()), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""}}));
    EXPECT_EQ(BIO_reset(bio.get()), 0);
    EXPECT_EQ(BIO_do_connect(bio.get()), 0);  // once more from the start
    EXPECT_EQ(TakeErrors().size(), 4u);
  });
}

TEST_P(BssConn, NobodySaidWhereTo) {
  InProcess([&] {
    const BioPtr bio(BIO_new(bios().s_connect()));
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_NO_HOSTNAME_OR_SERVICE_SPECIFIED,
                                     "hostname=<NULL> service=<NULL>"}}));
    EXPECT_EQ(BIO_set_conn_hostname(bio.get(), "a:b:c"), 0);
    EXPECT_EQ(BIO_set_conn_hostname(bio.get(), "[::1"), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_AMBIGUOUS_HOST_OR_SERVICE, ""},
                                    {ERR_LIB_BIO, BIO_R_MALFORMED_HOST_OR_SERVICE, ""}}));
    EXPECT_EQ(bios().new_connect("a:b:c"), nullptr);
    int family = 99;
    EXPECT_EQ(BIO_set_conn_hostname(bio.get(), "server:80"), 1);
    BIO_set_conn_ip_family(bio.get(), family);
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_UNSUPPORTED_IP_FAMILY, ""}}));
  });
}

TEST_P(BssConn, NonBlockingItSaysLaterAndWhy) {
  ServeOnce();
  InProcess([&] {
    LetItListen();
    const BioPtr bio(bios().new_connect("server:80"));
    EXPECT_EQ(BIO_set_nbio(bio.get(), 1), 1);
    ERR_clear_error();
    EXPECT_LE(BIO_do_connect(bio.get()), 0);
    EXPECT_TRUE(BIO_should_retry(bio.get()));
    EXPECT_TRUE(BIO_should_io_special(bio.get()));
    EXPECT_EQ(BIO_get_retry_reason(bio.get()), BIO_RR_CONNECT);
    EXPECT_EQ(TakeErrors(), Errors{});
    int asked = 0, fd = -1;
    while (BIO_do_connect(bio.get()) <= 0) {
      ASSERT_TRUE(BIO_should_io_special(bio.get()));
      ++asked;
      BIO_get_fd(bio.get(), &fd);
      pollfd entry{fd, POLLOUT, 0};
      EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    }
    EXPECT_EQ(asked, bios().ours ? 1 : 0);  // the library spins in its second call
    EXPECT_EQ(ReadText(bio.get()), "error");
    EXPECT_TRUE(BIO_should_read(bio.get()));
    pollfd entry{static_cast<int>(BIO_get_fd(bio.get(), nullptr)), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(ReadText(bio.get()), "hi");
  });
}

TEST_P(BssConn, ARefusalComesLaterWhenNonBlocking) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("server:81"));
    BIO_set_nbio(bio.get(), 1);
    EXPECT_LE(BIO_do_connect(bio.get()), 0);
    pollfd entry{static_cast<int>(BIO_get_fd(bio.get(), nullptr)), POLLOUT, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), 0);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ECONNREFUSED, "calling connect(server, 81)"},
                                    {ERR_LIB_BIO, BIO_R_NBIO_CONNECT_ERROR, ""}}));
    // Asked again the library believes SO_ERROR, which has told: it is "connected".
    EXPECT_EQ(BIO_do_connect(bio.get()), bios().ours ? 0 : 1);
  });
}

TEST_P(BssConn, TheEndIsToldAndStaysUntilReset) {
  InProcess([&] {
    client_.Spawn("server", [&] {
      const int listener = Stream();
      EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
      bios().closesocket(bios().accept_ex(listener, nullptr, 0));
      bios().closesocket(listener);
    });
    LetItListen();
    const BioPtr bio(bios().new_connect("localhost:80"));
    EXPECT_EQ(ReadText(bio.get()), "");
    EXPECT_EQ(BIO_eof(bio.get()), 1);
    EXPECT_EQ(BIO_reset(bio.get()), 0);
    EXPECT_EQ(BIO_eof(bio.get()), 0);
    EXPECT_EQ(BIO_get_fd(bio.get(), nullptr), -1);
  });
}

TEST_P(BssConn, NamesAndModesAreSetAndAsked) {
  InProcess([&] {
    const BioPtr bio(BIO_new(bios().s_connect()));
    EXPECT_EQ(BIO_get_fd(bio.get(), nullptr), -1);
    EXPECT_EQ(BIO_set_conn_hostname(bio.get(), "server"), 1);
    EXPECT_EQ(BIO_set_conn_port(bio.get(), "7"), 1);
    EXPECT_STREQ(BIO_get_conn_hostname(bio.get()), "server");
    EXPECT_STREQ(BIO_get_conn_port(bio.get()), "7");
    EXPECT_EQ(BIO_set_conn_hostname(bio.get(), "client:*"), 1);
    EXPECT_EQ(BIO_get_conn_port(bio.get()), nullptr);
    EXPECT_EQ(BIO_set_conn_address(bio.get(), Loopback(9).get()), 1);
    EXPECT_STREQ(BIO_get_conn_hostname(bio.get()), "127.0.0.1");
    EXPECT_STREQ(BIO_get_conn_port(bio.get()), "9");
    EXPECT_EQ(BIO_set_conn_mode(bio.get(), BIO_SOCK_NODELAY), 1);
    int family = BIO_FAMILY_IPV4;
    BIO_set_conn_ip_family(bio.get(), family);
    // The library's macro passes no pointer, and gets 0; the page says: the family.
    EXPECT_EQ(BIO_get_conn_ip_family(bio.get()), bios().ours ? 4 : 0);
    EXPECT_EQ(BIO_flush(bio.get()), 1);
    EXPECT_EQ(BIO_pending(bio.get()), 0);
    EXPECT_EQ(BIO_ctrl(bio.get(), 73, 0, nullptr), 0);
    EXPECT_EQ(BIO_method_type(bio.get()), BIO_TYPE_CONNECT);
    EXPECT_EQ(BIO_set_close(bio.get(), BIO_NOCLOSE), 1);
    EXPECT_EQ(BIO_get_close(bio.get()), BIO_NOCLOSE);
    const BioPtr copy(BIO_dup_chain(bio.get()));
    EXPECT_STREQ(BIO_get_conn_hostname(copy.get()), "127.0.0.1");
    EXPECT_STREQ(BIO_get_conn_port(copy.get()), "9");
    // Without it the library's own leaves the names behind with the socket.
    for (BIO* const either : {bio.get(), copy.get()}) BIO_set_close(either, BIO_CLOSE);
  });
}

// Each state that the info callback of a run was told, as a digit.
int Note(BIO* bio, int state, int ret) {
  auto* const seen = reinterpret_cast<std::string*>(BIO_get_callback_arg(bio));
  *seen += std::to_string(state);
  return seen->size() == 2 && seen->front() == '2' && seen->capacity() > 1000 ? 0 : ret;
}

TEST_P(BssConn, TheInfoCallbackHearsOfEachState) {
  ServeOnce();
  InProcess([&] {
    LetItListen();
    const BioPtr bio(bios().new_connect("server:80"));
    std::string seen;
    BIO_set_callback_arg(bio.get(), reinterpret_cast<char*>(&seen));
    EXPECT_EQ(BIO_set_info_callback(bio.get(), Note), 1);
    EXPECT_EQ(BIO_do_connect(bio.get()), 1);
    EXPECT_EQ(seen, "23455");
  });
}

// Stops at the third step, that of the socket.
int StopAtThird(BIO* bio, int, int ret) {
  auto* const steps = reinterpret_cast<int*>(BIO_get_callback_arg(bio));
  return ++*steps == 3 ? 0 : ret;
}

TEST_P(BssConn, TheInfoCallbackMayStopIt) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("server:80"));
    int steps = 0;
    BIO_set_callback_arg(bio.get(), reinterpret_cast<char*>(&steps));
    BIO_set_info_callback(bio.get(), StopAtThird);
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), 0);
    EXPECT_EQ(steps, 3);
    EXPECT_EQ(TakeErrors(), Errors{});
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    BIO_info_cb* callback = nullptr;
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_GET_CALLBACK, 0, &callback), 1);
    EXPECT_EQ(callback, StopAtThird);
    const BioPtr copy(BIO_dup_chain(bio.get()));
    EXPECT_EQ(BIO_ctrl(copy.get(), BIO_CTRL_GET_CALLBACK, 0, &callback), 1);
    EXPECT_EQ(callback, StopAtThird);
  });
}

TEST_P(BssConn, TheModeIsThatOfTheNextConnection) {
  ServeOnce();
  InProcess([&] {
    LetItListen();
    const BioPtr bio(bios().new_connect("server:80"));
    EXPECT_EQ(BIO_set_conn_mode(bio.get(), BIO_SOCK_NODELAY), 1);
    EXPECT_EQ(BIO_do_connect(bio.get()), 1);
    const int fd = static_cast<int>(BIO_get_fd(bio.get(), nullptr));
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length), Works());
    EXPECT_NE(value, 0);
    EXPECT_EQ(BIO_set_nbio(bio.get(), 1), 1);
    EXPECT_EQ(uapi::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);  // this one stays as it is
    EXPECT_EQ(ReadText(bio.get()), "hi");
    if (bios().ours) {
      EXPECT_EQ(BIO_get_conn_mode(bio.get()), BIO_SOCK_NODELAY | BIO_SOCK_NONBLOCK);
    }
    EXPECT_EQ(BIO_reset(bio.get()), 0);
    EXPECT_EQ(BIO_get_fd(bio.get(), nullptr), -1);
    EXPECT_LE(BIO_do_connect(bio.get()), 0);
    EXPECT_TRUE(BIO_should_io_special(bio.get()));
    ERR_clear_error();
  });
}

// A write that would block, one that is for nobody any more, and one that has worked since.
TEST_P(BssConn, AWriteTellsWhyItDidNotWork) {
  client_.Spawn("server", [&] {
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    const int fd = bios().accept_ex(listener, nullptr, 0);
    bios().closesocket(listener);
    uapi::sleep(1);
    std::string sink(1'000'000, '\0');
    EXPECT_GT(uapi::read(fd, sink.data(), sink.size()), 0);
    uapi::sleep(1);
    bios().closesocket(fd);
  });
  InProcess([&] {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    if (!bios().ours) uapi::sigaction(SIGPIPE, &ignore, nullptr);
    LetItListen();
    const BioPtr bio(bios().new_connect("localhost:80"));
    EXPECT_EQ(BIO_do_connect(bio.get()), 1);
    const int fd = static_cast<int>(BIO_get_fd(bio.get(), nullptr));
    EXPECT_EQ(bios().socket_nbio(fd, 1), 1);
    const std::string bytes(100'000, 'x');
    while (BIO_write(bio.get(), bytes.data(), 100'000) > 0) continue;
    EXPECT_TRUE(BIO_should_write(bio.get()));
    pollfd room{fd, POLLOUT, 0};
    EXPECT_EQ(uapi::poll(&room, 1, -1), 1);
    EXPECT_GT(BIO_write(bio.get(), bytes.data(), 1), 0);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    uapi::sleep(3);
    while (BIO_write(bio.get(), bytes.data(), 100) > 0) continue;
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    EXPECT_NE(errno, 0);
    char byte;
    errno = EAGAIN;
    EXPECT_LE(BIO_read(bio.get(), &byte, 1), 0);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
  });
}

TEST_P(BssConn, ACopyIsToldFamilyAndMode) {
  ServeOnce();
  InProcess([&] {
    LetItListen();
    const BioPtr bio(bios().new_connect("server:80"));
    int family = BIO_FAMILY_IPV6;
    BIO_set_conn_ip_family(bio.get(), family);
    EXPECT_EQ(BIO_set_conn_mode(bio.get(), BIO_SOCK_NONBLOCK), 1);
    const BioPtr copy(BIO_dup_chain(bio.get()));
    ERR_clear_error();
    EXPECT_LE(BIO_do_connect(copy.get()), 0);  // the server has no such address
    EXPECT_NE(TakeErrors(), Errors{});
    family = BIO_FAMILY_IPV4;
    BIO_set_conn_ip_family(copy.get(), family);
    EXPECT_EQ(BIO_reset(copy.get()), 0);
    EXPECT_LE(BIO_do_connect(copy.get()), 0);
    EXPECT_TRUE(BIO_should_io_special(copy.get()));  // it does not block
    EXPECT_EQ(errno, EINPROGRESS);
    if (bios().ours) {  // the library spins
      EXPECT_LE(BIO_do_connect(copy.get()), 0);
      EXPECT_EQ(errno, EINPROGRESS);
    }
    char text[8];
    BioPtr waiting(bios().new_socket(static_cast<int>(BIO_get_fd(copy.get(), nullptr)), 0));
    pollfd entry{static_cast<int>(BIO_get_fd(copy.get(), nullptr)), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(BIO_read(waiting.get(), text, sizeof text), 2);
    EXPECT_EQ(BIO_do_connect(copy.get()), 1);
  });
}

TEST_P(BssConn, FreeingItEndsTheConnectionWhoeverHasACopy) {
  ServeOnce();
  InProcess([&] {
    LetItListen();
    BIO* const bio = bios().new_connect("server:80");
    EXPECT_EQ(BIO_get_conn_address(bio), nullptr);
    EXPECT_EQ(BIO_do_connect(bio), 1);
    const int fd = static_cast<int>(BIO_get_fd(bio, nullptr));
    char line[8];
    EXPECT_EQ(BIO_gets(bio, line, sizeof line), -2);
    EXPECT_EQ(BIO_number_read(bio), 0u);
    const int copy = uapi::dup(fd);
    BIO_free(bio);  // shuts down, so that the copy does not keep the connection open
    EXPECT_EQ(bios().closesocket(fd), 0);
    EXPECT_THAT(uapi::send(copy, "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
    EXPECT_EQ(bios().closesocket(copy), 1);
    ERR_clear_error();
  });
}

// BIO_do_connect_retry is the library's, over either BIO.
TEST_P(BssConn, RetryingEndsWithItsTime) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("server:81"));
    ERR_clear_error();
    EXPECT_LE(BIO_do_connect_retry(bio.get(), 2, 100), 0);
    EXPECT_GT(Seconds(), 1.0);
    EXPECT_LT(Seconds(), 3.5);
    ERR_clear_error();
  });
}

TEST_P(BssConn, RetryingFindsTheServerThatComesLate) {
  InProcess([&] {
    client_.Spawn("late", [&] {
      uapi::usleep(1'500'000);
      const int listener = Stream();
      EXPECT_EQ(bios().listen(listener, Loopback(81).get(), 0), 1);
      bios().closesocket(bios().accept_ex(listener, nullptr, 0));
      bios().closesocket(listener);
    });
    const BioPtr bio(bios().new_connect("localhost:81"));
    EXPECT_EQ(BIO_do_connect_retry(bio.get(), 10, 100), 1);
    EXPECT_NEAR(Seconds(), 1.6, 0.2);
    ERR_clear_error();
  });
}

// A host with two addresses that listens on the second only.
class BssConnTwice : public BssConn {
 protected:
  BssConnTwice() : far_(sim_.AddHost("far")) {
    sim_.Connect(client_, far_, {});
    sim_.Connect(client_, far_, {});
  }

  Host& far_;
};

TEST_P(BssConnTwice, TheNextAddressIsTried) {
  far_.Spawn("server", [&] {
    const int listener = Stream();
    sockaddr_in second = far_.address(80);
    second.sin_addr = far_.addresses()[1].address;
    EXPECT_EQ(bios().listen(listener, AddrOf(second).get(), 0), 1);
    bios().closesocket(bios().accept_ex(listener, nullptr, 0));
    bios().closesocket(listener);
  });
  InProcess([&] {
    LetItListen();
    const BioPtr bio(bios().new_connect("far:80"));
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), 1);
    EXPECT_EQ(TextOf(BIO_get_conn_address(bio.get())), "10.0.3.2:80");
    EXPECT_EQ(TakeErrors(), Errors{});
  });
}

// The socket of the first is closed: the second has its number.
TEST_P(BssConnTwice, TheNextAddressIsTriedWhenTheRefusalComesLater) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("far:80"));
    BIO_set_nbio(bio.get(), 1);
    int fd = -1;
    for (const char* const address : {"10.0.2.2:80", "10.0.3.2:80"}) {
      ERR_clear_error();
      EXPECT_LE(BIO_do_connect(bio.get()), 0);
      EXPECT_TRUE(BIO_should_io_special(bio.get())) << address;
      EXPECT_EQ(TakeErrors(), Errors{});
      EXPECT_EQ(TextOf(BIO_get_conn_address(bio.get())), address);
      const int now = static_cast<int>(BIO_get_fd(bio.get(), nullptr));
      EXPECT_TRUE(fd == -1 || fd == now);
      fd = now;
      pollfd entry{fd, POLLOUT, 0};
      EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    }
    EXPECT_EQ(BIO_do_connect(bio.get()), 0);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    ERR_clear_error();
  });
}

TEST_P(BssConnTwice, WhenAllFailTheLastIsTold) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("far:80"));
    ERR_clear_error();
    EXPECT_EQ(BIO_do_connect(bio.get()), 0);
    EXPECT_EQ(BIO_get_conn_address(bio.get()), nullptr);
    EXPECT_EQ(TakeErrors().size(), 4u);
  });
}

SOCKBED_BOTH_WAYS(BssConn);
SOCKBED_BOTH_WAYS(BssConnTwice);

}  // namespace
}  // namespace sockbed
