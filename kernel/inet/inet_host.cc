#include "kernel/inet/inet_host.h"

#include <errno.h>

#include <cstring>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/tcp_chopper.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

void finish_checksums(mbuf* m) { in_proto_cksum_out(m, kTransportChecksumsOut | M_IPV4_CSUM_OUT); }

int resolve(ifnet* ifp, MbufPtr& m, const sockaddr* dst, ether_addr* to) {
  sockaddr_in sin;
  std::memcpy(&sin, dst, sizeof sin);
  return inet_here().arp.Resolve(ifp, m, sin.sin_addr, to);
}

constexpr if_family kInetFamily = {ip_input, finish_checksums, rt_link_state, resolve,
                                    tcp_chopper};

struct Tunable {
  const char* name;
  int64_t InetTunables::*value;
  int64_t min, max;
};

constexpr Tunable kTunables[] = {
    {"net.inet.ip.forwarding", &InetTunables::forwarding, 0, 1},
    {"net.inet.ip.redirect", &InetTunables::redirect, 0, 1},
    {"net.inet.ip.ttl", &InetTunables::ttl, 1, 255},
    {"net.inet.ip.sourceroute", &InetTunables::sourceroute, 0, 1},
    {"net.inet.ip.directed-broadcast", &InetTunables::directed_broadcast, 0, 1},
    {"net.inet.ip.portfirst", &InetTunables::portfirst, 1, 65535},
    {"net.inet.ip.portlast", &InetTunables::portlast, 1, 65535},
    {"net.inet.ip.porthifirst", &InetTunables::porthifirst, 1, 65535},
    {"net.inet.ip.porthilast", &InetTunables::porthilast, 1, 65535},
    {"net.inet.ip.portrandom", &InetTunables::portrandom, 0, 1},
    {"net.inet.ip.maxqueue", &InetTunables::maxqueue, -1, 10000},
    {"net.inet.ip.maxfragpackets", &InetTunables::maxfragpackets, -1, 1'000'000},
    {"net.inet.ip.maxfrags", &InetTunables::maxfrags, -1, 1'000'000},
    {"net.inet.ip.maxfragsperpacket", &InetTunables::maxfragsperpacket, -1, 1'000'000},
    {"net.inet.ip.mtudisc", &InetTunables::mtudisc, 0, 1},
    {"net.inet.ip.mtudisctimeout", &InetTunables::mtudisctimeout, 1, 1'000'000},
    {"net.inet.ip.reass_icmp", &InetTunables::reass_icmp, 0, 1},
    {"net.inet.ip.mcast_members_only", &InetTunables::mcast_members_only, 0, 1},
    {"net.inet.ip.rfc1122_strong_es", &InetTunables::strong_es, 0, 1},
    {"net.inet.ip.rfc6864", &InetTunables::rfc6864, 0, 1},
    {"net.inet.icmp.quotelen", &InetTunables::icmp_quotelen, 8, 548},
    {"net.inet.icmp.bmcastecho", &InetTunables::icmp_bmcastecho, 0, 1},
    {"net.inet.icmp.maskrepl", &InetTunables::icmp_maskrepl, 0, 1},
    {"net.inet.icmp.tstamprepl", &InetTunables::icmp_tstamprepl, 0, 1},
    {"net.inet.icmp.rediraccept", &InetTunables::icmp_rediraccept, 0, 1},
    {"net.inet.icmp.redirtimeout", &InetTunables::icmp_redirtimeout, 1, 1'000'000},
};

// What the profiles differ in; each can be set by itself afterwards.
struct Difference {
  int64_t InetTunables::*value;
  int64_t openbsd, freebsd;
};

constexpr int64_t kNoLimit = -1;
// An nmbclusters of 262144, divided by 32 (FreeBSD's IP_MAXFRAGS).
constexpr int64_t kFreeBsdFragments = 8192;

constexpr Difference kDifferences[] = {
    {&InetTunables::portfirst, 1024, 10000},
    {&InetTunables::portlast, 49151, 65535},
    {&InetTunables::maxqueue, 300, kNoLimit},
    {&InetTunables::maxfragpackets, 49, kFreeBsdFragments},
    {&InetTunables::maxfrags, kNoLimit, kFreeBsdFragments},
    {&InetTunables::maxfragsperpacket, kNoLimit, 16},
    {&InetTunables::mcast_members_only, 0, 1},
    {&InetTunables::strong_es, 1, 0},
    {&InetTunables::rfc6864, 0, 1},
    {&InetTunables::icmp_quotelen, 8, 548},
    {&InetTunables::icmp_errppslimit, 100, 200},
};

void SetProfile(InetTunables* tunables, int64_t profile) {
  for (const Difference& d : kDifferences) {
    tunables->*d.value = profile == 0 ? d.openbsd : d.freebsd;
  }
}

// What FreeBSD calls some of them.
struct Alias {
  const char* alias;
  const char* name;
};
constexpr Alias kAliases[] = {
    {"net.inet.ip.portrange.first", "net.inet.ip.portfirst"},
    {"net.inet.ip.portrange.last", "net.inet.ip.portlast"},
    {"net.inet.ip.portrange.hifirst", "net.inet.ip.porthifirst"},
    {"net.inet.ip.portrange.hilast", "net.inet.ip.porthilast"},
    {"net.inet.ip.portrange.randomized", "net.inet.ip.portrandom"},
    {"net.inet.icmp.icmplim", "net.inet.icmp.errppslimit"},
};

}  // namespace

IpIds::IpIds(Stream stream) {
  // Full period modulo 2^16 (Hull and Dobell): factor - 1 divisible by 4, step odd.
  state_ = static_cast<uint16_t>(stream.Next32());
  factor_ = static_cast<uint16_t>((stream.Next32() & ~3u) | 1);
  step_ = static_cast<uint16_t>(stream.Next32() | 1);
}

uint16_t IpIds::Next() {
  do {
    state_ = static_cast<uint16_t>(state_ * uint32_t{factor_} + step_);
  } while (state_ == 0);
  return state_;
}

InetHost::InetHost(HostBase& host_in)
    : host(&host_in),
      raw(std::make_unique<inpcbtable>(host_in, IPPROTO_RAW, std::span<const uint16_t>(),
                                       std::span<const uint16_t>())),
      reassembly(*this),
      ids(Stream(Here().machine->seed(), Site::kIpId, host_in.id, 0)),
      v6(host_in) {}

void inet_boot(HostBase& host) {
  InetHost& inet = HostLocal<InetHost>::Make(host, host);
  for (const Tunable& tunable : kTunables) {
    host.sysctls.Add(tunable.name, {.value = &(inet.tunables.*tunable.value),
                                    .min = tunable.min,
                                    .max = tunable.max,
                                    .check = nullptr});
  }
  const auto set_profile = [&inet](int64_t profile) {
    SetProfile(&inet.tunables, profile);
    inet.last_let_in = {};  // the source of one may be a broadcast address now
    return 0;
  };
  // FreeBSD's one limit is of resets, too. A host without TCP sends none.
  const auto limit_resets = [&host, &inet](int64_t limit) {
    if (inet.tunables.profile != 0) (void)host.sysctls.Set("net.inet.tcp.rstppslimit", limit);
    return 0;
  };
  host.sysctls.Add("net.inet.icmp.errppslimit",
                   {&inet.tunables.icmp_errppslimit, -1, 1'000'000, limit_resets});
  host.sysctls.Add("net.inet.ip.profile", {&inet.tunables.profile, 0, 1, set_profile});
  host.sysctls.Add("net.inet.ip.arptimeout", {.value = &inet.arp.arptimeout, .min = 1});
  host.sysctls.Add("net.inet.ip.arpdown", {.value = &inet.arp.arpdown, .min = 0});
  host.sysctls.Add("net.inet.ip.arpqueued",
                   {.value = &inet.arp.arpqueued, .check = [](int64_t) { return EPERM; }});
  for (const auto& [alias, name] : kAliases) host.sysctls.AddAlias(alias, name);
  host.live_counts.push_back({"inpcb", &inet.live_pcbs});
  host.live_counts.push_back({"route", &inet.live_routes});
  host.live_counts.push_back({"IPv4 fragment", &inet.live_fragments});
  host.live_counts.push_back({"IPv4 membership", &inet.live_memberships});
  if_register_family(host, AF_INET, &kInetFamily);
  if_register_family(host, kFamilyArp, &kArpFamily);
  inet_register_protocol(host, kIcmpProtocol);
  inet_register_protocol(host, kIgmpProtocol);

  HostScope scope(host);
  const int error = in_ifadd(if_loopback(host), in_addr{htonl(INADDR_LOOPBACK)}, 8);
  KASSERT(error == 0);
  inet6_boot(host);
}

void inet_halt(HostBase& host) {
  HostScope scope(host);
  InetHost& inet = inet_here();
  inet6_halt();
  inet.reassembly.Purge();
  inet.arp.Flush(nullptr);
  in_purge(inet);
}

void inet_register_protocol(HostBase& host, const InetProtocol& protocol) {
  const InetProtocol*& slot = HostLocal<InetHost>::Of(host).protocols[protocol.number];
  KASSERT(slot == nullptr);
  slot = &protocol;
}

uint64_t ipstat_get(HostBase& host, ipstat_counters counter) {
  return HostLocal<InetHost>::Of(host).ipstat[counter];
}

uint64_t icmpstat_get(HostBase& host, icmpstat_counters counter) {
  return HostLocal<InetHost>::Of(host).icmpstat[counter];
}

bool ip_mtudisc(HostBase& host) { return HostLocal<InetHost>::Of(host).tunables.mtudisc != 0; }

}  // namespace sockbed
