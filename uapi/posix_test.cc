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
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>

#include "kernel/sim/kassert.h"
#include "uapi/two_hosts.h"

// What fortified headers, and those who know the C library's second names, call.
extern "C" {
ssize_t __read_chk(int fd, void* data, size_t len, size_t room);
ssize_t __recv_chk(int fd, void* data, size_t len, size_t room, int flags);
int __poll_chk(pollfd* fds, nfds_t count, int limit_ms, size_t room);
long __fdelt_chk(long fd);
ssize_t __write(int fd, const void* data, size_t len);
int __close(int fd);
long __sysconf(int name);
int __fcntl(int fd, int command, ...);
}

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

TEST_F(Posix, TheSuperuserSetsTheClockByTheseNames) {
  server_.Spawn("root", [] {
    const timespec later{.tv_sec = kBootEpochSeconds + 1000, .tv_nsec = 0};
    EXPECT_EQ(::clock_settime(CLOCK_REALTIME, &later), 0);
    EXPECT_EQ(::time(nullptr), kBootEpochSeconds + 1000);
    EXPECT_EQ(::clock_settime(CLOCK_MONOTONIC, &later), -1);
    EXPECT_EQ(errno, EINVAL);
    const timeval back{.tv_sec = kBootEpochSeconds - 1000, .tv_usec = 0};
    EXPECT_EQ(::settimeofday(&back, nullptr), 0);
    EXPECT_EQ(::time(nullptr), kBootEpochSeconds - 1000);
  });
  client_.Spawn("user",
                [] {
                  const timeval tv{.tv_sec = 1, .tv_usec = 0};
                  EXPECT_EQ(::settimeofday(&tv, nullptr), -1);
                  EXPECT_EQ(errno, EPERM);
                  const timespec ts{.tv_sec = 1, .tv_nsec = 0};
                  EXPECT_EQ(::clock_settime(CLOCK_REALTIME, &ts), -1);
                  EXPECT_EQ(errno, EPERM);
                },
                {.cred = {.cr_uid = 1000, .cr_ruid = 1000, .cr_svuid = 1000}});
  Run();
}

TEST_F(Posix, FortifiedNamesAreTheSame) {
  server_.Spawn("prog", [] {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    EXPECT_EQ(::__write(ends[0], "abc", 3), 3);
    char data[4];
    pollfd entry{.fd = ends[1], .events = POLLIN, .revents = 0};
    EXPECT_EQ(::__poll_chk(&entry, 1, -1, sizeof entry), 1);
    EXPECT_EQ(::__recv_chk(ends[1], data, 1, sizeof data, MSG_PEEK), 1);
    EXPECT_EQ(::__read_chk(ends[1], data, sizeof data, sizeof data), 3);
    EXPECT_EQ(::sockatmark(ends[1]), 0);
    EXPECT_EQ(::__fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    EXPECT_EQ(::__close(ends[0]), 0);
    EXPECT_EQ(::__close(ends[0]), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::sockatmark(77), -1);
    EXPECT_EQ(::__fdelt_chk(FD_SETSIZE - 1), FD_SETSIZE / NFDBITS - 1);
    EXPECT_EQ(::__sysconf(_SC_NPROCESSORS_ONLN), 1);
  });
  Run();
}

TEST_F(Posix, ABufferThatIsTooSmallEndsItsProcess) {
  const auto ends = [this](const char* name, long (*main)(char* data, pollfd* entries)) {
    server_.Spawn(name, [main] {
      char data[8];
      pollfd entries[2]{};
      const long result = main(data, entries);
      ADD_FAILURE() << "still alive: " << result;
    });
  };
  ends("read", [](char* data, pollfd*) -> long { return ::__read_chk(0, data, 5, 4); });
  ends("recv", [](char* data, pollfd*) -> long { return ::__recv_chk(0, data, 5, 4, 0); });
  ends("poll",
       [](char*, pollfd* entries) -> long { return ::__poll_chk(entries, 2, 0, sizeof *entries); });
  ends("above", [](char*, pollfd*) { return ::__fdelt_chk(FD_SETSIZE); });
  ends("below", [](char*, pollfd*) { return ::__fdelt_chk(-1); });
  const std::string complaints = sim_.Run().Complaints();
  for (const char* name : {"read", "recv", "poll", "above", "below"}) {
    EXPECT_THAT(complaints, testing::HasSubstr(std::string("\"") + name + "\" was ended by"));
  }
  EXPECT_THAT(complaints, testing::HasSubstr("buffer overflow detected"));
}

TEST_F(Posix, TheMachinesSizeIsNoPartOfARun) {
  server_.Spawn("prog", [] {
    EXPECT_EQ(::get_phys_pages(), ::sysconf(_SC_PHYS_PAGES));
    EXPECT_EQ(::get_avphys_pages(), 1L << 18);
    EXPECT_EQ(::sysconf(_SC_LEVEL1_DCACHE_SIZE), 0);
    EXPECT_EQ(::sysconf(_SC_PAGESIZE), 4096);
  });
  Run();
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
