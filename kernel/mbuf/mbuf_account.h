// Who pays for mbufs: the account of a host, and the memory that all hosts of a machine share.
//
// Lives here:  PoolClass, MbufAccount (counts, limit, waiters), MbufPool (the machine's memory).
// Called by:   mbuf/ only.
// Context:     any; MbufAccount::Charge with M_WAIT [sleeps].
// Owns:        MbufPool owns memory and accounts; a host borrows its account until it ends.
// Units:       bytes; live, room and floor in items.
// Invariants:  1. Memory is the machine's: an item charged to one host may be freed by another.
//              2. What a pool uses is the pages that its live items fill: they count as perfectly
//                 packed. It keeps those that it once took until the limit is reached, so that
//                 an mbuf taken and given back again and again counts no pages; who looks at the
//                 figures does not see that.
//              3. bytes is the sum over the pools' pages. Requests keep it within limit; packets
//                 that arrive from another host, and a limit that was lowered, may leave it above:
//                 then no page is kept empty.
//              4. An account outlives its host until the last item charged to it has come back.
// Source:      OpenBSD sys/kern/subr_pool.c, and m_pool_alloc in uipc_mbuf.c; pool(9).
#ifndef SOCKBED_KERNEL_MBUF_MBUF_ACCOUNT_H_
#define SOCKBED_KERNEL_MBUF_MBUF_ACCOUNT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/mbuf/item_pool.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/proc.h"
#include "kernel/sim/event_queue.h"
#include "kernel/sim/machine_local.h"
#include "kernel/sim/sites.h"

namespace sockbed {

// The pools that the limit covers: mbufs, then clusters, smallest first.
struct PoolClass {
  const char* name;  // also the wmesg of who waits for it
  uint32_t size;     // of an item, as the limit counts it
  int32_t page_bytes;
  int32_t per_page;
};
inline constexpr int kMbufs = 0;
inline constexpr int kClusters = 1;  // the first pool of clusters
inline constexpr std::array<PoolClass, 9> kPoolClasses = {{
    {"mbufpl", MSIZE, 4096, 16},
    {"mcl2k", MCLBYTES, 4096, 2},
    {"mcl2k2", MCLBYTES + 2, 8192, 3},  // a frame shifted by 2 has its IP header aligned
    {"mcl4k", 4096, 4096, 1},
    {"mcl8k", 8192, 8192, 1},
    {"mcl9k", 9216, 12288, 1},
    {"mcl12k", 12288, 12288, 1},
    {"mcl16k", 16384, 16384, 1},
    {"mcl64k", MAXMCLBYTES, 65536, 1},
}};
inline constexpr int kPools = static_cast<int>(kPoolClasses.size());
static_assert(kPoolClasses[kPools - 1].size == MAXMCLBYTES);

// By a length in units of 1 KB, rounded up: the first pool of clusters that holds the shortest one.
inline constexpr auto kFirstPoolByKb = [] {
  std::array<uint8_t, MAXMCLBYTES / 1024 + 1> first{};
  for (uint32_t kb = 0; kb < first.size(); ++kb) {
    uint8_t pool = kClusters;
    while (kb > 0 && kPoolClasses[pool].size <= (kb - 1) * 1024) ++pool;
    first[kb] = pool;
  }
  return first;
}();

// The first pool of clusters of at least `len` bytes. REQUIRES: len <= MAXMCLBYTES.
inline int ClusterPoolFor(uint32_t len) {
  if (len <= MCLBYTES) [[likely]]
    return kClusters;
  int pool = kFirstPoolByKb[(len + 1023) / 1024];
  while (kPoolClasses[pool].size < len) ++pool;
  return pool;
}

// The site at which a request of `pool` may be refused; the pool is its object.
constexpr Site PoolFault(int pool) { return pool == kMbufs ? Site::kMbufGet : Site::kMbufCluster; }

// m_type of a free mbuf. (MT_FREE is a type like others to whoever asks for it.)
inline constexpr int16_t kFreed = -1;

struct MbufPool;

struct MbufAccount {
  // The fast paths move `live` and compare. Whatever needs a closer look has the bounds of all
  // pools set so that every comparison fails (watched).
  struct Pool {
    int64_t live = 0;   // items in use
    int64_t room = 0;   // Charge looks closer when live has come up to this: the pages are full
    int64_t floor = 0;  // Release does when live has come down to this
    int64_t pages = 0;  // kept
    int64_t pages_max = 0;
    int64_t failures = 0;
  };
  class Waiter;  // a process that waits for a pool; lives on its stack
  struct WakeEvent : Event {
    MbufAccount* account = nullptr;
  };

  // Pays for one item of `pool`. False only with M_DONTWAIT. [sleeps] on the pool, behind those who
  // wait for it already. REQUIRES: M_WAIT only in a process.
  bool Charge(int pool, int how);
  // Its two halves: whether nothing has to be asked, and then how to pay; and what to do else.
  bool MayCharge(int pool) const { return pools[pool].live < pools[pool].room; }
  void ChargeAtOnce(int pool) { ++pools[pool].live; }
  bool ChargeSlowly(int pool, int how);
  // Gives back what was charged. The account may be gone afterwards.
  void Release(int pool);
  // Pays without asking the limit: for what arrives from another host.
  void ChargeArrived(int pool);
  void ReleaseTag();

  // Sets the limit and lets waiters try again.
  void SetLimit(int64_t clusters);
  // A host boots with this account, which is idle.
  void Open(MbufPool* memory_in, HostBase& host_in);
  // The host ends; so does the account as soon as it is idle.
  void Close();
  bool idle() const;

  // The pages that the live items of `pool` fill, and the bytes of all pools' pages.
  int64_t PagesUsed(int pool) const;
  int64_t bytes_used() const;

  std::array<Pool, kPools> pools;
  mbstat stat;
  int64_t live_clusters = 0;
  int64_t live_tags = 0;
  int64_t bytes = 0;  // of all pages kept
  int64_t limit = kMaxClustersDefault * MCLBYTES;
  int64_t nmbclust = kMaxClustersDefault;  // kern.maxclusters
  uint64_t packets = 0;                    // the last sim_id given
  MbufPool* memory = nullptr;
  HostBase* host = nullptr;  // null: it has ended
  bool faulty = false;       // the machine has a plan of faults
  Waiter* first_waiter = nullptr;
  Waiter* last_waiter = nullptr;
  WakeEvent wake_event;

 private:
  bool watched() const { return faulty || first_waiter != nullptr || host == nullptr; }
  void SetBounds();
  void SetBounds(int pool);
  bool TryCharge(int pool);
  bool Refuse(int pool);
  bool Awaited(int pool) const;
  void Wait(int pool);
  void TakePage(int pool);
  bool PageFits(int pool);  // within the limit; gives empty pages back if it must
  void GiveEmptyPagesBack();
  void AfterRelease(int pool);
  void WakeSoon();
  static void Wake(Event* event);
};

// The memory of all hosts of a machine; a MachineStore carries it from run to run.
struct MbufPool {
  static constexpr MachineSlot kMachineSlot = MachineSlot::kMbuf;

  MbufPool();

  MbufAccount* OpenAccount(HostBase& host);
  // REQUIRES: idle.
  void RecycleAccount(MbufAccount* account);

  std::array<ItemPool, kPools> items;
  ItemPool tags;
  std::array<MextFree, 4> ext_free{};  // [0] stands for "back to the cluster's pool"
  uint32_t ext_free_count = 1;
  std::vector<std::unique_ptr<MbufAccount>> accounts;
  std::vector<MbufAccount*> idle_accounts;
};

// The host's hold on its account.
struct MbufHost {
  static constexpr HostSlot kHostSlot = HostSlot::kMbuf;
  explicit MbufHost(MbufAccount* account_in) : account(account_in) {}
  ~MbufHost() { account->Close(); }
  MbufHost(const MbufHost&) = delete;
  MbufHost& operator=(const MbufHost&) = delete;

  MbufAccount* const account;
};

// The current host's account. REQUIRES: on a host.
inline MbufAccount& CurrentAccount() { return *HostLocal<MbufHost>::Get().account; }

// --- What the room's own files share. ---

// Drops m's reference to external storage. REQUIRES: M_EXT.
void m_extfree(mbuf* m);
// Charges m's tags to the current host. REQUIRES: M_PKTHDR.
void m_tag_transfer(mbuf* m);

// --- The paths that every packet takes. ---

// Who may sleep is asked on every call, not only when it comes to a sleep.
inline void CheckHow(int how) { KASSERT(how == M_WAIT ? curproc() != nullptr : how == M_DONTWAIT); }

inline bool MbufAccount::Charge(int pool, int how) {
  CheckHow(how);
  if (__builtin_expect(!MayCharge(pool), 0)) return ChargeSlowly(pool, how);
  ChargeAtOnce(pool);
  return true;
}

inline void MbufAccount::Release(int pool) {
  if (__builtin_expect(--pools[pool].live <= pools[pool].floor, 0)) AfterRelease(pool);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_ACCOUNT_H_
