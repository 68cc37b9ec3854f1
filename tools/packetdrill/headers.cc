#include "tools/packetdrill/headers.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/fields.h"

namespace sockbed::packetdrill {
namespace {

constexpr uint8_t kEcnMask = 3;
constexpr int kTtlUnsaid = 255;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

std::optional<uint8_t> DscpOf(const std::string& name) {
  const auto digit = [&](size_t i) { return name[i] - '0'; };
  if (name.size() == 3 && name.compare(0, 2, "cs") == 0 && digit(2) >= 0 && digit(2) <= 7) {
    return static_cast<uint8_t>(8 * digit(2));
  }
  if (name.size() == 4 && name.compare(0, 2, "af") == 0 && digit(2) >= 1 && digit(2) <= 4 &&
      digit(3) >= 1 && digit(3) <= 3) {
    return static_cast<uint8_t>(8 * digit(2) + 2 * digit(3));
  }
  if (name == "ef") return 46;
  if (name == "voice-admit") return 44;
  if (name == "le") return 1;
  return std::nullopt;
}

// What a line says of the TOS byte, and which bits of it are said.
struct TosRule {
  uint8_t value = 0;
  uint8_t mask = 0;
  bool either_ect = false;  // ect01
};

absl::StatusOr<TosRule> TosOf(const IpInfo& info) {
  TosRule rule;
  for (const IpItem& item : info.items) {
    const std::string& name = item.name == "ecn" ? item.value : item.name;
    if (name == "tos" || name == "class") {
      rule.value = static_cast<uint8_t>(item.number);
      rule.mask = 0xff;
    } else if (name == "dscp") {
      std::optional<uint8_t> dscp = DscpOf(item.value);
      if (item.value.compare(0, 2, "0x") == 0) dscp = static_cast<uint8_t>(item.number);
      if (!dscp) return Bad(absl::StrCat("unknown DSCP '", item.value, "'"));
      rule.value |= static_cast<uint8_t>(*dscp << 2);
      rule.mask |= static_cast<uint8_t>(~kEcnMask);
    } else if (name == "noecn" || name == "ect0" || name == "ect1" || name == "ce") {
      rule.value |= name == "noecn" ? 0 : name == "ect0" ? 2 : name == "ect1" ? 1 : 3;
      rule.mask |= kEcnMask;
    } else if (name == "ect01") {
      rule.either_ect = true;
    }
  }
  return rule;
}

int TtlOf(const IpInfo& info) {
  for (const IpItem& item : info.items) {
    if (item.name == "ttl" || item.name == "hlim") return static_cast<int>(item.number);
  }
  return kTtlUnsaid;
}

}  // namespace

absl::Status IpToLive(const IpInfo& info, WireIp* live) {
  const absl::StatusOr<TosRule> tos = TosOf(info);
  if (!tos.ok()) return tos.status();
  if (tos->either_ect) return Bad("ect01 is for outbound packets");
  live->tos = tos->value;
  for (const IpItem& item : info.items) {
    if (item.name == "ttl" || item.name == "hlim") live->ttl = static_cast<uint8_t>(item.number);
    if (item.name == "flowlabel") live->flow_label = static_cast<uint32_t>(item.number);
  }
  return absl::OkStatus();
}

absl::Status CheckIp(const IpInfo& info, const WireIp& live) {
  const absl::StatusOr<TosRule> tos = TosOf(info);
  if (!tos.ok()) return tos.status();
  Fields fields;
  fields.Same("tos", tos->value & tos->mask, live.tos & tos->mask);
  if (fields.status().ok() && tos->either_ect && (live.tos & 3) != 1 && (live.tos & 3) != 2) {
    return Differs("live packet field ecn: expected: ect01");
  }
  const int ttl = TtlOf(info);
  if (ttl != kTtlUnsaid) fields.Same("ttl", static_cast<uint32_t>(ttl), live.ttl);
  return fields.status();
}

IpInfo DescribeIp(const WireIp& live, const IpInfo& like) {
  static constexpr const char* kEcn[] = {"noecn", "ect1", "ect0", "ce"};
  IpInfo info;
  info.square = like.square;
  for (const IpItem& item : like.items) {
    IpItem actual = item;
    if (item.name == "ttl" || item.name == "hlim") {
      actual.value = absl::StrCat(live.ttl);
    } else if (item.name == "tos" || item.name == "class") {
      actual.value = absl::StrCat("0x", absl::Hex(live.tos));
    } else if (item.name == "dscp") {
      actual.value = absl::StrCat("0x", absl::Hex(live.tos >> 2));
    } else if (item.name == "flowlabel") {
      actual.value = absl::StrCat("0x", absl::Hex(live.flow_label));
    } else {
      (item.name == "ecn" ? actual.value : actual.name) = kEcn[live.tos & kEcnMask];
    }
    info.items.push_back(std::move(actual));
  }
  return info;
}

// --- Encapsulations. ---

namespace {

using EncapKind = Encapsulation::Kind;

MplsStack StackOf(const std::vector<MplsLabel>& labels) {
  MplsStack stack;
  for (const MplsLabel& label : labels) {
    stack.push_back(static_cast<uint32_t>(label.label.value << 12 | label.traffic_class.value << 9 |
                                          (label.bottom ? kMplsBottom : 0) | label.ttl.value));
  }
  return stack;
}

absl::StatusOr<WireIp> AddressesOf(const Encapsulation& encap) {
  WireIp ip;
  for (const auto& [text, address] :
       {std::pair(&encap.source, &ip.source), std::pair(&encap.destination, &ip.destination)}) {
    const absl::StatusOr<Address> parsed = ParseAddressText(*text);
    if (!parsed.ok()) return parsed.status();
    *address = *parsed;
  }
  return ip;
}

EncapKind KindOf(const WireEncap& encap) {
  if (const auto* ip = std::get_if<WireIp>(&encap)) {
    return ip->v6() ? EncapKind::kIpv6 : EncapKind::kIpv4;
  }
  return std::holds_alternative<GreHeader>(encap) ? EncapKind::kGre : EncapKind::kMpls;
}

absl::Status CheckOuterIp(const Encapsulation& line, const WireIp& live) {
  const absl::StatusOr<WireIp> expected = AddressesOf(line);
  if (!expected.ok()) return expected.status();
  if (!(expected->source == live.source && expected->destination == live.destination)) {
    return Differs(absl::StrCat("outer addresses: expected: ", line.source, " > ", line.destination,
                                " vs actual: ", AddressText(live.source), " > ",
                                AddressText(live.destination)));
  }
  return line.ip ? CheckIp(*line.ip, live) : absl::OkStatus();
}

absl::Status CheckGre(const GreHeader& line, const GreHeader& live) {
  Fields fields;
  fields.Same("gre_checksum_present", line.has_checksum, live.has_checksum);
  fields.Same("gre_key_present", line.key.has_value(), live.key.has_value());
  fields.Same("gre_sequence_present", line.sequence.has_value(), live.sequence.has_value());
  if (line.checksum) fields.Same("gre_sum", *line.checksum, live.checksum.value_or(0));
  fields.Same("gre_off", line.offset, live.offset);
  fields.Same("gre_key", line.key.value_or(0), live.key.value_or(0));
  fields.Same("gre_seq", line.sequence.value_or(0), live.sequence.value_or(0));
  return fields.status();
}

absl::Status CheckStack(const MplsStack& line, const MplsStack& live) {
  Fields fields;
  fields.Same("mpls_labels", static_cast<uint32_t>(line.size()),
              static_cast<uint32_t>(live.size()));
  for (size_t i = 0; i < line.size() && fields.status().ok(); ++i) {
    fields.Same("mpls_label", line[i] >> 12, live[i] >> 12);
    fields.Same("mpls_tc", line[i] >> 9 & 7, live[i] >> 9 & 7);
    fields.Same("mpls_stack_bottom", line[i] >> 8 & 1, live[i] >> 8 & 1);
    fields.Same("mpls_ttl", line[i] & 0xff, live[i] & 0xff);
  }
  return fields.status();
}

Encapsulation Describe(const WireEncap& live, const Encapsulation* like) {
  Encapsulation encap;
  encap.kind = KindOf(live);
  if (const auto* ip = std::get_if<WireIp>(&live)) {
    encap.source = AddressText(ip->source);
    encap.destination = AddressText(ip->destination);
    if (like != nullptr && like->ip) encap.ip = DescribeIp(*ip, *like->ip);
  } else if (const auto* gre = std::get_if<GreHeader>(&live)) {
    encap.gre_name = "gre";
    encap.gre = *gre;
    const auto say = [&](const char* name, uint32_t value) {
      encap.gre_fields.push_back({name, absl::StrCat("0x", absl::Hex(value))});
    };
    if (gre->checksum) say("sum", *gre->checksum);
    if (gre->has_checksum) say("off", gre->offset);
    if (gre->key) say("key", *gre->key);
    if (gre->sequence) say("seq", *gre->sequence);
  } else {
    for (const uint32_t entry : std::get<MplsStack>(live)) {
      encap.labels.push_back(
          {Num(entry >> 12), Num(entry >> 9 & 7), Num(entry & 0xff), (entry & kMplsBottom) != 0});
    }
  }
  return encap;
}

}  // namespace

absl::StatusOr<std::vector<WireEncap>> EncapsToLive(const std::vector<Encapsulation>& line) {
  std::vector<WireEncap> live;
  for (const Encapsulation& encap : line) {
    if (encap.kind == EncapKind::kGre) {
      live.push_back(encap.gre);
    } else if (encap.kind == EncapKind::kMpls) {
      live.push_back(StackOf(encap.labels));
    } else {
      absl::StatusOr<WireIp> ip = AddressesOf(encap);
      if (!ip.ok()) return ip.status();
      const absl::Status status = encap.ip ? IpToLive(*encap.ip, &*ip) : absl::OkStatus();
      if (!status.ok()) return status;
      live.push_back(*ip);
    }
  }
  return live;
}

absl::Status CheckEncaps(const std::vector<Encapsulation>& line,
                         const std::vector<WireEncap>& live) {
  const auto same_kind = [](const Encapsulation& expected, const WireEncap& actual) {
    return expected.kind == KindOf(actual);
  };
  if (!std::equal(line.begin(), line.end(), live.begin(), live.end(), same_kind)) {
    return Differs("the headers in front of the packet are not those of the script");
  }
  for (size_t i = 0; i < line.size(); ++i) {
    absl::Status status;
    if (const auto* ip = std::get_if<WireIp>(&live[i])) {
      status = CheckOuterIp(line[i], *ip);
    } else if (const auto* gre = std::get_if<GreHeader>(&live[i])) {
      status = CheckGre(line[i].gre, *gre);
    } else {
      status = CheckStack(StackOf(line[i].labels), std::get<MplsStack>(live[i]));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::vector<Encapsulation> DescribeEncaps(const std::vector<WireEncap>& live,
                                          const std::vector<Encapsulation>* like) {
  std::vector<Encapsulation> line;
  for (size_t i = 0; i < live.size(); ++i) {
    const bool same = like != nullptr && i < like->size() && (*like)[i].kind == KindOf(live[i]);
    line.push_back(Describe(live[i], same ? &(*like)[i] : nullptr));
  }
  return line;
}

}  // namespace sockbed::packetdrill
