// Under which names system calls sleep, and on what: the table of spec sleep.md section 2. A list
// of sleepers reads like ps(1).
#include <poll.h>
#include <sys/select.h>

#include <string>
#include <vector>

#include "kernel/sched/synch.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

class SleepingPoints : public TwoHosts {
 protected:
  SleepingPoints() : TwoHosts({.seed = 7}, {.loss = 1}) {}  // nobody is ever answered

  // Who sleeps on the client a second later: "wmesg ident", in order of being spawned.
  std::vector<std::string> Sleepers() {
    sim_.RunUntil({.deadline = kSecond});
    std::vector<std::string> asleep;
    {
      const MachineScope machine(sim_.machine());
      for (const SleeperInfo& info : sleepers(client_)) {
        asleep.push_back(info.wmesg + (info.ident.empty() ? "" : " " + info.ident));
      }
    }
    (void)sim_.Finish();
    return asleep;
  }
};

int Listener() {
  const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_THAT(uapi::listen(fd, 1), Works());
  return fd;
}

TEST_F(SleepingPoints, HaveTheNamesOfTheTable) {
  client_.Spawn("accept", [] { uapi::accept(Listener(), nullptr, nullptr); });
  client_.Spawn("connect", [to = ServerPort(7)] {
    uapi::connect(uapi::socket(AF_INET, SOCK_STREAM, 0), AsSockaddr(to), sizeof to);
  });
  client_.Spawn("recv", [] {
    char byte;
    uapi::recv(uapi::socket(AF_INET, SOCK_DGRAM, 0), &byte, 1, 0);
  });
  client_.Spawn("send", [] {
    int ends[2];
    EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    const std::string much(100'000, 'x');
    uapi::send(ends[0], much.data(), much.size(), 0);
  });
  client_.Spawn("poll", [] {
    pollfd entry{.fd = Listener(), .events = POLLIN, .revents = 0};
    uapi::poll(&entry, 1, -1);
  });
  client_.Spawn("select", [] {
    const int fd = Listener();
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    uapi::select(fd + 1, &set, nullptr, nullptr, nullptr);
  });
  client_.Spawn("kevent", [] {
    struct kevent event;
    EV_SET(&event, static_cast<uintptr_t>(Listener()), EVFILT_READ, EV_ADD, 0, 0, nullptr);
    uapi::kevent(uapi::kqueue(), &event, 1, &event, 1, nullptr);
  });
  EXPECT_EQ(Sleepers(),
            (std::vector<std::string>{"netacc so#1.so_timeo", "netcon so#2.so_timeo",
                                      "netio so#3.so_rcv.sb_cc", "netio so#4.so_snd.sb_cc", "poll",
                                      "select", "kqread"}));
}

}  // namespace
}  // namespace sockbed
