// Options of sockets of the internet families, and the control messages that say the same of one
// datagram.
//
// Lives here:  ip_ctloutput, ip6_ctloutput, ip_savecontrol, ip6_savecontrol and kin; the numbers of
//              options that the host's headers lack.
// Called by:   tcp, udp, raw sockets; tools (the numbers).
// Context:     options in process context, control messages in interrupt context; nothing sleeps.
// Source:      OpenBSD sys/netinet/ip_output.c, ip_input.c, sys/netinet6/ip6_output.c,
//              ip6_input.c; ip(4), ip6(4), RFC 3542.
#ifndef SOCKBED_KERNEL_INET_IN_OPTIONS_H_
#define SOCKBED_KERNEL_INET_IN_OPTIONS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "kernel/inet/in_pcb.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/socket/protosw.h"

namespace sockbed {

// Control messages for a packet received, in the order of spec 10.5; null: none, or no memory.
// `dport`: for IP_RECVDSTPORT. Borrows m. REQUIRES: m starts with its IPv4 header.
MbufPtr ip_savecontrol(const inpcb* inp, const mbuf* m, in_port_t dport = 0);
// The same of a packet of IPv6.
MbufPtr ip6_savecontrol(const inpcb* inp, const mbuf* m, in_port_t dport = 0);
// Calls `visit(type, data, size)` for each control message of `control` (may be null), all of which
// are to be of `level`, until one answers with an errno. Errors: EINVAL (malformed, another level),
// that errno.
template <typename Visit>
[[nodiscard]] int in_readcontrol(const mbuf* control, int level, Visit visit);
// What a datagram socket wants to be told with each datagram: of the two families.
inline constexpr int INP_CONTROLOPTS =
    INP_RECVDSTADDR | INP_RECVIF | INP_RECVTTL | INP_RECVDSTPORT | INP_RECVTOS | INP_RECVPKTINFO;
inline constexpr int IN6P_CONTROLOPTS =
    IN6P_PKTINFO | IN6P_HOPLIMIT | IN6P_TCLASS | IN6P_RECVDSTPORT;
// Whether the socket wants to be told anything with each datagram.
inline bool in_wantscontrol(const inpcb* inp) {
  return (inp->inp_flags & (INP_CONTROLOPTS | IN6P_CONTROLOPTS)) != 0 ||
         (inp->inp_socket->so_options & kSoTimestamp) != 0;
}
// Appends one control message to a chain; without memory it is left out, as the manual pages allow.
void in_addcontrol(MbufPtr* chain, int level, int type, const void* data, size_t size);

// --- Options of level IPPROTO_IP (spec 12.1): the pr_ctloutput of tcp and udp for that level. ---

// Borrows m: reads it (PRCO_SETOPT) or fills it (PRCO_GETOPT). Errors: ENOPROTOOPT (unknown, or not
//            for this
// type of socket), EINVAL (length, value), ENOTCONN (IP_MTU), ENOBUFS.
[[nodiscard]] int ip_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// The same of level IPPROTO_IPV6 (spec 12.2), for sockets of AF_INET6.
[[nodiscard]] int ip6_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// The options of both levels, as far as the socket's family has them: a socket of AF_INET6 has
// those of IPPROTO_IP while it may have peers of IPv4.
[[nodiscard]] int in_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// Bytes of inp_options in the header. REQUIRES: there are some.
uint32_t in_pcboptlen(const inpcb* inp);
// The flags of ip_output that the socket's options and inp_mtu_discover ask for.
int in_pcboutflags(const inpcb* inp);

// Reads one control message of level IPPROTO_IPV6 to send with a datagram into *opt (spec 10.5).
// Errors: EINVAL (unknown, wrong length or value).
[[nodiscard]] int ip6_setpktopt(int type, const char* data, size_t size, ip6_pktopts* opt);
// The same of all messages of `control` (may be null). Errors: also EINVAL (malformed, another
// level).
[[nodiscard]] int ip6_setpktopts(const mbuf* control, ip6_pktopts* opt);
// What IPV6_PATHMTU and the control message of IPV6_RECVPATHMTU say to a pcb of `peer`, the path to
// which takes `mtu` bytes.
ip6_mtuinfo in6_mtuinfo(const inpcb* inp, const InetName& peer, uint32_t mtu);
// A packet was too big for that path: tells a socket that has asked for it (IPV6_RECVPATHMTU) by an
// empty datagram with a control message.
void ip6_notify_pmtu(inpcb* inp, const InetName& peer, uint32_t mtu);
// Sends a packet of a datagram or raw socket to `peer`, in fragments or not as its options and
// `opt` ask; tells it of one that is too big. Takes m. Errors: as ip6_output.
[[nodiscard]] int ip6_pcboutput(inpcb* inp, MbufPtr m, ip6_pktopts opt, const InetName& peer);
// The sticky options of a pcb; defaults if it has none.
const ip6_pktopts& in_pcbpktopts(const inpcb* inp);

// Numbers for options that the host's <netinet/in.h> lacks.
inline constexpr int kIpDontFrag = 0x1001;       // IP_DONTFRAG
inline constexpr int kIpRecvDstAddr = 0x1002;    // IP_RECVDSTADDR, as cmsg to send: IP_SENDSRCADDR
inline constexpr int kIpRecvIf = 0x1003;         // IP_RECVIF
inline constexpr int kIpPortRange = 0x1004;      // IP_PORTRANGE
inline constexpr int kIpRecvDstPort = 0x1005;    // IP_RECVDSTPORT
inline constexpr int kIpIpDefTtl = 0x1006;       // IP_IPDEFTTL
inline constexpr int kIpv6PortRange = 0x1004;    // IPV6_PORTRANGE
inline constexpr int kIpv6RecvDstPort = 0x1005;  // IPV6_RECVDSTPORT
inline constexpr int kIpv6UseMinMtu = 0x1007;    // IPV6_USE_MIN_MTU
inline constexpr int kIpv6AutoFlowLabel = 70;    // IPV6_AUTOFLOWLABEL
inline constexpr int IP_PORTRANGE_DEFAULT = 0;
inline constexpr int IP_PORTRANGE_HIGH = 1;
inline constexpr int IP_PORTRANGE_LOW = 2;

template <typename Visit>
int in_readcontrol(const mbuf* control, int level, Visit visit) {
  if (control == nullptr) return 0;
  if (control->m_next != nullptr) return EINVAL;
  const size_t total = static_cast<size_t>(control->m_len);
  for (size_t at = 0; at < total;) {
    cmsghdr header;
    if (total - at < sizeof header) return EINVAL;
    std::memcpy(&header, control->m_data + at, sizeof header);
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > total - at) return EINVAL;
    if (header.cmsg_level != level) return EINVAL;
    const char* const data = control->m_data + at + CMSG_LEN(0);
    const int error = visit(header.cmsg_type, data, header.cmsg_len - CMSG_LEN(0));
    if (error != 0) return error;
    at += std::min(CMSG_ALIGN(header.cmsg_len), total - at);
  }
  return 0;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_OPTIONS_H_
