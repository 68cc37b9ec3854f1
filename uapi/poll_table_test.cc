// The table of poll(2)'s results, row by row (syscalls 4), over every kind of stream, with
// kern.poll_hup off and on; and the rows of accept and send that need a peer to be rude.
#include <fcntl.h>
#include <sys/un.h>

#include <string>

#include "uapi/pairs.h"
#include "tests/captures/test_simulation.h"

namespace sockbed {
namespace {

using testing::Eq;

constexpr int kAll = POLLIN | POLLOUT | POLLPRI;

// Makes the socket that a row is about; -1 where the kind cannot be so.
using Make = int (*)(PairKind kind, const sockaddr_in& nobody);

struct Row {
  const char* situation;
  Make make;
  int off, on;  // what poll tells by kern.poll_hup
};

int Unnamed(PairKind kind) {
  if (kind == PairKind::kTcp) return uapi::socket(AF_INET, SOCK_STREAM, 0);
  return uapi::socket(AF_UNIX, kind == PairKind::kUnixStream ? SOCK_STREAM : SOCK_SEQPACKET, 0);
}

int First(PairKind kind, int* second) {
  int fds[2];
  MakePair(kind, fds);
  *second = fds[1];
  return fds[0];
}

// A listener, with a connection that waits if `some`.
int Listener(PairKind kind, bool some) {
  const int fd = Unnamed(kind), client = Unnamed(kind);
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sin.sin_port = htons(7000);
  sockaddr_un sun{};
  sun.sun_family = AF_UNIX;
  sun.sun_path[0] = 'x';
  const bool tcp = kind == PairKind::kTcp;
  const auto* const name = tcp ? AsSockaddr(sin) : reinterpret_cast<const sockaddr*>(&sun);
  const socklen_t len = tcp ? sizeof sin : sizeof sun;
  EXPECT_THAT(uapi::bind(fd, name, len), Works());
  EXPECT_THAT(uapi::listen(fd, 1), Works());
  if (some) {
    EXPECT_THAT(uapi::connect(client, name, len), Works());
  }
  return fd;
}

const Row kRows[] = {
    {"fresh", [](PairKind kind, const sockaddr_in&) { return Unnamed(kind); }, 0, 0},
    {"connecting",
     [](PairKind kind, const sockaddr_in& nobody) {
       if (kind != PairKind::kTcp) return -1;
       const int fd = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
       EXPECT_THAT(uapi::connect(fd, AsSockaddr(nobody), sizeof nobody), FailsWith(EINPROGRESS));
       return fd;
     },
     0, 0},
    {"connected, idle",
     [](PairKind kind, const sockaddr_in&) {
       int second;
       return First(kind, &second);
     },
     POLLOUT, POLLOUT},
    {"connect failed",
     [](PairKind kind, const sockaddr_in& nobody) {
       if (kind != PairKind::kTcp) return -1;
       const int fd = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
       EXPECT_THAT(uapi::connect(fd, AsSockaddr(nobody), sizeof nobody), FailsWith(EINPROGRESS));
       Settle();
       return fd;
     },
     POLLIN | POLLOUT, POLLIN | POLLHUP},
    {"peer shut its write side",
     [](PairKind kind, const sockaddr_in&) {
       int second;
       const int fd = First(kind, &second);
       EXPECT_THAT(uapi::shutdown(second, SHUT_WR), Works());
       Settle();
       return fd;
     },
     POLLIN | POLLOUT, POLLIN | POLLOUT},
    {"own SHUT_WR",
     [](PairKind kind, const sockaddr_in&) {
       int second;
       const int fd = First(kind, &second);
       EXPECT_THAT(uapi::shutdown(fd, SHUT_WR), Works());
       Settle();
       return fd;
     },
     POLLOUT, POLLOUT},
    {"own SHUT_RD",
     [](PairKind kind, const sockaddr_in&) {
       int second;
       const int fd = First(kind, &second);
       EXPECT_THAT(uapi::shutdown(fd, SHUT_RD), Works());
       return fd;
     },
     POLLIN | POLLOUT, POLLIN | POLLOUT},
    {"disconnected",
     [](PairKind kind, const sockaddr_in&) {
       int second;
       const int fd = First(kind, &second);
       const linger now{1, 0};  // TCP resets
       EXPECT_THAT(uapi::setsockopt(second, SOL_SOCKET, SO_LINGER, &now, sizeof now), Works());
       EXPECT_THAT(uapi::close(second), Works());
       Settle();
       return fd;
     },
     POLLIN | POLLOUT, POLLIN | POLLHUP},
    {"listener, none pending",
     [](PairKind kind, const sockaddr_in&) { return Listener(kind, false); }, 0, 0},
    {"listener, some pending",
     [](PairKind kind, const sockaddr_in&) { return Listener(kind, true); }, POLLIN, POLLIN},
};

class PollTable : public testing::TestWithParam<PairKind> {};

TEST_P(PollTable, HoldsRowByRow) {
  for (const bool hup : {false, true}) {
    for (const Row& row : kRows) {
      SCOPED_TRACE(std::string(row.situation) + (hup ? ", poll_hup" : ""));
      TestSimulation sim({.seed = 1});
      Host& host = sim.AddHost("host");
      Host& other = sim.AddHost("other");
      sim.Connect(host, other, {.latency = absl::Milliseconds(5)});
      host.SetSysctl("kern.poll_hup", hup);
      host.Spawn("prog", [&row, hup, nobody = other.address(9)] {
        const int fd = row.make(GetParam(), nobody);
        if (fd < 0) return;
        pollfd entry{fd, kAll, 0};
        EXPECT_GE(uapi::poll(&entry, 1, 0), 0);
        EXPECT_EQ(entry.revents, hup ? row.on : row.off);
        entry.events = 0;
        EXPECT_GE(uapi::poll(&entry, 1, 0), 0);
        EXPECT_EQ(entry.revents, (hup ? row.on : row.off) & POLLHUP) << "unasked";
      });
      EXPECT_EQ(sim.Run().Complaints(), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, PollTable,
                         testing::Values(PairKind::kTcp, PairKind::kUnixStream,
                                         PairKind::kUnixSeqpacket),
                         [](const auto& kind) { return NameOf(kind.param); });

class RudePeers : public TwoHosts {};

// PR_ABRTACPTDIS: TCP tells who accepts that the connection died; a local socket does not.
TEST_F(RudePeers, AConnectionThatDiedBeforeItIsAccepted) {
  server_.Spawn("server", [] {
    const int fd = Listener(PairKind::kTcp, false);
    sockaddr_in name{};
    socklen_t len = sizeof name;
    EXPECT_THAT(uapi::getsockname(fd, AsSockaddr(name), &len), Works());
    const int client = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::connect(client, AsSockaddr(name), sizeof name), Works());
    const linger now{1, 0};
    EXPECT_THAT(uapi::setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now), Works());
    EXPECT_THAT(uapi::close(client), Works());
    Settle();
    EXPECT_THAT(uapi::accept(fd, nullptr, nullptr), FailsWith(ECONNABORTED));
    EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_NONBLOCK), Works());
    EXPECT_THAT(uapi::accept(fd, nullptr, nullptr), FailsWith(EWOULDBLOCK)) << "it is gone";
  });
  Run();
}

TEST_F(RudePeers, AFullReceiverOfLocalDatagrams) {
  server_.Spawn("prog", [] {
    int fds[2];
    MakePair(PairKind::kUnixDatagram, fds);
    const std::string kilobyte(1000, 'x');
    int sent = 0;
    while (uapi::send(fds[0], kilobyte.data(), kilobyte.size(), 0) > 0) ++sent;
    EXPECT_EQ(errno, ENOBUFS) << "it never waits";
    EXPECT_GT(sent, 1);
    pollfd entry{fds[0], POLLOUT, 0};
    EXPECT_THAT(uapi::poll(&entry, 1, 0), Eq(1)) << "and poll does not help";
  });
  Run();
}

}  // namespace
}  // namespace sockbed
