// Signals as programs see them: sent, caught, blocked, waited for; what they make of other calls.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <cstring>

#include "kernel/sched/signal.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class KernSig : public testing::Test {
 protected:
  KernSig() : sim_({.seed = 1}), host_(sim_.AddHost("host")) {}

  // What the console shows, line by line.
  std::vector<std::string> Said() {
    std::vector<std::string> lines;
    for (const ConsoleLine& line : sim_.console()) lines.push_back(line.text);
    return lines;
  }

  Simulation sim_;
  Host& host_;
};

// Catches `signo` with a handler that says so.
void Catch(int signo, int flags = 0) {
  struct sigaction act{};
  act.sa_handler = [](int caught) { uapi::Print("caught %s\n", sigabbrev_np(caught)); };
  act.sa_flags = flags;
  EXPECT_THAT(uapi::sigaction(signo, &act, nullptr), Works());
}

sigset_t SetOf(int signo) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signo);
  return set;
}

TEST_F(KernSig, KillAsksForPermission) {
  const ucred other{.cr_uid = 5, .cr_ruid = 5, .cr_svuid = 5};
  const pid_t target = host_.Spawn("target", [] { uapi::sleep(2); });
  host_.Spawn("other",
              [target] {
                EXPECT_THAT(uapi::kill(target, SIGTERM), FailsWith(EPERM));
                EXPECT_THAT(uapi::kill(target, 0), FailsWith(EPERM));
                EXPECT_THAT(uapi::kill(99, 0), FailsWith(ESRCH));
                EXPECT_THAT(uapi::kill(target, 64), FailsWith(EINVAL));
                EXPECT_THAT(uapi::kill(uapi::getpid(), 0), Works());
              },
              {.cred = other});
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

// Of many those are reached whom the caller may signal; it fails if he may signal none of them.
TEST_F(KernSig, OfManyThoseAreReachedWhoMayBe) {
  const ucred one{.cr_uid = 5, .cr_ruid = 5, .cr_svuid = 5};
  const ucred two{.cr_uid = 6, .cr_ruid = 6, .cr_svuid = 6};
  host_.Spawn("root", [] {
    Catch(SIGUSR1);
    EXPECT_EQ(uapi::sleep(5), 0u) << "not by a user";
  });
  const pid_t own = host_.Spawn("own",
                                [] {
                                  Catch(SIGUSR1);
                                  EXPECT_EQ(uapi::sleep(10), 8u);
                                  uapi::sleep(10);
                                  ADD_FAILURE() << "still alive";
                                },
                                {.cred = one});
  host_.Spawn("killer",
              [] {
                uapi::sleep(1);
                EXPECT_THAT(uapi::kill(-1, 0), Works()) << "which sends nothing";
                uapi::sleep(1);
                EXPECT_THAT(uapi::kill(-1, SIGUSR1), Works());
              },
              {.cred = one});
  host_.Spawn("stranger",
              [] {
                EXPECT_THAT(uapi::kill(-1, SIGUSR1), FailsWith(EPERM));
                EXPECT_THAT(uapi::kill(-99, SIGUSR1), FailsWith(ESRCH));
              },
              {.cred = two});
  host_.Spawn("boss", [own] {
    uapi::sleep(4);
    EXPECT_THAT(uapi::kill(own, SIGKILL), Works());
  });
  EXPECT_THAT(sim_.Run().Complaints(), testing::HasSubstr("\"own\" was ended by SIGKILL"));
  EXPECT_EQ(Said(), std::vector<std::string>{"caught USR1"});
}

TEST_F(KernSig, HandlersRunBeforeTheCallReturnsUnlessBlocked) {
  host_.Spawn("prog", [] {
    static constexpr auto kSay = [](int signo) { uapi::Print("signal %d\n", signo); };
    struct sigaction act{}, old{};
    act.sa_handler = kSay;
    EXPECT_THAT(uapi::sigaction(SIGUSR1, &act, nullptr), Works());
    EXPECT_THAT(uapi::sigaction(SIGUSR1, nullptr, &old), Works());
    EXPECT_EQ(old.sa_handler, act.sa_handler);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &set, &before), Works());
    EXPECT_EQ(sigismember(&before, SIGUSR1), 0);
    uapi::kill(uapi::getpid(), SIGUSR1);
    uapi::Print("still blocked\n");
    EXPECT_THAT(uapi::sigprocmask(SIG_SETMASK, &before, nullptr), Works());
    uapi::Print("done\n");
    EXPECT_THAT(uapi::sigaction(SIGKILL, &act, nullptr), FailsWith(EINVAL));
    act.sa_flags = SA_ONSTACK;  // there is one stack only
    EXPECT_THAT(uapi::sigaction(SIGUSR1, &act, nullptr), FailsWith(EINVAL));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  ASSERT_EQ(sim_.console().size(), 3u);
  EXPECT_EQ(sim_.console()[0].text, "still blocked");
  EXPECT_EQ(sim_.console()[1].text, "signal " + std::to_string(SIGUSR1));
  EXPECT_EQ(sim_.console()[2].text, "done");
}

TEST_F(KernSig, ActionsAreGivenBackAsTheyWereSet) {
  host_.Spawn("prog", [] {
    for (const int flags : {SA_RESTART, SA_NODEFER, static_cast<int>(SA_RESETHAND), SA_NOCLDSTOP,
                            SA_NOCLDWAIT, SA_RESTART | SA_NODEFER}) {
      Catch(SIGCHLD, flags);
      struct sigaction old{};
      EXPECT_THAT(uapi::sigaction(SIGCHLD, nullptr, &old), Works());
      EXPECT_EQ(old.sa_flags, flags);
    }
    EXPECT_THAT(uapi::sigaction(64, nullptr, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::sigprocmask(77, nullptr, nullptr), Works());
    const sigset_t set = SetOf(SIGINT);
    EXPECT_THAT(uapi::sigprocmask(77, &set, nullptr), FailsWith(EINVAL));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

TEST_F(KernSig, EverybodyElseAndGroupsAreReached) {
  for (const char* name : {"first", "second"}) {
    host_.Spawn(name, [] {
      Catch(SIGUSR1);
      uapi::pause();
    });
  }
  host_.Spawn("killer", [] {
    uapi::sleep(1);
    EXPECT_THAT(uapi::kill(-1, SIGUSR1), Works());
    EXPECT_THAT(uapi::kill(-99, SIGUSR1), FailsWith(ESRCH));
    EXPECT_THAT(uapi::killpg(1, SIGUSR1), FailsWith(EINVAL));
    const pid_t child = uapi::spawn("child", [] { return static_cast<int>(uapi::sleep(9)); });
    EXPECT_THAT(uapi::setpgid(child, 0), Works());
    EXPECT_THAT(uapi::killpg(child, SIGKILL), Works());
    uapi::sleep(1);
    EXPECT_THAT(uapi::kill(child, 0), FailsWith(ESRCH));  // a zombie
    EXPECT_THAT(uapi::raise(SIGCONT), Works());
  });
  sim_.Run();
  EXPECT_EQ(Said(), (std::vector<std::string>{"caught USR1", "caught USR1"}));
}

TEST_F(KernSig, SigsuspendWaitsUnderItsOwnMask) {
  const pid_t waiter = host_.Spawn("waiter", [] {
    Catch(SIGUSR1, SA_RESTART);
    Catch(SIGUSR2);
    const sigset_t blocked = SetOf(SIGUSR1), others = SetOf(SIGUSR2);
    EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &blocked, nullptr), Works());
    uapi::sleep(2);  // SIGUSR1 comes meanwhile
    sigset_t pending;
    EXPECT_THAT(uapi::sigpending(&pending), Works());
    EXPECT_EQ(sigismember(&pending, SIGUSR1), 1);
    EXPECT_EQ(sigismember(&pending, SIGUSR2), 0);
    EXPECT_THAT(uapi::sigsuspend(&others), FailsWith(EINTR));  // whatever SA_RESTART says
    uapi::Print("after\n");
    sigset_t now;
    uapi::sigprocmask(SIG_BLOCK, nullptr, &now);
    EXPECT_EQ(sigismember(&now, SIGUSR1), 1);  // the old mask is back
    EXPECT_EQ(sigismember(&now, SIGUSR2), 0);
    EXPECT_THAT(uapi::pause(), FailsWith(EINTR));
  });
  host_.Spawn("killer", [waiter] {
    uapi::sleep(1);
    uapi::kill(waiter, SIGUSR1);
    uapi::sleep(3);
    uapi::kill(waiter, SIGUSR1);  // blocked: pause goes on
    uapi::kill(waiter, SIGUSR2);
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  EXPECT_EQ(Said(), (std::vector<std::string>{"caught USR1", "after", "caught USR2"}));
}

TEST_F(KernSig, AlarmsComeOnceOrAgainAndAgain) {
  host_.Spawn("prog", [] {
    Catch(SIGALRM);
    EXPECT_EQ(uapi::alarm(10), 0u);
    EXPECT_EQ(uapi::alarm(2), 10u);
    EXPECT_THAT(uapi::pause(), FailsWith(EINTR));
    timespec now{};
    uapi::clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_EQ(now.tv_sec, 2);
    itimerval every{.it_interval = {0, 50'000}, .it_value = {1, 0}}, left{};
    EXPECT_THAT(uapi::setitimer(ITIMER_REAL, &every, nullptr), Works());
    for (int i = 0; i < 3; ++i) EXPECT_THAT(uapi::pause(), FailsWith(EINTR));
    uapi::clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_EQ(now.tv_sec * 10 + now.tv_nsec / 100'000'000, 31);
    EXPECT_THAT(uapi::getitimer(ITIMER_REAL, &left), Works());
    EXPECT_EQ(left.it_interval.tv_usec, 50'000);
    every.it_value.tv_usec = -1;
    EXPECT_THAT(uapi::setitimer(ITIMER_REAL, &every, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::setitimer(3, &left, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::getitimer(-1, &left), FailsWith(EINVAL));
    EXPECT_THAT(uapi::getitimer(ITIMER_PROF, nullptr), FailsWith(EFAULT));
    EXPECT_EQ(uapi::alarm(0), 1u);
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

// A profiler: what counts is the time that the program's calls use, not the time it sleeps.
TEST_F(KernSig, ProfilingSignalsCountTheTimeUsed) {
  host_.SetSysctl("kern.syscall_ns", kMillisecond);
  host_.Spawn("prog", [] {
    Catch(SIGPROF);
    const itimerval every{.it_interval = {0, 10'000}, .it_value = {0, 10'000}};
    itimerval old{};
    EXPECT_THAT(uapi::setitimer(ITIMER_PROF, &every, nullptr), Works());
    uapi::sleep(5);
    for (int i = 0; i < 100; ++i) uapi::getpid();
    EXPECT_THAT(uapi::setitimer(ITIMER_PROF, &every, &old), Works());
    EXPECT_EQ(old.it_interval.tv_usec, 10'000);
    EXPECT_EQ(old.it_value.tv_usec, 7000);  // a call to sleep, 100, 11 to say so, and this one
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  EXPECT_EQ(Said().size(), 11u);
}

TEST_F(KernSig, ChildHasNoTimerOfItsParent) {
  host_.Spawn("parent", [] {
    uapi::alarm(100);
    const pid_t child = uapi::spawn("child", [] {
      EXPECT_EQ(uapi::alarm(0), 0u);
      return 0;
    });
    EXPECT_THAT(uapi::waitpid(child, nullptr, 0), Eq(child));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  EXPECT_EQ(sim_.machine().now() / kSecond, 0);  // the parent's went with it
}

// SIGIO (POLL is the C library's name for it) goes to the group that owns the socket.
TEST_F(KernSig, SocketSignalsItsOwningGroup) {
  host_.Spawn("parent", [] {
    Catch(SIGIO);
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    const pid_t child = uapi::spawn("child", [] {
      uapi::pause();
      return 0;
    });
    EXPECT_THAT(uapi::setpgid(child, 0), Works());
    EXPECT_THAT(uapi::fcntl(ends[0], F_SETOWN, -child), Works());
    EXPECT_THAT(uapi::fcntl(ends[0], F_GETOWN), Eq(-child));
    int on = 1;
    EXPECT_THAT(uapi::ioctl(ends[0], FIOASYNC, &on), Works());
    uapi::sleep(1);
    EXPECT_THAT(uapi::write(ends[1], "x", 1), Eq(1));
    EXPECT_THAT(uapi::waitpid(child, nullptr, 0), Eq(child));
    int group = -uapi::getpgrp();
    EXPECT_THAT(uapi::ioctl(ends[0], SIOCSPGRP, &group), Works());
    EXPECT_THAT(uapi::write(ends[1], "x", 1), Eq(1));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  EXPECT_EQ(Said(), (std::vector<std::string>{"caught POLL", "caught POLL"}));
}

// close(2) would end the process here, by an exception that may not leave a destructor.
TEST_F(KernSig, ADestructorMayCloseWhileAFatalSignalIsPending) {
  host_.Spawn("prog", [] {
    struct Closer {
      int fd;
      ~Closer() {
        EXPECT_THAT(uapi::shutdown_staying(fd, SHUT_RDWR), Works());
        EXPECT_THAT(uapi::close_staying(fd), Works());
        EXPECT_THAT(uapi::close_staying(fd), FailsWith(EBADF));
      }
    };
    {
      const Closer closer{uapi::socket(AF_UNIX, SOCK_STREAM, 0)};
      psignal(curproc(), SIGKILL);
    }
    uapi::getpid();
    ADD_FAILURE() << "it outlived the next call";
  });
  const RunResult result = sim_.Run();
  ASSERT_EQ(result.processes.size(), 1u);
  EXPECT_EQ(result.processes[0].status, SIGKILL);
}

}  // namespace
}  // namespace sockbed
