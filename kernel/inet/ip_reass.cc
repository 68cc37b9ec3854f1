#include "kernel/inet/ip_reass.h"

#include <algorithm>

#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// The two ECN bits of the TOS byte (RFC 3168).
constexpr uint8_t kEcnMask = 0x03;
constexpr uint8_t kEcnNotEct = 0x00;
constexpr uint8_t kEcnCe = 0x03;

Ipv4View HeaderOf(const mbuf* m) { return Ipv4View(m->m_data, static_cast<size_t>(m->m_len)); }

}  // namespace

ReassemblyTable::~ReassemblyTable() { KASSERT(queues_.empty()); }

void ReassemblyTable::Purge() {
  while (!queues_.empty()) Free(queues_.front().get());
}

ReassemblyTable::Queue* ReassemblyTable::Find(const mbuf* m) {
  const Ipv4View ip = HeaderOf(m);
  for (const std::unique_ptr<Queue>& q : queues_) {
    if (q->id == ip.id() && q->protocol == ip.protocol() && q->src.s_addr == ip.source().s_addr &&
        q->dst.s_addr == ip.destination().s_addr) {
      return q.get();
    }
  }
  return nullptr;
}

ReassemblyTable::Queue* ReassemblyTable::Make(const mbuf* m) {
  const int64_t limit = inet_.tunables.maxfragpackets;
  if (limit == 0) return nullptr;
  if (limit > 0 && static_cast<int64_t>(queues_.size()) >= limit) Drop(queues_.front().get());
  const Ipv4View ip = HeaderOf(m);
  auto queue = std::make_unique<Queue>();
  queue->table = this;
  queue->src = ip.source();
  queue->dst = ip.destination();
  queue->id = ip.id();
  queue->protocol = ip.protocol();
  timeout_set(&queue->timer, &ReassemblyTable::Expire, queue.get());
  timeout_add_sec(&queue->timer, kFragmentTtlSeconds);
  queues_.push_back(std::move(queue));
  return queues_.back().get();
}

// Too many fragments: the new one is refused, and one system lets the oldest packets go, too, until
// three quarters of its limit are left. Returns whether it is taken.
bool ReassemblyTable::MakeRoom() {
  const InetTunables& set = inet_.tunables;
  if (set.maxfrags >= 0 && inet_.live_fragments >= set.maxfrags) return false;
  if (set.maxqueue < 0 || inet_.live_fragments < set.maxqueue) return true;
  while (!queues_.empty() && inet_.live_fragments > set.maxqueue * 3 / 4) {
    Drop(queues_.front().get());
  }
  return false;
}

// The packet, not each fragment, is counted. RFC 1122 3.3.2 would have the sender told if the first
// fragment is there: BSD never did.
void ReassemblyTable::Expire(void* arg) {
  Queue* queue = static_cast<Queue*>(arg);
  Piece first = std::move(queue->pieces.front());
  queue->pieces.erase(queue->pieces.begin());
  InetHost& inet = queue->table->inet_;
  --inet.live_fragments;
  queue->table->Free(queue);
  MbufPtr quoted;
  if (inet.tunables.reass_icmp != 0 && first.offset == 0) {
    quoted = m_copym(first.m.get(), 0, M_COPYALL, M_DONTWAIT);
  }
  ip_drop(ips_fragtimeout, std::move(first.m));
  if (quoted != nullptr) icmp_error(std::move(quoted), ICMP_TIMXCEED, ICMP_TIMXCEED_REASS);
}

void ReassemblyTable::Free(Queue* queue) {
  timeout_del(&queue->timer);
  inet_.live_fragments -= static_cast<int64_t>(queue->pieces.size());
  std::erase_if(queues_, [queue](const auto& q) { return q.get() == queue; });
}

void ReassemblyTable::Drop(Queue* queue) {
  for (Piece& piece : queue->pieces) ip_drop(ips_fragdropped, std::move(piece.m));
  Free(queue);
}

void ReassemblyTable::TrimFront(Piece& piece, int bytes) {
  m_adj(piece.m.get(), piece.header + bytes);
  piece.header = 0;
  piece.offset += bytes;
  piece.length -= bytes;
}

MbufPtr ReassemblyTable::Add(MbufPtr m, int hlen) {
  const Ipv4View ip = HeaderOf(m.get());
  Piece piece = {.m = nullptr,
                 .header = 0,
                 .offset = ip.fragment_offset(),
                 .length = ip.total_length() - hlen,
                 .more = ip.more_fragments(),
                 .ecn = static_cast<uint8_t>(ip.tos() & kEcnMask)};
  ipstat_inc(ips_fragments);
  if (piece.length == 0 || (piece.more && piece.length % 8 != 0)) {
    ip_drop(ips_badfrags, std::move(m));
    return nullptr;
  }
  if (hlen + piece.offset + piece.length > kIpv4PacketMax) {
    ip_drop(ips_toolong, std::move(m));
    return nullptr;
  }
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kFragment), 0,
       PackPair(ip.id(), static_cast<uint32_t>(piece.offset)),
       PackPair(in_host(ip.source()), in_host(ip.destination())),
       static_cast<uint64_t>(piece.length));
  if (!MakeRoom()) {
    ip_drop(ips_fragdropped, std::move(m));
    return nullptr;
  }
  Queue* queue = Find(m.get());
  if (queue == nullptr) {
    if (fault::Fires(Site::kPoolGet, ip.id())) {
      ip_drop(ips_nobufs, std::move(m));
      return nullptr;
    }
    queue = Make(m.get());
    if (queue == nullptr) {
      ip_drop(ips_fragdropped, std::move(m));
      return nullptr;
    }
  }
  piece.m = std::move(m);
  if (piece.offset == 0) {
    piece.header = hlen;
  } else {
    m_adj(piece.m.get(), hlen);
  }
  if (!Insert(queue, std::move(piece))) return nullptr;
  if (IsComplete(*queue)) return Join(queue);
  const int64_t most = inet_.tunables.maxfragsperpacket;
  if (most >= 0 && static_cast<int64_t>(queue->pieces.size()) > most) Drop(queue);
  return nullptr;
}

// Puts a piece in its place. What came before it in the packet is kept and trims its front; what
// lies behind it gives way (spec 5.2). Returns false if nothing changed but counters.
bool ReassemblyTable::Insert(Queue* queue, Piece piece) {
  std::vector<Piece>& pieces = queue->pieces;
  for (const Piece& other : pieces) {
    const bool contradicts = (other.ecn == kEcnCe && piece.ecn == kEcnNotEct) ||
                             (other.ecn == kEcnNotEct && piece.ecn == kEcnCe);
    if (contradicts) {
      ip_drop(ips_fragecn, std::move(piece.m));
      return false;
    }
  }
  auto next = std::find_if(pieces.begin(), pieces.end(),
                           [&](const Piece& p) { return p.offset > piece.offset; });
  if (next != pieces.begin()) {
    const Piece& before = *(next - 1);
    const int overlap = before.offset + before.length - piece.offset;
    if (overlap >= piece.length) {
      ip_drop(ips_fragdropped, std::move(piece.m));
      return false;
    }
    if (overlap > 0) TrimFront(piece, overlap);
  }
  while (next != pieces.end() && next->offset < piece.offset + piece.length) {
    const int overlap = piece.offset + piece.length - next->offset;
    if (overlap < next->length) {
      TrimFront(*next, overlap);
      break;
    }
    ip_drop(ips_fragdropped, std::move(next->m));
    --inet_.live_fragments;
    next = pieces.erase(next);
  }
  pieces.insert(next, std::move(piece));
  ++inet_.live_fragments;
  return true;
}

bool ReassemblyTable::IsComplete(const Queue& queue) const {
  int reached = 0;
  for (const Piece& piece : queue.pieces) {
    if (piece.offset != reached) return false;
    reached += piece.length;
  }
  return !queue.pieces.back().more;
}

// One packet of all pieces: the header of the first, the length of all, CE if any had it.
MbufPtr ReassemblyTable::Join(Queue* queue) {
  std::vector<Piece> pieces = std::move(queue->pieces);
  inet_.live_fragments -= static_cast<int64_t>(pieces.size());
  queue->pieces.clear();
  Free(queue);

  MbufPtr m = std::move(pieces.front().m);
  bool congestion = pieces.front().ecn == kEcnCe;
  uint16_t link_flags = 0;
  for (size_t i = 1; i < pieces.size(); ++i) {
    congestion |= pieces[i].ecn == kEcnCe;
    link_flags |= pieces[i].m->m_flags & (M_BCAST | M_MCAST);
    m_catpkt(m.get(), std::move(pieces[i].m));
  }
  if (m->m_pkthdr.len > kIpv4PacketMax) {
    ip_drop(ips_toolong, std::move(m));
    return nullptr;
  }
  m->m_flags |= link_flags;
  m->m_pkthdr.csum_flags &= M_TIMESTAMP | M_FLOWID;
  m = ip_own_header(std::move(m));
  if (m == nullptr) return nullptr;
  Ipv4Edit ip(m->m_data, static_cast<size_t>(m->m_len));
  ip.set_total_length(m->m_pkthdr.len);
  ip.set_fragment(0, false, false);
  if (congestion) ip.set_tos(ip.tos() | kEcnCe);
  // Whoever shows this packet finds a header that it never had on the wire, with a right sum.
  m->m_pkthdr.csum_flags |= M_IPV4_CSUM_OUT | M_IPV4_CSUM_IN_OK;
  ipstat_inc(ips_reassembled);
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kReassembled), 0,
       PackPair(ip.id(), static_cast<uint32_t>(m->m_pkthdr.len)),
       PackPair(in_host(ip.source()), in_host(ip.destination())));
  return m;
}

}  // namespace sockbed
