// epoll(7): level and edge, one shot, what ends a watch, and each errno.
#include <fcntl.h>
#include <sys/un.h>

#include <functional>
#include <string>

#include "uapi/pairs.h"

namespace sockbed {
namespace {

using testing::Eq;

int Control(int ep, int op, int fd, uint32_t events, uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return uapi::epoll_ctl(ep, op, fd, &event);
}
int Add(int ep, int fd, uint32_t events, uint64_t data = 0) {
  return Control(ep, EPOLL_CTL_ADD, fd, events, data);
}

// What is ready now: "data:letters " each.
std::string Told(int ep, int max = 10) {
  epoll_event events[10];
  const int n = uapi::epoll_wait(ep, events, max, 0);
  EXPECT_GE(n, 0);
  std::string text;
  for (int i = 0; i < n; ++i) {
    text += std::to_string(events[i].data.u64) + ":";
    if ((events[i].events & EPOLLIN) != 0) text += "r";
    if ((events[i].events & EPOLLOUT) != 0) text += "w";
    if ((events[i].events & EPOLLPRI) != 0) text += "p";
    if ((events[i].events & EPOLLRDHUP) != 0) text += "d";
    if ((events[i].events & EPOLLHUP) != 0) text += "h";
    text += " ";
  }
  return text;
}

class Epoll : public TwoHosts {
 protected:
  // With an epoll and a pair of local streams.
  void InProcess(std::function<void(int ep, int a, int b)> body) {
    server_.Spawn("prog", [body] {
      const int ep = uapi::epoll_create1(0);
      EXPECT_THAT(ep, Works());
      int fds[2];
      MakePair(PairKind::kUnixStream, fds);
      body(ep, fds[0], fds[1]);
    });
    Run();
  }
};

TEST_F(Epoll, EachWrongCallHasItsErrno) {
  InProcess([](int ep, int a, int) {
    EXPECT_THAT(uapi::epoll_create(0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::epoll_create1(1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::fcntl(uapi::epoll_create1(EPOLL_CLOEXEC), F_GETFD), Eq(FD_CLOEXEC));
    EXPECT_THAT(Add(99, a, EPOLLIN), FailsWith(EBADF));
    EXPECT_THAT(Add(ep, 99, EPOLLIN), FailsWith(EBADF));
    EXPECT_THAT(Add(a, ep, EPOLLIN), FailsWith(EINVAL));
    EXPECT_THAT(Add(ep, ep, EPOLLIN), FailsWith(EINVAL));
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, a, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(Control(ep, 9, a, EPOLLIN, 0), FailsWith(EINVAL));
    EXPECT_THAT(Add(ep, a, EPOLLIN | EPOLLMSG), FailsWith(EINVAL)) << "no such event";
    EXPECT_THAT(Control(ep, EPOLL_CTL_MOD, a, EPOLLIN, 0), FailsWith(ENOENT));
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_DEL, a, nullptr), FailsWith(ENOENT));
    EXPECT_THAT(Add(ep, a, EPOLLIN), Works());
    EXPECT_THAT(Add(ep, a, EPOLLIN), FailsWith(EEXIST));
    epoll_event event;
    EXPECT_THAT(uapi::epoll_wait(ep, &event, 0, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::epoll_wait(ep, nullptr, 1, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::epoll_wait(a, &event, 1, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::epoll_wait(99, &event, 1, 0), FailsWith(EBADF));
    const timespec bad{.tv_sec = 0, .tv_nsec = -1};
    EXPECT_THAT(uapi::epoll_pwait2(ep, &event, 1, &bad, nullptr), FailsWith(EINVAL));
    char byte;
    EXPECT_THAT(uapi::read(ep, &byte, 1), FailsWith(EINVAL));
  });
}

TEST_F(Epoll, LevelIsToldUntilItIsGone) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, EPOLLIN, 7), Works());
    EXPECT_EQ(Told(ep), "");
    EXPECT_THAT(uapi::write(a, "xy", 2), Eq(2));
    EXPECT_EQ(Told(ep), "7:r ");
    EXPECT_EQ(Told(ep), "7:r ");
    char bytes[2];
    EXPECT_THAT(uapi::read(b, bytes, 2), Eq(2));
    EXPECT_EQ(Told(ep), "");
    EXPECT_THAT(Control(ep, EPOLL_CTL_MOD, b, EPOLLIN | EPOLLOUT, 8), Works());
    EXPECT_EQ(Told(ep), "8:w ");
    EXPECT_THAT(uapi::write(a, "z", 1), Eq(1));
    EXPECT_EQ(Told(ep), "8:rw ") << "one event of both";
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_DEL, b, nullptr), Works());
    EXPECT_EQ(Told(ep), "");
  });
}

TEST_F(Epoll, EdgeIsToldOncePerArrival) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, EPOLLIN | EPOLLOUT | EPOLLET, 7), Works());
    EXPECT_EQ(Told(ep), "7:w ");
    EXPECT_EQ(Told(ep), "");
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(ep), "7:rw ");
    EXPECT_EQ(Told(ep), "") << "nothing was read, nothing new came";
    EXPECT_THAT(uapi::write(a, "y", 1), Eq(1));
    EXPECT_EQ(Told(ep), "7:rw ");
    EXPECT_THAT(Control(ep, EPOLL_CTL_MOD, b, EPOLLIN | EPOLLET, 9), Works());
    EXPECT_EQ(Told(ep), "9:r ") << "a change looks again";
  });
}

// Both sides of the file are pending: telling of one takes the other out of the queue.
TEST_F(Epoll, BothSidesAreOneEvent) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    for (const uint32_t how : {uint32_t{EPOLLET}, uint32_t{EPOLLONESHOT}}) {
      EXPECT_THAT(Add(ep, b, EPOLLIN | EPOLLOUT | how, 7), Works());
      EXPECT_EQ(Told(ep), "7:rw ");
      EXPECT_EQ(Told(ep), "");
      EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_DEL, b, nullptr), Works());
    }
  });
}

TEST_F(Epoll, BothSidesAreOneEdge) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, EPOLLIN | EPOLLOUT | EPOLLET, 3), Works());
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(ep), "3:rw ");
    EXPECT_EQ(Told(ep), "") << "neither side again";
  });
}

TEST_F(Epoll, WhoPollsItIsWoken) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, EPOLLIN), Works());
    uapi::spawn("writer", [a] {
      uapi::usleep(50'000);
      return uapi::write(a, "x", 1) == 1 ? 0 : 1;
    });
    pollfd entry{.fd = ep, .events = POLLIN, .revents = 0};
    EXPECT_THAT(uapi::poll(&entry, 1, -1), Eq(1));
    EXPECT_EQ(Told(ep), "0:r ");
    EXPECT_THAT(uapi::wait(nullptr), Works());
  });
}

TEST_F(Epoll, OneShotIsToldOnceUntilItIsArmedAgain) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 7), Works());
    EXPECT_EQ(Told(ep), "7:w ");
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(ep), "");
    EXPECT_THAT(Add(ep, b, EPOLLIN), FailsWith(EEXIST));
    EXPECT_THAT(Control(ep, EPOLL_CTL_MOD, b, EPOLLIN | EPOLLONESHOT, 8), Works());
    EXPECT_EQ(Told(ep), "8:r ");
    EXPECT_EQ(Told(ep), "");
  });
}

TEST_F(Epoll, WhatIsNotAskedForIsNotTold) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, 0, 7), Works());
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(ep), "");
    pollfd entry{ep, POLLIN, 0};
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(0)) << "nor does the epoll look ready";
    EXPECT_THAT(Control(ep, EPOLL_CTL_MOD, b, EPOLLRDHUP, 8), Works());
    EXPECT_EQ(Told(ep), "");
    EXPECT_THAT(uapi::shutdown(a, SHUT_WR), Works());
    EXPECT_EQ(Told(ep), "8:d ");
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(1));
  });
}

// A kqueue tells of a listener's connections alone. What shuts one down to end its waiter, as
// libmicrohttpd does, counts on epoll.
TEST_F(Epoll, AListenerThatIsShutDownIsReady) {
  InProcess([](int ep, int, int) {
    sockaddr_in name;
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    EXPECT_THAT(uapi::listen(listener, 3), Works());
    EXPECT_THAT(Add(ep, listener, EPOLLIN, 1), Works());
    const int kq = uapi::kqueue();
    struct kevent change;
    EV_SET(&change, static_cast<uintptr_t>(listener), EVFILT_READ, EV_ADD, 0, 0, nullptr);
    EXPECT_THAT(uapi::kevent(kq, &change, 1, nullptr, 0, nullptr), Works());
    EXPECT_EQ(Told(ep), "");
    (void)uapi::shutdown(listener, SHUT_RDWR);  // TCP is not connected; the socket is shut
    EXPECT_EQ(Told(ep), "1:r ");
    const timespec none{};
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &change, 1, &none), Eq(0));
  });
}

TEST_F(Epoll, WatchesOfSeveralFilesTakeTurns) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, a, EPOLLOUT, 1), Works());
    EXPECT_THAT(Add(ep, b, EPOLLOUT, 2), Works());
    EXPECT_EQ(Told(ep, 1), "1:w ");
    EXPECT_EQ(Told(ep, 1), "2:w ");
    EXPECT_EQ(Told(ep, 1), "1:w ");
    EXPECT_EQ(Told(ep), "2:w 1:w ");
  });
}

TEST_F(Epoll, AWatchLastsAsLongAsItsFile) {
  InProcess([](int ep, int a, int b) {
    EXPECT_THAT(Add(ep, b, EPOLLIN, 7), Works());
    const int copy = uapi::dup(b);
    EXPECT_THAT(uapi::close(b), Works());
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(ep), "7:r ") << "the file is open under another number";
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_DEL, b, nullptr), FailsWith(EBADF));
    EXPECT_THAT(uapi::close(copy), Works());
    EXPECT_EQ(Told(ep), "");
  });
}

TEST_F(Epoll, StandsInAnotherAndIsInherited) {
  InProcess([](int ep, int a, int b) {
    const int outer = uapi::epoll_create1(0);
    EXPECT_THAT(Add(outer, ep, EPOLLIN, 1), Works());
    EXPECT_THAT(Add(ep, outer, EPOLLIN), FailsWith(ELOOP));
    EXPECT_THAT(Add(ep, b, EPOLLIN, 2), Works());
    EXPECT_EQ(Told(outer), "");
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(outer), "1:r ");
    uapi::spawn("child", [ep, b] {
      EXPECT_EQ(Told(ep), "2:r ");
      char byte;
      EXPECT_THAT(uapi::read(b, &byte, 1), Eq(1));
      return 0;
    });
    EXPECT_THAT(uapi::wait(nullptr), Works());
    EXPECT_EQ(Told(outer), "");
  });
}

TEST_F(Epoll, PipesAndConsolesAreWatchedToo) {
  InProcess([](int ep, int, int) {
    int fds[2];
    EXPECT_THAT(uapi::pipe(fds), Works());
    EXPECT_THAT(Add(ep, fds[0], EPOLLIN | EPOLLOUT, 1), Works());
    EXPECT_THAT(Add(ep, fds[1], EPOLLIN, 2), Works());
    EXPECT_EQ(Told(ep), "");
    EXPECT_THAT(uapi::write(fds[1], "x", 1), Eq(1));
    EXPECT_EQ(Told(ep), "1:r ");
    EXPECT_THAT(uapi::close(fds[0]), Works());
    EXPECT_EQ(Told(ep), "2:h ") << "hanging up is told unasked";
    EXPECT_THAT(uapi::close(fds[1]), Works());
    EXPECT_THAT(Add(ep, 1, EPOLLOUT, 3), Works());
    EXPECT_EQ(Told(ep), "3:w ");
  });
}

// Three processes wait for one connection after the other, as the workers of a server do.
TEST_F(Epoll, OfExclusiveOnesOneIsWoken) {
  sockaddr_in name;
  int woken = 0;
  server_.Spawn("prog", [&] {
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    EXPECT_THAT(uapi::listen(listener, 3), Works());
    for (int i = 0; i < 3; ++i) {
      uapi::spawn("worker", [&woken, listener] {
        const int ep = uapi::epoll_create1(0);
        EXPECT_THAT(Add(ep, listener, EPOLLIN | EPOLLEXCLUSIVE), Works());
        epoll_event event;
        EXPECT_THAT(uapi::epoll_wait(ep, &event, 1, -1), Eq(1));
        ++woken;
        uapi::usleep(20'000);  // the connection is there for all to see
        EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), Works());
        return 0;
      });
    }
    for (int i = 1; i <= 3; ++i) {
      uapi::usleep(100'000);
      EXPECT_EQ(woken, i - 1);
      const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), Works());
    }
    for (int i = 0; i < 3; ++i) EXPECT_THAT(uapi::wait(nullptr), Works());
  });
  Run();
  EXPECT_EQ(woken, 3);
}

// Nobody sleeps: all are told, as in life, and so is who does not insist on being alone.
TEST_F(Epoll, ExclusiveOnesThatDoNotSleepAreAllTold) {
  InProcess([](int ep, int a, int b) {
    const int second = uapi::epoll_create1(0), usual = uapi::epoll_create1(0);
    EXPECT_THAT(Add(ep, b, EPOLLIN | EPOLLEXCLUSIVE, 1), Works());
    EXPECT_THAT(Add(second, b, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET | EPOLLWAKEUP, 2), Works());
    EXPECT_THAT(Add(usual, b, EPOLLIN, 3), Works());
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    EXPECT_EQ(Told(ep) + Told(second) + Told(usual), "1:r 2:r 3:r ");
    EXPECT_EQ(Told(ep) + Told(second), "1:r ");
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_DEL, b, nullptr), Works());
    EXPECT_THAT(uapi::close(second), Works());
    EXPECT_EQ(Told(ep) + Told(usual), "3:r ");
  });
}

TEST_F(Epoll, UnderAMaskTheSignalWaits) {
  InProcess([](int ep, int, int) {
    struct sigaction act {};
    act.sa_handler = [](int) {};
    EXPECT_THAT(uapi::sigaction(SIGALRM, &act, nullptr), Works());
    sigset_t all;
    sigfillset(&all);
    uapi::alarm(1);
    epoll_event event;
    EXPECT_THAT(uapi::epoll_pwait(ep, &event, 1, 2000, &all), Eq(0));
    uapi::alarm(1);
    EXPECT_THAT(uapi::epoll_pwait2(ep, &event, 1, nullptr, nullptr), FailsWith(EINTR));
  });
}

}  // namespace
}  // namespace sockbed
