// One mbuf at a time: making, sharing, freeing, and the care of packet headers.
//
// An mbuf is made in three steps: the current host's account pays (and may refuse, or wait), the
// machine's pool gives memory, and the fields are set. Freeing runs the same steps backwards,
// except that the account is the one that paid, whatever host is current.

#include "kernel/mbuf/mbuf_alloc.h"

#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_account.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/sim/prefetch.h"

namespace sockbed {
namespace {

// Whether an mbuf is made with a packet header.
enum class Header : bool { kNone, kFresh };

// Gives m a place in no chain, and a fresh packet header if it is to have one.
[[gnu::always_inline]] inline void StartChain(mbuf* m, Header header) {
  m->m_next = nullptr;
  m->m_nextpkt = nullptr;
  m->m_data = header == Header::kFresh ? m->m_pktdat() : m->m_dat;
  m->m_flags = header == Header::kFresh ? M_PKTHDR : 0;
  if (header == Header::kNone) return;
  new (&m->m_pkthdr) pkthdr;  // assigning one would be half as fast: g++ clears 128 bytes slowly
  m->m_pkthdr.sim_id = ++m->m_account->packets;
}

// Sets the fields of a new mbuf.
[[gnu::always_inline]] inline mbuf* Dress(void* item, MbufAccount& account, int type, Header header,
                                          MbufSite where) {
  mbuf* const m = static_cast<mbuf*>(item);
  ++account.stat.m_mtypes[type];
  m->m_len = 0;
  m->m_type = static_cast<int16_t>(type);
  m->m_account = &account;
  m->m_site = where;
  StartChain(m, header);
  return m;
}

// What NewMbuf does when the account, or the pool, has to be asked.
[[gnu::noinline]] mbuf* NewMbufSlowly(int how, int type, Header header, MbufSite where) {
  MbufAccount& account = CurrentAccount();
  if (!account.Charge(kMbufs, how)) return nullptr;
  return Dress(account.memory->items[kMbufs].Take(), account, type, header, where);
}

// An mbuf; null if the account refuses. The way that nearly every mbuf takes calls nothing.
[[gnu::always_inline]] inline mbuf* NewMbuf(int how, int type, Header header, MbufSite where) {
  KASSERT(type >= 0 && type < MT_NTYPES);
  CheckHow(how);
  MbufAccount& account = CurrentAccount();
  ItemPool& items = account.memory->items[kMbufs];
  if (__builtin_expect(!account.MayCharge(kMbufs) || !items.has_free(), 0)) {
    return NewMbufSlowly(how, type, header, where);
  }
  account.ChargeAtOnce(kMbufs);
  return Dress(items.TakeFree(), account, type, header, where);
}

// Makes `buf` the storage of m, which has none but its own.
[[gnu::always_inline]] inline void Attach(mbuf* m, char* buf, uint32_t size, uint16_t flags,
                                          uint32_t free_fn, void* arg) {
  m->m_flags |= M_EXT | (flags & M_EXTWR);
  m->m_data = buf;
  m->m_ext = {buf, size, free_fn, arg, m, m};
}

// Takes m out of its ring; true if it was the last.
bool LeaveRing(mbuf* m) {
  mbuf_ext& ext = m->m_ext;
  if (ext.ext_nextref == m) [[likely]]
    return true;
  ext.ext_nextref->m_ext.ext_prevref = ext.ext_prevref;
  ext.ext_prevref->m_ext.ext_nextref = ext.ext_nextref;
  return false;
}

// More clusters than the second-level cache holds; of mbufs, more than were all in use just now.
constexpr int64_t kMoreThanCacheful = 512;

// Fetches a cluster that has just been given back: it is the next to be filled.
void PrefetchCluster(const mbuf_ext& ext) {
  constexpr uint32_t kMost = MCLBYTES;  // of a larger one, what the processor does not see coming
  Prefetch(ext.ext_buf, std::min(ext.ext_size, kMost));
}

}  // namespace

MbufPtr m_get(int how, int type, MbufSite where) {
  return MbufPtr(NewMbuf(how, type, Header::kNone, where));
}

MbufPtr m_gethdr(int how, int type, MbufSite where) {
  return MbufPtr(NewMbuf(how, type, Header::kFresh, where));
}

MbufPtr m_getclr(int how, int type, MbufSite where) {
  MbufPtr m = m_get(how, type, where);
  if (m) std::memset(m->m_dat, 0, MLEN);
  return m;
}

bool m_clget(mbuf* m, int how, uint32_t len) {
  KASSERT((m->m_flags & M_EXT) == 0);
  if (len > MAXMCLBYTES) m_panic(m, "m_clget: no cluster is that large");
  MbufAccount& account = CurrentAccount();
  const int pool = ClusterPoolFor(len);
  if (!account.Charge(pool, how)) return false;
  ++account.live_clusters;
  Attach(m, static_cast<char*>(account.memory->items[pool].Take()), kPoolClasses[pool].size,
         M_EXTWR, 0, &account);
  return true;
}

MbufPtr m_clget(std::nullptr_t, int how, uint32_t len, MbufSite where) {
  MbufPtr m = m_gethdr(how, MT_DATA, where);
  if (m && !m_clget(m.get(), how, len)) m.reset();
  return m;
}

// --- External storage. ---

uint32_t mextfree_register(MextFree fn) {
  KASSERT(fn != nullptr);
  MbufPool& pool = *CurrentAccount().memory;
  for (uint32_t i = 1; i < pool.ext_free_count; ++i) {
    if (pool.ext_free[i] == fn) return i;
  }
  KASSERT(pool.ext_free_count < pool.ext_free.size());
  pool.ext_free[pool.ext_free_count] = fn;
  return pool.ext_free_count++;
}

void MEXTADD(mbuf* m, char* buf, uint32_t size, uint16_t flags, uint32_t free_fn, void* arg) {
  KASSERT((m->m_flags & M_EXT) == 0);
  KASSERT(free_fn < m->m_account->memory->ext_free_count);
  Attach(m, buf, size, flags, free_fn, arg);
}

void m_extref(mbuf* o, mbuf* n) {
  KASSERT((o->m_flags & M_EXT) != 0 && (n->m_flags & M_EXT) == 0);
  n->m_flags |= o->m_flags & (M_EXT | M_EXTWR);
  n->m_ext = o->m_ext;
  n->m_ext.ext_prevref = o;
  n->m_ext.ext_nextref->m_ext.ext_prevref = n;
  o->m_ext.ext_nextref = n;
}

void m_extfree(mbuf* m) {
  KASSERT((m->m_flags & M_EXT) != 0);
  m->m_flags &= static_cast<uint16_t>(~(M_EXT | M_EXTWR));
  if (!LeaveRing(m)) return;
  const mbuf_ext& ext = m->m_ext;
  if (ext.ext_free_fn != 0) {
    m->m_account->memory->ext_free[ext.ext_free_fn](ext.ext_buf, ext.ext_size, ext.ext_arg);
    return;
  }
  MbufAccount& payer = *static_cast<MbufAccount*>(ext.ext_arg);
  const int pool = ClusterPoolFor(ext.ext_size);
  payer.memory->items[pool].Give(ext.ext_buf);
  if (payer.live_clusters > kMoreThanCacheful) [[unlikely]]
    PrefetchCluster(ext);
  --payer.live_clusters;
  payer.Release(pool);
}

// --- Freeing. ---

namespace {

// Gives an mbuf back that is no more than its own bytes; returns m_next.
[[gnu::always_inline]] inline mbuf* GiveBack(mbuf* m) {
  mbuf* const next = m->m_next;
  MbufAccount& account = *m->m_account;
  --account.stat.m_mtypes[m->m_type];
  m->m_type = kFreed;
  account.memory->items[kMbufs].Give(m);
  if (account.pools[kMbufs].live > kMoreThanCacheful) [[unlikely]]
    Prefetch(m, sizeof *m);  // it is the next to be made
  account.Release(kMbufs);
  return next;
}

// FreeOne of an mbuf that is more.
[[gnu::noinline]] mbuf* FreeWithParts(mbuf* m) {
  if ((m->m_flags & M_ZEROIZE) != 0) [[unlikely]] {
    m_zero(m);
    if (m->m_next != nullptr) m->m_next->m_flags |= M_ZEROIZE;
  }
  if ((m->m_flags & M_PKTHDR) != 0 && m->m_pkthdr.ph_tags != nullptr) [[unlikely]]
    m_tag_delete_chain(m);
  if ((m->m_flags & M_EXT) != 0) m_extfree(m);
  return GiveBack(m);
}

// Frees one mbuf; returns m_next.
[[gnu::always_inline]] inline mbuf* FreeOne(mbuf* m) {
  KASSERT(m->m_type != kFreed);
  const bool parts = (m->m_flags & (M_ZEROIZE | M_EXT)) != 0 ||
                     ((m->m_flags & M_PKTHDR) != 0 && m->m_pkthdr.ph_tags != nullptr);
  return parts ? FreeWithParts(m) : GiveBack(m);
}

}  // namespace

mbuf* m_free(mbuf* m) { return m == nullptr ? nullptr : FreeOne(m); }

mbuf* m_freem(mbuf* m) {
  if (m == nullptr) return nullptr;
  mbuf* const next_packet = m->m_nextpkt;
  do {
    m = FreeOne(m);
  } while (m != nullptr);
  return next_packet;
}

mbuf* m_freemp(mbuf** mp) {
  mbuf* const m = *mp;
  *mp = nullptr;
  return m_freem(m);
}

void m_purge(mbuf* m) {
  while (m != nullptr) m = m_freem(m);
}

void m_zero(mbuf* m) {
  if (m_isshared(m)) {
    m->m_ext.ext_nextref->m_flags |= M_ZEROIZE;
    m->m_ext.ext_prevref->m_flags |= M_ZEROIZE;
  } else if (!M_READONLY(m)) {
    explicit_bzero(const_cast<char*>(m_area(m)), static_cast<size_t>(m_areaend(m) - m_area(m)));
  }
}

// --- The packet header. ---

mbuf* m_inithdr(mbuf* m) {
  StartChain(m, Header::kFresh);
  return m;
}

void m_resethdr(mbuf* m) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  m->m_flags &= M_EXT | M_PKTHDR | M_EOR | M_EXTWR | M_ZEROIZE;
  m_tag_delete_chain(m);
  const int32_t len = m->m_pkthdr.len;
  const uint8_t loopcnt = m->m_pkthdr.ph_loopcnt;
  m->m_pkthdr = pkthdr{};
  m->m_pkthdr.len = len;
  m->m_pkthdr.ph_loopcnt = loopcnt;
  m->m_pkthdr.sim_id = ++CurrentAccount().packets;
}

void m_calchdrlen(mbuf* m) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  m->m_pkthdr.len = m_length(m);
}

void M_MOVE_PKTHDR(mbuf* to, mbuf* from) {
  KASSERT((from->m_flags & M_PKTHDR) != 0);
  to->m_flags = (to->m_flags & (M_EXT | M_EXTWR)) | (from->m_flags & M_COPYFLAGS);
  to->m_pkthdr = from->m_pkthdr;
  if ((to->m_flags & M_EXT) == 0) to->m_data = to->m_pktdat();
  from->m_flags &= static_cast<uint16_t>(~M_PKTHDR);
  from->m_pkthdr.ph_tags = nullptr;
}

int m_dup_pkthdr(mbuf* to, const mbuf* from, int how) {
  KASSERT((from->m_flags & M_PKTHDR) != 0);
  to->m_flags = (to->m_flags & (M_EXT | M_EXTWR)) | (from->m_flags & M_COPYFLAGS);
  to->m_pkthdr = from->m_pkthdr;
  to->m_pkthdr.ph_tags = nullptr;
  to->m_pkthdr.sim_id = ++CurrentAccount().packets;
  if ((to->m_flags & M_EXT) == 0) to->m_data = to->m_pktdat();
  return m_tag_copy_chain(to, from, how);
}

void MCHTYPE(mbuf* m, int type) {
  KASSERT(type >= 0 && type < MT_NTYPES);
  mbstat& stat = m->m_account->stat;
  --stat.m_mtypes[m->m_type];
  ++stat.m_mtypes[type];
  m->m_type = static_cast<int16_t>(type);
}

// --- Geometry and time. ---

void m_align(mbuf* m, int len) {
  if (M_READONLY(m)) m_panic(m, "m_align: read-only");
  if (m->m_data != m_area(m)) m_panic(m, "m_align: the data has moved");
  const int size = static_cast<int>(m_areaend(m) - m_area(m));
  const int rounded = (len + 7) & ~7;
  if (len < 0 || rounded > size) m_panic(m, "m_align: too long");
  m->m_data += size - rounded;
}

void m_microtime(const mbuf* m, timeval* tv) {
  const bool stamped = (m->m_flags & M_PKTHDR) != 0 && (m->m_pkthdr.csum_flags & M_TIMESTAMP) != 0;
  const SimTime uptime = stamped ? m->m_pkthdr.ph_timestamp : Now();
  tv->tv_sec = kBootEpochSeconds + uptime / kSecond;
  tv->tv_usec = uptime % kSecond / kMicrosecond;
}

// --- Travelling. ---

void m_transfer(mbuf* m) {
  MbufAccount& account = CurrentAccount();
  if ((m->m_flags & M_PKTHDR) != 0 && m->m_pkthdr.ph_tags != nullptr) [[unlikely]]
    m_tag_transfer(m);
  for (; m != nullptr; m = m->m_next) {
    MbufAccount& payer = *m->m_account;
    if (&payer == &account) continue;
    account.ChargeArrived(kMbufs);
    ++account.stat.m_mtypes[m->m_type];
    --payer.stat.m_mtypes[m->m_type];
    m->m_account = &account;
    payer.Release(kMbufs);
  }
}

}  // namespace sockbed
