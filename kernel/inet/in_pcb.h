// Internet protocol control blocks of both families: who owns which ports and connections.
//
// Lives here:  struct inpcb, class inpcbtable; in_pcb*: bind, connect, look-up.
// Called by:   tcp, udp: each has one table per host. Attach with in_pcballoc, in the end
//              in_pcbdetach.
// May touch:   socket (so_options, credentials, sofree), the rest of inet.
// Context:     look-ups and notifications in interrupt context too; nothing sleeps.
// Owns:        a pcb its options. It lies in the room behind its socket, which outlives it.
// Units:       addresses and ports as BSD has them: network order; IPv4 as inpaddru holds it, an
//              address of a link with its zone (in6.h).
// Invariants:  1. inp_port is set exactly when inp_lport != 0; the pcb is in the hash of connected
//                 ones exactly when inp_faddr is set. No two pcbs of a table share a 4-tuple.
//              2. What a look-up finds never depends on hash order: among equals the newest wins.
// Cost:        in_pcblookup and in_pcblookup_listen are O(1) at any number of pcbs.
// Source:      OpenBSD sys/netinet/in_pcb.{c,h}.
// Differs:     pcbs of one local port hang off a struct inpport (as FreeBSD's inpcbport did). One
//              table holds both families, as FreeBSD's does: a socket of AF_INET6 without
//              IPV6_V6ONLY has peers of either.
#ifndef SOCKBED_KERNEL_INET_IN_PCB_H_
#define SOCKBED_KERNEL_INET_IN_PCB_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernel/inet/in6.h"
#include "kernel/inet/inp_flags.h"
#include "kernel/inet/route.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/sim/huge_pages.h"
#include "kernel/sim/random.h"
#include "kernel/sim/slab.h"
#include "kernel/socket/protosw.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

class inpcbtable;
struct inpport;
struct InetTunnel;    // in_tunnel.h
struct ip_moptions;   // in_mcast.h
struct ip6_moptions;  // in6_mcast.h
struct ip6_pktopts;

struct inpcb {
  // What few packets touch.
  inpport* inp_port = nullptr;                                 // that of inp_lport
  inpcb *inp_port_next = nullptr, *inp_port_prev = nullptr;    // others of this port, newest first
  inpcb *inp_queue_next = nullptr, *inp_queue_prev = nullptr;  // all of the table, newest first
  uint64_t inp_id = 0;        // [I] counts from 1 per host and protocol, for the trace
  uint64_t inp_bound = 0;     // when it got its port: the higher, the newer
  uint32_t inp_flowinfo = 0;  // flow label of a connection, host order
  uint32_t inp_ip6_mtu = 0;   // IPV6_MTU: caps the path MTU; 0: no cap

  // What a look-up reads.
  inpaddru inp_faddr, inp_laddr;
  in_port_t inp_fport = 0, inp_lport = 0;
  uint32_t inp_hash = 0;  // of the 4-tuple, while connected [d]
  inpcb* inp_hash_next = nullptr;
  void* inp_ppcb = nullptr;      // the protocol's own block
  socket* inp_socket = nullptr;  // [I] lives as long as its pcb

  inpcbtable* inp_table = nullptr;  // [I]
  route inp_route;                  // towards inp_faddr, or the last destination
  struct {
    uint8_t ip_ttl = 0, ip_tos = 0;
  } inp_ip;                   // of packets sent
  int16_t inp_hops = -1;      // the same of IPv6; -1: the default
  uint8_t inp_ip_minttl = 0;  // packets with less are ignored
  uint8_t inp_ip6_minhlim = 0;
  MtuDiscover inp_mtu_discover = MtuDiscover::kDont;  // datagrams only
  int inp_flags = 0;                                  // INP_*
  mbuf* inp_options = nullptr;                        // IP options to send, owned; null: none
  ip_moptions* inp_moptions = nullptr;                // of multicasts, owned; null: the defaults
  ip6_moptions* inp_moptions6 = nullptr;              // likewise of IPv6
  ip6_pktopts* inp_outputopts6 = nullptr;             // of IPv6, owned; null: none
  const InetTunnel* inp_tunnel = nullptr;             // datagrams: who takes them; null: the user
};
// Bytes from a pcb to the protocol's own block, if it has one, which lies behind it.
inline constexpr size_t kInpcbRoom = (sizeof(inpcb) + 15) / 16 * 16;

inline bool in_pcbis6(const inpcb* inp) { return (inp->inp_flags & INP_IPV6) != 0; }
// Whether a pcb of these flags, not bound to an address, has peers of IPv4, of IPv6.
inline bool in_pcbtalks(const inpcb* inp, bool v4) {
  return v4 ? (inp->inp_flags & (INP_IPV6 | INP_V6ONLY)) != (INP_IPV6 | INP_V6ONLY)
            : in_pcbis6(inp);
}
// Whether the pcb's peer is one of IPv4. REQUIRES: it has one.
inline bool in_pcbpeer4(const inpcb* inp) { return inp->inp_faddr.is_v4(); }

inline inpcb* sotoinpcb(const socket* so) { return static_cast<inpcb*>(so->so_pcb); }

// The pcbs of one protocol on one host. Zero pcbs at the end of a run: live count "inpcb".
class inpcbtable {
 public:
  // `baddynamic`: ports never picked automatically; `rootonly`: ports that need privilege beside
  // those below 1024. Both in order.
  inpcbtable(HostBase& host, uint8_t protocol, std::span<const uint16_t> baddynamic,
             std::span<const uint16_t> rootonly);
  ~inpcbtable();
  inpcbtable(const inpcbtable&) = delete;
  inpcbtable& operator=(const inpcbtable&) = delete;

  HostBase& host() const { return host_; }
  uint8_t protocol() const { return protocol_; }
  int64_t size() const { return count_; }
  inpcb* first() const { return queue_; }  // newest first; then inp_queue_next
  // The pcb that the next packet is likely for: the one that in_pcblookup found last, or that
  // somebody has begun to wait for since (in_pcbexpect). Null once it is no longer connected.
  inpcb* expected() const { return expected_; }

 private:
  friend struct InpcbTableAccess;  // in_pcb_private.h

  HostBase& host_;
  const uint8_t protocol_;
  std::vector<uint16_t> baddynamic_, rootonly_;  // in order
  Slab<inpport> port_memory_;
  inpcb* queue_ = nullptr;
  int64_t count_ = 0;
  uint64_t next_id_ = 0, next_bound_ = 0;
  Stream ports_drawn_;                               // inp.port
  std::vector<inpcb*, HugeAllocator<inpcb*>> hash_;  // connected, by 4-tuple; size a power of two
  inpcb* expected_ = nullptr;
  uint32_t connected_ = 0;
  std::vector<inpport*> ports_;  // by local port; size a power of two
  uint32_t ports_used_ = 0;
};

// --- Life. ---

// Makes a pcb for `so` in the room behind it and sets so_pcb. Errors: ENOBUFS. REQUIRES: the room
// is large enough (pru_pcbbytes).
[[nodiscard]] int in_pcballoc(socket* so, inpcbtable* table);
// Where the protocol's own block goes, which pru_pcbbytes has counted in.
inline void* in_pcbroom(inpcb* inp) { return reinterpret_cast<char*>(inp) + kInpcbRoom; }
// The pcb that has its protocol's block there.
inline inpcb* in_pcbofroom(const void* block) {
  return reinterpret_cast<inpcb*>(static_cast<char*>(const_cast<void*>(block)) - kInpcbRoom);
}
// Unlinks and frees the pcb; so_pcb becomes null, and the socket is freed if nobody refers to it.
void in_pcbdetach(inpcb* inp);

// --- Names. `nam` is an MT_SONAME mbuf, borrowed. ---

// Where a packet goes or comes from.
struct InetName {
  inpaddru addr;
  in_port_t port = 0;
};
// Reads an address of the socket's family. Errors: EINVAL (length; a zone that is not there),
// EAFNOSUPPORT (family), EADDRNOTAVAIL (an IPv4 address, and the socket has IPV6_V6ONLY).
[[nodiscard]] int in_nam2name(const inpcb* inp, const mbuf* nam, InetName* name);
// The same for whom to speak to. Under the freebsd profile "any" is this host: its first address,
// or ::1.
[[nodiscard]] int in_pcbpeername(const inpcb* inp, const mbuf* nam, InetName* name);
// The same for an address of IPv4 alone.
[[nodiscard]] int in_nam2sin(const mbuf* nam, sockaddr_in* sin);
// Write one, and m_len.
void in_sin2nam(in_addr addr, in_port_t port, mbuf* nam);
void in6_sin2nam(const in6_addr& addr, in_port_t port, mbuf* nam);
// As the socket's own family shows it, in the type that has room for either.
sockaddr_in6 in_sockaddr(const inpcb* inp, const InetName& name, socklen_t* length);
void in_setsockaddr(const inpcb* inp, mbuf* nam);
void in_setpeeraddr(const inpcb* inp, mbuf* nam);

// --- Bind and connect. ---

// Whether the pcb may have that local address. Errors: EINVAL (an address of a link without its
// zone), EADDRNOTAVAIL (not our address, or not ready).
[[nodiscard]] int in_pcbaddrisavail(const inpcb* inp, const inpaddru& laddr);

// Gives the pcb the address of `nam`, or any address and an automatic port if null. `p`: for
// privilege; null is the kernel, which has it. Errors: EINVAL (already bound, length),
// EAFNOSUPPORT, EADDRNOTAVAIL (not our address, or not ready; no port left), EADDRINUSE (spec 9.4),
// EACCES (port needs privilege).
[[nodiscard]] int in_pcbbind(inpcb* inp, const mbuf* nam, proc* p);

// Fixes the peer, as in_pcbpeername has read it, choosing source address and port if there are
// none. An IPV6_PKTINFO that sticks says which address, and which link an address of a link is of.
// Errors: EAFNOSUPPORT (bound to an address of the other family), EADDRNOTAVAIL (port 0; no source,
// or not the one that is wanted; no port left), ENETUNREACH (no route: FreeBSD), EADDRINUSE
// (4-tuple taken).
[[nodiscard]] int in_pcbconnect(inpcb* inp, const InetName& name);

// Sets all four of an unconnected pcb: a connection accepted on behalf of a listener, whose port it
// shares. Errors: EADDRINUSE.
[[nodiscard]] int in_pcbset_addr(inpcb* inp, const inpaddru& faddr, in_port_t fport,
                                 const inpaddru& laddr, in_port_t lport);

// A connection that a listener has accepted takes over the listener's options.
void in_pcbinherit(inpcb* inp, const inpcb* listener);

// Forgets the peer; the local address and port stay. Frees the pcb if its socket has no descriptor.
void in_pcbdisconnect(inpcb* inp);

// Whether packets may come from the pcb's own address: it is no group's and for no broadcasts.
bool in_pcbhassource(const inpcb* inp);
// The source address for a packet to `dst`: the pcb's own, else that of the route. Errors:
// EADDRNOTAVAIL, ENETUNREACH (no route: FreeBSD), EHOSTUNREACH (an address of a link without its
// zone), EAFNOSUPPORT (bound to the other family).
[[nodiscard]] int in_pcbselsrc(inpaddru* src, inpcb* inp, const inpaddru& dst);

// --- Look-up. ---

// Whether that 4-tuple is the pcb's.
inline bool in_pcbjoins(const inpcb* inp, const inpaddru& faddr, in_port_t fport,
                        const inpaddru& laddr, in_port_t lport) {
  return inp->inp_fport == fport && inp->inp_lport == lport && inp->inp_faddr == faddr &&
         inp->inp_laddr == laddr;
}
// Somebody waits for a packet of this pcb: look-ups begin with it, if it is connected.
void in_pcbexpect(inpcb* inp);
inpcb* in_pcblookup_hash(inpcbtable* table, const inpaddru& faddr, in_port_t fport,
                         const inpaddru& laddr, in_port_t lport);
// The connected pcb of that 4-tuple, or null. It is mostly the one that is expected.
[[gnu::always_inline]] inline inpcb* in_pcblookup(inpcbtable* table, const inpaddru& faddr,
                                                  in_port_t fport, const inpaddru& laddr,
                                                  in_port_t lport) {
  inpcb* next = table->expected();
  const bool awaited = next != nullptr && in_pcbjoins(next, faddr, fport, laddr, lport);
  return awaited ? next : in_pcblookup_hash(table, faddr, fport, laddr, lport);
}
// The unconnected pcb bound to (laddr, lport), else to (any, lport), else null.
inpcb* in_pcblookup_listen(inpcbtable* table, const inpaddru& laddr, in_port_t lport);
// The first pcb of that port that is not connected, newest first; the next ones by inp_port_next.
// For broadcasts, which go to all; connected ones follow in the list of in_pcbport_connected.
inpcb* in_pcbport_unconnected(inpcbtable* table, in_port_t lport);
inpcb* in_pcbport_connected(inpcbtable* table, in_port_t lport);

// Calls notify(inp, error) for the pcb of that 4-tuple. Returns whether there is one.
bool in_pcbnotify(inpcbtable* table, const inpaddru& faddr, in_port_t fport, const inpaddru& laddr,
                  in_port_t lport, int error, void (*notify)(inpcb* inp, int error));
// Calls it for every pcb connected to `faddr`. notify may detach its pcb and no other.
void in_pcbnotifyall(inpcbtable* table, const inpaddru& faddr, int error,
                     void (*notify)(inpcb*, int));

// --- Routes. ---

// The route towards the peer through the pcb's cache, or null. Borrowed until the table changes.
rtentry* in_pcbrtentry(inpcb* inp);
// The route has served badly: a dynamic one is removed, the cache dropped.
void in_losing(inpcb* inp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_PCB_H_
