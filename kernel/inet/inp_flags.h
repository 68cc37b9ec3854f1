// What the user of a protocol control block has asked for, as far as a bit or a number says it.
//
// Lives here:  INP_*, IN6P_*, MtuDiscover.
// Called by:   in_pcb.h.
// Source:      OpenBSD sys/netinet/in_pcb.h; ip(7) of Linux for MtuDiscover.
#ifndef SOCKBED_KERNEL_INET_INP_FLAGS_H_
#define SOCKBED_KERNEL_INET_INP_FLAGS_H_

#include <cstdint>

namespace sockbed {

// inp_flags.
inline constexpr int INP_RECVDSTADDR = 0x0001;
inline constexpr int INP_RECVIF = 0x0002;
inline constexpr int INP_RECVTTL = 0x0004;
inline constexpr int INP_RECVDSTPORT = 0x0008;
inline constexpr int INP_RECVTOS = 0x0010;
inline constexpr int INP_RECVPKTINFO = 0x0020;
inline constexpr int INP_HIGHPORT = 0x0100;     // IP_PORTRANGE_HIGH
inline constexpr int INP_LOWPORT = 0x0200;      // IP_PORTRANGE_LOW
inline constexpr int INP_OFMANY = 0x0400;       // connected, and not in_pcbhassource
inline constexpr int INP_IPV6 = 0x1000;         // [I] of a socket of AF_INET6
inline constexpr int INP_V6ONLY = 0x2000;       // IPV6_V6ONLY: no peers of IPv4
inline constexpr int IN6P_PKTINFO = 0x01'0000;  // IPV6_RECVPKTINFO
inline constexpr int IN6P_HOPLIMIT = 0x02'0000;
inline constexpr int IN6P_TCLASS = 0x04'0000;
inline constexpr int IN6P_MTU = 0x08'0000;  // IPV6_RECVPATHMTU
inline constexpr int IN6P_RECVDSTPORT = 0x10'0000;
inline constexpr int IN6P_AUTOFLOWLABEL = 0x20'0000;

// IP_MTU_DISCOVER, by the host's numbers.
enum class MtuDiscover : uint8_t { kDont = 0, kWant = 1, kDo = 2, kProbe = 3 };

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INP_FLAGS_H_
