// The MD5 digest, for TCP signatures.
//
// Lives here:  Md5.
// Called by:   wire.
// Source:      RFC 1321.
#ifndef SOCKBED_TOOLS_PACKETDRILL_MD5_H_
#define SOCKBED_TOOLS_PACKETDRILL_MD5_H_

#include <array>
#include <cstdint>
#include <span>

namespace sockbed::packetdrill {

std::array<uint8_t, 16> Md5(std::span<const uint8_t> message);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_MD5_H_
