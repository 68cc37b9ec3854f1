// The errno tables of the socket calls, row by row, over every kind of socket that a row is for.
// What a signal does is in restart_test, what passing rights does in unix_socket_test.
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <functional>
#include <string>
#include <vector>

#include "uapi/pairs.h"

namespace sockbed {
namespace {

using testing::Eq;

class SocketErrno : public TwoHosts {
 protected:
  void InProcess(std::function<void()> body, const ProgramOptions& options = {}) {
    server_.Spawn("prog", std::move(body), options);
    Run();
  }
};

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sin.sin_port = htons(port);
  return sin;
}
int Bind(int fd, const sockaddr_in& sin) { return uapi::bind(fd, AsSockaddr(sin), sizeof sin); }
int Connect(int fd, const sockaddr_in& sin) {
  return uapi::connect(fd, AsSockaddr(sin), sizeof sin);
}
sockaddr_un Path(const std::string& path) {
  sockaddr_un sun{};
  sun.sun_family = AF_UNIX;
  path.copy(sun.sun_path, sizeof sun.sun_path - 1);
  return sun;
}
int ConnectTo(int fd, const std::string& path) {
  const sockaddr_un sun = Path(path);
  return uapi::connect(fd, reinterpret_cast<const sockaddr*>(&sun), sizeof sun);
}
int BindTo(int fd, const std::string& path) {
  const sockaddr_un sun = Path(path);
  return uapi::bind(fd, reinterpret_cast<const sockaddr*>(&sun), sizeof sun);
}

TEST_F(SocketErrno, CallsOnWhatIsNoSocket) {
  InProcess([] {
    int ends[2];
    EXPECT_THAT(uapi::pipe(ends), Works());
    const int files[] = {1, ends[0], uapi::kqueue(), uapi::epoll_create1(0), uapi::eventfd(0, 0)};
    const auto check = [](int fd, int error) {
      const sockaddr_in sin = Loopback(7);
      char byte = 'x';
      msghdr msg{};
      socklen_t len = 0;
      EXPECT_THAT(Bind(fd, sin), FailsWith(error));
      EXPECT_THAT(uapi::listen(fd, 1), FailsWith(error));
      EXPECT_THAT(uapi::accept(fd, nullptr, nullptr), FailsWith(error));
      EXPECT_THAT(uapi::accept4(fd, nullptr, nullptr, 0), FailsWith(error));
      EXPECT_THAT(Connect(fd, sin), FailsWith(error));
      EXPECT_THAT(uapi::shutdown(fd, SHUT_RD), FailsWith(error));
      EXPECT_THAT(uapi::send(fd, &byte, 1, 0), FailsWith(error));
      EXPECT_THAT(uapi::sendto(fd, &byte, 1, 0, nullptr, 0), FailsWith(error));
      EXPECT_THAT(uapi::sendmsg(fd, &msg, 0), FailsWith(error));
      EXPECT_THAT(uapi::recv(fd, &byte, 1, 0), FailsWith(error));
      EXPECT_THAT(uapi::recvfrom(fd, &byte, 1, 0, nullptr, nullptr), FailsWith(error));
      EXPECT_THAT(uapi::recvmsg(fd, &msg, 0), FailsWith(error));
      EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_TYPE, &byte, &len), FailsWith(error));
      EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_DEBUG, &byte, 1), FailsWith(error));
      EXPECT_THAT(uapi::getsockname(fd, nullptr, &len), FailsWith(error));
      EXPECT_THAT(uapi::getpeername(fd, nullptr, &len), FailsWith(error));
    };
    for (const int fd : files) check(fd, ENOTSOCK);
    check(99, EBADF);
    check(-1, EBADF);
  });
}

TEST_F(SocketErrno, SocketAndSocketpair) {
  InProcess([] {
    EXPECT_THAT(uapi::socket(99, SOCK_STREAM, 0), FailsWith(EPROTONOSUPPORT));
    EXPECT_THAT(uapi::socket(AF_INET, 77, 0), FailsWith(EPROTONOSUPPORT));
    EXPECT_THAT(uapi::socket(AF_UNIX, SOCK_RAW, 0), FailsWith(EPROTONOSUPPORT));
    EXPECT_THAT(uapi::socket(AF_UNIX, SOCK_STREAM, 6), FailsWith(EPROTONOSUPPORT));
    EXPECT_THAT(uapi::socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), FailsWith(EPROTONOSUPPORT));
    int sv[2] = {-7, -7};
    EXPECT_THAT(uapi::socketpair(AF_INET, SOCK_STREAM, 0, sv), FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, nullptr), FailsWith(EFAULT));
    EXPECT_EQ(sv[0], -7);
    EXPECT_THAT(uapi::dup(1), Eq(3)) << "nothing was left open";
    const rlimit four{4, 4};
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &four), Works());
    EXPECT_THAT(uapi::socket(AF_INET, SOCK_DGRAM, 0), FailsWith(EMFILE));
    EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), FailsWith(EMFILE));
  });
}

TEST_F(SocketErrno, BindOverBothTransports) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const int fd = uapi::socket(AF_INET, type, 0);
      sockaddr_in sin = Loopback(5000);
      EXPECT_THAT(uapi::bind(fd, nullptr, sizeof sin), FailsWith(EFAULT));
      EXPECT_THAT(uapi::bind(fd, AsSockaddr(sin), 256), FailsWith(EINVAL));
      EXPECT_THAT(uapi::bind(fd, AsSockaddr(sin), 7), FailsWith(EINVAL));
      sin.sin_addr.s_addr = htonl(0xc0000201);  // nobody's
      EXPECT_THAT(Bind(fd, sin), FailsWith(EADDRNOTAVAIL));
      sin.sin_family = AF_UNIX;
      EXPECT_THAT(Bind(fd, sin), FailsWith(EAFNOSUPPORT));
      EXPECT_THAT(Bind(fd, Loopback(5000)), Works());
      EXPECT_THAT(Bind(fd, Loopback(5001)), FailsWith(EINVAL)) << "bound already";
      EXPECT_THAT(Bind(uapi::socket(AF_INET, type, 0), Loopback(5000)), FailsWith(EADDRINUSE));
    }
  });
}

TEST_F(SocketErrno, ReservedPortsAreTheSuperusers) {
  InProcess(
      [] {
        for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
          EXPECT_THAT(Bind(uapi::socket(AF_INET, type, 0), Loopback(80)), FailsWith(EACCES));
        }
        EXPECT_THAT(uapi::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), FailsWith(EACCES));
      },
      {.cred = {.cr_uid = 100, .cr_ruid = 100, .cr_svuid = 100}});
}

TEST_F(SocketErrno, ListenAndShutdown) {
  InProcess([] {
    EXPECT_THAT(uapi::listen(uapi::socket(AF_INET, SOCK_DGRAM, 0), 1), FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::listen(uapi::socket(AF_UNIX, SOCK_DGRAM, 0), 1), FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::listen(uapi::socket(AF_UNIX, SOCK_STREAM, 0), 1), FailsWith(EINVAL))
        << "not bound";
    for (const PairKind kind : {PairKind::kTcp, PairKind::kUnixStream, PairKind::kUnixSeqpacket}) {
      int fds[2];
      MakePair(kind, fds);
      EXPECT_THAT(uapi::listen(fds[0], 1), FailsWith(EINVAL)) << NameOf(kind);
      EXPECT_THAT(uapi::shutdown(fds[0], 3), FailsWith(EINVAL)) << NameOf(kind);
      EXPECT_THAT(uapi::shutdown(fds[0], -1), FailsWith(EINVAL)) << NameOf(kind);
    }
  });
}

TEST_F(SocketErrno, Accept) {
  InProcess([] {
    sockaddr_in name;
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    sockaddr_in from;
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), FailsWith(EINVAL)) << "not listening";
    EXPECT_THAT(uapi::listen(listener, 5), Works());
    EXPECT_THAT(uapi::accept(listener, AsSockaddr(from), nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::accept4(listener, nullptr, nullptr, 1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::fcntl(listener, F_SETFL, O_NONBLOCK), Works());
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), FailsWith(EWOULDBLOCK));
    EXPECT_THAT(Connect(uapi::socket(AF_INET, SOCK_STREAM, 0), name), Works());
    const rlimit full{5, 1024};
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &full), Works());
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), FailsWith(EMFILE));
    const rlimit room{64, 1024};
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &room), Works());
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), Works()) << "it had stayed queued";
    EXPECT_THAT(uapi::shutdown(listener, SHUT_RD), Works());
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), FailsWith(ECONNABORTED));
  });
}

TEST_F(SocketErrno, ConnectOverTheNetwork) {
  InProcess([this] {
    sockaddr_in name;
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    EXPECT_THAT(uapi::listen(listener, 5), Works());
    EXPECT_THAT(Connect(listener, name), FailsWith(EOPNOTSUPP));
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::connect(fd, nullptr, sizeof name), FailsWith(EFAULT));
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), 256), FailsWith(EINVAL));
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), 3), FailsWith(EINVAL));
    EXPECT_THAT(Connect(fd, Loopback(0)), FailsWith(EADDRNOTAVAIL)) << "port 0";
    EXPECT_THAT(Connect(fd, name), Works());
    EXPECT_THAT(Connect(fd, name), FailsWith(EISCONN));
    EXPECT_THAT(Connect(uapi::socket(AF_INET, SOCK_STREAM, 0), Loopback(9)),
                FailsWith(ECONNREFUSED));
    sockaddr_in far = Loopback(9);
    far.sin_addr.s_addr = htonl(0xc0000201);
    EXPECT_THAT(Connect(uapi::socket(AF_INET, SOCK_STREAM, 0), far), FailsWith(EADDRNOTAVAIL))
        << "there is no route, hence no address of one's own";
    EXPECT_THAT(Connect(uapi::socket(AF_INET, SOCK_DGRAM, 0), far), FailsWith(EADDRNOTAVAIL));
    const int busy = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in other = client_.address(9);
    EXPECT_THAT(Connect(busy, other), FailsWith(EINPROGRESS));
    EXPECT_THAT(Connect(busy, other), FailsWith(EALREADY));
  });
}

TEST_F(SocketErrno, ConnectToAPath) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}) {
      const auto fresh = [type] { return uapi::socket(AF_UNIX, type, 0); };
      const std::string path = "/tmp-" + std::to_string(type);
      EXPECT_THAT(ConnectTo(fresh(), path), FailsWith(ENOENT));
      EXPECT_THAT(ConnectTo(fresh(), ""), FailsWith(ENOENT));
      EXPECT_THAT(ConnectTo(fresh(), "/" + std::string(NAME_MAX, 'x').substr(0, 50) + "/x/y"),
                  FailsWith(ENOENT));
      const int bound = fresh();
      EXPECT_THAT(BindTo(bound, path), Works());
      EXPECT_THAT(BindTo(bound, path + "2"), FailsWith(EINVAL));
      EXPECT_THAT(BindTo(fresh(), path), FailsWith(EADDRINUSE));
      EXPECT_THAT(ConnectTo(fresh(), path + "/x"), FailsWith(ENOTDIR));
      const int other = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM;
      EXPECT_THAT(ConnectTo(uapi::socket(AF_UNIX, other, 0), path), FailsWith(EPROTOTYPE));
      if (type != SOCK_DGRAM) {
        EXPECT_THAT(ConnectTo(fresh(), path), FailsWith(ECONNREFUSED)) << "nobody listens";
      }
      EXPECT_THAT(uapi::close(bound), Works());
      EXPECT_THAT(ConnectTo(fresh(), path), FailsWith(ECONNREFUSED)) << "nobody is there";
    }
  });
}

TEST_F(SocketErrno, NamesOfEnds) {
  InProcess([] {
    sockaddr_in sin;
    socklen_t len = sizeof sin;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      for (const int family : {AF_INET, AF_UNIX}) {
        const int fd = uapi::socket(family, type, 0);
        EXPECT_THAT(uapi::getpeername(fd, AsSockaddr(sin), &len), FailsWith(ENOTCONN));
        EXPECT_THAT(uapi::getsockname(fd, AsSockaddr(sin), nullptr), FailsWith(EFAULT));
        EXPECT_THAT(uapi::getsockname(fd, nullptr, &len), FailsWith(EFAULT));
      }
    }
  });
}

class DataErrno : public EveryPair {};

TEST_P(DataErrno, WrongBuffersAndVectors) {
  WithPair([](int a, int b) {
    EXPECT_THAT(uapi::write(a, nullptr, 1), FailsWith(EFAULT));
    std::vector<iovec> many(IOV_MAX + 1);
    EXPECT_THAT(uapi::writev(a, many.data(), IOV_MAX + 1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::readv(b, many.data(), 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::readv(b, nullptr, 1), FailsWith(EFAULT));
    char byte;
    const iovec huge[2] = {{&byte, SSIZE_MAX}, {&byte, 1}};
    EXPECT_THAT(uapi::writev(a, huge, 2), FailsWith(EINVAL));
    EXPECT_THAT(uapi::pread(b, &byte, 1, 0), FailsWith(ESPIPE));
    EXPECT_THAT(uapi::preadv(b, huge, 1, 0), FailsWith(ESPIPE));
    if (GetParam() == PairKind::kPipe) return;
    msghdr msg{};
    msg.msg_iov = many.data();
    msg.msg_iovlen = IOV_MAX + 1;
    EXPECT_THAT(uapi::sendmsg(a, &msg, 0), FailsWith(EMSGSIZE));
    EXPECT_THAT(uapi::recvmsg(b, &msg, 0), FailsWith(EMSGSIZE));
    EXPECT_THAT(uapi::sendmsg(a, nullptr, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::recvfrom(b, &byte, 1, 0, reinterpret_cast<sockaddr*>(&byte), nullptr),
                FailsWith(EFAULT));
    msg.msg_iovlen = 0;
    msg.msg_control = &byte;
    msg.msg_controllen = 1;
    EXPECT_THAT(uapi::sendmsg(a, &msg, 0), FailsWith(EINVAL)) << "control below a header";
  });
}

TEST_P(DataErrno, NothingToReadOrNoRoom) {
  WithPair([](int a, int b) {
    char byte;
    EXPECT_THAT(uapi::fcntl(b, F_SETFL, O_NONBLOCK), Works());
    EXPECT_THAT(uapi::read(b, &byte, 1), FailsWith(EWOULDBLOCK));
    if (GetParam() == PairKind::kPipe) return;
    EXPECT_THAT(uapi::recv(a, &byte, 1, MSG_DONTWAIT), FailsWith(EWOULDBLOCK));
    const timeval tenth{.tv_sec = 0, .tv_usec = 100'000};
    EXPECT_THAT(uapi::setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tenth, sizeof tenth), Works());
    EXPECT_THAT(uapi::recv(a, &byte, 1, 0), FailsWith(EWOULDBLOCK));
    EXPECT_THAT(uapi::recv(a, &byte, 1, MSG_OOB),
                FailsWith(GetParam() == PairKind::kTcp ? EINVAL : EOPNOTSUPP));
  });
}

TEST_P(DataErrno, TooLongForOneMessage) {
  if (IsStream(GetParam()) || GetParam() == PairKind::kPipe) return;
  WithPair([](int a, int) {
    const std::string long_one(1 << 20, 'x');
    EXPECT_THAT(uapi::send(a, long_one.data(), long_one.size(), 0), FailsWith(EMSGSIZE));
  });
}

TEST_P(DataErrno, OwnSideIsShut) {
  if (GetParam() == PairKind::kPipe) return;
  WithPair([](int a, int) {
    EXPECT_THAT(uapi::shutdown(a, SHUT_WR), Works());
    EXPECT_THAT(uapi::send(a, "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
  });
}

TEST_P(DataErrno, AddressesOfConnectedSockets) {
  if (GetParam() != PairKind::kUdp && GetParam() != PairKind::kUnixDatagram) return;
  WithPair([](int a, int) {
    sockaddr_in sin = Loopback(9);
    const sockaddr_un sun = Path("/x");
    const bool udp = GetParam() == PairKind::kUdp;
    const auto* const to = udp ? AsSockaddr(sin) : reinterpret_cast<const sockaddr*>(&sun);
    EXPECT_THAT(uapi::sendto(a, "x", 1, 0, to, udp ? sizeof sin : sizeof sun), FailsWith(EISCONN));
  });
}

TEST_P(DataErrno, MarksThatAStreamDoesNotHave) {
  if (GetParam() == PairKind::kPipe) return;
  WithPair([](int a, int b) {
    if (IsStream(GetParam())) {
      EXPECT_THAT(uapi::send(a, "x", 1, MSG_EOR), FailsWith(EINVAL));
    }
    if (GetParam() != PairKind::kTcp) {
      EXPECT_THAT(uapi::send(a, "x", 1, MSG_OOB), FailsWith(EOPNOTSUPP));
    }
    int value = 0;
    ifconf conf{};
    EXPECT_THAT(uapi::ioctl(b, SIOCGIFCONF, &conf), FailsWith(ENOTTY));
    EXPECT_THAT(uapi::ioctl(b, 0x4711, &value), FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::ioctl(b, FIONREAD, nullptr), FailsWith(EFAULT));
  });
}

SOCKBED_FOR_EVERY_PAIR(DataErrno);

TEST_F(SocketErrno, UnconnectedSocketsHaveNobodyToSendTo) {
  InProcess([] {
    char byte;
    for (const int family : {AF_INET, AF_UNIX}) {
      const int stream = uapi::socket(family, SOCK_STREAM, 0);
      EXPECT_THAT(uapi::send(stream, "x", 1, 0), FailsWith(ENOTCONN));
      EXPECT_THAT(uapi::recv(stream, &byte, 1, 0), FailsWith(ENOTCONN));
      const int datagram = uapi::socket(family, SOCK_DGRAM, 0);
      EXPECT_THAT(uapi::send(datagram, "x", 1, 0), FailsWith(EDESTADDRREQ));
    }
  });
}

TEST_F(SocketErrno, Options) {
  InProcess([] {
    int value = 1;
    socklen_t len = sizeof value;
    const timeval bad{.tv_sec = 1 << 30, .tv_usec = 0};
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const int fd = uapi::socket(AF_INET, type, 0);
      EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, 4711, &value, len), FailsWith(ENOPROTOOPT));
      EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, 4711, &value, &len), FailsWith(ENOPROTOOPT));
      EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 1), FailsWith(EINVAL));
      EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nullptr, 0), FailsWith(EINVAL));
      EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_DEBUG, &value, 3000), FailsWith(EINVAL));
      EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad), FailsWith(EDOM));
      EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, nullptr), FailsWith(EFAULT));
    }
  });
}

}  // namespace
}  // namespace sockbed
