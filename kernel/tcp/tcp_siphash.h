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

// The first eight bytes, little end first; written so that it compiles to one load.
constexpr uint64_t Word(std::span<const uint8_t> bytes) {
  const uint8_t* p = bytes.data();
  return uint64_t{p[0]} | uint64_t{p[1]} << 8 | uint64_t{p[2]} << 16 | uint64_t{p[3]} << 24 |
         uint64_t{p[4]} << 32 | uint64_t{p[5]} << 40 | uint64_t{p[6]} << 48 | uint64_t{p[7]} << 56;
}

}  // namespace siphash_internal

constexpr uint64_t SipHash24(const SipKey& key, std::span<const uint8_t> bytes) {
  siphash_internal::State s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
                            key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
  const uint64_t length = bytes.size();
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) s.Absorb(siphash_internal::Word(bytes));
  uint64_t rest = length << 56;
  for (size_t i = 0; i < bytes.size(); ++i) rest |= uint64_t{bytes[i]} << 8 * i;
  s.Absorb(rest);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SIPHASH_H_
