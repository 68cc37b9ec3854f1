// The wait of select and poll: no wakeup between scan and sleep is lost, no record outlives its
// owner.
#include "kernel/sched/selinfo.h"

#include <errno.h>

#include <memory>
#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

class SelinfoTest : public OneHost {
 protected:
  struct File {
    bool ready = false;
    selinfo sel;
  };

  void MakeReady(File* file) {
    file->ready = true;
    selwakeup(&file->sel);
  }

  // poll(2) in small: scans the files in order until one is ready; its index, or -1 after `timo`
  // ticks.
  int Poll(std::initializer_list<File*> files, int timo = 0) {
    for (;;) {
      int index = 0;
      for (File* file : files) {
        if (file->ready) {
          selclear(curproc());
          return index;
        }
        selrecord(curproc(), &file->sel);
        ++index;
      }
      if (selwait(curproc(), "poll", timo) == EWOULDBLOCK) return -1;
    }
  }

  File a_, b_;
  std::string order_;
};

TEST_F(SelinfoTest, ReadyFileWakesTheSleeper) {
  Spawn("poller", [&] {
    EXPECT_EQ(Poll({&a_, &b_}), 1);
    EXPECT_TRUE(a_.sel.empty() && b_.sel.empty());
    order_ += 'p';
  });
  Spawn("maker", [&] { MakeReady(&b_); });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(SelinfoTest, WakeupBetweenScanAndSleepIsNotLost) {
  Spawn("poller", [&] {
    selrecord(curproc(), &a_.sel);
    selrecord(curproc(), &b_.sel);
    MakeReady(&a_);  // as a scan that sleeps in between would let somebody do
    EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
    EXPECT_TRUE(b_.sel.empty());
    selrecord(curproc(), &b_.sel);
    EXPECT_EQ(selwait(curproc(), "poll", 1), EWOULDBLOCK);  // the mark is used up
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(SelinfoTest, ScanThatFoundSomethingForgetsTheMark) {
  Spawn("poller", [&] {
    selrecord(curproc(), &a_.sel);
    MakeReady(&a_);
    EXPECT_EQ(Poll({&a_}), 0);
    EXPECT_EQ(selwait(curproc(), "poll", 1), EWOULDBLOCK);
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(SelinfoTest, PollersWakeInOrderOfRegistration) {
  for (const char name : {'1', '2', '3'}) {
    Spawn("poller", [&, name] {
      EXPECT_EQ(Poll({&a_}), 0);
      order_ += name;
    });
  }
  Spawn("maker", [&] { MakeReady(&a_); });
  Run();
  EXPECT_EQ(order_, "123");
  ASSERT_EQ(RecordsOf(SchedEvent::kWake).size(), 1u);
  EXPECT_EQ(RecordsOf(SchedEvent::kWake)[0].args[0], 3u);
}

TEST_F(SelinfoTest, OnlyPollersOfThatFileAreWoken) {
  Spawn("a", [&] { order_ += Poll({&a_}, 5) == 0 ? 'a' : '-'; });
  Spawn("b", [&] { order_ += Poll({&b_}, 5) == 0 ? 'b' : '-'; });
  Spawn("maker", [&] { MakeReady(&b_); });
  Run();
  EXPECT_EQ(order_, "b-");
}

TEST_F(SelinfoTest, LimitLeavesNoRecordBehind) {
  Spawn("poller", [&] { EXPECT_EQ(Poll({&a_, &b_, &a_}, 3), -1); });
  Run();
  EXPECT_EQ(machine().now(), 3 * kTickNs);
  EXPECT_TRUE(a_.sel.empty() && b_.sel.empty());
}

TEST_F(SelinfoTest, FileIsRecordedOncePerScan) {
  Spawn("poller", [&] {
    for (int i = 0; i < 3; ++i) selrecord(curproc(), &a_.sel);
    EXPECT_EQ(a_.sel.si_first, a_.sel.si_last);
    selclear(curproc());
  });
  Run();
}

TEST_F(SelinfoTest, EndedProcessIsRecordedNowhere) {
  Spawn("poller", [&] {
    selrecord(curproc(), &a_.sel);
    proc_exit(0);
  });
  Run();
  EXPECT_TRUE(a_.sel.empty());
}

TEST_F(SelinfoTest, FileThatGoesAwayWakesItsPollers) {
  auto file = std::make_unique<File>();
  Spawn("poller", [&] {
    selrecord(curproc(), &file->sel);
    EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
    order_ += 'p';
  });
  Spawn("closer", [&] { file.reset(); });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(SelinfoTest, SleepShowsAsPollInTheReport) {
  Spawn("poller", [&] { (void)Poll({&a_}); });
  Run();
  ASSERT_EQ(sleepers(host()).size(), 1u);
  EXPECT_EQ(sleepers(host())[0].wmesg, "poll");
}

TEST_F(SelinfoTest, WaitThatIsOverLeavesNoRecordOnAnyFile) {
  Spawn("poller", [&] {
    EXPECT_EQ(Poll({&a_, &b_}, 1), -1);
    EXPECT_TRUE(a_.sel.empty() && b_.sel.empty());
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

}  // namespace
}  // namespace sockbed
