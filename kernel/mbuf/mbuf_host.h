// What a host pays for: counts, limits and statistics of its mbufs and clusters.
//
// Lives here:  booting the room, mbstat, the memory limit as others see it, the leak report.
// Called by:   kernel/host (boot, tear-down), socket (m_pool_used), tests (netstat -m's figures).
// May touch:   sim, sched (sysctl, HostLocal).
// Context:     any; never sleeps.
// Units:       memory in bytes, in whole pages of 4096.
// Invariants:  a chain is charged to the host that made it until m_transfer; a cluster to the host
//              that took it until its last reference goes, even if that host has ended by then.
// Source:      OpenBSD sys/kern/uipc_mbuf.c (nmbclust_update, m_pool_used),
//              usr.bin/netstat/mbuf.c.
// Differs:     every simulated host has a limit of its own; pages are counted as if perfectly
//              packed.
#ifndef SOCKBED_KERNEL_MBUF_MBUF_HOST_H_
#define SOCKBED_KERNEL_MBUF_MBUF_HOST_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// kern.maxclusters of a new host. The limit on memory is this many times MCLBYTES.
inline constexpr int64_t kMaxClustersDefault = 262144;

// The unit in which pools are shown.
inline constexpr int32_t kMbufPageBytes = 4096;

// Tells how this room's records read (mbuf_trace.h). Called once per machine.
void mbuf_describe(Trace& trace);

// Gives `host` its account and the sysctl kern.maxclusters, and registers the counts "mbuf",
// "cluster" and "mbuf tag". REQUIRES: once per host, inside a MachineScope.
void mbuf_boot(HostBase& host);

struct mbstat {
  std::array<int64_t, MT_NTYPES> m_mtypes{};  // mbufs in use, by type
  int64_t m_drops = 0;                        // refusals at the limit or by a fault
  int64_t m_wait = 0;                         // always 0: kept for its place in the table
  int64_t m_drain = 0;                        // always 0
  int64_t m_defrag_alloc = 0;                 // m_defrag made a new buffer
  int64_t m_prepend_alloc = 0;                // m_prepend found no room
  int64_t m_pullup_alloc = 0;                 // m_pullup made a new first mbuf
  int64_t m_pullup_copy = 0;                  // m_pullup copied into the first mbuf
  int64_t m_pulldown_alloc = 0;
  int64_t m_pulldown_copy = 0;
};
const mbstat& mbuf_stat(const HostBase& host);

// One pool as netstat -m and vmstat -m show it: "mbufpl", "mcl2k" ... "mcl64k".
struct MbufPoolStat {
  const char* name;
  int32_t size;       // of an item
  int64_t live;       // items in use
  int64_t pages;      // pages of 4096 that they fill
  int64_t pages_max;  // the most there ever were
  int64_t items_max;  // items that those hold
  int64_t failures;   // requests refused
};
std::vector<MbufPoolStat> mbuf_pools(const HostBase& host);

// A rule that refuses whoever may not wait for an item of the pool of that name, or nothing if
// there is no such pool. Its host, chance and only_ordinal are the caller's to set.
std::optional<fault::Rule> mbuf_pool_rule(std::string_view pool);
// The names that it knows, mbufs first.
std::vector<std::string> mbuf_pool_names();

// Percent of the current host's memory limit in use. The socket layer acts on it above 60, 80 and
// 95.
int m_pool_used();

// Which mbufs are charged to `host`, by type and by where they were asked for, one line each;
// empty when there are none. Clusters are named through the mbufs that hold them, whoever pays for
// those.
std::string mbuf_leaks(const HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_HOST_H_
