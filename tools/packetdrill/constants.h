// The names that scripts use for numbers of the system's headers.
//
// Lives here:  SymbolValue, ErrnoText.
// Called by:   calls, snippet.
#ifndef SOCKBED_TOOLS_PACKETDRILL_CONSTANTS_H_
#define SOCKBED_TOOLS_PACKETDRILL_CONSTANTS_H_

#include <cstdint>
#include <optional>
#include <string>

namespace sockbed::packetdrill {

// The value that the simulated kernel takes for `name`; nothing for an unknown one. A name that is
// known but means an option that the kernel has not gets a number which it refuses.
std::optional<int64_t> SymbolValue(const std::string& name);

// "11 (Resource temporarily unavailable)".
std::string ErrnoText(int error);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_CONSTANTS_H_
