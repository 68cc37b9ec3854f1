// The host that a hostile peer is let loose on, and the one connection that is watched.
//
// Lives here:  Victim, View; the numbers and ports of the peer.
// Called by:   hostile_peer.cc, harm.cc, judge.cc.
// Owns:        the host; the descriptors of its application.
// Units:       virtual microseconds; sequence numbers as on the wire.
// Invariants:  1. The connection was brought into its state by honest segments.
//              2. Whoever sends byte `seq` of the peer's stream sends PatternAt(seq), or has said
//                 Taint().
#ifndef SOCKBED_TESTS_FUZZ_VICTIM_H_
#define SOCKBED_TESTS_FUZZ_VICTIM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernel/sim/machine_local.h"
#include "kernel/tcp/tcp_fsm.h"
#include "kernel/tcp/tcp_seq.h"
#include "tests/fuzz/program.h"
#include "tools/packetdrill/live_host.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::fuzz {

inline constexpr uint16_t kPort = 8080, kPeerPort = 40000;
inline constexpr uint32_t kPeerIss = 0xffffff00;  // the peer's numbers wrap early

// What stands at a number of the peer's stream.
inline uint8_t PatternAt(uint32_t seq) { return static_cast<uint8_t>(seq * 7 + (seq >> 8)); }

// What the host has of the connection, before and after a segment.
struct View {
  uint16_t port = 0;  // the host's; the peer's is kPeerPort
  bool there = false;
  uint64_t id = 0;
  TcpState state = TCPS_CLOSED;
  tcp_seq rcv_nxt, last_ack_sent, snd_una, snd_max, iss;
  uint32_t rcv_wnd = 0, max_sndwnd = 0;
  bool owned = false;   // an application has it
  bool cached = false;  // its handshake is in the SYN cache, with this number of the peer's
  tcp_seq cached_irs;
};

class Victim {
 public:
  // Boots the host that the next bytes of the program describe. Borrows the program and the store.
  Victim(Program* program, MachineStore* store);

  // Brings the connection into the state that the next byte names.
  void BringUp();
  void Run(int64_t us);
  void Inject(const std::vector<uint8_t>& packet);
  // What the application does meanwhile, as the program says.
  void Use();
  // Ends all. Returns what was left behind.
  std::string Finish();

  View Look() const;
  // The same, with what an opening would have where there is no connection yet.
  View Numbers() const;
  // A segment of the peer's, with nothing in it.
  packetdrill::WirePacket Segment(uint8_t flags, uint32_t seq, uint32_t ack) const;
  // The options of a peer that wants what the program says.
  std::vector<uint8_t> Offer();

  // From now on the stream may hold what the pattern does not.
  void Taint() { tainted_ = true; }
  bool freebsd() const { return freebsd_; }
  bool v6() const { return local_.v6(); }
  int resets() const { return resets_; }  // that the host has sent
  // What the application read that was never sent; empty: nothing.
  const std::string& wrong() const { return wrong_; }

 private:
  struct Setup;

  void Configure(const Setup& setup);
  void Do(std::function<void()> body) { (void)live_->Do(std::move(body), live_->now_us()); }
  void Notice();
  void Honest(uint8_t flags, uint32_t seq, uint32_t ack, std::vector<uint8_t> options = {},
              size_t data = 0);
  void OpenPassively(TcpState state);
  void OpenActively(TcpState state);
  void CloseUntil(TcpState state);
  int NewSocket();
  void Listen();
  void Connect();
  std::vector<uint8_t> WithFastOpen(std::vector<uint8_t> options) const;
  void Call(uint32_t what, size_t size);
  void Read(size_t size);
  void SetSomeOption(size_t which);

  Program* program_;
  bool freebsd_ = false, active_ = false, fast_open_ = false;
  packetdrill::Address local_, remote_;
  std::unique_ptr<packetdrill::LiveHost> live_;
  int listener_ = -1, fd_ = -1;
  std::vector<int> strangers_;  // accepted, but not the connection that is watched
  uint16_t host_port_ = kPort;
  uint32_t host_iss_ = 0;
  std::vector<uint8_t> cookie_;  // of Fast Open, as the host gave it
  uint32_t read_ = 0;
  int resets_ = 0;
  bool tainted_ = false;
  std::string wrong_;
};

}  // namespace sockbed::fuzz

#endif  // SOCKBED_TESTS_FUZZ_VICTIM_H_
