// The messages of neighbour discovery and of listener discovery on the wire.
//
// Lives here:  NdOptions, NdPrefixView, builders of solicitations, advertisements and options;
//              offsets of MLD messages.
// Called by:   nd6_nbr.cc, nd6_rtr.cc, mld6.cc, tests.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Units:       options count their length in 8 bytes on the wire, in bytes here.
// Invariants:  NdOptions hands out only options that lie wholly inside the message.
// Source:      RFC 4861 4; RFC 2710 3.
#ifndef SOCKBED_KERNEL_INET_ND6_WIRE_H_
#define SOCKBED_KERNEL_INET_ND6_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/net/if_ether.h"

namespace sockbed {

// Bytes of a message without its options.
inline constexpr int kNdRouterSolicit = 8;
inline constexpr int kNdRouterAdvert = 16;
inline constexpr int kNdNeighbour = 24;  // solicitation and advertisement alike
inline constexpr int kNdRedirect = 40;
inline constexpr int kMldMessage = 24;

// Where the addresses of those stand.
inline constexpr int kNdTargetAt = 8;
inline constexpr int kNdRedirectDestinationAt = 24;
inline constexpr int kMldDelayAt = 4;  // milliseconds
inline constexpr int kMldGroupAt = 8;

// Flags of a neighbour advertisement, in its bytes 4 .. 7.
inline constexpr uint32_t ND_NA_FLAG_ROUTER = 0x8000'0000;
inline constexpr uint32_t ND_NA_FLAG_SOLICITED = 0x4000'0000;
inline constexpr uint32_t ND_NA_FLAG_OVERRIDE = 0x2000'0000;

inline constexpr uint8_t ND_OPT_SOURCE_LINKADDR = 1;
inline constexpr uint8_t ND_OPT_TARGET_LINKADDR = 2;
inline constexpr uint8_t ND_OPT_PREFIX_INFORMATION = 3;
inline constexpr uint8_t ND_OPT_REDIRECTED_HEADER = 4;
inline constexpr uint8_t ND_OPT_MTU = 5;

inline constexpr int kNdOptionUnit = 8;
inline constexpr int kNdLinkOption = 8;  // of Ethernet
inline constexpr int kNdPrefixOption = 32;
inline constexpr int kNdRedirectedHeader = 8;  // what stands before the quoted packet

// One option, header included.
struct NdOption {
  uint8_t type;
  const uint8_t* data;
  int length;
};

// Visits the options of a message. visit(NdOption). False: one is malformed, and the whole message
// is to be dropped (RFC 4861 6.1, 7.1).
template <typename Visitor>
bool NdForEachOption(const uint8_t* options, int length, Visitor visit) {
  while (length > 0) {
    if (length < kNdOptionUnit) return false;
    const int size = options[1] * kNdOptionUnit;
    if (size == 0 || size > length) return false;
    visit(NdOption{options[0], options, size});
    options += size;
    length -= size;
  }
  return true;
}

// The Ethernet address of a link address option.
inline ether_addr NdLinkAddress(const NdOption& option) {
  ether_addr address;
  std::memcpy(address.octets.data(), option.data + 2, address.octets.size());
  return address;
}

// Writes a link address option: 8 bytes.
inline void NdWriteLinkAddress(uint8_t* p, uint8_t type, const ether_addr& address) {
  p[0] = type;
  p[1] = kNdLinkOption / kNdOptionUnit;
  std::memcpy(p + 2, address.octets.data(), address.octets.size());
}

// A prefix that a router advertises. REQUIRES: an option of 32 bytes.
class NdPrefixView {
 public:
  explicit NdPrefixView(const NdOption& option) : p_(option.data) {
    KASSERT(option.length == kNdPrefixOption);
  }
  uint8_t length() const { return p_[2]; }
  bool on_link() const { return (p_[3] & 0x80) != 0; }
  bool autonomous() const { return (p_[3] & 0x40) != 0; }
  uint32_t valid_seconds() const { return LoadBe32(p_ + 4); }  // all ones: for ever
  uint32_t preferred_seconds() const { return LoadBe32(p_ + 8); }
  in6_addr prefix() const { return LoadAddress6(p_ + 16); }

 private:
  const uint8_t* p_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ND6_WIRE_H_
