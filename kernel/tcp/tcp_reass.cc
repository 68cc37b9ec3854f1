// Data that arrives out of order waits here for what is missing before it.
#include <algorithm>

#include "kernel/mbuf/chain.h"
#include "kernel/tcp/tcp_private.h"
#include "kernel/tcp/tcp_segment.h"

namespace sockbed {
namespace {

// Takes *link out of the queue, and frees its data.
void RemoveAt(tcpcb* tp, tcpqent** link) {
  tcpqent* entry = *link;
  *link = entry->next;
  --tp->t_segqlen;
  tp->t_host->reass_entries.Give(entry);
}

// An entry for another segment, or null: the limits, or memory, refuse it. `joins`: it takes the
// place of the one behind it, so no limit concerns it.
tcpqent* NewEntry(tcpcb* tp, bool joins) {
  TcpHost& host = *tp->t_host;
  const TcpTunables& set = host.tunables;
  if (joins) return host.reass_entries.Take();
  if (set.reass_maxqueuelen != 0 && tp->t_segqlen >= set.reass_maxqueuelen) return nullptr;
  if (host.reass_entries.live() >= set.reasslimit) {
    tcp_freeq(tp);  // others shall have room
    return nullptr;
  }
  return host.reass_entries.Take();
}

// What is there of the segment already, from an earlier one, is cut off its front: the earlier one
// wins. Returns false if nothing new is left.
bool TrimAgainst(TcpSegment& seg, tcpqent* before) {
  TcpStat& stat = seg.host->stat;
  const int32_t overlap = before->end() - seg.th.th_seq;
  if (before->fin) return false;  // nothing can follow the end
  if (overlap > 0 && static_cast<uint32_t>(overlap) >= seg.tlen) {
    ++stat[tcps_rcvduppack];
    stat[tcps_rcvdupbyte] += seg.tlen;
    return false;
  }
  if (overlap > 0) {
    ++stat[tcps_rcvpartduppack];
    stat[tcps_rcvpartdupbyte] += static_cast<uint32_t>(overlap);
    seg.TrimFront(static_cast<uint32_t>(overlap));
  }
  return true;
}

// What later entries share with the new one, ending at `end`, is taken from them.
void TrimFollowing(tcpcb* tp, tcpqent** link, tcp_seq end, bool* fin) {
  while (*link != nullptr && SEQ_GT(end, (*link)->seq)) {
    tcpqent* entry = *link;
    const auto overlap = static_cast<uint32_t>(end - entry->seq);
    if (overlap < entry->len) {
      m_adj(entry->m.get(), static_cast<int>(overlap));
      entry->seq += overlap;
      entry->len -= overlap;
      return;
    }
    *fin = *fin || entry->fin;
    RemoveAt(tp, link);
  }
}

// The stream ends here: what the peer has sent behind its end, the same end once more above all, is
// void.
void EndsAt(tcpcb* tp, tcpqent** link) {
  while (*link != nullptr) RemoveAt(tp, link);
}

// Data goes on behind that of the entry, which it touches.
void Append(tcpqent* entry, MbufPtr m, uint32_t len) {
  if (len == 0) return;
  entry->len += len;
  if (entry->m == nullptr) {
    entry->m = std::move(m);
    entry->last = entry->m.get();
  } else {
    if ((m->m_flags & M_PKTHDR) != 0) m_removehdr(m.get());
    m_cat(entry->last, std::move(m));
    KASSERT((entry->m->m_flags & M_PKTHDR) != 0);
    entry->m->m_pkthdr.len += static_cast<int32_t>(len);
  }
  while (entry->last->m_next != nullptr) entry->last = entry->last->m_next;
}

// Nothing is missing any more between the entry and the one behind it: they become one.
void JoinNext(tcpcb* tp, tcpqent* entry) {
  tcpqent* next = entry->next;
  if (next == nullptr || next->seq != entry->end() || entry->fin) return;
  Append(entry, std::move(next->m), next->len);
  entry->fin = next->fin;
  RemoveAt(tp, &entry->next);
}

// Puts the segment into the queue, in its place. `fin`: the stream ends behind it. Returns whether
// all its data is held now.
bool Insert(tcpcb* tp, TcpSegment& seg, bool fin) {
  TcpStat& stat = seg.host->stat;
  tcpqent* before = nullptr;
  tcpqent** link = &tp->t_segq;
  while (*link != nullptr && SEQ_LEQ((*link)->seq, seg.th.th_seq)) {
    before = *link;
    link = &before->next;
  }
  if (before != nullptr && !TrimAgainst(seg, before)) return true;
  const tcp_seq end = seg.th.th_seq + seg.tlen;
  tcpqent* entry = before;
  if (before == nullptr || before->end() != seg.th.th_seq) {
    entry = NewEntry(tp, *link != nullptr && SEQ_GEQ(end, (*link)->seq));
    if (entry == nullptr) {
      ++stat[tcps_rcvmemdrop];
      return false;
    }
    entry->seq = seg.th.th_seq;
    entry->next = *link;
    *link = entry;
    ++tp->t_segqlen;
  }
  ++stat[tcps_rcvoopack];
  ++tp->t_rcvoopack;
  stat[tcps_rcvoobyte] += seg.tlen;
  TrimFollowing(tp, &entry->next, end, &fin);
  Append(entry, std::move(seg.m), seg.tlen);
  entry->fin = fin;
  if (fin) EndsAt(tp, &entry->next);
  JoinNext(tp, entry);
  return true;
}

[[gnu::noinline]] void RemoveAll(tcpcb* tp) {
  while (tp->t_segq != nullptr) RemoveAt(tp, &tp->t_segq);
}

// The next bytes of the stream.
void Deliver(tcpcb* tp, MbufPtr m, uint32_t len) {
  socket* so = tcp_so(tp);
  TcpStat& stat = tp->t_host->stat;
  ++stat[tcps_rcvpack];
  stat[tcps_rcvbyte] += len;
  tp->t_rcvbytes += len;
  tp->t_rcvdatatime = Now();
  tcp_advance_rcv(tp, len);
  if ((so->so_state & SS_CANTRCVMORE) == 0) sbappendstream(&so->so_rcv, std::move(m));
}

}  // namespace

uint8_t tcp_reass(tcpcb* tp, TcpSegment& seg, bool fin) {
  if (seg.th.th_seq != tp->rcv_nxt || !tcp_delivers(tp)) {
    const SackBlock arrived{seg.th.th_seq, seg.th.th_seq + seg.tlen};
    const bool held = Insert(tp, seg, fin);
    if (held && arrived.start != arrived.end) tcp_update_sack_list(tp, arrived.start, arrived.end);
    return 0;
  }
  // The missing piece needs no entry, so no limit can keep it out.
  if (seg.tlen != 0) Deliver(tp, std::move(seg.m), seg.tlen);
  if (fin) tcp_freeq(tp);  // what lies behind the end is void
  const uint8_t end = tcp_reass_deliver(tp);
  if (seg.tlen != 0) sorwakeup(tcp_so(tp));
  return fin ? uint8_t{TH_FIN} : end;
}

uint8_t tcp_reass_deliver(tcpcb* tp) {
  if (!tcp_delivers(tp)) return 0;
  bool fin = false;
  bool delivered = false;
  while (!fin && tp->t_segq != nullptr && SEQ_LEQ(tp->t_segq->seq, tp->rcv_nxt)) {
    tcpqent* entry = tp->t_segq;
    const auto old = static_cast<uint32_t>(tp->rcv_nxt - entry->seq);
    if (old < entry->len) {
      if (old != 0) m_adj(entry->m.get(), static_cast<int>(old));
      Deliver(tp, std::move(entry->m), entry->len - old);
      delivered = true;
    }
    fin = entry->fin && entry->end() == tp->rcv_nxt;
    RemoveAt(tp, &tp->t_segq);
  }
  if (fin) tcp_freeq(tp);
  tcp_clean_sackreport(tp);
  if (delivered) sorwakeup(tcp_so(tp));
  return fin ? TH_FIN : 0;
}

void tcp_freeq(tcpcb* tp) {
  if (tp->t_segq != nullptr) [[unlikely]]
    RemoveAll(tp);
  KASSERT(tp->t_segqlen == 0);
  tp->rcv_numsacks = 0;
}

}  // namespace sockbed
