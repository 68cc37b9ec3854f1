#include "kernel/tcp/tcp_netstat.h"

#include <algorithm>

#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_private.h"
#include "kernel/tcp/tcp_trace.h"
#include "kernel/tcp/tcp_var.h"

namespace sockbed {

std::vector<TcpEndpoint> tcp_endpoints(HostBase& host) {
  TcpHost& tcp = HostLocal<TcpHost>::Of(host);
  std::vector<TcpEndpoint> all;
  for (const inpcb* inp = tcp.tcbtable.first(); inp != nullptr; inp = inp->inp_queue_next) {
    all.push_back({.family = tcp_is4(inp) ? AF_INET : AF_INET6,
                   .lport = ntohs(inp->inp_lport),
                   .fport = ntohs(inp->inp_fport),
                   .state = intotcpcb(inp)->t_state,
                   .owned = (inp->inp_socket->so_state & SS_NOFDREF) == 0});
  }
  for (const syn_cache* sc = tcp.syn_cache.oldest(); sc != nullptr; sc = sc->sc_age_next) {
    all.push_back({.family = sc->sc_ends.faddr.is_v4() ? AF_INET : AF_INET6,
                   .lport = sc->sc_ends.lport,
                   .fport = sc->sc_ends.fport,
                   .state = TCPS_SYN_RECEIVED,
                   .owned = false});
  }
  return all;
}

std::vector<TcpPendingTimer> tcp_pending_timers(HostBase& host) {
  const TcpHost& tcp = HostLocal<TcpHost>::Of(host);
  std::vector<TcpPendingTimer> all;
  for (const inpcb* inp = tcp.tcbtable.first(); inp != nullptr; inp = inp->inp_queue_next) {
    const TcpTimers& timers = intotcpcb(inp)->t_timers;
    for (uint8_t i = 0; i < TCPT_NTIMERS; ++i) {
      if (timers.deadline[i] == kForever) continue;
      all.push_back({tcp_timer_name(static_cast<TcpTimer>(i)), timers.deadline[i]});
    }
  }
  for (const syn_cache* sc = tcp.syn_cache.oldest(); sc != nullptr; sc = sc->sc_age_next) {
    all.push_back({"SYN-ACK", sc->sc_timer.when});
  }
  std::ranges::stable_sort(all, {}, &TcpPendingTimer::when);
  return all;
}

int tcp_drop_all(HostBase& host, TcpState state) {
  const HostScope scope(host);
  TcpHost& tcp = HostLocal<TcpHost>::Of(host);
  int dropped = 0;
  for (inpcb *inp = tcp.tcbtable.first(), *next; inp != nullptr; inp = next) {
    next = inp->inp_queue_next;
    if (intotcpcb(inp)->t_state != state) continue;
    tcp_close(intotcpcb(inp));
    ++dropped;
  }
  return dropped;
}

}  // namespace sockbed
