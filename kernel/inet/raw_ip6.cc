#include <errno.h>

#include <cstring>
#include <utility>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/inet/raw_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

namespace {

// <netinet/icmp6.h> of the host.
constexpr int kIcmp6Filter = 1;  // ICMP6_FILTER
constexpr int kIcmp6ChecksumAt = 2;

// Where the kernel puts a checksum into what the socket sends; -1: nowhere.
int ChecksumAt(const rawcb* raw) {
  return raw->protocol == IPPROTO_ICMPV6 ? kIcmp6ChecksumAt : raw->checksum_at;
}

// Computes the checksum of a packet's payload and stores it. Errors: EINVAL (too short).
int Checksum(mbuf* m, uint8_t protocol, int at) {
  const int length = m->m_pkthdr.len - kIpv6Header;
  if (length < at + 2) return EINVAL;
  uint8_t sum[2] = {0, 0};
  if (const int error = m_copyback(m, kIpv6Header + at, 2, sum, M_DONTWAIT)) return error;
  StoreBe16(sum, in6_cksum(m, protocol, kIpv6Header, length));
  return m_copyback(m, kIpv6Header + at, 2, sum, M_DONTWAIT);
}

// --- Receiving. ---

// What has arrived.
struct Arrival {
  in6_addr src, dst;
  uint8_t protocol;
  int type;  // of ICMPv6; -1
  uint32_t ifidx;
};

bool Wants(const inpcb* inp, const Arrival& a) {
  const rawcb* raw = RawOf(inp);
  if (raw->protocol != 0 && raw->protocol != a.protocol) return false;
  if (!raw->laddr.is_any() && raw->laddr != inpaddru(a.dst)) return false;
  if (!raw->faddr.is_any() && raw->faddr != inpaddru(a.src)) return false;
  if (in6_ismulticast(a.dst) && !ip6_hearsgroup(inp, a.ifidx, a.dst)) return false;
  if (raw->protocol != IPPROTO_ICMPV6 || a.type < 0) return true;
  return (raw->blocked[static_cast<size_t>(a.type / 32)] >> (a.type % 32) & 1) == 0;
}

// Whether the packet has the checksum that the socket asks for, if it asks. ICMPv6's has been seen
// to.
bool HasChecksum(const inpcb* inp, const mbuf* m, int off, const Arrival& a) {
  return RawOf(inp)->checksum_at < 0 || in6_cksum(m, a.protocol, off, m->m_pkthdr.len - off) == 0;
}

void Deliver(inpcb* inp, mbuf* m, int off, const Arrival& a) {
  if (!HasChecksum(inp, m, off, a)) {
    return ip6_note_drop(ip6s_rawbadsum, a.src, a.dst, m->m_pkthdr.len);
  }
  socket* so = inp->inp_socket;
  MbufPtr control = ip6_savecontrol(inp, m);
  MbufPtr copy = m_copym(m, 0, M_COPYALL, M_DONTWAIT);
  if (copy != nullptr) m_adj(copy.get(), off);
  socklen_t length;
  const sockaddr_in6 from = in_sockaddr(inp, {inpaddru(a.src), 0}, &length);
  const bool near_enough = ip6_view(m).hop_limit() >= inp->inp_ip6_minhlim;
  if (copy == nullptr || !near_enough ||
      sbappendaddr(&so->so_rcv, reinterpret_cast<const sockaddr*>(&from), length, copy, control) ==
          0) {
    return ip6_note_drop(ip6s_rawdropped, a.src, a.dst, m->m_pkthdr.len);
  }
  sorwakeup(so);
}

// --- Options. ---

int OptionChecksum(prc_setopt op, rawcb* raw, mbuf* m) {
  int value = raw->checksum_at;
  if (op == PRCO_GETOPT) {
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    return 0;
  }
  if (m == nullptr || m->m_len != static_cast<int>(sizeof value)) return EINVAL;
  std::memcpy(&value, m->m_data, sizeof value);
  // ICMPv6 has its place for it, whatever a program says (RFC 3542 3.1).
  if (raw->protocol == IPPROTO_ICMPV6 || value < -1 || (value >= 0 && value % 2 != 0)) {
    return EINVAL;
  }
  raw->checksum_at = value;
  return 0;
}

int OptionFilter(prc_setopt op, rawcb* raw, mbuf* m) {
  const int size = sizeof raw->blocked;
  if (op == PRCO_GETOPT) {
    std::memcpy(m->m_data, raw->blocked.data(), sizeof raw->blocked);
    m->m_len = size;
    return 0;
  }
  if (m == nullptr || m->m_len != size) return EINVAL;
  std::memcpy(raw->blocked.data(), m->m_data, sizeof raw->blocked);
  return 0;
}

}  // namespace

int rip6_output(inpcb* inp, MbufPtr m, const inpaddru& dst, const mbuf* control) {
  const rawcb* raw = RawOf(inp);
  ip6_pktopts opt = in_pcbpktopts(inp);
  if (const int error = ip6_setpktopts(control, &opt)) return error;
  const int length = m->m_pkthdr.len;
  if (length > kIpv6PayloadMax) return EMSGSIZE;
  // A group says nothing itself.
  inpaddru src = in6_ismulticast(raw->laddr.v6()) ? inpaddru() : raw->laddr;
  if (const inpaddru wanted = opt.ip6po_addr; !wanted.is_any()) {
    const bool bound_elsewhere = !src.is_any() && src != wanted;
    if (bound_elsewhere || !in6_issource(wanted.v6())) return EADDRNOTAVAIL;
    src = wanted;
  }
  const inpaddru to = in6_setscope(dst.v6(), opt.ip6po_ifindex);
  if (src.is_any()) {
    if (const int error = in_pcbselsrc(&src, inp, to)) return error;
  }
  m = m_prepend(std::move(m), kIpv6Header, M_DONTWAIT);
  if (m == nullptr) return ENOBUFS;
  const int hops =
      in6_selecthlim(opt.ip6po_hlim >= 0 ? opt.ip6po_hlim : inp->inp_hops, &inp->inp_route, to);
  Ipv6Header{.payload_length = length,
             .traffic_class = static_cast<uint8_t>(std::max(opt.ip6po_tclass, 0)),
             .hop_limit = static_cast<uint8_t>(hops),
             .next_header = raw->protocol,
             .source = src.v6(),
             .destination = to.v6()}
      .Write(m->m_data, kIpv6Header);
  if (const int at = ChecksumAt(raw); at >= 0) {
    if (const int error = Checksum(m.get(), raw->protocol, at)) return error;
  }
  return ip6_pcboutput(inp, std::move(m), opt, {to, 0});
}

int rip6_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  rawcb* raw = RawOf(inp);
  if (level == IPPROTO_IPV6 && optname == IPV6_CHECKSUM) return OptionChecksum(op, raw, m);
  if (level == IPPROTO_ICMPV6) {
    const bool has_filter = raw->protocol == IPPROTO_ICMPV6 && optname == kIcmp6Filter;
    return has_filter ? OptionFilter(op, raw, m) : ENOPROTOOPT;
  }
  return level == IPPROTO_IPV6 ? ip6_ctloutput(op, so, level, optname, m) : ENOPROTOOPT;
}

bool rip6_input(mbuf* m, int off, uint8_t protocol) {
  inpcbtable* table = inet6_here().raw.get();
  if (table->first() == nullptr) return false;
  Arrival a = {ip6_source(m), ip6_destination(m), protocol, -1, m->m_pkthdr.ph_ifidx};
  if (protocol == IPPROTO_ICMPV6 && off < m->m_pkthdr.len) {
    uint8_t type;
    m_copydata(m, off, sizeof type, &type);
    a.type = type;
  }
  // Programs look at the bytes.
  in6_proto_cksum_out(m, kTransportChecksumsOut6);
  bool wanted = false;
  for (inpcb* inp = table->first(); inp != nullptr; inp = inp->inp_queue_next) {
    if (!Wants(inp, a)) continue;
    wanted = true;
    Deliver(inp, m, off, a);
  }
  return wanted;
}

bool rip6_sent(const IcmpError& error, uint8_t protocol) {
  for (inpcb* inp = inet6_here().raw->first(); inp != nullptr; inp = inp->inp_queue_next) {
    const rawcb* raw = RawOf(inp);
    if (raw->protocol != protocol) continue;
    if (!raw->laddr.is_any() && raw->laddr != error.src) continue;
    if (raw->faddr.is_any() || raw->faddr == error.dst) return true;
  }
  return false;
}

}  // namespace sockbed
