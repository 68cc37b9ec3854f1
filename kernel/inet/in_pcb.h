// Internet protocol control blocks: who owns which ports and connections.
//
// Lives here:  struct inpcb, class inpcbtable; in_pcb*: bind, connect, look-up; IPPROTO_IP options.
// Called by:   tcp, udp: each has one table per host. Attach with in_pcballoc, in the end
//              in_pcbdetach.
// May touch:   socket (so_options, credentials, sofree), the rest of inet.
// Context:     look-ups and notifications in interrupt context too; nothing sleeps.
// Owns:        a table owns its pcbs; a pcb its options; so_pcb and inp_socket borrow each other.
// Units:       addresses and ports as BSD has them: network order.
// Invariants:  1. inp_port is set exactly when inp_lport != 0; the pcb is in the hash of connected
//              ones
//                 exactly when inp_faddr != 0. No two pcbs of a table share a 4-tuple.
//              2. What a look-up finds never depends on hash order: among equals the newest wins.
// Cost:        in_pcblookup and in_pcblookup_listen are O(1) at any number of pcbs.
// Source:      OpenBSD sys/netinet/in_pcb.{c,h}.
// Differs:     pcbs of one local port hang off a struct inpport (as FreeBSD's inpcbport did).
#ifndef SOCKBED_KERNEL_INET_IN_PCB_H_
#define SOCKBED_KERNEL_INET_IN_PCB_H_

#include <netinet/in.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernel/inet/route.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/sim/random.h"
#include "kernel/socket/protosw.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

class inpcbtable;
struct inpport;
struct ip_moptions;  // in_mcast.h

// inp_flags.
inline constexpr int INP_RECVDSTADDR = 0x0001;
inline constexpr int INP_RECVIF = 0x0002;
inline constexpr int INP_RECVTTL = 0x0004;
inline constexpr int INP_RECVDSTPORT = 0x0008;
inline constexpr int INP_RECVTOS = 0x0010;
inline constexpr int INP_RECVPKTINFO = 0x0020;
inline constexpr int INP_HIGHPORT = 0x0100;  // IP_PORTRANGE_HIGH
inline constexpr int INP_LOWPORT = 0x0200;   // IP_PORTRANGE_LOW

// IP_MTU_DISCOVER, by the host's numbers.
enum class MtuDiscover : uint8_t { kDont = 0, kWant = 1, kDo = 2, kProbe = 3 };

struct inpcb {
  // What a look-up reads.
  in_addr inp_faddr{}, inp_laddr{};
  in_port_t inp_fport = 0, inp_lport = 0;
  uint32_t inp_hash = 0;  // of the 4-tuple, while connected [d]
  inpcb* inp_hash_next = nullptr;
  void* inp_ppcb = nullptr;         // the protocol's own block
  socket* inp_socket = nullptr;     // [I] lives as long as its pcb
  inpcbtable* inp_table = nullptr;  // [I]
  inpport* inp_port = nullptr;      // that of inp_lport
  inpcb* inp_port_next = nullptr;   // others of this local port, newest first
  inpcb* inp_port_prev = nullptr;
  inpcb* inp_queue_next = nullptr;  // all of the table, newest first
  inpcb* inp_queue_prev = nullptr;

  route inp_route;  // towards inp_faddr, or the last destination
  struct {
    uint8_t ip_ttl = 0;
    uint8_t ip_tos = 0;
  } inp_ip;                                           // of packets sent
  uint8_t inp_ip_minttl = 0;                          // packets with less are ignored
  MtuDiscover inp_mtu_discover = MtuDiscover::kDont;  // datagrams only
  int inp_flags = 0;                                  // INP_*
  mbuf* inp_options = nullptr;                        // IP options to send, owned; null: none
  ip_moptions* inp_moptions = nullptr;                // of multicasts, owned; null: the defaults
  uint64_t inp_id = 0;     // [I] counts from 1 per host and protocol, for the trace
  uint64_t inp_bound = 0;  // when it got its port: the higher, the newer
};

inline inpcb* sotoinpcb(const socket* so) { return static_cast<inpcb*>(so->so_pcb); }

// The pcbs of one protocol on one host. Zero pcbs at the end of a run: live count "inpcb".
class inpcbtable {
 public:
  // `baddynamic`: ports never picked automatically, in order; `rootonly`: ports that need privilege
  // beside those below 1024. Both borrowed constants.
  inpcbtable(HostBase& host, uint8_t protocol, std::span<const uint16_t> baddynamic,
             std::span<const uint16_t> rootonly);
  ~inpcbtable();
  inpcbtable(const inpcbtable&) = delete;
  inpcbtable& operator=(const inpcbtable&) = delete;

  HostBase& host() const { return host_; }
  uint8_t protocol() const { return protocol_; }
  int64_t size() const { return count_; }
  inpcb* first() const { return queue_; }  // newest first; then inp_queue_next

 private:
  friend struct InpcbTableAccess;  // in_pcb_private.h

  HostBase& host_;
  const uint8_t protocol_;
  const std::span<const uint16_t> baddynamic_;
  const std::span<const uint16_t> rootonly_;
  inpcb* queue_ = nullptr;
  int64_t count_ = 0;
  uint64_t next_id_ = 0;
  uint64_t next_bound_ = 0;
  Stream ports_drawn_;        // inp.port
  std::vector<inpcb*> hash_;  // connected, by 4-tuple; size a power of two
  uint32_t connected_ = 0;
  std::vector<inpport*> ports_;  // by local port; size a power of two
  uint32_t ports_used_ = 0;
};

// --- Life. ---

// Makes a pcb for `so` and sets so_pcb. Errors: ENOBUFS.
[[nodiscard]] int in_pcballoc(socket* so, inpcbtable* table);
// Unlinks and frees the pcb; so_pcb becomes null, and the socket is freed if nobody refers to it.
void in_pcbdetach(inpcb* inp);

// --- Names. `nam` is an MT_SONAME mbuf, borrowed. ---

// Reads an address: Errors: EINVAL (length), EAFNOSUPPORT (family).
[[nodiscard]] int in_nam2sin(const mbuf* nam, sockaddr_in* sin);
// Writes one, and m_len.
void in_sin2nam(in_addr addr, in_port_t port, mbuf* nam);
void in_setsockaddr(const inpcb* inp, mbuf* nam);
void in_setpeeraddr(const inpcb* inp, mbuf* nam);

// --- Bind and connect. ---

// Gives the pcb the address of `nam`, or any address and an automatic port if null. `p`: for
// privilege; null is the kernel, which has it. Errors: EINVAL (already bound, length),
// EAFNOSUPPORT, EADDRNOTAVAIL (not our address; no port left), EADDRINUSE (spec 9.4), EACCES (port
// needs privilege).
[[nodiscard]] int in_pcbbind(inpcb* inp, const mbuf* nam, proc* p);

// Fixes the peer, choosing source address and port if there are none. Errors: EINVAL, EAFNOSUPPORT,
// EADDRNOTAVAIL (port 0; no source), EADDRINUSE (4-tuple taken).
[[nodiscard]] int in_pcbconnect(inpcb* inp, const mbuf* nam);

// Sets all four of an unconnected pcb: a connection accepted on behalf of a listener, whose port it
// shares. Errors: EADDRINUSE.
[[nodiscard]] int in_pcbset_addr(inpcb* inp, in_addr faddr, in_port_t fport, in_addr laddr,
                                 in_port_t lport);

// Forgets the peer; the local address and port stay. Frees the pcb if its socket has no descriptor.
void in_pcbdisconnect(inpcb* inp);

// The source address for a packet to `dst`: the pcb's own, else that of the route. Errors:
// EADDRNOTAVAIL.
[[nodiscard]] int in_pcbselsrc(in_addr* src, inpcb* inp, in_addr dst);

// --- Look-up. ---

// The connected pcb of that 4-tuple, or null.
inpcb* in_pcblookup(inpcbtable* table, in_addr faddr, in_port_t fport, in_addr laddr,
                    in_port_t lport);
// The unconnected pcb bound to (laddr, lport), else to (any, lport), else null.
inpcb* in_pcblookup_listen(inpcbtable* table, in_addr laddr, in_port_t lport);
// The first pcb of that port that is not connected, newest first; the next ones by inp_port_next.
// For broadcasts, which go to all; connected ones follow in the list of in_pcbport_connected.
inpcb* in_pcbport_unconnected(inpcbtable* table, in_port_t lport);
inpcb* in_pcbport_connected(inpcbtable* table, in_port_t lport);

// Calls notify(inp, error) for the pcb of that 4-tuple. Returns whether there is one.
bool in_pcbnotify(inpcbtable* table, in_addr faddr, in_port_t fport, in_addr laddr, in_port_t lport,
                  int error, void (*notify)(inpcb* inp, int error));
// Calls it for every pcb connected to `faddr`. notify may detach its pcb and no other.
void in_pcbnotifyall(inpcbtable* table, in_addr faddr, int error, void (*notify)(inpcb*, int));

// --- Routes. ---

// The route towards the peer through the pcb's cache, or null. Borrowed until the table changes.
rtentry* in_pcbrtentry(inpcb* inp);
// The route has served badly: a dynamic one is removed, the cache dropped.
void in_losing(inpcb* inp);

// --- What datagrams share. ---

// The flags of ip_output that the socket's options and inp_mtu_discover ask for.
int in_pcboutflags(const inpcb* inp);
// Control messages for a packet received, in the order of spec 10.5; null: none, or no memory.
// `dport`: for IP_RECVDSTPORT. Borrows m. REQUIRES: m starts with its IPv4 header.
MbufPtr ip_savecontrol(const inpcb* inp, const mbuf* m, in_port_t dport = 0);

// --- Options of level IPPROTO_IP (spec 12.1): the pr_ctloutput of tcp and udp for that level. ---

// Borrows m: reads it (PRCO_SETOPT) or fills it (PRCO_GETOPT). Errors: ENOPROTOOPT (unknown, or not
//            for this
// type of socket), EINVAL (length, value), ENOTCONN (IP_MTU), ENOBUFS.
[[nodiscard]] int ip_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// Numbers for options that the host's <netinet/in.h> lacks.
inline constexpr int kIpDontFrag = 0x1001;     // IP_DONTFRAG
inline constexpr int kIpRecvDstAddr = 0x1002;  // IP_RECVDSTADDR, as cmsg to send: IP_SENDSRCADDR
inline constexpr int kIpRecvIf = 0x1003;       // IP_RECVIF
inline constexpr int kIpPortRange = 0x1004;    // IP_PORTRANGE
inline constexpr int kIpRecvDstPort = 0x1005;  // IP_RECVDSTPORT
inline constexpr int kIpIpDefTtl = 0x1006;     // IP_IPDEFTTL
inline constexpr int IP_PORTRANGE_DEFAULT = 0;
inline constexpr int IP_PORTRANGE_HIGH = 1;
inline constexpr int IP_PORTRANGE_LOW = 2;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_PCB_H_
