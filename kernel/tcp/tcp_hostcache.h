// What connections have learnt of a peer, for the next one to it.
//
// Lives here:  HostCache.
// Called by:   tcp_subr.cc (a connection ends), tcp_mss.cc (a handshake knows its peer).
// Owns:        its entries, hostcache_limit at most.
// Units:       srtt and rttvar as in tcp_rtt.h; ssthresh in bytes.
// Source:      FreeBSD sys/netinet/tcp_hostcache.c; tcp(4).
// Differs:     an entry that has expired goes when somebody asks for it or needs its place. Path
//              MTUs are the routes'.
#ifndef SOCKBED_KERNEL_TCP_TCP_HOSTCACHE_H_
#define SOCKBED_KERNEL_TCP_TCP_HOSTCACHE_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <map>

#include "kernel/inet/in6.h"
#include "kernel/sim/time.h"

namespace sockbed {

struct HostMetrics {
  int32_t srtt = 0, rttvar = 0;  // 0: unknown
  uint32_t ssthresh = 0;         // 0: unknown
};

class HostCache {
 public:
  // What is known of `peer`, or null: nothing, or it is older than `expire`.
  const HostMetrics* Find(const inpaddru& peer, SimTime expire);
  // Takes in what a connection has measured: half of it, half of what was known.
  void Update(const inpaddru& peer, const HostMetrics& metrics, SimTime expire);
  void Clear() { entries_.clear(); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    HostMetrics metrics;
    SimTime updated = 0;
  };
  static constexpr size_t kLimit = 15360;

  using Key = std::pair<uint64_t, uint64_t>;  // the halves of an address
  static Key KeyOf(const inpaddru& peer) { return {peer.high(), peer.low()}; }

  std::map<Key, Entry> entries_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_HOSTCACHE_H_
