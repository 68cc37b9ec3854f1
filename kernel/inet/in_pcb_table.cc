#include <errno.h>

#include <algorithm>
#include <bit>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_pcb_private.h"
#include "kernel/inet/inet_host.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr size_t kBucketsMin = 16;

// Multiplies two halves into each other, so that every bit of either moves every bit of the result.
// The constants are arbitrary odd ones: which bucket a pcb is in never shows.
uint32_t Mix(uint64_t a, uint64_t b) {
  const unsigned __int128 product =
      static_cast<unsigned __int128>(a ^ 0x9e37'79b9'7f4a'7c15) * (b ^ 0xc2b2'ae3d'27d4'eb4f);
  const uint64_t mixed = static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
  return static_cast<uint32_t>(mixed ^ mixed >> 32);
}

// The upper halves are 0 for IPv4, whose addresses the lower halves hold in their upper 32 bits.
uint32_t HashOf(const inpaddru& faddr, in_port_t fport, const inpaddru& laddr, in_port_t lport) {
  const uint64_t high = faddr.high() * 0xff51'afd7'ed55'8ccd ^ laddr.high() * 0xc4ce'b9fe'1a85'ec53;
  return Mix(faddr.low() ^ std::rotl(laddr.low(), 32) ^ high, uint64_t{fport} << 16 | lport);
}

size_t PortBucket(size_t buckets, in_port_t lport) { return Mix(lport, 0) & (buckets - 1); }

// A doubly linked list of pcbs through the given neighbours.
template <inpcb* inpcb::*Next, inpcb* inpcb::*Prev>
void Push(inpcb** head, inpcb* inp) {
  inp->*Next = *head;
  inp->*Prev = nullptr;
  if (*head != nullptr) (*head)->*Prev = inp;
  *head = inp;
}

template <inpcb* inpcb::*Next, inpcb* inpcb::*Prev>
void Remove(inpcb** head, inpcb* inp) {
  (inp->*Prev != nullptr ? inp->*Prev->*Next : *head) = inp->*Next;
  if (inp->*Next != nullptr) inp->*Next->*Prev = inp->*Prev;
  inp->*Next = inp->*Prev = nullptr;
}

// The pcb of that 4-tuple among those of a bucket, of which this is the first, or null.
inline inpcb* FindIn(inpcb* inp, const inpaddru& faddr, in_port_t fport, const inpaddru& laddr,
                     in_port_t lport) {
  while (inp != nullptr && !in_pcbjoins(inp, faddr, fport, laddr, lport)) inp = inp->inp_hash_next;
  return inp;
}

inpcb** PortList(const inpcb* inp) {
  return inp->inp_faddr.is_any() ? &inp->inp_port->unconnected : &inp->inp_port->connected;
}

}  // namespace

inpcbtable::inpcbtable(HostBase& host, uint8_t protocol, std::span<const uint16_t> baddynamic,
                       std::span<const uint16_t> rootonly)
    : host_(host),
      protocol_(protocol),
      baddynamic_(baddynamic.begin(), baddynamic.end()),
      rootonly_(rootonly.begin(), rootonly.end()),
      ports_drawn_(Here().machine->seed(), Site::kInpPort, host.id, protocol) {
  KASSERT(std::ranges::is_sorted(baddynamic) && std::ranges::is_sorted(rootonly));
}

inpcbtable::~inpcbtable() {
  // A pcb left over has been reported as a leak; its socket is gone or leaked likewise.
  while (queue_ != nullptr) {
    inpcb* inp = queue_;
    InpcbTableAccess::Unlink(inp);
    InpcbTableAccess::Leave(inp);
    inp->~inpcb();
  }
}

void InpcbTableAccess::Enter(inpcbtable* table, inpcb* inp) {
  inp->inp_table = table;
  inp->inp_id = ++table->next_id_;
  Push<&inpcb::inp_queue_next, &inpcb::inp_queue_prev>(&table->queue_, inp);
  ++table->count_;
}

void InpcbTableAccess::Leave(inpcb* inp) {
  Remove<&inpcb::inp_queue_next, &inpcb::inp_queue_prev>(&inp->inp_table->queue_, inp);
  --inp->inp_table->count_;
}

inline void InpcbTableAccess::Bind(inpcb* inp, const inpaddru& laddr, in_port_t lport) {
  KASSERT(inp->inp_port == nullptr && lport != 0);
  inp->inp_laddr = laddr;
  inp->inp_lport = lport;
  inp->inp_bound = ++inp->inp_table->next_bound_;
  LinkPort(inp);
}

void InpcbTableAccess::SetLocal(inpcb* inp, const inpaddru& laddr, in_port_t lport) {
  Bind(inp, laddr, lport);
}

// Whether the pcb may have these names. Notes what they hash to, which LinkHash goes by.
inline bool InpcbTableAccess::Takes(inpcb* inp, const inpaddru& laddr, in_port_t lport,
                             const inpaddru& faddr, in_port_t fport) {
  inp->inp_hash = HashOf(faddr, fport, laddr, lport);
  inpcbtable* table = inp->inp_table;
  return table->connected_ == 0 ||
         FindIn(Bucket(table, inp->inp_hash), faddr, fport, laddr, lport) == nullptr;
}

int InpcbTableAccess::SetPeer(inpcb* inp, const inpaddru& laddr, const inpaddru& faddr,
                              in_port_t fport) {
  KASSERT(inp->inp_port != nullptr && inp->inp_faddr.is_any());
  if (!Takes(inp, laddr, inp->inp_lport, faddr, fport)) return EADDRINUSE;
  inp->inp_laddr = laddr;
  ChangePeer(inp, faddr, fport);
  if (!faddr.is_any()) LinkHash(inp);
  return 0;
}

// The peer comes first, so that the port has the pcb among its connected ones from the beginning.
int InpcbTableAccess::SetNames(inpcb* inp, const inpaddru& laddr, in_port_t lport,
                               const inpaddru& faddr, in_port_t fport) {
  KASSERT(inp->inp_faddr.is_any());
  if (!Takes(inp, laddr, lport, faddr, fport)) return EADDRINUSE;
  inp->inp_faddr = faddr;
  inp->inp_fport = fport;
  Bind(inp, laddr, lport);
  if (!faddr.is_any()) LinkHash(inp);
  return 0;
}

void InpcbTableAccess::ClearPeer(inpcb* inp) {
  if (!inp->inp_faddr.is_any()) UnlinkHash(inp);
  ChangePeer(inp, {}, 0);
}

void InpcbTableAccess::Unlink(inpcb* inp) {
  if (!inp->inp_faddr.is_any()) UnlinkHash(inp);
  if (inp->inp_port != nullptr) UnlinkPort(inp);
  inp->inp_faddr = inp->inp_laddr = {};
  inp->inp_fport = inp->inp_lport = 0;
}

inpcb* InpcbTableAccess::Find(inpcbtable* table, const inpaddru& faddr, in_port_t fport,
                              const inpaddru& laddr, in_port_t lport) {
  if (table->connected_ == 0) return nullptr;
  inpcb* inp = Bucket(table, HashOf(faddr, fport, laddr, lport));
  if (inp == nullptr) return nullptr;
  so_fetch(so_ofpcbroom(inp));  // the first of a bucket is most often the one
  inp = FindIn(inp, faddr, fport, laddr, lport);
  if (inp != nullptr) table->expected_ = inp;
  return inp;
}

void InpcbTableAccess::Expect(inpcb* inp) {
  if (!inp->inp_faddr.is_any()) inp->inp_table->expected_ = inp;
}

inpport* InpcbTableAccess::FindPort(const inpcbtable* table, in_port_t lport) {
  if (table->ports_.empty()) return nullptr;
  inpport* port = table->ports_[PortBucket(table->ports_.size(), lport)];
  while (port != nullptr && port->port != lport) port = port->next;
  return port;
}

// The pcb changes from one of its port's lists to the other; the port stays, even for a moment
// without pcbs.
void InpcbTableAccess::ChangePeer(inpcb* inp, const inpaddru& faddr, in_port_t fport) {
  const bool bound = inp->inp_port != nullptr;
  if (bound) Remove<&inpcb::inp_port_next, &inpcb::inp_port_prev>(PortList(inp), inp);
  inp->inp_faddr = faddr;
  inp->inp_fport = fport;
  if (bound) Push<&inpcb::inp_port_next, &inpcb::inp_port_prev>(PortList(inp), inp);
}

inline void InpcbTableAccess::LinkPort(inpcb* inp) {
  inp->inp_port = FindPort(inp->inp_table, inp->inp_lport);
  if (inp->inp_port == nullptr) inp->inp_port = MakePort(inp->inp_table, inp->inp_lport);
  Push<&inpcb::inp_port_next, &inpcb::inp_port_prev>(PortList(inp), inp);
}

void InpcbTableAccess::UnlinkPort(inpcb* inp) {
  inpport* port = inp->inp_port;
  Remove<&inpcb::inp_port_next, &inpcb::inp_port_prev>(PortList(inp), inp);
  inp->inp_port = nullptr;
  if (port->unconnected == nullptr && port->connected == nullptr) DropPort(inp->inp_table, port);
}

[[gnu::noinline]] void InpcbTableAccess::GrowPorts(inpcbtable* table) {
  std::vector<inpport*> larger(std::max(kBucketsMin, 2 * table->ports_.size()));
  for (inpport* port : table->ports_) {
    while (port != nullptr) {
      inpport* next = port->next;
      inpport*& bucket = larger[PortBucket(larger.size(), port->port)];
      port->next = bucket;
      bucket = port;
      port = next;
    }
  }
  table->ports_ = std::move(larger);
}

inpport* InpcbTableAccess::MakePort(inpcbtable* table, in_port_t lport) {
  if (table->ports_used_ == table->ports_.size()) GrowPorts(table);
  inpport*& bucket = table->ports_[PortBucket(table->ports_.size(), lport)];
  bucket = table->port_memory_.Make(inpport{.port = lport, .next = bucket});
  ++table->ports_used_;
  return bucket;
}

void InpcbTableAccess::DropPort(inpcbtable* table, inpport* port) {
  inpport** at = &table->ports_[PortBucket(table->ports_.size(), port->port)];
  while (*at != port) at = &(*at)->next;
  *at = port->next;
  table->port_memory_.Free(port);
  --table->ports_used_;
}

[[gnu::noinline]] void InpcbTableAccess::GrowHash(inpcbtable* table) {
  decltype(table->hash_) larger(std::max(kBucketsMin, 2 * table->hash_.size()));
  for (inpcb* inp : table->hash_) {
    while (inp != nullptr) {
      inpcb* next = inp->inp_hash_next;
      inpcb*& bucket = larger[inp->inp_hash & (larger.size() - 1)];
      inp->inp_hash_next = bucket;
      bucket = inp;
      inp = next;
    }
  }
  table->hash_ = std::move(larger);
}

inline void InpcbTableAccess::LinkHash(inpcb* inp) {
  inpcbtable* table = inp->inp_table;
  // Half empty: a step along a bucket is a cache line that nobody has fetched.
  if (2 * table->connected_ >= table->hash_.size()) GrowHash(table);
  inpcb*& bucket = Bucket(table, inp->inp_hash);
  inp->inp_hash_next = bucket;
  bucket = inp;
  ++table->connected_;
}

void InpcbTableAccess::UnlinkHash(inpcb* inp) {
  inpcbtable* table = inp->inp_table;
  inpcb** at = &Bucket(table, inp->inp_hash);
  while (*at != inp) {
    KASSERT(*at != nullptr);
    at = &(*at)->inp_hash_next;
  }
  *at = inp->inp_hash_next;
  inp->inp_hash_next = nullptr;
  if (table->expected_ == inp) table->expected_ = nullptr;
  --table->connected_;
}

}  // namespace sockbed
