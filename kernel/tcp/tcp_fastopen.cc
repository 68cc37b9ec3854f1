#include "kernel/tcp/tcp_fastopen.h"

#include <algorithm>
#include <cstring>

#include "kernel/inet/ip6_wire.h"
#include "kernel/tcp/tcp_segment.h"

namespace sockbed {
namespace {

bool SamePath(const TfoPath& path, const inpaddru& laddr, const inpaddru& faddr, uint16_t fport) {
  return path.laddr == laddr && path.faddr == faddr && path.fport == fport;
}

TfoPath* PathOf(const tcpcb* tp) {
  const inpcb* inp = tcp_inpcb(tp);
  const TcpTunables& set = tunables(tp);
  return tp->t_host->tfo_cache.Take(inp->inp_laddr, inp->inp_faddr, ntohs(inp->inp_fport),
                                    static_cast<size_t>(set.tfo_ccache_buckets),
                                    static_cast<size_t>(set.tfo_ccache_bucket_limit));
}

}  // namespace

std::vector<TfoPath>* TfoCache::BucketOf(const inpaddru& laddr, const inpaddru& faddr,
                                         uint16_t fport) {
  if (buckets_.empty()) return nullptr;
  // The names of servers that a host itself has chosen: no secret is needed.
  const uint64_t server = (faddr.high() * 0xff51afd7ed558ccd ^ faddr.low()) + fport;
  const uint64_t name = server * 0x9e3779b97f4a7c15 + laddr.low();
  return &buckets_[(name >> 32) % buckets_.size()];
}

TfoPath* TfoCache::Find(const inpaddru& laddr, const inpaddru& faddr, uint16_t fport) {
  std::vector<TfoPath>* bucket = BucketOf(laddr, faddr, fport);
  if (bucket == nullptr) return nullptr;
  for (TfoPath& path : *bucket) {
    if (SamePath(path, laddr, faddr, fport)) return &path;
  }
  return nullptr;
}

TfoPath* TfoCache::Take(const inpaddru& laddr, const inpaddru& faddr, uint16_t fport,
                        size_t buckets, size_t bucket_limit) {
  if (buckets_.empty()) buckets_.resize(buckets);
  if (TfoPath* path = Find(laddr, faddr, fport)) return path;
  std::vector<TfoPath>* bucket = BucketOf(laddr, faddr, fport);
  if (bucket->size() >= bucket_limit) bucket->erase(bucket->begin());
  bucket->push_back({.laddr = laddr, .faddr = faddr, .fport = fport});
  return &bucket->back();
}

void tcp_fastopen_connect(tcpcb* tp) {
  tp->t_tfo_state = TfoState::kNone;
  if ((tp->t_flags & TF_FASTOPEN) == 0 || tunables(tp).tfo_client_enable == 0) return;
  const TfoPath* path = PathOf(tp);
  if (path->disabled_until > Now()) return;
  tp->t_tfo_state = path->cookie.length != 0 ? TfoState::kCookie : TfoState::kRequest;
  tp->t_tfo_cookie = path->cookie;
  tp->t_tfo_mss = static_cast<uint16_t>(std::min<uint32_t>(path->mss, tcp_route_mss(tp)));
}

uint32_t tcp_fastopen_room(const tcpcb* tp, uint32_t available) {
  if (tp->t_tfo_state != TfoState::kCookie || tp->t_state != TCPS_SYN_SENT) return 0;
  const uint32_t mss = tp->t_tfo_mss != 0 ? tp->t_tfo_mss : tp->t_maxseg;
  return std::min({available, mss - std::min<uint32_t>(mss, kTcpOptionsMax), tp->snd_cwnd});
}

void tcp_fastopen_timeout(tcpcb* tp) {
  // RFC 7413 4.1.3.1: something on the way may dislike the option, or the data.
  if (tp->t_state == TCPS_SYN_SENT) tp->t_tfo_state = TfoState::kNone;
}

void tcp_fastopen_answer(const TcpSegment& seg, uint32_t acked) {
  tcpcb* tp = seg.tp;
  if (tp->t_tfo_state == TfoState::kNone) return;
  const bool had_cookie = tp->t_tfo_state == TfoState::kCookie;
  TfoPath* path = PathOf(tp);
  if (seg.opt.tfo_length != 0) {
    path->cookie.length = seg.opt.tfo_length;
    std::copy_n(seg.opt.tfo.begin(), seg.opt.tfo_length, path->cookie.bytes.begin());
    path->mss = seg.opt.has_mss ? seg.opt.mss : 0;
  } else if (!had_cookie || acked == 0) {
    // It was asked and gave nothing, or did not take what was offered.
    path->cookie = {};
    path->disabled_until = Now() + tunables(tp).tfo_path_disable_time * kSecond;
  }
}

// --- The server's side. ---

namespace {

TfoCookie CookieOf(const SipKey& key, const inpaddru& client) {
  TfoCookie cookie;
  std::array<uint8_t, 16> name;
  const size_t size = client.is_v4() ? 4 : name.size();
  if (client.is_v4()) {
    StoreAddress(name.data(), client.v4());
  } else {
    StoreAddress6(name.data(), client.v6());
  }
  const uint64_t hash = SipHash24(key, {name.data(), size});
  cookie.length = sizeof hash;
  for (int i = 0; i < 8; ++i) cookie.bytes[i] = static_cast<uint8_t>(hash >> (8 * i));
  return cookie;
}

}  // namespace

TfoKeys::TfoKeys() : keys_drawn_(Site::kTcpFastOpen) {}

void TfoKeys::Renew(SimTime autokey) {
  if (made_ >= 0 && Now() - made_ < autokey) return;
  has_previous_ = made_ >= 0 && Now() - made_ < 2 * autokey;
  previous_ = current_;
  current_ = {keys_drawn_.Next64(), keys_drawn_.Next64()};
  made_ = Now();
}

TfoCookie TfoKeys::Make(const inpaddru& client, SimTime autokey) {
  Renew(autokey);
  return CookieOf(current_, client);
}

bool TfoKeys::Check(const inpaddru& client, std::span<const uint8_t> cookie, SimTime autokey) {
  Renew(autokey);
  const auto is_of = [&](const SipKey& key) {
    const TfoCookie good = CookieOf(key, client);
    return std::equal(cookie.begin(), cookie.end(), good.span().begin(), good.span().end());
  };
  return is_of(current_) || (has_previous_ && is_of(previous_));
}

}  // namespace sockbed
