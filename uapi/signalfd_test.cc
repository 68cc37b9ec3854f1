// signalfd(2): blocked signals read from a file, waited for in every way.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <functional>
#include <initializer_list>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class Signalfd : public TwoHosts {
 protected:
  void InProcess(std::function<void()> main) {
    server_.Spawn("prog", std::move(main));
    Run();
  }
};

sigset_t Set(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signo : signals) sigaddset(&set, signo);
  return set;
}

// A file for these signals, which are blocked from here on.
int Blocked(std::initializer_list<int> signals, int flags = 0) {
  const sigset_t set = Set(signals);
  EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &set, nullptr), Works());
  return uapi::signalfd(-1, &set, flags);
}

int ReadOne(int fd) {
  signalfd_siginfo info{};
  return uapi::read(fd, &info, sizeof info) == ssize_t{sizeof info}
             ? static_cast<int>(info.ssi_signo)
             : -1;
}

TEST_F(Signalfd, SignalsAreReadInTheOrderOfTheirNumbers) {
  InProcess([] {
    const int fd = Blocked({SIGUSR1, SIGUSR2, SIGTERM}, SFD_NONBLOCK);
    EXPECT_THAT(ReadOne(fd), FailsWith(EWOULDBLOCK));
    for (const int signo : {SIGTERM, SIGUSR2, SIGUSR1, SIGUSR1}) uapi::raise(signo);
    signalfd_siginfo infos[2];
    EXPECT_THAT(uapi::read(fd, infos, sizeof infos + 50), Eq(ssize_t{sizeof infos}));
    EXPECT_EQ(infos[0].ssi_signo, static_cast<uint32_t>(SIGUSR1));
    EXPECT_EQ(infos[1].ssi_signo, static_cast<uint32_t>(SIGUSR2));
    EXPECT_EQ(ReadOne(fd), SIGTERM);
    EXPECT_THAT(ReadOne(fd), FailsWith(EWOULDBLOCK));
    char little[50];
    EXPECT_THAT(uapi::read(fd, little, sizeof little), FailsWith(EINVAL));
    EXPECT_THAT(uapi::write(fd, infos, sizeof infos), FailsWith(EINVAL));
  });
}

TEST_F(Signalfd, AReaderWaits) {
  InProcess([] {
    const int fd = Blocked({SIGALRM});
    uapi::alarm(1);
    EXPECT_EQ(ReadOne(fd), SIGALRM);
    EXPECT_THAT(uapi::time(nullptr), Eq(kBootEpochSeconds + 1));
  });
}

TEST_F(Signalfd, AChildsEndIsReadThoughNobodyCatchesIt) {
  InProcess([] {
    const int fd = Blocked({SIGCHLD});
    uapi::spawn("child", [] {
      uapi::usleep(50'000);
      return 0;
    });
    pollfd entry{fd, POLLIN, 0};
    EXPECT_THAT(uapi::poll(&entry, 1, -1), Eq(1));
    EXPECT_EQ(ReadOne(fd), SIGCHLD);
    EXPECT_THAT(uapi::wait(nullptr), Works());
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(0));
  });
}

TEST_F(Signalfd, EpollHearsOfIt) {
  InProcess([] {
    const int fd = Blocked({SIGALRM, SIGUSR1});
    const int ep = uapi::epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), Works());
    EXPECT_THAT(uapi::epoll_wait(ep, &event, 1, 0), Eq(0));
    uapi::alarm(1);
    EXPECT_THAT(uapi::epoll_wait(ep, &event, 1, -1), Eq(1));
    EXPECT_EQ(ReadOne(fd), SIGALRM);
    EXPECT_THAT(uapi::epoll_wait(ep, &event, 1, 0), Eq(0));
  });
}

TEST_F(Signalfd, ItsSignalsCanBeChanged) {
  InProcess([] {
    const int fd = Blocked({SIGUSR1, SIGUSR2}, SFD_NONBLOCK);
    const sigset_t second = Set({SIGUSR2, SIGKILL});
    EXPECT_THAT(uapi::signalfd(fd, &second, 0), Eq(fd));
    uapi::raise(SIGUSR1);
    EXPECT_THAT(ReadOne(fd), FailsWith(EWOULDBLOCK));
    uapi::raise(SIGUSR2);
    EXPECT_EQ(ReadOne(fd), SIGUSR2);
    EXPECT_THAT(uapi::signalfd(1, &second, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::signalfd(99, &second, 0), FailsWith(EBADF));
    EXPECT_THAT(uapi::signalfd(-1, &second, 1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::signalfd(-1, nullptr, 0), FailsWith(EFAULT));
  });
}

// A child has its parent's file, and reads its own signals from it, also when the parent has gone.
TEST_F(Signalfd, EachProcessReadsItsOwnSignals) {
  InProcess([] {
    const int fd = Blocked({SIGUSR1});
    uapi::spawn("child", [fd] {
      uapi::usleep(100'000);
      const sigset_t set = Set({SIGUSR1});
      EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &set, nullptr), Works());
      uapi::raise(SIGUSR1);
      EXPECT_EQ(ReadOne(fd), SIGUSR1);
      return 0;
    });
    uapi::raise(SIGUSR1);
    EXPECT_EQ(ReadOne(fd), SIGUSR1);
  });
}

}  // namespace
}  // namespace sockbed
