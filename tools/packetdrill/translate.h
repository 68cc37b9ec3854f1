// Between the numbers of a script and those on the wire.
//
// Lives here:  ToLive, ToScriptValues, DescribePacket.
// Called by:   runner, peer.
// Units:       in packets with SYN, sequence numbers are as in the script's own space; in others
//              they count from the initial ones (as tcpdump shows them).
//
//   direction  field      with SYN                     without
//   in         seq        as written                   + remote ISN
//              ack, SACK  + (live - script local ISN)  + live local ISN
//   out        seq        - (live - script local ISN)  - live local ISN
//              ack, SACK  as it is                     - remote ISN
#ifndef SOCKBED_TOOLS_PACKETDRILL_TRANSLATE_H_
#define SOCKBED_TOOLS_PACKETDRILL_TRANSLATE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/config.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/tracked.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

// The packet of an inbound line as it goes to the host. Errors: InvalidArgument (an echo of a
// timestamp never seen, a name that means nothing, a field that the ICMP type has not or lacks, too
// long for an IP packet), Unimplemented.
absl::StatusOr<WirePacket> ToLive(const Packet& line, const Config& config, Tracked* tracked);

// A packet of the host with the numbers that the script would write; the timestamp relative to the
// first one seen.
WirePacket ToScriptValues(const WirePacket& live, const Tracked& tracked);

// A packet in a script's values as a line, with what `like` shows (ACE as a digit, fields of IP);
// null: the plain form.
Packet DescribePacket(const WirePacket& values, const Packet* like);

// The payload of a reset that gives its reason: "[code C, pen P]".
std::vector<uint8_t> RstReason(const Ports& reason);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_TRANSLATE_H_
