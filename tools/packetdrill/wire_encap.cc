#include "tools/packetdrill/wire_encap.h"

#include "absl/strings/str_cat.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/sim/kassert.h"

namespace sockbed::packetdrill {
namespace {

struct InsideNames {
  Inside inside;
  uint8_t protocol;     // of IP
  uint16_t ether_type;  // 0: not in GRE
};
constexpr InsideNames kInside[] = {{Inside::kIpv4, 4, 0x0800},
                                   {Inside::kIpv6, 41, 0x86dd},
                                   {Inside::kGre, 47, 0},
                                   {Inside::kMpls, 137, 0x8847}};

const InsideNames& NamesOf(Inside inside) {
  KASSERT(inside < Inside::kOther);
  return kInside[static_cast<size_t>(inside)];
}

using Bytes = std::vector<uint8_t>;

absl::Status Bad(const char* what) { return absl::InvalidArgumentError(what); }

void Add16(Bytes* out, uint16_t value) {
  out->push_back(static_cast<uint8_t>(value >> 8));
  out->push_back(static_cast<uint8_t>(value));
}
void Add32(Bytes* out, uint32_t value) {
  Add16(out, static_cast<uint16_t>(value >> 16));
  Add16(out, static_cast<uint16_t>(value));
}

// Takes `count` bytes off as a number; 0 and *good false when they are not there.
uint32_t TakeNumber(std::span<const uint8_t>* bytes, size_t count, bool* good) {
  if (bytes->size() < count) {
    *good = false;
    return 0;
  }
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | (*bytes)[i];
  *bytes = bytes->subspan(count);
  return value;
}

}  // namespace

uint8_t IpProtocolOf(Inside inside) { return NamesOf(inside).protocol; }

uint16_t EtherTypeOf(Inside inside) {
  KASSERT(inside != Inside::kGre);
  return NamesOf(inside).ether_type;
}

Inside InsideOfIp(uint8_t protocol) {
  for (const InsideNames& names : kInside) {
    if (names.protocol == protocol) return names.inside;
  }
  return Inside::kOther;
}

Inside InsideOfGre(uint16_t ether_type) {
  for (const InsideNames& names : kInside) {
    if (names.ether_type != 0 && names.ether_type == ether_type) return names.inside;
  }
  return Inside::kOther;
}

void AddGre(const GreHeader& gre, uint16_t ether_type, Bytes* payload) {
  Bytes out;
  Add16(&out, static_cast<uint16_t>((gre.has_checksum ? kGreChecksum : 0) |
                                    (gre.key ? kGreKey : 0) | (gre.sequence ? kGreSequence : 0)));
  Add16(&out, ether_type);
  const size_t checksum_at = out.size();
  if (gre.has_checksum) {
    Add16(&out, gre.checksum.value_or(0));
    Add16(&out, gre.offset);
  }
  if (gre.key) Add32(&out, *gre.key);
  if (gre.sequence) Add32(&out, *gre.sequence);
  out.insert(out.end(), payload->begin(), payload->end());
  if (gre.has_checksum && !gre.checksum) {
    const uint16_t sum = in_cksum_bytes(out.data(), out.size());
    out[checksum_at] = static_cast<uint8_t>(sum >> 8);
    out[checksum_at + 1] = static_cast<uint8_t>(sum);
  }
  *payload = std::move(out);
}

void AddMpls(const MplsStack& labels, Bytes* payload) {
  Bytes out;
  for (const uint32_t entry : labels) Add32(&out, entry);
  out.insert(out.end(), payload->begin(), payload->end());
  *payload = std::move(out);
}

absl::Status TakeGre(std::span<const uint8_t>* bytes, GreHeader* gre, Inside* inside) {
  const std::span<const uint8_t> whole = *bytes;
  bool good = true;
  const uint32_t flags = TakeNumber(bytes, 2, &good);
  if ((flags & ~uint32_t{kGreChecksum | kGreKey | kGreSequence}) != 0) return Bad("bad GRE flags");
  *inside = InsideOfGre(static_cast<uint16_t>(TakeNumber(bytes, 2, &good)));
  gre->has_checksum = (flags & kGreChecksum) != 0;
  if (gre->has_checksum) {
    gre->checksum = static_cast<uint16_t>(TakeNumber(bytes, 2, &good));
    gre->offset = static_cast<uint16_t>(TakeNumber(bytes, 2, &good));
  }
  if ((flags & kGreKey) != 0) gre->key = TakeNumber(bytes, 4, &good);
  if ((flags & kGreSequence) != 0) gre->sequence = TakeNumber(bytes, 4, &good);
  if (!good) return Bad("a GRE header cut short");
  if (gre->has_checksum && in_cksum_bytes(whole.data(), whole.size()) != 0) {
    return Bad("bad GRE checksum");
  }
  return absl::OkStatus();
}

absl::Status TakeMpls(std::span<const uint8_t>* bytes, MplsStack* labels, Inside* inside) {
  bool good = true;
  do {
    labels->push_back(TakeNumber(bytes, 4, &good));
    if (!good) return Bad("a stack of MPLS labels without its bottom");
  } while ((labels->back() & kMplsBottom) == 0);
  // Nothing names what labels carry; it is the packet's version that tells (RFC 4928).
  const int version = bytes->empty() ? 0 : (*bytes)[0] >> 4;
  *inside = version == 4 ? Inside::kIpv4 : version == 6 ? Inside::kIpv6 : Inside::kOther;
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
