// The protocol switch: the only way from a socket down to its protocol.
//
// Lives here:  struct protosw, struct pr_usrreqs, struct domain, and the look-ups.
// Called by:   socket (requests); kernel/host fills the host's domain list at boot with const
//              tables.
// Context:     requests run in process context except rcvd, abort and detach, which may run in
//              interrupt context too; none of them sleeps.
// Owns:        a request consumes m and control on every path; nam belongs to the caller.
// Source:      OpenBSD sys/sys/{protosw,domain}.h, sys/kern/uipc_domain.c.
// Differs:     a table of functions per protocol (as later OpenBSD) instead of one switch over
//              PRU_*. The way of a packet, up and down, is in inet's tables; tunables are in the
//              host's SysctlTable; nothing keeps memory that a pr_drain could give back.
#ifndef SOCKBED_KERNEL_SOCKET_PROTOSW_H_
#define SOCKBED_KERNEL_SOCKET_PROTOSW_H_

#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/proc.h"

namespace sockbed {

struct socket;
struct domain;

enum prc_setopt { PRCO_GETOPT, PRCO_SETOPT };

// What every protocol answers. A null entry means EOPNOTSUPP. `nam` is an MT_SONAME mbuf: its m_len
// is the address's length; where it is filled, the function sets m_len.
struct pr_usrreqs {
  // Reserves the buffers unless they are, makes the pcb. Errors: ENOBUFS, EISCONN, EACCES.
  int (*pru_attach)(socket* so, int proto);
  // The socket lets go: drops the pcb, or starts an orderly close if connected. Frees what it may.
  int (*pru_detach)(socket* so);
  int (*pru_bind)(socket* so, mbuf* nam, proc* p);
  int (*pru_listen)(socket* so);
  int (*pru_connect)(socket* so, mbuf* nam);  // soisconnected or soisconnecting
  int (*pru_accept)(socket* so, mbuf* nam);   // fills the peer's address
  int (*pru_disconnect)(socket* so);
  int (*pru_shutdown)(socket* so);          // no more sends
  void (*pru_rcvd)(socket* so, int flags);  // space was freed
  int (*pru_send)(socket* so, MbufPtr m, mbuf* nam, MbufPtr control);
  int (*pru_sendoob)(socket* so, MbufPtr m, mbuf* nam, MbufPtr control);
  int (*pru_rcvoob)(socket* so, mbuf* m, int flags);  // fills one urgent byte; flags: MSG_PEEK
  void (*pru_abort)(socket* so);                      // drop now and free
  int (*pru_control)(socket* so, unsigned long com, void* data);
  int (*pru_sense)(socket* so, struct stat* sb);
  int (*pru_sockaddr)(socket* so, mbuf* nam);
  int (*pru_peeraddr)(socket* so, mbuf* nam);
  int (*pru_connect2)(socket* so1, socket* so2);
  // Who the peer is, for SO_PEERCRED. Errors: ENOTCONN (not known).
  int (*pru_peereid)(socket* so, ::ucred* id);
  // The caller is about to sleep until something arrives: fetches what an arrival touches first.
  void (*pru_await)(const socket* so);
  // Bytes of the pcb that pru_attach makes in the room behind the socket (so_pcbroom); 0: it lies
  // elsewhere, or there is none.
  uint16_t pru_pcbbytes = 0;
};

struct protosw {
  int pr_type;  // SOCK_*
  const domain* pr_domain;
  int pr_protocol;  // IPPROTO_* or PF_UNIX
  int pr_flags;     // PR_*
  const struct pr_usrreqs* pr_usrreqs;
  // Options of a level other than SOL_SOCKET; borrows m: reads it (SET) or fills it and its m_len
  // (GET).
  // Errors: ENOPROTOOPT, EINVAL, ...
  int (*pr_ctloutput)(prc_setopt op, socket* so, int level, int optname, mbuf* m);
  void (*pr_init)() = nullptr;      // at boot, on the host
  void (*pr_fasttimo)() = nullptr;  // every 200 ms, in interrupt context; at first after a tick
  void (*pr_slowtimo)() = nullptr;  // every 500 ms, likewise
};

struct domain {
  int dom_family;  // AF_*
  const char* dom_name;
  // Turns open files in flight into descriptors of curproc, in place. Null: no rights in this
  // family.
  int (*dom_externalize)(mbuf* rights, socklen_t controllen, int flags);
  // Closes the files in flight held by the control mbufs of a chain.
  void (*dom_dispose)(mbuf* m);
  std::span<const protosw> dom_protosw;
  void (*dom_init)() = nullptr;  // at boot, on the host, before its protocols' pr_init
};

// The families of one host, in boot order; part of SocketHost.
using DomainList = std::vector<const domain*>;

// Adds a family to `host`, and initialises it: dom_init, then each pr_init in order of the table.
// The table must outlive the host. The first protocol with a pr_fasttimo or pr_slowtimo sets going
// the timeout that runs those of all protocols, until socket_halt; it keeps no run from ending.
void domain_register(HostBase& host, const domain* dom);

// The first entry of that type; the entry of that number and type, or for SOCK_RAW the wildcard
// entry (protocol 0). Null when there is none, or the family is unknown.
const protosw* pffindtype(int family, int type);
const protosw* pffindproto(int family, int protocol, int type);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_PROTOSW_H_
