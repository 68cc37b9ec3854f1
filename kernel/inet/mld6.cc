#include "kernel/inet/mld6.h"

#include <cstring>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/nd6_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/random.h"

namespace sockbed {

namespace {

constexpr SimTime kUnsolicitedMax = 10 * kSecond;  // until a report is repeated (RFC 2710 7.10)

// A hop-by-hop header that holds the router alert for MLD (RFC 2711) and two bytes of padding.
constexpr uint8_t kRouterAlert[] = {IPPROTO_ICMPV6, 0, 0x05, 2, 0, 0, 0x01, 0};
constexpr int kRouterAlertHeader = sizeof kRouterAlert;

ifnet* InterfaceOf(const in6_multi* in6m) { return if_byindex(*Here().host, in6m->in6m_ifidx); }

bool IsReported(const in6_multi* in6m) {
  const ifnet* ifp = InterfaceOf(in6m);
  const in6_addr bare = in6_clearscope(in6m->in6m_addr);
  const bool link = in6_high(bare) == 0xff02'0000'0000'0000;
  const bool by_kernel = link && (in6_low(bare) == 1 || in6_low(bare) >> 24 == 0x1ff);
  return ifp != nullptr && (ifp->if_flags & IFF_LOOPBACK) == 0 && !by_kernel &&
         in6_addrscope(bare) > kScopeInterface;
}

// The link-local address if it is ready; else ::, as RFC 3590 4 allows for reports.
in6_addr SourceOn(const ifnet* ifp) {
  const in6_ifaddr* ia6 = in6_ifalinklocal(ifp);
  const bool ready = ia6 != nullptr && (ia6->ia6_flags & IN6_IFF_NOTREADY) == 0;
  return ready ? ia6->ia_addr : kIn6Any;
}

void Send(const in6_multi* in6m, uint8_t type, const in6_addr& destination) {
  ifnet* ifp = InterfaceOf(in6m);
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (m == nullptr) return icmp6stat_inc(icp6s_nobufs);  // as lost as on the wire
  constexpr int kPayload = kRouterAlertHeader + kMldMessage;
  m->m_data += max_linkhdr;
  m->m_len = m->m_pkthdr.len = kIpv6Header + kPayload;
  Ipv6Header{.payload_length = kPayload,
             .hop_limit = 1,
             .next_header = IPPROTO_HOPOPTS,
             .source = SourceOn(ifp),
             .destination = destination}
      .Write(m->m_data, kIpv6Header);
  uint8_t* p = mtod<uint8_t>(m.get()) + kIpv6Header;
  std::memcpy(p, kRouterAlert, sizeof kRouterAlert);
  p += kRouterAlertHeader;
  IcmpHeader{.type = type, .code = 0}.Write(p, kIcmpHeader);
  StoreAddress6(p + kMldGroupAt, in6_clearscope(in6m->in6m_addr));
  icmp6_send_by(std::move(m), ifp);
}

void Report(in6_multi* in6m) {
  in6m->in6m_last_reporter = true;
  Send(in6m, MLD_LISTENER_REPORT, in6m->in6m_addr);
}

void TimerFired(void* in6m) { Report(static_cast<in6_multi*>(in6m)); }

// Lets a report be due within `max` from now.
void ReportWithin(in6_multi* in6m, SimTime max) {
  const uint64_t object =
      in6_high(in6m->in6m_addr) ^ in6_low(in6m->in6m_addr) ^ uint64_t { in6m->in6m_ifidx } << 48;
  const DecisionName name = {Site::kNdJitter, Here().host_id, object, in6m->in6m_draws++};
  const uint64_t delay = Below(Draw(Here().machine->seed(), name), static_cast<uint64_t>(max)) + 1;
  timeout_add_nsec(&in6m->in6m_timer, static_cast<int64_t>(delay));
}

// A router asks: for all groups, or for one.
void HandleQuery(uint32_t ifidx, SimTime max, const in6_addr& group) {
  Inet6Host& inet6 = inet6_here();
  for (auto at = inet6.groups.lower_bound({ifidx, 0, 0});
       at != inet6.groups.end() && std::get<0>(at->first) == ifidx; ++at) {
    in6_multi* in6m = &at->second;
    if (!IsReported(in6m)) continue;
    if (!in6_isany(group) && !in6_equal(in6m->in6m_addr, group)) continue;
    if (max == 0) {
      timeout_del(&in6m->in6m_timer);
      Report(in6m);
      continue;
    }
    const Event& due = in6m->in6m_timer.to_event;
    if (due.pending() && due.when - Now() <= max) continue;
    ReportWithin(in6m, max);
  }
}

}  // namespace

void mld6_start_listening(in6_multi* in6m) {
  timeout_set(&in6m->in6m_timer, TimerFired, in6m);
  if (!IsReported(in6m)) return;
  Report(in6m);
  ReportWithin(in6m, kUnsolicitedMax);
}

void mld6_stop_listening(in6_multi* in6m) {
  timeout_del(&in6m->in6m_timer);
  if (!IsReported(in6m) || !in6m->in6m_last_reporter) return;
  Send(in6m, MLD_LISTENER_DONE, in6_allrouters(in6m->in6m_ifidx));
}

void mld6_input(MbufPtr m, int hlen) {
  const uint32_t ifidx = m->m_pkthdr.ph_ifidx;
  const int length = m->m_pkthdr.len - hlen;
  if (length < kMldMessage) return icmp6_drop(icp6s_badlen, std::move(m));
  uint8_t message[kMldMessage];
  m_copydata(m.get(), hlen, kMldMessage, message);
  const in6_addr src = ip6_source(m.get());
  const in6_addr group = in6_setscope(LoadAddress6(message + kMldGroupAt), ifidx);
  const bool query = message[0] == MLD_LISTENER_QUERY;
  // RFC 2710 3: from a link-local address, over one hop. A report may come from :: (RFC 3590).
  const bool near = in6_islinklocal(src) || (!query && in6_isany(src));
  const bool possible = in6_ismulticast(group) || (query && in6_isany(group));
  if (ip6_view(m.get()).hop_limit() != 1 || !near || !possible) {
    return icmp6_drop(icp6s_badmld, std::move(m));
  }
  if (query) return HandleQuery(ifidx, LoadBe16(message + kMldDelayAt) * kMillisecond, group);
  if (message[0] != MLD_LISTENER_REPORT) return;  // who leaves says so to routers
  const ifnet* ifp = if_byindex(*Here().host, ifidx);
  in6_multi* in6m = in6_hasmulti(ifp, group);
  if (in6m == nullptr) return;
  in6m->in6m_last_reporter = false;
  timeout_del(&in6m->in6m_timer);
}

}  // namespace sockbed
