#include <arpa/inet.h>

#include "kernel/inet/in6.h"

namespace sockbed {

int in6_addrscope(const in6_addr& a) {
  if (in6_ismulticast(a)) return a.s6_addr[1] & 0x0f;
  if (in6_islinklocal(a) || in6_isloopback(a)) return kScopeLink;  // RFC 6724 3.1
  if (in6_issitelocal(a)) return kScopeSite;
  return kScopeGlobal;
}

in6_addr in6_prefix(const in6_addr& a, int plen) {
  KASSERT(plen >= 0 && plen <= 128);
  const int in_high = plen < 64 ? plen : 64, in_low = plen - in_high;
  const uint64_t high_mask = in_high == 0 ? 0 : ~uint64_t{0} << (64 - in_high);
  const uint64_t low_mask = in_low == 0 ? 0 : ~uint64_t{0} << (64 - in_low);
  return in6_make(in6_high(a) & high_mask, in6_low(a) & low_mask);
}

int in6_matchlen(const in6_addr& a, const in6_addr& b) {
  const int high = std::countl_zero(in6_high(a) ^ in6_high(b));
  return high < 64 ? high : 64 + std::countl_zero(in6_low(a) ^ in6_low(b));
}

in6_addr in6_solicited(const in6_addr& a, uint32_t zone) {
  return in6_setscope(in6_make(0xff02'0000'0000'0000, 0x1'ff00'0000 | (in6_low(a) & 0x00ff'ffff)),
                      zone);
}

std::string in6_text(const in6_addr& a) {
  const in6_addr bare = in6_clearscope(a);
  char text[INET6_ADDRSTRLEN];
  std::string shown = inet_ntop(AF_INET6, &bare, text, sizeof text);
  if (const uint32_t zone = in6_zone(a); zone != 0) shown += "%" + std::to_string(zone);
  return shown;
}

}  // namespace sockbed
