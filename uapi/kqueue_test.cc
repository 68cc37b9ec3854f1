// kqueue(2) and kevent(2): each filter and errno over sockets, pipes, timers, signals and queues.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "uapi/pairs.h"
#include "uapi/rthread.h"

namespace sockbed {
namespace {

using testing::Eq;

uintptr_t Ident(int fd) { return static_cast<uintptr_t>(fd); }

// One change, and what kevent returns for it.
int Change(int kq, uintptr_t ident, short filter, unsigned short flags, unsigned fflags = 0,
           int64_t data = 0) {
  struct kevent change;
  EV_SET(&change, ident, filter, flags, fflags, data, nullptr);
  return uapi::kevent(kq, &change, 1, nullptr, 0, nullptr);
}
// What is pending now.
std::vector<struct kevent> Pending(int kq) {
  std::vector<struct kevent> events(10);
  const timespec none{};
  const int n = uapi::kevent(kq, nullptr, 0, events.data(), 10, &none);
  EXPECT_GE(n, 0);
  events.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return events;
}
// The same in words: "filter data" each, "eof" where it is, and the fflags.
std::string Told(int kq) {
  std::string text;
  for (const struct kevent& kev : Pending(kq)) {
    text += std::to_string(kev.filter) + " " + std::to_string(kev.data);
    if ((kev.flags & EV_EOF) != 0) text += " eof " + std::to_string(kev.fflags);
    text += "; ";
  }
  return text;
}

class Kqueue : public TwoHosts {
 protected:
  void InProcess(std::function<void(int kq)> body) {
    server_.Spawn("prog", [body] {
      const int kq = uapi::kqueue();
      EXPECT_THAT(kq, Works());
      body(kq);
    });
    Run();
  }
};

TEST_F(Kqueue, IsAFileWithoutData) {
  InProcess([](int kq) {
    char byte;
    EXPECT_THAT(uapi::read(kq, &byte, 1), FailsWith(ENXIO));
    EXPECT_THAT(uapi::write(kq, &byte, 1), FailsWith(ENXIO));
    EXPECT_THAT(uapi::fcntl(kq, F_SETFL, O_NONBLOCK), FailsWith(ENOTTY));
    EXPECT_THAT(uapi::send(kq, &byte, 1, 0), FailsWith(ENOTSOCK));
    struct stat st;
    EXPECT_THAT(uapi::fstat(kq, &st), Works());
    EXPECT_TRUE(S_ISFIFO(st.st_mode));
    const int marked = uapi::kqueue1(O_CLOEXEC);
    EXPECT_THAT(uapi::fcntl(marked, F_GETFD), Eq(FD_CLOEXEC));
    EXPECT_THAT(uapi::kqueue1(O_APPEND), FailsWith(EINVAL));
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, std::array<rlimit, 1>{{{5, 5}}}.data()), Works());
    EXPECT_THAT(uapi::kqueue(), FailsWith(EMFILE));
  });
}

TEST_F(Kqueue, EachWrongCallHasItsErrno) {
  InProcess([](int kq) {
    struct kevent kev;
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_THAT(uapi::kevent(99, nullptr, 0, &kev, 1, nullptr), FailsWith(EBADF));
    EXPECT_THAT(uapi::kevent(fd, nullptr, 0, &kev, 1, nullptr), FailsWith(EBADF));
    EXPECT_THAT(uapi::kevent(kq, nullptr, 1, &kev, 1, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, nullptr, 1, nullptr), FailsWith(EFAULT));
    const timespec bad{.tv_sec = 0, .tv_nsec = 1'000'000'000};
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &kev, 1, &bad), FailsWith(EINVAL));
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &kev, 0, &bad), Works()) << "it does not wait";
    EXPECT_THAT(Change(kq, 99, EVFILT_READ, EV_ADD), FailsWith(EBADF));
    EXPECT_THAT(Change(kq, uintptr_t{1} << 40, EVFILT_READ, EV_ADD), FailsWith(EBADF));
    EXPECT_THAT(Change(kq, Ident(fd), -5, EV_ADD), FailsWith(EINVAL)) << "EVFILT_PROC";
    EXPECT_THAT(Change(kq, Ident(fd), EVFILT_READ, EV_DELETE), FailsWith(ENOENT));
    EXPECT_THAT(Change(kq, Ident(fd), EVFILT_READ, EV_ENABLE), FailsWith(ENOENT));
    EXPECT_THAT(Change(kq, Ident(kq), EVFILT_READ, EV_ADD), FailsWith(ELOOP));
    EXPECT_THAT(Change(kq, Ident(kq), EVFILT_WRITE, EV_ADD), FailsWith(EINVAL));
  });
}

TEST_F(Kqueue, FailedChangesAreToldWhereThereIsRoom) {
  InProcess([](int kq) {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    struct kevent list[4];
    EV_SET(&list[0], Ident(fd), EVFILT_WRITE, EV_ADD, 0, 0, &list[0]);
    EV_SET(&list[1], 99, EVFILT_READ, EV_ADD, 0, 0, &list[1]);
    EV_SET(&list[2], Ident(fd), EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, &list[2]);
    EV_SET(&list[3], 7, EVFILT_USER, EV_DELETE, 0, 0, &list[3]);
    EXPECT_THAT(uapi::kevent(kq, list, 4, list, 4, nullptr), Eq(3)) << "nor does it wait";
    EXPECT_EQ(list[0].flags, EV_ERROR);
    EXPECT_EQ(list[0].data, EBADF);
    EXPECT_EQ(list[0].ident, 99u);
    EXPECT_EQ(list[0].udata, &list[1]);
    EXPECT_EQ(list[1].flags, EV_ERROR);
    EXPECT_EQ(list[1].data, 0) << "a receipt";
    EXPECT_EQ(list[2].data, ENOENT);
    EXPECT_EQ(Told(kq).substr(0, 2), "-2") << "the first change was made";
    EV_SET(&list[0], 99, EVFILT_READ, EV_ADD, 0, 0, nullptr);
    EV_SET(&list[1], 98, EVFILT_READ, EV_ADD, 0, 0, nullptr);
    EXPECT_THAT(uapi::kevent(kq, list, 2, &list[3], 1, nullptr), FailsWith(EBADF));
  });
}

TEST_F(Kqueue, DataCountsBytesAndConnections) {
  InProcess([](int kq) {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    EXPECT_THAT(Change(kq, Ident(fds[1]), EVFILT_READ, EV_ADD), Works());
    EXPECT_THAT(Change(kq, Ident(fds[0]), EVFILT_WRITE, EV_ADD | EV_CLEAR), Works());
    EXPECT_EQ(Told(kq), "-2 4096; ");
    EXPECT_THAT(uapi::write(fds[0], "abc", 3), Eq(3));
    EXPECT_EQ(Told(kq), "-1 3; ");
    EXPECT_THAT(Change(kq, Ident(fds[1]), EVFILT_READ, EV_ADD, NOTE_LOWAT, 5), Works());
    EXPECT_EQ(Told(kq), "") << "3 are fewer than 5";
    EXPECT_THAT(uapi::write(fds[0], "de", 2), Eq(2));
    EXPECT_EQ(Told(kq), "-1 5; ");
    EXPECT_THAT(uapi::close(fds[0]), Works());
    EXPECT_EQ(Told(kq), "-1 5 eof 0; ");
    sockaddr_in name;
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    EXPECT_THAT(uapi::close(fds[1]), Works());
    EXPECT_THAT(Change(kq, Ident(listener), EVFILT_READ, EV_ADD), Works());
    EXPECT_THAT(uapi::listen(listener, 3), Works()) << "after the filter was attached";
    for (int i = 0; i < 2; ++i) {
      const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), Works());
    }
    EXPECT_EQ(Told(kq), "-1 2; ");
  });
}

TEST_F(Kqueue, ErrorsComeWithTheEndOfFile) {
  InProcess([this](int kq) {
    const sockaddr_in nobody = ServerPort(9);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_THAT(Change(kq, Ident(fd), EVFILT_WRITE, EV_ADD), Works());
    EXPECT_EQ(Told(kq), "") << "not connected";
    (void)uapi::connect(fd, AsSockaddr(nobody), sizeof nobody);  // refused at once, or later
    Settle();
    const std::vector<struct kevent> events = Pending(kq);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_NE(events[0].flags & EV_EOF, 0);
  });
}

TEST_F(Kqueue, PipesTellBytesRoomAndTheOtherEnd) {
  InProcess([](int kq) {
    int fds[2];
    EXPECT_THAT(uapi::pipe(fds), Works());
    EXPECT_THAT(Change(kq, Ident(fds[0]), EVFILT_READ, EV_ADD), Works());
    EXPECT_THAT(Change(kq, Ident(fds[1]), EVFILT_WRITE, EV_ADD), Works());
    EXPECT_THAT(Change(kq, Ident(fds[0]), EVFILT_WRITE, EV_ADD), FailsWith(EINVAL));
    EXPECT_THAT(Change(kq, Ident(fds[0]), EVFILT_EXCEPT, EV_ADD), FailsWith(EINVAL));
    EXPECT_EQ(Told(kq), "-2 65536; ");
    EXPECT_THAT(uapi::write(fds[1], "abc", 3), Eq(3));
    EXPECT_EQ(Told(kq), "-2 65533; -1 3; ");
    EXPECT_THAT(uapi::close(fds[0]), Works());
    EXPECT_EQ(Told(kq), "-2 65533 eof 0; ");
  });
}

TEST_F(Kqueue, SignalsAndTimersAndTheProgramsOwn) {
  InProcess([](int kq) {
    struct sigaction act {};
    act.sa_handler = SIG_IGN;
    EXPECT_THAT(uapi::sigaction(SIGUSR2, &act, nullptr), Works());
    EXPECT_THAT(Change(kq, SIGUSR2, EVFILT_SIGNAL, EV_ADD), Works());
    EXPECT_THAT(Change(kq, 5, EVFILT_TIMER, EV_ADD, 0, 100), Works());
    EXPECT_THAT(Change(kq, 6, EVFILT_USER, EV_ADD | EV_CLEAR), Works());
    EXPECT_THAT(uapi::kill(uapi::getpid(), SIGUSR2), Works());
    EXPECT_THAT(uapi::kill(uapi::getpid(), SIGUSR2), Works());
    EXPECT_EQ(Told(kq), "-6 2; ");
    uapi::usleep(250'000);
    EXPECT_EQ(Told(kq), "-7 2; ");
    EXPECT_THAT(Change(kq, 6, EVFILT_USER, 0, NOTE_TRIGGER), Works());
    EXPECT_EQ(Told(kq), "-10 0; ");
    EXPECT_EQ(Told(kq), "");
  });
}

// What the wall clock shows as the timer is set counts, as in OpenBSD.
TEST_F(Kqueue, ATimerMayBeSetForATimeOfTheWallClock) {
  InProcess([](int kq) {
    const int64_t now = uapi::time(nullptr);
    EXPECT_THAT(Change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_SECONDS, now - 1), Works());
    EXPECT_EQ(Told(kq), "-7 1; ") << "it was";
    EXPECT_THAT(Change(kq, 1, EVFILT_TIMER, EV_DELETE, NOTE_ABSTIME, -1), Works());
    EXPECT_THAT(Change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME, -1), FailsWith(EINVAL));
    EXPECT_THAT(Change(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_SECONDS, now + 3), Works());
    const timespec back{.tv_sec = now - 100, .tv_nsec = 0};
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &back), Works());
    EXPECT_THAT(Change(kq, 3, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME, (now - 96) * 1000), Works());
    EXPECT_EQ(Told(kq), "");
    const timespec soon{.tv_sec = 3, .tv_nsec = 500'000'000};
    EXPECT_THAT(uapi::nanosleep(&soon, nullptr), Works());
    EXPECT_EQ(Told(kq), "-7 1; ");
    EXPECT_THAT(uapi::nanosleep(&soon, nullptr), Works());
    EXPECT_EQ(Told(kq), "-7 1; -7 1; ");
  });
}

TEST_F(Kqueue, AddingAgainChangesWhatIsToldAndToWhom) {
  InProcess([](int kq) {
    int before = 0, after = 0;
    struct kevent kev;
    const timespec none{};
    EV_SET(&kev, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &before);
    EXPECT_THAT(uapi::kevent(kq, &kev, 1, nullptr, 0, nullptr), Works());
    EV_SET(&kev, 1, EVFILT_USER, 0, NOTE_TRIGGER, 5, &after);
    EXPECT_THAT(uapi::kevent(kq, &kev, 1, &kev, 1, &none), Eq(1));
    EXPECT_EQ(kev.udata, &before) << "a trigger is no change of it";
    EXPECT_EQ(kev.data, 5);
    EV_SET(&kev, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 6, &after);
    EXPECT_THAT(uapi::kevent(kq, &kev, 1, &kev, 1, &none), Eq(1));
    EXPECT_EQ(kev.udata, &after);
  });
}

TEST_F(Kqueue, TimersOfAHostAreCounted) {
  InProcess([](int kq) {
    constexpr uintptr_t kMost = 4096;
    for (uintptr_t i = 0; i < kMost; ++i) {
      ASSERT_THAT(Change(kq, i, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 1000), Works());
    }
    EXPECT_THAT(Change(kq, kMost, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 1000), FailsWith(ENOMEM));
    EXPECT_THAT(Change(kq, 7, EVFILT_TIMER, EV_DELETE), Works());
    EXPECT_THAT(Change(kq, kMost, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 1000), Works());
  });
}

TEST_F(Kqueue, ANumberThatIsClosedIsForgotten) {
  InProcess([](int kq) {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    const int copy = uapi::dup(fds[1]);
    EXPECT_THAT(Change(kq, Ident(fds[1]), EVFILT_READ, EV_ADD), Works());
    EXPECT_THAT(Change(kq, Ident(copy), EVFILT_READ, EV_ADD), Works());
    EXPECT_THAT(uapi::write(fds[0], "x", 1), Eq(1));
    EXPECT_EQ(Told(kq), "-1 1; -1 1; ");
    EXPECT_THAT(uapi::close(copy), Works());
    EXPECT_EQ(Told(kq), "-1 1; ");
    EXPECT_THAT(uapi::dup2(fds[0], fds[1]), Eq(fds[1]));
    EXPECT_EQ(Told(kq), "");
    EXPECT_THAT(Change(kq, Ident(fds[1]), EVFILT_READ, EV_DELETE), FailsWith(ENOENT));
  });
}

void* WatchSignal(void* kq) {
  EXPECT_THAT(Change(*static_cast<int*>(kq), SIGUSR2, EVFILT_SIGNAL, EV_ADD), Works());
  return nullptr;
}
void* AwaitTimer(void* kq) {
  struct kevent kev;
  EXPECT_THAT(uapi::kevent(*static_cast<int*>(kq), nullptr, 0, &kev, 1, nullptr), Eq(1));
  EXPECT_EQ(kev.filter, EVFILT_TIMER);
  return nullptr;
}

// A thread may go that has added a filter, and another wait while the number is closed.
TEST_F(Kqueue, IsTheProcesssWhicheverThreadUsesIt) {
  InProcess([](int kq) {
    struct sigaction act {};
    act.sa_handler = SIG_IGN;
    EXPECT_THAT(uapi::sigaction(SIGUSR2, &act, nullptr), Works());
    pthread_t thread;
    ASSERT_EQ(uapi::pthread_create(&thread, nullptr, WatchSignal, &kq), 0);
    EXPECT_EQ(uapi::pthread_join(thread, nullptr), 0);
    EXPECT_THAT(uapi::kill(uapi::getpid(), SIGUSR2), Works());
    EXPECT_EQ(Told(kq), "-6 1; ");
    EXPECT_THAT(Change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 100), Works());
    ASSERT_EQ(uapi::pthread_create(&thread, nullptr, AwaitTimer, &kq), 0);
    uapi::usleep(20'000);
    EXPECT_THAT(uapi::close(kq), Works());
    EXPECT_EQ(uapi::pthread_join(thread, nullptr), 0);
  });
}

TEST_F(Kqueue, CannotBePassed) {
  InProcess([](int kq) {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof kq)] = {};
    char byte = 'x';
    iovec vector{&byte, 1};
    msghdr msg{};
    msg.msg_iov = &vector;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof control;
    cmsghdr* const c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof kq);
    std::memcpy(CMSG_DATA(c), &kq, sizeof kq);
    EXPECT_THAT(uapi::sendmsg(fds[0], &msg, 0), FailsWith(EINVAL));
  });
}

TEST_F(Kqueue, IsItselfPolledAndWatchedButNotInherited) {
  InProcess([](int kq) {
    const int outer = uapi::kqueue();
    EXPECT_THAT(Change(outer, Ident(kq), EVFILT_READ, EV_ADD), Works());
    pollfd entry{kq, POLLIN, 0};
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(0));
    EXPECT_THAT(Change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 50), Works());
    EXPECT_THAT(uapi::poll(&entry, 1, -1), Eq(1));
    EXPECT_EQ(Told(outer), "-1 1; ");
    EXPECT_EQ(Told(kq), "-7 1; ");
    EXPECT_EQ(Told(outer), "");
    uapi::spawn("child", [kq] {
      struct kevent kev;
      EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &kev, 1, nullptr), FailsWith(EBADF));
      EXPECT_THAT(uapi::socket(AF_INET, SOCK_DGRAM, 0), Eq(kq)) << "the number is free";
      return 0;
    });
    EXPECT_THAT(uapi::wait(nullptr), Works());
  });
}

}  // namespace
}  // namespace sockbed
