#include "kernel/inet/tcp_chopper.h"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/ip_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

// Where fields of a TCP header stand (RFC 9293 3.1). Of that protocol IP knows no more.
constexpr int kSequenceAt = 4, kDataOffsetAt = 12, kFlagsAt = 13, kTcpHeaderLeast = 20;
constexpr uint8_t kFin = 0x01, kPush = 0x08, kCwr = 0x80;

// The headers of a packet that is to be cut, as they were.
struct Whole {
  explicit Whole(const mbuf* m)
      : v4(m->m_data[0] >> 4 == 4), ip_length(v4 ? ip_view(m).header_length() : kIpv6Header) {
    KASSERT((m->m_pkthdr.csum_flags & M_TCP_TSO) != 0 && m->m_pkthdr.ph_mss > 0);
    KASSERT(m->m_len >= ip_length + kTcpHeaderLeast);
    const uint8_t* tcp = mtod<uint8_t>(m) + ip_length;
    length = ip_length + (tcp[kDataOffsetAt] >> 4) * 4;
    KASSERT(m->m_len >= length && m->m_pkthdr.len >= length);
    sequence = LoadBe32(tcp + kSequenceAt);
    flags = tcp[kFlagsAt];
    if (v4) id = ip_view(m).id();
  }

  bool v4;
  int ip_length;
  int length;  // of all headers
  uint32_t sequence;
  uint8_t flags;
  uint16_t id = 0;  // IPv4; 0: none
};

// Makes the headers at the front of `m` those of the segment whose data begins at `offset`.
void WriteHeaders(mbuf* m, const Whole& whole, int offset, uint16_t id, bool last) {
  if (whole.v4) {
    ip_edit(m).set_total_length(m->m_pkthdr.len);
    ip_edit(m).set_id(id);
  } else {
    ip6_edit(m).set_payload_length(m->m_pkthdr.len - kIpv6Header);
  }
  uint8_t* tcp = mtod<uint8_t>(m) + whole.ip_length;
  StoreBe32(tcp + kSequenceAt, whole.sequence + static_cast<uint32_t>(offset));
  const int without = (offset == 0 ? 0 : kCwr) | (last ? 0 : kPush | kFin);
  tcp[kFlagsAt] = static_cast<uint8_t>(whole.flags & ~without);
}

// Takes the data off its headers. False: no memory.
bool TakeData(mbuf* m, const Whole& whole, MbufPtr* data) {
  if (m->m_len == whole.length) {
    data->reset(std::exchange(m->m_next, nullptr));
    return true;
  }
  const int length = m->m_pkthdr.len;
  *data = m_split(m, whole.length, M_DONTWAIT);
  if (*data == nullptr) return false;
  m->m_pkthdr.len = length;  // until it is cut
  m_removehdr(data->get());
  return true;
}

// A packet with the headers of `m` and, behind them, `data`. Null: no memory.
MbufPtr MakeSegment(const mbuf* m, const Whole& whole, MbufPtr data, int length) {
  MbufPtr segment = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (segment == nullptr) return nullptr;
  KASSERT(max_linkhdr + whole.length <= MHLEN);
  segment->m_data += max_linkhdr;
  segment->m_len = whole.length;
  std::memcpy(segment->m_data, m->m_data, static_cast<size_t>(whole.length));
  pkthdr& header = segment->m_pkthdr;
  header.csum_flags = m->m_pkthdr.csum_flags & static_cast<uint16_t>(~M_TCP_TSO);
  header.ph_rtableid = m->m_pkthdr.ph_rtableid;
  header.ph_family = m->m_pkthdr.ph_family;
  header.len = whole.length + length;
  m_cat(segment.get(), std::move(data));
  return segment;
}

// What a host that sends segment by segment does for each: counts it, and over IPv4 draws its
// identification.
uint16_t NextPacket(bool v4) {
  InetHost& inet = inet_here();
  if (!v4) {
    ++inet.v6.ip6stat[ip6s_localout];
    return 0;
  }
  ++inet.ipstat[ips_localout];
  return inet.ids.Next();
}

int Refuse(MbufPtr m, bool v4) {
  if (v4) {
    ip_drop(ips_nobufs, std::move(m));
  } else {
    ip6_drop(ip6s_nobufs, std::move(m));
  }
  return ENOBUFS;
}

}  // namespace

bool tcp_may_leave_whole(const ifnet* ifp, int capability, uint32_t mtu, const mbuf* m) {
  if ((ifp->if_capabilities & capability) == 0) return false;
  const int largest = std::min(m->m_pkthdr.len, Whole(m).length + m->m_pkthdr.ph_mss);
  return static_cast<uint32_t>(largest) <= mtu;
}

int tcp_chopper(MbufPtr m, mbuf_list* segments) {
  const Whole whole(m.get());
  const int most = m->m_pkthdr.ph_mss;
  const int size = m->m_pkthdr.len - whole.length;
  m->m_pkthdr.csum_flags &= static_cast<uint16_t>(~M_TCP_TSO);
  if (size <= most) {
    ml_enqueue(segments, std::move(m));
    return 0;
  }
  MbufPtr data;  // from `offset` on
  if (!TakeData(m.get(), whole, &data)) return Refuse(std::move(m), whole.v4);
  MbufPtr first;
  mbuf_list behind;
  for (int offset = 0; offset < size; offset += most) {
    const int length = std::min(most, size - offset);
    const bool last = offset + length == size;
    MbufPtr rest;
    if (!last) rest = m_split(data.get(), length, M_DONTWAIT);
    if (!last && rest == nullptr) return Refuse(std::move(m), whole.v4);
    if (offset == 0) {
      first = std::move(data);
    } else {
      MbufPtr segment = MakeSegment(m.get(), whole, std::move(data), length);
      if (segment == nullptr) return Refuse(std::move(m), whole.v4);
      const uint16_t id = NextPacket(whole.v4);
      WriteHeaders(segment.get(), whole, offset, whole.id != 0 ? id : 0, last);
      ml_enqueue(&behind, std::move(segment));
    }
    data = std::move(rest);
  }
  m_cat(m.get(), std::move(first));
  m->m_pkthdr.len = whole.length + most;
  WriteHeaders(m.get(), whole, 0, whole.id, false);
  ml_enqueue(segments, std::move(m));
  ml_enlist(segments, &behind);
  return 0;
}

}  // namespace sockbed
