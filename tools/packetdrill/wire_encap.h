// The headers of tunnels as bytes: what may stand between two IP headers, and how each tells what
// comes next.
//
// Lives here:  Inside, InsideOf, AddGre, AddMpls, TakeGre, TakeMpls.
// Called by:   wire.cc.
// Units:       bytes.
// Source:      RFC 2003, 2473, 4213 (IP in IP), 2784, 2890 (GRE), 3032, 4023 (MPLS).
#ifndef SOCKBED_TOOLS_PACKETDRILL_WIRE_ENCAP_H_
#define SOCKBED_TOOLS_PACKETDRILL_WIRE_ENCAP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

// What a header is followed by, as the IP header and the GRE header in front of it name it.
enum class Inside : uint8_t { kIpv4, kIpv6, kGre, kMpls, kOther };
uint8_t IpProtocolOf(Inside inside);
uint16_t EtherTypeOf(Inside inside);  // REQUIRES: not kGre, kOther
Inside InsideOfIp(uint8_t protocol);
Inside InsideOfGre(uint16_t ether_type);

// Put a header in front of `payload`.
void AddGre(const GreHeader& gre, uint16_t ether_type, std::vector<uint8_t>* payload);
void AddMpls(const MplsStack& labels, std::vector<uint8_t>* payload);

// Take a header off. Errors: InvalidArgument: cut short, flags that RFC 2890 has not, a checksum
// that is wrong.
absl::Status TakeGre(std::span<const uint8_t>* bytes, GreHeader* gre, Inside* inside);
absl::Status TakeMpls(std::span<const uint8_t>* bytes, MplsStack* labels, Inside* inside);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_WIRE_ENCAP_H_
