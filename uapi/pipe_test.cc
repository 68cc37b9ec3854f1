// Pipes: order, wholeness, both ends' closing, and each errno.
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <functional>
#include <string>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

constexpr size_t kCapacity = 65536;

class PipeTest : public TwoHosts {
 protected:
  void InProcess(std::function<void(int in, int out)> body, int flags = 0) {
    server_.Spawn("prog", [body, flags] {
      int fds[2];
      EXPECT_THAT(uapi::pipe2(fds, flags), Works());
      body(fds[0], fds[1]);
    });
    Run();
  }
};

std::string Read(int fd, size_t most) {
  std::string bytes(most, '\0');
  const ssize_t n = uapi::read(fd, bytes.data(), most);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

TEST_F(PipeTest, BytesComeInOrderThroughTheWholeRing) {
  InProcess([](int in, int out) {
    uapi::spawn("writer", [out] {
      for (int i = 0; i < 300'000; i += 1000) {
        const std::string block(1000, static_cast<char>('a' + i / 1000 % 26));
        EXPECT_THAT(uapi::write(out, block.data(), block.size()), Eq(1000));
      }
      return 0;
    });
    EXPECT_THAT(uapi::close(out), Works());
    std::string all;
    for (std::string piece = Read(in, 777); !piece.empty(); piece = Read(in, 777)) all += piece;
    ASSERT_EQ(all.size(), 300'000u);
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(all[i], static_cast<char>('a' + i / 1000 % 26)) << i;
    }
  });
}

TEST_F(PipeTest, SmallWritesGoAsAWholeLargeOnesInPieces) {
  InProcess(
      [](int in, int out) {
        const std::string most(kCapacity - 100, 'x');
        EXPECT_THAT(uapi::write(out, most.data(), most.size()), Eq(kCapacity - 100));
        EXPECT_THAT(uapi::write(out, most.data(), 200), FailsWith(EAGAIN));
        EXPECT_THAT(uapi::write(out, most.data(), PIPE_BUF + 1), Eq(100));
        EXPECT_THAT(uapi::write(out, most.data(), 1), FailsWith(EAGAIN));
        EXPECT_EQ(Read(in, kCapacity * 2).size(), kCapacity);
        char byte;
        EXPECT_THAT(uapi::read(in, &byte, 1), FailsWith(EAGAIN));
        EXPECT_THAT(uapi::read(in, &byte, 0), Eq(0));
      },
      O_NONBLOCK);
}

TEST_F(PipeTest, WithoutAWriterReadingEndsWithoutAReaderWritingFails) {
  InProcess([](int in, int out) {
    EXPECT_THAT(uapi::write(out, "ab", 2), Eq(2));
    EXPECT_THAT(uapi::close(out), Works());
    EXPECT_EQ(Read(in, 9), "ab");
    EXPECT_EQ(Read(in, 9), "");
    int fds[2];
    EXPECT_THAT(uapi::pipe(fds), Works());
    EXPECT_THAT(uapi::close(fds[0]), Works());
    sigset_t pipe_signal, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &pipe_signal, nullptr), Works());
    EXPECT_THAT(uapi::write(fds[1], "x", 1), FailsWith(EPIPE));
    EXPECT_THAT(uapi::sigpending(&pending), Works());
    EXPECT_TRUE(sigismember(&pending, SIGPIPE));
    sigset_t none{};
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    EXPECT_THAT(uapi::sigaction(SIGPIPE, &ignore, nullptr), Works());
    EXPECT_THAT(uapi::sigprocmask(SIG_SETMASK, &none, nullptr), Works());
  });
}

TEST_F(PipeTest, AWriterThatSleepsLearnsThatTheReaderHasGone) {
  InProcess([](int in, int out) {
    struct sigaction act {};
    act.sa_handler = SIG_IGN;
    EXPECT_THAT(uapi::sigaction(SIGPIPE, &act, nullptr), Works());
    uapi::spawn("reader", [in, out] {
      EXPECT_THAT(uapi::close(out), Works());
      uapi::sleep(1);
      EXPECT_THAT(uapi::close(in), Works());
      return 0;
    });
    EXPECT_THAT(uapi::close(in), Works());
    const std::string much(kCapacity + 1, 'x');
    EXPECT_THAT(uapi::write(out, much.data(), much.size()), FailsWith(EPIPE));
  });
}

TEST_F(PipeTest, EachEndIsForOneDirection) {
  InProcess([](int in, int out) {
    char byte = 'x';
    EXPECT_THAT(uapi::write(in, &byte, 1), FailsWith(EBADF));
    EXPECT_THAT(uapi::read(out, &byte, 1), FailsWith(EBADF));
    EXPECT_THAT(uapi::fcntl(in, F_GETFL), Eq(O_RDONLY));
    EXPECT_THAT(uapi::fcntl(out, F_GETFL), Eq(O_WRONLY));
    EXPECT_THAT(uapi::recv(in, &byte, 1, 0), FailsWith(ENOTSOCK));
    EXPECT_THAT(uapi::lseek(in, 0, SEEK_SET), FailsWith(ESPIPE));
    EXPECT_THAT(uapi::write(out, "abc", 3), Eq(3));
    int waiting = 0;
    EXPECT_THAT(uapi::ioctl(in, FIONREAD, &waiting), Works());
    EXPECT_EQ(waiting, 3);
    EXPECT_THAT(uapi::ioctl(in, 0x4711, &waiting), FailsWith(ENOTTY));
    struct stat st;
    EXPECT_THAT(uapi::fstat(in, &st), Works());
    EXPECT_TRUE(S_ISFIFO(st.st_mode));
    EXPECT_EQ(st.st_size, 3);
  });
}

TEST_F(PipeTest, FlagsAreOfBothEnds) {
  InProcess([](int, int) {
    int fds[2];
    EXPECT_THAT(uapi::pipe2(fds, O_CLOEXEC | O_NONBLOCK), Works());
    for (const int fd : fds) {
      EXPECT_THAT(uapi::fcntl(fd, F_GETFD), Eq(FD_CLOEXEC));
      EXPECT_TRUE((uapi::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    }
    EXPECT_THAT(uapi::pipe2(fds, 0), Works());
    for (const int fd : fds) {
      EXPECT_THAT(uapi::fcntl(fd, F_GETFD), Eq(0));
      EXPECT_TRUE((uapi::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    }
  });
}

TEST_F(PipeTest, MakingOneCanFailAndLeavesNothing) {
  server_.SetSysctl("kern.maxfilesperproc", 4);
  server_.Spawn("prog", [] {
    int fds[2] = {-7, -7};
    EXPECT_THAT(uapi::pipe(fds), FailsWith(EMFILE));
    EXPECT_EQ(fds[0], -7);
    EXPECT_THAT(uapi::pipe(nullptr), FailsWith(EFAULT));
    EXPECT_THAT(uapi::pipe2(fds, O_APPEND), FailsWith(EINVAL));
    EXPECT_THAT(uapi::dup(1), Eq(3)) << "the first end was given back";
  });
  Run();
}

TEST_F(PipeTest, SignalsItsOwnerWhereItIsAskedTo) {
  InProcess([](int in, int out) {
    const int kq = uapi::kqueue();
    struct kevent kev;
    EV_SET(&kev, SIGIO, EVFILT_SIGNAL, EV_ADD, 0, 0, nullptr);
    EXPECT_THAT(uapi::kevent(kq, &kev, 1, nullptr, 0, nullptr), Works());
    const timespec none{};
    EXPECT_THAT(uapi::fcntl(in, F_SETOWN, uapi::getpid()), Works());
    EXPECT_THAT(uapi::fcntl(in, F_GETOWN), Eq(uapi::getpid()));
    EXPECT_THAT(uapi::write(out, "x", 1), Eq(1));
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &kev, 1, &none), Eq(0));
    EXPECT_THAT(uapi::fcntl(in, F_SETFL, O_ASYNC), Works());
    EXPECT_THAT(uapi::write(out, "x", 1), Eq(1));
    EXPECT_THAT(uapi::kevent(kq, nullptr, 0, &kev, 1, &none), Eq(1));
    EXPECT_EQ(kev.data, 1);
  });
}

}  // namespace
}  // namespace sockbed
