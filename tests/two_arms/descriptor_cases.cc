// Descriptors: copies, flags, ioctl, fstat; pipes and the files that count.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

bool All(Kind) { return true; }

void Copies(Notes& notes) {
  int ends[2];
  notes.Call("pipe", pipe(ends));
  notes.Value("dup", dup(ends[0]));
  notes.Value("F_DUPFD", fcntl(ends[0], F_DUPFD, 20));
  notes.Value("F_DUPFD_CLOEXEC", fcntl(ends[0], F_DUPFD_CLOEXEC, 20));
  notes.Value("its flag", fcntl(21, F_GETFD));
  notes.Call("F_DUPFD of a negative", fcntl(ends[0], F_DUPFD, -1));
  notes.Call("F_DUPFD beyond the limit", fcntl(ends[0], F_DUPFD, 1024));
  notes.Call("dup2", dup2(ends[0], 30));
  notes.Call("dup2 onto itself", dup2(30, 30));
  notes.Call("dup2 onto an open one", dup2(ends[1], 30));
  notes.Call("write to it", write(30, "x", 1));
  notes.Call("dup3", dup3(ends[0], 31, O_CLOEXEC));
  notes.Value("its flag", fcntl(31, F_GETFD));
  notes.Call("dup3 onto itself", dup3(31, 31, 0));
  notes.Call("dup3 of unknown flags", dup3(ends[0], 32, O_APPEND));
  notes.Call("dup2 of nothing", dup2(99, 3));
  notes.Call("dup2 onto itself, not open", dup2(99, 99));
  notes.Call("dup2 to a negative", dup2(0, -1));
  notes.Call("dup2 beyond", dup2(0, 1024));
  notes.Makes("dup of nothing", dup(99));
  notes.Call("close of nothing", close(99));
  notes.Call("close of a negative", close(-1));
}

void SharedFlags(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const int twin = dup(pair.b);
  notes.Call("F_SETFL", fcntl(pair.b, F_SETFL, O_NONBLOCK));
  notes.Value("twin's O_NONBLOCK", (fcntl(twin, F_GETFL) & O_NONBLOCK) != 0);
  notes.Value("access mode", fcntl(pair.b, F_GETFL) & O_ACCMODE);
  notes.Value("access mode of a", fcntl(pair.a, F_GETFL) & O_ACCMODE);
  notes.Call("F_SETFD", fcntl(pair.b, F_SETFD, FD_CLOEXEC));
  notes.Value("its flag", fcntl(pair.b, F_GETFD));
  notes.Value("twin's flag", fcntl(twin, F_GETFD));
  char byte;
  notes.Call("read", read(twin, &byte, 1));
  int zero = 0;
  notes.Call("FIONBIO", ioctl(twin, FIONBIO, &zero));
  notes.Value("O_NONBLOCK now", (fcntl(pair.b, F_GETFL) & O_NONBLOCK) != 0);
  notes.Call("FIOCLEX", ioctl(twin, FIOCLEX));
  notes.Value("twin's flag now", fcntl(twin, F_GETFD));
  notes.Call("FIONCLEX", ioctl(twin, FIONCLEX));
  notes.Value("twin's flag then", fcntl(twin, F_GETFD));
}

void Commands(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  int value = 7;
  notes.Call("unknown command", fcntl(pair.a, 4711, 0));
  notes.Call("F_GETFL of nothing", fcntl(99, F_GETFL));
  notes.Call("ioctl of nothing", ioctl(99, FIONREAD, &value));
  notes.Call("unknown request", ioctl(pair.a, 0x4711, &value));
  notes.Call("FIONREAD to nowhere", ioctl(pair.b, FIONREAD, nullptr));
  notes.Call("F_GETOWN", fcntl(pair.a, F_GETOWN));
  notes.Call("F_SETOWN", fcntl(pair.a, F_SETOWN, getpid()));
  notes.Value("owner is this process", fcntl(pair.a, F_GETOWN) == getpid());
  notes.Call("F_SETOWN of none", fcntl(pair.a, F_SETOWN, 0));
  notes.Call("F_GETOWN again", fcntl(pair.a, F_GETOWN));
  struct stat st {};
  notes.Call("fstat", fstat(pair.a, &st));
  notes.Value("kind", st.st_mode & S_IFMT);
  notes.Value("size", st.st_size);
  notes.Call("fstat of nothing", fstat(99, &st));
  notes.Call("fchmod-like size", lseek(pair.a, 0, SEEK_END));
}

void Pipes(Notes& notes) {
  int ends[2];
  notes.Call("flags", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  notes.Value("F_GETFL of the reading end", fcntl(ends[0], F_GETFL));
  notes.Value("F_GETFL of the writing end", fcntl(ends[1], F_GETFL));
  notes.Value("F_GETFD", fcntl(ends[0], F_GETFD));
  notes.Call("unknown flags", pipe2(ends, O_APPEND));
  notes.Call("to nowhere", pipe(nullptr));
  char byte = 'x';
  notes.Call("read the writing end", read(ends[1], &byte, 1));
  notes.Call("write the reading end", write(ends[0], &byte, 1));
  notes.Call("nothing there", read(ends[0], &byte, 1));
  const std::string atom(PIPE_BUF, 'x');
  int64_t sent = 0;
  for (ssize_t n; (n = write(ends[1], atom.data(), atom.size())) > 0;) sent += n;
  notes.Text("full", ErrnoName(errno));
  notes.Value("holds", sent);
  std::string space(100, '\0');
  notes.Call("read a little", read(ends[0], space.data(), space.size()));
  notes.Call("an atom does not fit", write(ends[1], atom.data(), atom.size()));
  int bytes = 0;
  notes.Call("FIONREAD", ioctl(ends[0], FIONREAD, &bytes));
  notes.Value("bytes", bytes);
}

void Events(Notes& notes) {
  const int fd = notes.Makes("eventfd", eventfd(3, EFD_NONBLOCK));
  notes.Value("F_GETFL", fcntl(fd, F_GETFL));
  notes.Ready("of 3", fd);
  uint64_t count = 0;
  notes.Call("read 7 bytes", read(fd, &count, 7));
  notes.Call("read", read(fd, &count, 8));
  notes.Value("count", static_cast<int64_t>(count));
  notes.Call("read of 0", read(fd, &count, 8));
  notes.Ready("of 0", fd);
  count = UINT64_MAX;
  notes.Call("write too much", write(fd, &count, 8));
  count = UINT64_MAX - 1;
  notes.Call("write the most", write(fd, &count, 8));
  notes.Ready("full", fd);
  count = 1;
  notes.Call("write to a full one", write(fd, &count, 8));
  notes.Call("write 4 bytes", write(fd, &count, 4));
  notes.Call("lseek", lseek(fd, 0, SEEK_SET));
  notes.Makes("unknown flags", eventfd(0, 0x10));
  const int sem = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  for (int i = 0; i < 3; ++i) notes.Call("take", read(sem, &count, 8));
  notes.Value("one", static_cast<int64_t>(count));
  eventfd_t value = 0;
  notes.Call("eventfd_write", eventfd_write(sem, 5));
  notes.Call("eventfd_read", eventfd_read(sem, &value));
}

void Timers(Notes& notes) {
  const int fd = notes.Makes("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  uint64_t count = 0;
  notes.Ready("not set", fd);
  notes.Call("read", read(fd, &count, 8));
  itimerspec value{{0, 0}, {0, 1}};
  notes.Call("set", timerfd_settime(fd, 0, &value, nullptr));
  notes.Settle();
  notes.Settle();
  notes.Ready("expired", fd);
  notes.Call("read 4 bytes", read(fd, &count, 4));
  notes.Call("read", read(fd, &count, 8));
  notes.Value("times", static_cast<int64_t>(count));
  notes.Call("write", write(fd, &count, 8));
  value = {{0, 0}, {100, 0}};
  itimerspec old{{9, 9}, {9, 9}};
  notes.Call("set far", timerfd_settime(fd, 0, &value, &old));
  notes.Value("old", old.it_value.tv_sec + old.it_interval.tv_sec);
  notes.Call("get", timerfd_gettime(fd, &old));
  notes.Value("seconds left", old.it_value.tv_sec >= 98 && old.it_value.tv_sec <= 100);
  value = {{0, 0}, {0, 0}};
  notes.Call("disarm", timerfd_settime(fd, 0, &value, nullptr));
  notes.Call("get", timerfd_gettime(fd, &old));
  notes.Value("left", old.it_value.tv_sec);
  value = {{0, 0}, {0, 1'000'000'000}};
  notes.Call("not canonical", timerfd_settime(fd, 0, &value, nullptr));
  value = {{0, 0}, {-1, 0}};
  notes.Call("negative", timerfd_settime(fd, 0, &value, nullptr));
  notes.Call("unknown flags", timerfd_settime(fd, 8, &value, nullptr));
  notes.Call("no value", timerfd_settime(fd, 0, nullptr, nullptr));
  notes.Call("of no timer", timerfd_gettime(0, &old));
  notes.Call("of nothing", timerfd_gettime(99, &old));
  notes.Makes("unknown clock", timerfd_create(4711, 0));
  notes.Makes("unknown flags", timerfd_create(CLOCK_MONOTONIC, 1));
}

void Signals(Notes& notes) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signo : {SIGUSR1, SIGUSR2, SIGCHLD}) sigaddset(&set, signo);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const int fd = notes.Makes("signalfd", signalfd(-1, &set, SFD_NONBLOCK));
  signalfd_siginfo info{};
  notes.Ready("none there", fd);
  notes.Call("read", read(fd, &info, sizeof info));
  for (const int signo : {SIGUSR2, SIGUSR1, SIGUSR1, SIGCHLD}) raise(signo);
  notes.Ready("three there", fd);
  notes.Call("read too little", read(fd, &info, sizeof info - 1));
  for (int i = 0; i < 4; ++i) {
    info.ssi_signo = 0;
    notes.Call("read one", read(fd, &info, sizeof info));
    notes.Value("signal", info.ssi_signo);
  }
  raise(SIGUSR1);
  sigset_t pending;
  sigpending(&pending);
  notes.Value("pending", sigismember(&pending, SIGUSR1));
  sigdelset(&set, SIGUSR1);
  notes.Value("the same one", signalfd(fd, &set, 0) == fd);
  notes.Ready("not for it", fd);
  notes.Call("write", write(fd, &info, sizeof info));
  notes.Makes("unknown flags", signalfd(-1, &set, 1));
  notes.Call("of no signalfd", signalfd(0, &set, 0));
  notes.Call("of nothing", signalfd(99, &set, 0));
}

}  // namespace

void AddDescriptorCases(std::vector<Case>* cases) {
  cases->push_back({"Descriptor.Copies", Copies});
  ForEachKind(cases, "Descriptor.SharedFlags", All, SharedFlags);
  ForEachKind(cases, "Descriptor.Commands", All, Commands);
  cases->push_back({"Descriptor.Pipes", Pipes});
  cases->push_back({"Descriptor.Events", Events});
  cases->push_back({"Descriptor.Timers", Timers});
  cases->push_back({"Descriptor.Signals", Signals});
}

}  // namespace sockbed::two_arms
