// What TCP keeps per host: settings, counters, control blocks, handshakes, and the past.
//
// Lives here:  TcpHost, TcpSummaries, the host's clock.
// Called by:   all of tcp/; tcp.h opens parts of it to kernel/host, tools and tests.
// Owns:        the table of pcbs, the SYN cache and the pools: all memory of this room.
// Units:       tcp_now in milliseconds.
// Source:      OpenBSD sys/netinet/tcp_subr.c (the globals of the same names).
#ifndef SOCKBED_KERNEL_TCP_TCP_HOST_H_
#define SOCKBED_KERNEL_TCP_TCP_HOST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/random.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_fastopen.h"
#include "kernel/tcp/tcp_hostcache.h"
#include "kernel/tcp/tcp_md5.h"
#include "kernel/tcp/tcp_pool.h"
#include "kernel/tcp/tcp_rack.h"
#include "kernel/tcp/tcp_reass.h"
#include "kernel/tcp/tcp_sack.h"
#include "kernel/tcp/tcp_siphash.h"
#include "kernel/tcp/tcp_stat.h"
#include "kernel/tcp/tcp_syncache.h"
#include "kernel/tcp/tcp_tunables.h"

namespace sockbed {

struct tcpcb;

// What is remembered of closed connections: a ring, once there are as many as there may be.
class TcpSummaries {
 public:
  // Makes room for one more, in the oldest one's place if there are `most`; the caller writes it.
  // REQUIRES: most > 0.
  TcpSummary& Add(size_t most);
  // In no particular order.
  std::span<const TcpSummary> all() const { return ring_; }

 private:
  std::vector<TcpSummary> ring_;
  size_t oldest_ = 0;  // where the ring begins
};

struct TcpHost {
  static constexpr HostSlot kHostSlot = HostSlot::kTcp;

  explicit TcpHost(HostBase& host_in);
  ~TcpHost();
  TcpHost(const TcpHost&) = delete;
  TcpHost& operator=(const TcpHost&) = delete;

  HostBase* host;
  TcpTunables tunables;
  TcpStat stat{};
  std::vector<TcpMd5Key> md5_keys;

  // The key of segments from src to dst, or null.
  const TcpMd5Key* FindMd5Key(const inpaddru& src, const inpaddru& dst) const {
    for (const TcpMd5Key& key : md5_keys) {
      if (key.src == src && key.dst == dst) return &key;
    }
    return nullptr;
  }
  inpcbtable tcbtable;
  SynCache syn_cache;

  // Memory.
  int64_t live_tcpcbs = 0;
  TcpPool<sackhole> sackholes;
  TcpPool<tcpqent> reass_entries;
  TcpPool<RackState> racks;
  TcpPool<RackSegment> rack_segments;

  // Chance.
  const SipKey iss_key;        // of the hash behind initial sequence numbers
  uint64_t iss_count = 0;      // numbers given out: each moves the next by 4096
  Stream timewait_iss;         // distance of the ISS of a connection reopened in TIME_WAIT
  Stream ts_offsets;           // where each connection's timestamp clock starts
  const uint32_t clock_start;  // tcp_now at boot

  TfoCache tfo_cache;    // servers that know Fast Open
  TfoKeys tfo_keys;      // of our own cookies
  HostCache host_cache;  // what connections have learnt
  int64_t purgenow = 0;  // net.inet.tcp.hostcache.purgenow, as last written

  // The kernel's own sockets on udp_tunneling_port, one of each family (tcp_tunnel.cc).
  std::array<socket*, 2> udp_sockets{};

  ppsrate rst_rate;  // rstppslimit
  ppsrate ack_rate;  // ackppslimit

  TcpSummaries summaries;
};

// The host's TCP clock.
inline uint32_t tcp_now(const TcpHost& host) {
  return static_cast<uint32_t>(Now() / kMillisecond) + host.clock_start;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_HOST_H_
