#include "tests/fuzz/hostile_peer.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "kernel/tcp/tcp_wire.h"
#include "tests/fuzz/harm.h"
#include "tests/fuzz/judge.h"
#include "tests/fuzz/program.h"
#include "tests/fuzz/victim.h"

namespace sockbed::fuzz {
namespace {

using packetdrill::WirePacket;

constexpr int kStepsMax = 64;
constexpr int64_t kSecondUs = 1'000'000;
constexpr uint32_t kStrangersMax = 64;

class HostilePeer {
 public:
  HostilePeer(std::span<const uint8_t> bytes, MachineStore* store)
      : program_(bytes), victim_(&program_, store), harm_(&program_, &victim_) {}

  std::string Play() {
    victim_.BringUp();
    for (int i = 0; i < kStepsMax && !program_.done() && wrong_.empty(); ++i) Step();
    const std::string leaks = victim_.Finish();
    if (!wrong_.empty()) return wrong_;
    return !victim_.wrong().empty() ? victim_.wrong() : leaks;
  }

 private:
  void Step() {
    switch (program_.Below(16)) {
      case 0: return victim_.Run(program_.Take16() * 1000);
      case 1: return victim_.Run(int64_t{program_.Take8()} * 60 * kSecondUs);
      case 2:
      case 3: return victim_.Use();
      case 4:
      case 5: return JudgedIcmp();
      case 6: return victim_.Inject(harm_.Spoiled(packetdrill::EncodePacket(harm_.Segment())));
      case 7: return InjectAll(harm_.Fragments(packetdrill::EncodePacket(harm_.Segment())));
      case 8: return victim_.Inject(harm_.Noise());
      case 9: return Flood();
      default: return Judged();
    }
  }

  void InjectAll(const std::vector<Bytes>& packets) {
    for (const Bytes& packet : packets) victim_.Inject(packet);
  }

  // Strangers open connections, more than there is room for.
  void Flood() {
    const std::vector<uint8_t> offer = victim_.Offer();
    const uint32_t count = program_.Below(kStrangersMax);
    for (uint32_t i = 0; i < count; ++i) {
      WirePacket packet = victim_.Segment(TH_SYN, i, 0);
      packet.source_port = static_cast<uint16_t>(kPeerPort + 1 + i);
      packet.destination_port = kPort;
      packet.tcp.options = offer;
      victim_.Inject(packetdrill::EncodePacket(packet));
    }
  }

  // --- The judge. ---

  void Judged() {
    const WirePacket packet = harm_.Segment();
    const std::vector<Bytes> delivery = harm_.Delivery(packetdrill::EncodePacket(packet));
    const View before = victim_.Look();
    const int resets = victim_.resets();
    InjectAll(delivery);
    const View after = victim_.Look();
    Judge(Forbidden(before, after, packet, victim_.freebsd()), before, after, packet);
    if ((packet.tcp.flags & TH_RST) != 0 && victim_.resets() != resets) {
      wrong_ = "a reset was answered with a reset";
    }
  }

  void JudgedIcmp() {
    const WirePacket packet = harm_.Icmp();
    const View before = victim_.Look();
    victim_.Inject(packetdrill::EncodePacket(packet));
    const View after = victim_.Look();
    Judge(ForbiddenByIcmp(before, after), before, after, packet);
  }

  void Judge(std::string_view why, const View& before, const View& after,
             const WirePacket& packet) {
    if (why.empty()) return;
    wrong_ = absl::StrCat(std::string(why), ": flags ", packet.tcp.flags, " seq rcv_nxt+",
                          tcp_seq(packet.tcp.seq) - before.rcv_nxt, " ack snd_una+",
                          tcp_seq(packet.tcp.ack) - before.snd_una, " len ", packet.payload.size(),
                          " window ", before.rcv_wnd, " state ", static_cast<int>(before.state),
                          " -> ", after.there ? static_cast<int>(after.state) : -1,
                          victim_.freebsd() ? " (freebsd)" : " (openbsd)");
  }

  Program program_;
  Victim victim_;
  Harm harm_;
  std::string wrong_;
};

}  // namespace

std::string PlayHostile(std::span<const uint8_t> program, MachineStore* store) {
  return HostilePeer(program, store).Play();
}

}  // namespace sockbed::fuzz
