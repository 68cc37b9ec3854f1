// sendmmsg(2) and recvmmsg(2): several datagrams in one call, and what ends it early.
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>

#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

// N messages with a buffer each.
template <size_t N>
struct Messages {
  Messages() {
    for (size_t i = 0; i < N; ++i) {
      vectors[i] = {buffers[i].data(), buffers[i].size()};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
  }
  void Put(size_t i, const std::string& text) {
    text.copy(buffers[i].data(), buffers[i].size());
    vectors[i].iov_len = text.size();
  }
  std::string Text(size_t i) const { return {buffers[i].data(), headers[i].msg_len}; }

  std::array<std::array<char, 32>, N> buffers{};
  std::array<iovec, N> vectors;
  std::array<mmsghdr, N> headers;
};

class MessageArray : public TwoHosts {
 protected:
  void WithPair(std::function<void(int a, int b)> body) {
    server_.Spawn("prog", [body] {
      int fds[2];
      EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), Works());
      body(fds[0], fds[1]);
    });
    Run();
  }
};

TEST_F(MessageArray, MessagesGoAndComeInOrder) {
  WithPair([](int a, int b) {
    Messages<3> out;
    out.Put(0, "one");
    out.Put(1, "");
    out.Put(2, "three");
    EXPECT_THAT(uapi::sendmmsg(a, out.headers.data(), 3, 0), Eq(3));
    EXPECT_EQ(out.headers[2].msg_len, 5u);
    Messages<5> in;
    EXPECT_THAT(uapi::recvmmsg(b, in.headers.data(), 5, MSG_WAITFORONE, nullptr), Eq(3));
    EXPECT_EQ(in.Text(0), "one");
    EXPECT_EQ(in.Text(1), "");
    EXPECT_EQ(in.Text(2), "three");
  });
}

TEST_F(MessageArray, TheFirstErrorIsToldALaterOneEndsIt) {
  WithPair([](int a, int b) {
    Messages<2> out;
    out.Put(0, "x");
    out.headers[1].msg_hdr.msg_iovlen = 5000;
    EXPECT_THAT(uapi::sendmmsg(a, out.headers.data(), 2, 0), Eq(1));
    EXPECT_THAT(uapi::sendmmsg(a, &out.headers[1], 1, 0), FailsWith(EMSGSIZE));
    EXPECT_THAT(uapi::sendmmsg(a, nullptr, 1, 0), FailsWith(EFAULT));
    EXPECT_THAT(uapi::sendmmsg(a, nullptr, 0, 0), Eq(0));
    EXPECT_THAT(uapi::sendmmsg(1, out.headers.data(), 1, 0), FailsWith(ENOTSOCK));
    Messages<2> in;
    EXPECT_THAT(uapi::recvmmsg(b, in.headers.data(), 2, MSG_DONTWAIT, nullptr), Eq(1));
    EXPECT_THAT(uapi::recvmmsg(b, in.headers.data(), 2, MSG_DONTWAIT, nullptr), FailsWith(EAGAIN));
    timespec bad{.tv_sec = 0, .tv_nsec = -1};
    EXPECT_THAT(uapi::recvmmsg(b, in.headers.data(), 2, 0, &bad), FailsWith(EINVAL));
  });
}

TEST_F(MessageArray, TheLimitIsLookedAtAfterEachMessage) {
  WithPair([](int a, int b) {
    uapi::spawn("sender", [a] {
      for (int i = 0; i < 4; ++i) {
        uapi::usleep(300'000);
        EXPECT_THAT(uapi::send(a, "x", 1, 0), Eq(1));
      }
      return 0;
    });
    Messages<4> in;
    timespec half{.tv_sec = 0, .tv_nsec = 500'000'000};
    EXPECT_THAT(uapi::recvmmsg(b, in.headers.data(), 4, 0, &half), Eq(2));
  });
}

}  // namespace
}  // namespace sockbed
