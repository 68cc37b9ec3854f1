// Rows of the specification (syscalls 2 to 6) that have no test of their own elsewhere: what a call
// leaves behind when it fails, limits, and threads that meet at one socket.
#include <fcntl.h>
#include <limits.h>
#include <sys/un.h>

#include <functional>
#include <string>

#include "uapi/pairs.h"
#include "uapi/rthread.h"

namespace sockbed {
namespace {

using testing::Eq;

class Rows : public TwoHosts {
 protected:
  void InProcess(std::function<void()> body) {
    server_.Spawn("prog", std::move(body));
    Run();
  }
};

int RefusedSocket(const sockaddr_in& nobody) {
  const int fd = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  EXPECT_THAT(uapi::connect(fd, AsSockaddr(nobody), sizeof nobody), FailsWith(EINPROGRESS));
  Settle();
  return fd;
}
int ErrorOf(int fd) {
  int error = -1;
  socklen_t len = sizeof error;
  EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), Works());
  return error;
}

TEST_F(Rows, AnOptionIsEvaluatedThoughNobodyTakesIt) {
  InProcess([this] {
    const sockaddr_in nobody = client_.address(9);
    int fd = RefusedSocket(nobody);
    socklen_t len = sizeof(int);
    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_ERROR, nullptr, &len), Works());
    EXPECT_EQ(len, sizeof(int)) << "not even the length is told";
    EXPECT_EQ(ErrorOf(fd), 0) << "it was cleared";
    fd = RefusedSocket(nobody);
    EXPECT_EQ(ErrorOf(fd), ECONNREFUSED);
    EXPECT_EQ(ErrorOf(fd), 0);
    short part = -1;
    len = sizeof part;
    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_TYPE, &part, &len), Works());
    EXPECT_EQ(part, SOCK_STREAM) << "as much as there is room for";
    EXPECT_EQ(len, sizeof part);
  });
}

TEST_F(Rows, ControlDataHasALowestAndAHighestLength) {
  InProcess([] {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    std::string control(2049, '\0');
    char byte = 'x';
    iovec vector{&byte, 1};
    msghdr msg{};
    msg.msg_iov = &vector;
    msg.msg_iovlen = 1;
    msg.msg_control = control.data();
    for (const size_t len : {size_t{15}, control.size()}) {
      msg.msg_controllen = len;
      EXPECT_THAT(uapi::sendmsg(fds[0], &msg, 0), FailsWith(EINVAL)) << len;
    }
    msg.msg_iovlen = 1 << 20;
    EXPECT_THAT(uapi::sendmsg(fds[0], &msg, 0), FailsWith(EMSGSIZE));
    char more;
    EXPECT_THAT(uapi::recv(fds[1], &more, 1, MSG_DONTWAIT), FailsWith(EWOULDBLOCK));
  });
}

TEST_F(Rows, SelectLeavesItsSetsWhenItFailsAndItsLimitAlways) {
  InProcess([] {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fds[0], &in);
    timeval limit{.tv_sec = 100'000'001, .tv_usec = 0};
    EXPECT_THAT(uapi::select(fds[0] + 1, &in, nullptr, nullptr, &limit), FailsWith(EINVAL));
    EXPECT_TRUE(FD_ISSET(fds[0], &in));
    struct sigaction act {};
    act.sa_handler = [](int) {};
    EXPECT_THAT(uapi::sigaction(SIGALRM, &act, nullptr), Works());
    uapi::alarm(1);
    limit = {.tv_sec = 5, .tv_usec = 0};
    EXPECT_THAT(uapi::select(fds[0] + 1, &in, nullptr, nullptr, &limit), FailsWith(EINTR));
    EXPECT_TRUE(FD_ISSET(fds[0], &in));
    EXPECT_EQ(limit.tv_sec, 5);
    limit = {.tv_sec = 0, .tv_usec = 10'000};
    EXPECT_THAT(uapi::select(fds[0] + 1, &in, nullptr, nullptr, &limit), Eq(0));
    EXPECT_FALSE(FD_ISSET(fds[0], &in));
    EXPECT_EQ(limit.tv_usec, 10'000);
  });
}

TEST_F(Rows, PollTellsOfEachEntryThoughASignalEndsIt) {
  InProcess([] {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    struct sigaction act {};
    act.sa_handler = [](int) {};
    EXPECT_THAT(uapi::sigaction(SIGALRM, &act, nullptr), Works());
    pollfd entries[2] = {{fds[0], POLLIN, 99}, {-1, POLLIN, 99}};
    uapi::alarm(1);
    EXPECT_THAT(uapi::poll(entries, 2, -1), FailsWith(EINTR));
    EXPECT_EQ(entries[0].revents, 0);
    EXPECT_EQ(entries[1].revents, 0);
  });
}

TEST_F(Rows, KeventWaitsADayAtMost) {
  InProcess([] {
    const int kq = uapi::kqueue();
    struct kevent kev;
    const timespec two_days{.tv_sec = 2 * 86'400, .tv_nsec = 0};
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &kev, 1, &two_days), Eq(0));
    timespec now;
    uapi::clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_NEAR(static_cast<double>(now.tv_sec), 86'400, 1);
  });
}

// --- Knotes of sockets. ---

std::string Told(int kq) {
  struct kevent events[4];
  const timespec none{};
  const int n = uapi::kevent(kq, nullptr, 0, events, 4, &none);
  std::string text;
  for (int i = 0; i < n; ++i) {
    text += std::to_string(events[i].filter) + " " + std::to_string(events[i].data) + " " +
            std::to_string(events[i].fflags) + "; ";
  }
  return text;
}
int Watch(int kq, int fd, short filter, unsigned short flags, unsigned fflags, int64_t data) {
  struct kevent change;
  EV_SET(&change, static_cast<uintptr_t>(fd), filter, flags, fflags, data, nullptr);
  return uapi::kevent(kq, &change, 1, nullptr, 0, nullptr);
}

TEST_F(Rows, KnotesOfWritersHaveALowWaterMark) {
  InProcess([] {
    int fds[2];
    MakePair(PairKind::kUnixStream, fds);
    const int kq = uapi::kqueue();
    EXPECT_THAT(Watch(kq, fds[0], EVFILT_WRITE, EV_ADD, NOTE_LOWAT, 4000), Works());
    EXPECT_EQ(Told(kq), "-2 4096 0; ");
    EXPECT_THAT(uapi::write(fds[0], std::string(97, 'x').data(), 97), Eq(97));
    EXPECT_EQ(Told(kq), "") << "3999 bytes of room";
    char byte;
    EXPECT_THAT(uapi::read(fds[1], &byte, 1), Eq(1));
    EXPECT_EQ(Told(kq), "-2 4000 0; ");
  });
}

TEST_F(Rows, KnotesTellUrgentDataOnlyIfAsked) {
  InProcess([] {
    int fds[2];
    MakePair(PairKind::kTcp, fds);
    const int kq = uapi::kqueue();
    EXPECT_THAT(Watch(kq, fds[1], EVFILT_EXCEPT, EV_ADD, 0, 0), Works());
    EXPECT_THAT(uapi::send(fds[0], "u", 1, MSG_OOB), Eq(1));
    Settle();
    EXPECT_EQ(Told(kq), "");
    EXPECT_THAT(Watch(kq, fds[1], EVFILT_EXCEPT, EV_ADD | EV_DISPATCH, NOTE_OOB, 0), Works());
    EXPECT_EQ(Told(kq).substr(0, 2), "-9");
  });
}

// A pending error is told with the end of the file, and stays.
TEST_F(Rows, KnotesDoNotClearTheError) {
  InProcess([this] {
    const int fd = RefusedSocket(client_.address(9));
    const int kq = uapi::kqueue();
    EXPECT_THAT(Watch(kq, fd, EVFILT_READ, EV_ADD, 0, 0), Works());
    EXPECT_EQ(Told(kq), "-1 0 " + std::to_string(ECONNREFUSED) + "; ");
    EXPECT_EQ(ErrorOf(fd), ECONNREFUSED);
    EXPECT_EQ(Told(kq), "-1 0 0; ") << "the end is still there";
  });
}

// --- Threads that meet at one socket (syscalls 6). ---

struct Meeting {
  int fd;
  std::string log;
};

void* ReadFour(void* arg) {
  auto* const meeting = static_cast<Meeting*>(arg);
  char data[4];
  EXPECT_THAT(uapi::recv(meeting->fd, data, sizeof data, MSG_WAITALL), Eq(4));
  meeting->log += std::string(data, 4) + " ";
  return nullptr;
}
void* WriteMuch(void* arg) {
  auto* const meeting = static_cast<Meeting*>(arg);
  const std::string much(1 << 20, 'x');
  errno = 0;
  EXPECT_LT(uapi::send(meeting->fd, much.data(), much.size(), MSG_NOSIGNAL), 0);
  meeting->log += errno == EPIPE ? "EPIPE " : "another end ";
  return nullptr;
}
void* AcceptOne(void* arg) {
  auto* const meeting = static_cast<Meeting*>(arg);
  EXPECT_THAT(uapi::accept(meeting->fd, nullptr, nullptr), Works());
  meeting->log += "accepted ";
  return nullptr;
}

TEST_F(Rows, TwoReadersShareNoMessage) {
  InProcess([] {
    for (const PairKind kind : {PairKind::kUnixStream, PairKind::kTcp}) {
      int fds[2];
      MakePair(kind, fds);
      Meeting meeting{fds[1], ""};
      pthread_t first, second;
      EXPECT_EQ(uapi::pthread_create(&first, nullptr, ReadFour, &meeting), 0);
      EXPECT_EQ(uapi::pthread_create(&second, nullptr, ReadFour, &meeting), 0);
      for (const char* piece : {"ab", "cdef", "gh"}) {
        Settle();
        EXPECT_THAT(uapi::write(fds[0], piece, std::string(piece).size()), Works());
      }
      EXPECT_EQ(uapi::pthread_join(first, nullptr), 0);
      EXPECT_EQ(uapi::pthread_join(second, nullptr), 0);
      EXPECT_EQ(meeting.log, "abcd efgh ") << NameOf(kind);
    }
  });
}

TEST_F(Rows, AWriterThatSleepsLearnsOfItsOwnEnd) {
  InProcess([] {
    for (const PairKind kind : {PairKind::kUnixStream, PairKind::kTcp}) {
      int fds[2];
      MakePair(kind, fds);
      Meeting meeting{fds[0], ""};
      pthread_t writer;
      EXPECT_EQ(uapi::pthread_create(&writer, nullptr, WriteMuch, &meeting), 0);
      Settle();
      EXPECT_EQ(meeting.log, "");
      EXPECT_THAT(uapi::shutdown(fds[0], SHUT_WR), Works());
      EXPECT_EQ(uapi::pthread_join(writer, nullptr), 0);
      EXPECT_EQ(meeting.log, "EPIPE ") << NameOf(kind);
    }
  });
}

TEST_F(Rows, AConnectionWakesOneAccepter) {
  InProcess([] {
    sockaddr_in name;
    Meeting meeting{LoopbackSocket(SOCK_STREAM, &name), ""};
    EXPECT_THAT(uapi::listen(meeting.fd, 3), Works());
    pthread_t accepters[3];
    for (pthread_t& one : accepters) {
      EXPECT_EQ(uapi::pthread_create(&one, nullptr, AcceptOne, &meeting), 0);
    }
    std::string expected;
    for (int i = 0; i < 3; ++i) {
      Settle();
      EXPECT_EQ(meeting.log, expected);
      const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), Works());
      expected += "accepted ";
    }
    for (const pthread_t one : accepters) EXPECT_EQ(uapi::pthread_join(one, nullptr), 0);
  });
}

TEST_F(Rows, AnAcceptWithoutALengthLeavesTheConnection) {
  InProcess([] {
    sockaddr_in name;
    const int listener = LoopbackSocket(SOCK_STREAM, &name);
    EXPECT_THAT(uapi::listen(listener, 3), Works());
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), Works());
    EXPECT_THAT(uapi::accept(listener, AsSockaddr(name), nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), Works()) << "before anything was done";
  });
}

}  // namespace
}  // namespace sockbed
