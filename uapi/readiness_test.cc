// What is ready, row by row of the specification's table, over every kind of pair: poll, ppoll,
// select, pselect, kevent and epoll_wait must all say the same.
#include <fcntl.h>
#include <sys/un.h>

#include <functional>
#include <string>

#include "uapi/pairs.h"

namespace sockbed {
namespace {

using testing::Eq;

// "r", "w", "p" for readable, writable, urgent.
std::string Letters(bool in, bool out, bool pri) {
  return std::string(in ? "r" : "") + (out ? "w" : "") + (pri ? "p" : "");
}
std::string OfPoll(int fd, bool with_mask) {
  pollfd entry{fd, POLLIN | POLLOUT | POLLPRI, 0};
  const timespec none{};
  EXPECT_GE(with_mask ? uapi::ppoll(&entry, 1, &none, nullptr) : uapi::poll(&entry, 1, 0), 0);
  return Letters((entry.revents & POLLIN) != 0, (entry.revents & POLLOUT) != 0,
                 (entry.revents & POLLPRI) != 0);
}
std::string OfSelect(int fd, bool with_mask) {
  fd_set sets[3];
  for (fd_set& set : sets) {
    FD_ZERO(&set);
    FD_SET(fd, &set);
  }
  timeval none{};
  const timespec nothing{};
  EXPECT_GE(with_mask ? uapi::pselect(fd + 1, &sets[0], &sets[1], &sets[2], &nothing, nullptr)
                      : uapi::select(fd + 1, &sets[0], &sets[1], &sets[2], &none),
            0);
  return Letters(FD_ISSET(fd, &sets[0]), FD_ISSET(fd, &sets[1]), FD_ISSET(fd, &sets[2]));
}
std::string OfKevent(int fd) {
  const int kq = uapi::kqueue();
  for (const short filter : {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT}) {
    struct kevent change;
    EV_SET(&change, static_cast<uintptr_t>(fd), filter, EV_ADD,
           filter == EVFILT_EXCEPT ? NOTE_OOB : 0, 0, nullptr);
    const bool added = uapi::kevent(kq, &change, 1, nullptr, 0, nullptr) == 0;
    EXPECT_TRUE(added || errno == EINVAL) << "a pipe has one direction, and nothing urgent";
  }
  struct kevent events[3];
  const timespec none{};
  const int n = uapi::kevent(kq, nullptr, 0, events, 3, &none);
  bool ready[3] = {};
  for (int i = 0; i < n; ++i) {
    ready[events[i].filter == EVFILT_READ ? 0 : events[i].filter == EVFILT_WRITE ? 1 : 2] = true;
  }
  EXPECT_THAT(uapi::close(kq), Works());
  return Letters(ready[0], ready[1], ready[2]);
}
std::string OfEpoll(int fd) {
  const int ep = uapi::epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLPRI;
  EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), Works());
  epoll_event got{};
  const int n = uapi::epoll_wait(ep, &got, 1, 0);
  const uint32_t events = n > 0 ? got.events : 0;
  EXPECT_THAT(uapi::close(ep), Works());
  return Letters((events & EPOLLIN) != 0, (events & EPOLLOUT) != 0, (events & EPOLLPRI) != 0);
}

// What poll says, and all the others with it.
std::string Ready(int fd) {
  const std::string ready = OfPoll(fd, false);
  EXPECT_EQ(OfPoll(fd, true), ready) << "ppoll";
  EXPECT_EQ(OfSelect(fd, false), ready) << "select";
  EXPECT_EQ(OfSelect(fd, true), ready) << "pselect";
  EXPECT_EQ(OfKevent(fd), ready) << "kevent";
  EXPECT_EQ(OfEpoll(fd), ready) << "epoll_wait";
  return ready;
}

class Readiness : public EveryPair {
 protected:
  // What an end can be ready for at all.
  static std::string Both(const char* letters, bool reads) {
    std::string all = letters;
    if (GetParam() == PairKind::kPipe) std::erase(all, reads ? 'w' : 'r');
    return all;
  }
};

TEST_P(Readiness, IdlePairsCanBeWritten) {
  WithPair([](int a, int b) {
    EXPECT_EQ(Ready(a), "w");
    EXPECT_EQ(Ready(b), Both("w", true));
  });
}

TEST_P(Readiness, DataIsToRead) {
  WithPair([](int a, int b) {
    EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
    Settle();
    EXPECT_EQ(Ready(b), Both("rw", true));
    char byte;
    EXPECT_THAT(uapi::read(b, &byte, 1), Eq(1));
    EXPECT_EQ(Ready(b), Both("w", true));
  });
}

TEST_P(Readiness, FullPairsCannotBeWritten) {
  if (!IsStream(GetParam()) && GetParam() != PairKind::kPipe) return;  // datagrams: always
  WithPair([](int a, int b) {
    EXPECT_THAT(uapi::fcntl(a, F_SETFL, O_NONBLOCK), Works());
    const std::string much(100'000, 'x');
    while (uapi::write(a, much.data(), much.size()) > 0) Settle();
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(Ready(a), "");
    std::string room(much.size() * 20, '\0');
    while (Ready(b).starts_with("r")) {
      EXPECT_GT(uapi::read(b, room.data(), room.size()), 0);
      Settle();
    }
    EXPECT_EQ(Ready(a), "w");
  });
}

TEST_P(Readiness, EndOfFileIsToRead) {
  if (!HasEnd(GetParam())) return;
  WithPair([](int a, int b) {
    if (GetParam() == PairKind::kPipe) {
      EXPECT_THAT(uapi::close(a), Works());
      EXPECT_EQ(Ready(b), "r");
      return;
    }
    EXPECT_THAT(uapi::shutdown(a, SHUT_WR), Works());
    Settle();
    EXPECT_EQ(Ready(a), "w") << "writing will fail at once";
    EXPECT_EQ(Ready(b), "rw");
    EXPECT_THAT(uapi::close(a), Works());
    Settle();
    EXPECT_EQ(Ready(b).substr(0, 1), "r");
  });
}

TEST_P(Readiness, OwnShutdownOfReadingIsToRead) {
  if (GetParam() == PairKind::kPipe) return;
  WithPair([](int a, int) {
    EXPECT_THAT(uapi::shutdown(a, SHUT_RD), Works());
    EXPECT_EQ(Ready(a), "rw");
  });
}

TEST_P(Readiness, DisconnectedIsEverything) {
  if (!HasEnd(GetParam())) return;
  WithPair([](int a, int b) {
    EXPECT_THAT(uapi::close(b), Works());
    Settle();
    EXPECT_EQ(Ready(a), GetParam() == PairKind::kPipe  ? "w"
                        : GetParam() == PairKind::kTcp ? "rw"  // half closed: a may write
                                                       : "rw");
  });
}

SOCKBED_FOR_EVERY_PAIR(Readiness);

class ReadinessOfOne : public TwoHosts {};

TEST_F(ReadinessOfOne, UnconnectedSockets) {
  client_.Spawn("prog", [] {
    EXPECT_EQ(Ready(uapi::socket(AF_INET, SOCK_STREAM, 0)), "");
    EXPECT_EQ(Ready(uapi::socket(AF_UNIX, SOCK_STREAM, 0)), "");
    EXPECT_EQ(Ready(uapi::socket(AF_INET, SOCK_DGRAM, 0)), "w");
    EXPECT_EQ(Ready(uapi::socket(AF_UNIX, SOCK_DGRAM, 0)), "w");
  });
  Run();
}

TEST_F(ReadinessOfOne, AConnectionInTheMaking) {
  client_.Spawn("prog", [this] {
    const sockaddr_in sin = ServerPort(7);  // nobody listens
    const int fd = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(sin), sizeof sin), FailsWith(EINPROGRESS));
    EXPECT_EQ(Ready(fd), "");
    Settle();
    EXPECT_EQ(Ready(fd), "rw") << "refused";
    int error = 0;
    socklen_t len = sizeof error;
    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), Works());
    EXPECT_EQ(error, ECONNREFUSED);
  });
  Run();
}

TEST_F(ReadinessOfOne, ListenersHaveConnectionsToRead) {
  server_.Spawn("prog", [] {
    sockaddr_in name;
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    EXPECT_THAT(uapi::listen(listener, 1), Works());
    EXPECT_EQ(Ready(listener), "");
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), Works());
    EXPECT_EQ(Ready(listener), "r");
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), Works());
    EXPECT_EQ(Ready(listener), "");
  });
  Run();
}

TEST_F(ReadinessOfOne, APendingErrorIsToReadUntilItIsTaken) {
  client_.Spawn("prog", [this] {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in nobody = ServerPort(9);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(nobody), sizeof nobody), Works());
    EXPECT_EQ(Ready(fd), "w");
    EXPECT_THAT(uapi::send(fd, "x", 1, 0), Eq(1));
    Settle();
    EXPECT_EQ(Ready(fd), "rw");
    char byte;
    EXPECT_THAT(uapi::recv(fd, &byte, 1, MSG_DONTWAIT), FailsWith(ECONNREFUSED));
    EXPECT_EQ(Ready(fd), "w");
  });
  Run();
}

TEST_F(ReadinessOfOne, UrgentDataIsExceptional) {
  server_.Spawn("prog", [] {
    int fds[2];
    MakePair(PairKind::kTcp, fds);
    EXPECT_THAT(uapi::send(fds[0], "u", 1, MSG_OOB), Eq(1));
    Settle();
    EXPECT_EQ(Ready(fds[1]), "wp");
  });
  Run();
}

TEST_F(ReadinessOfOne, HangingUpIsToldWhereTheHostIsAsked) {
  server_.SetSysctl("kern.poll_hup", 1);
  server_.Spawn("prog", [] {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    const auto ask = [&](short events) {
      pollfd entry{fds[0], events, 0};
      EXPECT_GE(uapi::poll(&entry, 1, 0), 0);
      return entry.revents;
    };
    EXPECT_EQ(ask(0), 0);
    EXPECT_THAT(uapi::shutdown(fds[1], SHUT_WR), Works());
    EXPECT_EQ(ask(POLLIN | POLLOUT), POLLIN | POLLOUT) << "half closed";
    EXPECT_THAT(uapi::close(fds[1]), Works());
    EXPECT_EQ(ask(POLLIN | POLLOUT), POLLIN | POLLHUP);
    EXPECT_EQ(ask(0), POLLHUP);
  });
  Run();
}

TEST_F(ReadinessOfOne, ConsolesAreAlwaysReadyAndSpuriousNumbersNever) {
  server_.Spawn("prog", [] {
    EXPECT_EQ(Ready(1), "rw");
    pollfd entries[2] = {{77, POLLIN, 0}, {-1, POLLIN, 9}};
    EXPECT_THAT(uapi::poll(entries, 2, 0), Eq(1));
    EXPECT_EQ(entries[0].revents, POLLNVAL);
    EXPECT_EQ(entries[1].revents, 0);
    EXPECT_THAT(uapi::poll(entries, 5000, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::poll(nullptr, 1, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::poll(entries, 1, -2), FailsWith(EINVAL));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(77, &set);
    EXPECT_THAT(uapi::select(78, &set, nullptr, nullptr, nullptr), FailsWith(EBADF));
    EXPECT_THAT(uapi::select(-1, &set, nullptr, nullptr, nullptr), FailsWith(EINVAL));
    timeval bad{.tv_sec = 0, .tv_usec = 1'000'000};
    EXPECT_THAT(uapi::select(0, nullptr, nullptr, nullptr, &bad), FailsWith(EINVAL));
    timespec worse{.tv_sec = -1, .tv_nsec = 0};
    EXPECT_THAT(uapi::pselect(0, nullptr, nullptr, nullptr, &worse, nullptr), FailsWith(EINVAL));
  });
  Run();
}

// A call that waits, by name.
struct Waiter {
  const char* name;
  // Waits for `fd` to have something to read; `limit_ms` -1: for ever. As the call itself.
  std::function<int(int fd, int limit_ms)> wait;
};
timespec* LimitOf(int limit_ms, timespec* ts) {
  *ts = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1'000'000};
  return limit_ms < 0 ? nullptr : ts;
}
int WaitInPoll(int fd, int limit_ms) {
  pollfd entry{fd, POLLIN, 0};
  return uapi::poll(&entry, 1, limit_ms);
}
int WaitInPselect(int fd, int limit_ms) {
  fd_set in;
  FD_ZERO(&in);
  FD_SET(fd, &in);
  timespec ts;
  return uapi::pselect(fd + 1, &in, nullptr, nullptr, LimitOf(limit_ms, &ts), nullptr);
}
int WaitInKevent(int fd, int limit_ms) {
  const int kq = uapi::kqueue();
  struct kevent kev;
  EV_SET(&kev, static_cast<uintptr_t>(fd), EVFILT_READ, EV_ADD, 0, 0, nullptr);
  timespec ts;
  const int n = uapi::kevent(kq, &kev, 1, &kev, 1, LimitOf(limit_ms, &ts));
  const int saved = errno;
  uapi::close(kq);
  errno = saved;
  return n;
}
int WaitInEpoll(int fd, int limit_ms) {
  const int ep = uapi::epoll_create(1);
  epoll_event event{};
  event.events = EPOLLIN;
  EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), Works());
  const int n = uapi::epoll_wait(ep, &event, 1, limit_ms);
  const int saved = errno;
  uapi::close(ep);
  errno = saved;
  return n;
}
const Waiter kWaiters[] = {{"poll", WaitInPoll},
                           {"pselect", WaitInPselect},
                           {"kevent", WaitInKevent},
                           {"epoll_wait", WaitInEpoll}};

SimTime Clock() {
  timespec now;
  uapi::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

class Waiting : public EveryPair {};

TEST_P(Waiting, EndsWhenSomethingComes) {
  WithPair([](int a, int b) {
    for (const Waiter& waiter : kWaiters) {
      const SimTime begin = Clock();
      uapi::spawn("writer", [a] {
        uapi::usleep(200'000);
        EXPECT_THAT(uapi::write(a, "x", 1), Eq(1));
        return 0;
      });
      EXPECT_EQ(waiter.wait(b, -1), 1) << waiter.name;
      EXPECT_GE(Clock() - begin, 200 * kMillisecond) << waiter.name;
      EXPECT_LT(Clock() - begin, 300 * kMillisecond) << waiter.name;
      char byte;
      EXPECT_THAT(uapi::read(b, &byte, 1), Eq(1));
      EXPECT_THAT(uapi::wait(nullptr), Works());
    }
  });
}

TEST_P(Waiting, EndsWithItsLimit) {
  WithPair([](int, int b) {
    for (const Waiter& waiter : kWaiters) {
      const SimTime begin = Clock();
      EXPECT_EQ(waiter.wait(b, 0), 0) << waiter.name;
      EXPECT_LT(Clock() - begin, kMillisecond) << waiter.name;
      EXPECT_EQ(waiter.wait(b, 95), 0) << waiter.name;
      EXPECT_GE(Clock() - begin, 95 * kMillisecond) << waiter.name;
      EXPECT_LE(Clock() - begin, 125 * kMillisecond) << waiter.name;
    }
  });
}

TEST_P(Waiting, EndsWithASignalWhateverItsHandlerSays) {
  WithPair([](int, int b) {
    struct sigaction act {};
    act.sa_handler = [](int) {};
    act.sa_flags = SA_RESTART;
    EXPECT_THAT(uapi::sigaction(SIGALRM, &act, nullptr), Works());
    for (const Waiter& waiter : kWaiters) {
      uapi::alarm(1);
      EXPECT_THAT(waiter.wait(b, -1), FailsWith(EINTR)) << waiter.name;
    }
  });
}

SOCKBED_FOR_EVERY_PAIR(Waiting);

}  // namespace
}  // namespace sockbed
