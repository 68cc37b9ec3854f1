#include "kernel/inet/inet_trace.h"

#include "kernel/inet/igmp.h"
#include "kernel/inet/igmp_wire.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip_private.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr EventType kTypes[] = {
    {"IPDROP", "{1:hi} to {1:li}, {0:l} bytes: {0:h@ipwhy}"},
    {"ICMPDROP", "{1:hi} to {1:li}: {0:@icmpwhy}"},
    {"ICMPOUT", "{1:hi} to {1:li}: {0:h@icmptype} code {0:l}, {2:x}"},
    {"ICMPERR", "about {1:hi} to {1:li}: {0:h@icmptype} code {0:l}: {2:e}"},
    {"FRAGIN", "{1:hi} to {1:li}: id {0:h}, {2} bytes at {0:l}"},
    {"REASS", "{1:hi} to {1:li}: id {0:h}, {0:l} bytes"},
    {"FRAGOUT", "{1:hi} to {1:li}: {0:h} bytes into fragments of {0:l}"},
    {"ADDR", "{1:s} has {0:hi}/{0:l}"},
    {"ADDRGONE", "{1:s} had {0:hi}/{0:l}"},
    {"ROUTE", "#{o} {0:hi}/{0:l} via {1:i} on {2:s}"},
    {"UNROUTE", "#{o} {0:hi}/{0:l}"},
    {"ROUTEMTU", "#{o} {0:hi}/{0:l} MTU {1}, locks {2:x}"},
    {"ARP", "interface {o}: {0:i} is at {1:x}"},
    {"ARPDOWN", "interface {o}: {0:i} does not answer"},
    {"ARPDUP", "interface {o}: our {0:i} is claimed by {1:x}"},
    {"IP6DROP", "from {0:I}, {2:l} bytes: {2:h@ip6why}"},
    {"TO6", "... to {0:I}"},
    {"ICMP6DROP", "from {0:I}: {2:@icmp6why}"},
    {"ICMP6OUT", "from {0:I}: {2:h@icmp6type}, {2:lx}"},
    {"ICMP6ERR", "about a packet from {0:I}: {2:h@icmp6type}: {2:le}"},
    {"FRAGIN6", "from {0:I}: id {o:x}, {2:l} bytes at {2:h}"},
    {"REASS6", "from {0:I}: id {o:x}, {2} bytes"},
    {"FRAGOUT6", "from {0:I}: id {o:x}, {2:h} bytes into fragments of {2:l}"},
    {"ADDR6", "#{o} interface {2:l} has {0:I}/{2:h}"},
    {"ADDRGONE6", "#{o} interface {2:l} had {0:I}/{2:h}"},
    {"ROUTE6", "#{o} {0:I}/{2:h} on interface {2:l}"},
    {"VIA6", "#{o} ... via {0:I}"},
    {"UNROUTE6", "#{o} {0:I}/{2:h}"},
    {"ROUTEMTU6", "#{o} {0:I}/{2:h} MTU {2:l}"},
    {"ND6", "interface {o}: {0:I} is at {2:x}"},
    {"ND6DOWN", "interface {o}: {0:I} does not answer"},
    {"DADDONE", "#{o} {0:I} is ours alone"},
    {"DADDUP", "#{o} {0:I} is another's too"},
    {"JOIN6", "interface {o}: group {0:I}"},
    {"LEAVE6", "interface {o}: group {0:I}"},
    {"JOIN", "interface {o}: group {0:i}"},
    {"LEAVE", "interface {o}: group {0:i}"},
    {"IGMPOUT", "interface {o}: {0:@igmptype} of {1:i}"},
    {"IGMPDROP", "{1:hi} to {1:li}: {0:@igmpwhy}"},
};

constexpr ValueName kIpWhy[] = {
#define SOCKBED_WHY(name, meaning) {name, #name},
    SOCKBED_IPSTAT(SOCKBED_WHY)};

constexpr ValueName kIcmpWhy[] = {SOCKBED_ICMPSTAT(SOCKBED_WHY)};
constexpr ValueName kIp6Why[] = {SOCKBED_IP6STAT(SOCKBED_WHY)};
constexpr ValueName kIgmpWhy[] = {SOCKBED_IGMPSTAT(SOCKBED_WHY)};
constexpr ValueName kIcmp6Why[] = {SOCKBED_ICMP6STAT(SOCKBED_WHY)
#undef SOCKBED_WHY
};

constexpr ValueName kIcmpTypes[] = {
    {ICMP_ECHOREPLY, "echo reply"},        {ICMP_UNREACH, "unreachable"},
    {ICMP_REDIRECT, "redirect"},           {ICMP_ECHO, "echo"},
    {ICMP_TIMXCEED, "time exceeded"},      {ICMP_PARAMPROB, "parameter problem"},
    {ICMP_TSTAMPREPLY, "timestamp reply"}, {ICMP_MASKREPLY, "mask reply"},
};

// Type and code in one number.
constexpr uint64_t Icmp6(uint8_t type, uint8_t code = 0) { return type << 8 | code; }

constexpr ValueName kIcmp6Types[] = {
    {Icmp6(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE), "unreachable, no route"},
    {Icmp6(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN), "unreachable, prohibited"},
    {Icmp6(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_BEYONDSCOPE), "unreachable, beyond scope"},
    {Icmp6(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR), "unreachable, address"},
    {Icmp6(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT), "unreachable, port"},
    {Icmp6(ICMP6_PACKET_TOO_BIG), "packet too big"},
    {Icmp6(ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT), "time exceeded in transit"},
    {Icmp6(ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY), "time exceeded in reassembly"},
    {Icmp6(ICMP6_PARAM_PROB, ICMP6_PARAMPROB_HEADER), "parameter problem"},
    {Icmp6(ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER), "parameter problem, next header"},
    {Icmp6(ICMP6_PARAM_PROB, ICMP6_PARAMPROB_OPTION), "parameter problem, option"},
    {Icmp6(ICMP6_ECHO_REQUEST), "echo"},
    {Icmp6(ICMP6_ECHO_REPLY), "echo reply"},
    {Icmp6(MLD_LISTENER_QUERY), "listener query"},
    {Icmp6(MLD_LISTENER_REPORT), "listener report"},
    {Icmp6(MLD_LISTENER_DONE), "listener done"},
    {Icmp6(ND_ROUTER_SOLICIT), "router solicitation"},
    {Icmp6(ND_ROUTER_ADVERT), "router advertisement"},
    {Icmp6(ND_NEIGHBOR_SOLICIT), "neighbour solicitation"},
    {Icmp6(ND_NEIGHBOR_ADVERT), "neighbour advertisement"},
    {Icmp6(ND_REDIRECT), "redirect"},
};

constexpr ValueName kIgmpTypes[] = {
    {IGMP_v1_HOST_MEMBERSHIP_REPORT, "version 1 report"},
    {IGMP_v2_HOST_MEMBERSHIP_REPORT, "report"},
    {IGMP_HOST_LEAVE_MESSAGE, "leave"},
};

constexpr ValueTable kTables[] = {{"ipwhy", kIpWhy},
                                  {"icmpwhy", kIcmpWhy},
                                  {"icmptype", kIcmpTypes},
                                  {"igmpwhy", kIgmpWhy},
                                  {"igmptype", kIgmpTypes},
                                  {"ip6why", kIp6Why},
                                  {"icmp6why", kIcmp6Why},
                                  {"icmp6type", kIcmp6Types}};

}  // namespace

void inet_describe(Trace& trace) { trace.Describe(Room::kInet, {kTypes, kTables}); }

void ip_note_drop(ipstat_counters why, in_addr src, in_addr dst, int bytes) {
  ipstat_inc(why);
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kDrop), 0,
       PackPair(why, static_cast<uint32_t>(bytes)), PackPair(in_host(src), in_host(dst)));
}

void icmp_note_drop(icmpstat_counters why, in_addr src, in_addr dst) {
  icmpstat_inc(why);
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kIcmpDrop), 0, why,
       PackPair(in_host(src), in_host(dst)));
}

void ip_drop(ipstat_counters why, MbufPtr m) {
  in_addr src{}, dst{};
  if (m->m_len >= kIpv4HeaderMin) {
    src = ip_view(m.get()).source();
    dst = ip_view(m.get()).destination();
  }
  ip_note_drop(why, src, dst, m->m_pkthdr.len);
}

void icmp_drop(icmpstat_counters why, MbufPtr m) {
  const Ipv4View ip = ip_view(m.get());
  icmp_note_drop(why, ip.source(), ip.destination());
}

TraceId Emit6(InetRecord type, uint64_t object, const in6_addr& src, const in6_addr& dst,
              uint64_t what) {
  const TraceId id =
      Emit(Room::kInet, static_cast<uint8_t>(type), object, in6_high(src), in6_low(src), what);
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kTo6), object, in6_high(dst), in6_low(dst));
  return id;
}

void ip6_note_drop(ip6stat_counters why, const in6_addr& src, const in6_addr& dst, int bytes) {
  ip6stat_inc(why);
  Emit6(InetRecord::kDrop6, 0, src, dst, PackPair(why, static_cast<uint32_t>(bytes)));
}

void icmp6_note_drop(icmp6stat_counters why, const in6_addr& src, const in6_addr& dst) {
  icmp6stat_inc(why);
  Emit6(InetRecord::kIcmp6Drop, 0, src, dst, why);
}

void ip6_drop(ip6stat_counters why, MbufPtr m) {
  const bool whole = m->m_len >= kIpv6Header;
  ip6_note_drop(why, whole ? ip6_source(m.get()) : kIn6Any,
                whole ? ip6_destination(m.get()) : kIn6Any, m->m_pkthdr.len);
}

void icmp6_drop(icmp6stat_counters why, MbufPtr m) {
  icmp6_note_drop(why, ip6_source(m.get()), ip6_destination(m.get()));
}

}  // namespace sockbed
