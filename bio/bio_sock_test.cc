#include "bio/bio_sock.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BioSock : public BothWays {};

TEST_P(BioSock, ARefusedConnectionLeavesErrnoAndTwoEntries) {
  InProcess([&] {
    const int fd = Stream();
    ERR_clear_error();
    EXPECT_EQ(bios().connect(fd, Loopback(81).get(), 0), 0);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ECONNREFUSED, "calling connect()"},
                                    {ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""}}));
    EXPECT_EQ(bios().closesocket(fd), 1);
  });
}

TEST_P(BioSock, ANonBlockingConnectionIsUnderWayWithoutAnEntry) {
  InProcess([&] {
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), BIO_SOCK_REUSEADDR), 1);
    const int fd = Stream();
    ERR_clear_error();
    EXPECT_EQ(bios().connect(fd, Loopback(80).get(),
                             BIO_SOCK_NONBLOCK | BIO_SOCK_NODELAY | BIO_SOCK_KEEPALIVE),
              0);
    EXPECT_EQ(errno, EINPROGRESS);
    EXPECT_EQ(bios().sock_should_retry(-1), 1);
    EXPECT_EQ(bios().sock_should_retry(5), 0) << "what has worked is not tried again";
    EXPECT_EQ(TakeErrors(), Errors{});
    pollfd entry{fd, POLLOUT, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(bios().sock_error(fd), 0);
    bios().closesocket(fd);
    bios().closesocket(listener);
  });
}

// The page says that errno tells why; the library leaves it as it was.
TEST_P(BioSock, MinusOneIsAnInvalidSocket) {
  InProcess([&] {
    for (int call = 0; call < 3; ++call) {
      ERR_clear_error();
      errno = EDOM;
      const AddrPtr addr = Loopback(1);
      EXPECT_EQ(call == 0   ? bios().bind(-1, addr.get(), 0)
                : call == 1 ? bios().connect(-1, addr.get(), 0)
                            : bios().listen(-1, addr.get(), 0),
                0);
      EXPECT_EQ(errno, bios().ours ? EBADF : EDOM);
      EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_INVALID_SOCKET, ""}}));
    }
  });
}

TEST_P(BioSock, ABadDescriptorFailsAtTheFirstCallOfEachRoutine) {
  InProcess([&] {
    ERR_clear_error();
    EXPECT_EQ(bios().connect(99, Loopback(1).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling ioctlsocket()"}}));
    EXPECT_EQ(bios().listen(99, Loopback(1).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling getsockopt()"},
                                    {ERR_LIB_BIO, BIO_R_GETTING_SOCKTYPE, ""}}));
    EXPECT_EQ(bios().accept_ex(99, nullptr, 0), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling accept()"},
                                    {ERR_LIB_BIO, BIO_R_ACCEPT_ERROR, ""}}));
    EXPECT_EQ(bios().closesocket(99), 0);
    EXPECT_EQ(TakeErrors(), Errors{});
  });
}

TEST_P(BioSock, AnUnknownFamilyMakesNoSocket) {
  InProcess([&] {
    ERR_clear_error();
    EXPECT_EQ(bios().socket(AF_APPLETALK, SOCK_STREAM, 0, 0), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, errno, "calling socket()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_CREATE_SOCKET, ""}}));
  });
}

TEST_P(BioSock, ASecondListenerOnAPortIsRefusedAtBind) {
  InProcess([&] {
    const int one = Stream();
    const int two = Stream();
    EXPECT_EQ(bios().listen(one, Loopback(80).get(), 0), 1);
    ERR_clear_error();
    EXPECT_EQ(bios().listen(two, Loopback(80).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EADDRINUSE, "calling bind()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_BIND_SOCKET, ""}}));
    bios().closesocket(one);
    bios().closesocket(two);
  });
}

TEST_P(BioSock, ADatagramSocketIsBoundAndNotMadeToListen) {
  InProcess([&] {
    const int fd = bios().socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(bios().listen(fd, Loopback(53).get(), 0), 1);
    sockaddr_in name{};
    socklen_t length = sizeof(name);
    EXPECT_EQ(uapi::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length), 0);
    EXPECT_EQ(ntohs(name.sin_port), 53);
    bios().closesocket(fd);
  });
}

TEST_P(BioSock, AcceptWithNothingPendingIsForLater) {
  InProcess([&] {
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), BIO_SOCK_NONBLOCK), 1);
    ERR_clear_error();
    EXPECT_EQ(bios().accept_ex(listener, nullptr, 0), -1);
    EXPECT_EQ(errno, EWOULDBLOCK);
    EXPECT_EQ(TakeErrors(), Errors{});
    bios().closesocket(listener);
  });
}

// What the options of a call have done to its socket.
class BioSockOptions : public BioSock {
 protected:
  static int OptionOf(int fd, int level, int option) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_THAT(uapi::getsockopt(fd, level, option, &value, &length), Works());
    return value != 0;
  }
  static void ExpectOptions(int fd, int keepalive, int nodelay, int reuse, int nonblock) {
    EXPECT_EQ(OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE), keepalive);
    EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_NODELAY), nodelay);
    EXPECT_EQ(OptionOf(fd, SOL_SOCKET, SO_REUSEADDR), reuse);
    EXPECT_EQ((uapi::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, nonblock != 0);
  }
};

TEST_P(BioSockOptions, EachOptionIsSetWhereItsCallKnowsIt) {
  InProcess([&] {
    const int all = BIO_SOCK_KEEPALIVE | BIO_SOCK_NODELAY | BIO_SOCK_REUSEADDR | BIO_SOCK_NONBLOCK;
    const int bound = Stream(), listening = Stream(), connecting = Stream();
    EXPECT_EQ(bios().bind(bound, Loopback(79).get(), all), 1);
    ExpectOptions(bound, 0, 0, 1, 0);
    EXPECT_EQ(bios().listen(listening, Loopback(80).get(), all), 1);
    ExpectOptions(listening, 1, 1, 1, 1);
    (void)bios().connect(connecting, Loopback(80).get(), all);  // under way
    ExpectOptions(connecting, 1, 1, 0, 1);
    pollfd arrival{listening, POLLIN, 0};
    EXPECT_EQ(uapi::poll(&arrival, 1, -1), 1);
    const int accepted = bios().accept_ex(listening, nullptr, BIO_SOCK_NONBLOCK);
    EXPECT_NE(uapi::fcntl(accepted, F_GETFL) & O_NONBLOCK, 0);
    for (const int fd : {bound, listening, connecting, accepted}) bios().closesocket(fd);
  });
}

TEST_P(BioSockOptions, WithoutNonblockTheModeIsSetBackAndTheOthersStay) {
  InProcess([&] {
    const int listening = Stream(), fd = Stream();
    EXPECT_EQ(bios().listen(listening, Loopback(80).get(), BIO_SOCK_NONBLOCK), 1);
    EXPECT_EQ(bios().socket_nbio(fd, 1), 1);
    EXPECT_EQ(bios().set_tcp_ndelay(fd, 1), 1);
    EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 1);
    ExpectOptions(fd, 0, 1, 0, 0);
    pollfd arrival{listening, POLLIN, 0};
    EXPECT_EQ(uapi::poll(&arrival, 1, -1), 1);
    const int accepted = bios().accept_ex(listening, nullptr, 0);
    EXPECT_EQ(uapi::fcntl(accepted, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(bios().set_tcp_ndelay(fd, 0), 1);
    ExpectOptions(fd, 0, 0, 0, 0);
    for (const int each : {listening, fd, accepted}) bios().closesocket(each);
  });
}

TEST_P(BioSockOptions, AnOptionThatCannotBeSetStopsTheCall) {
  InProcess([&] {
    const int local = bios().socket(AF_UNIX, SOCK_STREAM, 0, 0);
    AddrStorage path{};
    path.un.sun_family = AF_UNIX;
    strncpy(path.un.sun_path, "/tmp/x", sizeof path.un.sun_path);
    ERR_clear_error();
    EXPECT_EQ(bios().connect(local, path.addr(), BIO_SOCK_NODELAY), 0);
    Errors errors = TakeErrors();
    ASSERT_EQ(errors.size(), 2u);
    EXPECT_EQ(errors[0].data, "calling setsockopt()");
    EXPECT_EQ(errors[1], (Entry{ERR_LIB_BIO, BIO_R_UNABLE_TO_NODELAY, ""}));
    EXPECT_EQ(bios().set_tcp_ndelay(local, 1), 0);
    EXPECT_EQ(TakeErrors(), Errors{});
    EXPECT_EQ(bios().closesocket(local), 1);
    EXPECT_EQ(bios().bind(99, Loopback(1).get(), BIO_SOCK_REUSEADDR), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling setsockopt()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_REUSEADDR, ""}}));
  });
}

TEST_P(BioSock, ConnectedAlreadyIsAnErrorAndNoRetry) {
  InProcess([&] {
    const int listener = Stream(), fd = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 1);
    ERR_clear_error();
    EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EISCONN, "calling connect()"},
                                    {ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""}}));
    bios().closesocket(fd);
    bios().closesocket(listener);
  });
}

TEST_P(BioSock, TheErrorOfAConnectionUnderWayIsAskedOnce) {
  InProcess([&] {
    const int fd = Stream();
    EXPECT_EQ(bios().connect(fd, AddrOf(server_.address(81)).get(), BIO_SOCK_NONBLOCK), 0);
    pollfd entry{fd, POLLOUT, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(bios().sock_error(fd), ECONNREFUSED);
    EXPECT_EQ(bios().sock_error(fd), 0);
    bios().closesocket(fd);
    EXPECT_EQ(bios().sock_error(fd), EBADF);
    EXPECT_EQ(TakeErrors(), Errors{});
  });
}

TEST_P(BioSock, ALocalPeerWithoutANameIsOfItsFamily) {
  InProcess([&] {
    AddrStorage path{};
    path.un.sun_family = AF_UNIX;
    strncpy(path.un.sun_path, "/tmp/x", sizeof path.un.sun_path);
    const int listener = bios().socket(AF_UNIX, SOCK_STREAM, 0, 0);
    const int fd = bios().socket(AF_UNIX, SOCK_STREAM, 0, 0);
    EXPECT_EQ(bios().listen(listener, path.addr(), 0), 1);
    EXPECT_EQ(bios().connect(fd, path.addr(), 0), 1);
    const AddrPtr peer(BIO_ADDR_new());
    const int accepted = bios().accept_ex(listener, peer.get(), 0);
    EXPECT_GE(accepted, 0);
    EXPECT_EQ(BIO_ADDR_family(peer.get()), AF_UNIX);
    for (const int each : {listener, fd, accepted}) bios().closesocket(each);
  });
}

SOCKBED_BOTH_WAYS(BioSock);
SOCKBED_BOTH_WAYS(BioSockOptions);

}  // namespace
}  // namespace sockbed
