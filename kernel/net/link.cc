#include "kernel/net/link.h"

#include <errno.h>

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/if_ether.h"
#include "kernel/net/if_private.h"
#include "kernel/net/net_trace.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// The longest extra time of a packet that a fault plan delays (site link.delay).
constexpr SimTime kFaultDelayMax = 100 * kMillisecond;

// All verdicts and all pending work: what a packet whose bytes have changed may not keep.
constexpr uint16_t kChecksumFlags = M_IPV4_CSUM_OUT | M_TCP_CSUM_OUT | M_UDP_CSUM_OUT |
                                    M_ICMP_CSUM_OUT | M_IPV4_CSUM_IN_OK | M_TCP_CSUM_IN_OK |
                                    M_UDP_CSUM_IN_OK | M_ICMP_CSUM_IN_OK;

uint64_t PackPacket(uint64_t number, int bytes) {
  return PackPair(static_cast<uint32_t>(number), static_cast<uint32_t>(bytes));
}

// Of all bytes of a packet, wherever its mbufs are cut.
uint64_t HashOfBytes(const mbuf* m) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (; m != nullptr; m = m->m_next) {
    XXH3_64bits_update(&state, m->m_data, static_cast<size_t>(m->m_len));
  }
  return XXH3_64bits_digest(&state);
}

}  // namespace

inline bool Link::watched() const { return !taps_.empty() || Here().machine->checking(); }

// What chance and the fault plan hold for one packet.
struct Link::Fate {
  bool lost = false;
  bool duplicated = false;
  bool reordered = false;
  bool corrupted = false;
  bool truncated = false;
  bool delayed = false;
  SimTime extra_ns = 0;

  bool eventful() const { return duplicated || reordered || corrupted || truncated || delayed; }
  PacketFate tapped() const {
    if (lost) return PacketFate::kDroppedByLoss;
    if (corrupted) return PacketFate::kCorrupted;
    if (truncated) return PacketFate::kTruncated;
    if (duplicated) return PacketFate::kDuplicated;
    return reordered ? PacketFate::kReordered : PacketFate::kSent;
  }
};

Link::Link(HostBase& a, HostBase& b, uint32_t number, const LinkOptions& options, PacketTap* tap)
    : number_(number) {
  if (tap != nullptr) AddTap(tap);
  KASSERT(&a != &b && number > 0);
  const std::array<HostBase*, 2> hosts = {&a, &b};
  for (uint8_t i = 0; i < 2; ++i) {
    ifnet* ifp = if_attach(*hosts[i], "link" + std::to_string(number));
    if (options.ethernet) {
      AttachEthernet(ifp, number, i);
    } else {
      AttachPointToPoint(ifp, number, i);
    }
    ifp->if_softc = &directions_[i];
    directions_[i].link = this;
    directions_[i].from = ifp;
    directions_[1 - i].to = ifp;
    directions_[i].id = 2 * number + i;
    directions_[i].index = i;
    set_options(i, options);
  }
  for (Direction& d : directions_) {
    d.on_way.set_host(*d.to->if_host);
    d.held_back.set_host(*d.to->if_host);
    if_setflags(d.from, d.from->if_flags | IFF_UP | IFF_RUNNING);
  }
}

namespace {

// The station's address is of the range that nobody sells (the bit 2 of the first octet), and says
// which link and which end: 02:00:00:<link>:<end>.
ether_addr StationAddress(uint32_t number, int end) {
  return {{0x02, 0x00, 0x00, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number),
           static_cast<uint8_t>(end + 1)}};
}

}  // namespace

void Link::AttachPointToPoint(ifnet* ifp, uint32_t number, int end) {
  ifp->if_flags = IFF_POINTOPOINT | IFF_MULTICAST;
  ifp->if_capabilities = IFCAP_CSUM_ALL | IFCAP_TSOv4 | IFCAP_TSOv6;
  ifp->if_output = &Link::Output;
  ifp->if_lladdr = StationAddress(number, end);  // no frame bears it; IPv6 names itself by it
}

void Link::AttachEthernet(ifnet* ifp, uint32_t number, int end) {
  ether_ifattach(ifp, StationAddress(number, end), &Link::Transmit);
}

Link::~Link() {
  Halt();
  for (const Direction& d : directions_) if_detach(d.from);
}

void Link::set_options(int direction, const LinkOptions& options) {
  KASSERT(options.latency_ns >= 0 && options.jitter_ns >= 0 && options.reorder_delay_ns >= 0);
  Direction& d = directions_[direction];
  d.options = options;
  d.faults = (options.loss | options.duplicate | options.reorder | options.corrupt) != 0 ||
             options.jitter_ns != 0;
  KASSERT(options.ethernet == if_is_ethernet(d.from));
  d.from->if_mtu = options.mtu;
  d.from->if_snd.ifq_maxlen = options.queue_len;
}

void Link::SetConnected(bool connected) {
  for (const Direction& d : directions_) {
    const int flags = d.from->if_flags;
    if_setflags(d.from, connected ? flags | IFF_RUNNING : flags & ~IFF_RUNNING);
  }
}

void Link::AddTap(PacketTap* tap) { taps_.push_back(tap); }

void Link::RemoveTap(PacketTap* tap) { std::erase(taps_, tap); }

void Link::Halt() {
  for (Direction& d : directions_) {
    HostScope scope(*d.from->if_host);
    d.on_way.Clear();
    d.held_back.Clear();
  }
}

// When the last bit of a packet leaves whose first one does at `starts`. What a nanosecond cannot
// express is carried over to the next packet, so that a busy link keeps its rate exactly.
SimTime Link::Depart(Direction& d, SimTime starts, int bytes) {
  const uint64_t rate = d.options.rate_bps;
  if (starts > d.busy_until) d.busy_fraction = 0;
  const uint64_t work = static_cast<uint64_t>(bytes) * 8 * kSecond + d.busy_fraction;
  d.busy_until = starts + static_cast<SimTime>(work / rate);
  d.busy_fraction = work % rate;
  return d.busy_until;
}

Link::Fate Link::DrawFate(Direction& d, uint64_t number) {
  Machine& machine = *Here().machine;
  const HostId host = d.from->if_host->id;
  const LinkOptions& options = d.options;
  auto happens = [&](Site site, Chance chance) {
    const bool fails = fault::Fires(site, d.id);  // every packet is a visit, whatever chance says
    return (chance != 0 && machine.choices().Happens({site, host, d.id, number}, chance)) || fails;
  };
  Fate fate;
  fate.lost = happens(Site::kLinkDrop, options.loss);
  if (fate.lost) return fate;
  fate.duplicated = happens(Site::kLinkDuplicate, options.duplicate);
  fate.reordered = happens(Site::kLinkReorder, options.reorder);
  fate.corrupted = happens(Site::kLinkCorrupt, options.corrupt);
  fate.truncated = happens(Site::kLinkTruncate, 0);
  fate.delayed = happens(Site::kLinkDelay, 0);
  if (options.jitter_ns != 0) {
    fate.extra_ns += static_cast<SimTime>(
        DrawBelow(d, number, DrawOf::kJitter, static_cast<uint64_t>(options.jitter_ns) + 1));
  }
  if (fate.delayed) {
    fate.extra_ns += 1 + static_cast<SimTime>(DrawBelow(d, number, DrawOf::kDelay, kFaultDelayMax));
  }
  return fate;
}

uint64_t Link::DrawBelow(const Direction& d, uint64_t number, DrawOf what, uint64_t bound) {
  const uint64_t ordinal =
      number * static_cast<uint64_t>(DrawOf::kCount) + static_cast<uint64_t>(what);
  return Below(
      Draw(Here().machine->seed(), {Site::kLinkRandom, d.from->if_host->id, d.id, ordinal}), bound);
}

int Link::Output(ifnet* ifp, MbufPtr m, const sockaddr*) {
  if (__builtin_expect((m->m_pkthdr.csum_flags & M_TCP_TSO) != 0, 0)) {
    return if_send_chopped(ifp, std::move(m),
                           [ifp](MbufPtr segment) { return Transmit(ifp, std::move(segment)); });
  }
  return Transmit(ifp, std::move(m));
}

[[gnu::always_inline]] inline void Link::Send(Direction& d, ArrivalQueue& queue, MbufPtr m,
                                              uint64_t number, SimTime arrives) {
  pkthdr& header = m->m_pkthdr;
  header.ph_cause = Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kOut), d.id,
                         PackPacket(number, header.len), static_cast<uint64_t>(arrives));
  header.ph_timestamp = static_cast<int64_t>(number);  // until it arrives
  queue.Add(std::move(m), arrives);
}

int Link::Transmit(ifnet* ifp, MbufPtr m) {
  Direction& d = *static_cast<Direction*>(ifp->if_softc);
  const SimTime now = Now();
  const uint64_t number = ++d.next_number;
  const int bytes = m->m_pkthdr.len;
  ++d.counters.packets;
  d.counters.bytes += static_cast<uint64_t>(bytes);

  SimTime starts = now;
  if (d.busy_until > now) {
    if (ifp->if_snd.ifq_full(now)) return Refuse(d, std::move(m), number);
    starts = d.busy_until;
    ifp->if_snd.ifq_enqueue(starts);
  }
  const SimTime departs = d.options.rate_bps == 0 ? starts : Depart(d, starts, bytes);
  if_count_output(ifp, m.get());
  if_accept_checksums(m.get());

  const SimTime arrives = departs + d.options.latency_ns;
  if (d.faults || Here().fault_plan != nullptr || d.link->watched()) [[unlikely]] {
    SendEventfully(d, std::move(m), number, starts, arrives);
  } else {
    Send(d, d.on_way, std::move(m), number, BehindLast(d, arrives));
  }
  return 0;
}

int Link::Refuse(Direction& d, MbufPtr m, uint64_t number) {
  ++d.counters.dropped_queue;
  if (d.link->watched()) d.link->Tell(d, PacketFate::kDroppedByQueue, number, Now(), m.get());
  Drop(d, NetDrop::kQueue, &d.from->if_counters.ifi_oqdrops, number, m->m_pkthdr.len);
  return ENOBUFS;
}

// Nothing overtakes but what was held back.
inline SimTime Link::BehindLast(Direction& d, SimTime arrives) {
  return d.last_arrival = std::max(arrives, d.last_arrival);
}

// Puts a packet on its way to which something may happen, or that somebody watches: with its
// duplicate behind it, if there is anything left of it.
[[gnu::noinline]] void Link::SendEventfully(Direction& d, MbufPtr m, uint64_t number,
                                            SimTime starts, SimTime arrives) {
  const bool fated = d.faults || Here().fault_plan != nullptr;
  const Fate fate = fated ? DrawFate(d, number) : Fate{};
  if (d.link->watched()) d.link->Tell(d, fate.tapped(), number, starts, m.get());
  const int bytes = m->m_pkthdr.len;
  if (fate.lost) return Drop(d, NetDrop::kLoss, &d.counters.dropped_loss, number, bytes);
  arrives += fate.extra_ns;
  arrives = fate.reordered ? arrives + d.options.reorder_delay_ns : BehindLast(d, arrives);
  ArrivalQueue& queue = fate.reordered ? d.held_back : d.on_way;
  if (!fate.eventful()) return Send(d, queue, std::move(m), number, arrives);
  NoteFate(d, number, bytes, arrives, fate);
  MbufPtr twin;
  if (fate.duplicated) twin = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
  if (fate.corrupted) m = Corrupt(d, std::move(m), number);
  if (fate.truncated && m != nullptr) m = Truncate(d, std::move(m), number);
  const int lost = (m == nullptr ? 1 : 0) + (fate.duplicated && twin == nullptr ? 1 : 0);
  for (int i = 0; i < lost; ++i) {
    Drop(d, NetDrop::kMemory, &d.counters.dropped_memory, number, bytes);
  }
  if (m != nullptr) Send(d, queue, std::move(m), number, arrives);
  if (twin != nullptr) Send(d, queue, std::move(twin), number, arrives);
}

void Link::NoteFate(Direction& d, uint64_t number, int bytes, SimTime arrives, const Fate& fate) {
  const struct {
    bool befell;
    Site site;
    uint64_t* counter;
  } kinds[] = {{fate.duplicated, Site::kLinkDuplicate, &d.counters.duplicated},
               {fate.reordered, Site::kLinkReorder, &d.counters.reordered},
               {fate.corrupted, Site::kLinkCorrupt, &d.counters.corrupted},
               {fate.truncated, Site::kLinkTruncate, &d.counters.truncated},
               {fate.delayed, Site::kLinkDelay, &d.counters.delayed}};
  for (const auto& kind : kinds) {
    if (!kind.befell) continue;
    ++*kind.counter;
    Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kFault), d.id, PackPacket(number, bytes),
         static_cast<uint64_t>(kind.site), static_cast<uint64_t>(arrives));
  }
}

void Link::Drop(Direction& d, NetDrop why, uint64_t* counter, uint64_t number, int bytes) {
  ++*counter;
  Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kLinkDrop), d.id, PackPacket(number, bytes),
       static_cast<uint64_t>(why));
}

// A private copy with one bit flipped, which the receiver has to find: its checksums are right for
// the bytes that were sent, and nobody vouches for them. Null: no memory.
MbufPtr Link::Corrupt(Direction& d, MbufPtr m, uint64_t number) {
  if_finish_checksums(d.from, m.get());
  MbufPtr copy = m_dup_pkt(m.get(), max_linkhdr, M_DONTWAIT);
  if (copy == nullptr) return nullptr;
  const uint64_t bit = DrawBelow(d, number, DrawOf::kBit, static_cast<uint64_t>(copy->m_len) * 8);
  copy->m_data[bit / 8] = static_cast<char>(copy->m_data[bit / 8] ^ (1 << (bit % 8)));
  copy->m_pkthdr.csum_flags &= static_cast<uint16_t>(~kChecksumFlags);
  return copy;
}

// A private copy without its last bytes: at least one is missing, and one is left. Null: no memory.
MbufPtr Link::Truncate(Direction& d, MbufPtr m, uint64_t number) {
  if (m->m_pkthdr.len < 2) return m;
  if_finish_checksums(d.from, m.get());
  MbufPtr copy = m_dup_pkt(m.get(), max_linkhdr, M_DONTWAIT);
  if (copy == nullptr) return nullptr;
  const auto most = static_cast<uint64_t>(copy->m_len - 1);
  m_adj(copy.get(), -1 - static_cast<int>(DrawBelow(d, number, DrawOf::kBit, most)));
  copy->m_pkthdr.csum_flags &= static_cast<uint16_t>(~kChecksumFlags);
  return copy;
}

void Link::Deliver(void* direction, MbufPtr m) {
  Direction& d = *static_cast<Direction*>(direction);
  const uint64_t number = static_cast<uint64_t>(m->m_pkthdr.ph_timestamp);
  m->m_pkthdr.ph_timestamp = Now();
  m->m_pkthdr.csum_flags |= M_TIMESTAMP;
  m_transfer(m.get());
  if (!if_is_up(d.to)) {
    ++d.counters.dropped_down;
    if_drop(d.to, NetDrop::kDown, &d.to->if_counters.ifi_ierrors, std::move(m));
    return;
  }
  ++d.counters.delivered;
  if (d.link->watched()) [[unlikely]]
    d.link->Tell(d, PacketFate::kDelivered, number, Now(), m.get());
  if (if_is_ethernet(d.to)) return ether_input(d.to, std::move(m));
  if_input(d.to, std::move(m));
}

void Link::Tell(const Direction& d, PacketFate fate, uint64_t number, SimTime departs, mbuf* m) {
  const bool check = Here().machine->checking() && fate != PacketFate::kDelivered;
  if (taps_.empty() && !check) return;
  if_finish_checksums(d.from, m);
  if (check) {
    Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kBytes), d.id,
         PackPacket(number, m->m_pkthdr.len), HashOfBytes(m));
  }
  TappedPacket tapped = {.link = number_,
                         .direction = d.index,
                         .fate = fate,
                         .family = m->m_pkthdr.ph_family,
                         .number = number,
                         .time = Now(),
                         .departs = departs,
                         .packet = m};
  for (PacketTap* tap : taps_) tap->OnPacket(tapped);
}

}  // namespace sockbed
