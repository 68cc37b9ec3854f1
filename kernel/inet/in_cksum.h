// The Internet checksum over bytes, chains, and chains with a pseudo header.
//
// Lives here:  in_cksum, in4_cksum, in6_cksum, in_cksum_add and kin.
// Called by:   inet (headers, ICMP, finishing what was left to an interface), tcp and udp
//              (verifying).
// Units:       checksums are numbers in host order, as the wire headers' accessors take them.
// Invariants:  over data that includes a correct checksum field the result is 0.
// Source:      RFC 1071, RFC 1624; OpenBSD sys/netinet/in_cksum.c, in4_cksum.c.
#ifndef SOCKBED_KERNEL_INET_IN_CKSUM_H_
#define SOCKBED_KERNEL_INET_IN_CKSUM_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>

#include "kernel/mbuf/mbuf.h"

namespace sockbed {

// Adds `len` bytes to an unfolded one's complement sum. All pieces but the last must be of even
// length.
uint64_t in_cksum_add(uint64_t sum, const void* data, size_t len);

// Folds and complements: the checksum.
uint16_t in_cksum_finish(uint64_t sum);

// The checksum of `len` linear bytes.
uint16_t in_cksum_bytes(const void* data, size_t len);

// The checksum of the first `len` bytes of a chain. Borrows. REQUIRES: the chain is that long.
uint16_t in_cksum(const mbuf* m, int len);

// The checksum of [off, off+len) of a packet whose first mbuf holds its IPv4 header, with the
// pseudo header of that packet for protocol `nxt`. Borrows. REQUIRES: the range lies inside the
// chain.
uint16_t in4_cksum(const mbuf* m, uint8_t nxt, int off, int len);

// The same of a packet whose first mbuf holds its IPv6 header. Zones in its addresses do not count:
// the pseudo header is as on the wire (RFC 8200 8.1).
uint16_t in6_cksum(const mbuf* m, uint8_t nxt, int off, int len);

// The sum, not complemented, of a pseudo header: to be carried on with in_cksum_add.
uint64_t in_pseudo_sum(in_addr src, in_addr dst, uint8_t protocol, int len);
uint64_t in6_pseudo_sum(const in6_addr& src, const in6_addr& dst, uint8_t protocol, int len);

// The checksum after a 16-bit word under it has changed from `before` to `after` (RFC 1624 eqn. 3).
uint16_t in_cksum_adjust(uint16_t sum, uint16_t before, uint16_t after);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_CKSUM_H_
