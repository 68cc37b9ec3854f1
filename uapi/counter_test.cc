// eventfd(2) and timerfd_create(2): counting, waiting, and each errno.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <functional>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

// The count, or -1.
int64_t Count(int fd) {
  uint64_t count = 0;
  return uapi::read(fd, &count, sizeof count) == 8 ? static_cast<int64_t>(count) : -1;
}
ssize_t Add(int fd, uint64_t n) { return uapi::write(fd, &n, sizeof n); }

class CounterTest : public TwoHosts {
 protected:
  void InProcess(std::function<void()> body) {
    server_.Spawn("prog", std::move(body));
    Run();
  }
};

TEST_F(CounterTest, EventsAddUpUntilTheyAreRead) {
  InProcess([] {
    const int fd = uapi::eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
    EXPECT_THAT(uapi::fcntl(fd, F_GETFD), Eq(FD_CLOEXEC));
    EXPECT_THAT(Add(fd, 4), Eq(8));
    EXPECT_THAT(Count(fd), Eq(7));
    EXPECT_THAT(Count(fd), FailsWith(EAGAIN));
    EXPECT_THAT(Add(fd, UINT64_MAX - 1), Eq(8));
    EXPECT_THAT(Add(fd, 1), FailsWith(EAGAIN));
    EXPECT_THAT(Add(fd, UINT64_MAX), FailsWith(EINVAL));
    char few[7];
    EXPECT_THAT(uapi::read(fd, few, 7), FailsWith(EINVAL));
    EXPECT_THAT(uapi::write(fd, few, 7), FailsWith(EINVAL));
    EXPECT_THAT(uapi::eventfd(0, 77), FailsWith(EINVAL));
    EXPECT_THAT(uapi::lseek(fd, 0, SEEK_SET), FailsWith(ESPIPE));
  });
}

TEST_F(CounterTest, SemaphoresAreTakenOneByOne) {
  InProcess([] {
    const int fd = uapi::eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    EXPECT_THAT(Count(fd), Eq(1));
    EXPECT_THAT(Count(fd), Eq(1));
    EXPECT_THAT(Count(fd), FailsWith(EAGAIN));
  });
}

TEST_F(CounterTest, ReadersAndWritersWaitForEachOther) {
  InProcess([] {
    const int fd = uapi::eventfd(0, 0);
    uapi::spawn("other", [fd] {
      uapi::sleep(1);
      EXPECT_THAT(Add(fd, UINT64_MAX - 1), Eq(8));
      uapi::sleep(1);
      EXPECT_THAT(Count(fd), Eq(static_cast<int64_t>(UINT64_MAX - 1)));
      return 0;
    });
    pollfd entry{fd, POLLIN | POLLOUT, 0};
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(1));
    EXPECT_EQ(entry.revents, POLLOUT);
    entry.events = POLLIN;
    EXPECT_THAT(uapi::poll(&entry, 1, -1), Eq(1));
    entry.events = POLLOUT;
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(0));
    EXPECT_THAT(Add(fd, 5), Eq(8)) << "waits for room";
    EXPECT_THAT(Count(fd), Eq(5));
  });
}

TEST_F(CounterTest, TimersCountTheTimesThatHaveCome) {
  InProcess([] {
    const int fd = uapi::timerfd_create(CLOCK_MONOTONIC, 0);
    itimerspec value{{0, 100'000'000}, {0, 250'000'000}}, left{};
    EXPECT_THAT(uapi::timerfd_settime(fd, 0, &value, nullptr), Works());
    EXPECT_THAT(Count(fd), Eq(1));
    timespec now;
    uapi::clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_EQ(now.tv_nsec / 10'000'000, 25);
    EXPECT_THAT(uapi::usleep(320'000), Works());
    EXPECT_THAT(Count(fd), Eq(3));
    EXPECT_THAT(uapi::timerfd_gettime(fd, &left), Works());
    EXPECT_EQ(left.it_interval.tv_nsec, 100'000'000);
    EXPECT_GT(left.it_value.tv_nsec, 0);
    value = {};
    EXPECT_THAT(uapi::timerfd_settime(fd, 0, &value, &left), Works());
    EXPECT_EQ(left.it_interval.tv_nsec, 100'000'000);
    pollfd entry{fd, POLLIN, 0};
    EXPECT_THAT(uapi::poll(&entry, 1, 500), Eq(0)) << "stopped";
  });
}

TEST_F(CounterTest, TimersTakeTimesOfTheirClock) {
  InProcess([] {
    for (const int clock : {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME}) {
      const int fd = uapi::timerfd_create(clock, TFD_NONBLOCK);
      timespec now;
      uapi::clock_gettime(clock, &now);
      itimerspec value{{0, 0}, {now.tv_sec + 2, now.tv_nsec}};
      EXPECT_THAT(uapi::timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, nullptr), Works());
      uapi::usleep(1'900'000);
      EXPECT_THAT(Count(fd), FailsWith(EAGAIN));
      uapi::usleep(200'000);
      EXPECT_THAT(Count(fd), Eq(1));
      value.it_value = {0, 1};  // the past comes with the next tick
      EXPECT_THAT(uapi::timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, nullptr), Works());
      uapi::usleep(10'000);
      EXPECT_THAT(Count(fd), Eq(1));
    }
  });
}

// Sets the wall clock to so many seconds after boot.
void SetClock(time_t seconds) {
  const timespec to{kBootEpochSeconds + seconds, 0};
  EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &to), Works());
}

TEST_F(CounterTest, ATimeOfTheWallClockFollowsIt) {
  InProcess([] {
    const int wall = uapi::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    const int interval = uapi::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    const int uptime = uapi::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    const itimerspec time{{}, {kBootEpochSeconds + 100, 0}}, seconds{{}, {100, 0}};
    EXPECT_THAT(uapi::timerfd_settime(wall, TFD_TIMER_ABSTIME, &time, nullptr), Works());
    EXPECT_THAT(uapi::timerfd_settime(interval, 0, &seconds, nullptr), Works());
    EXPECT_THAT(uapi::timerfd_settime(uptime, TFD_TIMER_ABSTIME, &seconds, nullptr), Works());
    SetClock(98);
    uapi::sleep(1);
    EXPECT_THAT(Count(wall), FailsWith(EAGAIN));
    uapi::sleep(2);
    EXPECT_THAT(Count(wall), Eq(1));
    EXPECT_THAT(uapi::timerfd_settime(wall, TFD_TIMER_ABSTIME, &time, nullptr), Works());
    SetClock(0);
    uapi::sleep(50);
    EXPECT_THAT(Count(interval), FailsWith(EAGAIN));
    EXPECT_THAT(Count(uptime), FailsWith(EAGAIN));
    uapi::sleep(51);
    for (const int fd : {wall, interval, uptime}) EXPECT_THAT(Count(fd), Eq(1));
  });
}

TEST_F(CounterTest, ATimerMayAskToBeToldThatTheClockWasSet) {
  InProcess([] {
    const int fd = uapi::timerfd_create(CLOCK_REALTIME, 0);
    const itimerspec time{{}, {kBootEpochSeconds + 100, 0}};
    constexpr int kFlags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    EXPECT_THAT(uapi::timerfd_settime(fd, kFlags, &time, nullptr), Works());
    uapi::spawn("setter", [] {
      uapi::sleep(1);
      SetClock(50);
      return 0;
    });
    EXPECT_THAT(Count(fd), FailsWith(ECANCELED));
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 50);
    EXPECT_THAT(Count(fd), Eq(1));  // it goes on
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 100);
    SetClock(0);  // its time has come: it no longer minds
    EXPECT_THAT(uapi::timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, nullptr), Works());
    SetClock(99);  // and was not asked to
    EXPECT_THAT(Count(fd), Eq(1));
    int status;
    EXPECT_GT(uapi::wait(&status), 0);
  });
}

TEST_F(CounterTest, WhatIsFullIsNotWritable) {
  InProcess([] {
    const int fd = uapi::eventfd(0, EFD_NONBLOCK), kq = uapi::kqueue();
    EXPECT_THAT(Add(fd, UINT64_MAX - 1), Eq(8));
    EXPECT_THAT(Add(fd, 1), FailsWith(EWOULDBLOCK));
    pollfd entry{.fd = fd, .events = POLLIN | POLLOUT, .revents = 0};
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(1));
    EXPECT_EQ(entry.revents, POLLIN);
    struct kevent change;
    EV_SET(&change, static_cast<uintptr_t>(fd), EVFILT_WRITE, EV_ADD, 0, 0, nullptr);
    const timespec none{};
    EXPECT_THAT(uapi::kevent(kq, &change, 1, &change, 1, &none), Eq(0));
  });
}

TEST_F(CounterTest, SettingATimerGivesTheOldTime) {
  InProcess([] {
    const int fd = uapi::timerfd_create(CLOCK_MONOTONIC, 0);
    const itimerspec value{.it_interval = {.tv_sec = 3, .tv_nsec = 0},
                           .it_value = {.tv_sec = 7, .tv_nsec = 0}};
    EXPECT_THAT(uapi::timerfd_settime(fd, 0, &value, nullptr), Works());
    EXPECT_EQ(uapi::sleep(2), 0u);
    itimerspec old{};
    EXPECT_THAT(uapi::timerfd_settime(fd, 0, &value, &old), Works());
    EXPECT_EQ(old.it_interval.tv_sec, 3);
    EXPECT_EQ(old.it_value.tv_sec, 5);
  });
}

TEST_F(CounterTest, EachWrongTimerHasItsErrno) {
  InProcess([] {
    EXPECT_THAT(uapi::timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), FailsWith(EINVAL));
    EXPECT_THAT(uapi::timerfd_create(CLOCK_MONOTONIC, 1), FailsWith(EINVAL));
    const int fd = uapi::timerfd_create(CLOCK_MONOTONIC, 0);
    itimerspec value{{0, 0}, {0, 1'000'000'000}};
    EXPECT_THAT(uapi::timerfd_settime(fd, 0, &value, nullptr), FailsWith(EINVAL));
    value.it_value = {1, 0};
    EXPECT_THAT(uapi::timerfd_settime(fd, 8, &value, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::timerfd_settime(fd, 0, nullptr, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::timerfd_settime(99, 0, &value, nullptr), FailsWith(EBADF));
    EXPECT_THAT(uapi::timerfd_settime(1, 0, &value, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::timerfd_gettime(uapi::eventfd(0, 0), &value), FailsWith(EINVAL));
    EXPECT_THAT(uapi::timerfd_gettime(fd, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(Add(fd, 1), FailsWith(EINVAL));
  });
}

}  // namespace
}  // namespace sockbed
