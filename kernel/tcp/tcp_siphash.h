// SipHash-2-4: a keyed hash that nobody without the key can foresee.
//
// Lives here:  SipKey, SipHash24.
// Called by:   initial sequence numbers, SYN cookies, Fast Open cookies.
// Source:      Aumasson, Bernstein: SipHash, a fast short-input PRF (2012).
#ifndef SOCKBED_KERNEL_TCP_TCP_SIPHASH_H_
#define SOCKBED_KERNEL_TCP_TCP_SIPHASH_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sockbed {

struct SipKey {
  uint64_t k0 = 0, k1 = 0;
};

namespace siphash_internal {

struct State {
  uint64_t v0, v1, v2, v3;

  constexpr void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  constexpr void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

// Four bytes, eight bytes, little end first; written so that each compiles to one load.
constexpr uint64_t Half(const uint8_t* p) {
  return uint64_t{p[0]} | uint64_t{p[1]} << 8 | uint64_t{p[2]} << 16 | uint64_t{p[3]} << 24;
}
constexpr uint64_t Word(const uint8_t* p) {
  return uint64_t{p[0]} | uint64_t{p[1]} << 8 | uint64_t{p[2]} << 16 | uint64_t{p[3]} << 24 |
         uint64_t{p[4]} << 32 | uint64_t{p[5]} << 40 | uint64_t{p[6]} << 48 | uint64_t{p[7]} << 56;
}

}  // namespace siphash_internal

constexpr uint64_t SipHash24(const SipKey& key, std::span<const uint8_t> bytes) {
  siphash_internal::State s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
                            key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) s.Absorb(siphash_internal::Word(p));
  uint64_t rest = uint64_t{bytes.size()} << 56;
  int at = 0;
  if (left >= 4) {  // the ports: names of connections end in them
    rest |= siphash_internal::Half(p);
    at = 4;
  }
  for (; at < static_cast<int>(left); ++at) rest |= uint64_t{p[at]} << 8 * at;
  s.Absorb(rest);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SIPHASH_H_
