// TCP on a host: boot, settings, halt.
#include "kernel/tcp/tcp_host.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_var.h"
#include "kernel/socket/socket_host.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

// Ports that bind(2) does not pick by itself, and those below IPPORT_RESERVED that it keeps for the
// superuser beside them (tcp(4), baddynamic and rootonly): defaults.
constexpr std::array<uint16_t, 18> kBadDynamic = {587,  749,  750,  751,  853,  871,
                                                  2049, 6000, 6001, 6002, 6003, 6004,
                                                  6005, 6006, 6007, 6008, 6009, 6010};
constexpr std::array<uint16_t, 1> kRootOnly = {2049};

constexpr int64_t kFreeBsdSbMax = 2 << 20;  // kern.ipc.maxsockbuf

constexpr InetProtocol kTcpProtocol = {IPPROTO_TCP, tcp_input, tcp_ctlinput, tcp_mtuinc};

struct Tunable {
  const char* name;
  int64_t TcpTunables::*member;
  int64_t openbsd, freebsd, least, most;
};
constexpr std::array kTunables = std::to_array<Tunable>({
#define SOCKBED_TCP_TUNABLE_ROW(member, name, openbsd, freebsd, least, most, meaning) \
  {name, &TcpTunables::member, openbsd, freebsd, least, most},
    SOCKBED_TCP_TUNABLES(SOCKBED_TCP_TUNABLE_ROW)
#undef SOCKBED_TCP_TUNABLE_ROW
});

// The whole host passes for the other system: its largest buffer, which shows in the window scale
// of every SYN, belongs to it.
void SetProfile(HostBase& host, TcpTunables* tunables, int64_t profile) {
  for (const Tunable& t : kTunables) {
    tunables->*t.member = profile == 0 ? t.openbsd : t.freebsd;
  }
  HostLocal<SocketHost>::Of(host).sb_max = profile == 0 ? sb_max_default : kFreeBsdSbMax;
}

// What one system refuses and the other, which counts in other units, takes.
struct OpenBsdLimit {
  int64_t TcpTunables::*member;
  int64_t least, most;
};
constexpr OpenBsdLimit kOpenBsdLimits[] = {
    {&TcpTunables::keepinittime, 1, 225},
    {&TcpTunables::keepidle, 1, 36000},
    {&TcpTunables::keepintvl, 1, 225},
    {&TcpTunables::mssdflt, 512, 65535},
};

// What a change of a tunable does besides.
void AddActions(TcpHost* tcp, int64_t TcpTunables::*member, SysctlTable::Node* node) {
  for (const OpenBsdLimit& limit : kOpenBsdLimits) {
    if (limit.member != member) continue;
    node->check = [tcp, &limit](int64_t value) {
      const bool outside = value < limit.least || value > limit.most;
      return tcp->tunables.profile == 0 && outside ? EINVAL : 0;
    };
  }
  // Whoever switches Fast Open off does not want what was learnt by it, either.
  if (member == &TcpTunables::tfo_client_enable) {
    node->check = [tcp](int64_t value) {
      if (value == 0) tcp->tfo_cache.Clear();
      return 0;
    };
  }
  // Probes begin for connections that are there already, too.
  if (member == &TcpTunables::always_keepalive) {
    node->check = [tcp](int64_t value) {
      tcp->tunables.always_keepalive = value;
      const HostScope scope(*tcp->host);
      for (inpcb* inp = tcp->tcbtable.first(); inp != nullptr; inp = inp->inp_queue_next) {
        tcpcb* tp = intotcpcb(inp);
        if (!tcp_timer_isarmed(tp, TCPT_KEEP)) tcp_arm_keepalive(tp);
      }
      return 0;
    };
  }
}

void AddSysctls(HostBase& host, TcpHost* tcp) {
  TcpTunables* tunables = &tcp->tunables;
  for (const Tunable& t : kTunables) {
    SysctlTable::Node node{&(tunables->*t.member), t.least, t.most, {}};
    AddActions(tcp, t.member, &node);
    host.sysctls.Add(std::string("net.inet.tcp.") + t.name, node);
  }
  // Writing 1 empties the cache; it reads as the last value written.
  host.sysctls.Add("net.inet.tcp.hostcache.purgenow", {&tcp->purgenow, 0, 1, [tcp](int64_t value) {
                                                         if (value != 0) tcp->host_cache.Clear();
                                                         return 0;
                                                       }});
  host.sysctls.Add("net.inet.tcp.knob.iss", {&tunables->iss, -1, UINT32_MAX, {}});
  host.sysctls.Add("net.inet.tcp.udp_tunneling_port",
                   {&tunables->udp_tunneling_port, 0, UINT16_MAX,
                    [tcp](int64_t port) { return tcp_tunnel_open(*tcp, port); }});
  const auto set_profile = [&host, tcp, tunables](int64_t profile) {
    tcp_tunnel_close(*tcp);
    SetProfile(host, tunables, profile);
    return host.sysctls.Set("net.inet.ip.profile", profile);
  };
  host.sysctls.Add("net.inet.tcp.profile", {&tunables->profile, 0, 1, set_profile});
  // The other system's names, where it has the same thing in the same unit.
  for (const auto& [alias, name] :
       std::to_array<std::array<const char*, 2>>({{"sack.enable", "sack"},
                                                  {"ecn.enable", "ecn"},
                                                  {"sack.globalmaxholes", "sackholelimit"},
                                                  {"keepinit", "keepinittime"},
                                                  {"syncache.cachelimit", "syncachelimit"},
                                                  {"syncache.bucketlimit", "synbucketlimit"},
                                                  {"syncache.hashsize", "synhashsize"}})) {
    host.sysctls.AddAlias(std::string("net.inet.tcp.") + alias,
                          std::string("net.inet.tcp.") + name);
  }
  in_pcbsysctls(&tcp->tcbtable, "net.inet.tcp");
  host.sysctls.AddAlias("kern.ipc.maxsockbuf", "kern.sbmax");
  host.sysctls.AddAlias("net.inet.tcp.path_mtu_discovery", "net.inet.ip.mtudisc");
}

SipKey DrawKey(Stream stream) { return {stream.Next64(), stream.Next64()}; }

}  // namespace

TcpSummary& TcpSummaries::Add(size_t most) {
  if (ring_.size() == most) [[likely]] {
    TcpSummary& place = ring_[oldest_];
    if (++oldest_ == most) oldest_ = 0;
    return place;
  }
  // Not full yet, or the limit has changed: the oldest to the front, and off with what is too many.
  std::rotate(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(oldest_), ring_.end());
  oldest_ = 0;
  if (ring_.size() > most) {
    ring_.erase(ring_.begin(), ring_.end() - static_cast<std::ptrdiff_t>(most - 1));
  }
  return ring_.emplace_back();
}

TcpHost::TcpHost(HostBase& host_in)
    : host(&host_in),
      tcbtable(host_in, IPPROTO_TCP, kBadDynamic, kRootOnly),
      syn_cache(*this),
      iss_key(DrawKey(Stream(Site::kTcpIss))),
      timewait_iss(Site::kTcpIss, 1),
      ts_offsets(Site::kTcpTsoff),
      clock_start(Stream(Site::kTcpClock).Next32() >> 1) {}

TcpHost::~TcpHost() { KASSERT(live_tcpcbs == 0); }

void tcp_boot(HostBase& host) {
  const HostScope scope(host);  // the streams are this host's
  TcpHost& tcp = HostLocal<TcpHost>::Make(host, host);
  AddSysctls(host, &tcp);
  host.live_counts.push_back({"tcpcb", &tcp.live_tcpcbs});
  host.live_counts.push_back({"syncache", &tcp.syn_cache.live()});
  host.live_counts.push_back({"tcp reass", &tcp.reass_entries.live()});
  host.live_counts.push_back({"rack", &tcp.racks.live()});
  host.live_counts.push_back({"rack segment", &tcp.rack_segments.live()});
  inet_register_protocol(host, kTcpProtocol);
  inet6_register_protocol(host, kTcpProtocol);
}

void tcp_halt(HostBase& host) {
  const HostScope scope(host);
  TcpHost& tcp = HostLocal<TcpHost>::Of(host);
  while (inpcb* inp = tcp.tcbtable.first()) tcp_close(intotcpcb(inp));
  tcp_tunnel_close(tcp);
  KASSERT(tcp.syn_cache.oldest() == nullptr);  // each belonged to a listener
}

uint64_t tcpstat_get(HostBase& host, tcpstat_counters counter) {
  return HostLocal<TcpHost>::Of(host).stat[counter];
}

void tcp_md5_add(HostBase& host, const inpaddru& src, const inpaddru& dst, std::string_view key) {
  std::vector<TcpMd5Key>& keys = HostLocal<TcpHost>::Of(host).md5_keys;
  keys.insert(keys.begin(), {src, dst, std::string(key)});
}

void tcp_md5_flush(HostBase& host) { HostLocal<TcpHost>::Of(host).md5_keys.clear(); }

inpcbtable& tcp_table(HostBase& host) { return HostLocal<TcpHost>::Of(host).tcbtable; }

std::vector<TcpSummary> tcp_connections(HostBase& host) {
  const TcpHost& tcp = HostLocal<TcpHost>::Of(host);
  const std::span<const TcpSummary> closed = tcp.summaries.all();
  std::vector<TcpSummary> all(closed.begin(), closed.end());
  for (const inpcb* inp = tcp.tcbtable.first(); inp != nullptr; inp = inp->inp_queue_next) {
    if (inp->inp_fport != 0) tcp_summarize(intotcpcb(inp), &all.emplace_back());
  }
  std::sort(all.begin(), all.end(),
            [](const TcpSummary& a, const TcpSummary& b) { return a.id < b.id; });
  return all;
}

}  // namespace sockbed
