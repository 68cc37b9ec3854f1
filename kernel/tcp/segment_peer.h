// One host whose only neighbour is a script: segments are sent to it and expected of it, in text,
// at stated virtual times, without a link.
//
// Lives here:  SegmentTest, the fixture; the notation of its segments.
// Called by:   *_test.cc here.
// Units:       milliseconds since boot; sequence numbers relative to the initial ones, as in
//              packetdrill; timestamps of the host relative to its first one.
// Invariants:  after each test every live count of the host is zero.
//
// SOCKBED_ISS: as in test_sysctls.h.
//
// The notation, as packetdrill has it (what stands in brackets may be left out):
//
//   FLAGS FIRST:LAST(LENGTH) [ack N] [win N] [urg N] [<OPTION,OPTION...>]
//   {MARK} FLAGS ...
//   "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,sackOK>"
//
// FLAGS are of S F R P . U E W in this order. What an expected segment leaves out may be anything;
// in its options "*" stands for any number. MARK is the IP header's: noecn, ect0, ect1, ce.
#ifndef SOCKBED_KERNEL_TCP_SEGMENT_PEER_H_
#define SOCKBED_KERNEL_TCP_SEGMENT_PEER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/net/if.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/records.h"
#include "kernel/socket/socketvar.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_var.h"
#include "tests/captures/test_captures.h"

namespace sockbed {

class SegmentTest : public testing::Test {
 protected:
  SegmentTest();
  ~SegmentTest() override;

  // --- Time. ---

  // Forgets the stream's numbers: so() is closed, another connection follows.
  void Anew() { written_ = read_ = 0; }
  int64_t now_ms() const { return machine_->now() / kMillisecond; }
  void RunTo(int64_t ms);

  // --- Segments. ---

  // A segment of the peer arrives now. Its data is Pattern.
  void Send(std::string_view segment);
  // The host has sent this by now, and the script has not expected it yet.
  void Expect(std::string_view segment);
  // The host's next segment leaves at `ms`, not before, and is this.
  void ExpectAt(int64_t ms, std::string_view segment);
  // The host has sent nothing but what was expected.
  void ExpectNothing();
  void ExpectNothingUntil(int64_t ms) {
    RunTo(ms);
    ExpectNothing();
  }
  // The interface refuses the host's next segment with this errno; the script does not see it.
  void RefuseNext(int error) { refusal_ = error; }
  // Forgets what the host has sent so far, and returns how many segments.
  int Skip();
  // The same, and returns them in the notation, as far as a script must say.
  std::vector<std::string> TakeAll();
  // The next one, with all that it says; empty: there is none.
  std::string TakeWhole();

  // What stands at byte `n` (from 1) of either stream.
  static char Pattern(uint32_t n) { return static_cast<char>('a' + n * 7 % 26); }

  // --- Calls. Each runs in a process of its own; one that has to sleep goes on sleeping. ---

  void Do(std::function<void()> body);
  void Listen(int backlog = 5);
  // Takes the next accepted connection as so(). False: there is none.
  bool Accept();
  // Makes so(), unconnected.
  void Create();
  // Connects so() to the peer, without waiting. Returns the errno.
  int Connect();
  // Writes n further bytes of Pattern, as far as there is room. Returns the errno.
  int Write(int n, int flags = 0);
  // The same on a so() that is not connected, with the peer's name.
  int SendTo(int n);
  // Reads up to `max` bytes and checks them against Pattern. Returns how many, or -errno.
  int Read(int max = 1 << 20);
  int Close();
  int CloseListener();
  int Shutdown(int how = SHUT_WR);
  int SetOption(int level, int name, int value);
  // The option's value as an int, or -errno.
  int GetOption(int level, int name);
  // The same of a structure. Returns the errno.
  template <typename T>
  int GetOption(int level, int name, T* value) {
    return GetOptionBytes(level, name, value, sizeof *value);
  }
  void Sysctl(std::string_view name, int64_t value);

  // The whole opening, with the segments that a conversation of defaults has.
  // Passive: the peer connects; MSS 1460 and what `options` adds. Afterwards so() is accepted.
  void Establish(std::string_view options = "", std::string_view win = "65535");

  socket* so() { return so_; }
  socket* listener() { return listener_; }
  tcpcb* tp() { return sototcpcb(so_); }
  HostBase& host() { return *host_; }
  Machine& machine() { return *machine_; }
  uint64_t Stat(tcpstat_counters counter) { return tcpstat_get(*host_, counter); }
  TcpState State();
  // The state in which the only connection has ended, and how.
  TcpSummary Summary() { return tcp_connections(*host_).at(0); }

  static constexpr uint16_t kPort = 80;         // of whoever listens
  static constexpr uint16_t kPeerPort = 40000;  // of the peer when it connects
  uint16_t peer_port_ = kPeerPort;
  tcp_seq peer_isn_{0xfffffff0};  // the peer's numbers wrap early

 private:
  // A segment that the host has sent.
  struct Sent {
    SimTime time;
    std::vector<uint8_t> packet;
  };
  static int Output(ifnet* ifp, MbufPtr m, const sockaddr* dst);
  int WriteTo(int n, int flags, bool name);
  int GetOptionBytes(int level, int name, void* value, size_t size);
  void Boot();
  // Runs until `ms` or until the host has sent something; returns whether it has.
  bool RunOn(int64_t ms);
  // The next segment not yet expected, running until `ms` for it. False: there is none.
  bool Next(int64_t ms, Sent* sent);
  // A segment of the host in the notation; learns its initial numbers from a SYN.
  std::string Describe(const Sent& sent);
  std::string DescribeOptions(const Sent& sent, std::span<const uint8_t> bytes);
  void Compare(std::string_view expected, const Sent& sent);
  std::string RecentTrace();

  TestCaptures captures_;
  TestCapture* capture_ = captures_.Next(false);
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<MachineScope> scope_;
  std::unique_ptr<HostBase> host_;
  Records records_;
  Event alarm_;
  ifnet* ifp_ = nullptr;
  std::deque<Sent> sent_;
  int refusal_ = 0;
  socket* listener_ = nullptr;
  socket* so_ = nullptr;
  tcp_seq host_isn_;
  bool ts_known_ = false;
  uint32_t ts_base_ = 0;
  uint16_t host_port_ = kPort;
  uint32_t written_ = 0, read_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_SEGMENT_PEER_H_
