#include <errno.h>

#include <algorithm>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/if_ether.h"
#include "kernel/net/if_private.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr char kZeros[kEtherLeast] = {};

uint16_t TypeOf(int family) {
  switch (family) {
    case AF_INET:
      return kEtherTypeIpv4;
    case AF_INET6:
      return kEtherTypeIpv6;
    default:
      return 0;
  }
}

int FamilyOf(uint16_t type) {
  switch (type) {
    case kEtherTypeIpv4:
      return AF_INET;
    case kEtherTypeIpv6:
      return AF_INET6;
    case kEtherTypeArp:
      return kFamilyArp;
    default:
      return AF_UNSPEC;
  }
}

bool Listens(const ifnet* ifp, const ether_addr& group) {
  return std::any_of(ifp->if_multiaddrs.begin(), ifp->if_multiaddrs.end(),
                     [&](const ether_multi& multi) { return multi.address == group; });
}

// A SIMPLEX interface does not hear itself: what this host broadcasts comes back by way of its own
// input queue.
void LoopBroadcast(ifnet* ifp, const mbuf* m, int family) {
  MbufPtr copy = m_copym(const_cast<mbuf*>(m), 0, M_COPYALL, M_DONTWAIT);
  if (copy != nullptr) if_input_local(ifp, std::move(copy), family);
}

int NoMemory(ifnet* ifp, int bytes) {
  if_note_drop(ifp, NetDrop::kMemory, &ifp->if_counters.ifi_oerrors, bytes);
  return ENOBUFS;
}

// if_output of an Ethernet interface.
int ether_output(ifnet* ifp, MbufPtr m, const sockaddr* dst) {
  if ((m->m_pkthdr.csum_flags & M_TCP_TSO) != 0) {
    // First of all: a neighbour that is not known yet holds segments.
    return if_send_chopped(ifp, std::move(m), [&](MbufPtr segment) {
      return ether_output(ifp, std::move(segment), dst);
    });
  }
  const if_family* family = HostLocal<NetHost>::Of(*ifp->if_host).families[dst->sa_family];
  KASSERT(family != nullptr && family->resolve != nullptr);
  const bool comes_back = (m->m_flags & M_BCAST) != 0 && (ifp->if_flags & IFF_SIMPLEX) != 0;
  if (comes_back) LoopBroadcast(ifp, m.get(), dst->sa_family);
  ether_addr to;
  const int error = family->resolve(ifp, m, dst, &to);
  if (error == EAGAIN) return 0;  // held until the address is known
  if (error != 0) return error;
  return ether_send(ifp, std::move(m), to, TypeOf(dst->sa_family));
}

}  // namespace

std::string ether_sprintf(const ether_addr& a) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t octet : a.octets) {
    if (!text.empty()) text += ':';
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

uint64_t ether_pack(const ether_addr& a) {
  uint64_t packed = 0;
  for (const uint8_t octet : a.octets) packed = packed << 8 | octet;
  return packed;
}

void ether_ifattach(ifnet* ifp, const ether_addr& address, int (*transmit)(ifnet*, MbufPtr)) {
  KASSERT(!if_is_up(ifp) && !ether_ismulticast(address));
  ifp->if_flags |= IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST;
  ifp->if_capabilities = 0;
  ifp->if_lladdr = address;
  ifp->if_output = ether_output;
  ifp->if_transmit = transmit;
}

int ether_send(ifnet* ifp, MbufPtr m, const ether_addr& to, uint16_t type) {
  if (!if_is_up(ifp)) {
    if_drop(ifp, NetDrop::kDown, &ifp->if_counters.ifi_oerrors, std::move(m));
    return ENETDOWN;
  }
  if_finish_checksums(ifp, m.get());
  const int bytes = m->m_pkthdr.len;
  m = m_prepend(std::move(m), kEtherHeader, M_DONTWAIT);
  if (m == nullptr) return NoMemory(ifp, bytes);
  EtherHeader{to, ifp->if_lladdr, type}.Write(m->m_data, static_cast<size_t>(m->m_len));
  const int padding = kEtherLeast - kEtherHeader - bytes;
  if (padding > 0) {
    // The last mbuf may be shared: the zeros stand in one of their own.
    MbufPtr zeros = m_get(M_DONTWAIT, MT_DATA);
    if (zeros == nullptr) return NoMemory(ifp, bytes);
    std::memcpy(zeros->m_data, kZeros, static_cast<size_t>(padding));
    zeros->m_len = padding;
    m_cat(m.get(), std::move(zeros));
    m->m_pkthdr.len += padding;
  }
  m->m_flags &= static_cast<uint16_t>(~(M_BCAST | M_MCAST));
  if (ether_ismulticast(to)) m->m_flags |= to == kEtherBroadcast ? M_BCAST : M_MCAST;
  m->m_pkthdr.ph_family = kFamilyArp;  // nothing in a frame is left to be computed
  return ifp->if_transmit(ifp, std::move(m));
}

[[gnu::noinline]] void ether_input(ifnet* ifp, MbufPtr m) {
  if (m->m_pkthdr.len < kEtherHeader) {
    return if_drop(ifp, NetDrop::kRunt, &ifp->if_counters.ifi_ierrors, std::move(m));
  }
  m->m_flags &= static_cast<uint16_t>(~(M_BCAST | M_MCAST));
  char header[kEtherHeader];
  m_copydata(m.get(), 0, kEtherHeader, header);
  const EtherView frame(header, sizeof header);
  const ether_addr to = frame.destination();
  const bool group = ether_ismulticast(to);
  const bool wanted = group ? to == kEtherBroadcast || Listens(ifp, to) : to == ifp->if_lladdr;
  const bool own = frame.source() == ifp->if_lladdr && (ifp->if_flags & IFF_SIMPLEX) != 0;
  if (own || (!wanted && (ifp->if_flags & IFF_PROMISC) == 0)) {
    return if_drop(ifp, own ? NetDrop::kOwnFrame : NetDrop::kNotForUs,
                   &ifp->if_counters.ifi_notours, std::move(m));
  }
  if (group) {
    m->m_flags |= to == kEtherBroadcast ? M_BCAST : M_MCAST;
    ++ifp->if_counters.ifi_imcasts;
  }
  m_adj(m.get(), kEtherHeader);
  m->m_pkthdr.ph_family = static_cast<uint8_t>(FamilyOf(frame.type()));
  if_input(ifp, std::move(m));
}

ether_addr ether_multicast4(uint32_t group) {
  return {{0x01, 0x00, 0x5e, static_cast<uint8_t>(group >> 16 & 0x7f),
           static_cast<uint8_t>(group >> 8), static_cast<uint8_t>(group)}};
}

ether_addr ether_multicast6(const uint8_t group[16]) {
  return {{0x33, 0x33, group[12], group[13], group[14], group[15]}};
}

void ether_addmulti(ifnet* ifp, const ether_addr& group) {
  for (ether_multi& multi : ifp->if_multiaddrs) {
    if (multi.address == group) {
      ++multi.references;
      return;
    }
  }
  ifp->if_multiaddrs.push_back({group, 1});
}

void ether_delmulti(ifnet* ifp, const ether_addr& group) {
  std::vector<ether_multi>& all = ifp->if_multiaddrs;
  const auto found = std::find_if(all.begin(), all.end(), [&](const ether_multi& multi) {
    return multi.address == group;
  });
  KASSERT(found != all.end());
  if (--found->references == 0) all.erase(found);
}

}  // namespace sockbed
