// Loss by time (RFC 8985). A segment is lost when one that was sent after it has arrived, and
// reordering is no excuse any more; a tail that nobody acknowledges is probed before REXMT fires.
//
//   sent ───> on its way <──────┐ sent again
//                 │   │         │
//        reported │   └──> lost ┘   (DetectLoss, REXMT)
//                 v
//              sacked ──> acknowledged: the record goes
#include "kernel/tcp/tcp_rack.h"

#include <algorithm>

#include "kernel/tcp/tcp_segment.h"

namespace sockbed {
namespace {

constexpr SimTime kMinRttLife = 300 * kSecond;        // then a longer path may have taken its place
constexpr SimTime kMaxAckDelay = 200 * kMillisecond;  // of any peer (TLP.max_ack_delay)
constexpr SimTime kProbeBlind = kSecond;              // until a probe, without a round trip known
constexpr uint8_t kReoWndPersist = 16;
constexpr uint8_t kReoWndMultMax = 255;

bool SentAfter(SimTime t1, tcp_seq end1, SimTime t2, tcp_seq end2) {
  return t1 > t2 || (t1 == t2 && SEQ_GT(end1, end2));
}

// --- The records. ---

void LinkByTime(RackState* rack, RackSegment* record, RackSegment* after) {
  record->earlier = after;
  record->later = after != nullptr ? after->later : rack->oldest;
  (record->earlier != nullptr ? record->earlier->later : rack->oldest) = record;
  (record->later != nullptr ? record->later->earlier : rack->newest) = record;
}

void UnlinkByTime(RackState* rack, RackSegment* record) {
  (record->earlier != nullptr ? record->earlier->later : rack->oldest) = record->later;
  (record->later != nullptr ? record->later->earlier : rack->newest) = record->earlier;
  record->earlier = record->later = nullptr;
}

uint32_t* BytesOf(RackState* rack, RackSegment::State state) {
  switch (state) {
    case RackSegment::kOnItsWay: return &rack->pipe;
    case RackSegment::kLost: return &rack->lost;
    case RackSegment::kSacked: break;
  }
  return &rack->sacked;
}

// Counts the record out of its state, or into it.
void Leave(RackState* rack, RackSegment* record) {
  *BytesOf(rack, record->state) -= record->length();
  if (record->state == RackSegment::kOnItsWay) UnlinkByTime(rack, record);
  if (record->state == RackSegment::kSacked) --rack->segs_sacked;
}
void Enter(RackState* rack, RackSegment* record, RackSegment::State state, RackSegment* after) {
  record->state = state;
  *BytesOf(rack, state) += record->length();
  if (state == RackSegment::kOnItsWay) LinkByTime(rack, record, after);
  if (state == RackSegment::kSacked) ++rack->segs_sacked;
}
void Move(RackState* rack, RackSegment* record, RackSegment::State state) {
  Leave(rack, record);
  Enter(rack, record, state, rack->newest);
}

// A record behind `prev` (null: the first). Null: no memory.
RackSegment* NewRecord(tcpcb* tp, RackSegment* prev, tcp_seq start, tcp_seq end) {
  RackSegment* record = tp->t_host->rack_segments.Take();
  if (record == nullptr) return nullptr;
  RackState* rack = tp->t_rack;
  record->start = start;
  record->end = end;
  record->prev = prev;
  record->next = prev != nullptr ? prev->next : rack->first;
  (record->prev != nullptr ? record->prev->next : rack->first) = record;
  (record->next != nullptr ? record->next->prev : rack->last) = record;
  return record;
}

void Remove(tcpcb* tp, RackSegment* record) {
  RackState* rack = tp->t_rack;
  Leave(rack, record);
  (record->prev != nullptr ? record->prev->next : rack->first) = record->next;
  (record->next != nullptr ? record->next->prev : rack->last) = record->prev;
  tp->t_host->rack_segments.Give(record);
}

// Cuts `record` in two at `at`, strictly inside it. False: no memory, and no records any more.
bool Split(tcpcb* tp, RackSegment* record, tcp_seq at) {
  KASSERT(SEQ_LT(record->start, at) && SEQ_LT(at, record->end));
  RackState* rack = tp->t_rack;
  RackSegment* rest = NewRecord(tp, record, at, record->end);
  if (rest == nullptr) {
    tcp_rack_end(tp);
    return false;
  }
  rest->xmit_ts = record->xmit_ts;
  rest->retransmitted = record->retransmitted;
  RackSegment* const earlier = record->earlier;
  Leave(rack, record);
  record->end = at;
  Enter(rack, record, record->state, earlier);
  Enter(rack, rest, record->state, record);
  return true;
}

// Cuts `record` down to what lies in [start, end), which it overlaps. Returns that part, or null:
// no memory.
RackSegment* Isolate(tcpcb* tp, RackSegment* record, tcp_seq start, tcp_seq end) {
  if (SEQ_LT(record->start, start)) {
    if (!Split(tp, record, start)) return nullptr;
    record = record->next;
  }
  if (SEQ_GT(record->end, end) && !Split(tp, record, end)) return nullptr;
  return record;
}

void SentAgain(RackState* rack, RackSegment* record) {
  record->xmit_ts = Now();
  record->retransmitted = true;
  Move(rack, record, RackSegment::kOnItsWay);
}

// --- What has arrived (RFC 8985 6.2, steps 1 to 3). ---

// Whether an ACK of a retransmission must be of the segment as it was sent before.
bool IsOfFirstSending(const TcpSegment& seg, const RackSegment* record, SimTime rtt) {
  const tcpcb* tp = seg.tp;
  if (seg.stamped && seg.opt.ts_ecr != 0) {
    const auto since = static_cast<uint32_t>(Now() / kMillisecond - record->xmit_ts / kMillisecond);
    if (TSTMP_LT(seg.opt.ts_ecr, tcp_ts(tp) - since)) return true;
  }
  return rtt < tp->t_rack->min_rtt;
}

void MeasureMinRtt(RackState* rack, SimTime rtt) {
  if (rack->min_rtt == 0 || rtt <= rack->min_rtt || Now() - rack->min_rtt_time > kMinRttLife) {
    rack->min_rtt = rtt;
    rack->min_rtt_time = Now();
  }
}

void Arrived(const TcpSegment& seg, RackSegment* record) {
  RackState* rack = seg.tp->t_rack;
  const SimTime rtt = Now() - record->xmit_ts;
  if (SEQ_GT(record->end, rack->fack)) {
    rack->fack = record->end;
  } else if (SEQ_LT(record->end, rack->fack) && !record->retransmitted && !rack->reordering_seen) {
    rack->reordering_seen = true;
    ++seg.host->stat[tcps_rack_reordered];
  }
  if (!record->retransmitted) {
    MeasureMinRtt(rack, rtt);
  } else if (IsOfFirstSending(seg, record, rtt)) {
    return;
  }
  if (SentAfter(record->xmit_ts, record->end, rack->xmit_ts, rack->end_seq)) {
    rack->xmit_ts = record->xmit_ts;
    rack->end_seq = record->end;
    rack->rtt = rtt;
  }
}

// Whether the first block reports what has arrived twice (RFC 2883).
bool HasDsack(const TcpSegment& seg) {
  const TcpOptions& opt = seg.opt;
  if (opt.sack_count == 0) return false;
  if (SEQ_LT(opt.sack[0].start, seg.th.th_ack)) return true;
  return opt.sack_count > 1 && SEQ_GEQ(opt.sack[0].start, opt.sack[1].start) &&
         SEQ_LEQ(opt.sack[0].end, opt.sack[1].end);
}

// Takes in one block. Returns the bytes of it that are news; may end the records.
uint32_t TakeBlock(const TcpSegment& seg, SackBlock block) {
  tcpcb* tp = seg.tp;
  if (SEQ_LEQ(block.end, block.start) || SEQ_LEQ(block.end, tp->snd_una) ||
      SEQ_GT(block.end, tp->snd_max)) {
    return 0;
  }
  block.start = SEQ_MAX(block.start, tp->snd_una);
  uint32_t news = 0;
  RackSegment* record = tp->t_rack->first;
  while (record != nullptr && SEQ_LT(record->start, block.end)) {
    if (record->state != RackSegment::kSacked && SEQ_GT(record->end, block.start)) {
      record = Isolate(tp, record, block.start, block.end);
      if (record == nullptr) return news;
      news += record->length();
      Arrived(seg, record);
      Move(tp->t_rack, record, RackSegment::kSacked);
    }
    record = record->next;
  }
  return news;
}

// Takes in the acknowledgement and the reports. Returns how many bytes have arrived that were not
// known to have; may end the records.
uint32_t TakeNews(const TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  uint32_t news = 0;
  while (RackSegment* record = tp->t_rack->first) {
    if (SEQ_GEQ(record->start, tp->snd_una)) break;
    if (SEQ_GT(record->end, tp->snd_una) && !Split(tp, record, tp->snd_una)) return news;
    if (record->state != RackSegment::kSacked) {
      news += record->length();
      Arrived(seg, record);
    }
    Remove(tp, record);
  }
  if (seg.opt.sack_count != 0) ++seg.host->stat[tcps_sack_rcv_opts];
  for (int i = 0; i < seg.opt.sack_count && tp->t_rack != nullptr; ++i) {
    news += TakeBlock(seg, seg.opt.sack[i]);
  }
  return news;
}

// --- What is lost (step 4 and 5). ---

bool InTrouble(const tcpcb* tp) { return tcp_recovering(tp) || tp->t_rack->timed_out; }

// How long a segment may be late before it counts as lost, beside the round trip.
SimTime ReorderingWindow(const tcpcb* tp) {
  const RackState* rack = tp->t_rack;
  if (!rack->reordering_seen && (InTrouble(tp) || rack->segs_sacked >= kTcpRexmtThresh)) return 0;
  const SimTime window = rack->reo_wnd_mult * rack->min_rtt / 4;
  return tp->t_srtt != 0 ? std::min(window, int64_t{tp->t_srtt} * kMillisecond / 32) : window;
}

// A segment that arrived twice was not lost: be more patient.
void AdaptReorderingWindow(const TcpSegment& seg) {
  RackState* rack = seg.tp->t_rack;
  if (rack->in_dsack_round && SEQ_GEQ(seg.tp->snd_una, rack->dsack_round)) {
    rack->in_dsack_round = false;
  }
  if (!HasDsack(seg) || rack->in_dsack_round) return;
  rack->in_dsack_round = true;
  rack->dsack_round = seg.tp->snd_max;
  if (rack->reo_wnd_mult < kReoWndMultMax) ++rack->reo_wnd_mult;
  rack->reo_wnd_persist = kReoWndPersist;
}

void RecoveryEnds(RackState* rack) {
  if (rack->reo_wnd_persist != 0 && --rack->reo_wnd_persist == 0) rack->reo_wnd_mult = 1;
}

void MarkLost(tcpcb* tp, RackSegment* record) {
  Move(tp->t_rack, record, RackSegment::kLost);
  ++tp->t_host->stat[tcps_rack_lost];
}

// Marks what is lost by now; returns how long to wait for the rest of what was sent before
// something that has arrived. 0: there is none.
SimTime DetectLoss(tcpcb* tp) {
  RackState* rack = tp->t_rack;
  const SimTime patience = rack->rtt + ReorderingWindow(tp);
  SimTime wait = 0;
  for (RackSegment *record = rack->oldest, *later; record != nullptr; record = later) {
    later = record->later;
    if (record->xmit_ts > rack->xmit_ts) break;
    if (!SentAfter(rack->xmit_ts, rack->end_seq, record->xmit_ts, record->end)) continue;
    const SimTime remaining = record->xmit_ts + patience - Now();
    if (remaining <= 0) {
      MarkLost(tp, record);
    } else {
      wait = std::max(wait, remaining);
    }
  }
  return wait;
}

// --- Sending again. ---

// Sends a record again, whatever the window says. Returns whether it has gone.
bool SendAgain(tcpcb* tp, RackSegment* record) {
  const tcp_seq start = record->start;
  const uint32_t length = record->length();
  tcp_resend_outside(tp, start, length);
  if (tp->t_rack == nullptr) {
    tp->t_flags &= ~TF_PRR;
    return false;
  }
  if (tcp_recovering(tp)) tp->t_prr_out += length;
  for (const RackSegment* now = tp->t_rack->first; now != nullptr; now = now->next) {
    if (now->start == start) return now->state == RackSegment::kOnItsWay && now->xmit_ts == Now();
  }
  return true;
}

// The first that is lost and can be sent: a FIN alone goes again only when nothing else is out.
RackSegment* FirstLost(const tcpcb* tp) {
  if (tp->t_rack->lost == 0) return nullptr;
  RackSegment* record = tp->t_rack->first;
  while (record != nullptr && record->state != RackSegment::kLost) record = record->next;
  const bool bare_fin = record != nullptr && record->length() == 1 && record->end == tp->snd_max &&
                        (tp->t_flags & TF_SENTFIN) != 0;
  return bare_fin && record != tp->t_rack->first ? nullptr : record;
}

// What is lost goes first, then what is new, as far as the window has room.
void SendWhatMay(tcpcb* tp) {
  while (RackSegment* record = FirstLost(tp)) {
    if (uint64_t{tp->t_rack->pipe} + record->length() > tp->snd_cwnd) break;
    if (!SendAgain(tp, record)) break;
    if (tp->t_rack == nullptr) return;
  }
  (void)tcp_output(tp);  // REXMT watches over it
}

// As long as anything was reported or lost, the window counts what is on its way.
void SetPipeFlag(tcpcb* tp) {
  const RackState* rack = tp->t_rack;
  if (InTrouble(tp) || rack->sacked != 0 || rack->lost != 0) {
    tp->t_flags |= TF_PRR;
  } else {
    tp->t_flags &= ~TF_PRR;
  }
}

// --- Probes (RFC 8985 7). ---

bool ProbesWanted(const tcpcb* tp) {
  const RackState* rack = tp->t_rack;
  return tunables(tp).rack_tlp == 2 && !rack->probing && !InTrouble(tp) && rack->sacked == 0 &&
         rack->lost == 0 && tp->snd_una != tp->snd_max && tp->snd_wnd != 0 &&
         tcp_timer_isarmed(tp, TCPT_REXMT);
}

// Lets TCPT_RACK fire when a probe is due, unless it waits for reordering.
void ArmProbe(tcpcb* tp) {
  RackState* rack = tp->t_rack;
  if (tcp_timer_isarmed(tp, TCPT_RACK) && !rack->probe_pending) return;
  rack->probe_pending = ProbesWanted(tp);
  if (!rack->probe_pending) {
    tcp_timer_disarm(tp, TCPT_RACK);
    return;
  }
  SimTime wait = tp->t_srtt != 0 ? int64_t{tp->t_srtt} * kMillisecond / 16 : kProbeBlind;
  if (static_cast<uint32_t>(tp->snd_max - tp->snd_una) <= tp->t_maxseg) wait += kMaxAckDelay;
  tcp_timer_arm_at(tp, TCPT_RACK, std::min(Now() + wait, tp->t_timers.deadline[TCPT_REXMT]));
}

// A segment of new data, beyond the congestion window. Returns whether one has gone.
bool ProbeWithNewData(tcpcb* tp) {
  const tcp_seq before = tp->snd_max;
  const uint32_t cwnd = tp->snd_cwnd;
  tp->snd_cwnd = static_cast<uint32_t>(before - tp->snd_una) + tp->t_maxseg;
  if (tp->snd_wnd >= tp->snd_cwnd) (void)tcp_output(tp);  // REXMT watches over it
  tp->snd_cwnd = cwnd;
  return tp->snd_max != before;
}

void SendProbe(tcpcb* tp) {
  RackState* rack = tp->t_rack;
  rack->probe_pending = false;
  if (!ProbesWanted(tp) || tp->snd_nxt != tp->snd_max) return;
  rack->probing = true;
  rack->probe_is_rexmt = !ProbeWithNewData(tp);
  if (tp->t_rack == nullptr) return;
  if (rack->probe_is_rexmt) {
    RackSegment* record = rack->last;
    const bool bare_fin = record->length() == 1 && (tp->t_flags & TF_SENTFIN) != 0;
    if (bare_fin && record->prev != nullptr) record = record->prev;  // the FIN rides along
    const bool gone = SendAgain(tp, record);
    if (tp->t_rack == nullptr) return;
    if (!gone) {
      rack->probing = false;  // REXMT tries again
      return;
    }
  }
  rack->probe_end = tp->snd_max;
  ++tp->t_host->stat[tcps_tlp_probes];
  tcp_arm_rexmt(tp);
}

// The segment acknowledges what the probe was for (7.4). If it was a retransmission and only one of
// the two sendings has arrived, a loss was repaired without recovery: that was congestion, too.
void JudgeProbe(const TcpSegment& seg, uint32_t acked) {
  tcpcb* tp = seg.tp;
  RackState* rack = tp->t_rack;
  if (!rack->probing || SEQ_LT(seg.th.th_ack, rack->probe_end)) return;
  if (!rack->probe_is_rexmt) {
    rack->probing = false;
  } else if (HasDsack(seg) && seg.opt.sack[0].end == rack->probe_end) {
    rack->probing = false;
  } else if (SEQ_GT(seg.th.th_ack, rack->probe_end)) {
    rack->probing = false;
    ++seg.host->stat[tcps_tlp_repaired];
    tp->t_cc->cong_signal(tp, CcSignal::kDupAcks);
    tcp_ecn_reduced(tp);
    tp->snd_cwnd = std::min(tp->snd_cwnd, tp->snd_ssthresh);
  } else if (acked == 0 && seg.opt.sack_count == 0) {
    rack->probing = false;
  }
}

// --- Recovery. ---

// Acts upon what is lost and what has arrived, and sends what may go.
void Recover(tcpcb* tp, SimTime wait, uint32_t delivered) {
  RackState* rack = tp->t_rack;
  const bool begins = rack->lost != 0 && !InTrouble(tp);
  if (begins) {
    rack->probing = false;
    tcp_begin_recovery(tp);
    ++tp->t_host->stat[tcps_sack_recovery_episode];
    tcp_begin_prr(tp);
  }
  if (tcp_recovering(tp)) tcp_prr_ack(tp, delivered, begins ? tp->t_maxseg : 0);
  SetPipeFlag(tp);
  if (InTrouble(tp)) {
    SendWhatMay(tp);
    if (tp->t_rack == nullptr) return;
  } else if (rack->sacked != 0) {
    tp->t_flags |= TF_NEEDOUTPUT;  // what was reported makes room
  }
  if (wait != 0) {
    rack->probe_pending = false;
    tcp_timer_arm_at(tp, TCPT_RACK, Now() + wait);
  } else if (!rack->probe_pending) {
    tcp_timer_disarm(tp, TCPT_RACK);
  }
  ArmProbe(tp);
}

}  // namespace

void tcp_rack_begin(tcpcb* tp) {
  if (tunables(tp).rack_tlp == 0 || (tp->t_flags & TF_SACK_PERMIT) == 0) return;
  tp->t_rack = tp->t_host->racks.Take();
  if (tp->t_rack == nullptr) return;
  tp->t_rack->end_seq = tp->t_rack->fack = tp->snd_una;
  // Fast Open: data may be out already.
  if (tp->snd_una != tp->snd_max) tcp_rack_sent(tp, tp->snd_una, tp->snd_max);
}

void tcp_rack_end(tcpcb* tp) {
  RackState* rack = tp->t_rack;
  if (rack == nullptr) return;
  while (rack->first != nullptr) Remove(tp, rack->first);
  tp->t_host->racks.Give(rack);
  tp->t_rack = nullptr;
  tp->t_flags &= ~TF_PRR;
  tp->t_dupacks = 0;  // what is missing is REXMT's now
  tcp_timer_disarm(tp, TCPT_RACK);
}

void tcp_rack_sent(tcpcb* tp, tcp_seq start, tcp_seq end) {
  RackState* rack = tp->t_rack;
  if (start == end) return;
  // New data, mostly: behind all records.
  const bool again = rack->last != nullptr && SEQ_LT(start, rack->last->end);
  RackSegment* record = again ? rack->first : nullptr;
  while (record != nullptr && SEQ_LEQ(record->end, start)) record = record->next;
  for (; record != nullptr && SEQ_LT(record->start, end); record = record->next) {
    if (record->state == RackSegment::kSacked) continue;
    record = Isolate(tp, record, start, end);
    if (record == nullptr) return;
    SentAgain(rack, record);
  }
  if (rack->last != nullptr) start = SEQ_MAX(start, rack->last->end);
  if (SEQ_GEQ(start, end)) return;
  record = NewRecord(tp, rack->last, start, end);
  if (record == nullptr) {
    tcp_rack_end(tp);
    return;
  }
  record->xmit_ts = Now();
  Enter(rack, record, RackSegment::kOnItsWay, rack->newest);
  ArmProbe(tp);
}

void tcp_rack_ack(TcpSegment& seg, uint32_t acked) {
  tcpcb* tp = seg.tp;
  const uint32_t delivered = TakeNews(seg);
  RackState* rack = tp->t_rack;
  if (rack == nullptr) return;
  AdaptReorderingWindow(seg);
  if (rack->timed_out && SEQ_GEQ(tp->snd_una, tp->snd_last)) {
    rack->timed_out = false;
    RecoveryEnds(rack);
  }
  if (seg.recovered) RecoveryEnds(rack);
  JudgeProbe(seg, acked);
  // Behind a shut window nothing counts as lost: PERSIST asks again.
  const SimTime wait = tcp_timer_isarmed(tp, TCPT_PERSIST) ? 0 : DetectLoss(tp);
  Recover(tp, wait, delivered);
}

void tcp_rack_timeout(tcpcb* tp) {
  RackState* rack = tp->t_rack;
  rack->probing = rack->probe_pending = false;
  rack->timed_out = true;
  tcp_timer_disarm(tp, TCPT_RACK);
  tp->snd_nxt = tp->snd_max;
  // What the peer has reported and does not acknowledge it has thrown away (RFC 2018 8).
  const bool reneged = rack->first->state == RackSegment::kSacked;
  const SimTime patience = rack->rtt + ReorderingWindow(tp);
  for (RackSegment* record = rack->first; record != nullptr; record = record->next) {
    const bool late = record->state == RackSegment::kOnItsWay &&
                      (record == rack->first || record->xmit_ts + patience <= Now());
    if (late || (reneged && record->state == RackSegment::kSacked)) MarkLost(tp, record);
  }
  SetPipeFlag(tp);
  if (SendAgain(tp, rack->first)) SendWhatMay(tp);
}

void tcp_rack_undo(tcpcb* tp) {
  RackState* rack = tp->t_rack;
  rack->timed_out = false;
  for (RackSegment* record = rack->first; record != nullptr; record = record->next) {
    if (record->state != RackSegment::kLost) continue;
    // Back to its place by time: what the timeout has sent again went later.
    RackSegment* earlier = rack->newest;
    while (earlier != nullptr && earlier->xmit_ts > record->xmit_ts) earlier = earlier->earlier;
    Leave(rack, record);
    Enter(rack, record, RackSegment::kOnItsWay, earlier);
  }
  SetPipeFlag(tp);
}

void tcp_rack_timer(tcpcb* tp) {
  if (tp->t_rack->probe_pending) {
    SendProbe(tp);
    return;
  }
  if (tcp_timer_isarmed(tp, TCPT_PERSIST)) return;
  Recover(tp, DetectLoss(tp), 0);
}

bool tcp_rack_probe_instead(tcpcb* tp) {
  if (tp->t_rack == nullptr || !tp->t_rack->probe_pending ||
      tp->t_timers.deadline[TCPT_RACK] > Now()) {
    return false;
  }
  tcp_timer_disarm(tp, TCPT_RACK);
  tcp_arm_rexmt(tp);  // the probe goes on behalf of it
  SendProbe(tp);
  return tp->t_rack != nullptr && tp->t_rack->probing;
}

void tcp_rack_check(const tcpcb* tp) {
  const RackState* rack = tp->t_rack;
  uint32_t bytes[3] = {};
  tcp_seq edge = tp->snd_una;
  for (const RackSegment* record = rack->first; record != nullptr; record = record->next) {
    KASSERT(record->start == edge && SEQ_LT(record->start, record->end));
    edge = record->end;
    bytes[record->state] += record->length();
  }
  KASSERT(edge == tp->snd_max);
  KASSERT(bytes[RackSegment::kOnItsWay] == rack->pipe && bytes[RackSegment::kLost] == rack->lost &&
          bytes[RackSegment::kSacked] == rack->sacked);
  uint32_t on_their_way = 0;
  SimTime time = 0;
  for (const RackSegment* record = rack->oldest; record != nullptr; record = record->later) {
    KASSERT(record->state == RackSegment::kOnItsWay && record->xmit_ts >= time);
    time = record->xmit_ts;
    on_their_way += record->length();
  }
  KASSERT(on_their_way == rack->pipe);
}

}  // namespace sockbed
