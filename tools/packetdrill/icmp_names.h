// The names of ICMP types and codes in scripts.
//
// Lives here:  IcmpType, IcmpCode, IcmpTypeName, IcmpCodeName.
// Called by:   translate.
// Source:      RFC 792, 1122, 1812, 4443, 4861.
#ifndef SOCKBED_TOOLS_PACKETDRILL_ICMP_NAMES_H_
#define SOCKBED_TOOLS_PACKETDRILL_ICMP_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

namespace sockbed::packetdrill {

// Of ICMPv6.
inline constexpr uint8_t kPacketTooBig = 2, kEchoRequest6 = 128, kEchoReply6 = 129,
                         kRouterAdvertisement = 134;

// Numbers of names, or of "type_N" and "code_N"; nothing for others. An empty code is 0.
std::optional<uint8_t> IcmpType(const std::string& name, bool v6);
std::optional<uint8_t> IcmpCode(uint8_t type, const std::string& name, bool v6);

std::string IcmpTypeName(uint8_t type, bool v6);
std::string IcmpCodeName(uint8_t type, uint8_t code, bool v6);  // empty for an unnamed 0

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_ICMP_NAMES_H_
