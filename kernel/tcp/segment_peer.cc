#include "kernel/tcp/segment_peer.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/sched.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/tcp_md5.h"
#include "kernel/tcp/tcp_wire.h"
#include "tests/captures/test_sysctls.h"

namespace sockbed {
namespace {

const in_addr kHostAddress = {htonl(0x0a000001)};  // 10.0.0.1
const in_addr kPeerAddress = {htonl(0x0a000002)};

extern const domain kTestDomain;
constexpr protosw kTestSw[] = {
    {SOCK_STREAM, &kTestDomain, IPPROTO_TCP, kTcpPrFlags, &tcp_usrreqs, tcp_ctloutput},
};
const domain kTestDomain = {AF_INET, "internet", nullptr, nullptr, kTestSw};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end != 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

uint32_t Number(std::string_view text) {
  uint32_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  KASSERT(result.ec == std::errc() && result.ptr == text.data() + text.size());
  return value;
}

// Bytes written in hexadecimal.
std::vector<uint8_t> Bytes(std::string_view hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    uint8_t byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    bytes.push_back(byte);
  }
  return bytes;
}

// A segment of the notation.
struct Script {
  std::string_view mark;  // of the IP header
  uint8_t flags = 0;
  uint32_t first = 0, last = 0, length = 0;
  std::string_view ack, win, urg;  // as written; empty: left out
  bool has_options = false;
  std::vector<std::string_view> options;
};

uint8_t ParseFlags(std::string_view text) {
  uint8_t flags = 0;
  for (const char c : text) {
    switch (c) {
      case 'S': flags |= TH_SYN; break;
      case 'F': flags |= TH_FIN; break;
      case 'R': flags |= TH_RST; break;
      case 'P': flags |= TH_PUSH; break;
      case '.': flags |= TH_ACK; break;
      case 'U': flags |= TH_URG; break;
      case 'E': flags |= TH_ECE; break;
      case 'W': flags |= TH_CWR; break;
      case '-': break;  // none
      default: KPANIC("unknown flag in a script");
    }
  }
  return flags;
}

constexpr std::array<std::string_view, 4> kMarks = {"noecn", "ect1", "ect0", "ce"};

uint8_t MarkValue(std::string_view mark) {
  return static_cast<uint8_t>(std::find(kMarks.begin(), kMarks.end(), mark) - kMarks.begin());
}

Script Parse(std::string_view text) {
  Script script;
  if (text.front() == '{') {
    script.mark = text.substr(1, text.find('}') - 1);
    text.remove_prefix(script.mark.size() + 3);
  }
  const size_t open = text.find('<');
  if (open != text.npos) {
    script.has_options = true;
    script.options = Split(text.substr(open + 1, text.find('>') - open - 1), ',');
    text = text.substr(0, open);
  }
  const std::vector<std::string_view> words = Split(text, ' ');
  KASSERT(words.size() >= 2);
  script.flags = ParseFlags(words[0]);
  const std::string_view range = words[1];
  const size_t colon = range.find(':'), paren = range.find('(');
  KASSERT(colon != range.npos && paren != range.npos);
  script.first = Number(range.substr(0, colon));
  script.last = Number(range.substr(colon + 1, paren - colon - 1));
  script.length = Number(range.substr(paren + 1, range.size() - paren - 2));
  for (size_t i = 2; i + 1 < words.size(); i += 2) {
    if (words[i] == "ack") script.ack = words[i + 1];
    if (words[i] == "win") script.win = words[i + 1];
    if (words[i] == "urg") script.urg = words[i + 1];
  }
  return script;
}

// Writes the options of the notation as bytes.
std::vector<uint8_t> EncodeOptions(const Script& script, tcp_seq sack_base, uint32_t ts_base) {
  TcpOptionWriter out;
  for (const std::string_view option : script.options) {
    const std::vector<std::string_view> words = Split(option, ' ');
    if (words[0] == "nop") out.Nop();
    if (words[0] == "sackOK") out.SackPermitted();
    if (words[0] == "mss") out.Mss(static_cast<uint16_t>(Number(words[1])));
    if (words[0] == "wscale") out.WindowScale(static_cast<uint8_t>(Number(words[1])));
    if (words[0] == "TS") {
      const uint32_t echo = Number(words[4]);
      out.Timestamp(Number(words[2]), echo != 0 ? echo + ts_base : 0);
    }
    if (words[0] == "FO") out.FastOpen(words.size() > 1 ? Bytes(words[1]) : std::vector<uint8_t>{});
    if (words[0] == "md5") out.Signature();
    if (words[0] == "sack") {
      std::vector<SackBlock> blocks;
      for (size_t i = 1; i < words.size(); ++i) {
        const size_t colon = words[i].find(':');
        blocks.push_back({sack_base + Number(words[i].substr(0, colon)),
                          sack_base + Number(words[i].substr(colon + 1))});
      }
      out.Sack(blocks);
    }
  }
  out.Finish();
  return {out.bytes().begin(), out.bytes().end()};
}

// Fills in the digest of an option "md5 valid", made with the key "secret".
void Sign(const Script& script, const TcpHeader& th, int header_length, mbuf* m) {
  if (std::find(script.options.begin(), script.options.end(), "md5 valid") ==
      script.options.end()) {
    return;
  }
  auto* p = reinterpret_cast<uint8_t*>(m->m_data) + kIpv4HeaderMin + kTcpHeaderMin;
  while (*p != kTcpOptSignature) p += *p == TCPOPT_NOP ? 1 : p[1];
  const Md5Digest digest = tcp_signature({kPeerAddress, kHostAddress, "secret"}, th, header_length,
                                         m, kIpv4HeaderMin + header_length);
  std::copy(digest.begin(), digest.end(), p + 2);
}

bool Matches(std::string_view expected, std::string_view actual) {
  const auto want = Split(expected, ' '), have = Split(actual, ' ');
  if (want.size() != have.size()) return false;
  for (size_t i = 0; i < want.size(); ++i) {
    if (want[i] != "*" && want[i] != have[i]) return false;
  }
  return true;
}

}  // namespace

// --- The host. ---

SegmentTest::SegmentTest() { Boot(); }

void SegmentTest::Boot() {
  machine_ = std::make_unique<Machine>(Machine::Options{.seed = 7});
  machine_->trace().set_sink(&records_);
  scope_ = std::make_unique<MachineScope>(*machine_);
  Trace& trace = machine_->trace();
  sched_describe(trace);
  mbuf_describe(trace);
  socket_describe(trace);
  net_describe(trace);
  inet_describe(trace);
  tcp_describe(trace);
  host_ = std::make_unique<HostBase>(HostId{1}, "host");
  sched_boot(*host_);
  mbuf_boot(*host_);
  socket_boot(*host_);
  net_boot(*host_);
  inet_boot(*host_);
  tcp_boot(*host_);
  domain_register(*host_, &kTestDomain);

  alarm_.handler = [](Event*) {};
  const HostScope on_host(*host_);
  ifp_ = if_attach(*host_, "script0");
  ifp_->if_softc = this;
  ifp_->if_output = Output;
  ifp_->if_flags |= IFF_RUNNING;
  if_up(ifp_);
  EXPECT_EQ(in_ifadd(ifp_, kHostAddress, 24), 0);
  Sysctl("net.inet.tcp.debug_walks", 1);
  for (const auto& [name, value] : TestSysctls()) Sysctl(name, value);
}

SegmentTest::~SegmentTest() {
  Do([this] {
    if (so_ != nullptr) soclose(so_);
    if (listener_ != nullptr) soclose(listener_);
  });
  proc_killall(*host_);
  if (HasFailure()) ADD_FAILURE() << "the last of the trace:\n" << RecentTrace();
  tcp_halt(*host_);
  inet_halt(*host_);
  net_halt(*host_);
  sent_.clear();
  for (const LiveCount& live : host_->live_counts) EXPECT_EQ(*live.count, 0) << live.what;
  EXPECT_EQ(mbuf_leaks(*host_), "");
  host_.reset();
  machine_->trace().set_sink(nullptr);
  scope_.reset();
}

std::string SegmentTest::RecentTrace() {
  machine_->trace().Flush();
  std::string text;
  const size_t from = records_.all.size() > 60 ? records_.all.size() - 60 : 0;
  for (size_t i = from; i < records_.all.size(); ++i) {
    text += machine_->trace().Format(records_.all[i]) + "\n";
  }
  return text;
}

bool SegmentTest::RunOn(int64_t ms) {
  // The alarm keeps the clock going when nothing else is due.
  const SimTime until = ms * kMillisecond;
  if (until > machine_->now()) machine_->Schedule(&alarm_, until);
  const bool stopped = machine_->Run(until) == Machine::End::kStopped;
  machine_->Cancel(&alarm_);
  return stopped;
}

void SegmentTest::RunTo(int64_t ms) {
  while (RunOn(ms)) {
  }
}

// --- Segments. ---

int SegmentTest::Output(ifnet* ifp, MbufPtr m, const sockaddr*) {
  auto* test = static_cast<SegmentTest*>(ifp->if_softc);
  if (const int error = std::exchange(test->refusal_, 0)) return error;
  if_finish_checksums(ifp, m.get());
  if (test->capture_ != nullptr) test->capture_->Add(m.get(), true);
  Sent sent{Now(), std::vector<uint8_t>(static_cast<size_t>(m->m_pkthdr.len))};
  m_copydata(m.get(), 0, m->m_pkthdr.len, sent.packet.data());
  const int header = (sent.packet[0] & 15) * 4;
  const auto length = static_cast<int>(sent.packet.size()) - header;
  EXPECT_EQ(in4_cksum(m.get(), IPPROTO_TCP, header, length), 0);
  test->sent_.push_back(std::move(sent));
  test->machine_->Stop();
  return 0;
}

void SegmentTest::Send(std::string_view text) {
  const Script script = Parse(text);
  const uint32_t ts_base = ts_known_ ? ts_base_ : 0;
  const std::vector<uint8_t> options = EncodeOptions(script, host_isn_, ts_base);
  const int header = kTcpHeaderMin + static_cast<int>(options.size());
  TcpHeader th;
  th.th_sport = peer_port_;
  th.th_dport = host_port_;
  th.th_seq = peer_isn_ + script.first;
  th.th_flags = script.flags;
  if (!script.ack.empty()) th.th_ack = host_isn_ + Number(script.ack);
  th.th_win = static_cast<uint16_t>(script.win.empty() ? 65535 : Number(script.win));
  if (!script.urg.empty()) th.th_urp = static_cast<uint16_t>(Number(script.urg));

  std::vector<uint8_t> packet(static_cast<size_t>(kIpv4HeaderMin + header));
  const int length = static_cast<int>(packet.size() + script.length);
  const Ipv4Header ip{.total_length = length,
                      .tos = script.mark.empty() ? uint8_t{0} : MarkValue(script.mark),
                      .protocol = IPPROTO_TCP,
                      .source = kPeerAddress,
                      .destination = kHostAddress};
  ip.Write(packet.data(), packet.size());
  th.Write({packet.data() + kIpv4HeaderMin, kTcpHeaderMin}, header);
  std::copy(options.begin(), options.end(), packet.begin() + kIpv4HeaderMin + kTcpHeaderMin);
  const uint32_t from = script.first + ((script.flags & TH_SYN) != 0 ? 1 : 0);
  for (uint32_t i = 0; i < script.length; ++i) {
    packet.push_back(static_cast<uint8_t>(Pattern(from + i)));
  }
  const HostScope on_host(*host_);
  MbufPtr m = m_devget(reinterpret_cast<char*>(packet.data()), length, max_linkhdr);
  Sign(script, th, header, m.get());
  Ipv4Edit(m->m_data, kIpv4HeaderMin).set_checksum(in_cksum_bytes(m->m_data, kIpv4HeaderMin));
  const uint16_t sum = in4_cksum(m.get(), IPPROTO_TCP, kIpv4HeaderMin, length - kIpv4HeaderMin);
  StoreBe16(reinterpret_cast<uint8_t*>(m->m_data) + kIpv4HeaderMin + kTcpChecksumOffset, sum);
  if (capture_ != nullptr) capture_->Add(m.get(), false);
  m->m_pkthdr.ph_family = AF_INET;
  if_input(ifp_, std::move(m));
  RunTo(now_ms());
}

std::string SegmentTest::Describe(const Sent& sent) {
  const uint8_t* p = sent.packet.data() + kIpv4HeaderMin;
  const size_t size = sent.packet.size() - kIpv4HeaderMin;
  const TcpView view({p, size});
  const TcpHeader th = view.Read();
  const auto header = static_cast<size_t>(view.header_length());
  if ((th.th_flags & TH_SYN) != 0) host_isn_ = th.th_seq;
  host_port_ = th.th_sport;
  std::string text;
  for (const auto& [flag, letter] : std::initializer_list<std::pair<int, char>>{{TH_SYN, 'S'},
                                                                                {TH_FIN, 'F'},
                                                                                {TH_RST, 'R'},
                                                                                {TH_PUSH, 'P'},
                                                                                {TH_ACK, '.'},
                                                                                {TH_URG, 'U'},
                                                                                {TH_ECE, 'E'},
                                                                                {TH_CWR, 'W'}}) {
    if ((th.th_flags & flag) != 0) text += letter;
  }
  const auto first = static_cast<uint32_t>(th.th_seq - host_isn_);
  const auto length = static_cast<uint32_t>(size - header);
  text += ' ' + std::to_string(first) + ':' + std::to_string(first + length) + '(' +
          std::to_string(length) + ')';
  if ((th.th_flags & TH_ACK) != 0) {
    text += " ack " + std::to_string(static_cast<uint32_t>(th.th_ack - peer_isn_));
  }
  text += " win " + std::to_string(th.th_win);
  if ((th.th_flags & TH_URG) != 0) text += " urg " + std::to_string(th.th_urp);
  for (uint32_t i = 0; i < length; ++i) {
    const uint32_t at = first + i + ((th.th_flags & TH_SYN) != 0 ? 1 : 0);
    EXPECT_EQ(p[header + i], Pattern(at)) << "data at " << at;
  }
  return text + DescribeOptions(sent, {p + kTcpHeaderMin, header - kTcpHeaderMin});
}

// Whether the signature at `digest` of a packet of the host is made with the key "secret".
static bool DigestIsGood(std::span<const uint8_t> packet, const uint8_t* digest) {
  const auto* tcp = packet.data() + kIpv4HeaderMin;
  const TcpView view({tcp, packet.size() - kIpv4HeaderMin});
  mbuf data;
  data.m_next = nullptr;
  data.m_data = reinterpret_cast<char*>(const_cast<uint8_t*>(packet.data()));
  data.m_len = static_cast<int32_t>(packet.size());
  const Md5Digest good =
      tcp_signature({kHostAddress, kPeerAddress, "secret"}, view.Read(), view.header_length(),
                    &data, kIpv4HeaderMin + view.header_length());
  return std::equal(good.begin(), good.end(), digest);
}

std::string SegmentTest::DescribeOptions(const Sent& sent, std::span<const uint8_t> bytes) {
  std::string text = " <";
  for (size_t at = 0; at < bytes.size();) {
    const uint8_t* o = bytes.data() + at;
    if (at != 0) text += ',';
    switch (o[0]) {
      case TCPOPT_EOL:
        text += "eol";
        ++at;
        continue;
      case TCPOPT_NOP:
        text += "nop";
        ++at;
        continue;
      case TCPOPT_MAXSEG: text += "mss " + std::to_string(LoadBe16(o + 2)); break;
      case TCPOPT_WINDOW: text += "wscale " + std::to_string(o[2]); break;
      case TCPOPT_SACK_PERMITTED: text += "sackOK"; break;
      case TCPOPT_TIMESTAMP:
        if (!ts_known_) ts_base_ = LoadBe32(o + 2);
        ts_known_ = true;
        text += "TS val " + std::to_string(LoadBe32(o + 2) - ts_base_) + " ecr " +
                std::to_string(LoadBe32(o + 6));
        break;
      case kTcpOptSignature:
        text += "md5";
        if (DigestIsGood(sent.packet, o + 2)) text += " valid";
        break;
      case kTcpOptFastOpen:
        text += o[1] > 2 ? "FO " : "FO";
        for (int i = 2; i < o[1]; ++i) {
          text += "0123456789abcdef"[o[i] >> 4];
          text += "0123456789abcdef"[o[i] & 15];
        }
        break;
      case TCPOPT_SACK:
        text += "sack";
        for (int i = 2; i < o[1]; i += 8) {
          const auto start = static_cast<uint32_t>(tcp_seq(LoadBe32(o + i)) - peer_isn_);
          const auto end = static_cast<uint32_t>(tcp_seq(LoadBe32(o + i + 4)) - peer_isn_);
          text += ' ' + std::to_string(start) + ':' + std::to_string(end);
        }
        break;
      default: ADD_FAILURE() << "unknown option " << int{o[0]};
    }
    at += o[1];
  }
  return text + '>';
}

bool SegmentTest::Next(int64_t ms, Sent* sent) {
  while (sent_.empty() && RunOn(ms)) {
  }
  if (sent_.empty()) return false;
  *sent = std::move(sent_.front());
  sent_.pop_front();
  return true;
}

void SegmentTest::Compare(std::string_view expected, const Sent& sent) {
  const std::string actual = Describe(sent);
  const Script want = Parse(expected), have = Parse(actual);
  const bool same =
      want.flags == have.flags && want.first == have.first && want.last == have.last &&
      want.length == have.length && (want.ack.empty() || want.ack == have.ack) &&
      (want.win.empty() || want.win == have.win) && (want.urg.empty() || want.urg == have.urg);
  bool options = !want.has_options || want.options.size() == have.options.size();
  for (size_t i = 0; options && i < want.options.size(); ++i) {
    options = Matches(want.options[i], have.options[i]);
  }
  const uint8_t mark = sent.packet[1] & 3;
  EXPECT_TRUE(want.mark.empty() || MarkValue(want.mark) == mark) << expected << kMarks[mark];
  EXPECT_TRUE(same && options) << "expected: " << expected << "\n    sent: " << actual;
}

void SegmentTest::Expect(std::string_view segment) {
  Sent sent;
  ASSERT_TRUE(Next(now_ms(), &sent)) << "not sent by " << now_ms() << " ms: " << segment;
  Compare(segment, sent);
}

void SegmentTest::ExpectAt(int64_t ms, std::string_view segment) {
  Sent sent;
  ASSERT_TRUE(Next(ms, &sent)) << "not sent by " << ms << " ms: " << segment;
  EXPECT_EQ(sent.time / kMillisecond, ms) << segment;
  Compare(segment, sent);
}

void SegmentTest::ExpectNothing() {
  Sent sent;
  if (Next(now_ms(), &sent)) ADD_FAILURE() << "sent: " << Describe(sent);
}

int SegmentTest::Skip() {
  int count = 0;
  for (Sent sent; Next(now_ms(), &sent); ++count) (void)Describe(sent);
  return count;
}

std::string SegmentTest::TakeWhole() {
  Sent sent;
  return Next(now_ms(), &sent) ? Describe(sent) : "";
}

std::vector<std::string> SegmentTest::TakeAll() {
  std::vector<std::string> all;
  for (Sent sent; Next(now_ms(), &sent);) {
    const std::string text = Describe(sent);
    all.push_back(text.substr(0, text.find(" win")));
  }
  return all;
}

// --- Calls. ---

void SegmentTest::Do(std::function<void()> body) {
  const HostScope on_host(*host_);
  proc_spawn({.name = "test", .main = [body = std::move(body)] {
                body();
                return 0;
              }});
  RunTo(now_ms());
}

namespace {

MbufPtr Address(in_addr address, uint16_t port) {
  MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
  in_sin2nam(address, htons(port), nam.get());
  return nam;
}

}  // namespace

void SegmentTest::Listen(int backlog) {
  Do([&] {
    ASSERT_EQ(socreate(AF_INET, &listener_, SOCK_STREAM, 0), 0);
    const MbufPtr nam = Address({}, kPort);
    ASSERT_EQ(sobind(listener_, nam.get(), curproc()), 0);
    ASSERT_EQ(solisten(listener_, backlog), 0);
  });
}

bool SegmentTest::Accept() {
  bool accepted = false;
  Do([&] {
    so_ = listener_->so_q.first;
    if (so_ == nullptr) return;
    EXPECT_EQ(soqremque(so_, 1), 1);
    const MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    accepted = soaccept(so_, nam.get()) == 0;
  });
  return accepted;
}

void SegmentTest::Create() {
  Do([&] { ASSERT_EQ(socreate(AF_INET, &so_, SOCK_STREAM, 0), 0); });
}

int SegmentTest::Connect() {
  int error = 0;
  peer_port_ = kPort;
  if (so_ == nullptr) Create();
  Do([&] {
    const MbufPtr nam = Address(kPeerAddress, kPort);
    error = soconnect(so_, nam.get());
  });
  return error;
}

int SegmentTest::Write(int n, int flags) { return WriteTo(n, flags, false); }

int SegmentTest::SendTo(int n) {
  if (so_ == nullptr) Create();
  peer_port_ = kPort;
  return WriteTo(n, 0, true);
}

int SegmentTest::WriteTo(int n, int flags, bool name) {
  int error = 0;
  Do([&] {
    const MbufPtr nam = name ? Address(kPeerAddress, kPort) : nullptr;
    std::string data(static_cast<size_t>(n), '\0');
    for (char& c : data) c = Pattern(++written_);
    iovec iov = {data.data(), data.size()};
    uio uio{.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = data.size(), .uio_rw = UIO_WRITE};
    error = sosend(so_, nam.get(), &uio, nullptr, nullptr, flags | MSG_DONTWAIT);
    written_ -= static_cast<uint32_t>(uio.uio_resid);
  });
  return error;
}

int SegmentTest::Read(int max) {
  int result = 0;
  Do([&] {
    std::string data(static_cast<size_t>(max), '\0');
    iovec iov = {data.data(), data.size()};
    uio uio{.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = data.size(), .uio_rw = UIO_READ};
    int flags = MSG_DONTWAIT;
    const int error = soreceive(so_, nullptr, &uio, nullptr, nullptr, &flags);
    result = error != 0 ? -error : max - static_cast<int>(uio.uio_resid);
    for (int i = 0; i < result; ++i) EXPECT_EQ(data[static_cast<size_t>(i)], Pattern(++read_));
  });
  return result;
}

int SegmentTest::Close() {
  int error = 0;
  socket* so = std::exchange(so_, nullptr);
  Do([&] { error = soclose_error(so); });
  return error;
}

int SegmentTest::CloseListener() {
  int error = 0;
  socket* so = std::exchange(listener_, nullptr);
  Do([&] { error = soclose_error(so); });
  return error;
}

int SegmentTest::Shutdown(int how) {
  int error = 0;
  Do([&] { error = soshutdown(so_, how); });
  return error;
}

int SegmentTest::SetOption(int level, int name, int value) {
  int error = 0;
  Do([&] {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    error = sosetopt(so_, level, name, m.release() /*taken*/);
  });
  return error;
}

int SegmentTest::GetOptionBytes(int level, int name, void* value, size_t size) {
  int error = 0;
  Do([&] {
    mbuf* found = nullptr;
    error = sogetopt(so_, level, name, &found);
    if (error != 0) return;
    const MbufPtr m(found);
    ASSERT_EQ(static_cast<size_t>(m->m_len), size);
    std::memcpy(value, m->m_data, size);
  });
  return error;
}

int SegmentTest::GetOption(int level, int name) {
  int value = 0;
  const int error = GetOptionBytes(level, name, &value, sizeof value);
  return error != 0 ? -error : value;
}

void SegmentTest::Sysctl(std::string_view name, int64_t value) {
  EXPECT_EQ(host_->sysctls.Set(name, value), 0) << name;
}

TcpState SegmentTest::State() {
  const std::vector<TcpSummary> all = tcp_connections(*host_);
  if (all.empty() || all.back().closed) return TCPS_CLOSED;
  return all.back().state;
}

void SegmentTest::Establish(std::string_view options, std::string_view win) {
  if (listener_ == nullptr) Listen();
  const std::string offer = "<mss 1460" + std::string(options) + ">";
  Send("S 0:0(0) win " + std::string(win) + " " + offer);
  Expect("S. 0:0(0) ack 1");
  const bool stamped = offer.find("TS") != offer.npos;
  Send(". 1:1(0) ack 1 win " + std::string(win) + (stamped ? " <nop,nop,TS val 1 ecr 0>" : ""));
  ASSERT_TRUE(Accept());
  ExpectNothing();
}

}  // namespace sockbed
