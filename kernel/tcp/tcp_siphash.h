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

}  // namespace siphash_internal

constexpr uint64_t SipHash24(const SipKey& key, std::span<const uint8_t> bytes) {
  siphash_internal::State s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
                            key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{bytes[i]} << (8 * (i % 8));
    if (i % 8 != 7) continue;
    s.Absorb(word);
    word = 0;
  }
  s.Absorb(word | uint64_t{bytes.size()} << 56);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SIPHASH_H_
