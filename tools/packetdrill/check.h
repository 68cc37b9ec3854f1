// Whether a packet of the host is what a line expects.
//
// Lives here:  CheckPacket, RememberTimestamps.
// Called by:   runner, peer.
#ifndef SOCKBED_TOOLS_PACKETDRILL_CHECK_H_
#define SOCKBED_TOOLS_PACKETDRILL_CHECK_H_

#include "absl/status/status.h"
#include "tools/packetdrill/config.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/tracked.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

// `values` is `live` in the script's values. `elapsed_us`: since the script's start, of which the
// tolerance of timestamps is a part. Errors: FailedPrecondition, "live packet field NAME: expected:
// N (0xH) vs actual: N (0xH)" or what else differs, the first difference only.
absl::Status CheckPacket(const Packet& line, const WirePacket& live, const WirePacket& values,
                         const Config& config, const Tracked& tracked, int64_t elapsed_us);

// What the host's clock shows where the line has its own number: for echoes of later lines. Before
// CheckPacket for the first timestamp, which is right whatever it is.
void RememberTimestamps(const Packet& line, const WirePacket& live, Tracked* tracked);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_CHECK_H_
