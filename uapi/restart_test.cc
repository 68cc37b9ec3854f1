// What a signal makes of each call that sleeps: made again, cut short, or EINTR (sigaction(2),
// SA_RESTART). Each program interrupts itself with an alarm one second after it went to sleep.
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <functional>
#include <string>
#include <string_view>

#include "kernel/sim/fault.h"
#include "tests/captures/test_simulation.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class Restart : public testing::Test {
 protected:
  Restart() : sim_({.seed = 1}), host_(sim_.AddHost("host")) {}

  // Runs `body` in a process whose SIGALRM handler has these flags.
  void Run(int flags, std::function<void()> body) {
    host_.Spawn("prog", [flags, body = std::move(body)] {
      struct sigaction act{};
      act.sa_handler = [](int) {};
      act.sa_flags = flags;
      EXPECT_THAT(uapi::sigaction(SIGALRM, &act, nullptr), Works());
      body();
    });
    EXPECT_EQ(sim_.Run().Complaints(), "");
  }

  TestSimulation sim_;
  Host& host_;
};

// A connected pair, its second end filled by a child after two seconds of `other`.
struct Pair {
  explicit Pair(std::function<void(int fd)> other, int type = SOCK_STREAM) {
    EXPECT_THAT(uapi::socketpair(AF_UNIX, type, 0, ends), Works());
    uapi::spawn("other", [fd = ends[1], other] {
      uapi::sleep(2);
      other(fd);
      return 0;
    });
    uapi::alarm(1);
  }
  int ends[2];
};

// Virtual seconds since boot.
time_t Elapsed() {
  timespec now{};
  uapi::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

void Fill(int fd) {
  const std::string bytes(4096, 'x');
  while (uapi::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
  }
}

TEST_F(Restart, ReceiveWithNothingIsMadeAgain) {
  Run(SA_RESTART, [] {
    const Pair pair([](int fd) { uapi::write(fd, "data", 4); });
    char data[8];
    EXPECT_THAT(uapi::read(pair.ends[0], data, sizeof data), Eq(4));
    EXPECT_EQ(Elapsed(), 2);
  });
}

TEST_F(Restart, ReceiveWithNothingFailsWithoutTheFlag) {
  Run(0, [] {
    const Pair pair([](int) {});
    char data[8];
    EXPECT_THAT(uapi::recv(pair.ends[0], data, sizeof data, 0), FailsWith(EINTR));
    EXPECT_EQ(Elapsed(), 1);
  });
}

TEST_F(Restart, ReceiveWithSomeBytesIsCutShortEitherWay) {
  for (const int flags : {0, SA_RESTART}) {
    TestSimulation sim({.seed = 1});
    sim.AddHost("host").Spawn("prog", [flags] {
      struct sigaction act{};
      act.sa_handler = [](int) {};
      act.sa_flags = flags;
      uapi::sigaction(SIGALRM, &act, nullptr);
      const Pair pair([](int) {});
      EXPECT_THAT(uapi::write(pair.ends[1], "some", 4), Eq(4));
      // More than the buffer holds: what is there is taken while the rest is waited for.
      std::string data(100'000, '\0');
      EXPECT_THAT(uapi::recv(pair.ends[0], data.data(), data.size(), MSG_WAITALL), Eq(4));
      EXPECT_EQ(Elapsed(), 1);
    });
    EXPECT_EQ(sim.Run().Complaints(), "");
  }
}

// The limit counts from the signal on: the call begins anew.
TEST_F(Restart, ReceiveMadeAgainHasItsFullLimit) {
  Run(SA_RESTART, [] {
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    const timeval limit{.tv_sec = 3, .tv_usec = 0};
    EXPECT_THAT(uapi::setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), Works());
    uapi::alarm(2);
    char data[8];
    EXPECT_THAT(uapi::recv(ends[0], data, sizeof data, 0), FailsWith(EWOULDBLOCK));
    EXPECT_EQ(Elapsed(), 5);
  });
}

TEST_F(Restart, SendWithNoRoomIsMadeAgain) {
  Run(SA_RESTART, [] {
    const Pair pair([](int fd) {
      std::string bytes(4096, '\0');
      EXPECT_THAT(uapi::read(fd, bytes.data(), bytes.size()), Eq(4096));
    });
    Fill(pair.ends[0]);
    EXPECT_THAT(uapi::write(pair.ends[0], "data", 4), Eq(4));
    EXPECT_EQ(Elapsed(), 2);
  });
}

TEST_F(Restart, SendWithNoRoomFailsWithoutTheFlag) {
  Run(0, [] {
    const Pair pair([](int) {});
    Fill(pair.ends[0]);
    EXPECT_THAT(uapi::write(pair.ends[0], "data", 4), FailsWith(EINTR));
  });
}

TEST_F(Restart, SendWithSomeBytesGoneReturnsTheirCount) {
  Run(SA_RESTART, [] {
    const Pair pair([](int) {});
    const std::string bytes(1 << 20, 'x');
    const ssize_t sent = uapi::write(pair.ends[0], bytes.data(), bytes.size());
    EXPECT_GT(sent, 0);
    EXPECT_LT(sent, 1 << 20);
    EXPECT_EQ(Elapsed(), 1);
  });
}

// A listener at /s that a client reaches after two seconds.
int Listener() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::string_view("/tmp/s").copy(name.sun_path, sizeof name.sun_path);
  const int fd = uapi::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  EXPECT_THAT(uapi::bind(fd, address, sizeof name), Works());
  EXPECT_THAT(uapi::listen(fd, 1), Works());
  uapi::spawn("client", [name] {
    uapi::sleep(2);
    const int client = uapi::socket(AF_UNIX, SOCK_STREAM, 0);
    uapi::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    return 0;
  });
  uapi::alarm(1);
  return fd;
}

TEST_F(Restart, AcceptIsMadeAgain) {
  Run(SA_RESTART, [] {
    EXPECT_THAT(uapi::accept(Listener(), nullptr, nullptr), Works());
    EXPECT_EQ(Elapsed(), 2);
  });
}

TEST_F(Restart, AcceptFailsWithoutTheFlag) {
  Run(0, [] {
    EXPECT_THAT(uapi::accept(Listener(), nullptr, nullptr), FailsWith(EINTR));
  });
}

TEST_F(Restart, WaitingForAChildIsMadeAgain) {
  Run(SA_RESTART, [] {
    const pid_t child = uapi::spawn("child", [] { return static_cast<int>(uapi::sleep(2)); });
    uapi::alarm(1);
    EXPECT_THAT(uapi::waitpid(child, nullptr, 0), Eq(child));
  });
}

// connect, poll, select and the sleeps never are, whatever the handler says.
TEST_F(Restart, WaitingForReadinessNeverIs) {
  Run(SA_RESTART, [] {
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    pollfd entry{.fd = ends[0], .events = POLLIN, .revents = 77};
    uapi::alarm(1);
    EXPECT_THAT(uapi::poll(&entry, 1, -1), FailsWith(EINTR));
    EXPECT_EQ(entry.revents, 0);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    uapi::alarm(1);
    EXPECT_THAT(uapi::select(ends[0] + 1, &in, nullptr, nullptr, nullptr), FailsWith(EINTR));
    EXPECT_TRUE(FD_ISSET(ends[0], &in));
    uapi::alarm(1);
    EXPECT_EQ(uapi::sleep(10), 9u);
  });
}

class RestartOverALink : public TwoHosts {
 protected:
  // Nobody answers what the client sends.
  RestartOverALink() : TwoHosts({.seed = 7}, {.loss = 1.0}) {}
};

TEST_F(RestartOverALink, ConnectAndLingeringCloseNeverAre) {
  client_.Spawn("client", [this] {
    struct sigaction act{};
    act.sa_handler = [](int) {};
    act.sa_flags = SA_RESTART;
    uapi::sigaction(SIGALRM, &act, nullptr);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in to = ServerPort(7);
    uapi::alarm(1);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(to), sizeof to), FailsWith(EINTR));
    EXPECT_EQ(Elapsed(), 1);
  });
  Run();
}

TEST(RestartLinger, CloseFailsAndTheDescriptorIsGone) {
  TestSimulation sim({.seed = 7});
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(5)});
  server.Spawn(
      "server",
      [] {
        const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(7);
        uapi::bind(fd, AsSockaddr(any), sizeof any);
        uapi::listen(fd, 1);
        uapi::accept(fd, nullptr, nullptr);
        uapi::pause();  // and reads nothing
      },
      {.daemon = true});
  client.Spawn("client", [&] {
    struct sigaction act{};
    act.sa_handler = [](int) {};
    act.sa_flags = SA_RESTART;
    uapi::sigaction(SIGALRM, &act, nullptr);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in to = server.address(7);
    ASSERT_THAT(uapi::connect(fd, AsSockaddr(to), sizeof to), Works());
    const linger wait{.l_onoff = 1, .l_linger = 60};
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof wait), Works());
    for (int i = 0; i < 20; ++i) {  // until the server's buffer is full too
      Fill(fd);
      uapi::usleep(100'000);
    }
    uapi::alarm(1);
    EXPECT_THAT(uapi::close(fd), FailsWith(EINTR));
    EXPECT_THAT(uapi::close(fd), FailsWith(EBADF));
  });
  sim.Run({.deadline = 20 * kSecond});
}

// Two processes wait in accept and one connects, while the k-th chance to interrupt a sleep is
// taken. Says how many got the connection; `more` says whether there was a k-th chance.
size_t AcceptedWhileInterrupted(uint64_t k, bool repost, bool* more) {
  fault::Plan plan({{.site = Site::kSleepInterrupt, .only_ordinal = k}});
  TestSimulation sim({.seed = 1, .fault_plan = &plan});
  Host& host = sim.AddHost("host");
  host.SetSysctl("kern.accept_repost", repost);
  host.Spawn("parent", [] {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(7);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::bind(listener, AsSockaddr(name), sizeof name), Works());
    EXPECT_THAT(uapi::listen(listener, 2), Works());
    for (int i = 0; i < 2; ++i) {
      uapi::spawn("waiter", [listener] {
        if (uapi::accept(listener, nullptr, nullptr) >= 0) uapi::Print("accepted\n");
        return 0;
      });
    }
    uapi::sleep(1);
    uapi::connect(uapi::socket(AF_INET, SOCK_STREAM, 0), AsSockaddr(name), sizeof name);
    uapi::sleep(1);  // an interrupted connect goes on in the protocol
  });
  sim.Run();
  *more = plan.visits(Site::kSleepInterrupt, host.id) >= k;
  return sim.console().size();
}

TEST(AcceptRepost, DecidesWhetherAnInterruptedAcceptPassesItsWakeupOn) {
  for (const bool repost : {false, true}) {
    int lost = 0;
    bool more = true;
    for (uint64_t k = 1; more; ++k) {
      if (AcceptedWhileInterrupted(k, repost, &more) == 0) ++lost;
    }
    // BSD's way: the wakeup went to the one that was interrupted, the other sleeps on.
    EXPECT_EQ(lost, repost ? 0 : 1);
  }
}

}  // namespace
}  // namespace sockbed
