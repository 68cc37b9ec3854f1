// What each call makes of a pointer that is null, of a number that is none of its own, and of a
// file that has no such side: the errno that uapi.h names, and nothing else has happened.
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <functional>
#include <vector>

#include "uapi/pairs.h"

namespace sockbed {
namespace {

using testing::Eq;

class BadArguments : public TwoHosts {
 protected:
  void InProcess(std::function<void()> body) {
    server_.Spawn("prog", std::move(body));
    Run();
  }
  void AsUser(std::function<void()> body) {
    server_.Spawn("user", std::move(body),
                  {.cred = {.cr_uid = 1000, .cr_ruid = 1000, .cr_svuid = 1000}});
    Run();
  }
};

int NewFile(const char* path, int flags) {
  const int fd = uapi::open(path, flags | O_CREAT, 0644);
  EXPECT_THAT(fd, Works());
  return fd;
}

int NewSignalfd() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  return uapi::signalfd(-1, &mask, 0);
}

TEST_F(BadArguments, PositionsAreOfFilesAndInThem) {
  InProcess([] {
    const int reader = NewFile("/tmp/x", O_RDONLY), writer = uapi::open("/tmp/x", O_WRONLY);
    char byte = 'x';
    iovec vector{&byte, 1};
    EXPECT_THAT(uapi::pwrite(reader, &byte, 1, 0), FailsWith(EBADF));
    EXPECT_THAT(uapi::pread(writer, &byte, 1, 0), FailsWith(EBADF));
    EXPECT_THAT(uapi::pread(reader, &byte, 1, -1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::pwrite(writer, &byte, 1, -1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::preadv(reader, &vector, 0, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::preadv(reader, &vector, IOV_MAX + 1, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::pwritev(writer, nullptr, 1, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::lseek(reader, 0, 77), FailsWith(EINVAL));
    EXPECT_THAT(uapi::lseek(reader, -1, SEEK_SET), FailsWith(EINVAL));
    EXPECT_THAT(uapi::lseek(reader, 5, SEEK_SET), Eq(5));
    EXPECT_THAT(uapi::lseek(reader, INT64_MAX, SEEK_CUR), FailsWith(EOVERFLOW));
    EXPECT_THAT(uapi::lseek(reader, 0, SEEK_CUR), Eq(5));
  });
}

TEST_F(BadArguments, LimitsThatNobodyWouldKeepTo) {
  AsUser([] {
    rlimit limit{};
    EXPECT_THAT(uapi::getrlimit(RLIMIT_NOFILE, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::getrlimit(-1, &limit), FailsWith(EINVAL));
    EXPECT_THAT(uapi::getrlimit(RLIM_NLIMITS, &limit), FailsWith(EINVAL));
    EXPECT_THAT(uapi::getrlimit(RLIMIT_CPU, &limit), Works());
    EXPECT_EQ(limit.rlim_cur, RLIM_INFINITY);
    EXPECT_THAT(uapi::setrlimit(RLIMIT_CPU, &limit), Works());
    limit.rlim_cur = 5;
    EXPECT_THAT(uapi::setrlimit(RLIMIT_CPU, &limit), FailsWith(EINVAL));
    EXPECT_THAT(uapi::getrlimit(RLIMIT_NOFILE, &limit), Works());
    const rlim_t highest = limit.rlim_max;
    limit = {.rlim_cur = 20, .rlim_max = 10};
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &limit), FailsWith(EINVAL));
    limit = {.rlim_cur = 20, .rlim_max = 20};
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &limit), Works());
    limit.rlim_max = highest;
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &limit), FailsWith(EPERM));
  });
}

TEST_F(BadArguments, DescriptorsAndTheirFlags) {
  InProcess([] {
    const int fd = uapi::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::dup3(fd, fd, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::dup3(fd, 9, O_APPEND), FailsWith(EINVAL));
    EXPECT_THAT(uapi::dup3(fd, 9, O_CLOEXEC), Eq(9));
    EXPECT_THAT(uapi::fcntl(9, F_GETFD), Eq(FD_CLOEXEC));
    EXPECT_THAT(uapi::dup3(fd, 9, 0), Eq(9));
    EXPECT_THAT(uapi::fcntl(9, F_GETFD), Eq(0));
    EXPECT_THAT(uapi::dup3(77, 9, 0), FailsWith(EBADF));
    EXPECT_THAT(uapi::fcntl(9, F_SETFD, FD_CLOEXEC), Works());
    EXPECT_THAT(uapi::dup2(9, 9), Eq(9));
    EXPECT_THAT(uapi::fcntl(9, F_GETFD), Eq(FD_CLOEXEC)) << "nothing was done";
    EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_ASYNC), Works());
    EXPECT_THAT(uapi::fcntl(fd, F_GETFL), Eq(O_RDWR | O_ASYNC));
    EXPECT_THAT(uapi::fstat(fd, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::ioctl(fd, FIONREAD, nullptr), FailsWith(EFAULT));
  });
}

// What cannot be signalled for has O_ASYNC refused, and O_NONBLOCK with it.
TEST_F(BadArguments, FilesThatNeverSignal) {
  InProcess([] {
    const int fds[] = {uapi::eventfd(0, 0), uapi::timerfd_create(CLOCK_MONOTONIC, 0),
                       uapi::epoll_create1(0), NewSignalfd()};
    for (const int fd : fds) {
      int on = 1, off = 0;
      EXPECT_THAT(uapi::ioctl(fd, FIOASYNC, &on), FailsWith(ENOTTY));
      EXPECT_THAT(uapi::ioctl(fd, FIOASYNC, &off), Works());
      EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC), FailsWith(ENOTTY));
      EXPECT_THAT(uapi::fcntl(fd, F_GETFL), Eq(O_RDWR));
      EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_NONBLOCK), Works());
      EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_ASYNC), FailsWith(ENOTTY));
      EXPECT_THAT(uapi::fcntl(fd, F_GETFL), Eq(O_RDWR | O_NONBLOCK)) << "as it was";
      EXPECT_THAT(uapi::ioctl(fd, FIONREAD, &on), FailsWith(ENOTTY));
    }
  });
}

TEST_F(BadArguments, TimesThatAreNone) {
  InProcess([] {
    const timespec bad{.tv_sec = 0, .tv_nsec = 1'000'000'000}, none{};
    EXPECT_THAT(uapi::nanosleep(nullptr, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::nanosleep(&bad, nullptr), FailsWith(EINVAL));
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, nullptr, nullptr), EFAULT);
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &bad, nullptr), EINVAL);
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_REALTIME, 2, &none, nullptr), EINVAL);
    EXPECT_EQ(uapi::clock_nanosleep(999, 0, &none, nullptr), EINVAL);
    EXPECT_THAT(uapi::clock_gettime(CLOCK_REALTIME, nullptr), FailsWith(EFAULT));
    timespec grain{.tv_sec = 9, .tv_nsec = 9};
    EXPECT_THAT(uapi::clock_getres(CLOCK_REALTIME, &grain), Works());
    EXPECT_EQ(grain.tv_sec, 0);
    EXPECT_EQ(grain.tv_nsec, 1);
    EXPECT_THAT(uapi::clock_getres(CLOCK_REALTIME, nullptr), Works());
    const timeval late{.tv_sec = 1, .tv_usec = 1'000'000}, early{.tv_sec = 1, .tv_usec = -1};
    EXPECT_THAT(uapi::settimeofday(&late, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::settimeofday(&early, nullptr), FailsWith(EINVAL));
    itimerval value{};
    EXPECT_THAT(uapi::setitimer(ITIMER_REAL, nullptr, &value), FailsWith(EFAULT));
    EXPECT_THAT(uapi::getitimer(ITIMER_REAL, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::getitimer(77, &value), FailsWith(EINVAL));
    time_t now = 0;
    EXPECT_EQ(uapi::time(&now), kBootEpochSeconds);
    EXPECT_EQ(now, kBootEpochSeconds);
    EXPECT_EQ(uapi::gettimeofday(nullptr, nullptr), 0);
  });
}

TEST_F(BadArguments, NowhereToPutTheAnswer) {
  InProcess([] {
    EXPECT_THAT(uapi::getrusage(RUSAGE_SELF, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::uname(nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::getrandom(nullptr, 1, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::getrandom(nullptr, 0, 0), Eq(0));
    EXPECT_THAT(uapi::sigsuspend(nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::sigpending(nullptr), FailsWith(EFAULT));
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_THAT(uapi::sendmmsg(fd, nullptr, 1, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::recvmmsg(fd, nullptr, 1, MSG_DONTWAIT, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::recvmmsg(fd, nullptr, 0, MSG_DONTWAIT, nullptr), Eq(0));
    const timespec bad{.tv_sec = 0, .tv_nsec = -1};
    EXPECT_THAT(uapi::ppoll(nullptr, 0, &bad, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::pselect(0, nullptr, nullptr, nullptr, &bad, nullptr), FailsWith(EINVAL));
  });
}

TEST_F(BadArguments, SidesThatAFileDoesNotHave) {
  InProcess([] {
    const int kq = uapi::kqueue(), ep = uapi::epoll_create1(0);
    const int events = uapi::eventfd(3, 0), timer = uapi::timerfd_create(CLOCK_MONOTONIC, 0);
    const auto watch = [kq](int fd, short filter) {
      struct kevent change;
      EV_SET(&change, static_cast<uintptr_t>(fd), filter, EV_ADD, 0, 0, nullptr);
      return uapi::kevent(kq, &change, 1, nullptr, 0, nullptr);
    };
    EXPECT_THAT(watch(events, EVFILT_EXCEPT), FailsWith(EINVAL));
    EXPECT_THAT(watch(timer, EVFILT_WRITE), FailsWith(EINVAL));
    EXPECT_THAT(watch(NewSignalfd(), EVFILT_WRITE), FailsWith(EINVAL));
    EXPECT_THAT(watch(timer, EVFILT_READ), Works());
    EXPECT_THAT(watch(events, EVFILT_READ), Works());
    EXPECT_THAT(watch(events, EVFILT_WRITE), Works());
    struct kevent told[4];
    const timespec none{};
    ASSERT_THAT(uapi::kevent(kq, nullptr, 0, told, 4, &none), Eq(2)) << "the timer counts nothing";
    EXPECT_EQ(told[0].data, 3);
    EXPECT_EQ(told[1].data, INT64_MAX) << "there is more room than a number can say";
    char little[4];
    EXPECT_THAT(uapi::read(timer, little, sizeof little), FailsWith(EINVAL));
    EXPECT_THAT(uapi::read(events, little, sizeof little), FailsWith(EINVAL));
    epoll_event event{.events = EPOLLIN, .data = {}};
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, NewFile("/tmp/y", O_RDWR), &event),
                FailsWith(EPERM));
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, events, &event), Works());
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_MOD, events, &event), FailsWith(EINVAL));
    event.events = EPOLLIN;
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_MOD, events, &event), FailsWith(EINVAL));
    event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    EXPECT_THAT(uapi::epoll_ctl(ep, EPOLL_CTL_ADD, timer, &event), FailsWith(EINVAL));
  });
}

// --- Sockets. ---

TEST_F(BadArguments, OptionsAreOfABoundedLength) {
  InProcess([] {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const std::vector<char> much(2049);
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, much.data(), 2049),
                FailsWith(EINVAL));
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nullptr, 2049), FailsWith(EINVAL));
  });
}

// A message that does not fit is cut and told; the next one is not begun.
TEST_F(BadArguments, ControlMessagesAreCutWhereTheirRoomEnds) {
  InProcess([] {
    sockaddr_in name;
    const int to = LoopbackSocket(SOCK_DGRAM, &name), from = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const int on = 1;
    EXPECT_THAT(uapi::setsockopt(to, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on), Works());
    EXPECT_THAT(uapi::setsockopt(to, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), Works());
    constexpr size_t kOne = CMSG_SPACE(sizeof(timeval)),
                     kBoth = kOne + CMSG_SPACE(sizeof(in_pktinfo));
    for (const size_t room : {kBoth, kBoth - 1, kOne, size_t{10}, size_t{0}}) {
      EXPECT_THAT(uapi::sendto(from, "x", 1, 0, AsSockaddr(name), sizeof name), Eq(1));
      alignas(cmsghdr) char control[128];
      char byte;
      iovec vector{&byte, 1};
      msghdr msg{};
      msg.msg_iov = &vector;
      msg.msg_iovlen = 1;
      msg.msg_control = control;
      msg.msg_controllen = room;
      EXPECT_THAT(uapi::recvmsg(to, &msg, 0), Eq(1));
      EXPECT_EQ(msg.msg_flags & MSG_CTRUNC, room < kBoth ? MSG_CTRUNC : 0) << room;
      EXPECT_EQ(msg.msg_controllen, room) << "all of it was used";
    }
  });
}

// kern.connect_mode: what becomes of an attempt whose wait a signal ends.
class ConnectMode : public TwoHosts, public testing::WithParamInterface<int> {
 protected:
  ConnectMode() : TwoHosts({.seed = 7}, {.latency = absl::Seconds(1)}) {}
};

TEST_P(ConnectMode, SaysWhatASecondConnectMeets) {
  const bool later = GetParam() != 0;
  client_.SetSysctl("kern.connect_mode", GetParam());
  server_.Spawn("server", [] {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(7);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(any), sizeof any), Works());
    EXPECT_THAT(uapi::listen(fd, 1), Works());
    EXPECT_THAT(uapi::accept(fd, nullptr, nullptr), Works());
  });
  client_.Spawn("client",
                [this, later] {
                  struct sigaction act {};
                  act.sa_handler = [](int) {};
                  EXPECT_THAT(uapi::sigaction(SIGALRM, &act, nullptr), Works());
                  uapi::alarm(1);
                  const sockaddr_in name = ServerPort(7);
                  const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
                  EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), FailsWith(EINTR));
                  EXPECT_THAT(uapi::connect(fd, nullptr, sizeof name), FailsWith(EFAULT));
                  // 4.9 has forgotten that it is at it; TCP has not.
                  EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name),
                              FailsWith(later ? EALREADY : EADDRINUSE));
                  uapi::sleep(3);
                  EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), FailsWith(EISCONN));
                },
                {.start_at = kSecond});
  Run();
}

INSTANTIATE_TEST_SUITE_P(Of, ConnectMode, testing::Values(0, 1),
                         [](const auto& info) { return info.param == 0 ? "Bsd49" : "Later"; });

}  // namespace
}  // namespace sockbed
