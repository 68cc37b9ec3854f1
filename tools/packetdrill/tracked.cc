#include "tools/packetdrill/tracked.h"

#include <algorithm>

#include "tools/packetdrill/icmp_names.h"

namespace sockbed::packetdrill {
namespace {

// The transport of a line: 0 for ICMP, which fits any socket.
uint8_t ProtocolOf(const Packet& packet) {
  if (std::holds_alternative<TcpPart>(packet.body)) return kTcp;
  if (const auto* udp = std::get_if<UdpPart>(&packet.body)) {
    return udp->coverage ? kUdpLite : kUdp;
  }
  return 0;
}

bool Fits(const Packet& packet, const Tracked& tracked) {
  const uint8_t protocol = ProtocolOf(packet);
  return protocol == 0 || protocol == tracked.protocol;
}

absl::Status NoSocket() { return absl::NotFoundError("no matching socket"); }

uint32_t FirstNumber(const Packet& packet) {
  const auto* tcp = std::get_if<TcpPart>(&packet.body);
  return tcp != nullptr ? static_cast<uint32_t>(tcp->sequence.first.value) : 0;
}

}  // namespace

Connections::Connections(const Config& config) : config_(config) {
  // Checked when the host was booted with them.
  local_ = *ParseAddressText(config.local_ip);
  remote_ = *ParseAddressText(config.remote_ip);
}

void Connections::OnSocket(int script_fd, int live_fd, uint8_t protocol) {
  auto tracked = std::make_unique<Tracked>();
  tracked->script_fd = script_fd;
  tracked->live_fd = live_fd;
  tracked->protocol = protocol;
  tracked->local = local_;
  tracked->remote = remote_;
  under_test_ = tracked.get();
  all_.push_back(std::move(tracked));
}

void Connections::OnListen(int script_fd) {
  if (Tracked* tracked = Find(script_fd)) tracked->phase = Phase::kListening;
}

void Connections::OnBind(int script_fd) {
  if (Tracked* tracked = Find(script_fd)) tracked->local_port = config_.bind_port;
}

bool Connections::OnConnect(int script_fd) {
  Tracked* const tracked = Find(script_fd);
  if (tracked == nullptr || tracked->phase != Phase::kNew) return false;
  tracked->phase = Phase::kConnecting;
  tracked->has_peer = true;
  tracked->remote_port = config_.connect_port;
  return true;
}

void Connections::OnDisconnect(int script_fd) {
  Tracked* const tracked = Find(script_fd);
  if (tracked == nullptr) return;
  tracked->phase = Phase::kNew;
  tracked->has_peer = tracked->connected = false;
  tracked->remote_port = 0;
}

Tracked* Connections::OnAccept(int script_fd, int live_fd) {
  const auto waits = [](const std::unique_ptr<Tracked>& tracked) {
    return tracked->script_fd < 0 &&
           (tracked->phase == Phase::kSynAckSent || tracked->phase == Phase::kEstablished ||
            tracked->phase == Phase::kPacketReceived);
  };
  const auto found = std::find_if(all_.rbegin(), all_.rend(), waits);
  if (found == all_.rend()) return nullptr;
  (*found)->script_fd = script_fd;
  (*found)->live_fd = live_fd;
  return found->get();
}

void Connections::OnClose(int script_fd) {
  if (Tracked* tracked = Find(script_fd)) tracked->script_fd = tracked->live_fd = -1;
}

Tracked* Connections::Find(int script_fd) {
  const auto same = [&](const auto& tracked) { return tracked->script_fd == script_fd; };
  const auto found = std::find_if(all_.rbegin(), all_.rend(), same);
  return script_fd >= 0 && found != all_.rend() ? found->get() : nullptr;
}

Tracked* Connections::StartPseudoConnection(const Packet& packet) {
  const Tracked& before = *under_test_;
  auto tracked = std::make_unique<Tracked>();
  tracked->protocol = before.protocol;
  tracked->phase = Phase::kPacketReceived;
  tracked->has_peer = true;
  tracked->local = local_;
  tracked->remote = remote_;
  tracked->local_port = config_.bind_port;
  tracked->remote_port = next_remote_port_++;
  const uint32_t isn = FirstNumber(packet);
  tracked->remote_script_isn = tracked->remote_live_isn = isn;
  // A first packet without SYN is relative to its own number where something listens, and stands as
  // it is where nothing does.
  tracked->first_packet_literal = before.phase != Phase::kListening;
  under_test_ = tracked.get();
  all_.push_back(std::move(tracked));
  return under_test_;
}

bool Connections::IsRouters(const Packet& packet) const {
  const auto* icmp = std::get_if<IcmpPart>(&packet.body);
  return icmp != nullptr && config_.v6_packets() &&
         IcmpType(icmp->type, true) == kRouterAdvertisement;
}

absl::StatusOr<Tracked*> Connections::ForInbound(const Packet& packet) {
  if (IsRouters(packet)) return &router_;
  if (under_test_ == nullptr || !Fits(packet, *under_test_)) return NoSocket();
  if (!under_test_->has_peer) return StartPseudoConnection(packet);
  OnInject(packet, under_test_);
  return under_test_;
}

void Connections::OnInject(const Packet& line, Tracked* tracked) {
  const auto* tcp = std::get_if<TcpPart>(&line.body);
  if (tcp == nullptr || (tcp->flags & kAck) == 0) return;
  if (tracked->phase == Phase::kSynSent && (tcp->flags & kSyn) != 0) {
    tracked->phase = Phase::kEstablished;
    tracked->remote_script_isn = tracked->remote_live_isn = FirstNumber(line);
  } else if (tracked->phase == Phase::kSynAckSent) {
    tracked->phase = Phase::kEstablished;
  }
}

absl::StatusOr<Tracked*> Connections::ForOutbound(const Packet& packet) {
  if (under_test_ == nullptr || !Fits(packet, *under_test_) || !under_test_->has_peer) {
    return NoSocket();
  }
  return under_test_;
}

bool Connections::Belongs(const WirePacket& packet, bool icmp, Tracked* tracked) {
  if (icmp) {
    const bool is_icmp = packet.protocol == kIcmp || packet.protocol == kIcmp6;
    return is_icmp && packet.destination == tracked->remote;
  }
  if (packet.protocol != tracked->protocol || packet.destination != tracked->remote ||
      packet.source != tracked->local || packet.destination_port != tracked->remote_port) {
    return false;
  }
  if (tracked->local_port != 0) return packet.source_port == tracked->local_port;
  const bool opens = packet.protocol != kTcp || (packet.tcp.flags & (kSyn | kAck)) == kSyn;
  if (opens) tracked->local_port = packet.source_port;
  return opens;
}

bool Connections::MayBelong(std::span<const uint8_t> packet, bool tcp_in_udp, bool icmp,
                            const Tracked& tracked) {
  const bool v6 = tracked.remote.v6();
  const size_t length = tracked.remote.length;
  const size_t addresses = v6 ? 8 : 12;  // where they begin, the source first
  if (packet.size() < addresses + 2 * length || packet[0] >> 4 != (v6 ? 6 : 4)) return true;
  const uint8_t protocol = packet[v6 ? 6 : 9];
  const auto same = [&](const Address& address, size_t at) {
    return std::equal(packet.begin() + static_cast<ptrdiff_t>(at),
                      packet.begin() + static_cast<ptrdiff_t>(at + length), address.bytes.begin());
  };
  if (!same(tracked.remote, addresses + length)) return false;
  if (icmp) return protocol == (v6 ? kIcmp6 : kIcmp);
  const bool carries =
      (tcp_in_udp && tracked.protocol == kTcp && protocol == kUdp) || (v6 && protocol == kFragment);
  return same(tracked.local, addresses) && (protocol == tracked.protocol || carries);
}

void Connections::OnMatched(const Packet& line, const WirePacket& live, Tracked* tracked) {
  const auto* tcp = std::get_if<TcpPart>(&line.body);
  if (tcp == nullptr || live.protocol != kTcp || (tcp->flags & kSyn) == 0) return;
  const bool ack = (tcp->flags & kAck) != 0;
  const bool active = tracked->phase == Phase::kConnecting && !ack;
  const bool passive = tracked->phase == Phase::kPacketReceived && ack;
  if (!active && !passive) return;
  tracked->phase = active ? Phase::kSynSent : Phase::kSynAckSent;
  tracked->local_live_isn = live.tcp.seq;
  if (tcp->sequence.kind != Sequence::Kind::kAny) tracked->local_script_isn = FirstNumber(line);
}

}  // namespace sockbed::packetdrill
