// Event queues: what is pending, in which order, how often it is told, and what forgets it.
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "kernel/sched/event.h"
#include "kernel/sched/kqueue.h"
#include "kernel/sched/one_host.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

// A file whose level the test sets; readable while it is not 0.
struct Gate {
  int64_t level = 0;
  selinfo sel;
};
Gate& GateOf(const knote* kn) { return *static_cast<Gate*>(kn->kn_hook); }

constexpr filterops kGateRead = {.f_detach = knote_detach, .f_event = [](knote* kn, long) {
                                   kn->kn_data = GateOf(kn).level;
                                   return kn->kn_data != 0;
                                 }};
constexpr fileops kGateOps = {
    .fo_kqfilter =
        [](file* fp, knote* kn) {
          if (kn->kn_filter != EVFILT_READ) return EINVAL;
          Gate* const gate = static_cast<Gate*>(fp->f_data);
          knote_attach(kn, &kGateRead, &gate->sel, gate);
          return 0;
        },
    .fo_close = [](file*) { return 0; },
};

class KernEventTest : public OneHost {
 protected:
  // Runs `body` as a process with a kqueue and three gates, open as 3, 4 and 5.
  void InProcess(const std::function<void()>& body) {
    Spawn("p", [&] {
      kq_ = kqueue_make(nullptr);
      for (size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(falloc_file(&files_[i]), 0);
        files_[i]->f_ops = &kGateOps;
        files_[i]->f_data = &gates_[i];
      }
      body();
      if (kq_ != nullptr) kqueue_free(kq_);
      for (file*& fp : files_) {
        if (fp != nullptr) FRELE(fp);
      }
    });
    Run(3600 * kSecond);
  }

  file* FileOf(uintptr_t fd) { return fd >= 3 && fd <= 5 ? files_[fd - 3] : nullptr; }

  int Change(uintptr_t ident, short filter, unsigned short flags, unsigned fflags = 0,
             int64_t data = 0) {
    kevent kev;
    EV_SET(&kev, ident, filter, flags, fflags, data, &kev);
    return kqueue_register(kq_, kev, filter_isfd(filter) ? FileOf(ident) : nullptr);
  }
  int Watch(uintptr_t fd, unsigned short flags = 0) {
    return Change(fd, EVFILT_READ, EV_ADD | flags);
  }
  void Set(uintptr_t fd, int64_t level) {
    gates_[fd - 3].level = level;
    selwakeup(&gates_[fd - 3].sel);
  }

  // What a scan tells: "ident:data " for each event.
  std::string Scan(int max = 10) {
    std::string told;
    const int n = kqueue_scan(
        kq_, max,
        [](knote* kn, void* arg) {
          const kevent kev = knote_kevent(kn);
          *static_cast<std::string*>(arg) +=
              std::to_string(kev.ident) + ":" + std::to_string(kev.data) + " ";
          return KnoteVerdict::kTold;
        },
        &told);
    EXPECT_EQ(static_cast<size_t>(n), static_cast<size_t>(std::ranges::count(told, ' ')));
    return told;
  }

  Gate gates_[3];
  file* files_[3] = {};
  kqueue* kq_ = nullptr;
};

TEST_F(KernEventTest, PendingOnesComeInOrderOfActivation) {
  InProcess([&] {
    for (uintptr_t fd : {3, 4, 5}) EXPECT_EQ(Watch(fd), 0);
    EXPECT_EQ(Scan(), "");
    Set(5, 1);
    Set(3, 2);
    Set(5, 7);  // active already
    EXPECT_EQ(kqueue_pending(kq_), 2);
    EXPECT_EQ(Scan(), "5:7 3:2 ");
    EXPECT_EQ(Scan(1), "5:7 ");
    EXPECT_EQ(Scan(1), "3:2 ") << "who has been told goes to the end";
    Set(5, 0);
    EXPECT_EQ(Scan(), "3:2 ");
    EXPECT_EQ(kqueue_pending(kq_), 1);
  });
}

TEST_F(KernEventTest, WhatIsReadyWhenAddedIsPendingAtOnce) {
  InProcess([&] {
    Set(4, 9);
    EXPECT_EQ(Watch(4), 0);
    EXPECT_EQ(Scan(), "4:9 ");
  });
}

TEST_F(KernEventTest, FlagsSayHowOftenItIsTold) {
  InProcess([&] {
    EXPECT_EQ(Watch(3, EV_CLEAR), 0);
    EXPECT_EQ(Watch(4, EV_ONESHOT), 0);
    EXPECT_EQ(Watch(5, EV_DISPATCH), 0);
    for (uintptr_t fd : {3, 4, 5}) Set(fd, 1);
    EXPECT_EQ(Scan(), "3:1 4:1 5:1 ");
    EXPECT_EQ(Scan(), "");
    for (uintptr_t fd : {3, 4, 5}) Set(fd, 2);
    EXPECT_EQ(Scan(), "3:2 ") << "the second was deleted, the third disabled";
    EXPECT_EQ(Change(4, EVFILT_READ, EV_DELETE), ENOENT);
    EXPECT_EQ(Change(5, EVFILT_READ, EV_ENABLE), 0);
    EXPECT_EQ(Scan(), "5:2 ");
  });
}

TEST_F(KernEventTest, DisabledOnesRememberThatTheyFired) {
  InProcess([&] {
    EXPECT_EQ(Watch(3, EV_DISABLE), 0);
    Set(3, 1);
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(Change(3, EVFILT_READ, EV_ENABLE), 0);
    EXPECT_EQ(Change(3, EVFILT_READ, EV_DISABLE), 0);
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(Change(3, EVFILT_READ, EV_ENABLE), 0);
    EXPECT_EQ(Scan(), "3:1 ");
    EXPECT_EQ(Change(3, EVFILT_READ, EV_DELETE), 0);
    EXPECT_EQ(Scan(), "");
  });
}

TEST_F(KernEventTest, WrongChangesAreRefused) {
  InProcess([&] {
    EXPECT_EQ(Watch(9), EBADF);
    EXPECT_EQ(Change(3, EVFILT_WRITE, EV_ADD), EINVAL);
    EXPECT_EQ(Change(3, -3, EV_ADD), EINVAL);
    EXPECT_EQ(Change(3, 0, EV_ADD), EINVAL);
    EXPECT_EQ(Change(3, EVFILT_READ, EV_ENABLE), ENOENT);
    EXPECT_EQ(Change(3, EVFILT_READ, EV_ADD | 0x1000), EINVAL);
    EXPECT_EQ(Change(0, EVFILT_SIGNAL, EV_ADD), EINVAL);
    EXPECT_EQ(Change(64, EVFILT_SIGNAL, EV_ADD), EINVAL);
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, 0, -1), EINVAL);
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, 77, 1), EINVAL);
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_DELETE), ENOENT);
  });
}

TEST_F(KernEventTest, ForgottenWithItsFileAndWithItsNumber) {
  InProcess([&] {
    const auto* const table = reinterpret_cast<const filedesc*>(this);
    kqueue* const numbers = kqueue_make(table);
    EXPECT_EQ(Watch(3), 0);
    const kevent kev = {.ident = 3, .filter = EVFILT_READ, .flags = EV_ADD};
    EXPECT_EQ(kqueue_register(numbers, kev, files_[0]), 0);
    Set(3, 1);
    knote_fdclose(files_[0], 4, table);
    EXPECT_EQ(kqueue_pending(numbers), 1) << "another number";
    knote_fdclose(files_[0], 3, table);
    EXPECT_EQ(kqueue_pending(numbers), 0);
    EXPECT_EQ(Scan(), "3:1 ") << "a kqueue without a table does not mind";
    FRELE(std::exchange(files_[0], nullptr));
    EXPECT_EQ(Scan(), "");
    kqueue_free(numbers);
  });
}

TEST_F(KernEventTest, SleeperIsWokenByTheFirstOne) {
  std::string order;
  InProcess([&] {
    EXPECT_EQ(Watch(3), 0);
    Spawn("maker", [&] {
      order += 'm';
      Set(3, 1);
      order += 'M';
    });
    EXPECT_EQ(kqueue_sleep(kq_, "kqread", 2), 0);
    order += 's';
    EXPECT_EQ(kqueue_sleep(kq_, "kqread", 0), 0) << "something is pending";
    EXPECT_EQ(Scan(), "3:1 ");
    Set(3, 0);
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(kqueue_sleep(kq_, "kqread", 2), EWOULDBLOCK);
  });
  EXPECT_EQ(order, "mMs");
}

TEST_F(KernEventTest, TimersCountPeriodsWithoutDrifting) {
  InProcess([&] {
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, 0, 15), 0);
    std::vector<SimTime> at;
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(kqueue_sleep(kq_, "kqread", 0), 0);
      EXPECT_EQ(Scan(), "1:1 ");
      at.push_back(Now() / kMillisecond);
    }
    EXPECT_EQ(at, (std::vector<SimTime>{20, 30, 50, 60}));
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 2000), 0);  // starts over
    EXPECT_EQ(tsleep(&nowake, PWAIT, "test", 2), EWOULDBLOCK);
    EXPECT_EQ(Scan(), "1:10 ");
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_DELETE), 0);
    EXPECT_EQ(Change(2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS, 1), 0);
    EXPECT_EQ(kqueue_sleep(kq_, "kqread", 0), 0);
    EXPECT_EQ(Scan(), "2:1 ");
    EXPECT_EQ(Change(2, EVFILT_TIMER, EV_DELETE), ENOENT);
  });
}

TEST_F(KernEventTest, ATimeComesOnceAndStays) {
  InProcess([&] {
    constexpr unsigned kAt = NOTE_ABSTIME | NOTE_NSECONDS;
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, kAt, 45 * kMillisecond), 0);
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(kqueue_sleep(kq_, "kqread", 0), 0);
    EXPECT_EQ(Now(), 50 * kMillisecond);
    EXPECT_EQ(Scan(), "1:1 ");
    EXPECT_EQ(tsleep(&nowake, PWAIT, "test", 20), EWOULDBLOCK);
    EXPECT_EQ(Scan(), "1:1 ") << "it says so until it is taken away";
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, NOTE_MSECONDS, 20), 0) << "from now on a period";
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(tsleep(&nowake, PWAIT, "test", 4), EWOULDBLOCK);
    EXPECT_EQ(Scan(), "1:2 ");
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_SECONDS, 0), 0);
    EXPECT_EQ(Scan(), "1:1 ") << "it is past";
    EXPECT_EQ(Change(2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, kAt, 1), 0);
    EXPECT_EQ(Change(3, EVFILT_TIMER, EV_ADD, kAt | 0x20, 1), EINVAL);
    EXPECT_EQ(Change(3, EVFILT_TIMER, EV_ADD, kAt, -1), EINVAL);
    EXPECT_EQ(Change(1, EVFILT_TIMER, EV_DELETE), 0);
    EXPECT_EQ(Scan(), "2:1 ");
    EXPECT_EQ(Scan(), "");
  });
}

TEST_F(KernEventTest, SignalsAreCountedIgnoredOrNot) {
  InProcess([&] {
    EXPECT_EQ(Change(SIGUSR1, EVFILT_SIGNAL, EV_ADD), 0);
    EXPECT_EQ(sigaction_set(curproc(), SIGUSR1, {.kind = sigact::Kind::kIgnore}), 0);
    psignal(curproc(), SIGUSR1);
    psignal(curproc(), SIGUSR1);
    psignal(curproc(), SIGURG);
    EXPECT_EQ(Scan(), std::to_string(SIGUSR1) + ":2 ");
    EXPECT_EQ(Scan(), "");
  });
}

TEST_F(KernEventTest, ProgramsTriggerTheirOwn) {
  InProcess([&] {
    EXPECT_EQ(Change(77, EVFILT_USER, EV_ADD, NOTE_FFOR | 0x5), 0);
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(Change(77, EVFILT_USER, 0, NOTE_FFAND | 0x4, 3), 0);
    EXPECT_EQ(Scan(), "");
    EXPECT_EQ(Change(77, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFOR | 0x10, 8), 0);
    EXPECT_EQ(knote_kevent(kqueue_first(kq_)).fflags, 0x14u);
    EXPECT_EQ(Scan(), "77:8 ");
    EXPECT_EQ(Scan(), "77:8 ") << "it stays triggered";
    EXPECT_EQ(Change(77, EVFILT_USER, EV_DELETE), 0);
    EXPECT_EQ(Change(77, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER), 0);
    EXPECT_EQ(Scan(), "77:0 ");
    EXPECT_EQ(Scan(), "");
  });
}

TEST_F(KernEventTest, QueuesStandInEachOtherButNotInACircle) {
  InProcess([&] {
    constexpr int kMany = kKqueueNestMax + 1;
    file* fps[kMany];
    const auto add = [&](int outer, int inner) {
      const kevent kev = {.ident = 9, .filter = EVFILT_READ, .flags = EV_ADD};
      return kqueue_register(kqueue_of(fps[outer]), kev, fps[inner]);
    };
    for (file*& fp : fps) {
      ASSERT_EQ(falloc_file(&fp), 0);
      fp->f_type = FileType::kKqueue;
      fp->f_ops = &kqueueops;
      fp->f_data = kqueue_make(nullptr);
    }
    EXPECT_EQ(add(0, 0), ELOOP);
    for (int i = 1; i < kMany - 1; ++i) EXPECT_EQ(add(i, i - 1), 0);
    EXPECT_EQ(add(0, kMany - 2), ELOOP);
    EXPECT_EQ(add(kMany - 1, kMany - 2), ELOOP) << "too deep";
    const kevent kev = {.ident = 3, .filter = EVFILT_READ, .flags = EV_ADD};
    EXPECT_EQ(kqueue_register(kqueue_of(fps[0]), kev, files_[0]), 0);
    EXPECT_EQ(kqueueops.fo_poll(fps[kMany - 2], POLLIN, nullptr), 0);
    Set(3, 1);  // goes through all of them
    EXPECT_EQ(kqueueops.fo_poll(fps[kMany - 2], POLLIN, nullptr), POLLIN);
    EXPECT_EQ(kqueueops.fo_read(fps[0], nullptr), ENXIO);
    EXPECT_EQ(kqueueops.fo_ioctl(fps[0], 0, nullptr), ENOTTY);
    for (file* fp : fps) FRELE(fp);
  });
}

TEST_F(KernEventTest, PollerOfAQueueIsWoken) {
  InProcess([&] {
    EXPECT_EQ(Watch(3), 0);
    selrecord(curproc(), kqueue_selinfo(kq_));
    Spawn("maker", [&] { Set(3, 1); });
    EXPECT_EQ(selwait(curproc(), "poll", 5), 0);
  });
}

}  // namespace
}  // namespace sockbed
