#include "tools/packetdrill/peer.h"

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/check.h"
#include "tools/packetdrill/parser.h"
#include "tools/packetdrill/printer.h"
#include "tools/packetdrill/translate.h"

namespace sockbed::packetdrill {
namespace {

constexpr uint16_t kPeerPort = 50000;  // of a peer that connects

Config CompleteConfig() {
  Config config;
  CompleteAddresses(&config);
  return config;
}

}  // namespace

LiveHostOptions DefaultHost(Profile profile) {
  const Config config = CompleteConfig();
  LiveHostOptions options;
  options.profile = profile;
  options.local = *ParseAddressText(config.local_ip);
  options.gateway = *ParseAddressText(config.gateway_ip);
  options.remote_net = *ParseAddressText(config.remote_ip);
  options.remote_net.bytes[3] = 0;
  return options;
}

ScriptedPeer::ScriptedPeer(LiveHost* host, Phase phase) : host_(host), config_(CompleteConfig()) {
  tracked_.phase = phase;
  tracked_.has_peer = true;
  tracked_.local = *ParseAddressText(config_.local_ip);
  tracked_.remote = *ParseAddressText(config_.remote_ip);
}

ScriptedPeer ScriptedPeer::ToListener(LiveHost* host, uint16_t port) {
  ScriptedPeer peer(host, Phase::kPacketReceived);
  peer.tracked_.local_port = port;
  peer.tracked_.remote_port = kPeerPort;
  return peer;
}

ScriptedPeer ScriptedPeer::ForConnect(LiveHost* host, uint16_t port) {
  ScriptedPeer peer(host, Phase::kConnecting);
  peer.tracked_.remote_port = port;
  return peer;
}

std::string ScriptedPeer::Inject(const std::string& segment) {
  const absl::StatusOr<Packet> line = ParsePacketText("< " + segment);
  if (!line.ok()) return std::string(line.status().message());
  const auto* tcp = std::get_if<TcpPart>(&line->body);
  const bool opens = tcp != nullptr && (tcp->flags & (kSyn | kAck)) == kSyn;
  if (opens && tracked_.phase == Phase::kPacketReceived) {
    tracked_.remote_script_isn = tracked_.remote_live_isn =
        static_cast<uint32_t>(tcp->sequence.first.value);
  }
  Connections::OnInject(*line, &tracked_);
  const absl::StatusOr<WirePacket> packet = ToLive(*line, config_, &tracked_);
  if (!packet.ok()) return std::string(packet.status().message());
  host_->Inject(EncodePacket(*packet));
  host_->RunTo(host_->now_us());
  return "";
}

bool ScriptedPeer::Next(int64_t us, WirePacket* packet) {
  const int64_t until = host_->now_us() + us;
  do {
    while (!host_->sent().empty()) {
      const SentPacket sent = std::move(host_->sent().front());
      host_->sent().pop_front();
      absl::StatusOr<WirePacket> live = DecodePacket(sent.bytes, false);
      if (!live.ok() || !Connections::Belongs(*live, false, &tracked_)) continue;
      *packet = *std::move(live);
      return true;
    }
  } while (host_->RunToPacket(until));
  host_->RunTo(until);
  return false;
}

std::string ScriptedPeer::Expect(const std::string& segment, int64_t us) {
  const absl::StatusOr<Packet> line = ParsePacketText("> " + segment);
  if (!line.ok()) return std::string(line.status().message());
  WirePacket live;
  if (!Next(us, &live)) return absl::StrCat("not sent: ", segment);
  Connections::OnMatched(*line, live, &tracked_);
  RememberTimestamps(*line, live, &tracked_);
  const WirePacket values = ToScriptValues(live, tracked_);
  const absl::Status status = CheckPacket(*line, live, values, config_, tracked_, host_->now_us());
  if (status.ok()) return "";
  return absl::StrCat(status.message(), "\n  expected: ", PrintPacket(*line),
                      "\n  actual:   ", PrintPacket(DescribePacket(values, &*line)));
}

std::string ScriptedPeer::ExpectNothing(int64_t us) {
  WirePacket live;
  if (!Next(us, &live)) return "";
  return absl::StrCat("sent: ",
                      PrintPacket(DescribePacket(ToScriptValues(live, tracked_), nullptr)));
}

}  // namespace sockbed::packetdrill
