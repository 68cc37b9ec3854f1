// The connections that a script speaks of, and which of them a packet line is about.
//
// Lives here:  Tracked, Phase, Connections.
// Called by:   runner, calls, translate.
// Invariants:  1. Phases follow the script, never the host's own state.
//              2. There is one socket under test at a time; pseudo-connections, made by a packet
//                 that arrives where no peer is known yet, take its place.
// Units:       sequence numbers modulo 2^32; "script" as written, "live" as on the wire.
#ifndef SOCKBED_TOOLS_PACKETDRILL_TRACKED_H_
#define SOCKBED_TOOLS_PACKETDRILL_TRACKED_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/config.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

enum class Phase : uint8_t {
  kNew,
  kListening,
  kConnecting,      // connect() was called
  kSynSent,         // ... and its SYN seen
  kPacketReceived,  // a pseudo-connection's first packet has arrived
  kSynAckSent,
  kEstablished,
};

struct Tracked {
  int script_fd = -1;  // -1: none yet, or none any more
  int live_fd = -1;
  uint8_t protocol = kTcp;
  Phase phase = Phase::kNew;
  bool has_peer = false;
  bool connected = false;  // connect() has fixed the peer
  Address local, remote;
  uint16_t local_port = 0, remote_port = 0;  // live; local 0: not known yet

  uint32_t local_script_isn = 0, local_live_isn = 0;    // of the host
  uint32_t remote_script_isn = 0, remote_live_isn = 0;  // of the script's side
  bool first_packet_literal = false;  // the next inbound segment's number is not translated

  // Timestamps of the host: what the script calls them, and the pair that came first.
  std::map<uint32_t, uint32_t> live_ts;
  std::optional<uint32_t> base_script_ts, base_live_ts;
};

class Connections {
 public:
  explicit Connections(const Config& config);

  // --- What the calls have done. ---

  void OnSocket(int script_fd, int live_fd, uint8_t protocol);
  void OnListen(int script_fd);
  void OnBind(int script_fd);
  // The application speaks first: connect, or sendto with an address. Returns whether the socket
  // was new.
  bool OnConnect(int script_fd);
  // It has not spoken after all, or takes it back: the socket is new, and has no peer.
  void OnDisconnect(int script_fd);
  // accept returned `live_fd`: binds it to the newest connection that waits for it. Null: there is
  // none.
  Tracked* OnAccept(int script_fd, int live_fd);
  void OnClose(int script_fd);

  // The entry of a script's descriptor, or null.
  Tracked* Find(int script_fd);
  Tracked* under_test() { return under_test_; }
  const std::vector<std::unique_ptr<Tracked>>& all() const { return all_; }

  // --- Which connection a line is about. Errors: NotFound, "no matching socket". ---

  // May start a pseudo-connection, and moves phases on.
  absl::StatusOr<Tracked*> ForInbound(const Packet& packet);
  absl::StatusOr<Tracked*> ForOutbound(const Packet& packet);

  // Whether the host's packet is one of those that lines about `tracked` speak of; `icmp`: lines
  // about ICMP. Learns the local port from the first one.
  static bool Belongs(const WirePacket& packet, bool icmp, Tracked* tracked);
  // The same as far as the addresses and the protocol tell, of a packet that cannot be read.
  static bool MayBelong(std::span<const uint8_t> packet, bool tcp_in_udp, bool icmp,
                        const Tracked& tracked);
  // An inbound line goes out: phases follow.
  static void OnInject(const Packet& line, Tracked* tracked);
  // An outbound line has met the host's packet: initial numbers and phases follow.
  static void OnMatched(const Packet& line, const WirePacket& live, Tracked* tracked);

 private:
  Tracked* StartPseudoConnection(const Packet& packet);
  bool IsRouters(const Packet& packet) const;

  const Config& config_;
  Address local_, remote_;
  uint16_t next_remote_port_ = 50000;
  std::vector<std::unique_ptr<Tracked>> all_;
  Tracked* under_test_ = nullptr;
  Tracked router_;  // of lines that are about no connection: what routers advertise
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_TRACKED_H_
