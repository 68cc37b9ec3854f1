#include "kernel/sim/random.h"

#include <algorithm>
#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

static_assert(std::endian::native == std::endian::little,
              "names and draws are laid out in the machine's byte order");

// A decision's name as it is hashed: four words, no padding.
struct NameBytes {
  uint64_t site_key;
  uint64_t host;
  uint64_t object;
  uint64_t ordinal;
};
static_assert(sizeof(NameBytes) == 32);

}  // namespace

uint64_t Draw(uint64_t seed, const DecisionName& name) {
  const NameBytes bytes = {InfoOf(name.site).key, name.host, name.object, name.ordinal};
  return XXH3_64bits_withSeed(&bytes, sizeof(bytes), seed);
}

Stream::Stream(Site site, uint64_t object)
    : Stream(Here().machine->seed(), site, Here().host_id, object) {}

Stream::Stream(uint64_t seed, Site site, HostId host, uint64_t object)
    : seed_(seed), name_{.site = site, .host = host, .object = object, .ordinal = 0} {}

uint64_t Stream::Next64() {
  const uint64_t bits = Draw(seed_, name_);
  ++name_.ordinal;
  return bits;
}

void Stream::Fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const uint64_t bits = Next64();
    const size_t n = std::min(out.size(), sizeof(bits));
    std::memcpy(out.data(), &bits, n);
    out = out.subspan(n);
  }
}

}  // namespace sockbed
