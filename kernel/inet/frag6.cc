#include "kernel/inet/frag6.h"

#include <algorithm>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// The two ECN bits of the traffic class (RFC 3168 5.3).
constexpr uint8_t kEcnMask = 0x03;
constexpr uint8_t kEcnNotEct = 0x00;
constexpr uint8_t kEcnCe = 0x03;

// Drops a fragment because of the field at `at`, and tells its sender.
void Complain(ip6stat_counters why, MbufPtr m, int at) {
  ip6_note_drop(why, ip6_source(m.get()), ip6_destination(m.get()), m->m_pkthdr.len);
  icmp6_error(std::move(m), ICMP6_PARAM_PROB, ICMP6_PARAMPROB_HEADER, static_cast<uint32_t>(at));
}

// Whether the upper layer's header is in the first fragment, as RFC 7112 5 demands.
bool HasUpperHeader(const mbuf* m, int off, uint8_t next) {
  Ip6Chain at = {.offset = off, .next = next, .next_at = 0};
  if (!ip6_lasthdr(m, &at)) return false;
  constexpr int kTcpLeast = 20, kOtherLeast = 8;
  const int need = at.next == IPPROTO_NONE ? 0 : at.next == IPPROTO_TCP ? kTcpLeast : kOtherLeast;
  return m->m_pkthdr.len - at.offset >= need;
}

// Takes the fragment header at `off` out of a packet, and repairs what stood before it. Null: no
// memory (counted).
MbufPtr CutOut(MbufPtr m, int off, int next_at, uint8_t next) {
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  const int bytes = m->m_pkthdr.len;
  MbufPtr headers = m_copym(m.get(), 0, off, M_DONTWAIT);
  if (headers == nullptr) {
    ip6_drop(ip6s_nobufs, std::move(m));
    return nullptr;
  }
  m_adj(m.get(), off + kIp6FragmentHeader);
  // In pieces that fit an mbuf, the last of which, in front, holds more than the 40-byte header.
  constexpr int kPieceMost = MHLEN - max_linkhdr, kPiece = kPieceMost - kIpv6Header;
  for (int left = off; left > 0 && m != nullptr;) {
    const int n = left > kPieceMost ? kPiece : left;
    m = m_prepend(std::move(m), n, M_DONTWAIT);
    left -= n;
    if (m == nullptr) break;
    m_copydata(headers.get(), left, n, m->m_data);
    if (next_at >= left && next_at < left + n) {
      mtod<uint8_t>(m.get())[next_at - left] = next;
    }
  }
  if (m == nullptr) {
    ip6_note_drop(ip6s_nobufs, src, dst, bytes);
    return nullptr;
  }
  ip6_edit(m.get()).set_payload_length(m->m_pkthdr.len - kIpv6Header);
  return m;
}

}  // namespace

Frag6Table::~Frag6Table() { KASSERT(queues_.empty()); }

void Frag6Table::Purge() {
  while (!queues_.empty()) Free(queues_.front().get());
}

Frag6Table::Queue* Frag6Table::Find(const in6_addr& src, const in6_addr& dst, uint32_t id) {
  for (const std::unique_ptr<Queue>& q : queues_) {
    if (q->id == id && in6_equal(q->src, src) && in6_equal(q->dst, dst)) return q.get();
  }
  return nullptr;
}

Frag6Table::Queue* Frag6Table::Make(const in6_addr& src, const in6_addr& dst, uint32_t id) {
  auto queue = std::make_unique<Queue>();
  queue->table = this;
  queue->src = src;
  queue->dst = dst;
  queue->id = id;
  timeout_set(&queue->timer, &Frag6Table::Expire, queue.get());
  timeout_add_sec(&queue->timer, kFragment6TtlSeconds);
  queues_.push_back(std::move(queue));
  return queues_.back().get();
}

// The packet, not each fragment, is counted. Its sender is told if the first fragment is there.
void Frag6Table::Expire(void* arg) {
  Queue* queue = static_cast<Queue*>(arg);
  const in6_addr src = queue->src, dst = queue->dst;
  MbufPtr first;
  int bytes = 0;
  for (Piece& piece : queue->pieces) {
    bytes += piece.length;
    if (piece.offset == 0) first = std::move(piece.m);
  }
  queue->table->Free(queue);
  ip6_note_drop(ip6s_fragtimeout, src, dst, bytes);
  if (first == nullptr) return;
  icmp6_error(std::move(first), ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY);
}

void Frag6Table::Free(Queue* queue) {
  timeout_del(&queue->timer);
  held -= static_cast<int64_t>(queue->pieces.size());
  std::erase_if(queues_, [queue](const auto& q) { return q.get() == queue; });
}

void Frag6Table::Drop(Queue* queue, ip6stat_counters why) {
  for (const Piece& piece : queue->pieces) {
    ip6_note_drop(why, queue->src, queue->dst, piece.m->m_pkthdr.len);
  }
  Free(queue);
}

MbufPtr Frag6Table::Add(MbufPtr m, int off, int next_at) {
  const Inet6Tunables& tunables = inet6_here().tunables;
  const auto drop = [&m](ip6stat_counters why) {
    ip6_drop(why, std::move(m));
    return nullptr;
  };
  ip6stat_inc(ip6s_fragments);
  if (off + kIp6FragmentHeader > m->m_pkthdr.len) return drop(ip6s_badfrags);
  uint8_t head[kIp6FragmentHeader];
  m_copydata(m.get(), off, sizeof head, head);
  const Ip6FragmentView fragment(head, sizeof head);
  const int length = m->m_pkthdr.len - off - kIp6FragmentHeader;
  // A packet in one piece, never joined with others (RFC 6946).
  if (fragment.offset() == 0 && !fragment.more()) {
    return CutOut(std::move(m), off, next_at, fragment.next_header());
  }
  if (fragment.more() && length % 8 != 0) {
    return Complain(ip6s_badfrags, std::move(m), kIpv6PayloadLengthAt), nullptr;
  }
  if (length == 0) return drop(ip6s_badfrags);
  if (off - kIpv6Header + fragment.offset() + length > kIpv6PayloadMax) {
    return Complain(ip6s_toolong, std::move(m), off + 2), nullptr;
  }
  const bool first = fragment.offset() == 0;
  if (first && !HasUpperHeader(m.get(), off + kIp6FragmentHeader, fragment.next_header())) {
    return drop(ip6s_badfrags);
  }
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  Emit6(InetRecord::kFragment6, fragment.id(), src, dst,
        PackPair(static_cast<uint32_t>(fragment.offset()), static_cast<uint32_t>(length)));
  if (held >= tunables.maxfrags) return drop(ip6s_fragdropped);
  Queue* queue = Find(src, dst, fragment.id());
  if (queue == nullptr) {
    if (static_cast<int64_t>(queues_.size()) >= tunables.maxfragpackets) {
      return drop(ip6s_fragdropped);
    }
    if (fault::Fires(Site::kPoolGet, fragment.id())) return drop(ip6s_nobufs);
    queue = Make(src, dst, fragment.id());
  }
  Piece piece = {.m = nullptr,
                 .header = first ? off + kIp6FragmentHeader : 0,
                 .offset = fragment.offset(),
                 .length = length,
                 .more = fragment.more(),
                 .ecn = static_cast<uint8_t>(ip6_view(m.get()).traffic_class() & kEcnMask)};
  if (first) {
    queue->next_at = next_at;
  } else {
    m_adj(m.get(), off + kIp6FragmentHeader);
  }
  piece.m = std::move(m);
  if (!Insert(queue, std::move(piece))) return nullptr;
  return IsComplete(*queue) ? Join(queue) : nullptr;
}

// Puts a piece in its place. Returns false if it was not taken; then the queue may be gone.
bool Frag6Table::Insert(Queue* queue, Piece piece) {
  std::vector<Piece>& pieces = queue->pieces;
  const auto refuse = [&](ip6stat_counters why) {
    ip6_note_drop(why, queue->src, queue->dst, piece.m->m_pkthdr.len);
    return false;
  };
  for (const Piece& other : pieces) {
    const bool contradicts = (other.ecn == kEcnCe && piece.ecn == kEcnNotEct) ||
                             (other.ecn == kEcnNotEct && piece.ecn == kEcnCe);
    if (contradicts) return refuse(ip6s_fragecn);
  }
  auto next = std::find_if(pieces.begin(), pieces.end(),
                           [&](const Piece& p) { return p.offset >= piece.offset; });
  const bool behind =
      next != pieces.begin() && (next - 1)->offset + (next - 1)->length > piece.offset;
  const bool ahead = next != pieces.end() && next->offset < piece.offset + piece.length;
  if (behind || ahead) {
    const bool exact = ahead && next->offset == piece.offset && next->length == piece.length;
    if (exact && inet6_here().tunables.frag_exactdup != 0) return refuse(ip6s_fragdropped);
    // RFC 5722: whoever sends such fragments is up to something; nothing of the packet is believed.
    (void)refuse(ip6s_fragoverlap);
    Drop(queue, ip6s_fragoverlap);
    return false;
  }
  pieces.insert(next, std::move(piece));
  ++held;
  return true;
}

bool Frag6Table::IsComplete(const Queue& queue) const {
  int reached = 0;
  for (const Piece& piece : queue.pieces) {
    const bool last = &piece == &queue.pieces.back();
    if (piece.offset != reached || piece.more == last) return false;
    reached += piece.length;
  }
  return true;
}

// One packet of all pieces: the headers of the first, the length of all, CE if any had it.
MbufPtr Frag6Table::Join(Queue* queue) {
  std::vector<Piece> pieces = std::move(queue->pieces);
  held -= static_cast<int64_t>(pieces.size());
  queue->pieces.clear();
  const int next_at = queue->next_at;
  const uint32_t id = queue->id;
  Free(queue);

  MbufPtr m = std::move(pieces.front().m);
  const int off = pieces.front().header - kIp6FragmentHeader;
  uint8_t next;
  m_copydata(m.get(), off, sizeof next, &next);
  bool congestion = pieces.front().ecn == kEcnCe;
  uint16_t link_flags = 0;
  for (size_t i = 1; i < pieces.size(); ++i) {
    congestion |= pieces[i].ecn == kEcnCe;
    link_flags |= pieces[i].m->m_flags & (M_BCAST | M_MCAST);
    m_catpkt(m.get(), std::move(pieces[i].m));
  }
  m->m_flags |= link_flags;
  m->m_pkthdr.csum_flags &= M_TIMESTAMP | M_FLOWID;
  if (off - kIpv6Header + m->m_pkthdr.len - pieces.front().header > kIpv6PayloadMax) {
    ip6_drop(ip6s_toolong, std::move(m));
    return nullptr;
  }
  m = CutOut(std::move(m), off, next_at, next);
  if (m == nullptr) return nullptr;
  if (congestion) {
    Ipv6Edit ip = ip6_edit(m.get());
    ip.set_traffic_class(ip.traffic_class() | kEcnCe);
  }
  ip6stat_inc(ip6s_reassembled);
  Emit6(InetRecord::kReassembled6, id, ip6_source(m.get()), ip6_destination(m.get()),
        static_cast<uint64_t>(m->m_pkthdr.len));
  return m;
}

}  // namespace sockbed
