// Datagram sockets through the system calls: names, errors, messages.
#include <fcntl.h>
#include <sys/ioctl.h>

#include <string>
#include <string_view>
#include <vector>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class UdpSocket : public TwoHosts {
 protected:
  static constexpr uint16_t kPort = 7000;

  // A datagram socket bound to kPort of the server.
  int Bound() const {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in sin = ServerPort(kPort);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(sin), sizeof sin), Works());
    return fd;
  }
};

TEST_F(UdpSocket, ServerAnswersWhoeverAsked) {
  server_.Spawn("echod", [this] {
    const int fd = Bound();
    char data[64];
    sockaddr_in from{};
    socklen_t fromlen = sizeof from;
    EXPECT_THAT(uapi::recvfrom(fd, data, sizeof data, 0, AsSockaddr(from), &fromlen), Eq(5));
    EXPECT_EQ(fromlen, sizeof from);
    EXPECT_EQ(from.sin_addr.s_addr, client_.address().s_addr);
    EXPECT_THAT(uapi::sendto(fd, data, 5, 0, AsSockaddr(from), fromlen), Eq(5));
  });
  client_.Spawn("echo", [this] {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in to = ServerPort(kPort);
    uapi::sleep(1);
    EXPECT_THAT(uapi::sendto(fd, "hello", 5, 0, AsSockaddr(to), sizeof to), Eq(5));
    char data[64];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), Eq(5));
    EXPECT_EQ(std::string_view(data, 5), "hello");
  });
  Run();
}

TEST_F(UdpSocket, NamesAreReported) {
  server_.Spawn("prog", [this] {
    const int fd = Bound();
    sockaddr_in sin{};
    socklen_t len = sizeof sin;
    EXPECT_THAT(uapi::getsockname(fd, AsSockaddr(sin), &len), Works());
    EXPECT_EQ(ntohs(sin.sin_port), kPort);
    EXPECT_THAT(uapi::getpeername(fd, AsSockaddr(sin), &len), FailsWith(ENOTCONN));
    const sockaddr_in peer = client_.address(9);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(peer), sizeof peer), Works());
    len = 4;  // cut, and so reported
    sin = {};
    EXPECT_THAT(uapi::getpeername(fd, AsSockaddr(sin), &len), Works());
    EXPECT_EQ(len, 4u);
    EXPECT_EQ(ntohs(sin.sin_port), 9);
    EXPECT_EQ(sin.sin_addr.s_addr, 0u);
    EXPECT_THAT(uapi::getsockname(fd, nullptr, &len), FailsWith(EFAULT));
    EXPECT_THAT(uapi::getsockname(fd, AsSockaddr(sin), nullptr), FailsWith(EFAULT));
  });
  Run();
}

TEST_F(UdpSocket, SocketAndBindRefuseWhatTheyCannotDo) {
  server_.Spawn("prog", [this] {
    EXPECT_THAT(uapi::socket(4711, SOCK_STREAM, 0), FailsWith(EPROTONOSUPPORT));
    EXPECT_THAT(uapi::socket(AF_INET, SOCK_SEQPACKET, 0), FailsWith(EPROTONOSUPPORT));
    EXPECT_THAT(uapi::socket(AF_INET, SOCK_STREAM, 250), FailsWith(EPROTONOSUPPORT));
    int pair[2];
    EXPECT_THAT(uapi::socketpair(AF_INET, SOCK_DGRAM, 0, pair), FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::socketpair(AF_INET, SOCK_DGRAM, 0, nullptr), FailsWith(EFAULT));
    const int fd = Bound();
    const sockaddr_in same = ServerPort(kPort), foreign = client_.address(1);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(same), sizeof same), FailsWith(EINVAL));
    const int other = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_EQ(other, fd + 1);  // the pair that failed left nothing open
    EXPECT_THAT(uapi::bind(other, AsSockaddr(same), sizeof same), FailsWith(EADDRINUSE));
    EXPECT_THAT(uapi::bind(other, AsSockaddr(foreign), sizeof same), FailsWith(EADDRNOTAVAIL));
    EXPECT_THAT(uapi::bind(other, AsSockaddr(same), 256), FailsWith(EINVAL));
    EXPECT_THAT(uapi::bind(other, AsSockaddr(same), 3), FailsWith(EINVAL));
    EXPECT_THAT(uapi::bind(other, nullptr, sizeof same), FailsWith(EFAULT));
    EXPECT_THAT(uapi::listen(other, 5), FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::accept(other, nullptr, nullptr), FailsWith(EINVAL));
  });
  Run();
}

TEST_F(UdpSocket, SendsRefuseWhatTheyCannotDo) {
  server_.Spawn("prog", [this] {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in to = client_.address(9);
    std::vector<char> big(70000);
    EXPECT_THAT(uapi::send(fd, "x", 1, 0), FailsWith(EDESTADDRREQ));
    EXPECT_THAT(uapi::sendto(fd, big.data(), big.size(), 0, AsSockaddr(to), sizeof to),
                FailsWith(EMSGSIZE));
    EXPECT_THAT(uapi::sendto(fd, "x", 1, MSG_OOB, AsSockaddr(to), sizeof to),
                FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::sendto(fd, nullptr, 1, 0, AsSockaddr(to), sizeof to), FailsWith(EFAULT));
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(to), sizeof to), Works());
    EXPECT_THAT(uapi::sendto(fd, "x", 1, 0, AsSockaddr(to), sizeof to), FailsWith(EISCONN));
    EXPECT_THAT(uapi::shutdown(fd, 7), FailsWith(EINVAL));
    EXPECT_THAT(uapi::shutdown(fd, SHUT_WR), Works());
    EXPECT_THAT(uapi::send(fd, "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
    msghdr msg{};
    msg.msg_iovlen = 1025;
    EXPECT_THAT(uapi::sendmsg(fd, &msg, 0), FailsWith(EMSGSIZE));
    EXPECT_THAT(uapi::sendmsg(fd, nullptr, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::writev(fd, nullptr, 0), FailsWith(EINVAL));
    iovec huge{big.data(), SIZE_MAX};
    EXPECT_THAT(uapi::writev(fd, &huge, 1), FailsWith(EINVAL));
  });
  Run();
}

TEST_F(UdpSocket, EpipeRaisesSigpipe) {
  server_.Spawn("prog", [this] {
    const int fd = Bound();
    uapi::shutdown(fd, SHUT_WR);
    uapi::write(fd, "x", 1);
    ADD_FAILURE() << "alive after SIGPIPE";
  });
  EXPECT_THAT(sim_.Run().Complaints(), testing::HasSubstr("was ended by SIGPIPE"));
}

TEST_F(UdpSocket, MessagesKeepTheirBounds) {
  server_.Spawn("prog", [this] {
    const int fd = Bound();
    const sockaddr_in self = ServerPort(kPort);
    char a[3], b[4];
    iovec in[] = {{a, 3}, {b, 4}};
    iovec out[] = {{const_cast<char*>("abcde"), 5}, {const_cast<char*>("fghij"), 5}};
    sockaddr_in from{};
    msghdr msg{};
    msg.msg_name = &from;
    msg.msg_namelen = sizeof from;
    msg.msg_iov = in;
    msg.msg_iovlen = 2;
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(self), sizeof self), Works());
    EXPECT_THAT(uapi::writev(fd, out, 2), Eq(10));
    EXPECT_THAT(uapi::send(fd, "", 0, 0), Eq(0));
    uapi::usleep(1000);
    int bytes = 0;
    EXPECT_THAT(uapi::ioctl(fd, FIONREAD, &bytes), Works());
    EXPECT_EQ(bytes, 10);
    EXPECT_THAT(uapi::recv(fd, a, 2, MSG_PEEK), Eq(2));
    EXPECT_THAT(uapi::recvmsg(fd, &msg, 0), Eq(7));
    EXPECT_EQ(std::string_view(a, 3), "abc");
    EXPECT_EQ(std::string_view(b, 4), "defg");
    EXPECT_EQ(msg.msg_flags & MSG_TRUNC, MSG_TRUNC);
    EXPECT_EQ(from.sin_port, self.sin_port);
    EXPECT_THAT(uapi::recv(fd, a, 3, 0), Eq(0));  // an empty datagram
    EXPECT_THAT(uapi::recv(fd, a, 3, MSG_DONTWAIT), FailsWith(EWOULDBLOCK));
  });
  Run();
}

TEST_F(UdpSocket, RefusedDatagramIsReportedOnce) {
  client_.Spawn("prog", [this] {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in to = ServerPort(9);
    char byte;
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(to), sizeof to), Works());
    EXPECT_THAT(uapi::send(fd, "x", 1, 0), Eq(1));
    EXPECT_THAT(uapi::recv(fd, &byte, 1, 0), FailsWith(ECONNREFUSED));
    EXPECT_THAT(uapi::send(fd, "x", 1, 0), Eq(1));
    uapi::sleep(1);
    int error = 0;
    socklen_t len = sizeof error;
    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), Works());
    EXPECT_EQ(error, ECONNREFUSED);
    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), Works());
    EXPECT_EQ(error, 0);
  });
  Run();
}

TEST_F(UdpSocket, ReceiveTimeLimitIsKept) {
  server_.Spawn("prog", [this] {
    const int fd = Bound();
    const timeval limit{1, 500000}, bad{0, 1000000}, far{700, 0};
    char byte;
    const auto set = [&](const timeval& tv) {
      return uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    };
    EXPECT_THAT(set(limit), Works());
    EXPECT_THAT(uapi::recv(fd, &byte, 1, 0), FailsWith(EWOULDBLOCK));
    timeval now;
    uapi::gettimeofday(&now, nullptr);
    EXPECT_EQ(now.tv_sec, kBootEpochSeconds + 1);
    EXPECT_NEAR(now.tv_usec, 500000, 1000);
    EXPECT_THAT(set(bad), FailsWith(EINVAL));
    EXPECT_THAT(set(far), FailsWith(EDOM));
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, 4711, &limit, sizeof limit),
                FailsWith(ENOPROTOOPT));
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &limit, 2049), FailsWith(EINVAL));
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, nullptr, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, nullptr, 4), FailsWith(EINVAL));
  });
  Run();
}

// What a handler's SA_RESTART decides: the receive is made again, or fails.
TEST_F(UdpSocket, InterruptedReceiveIsRestartedIfTheHandlerSaysSo) {
  const auto receiver = [this](int flags) {
    return [this, flags] {
      struct sigaction act{};
      act.sa_handler = [](int) { uapi::Print("signal\n"); };
      act.sa_flags = flags;
      uapi::sigaction(SIGUSR1, &act, nullptr);
      const int fd = Bound();
      const timeval limit{3, 0};
      uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      char byte;
      EXPECT_THAT(uapi::recv(fd, &byte, 1, 0), FailsWith(flags != 0 ? EWOULDBLOCK : EINTR));
      // Restarted, it waits its full time again.
      EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + (flags != 0 ? 5 : 7));
      uapi::close(fd);
    };
  };
  const pid_t restarted = server_.Spawn("restarted", receiver(SA_RESTART));
  const pid_t failing =
      server_.Spawn("failing", receiver(0), {.start_at = 5500 * kMillisecond});
  server_.Spawn("killer", [=] {
    uapi::sleep(2);
    uapi::kill(restarted, SIGUSR1);
    uapi::sleep(5);
    uapi::kill(failing, SIGUSR1);
  });
  Run();
  EXPECT_EQ(sim_.console().size(), 2u);
}

}  // namespace
}  // namespace sockbed
