// What raw sockets of both families share.
//
// Lives here:  struct rawcb; sending by IPv6.
// Called by:   raw_ip.cc (requests of both families), raw_ip6.cc.
// Owns:        rip6_output takes its packet.
#ifndef SOCKBED_KERNEL_INET_RAW_PRIVATE_H_
#define SOCKBED_KERNEL_INET_RAW_PRIVATE_H_

#include <array>
#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

// What a raw socket has beside its pcb.
struct rawcb {
  inpaddru laddr, faddr;         // any: every one
  uint8_t protocol = 0;          // [I] 0: every one
  bool header_included = false;  // IPv4
  int checksum_at = -1;          // IPv6: IPV6_CHECKSUM; -1: none
  // ICMP6_FILTER: the types whose bit is set are kept back.
  std::array<uint32_t, 8> blocked{};
};

inline rawcb* RawOf(const inpcb* inp) { return static_cast<rawcb*>(inp->inp_ppcb); }

// Sends to `dst` by IPv6, with the control messages of `control` (borrowed; may be null). Takes m.
// Errors: EINVAL (shorter than its checksum's place; control), EADDRNOTAVAIL (a source that is not
// ours, or not the one it is bound to), EMSGSIZE, ENOBUFS, those of in_pcbselsrc and ip6_output.
[[nodiscard]] int rip6_output(inpcb* inp, MbufPtr m, const inpaddru& dst, const mbuf* control);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_RAW_PRIVATE_H_
