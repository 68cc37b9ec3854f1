#include "kernel/inet/igmp.h"

#include "kernel/inet/igmp_wire.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/random.h"

namespace sockbed {

namespace {

constexpr SimTime kResponseUnit = kSecond / 10;      // of a query's maximum response time
constexpr SimTime kUnsolicitedMax = 10 * kSecond;    // until a report is repeated (RFC 2236 8.10)
constexpr SimTime kQueryV1Max = 10 * kSecond;        // what a version 1 query means (RFC 2236 4)
constexpr SimTime kV1RouterPresent = 400 * kSecond;  // RFC 2236 8.11
constexpr int kRouterAlert = 4;                      // bytes of that option (RFC 2113)
constexpr uint8_t kRouterAlertOption[kRouterAlert] = {0x94, kRouterAlert, 0, 0};

in_addr AllHosts() { return in_addr{htonl(INADDR_ALLHOSTS_GROUP)}; }
in_addr AllRouters() { return in_addr{htonl(INADDR_ALLRTRS_GROUP)}; }

void Count(igmpstat_counters counter) { ++inet_here().igmpstat[counter]; }

void Drop(igmpstat_counters why, const mbuf* m) {
  const Ipv4View ip = ip_view(m);
  Count(why);
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kIgmpDrop), m->m_pkthdr.ph_ifidx, why,
       PackPair(in_host(ip.source()), in_host(ip.destination())));
}

ifnet* InterfaceOf(const in_multi* inm) { return if_byindex(*inet_here().host, inm->inm_ifidx); }

bool IsReported(const in_multi* inm) {
  const ifnet* ifp = InterfaceOf(inm);
  return ifp != nullptr && (ifp->if_flags & IFF_LOOPBACK) == 0 &&
         in_host(inm->inm_addr) != INADDR_ALLHOSTS_GROUP;
}

// Whether a router that knows version 1 only has asked on that interface lately.
bool HasV1Router(uint32_t ifidx) {
  const auto& until = inet_here().igmp_v1_until;
  const auto found = until.find(ifidx);
  return found != until.end() && Now() < found->second;
}

// --- Sending. ---

void Send(const in_multi* inm, uint8_t type, in_addr destination) {
  constexpr int kHeader = kIpv4HeaderMin + kRouterAlert;
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (m == nullptr) return Count(igps_nobufs);  // as lost as on the wire: queries come again
  m->m_data += max_linkhdr;
  const int total = m->m_len = m->m_pkthdr.len = kHeader + kIgmpMessage;
  Ipv4Header{.total_length = total, .ttl = 1, .protocol = IPPROTO_IGMP, .destination = destination}
      .Write(m->m_data, static_cast<size_t>(total));
  Ipv4Edit ip = ip_edit(m.get());
  ip.set_version_and_length(kHeader);
  ip.set_id(inet_here().ids.Next());
  std::memcpy(m->m_data + kIpv4HeaderMin, kRouterAlertOption, kRouterAlert);
  IgmpMessage{.type = type, .group = inm->inm_addr}.Write(m->m_data + kHeader, kIgmpMessage);

  CauseScope cause(Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kIgmpSend), inm->inm_ifidx,
                        type, in_host(inm->inm_addr)));
  ip_moptions imo{.imo_ifidx = inm->inm_ifidx, .imo_ttl = 1, .imo_loop = false};
  // Nobody waits for it: what goes wrong is counted where it happens.
  (void)ip_output(std::move(m), nullptr, nullptr, IP_RAWOUTPUT, &imo, nullptr);
}

void Report(in_multi* inm) {
  const uint8_t type =
      HasV1Router(inm->inm_ifidx) ? IGMP_v1_HOST_MEMBERSHIP_REPORT : IGMP_v2_HOST_MEMBERSHIP_REPORT;
  inm->inm_last_reporter = true;
  Count(igps_snd_reports);
  Send(inm, type, inm->inm_addr);
}

void TimerFired(void* inm) { Report(static_cast<in_multi*>(inm)); }

// Lets a report be due within `max` from now.
void ReportWithin(in_multi* inm, SimTime max) {
  const DecisionName name = {Site::kNdJitter, inet_here().host->id,
                             PackPair(inm->inm_ifidx, in_host(inm->inm_addr)), inm->inm_draws++};
  const uint64_t delay = Below(Draw(Here().machine->seed(), name), static_cast<uint64_t>(max)) + 1;
  timeout_add_nsec(&inm->inm_timer, static_cast<int64_t>(delay));
}

// --- Receiving. ---

// A router asks. Members answer after a while of chance, so that one report serves all.
void HandleQuery(const mbuf* m, const IgmpView& igmp) {
  const uint32_t ifidx = m->m_pkthdr.ph_ifidx;
  const in_addr to = ip_view(m).destination(), group = igmp.group();
  const bool version1 = igmp.max_response() == 0;
  const bool of_all = version1 || in_isany(group);
  if (of_all ? to.s_addr != AllHosts().s_addr : !in_ismulticast(group)) {
    return Drop(igps_rcv_badqueries, m);
  }
  InetHost& inet = inet_here();
  Count(igps_rcv_queries);
  if (version1) inet.igmp_v1_until[ifidx] = Now() + kV1RouterPresent;
  const SimTime max = version1 ? kQueryV1Max : igmp.max_response() * kResponseUnit;
  for (auto at = inet.multis.lower_bound({ifidx, 0});
       at != inet.multis.end() && at->first.first == ifidx; ++at) {
    in_multi* inm = &at->second;
    if (!IsReported(inm) || (!of_all && inm->inm_addr.s_addr != group.s_addr)) continue;
    const Event& due = inm->inm_timer.to_event;
    if (due.pending() && due.when - Now() <= max) continue;
    ReportWithin(inm, max);
  }
}

// Another host has reported a group: ours need not, nor tell of its end.
void HandleReport(const mbuf* m, const IgmpView& igmp) {
  const in_addr group = igmp.group();
  if (!in_ismulticast(group) || group.s_addr != ip_view(m).destination().s_addr) {
    return Drop(igps_rcv_badreports, m);
  }
  Count(igps_rcv_reports);
  const ifnet* ifp = if_byindex(*inet_here().host, m->m_pkthdr.ph_ifidx);
  in_multi* inm = ifp != nullptr ? in_hasmulti(ifp, group) : nullptr;
  if (inm == nullptr) return;
  Count(igps_rcv_ourreports);
  inm->inm_last_reporter = false;
  timeout_del(&inm->inm_timer);
}

void igmp_input(MbufPtr m, int hlen) {
  Count(igps_rcv_total);
  const int length = m->m_pkthdr.len - hlen;
  if (length < kIgmpMessage) return Drop(igps_rcv_tooshort, m.get());
  if (in4_cksum(m.get(), 0, hlen, length) != 0) return Drop(igps_rcv_badsum, m.get());
  uint8_t message[kIgmpMessage];
  m_copydata(m.get(), hlen, kIgmpMessage, message);
  const IgmpView igmp(message, sizeof message);
  const bool heard = rip_input(m.get(), hlen);
  switch (igmp.type()) {
    case IGMP_HOST_MEMBERSHIP_QUERY: return HandleQuery(m.get(), igmp);
    case IGMP_v1_HOST_MEMBERSHIP_REPORT:
    case IGMP_v2_HOST_MEMBERSHIP_REPORT: return HandleReport(m.get(), igmp);
    default:
      if (!heard) Drop(igps_unclaimed, m.get());
  }
}

}  // namespace

const InetProtocol kIgmpProtocol = {IPPROTO_IGMP, igmp_input, nullptr};

void igmp_joingroup(in_multi* inm) {
  timeout_set(&inm->inm_timer, TimerFired, inm);
  if (!IsReported(inm)) return;
  Report(inm);
  ReportWithin(inm, kUnsolicitedMax);
}

void igmp_leavegroup(in_multi* inm) {
  timeout_del(&inm->inm_timer);
  if (!IsReported(inm) || !inm->inm_last_reporter || HasV1Router(inm->inm_ifidx)) return;
  Count(igps_snd_leaves);
  Send(inm, IGMP_HOST_LEAVE_MESSAGE, AllRouters());
}

uint64_t igmpstat_get(HostBase& host, igmpstat_counters counter) {
  return HostLocal<InetHost>::Of(host).igmpstat[counter];
}

}  // namespace sockbed
