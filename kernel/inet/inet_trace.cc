#include "kernel/inet/inet_trace.h"

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
};

constexpr ValueName kIpWhy[] = {
#define SOCKBED_WHY(name, meaning) {name, #name},
    SOCKBED_IPSTAT(SOCKBED_WHY)};

constexpr ValueName kIcmpWhy[] = {SOCKBED_ICMPSTAT(SOCKBED_WHY)
#undef SOCKBED_WHY
};

constexpr ValueName kIcmpTypes[] = {
    {ICMP_ECHOREPLY, "echo reply"},        {ICMP_UNREACH, "unreachable"},
    {ICMP_REDIRECT, "redirect"},           {ICMP_ECHO, "echo"},
    {ICMP_TIMXCEED, "time exceeded"},      {ICMP_PARAMPROB, "parameter problem"},
    {ICMP_TSTAMPREPLY, "timestamp reply"}, {ICMP_MASKREPLY, "mask reply"},
};

constexpr ValueTable kTables[] = {
    {"ipwhy", kIpWhy}, {"icmpwhy", kIcmpWhy}, {"icmptype", kIcmpTypes}};

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

}  // namespace sockbed
