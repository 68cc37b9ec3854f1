// Every kind of connected pair that a program can have, for tests that hold for all of them.
//
// Lives here:  PairKind, MakePair, EveryPair.
// Called by:   *_test.cc here.
// Context:     a simulated process.
#ifndef SOCKBED_UAPI_PAIRS_H_
#define SOCKBED_UAPI_PAIRS_H_

#include <netinet/in.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/captures/test_simulation.h"
#include "uapi/two_hosts.h"
#include "uapi/uapi.h"

namespace sockbed {

enum class PairKind { kUnixStream, kUnixSeqpacket, kUnixDatagram, kTcp, kUdp, kPipe };

inline bool IsStream(PairKind kind) {
  return kind == PairKind::kUnixStream || kind == PairKind::kTcp;
}
inline bool HasEnd(PairKind kind) {  // its reader learns that nothing more will come
  return kind != PairKind::kUnixDatagram && kind != PairKind::kUdp;
}

inline std::string NameOf(PairKind kind) {
  switch (kind) {
    case PairKind::kUnixStream: return "UnixStream";
    case PairKind::kUnixSeqpacket: return "UnixSeqpacket";
    case PairKind::kUnixDatagram: return "UnixDatagram";
    case PairKind::kTcp: return "Tcp";
    case PairKind::kUdp: return "Udp";
    case PairKind::kPipe: return "Pipe";
  }
  return "?";
}

// A socket of this host's loopback address, and that address.
inline int LoopbackSocket(int type, sockaddr_in* name) {
  const int fd = uapi::socket(AF_INET, type, 0);
  *name = {};
  name->sin_family = AF_INET;
  name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_THAT(uapi::bind(fd, AsSockaddr(*name), sizeof *name), Works());
  socklen_t len = sizeof *name;
  EXPECT_THAT(uapi::getsockname(fd, AsSockaddr(*name), &len), Works());
  return fd;
}

// Two connected ends: what is written to fds[0] is read from fds[1]; but for a pipe, the other way
// as well.
inline void MakePair(PairKind kind, int fds[2]) {
  sockaddr_in first, second;
  switch (kind) {
    case PairKind::kUnixStream:
      EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), Works());
      return;
    case PairKind::kUnixSeqpacket:
      EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), Works());
      return;
    case PairKind::kUnixDatagram:
      EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), Works());
      return;
    case PairKind::kTcp: {
      const int listener = LoopbackSocket(SOCK_STREAM, &first);
      EXPECT_THAT(uapi::listen(listener, 1), Works());
      fds[0] = uapi::socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_THAT(uapi::connect(fds[0], AsSockaddr(first), sizeof first), Works());
      fds[1] = uapi::accept(listener, nullptr, nullptr);
      EXPECT_THAT(uapi::close(listener), Works());
      return;
    }
    case PairKind::kUdp:
      fds[0] = LoopbackSocket(SOCK_DGRAM, &first);
      fds[1] = LoopbackSocket(SOCK_DGRAM, &second);
      EXPECT_THAT(uapi::connect(fds[0], AsSockaddr(second), sizeof second), Works());
      EXPECT_THAT(uapi::connect(fds[1], AsSockaddr(first), sizeof first), Works());
      return;
    case PairKind::kPipe: {
      int ends[2];
      EXPECT_THAT(uapi::pipe(ends), Works());
      fds[0] = ends[1];
      fds[1] = ends[0];
      return;
    }
  }
}

// Lets what is under way arrive.
inline void Settle() { EXPECT_THAT(uapi::usleep(50'000), Works()); }

// A test that is made for every kind.
class EveryPair : public testing::TestWithParam<PairKind> {
 protected:
  EveryPair() : sim_({.seed = 1}), host_(sim_.AddHost("host")) {}
  ~EveryPair() override { EXPECT_EQ(sim_.Run().Complaints(), ""); }

  // Runs `body` with the two ends of a pair, in a process.
  template <typename Body>
  void WithPair(Body body) {
    host_.Spawn("prog", [kind = GetParam(), body] {
      int fds[2];
      MakePair(kind, fds);
      body(fds[0], fds[1]);
    });
  }

  TestSimulation sim_;
  Host& host_;
};

#define SOCKBED_FOR_EVERY_PAIR(Suite)                                                           \
  INSTANTIATE_TEST_SUITE_P(                                                                     \
      Of, Suite,                                                                                \
      testing::Values(PairKind::kUnixStream, PairKind::kUnixSeqpacket, PairKind::kUnixDatagram, \
                      PairKind::kTcp, PairKind::kUdp, PairKind::kPipe),                         \
      [](const auto& kind) { return NameOf(kind.param); })

}  // namespace sockbed

#endif  // SOCKBED_UAPI_PAIRS_H_
