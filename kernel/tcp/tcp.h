// TCP: the room as a whole.
//
// Lives here:  the entry points: protocol table, boot, halt; what people may know of connections.
// Called by:   kernel/host (boot, protocol table, final screen); socket (requests, through the
//              table); inet (input, through InetProtocol); tests and tools (counters, connections).
// May touch:   inet, net, socket, mbuf, sched, sim.
// Context:     requests in process context, input and timers in interrupt context; nothing sleeps.
// Owns:        the host's TcpHost owns every control block.
// Source:      RFC 9293; OpenBSD sys/netinet/tcp_*.c; tcp(4).
#ifndef SOCKBED_KERNEL_TCP_TCP_H_
#define SOCKBED_KERNEL_TCP_TCP_H_

#include <netinet/in.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernel/inet/in_pcb.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"
#include "kernel/socket/protosw.h"
#include "kernel/tcp/tcp_fsm.h"
#include "kernel/tcp/tcp_stat.h"

namespace sockbed {

// The row of kernel/host's inetsw: {SOCK_STREAM, &inetdomain, IPPROTO_TCP, kTcpPrFlags,
// &tcp_usrreqs, tcp_ctloutput}.
inline constexpr int kTcpPrFlags =
    PR_CONNREQUIRED | PR_WANTRCVD | PR_ABRTACPTDIS | PR_SPLICE | PR_IMPLOPCL;
extern const pr_usrreqs tcp_usrreqs;

// Options of the levels IPPROTO_TCP and IPPROTO_IP; hears of SO_KEEPALIVE, SO_SNDBUF, SO_RCVBUF.
// Borrows m. Errors: ENOPROTOOPT (unknown, or not of this host's profile), EINVAL (length, value),
// EPERM (TCP_SACK_ENABLE once connected), ECONNRESET (no control block any more).
[[nodiscard]] int tcp_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// Options of level IPPROTO_TCP that the host's headers lack.
inline constexpr int kTcpNoPush = 0x1001;        // TCP_NOPUSH: hold partial segments
inline constexpr int kTcpSackEnable = 0x1002;    // TCP_SACK_ENABLE: ask for SACK
inline constexpr int kTcpNoOpt = 0x1003;         // TCP_NOOPT: no options, neither way
inline constexpr int kTcpKeepInit = 0x1004;      // TCP_KEEPINIT: limit of the handshake, seconds
inline constexpr int kTcpMaxUnackTime = 0x1005;  // TCP_MAXUNACKTIME: seconds without an ACK
inline constexpr int kTcpInfo = 0x1006;          // TCP_INFO in BSD's form (tcp_info.h); get only
// TCP_REMOTE_UDP_ENCAPS_PORT: the peer's port of the UDP datagrams that carry the connection, 0:
// none do. EINVAL: no port; connected or listening; net.inet.tcp.udp_tunneling_port is 0.
inline constexpr int kTcpRemoteUdpEncapsPort = 0x1007;
// TCP_FUNCTION_BLK: which of FreeBSD's stacks serves the connection. There is one, "freebsd";
// ENOENT: any other.
inline constexpr int kTcpFunctionBlk = 0x1008;
struct tcp_function_set {
  char function_set_name[32];  // up to 31 bytes and a 0
  uint32_t pcbcnt;             // get: connections that it serves
};

// Tells how this room's records read. Once per machine.
void tcp_describe(Trace& trace);
// TCP on a host: after inet_boot. Adds the sysctls of tcp_tunables.h and the live counts "tcpcb",
// "syncache" and "tcp reass".
void tcp_boot(HostBase& host);
// Ends every connection, handshake and timer without a word on the wire, before the host's counts
// are checked. Sockets that are still referred to stay, disconnected.
void tcp_halt(HostBase& host);

uint64_t tcpstat_get(HostBase& host, tcpstat_counters counter);

// Keys of TCP_MD5SIG, as setkey(8) has them: segments from src to dst are signed with `key`. The
// later of two for the same pair counts.
void tcp_md5_add(HostBase& host, const inpaddru& src, const inpaddru& dst, std::string_view key);
void tcp_md5_flush(HostBase& host);

// The host's pcbs, for netstat and tests.
inpcbtable& tcp_table(HostBase& host);

// What there is to say about a connection when it is over, or so far.
struct TcpSummary {
  uint64_t id = 0;  // of the pcb, as in the trace
  inpaddru laddr, faddr;
  uint16_t lport = 0, fport = 0;  // host order
  bool active = false;            // it was opened from here
  bool closed = false;
  TcpState state = TCPS_CLOSED;  // the last one before CLOSED
  int error = 0;                 // so_error it ended with
  uint64_t bytes_sent = 0;       // data, each byte counted once
  uint64_t bytes_received = 0;   // data, in order
  uint64_t segments_sent = 0;
  uint64_t segments_received = 0;
  uint64_t retransmissions = 0;  // data segments
  int32_t srtt_us = 0;           // smoothed round trip; 0: never measured
  SimTime opened = 0;
  SimTime ended = 0;  // when it closed; 0 while it lives
};

// All connections of a host in order of id: closed ones as far as they are remembered (sysctl
// net.inet.tcp.summaries_max) and living ones. Listeners are none.
std::vector<TcpSummary> tcp_connections(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_H_
