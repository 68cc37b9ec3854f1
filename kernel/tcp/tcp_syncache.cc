// Handshakes of listeners, kept without sockets until they are complete.
#include "kernel/tcp/tcp_syncache.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernel/inet/route.h"
#include "kernel/sched/spl.h"
#include "kernel/sim/machine.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {

// --- The table. ---

SynCache::SynCache(TcpHost& host) : host_(host), secrets_(Site::kTcpSynHash) {}

uint32_t SynCache::Hash(const TcpEndpoints& ends) const {
  const TcpName name(ends);
  return static_cast<uint32_t>(
      XXH3_64bits_withSeed(name.bytes().data(), name.bytes().size(), secret_));
}

void SynCache::Reseed() {
  const auto size = static_cast<size_t>(host_.tunables.synhashsize);
  if (uses_ > 0 && buckets_.size() == size) return;
  secret_ = secrets_.Next64();
  uses_ = host_.tunables.synuselimit;
  buckets_.assign(size, Bucket{});
  ++host_.stat[tcps_sc_seedrandom];
}

syn_cache* SynCache::Find(const TcpEndpoints& ends) {
  if (live() == 0) return nullptr;
  const uint32_t hash = Hash(ends);
  syn_cache* sc = buckets_[hash % buckets_.size()].first;
  while (sc != nullptr && (sc->sc_hash != hash || !(sc->sc_ends == ends))) sc = sc->sc_bucket_next;
  return sc;
}

void SynCache::Discard(syn_cache* sc) {
  EmitHandshake(sc, TcpHandshake::kDiscarded);
  Remove(sc);
}

bool SynCache::IsFull(const TcpEndpoints& ends) {
  if (live() == 0) return false;
  return buckets_[Hash(ends) % buckets_.size()].length >= host_.tunables.synbucketlimit ||
         live() >= host_.tunables.syncachelimit;
}

syn_cache* SynCache::Add(const TcpEndpoints& ends, tcpcb* listener) {
  if (live() == 0) Reseed();
  const uint32_t hash = Hash(ends);
  const Bucket& bucket = buckets_[hash % buckets_.size()];
  if (bucket.length >= host_.tunables.synbucketlimit) {
    ++host_.stat[tcps_sc_bucketoverflow];
    Discard(bucket.first);
  } else if (live() >= host_.tunables.syncachelimit) {
    ++host_.stat[tcps_sc_overflowed];
    Discard(age_first_);
  }
  syn_cache* sc = pool_.Take();
  if (sc == nullptr) return nullptr;
  --uses_;
  sc->sc_ends = ends;
  sc->sc_hash = hash;
  sc->sc_tp = listener;
  sc->sc_id = ++next_id_;
  Link(sc);
  return sc;
}

void SynCache::Link(syn_cache* sc) {
  Bucket& bucket = buckets_[sc->sc_hash % buckets_.size()];
  ++bucket.length;
  sc->sc_bucket_next = nullptr;
  sc->sc_bucket_prev = bucket.last;
  (bucket.last != nullptr ? bucket.last->sc_bucket_next : bucket.first) = sc;
  bucket.last = sc;

  sc->sc_age_prev = age_last_;
  (age_last_ != nullptr ? age_last_->sc_age_next : age_first_) = sc;
  age_last_ = sc;

  tcpcb* tp = sc->sc_tp;
  sc->sc_tp_next = tp->t_synq;
  if (tp->t_synq != nullptr) tp->t_synq->sc_tp_prev = sc;
  tp->t_synq = sc;
}

void SynCache::Unlink(syn_cache* sc) {
  Bucket& bucket = buckets_[sc->sc_hash % buckets_.size()];
  --bucket.length;
  syn_cache* prev = sc->sc_bucket_prev;
  syn_cache* next = sc->sc_bucket_next;
  (prev != nullptr ? prev->sc_bucket_next : bucket.first) = next;
  (next != nullptr ? next->sc_bucket_prev : bucket.last) = prev;

  prev = sc->sc_age_prev;
  next = sc->sc_age_next;
  (prev != nullptr ? prev->sc_age_next : age_first_) = next;
  (next != nullptr ? next->sc_age_prev : age_last_) = prev;

  prev = sc->sc_tp_prev;
  next = sc->sc_tp_next;
  (prev != nullptr ? prev->sc_tp_next : sc->sc_tp->t_synq) = next;
  if (next != nullptr) next->sc_tp_prev = prev;
}

void SynCache::Remove(syn_cache* sc) {
  Here().machine->Cancel(&sc->sc_timer);
  Unlink(sc);
  pool_.Give(sc);
}

void SynCache::Forget(const TcpEndpoints& ends) {
  syn_cache* sc = live() != 0 ? Find(ends) : nullptr;
  if (sc == nullptr) return;
  EmitHandshake(sc, TcpHandshake::kForgotten);
  Remove(sc);
}

// --- The protocol. ---

namespace {

TcpReply ReplyOf(const syn_cache* sc) {
  TcpReply reply;
  reply.ends = sc->sc_ends;
  reply.seq = sc->sc_iss;
  reply.ack = sc->sc_irs + 1;
  reply.flags = TH_SYN | TH_ACK;
  reply.win = static_cast<uint16_t>(sc->sc_win);
  reply.ip = sc->sc_ip;
  reply.object = sc->sc_tp->t_id;
  return reply;
}

// Sends the SYN-ACK: with what the peer has offered, and nothing else. Errors: ip_output's.
int Respond(TcpHost& host, syn_cache* sc) {
  TcpSynOffer offer;
  const rtentry* rt = rtalloc(&sc->sc_route, sc->sc_ends.faddr);
  if ((sc->sc_tp->t_flags & TF_NOOPT) == 0) {
    const bool in_udp = sc->sc_ip.udp_dport != 0;
    offer.mss = tcp_mss_offer(host, rt, sc->sc_ends.faddr.is_v4(), in_udp);
  }
  offer.sack = sc->sc_has_sack;
  offer.wscale = sc->sc_has_wscale;
  offer.shift = sc->sc_scale;
  offer.timestamp = sc->sc_has_timestamp;
  offer.ts_val = tcp_now(host) + sc->sc_modulate;
  offer.ts_ecr = sc->sc_timestamp;
  TfoCookie cookie;
  if (sc->sc_wants_cookie) {
    cookie = host.tfo_keys.Make(sc->sc_ends.faddr, host.tunables.tfo_autokey * kSecond);
    offer.fastopen = true;
    offer.cookie = cookie.span();
  }
  offer.signature = (sc->sc_tp->t_flags & TF_SIGNATURE) != 0;
  TcpOptionWriter options;
  tcp_write_syn_options(options, offer, static_cast<SynLayout>(host.tunables.syn_layout));
  TcpReply reply = ReplyOf(sc);
  if (sc->sc_has_ecn && sc->sc_rxtshift <= host.tunables.ecn_maxretries) reply.flags |= TH_ECE;
  reply.options = options.bytes();
  reply.md5_at = options.md5_at();
  return tcp_respond(host, reply, &sc->sc_route);
}

// Until the next SYN-ACK: doubled each time.
void ArmTimer(TcpHost& host, syn_cache* sc) {
  int64_t ms = host.tunables.synack_initial << sc->sc_rxtshift;
  if (sc->sc_rxtshift > 0) ms += host.tunables.rexmit_slop;
  Here().machine->Cancel(&sc->sc_timer);
  Here().machine->ScheduleAfter(&sc->sc_timer, ms * kMillisecond);
}

void TimerDue(Event* event) {
  syn_cache* sc = static_cast<decltype(syn_cache::sc_timer)*>(event)->sc;
  TcpHost& host = *sc->sc_tp->t_host;
  if (sc->sc_rxtshift >= host.tunables.synack_retries) {
    ++host.stat[tcps_sc_timed_out];
    EmitHandshake(sc, TcpHandshake::kTimedOut);
    host.syn_cache.Remove(sc);
    return;
  }
  ++sc->sc_rxtshift;
  ++host.stat[tcps_sc_retransmitted];
  EmitHandshake(sc, TcpHandshake::kRetransmitted);
  (void)Respond(host, sc);  // the next timeout tries again
  ArmTimer(host, sc);
}

bool AsksForEcn(const TcpSegment& seg) {
  constexpr uint8_t kBoth = TH_ECE | TH_CWR;
  return (seg.th.th_flags & kBoth) == kBoth;
}

// Whether the SYN asks for Fast Open, of a listener that has it.
bool AsksForFastOpen(const TcpSegment& seg) {
  return seg.opt.has_tfo && (seg.tp->t_flags & TF_FASTOPEN) != 0 &&
         seg.host->tunables.tfo_server_enable != 0;
}

// What the peer's SYN offers and the listener takes up.
void TakeOffer(const TcpSegment& seg, syn_cache* sc) {
  TcpHost& host = *seg.host;
  const tcpcb* listener = seg.tp;
  const TcpOptions& opt = seg.opt;
  inpcb* inp = tcp_inpcb(listener);
  sc->sc_irs = seg.th.th_seq;
  sc->sc_iss = seg.reuse_iss ? *seg.reuse_iss : tcp_new_iss(host, seg.ends);
  sc->sc_peermaxseg = opt.has_mss ? opt.mss : 0;
  sc->sc_ip = tcp_ip_fields(inp, seg.ends.faddr.is_v4());
  tcp_set_udp(host, seg.udp_port, &sc->sc_ip);
  const int64_t space = std::max<int64_t>(sbspace(&tcp_so(listener)->so_rcv), 0);
  sc->sc_win = static_cast<uint32_t>(std::min<int64_t>(space, TCP_MAXWIN));
  if (opt.has_wscale && (listener->t_flags & TF_REQ_SCALE) != 0) {
    sc->sc_has_wscale = true;
    sc->sc_peerscale = opt.wscale;
    sc->sc_scale = tcp_request_scale(host);
  }
  sc->sc_wants_cookie = AsksForFastOpen(seg);
  sc->sc_has_ecn = AsksForEcn(seg) && host.tunables.ecn != 0;
  sc->sc_has_sack = opt.sack_permitted && (listener->t_flags & TF_REQ_SACK) != 0;
  if (opt.has_timestamp && (listener->t_flags & TF_REQ_TSTMP) != 0) {
    sc->sc_has_timestamp = true;
    sc->sc_timestamp = opt.ts_val;
    if (host.tunables.ts_offset_per_conn != 0) sc->sc_modulate = host.ts_offsets.Next32();
  }
}

// A SYN of a handshake that is under way. Its number is not compared: the answer is for the first
// one.
void AnswerAgain(TcpSegment& seg, syn_cache* sc) {
  TcpHost& host = *seg.host;
  ++host.stat[tcps_sc_dupesyn];
  EmitHandshake(sc, TcpHandshake::kAgain);
  const bool anew = host.tunables.cache_again_resets != 0;
  if (seg.opt.has_timestamp) {
    if (sc->sc_has_timestamp) sc->sc_timestamp = seg.opt.ts_val;
  } else if (anew) {
    sc->sc_has_timestamp = false;
  }
  sc->sc_sent = -1;  // Karn: nobody knows which one is acknowledged
  if (anew) {
    sc->sc_rxtshift = 0;
    sc->sc_again = true;
    sc->sc_has_ecn = sc->sc_has_ecn && AsksForEcn(seg);
  }
  (void)Respond(host, sc);  // the timer tries again
  ArmTimer(host, sc);
}

// The handshake is complete: gives the new socket's tcpcb what the cache knows.
void Inherit(const syn_cache* sc, const tcpcb* listener, tcpcb* tp) {
  const inpcb* from = tcp_inpcb(listener);
  inpcb* inp = tcp_inpcb(tp);
  in_pcbinherit(inp, from);
  constexpr uint32_t kInherited = TF_NODELAY | TF_NOPUSH | TF_REQ_SCALE | TF_REQ_TSTMP |
                                  TF_REQ_SACK | TF_NOOPT | TF_SIGNATURE | TF_SNDFIXED | TF_RCVFIXED;
  tp->t_flags = (tp->t_flags & ~kInherited) | (listener->t_flags & kInherited);
  tp->t_keepinit = listener->t_keepinit;
  tp->t_keepidle = listener->t_keepidle;
  tp->t_keepintvl = listener->t_keepintvl;
  tp->t_keepcnt = listener->t_keepcnt;
  tp->t_maxunacktime = listener->t_maxunacktime;
  tp->t_port = sc->sc_ip.udp_dport;
  tp->request_r_scale = sc->sc_scale;
  tp->ts_modulate = sc->sc_modulate;
  TcpOptions opt;
  opt.has_wscale = sc->sc_has_wscale;
  opt.wscale = sc->sc_peerscale;
  opt.has_timestamp = sc->sc_has_timestamp;
  opt.ts_val = sc->sc_timestamp;
  opt.sack_permitted = sc->sc_has_sack;
  tcp_negotiate(tp, opt);

  tp->irs = sc->sc_irs;
  tp->iss = sc->sc_iss;
  tcp_rcvseqinit(tp);
  tp->rcv_adv += sc->sc_win;
  tcp_sendseqinit(tp);
  tp->t_flags &= ~TF_SYNPENDING;
  tp->snd_una = tp->snd_nxt = tp->snd_max = tp->snd_up = tp->snd_last = tp->iss + 1;
  tp->snd_wl1 = tp->irs;
  tp->snd_wl2 = tp->iss;
  tcp_mss(tp, sc->sc_peermaxseg);
  if (sc->sc_rxtshift > 0 || sc->sc_again) tp->snd_cwnd = tp->t_maxseg;  // RFC 5681 3.1
  if (tunables(tp).cache_rtt != 0 && sc->sc_rxtshift == 0 && sc->sc_sent >= 0) {
    tcp_xmit_timer(tp, (Now() - sc->sc_sent) / kMillisecond);
  }
  if (sc->sc_has_ecn && sc->sc_rxtshift <= tunables(tp).ecn_maxretries) {
    tp->t_flags |= TF_ECN_PERMIT;
    ++tp->t_host->stat[tcps_ecn_accepts];
  }
}

// --- Cookies: without an entry. ---

// Whether the SYN is answered without keeping anything of it.
bool UsesCookie(TcpHost& host, const TcpEndpoints& ends) {
  const TcpTunables& set = host.tunables;
  if (set.syncookies == 0) return false;
  return set.syncookies_only != 0 || host.syn_cache.IsFull(ends);
}

// Answers the SYN with a number that stands for what it offered. What that cannot hold, a timestamp
// and ECN, is not agreed upon here; a timestamp on the last segment of the handshake still is.
void SendCookie(TcpSegment& seg) {
  TcpHost& host = *seg.host;
  syn_cache sc;
  sc.sc_ends = seg.ends;
  sc.sc_tp = seg.tp;
  TakeOffer(seg, &sc);
  sc.sc_has_ecn = false;
  sc.sc_modulate = 0;  // nobody would remember it
  const CookieOffer offer{.mss = sc.sc_peermaxseg,
                          .has_wscale = sc.sc_has_wscale,
                          .wscale = sc.sc_peerscale,
                          .sack = sc.sc_has_sack};
  sc.sc_iss = host.syn_cache.cookies.Make(seg.ends, sc.sc_irs, offer);
  if (host.tunables.syncookies_only == 0) host.syn_cache.last_cookie = Now();
  ++host.stat[tcps_sc_sendcookie];
  (void)Respond(host, &sc);  // the peer sends its SYN again
}

// The handshake that an ACK without an entry completes, if its number is a cookie.
bool RecallCookie(const TcpSegment& seg, syn_cache* sc) {
  TcpHost& host = *seg.host;
  const TcpTunables& set = host.tunables;
  SynCache& cache = host.syn_cache;
  const bool lately = cache.last_cookie >= 0 && Now() - cache.last_cookie <= SynCookies::kPeriod;
  if (set.syncookies == 0 || (set.syncookies_only == 0 && !lately)) return false;
  CookieOffer offer;
  sc->sc_irs = seg.th.th_seq - 1;
  sc->sc_iss = seg.th.th_ack - 1;
  if (!cache.cookies.Check(seg.ends, sc->sc_irs, sc->sc_iss, &offer)) return false;
  const tcpcb* listener = seg.tp;
  sc->sc_ends = seg.ends;
  sc->sc_tp = seg.tp;
  tcp_set_udp(host, seg.udp_port, &sc->sc_ip);  // the cookie does not know it
  sc->sc_peermaxseg = offer.mss;
  sc->sc_has_sack = offer.sack;
  sc->sc_has_wscale = offer.has_wscale;
  sc->sc_peerscale = offer.wscale;
  sc->sc_scale = tcp_request_scale(host);
  sc->sc_has_timestamp = seg.opt.has_timestamp && (listener->t_flags & TF_REQ_TSTMP) != 0;
  sc->sc_timestamp = seg.opt.ts_val;
  const int64_t space = std::max<int64_t>(sbspace(&tcp_so(listener)->so_rcv), 0);
  sc->sc_win = static_cast<uint32_t>(std::min<int64_t>(space, TCP_MAXWIN));
  ++host.stat[tcps_sc_recvcookie];
  return true;
}

// A socket of its own for the connection, or null.
tcpcb* MakeConnection(TcpSegment& seg, const syn_cache* sc) {
  tcpcb* listener = seg.tp;
  socket* so = sonewconn(tcp_so(listener), 0);
  if (so == nullptr) return nullptr;
  tcpcb* tp = sototcpcb(so);
  const TcpEndpoints& ends = sc->sc_ends;
  if (in_pcbset_addr(tcp_inpcb(tp), ends.faddr, htons(ends.fport), ends.laddr, htons(ends.lport)) !=
      0) {
    soabort(so);
    return nullptr;
  }
  tcp_inpcb(tp)->inp_route = sc->sc_route;  // the way that the SYN-ACK has gone
  EmitOpen(tp->t_id, ends, false);
  Inherit(sc, listener, tp);
  return tp;
}

}  // namespace

namespace {

// Connections that wait to be accepted, and whose peer may not even exist.
int UnprovenConnections(const socket* head) {
  int count = 0;
  for (const socket* so = head->so_q.first; so != nullptr; so = so->so_qe_next) {
    const tcpcb* tp = sototcpcb(so);
    if (tp != nullptr && tp->t_state == TCPS_SYN_RECEIVED) ++count;
  }
  return count;
}

}  // namespace

tcpcb* syn_cache_fastopen(TcpSegment& seg) {
  TcpHost& host = *seg.host;
  const socket* head = tcp_so(seg.tp);
  if (!AsksForFastOpen(seg) || seg.opt.tfo_length == 0 ||
      host.syn_cache.Find(seg.ends) != nullptr ||
      !host.tfo_keys.Check(seg.ends.faddr, {seg.opt.tfo.data(), seg.opt.tfo_length},
                           host.tunables.tfo_autokey * kSecond) ||
      UnprovenConnections(head) >= std::max(head->so_qlimit / 2, 1)) {
    return nullptr;
  }
  syn_cache sc;
  sc.sc_ends = seg.ends;
  sc.sc_tp = seg.tp;
  TakeOffer(seg, &sc);
  tcpcb* tp = MakeConnection(seg, &sc);
  if (tp == nullptr) return nullptr;
  ++host.stat[tcps_tfo_accepts];
  ++host.stat[tcps_accepts];
  seg.tp = tp;
  tcp_sendseqinit(tp);  // our SYN is still to be sent
  tp->snd_wnd = tp->max_sndwnd = seg.th.th_win;
  tp->t_flags |= TF_FASTOPENED | TF_ACKNOW;
  tcp_newstate(tp, TCPS_SYN_RECEIVED);
  tcp_timer_arm(tp, TCPT_KEEP, tcp_keepinit(tp));
  soisconnected(tcp_so(tp));  // whoever accepts may read and write at once (RFC 7413 4.2)
  return tp;
}

void syn_cache_add(TcpSegment& seg) {
  TcpHost& host = *seg.host;
  if (syn_cache* sc = host.syn_cache.Find(seg.ends)) {
    AnswerAgain(seg, sc);
    return;
  }
  if (UsesCookie(host, seg.ends)) {
    SendCookie(seg);
    return;
  }
  syn_cache* sc = host.syn_cache.Add(seg.ends, seg.tp);
  if (sc == nullptr) {
    (void)tcp_dropped(seg, tcps_dropsyn);
    return;
  }
  sc->sc_timer.handler = TimerDue;
  sc->sc_timer.ipl = IPL_SOFTCLOCK;
  sc->sc_timer.sc = sc;
  TakeOffer(seg, sc);
  EmitHandshake(sc, TcpHandshake::kAdded);
  if (Respond(host, sc) != 0) {
    ++host.stat[tcps_sc_dropped];
    host.syn_cache.Remove(sc);
    return;
  }
  ++host.stat[tcps_sc_added];
  sc->sc_sent = Now();
  ArmTimer(host, sc);
}

namespace {

// The connection stands.
tcpcb* Complete(TcpHost& host, tcpcb* tp) {
  ++host.stat[tcps_sc_completed];
  ++host.stat[tcps_accepts];
  tcp_newstate(tp, TCPS_SYN_RECEIVED);
  tcp_established(tp);
  return tp;
}

// An ACK for a listener that no entry knows.
tcpcb* GetByCookie(TcpSegment& seg, bool* reset) {
  TcpHost& host = *seg.host;
  syn_cache sc;
  *reset = true;
  if (!RecallCookie(seg, &sc)) {
    (void)tcp_dropped(seg, tcps_listendrop);
    return nullptr;
  }
  tcpcb* tp = MakeConnection(seg, &sc);
  if (tp == nullptr) {
    (void)tcp_dropped(seg, tcps_dropsyn);
    *reset = host.tunables.rst_on_sock_fail != 0;
    return nullptr;
  }
  return Complete(host, tp);
}

}  // namespace

tcpcb* syn_cache_get(TcpSegment& seg, bool* reset) {
  TcpHost& host = *seg.host;
  syn_cache* sc = host.syn_cache.Find(seg.ends);
  if (sc == nullptr) return GetByCookie(seg, reset);
  if (sc->sc_ip.udp_dport != seg.udp_port) {
    (void)tcp_dropped(seg, tcps_tunneled_errs);
    *reset = true;
    return nullptr;
  }
  const int32_t beyond = seg.th.th_seq - (sc->sc_irs + 1);
  const bool in_window = beyond >= 0 && static_cast<uint32_t>(beyond) <= sc->sc_win;
  if (seg.th.th_ack != sc->sc_iss + 1 || !in_window) {
    (void)tcp_dropped(seg, tcps_listendrop);
    *reset = host.tunables.cache_bad_ack_rst != 0;
    if (!*reset) (void)Respond(host, sc);  // the timer tries again
    return nullptr;
  }
  if (sc->sc_has_timestamp && seg.opt.has_timestamp && TSTMP_LT(seg.opt.ts_val, sc->sc_timestamp)) {
    (void)tcp_dropped(seg, tcps_pawsdrop);
    return nullptr;
  }
  tcpcb* tp = MakeConnection(seg, sc);
  if (tp == nullptr) {
    (void)tcp_dropped(seg, tcps_dropsyn);
    *reset = host.tunables.rst_on_sock_fail != 0;
    if (!*reset) return nullptr;  // the entry stays: perhaps there is room at the next ACK
    ++host.stat[tcps_sc_aborted];
    EmitHandshake(sc, TcpHandshake::kAborted);
    host.syn_cache.Remove(sc);
    return nullptr;
  }
  EmitHandshake(sc, TcpHandshake::kCompleted);
  host.syn_cache.Remove(sc);
  return Complete(host, tp);
}

void syn_cache_reset(TcpSegment& seg) {
  TcpHost& host = *seg.host;
  const TcpTunables& set = host.tunables;
  syn_cache* sc = host.syn_cache.Find(seg.ends);
  if (sc == nullptr) {
    (void)tcp_dropped(seg, tcps_listendrop);
    return;
  }
  if (sc->sc_ip.udp_dport != seg.udp_port) {
    (void)tcp_dropped(seg, tcps_tunneled_errs);
    return;
  }
  const int32_t beyond = seg.th.th_seq - (sc->sc_irs + 1);
  const bool in_window = beyond >= 0 && static_cast<uint32_t>(beyond) < std::max(sc->sc_win, 1u);
  bool believed = beyond == 0;
  if (set.cache_rst_strict == 0) believed = beyond == 0 || beyond == -1;
  if (set.insecure_rst != 0) believed = believed || in_window;
  if (believed) {
    ++host.stat[tcps_sc_reset];
    EmitHandshake(sc, TcpHandshake::kReset);
    host.syn_cache.Remove(sc);
    return;
  }
  (void)tcp_dropped(seg, tcps_rcvbadrst);
  if (set.cache_rst_strict == 0 || !in_window) return;
  TcpReply reply = ReplyOf(sc);
  reply.flags = TH_ACK;
  reply.seq = sc->sc_iss + 1;
  if (sc->sc_has_wscale) reply.win = static_cast<uint16_t>(sc->sc_win >> sc->sc_scale);
  TcpOptionWriter options;
  if (sc->sc_has_timestamp) {
    options.PaddedTimestamp(tcp_now(host) + sc->sc_modulate, sc->sc_timestamp);
  }
  if ((sc->sc_tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
  reply.options = options.bytes();
  reply.md5_at = options.md5_at();
  if (!ppsratecheck(&host.ack_rate, set.ackppslimit)) {
    ++host.stat[tcps_challenge_dropped];
    return;
  }
  ++host.stat[tcps_challenge];
  (void)tcp_respond(host, reply, &sc->sc_route);  // lost like any ACK
}

void syn_cache_unreach(TcpHost& host, const TcpEndpoints& ends, tcp_seq seq, uint16_t udp_port) {
  constexpr int kTries = 3;  // SYN-ACKs sent again before a router is believed
  syn_cache* sc = host.syn_cache.Find(ends);
  if (sc == nullptr || seq != sc->sc_iss || sc->sc_ip.udp_dport != udp_port) return;
  if (!sc->sc_unreach || sc->sc_rxtshift < kTries) {
    sc->sc_unreach = true;
    return;
  }
  ++host.stat[tcps_sc_unreach];
  EmitHandshake(sc, TcpHandshake::kUnreachable);
  host.syn_cache.Remove(sc);
}

void syn_cache_cleanup(tcpcb* listener) {
  while (listener->t_synq != nullptr) {
    EmitHandshake(listener->t_synq, TcpHandshake::kForgotten);
    listener->t_host->syn_cache.Remove(listener->t_synq);
  }
}

}  // namespace sockbed
