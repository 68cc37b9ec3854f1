// The signals that sockets send: SIGPIPE to who writes in vain, SIGURG and SIGIO to the owner.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <functional>
#include <string>
#include <vector>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;

constexpr uint16_t kPort = 7;

// Sets what `signo` does; a handler says so on the console.
void Catch(int signo, int flags = 0) {
  struct sigaction act {};
  act.sa_handler = [](int caught) { uapi::Print("caught %s\n", sigabbrev_np(caught)); };
  act.sa_flags = flags;
  EXPECT_THAT(uapi::sigaction(signo, &act, nullptr), Works());
}

struct Pair {
  Pair() { EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), Works()); }
  int fds[2];
};

class SocketSignals : public TwoHosts {
 protected:
  std::vector<std::string> Said() {
    std::vector<std::string> lines;
    for (const ConsoleLine& line : sim_.console()) lines.push_back(line.text);
    return lines;
  }
};

// --- SIGPIPE. ---

using Write = std::function<ssize_t(int fd)>;

ssize_t SendMsg(int fd, int flags) {
  iovec vector{const_cast<char*>("x"), 1};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  return uapi::sendmsg(fd, &header, flags);
}
ssize_t WriteV(int fd) {
  const iovec vector{const_cast<char*>("x"), 1};
  return uapi::writev(fd, &vector, 1);
}

TEST_F(SocketSignals, EveryCallThatWritesInVainRaisesSigpipeAndFails) {
  server_.Spawn("prog", [] {
    Catch(SIGPIPE);
    const Write calls[] = {[](int fd) { return uapi::write(fd, "x", 1); }, WriteV,
                           [](int fd) { return uapi::send(fd, "x", 1, 0); },
                           [](int fd) { return uapi::sendto(fd, "x", 1, 0, nullptr, 0); },
                           [](int fd) { return SendMsg(fd, 0); }};
    for (const Write& call : calls) {
      const Pair pair;
      uapi::close(pair.fds[1]);
      EXPECT_THAT(call(pair.fds[0]), FailsWith(EPIPE));
    }
  });
  Run();
  EXPECT_EQ(Said(), std::vector<std::string>(5, "caught PIPE"));
}

TEST_F(SocketSignals, NosignalIsWithoutSigpipe) {
  server_.Spawn("prog", [] {  // which SIGPIPE would end
    const Write calls[] = {
        [](int fd) { return uapi::send(fd, "x", 1, MSG_NOSIGNAL); },
        [](int fd) { return uapi::sendto(fd, "x", 1, MSG_NOSIGNAL, nullptr, 0); },
        [](int fd) { return SendMsg(fd, MSG_NOSIGNAL); }};
    for (const Write& call : calls) {
      const Pair pair;
      uapi::shutdown(pair.fds[0], SHUT_WR);
      EXPECT_THAT(call(pair.fds[0]), FailsWith(EPIPE));
    }
  });
  Run();
}

TEST_F(SocketSignals, IgnoredOrBlockedSigpipeLeavesTheError) {
  server_.Spawn("prog", [] {
    const Pair pair;
    uapi::close(pair.fds[1]);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    EXPECT_THAT(uapi::sigaction(SIGPIPE, &ignore, nullptr), Works());
    EXPECT_THAT(uapi::write(pair.fds[0], "x", 1), FailsWith(EPIPE));
    Catch(SIGPIPE);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &set, nullptr), Works());
    EXPECT_THAT(uapi::write(pair.fds[0], "x", 1), FailsWith(EPIPE));
    uapi::Print("unblocking\n");
    EXPECT_THAT(uapi::sigprocmask(SIG_UNBLOCK, &set, nullptr), Works());
  });
  Run();
  EXPECT_THAT(Said(), ElementsAre("unblocking", "caught PIPE"));
}

TEST_F(SocketSignals, BrokenPipeAfterSomeBytesLosesTheirCount) {
  server_.Spawn("prog", [] {
    Catch(SIGPIPE);
    const Pair pair;
    uapi::spawn("reader", [pair] {
      uapi::close(pair.fds[0]);
      char bytes[100];
      EXPECT_THAT(uapi::read(pair.fds[1], bytes, sizeof bytes), Eq(100));
      return 0;
    });
    uapi::close(pair.fds[1]);
    const std::string much(20'000, 'm');
    EXPECT_THAT(uapi::write(pair.fds[0], much.data(), much.size()), FailsWith(EPIPE));
  });
  Run();
  EXPECT_THAT(Said(), ElementsAre("caught PIPE"));
}

// --- SIGURG and SIGIO. ---

// A server on kPort; `serve` gets its first connection.
void Server(const std::function<void(int listener)>& prepare,
            const std::function<void(int)>& serve) {
  const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(kPort);
  EXPECT_THAT(uapi::bind(listener, AsSockaddr(any), sizeof any), Works());
  EXPECT_THAT(uapi::listen(listener, 1), Works());
  prepare(listener);
  const int fd = uapi::accept(listener, nullptr, nullptr);
  EXPECT_THAT(fd, Works());
  serve(fd);
}

// A client of it that sends "ab", then '!' as urgent, then "cd", a second apart.
void UrgentClient(const sockaddr_in& to) {
  uapi::sleep(1);
  const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_THAT(uapi::connect(fd, AsSockaddr(to), sizeof to), Works());
  uapi::sleep(1);
  EXPECT_THAT(uapi::send(fd, "ab", 2, 0), Eq(2));
  uapi::sleep(1);
  EXPECT_THAT(uapi::send(fd, "!", 1, MSG_OOB), Eq(1));
  uapi::sleep(1);
  EXPECT_THAT(uapi::send(fd, "cd", 2, 0), Eq(2));
}

std::string ReadSome(int fd) {
  char bytes[10];
  const ssize_t n = uapi::recv(fd, bytes, sizeof bytes, 0);
  return {bytes, static_cast<size_t>(std::max<ssize_t>(n, 0))};
}

bool AtMark(int fd) {
  int at = -1;
  EXPECT_THAT(uapi::ioctl(fd, SIOCATMARK, &at), Works());
  return at == 1;
}

// An accepted connection belongs to whom its listener belonged.
TEST_F(SocketSignals, UrgentDataSignalsTheOwnerOfTheConnection) {
  server_.Spawn("server", [] {
    Catch(SIGURG);
    Server([](int fd) { EXPECT_THAT(uapi::fcntl(fd, F_SETOWN, uapi::getpid()), Works()); },
           [](int fd) {
             EXPECT_THAT(uapi::fcntl(fd, F_GETOWN), Eq(uapi::getpid()));
             EXPECT_THAT(uapi::pause(), FailsWith(EINTR));
             EXPECT_FALSE(AtMark(fd));
             EXPECT_EQ(ReadSome(fd), "ab");
             EXPECT_TRUE(AtMark(fd));
             char urgent = 0;
             EXPECT_THAT(uapi::recv(fd, &urgent, 1, MSG_OOB), Eq(1));
             EXPECT_EQ(urgent, '!');
             EXPECT_EQ(ReadSome(fd), "cd");
             EXPECT_FALSE(AtMark(fd));
           });
  });
  client_.Spawn("client", [to = ServerPort(kPort)] { UrgentClient(to); });
  Run();
  EXPECT_THAT(Said(), ElementsAre("caught URG"));
}

TEST_F(SocketSignals, UrgentDataSignalsAllOfAGroup) {
  server_.Spawn("server", [] {
    Catch(SIGURG);
    int group = -uapi::getpgrp();
    uapi::spawn("member", [] { return uapi::pause() == -1 ? 0 : 1; });
    Server([](int) {},
           [&group](int fd) {
             EXPECT_THAT(uapi::ioctl(fd, SIOCSPGRP, &group), Works());
             int owner = 0;
             EXPECT_THAT(uapi::ioctl(fd, SIOCGPGRP, &owner), Works());
             EXPECT_EQ(owner, group);
             EXPECT_THAT(uapi::pause(), FailsWith(EINTR));
           });
  });
  client_.Spawn("client", [to = ServerPort(kPort)] { UrgentClient(to); });
  Run();
  EXPECT_THAT(Said(), ElementsAre("caught URG", "caught URG"));
}

// By default SIGURG and SIGIO are ignored: they do not even end a sleep.
TEST_F(SocketSignals, SignalsThatNobodyCatchesDisturbNobody) {
  server_.Spawn("server", [] {
    Server([](int) {},
           [](int fd) {
             EXPECT_THAT(uapi::fcntl(fd, F_SETOWN, uapi::getpid()), Works());
             EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_ASYNC), Works());
             EXPECT_EQ(ReadSome(fd), "ab");
             EXPECT_EQ(ReadSome(fd), "cd");
           });
  });
  client_.Spawn("client", [to = ServerPort(kPort)] { UrgentClient(to); });
  Run();
}

TEST_F(SocketSignals, AsynchronousConnectionSignalsItsOwnerWhenDataComes) {
  server_.Spawn("server", [] {
    Catch(SIGIO);
    Server([](int) {},
           [](int fd) {
             int owner = uapi::getpid();
             EXPECT_THAT(uapi::ioctl(fd, FIOSETOWN, &owner), Works());
             EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), Works());
             EXPECT_THAT(uapi::pause(), FailsWith(EINTR));
             EXPECT_EQ(ReadSome(fd), "ab");
             EXPECT_THAT(uapi::fcntl(fd, F_SETFL, 0), Works());
             EXPECT_EQ(ReadSome(fd), "cd") << "silently";
           });
  });
  client_.Spawn("client", [to = ServerPort(kPort)] { UrgentClient(to); });
  Run();
  EXPECT_THAT(Said(), ElementsAre("caught POLL"));
}

// Who sets the owner answers for it: the signal goes where kill(2) by him would.
TEST_F(SocketSignals, OwnerIsSignalledOnlyIfWhoSetItMight) {
  const ucred nobody{.cr_uid = 5, .cr_ruid = 5, .cr_svuid = 5};
  const pid_t target = server_.Spawn("target", [] {
    Catch(SIGIO);
    uapi::sleep(10);
  });
  const auto disturb = [target] {
    const Pair pair;
    int on = 1;
    EXPECT_THAT(uapi::fcntl(pair.fds[0], F_SETOWN, target), Works());
    EXPECT_THAT(uapi::ioctl(pair.fds[0], FIOASYNC, &on), Works());
    EXPECT_THAT(uapi::write(pair.fds[1], "x", 1), Eq(1));
    on = 0;
    EXPECT_THAT(uapi::ioctl(pair.fds[0], FIOASYNC, &on), Works());
  };
  server_.Spawn("other", disturb, {.start_at = kSecond, .cred = nobody});
  Run();
  EXPECT_THAT(Said(), IsEmpty());
}

}  // namespace
}  // namespace sockbed
