// The reference of the network benchmarks: the host kernel's own sockets.
//
// Lives here:  RealPair, RealEcho, RealListener; PlainLoopback, PinnedToOneCore.
// Called by:   net_bench, round_trip_bench, idle_bench.
// Owns:        its descriptors, threads and network namespace; all end with it.
// Invariants:  a RealPair is worked by one thread by turns, the shape in which a kernel is
//              quickest; a RealEcho by two threads that block, on one core.
#ifndef SOCKBED_TESTS_BENCH_HOST_SOCKETS_H_
#define SOCKBED_TESTS_BENCH_HOST_SOCKETS_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {

inline void SetOption(int fd, int level, int name, int value) {
  KASSERT(::setsockopt(fd, level, name, &value, sizeof value) == 0);
}

// A listener of the host kernel on all its addresses; clients go round 127.0.0.1 ... .16, so that
// connections that have just ended do not use the ports up.
class RealListener {
 public:
  RealListener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    name_.sin_family = AF_INET;
    socklen_t length = sizeof name_;
    auto* name = reinterpret_cast<sockaddr*>(&name_);
    KASSERT(::bind(fd_, name, length) == 0 && ::getsockname(fd_, name, &length) == 0);
    KASSERT(::listen(fd_, 16) == 0);
  }
  ~RealListener() { ::close(fd_); }
  RealListener(const RealListener&) = delete;
  RealListener& operator=(const RealListener&) = delete;

  // Both ends of a new connection: of who connects, of who accepts.
  std::pair<int, int> Connection() {
    name_.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn_++ % 16);
    const int near = ::socket(AF_INET, SOCK_STREAM, 0);
    KASSERT(::connect(near, reinterpret_cast<sockaddr*>(&name_), sizeof name_) == 0);
    const int far = ::accept(fd_, nullptr, nullptr);
    KASSERT(far >= 0);
    for (const int fd : {near, far}) SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return {near, far};
  }

 private:
  const int fd_;
  sockaddr_in name_{};
  uint32_t turn_ = 0;
};

// Both ends of a connection, or of a pair of UDP sockets, in this thread.
class RealPair {
 public:
  explicit RealPair(int type) {
    if (type == SOCK_STREAM) {
      std::tie(near_, far_) = RealListener().Connection();
    } else {
      sockaddr_in name{};
      name.sin_family = AF_INET;
      name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t length = sizeof name;
      auto* address = reinterpret_cast<sockaddr*>(&name);
      far_ = ::socket(AF_INET, type, 0);
      KASSERT(::bind(far_, address, length) == 0 && ::getsockname(far_, address, &length) == 0);
      near_ = ::socket(AF_INET, type, 0);
      KASSERT(::connect(near_, address, length) == 0);
    }
    for (const int fd : {near_, far_}) KASSERT(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  }
  ~RealPair() {
    ::close(near_);
    ::close(far_);
  }
  RealPair(const RealPair&) = delete;
  RealPair& operator=(const RealPair&) = delete;

  // Fixed buffers, instead of those that the kernel makes grow.
  void SetBuffers(int bytes) {
    for (const int fd : {near_, far_}) {
      SetOption(fd, SOL_SOCKET, SO_SNDBUF, bytes);
      SetOption(fd, SOL_SOCKET, SO_RCVBUF, bytes);
    }
  }

  // What fits is written, and then read, until all has crossed.
  void Carry(const std::string& from, std::string& to) {
    size_t sent = 0, got = 0;
    while (got < from.size()) {
      if (sent < from.size()) {
        const ssize_t n = ::write(near_, from.data() + sent, from.size() - sent);
        if (n > 0) sent += static_cast<size_t>(n);
      }
      const ssize_t n = ::read(far_, to.data(), to.size());
      if (n > 0) got += static_cast<size_t>(n);
    }
  }

 private:
  int near_, far_;
};

class PinnedToOneCore {
 public:
  PinnedToOneCore() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    KASSERT(sched_getaffinity(0, sizeof before_, &before_) == 0);
    KASSERT(sched_setaffinity(0, sizeof one, &one) == 0);  // threads made from now on inherit it
  }
  ~PinnedToOneCore() { sched_setaffinity(0, sizeof before_, &before_); }
  PinnedToOneCore(const PinnedToOneCore&) = delete;
  PinnedToOneCore& operator=(const PinnedToOneCore&) = delete;

 private:
  cpu_set_t before_;
};

// A connection whose far end is a thread that blocks and echoes single bytes, on the same core.
class RealEcho {
 public:
  RealEcho() {
    std::tie(near_, far_) = RealListener().Connection();
    echo_ = std::thread([fd = far_] {
      char byte;
      while (::read(fd, &byte, 1) == 1) KASSERT(::write(fd, &byte, 1) == 1);
    });
  }
  ~RealEcho() {
    ::shutdown(near_, SHUT_WR);
    echo_.join();
    ::close(near_);
    ::close(far_);
  }
  RealEcho(const RealEcho&) = delete;
  RealEcho& operator=(const RealEcho&) = delete;

  void RoundTrip() {
    char byte = 0;
    KASSERT(::write(near_, &byte, 1) == 1 && ::read(near_, &byte, 1) == 1);
  }

 private:
  const PinnedToOneCore pinned_;
  int near_, far_;
  std::thread echo_;
};

// A loopback of 1500 bytes without any offload: what a stack does that cuts, sums and acknowledges
// real segments. It stands in a network namespace of its own, whose sockets are made while this
// object lives; they stay in it afterwards.
class PlainLoopback {
 public:
  PlainLoopback() : before_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    entered_ = before_ >= 0 && ::unshare(CLONE_NEWNET) == 0;
    if (!entered_) return;
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_mtu = 1500;
    ready_ = ::ioctl(fd, SIOCSIFMTU, &request) == 0;
    for (const uint32_t offload : {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO}) {
      ethtool_value off{.cmd = offload, .data = 0};
      request.ifr_data = reinterpret_cast<char*>(&off);
      ready_ = ready_ && ::ioctl(fd, SIOCETHTOOL, &request) == 0;
    }
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ready_ = ready_ && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
  }
  ~PlainLoopback() {
    if (entered_) KASSERT(::setns(before_, CLONE_NEWNET) == 0);
    if (before_ >= 0) ::close(before_);
  }
  PlainLoopback(const PlainLoopback&) = delete;
  PlainLoopback& operator=(const PlainLoopback&) = delete;

  // False: this process may not make a namespace (CAP_SYS_ADMIN).
  bool ready() const { return ready_; }

 private:
  const int before_;
  bool entered_ = false;
  bool ready_ = false;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_BENCH_HOST_SOCKETS_H_
