#include "kernel/inet/in_cksum.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/in6.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

namespace {

// All sums are of 16-bit words as they stand in memory: one's complement addition does not care
// which of the two bytes is the high one, so only the result is brought into host order (RFC 1071
// 2B).
uint64_t AddWithCarry(uint64_t a, uint64_t b) {
  uint64_t sum;
  const bool carry = __builtin_add_overflow(a, b, &sum);
  return sum + (carry ? 1 : 0);
}

uint64_t Load64(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

uint16_t Fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
}

// Adds [off, off+len) of a chain. A piece that starts at an odd place has its bytes swapped.
uint64_t AddChain(uint64_t sum, const mbuf* m, int off, int len) {
  while (m != nullptr && off >= m->m_len) {
    off -= m->m_len;
    m = m->m_next;
  }
  bool odd = false;
  for (; len > 0; m = m->m_next, off = 0) {
    KASSERT(m != nullptr);
    const int n = std::min(len, m->m_len - off);
    const uint64_t piece = in_cksum_add(0, m->m_data + off, static_cast<size_t>(n));
    sum = AddWithCarry(sum, odd ? uint64_t{__builtin_bswap16(Fold(piece))} : piece);
    odd ^= (n & 1) != 0;
    len -= n;
  }
  return sum;
}

}  // namespace

uint64_t in_cksum_add(uint64_t sum, const void* data, size_t len) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  // Two independent chains of carries keep the adders busy.
  uint64_t other = 0;
  for (; len >= 32; p += 32, len -= 32) {
    sum = AddWithCarry(AddWithCarry(sum, Load64(p)), Load64(p + 16));
    other = AddWithCarry(AddWithCarry(other, Load64(p + 8)), Load64(p + 24));
  }
  for (; len >= 8; p += 8, len -= 8) sum = AddWithCarry(sum, Load64(p));
  uint64_t rest = 0;
  if (len > 0) std::memcpy(&rest, p, len);
  return AddWithCarry(AddWithCarry(sum, other), rest);
}

uint16_t in_cksum_finish(uint64_t sum) { return ntohs(static_cast<uint16_t>(~Fold(sum))); }

uint16_t in_cksum_bytes(const void* data, size_t len) {
  return in_cksum_finish(in_cksum_add(0, data, len));
}

uint16_t in_cksum(const mbuf* m, int len) { return in_cksum_finish(AddChain(0, m, 0, len)); }

uint16_t in4_cksum(const mbuf* m, uint8_t nxt, int off, int len) {
  uint64_t sum = 0;
  if (nxt != 0) {
    const Ipv4View ip(m->m_data, static_cast<size_t>(m->m_len));
    sum = in_pseudo_sum(ip.source(), ip.destination(), nxt, len);
  }
  return in_cksum_finish(AddChain(sum, m, off, len));
}

uint16_t in6_cksum(const mbuf* m, uint8_t nxt, int off, int len) {
  const Ipv6View ip(m->m_data, static_cast<size_t>(m->m_len));
  return in_cksum_finish(
      AddChain(in6_pseudo_sum(ip.source(), ip.destination(), nxt, len), m, off, len));
}

uint64_t in6_pseudo_sum(const in6_addr& src, const in6_addr& dst, uint8_t protocol, int len) {
  const in6_addr ends[] = {in6_clearscope(src), in6_clearscope(dst)};
  const uint32_t length = htonl(static_cast<uint32_t>(len));
  const uint64_t rest = uint64_t{htons(protocol)} + (length & 0xffff) + (length >> 16);
  return in_cksum_add(rest, ends, sizeof ends);
}

uint64_t in_pseudo_sum(in_addr src, in_addr dst, uint8_t protocol, int len) {
  return uint64_t{src.s_addr} + dst.s_addr + htons(protocol) + htons(static_cast<uint16_t>(len));
}

uint16_t in_cksum_adjust(uint16_t sum, uint16_t before, uint16_t after) {
  uint32_t complement = static_cast<uint16_t>(~sum);
  complement += static_cast<uint16_t>(~before);
  complement += after;
  complement = (complement >> 16) + (complement & 0xffff);
  complement = (complement >> 16) + (complement & 0xffff);
  return static_cast<uint16_t>(~complement);
}

}  // namespace sockbed
