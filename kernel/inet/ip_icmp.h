// ICMP for IPv4: telling others of errors, hearing of our own, echo.
//
// Lives here:  icmp_error, icmp_mtudisc, the wire view of ICMP, the counters, ppsratecheck.
// Called by:   inet, udp (port unreachable), tcp (icmp_mtudisc, ppsratecheck).
// Context:     any; never sleeps.
// Units:       MTUs in bytes.
// Invariants:  no error is sent about an error, a fragment but the first, or to or from what is no
//              single host (RFC 1122 3.2.2).
// Source:      RFC 792, 1191, 1812; OpenBSD sys/netinet/ip_icmp.{c,h}; icmp(4).
#ifndef SOCKBED_KERNEL_INET_IP_ICMP_H_
#define SOCKBED_KERNEL_INET_IP_ICMP_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/mbuf.h"

namespace sockbed {

inline constexpr uint8_t ICMP_ECHOREPLY = 0;
inline constexpr uint8_t ICMP_UNREACH = 3;
inline constexpr uint8_t ICMP_SOURCEQUENCH = 4;
inline constexpr uint8_t ICMP_REDIRECT = 5;
inline constexpr uint8_t ICMP_ECHO = 8;
inline constexpr uint8_t ICMP_ROUTERADVERT = 9;
inline constexpr uint8_t ICMP_ROUTERSOLICIT = 10;
inline constexpr uint8_t ICMP_TIMXCEED = 11;
inline constexpr uint8_t ICMP_PARAMPROB = 12;
inline constexpr uint8_t ICMP_TSTAMP = 13;
inline constexpr uint8_t ICMP_TSTAMPREPLY = 14;
inline constexpr uint8_t ICMP_IREQ = 15;  // for the number of one's network
inline constexpr uint8_t ICMP_IREQREPLY = 16;
inline constexpr uint8_t ICMP_MASKREQ = 17;
inline constexpr uint8_t ICMP_MASKREPLY = 18;

// Codes of ICMP_UNREACH.
inline constexpr uint8_t ICMP_UNREACH_NET = 0;
inline constexpr uint8_t ICMP_UNREACH_HOST = 1;
inline constexpr uint8_t ICMP_UNREACH_PROTOCOL = 2;
inline constexpr uint8_t ICMP_UNREACH_PORT = 3;
inline constexpr uint8_t ICMP_UNREACH_NEEDFRAG = 4;
inline constexpr uint8_t ICMP_UNREACH_SRCFAIL = 5;
inline constexpr uint8_t ICMP_UNREACH_NET_PROHIB = 9;
inline constexpr uint8_t ICMP_UNREACH_HOST_PROHIB = 10;
inline constexpr uint8_t ICMP_UNREACH_FILTER_PROHIB = 13;
// Of ICMP_REDIRECT and ICMP_TIMXCEED.
inline constexpr uint8_t ICMP_REDIRECT_HOST = 1;
inline constexpr uint8_t ICMP_TIMXCEED_INTRANS = 0;
inline constexpr uint8_t ICMP_TIMXCEED_REASS = 1;

// Sends an ICMP error about `m`, a packet whose first mbuf starts with its IPv4 header, unless the
// rules forbid it. Takes m. `dest`: the better gateway of a redirect. `arg`: needfrag: the next
// hop's MTU; parameter problem: the offset of the bad byte.
void icmp_error(MbufPtr m, uint8_t type, uint8_t code, in_addr dest = {}, uint32_t arg = 0);

// Lowers the path MTU towards error.dst to error.mtu, for ip.mtudisctimeout seconds: called by a
// transport that believes the message. Does nothing if ip.mtudisc is 0.
void icmp_mtudisc(const IcmpError& error);

// Counters of ICMP. X(name, meaning); * as in SOCKBED_IPSTAT.
#define SOCKBED_ICMPSTAT(X)                                      \
  X(icps_received, "messages received")                          \
  X(icps_sent, "messages sent")                                  \
  X(icps_errors, "errors asked to be sent")                      \
  X(icps_reflected, "answers sent")                              \
  X(icps_delivered, "errors told to a protocol")                 \
  X(icps_oldicmp, "* no error about an error")                   \
  X(icps_oldshort, "* no error about a fragment or a broadcast") \
  X(icps_badsource, "* no error to what is no single host")      \
  X(icps_toofreq, "* error or answer beyond icmp.errppslimit")   \
  X(icps_nobufs, "* no memory for a message")                    \
  X(icps_badlen, "* message too short for its type")             \
  X(icps_tooshort, "* quoted packet too short")                  \
  X(icps_checksum, "* bad checksum")                             \
  X(icps_badcode, "* unknown code")                              \
  X(icps_badquote, "* quoted packet cannot be ours")             \
  X(icps_bmcastecho, "* request to a broadcast address")         \
  X(icps_ignored, "* request or redirect that is switched off")  \
  X(icps_unclaimed, "* message that nobody here waits for")

enum icmpstat_counters : uint8_t {
#define SOCKBED_ICMPSTAT_ENUM(name, meaning) name,
  SOCKBED_ICMPSTAT(SOCKBED_ICMPSTAT_ENUM)
#undef SOCKBED_ICMPSTAT_ENUM
      icps_ncounters
};
uint64_t icmpstat_get(HostBase& host, icmpstat_counters counter);

// A limit of events per second: zero-initialised state of one kind of event.
struct ppsrate {
  SimTime window_start = 0;
  int64_t count = 0;
};
// Counts one event and says whether it is within `max` per second (negative: no limit). A window
// begins with the first event after the last one ended.
bool ppsratecheck(ppsrate* rate, int64_t max);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP_ICMP_H_
