// Two hosts joined by a link, and processes that send streams over it.
//
// Lives here:  StreamTest, StreamPlan.
// Called by:   *_test.cc here.
// Invariants:  after each test every live count of both hosts is zero.
//
// SOCKBED_ISS: as in test_sysctls.h.
#ifndef SOCKBED_KERNEL_TCP_STREAM_HOSTS_H_
#define SOCKBED_KERNEL_TCP_STREAM_HOSTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/net/link.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"
#include "kernel/tcp/tcp.h"
#include "tests/captures/test_captures.h"

namespace sockbed {

// What two processes say to each other over one connection.
struct StreamPlan {
  uint32_t up = 0;         // bytes from the client to the server
  uint32_t down = 0;       // bytes back, at the same time
  uint32_t write = 4096;   // size of a write, and of a read
  SimTime read_pause = 0;  // the reader sleeps so long after each read
  bool over_loopback = false;
  bool v6 = false;         // over IPv6
  bool fast_open = false;  // TCP_FASTOPEN at both ends, where the profile has it; `up` is not 0
  bool md5[2] = {};        // TCP_MD5SIG of server and client; both hosts have the keys
};

// What came of it.
struct StreamResult {
  int error = 0;              // of the client or the server; 0: all went well
  uint32_t up = 0, down = 0;  // bytes that arrived, each the right one
  bool wrong_byte = false;
};

class StreamTest : public testing::Test {
 protected:
  StreamTest() { Boot(7, {}); }
  ~StreamTest() override { Shutdown(); }

  // Starts over with another seed and another link; `plan` (may be null) is borrowed.
  void Boot(uint64_t seed, const LinkOptions& link, fault::Plan* plan = nullptr);
  // Runs one conversation to quiescence.
  StreamResult Converse(const StreamPlan& plan);
  // Of both hosts, or of host i.
  void Sysctl(std::string_view name, int64_t value);
  void Sysctl(int i, std::string_view name, int64_t value);

  Machine& machine() { return *machine_; }
  HostBase& host(int i) { return *hosts_[static_cast<size_t>(i)]; }
  Link& link() { return *link_; }
  // The connection as host i saw it.
  TcpSummary Summary(int i) { return tcp_connections(host(i)).at(0); }
  uint64_t Stat(int i, tcpstat_counters counter) { return tcpstat_get(host(i), counter); }

 private:
  struct Conversation;
  static void Serve(Conversation* talk);
  static void Ask(Conversation* talk);
  static void AwaitConnection(Conversation* talk, socket* so);
  static uint32_t WriteOnce(Conversation* talk, socket* so, uint32_t done, uint32_t n, mbuf* nam);
  static void Write(Conversation* talk, socket* so, uint32_t done, uint32_t n);
  static void Read(Conversation* talk, socket* so, uint32_t* count);
  void Spawn(int host, const char* name, std::function<void()> main);
  void Shutdown();

  TestCaptures captures_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<MachineScope> scope_;
  std::vector<std::unique_ptr<HostBase>> hosts_;
  std::unique_ptr<Link> link_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_STREAM_HOSTS_H_
