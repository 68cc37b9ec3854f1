// CUBIC (RFC 9438): fast where the last congestion is far, slow where it is near.
#include "kernel/tcp/tcp_cubic.h"

#include <algorithm>

#include "kernel/tcp/tcp_cc.h"
#include "kernel/tcp/tcp_var.h"

namespace sockbed {
namespace {

uint32_t Least(const tcpcb* tp) { return 2 * tp->t_maxseg; }
// beta = 0.7.
uint32_t SevenTenths(uint32_t cwnd) { return static_cast<uint32_t>(uint64_t{cwnd} * 7 / 10); }

// 4.8: congestion avoidance begins, after recovery, a timeout, or slow start without congestion.
void BeginEpoch(tcpcb* tp) {
  CubicState& state = tp->t_cubic;
  state.epoch = Now();
  state.unused_since = -1;
  state.w_est = tp->snd_cwnd;
  if (state.timed_out || !state.congested) state.w_max = tp->snd_cwnd;
  state.timed_out = false;
  state.k_ms = CubicK(state.w_max, tp->snd_cwnd, tp->t_maxseg);
}

// 5.8: time in which the window is not used does not count. Returns whether it is used.
bool TakeUse(tcpcb* tp) {
  CubicState& state = tp->t_cubic;
  if (!tcp_cc_limited(tp)) {
    if (state.unused_since < 0) state.unused_since = Now();
    return false;
  }
  if (state.unused_since >= 0 && state.epoch >= 0) state.epoch += Now() - state.unused_since;
  state.unused_since = -1;
  return true;
}

// 4.3: NewReno's window, with the slope that matches beta = 0.7 until it is where it fell from.
void GrowEstimate(tcpcb* tp, uint32_t acked) {
  CubicState& state = tp->t_cubic;
  const uint64_t step = uint64_t{tp->t_maxseg} * acked;
  state.w_est += state.w_est < state.cwnd_prior ? step * 9 / (17 * uint64_t{tp->snd_cwnd})
                                                : step / tp->snd_cwnd;
}

// 4.2 to 4.5.
void Avoid(tcpcb* tp, uint32_t acked) {
  CubicState& state = tp->t_cubic;
  if (state.epoch < 0) BeginEpoch(tp);
  GrowEstimate(tp, acked);
  const int64_t t = (Now() - state.epoch) / kMillisecond;
  const uint32_t mss = tp->t_maxseg;
  if (CubicWindow(state.w_max, state.k_ms, t, mss) < state.w_est) {
    tcp_cc_set(tp, std::max<uint64_t>(tp->snd_cwnd, state.w_est));
    return;
  }
  const int64_t ahead = t + (tp->t_srtt >> 5);  // where it shall be a round trip from now
  const uint64_t cwnd = tp->snd_cwnd;
  const uint64_t target =
      std::clamp(CubicWindow(state.w_max, state.k_ms, ahead, mss), cwnd, cwnd + cwnd / 2);
  tcp_cc_set(tp, cwnd + (target - cwnd) * acked / cwnd);
}

void AckReceived(tcpcb* tp, uint32_t acked) {
  if (!TakeUse(tp)) return;
  if (tp->snd_cwnd <= tp->snd_ssthresh) {
    tcp_cc_slow_start(tp, acked);
  } else {
    Avoid(tp, acked);
  }
}

// The clock stands still since all was acknowledged.
void AfterIdle(tcpcb* tp) {
  CubicState& state = tp->t_cubic;
  if (state.unused_since < 0) state.unused_since = std::max(state.epoch, tp->t_acktime);
  tcp_cc_after_idle(tp);
}

// 4.6, 4.7.
void CongSignal(tcpcb* tp, CcSignal signal) {
  CubicState& state = tp->t_cubic;
  const uint32_t cwnd = tp->snd_cwnd;
  state.epoch = -1;
  state.unused_since = -1;
  if (signal == CcSignal::kTimeout) {
    tp->snd_ssthresh = std::max(SevenTenths(cwnd), Least(tp));
    tp->snd_cwnd = tp->t_maxseg;
    state.was_congested = state.congested;
    state.was_timed_out = state.timed_out;
    state.was_cwnd_prior = state.cwnd_prior;
    state.timed_out = true;
    state.congested = true;
    state.cwnd_prior = cwnd;
    return;
  }
  // Fast convergence: whoever meets congestion earlier than last time leaves room for others.
  state.w_max = cwnd < state.w_max ? static_cast<uint32_t>(uint64_t{cwnd} * 17 / 20) : cwnd;
  state.cwnd_prior = cwnd;
  // The first time the window may have been doubled far beyond what the path holds.
  tp->snd_ssthresh = std::max(state.congested ? SevenTenths(cwnd) : cwnd / 2, Least(tp));
  state.congested = true;
  state.timed_out = false;
  if (signal == CcSignal::kEcn) tp->snd_cwnd = tp->snd_ssthresh;
}

// What was known of congestion stands. The epoch begins anew, from the same window towards the same
// w_max.
void UndoTimeout(tcpcb* tp) {
  CubicState& state = tp->t_cubic;
  state.congested = state.was_congested;
  state.timed_out = state.was_timed_out;
  state.cwnd_prior = state.was_cwnd_prior;
}

void PostRecovery(tcpcb* tp, uint32_t flight) {
  const uint32_t mss = tp->t_maxseg;
  tp->snd_cwnd = flight < tp->snd_ssthresh ? std::max(flight, mss) + mss : tp->snd_ssthresh;
}

}  // namespace

const cc_algo cubic_cc_algo = {"cubic",    AckReceived, AfterIdle,
                               CongSignal, UndoTimeout, PostRecovery};

}  // namespace sockbed
