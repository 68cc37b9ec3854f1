#include "tests/fuzz/harm.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "kernel/inet/in_cksum.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed::fuzz {
namespace {

using packetdrill::WirePacket;

constexpr size_t kIpv4Header = 20, kIpv6Header = 40, kIpv4OptionsMax = 40;
constexpr uint8_t kFragmentHeader = 44;

void Put16(Bytes* packet, size_t at, size_t value) {
  (*packet)[at] = static_cast<uint8_t>(value >> 8);
  (*packet)[at + 1] = static_cast<uint8_t>(value);
}
void Append32(Bytes* bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes->push_back(static_cast<uint8_t>(value >> shift));
  }
}

// The lengths of an IP header, and IPv4's checksum, after the packet has changed.
void Mend(Bytes* packet) {
  if ((*packet)[0] >> 4 == 6) {
    Put16(packet, 4, packet->size() - kIpv6Header);
    return;
  }
  Put16(packet, 2, packet->size());
  Put16(packet, 10, 0);
  const size_t header = static_cast<size_t>((*packet)[0] & 15) * 4;
  Put16(packet, 10, in_cksum_bytes(packet->data(), header));
}

size_t HeaderOf(const Bytes& packet) { return packet[0] >> 4 == 6 ? kIpv6Header : kIpv4Header; }

}  // namespace

// --- Segments. ---

// A number near one that matters, or any.
uint32_t Harm::Near(const View& view, bool ack) {
  const uint32_t base = (ack ? view.snd_una : view.rcv_nxt).value();
  const uint32_t reach = ack ? static_cast<uint32_t>(view.snd_max - view.snd_una) : view.rcv_wnd;
  switch (program_->Below(8)) {
    case 0: return base + reach;
    case 1: return base + reach + 1;
    case 2: return base + program_->Take8();
    case 3: return base - program_->Take8();
    case 4: return base + program_->Take16();
    case 5: return program_->Take32();
    default: return base;
  }
}

Bytes Harm::SackOption(const View& view) {
  Bytes sack = {1, 1, 5, 2};
  for (uint32_t blocks = 1 + program_->Below(3); blocks > 0; --blocks) {
    sack[3] = static_cast<uint8_t>(sack[3] + 8);
    const uint32_t from = Near(view, true);
    Append32(&sack, from);
    Append32(&sack, from + program_->Take16() % 4096);
  }
  return sack;
}

Bytes Harm::TcpOptions(const View& view) {
  switch (program_->Below(8)) {
    case 0: return program_->TakeBytes(4 * program_->Below(11));
    case 1: return victim_->Offer();
    case 2: {
      Bytes stamp = {1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0};
      for (size_t i = 4; i < 12; ++i) stamp[i] = program_->Take8();
      return stamp;
    }
    case 3: return SackOption(view);
    case 4: {
      Bytes cookie = {34, 10};
      for (int i = 0; i < 8; ++i) cookie.push_back(program_->Take8());
      cookie.insert(cookie.end(), {1, 1});
      return cookie;
    }
    default: return {};
  }
}

WirePacket Harm::Segment() {
  const View view = victim_->Numbers();
  // Until the peer's numbers are settled a SYN may bring others than ours.
  if (!view.there || view.state < TCPS_ESTABLISHED) victim_->Taint();
  const uint32_t seq = Near(view, false);
  WirePacket packet = victim_->Segment(0, seq, Near(view, true));
  // Mostly what a segment may be; sometimes any flags.
  constexpr std::array<uint8_t, 8> kFlags = {TH_ACK,          TH_ACK | TH_PUSH, TH_RST,
                                             TH_RST | TH_ACK, TH_SYN,           TH_SYN | TH_ACK,
                                             TH_FIN | TH_ACK, TH_ACK | TH_URG};
  const uint8_t which = program_->Take8();
  packet.tcp.flags = which < 192 ? kFlags[which % kFlags.size()] : program_->Take8();
  if ((packet.tcp.flags & TH_ACK) == 0) packet.tcp.ack = 0;
  const uint8_t window = program_->Below(4);
  packet.tcp.window = window == 0 ? program_->Take16() : window == 1 ? 0 : 32768;
  if ((packet.tcp.flags & TH_URG) != 0) packet.tcp.urgent = program_->Take16() % 3000;
  packet.tcp.options = TcpOptions(view);
  packet.payload.resize(program_->Flip() ? program_->Take16() % 1461 : 0);
  const uint32_t first = packet.tcp.seq + ((packet.tcp.flags & TH_SYN) != 0 ? 1 : 0);
  for (size_t i = 0; i < packet.payload.size(); ++i) {
    packet.payload[i] = PatternAt(first + static_cast<uint32_t>(i));
  }
  // An urgent byte leaves the stream: what follows moves up.
  if ((packet.tcp.flags & TH_URG) != 0) victim_->Taint();
  packet.tos = program_->Flip() ? 0 : program_->Take8();
  if (program_->Below(16) == 0) {
    packet.source_port = static_cast<uint16_t>(kPeerPort + program_->Take8());
    packet.destination_port = kPort;
  }
  return packet;
}

WirePacket Harm::Icmp() {
  const View view = victim_->Numbers();
  const uint32_t seq = Near(view, true);
  WirePacket quoted = victim_->Segment(TH_ACK, seq, Near(view, false));
  std::swap(quoted.source, quoted.destination);
  std::swap(quoted.source_port, quoted.destination_port);
  WirePacket packet = victim_->Segment(0, 0, 0);
  const bool v6 = victim_->v6();
  packet.protocol = v6 ? packetdrill::kIcmp6 : packetdrill::kIcmp;
  constexpr std::array<uint8_t, 6> kTypes = {3, 3, 11, 12, 4, 5}, kTypes6 = {1, 1, 2, 3, 4, 137};
  const uint8_t which = program_->Take8();
  packet.icmp_type = which < 192 ? (v6 ? kTypes6 : kTypes)[which % 6] : program_->Take8();
  packet.icmp_code = program_->Take8() % 20;
  packet.icmp_rest = program_->Flip() ? program_->Take16() : program_->Take32();
  packet.payload = packetdrill::EncodePacket(quoted);
  if (program_->Flip()) {
    packet.payload.resize(std::min<size_t>(packet.payload.size(), program_->Below(80)));
  }
  return packet;
}

// --- Around segments. ---

// IPv4's options: some that are known, or any bytes.
Bytes Harm::WithIpOptions(const Bytes& packet) {
  const Bytes peer(packet.begin() + 12, packet.begin() + 16);
  Bytes options;
  while (options.size() + 8 <= kIpv4OptionsMax && program_->Flip()) {
    constexpr std::array<uint8_t, 4> kRoutes = {7, 131, 137, 68};  // RR, LSRR, SSRR, TS
    switch (program_->Below(3)) {
      case 0:
        options.insert(options.end(), {kRoutes[program_->Below(4)], 7, program_->Take8()});
        options.insert(options.end(), peer.begin(), peer.end());
        break;
      case 1: options.push_back(program_->Below(2)); break;
      default: options.insert(options.end(), {program_->Take8(), program_->Take8()});
    }
  }
  while (options.size() % 4 != 0) options.push_back(1);
  Bytes out = packet;
  out.insert(out.begin() + kIpv4Header, options.begin(), options.end());
  out[0] = static_cast<uint8_t>(0x45 + options.size() / 4);
  Mend(&out);
  return out;
}

// IPv6's extension headers: hop by hop, routing, destination options, atomic fragments, or any.
Bytes Harm::WithExtensionHeaders(const Bytes& packet) {
  Bytes out = packet;
  size_t next_at = 6;  // where the kind of the header that follows stands
  size_t at = kIpv6Header;
  for (uint32_t n = 1 + program_->Below(4); n > 0; --n) {
    constexpr std::array<uint8_t, 6> kKinds = {0, 43, 60, kFragmentHeader, 51, 59};
    const uint8_t which = program_->Take8();
    const uint8_t kind = which < 192 ? kKinds[which % kKinds.size()] : program_->Take8();
    const size_t size = 8 * (1 + size_t{program_->Below(3)});
    Bytes header = {out[next_at], static_cast<uint8_t>(size / 8 - 1)};
    if (program_->Flip()) {
      header.insert(header.end(), {1, static_cast<uint8_t>(size - 4)});  // PadN
    } else {
      while (header.size() < size) header.push_back(program_->Take8());
    }
    header.resize(size);
    out[next_at] = kind;
    out.insert(out.begin() + static_cast<ptrdiff_t>(at), header.begin(), header.end());
    next_at = at;
    at += size;
  }
  Mend(&out);
  return out;
}

// The piece of the payload that begins at `from`, a multiple of 8.
Bytes Harm::Fragment(const Bytes& packet, size_t from, size_t size, uint16_t id, bool more) {
  const size_t header = HeaderOf(packet);
  const auto begin = packet.begin() + static_cast<ptrdiff_t>(header + from);
  Bytes out(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(header));
  if (header == kIpv6Header) {
    const size_t field = from | (more ? 1 : 0);
    out.insert(out.end(), {out[6], 0});
    for (const size_t half : {field, size_t{0}, size_t{id}}) {
      out.insert(out.end(), {static_cast<uint8_t>(half >> 8), static_cast<uint8_t>(half)});
    }
    out[6] = kFragmentHeader;
  } else {
    Put16(&out, 4, id);
    Put16(&out, 6, from / 8 | (more ? 0x2000 : 0));
  }
  out.insert(out.end(), begin, begin + static_cast<ptrdiff_t>(size));
  Mend(&out);
  return out;
}

std::vector<Bytes> Harm::Delivery(const Bytes& packet) {
  const uint32_t how = program_->Below(8);
  const size_t payload = packet.size() - HeaderOf(packet);
  if (how == 0) {
    return {victim_->v6() ? WithExtensionHeaders(packet) : WithIpOptions(packet)};
  }
  const size_t cut = size_t{program_->Below(64)} * 8;
  if (how != 1 || cut == 0 || cut >= payload) return {packet};
  // No two have one identification, nor has a loose piece: the host may have dropped a part of one
  // (pieces that come twice overlap), and would make of the rest what nobody has sent.
  const auto id = static_cast<uint16_t>(++wholes_ << 8 | program_->Take8());
  std::vector<Bytes> pieces = {Fragment(packet, 0, cut, id, true),
                               Fragment(packet, cut, payload - cut, id, false)};
  if (program_->Flip()) std::swap(pieces[0], pieces[1]);
  if (program_->Flip()) pieces.insert(pieces.begin() + 1, pieces[0]);
  return pieces;
}

std::vector<Bytes> Harm::Fragments(const Bytes& packet) {
  victim_->Taint();
  const size_t payload = packet.size() - HeaderOf(packet);
  const uint8_t id = program_->Take8();
  std::vector<Bytes> pieces;
  for (uint32_t n = 1 + program_->Below(5); n > 0; --n) {
    const size_t from = std::min<size_t>(program_->Below(64) * 8, payload / 8 * 8);
    const size_t size = std::min<size_t>(program_->Take16() % 1481, payload - from);
    pieces.push_back(Fragment(packet, from, size, id, program_->Flip()));
  }
  return pieces;
}

Bytes Harm::Spoiled(Bytes packet) {
  victim_->Taint();
  for (uint32_t n = 1 + program_->Below(4); n > 0; --n) {
    const size_t at = program_->Take16() % packet.size();
    packet[at] ^= program_->Take8();
  }
  const absl::StatusOr<WirePacket> read = packetdrill::DecodePacket(packet, false);
  const bool mend = program_->Flip() && read.ok() && read->protocol == packetdrill::kTcp;
  return mend ? packetdrill::EncodePacket(*read) : packet;
}

Bytes Harm::Noise() {
  victim_->Taint();
  return program_->TakeBytes(20 + program_->Below(80));
}

}  // namespace sockbed::fuzz
