// sosetopt and sogetopt: the options of level SOL_SOCKET. Other levels are the protocol's.
//
//   host's name        what it is here
//   SO_KEEPALIVE ...   a bit of so_options          kBooleans
//   SO_SNDBUF ...      a number of one buffer       SetBufferOption
//   SO_SNDTIMEO ...    a time limit of one buffer   SetTimeLimit
//   the rest           a case of its own
//
// BSD numbers boolean options by their bit and answers getsockopt with that bit; so does this file,
// though the host's numbers differ.
#include <errno.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/spl.h"
#include "kernel/sched/timeout.h"
#include "kernel/socket/socket_private.h"
#include "kernel/socket/socket_trace.h"
#include "kernel/socket/uipc_splice.h"

namespace sockbed {
namespace {

struct BooleanOption {
  int name;  // the host's
  int bit;   // of so_options
};

constexpr std::array kBooleans = std::to_array<BooleanOption>({
    {SO_DEBUG, kSoDebug},
    {SO_REUSEADDR, kSoReuseAddr},
    {SO_KEEPALIVE, kSoKeepAlive},
    {SO_DONTROUTE, kSoDontRoute},
    {SO_BROADCAST, kSoBroadcast},
    {SO_USELOOPBACK, kSoUseLoopback},
    {SO_LINGER, kSoLinger},
    {SO_OOBINLINE, kSoOobInline},
    {SO_REUSEPORT, kSoReusePort},
    {SO_JUMBO, kSoJumbo},
    {SO_TIMESTAMP, kSoTimestamp},
    {SO_BINDANY, kSoBindAny},
});

// The bit of a boolean option, or 0.
int BitOf(int optname) {
  for (const BooleanOption& option : kBooleans) {
    if (option.name == optname) return option.bit;
  }
  return 0;
}

// A time limit of a buffer is a u_short of ticks in the original.
constexpr int kTimeLimitMax = 65535;
constexpr int kTickUs = static_cast<int>(kTickNs / 1000);

// Reads a T from the start of `m`. Errors: EINVAL (no mbuf, or too short).
template <typename T>
int Fetch(const mbuf* m, T* value) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (m == nullptr || m->m_len < static_cast<int32_t>(sizeof(T))) return EINVAL;
  std::memcpy(value, m->m_data, sizeof(T));
  return 0;
}

// Makes `value` the contents of `m`.
template <typename T>
void Store(mbuf* m, const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= MLEN);
  std::memcpy(m->m_data, &value, sizeof(T));
  m->m_len = sizeof(T);
}

bool IsSuperuser() {
  const proc* p = curproc();
  return p == nullptr || suser(p->p_ucred);  // the kernel itself may do anything
}

// The buffer that an option of a pair SO_SND*, SO_RCV* is about.
sockbuf* BufferOf(socket* so, int optname) {
  const bool snd = optname == SO_SNDBUF || optname == SO_SNDLOWAT || optname == SO_SNDTIMEO;
  return snd ? &so->so_snd : &so->so_rcv;
}

// --- Setting. ---

int SetBoolean(socket* so, int optname, int bit, const mbuf* m) {
  int on = 0;
  if (bit == kSoBindAny && !IsSuperuser()) return EPERM;
  if (optname == SO_LINGER) {
    struct linger value;
    if (m == nullptr || m->m_len != static_cast<int32_t>(sizeof(value))) return EINVAL;
    if (const int error = Fetch(m, &value)) return error;
    if (value.l_linger < 0 || value.l_linger > std::numeric_limits<int16_t>::max()) return EINVAL;
    so->so_linger = value.l_linger;
    on = value.l_onoff;
  } else if (const int error = Fetch(m, &on)) {
    return error;
  }
  so->so_options = on != 0 ? so->so_options | bit : so->so_options & ~bit;
  return 0;
}

// SO_SNDBUF, SO_RCVBUF, SO_SNDLOWAT, SO_RCVLOWAT.
int SetBufferOption(socket* so, int optname, const mbuf* m) {
  int asked = 0;
  if (const int error = Fetch(m, &asked)) return error;
  sockbuf* sb = BufferOf(so, optname);
  const int64_t count = std::max(asked, 1);
  if (optname == SO_SNDLOWAT || optname == SO_RCVLOWAT) {
    sb->sb_lowat = std::min(count, static_cast<int64_t>(sb->sb_hiwat));
    return 0;
  }
  const int closed = sb == &so->so_snd ? SS_CANTSENDMORE : SS_CANTRCVMORE;
  if ((so->so_state & closed) != 0) return EINVAL;
  const auto size = static_cast<uint64_t>(count);
  if (sbcheckreserve(size, sb->sb_wat) != 0 || sbreserve(sb, size) != 0) return ENOBUFS;
  sb->sb_wat = size;
  return 0;
}

// SO_SNDTIMEO, SO_RCVTIMEO. Errors: EINVAL, EDOM (longer than a limit can be).
int SetTimeLimit(socket* so, int optname, const mbuf* m) {
  timeval tv;
  if (const int error = Fetch(m, &tv)) return error;
  if (tv.tv_sec < 0 || tv.tv_usec < 0 || tv.tv_usec >= 1'000'000) return EINVAL;
  if (tv.tv_sec > kTimeLimitMax / hz) return EDOM;
  int ticks = static_cast<int>(tv.tv_sec) * hz + static_cast<int>(tv.tv_usec) / kTickUs;
  if (ticks > kTimeLimitMax) return EDOM;
  if (ticks == 0 && tv.tv_usec > 0) ticks = 1;
  BufferOf(so, optname)->sb_timeo = ticks;
  return 0;
}

// SO_RTABLE belongs to the family's network layer, whose level is that of its first protocol.
int RouteTable(prc_setopt op, socket* so, mbuf* m) {
  const domain* dom = so->so_proto->pr_domain;
  if (so->so_proto->pr_ctloutput == nullptr || dom->dom_protosw.empty()) return ENOPROTOOPT;
  const int level = dom->dom_protosw.front().pr_protocol;
  return so->so_proto->pr_ctloutput(op, so, level, SO_RTABLE, m);
}

// SO_SPLICE: no value ends the splice; an int is the drain; struct splice is everything.
int SetSplice(socket* so, const mbuf* m) {
  if (m == nullptr) return sosplice(so, -1, 0, nullptr);
  splice value;
  if (Fetch(m, &value) == 0) return sosplice(so, value.sp_fd, value.sp_max, &value.sp_idle);
  int fd = -1;
  if (const int error = Fetch(m, &fd)) return error;
  return sosplice(so, fd, 0, nullptr);
}

int SetSocketOption(socket* so, int optname, mbuf* m) {
  if (const int bit = BitOf(optname)) return SetBoolean(so, optname, bit, m);
  switch (optname) {
    case SO_SNDBUF:
    case SO_RCVBUF:
    case SO_SNDLOWAT:
    case SO_RCVLOWAT:
      return SetBufferOption(so, optname, m);
    case SO_SNDTIMEO:
    case SO_RCVTIMEO:
      return SetTimeLimit(so, optname, m);
    case SO_RTABLE:
      return RouteTable(PRCO_SETOPT, so, m);
    case SO_SPLICE:
      return SetSplice(so, m);
    default:
      return ENOPROTOOPT;
  }
}

// --- Getting. ---

timeval TimeLimitOf(const sockbuf* sb) {
  return {.tv_sec = sb->sb_timeo / hz, .tv_usec = (sb->sb_timeo % hz) * kTickUs};
}

int GetPeerCred(socket* so, mbuf* m) {
  ::ucred id{};
  if (const int error = so_request(so->so_proto->pr_usrreqs->pru_peereid, so, &id)) return error;
  Store(m, id);
  return 0;
}

int GetSocketOption(socket* so, int optname, mbuf* m) {
  const int bit = BitOf(optname);
  if (optname == SO_LINGER) {
    const struct linger value = {.l_onoff = so->so_options & bit, .l_linger = so->so_linger};
    Store(m, value);
    return 0;
  }
  if (bit != 0) {
    Store(m, so->so_options & bit);
    return 0;
  }
  const sockbuf* sb = BufferOf(so, optname);
  switch (optname) {
    case SO_TYPE:
      Store(m, so->so_type);
      return 0;
    case SO_ERROR:
      Store(m, so_takeerror(so));
      return 0;
    case SO_SNDBUF:
    case SO_RCVBUF:
      Store(m, static_cast<int>(sb->sb_hiwat));
      return 0;
    case SO_SNDLOWAT:
    case SO_RCVLOWAT:
      Store(m, static_cast<int>(sb->sb_lowat));
      return 0;
    case SO_SNDTIMEO:
    case SO_RCVTIMEO:
      Store(m, TimeLimitOf(sb));
      return 0;
    case SO_PEERCRED:
      return GetPeerCred(so, m);
    case SO_RTABLE:
      return RouteTable(PRCO_GETOPT, so, m);
    case SO_SPLICE: Store(m, so_splicelen(so)); return 0;
    default:
      return ENOPROTOOPT;
  }
}

int SetOption(socket* so, int level, int optname, mbuf* m) {
  const auto ctloutput = so->so_proto->pr_ctloutput;
  if (level != SOL_SOCKET) {
    return ctloutput == nullptr ? ENOPROTOOPT : ctloutput(PRCO_SETOPT, so, level, optname, m);
  }
  const int error = SetSocketOption(so, optname, m);
  if (error == 0 && ctloutput != nullptr && optname != SO_RTABLE) {
    // The protocol may want to know; what it answers is of no interest.
    (void)ctloutput(PRCO_SETOPT, so, level, optname, m);
  }
  return error;
}

}  // namespace

int sosetopt(socket* so, int level, int optname, mbuf* m0) {
  const MbufPtr m(m0);
  const SplScope spl(IPL_SOFTNET);
  const int error = SetOption(so, level, optname, m.get());
  EmitSocket(SocketEvent::kOption, so, static_cast<uint64_t>(level), static_cast<uint64_t>(optname),
             static_cast<uint64_t>(error));
  return error;
}

int sogetopt(socket* so, int level, int optname, mbuf** mp) {
  const SplScope spl(IPL_SOFTNET);
  const auto ctloutput = so->so_proto->pr_ctloutput;
  if (level != SOL_SOCKET && ctloutput == nullptr) return ENOPROTOOPT;
  MbufPtr m = m_get(so_how(), MT_SOOPTS);
  if (m == nullptr) return ENOBUFS;
  const int error = level == SOL_SOCKET ? GetSocketOption(so, optname, m.get())
                                        : ctloutput(PRCO_GETOPT, so, level, optname, m.get());
  if (error == 0) *mp = m.release();
  return error;
}

}  // namespace sockbed
