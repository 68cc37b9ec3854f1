// What stands in front of the transport: the IP header of a line, and the headers of tunnels around
// it, between the script and the wire.
//
// Lives here:  IpToLive, DescribeIp, CheckIp; the same of encapsulations.
// Called by:   translate, check.
// Invariants:  what a line does not say is not compared; injected, it is TOS 0, TTL 255, no flow
//              label. TTL 255 is as good as not said.
// Source:      the language of google's and nplab's packetdrill: README.md has the grammar.
#ifndef SOCKBED_TOOLS_PACKETDRILL_HEADERS_H_
#define SOCKBED_TOOLS_PACKETDRILL_HEADERS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

// --- "(ttl 5, ect0)". ---

// Errors: InvalidArgument (an unknown DSCP; ect01, which leaves a choice).
absl::Status IpToLive(const IpInfo& info, WireIp* live);
// Errors: InvalidArgument; FailedPrecondition: a field differs.
absl::Status CheckIp(const IpInfo& info, const WireIp& live);
// The fields that `like` speaks of, as they are in `live`.
IpInfo DescribeIp(const WireIp& live, const IpInfo& like);

// --- "ipv4 A > B: gre: mpls (label 3, tc 0, [S], ttl 5):", outermost first. ---

absl::StatusOr<std::vector<WireEncap>> EncapsToLive(const std::vector<Encapsulation>& line);
absl::Status CheckEncaps(const std::vector<Encapsulation>& line,
                         const std::vector<WireEncap>& live);
// With the IP fields that `like` speaks of, where it has the same header at the same place; null:
// none.
std::vector<Encapsulation> DescribeEncaps(const std::vector<WireEncap>& live,
                                          const std::vector<Encapsulation>* like);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_HEADERS_H_
