// The timers of a connection: when they are due, and what each does.
#include "kernel/tcp/tcp_timer.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "kernel/sched/spl.h"
#include "kernel/sim/machine.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_private.h"
#include "kernel/tcp/tcp_rtt.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

constexpr int64_t kIdleMaxMs = 2 * 60 * 60 * 1000;  // silence that ends persisting
constexpr int64_t kClosedIdleMaxMs = 60 * 1000;     // the same, of a closed connection
constexpr int64_t kFinWait2Max = INT32_MAX;         // ms; whatever the product of its tunables
constexpr int kBlackHoleShift = 2;                  // beyond: large packets may be at fault
constexpr int kLosingShift = 3;                     // beyond: the route may be

RttRounding Rounding(const tcpcb* tp) {
  return tunables(tp).rtt_freebsd != 0 ? RttRounding::kFreeBsd : RttRounding::kOpenBsd;
}

inline int64_t RexmtInterval(const tcpcb* tp, RttRounding rounding, int shift) {
  const TcpTunables& set = tunables(tp);
  const int64_t least = rounding == RttRounding::kOpenBsd ? tp->t_rttmin : set.rexmit_min;
  const int64_t base = std::max<int64_t>(tcp_rtt_base(tp->t_srtt, tp->t_rttvar), least);
  const int64_t interval = base * tcp_backoff(rounding)[shift] + set.rexmit_slop;
  return std::clamp<int64_t>(interval, tp->t_rttmin, TCPTV_REXMTMAX);
}

int64_t IdleMs(const tcpcb* tp) { return (Now() - tp->t_rcvtime) / kMillisecond; }

// Large packets may vanish on the way without a word: stop forbidding routers to fragment them.
// Differs: this connection's alone, where the original locks the MTU of the route.
void SuspectBlackHole(tcpcb* tp) {
  if (tunables(tp).blackhole_df == 0 || !tcp_is4(tcp_inpcb(tp))) return;
  if (tp->t_rxtshift > kBlackHoleShift && TCPS_HAVEESTABLISHED(tp->t_state) &&
      tcp_so(tp)->so_snd.sb_cc != 0) {
    tp->t_flags |= TF_BLACKHOLE;
  }
}

// The other system's way: two tries with one smaller size, two with the smallest if that is smaller
// still (over IPv6 it is not), and if neither helps it was not the size.
void TrySmallerSegments(tcpcb* tp) {
  const TcpTunables& set = tunables(tp);
  const bool v4 = tcp_is4(tcp_inpcb(tp));
  const int64_t families = set.pmtud_blackhole_detection;  // 1: both; 2: IPv4; 3: IPv6
  if (families != 1 && families != (v4 ? 2 : 3)) return;
  if (tp->t_state != TCPS_ESTABLISHED && tp->t_state != TCPS_FIN_WAIT_1) return;
  const auto smaller =
      static_cast<uint32_t>(v4 ? set.pmtud_blackhole_mss : set.v6pmtud_blackhole_mss);
  const uint32_t smallest = tcp_mssdflt(set, v4);
  if (tp->t_rxtshift == 2 && tp->t_blackhole == 0 && tp->t_maxopd > smaller) {
    tp->t_blackhole = tp->t_maxopd;
    tcp_set_maxopd(tp, smaller);
  } else if (tp->t_rxtshift == 4 && tp->t_blackhole != 0 && smallest < tp->t_maxopd) {
    tcp_set_maxopd(tp, smallest);
  } else if ((tp->t_rxtshift == 4 || tp->t_rxtshift == 6) && tp->t_blackhole != 0) {
    tcp_set_maxopd(tp, tp->t_blackhole);
    tp->t_blackhole = 0;
  }
}

// TCP_MAXUNACKTIME: the user does not want to wait longer (RFC 9293 3.8.3, RFC 5482).
bool UnackedTooLong(const tcpcb* tp) {
  return tp->t_maxunacktime != 0 && tp->snd_una != tp->snd_max &&
         Now() - tp->t_acktime >= tp->t_maxunacktime * kMillisecond;
}

// Sends the oldest unacknowledged data again, and slows down (RFC 6298 5.4 to 5.7).
bool Rexmt(tcpcb* tp) {
  TcpHost& host = *tp->t_host;
  if (tcp_rack_probe_instead(tp)) return true;
  if (tp->t_rxtshift >= host.tunables.retries || UnackedTooLong(tp)) {
    ++host.stat[tcps_timeoutdrop];
    tcp_drop(tp, ETIMEDOUT);
    return false;
  }
  ++tp->t_rxtshift;
  ++host.stat[tcps_rexmttimeo];
  tp->t_rxtcur = static_cast<int32_t>(tcp_rexmt_interval(tp, tp->t_rxtshift));
  tcp_arm_rexmt(tp);
  if (tcp_pmtud_timeout(tp)) return true;  // it has sent again, in segments that fit
  SuspectBlackHole(tp);
  TrySmallerSegments(tp);
  if (tp->t_rxtshift > kLosingShift) {
    // Forget the mean, which the next sample will set anew, but not the current timeout.
    in_losing(tcp_inpcb(tp));
    tp->t_rttvar += tp->t_srtt >> 3;
    tp->t_srtt = 0;
  }
  if (tp->t_rack == nullptr) {
    tcp_clear_sackholes(tp);
    tp->snd_nxt = tp->snd_una;
  }
  tp->t_rtttime = kNotTimed;  // Karn: what is sent again is not timed
  tcp_save_before_timeout(tp);
  tcp_fastopen_timeout(tp);
  tcp_give_up_recovery(tp);
  tp->t_cc->cong_signal(tp, CcSignal::kTimeout);
  tcp_ecn_reduced(tp);
  tp->snd_last = tp->snd_max;
  tp->t_flags &= ~TF_MARKED;
  if (tp->t_rack != nullptr) {
    tcp_rack_timeout(tp);
  } else {
    (void)tcp_output(tp);  // nobody waits for its error: it is tried again
  }
  return true;
}

int64_t BackoffSum(const tcpcb* tp) {
  int64_t sum = 0;
  for (int32_t factor : tcp_backoff(Rounding(tp))) sum += factor;
  return sum;
}

// Asks a peer whose window is shut whether it has opened: the update may have been lost.
bool Persist(tcpcb* tp) {
  TcpHost& host = *tp->t_host;
  ++host.stat[tcps_persisttimeo];
  const int64_t idle = IdleMs(tp);
  const int64_t base = std::max<int64_t>(tcp_rtt_base(tp->t_srtt, tp->t_rttvar), tp->t_rttmin);
  const bool tried_all =
      tp->t_rxtshift >= TCP_MAXRXTSHIFT && (idle >= kIdleMaxMs || idle >= base * BackoffSum(tp));
  const bool closed = Rounding(tp) == RttRounding::kFreeBsd && tp->t_state > TCPS_CLOSE_WAIT &&
                      idle >= kClosedIdleMaxMs;
  if (tried_all || closed || UnackedTooLong(tp)) {
    ++host.stat[tcps_persistdrop];
    tcp_drop(tp, ETIMEDOUT);
    return false;
  }
  tcp_setpersist(tp);
  tp->t_force = true;
  (void)tcp_output(tp);  // the next timeout tries again
  tp->t_force = false;
  return true;
}

bool Keep(tcpcb* tp) {
  TcpHost& host = *tp->t_host;
  ++host.stat[tcps_keeptimeo];
  if (tp->t_state < TCPS_ESTABLISHED || (tp->t_flags & TF_SYNPENDING) != 0) {
    ++host.stat[tcps_keepdrops];
    tcp_drop(tp, ETIMEDOUT);
    return false;
  }
  if (!tcp_wants_keepalive(tp)) return true;
  const int64_t idle = IdleMs(tp);
  if (idle >= tcp_keepidle(tp) + tcp_keepcnt(tp) * tcp_keepintvl(tp)) {
    ++host.stat[tcps_keepdrops];
    tcp_drop(tp, ETIMEDOUT);
    return false;
  }
  if (idle < tcp_keepidle(tp)) {
    tcp_arm_keepalive(tp);
    return true;
  }
  ++host.stat[tcps_keepprobe];
  tcp_keep_probe(tp);
  tcp_timer_arm(tp, TCPT_KEEP, tcp_keepintvl(tp));
  return true;
}

bool TwoMsl(tcpcb* tp) {
  const TcpTunables& set = tunables(tp);
  const bool poll = set.finwait2_poll != 0 && set.fast_finwait2_recycle == 0;
  if (tp->t_state != TCPS_TIME_WAIT && poll && IdleMs(tp) <= tcp_keepcnt(tp) * tcp_keepintvl(tp)) {
    tcp_timer_arm(tp, TCPT_2MSL, tcp_keepintvl(tp));
    return true;
  }
  tcp_close(tp);
  return false;
}

bool DelAck(tcpcb* tp) {
  ++tp->t_host->stat[tcps_delack];
  tp->t_flags |= TF_ACKNOW;
  (void)tcp_output(tp);  // a lost ACK is the peer's to ask for again
  return true;
}

bool Rack(tcpcb* tp) {
  tcp_rack_timer(tp);
  return true;
}

// Each returns whether the connection still lives. In the order of TcpTimer.
constexpr bool (*kTimers[TCPT_NTIMERS])(tcpcb*) = {Rexmt, Persist, Keep, TwoMsl, DelAck, Rack};

// The event goes to the earliest deadline, unless it stands before it.
void Requeue(TcpTimers* timers) {
  const SimTime first = *std::min_element(timers->deadline, timers->deadline + TCPT_NTIMERS);
  if (first == kForever) return;
  Event* event = &timers->event;
  if (event->pending()) {
    if (event->when <= first) return;
    Here().machine->Cancel(event);
  }
  Here().machine->Schedule(event, first);
}

tcpcb* ConnectionOf(Event* event) {
  constexpr size_t kOffset = offsetof(tcpcb, t_timers) + offsetof(TcpTimers, event);
  return reinterpret_cast<tcpcb*>(reinterpret_cast<char*>(event) - kOffset);
}

void TimersDue(Event* event) {
  tcpcb* tp = ConnectionOf(event);
  for (int i = 0; i < TCPT_NTIMERS; ++i) {
    if (tp->t_timers.deadline[i] > Now()) continue;
    tp->t_timers.deadline[i] = kForever;
    const CauseScope cause(
        EmitTcp(TcpEvent::kTimer, tp->t_id, static_cast<uint64_t>(i), tp->t_rxtshift));
    if (!kTimers[i](tp)) return;
    tcp_check(tp);
  }
  Requeue(&tp->t_timers);
}

}  // namespace

void tcp_timer_init(tcpcb* tp) {
  tp->t_timers.event.handler = TimersDue;
  tp->t_timers.event.ipl = IPL_SOFTCLOCK;
}

void tcp_timer_arm_at(tcpcb* tp, TcpTimer timer, SimTime when) {
  KASSERT(when >= Now());
  TcpTimers& timers = tp->t_timers;
  timers.deadline[timer] = when;
  if (timers.event.pending()) {
    if (timers.event.when <= when) return;  // it comes early and goes back: see TimersDue
    Here().machine->Cancel(&timers.event);
  }
  Here().machine->Schedule(&timers.event, when);
}

void tcp_timer_arm(tcpcb* tp, TcpTimer timer, int64_t ms) {
  KASSERT(ms >= 0);
  tcp_timer_arm_at(tp, timer, Now() + ms * kMillisecond);
}

void tcp_canceltimers(tcpcb* tp) {
  std::fill_n(tp->t_timers.deadline, TCPT_NTIMERS, kForever);
  Here().machine->Cancel(&tp->t_timers.event);
}

void tcp_xmit_timer(tcpcb* tp, int64_t rtt_ms) {
  TcpHost& host = *tp->t_host;
  const TcpTunables& set = host.tunables;
  ++host.stat[tcps_rttupdated];
  ++tp->t_rttsamples;
  const RttRounding rounding = Rounding(tp);
  tcp_rtt_sample(&tp->t_srtt, &tp->t_rttvar, rtt_ms, rounding);
  const int64_t sample = std::clamp<int64_t>(rtt_ms, 0, kRttSampleMax);
  const int64_t margin = rounding == RttRounding::kOpenBsd ? 20 : 2;
  tp->t_rttmin = static_cast<int32_t>(
      std::min<int64_t>(std::max(set.rexmit_min, sample + margin), TCPTV_REXMTMAX));
  tp->t_rxtshift = 0;
  tp->t_softerror = 0;
  tp->t_rtttime = kNotTimed;
  tp->t_rxtcur = static_cast<int32_t>(RexmtInterval(tp, rounding, 0));
}

int64_t tcp_rexmt_interval(const tcpcb* tp, int shift) {
  return RexmtInterval(tp, Rounding(tp), shift);
}

void tcp_arm_rexmt(tcpcb* tp) {
  int64_t ms = tp->t_rxtcur;
  if (tp->t_maxunacktime != 0) [[unlikely]] {
    const int64_t spent = (Now() - tp->t_acktime) / kMillisecond;
    ms = std::clamp<int64_t>(tp->t_maxunacktime - spent, 0, ms);
  }
  tcp_timer_arm(tp, TCPT_REXMT, ms);
}

void tcp_setpersist(tcpcb* tp) {
  KASSERT(!tcp_timer_isarmed(tp, TCPT_REXMT));
  const TcpTunables& set = tunables(tp);
  const RttRounding rounding = Rounding(tp);
  int64_t base = (tp->t_srtt >> 2) + tp->t_rttvar;
  base = rounding == RttRounding::kOpenBsd ? base >> 3 : (base >> 1) + set.rexmit_slop;
  base = std::max(base, set.rexmit_min);
  const int64_t interval = base * tcp_backoff(rounding)[tp->t_rxtshift];
  tcp_timer_arm(tp, TCPT_PERSIST,
                std::min(std::max(interval, set.persmin), std::max(set.persmin, set.persmax)));
  if (tp->t_rxtshift < TCP_MAXRXTSHIFT) ++tp->t_rxtshift;
}

void tcp_arm_keepalive(tcpcb* tp) {
  if (tp->t_state < TCPS_ESTABLISHED || !tcp_wants_keepalive(tp)) return;
  // As if the timer had always been running: the next multiple of keepidle since the last segment.
  const SimTime step = tcp_keepidle(tp) * kMillisecond;
  const SimTime idle = Now() - tp->t_rcvtime;
  tcp_timer_arm_at(tp, TCPT_KEEP, tp->t_rcvtime + (idle / step + 1) * step);
}

void tcp_arm_finwait2(tcpcb* tp) {
  const TcpTunables& set = tunables(tp);
  int64_t wait = tcp_keepcnt(tp) * tcp_keepintvl(tp);
  if (set.finwait2_poll != 0) wait = tcp_keepcnt(tp) * tcp_keepidle(tp);
  if (set.fast_finwait2_recycle != 0) wait = set.finwait2_timeout;
  tcp_timer_arm(tp, TCPT_2MSL, std::min(wait, kFinWait2Max));
}

void tcp_arm_2msl(tcpcb* tp) { tcp_timer_arm(tp, TCPT_2MSL, 2 * tunables(tp).msl); }

}  // namespace sockbed
