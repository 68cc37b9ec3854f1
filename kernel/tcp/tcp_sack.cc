#include "kernel/tcp/tcp_sack.h"

#include <algorithm>

#include "kernel/sim/kassert.h"
#include "kernel/tcp/tcp_host.h"
#include "kernel/tcp/tcp_var.h"

namespace sockbed {
namespace {

sackhole* NewHole(tcpcb* tp, tcp_seq start, tcp_seq end, tcp_seq rxmit) {
  TcpHost& host = *tp->t_host;
  const TcpTunables& limits = host.tunables;
  if (tp->snd_sack.count >= limits.sack_maxholes || host.sackholes.live() >= limits.sackholelimit) {
    return nullptr;
  }
  sackhole* hole = host.sackholes.Take();
  if (hole == nullptr) return nullptr;
  KASSERT(SEQ_LT(start, end));
  hole->start = start;
  hole->end = end;
  hole->rxmit = rxmit;
  ++tp->snd_sack.count;
  return hole;
}

// Takes *link out of the list.
void DeleteHole(tcpcb* tp, sackhole** link) {
  sackhole* hole = *link;
  *link = hole->next;
  --tp->snd_sack.count;
  tp->t_host->sackholes.Give(hole);
}

// Cuts `block` out of the hole at *link, which it overlaps. Returns the link to go on from, or null
// when a hole had to be split and there is no room for another: the block then counts as not
// reported.
sackhole** CutHole(tcpcb* tp, sackhole** link, const SackBlock& block) {
  sackhole* hole = *link;
  const bool from_start = SEQ_LEQ(block.start, hole->start);
  const bool to_end = SEQ_GEQ(block.end, hole->end);
  if (from_start && to_end) {
    DeleteHole(tp, link);
    return link;
  }
  if (from_start) {
    hole->start = block.end;
    hole->rxmit = SEQ_MAX(hole->rxmit, hole->start);
    return &hole->next;
  }
  if (!to_end) {
    sackhole* rest = NewHole(tp, block.end, hole->end, SEQ_MAX(hole->rxmit, block.end));
    if (rest == nullptr) return nullptr;
    rest->dups = hole->dups;
    rest->rxmit_high = hole->rxmit_high;
    rest->next = hole->next;
    hole->next = rest;
  }
  hole->end = block.start;
  hole->rxmit = SEQ_MIN(hole->rxmit, hole->end);
  return to_end ? &hole->next : &hole->next->next;
}

// Takes in one block, known to lie in (ack, snd_max]. Returns whether there was room for it.
bool TakeBlock(tcpcb* tp, tcp_seq ack, const SackBlock& block) {
  SackScoreboard& board = tp->snd_sack;
  if (!board.active) {
    board.active = true;
    board.sack_high = ack;
  }
  sackhole** link = &board.holes;
  while (*link != nullptr && SEQ_LT((*link)->start, block.end)) {
    if (SEQ_LEQ((*link)->end, block.start)) {
      link = &(*link)->next;
      continue;
    }
    link = CutHole(tp, link, block);
    if (link == nullptr) return false;
  }
  if (SEQ_LT(board.sack_high, block.start)) {
    // Between the highest byte reported so far and this block there is a new hole, the last one.
    sackhole* hole = NewHole(tp, board.sack_high, block.start, board.sack_high);
    if (hole == nullptr) return false;
    while (*link != nullptr) link = &(*link)->next;
    *link = hole;
  }
  board.sack_high = SEQ_MAX(board.sack_high, block.end);
  return true;
}

}  // namespace

void tcp_sack_option(tcpcb* tp, tcp_seq ack, const TcpOptions& options) {
  if ((tp->t_flags & TF_SACK_PERMIT) == 0 || options.sack_count == 0) [[likely]]
    return;
  if (tp->t_rack != nullptr) return;  // it keeps records of its own
  TcpHost& host = *tp->t_host;
  ++host.stat[tcps_sack_rcv_opts];
  ack = SEQ_MAX(ack, tp->snd_una);
  tcp_seq highest = ack;
  for (int i = 0; i < options.sack_count; ++i) {
    SackBlock block = options.sack[i];
    if (SEQ_LEQ(block.end, block.start) || SEQ_LEQ(block.end, ack) ||
        SEQ_GT(block.end, tp->snd_max)) {
      continue;
    }
    block.start = SEQ_MAX(block.start, ack);
    if (TakeBlock(tp, ack, block)) {
      highest = SEQ_MAX(highest, block.end);
    } else {
      ++host.stat[tcps_sack_drop];
    }
  }
  for (sackhole* hole = tp->snd_sack.holes; hole != nullptr; hole = hole->next) {
    if (SEQ_LT(hole->start, highest)) ++hole->dups;
  }
}

void tcp_del_sackholes(tcpcb* tp, tcp_seq ack) {
  SackScoreboard& board = tp->snd_sack;
  while (board.holes != nullptr && SEQ_LT(board.holes->start, ack)) {
    sackhole* first = board.holes;
    if (SEQ_LEQ(first->end, ack)) {
      DeleteHole(tp, &board.holes);
    } else {
      first->start = ack;
      first->rxmit = SEQ_MAX(first->rxmit, ack);
    }
  }
  if (board.active && SEQ_LEQ(board.sack_high, ack)) [[unlikely]] {
    KASSERT(board.holes == nullptr);
    board.active = false;
  }
}

void tcp_clear_sackholes(tcpcb* tp) {
  while (tp->snd_sack.holes != nullptr) DeleteHole(tp, &tp->snd_sack.holes);
  KASSERT(tp->snd_sack.count == 0);
  tp->snd_sack.active = false;
}

namespace {

// Goes through the holes from below, and knows of each what was reported above it.
class HoleWalk {
 public:
  explicit HoleWalk(const tcpcb* tp)
      : tp_(tp), hole_(tp->snd_sack.holes), above_(tcp_sacked_bytes(tp)), edge_(tp->snd_una) {
    if (hole_ != nullptr) Enter();
  }
  sackhole* hole() const { return hole_; }
  uint32_t length() const { return static_cast<uint32_t>(hole_->end - hole_->start); }
  // RFC 6675 4, IsLost: more than two segments' worth, or three runs of bytes, lie above. Every
  // hole has one run right above it. Or, by the other system's count, three ACKs reported some.
  bool lost() const {
    if (tunables(tp_).sack_revised == 0) return hole_->dups >= kTcpRexmtThresh;
    return above_ > (kTcpRexmtThresh - 1) * tp_->t_maxseg ||
           tp_->snd_sack.count - passed_ >= kTcpRexmtThresh;
  }
  void Next() {
    edge_ = hole_->end;
    hole_ = hole_->next;
    ++passed_;
    if (hole_ != nullptr) Enter();
  }

 private:
  void Enter() { above_ -= static_cast<uint32_t>(hole_->start - edge_); }

  const tcpcb* tp_;
  sackhole* hole_;
  uint32_t above_;  // bytes reported above the hole
  tcp_seq edge_;    // end of the hole before
  int passed_ = 0;
};

}  // namespace

sackhole* tcp_sack_output(tcpcb* tp) {
  if (tp->t_rack != nullptr) return nullptr;  // it sends by itself
  for (HoleWalk walk(tp); walk.hole() != nullptr; walk.Next()) {
    if (walk.lost() && SEQ_LT(walk.hole()->rxmit, walk.hole()->end)) return walk.hole();
  }
  return nullptr;
}

bool tcp_sack_first_lost(const tcpcb* tp) {
  const HoleWalk walk(tp);
  return walk.hole() != nullptr && walk.hole()->start == tp->snd_una && walk.lost();
}

uint32_t tcp_sacked_bytes(const tcpcb* tp) {
  const SackScoreboard& board = tp->snd_sack;
  if (!board.active) [[likely]]
    return 0;
  auto bytes = static_cast<uint32_t>(board.sack_high - tp->snd_una);
  for (const sackhole* hole = board.holes; hole != nullptr; hole = hole->next) {
    bytes -= static_cast<uint32_t>(hole->end - hole->start);
  }
  return bytes;
}

uint32_t tcp_sack_pipe(const tcpcb* tp) {
  if (tp->t_rack != nullptr) return tp->t_rack->pipe;
  const SackScoreboard& board = tp->snd_sack;
  if (!board.active) return static_cast<uint32_t>(tp->snd_max - tp->snd_una);
  auto pipe = static_cast<uint32_t>(tp->snd_max - board.sack_high);
  for (HoleWalk walk(tp); walk.hole() != nullptr; walk.Next()) {
    if (!walk.lost()) pipe += walk.length();
    pipe += static_cast<uint32_t>(walk.hole()->rxmit - walk.hole()->start);
  }
  return pipe;
}

void tcp_sack_find_lost_rexmits(tcpcb* tp) {
  if (tunables(tp).sack_lrd == 0 || !tp->snd_sack.active) return;
  const tcp_seq high = tp->snd_sack.sack_high;
  const uint32_t margin = (kTcpRexmtThresh - 1) * tp->t_maxseg;
  for (sackhole* hole = tp->snd_sack.holes; hole != nullptr; hole = hole->next) {
    if (hole->rxmit == hole->start || !SEQ_GT(high, hole->rxmit_high + margin)) continue;
    hole->rxmit = hole->start;
    ++tp->t_host->stat[tcps_sack_lostrexmt];
  }
}

void tcp_update_sack_list(tcpcb* tp, tcp_seq start, tcp_seq end) {
  KASSERT(SEQ_LT(start, end));
  SackBlock first{start, end};
  std::array<SackBlock, kSackBlocksKept> others;
  int count = 0;
  for (int i = 0; i < tp->rcv_numsacks; ++i) {
    const SackBlock& block = tp->sackblks[i];
    if (SEQ_LEQ(block.end, tp->rcv_nxt)) continue;
    if (SEQ_LEQ(block.start, first.end) && SEQ_GEQ(block.end, first.start)) {
      // It touches. A block that touched an earlier part of the union cannot be missed: blocks are
      // disjoint and do not touch each other, so the union grows only over blocks that touch
      // [start, end).
      first.start = SEQ_MIN(first.start, block.start);
      first.end = SEQ_MAX(first.end, block.end);
    } else {
      others[count++] = block;
    }
  }
  int kept = 0;
  if (SEQ_GT(first.end, tp->rcv_nxt)) tp->sackblks[kept++] = first;
  for (int i = 0; i < count && kept < kSackBlocksKept; ++i) tp->sackblks[kept++] = others[i];
  tp->rcv_numsacks = static_cast<uint8_t>(kept);
}

void tcp_clean_sackreport(tcpcb* tp) {
  int kept = 0;
  for (int i = 0; i < tp->rcv_numsacks; ++i) {
    if (SEQ_GT(tp->sackblks[i].end, tp->rcv_nxt)) tp->sackblks[kept++] = tp->sackblks[i];
  }
  tp->rcv_numsacks = static_cast<uint8_t>(kept);
}

void tcp_report_dsack(tcpcb* tp, tcp_seq start, tcp_seq end) {
  if (tunables(tp).dsack == 0 || (tp->t_flags & TF_SACK_PERMIT) == 0 || start == end) return;
  tp->t_dsack = {start, end};
  tp->t_flags |= TF_DSACK | TF_ACKNOW;
}

void tcp_dsack_overlap(tcpcb* tp, tcp_seq start, tcp_seq end) {
  if ((tp->t_flags & TF_DSACK) != 0) return;
  const SackBlock* lowest = nullptr;
  for (int i = 0; i < tp->rcv_numsacks; ++i) {
    const SackBlock& block = tp->sackblks[i];
    if (SEQ_GEQ(start, block.end) || SEQ_LEQ(end, block.start)) continue;
    if (lowest == nullptr || SEQ_LT(block.start, lowest->start)) lowest = &block;
  }
  if (lowest != nullptr) {
    tcp_report_dsack(tp, SEQ_MAX(start, lowest->start), SEQ_MIN(end, lowest->end));
  }
}

int tcp_take_sackreport(tcpcb* tp, SackBlock* blocks, int max) {
  int count = 0;
  if ((tp->t_flags & TF_DSACK) != 0 && max > 0) blocks[count++] = tp->t_dsack;
  tp->t_flags &= ~TF_DSACK;
  for (int i = 0; i < tp->rcv_numsacks && count < max; ++i) blocks[count++] = tp->sackblks[i];
  return count;
}

}  // namespace sockbed
