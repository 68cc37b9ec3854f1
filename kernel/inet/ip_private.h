// What the files of IPv4 share with each other and with nobody else.
//
// Lives here:  forwarding, fragmenting, options, checksums left to interfaces, ICMP's protocol
//              entry.
// Called by:   ip_input.cc, ip_output.cc, ip_forward.cc, ip_options.cc, ip_icmp.cc, inet_host.cc.
// Owns:        MbufPtr by value: takes, on every path.
#ifndef SOCKBED_KERNEL_INET_IP_PRIVATE_H_
#define SOCKBED_KERNEL_INET_IP_PRIVATE_H_

#include <cstdint>

#include "kernel/inet/ip_var.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_list.h"

namespace sockbed {

inline Ipv4View ip_view(const mbuf* m) {
  return Ipv4View(m->m_data, static_cast<size_t>(m->m_len));
}
inline Ipv4Edit ip_edit(mbuf* m) { return Ipv4Edit(m->m_data, static_cast<size_t>(m->m_len)); }

// Makes the header of a packet the caller's to change: after a link has duplicated a packet, or a
// fragment has been cut off, its first mbuf may be shared. Null: no memory (counted).
MbufPtr ip_own_header(MbufPtr m);

// if_family::finish_checksums of IPv4, and for ip_output when an interface cannot: computes what
// csum_flags say is pending. `which`: only these M_*_CSUM_OUT.
void in_proto_cksum_out(mbuf* m, uint16_t which);
inline constexpr uint16_t kTransportChecksumsOut =
    M_TCP_CSUM_OUT | M_UDP_CSUM_OUT | M_ICMP_CSUM_OUT;

// Sends a packet of another host on, TTL and all, or answers with an error. `source_routed`: its
// destination has come out of a source route option.
void ip_forward(ifnet* ifp, MbufPtr m, bool source_routed);

// Cuts a packet of more than `mtu` bytes into fragments, checksummed as `ifp` needs. Errors:
// EMSGSIZE (fewer than 8 bytes would fit), ENOBUFS; then `fragments` is empty.
[[nodiscard]] int ip_fragment(MbufPtr m, const ifnet* ifp, uint32_t mtu, mbuf_list* fragments);

// Leaves the header's checksum to `ifp`, or computes it if that cannot.
void ip_header_checksum(const ifnet* ifp, mbuf* m);

// --- Options (RFC 791 3.1). A pcb keeps them as they go out, behind 4 bytes: the first hop of a
// source route, or 0. ---

inline constexpr int kIpOptionsMax = 40;

// Checks options given by a program and makes what a pcb keeps; null for none. Errors: EINVAL,
// ENOBUFS.
[[nodiscard]] int ip_pcbopts(const mbuf* given, mbuf** kept);
// Puts kept options behind the header, which grows; a source route's first hop becomes the
// destination. Null: no memory (counted), or the packet would be too long (then *error is
// EMSGSIZE).
MbufPtr ip_insertoptions(MbufPtr m, const mbuf* kept, int* error);
// Leaves of a request's options what its answer repeats: routes and times recorded, security. The
// others become padding. Source routes are not reversed.
void ip_answeroptions(mbuf* m);
// What a fragment other than the first repeats: those options whose copy bit is set, padded to 4.
// Returns their length.
int ip_optcopy(const uint8_t* options, int length, uint8_t* out);

// Acts on the options of a packet received. Null: dropped or forwarded here, else the packet, whose
// header may have been changed.
MbufPtr ip_dooptions(ifnet* ifp, MbufPtr m);

// Milliseconds since midnight UT: what IP and ICMP timestamps hold.
uint32_t iptime();

// ICMP as a protocol.
extern const InetProtocol kIcmpProtocol;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP_PRIVATE_H_
