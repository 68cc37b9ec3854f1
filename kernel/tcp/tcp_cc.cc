// NewReno: additive increase, multiplicative decrease, in segments (RFC 5681, RFC 6582).
#include "kernel/tcp/tcp_cc.h"

#include <algorithm>

#include "kernel/tcp/tcp_var.h"

namespace sockbed {
namespace {

// Half of what may be in flight, in whole segments, two at least (RFC 5681 eqn. 4).
uint32_t Half(const tcpcb* tp) {
  const uint32_t flight = std::min(tp->snd_wnd, tp->snd_cwnd);
  return std::max(flight / 2 / tp->t_maxseg, 2u) * tp->t_maxseg;
}

void AckReceived(tcpcb* tp, uint32_t) {
  // Slow start: a segment per ACK. Beyond: about a segment per window. Counted in ACKs, not in
  // bytes.
  uint32_t more = tp->t_maxseg;
  if (tp->snd_cwnd > tp->snd_ssthresh) {
    more = static_cast<uint32_t>(
        std::max<uint64_t>(uint64_t{tp->t_maxseg} * tp->t_maxseg / tp->snd_cwnd, 1));
  }
  tp->snd_cwnd = std::min(tp->snd_cwnd + more, uint32_t{TCP_MAXWIN} << tp->snd_scale);
}

void CongSignal(tcpcb* tp, CcSignal signal) {
  tp->snd_ssthresh = Half(tp);
  if (signal == CcSignal::kTimeout) tp->snd_cwnd = tp->t_maxseg;
}

void AfterIdle(tcpcb* tp) {
  if (tunables(tp).idle_restart == 0) {
    tp->snd_cwnd = 2 * tp->t_maxseg;
    return;
  }
  // RFC 5681 4.1, with the slow-start threshold of RFC 2861: what was learnt is not lost.
  tp->snd_ssthresh = std::max(tp->snd_ssthresh, tp->snd_cwnd - tp->snd_cwnd / 4);
  tp->snd_cwnd = std::min(tcp_initial_window(tp), tp->snd_cwnd);
}

}  // namespace

const cc_algo newreno_cc_algo = {"newreno", AckReceived, CongSignal, AfterIdle};

uint32_t tcp_initial_window(const tcpcb* tp) {
  const uint32_t mss = tp->t_maxseg;
  switch (tunables(tp).rfc3390) {
    case 2:
      return std::min(10 * mss, std::max(2 * mss, 14600u));
    case 1:
      return std::min(4 * mss, std::max(2 * mss, 4380u));
    default:
      return mss;
  }
}

}  // namespace sockbed
