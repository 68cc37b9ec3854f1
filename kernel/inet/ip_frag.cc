// Cutting packets into fragments; putting them together again is in ip_reass.cc.
#include <errno.h>

#include <algorithm>

#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// A fragment of `m` with `length` bytes of payload from `offset` on, other than the first one.
// Shares the payload's storage. Null: no memory.
MbufPtr MakeFragment(mbuf* m, int offset, int length) {
  const Ipv4View ip = ip_view(m);
  const int hlen = ip.header_length();
  const bool last = offset + length == m->m_pkthdr.len - hlen;

  MbufPtr fragment = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (fragment == nullptr) return nullptr;
  fragment->m_data += max_linkhdr;
  uint8_t* header = mtod<uint8_t>(fragment.get());
  std::memcpy(header, m->m_data, kIpv4HeaderMin);
  const int fragment_hlen =
      kIpv4HeaderMin +
      ip_optcopy(mtod<uint8_t>(m) + kIpv4HeaderMin, hlen - kIpv4HeaderMin, header + kIpv4HeaderMin);
  fragment->m_len = fragment_hlen;
  fragment->m_flags |= m->m_flags & (M_BCAST | M_MCAST);
  fragment->m_pkthdr.ph_rtableid = m->m_pkthdr.ph_rtableid;
  Ipv4Edit edit = ip_edit(fragment.get());
  edit.set_version_and_length(fragment_hlen);
  edit.set_total_length(fragment_hlen + length);
  edit.set_fragment(ip.fragment_offset() + offset, ip.more_fragments() || !last, false);

  MbufPtr payload = m_copym(m, hlen + offset, length, M_DONTWAIT);
  if (payload == nullptr) return nullptr;
  m_cat(fragment.get(), std::move(payload));
  fragment->m_pkthdr.len = fragment_hlen + length;
  return fragment;
}

}  // namespace

int ip_fragment(MbufPtr m, const ifnet* ifp, uint32_t mtu, mbuf_list* fragments) {
  in_proto_cksum_out(m.get(), kTransportChecksumsOut);
  m = ip_own_header(std::move(m));
  if (m == nullptr) return ENOBUFS;
  const Ipv4View ip = ip_view(m.get());
  const int hlen = ip.header_length();
  const int payload = m->m_pkthdr.len - hlen;
  const int most = (static_cast<int>(mtu) - hlen) & ~7;
  if (most < 8) {
    ip_drop(ips_cantfrag, std::move(m));
    return EMSGSIZE;
  }
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kCut), 0,
       PackPair(static_cast<uint32_t>(m->m_pkthdr.len), mtu),
       PackPair(in_host(ip.source()), in_host(ip.destination())));

  mbuf_list rest;
  for (int offset = most; offset < payload; offset += most) {
    MbufPtr fragment = MakeFragment(m.get(), offset, std::min(most, payload - offset));
    if (fragment == nullptr) {
      ml_purge(&rest);
      ip_drop(ips_nobufs, std::move(m));
      return ENOBUFS;
    }
    ip_header_checksum(ifp, fragment.get());
    ml_enqueue(&rest, std::move(fragment));
  }
  // What is left of the packet becomes the first fragment.
  m_adj(m.get(), most - payload);
  m->m_pkthdr.csum_flags = 0;
  Ipv4Edit first = ip_edit(m.get());
  first.set_total_length(hlen + most);
  first.set_fragment(first.fragment_offset(), true, false);
  ip_header_checksum(ifp, m.get());
  ml_enqueue(fragments, std::move(m));
  ml_enlist(fragments, &rest);
  return 0;
}

}  // namespace sockbed
