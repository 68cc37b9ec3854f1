// A connect whose wait is ended by somebody else, without a result: spec socket-layer.md section 6.
#include "kernel/socket/socketvar.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

class ConnectWait : public TwoHosts {
 protected:
  ConnectWait() : TwoHosts({.seed = 7}, {.latency = absl::Seconds(1)}) {}

  // What a connect returns whose socket somebody else declares to be no longer connecting.
  void Connect(const testing::Matcher<int>& expected) {
    client_.Spawn("connect", [this, expected] {
      const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
      const sockaddr_in sin = ServerPort(7);
      EXPECT_THAT(uapi::connect(fd, AsSockaddr(sin), sizeof sin), expected);
    });
    client_.Spawn("other", [] {
      uapi::usleep(100'000);
      socket* so = HostLocal<SocketHost>::Get().sockets_first;
      so->so_state &= ~SS_ISCONNECTING;
      wakeup(&so->so_timeo);
    });
    Run();
  }
};

TEST_F(ConnectWait, IsASuccessInBsd) { Connect(Works()); }

TEST_F(ConnectWait, IsAnAbortedConnectionWhereWeAreStrict) {
  client_.SetSysctl("kern.connect_strict", 1);
  Connect(FailsWith(ECONNABORTED));
}

}  // namespace
}  // namespace sockbed
