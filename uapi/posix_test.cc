// Inside a simulated process the C library's names are uapi's; outside they are the C library's.
#include "uapi/posix.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <string_view>

#include "kernel/sim/kassert.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class Posix : public TwoHosts {
 protected:
  void SetUp() override { ASSERT_EQ(posix_check(), ""); }
};

TEST_F(Posix, OutsideNothingIsSimulated) {
  EXPECT_NE(::time(nullptr), kBootEpochSeconds);
  EXPECT_GT(::getpid(), 2);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  EXPECT_EQ(::write(ends[0], "x", 1), 1);
  pollfd entry{.fd = ends[1], .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&entry, 1, -1), 1);
  EXPECT_EQ(::fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  char byte;
  EXPECT_EQ(::read(ends[1], &byte, 1), 1);
  EXPECT_EQ(::read(ends[1], &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  int bytes = -1;
  EXPECT_EQ(::ioctl(ends[1], FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

// libssl reads the clock between a failed read and what it says of errno.
TEST_F(Posix, ReadingAClockLeavesErrno) {
  server_.Spawn("prog", [] {
    errno = ECONNREFUSED;
    ::time(nullptr);
    timeval tv;
    EXPECT_EQ(::gettimeofday(&tv, nullptr), 0);
    timespec ts;
    EXPECT_EQ(::clock_gettime(CLOCK_MONOTONIC, &ts), 0);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(::clock_gettime(999, &ts), -1);
    EXPECT_EQ(errno, EINVAL);
  });
  Run();
}

TEST_F(Posix, TimeIsVirtualInside) {
  server_.Spawn("prog", [] {
    EXPECT_EQ(::time(nullptr), kBootEpochSeconds);
    ::sleep(3600);
    EXPECT_EQ(::time(nullptr), kBootEpochSeconds + 3600);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    EXPECT_EQ(std::chrono::duration_cast<std::chrono::seconds>(now).count(),
              kBootEpochSeconds + 3600);
    EXPECT_EQ(::getpid(), 1);
    EXPECT_EQ(::write(1, "said\n", 5), 5);
    EXPECT_EQ(::open("/proc/self/maps", O_RDONLY), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(::close(77), -1);
    EXPECT_EQ(errno, EBADF);
    ASSERT_NE(::gethostbyname("server"), nullptr);
    EXPECT_STREQ(::gethostbyname("server")->h_name, "server");
  });
  Run();
  EXPECT_EQ(sim_.console().size(), 1u);
}

// All of stdio works on what fopen gives: it is the C library's own FILE over our descriptor.
TEST_F(Posix, StreamsAreOverSimulatedDescriptors) {
  server_.Spawn("prog", [] {
    FILE* const out = ::fopen("/tmp/words", "w+");
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(::fileno(out), 3);
    EXPECT_EQ(::fprintf(out, "%d words\n", 3), 8);
    ::rewind(out);
    char line[32];
    EXPECT_STREQ(::fgets(line, sizeof line, out), "3 words\n");
    EXPECT_EQ(::fclose(out), 0);
    EXPECT_EQ(::close(3), -1);
    FILE* const hosts = ::fopen("/etc/hosts", "r");
    ASSERT_NE(hosts, nullptr);
    EXPECT_STREQ(::fgets(line, sizeof line, hosts), "127.0.0.1 localhost\n");
    EXPECT_EQ(::fclose(hosts), 0);
    EXPECT_EQ(::fopen("/etc/none", "r"), nullptr);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(::isatty(1), 0);
    ::fopen("/etc/hosts", "r");  // its process ends, and so does the stream
  });
  Run();
}

TEST_F(Posix, LinuxNamesWaitInside) {
  server_.Spawn("prog", [] {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQ(ends[0], 3);
    const int events = ::eventfd(0, 0);
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, 0);
    const int ep = ::epoll_create1(0);
    for (const int fd : {ends[0], events, timer}) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      EXPECT_EQ(::epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0);
    }
    const itimerspec second{{0, 0}, {1, 0}};
    EXPECT_EQ(::timerfd_settime(timer, 0, &second, nullptr), 0);
    EXPECT_EQ(::eventfd_write(events, 3), 0);
    epoll_event ready[3];
    EXPECT_EQ(::epoll_wait(ep, ready, 3, -1), 1);
    EXPECT_EQ(ready[0].data.fd, events);
    eventfd_t count = 0;
    EXPECT_EQ(::eventfd_read(events, &count), 0);
    EXPECT_EQ(count, 3u);
    EXPECT_EQ(::epoll_wait(ep, ready, 3, -1), 1);
    EXPECT_EQ(ready[0].data.fd, timer);
  });
  Run();
}

// socket() is declared never to throw: a process killed in it dies at the next call that may.
TEST_F(Posix, KilledProcessDoesNotUnwindThroughANothrowName) {
  bool unwound = false;
  struct Guard {
    bool* flag;
    ~Guard() { *flag = true; }
  };
  server_.Spawn("prog", [&unwound] {
    const Guard guard{&unwound};
    ::kill(::getpid(), SIGKILL);
    EXPECT_EQ(::getpid(), -1);
    EXPECT_EQ(::getcwd(nullptr, 0), nullptr);
    EXPECT_EQ(::mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, 1, 0), MAP_FAILED);
    ::usleep(1);
    ADD_FAILURE() << "still alive";
  });
  EXPECT_THAT(sim_.Run().Complaints(), testing::HasSubstr("was ended by SIGKILL"));
  EXPECT_TRUE(unwound);
}

TEST_F(Posix, SignalIgnoresOnlyInTheSimulation) {
  const auto before = ::signal(SIGPIPE, SIG_DFL);
  server_.Spawn("prog", [] {
    EXPECT_EQ(::signal(SIGPIPE, SIG_IGN), SIG_DFL);
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    ::shutdown(fd, SHUT_WR);
    EXPECT_EQ(::write(fd, "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
  });
  Run();
  EXPECT_EQ(::signal(SIGPIPE, before), SIG_DFL);
}

// abort() is the simulated process's own; the kernel's must end the run.
TEST_F(Posix, PanicInAProcessEndsTheRunAndSaysWhere) {
  EXPECT_DEATH(
      {
        server_.Spawn("prog", [] { KPANIC("a cow stands on the line"); });
        Run();
      },
      "panic: a cow stands on the line at .*\n  host 1, process 1");
}

}  // namespace
}  // namespace sockbed
