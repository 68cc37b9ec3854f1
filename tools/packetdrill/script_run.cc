#include "tools/packetdrill/script_run.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_info.h"
#include "kernel/tcp/tcp_netstat.h"
#include "tools/packetdrill/check.h"
#include "tools/packetdrill/printer.h"
#include "tools/packetdrill/translate.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kPatienceUs = 2 * kSecondUs;        // beyond the time at which a packet was due
constexpr int64_t kHorizonUs = 4 * 3600 * kSecondUs;  // for what has no time
constexpr size_t kUnreadShown = 5;

std::string Seconds(int64_t us) {
  return absl::StrFormat("%d.%06d", us / kSecondUs, us % kSecondUs);
}

std::string Line(const char* label, int64_t us, const std::string& packet) {
  return absl::StrCat("  ", label, " ", Seconds(us), " ", packet, "\n");
}

}  // namespace

ScriptRun::ScriptRun(const std::string& path, const Script& script, const Config& config,
                     const RunOptions& options, std::unique_ptr<LiveHost> live, Verdict* verdict)
    : path_(path),
      script_(script),
      config_(config),
      options_(options),
      verbose_(options.verbose || config.verbose),
      live_(std::move(live)),
      verdict_(verdict),
      connections_(config),
      calls_(config, &connections_),
      commands_(live_.get(), &calls_, options.ignored_sysctls, options.ignored_commands) {
  for (int state = 0; state < TCP_NSTATES; ++state) {
    static constexpr const char* kNames[] = {
        "CLOSED",     "LISTEN",  "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "CLOSE_WAIT",
        "FIN_WAIT_1", "CLOSING", "LAST_ACK", "FIN_WAIT_2",   "TIME_WAIT"};
    scope_[absl::StrCat("TCPI_", kNames[state])] = state;
  }
  scope_["TCPI_OPT_TIMESTAMPS"] = 1;
  scope_["TCPI_OPT_SACK"] = 2;
  scope_["TCPI_OPT_WSCALE"] = 4;
  scope_["TCPI_OPT_ECN"] = 8;
  scope_["TCPI_OPT_SYN_DATA"] = 32;
  // Linux's names and numbers, which the host's own fields never mean.
  int number = 0;
  for (const char* state : {"Open", "Disorder", "CWR", "Recovery", "Loss"}) {
    scope_[absl::StrCat("TCP_CA_", state)] = number++;
  }
  number = 1;
  for (const char* state :
       {"ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
        "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"}) {
    scope_[absl::StrCat("TCP_", state)] = number++;
  }
  // What FreeBSD tells beside, and the host does not count.
  for (const char* field :
       {"snd_bwnd", "toe_tid", "delivered_ce", "received_ce", "delivered_e0_bytes",
        "delivered_e1_bytes", "delivered_ce_bytes", "received_e0_bytes", "received_e1_bytes",
        "received_ce_bytes"}) {
    scope_[absl::StrCat("tcpi_", field)] = 0;
  }
}

bool ScriptRun::RunAside(const std::string& what, const std::string& commands) {
  const absl::Status status = commands_.Run(commands);
  if (status.ok()) return true;
  absl::StrAppend(&verdict_->message, path_, ": error executing ", what, ": ", status.message(),
                  "\n");
  return false;
}

bool ScriptRun::RunInit() {
  for (const std::string& file : config_.init_scripts) {
    const std::ifstream in(file);
    if (!in) {
      absl::StrAppend(&verdict_->message, path_, ": init script ", file, ": cannot be read\n");
      return false;
    }
    std::stringstream text;
    text << in.rdbuf();
    if (!RunAside(absl::StrCat("init script ", file), text.str())) return false;
  }
  return !script_.init || RunAside("init command", script_.init->text);
}

void ScriptRun::Run() {
  bool good = RunInit();
  if (good) {
    good = RunEvents();
    if (script_.cleanup && !RunAside("cleanup command", script_.cleanup->text)) good = false;
  }
  verdict_->passed = good;
  verdict_->left_behind = live_->Finish();
}

bool ScriptRun::RunEvents() {
  const Time& first = script_.events[0].time;
  if (first.kind == Time::Kind::kAny || first.us != 0) {
    return Fail(script_.events[0], "the first event must be at time 0");
  }
  for (const ScriptEvent& event : script_.events) {
    ++verdict_->events;
    if (!RunEvent(event)) return false;
    if (outstanding_ && live_->sleeper_done() && !FinishOutstanding()) return false;
  }
  if (!outstanding_) return true;
  if (live_->RunToSleeper(live_->now_us() + kSecondUs)) return FinishOutstanding();
  return Fail(*outstanding_->event, "exiting while a blocking system call is in progress");
}

bool ScriptRun::RunEvent(const ScriptEvent& event) {
  const When when = WhenOf(event.time);
  if (verbose_) Log(absl::StrCat(Seconds(live_->now_us()), " ", PrintEvent(event)));
  bool good;
  if (const auto* packet = std::get_if<Packet>(&event.action)) {
    good = packet->inbound ? Inbound(event, *packet, when) : Outbound(event, *packet, when);
  } else if (const auto* call = std::get_if<Call>(&event.action)) {
    good = MakeCall(event, *call, when);
  } else if (const auto* command = std::get_if<Command>(&event.action)) {
    good = RunCommand(event, *command, when);
  } else {
    good = RunCode(event, std::get<Code>(event.action), when);
  }
  previous_us_ = when.any ? live_->now_us() : when.start;
  return good;
}

ScriptRun::When ScriptRun::WhenOf(const Time& time) const {
  const int64_t base = time.kind == Time::Kind::kAbsolute ? 0 : live_->now_us();
  When when;
  when.any = time.kind == Time::Kind::kAny;
  when.start = base + time.us;
  when.end = time.window ? base + time.end_us : when.start;
  return when;
}

// --- Packets. ---

namespace {

// Whether the line has "md5 valid", a digest that is still to be made.
bool WantsSignature(const Packet& line) {
  const auto* tcp = std::get_if<TcpPart>(&line.body);
  return tcp != nullptr && tcp->options &&
         std::ranges::any_of(*tcp->options, [](const TcpOption& option) {
           return option.kind == TcpOption::Kind::kMd5Valid;
         });
}

}  // namespace

bool ScriptRun::Inbound(const ScriptEvent& event, const Packet& line, const When& when) {
  live_->RunTo(when.start);
  if (!CheckTime(event, "inbound packet", when, live_->now_us())) return false;
  const absl::StatusOr<Tracked*> tracked = connections_.ForInbound(line);
  if (!tracked.ok()) return FailPacket(event, std::string(tracked.status().message()), "");
  const absl::StatusOr<WirePacket> packet = ToLive(line, config_, *tracked);
  if (!packet.ok()) return FailPacket(event, std::string(packet.status().message()), "");
  const Md5Key key = {config_.md5_secret};
  live_->Inject(EncodePacket(*packet, WantsSignature(line) ? &key : nullptr));
  if (verbose_) {
    Log(Line("inbound injected packet:", live_->now_us(),
             PrintPacket(DescribePacket(*packet, &line))));
  }
  live_->RunTo(live_->now_us());
  return true;
}

// What TCP waits for by itself: why a packet has not come yet.
std::string ScriptRun::PendingTimers() const {
  std::string text;
  for (const TcpPendingTimer& timer : tcp_pending_timers(live_->host())) {
    absl::StrAppend(&text, text.empty() ? "; pending: " : ", ", timer.name, " at ",
                    Seconds(LiveHost::us_at(timer.when)), " sec");
  }
  return text.empty() ? "; no timer of TCP is pending" : text;
}

bool ScriptRun::NextPacket(const When& when, const Packet& line, Tracked* tracked, SentPacket* sent,
                           std::string* why) {
  const bool icmp = std::holds_alternative<IcmpPart>(line.body);
  const int64_t patience = std::max(kPatienceUs, config_.tolerance_us);
  const int64_t limit = when.any ? live_->now_us() + kHorizonUs : when.end + patience;
  for (;;) {
    while (!live_->sent().empty()) {
      *sent = std::move(live_->sent().front());
      live_->sent().pop_front();
      const absl::StatusOr<WirePacket> packet = DecodePacket(sent->bytes, config_.tcp_in_udp);
      if (!packet.ok()) {
        if (!Connections::MayBelong(sent->bytes, config_.tcp_in_udp, icmp, *tracked)) continue;
        *why = absl::StrCat("the host has sent ", packet.status().message());
        return false;
      }
      if (Connections::Belongs(*packet, icmp, tracked)) return true;
    }
    if (live_->RunToPacket(limit)) continue;
    *why = live_->quiescent() ? "no packet: nothing is left to happen on the host"
                              : absl::StrCat("no packet until ",
                                             Seconds(std::max(limit, live_->now_us())), " sec",
                                             PendingTimers());
    return false;
  }
}

bool ScriptRun::Outbound(const ScriptEvent& event, const Packet& line, const When& when) {
  const absl::StatusOr<Tracked*> tracked = connections_.ForOutbound(line);
  if (!tracked.ok()) return FailPacket(event, std::string(tracked.status().message()), "");
  SentPacket sent;
  std::string why;
  if (!NextPacket(when, line, *tracked, &sent, &why)) {
    return FailPacket(event, why, Line("script packet:", when.start, PrintPacket(line)));
  }
  return Compare(event, line, when, sent, *tracked);
}

bool ScriptRun::Compare(const ScriptEvent& event, const Packet& line, const When& when,
                        const SentPacket& sent, Tracked* tracked) {
  const WirePacket live = *DecodePacket(sent.bytes, config_.tcp_in_udp);
  if (verbose_) {
    Log(Line("outbound sniffed packet:", sent.us, PrintPacket(DescribePacket(live, &line))));
  }
  Connections::OnMatched(line, live, tracked);
  RememberTimestamps(line, live, tracked);
  const WirePacket values = ToScriptValues(live, *tracked);
  const absl::Status status = CheckPacket(line, live, values, config_, *tracked, sent.us);
  std::string detail(status.message());
  if (status.ok() && !when.any) {
    detail = TimingError(event, "outbound packet", when, sent.us, previous_us_.value_or(0));
  }
  if (detail.empty()) return true;
  const std::string dumps =
      Line("script packet:", when.any ? sent.us : when.start, PrintPacket(line)) +
      Line("actual packet:", sent.us, PrintPacket(DescribePacket(values, &line)));
  if (config_.packets_may_differ) {
    Warn(event, absl::StrCat("warning handling packet: ", detail, "\n", dumps));
    return true;
  }
  return FailPacket(event, detail, dumps + Unread(tracked));
}

// What the host has sent beside: for reports.
std::string ScriptRun::Unread(Tracked* tracked) {
  std::string text;
  size_t shown = 0;
  for (const SentPacket& sent : live_->sent()) {
    const absl::StatusOr<WirePacket> live = DecodePacket(sent.bytes, config_.tcp_in_udp);
    if (!live.ok() || !Connections::Belongs(*live, false, tracked) || ++shown > kUnreadShown)
      continue;
    const Packet line = DescribePacket(ToScriptValues(*live, *tracked), nullptr);
    text += Line("unread packet:", sent.us, PrintPacket(line));
  }
  return text;
}

// --- Calls. ---

bool ScriptRun::MakeCall(const ScriptEvent& event, const Call& call, const When& when) {
  live_->RunTo(when.start);
  if (outstanding_ && live_->sleeper_done() && !FinishOutstanding()) return false;
  if (!CheckTime(event, "system call start", when, live_->now_us())) return false;
  absl::StatusOr<std::shared_ptr<PendingCall>> pending = calls_.Prepare(call);
  if (!pending.ok()) return FailCall(event, call, pending.status());
  if (call.returns_us) return Block(event, call, when, *std::move(pending));
  const int64_t began = live_->now_us();
  if (!live_->Do([made = *pending] { made->Make(); }, began + kHorizonUs)) {
    return FailCall(event, call, absl::DeadlineExceededError("it does not return"));
  }
  if (const int64_t spent = live_->now_us() - began; spent != 0) {
    Warn(event, absl::StrCat(call.name, " took ", Seconds(spent), " sec"));
  }
  const absl::Status status = calls_.Judge(call, pending->get());
  return status.ok() || FailCall(event, call, status);
}

bool ScriptRun::Block(const ScriptEvent& event, const Call& call, const When& when,
                      std::shared_ptr<PendingCall> pending) {
  if (outstanding_) {
    if (!live_->RunToSleeper(live_->now_us() + kSecondUs)) {
      return Fail(event, "another blocking system call is already in progress");
    }
    if (!FinishOutstanding()) return false;
  }
  const int64_t base = event.time.kind == Time::Kind::kRelative ? when.start - event.time.us : 0;
  outstanding_ = Outstanding{&event, pending, when.start, base + *call.returns_us};
  live_->StartSleeper([pending] { pending->Make(); });
  return true;
}

bool ScriptRun::FinishOutstanding() {
  const Outstanding done = *std::exchange(outstanding_, std::nullopt);
  const Call& call = std::get<Call>(done.event->action);
  PendingCall& pending = *done.pending;
  const When when = {done.return_us, done.return_us, false};
  const std::string late =
      TimingError(*done.event, "system call return", when, live_->sleeper_done_us(), done.start_us);
  if (!late.empty()) return FailCall(*done.event, call, CallError(late));
  const absl::Status status = calls_.Judge(call, &pending);
  return status.ok() || FailCall(*done.event, call, status);
}

// --- Commands and code. ---

bool ScriptRun::RunCommand(const ScriptEvent& event, const Command& command, const When& when) {
  live_->RunTo(when.start);
  if (!CheckTime(event, "command", when, live_->now_us())) return false;
  const absl::Status status = commands_.Run(command.text);
  live_->RunTo(live_->now_us());
  return status.ok() || Fail(event, absl::StrCat("error executing `", command.text,
                                                 "` command: ", status.message()));
}

absl::Status ScriptRun::ReadTcpInfo(Scope* scope) {
  const Tracked* const tracked = connections_.under_test();
  if (tracked == nullptr || tracked->live_fd < 0) {
    return absl::FailedPreconditionError("no descriptor is open on the connection under test");
  }
  if (tracked->protocol != kTcp) {
    return absl::FailedPreconditionError("no TCP socket is under test");
  }
  TcpInfo info;
  int result = 0;
  const auto ask = [&] {
    socklen_t length = sizeof info;
    result = uapi::getsockopt(tracked->live_fd, IPPROTO_TCP, kTcpInfo, &info, &length);
  };
  if (!live_->Do(ask, live_->now_us()) || result != 0) {
    // The connection has ended; its socket is still there.
    info = TcpInfo{};
  }
#define SOCKBED_FIELD(name) (*scope)[#name] = info.name
  SOCKBED_FIELD(tcpi_state);
  SOCKBED_FIELD(tcpi_options);
  SOCKBED_FIELD(tcpi_snd_wscale);
  SOCKBED_FIELD(tcpi_rcv_wscale);
  SOCKBED_FIELD(tcpi_rto);
  SOCKBED_FIELD(tcpi_rtt);
  SOCKBED_FIELD(tcpi_rttvar);
  SOCKBED_FIELD(tcpi_snd_mss);
  SOCKBED_FIELD(tcpi_rcv_mss);
  SOCKBED_FIELD(tcpi_snd_ssthresh);
  SOCKBED_FIELD(tcpi_snd_cwnd);
  SOCKBED_FIELD(tcpi_snd_wnd);
  SOCKBED_FIELD(tcpi_rcv_space);
  SOCKBED_FIELD(tcpi_snd_nxt);
  SOCKBED_FIELD(tcpi_rcv_nxt);
  SOCKBED_FIELD(tcpi_snd_rexmitpack);
  SOCKBED_FIELD(tcpi_rcv_ooopack);
  SOCKBED_FIELD(tcpi_snd_zerowin);
  SOCKBED_FIELD(tcpi_last_data_recv);
#undef SOCKBED_FIELD
  return absl::OkStatus();
}

bool ScriptRun::RunCode(const ScriptEvent& event, const Code& code, const When& when) {
  live_->RunTo(when.start);
  if (!CheckTime(event, "data collection for code", when, live_->now_us())) return false;
  if (absl::Status status = ReadTcpInfo(&scope_); !status.ok()) {
    return Fail(event, absl::StrCat("error in code: ", status.message()));
  }
  const absl::Status status = RunSnippet(code.text, &scope_, &verdict_->log);
  return status.ok() || Fail(event, absl::StrCat("error in code: ", status.message()));
}

// --- Time. ---

std::string ScriptRun::TimingError(const ScriptEvent& event, const char* what, const When& when,
                                   int64_t actual, int64_t since) {
  int64_t off = 0;
  if (actual < when.start) off = actual - when.start;
  if (actual > when.end) off = actual - when.end;
  if (std::abs(off) > std::abs(verdict_->deviation_us)) {
    verdict_->deviation_us = off;
    verdict_->deviation_line = event.place.line;
  }
  if (verbose_) {
    Log(off == 0 ? absl::StrCat("  ", what, " at its time")
                 : absl::StrCat("  ", what, " ", off > 0 ? "+" : "", off, " usecs off"));
  }
  const double relative = config_.tolerance_percent / 100 * static_cast<double>(when.start - since);
  const int64_t tolerance =
      options_.exact ? 0 : std::max(config_.tolerance_us, static_cast<int64_t>(relative));
  if (std::abs(off) <= tolerance) return "";
  const std::string expected =
      when.end > when.start
          ? absl::StrCat("in time range ", Seconds(when.start), "~", Seconds(when.end), " sec")
          : absl::StrCat("at ", Seconds(when.start), " sec");
  return absl::StrCat("timing error: expected ", what, " ", expected, " but happened at ",
                      Seconds(actual), " sec (", off > 0 ? "+" : "", off, " usecs; tolerance ",
                      tolerance, ")");
}

bool ScriptRun::CheckTime(const ScriptEvent& event, const char* what, const When& when,
                          int64_t actual) {
  const std::string error =
      TimingError(event, what, when, actual, previous_us_.value_or(when.start));
  return error.empty() || Fail(event, error);
}

// --- Messages. ---

std::string ScriptRun::At(const ScriptEvent& event) const {
  return absl::StrCat(path_, ":", event.place.line, ": ");
}

bool ScriptRun::Fail(const ScriptEvent& event, const std::string& what) {
  absl::StrAppend(&verdict_->message, At(event), what, "\n");
  return false;
}

bool ScriptRun::FailCall(const ScriptEvent& event, const Call& call, const absl::Status& status) {
  const std::string what = absl::StrCat(call.name, " call: ", status.message());
  if (config_.calls_may_differ && absl::IsFailedPrecondition(status)) {
    Warn(event, absl::StrCat("runtime warning in ", what));
    return true;
  }
  return Fail(event, absl::StrCat("runtime error in ", what, "\n  ", PrintCall(call)));
}

bool ScriptRun::FailPacket(const ScriptEvent& event, const std::string& detail,
                           const std::string& dumps) {
  absl::StrAppend(&verdict_->message, At(event), "error handling packet: ", detail, "\n", dumps);
  return false;
}

void ScriptRun::Warn(const ScriptEvent& event, const std::string& what) { Log(At(event) + what); }

void ScriptRun::Log(const std::string& what) {
  absl::StrAppend(&verdict_->log, what, what.empty() || what.back() == '\n' ? "" : "\n");
}

}  // namespace sockbed::packetdrill
