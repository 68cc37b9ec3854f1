// ICMPv6: telling others of errors, hearing of our own; where echo, groups and neighbours enter.
//
// Lives here:  icmp6_error, icmp6_mtudisc, the numbers, the counters.
// Called by:   inet, udp (port unreachable), tcp (icmp6_mtudisc).
// Context:     any; never sleeps.
// Units:       MTUs in bytes.
// Invariants:  no error is sent about an error or a redirect, nor to or from what is no single node
//              (RFC 4443 2.4 e).
// Source:      RFC 4443, RFC 8201; OpenBSD sys/netinet6/icmp6.{c,h}; icmp6(4).
#ifndef SOCKBED_KERNEL_INET_ICMP6_H_
#define SOCKBED_KERNEL_INET_ICMP6_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/mbuf.h"

namespace sockbed {

// Types. Below 128 they are errors.
inline constexpr uint8_t ICMP6_DST_UNREACH = 1;
inline constexpr uint8_t ICMP6_PACKET_TOO_BIG = 2;
inline constexpr uint8_t ICMP6_TIME_EXCEEDED = 3;
inline constexpr uint8_t ICMP6_PARAM_PROB = 4;
inline constexpr uint8_t ICMP6_ECHO_REQUEST = 128;
inline constexpr uint8_t ICMP6_ECHO_REPLY = 129;
inline constexpr uint8_t MLD_LISTENER_QUERY = 130;
inline constexpr uint8_t MLD_LISTENER_REPORT = 131;
inline constexpr uint8_t MLD_LISTENER_DONE = 132;
inline constexpr uint8_t ND_ROUTER_SOLICIT = 133;
inline constexpr uint8_t ND_ROUTER_ADVERT = 134;
inline constexpr uint8_t ND_NEIGHBOR_SOLICIT = 135;
inline constexpr uint8_t ND_NEIGHBOR_ADVERT = 136;
inline constexpr uint8_t ND_REDIRECT = 137;
inline constexpr uint8_t ICMP6_INFOMSG_MASK = 0x80;

// Codes.
inline constexpr uint8_t ICMP6_DST_UNREACH_NOROUTE = 0;
inline constexpr uint8_t ICMP6_DST_UNREACH_ADMIN = 1;
inline constexpr uint8_t ICMP6_DST_UNREACH_BEYONDSCOPE = 2;
inline constexpr uint8_t ICMP6_DST_UNREACH_ADDR = 3;
inline constexpr uint8_t ICMP6_DST_UNREACH_NOPORT = 4;
inline constexpr uint8_t ICMP6_TIME_EXCEED_TRANSIT = 0;
inline constexpr uint8_t ICMP6_TIME_EXCEED_REASSEMBLY = 1;
inline constexpr uint8_t ICMP6_PARAMPROB_HEADER = 0;
inline constexpr uint8_t ICMP6_PARAMPROB_NEXTHEADER = 1;
inline constexpr uint8_t ICMP6_PARAMPROB_OPTION = 2;

// Sends an ICMPv6 error about `m`, a packet whose first mbuf starts with its IPv6 header, unless
// the rules forbid it. Takes m. `param`: the next hop's MTU (packet too big), the offset of the bad
// byte (parameter problem).
void icmp6_error(MbufPtr m, uint8_t type, uint8_t code, uint32_t param = 0);

// Lowers the path MTU towards error.dst to error.mtu for ip6.mtudisctimeout seconds: called by a
// transport that believes the message.
void icmp6_mtudisc(const IcmpError& error);

// Counters of ICMPv6. X(name, meaning); * as in SOCKBED_IP6STAT.
#define SOCKBED_ICMP6STAT(X)                                    \
  X(icp6s_received, "messages received")                        \
  X(icp6s_sent, "messages sent")                                \
  X(icp6s_errors, "errors asked to be sent")                    \
  X(icp6s_reflected, "answers sent")                            \
  X(icp6s_delivered, "errors told to a protocol")               \
  X(icp6s_oldicmp, "* no error about an error or a redirect")   \
  X(icp6s_multicast, "* no error about a multicast")            \
  X(icp6s_badsource, "* no error to what is no single node")    \
  X(icp6s_toofreq, "* error beyond icmp6.errppslimit")          \
  X(icp6s_nobufs, "* no memory for a message")                  \
  X(icp6s_badlen, "* message too short for its type")           \
  X(icp6s_tooshort, "* quoted packet too short")                \
  X(icp6s_checksum, "* bad checksum")                           \
  X(icp6s_badcode, "* unknown code")                            \
  X(icp6s_badquote, "* quoted packet cannot be ours")           \
  X(icp6s_badnd, "* neighbour discovery against its rules")     \
  X(icp6s_badmld, "* listener discovery against its rules")     \
  X(icp6s_conflict, "* another node claims an address of ours") \
  X(icp6s_ignored, "* of no concern here, or switched off")     \
  X(icp6s_unclaimed, "* message that nobody here waits for")

enum icmp6stat_counters : uint8_t {
#define SOCKBED_ICMP6STAT_ENUM(name, meaning) name,
  SOCKBED_ICMP6STAT(SOCKBED_ICMP6STAT_ENUM)
#undef SOCKBED_ICMP6STAT_ENUM
      icp6s_ncounters
};
uint64_t icmp6stat_get(HostBase& host, icmp6stat_counters counter);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ICMP6_H_
