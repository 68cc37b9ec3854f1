// TCP options: from a script's words to bytes, and back.
//
// Lives here:  EncodeOptions, DecodeOptions.
// Called by:   translate, check.
// Invariants:  bytes here are in the script's values: translation is translate's business.
#ifndef SOCKBED_TOOLS_PACKETDRILL_OPTION_BYTES_H_
#define SOCKBED_TOOLS_PACKETDRILL_OPTION_BYTES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/packetdrill/script.h"

namespace sockbed::packetdrill {

inline constexpr uint8_t kOptEol = 0, kOptNop = 1, kOptMss = 2, kOptWindowScale = 3, kOptSackOk = 4,
                         kOptSack = 5, kOptTimestamp = 8, kOptMd5 = 19, kOptFastOpen = 34,
                         kOptAccEcn0 = 172, kOptAccEcn1 = 174, kOptExperiment = 254;

// "md5 valid" and "TS val ..." become zeros.
std::vector<uint8_t> EncodeOptions(const std::vector<TcpOption>& options);

// What cannot be read becomes "gen-K".
std::vector<TcpOption> DecodeOptions(std::span<const uint8_t> bytes);

std::string ToHex(std::span<const uint8_t> bytes);
// REQUIRES: an even number of hexadecimal digits.
std::vector<uint8_t> FromHex(const std::string& hex);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_OPTION_BYTES_H_
