#include "tests/fuzz/hostile_peer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_var.h"
#include "tests/fuzz/program.h"
#include "tools/packetdrill/live_host.h"
#include "tools/packetdrill/peer.h"
#include "tools/packetdrill/wire.h"
#include "uapi/uapi.h"

namespace sockbed::fuzz {
namespace {

using packetdrill::LiveHost;
using packetdrill::WirePacket;

constexpr uint16_t kPort = 8080, kPeerPort = 40000;
constexpr uint32_t kPeerIss = 0xffffff00;  // the peer's numbers wrap early
constexpr int kStepsMax = 64;
constexpr int64_t kSecondUs = 1'000'000;

// What stands at a number of the peer's stream. Whoever sends it, and however often, sends this.
uint8_t PatternAt(uint32_t seq) { return static_cast<uint8_t>(seq * 7 + (seq >> 8)); }

// What the host has of the connection, before and after a segment.
struct View {
  bool there = false;
  uint64_t id = 0;
  TcpState state = TCPS_CLOSED;
  tcp_seq rcv_nxt, last_ack_sent, snd_una, snd_max;
  uint32_t rcv_wnd = 0, max_sndwnd = 0;
  bool owned = false;  // an application has it
};

class HostilePeer {
 public:
  explicit HostilePeer(std::span<const uint8_t> bytes) : program_(bytes) {}

  std::string Play() {
    freebsd_ = program_.Flip();
    Boot();
    BringUp(static_cast<TcpState>(program_.Below(TCP_NSTATES)));
    for (int i = 0; i < kStepsMax && !program_.done() && wrong_.empty(); ++i) Step();
    Do([this] {
      for (int fd : {fd_, listener_}) {
        if (fd >= 0) (void)uapi::close(fd);  // it may be closed already
      }
    });
    const std::string leaks = live_->Finish();
    return !wrong_.empty() ? wrong_ : leaks;
  }

 private:
  // --- The host. ---

  void Boot() {
    packetdrill::LiveHostOptions options = packetdrill::DefaultHost(
        freebsd_ ? packetdrill::Profile::kFreeBsd : packetdrill::Profile::kOpenBsd);
    local_ = options.local;
    remote_ = options.remote_net;
    remote_.bytes[3] = 1;
    live_ = std::move(*LiveHost::Boot(options, nullptr));
    live_->host().SetSysctl("net.inet.tcp.debug_walks", 1);
    live_->host().SetSysctl("net.inet.tcp.knob.rack_tlp", program_.Below(3));
    live_->host().SetSysctl("net.inet.tcp.ecn", program_.Below(3));
  }
  void Do(std::function<void()> body) { (void)live_->Do(std::move(body), live_->now_us()); }
  void Run(int64_t us) {
    live_->RunTo(live_->now_us() + us);
    Notice();
  }
  // Learns the host's numbers from what it has sent.
  void Notice() {
    for (const packetdrill::SentPacket& sent : live_->sent()) {
      const absl::StatusOr<WirePacket> packet = packetdrill::DecodePacket(sent.bytes, false);
      if (!packet.ok() || packet->protocol != packetdrill::kTcp) continue;
      ++sent_;
      if ((packet->tcp.flags & TH_RST) != 0) ++resets_;
      if ((packet->tcp.flags & TH_SYN) != 0) host_iss_ = packet->tcp.seq;
    }
    live_->sent().clear();
  }

  const inpcb* Find() const {
    const inpcb* inp = tcp_table(live_->host()).first();
    while (inp != nullptr && inp->inp_fport != htons(kPeerPort)) inp = inp->inp_queue_next;
    return inp;
  }
  View Look() const {
    View view;
    const inpcb* inp = Find();
    if (inp == nullptr) return view;
    const tcpcb* tp = intotcpcb(inp);
    const auto space = std::max<int64_t>(sbspace(&tcp_so(tp)->so_rcv), 0);
    view = {.there = true,
            .id = tp->t_id,
            .state = tp->t_state,
            .rcv_nxt = tp->rcv_nxt,
            .last_ack_sent = tp->last_ack_sent,
            .snd_una = tp->snd_una,
            .snd_max = tp->snd_max,
            .rcv_wnd = static_cast<uint32_t>(std::max<int64_t>(space, tp->rcv_adv - tp->rcv_nxt)),
            .max_sndwnd = tp->max_sndwnd,
            .owned = (tcp_so(tp)->so_state & SS_NOFDREF) == 0};
    return view;
  }

  // --- Into a state, by honest segments. ---

  void BringUp(TcpState state) {
    if (state == TCPS_CLOSED) return;
    const bool active = state == TCPS_SYN_SENT || program_.Flip();
    Do([this] { listener_ = Listen(); });
    if (state == TCPS_LISTEN) return;
    const std::vector<uint8_t> offer = Offer();
    if (active) {
      Do([this] { fd_ = Connect(); });
      Run(0);
      if (state == TCPS_SYN_SENT) return;
      if (state == TCPS_SYN_RECEIVED) return Honest(TH_SYN, kPeerIss, 0, offer);
      Honest(TH_SYN | TH_ACK, kPeerIss, host_iss_ + 1, offer);
    } else {
      Honest(TH_SYN, kPeerIss, 0, offer);
      if (state == TCPS_SYN_RECEIVED) return;  // in the cache
      Honest(TH_ACK, kPeerIss + 1, host_iss_ + 1);
      Do([this] { fd_ = uapi::accept(listener_, nullptr, nullptr); });
    }
    Close(state);
  }

  int Listen() {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = {}, .sin_zero = {}};
    (void)uapi::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    (void)uapi::listen(fd, 5);
    (void)uapi::fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
  }
  int Connect() {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(kPeerPort), .sin_addr = {}, .sin_zero = {}};
    std::copy_n(remote_.bytes.begin(), 4, reinterpret_cast<uint8_t*>(&name.sin_addr));
    (void)uapi::fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)uapi::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    sockaddr_in own;
    socklen_t length = sizeof own;
    (void)uapi::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length);
    host_port_ = ntohs(own.sin_port);
    return fd;
  }
  // From ESTABLISHED on.
  void Close(TcpState state) {
    const uint32_t seq = kPeerIss + 1, ack = host_iss_ + 1;
    const bool peer_first = state == TCPS_CLOSE_WAIT || state == TCPS_LAST_ACK;
    if (peer_first) Honest(TH_FIN | TH_ACK, seq, ack);
    if (state == TCPS_ESTABLISHED || state == TCPS_CLOSE_WAIT) return;
    Do([this] { (void)uapi::shutdown(fd_, SHUT_WR); });
    Run(0);
    if (state == TCPS_FIN_WAIT_1 || state == TCPS_LAST_ACK) return;
    if (state == TCPS_CLOSING) return Honest(TH_FIN | TH_ACK, seq, ack);
    Honest(TH_ACK, seq, ack + 1);
    if (state == TCPS_TIME_WAIT) Honest(TH_FIN | TH_ACK, seq, ack + 1);
  }
  std::vector<uint8_t> Offer() {
    std::vector<uint8_t> offer = {2, 4, 5, 180};  // MSS 1460
    const uint8_t which = program_.Take8();
    if ((which & 1) != 0) offer.insert(offer.end(), {1, 1, 4, 2});
    if ((which & 2) != 0) offer.insert(offer.end(), {1, 3, 3, 4});
    if ((which & 4) != 0) offer.insert(offer.end(), {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0});
    return offer;
  }

  WirePacket Segment(uint8_t flags, uint32_t seq, uint32_t ack) const {
    WirePacket packet;
    packet.source = remote_;
    packet.destination = local_;
    packet.source_port = kPeerPort;
    packet.destination_port = host_port_;
    packet.tcp = {.seq = seq, .ack = ack, .flags = flags, .window = 32768, .options = {}};
    return packet;
  }
  void Honest(uint8_t flags, uint32_t seq, uint32_t ack, std::vector<uint8_t> options = {}) {
    WirePacket packet = Segment(flags, seq, ack);
    packet.tcp.options = std::move(options);
    live_->Inject(packetdrill::EncodePacket(packet));
    Run(0);
  }

  // --- Harm. ---

  void Step() {
    switch (program_.Below(12)) {
      case 0: return Run(program_.Take16() * 1000);
      case 1: return Run(int64_t{program_.Take8()} * 60 * kSecondUs);
      case 2: return Use();
      case 3: return Inject(packetdrill::EncodePacket(Icmp()));
      case 4: return Spoiled();
      case 5: return Fragments();
      case 6: {
        tainted_ = true;
        return Inject(program_.TakeBytes(20 + program_.Below(80)));
      }
      default: return Judged();
    }
  }

  // What the application does meanwhile.
  void Use() {
    const uint32_t what = program_.Below(5);
    const size_t size = program_.Take16() % 8192;
    Do([&] {
      std::vector<uint8_t> data(size);
      switch (what) {
        case 0: (void)uapi::send(fd_, data.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT); return;
        case 1: return Read(&data);
        case 2: (void)uapi::shutdown(fd_, SHUT_WR); return;
        case 3: (void)uapi::send(fd_, "!", 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT); return;
        default:
          if (size % 4 != 0 || fd_ < 0) return;
          (void)uapi::close(fd_);
          fd_ = -1;
      }
    });
    Run(0);
  }
  void Read(std::vector<uint8_t>* data) {
    const ssize_t n = uapi::recv(fd_, data->data(), data->size(), MSG_DONTWAIT);
    for (ssize_t i = 0; i < n; ++i) {
      const uint32_t seq = kPeerIss + 1 + read_++;
      if (!tainted_ && (*data)[static_cast<size_t>(i)] != PatternAt(seq)) {
        wrong_ = absl::StrCat("byte ", read_, " of the stream is not what was sent");
      }
    }
  }

  // A number near one that matters, or any.
  uint32_t Near(const View& view, bool ack) {
    const uint32_t base = (ack ? view.snd_una : view.rcv_nxt).value();
    const uint32_t reach = ack ? static_cast<uint32_t>(view.snd_max - view.snd_una) : view.rcv_wnd;
    switch (program_.Below(8)) {
      case 0: return base + reach;
      case 1: return base + reach + 1;
      case 2: return base + program_.Take8();
      case 3: return base - program_.Take8();
      case 4: return base + program_.Take16();
      case 5: return program_.Take32();
      default: return base;
    }
  }
  View Base() const {
    View view = Look();
    if (view.there && TCPS_HAVERCVDSYN(view.state)) return view;
    view.rcv_nxt = tcp_seq(kPeerIss + 1);
    view.snd_una = view.snd_max = tcp_seq(host_iss_ + 1);
    view.rcv_wnd = 65535;
    return view;
  }

  std::vector<uint8_t> Options(const View& view) {
    switch (program_.Below(5)) {
      case 0: return program_.TakeBytes(4 * program_.Below(11));
      case 1: return Offer();
      case 2: {
        std::vector<uint8_t> stamp = {1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0};
        for (size_t i = 4; i < 12; ++i) stamp[i] = program_.Take8();
        return stamp;
      }
      case 3: {
        std::vector<uint8_t> sack = {1, 1, 5, 2};
        for (uint32_t blocks = 1 + program_.Below(3); blocks > 0; --blocks) {
          sack[3] = static_cast<uint8_t>(sack[3] + 8);
          const uint32_t from = Near(view, true);
          for (const uint32_t edge : {from, from + program_.Take16() % 4096}) {
            for (int shift = 24; shift >= 0; shift -= 8) {
              sack.push_back(static_cast<uint8_t>(edge >> shift));
            }
          }
        }
        return sack;
      }
      default: return {};
    }
  }
  WirePacket Harmful() {
    const View view = Base();
    // Until the peer's numbers are settled a SYN may bring others than ours.
    if (!view.there || view.state < TCPS_ESTABLISHED) tainted_ = true;
    WirePacket packet = Segment(0, Near(view, false), Near(view, true));
    // Mostly what a segment may be; sometimes any flags.
    constexpr std::array<uint8_t, 8> kFlags = {TH_ACK,          TH_ACK | TH_PUSH, TH_RST,
                                               TH_RST | TH_ACK, TH_SYN,           TH_SYN | TH_ACK,
                                               TH_FIN | TH_ACK, TH_ACK | TH_URG};
    const uint8_t which = program_.Take8();
    packet.tcp.flags = which < 192 ? kFlags[which % kFlags.size()] : program_.Take8();
    if ((packet.tcp.flags & TH_ACK) == 0) packet.tcp.ack = 0;
    packet.tcp.window = program_.Flip() ? 32768 : program_.Take16();
    if ((packet.tcp.flags & TH_URG) != 0) packet.tcp.urgent = program_.Take16() % 3000;
    packet.tcp.options = Options(view);
    packet.payload.resize(program_.Flip() ? program_.Take16() % 1461 : 0);
    const uint32_t first = packet.tcp.seq + ((packet.tcp.flags & TH_SYN) != 0 ? 1 : 0);
    for (size_t i = 0; i < packet.payload.size(); ++i) {
      packet.payload[i] = PatternAt(first + static_cast<uint32_t>(i));
    }
    // An urgent byte leaves the stream: what follows moves up.
    if ((packet.tcp.flags & TH_URG) != 0) tainted_ = true;
    packet.tos = program_.Flip() ? 0 : program_.Take8();
    return packet;
  }
  // An error about a segment that the host may have sent.
  WirePacket Icmp() {
    const View view = Base();
    WirePacket quoted = Segment(TH_ACK, Near(view, true), Near(view, false));
    std::swap(quoted.source, quoted.destination);
    std::swap(quoted.source_port, quoted.destination_port);
    WirePacket packet;
    packet.source = remote_;
    packet.destination = local_;
    packet.protocol = packetdrill::kIcmp;
    packet.icmp_type = program_.Flip() ? 3 : program_.Take8();
    packet.icmp_code = program_.Take8() % 20;
    packet.icmp_rest = program_.Take16();
    packet.payload = packetdrill::EncodePacket(quoted);
    packet.payload.resize(std::min<size_t>(packet.payload.size(), program_.Below(64)));
    return packet;
  }

  void Inject(const std::vector<uint8_t>& packet) {
    live_->Inject(packet);
    Run(0);
  }
  // A segment with a few bytes changed; the checksums may be wrong then, or may not.
  void Spoiled() {
    std::vector<uint8_t> packet = packetdrill::EncodePacket(Harmful());
    tainted_ = true;
    for (uint32_t n = 1 + program_.Below(4); n > 0; --n) {
      packet[program_.Take16() % packet.size()] ^= program_.Take8();
    }
    const absl::StatusOr<WirePacket> read = packetdrill::DecodePacket(packet, false);
    const bool mend = program_.Flip() && read.ok() && read->protocol == packetdrill::kTcp;
    Inject(mend ? packetdrill::EncodePacket(*read) : packet);
  }
  void Fragments() {
    tainted_ = true;
    const std::vector<uint8_t> whole = packetdrill::EncodePacket(Harmful());
    const auto id = program_.Take8();
    for (uint32_t n = 1 + program_.Below(4); n > 0; --n) {
      const size_t payload = whole.size() - 20;
      const size_t from = program_.Below(32) * 8 % (payload + 1);
      const size_t size = std::min<size_t>(program_.Take16() % 1481, payload - from);
      std::vector<uint8_t> fragment(whole.begin(), whole.begin() + 20);
      fragment.insert(fragment.end(), whole.begin() + static_cast<ptrdiff_t>(20 + from),
                      whole.begin() + static_cast<ptrdiff_t>(20 + from + size));
      fragment[2] = static_cast<uint8_t>(fragment.size() >> 8);
      fragment[3] = static_cast<uint8_t>(fragment.size());
      fragment[5] = id;
      const auto field = static_cast<uint16_t>(from / 8 | (program_.Flip() ? 0x2000 : 0));
      fragment[6] = static_cast<uint8_t>(field >> 8);
      fragment[7] = static_cast<uint8_t>(field);
      fragment[10] = fragment[11] = 0;
      uint32_t sum = 0;
      for (size_t i = 0; i < 20; i += 2)
        sum += static_cast<uint32_t>(fragment[i] << 8 | fragment[i + 1]);
      sum = ~((sum & 0xffff) + (sum >> 16));
      fragment[10] = static_cast<uint8_t>(sum >> 8);
      fragment[11] = static_cast<uint8_t>(sum);
      Inject(fragment);
    }
  }

  // --- The judge. ---

  void Judged() {
    const View before = Look();
    const WirePacket packet = Harmful();
    const int resets = resets_;
    Inject(packetdrill::EncodePacket(packet));
    const View after = Look();
    const std::string why(Forbidden(before, after, packet));
    if (!why.empty()) {
      wrong_ = absl::StrCat(
          why, ": flags ", packet.tcp.flags, " seq rcv_nxt+",
          tcp_seq(packet.tcp.seq) - before.rcv_nxt, " ack snd_una+",
          tcp_seq(packet.tcp.ack) - before.snd_una, " len ", packet.payload.size(), " window ",
          before.rcv_wnd, " state ", static_cast<int>(before.state), " -> ",
          after.there ? static_cast<int>(after.state) : -1, freebsd_ ? " (freebsd)" : " (openbsd)");
    }
    if ((packet.tcp.flags & TH_RST) != 0 && resets_ != resets) {
      wrong_ = "a reset was answered with a reset";
    }
  }

  // What of the change from `before` to `after` RFC 5961 forbids; empty: nothing.
  std::string_view Forbidden(const View& before, const View& after,
                             const WirePacket& packet) const {
    if (!before.there || before.state < TCPS_ESTABLISHED) return "";
    const uint16_t flags = packet.tcp.flags;
    const tcp_seq seq(packet.tcp.seq), ack(packet.tcp.ack);
    const bool lives = after.there && after.id == before.id;
    const bool changed = !lives || after.state != before.state;
    if (lives && (SEQ_LT(after.rcv_nxt, before.rcv_nxt) || SEQ_LT(after.snd_una, before.snd_una))) {
      return "a number went back";
    }
    if ((flags & TH_RST) != 0) {
      const bool exact = seq == before.last_ack_sent || seq == before.rcv_nxt ||
                         (!freebsd_ && seq == before.rcv_nxt + 1);
      return changed && !exact ? "a reset that is not exact was believed (3.2)" : "";
    }
    // In TIME_WAIT a SYN may begin anew; data for a socket that nobody has ends the connection.
    const bool orphan_data =
        !before.owned && before.state > TCPS_CLOSE_WAIT && !packet.payload.empty();
    if (before.state == TCPS_TIME_WAIT || orphan_data) return "";
    const bool moved =
        changed || after.rcv_nxt != before.rcv_nxt || after.snd_una != before.snd_una;
    const int32_t beyond = seq - before.rcv_nxt;
    if ((flags & TH_SYN) != 0 && (freebsd_ || beyond >= 0)) {
      return moved ? "a SYN has moved a connection (4.2)" : "";
    }
    if (beyond > 0 && static_cast<uint32_t>(beyond) > before.rcv_wnd) {
      return moved ? "a segment beyond the window was believed" : "";
    }
    if ((flags & TH_ACK) == 0) return moved ? "a segment without ACK was believed" : "";
    const bool too_old = freebsd_ && SEQ_LT(ack, before.snd_una - before.max_sndwnd);
    if (SEQ_GT(ack, before.snd_max) || too_old) {
      return moved ? "an acknowledgement out of range was believed (5.2)" : "";
    }
    return "";
  }

  Program program_;
  bool freebsd_ = false;
  packetdrill::Address local_, remote_;
  std::unique_ptr<LiveHost> live_;
  int listener_ = -1, fd_ = -1;
  uint16_t host_port_ = kPort;
  uint32_t host_iss_ = 0;
  uint32_t read_ = 0;
  int sent_ = 0, resets_ = 0;
  bool tainted_ = false;  // the stream may carry what the pattern does not
  std::string wrong_;
};

}  // namespace

std::string PlayHostile(std::span<const uint8_t> program) { return HostilePeer(program).Play(); }

}  // namespace sockbed::fuzz
