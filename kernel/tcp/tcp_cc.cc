// What congestion control algorithms share, and NewReno: additive increase, multiplicative decrease
// (RFC 5681, RFC 6582).
#include "kernel/tcp/tcp_cc.h"

#include <algorithm>
#include <array>

#include "kernel/tcp/tcp_var.h"

namespace sockbed {
namespace {

constexpr std::array<const cc_algo*, 2> kAlgos = {&newreno_cc_algo, &cubic_cc_algo};

// `percent` of what may be in flight, in whole segments, `least` at least (RFC 5681 eqn. 4).
uint32_t Reduced(const tcpcb* tp, int64_t percent, uint32_t least) {
  const uint64_t flight = std::min(tp->snd_wnd, tp->snd_cwnd);
  const uint64_t kept = flight * static_cast<uint64_t>(percent) / 100 / tp->t_maxseg;
  return std::max(static_cast<uint32_t>(kept), least) * tp->t_maxseg;
}

// A segment per ACK; beyond slow start about a segment per window. Counts ACKs, not bytes.
void GrowPerAck(tcpcb* tp) {
  uint64_t more = tp->t_maxseg;
  if (tp->snd_cwnd > tp->snd_ssthresh) {
    more = std::max<uint64_t>(uint64_t{tp->t_maxseg} * tp->t_maxseg / tp->snd_cwnd, 1);
  }
  tcp_cc_set(tp, tp->snd_cwnd + more);
}

void AckReceived(tcpcb* tp, uint32_t acked) {
  if (tunables(tp).rfc3465 == 0) {
    GrowPerAck(tp);
  } else if (!tcp_cc_limited(tp)) {
    return;
  } else if (tp->snd_cwnd <= tp->snd_ssthresh) {
    tcp_cc_slow_start(tp, acked);
  } else {
    // A segment for each window of bytes (RFC 3465 2.1).
    tp->t_bytes_acked += acked;
    if (tp->t_bytes_acked < tp->snd_cwnd) return;
    tp->t_bytes_acked -= tp->snd_cwnd;
    tcp_cc_set(tp, uint64_t{tp->snd_cwnd} + tp->t_maxseg);
  }
}

void CongSignal(tcpcb* tp, CcSignal signal) {
  const TcpTunables& set = tunables(tp);
  tp->t_bytes_acked = 0;
  if (signal != CcSignal::kEcn) {
    tp->snd_ssthresh = Reduced(tp, set.cc_newreno_beta, 2);
    if (signal == CcSignal::kTimeout) tp->snd_cwnd = tp->t_maxseg;
    return;
  }
  // RFC 8511: a mark says less than a loss. One system goes down to a single segment.
  const int64_t percent = set.cc_abe != 0 ? set.cc_newreno_beta_ecn : set.cc_newreno_beta;
  if (set.ecn_one_segment != 0 && std::min(tp->snd_wnd, tp->snd_cwnd) < 2 * tp->t_maxseg) return;
  tp->snd_ssthresh = Reduced(tp, percent, set.ecn_one_segment != 0 ? 1 : 2);
  tp->snd_cwnd = tp->snd_ssthresh;
}

void PostRecovery(tcpcb* tp, uint32_t flight) {
  tp->snd_cwnd = std::min(tp->snd_ssthresh, flight);
  // Without byte counting this very ACK makes it grow by a segment.
  if (tunables(tp).rfc3465 != 0) tp->snd_cwnd = std::max(tp->snd_cwnd, tp->t_maxseg);
}

// A window is all that NewReno remembers.
void UndoTimeout(tcpcb*) {}

}  // namespace

const cc_algo newreno_cc_algo = {"newreno",  AckReceived, tcp_cc_after_idle,
                                 CongSignal, UndoTimeout, PostRecovery};

std::span<const cc_algo* const> tcp_cc_algos() { return kAlgos; }

const cc_algo* tcp_cc_find(std::string_view name) {
  for (const cc_algo* algo : kAlgos) {
    if (name == algo->name) return algo;
  }
  return nullptr;
}

uint32_t tcp_initial_window(const tcpcb* tp) {
  const uint32_t mss = tp->t_maxseg;
  const TcpTunables& set = tunables(tp);
  auto segments = static_cast<uint32_t>(set.initcwnd_segments);
  if (segments == 0 && set.rfc3390 == 2) segments = 10;
  if (segments != 0) return std::min(segments * mss, std::max(2 * mss, segments * 1460));
  return set.rfc3390 == 1 ? std::min(4 * mss, std::max(2 * mss, 4380u)) : mss;
}

void tcp_cc_after_idle(tcpcb* tp) {
  if (tunables(tp).idle_restart == 0) {
    tp->snd_cwnd = 2 * tp->t_maxseg;
    return;
  }
  // With the slow-start threshold of RFC 2861: what was learnt is not lost.
  tp->snd_ssthresh = std::max(tp->snd_ssthresh, tp->snd_cwnd - tp->snd_cwnd / 4);
  tp->snd_cwnd = std::min(tcp_initial_window(tp), tp->snd_cwnd);
}

bool tcp_cc_limited(const tcpcb* tp) {
  const auto flight = static_cast<uint64_t>(tp->snd_max - tp->snd_una);
  // A window that doubles is used when half of it was: the other half is this round trip's growth.
  if (tp->snd_cwnd <= tp->snd_ssthresh) return 2 * flight >= tp->snd_cwnd;
  return flight + 2 * tp->t_maxseg > tp->snd_cwnd;
}

void tcp_cc_slow_start(tcpcb* tp, uint32_t acked) {
  // After a timeout an ACK may stand for segments that were never lost: a segment at a time.
  const bool resending =
      tp->snd_nxt != tp->snd_max || (tp->t_rack != nullptr && tp->t_rack->timed_out);
  const TcpTunables& set = tunables(tp);
  const uint32_t limit =
      resending ? tp->t_maxseg : tp->t_maxseg * static_cast<uint32_t>(set.abc_l_var);
  const uint32_t more = set.rfc3465 != 0 ? std::min(acked, limit) : tp->t_maxseg;
  tcp_cc_set(tp, uint64_t{tp->snd_cwnd} + more);
}

void tcp_cc_set(tcpcb* tp, uint64_t cwnd) {
  tp->snd_cwnd =
      static_cast<uint32_t>(std::min<uint64_t>(cwnd, uint64_t{TCP_MAXWIN} << tp->snd_scale));
}

}  // namespace sockbed
