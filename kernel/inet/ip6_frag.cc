// Cutting IPv6 packets into fragments; putting them together again is in frag6.cc.
#include <errno.h>

#include <algorithm>

#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

// What all fragments of a packet share.
struct Cut {
  Ip6Chain at;  // where the part that every fragment repeats ends
  int payload;  // bytes behind it
  uint32_t id;
};

uint32_t NextId() {
  uint32_t id;
  do {
    id = inet6_here().fragment_ids.Next32();
  } while (id == 0);
  return id;
}

// A fragment with `length` bytes from `offset` on. Shares the payload's storage. Null: no memory.
MbufPtr MakeFragment(mbuf* m, const Cut& cut, int offset, int length) {
  MbufPtr fragment = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (fragment == nullptr) return nullptr;
  const int headers = cut.at.offset + kIp6FragmentHeader;
  if (max_linkhdr + headers > MHLEN &&
      !m_clget(fragment.get(), M_DONTWAIT, static_cast<uint32_t>(max_linkhdr + headers))) {
    return nullptr;
  }
  fragment->m_data += max_linkhdr;
  fragment->m_len = headers;
  fragment->m_flags |= m->m_flags & M_MCAST;
  fragment->m_pkthdr.ph_rtableid = m->m_pkthdr.ph_rtableid;
  uint8_t* bytes = mtod<uint8_t>(fragment.get());
  m_copydata(m, 0, cut.at.offset, bytes);
  bytes[cut.at.next_at] = IPPROTO_FRAGMENT;
  Ip6Fragment{cut.at.next, offset, offset + length < cut.payload, cut.id}.Write(
      bytes + cut.at.offset, kIp6FragmentHeader);
  ip6_edit(fragment.get()).set_payload_length(headers + length - kIpv6Header);

  MbufPtr payload = m_copym(m, cut.at.offset + offset, length, M_DONTWAIT);
  if (payload == nullptr) return nullptr;
  m_cat(fragment.get(), std::move(payload));
  fragment->m_pkthdr.len = headers + length;
  return fragment;
}

}  // namespace

int ip6_fragment(MbufPtr m, uint32_t mtu, mbuf_list* fragments) {
  in6_proto_cksum_out(m.get(), kTransportChecksumsOut6);
  Cut cut = {.at = ip6_firsthdr(m.get()), .payload = 0, .id = NextId()};
  const bool walked = ip6_unfragpart(m.get(), &cut.at);
  const int most = (static_cast<int>(mtu) - cut.at.offset - kIp6FragmentHeader) & ~7;
  if (!walked || most < 8) {
    ip6_drop(ip6s_cantfrag, std::move(m));
    return EMSGSIZE;
  }
  cut.payload = m->m_pkthdr.len - cut.at.offset;
  Emit6(InetRecord::kCut6, cut.id, ip6_source(m.get()), ip6_destination(m.get()),
        PackPair(static_cast<uint32_t>(m->m_pkthdr.len), mtu));
  for (int offset = 0; offset < cut.payload; offset += most) {
    MbufPtr fragment = MakeFragment(m.get(), cut, offset, std::min(most, cut.payload - offset));
    if (fragment == nullptr) {
      ml_purge(fragments);
      ip6_drop(ip6s_nobufs, std::move(m));
      return ENOBUFS;
    }
    ml_enqueue(fragments, std::move(fragment));
  }
  return 0;
}

}  // namespace sockbed
