// IPv6 addresses: classes, zones, text; and an address of either family.
//
// Lives here:  in6_is*, zones (in6_setscope and kin), in6_text, class inpaddru.
// Called by:   everything that speaks IPv6; in_pcb, tcp, udp (inpaddru).
// Units:       in6_addr in network order as everywhere in BSD; zones are interface indices.
// Invariants:  inside the kernel an address of a link or an interface bears its zone in its second
//              group of 16 bits (fe80:2::1 is fe80::1 of interface 2), so that equal addresses of
//              two links differ wherever addresses are compared. On the wire, in sockaddrs and in
//              control messages that group is 0 and sin6_scope_id says the zone.
// Source:      RFC 4291, RFC 4007; OpenBSD sys/netinet6/in6.h, scope6.c, in_pcb.h (inpaddru).
#ifndef SOCKBED_KERNEL_INET_IN6_H_
#define SOCKBED_KERNEL_INET_IN6_H_

#include <endian.h>
#include <netinet/in.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "kernel/sim/kassert.h"

namespace sockbed {

// The two halves, as numbers in host order.
inline uint64_t in6_high(const in6_addr& a) {
  uint64_t half;
  std::memcpy(&half, a.s6_addr, sizeof half);
  return be64toh(half);
}
inline uint64_t in6_low(const in6_addr& a) {
  uint64_t half;
  std::memcpy(&half, a.s6_addr + 8, sizeof half);
  return be64toh(half);
}
inline in6_addr in6_make(uint64_t high, uint64_t low) {
  in6_addr a;
  high = htobe64(high);
  low = htobe64(low);
  std::memcpy(a.s6_addr, &high, sizeof high);
  std::memcpy(a.s6_addr + 8, &low, sizeof low);
  return a;
}
inline bool in6_equal(const in6_addr& a, const in6_addr& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

inline constexpr in6_addr kIn6Any{};
inline constexpr in6_addr kIn6Loopback = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};

// Scopes, by the numbers of multicast addresses (RFC 4291 2.7).
inline constexpr int kScopeInterface = 1;
inline constexpr int kScopeLink = 2;
inline constexpr int kScopeSite = 5;
inline constexpr int kScopeGlobal = 14;

// --- Classes. ---

inline bool in6_isany(const in6_addr& a) { return (in6_high(a) | in6_low(a)) == 0; }
inline bool in6_isloopback(const in6_addr& a) { return in6_high(a) == 0 && in6_low(a) == 1; }
inline bool in6_ismulticast(const in6_addr& a) { return a.s6_addr[0] == 0xff; }
inline bool in6_islinklocal(const in6_addr& a) {
  return a.s6_addr[0] == 0xfe && (a.s6_addr[1] & 0xc0) == 0x80;
}
inline bool in6_issitelocal(const in6_addr& a) {
  return a.s6_addr[0] == 0xfe && (a.s6_addr[1] & 0xc0) == 0xc0;
}
inline bool in6_ismapped(const in6_addr& a) {  // ::ffff:a.b.c.d
  return in6_high(a) == 0 && in6_low(a) >> 32 == 0xffff;
}
inline bool in6_iscompatible(const in6_addr& a) {  // ::a.b.c.d, long deprecated
  return in6_high(a) == 0 && in6_low(a) >> 32 == 0 && in6_low(a) > 1;
}
// The scope of any address.
int in6_addrscope(const in6_addr& a);

// --- Zones. ---

// Whether the address means something only together with a zone.
inline bool in6_isscoped(const in6_addr& a) {
  if (in6_islinklocal(a)) return true;
  return in6_ismulticast(a) &&
         ((a.s6_addr[1] & 0x0f) == kScopeInterface || (a.s6_addr[1] & 0x0f) == kScopeLink);
}
// The zone that the address bears; 0: none.
inline uint32_t in6_zone(const in6_addr& a) {
  return in6_isscoped(a) ? static_cast<uint32_t>(a.s6_addr[2] << 8 | a.s6_addr[3]) : 0;
}
// The address in that zone, if it is one that needs a zone and has none yet.
inline in6_addr in6_setscope(in6_addr a, uint32_t zone) {
  KASSERT(zone <= UINT16_MAX);
  if (in6_isscoped(a) && in6_zone(a) == 0) {
    a.s6_addr[2] = static_cast<uint8_t>(zone >> 8);
    a.s6_addr[3] = static_cast<uint8_t>(zone);
  }
  return a;
}
// The address as it stands on the wire.
inline in6_addr in6_clearscope(in6_addr a) {
  if (in6_isscoped(a)) a.s6_addr[2] = a.s6_addr[3] = 0;
  return a;
}

// --- Parts. ---

// The address with the bits beyond `plen` cleared; and how many leading bits two have in common.
in6_addr in6_prefix(const in6_addr& a, int plen);
int in6_matchlen(const in6_addr& a, const in6_addr& b);
// The group at which an address's owner is asked for its link address (RFC 4291 2.7.1), in `zone`.
in6_addr in6_solicited(const in6_addr& a, uint32_t zone);
// ff02::1 and ff02::2 of a zone: all nodes, all routers.
inline in6_addr in6_allnodes(uint32_t zone) {
  return in6_setscope(in6_make(0xff02'0000'0000'0000, 1), zone);
}
inline in6_addr in6_allrouters(uint32_t zone) {
  return in6_setscope(in6_make(0xff02'0000'0000'0000, 2), zone);
}

// "2001:db8::1", "fe80::1%2": RFC 5952, the zone behind it.
std::string in6_text(const in6_addr& a);

// An address of either family in 16 bytes: one of IPv4 is ::ffff:a.b.c.d, and "any" is :: in both.
// Comparing and hashing need not know the family.
class inpaddru {
 public:
  constexpr inpaddru() = default;
  inpaddru(in_addr a)  // NOLINT: an address is an address
      : low_(a.s_addr == 0 ? 0 : uint64_t{a.s_addr} << 32 | kMappedPrefix) {}
  inpaddru(const in6_addr& a) {  // NOLINT
    std::memcpy(&high_, a.s6_addr, sizeof high_);
    std::memcpy(&low_, a.s6_addr + 8, sizeof low_);
  }

  bool is_any() const { return (high_ | low_) == 0; }
  // Whether it is one of IPv4, other than 0.0.0.0.
  bool is_v4() const { return (high_ | (static_cast<uint32_t>(low_) ^ kMappedPrefix)) == 0; }
  // REQUIRES: is_v4() or is_any().
  in_addr v4() const { return in_addr{static_cast<uint32_t>(low_ >> 32)}; }
  in6_addr v6() const {
    in6_addr a;
    std::memcpy(a.s6_addr, &high_, sizeof high_);
    std::memcpy(a.s6_addr + 8, &low_, sizeof low_);
    return a;
  }
  // For hashing: the halves as they stand in memory.
  uint64_t high() const { return high_; }
  uint64_t low() const { return low_; }

  friend bool operator==(const inpaddru&, const inpaddru&) = default;

 private:
  // Bytes 8 .. 11 of a mapped address, as they stand in the halves, which are in network order on a
  // machine that has the low byte first.
  static constexpr uint32_t kMappedPrefix = 0xffff'0000;
  static_assert(std::endian::native == std::endian::little);

  uint64_t high_ = 0, low_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN6_H_
