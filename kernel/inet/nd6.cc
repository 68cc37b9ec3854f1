#include "kernel/inet/nd6.h"

#include <errno.h>

#include <cstring>

#include "kernel/inet/inet_trace.h"
#include "kernel/net/if_ether.h"

namespace sockbed {

int nd6_resolve(ifnet*, MbufPtr& m, const sockaddr* dst, ether_addr* to) {
  sockaddr_in6 sin6;
  std::memcpy(&sin6, dst, sizeof sin6);
  if (in6_ismulticast(sin6.sin6_addr)) {
    *to = ether_multicast6(sin6.sin6_addr.s6_addr);
    return 0;
  }
  ip6_drop(ip6s_nddropped, std::move(m));
  return EHOSTDOWN;
}

void nd6_dad_start(in6_ifaddr* ia6) { ia6->ia6_flags &= ~IN6_IFF_TENTATIVE; }
void nd6_dad_stop(in6_ifaddr*) {}
void nd6_link_state(ifnet*) {}

}  // namespace sockbed
