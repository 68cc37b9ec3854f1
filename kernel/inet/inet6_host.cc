#include "kernel/inet/inet6_host.h"

#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/tcp_chopper.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

void finish_checksums(mbuf* m) { in6_proto_cksum_out(m, kTransportChecksumsOut6); }

// Routes of both families are looked after by IPv4's.
constexpr if_family kInet6Family = {ip6_input, finish_checksums, nd6_link_state, nd6_resolve,
                                     tcp_chopper};

struct Tunable {
  const char* name;
  int64_t Inet6Tunables::*value;
  int64_t min, max;
};

constexpr Tunable kTunables[] = {
    {"net.inet6.ip6.forwarding", &Inet6Tunables::forwarding, 0, 1},
    {"net.inet6.ip6.redirect", &Inet6Tunables::redirect, 0, 1},
    {"net.inet6.ip6.hlim", &Inet6Tunables::hlim, 1, 255},
    {"net.inet6.ip6.hdrnestlimit", &Inet6Tunables::hdrnestlimit, 0, 1000},
    {"net.inet6.ip6.maxfragpackets", &Inet6Tunables::maxfragpackets, 0, 10000},
    {"net.inet6.ip6.maxfrags", &Inet6Tunables::maxfrags, 0, 10000},
    {"net.inet6.ip6.frag_exactdup", &Inet6Tunables::frag_exactdup, 0, 1},
    {"net.inet6.ip6.auto_flowlabel", &Inet6Tunables::auto_flowlabel, 0, 1},
    {"net.inet6.ip6.use_deprecated", &Inet6Tunables::use_deprecated, 0, 1},
    {"net.inet6.ip6.v6only", &Inet6Tunables::v6only, 0, 1},
    {"net.inet6.ip6.mtudisctimeout", &Inet6Tunables::mtudisctimeout, 1, 1'000'000},
    {"net.inet6.ip6.autoconf", &Inet6Tunables::autoconf, 0, 1},
    {"net.inet6.ip6.dad_count", &Inet6Tunables::dad_count, 0, 100},
    {"net.inet6.icmp6.errppslimit", &Inet6Tunables::icmp6_errppslimit, -1, 1'000'000},
    {"net.inet6.icmp6.rediraccept", &Inet6Tunables::icmp6_rediraccept, 0, 1},
    {"net.inet6.icmp6.redirtimeout", &Inet6Tunables::icmp6_redirtimeout, 1, 1'000'000},
};

}  // namespace

Inet6Host::Inet6Host(HostBase& host)
    : raw(std::make_unique<inpcbtable>(host, IPPROTO_RAW, std::span<const uint16_t>(),
                                       std::span<const uint16_t>())),
      fragment_ids(Here().machine->seed(), Site::kIp6FragId, host.id, 0),
      flow_labels(Here().machine->seed(), Site::kIp6Flow, host.id, 0) {}

Inet6Host& inet6_here() { return inet_here().v6; }

void inet6_boot(HostBase& host) {
  Inet6Host& inet6 = HostLocal<InetHost>::Of(host).v6;
  for (const Tunable& tunable : kTunables) {
    host.sysctls.Add(tunable.name, {.value = &(inet6.tunables.*tunable.value),
                                    .min = tunable.min,
                                    .max = tunable.max,
                                    .check = nullptr});
  }
  host.sysctls.Add("net.inet6.ip6.neighborgcthresh",
                   {.value = &inet6.nd6.neighborgcthresh, .min = 1, .max = 1'000'000});
  host.sysctls.Add("net.inet6.icmp6.nd6_delay", {.value = &inet6.nd6.delay, .min = 0, .max = 3600});
  host.sysctls.Add("net.inet6.icmp6.nd6_umaxtries",
                   {.value = &inet6.nd6.umaxtries, .min = 1, .max = 100});
  host.sysctls.Add("net.inet6.icmp6.nd6_mmaxtries",
                   {.value = &inet6.nd6.mmaxtries, .min = 1, .max = 100});
  host.live_counts.push_back({"IPv6 fragment", &inet6.reassembly.held});
  host.live_counts.push_back({"IPv6 membership", &inet6.live_memberships});
  if_register_family(host, AF_INET6, &kInet6Family);
  inet6_register_protocol(host, kIcmp6Protocol);

  HostScope scope(host);
  const int error = in6_ifadd(if_loopback(host), kIn6Loopback, 128);
  KASSERT(error == 0);
}

void inet6_halt() {
  Inet6Host& inet6 = inet6_here();
  inet6.reassembly.Purge();
  inet6.nd6.Flush(nullptr);
  for (auto& [key, in6m] : inet6.groups) timeout_del(&in6m.in6m_timer);
  for (auto& [index, nd] : inet6.nd_interfaces) timeout_del(&nd.solicit_timer);
  for (auto& [key, router] : inet6.nd_routers) timeout_del(&router.lifetime);
  for (auto& [key, prefix] : inet6.nd_prefixes) timeout_del(&prefix.lifetime);
  for (auto& [id, nd] : inet6.nd_addresses) {
    timeout_del(&nd.probe_timer);
    timeout_del(&nd.lifetime_timer);
  }
}

void inet6_register_protocol(HostBase& host, const InetProtocol& protocol) {
  const InetProtocol*& slot = HostLocal<InetHost>::Of(host).v6.protocols[protocol.number];
  KASSERT(slot == nullptr);
  slot = &protocol;
}

uint64_t ip6stat_get(HostBase& host, ip6stat_counters counter) {
  return HostLocal<InetHost>::Of(host).v6.ip6stat[counter];
}

uint64_t icmp6stat_get(HostBase& host, icmp6stat_counters counter) {
  return HostLocal<InetHost>::Of(host).v6.icmp6stat[counter];
}

}  // namespace sockbed
