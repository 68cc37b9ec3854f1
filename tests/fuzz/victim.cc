#include "tests/fuzz/victim.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_host.h"
#include "kernel/tcp/tcp_var.h"
#include "tests/captures/test_sysctls.h"
#include "uapi/uapi.h"

namespace sockbed::fuzz {
namespace {

using packetdrill::Address;
using packetdrill::LiveHost;
using packetdrill::LiveHostOptions;
using packetdrill::WirePacket;

constexpr uint8_t kFastOpenOption = 34;
constexpr size_t kSynData = 100;

Address ParsedAddress(const char* text) { return *packetdrill::ParseAddressText(text); }

// A name of either family, as system calls take it.
struct Name {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Name NameOf(const Address& address, uint16_t port) {
  Name name;
  if (address.v6()) {
    auto* sin6 = reinterpret_cast<sockaddr_in6*>(&name.storage);
    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(port);
    std::copy_n(address.bytes.begin(), 16, reinterpret_cast<uint8_t*>(&sin6->sin6_addr));
    name.length = sizeof *sin6;
  } else {
    auto* sin = reinterpret_cast<sockaddr_in*>(&name.storage);
    sin->sin_family = AF_INET;
    sin->sin_port = htons(port);
    std::copy_n(address.bytes.begin(), 4, reinterpret_cast<uint8_t*>(&sin->sin_addr));
    name.length = sizeof *sin;
  }
  return name;
}

}  // namespace

// --- The host. ---

struct Victim::Setup {
  uint8_t system, knobs, memory;
};

Victim::Victim(Program* program, MachineStore* store) : program_(program) {
  const Setup setup = {program->Take8(), program->Take8(), program->Take8()};
  freebsd_ = (setup.system & 1) != 0;
  const bool v6 = (setup.system & 2) != 0;
  active_ = (setup.system & 4) != 0;
  fast_open_ = freebsd_ && (setup.system & 8) != 0;
  local_ = ParsedAddress(v6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1");
  remote_ = ParsedAddress(v6 ? "2001:db8::1" : "192.0.2.1");
  LiveHostOptions options;
  options.profile = freebsd_ ? packetdrill::Profile::kFreeBsd : packetdrill::Profile::kOpenBsd;
  options.local = local_;
  options.local_prefix_len = v6 ? 48 : 16;
  options.gateway = ParsedAddress(v6 ? "fd3d:fa7b:d17d::2" : "192.168.0.2");
  options.remote_net = ParsedAddress(v6 ? "2001:db8::" : "192.0.2.0");
  options.remote_prefix_len = v6 ? 32 : 24;
  live_ = std::move(*LiveHost::Boot(options, store));
  Configure(setup);
}

void Victim::Configure(const Setup& setup) {
  Host& host = live_->host();
  const auto set = [&](const char* name, int64_t value) {
    host.SetSysctl(absl::StrCat("net.inet.tcp.", name), value);
  };
  set("debug_walks", 1);
  set("knob.rack_tlp", (setup.system >> 4 & 3) % 3);
  set("ecn", (setup.system >> 6 & 3) % 3);
  set("cc.algorithm", setup.knobs & 1);
  set("drop_synfin", setup.knobs >> 1 & 1);
  set("fastopen.client_enable", fast_open_ ? 1 : 0);
  set("fastopen.server_enable", fast_open_ ? 1 : 0);
  if ((setup.knobs & 4) != 0) set("rfc1323", 0);
  if ((setup.knobs & 8) != 0) set("sack", 0);
  if ((setup.knobs & 16) != 0) set("syncookies_only", 1);
  if ((setup.knobs & 32) != 0) set("pmtud_blackhole_detection", 1);
  // Little room: buffers, handshakes, segments that wait.
  if ((setup.memory & 1) != 0) set("recvspace", 2048);
  if ((setup.memory & 2) != 0) set("sendspace", 1024);
  if ((setup.memory & 4) != 0) set("synbucketlimit", 1);
  if ((setup.memory & 8) != 0) set("syncachelimit", 2);
  if ((setup.memory & 16) != 0) set("reasslimit", 4);
  if ((setup.memory & 32) != 0) set("sack.maxholes", 2);
  // The host's numbers wrap at once, as the program says or the environment of the test.
  if ((setup.memory & 64) != 0) set("knob.iss", 0xffff'ff00);
  for (const auto& [name, value] : TestSysctls()) host.SetSysctl(name, value);
}

void Victim::Run(int64_t us) {
  live_->RunTo(live_->now_us() + us);
  Notice();
}

void Victim::Inject(const std::vector<uint8_t>& packet) {
  live_->Inject(packet);
  Run(0);
}

// Learns the host's numbers from what it has sent.
void Victim::Notice() {
  for (const packetdrill::SentPacket& sent : live_->sent()) {
    const absl::StatusOr<WirePacket> packet = packetdrill::DecodePacket(sent.bytes, false);
    if (!packet.ok() || packet->protocol != packetdrill::kTcp) continue;
    if ((packet->tcp.flags & TH_RST) != 0) ++resets_;
    if ((packet->tcp.flags & TH_SYN) == 0 || packet->destination_port != kPeerPort) continue;
    host_iss_ = packet->tcp.seq;
    for (const packetdrill::WireOption& option : packetdrill::SplitOptions(packet->tcp.options)) {
      if (option.kind == kFastOpenOption && !option.data.empty()) cookie_ = option.data;
    }
  }
  live_->sent().clear();
}

View Victim::Look() const {
  View view;
  view.port = host_port_;
  const syn_cache* sc = HostLocal<TcpHost>::Of(live_->host()).syn_cache.oldest();
  while (sc != nullptr && (sc->sc_ends.fport != kPeerPort || sc->sc_ends.lport != host_port_)) {
    sc = sc->sc_age_next;
  }
  if (sc != nullptr) {
    view.cached = true;
    view.cached_irs = sc->sc_irs;
  }
  const inpcb* inp = tcp_table(live_->host()).first();
  while (inp != nullptr &&
         (inp->inp_fport != htons(kPeerPort) || inp->inp_lport != htons(host_port_))) {
    inp = inp->inp_queue_next;
  }
  if (inp == nullptr) return view;
  const tcpcb* tp = intotcpcb(inp);
  const auto space = std::max<int64_t>(sbspace(&tcp_so(tp)->so_rcv), 0);
  view.there = true;
  view.id = tp->t_id;
  view.state = tp->t_state;
  view.rcv_nxt = tp->rcv_nxt;
  view.last_ack_sent = tp->last_ack_sent;
  view.snd_una = tp->snd_una;
  view.snd_max = tp->snd_max;
  view.iss = tp->iss;
  view.rcv_wnd = static_cast<uint32_t>(std::max<int64_t>(space, tp->rcv_adv - tp->rcv_nxt));
  view.max_sndwnd = tp->max_sndwnd;
  view.owned = (tcp_so(tp)->so_state & SS_NOFDREF) == 0;
  return view;
}

View Victim::Numbers() const {
  View view = Look();
  if (view.there && TCPS_HAVERCVDSYN(view.state)) return view;
  view.rcv_nxt = tcp_seq(kPeerIss + 1);
  view.snd_una = view.snd_max = tcp_seq(host_iss_ + 1);
  view.rcv_wnd = 65535;
  return view;
}

std::string Victim::Finish() {
  Do([this] {
    strangers_.push_back(fd_);
    strangers_.push_back(listener_);
    for (const int fd : strangers_) {
      if (fd >= 0) (void)uapi::close(fd);  // it may be closed already
    }
  });
  return live_->Finish();
}

// --- Into a state, by honest segments. ---

WirePacket Victim::Segment(uint8_t flags, uint32_t seq, uint32_t ack) const {
  WirePacket packet;
  packet.source = remote_;
  packet.destination = local_;
  packet.source_port = kPeerPort;
  packet.destination_port = host_port_;
  packet.tcp = {.seq = seq, .ack = ack, .flags = flags, .window = 32768, .options = {}};
  return packet;
}

void Victim::Honest(uint8_t flags, uint32_t seq, uint32_t ack, std::vector<uint8_t> options,
                    size_t data) {
  WirePacket packet = Segment(flags, seq, ack);
  packet.tcp.options = std::move(options);
  const uint32_t first = seq + ((flags & TH_SYN) != 0 ? 1 : 0);
  for (size_t i = 0; i < data; ++i) {
    packet.payload.push_back(PatternAt(first + static_cast<uint32_t>(i)));
  }
  Inject(packetdrill::EncodePacket(packet));
}

std::vector<uint8_t> Victim::Offer() {
  std::vector<uint8_t> offer = {2, 4, 5, 180};  // MSS 1460
  const uint8_t which = program_->Take8();
  if ((which & 1) != 0) offer.insert(offer.end(), {1, 1, 4, 2});
  if ((which & 2) != 0) offer.insert(offer.end(), {1, 3, 3, 4});
  if ((which & 4) != 0) offer.insert(offer.end(), {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0});
  if ((which & 8) != 0) offer[3] = 64;
  return offer;
}

// With the host's cookie, or a request for one.
std::vector<uint8_t> Victim::WithFastOpen(std::vector<uint8_t> options) const {
  options.push_back(kFastOpenOption);
  options.push_back(static_cast<uint8_t>(2 + cookie_.size()));
  options.insert(options.end(), cookie_.begin(), cookie_.end());
  while (options.size() % 4 != 0) options.push_back(1);
  return options;
}

void Victim::BringUp() {
  const auto state = static_cast<TcpState>(program_->Below(TCP_NSTATES));
  if (state == TCPS_CLOSED) return;
  Do([this] { Listen(); });
  if (state == TCPS_LISTEN) return;
  if (active_ || state == TCPS_SYN_SENT) {
    OpenActively(state);
  } else {
    OpenPassively(state);
  }
}

void Victim::OpenActively(TcpState state) {
  const std::vector<uint8_t> offer = Offer();
  Do([this] { Connect(); });
  Run(0);
  if (state == TCPS_SYN_SENT) return;
  if (state == TCPS_SYN_RECEIVED) return Honest(TH_SYN, kPeerIss, 0, offer);
  const uint32_t acked = Look().snd_max.value();  // data may have gone with the SYN
  Honest(TH_SYN | TH_ACK, kPeerIss, acked, offer);
  CloseUntil(state);
}

void Victim::OpenPassively(TcpState state) {
  const std::vector<uint8_t> offer = Offer();
  size_t data = 0;
  if (fast_open_) {
    Honest(TH_SYN, kPeerIss, 0, WithFastOpen(offer));
    Honest(TH_RST, kPeerIss + 1, 0);
    data = kSynData;
    Honest(TH_SYN, kPeerIss, 0, WithFastOpen(offer), data);
  } else {
    Honest(TH_SYN, kPeerIss, 0, offer);
  }
  if (state == TCPS_SYN_RECEIVED) return;  // in the cache, or by Fast Open
  const uint32_t next = kPeerIss + 1 + static_cast<uint32_t>(data);
  Honest(TH_ACK, next, host_iss_ + 1);
  Do([this] { fd_ = uapi::accept(listener_, nullptr, nullptr); });
  CloseUntil(state);
}

// From ESTABLISHED on.
void Victim::CloseUntil(TcpState state) {
  const View view = Numbers();
  const uint32_t seq = view.rcv_nxt.value(), ack = view.snd_max.value();
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

// --- The application. ---

int Victim::NewSocket() {
  const int fd = uapi::socket(v6() ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  if (fast_open_) (void)uapi::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &on, sizeof on);
  return fd;
}

void Victim::Listen() {
  listener_ = NewSocket();
  Address any;
  any.length = local_.length;
  const Name name = NameOf(any, kPort);
  (void)uapi::bind(listener_, name.get(), name.length);
  (void)uapi::listen(listener_, 5);
  (void)uapi::fcntl(listener_, F_SETFL, O_NONBLOCK);
}

void Victim::Connect() {
  fd_ = NewSocket();
  const Name name = NameOf(remote_, kPeerPort);
  (void)uapi::fcntl(fd_, F_SETFL, O_NONBLOCK);
  if (fast_open_) {
    const std::vector<uint8_t> data(kSynData);
    (void)uapi::sendto(fd_, data.data(), data.size(), MSG_NOSIGNAL, name.get(), name.length);
  } else {
    (void)uapi::connect(fd_, name.get(), name.length);
  }
  Name own;
  own.length = sizeof own.storage;
  (void)uapi::getsockname(fd_, reinterpret_cast<sockaddr*>(&own.storage), &own.length);
  // The port stands at one place in names of both families.
  host_port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&own.storage)->sin_port);
}

void Victim::Use() {
  const uint32_t what = program_->Below(10);
  const size_t size = program_->Take16() % 8192;
  Do([this, what, size] { Call(what, size); });
  Run(0);
}

void Victim::Call(uint32_t what, size_t size) {
  const std::vector<uint8_t> data(size);
  switch (what) {
    case 0:
    case 1: (void)uapi::send(fd_, data.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT); return;
    case 2:
    case 3: return Read(size);
    case 4: (void)uapi::shutdown(fd_, SHUT_WR); return;
    case 5: (void)uapi::send(fd_, "!", 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT); return;
    case 6: {
      uint8_t byte;
      (void)uapi::recv(fd_, &byte, 1, MSG_OOB | MSG_DONTWAIT);
      return;
    }
    case 7: return SetSomeOption(size);
    case 8: {
      const int fd = uapi::accept(listener_, nullptr, nullptr);
      if (fd >= 0) strangers_.push_back(fd);
      return;
    }
    default:
      if (size % 4 != 0) return;
      int* const which = size % 8 == 0 ? &fd_ : &listener_;
      if (*which >= 0) (void)uapi::close(*which);
      *which = -1;
  }
}

void Victim::SetSomeOption(size_t which) {
  const int value = static_cast<int>(which >> 3 & 1);
  switch (which & 7) {
    case 0: (void)uapi::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value); return;
    case 1: (void)uapi::setsockopt(fd_, SOL_SOCKET, SO_OOBINLINE, &value, sizeof value); return;
    case 2: (void)uapi::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value); return;
    case 3: {
      const linger abrupt = {.l_onoff = value, .l_linger = 0};
      (void)uapi::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
      return;
    }
    case 4:
    case 5: {
      const int size = static_cast<int>(which) + 1;
      const int name = (which & 1) != 0 ? SO_RCVBUF : SO_SNDBUF;
      (void)uapi::setsockopt(fd_, SOL_SOCKET, name, &size, sizeof size);
      return;
    }
    case 6: (void)uapi::setsockopt(fd_, IPPROTO_TCP, TCP_MAXSEG, &which, sizeof(int)); return;
    default: {
      tcp_info info;
      socklen_t length = sizeof info;
      (void)uapi::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length);
    }
  }
}

void Victim::Read(size_t size) {
  std::vector<uint8_t> data(size);
  const ssize_t n = uapi::recv(fd_, data.data(), size, MSG_DONTWAIT);
  for (ssize_t i = 0; i < n; ++i) {
    const uint32_t seq = kPeerIss + 1 + read_++;
    if (!tainted_ && data[static_cast<size_t>(i)] != PatternAt(seq)) {
      wrong_ = absl::StrCat("byte ", read_, " of the stream is not what was sent");
    }
  }
}

}  // namespace sockbed::fuzz
