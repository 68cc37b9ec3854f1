#include "kernel/tcp/tcp_trace.h"

#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_fsm.h"
#include "kernel/tcp/tcp_private.h"
#include "kernel/tcp/tcp_syncache.h"
#include "kernel/tcp/tcp_timer.h"

namespace sockbed {
namespace {

constexpr std::array kTypes = std::to_array<EventType>({
    {"OPEN", "tcp#{o} {0:a} > {1:a} {2:@side}"},
    {"OUT", "tcp#{o} {2:s} seq {0:h} ack {0:l} len {1:h} win {1:l}"},
    {"IN", "tcp#{o} {2:s} seq {0:h} ack {0:l} len {1:h} win {1:l}"},
    {"REPLY", "tcp#{o} to {0:a} {2:s} seq {1:h} ack {1:l}"},
    {"STRAY", "from {0:a} {2:s} seq {1:h} ack {1:l}"},
    {"DROP", "tcp#{o} {0:@counter}"},
    {"STATE", "tcp#{o} {0:@state} -> {1:@state}"},
    {"TIMER", "tcp#{o} {0:@timer} shift {1}"},
    {"REXMT", "tcp#{o} {0:@rexmt} seq {1:h} len {1:l} cwnd {2:h} ssthresh {2:l}"},
    {"RECOVER", "tcp#{o} {0:@recover} cwnd {1:h} ssthresh {1:l}"},
    {"ERROR", "tcp#{o} {0:e}"},
    {"SOFTERR", "tcp#{o} {0:e}"},
    {"SYN", "handshake#{2} with {1:a} {0:@handshake}"},
    {"BUFFER", "tcp#{o} {0:@buffer} {1}"},
    {"MSS", "tcp#{o} payload {0} with options {1} offered {2}"},
    {"OPEN6", "tcp#{o} to {0:I} port {2:h} {2:l@side}"},
    {"LOCAL6", "tcp#{o} ... from {0:I} port {2}"},
    {"REPLY6", "tcp#{o} to {0:I} port {2:h} {2:l|flags}"},
    {"STRAY6", "from {0:I} port {2:h} {2:l|flags}"},
    {"NUMBERS", "tcp#{o} ... seq {0:h} ack {0:l}"},
    {"SYN6", "handshake#{2:h} with {0:I} {2:l@handshake}"},
});
static_assert(kTypes.size() == static_cast<size_t>(TcpEvent::kHandshake6) + 1);

constexpr std::array kFlags = std::to_array<ValueName>({{TH_SYN, "SYN"},
                                                        {TH_FIN, "FIN"},
                                                        {TH_RST, "RST"},
                                                        {TH_PUSH, "PSH"},
                                                        {TH_ACK, "ACK"},
                                                        {TH_URG, "URG"},
                                                        {TH_ECE, "ECE"},
                                                        {TH_CWR, "CWR"}});

constexpr std::array kSides = std::to_array<ValueName>({{0, "accepted"}, {1, "connecting"}});

constexpr std::array kStates = std::to_array<ValueName>({
    {TCPS_CLOSED, "CLOSED"},
    {TCPS_LISTEN, "LISTEN"},
    {TCPS_SYN_SENT, "SYN_SENT"},
    {TCPS_SYN_RECEIVED, "SYN_RECEIVED"},
    {TCPS_ESTABLISHED, "ESTABLISHED"},
    {TCPS_CLOSE_WAIT, "CLOSE_WAIT"},
    {TCPS_FIN_WAIT_1, "FIN_WAIT_1"},
    {TCPS_CLOSING, "CLOSING"},
    {TCPS_LAST_ACK, "LAST_ACK"},
    {TCPS_FIN_WAIT_2, "FIN_WAIT_2"},
    {TCPS_TIME_WAIT, "TIME_WAIT"},
});
static_assert(kStates.size() == TCP_NSTATES);

constexpr std::array kTimers = std::to_array<ValueName>({
    {TCPT_REXMT, "REXMT"},
    {TCPT_PERSIST, "PERSIST"},
    {TCPT_KEEP, "KEEP"},
    {TCPT_2MSL, "2MSL"},
    {TCPT_DELACK, "DELACK"},
    {TCPT_RACK, "RACK"},
});
static_assert(kTimers.size() == TCPT_NTIMERS);

constexpr std::array kRexmts = std::to_array<ValueName>({
    {static_cast<uint64_t>(TcpRexmt::kTimeout), "timeout"},
    {static_cast<uint64_t>(TcpRexmt::kDupAcks), "duplicate ACKs"},
    {static_cast<uint64_t>(TcpRexmt::kSackHole), "hole"},
    {static_cast<uint64_t>(TcpRexmt::kRack), "RACK"},
});

constexpr std::array kRecover =
    std::to_array<ValueName>({{0, "ends"}, {1, "begins"}, {2, "marked"}});

constexpr std::array kHandshakes = std::to_array<ValueName>({
    {static_cast<uint64_t>(TcpHandshake::kAdded), "begun"},
    {static_cast<uint64_t>(TcpHandshake::kAgain), "asked again"},
    {static_cast<uint64_t>(TcpHandshake::kRetransmitted), "answered again"},
    {static_cast<uint64_t>(TcpHandshake::kCompleted), "completed"},
    {static_cast<uint64_t>(TcpHandshake::kTimedOut), "timed out"},
    {static_cast<uint64_t>(TcpHandshake::kReset), "reset"},
    {static_cast<uint64_t>(TcpHandshake::kUnreachable), "unreachable"},
    {static_cast<uint64_t>(TcpHandshake::kDiscarded), "discarded"},
    {static_cast<uint64_t>(TcpHandshake::kAborted), "aborted"},
    {static_cast<uint64_t>(TcpHandshake::kForgotten), "forgotten"},
});

constexpr std::array kBuffers = std::to_array<ValueName>({{0, "so_rcv"}, {1, "so_snd"}});

constexpr std::array kCounters = std::to_array<ValueName>({
#define SOCKBED_TCPSTAT_NAME(name, meaning) {name, #name},
    SOCKBED_TCPSTAT(SOCKBED_TCPSTAT_NAME)
#undef SOCKBED_TCPSTAT_NAME
});

constexpr std::array kTables = std::to_array<ValueTable>({
    {"side", kSides},
    {"state", kStates},
    {"timer", kTimers},
    {"rexmt", kRexmts},
    {"recover", kRecover},
    {"handshake", kHandshakes},
    {"buffer", kBuffers},
    {"counter", kCounters},
    {"flags", kFlags},
});

// The usual letters, in the usual order: S F R P . U E W
constexpr uint64_t FlagText(unsigned flags) {
  char text[8] = {};
  size_t n = 0;
  if (flags & TH_SYN) text[n++] = 'S';
  if (flags & TH_FIN) text[n++] = 'F';
  if (flags & TH_RST) text[n++] = 'R';
  if (flags & TH_PUSH) text[n++] = 'P';
  if (flags & TH_ACK) text[n++] = '.';
  if (flags & TH_URG) text[n++] = 'U';
  if (flags & TH_ECE) text[n++] = 'E';
  if (flags & TH_CWR) text[n++] = 'W';
  return PackText({text, n});
}

constexpr std::array<uint64_t, 256> AllFlagTexts() {
  std::array<uint64_t, 256> texts{};
  for (unsigned flags = 0; flags < texts.size(); ++flags) texts[flags] = FlagText(flags);
  return texts;
}

}  // namespace

const char* tcp_timer_name(TcpTimer timer) { return kTimers[timer].name; }

constexpr std::array<uint64_t, 256> tcp_flag_text = AllFlagTexts();

namespace {

uint64_t PackAddress(const inpaddru& address, uint16_t port) {
  return PackEndpoint(ntohl(address.v4().s_addr), port);
}

// A record about an IPv6 address.
TraceId Emit6(TcpEvent type, uint64_t pcb, const inpaddru& address, uint64_t what) {
  const in6_addr v6 = address.v6();
  return EmitTcp(type, pcb, in6_high(v6), in6_low(v6), what);
}

[[gnu::noinline]] TraceId EmitOpen6(uint64_t pcb, const TcpEndpoints& ends, bool active) {
  const TraceId id = Emit6(TcpEvent::kOpen6, pcb, ends.faddr, PackPair(ends.fport, active ? 1 : 0));
  Emit6(TcpEvent::kLocal6, pcb, ends.laddr, ends.lport);
  return id;
}

[[gnu::noinline]] TraceId EmitHandshake6(const syn_cache* sc, TcpHandshake what) {
  return Emit6(TcpEvent::kHandshake6, sc->sc_tp->t_id, sc->sc_ends.faddr,
               PackPair(static_cast<uint32_t>(sc->sc_id), static_cast<uint32_t>(what)));
}

[[gnu::noinline]] TraceId EmitLoose6(TcpEvent type, uint64_t pcb, const TcpEndpoints& ends,
                                     const TcpHeader& th) {
  const TcpEvent type6 = type == TcpEvent::kReply ? TcpEvent::kReply6 : TcpEvent::kStray6;
  const TraceId id = Emit6(type6, pcb, ends.faddr, PackPair(ends.fport, th.th_flags));
  EmitTcp(TcpEvent::kNumbers, pcb, PackPair(th.th_seq.value(), th.th_ack.value()));
  return id;
}

}  // namespace

TraceId EmitOpen(uint64_t pcb, const TcpEndpoints& ends, bool active) {
  if (!ends.faddr.is_v4()) return EmitOpen6(pcb, ends, active);
  return EmitTcp(TcpEvent::kOpen, pcb, PackAddress(ends.laddr, ends.lport),
                 PackAddress(ends.faddr, ends.fport), active ? 1 : 0);
}

TraceId EmitHandshake(const syn_cache* sc, TcpHandshake what) {
  if (!sc->sc_ends.faddr.is_v4()) return EmitHandshake6(sc, what);
  return EmitTcp(TcpEvent::kHandshake, sc->sc_tp->t_id, static_cast<uint64_t>(what),
                 PackAddress(sc->sc_ends.faddr, sc->sc_ends.fport), sc->sc_id);
}

TraceId EmitLoose(TcpEvent type, uint64_t pcb, const TcpEndpoints& ends, const TcpHeader& th) {
  if (!ends.faddr.is_v4()) return EmitLoose6(type, pcb, ends, th);
  return EmitTcp(type, pcb, PackAddress(ends.faddr, ends.fport),
                 PackPair(th.th_seq.value(), th.th_ack.value()), tcp_flag_text[th.th_flags]);
}

void tcp_describe(Trace& trace) { trace.Describe(Room::kTcp, {kTypes, kTables}); }

}  // namespace sockbed
