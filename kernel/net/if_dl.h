// A link-level address as programs see it: which interface, and its name.
//
// Lives here:  struct sockaddr_dl, if_sockaddr_dl.
// Called by:   udp (IP_RECVIF).
// Source:      OpenBSD sys/net/if_dl.h.
// Differs:     the host's headers know no sockaddr_dl; AF_LINK keeps BSD's number.
#ifndef SOCKBED_KERNEL_NET_IF_DL_H_
#define SOCKBED_KERNEL_NET_IF_DL_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernel/net/if.h"

namespace sockbed {

inline constexpr uint8_t AF_LINK = 18;

struct sockaddr_dl {
  uint8_t sdl_len;
  uint8_t sdl_family;  // AF_LINK
  uint16_t sdl_index;  // if_index
  uint8_t sdl_type;    // 6: Ethernet; 0: unspecified
  uint8_t sdl_nlen;    // length of the name in sdl_data
  uint8_t sdl_alen;    // of the address behind it
  uint8_t sdl_slen;
  char sdl_data[24];  // not ended by a zero
};
static_assert(sizeof(sockaddr_dl) == 32);

inline sockaddr_dl if_sockaddr_dl(const ifnet* ifp) {
  sockaddr_dl sdl{};
  sdl.sdl_len = sizeof sdl;
  sdl.sdl_family = AF_LINK;
  sdl.sdl_index = static_cast<uint16_t>(ifp->if_index);
  sdl.sdl_nlen = static_cast<uint8_t>(std::min(ifp->if_xname.size(), sizeof sdl.sdl_data));
  std::memcpy(sdl.sdl_data, ifp->if_xname.data(), sdl.sdl_nlen);
  if (if_is_ethernet(ifp) && sdl.sdl_nlen + 6 <= static_cast<int>(sizeof sdl.sdl_data)) {
    sdl.sdl_type = 6;
    sdl.sdl_alen = 6;
    std::memcpy(sdl.sdl_data + sdl.sdl_nlen, ifp->if_lladdr.octets.data(), 6);
  }
  return sdl;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_IF_DL_H_
