// How large segments are, and how large the buffers behind them.
#include <algorithm>

#include "kernel/inet/ip_var.h"
#include "kernel/inet/route.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_private.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

constexpr uint32_t kMssLeast = 64;      // whatever the route or the peer says
constexpr uint64_t kRcvGrowth = 16384;  // of a receive buffer per round trip

uint64_t RoundUp(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

uint64_t SbMax(const tcpcb* tp) {
  return static_cast<uint64_t>(HostLocal<SocketHost>::Of(*tp->t_host->host).sb_max);
}

}  // namespace

uint32_t tcp_route_mss(const tcpcb* tp) {
  const bool v4 = tcp_is4(tcp_inpcb(tp));
  const uint32_t fallback = tcp_mssdflt(tunables(tp), v4);
  const rtentry* rt = in_pcbrtentry(tcp_inpcb(tp));
  if (rt == nullptr) return fallback;
  // Without discovery nobody knows the path beyond the link.
  if (v4 && rt->rt_mtu == 0 && (rt->rt_ifp->if_flags & IFF_LOOPBACK) == 0 &&
      !ip_mtudisc(*tp->t_host->host)) {
    return fallback;
  }
  uint32_t headers = tcp_headers(v4);
  if (tp->t_port != 0) headers += static_cast<uint32_t>(tunables(tp).udp_tunneling_overhead);
  const uint32_t mtu = rt_path_mtu(rt);
  return mtu > headers ? mtu - headers : 0;
}

namespace {

// What buffers are multiples of.
uint32_t BufferUnit(const tcpcb* tp) {
  return tunables(tp).round_maxopd != 0 ? tp->t_maxopd : tp->t_maxseg;
}

// Rounds a buffer's limit to whole segments.
void RoundBuffer(const tcpcb* tp, sockbuf* sb) {
  const uint64_t limit = std::min(RoundUp(sb->sb_hiwat, BufferUnit(tp)), SbMax(tp));
  if (limit > sb->sb_hiwat) (void)sbreserve(sb, limit);  // cannot fail: at most sb_max
}

void Grow(tcpcb* tp, sockbuf* sb, uint64_t wanted) {
  const uint64_t limit = std::min(RoundUp(wanted, BufferUnit(tp)), SbMax(tp));
  if (limit <= sb->sb_hiwat || sbreserve(sb, limit) != 0) return;
  const bool send = sb == &tcp_so(tp)->so_snd;
  EmitTcp(TcpEvent::kBuffer, tp->t_id, send ? 1 : 0, limit);
}

// What earlier connections to the peer have learnt is a better guess than none.
void UseMetrics(tcpcb* tp) {
  const TcpTunables& set = tunables(tp);
  if (set.hostcache_enable == 0) return;
  const HostMetrics* known =
      tp->t_host->host_cache.Find(tcp_inpcb(tp)->inp_faddr, set.hostcache_expire * kSecond);
  if (known == nullptr) return;
  if (tp->t_srtt == 0 && known->srtt != 0) {
    tp->t_srtt = known->srtt;
    tp->t_rttvar = known->rttvar;
    tp->t_rxtcur = static_cast<int32_t>(tcp_rexmt_interval(tp, 0));
  }
  if (known->ssthresh != 0) tp->snd_ssthresh = known->ssthresh;
}

}  // namespace

uint16_t tcp_mss_offer(const TcpHost& host, const rtentry* rt, bool v4, bool in_udp) {
  const int64_t fallback = tcp_mssdflt(host.tunables, v4);
  const int64_t headers = tcp_headers(v4) + (in_udp ? host.tunables.udp_tunneling_overhead : 0);
  if (rt == nullptr) return static_cast<uint16_t>(fallback);
  const bool by_route = host.tunables.mss_by_route != 0;
  const uint32_t mtu = by_route ? rt_path_mtu(rt) : rt->rt_ifp->if_mtu;
  int64_t mss = mtu - headers;
  if (!by_route) mss = std::max(mss, fallback);
  return static_cast<uint16_t>(std::clamp<int64_t>(mss, 1, kIpv4PacketMax - headers));
}

uint32_t tcp_payload(const tcpcb* tp, uint32_t maxopd) {
  const uint32_t both = TF_REQ_TSTMP | TF_RCVD_TSTMP;
  if ((tp->t_flags & both) == both) maxopd -= TCPOLEN_TSTAMP_APPA;
  if ((tp->t_flags & TF_SIGNATURE) != 0) maxopd -= kTcpOptSignatureLen + 2;
  return maxopd;
}

void tcp_set_maxopd(tcpcb* tp, uint32_t maxopd) {
  tp->t_maxopd = maxopd;
  tp->t_maxseg = tcp_payload(tp, maxopd);
}

void tcp_mss(tcpcb* tp, int offer) {
  const TcpTunables& set = tunables(tp);
  uint32_t mss = tcp_route_mss(tp);
  if (offer > 0) tp->t_peermss = static_cast<uint32_t>(offer);
  const uint32_t peer = tp->t_peermss != 0 ? std::max<uint32_t>(tp->t_peermss, set.minmss)
                                           : tcp_mssdflt(set, tcp_is4(tcp_inpcb(tp)));
  mss = std::clamp<uint32_t>(std::min(mss, peer), kMssLeast, kIpv4PacketMax - tcp_headers(tp));
  const uint32_t old_maxseg = tp->t_maxseg;
  tcp_set_maxopd(tp, mss);
  if (offer < 0) {
    // The path has changed under way: the same number of segments, of their new size.
    if (tp->t_maxseg != old_maxseg) {
      tp->snd_cwnd = std::max(tp->snd_cwnd / old_maxseg, 1u) * tp->t_maxseg;
    }
  } else {
    tp->snd_cwnd = tcp_initial_window(tp);
    UseMetrics(tp);
  }
  tp->snd_ssthresh = std::max(tp->snd_ssthresh, 2 * tp->t_maxseg);
  EmitTcp(TcpEvent::kMss, tp->t_id, tp->t_maxseg, tp->t_maxopd, tp->t_peermss);
}

void tcp_mss_update(tcpcb* tp) {
  socket* so = tcp_so(tp);
  if (so->so_snd.sb_hiwat < tp->t_maxseg) {
    // A segment that the send buffer cannot hold would never be sent whole.
    tp->t_maxseg = std::max(static_cast<uint32_t>(so->so_snd.sb_hiwat), kMssLeast);
  } else {
    RoundBuffer(tp, &so->so_snd);
  }
  if (so->so_rcv.sb_hiwat > tp->t_maxseg) RoundBuffer(tp, &so->so_rcv);
}

void tcp_update_sndspace(tcpcb* tp) {
  const TcpTunables& set = tunables(tp);
  if (set.sendbuf_auto == 0 || (tp->t_flags & TF_SNDFIXED) != 0) return;
  sockbuf* sb = &tcp_so(tp)->so_snd;
  const auto outstanding = static_cast<uint32_t>(tp->snd_max - tp->snd_una);
  if (set.buffer_growth == 0) {
    const uint64_t wanted = sb->sb_wat + outstanding;
    if (wanted > sb->sb_hiwat) Grow(tp, sb, wanted);
    return;
  }
  // The writer keeps it full, and neither window holds the sender back: it is the buffer that does.
  const auto max = static_cast<uint64_t>(set.sendbuf_max);
  const uint64_t window = std::min(tp->snd_wnd, tp->snd_cwnd);
  if (uint64_t{tp->snd_wnd} / 4 * 5 >= sb->sb_hiwat && sb->sb_cc >= sb->sb_hiwat / 8 * 7 &&
      sb->sb_cc < max && window >= sb->sb_cc - outstanding) {
    Grow(tp, sb, std::min(sb->sb_hiwat + static_cast<uint64_t>(set.sendbuf_inc), max));
  }
}

void tcp_update_rcvspace(tcpcb* tp) {
  const TcpTunables& set = tunables(tp);
  if (set.recvbuf_auto == 0 || (tp->t_flags & TF_RCVFIXED) != 0) return;
  sockbuf* sb = &tcp_so(tp)->so_rcv;
  // The peer fills the window: a round trip brings what it holds.
  if (tp->rfbuf_cnt <= sb->sb_hiwat / 8 * 7) return;
  if (set.buffer_growth == 0) {
    Grow(tp, sb, sb->sb_hiwat + kRcvGrowth);
  } else {
    // Room for as much again, as slow start would send next.
    Grow(tp, sb, std::min(uint64_t{tp->rfbuf_cnt} * 2, static_cast<uint64_t>(set.recvbuf_max)));
  }
}

}  // namespace sockbed
