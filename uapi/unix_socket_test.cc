// Local sockets through the system calls: pairs, names, open files that travel in messages.
#include <fcntl.h>
#include <sys/un.h>

#include <cstring>
#include <string_view>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class UnixSocket : public testing::Test {
 protected:
  UnixSocket() : sim_({.seed = 1}), host_(sim_.AddHost("host")) {}
  ~UnixSocket() override { EXPECT_EQ(sim_.Run().Complaints(), ""); }

  Simulation sim_;
  Host& host_;
};

sockaddr_un Name(std::string_view path) {
  sockaddr_un sun{};
  sun.sun_family = AF_UNIX;
  sun.sun_path[path.copy(sun.sun_path, sizeof sun.sun_path - 1)] = '\0';
  return sun;
}
const sockaddr* AsSockaddr(const sockaddr_un& sun) {
  return reinterpret_cast<const sockaddr*>(&sun);
}

// Room for one descriptor in a control message.
struct RightsMessage {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 'r';
  iovec vector{&byte, 1};
  msghdr header{};

  RightsMessage() {
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  explicit RightsMessage(int fd) : RightsMessage() {
    cmsghdr* const c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  int descriptor() const {
    int fd;
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof fd);
    return fd;
  }
};

TEST_F(UnixSocket, PairIsConnectedBothWays) {
  host_.Spawn("prog", [] {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
      int ends[2];
      ASSERT_THAT(uapi::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), Works());
      EXPECT_THAT(uapi::fcntl(ends[1], F_GETFD), Eq(FD_CLOEXEC));
      char data[8];
      EXPECT_THAT(uapi::write(ends[0], "ping", 4), Eq(4));
      EXPECT_THAT(uapi::read(ends[1], data, sizeof data), Eq(4));
      EXPECT_THAT(uapi::write(ends[1], "pong!", 5), Eq(5));
      EXPECT_THAT(uapi::read(ends[0], data, sizeof data), Eq(5));
      EXPECT_THAT(uapi::close(ends[0]), Works());
      EXPECT_THAT(uapi::close(ends[1]), Works());
    }
  });
}

TEST_F(UnixSocket, ChildTalksToItsParent) {
  host_.Spawn("parent", [] {
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    const pid_t child = uapi::spawn("child", [ends] {
      uapi::close(ends[0]);
      uapi::write(ends[1], "from the child", 14);
      return 0;
    });
    uapi::close(ends[1]);
    char data[32];
    EXPECT_THAT(uapi::recv(ends[0], data, sizeof data, MSG_WAITALL), Eq(14));
    EXPECT_THAT(uapi::waitpid(child, nullptr, 0), Eq(child));
  });
}

TEST_F(UnixSocket, ServerIsFoundByItsName) {
  host_.Spawn("server", [] {
    const int listener = uapi::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un name = Name("/tmp/sock");
    EXPECT_THAT(uapi::listen(listener, 1), FailsWith(EINVAL));  // it has no name yet
    ASSERT_THAT(uapi::bind(listener, AsSockaddr(name), sizeof name), Works());
    ASSERT_THAT(uapi::listen(listener, 1), Works());
    const int fd = uapi::accept(listener, nullptr, nullptr);
    EXPECT_THAT(uapi::write(fd, "hello", 5), Eq(5));
  });
  host_.Spawn("client", [] {
    const int fd = uapi::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un wrong = Name("/tmp/none"), name = Name("/tmp/sock");
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(wrong), sizeof wrong), FailsWith(ENOENT));
    ASSERT_THAT(uapi::connect(fd, AsSockaddr(name), sizeof name), Works());
    char data[8];
    EXPECT_THAT(uapi::read(fd, data, sizeof data), Eq(5));
    EXPECT_THAT(uapi::read(fd, data, sizeof data), Eq(0));
  });
}

TEST_F(UnixSocket, PeersIdsAreThoseOfWhoMadeThePair) {
  host_.Spawn("prog", [] {
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    uid_t uid = 99;
    gid_t gid = 99;
    EXPECT_THAT(uapi::getpeereid(ends[0], &uid, &gid), Works());
    EXPECT_THAT(uid, Eq(0u));
    EXPECT_THAT(gid, Eq(0u));
    EXPECT_THAT(uapi::getpeereid(uapi::socket(AF_UNIX, SOCK_DGRAM, 0), &uid, &gid),
                FailsWith(ENOTCONN));
    EXPECT_THAT(uapi::getpeereid(uapi::socket(AF_INET, SOCK_STREAM, 0), &uid, &gid),
                FailsWith(EOPNOTSUPP));
    EXPECT_THAT(uapi::getpeereid(99, &uid, &gid), FailsWith(EBADF));
  });
}

TEST_F(UnixSocket, ReceivedDescriptorsAreClosedOnExecIfAsked) {
  host_.Spawn("prog", [] {
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    for (const int flags : {0, int{MSG_CMSG_CLOEXEC}}) {
      RightsMessage out(ends[0]), in;
      ASSERT_THAT(uapi::sendmsg(ends[0], &out.header, 0), Eq(1));
      ASSERT_THAT(uapi::recvmsg(ends[1], &in.header, flags), Eq(1));
      EXPECT_THAT(uapi::fcntl(in.descriptor(), F_GETFD), Eq(flags != 0 ? FD_CLOEXEC : 0));
    }
  });
}

TEST_F(UnixSocket, OpenFilesTravelInMessages) {
  host_.Spawn("prog", [] {
    int ends[2], inner[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, inner), Works());
    RightsMessage out(inner[1]), in;
    EXPECT_THAT(uapi::sendmsg(ends[0], &out.header, 0), Eq(1));
    EXPECT_THAT(uapi::close(inner[1]), Works());  // the message holds it open
    EXPECT_THAT(uapi::recvmsg(ends[1], &in.header, 0), Eq(1));
    EXPECT_EQ(in.header.msg_controllen, CMSG_LEN(sizeof(int)));
    EXPECT_EQ(in.descriptor(), inner[1]);  // the lowest free number again
    EXPECT_THAT(uapi::write(in.descriptor(), "x", 1), Eq(1));
    char byte;
    EXPECT_THAT(uapi::read(inner[0], &byte, 1), Eq(1));
    RightsMessage bad(99);
    EXPECT_THAT(uapi::sendmsg(ends[0], &bad.header, 0), FailsWith(EBADF));
    bad.header.msg_controllen = 3;
    EXPECT_THAT(uapi::sendmsg(ends[0], &bad.header, 0), FailsWith(EINVAL));
    bad.header.msg_controllen = 5000;
    EXPECT_THAT(uapi::sendmsg(ends[0], &bad.header, 0), FailsWith(EINVAL));
  });
}

TEST_F(UnixSocket, FilesInFlightAtTheEndAreNoLeak) {
  host_.Spawn("prog", [] {
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    RightsMessage itself(ends[1]);
    EXPECT_THAT(uapi::sendmsg(ends[0], &itself.header, 0), Eq(1));  // a circle
  });
}

}  // namespace
}  // namespace sockbed
