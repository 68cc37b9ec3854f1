#include "kernel/inet/ip_icmp.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr int kQuotedTransport = 8;   // bytes of the transport header that an error must quote
constexpr int kErrorMost = 576;       // of an error packet in all (RFC 1812 4.3.2.3)
constexpr int kTimestampLength = 20;  // of a timestamp request or reply
constexpr int kMaskLength = 12;

bool IsQuery(uint8_t type) {
  switch (type) {
    case ICMP_ECHOREPLY:
    case ICMP_ECHO:
    case ICMP_ROUTERADVERT:
    case ICMP_ROUTERSOLICIT:
    case ICMP_TSTAMP:
    case ICMP_TSTAMPREPLY:
    case ICMP_IREQ:
    case ICMP_IREQREPLY:
    case ICMP_MASKREQ:
    case ICMP_MASKREPLY:
      return true;
    default:
      return false;
  }
}

// Whether an address cannot be one host's on the network that `ifp` leads to.
bool IsNoSingleHost(in_addr a, const mbuf* m) {
  return in_isthisnet(a) || in_host(a) >= INADDR_UNSPEC_GROUP || in_broadcast(a) ||
         (in_isloopback(a) && (m->m_flags & M_LOOP) == 0);
}

// Why an error about `m` may not be sent (RFC 1122 3.2.2), or icps_ncounters when it may.
icmpstat_counters WhyNoError(const mbuf* m, uint8_t type) {
  const Ipv4View ip = ip_view(m);
  if (ip.protocol() == IPPROTO_ICMP && type != ICMP_REDIRECT) {
    const int hlen = ip.header_length();
    if (m->m_pkthdr.len < hlen + kIcmpHeader) return icps_oldicmp;
    uint8_t head[kIcmpHeader];
    m_copydata(m, hlen, kIcmpHeader, head);
    if (!IsQuery(IcmpView(head, sizeof head).type())) return icps_oldicmp;
  }
  if (ip.fragment_offset() != 0 || (m->m_flags & (M_BCAST | M_MCAST)) != 0 ||
      in_ismulticast(ip.destination()) || in_broadcast(ip.destination())) {
    return icps_oldshort;
  }
  if (IsNoSingleHost(ip.source(), m)) return icps_badsource;
  InetHost& inet = inet_here();
  return ppsratecheck(&inet.icmp_errors, inet.tunables.icmp_errppslimit) ? icps_ncounters
                                                                         : icps_toofreq;
}

// The address that an answer to `m` carries: the one that was addressed, if it is ours; else that
// of the interface towards the sender.
bool AnswerSource(const mbuf* m, in_addr* source) {
  const Ipv4View ip = ip_view(m);
  if (in_ifawithaddr(ip.destination()) != nullptr) {
    *source = ip.destination();
    return true;
  }
  const rtentry* rt = rt_match(ip.source());
  if (rt == nullptr) return false;
  *source = ifatoia(rt->rt_ifa)->ia_addr;
  return true;
}

// Sends a message whose IPv4 and ICMP headers are in place.
void Send(MbufPtr m) {
  const Ipv4View ip = ip_view(m.get());
  const int hlen = ip.header_length();
  uint8_t head[kIcmpHeader];
  m_copydata(m.get(), hlen, kIcmpHeader, head);
  const IcmpView icmp(head, sizeof head);
  m->m_pkthdr.csum_flags = M_ICMP_CSUM_OUT;
  icmpstat_inc(icps_sent);
  const TraceId cause =
      Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kIcmpSend), 0,
           PackPair(icmp.type(), icmp.code()),
           PackPair(in_host(ip.source()), in_host(ip.destination())), LoadBe32(head + 4));
  CauseScope scope(cause);
  // Nobody waits for it: what goes wrong is counted where it happens.
  (void)ip_output(std::move(m), nullptr, nullptr, 0, nullptr, nullptr);
}

// The errno of spec 6.2 that a transport hears of; 0: none. -1: no such code. `freebsd`: by that
// profile.
int ErrnoOf(uint8_t type, uint8_t code, bool freebsd) {
  switch (type) {
    case ICMP_UNREACH:
      switch (code) {
        case ICMP_UNREACH_PROTOCOL:
        case ICMP_UNREACH_PORT:
          return ECONNREFUSED;
        case ICMP_UNREACH_NEEDFRAG:
          return EMSGSIZE;
        case ICMP_UNREACH_NET_PROHIB:
        case ICMP_UNREACH_HOST_PROHIB:
        case ICMP_UNREACH_FILTER_PROHIB: return freebsd ? ECONNREFUSED : EHOSTUNREACH;
        default:
          return code <= 15 ? EHOSTUNREACH : -1;
      }
    case ICMP_TIMXCEED:
      if (code > ICMP_TIMXCEED_REASS) return -1;
      return freebsd && code == ICMP_TIMXCEED_INTRANS ? EHOSTUNREACH : 0;
    case ICMP_PARAMPROB:
      return code <= 1 ? ENOPROTOOPT : -1;
    default:
      return code <= 3 ? 0 : -1;  // redirects
  }
}

// The next hop's MTU that a needfrag message tells of. Old routers leave it out: then the next of
// the plateaus of RFC 1191 7.1 below the quoted packet's length.
uint32_t NextMtu(uint32_t told, uint32_t quoted_length) {
  constexpr uint32_t kPlateaus[] = {65535, 65280, 32000, 17914, 9180, 8166, 4352,
                                    2002,  1492,  1006,  508,   296,  68};
  if (told != 0 && told < quoted_length) return told;
  for (uint32_t plateau : kPlateaus) {
    if (plateau < quoted_length) return plateau;
  }
  return kPlateaus[std::size(kPlateaus) - 1];
}

// A redirect: a host believes it if it comes from the gateway in use and names another one on the
// same link.
void Redirect(MbufPtr m, const IcmpView& icmp, in_addr dst) {
  InetHost& inet = inet_here();
  const in_addr from = ip_view(m.get()).source();
  const in_addr gateway = icmp.gateway();
  rtentry* now = rt_match(dst);
  const in_ifaddr* link = in_ifaonlink(gateway);
  const bool believes = inet.tunables.icmp_rediraccept != 0 && inet.tunables.forwarding == 0;
  const bool from_gateway =
      now != nullptr && (now->rt_flags & RTF_GATEWAY) != 0 && now->rt_gateway == inpaddru(from);
  const bool plausible = link != nullptr && link->ia_ifp->if_index == m->m_pkthdr.ph_ifidx &&
                         in_ifawithaddr(gateway) == nullptr && !in_broadcast(gateway);
  if (!believes || !from_gateway || !plausible) return icmp_drop(icps_ignored, std::move(m));
  rtentry* made = nullptr;
  const int error = rt_add({.dest = dst,
                            .flags = RTF_DYNAMIC,
                            .gateway = gateway,
                            .instead = (now->rt_flags & RTF_DYNAMIC) != 0 ? now : nullptr},
                           &made);
  if (error != 0) return icmp_drop(error == ENOBUFS ? icps_nobufs : icps_ignored, std::move(m));
  rt_expire_after(made, inet.tunables.icmp_redirtimeout);
}

// An error or redirect about a packet of ours, quoted behind the header at `hlen`: tells the
// transport.
void HearError(MbufPtr m, int hlen, int length) {
  constexpr int kLeast = kIcmpHeader + kIpv4HeaderMin + kQuotedTransport;
  if (length < kLeast) return icmp_drop(icps_tooshort, std::move(m));
  m = m_pullup(std::move(m), hlen + kLeast);
  if (m == nullptr) return icmp_note_drop(icps_nobufs, {}, {});
  const uint8_t* quoted = mtod<uint8_t>(m.get()) + hlen + kIcmpHeader;
  const int quoted_hlen = Ipv4View(quoted, kIpv4HeaderMin).header_length();
  const int need = kIcmpHeader + quoted_hlen + kQuotedTransport;
  if (quoted_hlen < kIpv4HeaderMin || length < need) return icmp_drop(icps_tooshort, std::move(m));
  m = m_pullup(std::move(m), hlen + need);
  if (m == nullptr) return icmp_note_drop(icps_nobufs, {}, {});
  const IcmpView icmp(m->m_data + hlen, kIcmpHeader);
  quoted = mtod<uint8_t>(m.get()) + hlen + kIcmpHeader;
  const Ipv4View ip(quoted, kIpv4HeaderMin);

  const int error = ErrnoOf(icmp.type(), icmp.code(), inet_here().tunables.profile != 0);
  if (error < 0) return icmp_drop(icps_badcode, std::move(m));
  const in_addr dst = ip.destination();
  if (in_host(dst) >= INADDR_UNSPEC_GROUP || in_broadcast(dst)) {
    return icmp_drop(icps_badquote, std::move(m));
  }
  if (icmp.type() == ICMP_REDIRECT) return Redirect(std::move(m), icmp, dst);
  IcmpError told = {.family = AF_INET,
                    .error = error,
                    .type = icmp.type(),
                    .code = icmp.code(),
                    .src = ip.source(),
                    .dst = dst,
                    .mtu = error == EMSGSIZE ? NextMtu(icmp.next_mtu(), ip.total_length()) : 0,
                    .transport = quoted + quoted_hlen,
                    .transport_len = length - kIcmpHeader - quoted_hlen};
  told.transport_len = std::min(told.transport_len, m->m_len - hlen - kIcmpHeader - quoted_hlen);
  const InetProtocol* protocol = inet_here().protocols[ip.protocol()];
  if (protocol == nullptr || protocol->ctlinput == nullptr) {
    return icmp_drop(icps_unclaimed, std::move(m));
  }
  icmpstat_inc(icps_delivered);
  const TraceId cause =
      Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kIcmpError), 0,
           PackPair(icmp.type(), icmp.code()),
           PackPair(in_host(ip.source()), in_host(ip.destination())), static_cast<uint64_t>(error));
  CauseScope scope(cause);
  protocol->ctlinput(told);
}

// Turns a request round. Its ICMP header and data are as the answer needs them.
void Reflect(MbufPtr m) {
  in_addr source;
  if (IsNoSingleHost(ip_view(m.get()).source(), m.get())) {
    return icmp_drop(icps_badsource, std::move(m));
  }
  if (!AnswerSource(m.get(), &source)) return icmp_drop(icps_badsource, std::move(m));
  const in_addr destination = ip_view(m.get()).source();
  m_resethdr(m.get());
  Ipv4Edit ip = ip_edit(m.get());
  ip_answeroptions(m.get());
  ip.set_source(source);
  ip.set_destination(destination);
  ip.set_ttl(kIpv4TtlMax);
  ip.set_fragment(0, false, false);
  icmpstat_inc(icps_reflected);
  Send(std::move(m));
}

// Whether one more answer may be sent now: FreeBSD limits those to echoes and timestamps, each kind
// by itself (icmp.icmplim).
bool MayAnswer(InetHost& inet, uint8_t type) {
  if (inet.tunables.profile == 0 || type == ICMP_MASKREQ) return true;
  ppsrate* rate = type == ICMP_ECHO ? &inet.icmp_echoes : &inet.icmp_timestamps;
  return ppsratecheck(rate, inet.tunables.icmp_errppslimit);
}

// A request: answered unless switched off, or broadcast and such are not answered.
void Answer(MbufPtr m, int hlen, int length, bool enabled, int needs) {
  const InetTunables& tunables = inet_here().tunables;
  if (!enabled) return icmp_drop(icps_ignored, std::move(m));
  if (tunables.icmp_bmcastecho == 0 && ip_wasbroadcast(m.get())) {
    return icmp_drop(icps_bmcastecho, std::move(m));
  }
  if (length < needs) return icmp_drop(icps_badlen, std::move(m));
  uint8_t type;
  m_copydata(m.get(), hlen, sizeof type, &type);
  if (!MayAnswer(inet_here(), type)) return icmp_drop(icps_toofreq, std::move(m));
  // Header and message may lie in storage that others share: what is changed becomes private.
  int at = 0;
  mbuf* piece = m_pulldown(m, hlen, needs, &at);
  if (piece == nullptr) return icmp_note_drop(icps_nobufs, {}, {});
  m = ip_own_header(std::move(m));
  if (m == nullptr) return;
  uint8_t message[kTimestampLength];
  m_copydata(m.get(), hlen, needs, message);
  switch (message[0]) {
    case ICMP_ECHO:
      message[0] = ICMP_ECHOREPLY;
      break;
    case ICMP_TSTAMP:
      message[0] = ICMP_TSTAMPREPLY;
      StoreBe32(message + 12, iptime());  // received
      StoreBe32(message + 16, iptime());  // sent
      break;
    case ICMP_MASKREQ: {
      const in_ifaddr* ifa = in_ifaonlink(ip_view(m.get()).source());
      if (ifa == nullptr) return icmp_drop(icps_ignored, std::move(m));
      message[0] = ICMP_MASKREPLY;
      StoreAddress(message + 8, ifa->ia_netmask);
      break;
    }
  }
  const int error = m_copyback(m.get(), hlen, needs, message, M_DONTWAIT);
  KASSERT(error == 0);  // the chain does not grow
  Reflect(std::move(m));
}

void icmp_input(MbufPtr m, int hlen) {
  icmpstat_inc(icps_received);
  const int length = m->m_pkthdr.len - hlen;
  if (length < kIcmpHeader) return icmp_drop(icps_badlen, std::move(m));
  const uint16_t verdict = m->m_pkthdr.csum_flags & (M_ICMP_CSUM_IN_OK | M_ICMP_CSUM_IN_BAD);
  if (verdict == M_ICMP_CSUM_IN_BAD || (verdict == 0 && in4_cksum(m.get(), 0, hlen, length) != 0)) {
    return icmp_drop(icps_checksum, std::move(m));
  }
  const bool heard = rip_input(m.get(), hlen);
  uint8_t head[kIcmpHeader];
  m_copydata(m.get(), hlen, kIcmpHeader, head);
  const InetTunables& tunables = inet_here().tunables;
  switch (head[0]) {
    case ICMP_ECHO:
      return Answer(std::move(m), hlen, length, true, kIcmpHeader);
    case ICMP_TSTAMP:
      return Answer(std::move(m), hlen, length, tunables.icmp_tstamprepl != 0, kTimestampLength);
    case ICMP_MASKREQ:
      return Answer(std::move(m), hlen, length, tunables.icmp_maskrepl != 0, kMaskLength);
    case ICMP_UNREACH:
    case ICMP_TIMXCEED:
    case ICMP_PARAMPROB:
    case ICMP_REDIRECT:
      return HearError(std::move(m), hlen, length);
    default:
      if (!heard) icmp_drop(icps_unclaimed, std::move(m));
  }
}

}  // namespace

const InetProtocol kIcmpProtocol = {IPPROTO_ICMP, icmp_input, nullptr};

void icmp_error(MbufPtr m, uint8_t type, uint8_t code, in_addr dest, uint32_t arg) {
  icmpstat_inc(icps_errors);
  const icmpstat_counters why_not = WhyNoError(m.get(), type);
  if (why_not != icps_ncounters) return icmp_drop(why_not, std::move(m));
  in_addr source;
  if (!AnswerSource(m.get(), &source)) return icmp_drop(icps_badsource, std::move(m));
  in_proto_cksum_out(m.get(), kTransportChecksumsOut | M_IPV4_CSUM_OUT);

  constexpr int kHeaders = kIpv4HeaderMin + kIcmpHeader;
  const Ipv4View offender = ip_view(m.get());
  const int transport = static_cast<int>(inet_here().tunables.icmp_quotelen);
  const int quoted =
      std::min({m->m_pkthdr.len, offender.header_length() + transport, kErrorMost - kHeaders});
  MbufPtr error = m_gethdr(M_DONTWAIT, MT_HEADER);
  MbufPtr quotation;
  if (error != nullptr) quotation = m_copym(m.get(), 0, quoted, M_DONTWAIT);
  if (quotation == nullptr) return icmp_drop(icps_nobufs, std::move(m));
  static_assert(max_linkhdr + kHeaders <= MHLEN);
  error->m_data += max_linkhdr;
  const int total = kHeaders + quoted;
  error->m_len = kHeaders;
  const size_t room = kHeaders;
  Ipv4Header{.total_length = total,
             .tos = static_cast<uint8_t>(offender.tos() & 0xfc),
             .ttl = kIpv4TtlMax,
             .protocol = IPPROTO_ICMP,
             .source = source,
             .destination = offender.source()}
      .Write(error->m_data, room);
  uint32_t rest = 0;
  if (type == ICMP_REDIRECT) rest = in_host(dest);
  if (type == ICMP_UNREACH && code == ICMP_UNREACH_NEEDFRAG) rest = arg & 0xffff;
  if (type == ICMP_PARAMPROB) rest = arg << 24;
  IcmpHeader{.type = type, .code = code, .rest = rest}.Write(error->m_data + kIpv4HeaderMin,
                                                             room - kIpv4HeaderMin);
  m_cat(error.get(), std::move(quotation));
  error->m_pkthdr.len = total;
  Send(std::move(error));
}

void icmp_mtudisc(const IcmpError& error) {
  InetHost& inet = inet_here();
  if (inet.tunables.mtudisc == 0) return;
  rtentry* rt = rt_clone(AF_INET, error.dst);
  if (rt == nullptr) return;
  // RFC 1191 3: below 296 somebody lies or errs; then packets may be fragmented again.
  constexpr uint32_t kMtuLeast = 296;
  const bool locked = (rt->rt_locks & RTV_MTU) != 0;
  if (!locked && (error.mtu < kMtuLeast || error.mtu > rt->rt_ifp->if_mtu)) {
    rt_lower_mtu(rt, 0);
  } else if (!locked && error.mtu < rt_path_mtu(rt)) {
    rt_lower_mtu(rt, error.mtu);
  }
  rt_expire_after(rt, inet.tunables.mtudisctimeout);
}

bool ppsratecheck(ppsrate* rate, int64_t max) {
  if (rate->count == 0 || Now() - rate->window_start >= kSecond) {
    rate->window_start = Now();
    rate->count = 0;
  }
  return ++rate->count <= max || max < 0;
}

}  // namespace sockbed
