// What the files of IPv6 share with each other and with nobody else.
//
// Lives here:  extension headers, forwarding, fragmenting, checksums left to interfaces, ICMPv6's
//              protocol entry.
// Called by:   ip6_input.cc, ip6_output.cc, ip6_forward.cc, ip6_frag.cc, frag6.cc, icmp6.cc,
//              icmp6_error.cc, inet6_host.cc.
// Owns:        MbufPtr by value: takes, on every path.
#ifndef SOCKBED_KERNEL_INET_IP6_PRIVATE_H_
#define SOCKBED_KERNEL_INET_IP6_PRIVATE_H_

#include <cstdint>

#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_list.h"

namespace sockbed {

inline Ipv6View ip6_view(const mbuf* m) {
  return Ipv6View(m->m_data, static_cast<size_t>(m->m_len));
}
inline Ipv6Edit ip6_edit(mbuf* m) { return Ipv6Edit(m->m_data, static_cast<size_t>(m->m_len)); }

// Makes the 40-byte header of a packet the caller's to change. Null: no memory (counted).
MbufPtr ip6_own_header(MbufPtr m);

// A place in the chain of headers of a packet.
struct Ip6Chain {
  int offset = kIpv6Header;         // where a header begins
  uint8_t next;                     // its number
  int next_at = kIpv6NextHeaderAt;  // where that number stands
};
// The first header of a packet.
inline Ip6Chain ip6_firsthdr(const mbuf* m) { return {.next = ip6_view(m).next_header()}; }
// Steps over the header at *at, one that Ip6IsOptionsHeader holds for. False: the packet ends
// inside. Borrows m.
bool ip6_nexthdr(const mbuf* m, Ip6Chain* at);
// Where the part of a packet ends that every fragment repeats (RFC 8200 4.5). False: likewise.
bool ip6_unfragpart(const mbuf* m, Ip6Chain* at);
// Steps from *at to the upper layer, over fragment headers too. False: the packet ends before, or
// it is a fragment other than the first.
bool ip6_lasthdr(const mbuf* m, Ip6Chain* at);

// Acts on the options of the header at `off`. Null: dropped, or answered with an error.
MbufPtr ip6_dooptions(MbufPtr m, int off);

// if_family::finish_checksums of IPv6, and for ip6_output when an interface cannot: computes what
// csum_flags say is pending. `which`: only these M_*_CSUM_OUT.
void in6_proto_cksum_out(mbuf* m, uint16_t which);
inline constexpr uint16_t kTransportChecksumsOut6 =
    M_TCP_CSUM_OUT | M_UDP_CSUM_OUT | M_ICMP_CSUM_OUT;

// Sends a packet of another host on, hop limit and all, or answers with an error.
void ip6_forward(ifnet* ifp, MbufPtr m);

// Cuts a packet of more than `mtu` bytes into fragments. Errors: EMSGSIZE (fewer than 8 bytes would
// fit), ENOBUFS; then `fragments` is empty.
[[nodiscard]] int ip6_fragment(MbufPtr m, uint32_t mtu, mbuf_list* fragments);

// Hears of an ICMPv6 error, quoted behind the header at `hlen`: tells the transport. Takes.
void icmp6_hear_error(MbufPtr m, int hlen);
// Sends a message whose IPv6 and ICMPv6 headers are in place, its checksum pending. Takes.
void icmp6_send(MbufPtr m);

// The same with what is said to a link alone: by `ifp`, from :: if that is what stands there, and
// without a copy for this host.
void icmp6_send_by(MbufPtr m, const ifnet* ifp);

// ICMPv6 as a protocol.
extern const InetProtocol kIcmp6Protocol;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP6_PRIVATE_H_
