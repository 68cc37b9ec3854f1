// What the files of this room share.
//
// Lives here:  UdpHost, udp_input, udp_output, udp_ctlinput.
// Called by:   the files of udp/ only.
#ifndef SOCKBED_KERNEL_UDP_UDP_PRIVATE_H_
#define SOCKBED_KERNEL_UDP_UDP_PRIVATE_H_

#include <array>
#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip_var.h"
#include "kernel/sched/host_local.h"
#include "kernel/udp/udp_trace.h"
#include "kernel/udp/udp_var.h"

namespace sockbed {

// 65535 without the headers of each family.
inline constexpr int kUdpDataMax = 65507;
inline constexpr int kUdp6DataMax = 65487;

struct UdpHost {
  static constexpr HostSlot kHostSlot = HostSlot::kUdp;
  explicit UdpHost(HostBase& host);

  inpcbtable table;
  std::array<uint64_t, udps_ncounters> udpstat{};
  // net.inet.udp.*
  int64_t checksum = 1;
  int64_t recvspace = 41600;
  int64_t sendspace = 9216;
  int64_t blackhole = 0;
};

inline UdpHost& udp_here() { return HostLocal<UdpHost>::Get(); }
inline void udpstat_inc(udpstat_counters counter) { ++udp_here().udpstat[counter]; }

// InetProtocol of UDP, of both families.
void udp_input(MbufPtr m, int hlen);
void udp_ctlinput(const IcmpError& error);

// Sends a datagram to `nam`, or to the peer if null. Takes m and control, borrows nam. Errors:
// EMSGSIZE, EISCONN, ENOTCONN, EADDRNOTAVAIL, EINVAL (control), ENOBUFS, those of bind, ip_output
// and ip6_output.
[[nodiscard]] int udp_output(inpcb* inp, MbufPtr m, const mbuf* nam, MbufPtr control);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UDP_UDP_PRIVATE_H_
