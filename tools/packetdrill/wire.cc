#include "tools/packetdrill/wire.h"

#include <arpa/inet.h>
#include <md5.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernel/inet/in_cksum.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/wire_encap.h"

namespace sockbed::packetdrill {
namespace {

constexpr size_t kIpv4HeaderBytes = 20;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kFragmentHeaderBytes = 8;
constexpr size_t kTcpHeaderBytes = 20;
constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kIcmpHeaderBytes = 8;
constexpr uint8_t kMd5Kind = 19;
constexpr size_t kMd5OptionBytes = 18;

using Bytes = std::vector<uint8_t>;

uint16_t Load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
uint32_t Load32(const uint8_t* p) { return uint32_t{Load16(p)} << 16 | Load16(p + 2); }
void Add16(Bytes* out, uint32_t value) {
  out->push_back(static_cast<uint8_t>(value >> 8));
  out->push_back(static_cast<uint8_t>(value));
}
void Add32(Bytes* out, uint32_t value) {
  Add16(out, value >> 16);
  Add16(out, value & 0xffff);
}
void Put16(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// What stands in front of a transport header when its checksum is made.
Bytes PseudoHeader(const WirePacket& packet, uint8_t protocol, size_t length) {
  Bytes pseudo(packet.source.bytes.begin(), packet.source.bytes.begin() + packet.source.length);
  pseudo.insert(pseudo.end(), packet.destination.bytes.begin(),
                packet.destination.bytes.begin() + packet.destination.length);
  if (packet.v6()) {
    Add32(&pseudo, static_cast<uint32_t>(length));
    Add32(&pseudo, protocol);
  } else {
    Add16(&pseudo, protocol);
    Add16(&pseudo, static_cast<uint32_t>(length));
  }
  return pseudo;
}

// The checksum of a transport's bytes, of which `covered` count. IPv4's ICMP has no pseudo header.
uint16_t TransportSum(const WirePacket& packet, uint8_t protocol, std::span<const uint8_t> bytes,
                      size_t covered) {
  uint64_t sum = 0;
  if (protocol != kIcmp) {
    const Bytes pseudo = PseudoHeader(packet, protocol, bytes.size());
    sum = in_cksum_add(sum, pseudo.data(), pseudo.size());
  }
  return in_cksum_finish(in_cksum_add(sum, bytes.data(), std::min(covered, bytes.size())));
}

// --- Encoding. ---

Bytes TcpHeaderOf(const WirePacket& packet) {
  const WireTcp& tcp = packet.tcp;
  Bytes out;
  Add16(&out, packet.source_port);
  Add16(&out, packet.destination_port);
  Add32(&out, tcp.seq);
  Add32(&out, tcp.ack);
  const size_t words = (kTcpHeaderBytes + tcp.options.size()) / 4;
  Add16(&out, static_cast<uint32_t>(words << 12 | (tcp.reserved & 7) << 9 | (tcp.flags & 0x1ff)));
  Add16(&out, tcp.window);
  Add16(&out, 0);
  Add16(&out, tcp.urgent);
  out.insert(out.end(), tcp.options.begin(), tcp.options.end());
  return out;
}

// Signs in place: the digest of the packet with the key goes into the option.
void Sign(const WirePacket& packet, const Md5Key& key, Bytes* segment) {
  for (size_t at = kTcpHeaderBytes; at + kMd5OptionBytes <= segment->size();) {
    const uint8_t kind = (*segment)[at];
    if (kind == kMd5Kind) {
      const auto digest = Md5Signature(packet, key);
      std::copy(digest.begin(), digest.end(), segment->begin() + static_cast<ptrdiff_t>(at) + 2);
      return;
    }
    at += kind <= 1 ? 1 : std::max<size_t>((*segment)[at + 1], 2);
  }
}

Bytes UdpAround(const WirePacket& packet, uint16_t from, uint16_t to, const Bytes& payload,
                std::optional<uint16_t> coverage) {
  Bytes out;
  Add16(&out, from);
  Add16(&out, to);
  const size_t length = kUdpHeaderBytes + payload.size();
  Add16(&out, coverage ? *coverage : static_cast<uint32_t>(length));
  Add16(&out, 0);
  out.insert(out.end(), payload.begin(), payload.end());
  const size_t covered = coverage && *coverage != 0 ? *coverage : length;
  const uint16_t sum = TransportSum(packet, coverage ? kUdpLite : kUdp, out, covered);
  Put16(&out[6], sum == 0 ? 0xffff : sum);
  return out;
}

Bytes TransportOf(const WirePacket& packet, const Md5Key* key) {
  switch (packet.protocol) {
    case kTcp: {
      Bytes out = TcpHeaderOf(packet);
      if (key != nullptr) Sign(packet, *key, &out);
      out.insert(out.end(), packet.payload.begin(), packet.payload.end());
      Put16(&out[16], TransportSum(packet, kTcp, out, out.size()));
      if (!packet.in_udp) return out;
      return UdpAround(packet, (*packet.in_udp)[0], (*packet.in_udp)[1], out, std::nullopt);
    }
    case kUdp:
    case kUdpLite:
      return UdpAround(packet, packet.source_port, packet.destination_port, packet.payload,
                       packet.coverage);
    default: {
      Bytes out = {packet.icmp_type, packet.icmp_code, 0, 0};
      Add32(&out, packet.icmp_rest);
      out.insert(out.end(), packet.payload.begin(), packet.payload.end());
      Put16(&out[2], TransportSum(packet, packet.protocol, out, out.size()));
      return out;
    }
  }
}

// --- Decoding. ---

absl::Status DecodeTcp(std::span<const uint8_t> bytes, WirePacket* packet) {
  if (bytes.size() < kTcpHeaderBytes) return Bad("a TCP header cut short");
  // Inside UDP, whose checksum covers it, TCP's may be left out.
  const bool left_out = packet->in_udp && Load16(&bytes[16]) == 0;
  if (!left_out && TransportSum(*packet, kTcp, bytes, bytes.size()) != 0) {
    return Bad("bad TCP checksum");
  }
  const size_t header = static_cast<size_t>(bytes[12] >> 4) * 4;
  if (header < kTcpHeaderBytes || header > bytes.size()) return Bad("bad TCP data offset");
  packet->protocol = kTcp;
  packet->source_port = Load16(&bytes[0]);
  packet->destination_port = Load16(&bytes[2]);
  packet->tcp.seq = Load32(&bytes[4]);
  packet->tcp.ack = Load32(&bytes[8]);
  packet->tcp.flags = Load16(&bytes[12]) & 0x1ff;
  packet->tcp.reserved = bytes[12] >> 1 & 7;
  packet->tcp.window = Load16(&bytes[14]);
  packet->tcp.urgent = Load16(&bytes[18]);
  packet->tcp.options.assign(bytes.begin() + kTcpHeaderBytes,
                             bytes.begin() + static_cast<ptrdiff_t>(header));
  packet->payload.assign(bytes.begin() + static_cast<ptrdiff_t>(header), bytes.end());
  return absl::OkStatus();
}

absl::Status DecodeUdp(std::span<const uint8_t> bytes, bool tcp_inside, WirePacket* packet) {
  if (bytes.size() < kUdpHeaderBytes) return Bad("a UDP header cut short");
  const bool lite = packet->protocol == kUdpLite;
  const uint16_t field = Load16(&bytes[4]);
  if (!lite && field != bytes.size()) return Bad("the UDP length is not that of the packet");
  const size_t covered = lite && field != 0 ? field : bytes.size();
  if (covered > bytes.size()) return Bad("checksum coverage beyond the packet");
  const bool none = Load16(&bytes[6]) == 0 && !lite && !packet->v6();
  if (!none && TransportSum(*packet, packet->protocol, bytes, covered) != 0) {
    return Bad("bad UDP checksum");
  }
  if (tcp_inside && !lite) {
    packet->in_udp = {Load16(&bytes[0]), Load16(&bytes[2])};
    return DecodeTcp(bytes.subspan(kUdpHeaderBytes), packet);
  }
  packet->source_port = Load16(&bytes[0]);
  packet->destination_port = Load16(&bytes[2]);
  if (lite) packet->coverage = field;
  packet->payload.assign(bytes.begin() + kUdpHeaderBytes, bytes.end());
  return absl::OkStatus();
}

absl::Status DecodeIcmp(std::span<const uint8_t> bytes, WirePacket* packet) {
  if (bytes.size() < kIcmpHeaderBytes) return Bad("an ICMP header cut short");
  if (TransportSum(*packet, packet->protocol, bytes, bytes.size()) != 0) {
    return Bad("bad ICMP checksum");
  }
  packet->icmp_type = bytes[0];
  packet->icmp_code = bytes[1];
  packet->icmp_rest = Load32(&bytes[4]);
  packet->payload.assign(bytes.begin() + kIcmpHeaderBytes, bytes.end());
  return absl::OkStatus();
}

// Takes an IP header off the front of *bytes; tells what follows.
absl::Status TakeIpv4(std::span<const uint8_t>* bytes, WireIp* ip, uint8_t* protocol) {
  const std::span<const uint8_t> whole = *bytes;
  const size_t header = static_cast<size_t>(whole[0] & 15) * 4;
  if (header < kIpv4HeaderBytes || whole.size() < header) return Bad("bad IPv4 header length");
  if (in_cksum_bytes(whole.data(), header) != 0) return Bad("bad IPv4 header checksum");
  if (Load16(&whole[2]) != whole.size()) return Bad("the IPv4 length is not that of the packet");
  if ((Load16(&whole[6]) & 0x3fff) != 0) return Bad("a fragment");
  ip->tos = whole[1];
  ip->ttl = whole[8];
  *protocol = whole[9];
  std::copy_n(&whole[12], 4, ip->source.bytes.begin());
  std::copy_n(&whole[16], 4, ip->destination.bytes.begin());
  *bytes = whole.subspan(header);
  return absl::OkStatus();
}

// Behind the header of an atomic fragment stands all of its packet (RFC 6946).
absl::Status TakeFragmentHeader(std::span<const uint8_t>* bytes, uint8_t* protocol) {
  if (bytes->size() < kFragmentHeaderBytes) return Bad("a fragment header cut short");
  if ((Load16(&(*bytes)[2]) & 0xfff9) != 0) return Bad("a fragment");
  *protocol = (*bytes)[0];
  *bytes = bytes->subspan(kFragmentHeaderBytes);
  return absl::OkStatus();
}

absl::Status TakeIpv6(std::span<const uint8_t>* bytes, WireIp* ip, uint8_t* protocol) {
  const std::span<const uint8_t> whole = *bytes;
  if (whole.size() < kIpv6HeaderBytes) return Bad("an IPv6 header cut short");
  if (Load16(&whole[4]) + kIpv6HeaderBytes != whole.size()) {
    return Bad("the IPv6 payload length is not that of the packet");
  }
  const uint32_t first = Load32(&whole[0]);
  ip->tos = static_cast<uint8_t>(first >> 20);
  ip->flow_label = first & 0xfffff;
  *protocol = whole[6];
  ip->ttl = whole[7];
  ip->source.length = ip->destination.length = 16;
  std::copy_n(&whole[8], 16, ip->source.bytes.begin());
  std::copy_n(&whole[24], 16, ip->destination.bytes.begin());
  *bytes = whole.subspan(kIpv6HeaderBytes);
  return *protocol == kFragment ? TakeFragmentHeader(bytes, protocol) : absl::OkStatus();
}

absl::Status TakeIp(std::span<const uint8_t>* bytes, WireIp* ip, uint8_t* protocol) {
  if (bytes->size() < kIpv4HeaderBytes) return Bad("a packet without an IP header");
  switch ((*bytes)[0] >> 4) {
    case 4: return TakeIpv4(bytes, ip, protocol);
    case 6: return TakeIpv6(bytes, ip, protocol);
    default: return Bad("a packet of no known IP version");
  }
}

// Takes off all that stands in front of the transport: the packet's own IP header, and those of
// tunnels around it. Of a tunnel that carries something else than IP the rest is the payload.
absl::Status TakeHeaders(std::span<const uint8_t>* bytes, WirePacket* packet) {
  for (;;) {
    *packet = WirePacket{{}, std::move(packet->encaps)};
    absl::Status status = TakeIp(bytes, packet, &packet->protocol);
    if (!status.ok()) return status;
    Inside inside = InsideOfIp(packet->protocol);
    if (inside == Inside::kOther) return absl::OkStatus();
    packet->encaps.push_back(static_cast<const WireIp&>(*packet));
    if (inside == Inside::kGre) {
      GreHeader gre;
      status = TakeGre(bytes, &gre, &inside);
      packet->encaps.push_back(gre);
    }
    if (status.ok() && inside == Inside::kMpls) {
      MplsStack labels;
      status = TakeMpls(bytes, &labels, &inside);
      packet->encaps.push_back(std::move(labels));
    }
    if (!status.ok() || inside == Inside::kOther) return status;
  }
}

// Puts an IP header in front of its payload.
void AddIp(const WireIp& ip, uint8_t protocol, Bytes* payload) {
  Bytes out;
  out.reserve(kIpv6HeaderBytes + payload->size());
  if (ip.v6()) {
    Add32(&out, 6u << 28 | uint32_t{ip.tos} << 20 | ip.flow_label);
    Add16(&out, static_cast<uint32_t>(payload->size()));
    out.push_back(protocol);
    out.push_back(ip.ttl);
  } else {
    out = {0x45, ip.tos};
    Add16(&out, static_cast<uint32_t>(kIpv4HeaderBytes + payload->size()));
    Add32(&out, 0);
    out.push_back(ip.ttl);
    out.push_back(protocol);
    Add16(&out, 0);
  }
  for (const Address* address : {&ip.source, &ip.destination}) {
    out.insert(out.end(), address->bytes.begin(), address->bytes.begin() + address->length);
  }
  if (!ip.v6()) Put16(&out[10], in_cksum_bytes(out.data(), out.size()));
  out.insert(out.end(), payload->begin(), payload->end());
  *payload = std::move(out);
}

// Puts the headers of tunnels in front of an IP packet, the innermost first.
void AddEncaps(const WirePacket& packet, Bytes* bytes) {
  Inside inside = packet.v6() ? Inside::kIpv6 : Inside::kIpv4;
  for (auto encap = packet.encaps.rbegin(); encap != packet.encaps.rend(); ++encap) {
    if (const auto* ip = std::get_if<WireIp>(&*encap)) {
      AddIp(*ip, IpProtocolOf(inside), bytes);
      inside = ip->v6() ? Inside::kIpv6 : Inside::kIpv4;
    } else if (const auto* gre = std::get_if<GreHeader>(&*encap)) {
      AddGre(*gre, EtherTypeOf(inside), bytes);
      inside = Inside::kGre;
    } else {
      AddMpls(std::get<MplsStack>(*encap), bytes);
      inside = Inside::kMpls;
    }
  }
}

}  // namespace

absl::StatusOr<Address> ParseAddressText(const std::string& text) {
  Address address;
  if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  address.length = 16;
  if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) return address;
  return Bad(absl::StrCat("no address: ", text));
}

std::string AddressText(const Address& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(address.v6() ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  return text;
}

std::vector<uint8_t> EncodePacket(const WirePacket& packet, const Md5Key* key) {
  Bytes bytes = TransportOf(packet, key);
  AddIp(packet, packet.in_udp ? kUdp : packet.protocol, &bytes);
  AddEncaps(packet, &bytes);
  return bytes;
}

absl::StatusOr<WirePacket> DecodePacket(std::span<const uint8_t> bytes, bool tcp_in_udp) {
  WirePacket packet;
  std::span<const uint8_t> rest = bytes;
  absl::Status status = TakeHeaders(&rest, &packet);
  if (!status.ok()) return status;
  if (packet.protocol == kTcp) {
    status = DecodeTcp(rest, &packet);
  } else if (packet.protocol == kUdp || packet.protocol == kUdpLite) {
    status = DecodeUdp(rest, tcp_in_udp, &packet);
  } else if (packet.protocol == kIcmp || packet.protocol == kIcmp6) {
    status = DecodeIcmp(rest, &packet);
  } else {
    packet.payload.assign(rest.begin(), rest.end());
  }
  if (!status.ok()) return status;
  return packet;
}

std::array<uint8_t, 16> Md5Signature(const WirePacket& packet, const Md5Key& key) {
  // RFC 2385 2: pseudo header, header without options and checksum, data, key.
  Bytes signed_bytes = PseudoHeader(
      packet, kTcp, kTcpHeaderBytes + packet.tcp.options.size() + packet.payload.size());
  const Bytes header = TcpHeaderOf(packet);
  signed_bytes.insert(signed_bytes.end(), header.begin(), header.begin() + kTcpHeaderBytes);
  signed_bytes.insert(signed_bytes.end(), packet.payload.begin(), packet.payload.end());
  signed_bytes.insert(signed_bytes.end(), key.secret.begin(), key.secret.end());
  MD5_CTX md5;
  MD5Init(&md5);
  MD5Update(&md5, signed_bytes.data(), signed_bytes.size());
  std::array<uint8_t, 16> digest;
  MD5Final(digest.data(), &md5);
  return digest;
}

std::vector<WireOption> SplitOptions(std::span<const uint8_t> options) {
  std::vector<WireOption> list;
  for (size_t at = 0; at < options.size();) {
    const uint8_t kind = options[at];
    size_t length = 1;
    if (kind > 1) {
      const size_t left = options.size() - at;
      length = left > 1 && options[at + 1] >= 2 && options[at + 1] <= left ? options[at + 1] : left;
    }
    WireOption option{kind, {}};
    if (length > 2) option.data.assign(&options[at + 2], &options[at] + length);
    list.push_back(std::move(option));
    at += length;
  }
  return list;
}

}  // namespace sockbed::packetdrill
