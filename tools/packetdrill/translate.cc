#include "tools/packetdrill/translate.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/headers.h"
#include "tools/packetdrill/icmp_names.h"
#include "tools/packetdrill/option_bytes.h"
#include "tools/packetdrill/printer.h"

namespace sockbed::packetdrill {
namespace {

constexpr size_t kQuotedTransport = 8;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

uint32_t Load32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}
void Store32(uint8_t* p, uint32_t value) {
  for (int i = 0; i < 4; ++i) p[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

uint32_t Value32(const std::optional<Number>& number) {
  return number ? static_cast<uint32_t>(number->value) : 0;
}

// Where the bytes of each option of `kind` and of at least `length` bytes begin.
template <typename Visit>
void ForEachOption(std::vector<uint8_t>* options, uint8_t kind, Visit visit) {
  for (size_t at = 0; at < options->size();) {
    const uint8_t here = (*options)[at];
    if (here <= kOptNop) {
      ++at;
      continue;
    }
    if (at + 1 >= options->size() || (*options)[at + 1] < 2) return;
    const size_t length = (*options)[at + 1];
    if (at + length > options->size()) return;
    if (here == kind) visit(&(*options)[at], length);
    at += length;
  }
}

void ShiftSack(std::vector<uint8_t>* options, uint32_t by) {
  ForEachOption(options, kOptSack, [&](uint8_t* p, size_t length) {
    for (size_t at = 2; at + 4 <= length; at += 4) Store32(p + at, Load32(p + at) + by);
  });
}

// --- Script to wire. ---

// The host's timestamp that the script calls `ecr`.
absl::StatusOr<uint32_t> LiveEcho(uint32_t ecr, const Config& config, const Tracked& tracked) {
  const auto found = tracked.live_ts.find(ecr);
  if (found != tracked.live_ts.end()) return found->second;
  if (config.ts_ecr_scaled && tracked.base_live_ts) {
    return *tracked.base_live_ts + (ecr - *tracked.base_script_ts);
  }
  return Bad(absl::StrCat("TS ecr ", ecr, " echoes no timestamp that was seen"));
}

absl::Status TranslateEcho(const TcpPart& tcp, const Config& config, const Tracked& tracked,
                           std::vector<uint8_t>* options) {
  if ((tcp.flags & kAck) == 0) return absl::OkStatus();
  for (const TcpOption& option : *tcp.options) {
    if (option.kind == TcpOption::Kind::kTimestamp && option.literal_ecr) return absl::OkStatus();
  }
  absl::Status status;
  ForEachOption(options, kOptTimestamp, [&](uint8_t* p, size_t length) {
    if (length != 10) return;
    const absl::StatusOr<uint32_t> live = LiveEcho(Load32(p + 6), config, tracked);
    if (live.ok()) {
      Store32(p + 6, *live);
    } else {
      status = live.status();
    }
  });
  return status;
}

absl::Status TcpToLive(const TcpPart& line, const Config& config, Tracked* tracked,
                       WirePacket* live) {
  const bool syn = (line.flags & kSyn) != 0;
  WireTcp& tcp = live->tcp;
  tcp.flags = line.flags;
  tcp.seq = static_cast<uint32_t>(line.sequence.first.value);
  const bool literal = line.sequence.kind == Sequence::Kind::kLiteral;
  if (!syn && !literal && !tracked->first_packet_literal) tcp.seq += tracked->remote_live_isn;
  tracked->first_packet_literal = false;
  const uint32_t local = tracked->local_live_isn - (syn ? tracked->local_script_isn : 0);
  tcp.ack = Value32(line.ack);
  if ((line.flags & kAck) != 0) tcp.ack += local;
  tcp.window = static_cast<uint16_t>(Value32(line.window));
  tcp.urgent = static_cast<uint16_t>(Value32(line.urgent));
  live->payload.resize(static_cast<size_t>(line.sequence.length.value));
  if (line.rst_reason) {
    if (live->payload.size() != 8) return Bad("the reason of a reset takes 8 bytes of payload");
    live->payload = RstReason(*line.rst_reason);
  }
  if (line.in_udp) {
    live->in_udp = {static_cast<uint16_t>(line.in_udp->source.value),
                    static_cast<uint16_t>(line.in_udp->destination.value)};
  }
  if (!line.options) return absl::OkStatus();
  tcp.options = EncodeOptions(*line.options);
  const bool raw = !line.options->empty() && line.options->front().kind == TcpOption::Kind::kRaw;
  if (raw) return absl::OkStatus();  // bytes as they are
  ShiftSack(&tcp.options, local);
  return TranslateEcho(line, config, *tracked, &tcp.options);
}

// The beginning of a packet that the host has sent, as an ICMP message quotes it.
std::vector<uint8_t> Quote(const std::optional<Quotation>& quotation, const Tracked& tracked) {
  const Quotation quoted = quotation.value_or(Quotation{});
  if (quoted.kind == Quotation::Kind::kRaw) {
    const size_t size = static_cast<size_t>(quoted.length.value);
    return std::vector<uint8_t>(size > kQuotedTransport ? size - kQuotedTransport : 0);
  }
  WirePacket packet;
  packet.source = tracked.local;
  packet.destination = tracked.remote;
  packet.source_port = tracked.local_port;
  packet.destination_port = tracked.remote_port;
  packet.ttl = 64;
  size_t keep = kQuotedTransport;
  if (quoted.kind == Quotation::Kind::kTcp) {
    packet.tcp.seq = static_cast<uint32_t>(quoted.sequence.first.value);
    const bool literal = quoted.sequence.kind == Sequence::Kind::kLiteral;
    if (!literal) packet.tcp.seq += tracked.local_live_isn;
    packet.payload.resize(static_cast<size_t>(quoted.sequence.length.value));
    if (quoted.in_udp) {
      packet.in_udp = {static_cast<uint16_t>(quoted.in_udp->source.value),
                       static_cast<uint16_t>(quoted.in_udp->destination.value)};
      keep += kQuotedTransport;
    }
  } else {
    packet.protocol = quoted.kind == Quotation::Kind::kUdp ? kUdp : kUdpLite;
    packet.payload.resize(static_cast<size_t>(quoted.length.value));
    if (quoted.coverage) packet.coverage = static_cast<uint16_t>(quoted.coverage->value);
  }
  std::vector<uint8_t> bytes = EncodePacket(packet);
  bytes.resize((packet.v6() ? 40 : 20) + keep);
  return bytes;
}

// A router tells the link's MTU, and nothing of itself: all lifetimes are 0 (RFC 4861 4.2, 4.6.4).
absl::Status RouterSays(const IcmpPart& line, const Config& config, WirePacket* live) {
  constexpr uint8_t kMtuOption = 5;
  if (line.quotation) return Bad("a router advertisement quotes nothing");
  live->source = *ParseAddressText(config.gateway_linklocal_ip);
  live->destination = *ParseAddressText(config.local_linklocal_ip);
  live->icmp_rest = 0;
  live->payload.assign(16, 0);
  live->payload[8] = kMtuOption;
  live->payload[9] = 1;  // in units of 8 bytes
  Store32(&live->payload[12], static_cast<uint32_t>(line.mtu->value));
  return absl::OkStatus();
}

// Whether an MTU, and an identifier, are where the type has a place for them, and where it must.
absl::Status CheckIcmpFields(const IcmpPart& line, bool v6, uint8_t type, uint8_t code) {
  if (!v6) {
    const bool tells_mtu = type == 3 && code == 4;
    if (line.mtu && (!tells_mtu || line.mtu->value > UINT16_MAX)) {
      return Bad("an MTU is told by 'unreachable frag_needed', in 16 bits");
    }
    const bool query = type == 0 || type == 8 || (type >= 13 && type <= 18);
    return line.id && !query ? Bad("an identifier is for questions and their answers")
                             : absl::OkStatus();
  }
  const bool tells_mtu = type == kPacketTooBig || type == kRouterAdvertisement;
  if (line.mtu.has_value() != tells_mtu) {
    return Bad("an MTU is told by 'packet_too_big' and 'router_advertisement', always");
  }
  const bool echo = type == kEchoRequest6 || type == kEchoReply6;
  return line.id && !echo ? Bad("an identifier is for echoes") : absl::OkStatus();
}

absl::Status IcmpToLive(const IcmpPart& line, const Config& config, const Tracked& tracked,
                        WirePacket* live) {
  const bool v6 = config.v6_packets();
  const std::optional<uint8_t> type = IcmpType(line.type, v6);
  if (!type) return Bad(absl::StrCat("unknown ICMP type '", line.type, "'"));
  const std::optional<uint8_t> code = IcmpCode(*type, line.code, v6);
  if (!code) return Bad(absl::StrCat("unknown ICMP code '", line.code, "'"));
  live->protocol = v6 ? kIcmp6 : kIcmp;
  live->icmp_type = *type;
  live->icmp_code = *code;
  if (absl::Status s = CheckIcmpFields(line, v6, *type, *code); !s.ok()) return s;
  if (line.mtu) live->icmp_rest = static_cast<uint32_t>(line.mtu->value);
  if (line.id) live->icmp_rest = static_cast<uint32_t>(line.id->value) << 16;
  if (v6 && *type == kRouterAdvertisement) return RouterSays(line, config, live);
  const std::array<uint8_t, 5> errors4 = {3, 4, 5, 11, 12};
  const bool quotes =
      v6 ? *type < 128 : std::find(errors4.begin(), errors4.end(), *type) != errors4.end();
  if (quotes || line.quotation) live->payload = Quote(line.quotation, tracked);
  return absl::OkStatus();
}

// The lengths in IP headers have 16 bits, IPv6's without the header.
absl::Status CheckSize(WirePacket live) {
  const auto fits = [](const WirePacket& packet) {
    const std::vector<uint8_t> bytes = EncodePacket(packet);
    return bytes.size() <= (bytes[0] >> 4 == 6 ? 40 : 0) + size_t{UINT16_MAX};
  };
  bool good = fits(live);
  while (good && !live.encaps.empty()) {  // ... and so for the packets inside
    live.encaps.erase(live.encaps.begin());
    while (!live.encaps.empty() && !std::holds_alternative<WireIp>(live.encaps.front())) {
      live.encaps.erase(live.encaps.begin());
    }
    good = fits(live);
  }
  return good ? absl::OkStatus() : Bad("too long for an IP packet");
}

}  // namespace

// 33 AA, code, enterprise number.
std::vector<uint8_t> RstReason(const Ports& reason) {
  std::vector<uint8_t> bytes = {0x33, 0xaa, 0, 0, 0, 0, 0, 0};
  bytes[2] = static_cast<uint8_t>(reason.source.value >> 8);
  bytes[3] = static_cast<uint8_t>(reason.source.value);
  Store32(&bytes[4], static_cast<uint32_t>(reason.destination.value));
  return bytes;
}

absl::StatusOr<WirePacket> ToLive(const Packet& line, const Config& config, Tracked* tracked) {
  absl::StatusOr<std::vector<WireEncap>> encaps = EncapsToLive(line.encapsulations);
  if (!encaps.ok()) return encaps.status();
  WirePacket live;
  live.encaps = *std::move(encaps);
  live.source = tracked->remote;
  live.destination = tracked->local;
  live.source_port = tracked->remote_port;
  live.destination_port = tracked->local_port;
  live.protocol = tracked->protocol;
  if (line.ip) {
    if (absl::Status status = IpToLive(*line.ip, &live); !status.ok()) return status;
  }
  absl::Status status;
  if (const auto* tcp = std::get_if<TcpPart>(&line.body)) {
    status = TcpToLive(*tcp, config, tracked, &live);
  } else if (const auto* udp = std::get_if<UdpPart>(&line.body)) {
    live.payload.resize(static_cast<size_t>(udp->length.value));
    if (udp->coverage) live.coverage = static_cast<uint16_t>(udp->coverage->value);
  } else {
    status = IcmpToLive(std::get<IcmpPart>(line.body), config, *tracked, &live);
  }
  if (status.ok()) status = CheckSize(live);
  if (!status.ok()) return status;
  return live;
}

// --- Wire to script. ---

WirePacket ToScriptValues(const WirePacket& live, const Tracked& tracked) {
  WirePacket values = live;
  if (live.protocol != kTcp) return values;
  const bool syn = (live.tcp.flags & kSyn) != 0;
  values.tcp.seq -= tracked.local_live_isn - (syn ? tracked.local_script_isn : 0);
  const uint32_t remote = syn ? 0 : tracked.remote_live_isn;
  if ((live.tcp.flags & kAck) != 0) values.tcp.ack -= remote;
  ShiftSack(&values.tcp.options, 0 - remote);
  ForEachOption(&values.tcp.options, kOptTimestamp, [&](uint8_t* p, size_t length) {
    if (length != 10 || !tracked.base_live_ts) return;
    Store32(p + 2, Load32(p + 2) - *tracked.base_live_ts + *tracked.base_script_ts);
  });
  return values;
}

namespace {

TcpPart DescribeTcp(const WirePacket& values, const TcpPart* like) {
  const WireTcp& tcp = values.tcp;
  TcpPart line;
  line.flags = tcp.flags;
  line.ace = like != nullptr && like->ace;
  line.flag_text = FlagText(tcp.flags, line.ace);
  const int64_t length = static_cast<int64_t>(values.payload.size());
  line.sequence.first = Num(tcp.seq);
  line.sequence.last = Num(int64_t{tcp.seq} + length);
  line.sequence.length = Num(length);
  if (tcp.ack != 0 || (tcp.flags & kAck) != 0) line.ack = Num(tcp.ack);
  if (like == nullptr || like->window) line.window = Num(tcp.window);  // as far as it is compared
  if (tcp.urgent != 0 || (tcp.flags & kUrg) != 0) line.urgent = Num(tcp.urgent);
  if (!tcp.options.empty()) line.options = DecodeOptions(tcp.options);
  if (values.in_udp) line.in_udp = Ports{Num((*values.in_udp)[0]), Num((*values.in_udp)[1])};
  return line;
}

}  // namespace

Packet DescribePacket(const WirePacket& values, const Packet* like) {
  Packet line;
  line.inbound = like != nullptr && like->inbound;
  line.encapsulations =
      DescribeEncaps(values.encaps, like != nullptr ? &like->encapsulations : nullptr);
  if (like != nullptr && like->ip) line.ip = DescribeIp(values, *like->ip);
  if (values.protocol == kTcp) {
    line.body = DescribeTcp(values, like != nullptr ? std::get_if<TcpPart>(&like->body) : nullptr);
  } else if (values.protocol == kUdp || values.protocol == kUdpLite) {
    UdpPart udp;
    udp.length = Num(static_cast<int64_t>(values.payload.size()));
    if (values.coverage) udp.coverage = Num(*values.coverage);
    line.body = udp;
  } else {
    IcmpPart icmp;
    icmp.type = IcmpTypeName(values.icmp_type, values.v6());
    icmp.code = IcmpCodeName(values.icmp_type, values.icmp_code, values.v6());
    line.body = icmp;
  }
  return line;
}

}  // namespace sockbed::packetdrill
