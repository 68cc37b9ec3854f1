// A peer for tests in C++: one connection's far end, told what to send and what to expect in the
// notation of scripts.
//
// Lives here:  ScriptedPeer.
// Called by:   tests.
// Units:       microseconds of virtual time; sequence numbers as in scripts: relative, but in
//              segments with SYN.
//
//   absl::StatusOr<std::unique_ptr<LiveHost>> host = LiveHost::Boot(DefaultHost(), nullptr);
//   ScriptedPeer peer = ScriptedPeer::ToListener(host->get(), 80);
//   EXPECT_EQ(peer.Inject("S 0:0(0) win 65535 <mss 1000>"), "");
//   EXPECT_EQ(peer.Expect("S. 0:0(0) ack 1 <...>"), "");
#ifndef SOCKBED_TOOLS_PACKETDRILL_PEER_H_
#define SOCKBED_TOOLS_PACKETDRILL_PEER_H_

#include <cstdint>
#include <deque>
#include <string>

#include "tools/packetdrill/config.h"
#include "tools/packetdrill/live_host.h"
#include "tools/packetdrill/tracked.h"

namespace sockbed::packetdrill {

// The host that scripts have if they say nothing: 192.168.0.1, with the peer at 192.0.2.1.
LiveHostOptions DefaultHost(Profile profile = Profile::kOpenBsd);

class ScriptedPeer {
 public:
  // Connects to `port` of the host. Borrows the host.
  static ScriptedPeer ToListener(LiveHost* host, uint16_t port);
  // Is connected to, at its own `port`.
  static ScriptedPeer ForConnect(LiveHost* host, uint16_t port);

  // A segment arrives at the host now. Returns "", or what is wrong with the text.
  std::string Inject(const std::string& segment);
  // The host's next segment on this connection leaves within `us` from now and is this one. What
  // the text leaves out (win, options as <...>) may be anything. Returns "", or both segments.
  std::string Expect(const std::string& segment, int64_t us = 0);
  // The host sends nothing on this connection for `us`. Returns "", or the segment.
  std::string ExpectNothing(int64_t us = 0);

 private:
  ScriptedPeer(LiveHost* host, Phase phase);
  bool Next(int64_t us, WirePacket* packet);

  LiveHost* host_;
  Config config_;
  Tracked tracked_;
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_PEER_H_
