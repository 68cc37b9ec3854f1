#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kernel/sim/fault.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class Filedesc : public TwoHosts {};

int NewSocket() { return uapi::socket(AF_INET, SOCK_DGRAM, 0); }

TEST_F(Filedesc, LowestFreeNumberIsTaken) {
  server_.Spawn("prog", [] {
    EXPECT_THAT(NewSocket(), Eq(3));
    EXPECT_THAT(NewSocket(), Eq(4));
    EXPECT_THAT(NewSocket(), Eq(5));
    EXPECT_THAT(uapi::close(3), Works());
    EXPECT_THAT(uapi::close(4), Works());
    EXPECT_THAT(NewSocket(), Eq(3));
    EXPECT_THAT(uapi::dup(5), Eq(4));
    EXPECT_THAT(uapi::dup(5), Eq(6));
  });
  Run();
}

TEST_F(Filedesc, ClosedAndNegativeNumbersAreBad) {
  server_.Spawn("prog", [] {
    EXPECT_THAT(uapi::close(3), FailsWith(EBADF));
    EXPECT_THAT(uapi::close(-1), FailsWith(EBADF));
    EXPECT_THAT(uapi::close(1 << 30), FailsWith(EBADF));
    EXPECT_THAT(uapi::dup(7), FailsWith(EBADF));
    EXPECT_THAT(uapi::fcntl(7, F_GETFL), FailsWith(EBADF));
    EXPECT_THAT(uapi::listen(7, 1), FailsWith(EBADF));
    EXPECT_THAT(uapi::listen(1, 1), FailsWith(ENOTSOCK));
    struct stat st;
    EXPECT_THAT(uapi::fstat(9, &st), FailsWith(EBADF));
  });
  Run();
}

TEST_F(Filedesc, TableEndsAtTheLimit) {
  server_.SetSysctl("kern.maxfilesperproc", 5);
  server_.Spawn("prog", [] {
    EXPECT_THAT(NewSocket(), Eq(3));
    EXPECT_THAT(NewSocket(), Eq(4));
    EXPECT_THAT(NewSocket(), FailsWith(EMFILE));
    EXPECT_THAT(uapi::dup(3), FailsWith(EMFILE));
    EXPECT_THAT(uapi::fcntl(3, F_DUPFD, 5), FailsWith(EINVAL));
    EXPECT_THAT(uapi::fcntl(3, F_DUPFD, 4), FailsWith(EMFILE));
    EXPECT_THAT(uapi::dup2(3, 5), FailsWith(EBADF));
    EXPECT_THAT(uapi::close(4), Works());
    EXPECT_THAT(NewSocket(), Eq(4));
  });
  Run();
}

TEST_F(Filedesc, SystemWideLimitIsENFILE) {
  server_.SetSysctl("kern.maxfiles", 2);  // the console is one
  server_.Spawn("prog", [] {
    EXPECT_THAT(NewSocket(), Works());
    EXPECT_THAT(NewSocket(), FailsWith(ENFILE));
  });
  Run();
}

TEST_F(Filedesc, DuplicatesShareTheOpenFile) {
  server_.Spawn("prog", [] {
    const int fd = NewSocket();
    const int copy = uapi::fcntl(fd, F_DUPFD_CLOEXEC, 10);
    EXPECT_THAT(copy, Eq(10));
    EXPECT_THAT(uapi::fcntl(copy, F_GETFD), Eq(FD_CLOEXEC));
    EXPECT_THAT(uapi::fcntl(fd, F_GETFD), Eq(0));
    EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_NONBLOCK), Works());
    EXPECT_THAT(uapi::fcntl(copy, F_GETFL), Eq(O_RDWR | O_NONBLOCK));
    char byte;
    EXPECT_THAT(uapi::read(copy, &byte, 1), FailsWith(EWOULDBLOCK));
    const int third = uapi::dup(copy);
    EXPECT_THAT(uapi::fcntl(third, F_GETFD), Eq(0));
    int off = 0;
    EXPECT_THAT(uapi::ioctl(third, FIONBIO, &off), Works());
    EXPECT_THAT(uapi::fcntl(fd, F_GETFL), Eq(O_RDWR));
  });
  Run();
}

TEST_F(Filedesc, Dup2ReplacesWhatWasThere) {
  server_.Spawn("prog", [] {
    const int a = NewSocket();
    const int b = uapi::dup(1);
    EXPECT_THAT(uapi::dup2(a, b), Eq(b));
    int type = 0;
    socklen_t len = sizeof type;
    EXPECT_THAT(uapi::getsockopt(b, SOL_SOCKET, SO_TYPE, &type, &len), Works());
    EXPECT_EQ(type, SOCK_DGRAM);
    EXPECT_THAT(uapi::dup2(a, a), Eq(a));
    EXPECT_THAT(uapi::dup2(20, a), FailsWith(EBADF));
    EXPECT_THAT(uapi::dup2(a, 9), Eq(9));
    EXPECT_THAT(NewSocket(), Eq(5));
  });
  Run();
}

TEST_F(Filedesc, FcntlRefusesWhatItDoesNotKnow) {
  server_.Spawn("prog", [] {
    const int fd = NewSocket();
    struct flock lock{};
    EXPECT_THAT(uapi::fcntl(fd, F_SETLK, reinterpret_cast<long>(&lock)), FailsWith(EBADF));
    EXPECT_THAT(uapi::fcntl(fd, 4711), FailsWith(EINVAL));
    EXPECT_THAT(uapi::fcntl(fd, F_DUPFD, -1), FailsWith(EINVAL));
    EXPECT_THAT(uapi::fcntl(fd, F_SETOWN, 17), Works());
    EXPECT_THAT(uapi::fcntl(fd, F_GETOWN), Eq(17));
    EXPECT_THAT(uapi::lseek(fd, 0, SEEK_SET), FailsWith(ESPIPE));
    EXPECT_THAT(uapi::pwrite(fd, "x", 1, 0), FailsWith(ESPIPE));
    EXPECT_THAT(uapi::ioctl(fd, FIOCLEX, nullptr), Works());
    EXPECT_THAT(uapi::fcntl(fd, F_GETFD), Eq(FD_CLOEXEC));
  });
  Run();
}

TEST_F(Filedesc, ChildHasACopyOfTheTable) {
  server_.Spawn("parent", [] {
    const int fd = NewSocket();
    const pid_t child = uapi::spawn("child", [fd] {
      EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_NONBLOCK), Works());
      EXPECT_THAT(uapi::close(fd), Works());
      EXPECT_THAT(NewSocket(), Eq(fd));
      return 0;
    });
    EXPECT_THAT(uapi::waitpid(child, nullptr, 0), Eq(child));
    EXPECT_THAT(uapi::fcntl(fd, F_GETFL), Eq(O_RDWR | O_NONBLOCK));  // the file is shared
  });
  Run();
}

TEST_F(Filedesc, ConsoleIsZeroToTwo) {
  server_.Spawn("prog", [] {
    struct stat st;
    for (int fd = 0; fd < 3; ++fd) {
      EXPECT_THAT(uapi::fstat(fd, &st), Works());
      EXPECT_TRUE(S_ISCHR(st.st_mode));
    }
    EXPECT_THAT(uapi::write(1, "one\ntwo", 7), Eq(7));
    char byte;
    EXPECT_THAT(uapi::read(0, &byte, 1), Eq(0));
    uapi::Print(" and a half, %d\n", 2);
    EXPECT_THAT(uapi::write(2, "rest", 4), Eq(4));
  });
  Run();
  ASSERT_EQ(sim_.console().size(), 3u);
  EXPECT_EQ(sim_.console()[0].text, "one");
  EXPECT_EQ(sim_.console()[1].text, "two and a half, 2");
  EXPECT_EQ(sim_.console()[2].text, "rest");
  EXPECT_EQ(sim_.console()[2].process, "prog");
  EXPECT_EQ(sim_.console()[2].host_name, "server");
}

// Whatever fails in the middle of socketpair, the descriptors that it had are free again.
TEST_F(Filedesc, FailedPairLeavesNoDescriptors) {
  server_.SetSysctl("kern.maxfilesperproc", 4);
  server_.Spawn("prog", [this] {
    int pair[2] = {-7, -7};
    EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), FailsWith(EMFILE));
    EXPECT_THAT(NewSocket(), Eq(3));
    EXPECT_THAT(uapi::close(3), Works());
    server_.SetSysctl("kern.maxfilesperproc", 5);
    EXPECT_THAT(uapi::socketpair(AF_INET, SOCK_DGRAM, 0, pair), FailsWith(EOPNOTSUPP));
    EXPECT_EQ(pair[0], -7) << "nothing is told";
    EXPECT_THAT(NewSocket(), Eq(3));
    EXPECT_THAT(NewSocket(), Eq(4));
  });
  Run();
}

// A connection for which there is no descriptor goes to the next who waits for one.
TEST(FiledescFault, AccepterWithoutDescriptorLeavesTheConnectionToAnother) {
  constexpr uint64_t kOfTheAccept = 3;  // behind the listener's and the client's
  fault::Plan plan({{.site = Site::kFdLimit, .only_ordinal = kOfTheAccept}});
  Simulation sim({.fault_plan = &plan});
  Host& host = sim.AddHost("host");
  host.Spawn("prog", [&host] {
    const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in name = host.address(7);
    EXPECT_THAT(uapi::bind(listener, AsSockaddr(name), sizeof name), Works());
    EXPECT_THAT(uapi::listen(listener, 1), Works());
    for (const bool works : {false, true}) {
      uapi::spawn("accepter", [listener, works] {
        const int fd = uapi::accept(listener, nullptr, nullptr);
        EXPECT_EQ(fd >= 0, works);
        EXPECT_EQ(errno, works ? 0 : EMFILE);
        return 0;
      });
    }
    uapi::sleep(1);
    const int client = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::connect(client, AsSockaddr(name), sizeof name), Works());
    uapi::sleep(1);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST(FiledescFault, DescriptorLimitCanBeInjected) {
  fault::Plan plan({{.site = Site::kFdLimit, .only_ordinal = 2}});
  Simulation sim({.fault_plan = &plan});
  sim.AddHost("host").Spawn("prog", [] {
    EXPECT_THAT(NewSocket(), Eq(3));
    EXPECT_THAT(NewSocket(), FailsWith(EMFILE));
    EXPECT_THAT(NewSocket(), Eq(4));
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

}  // namespace
}  // namespace sockbed
