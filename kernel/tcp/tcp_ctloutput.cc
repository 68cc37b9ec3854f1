// Options of TCP sockets (tcp(4), getsockopt(2)).
#include <cerrno>
#include <cstring>

#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/mbuf/chain.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

constexpr size_t TCP_CC_NAME_MAX = 16;        // of a congestion control algorithm, 0 included
constexpr int kKeepMaxSeconds = 1 << 20;  // of the TCP_KEEP* times

// Which system knows an option.
enum class Of : uint8_t { kBoth, kOpenBsd, kFreeBsd };

// An option that reads and is set as an int.
struct TcpOption {
  int name;
  Of system;
  int (*set)(tcpcb* tp, int value);  // returns an errno
  int (*get)(const tcpcb* tp);
};

// Something that held data back may be gone.
int OutputIfOpen(tcpcb* tp) { return tp->t_state >= TCPS_ESTABLISHED ? tcp_output(tp) : 0; }

void SetFlag(tcpcb* tp, uint32_t flag, bool on) {
  tp->t_flags = on ? tp->t_flags | flag : tp->t_flags & ~flag;
}
template <uint32_t kFlag>
int GetFlag(const tcpcb* tp) {
  return (tp->t_flags & kFlag) != 0 ? 1 : 0;
}

int SetNoDelay(tcpcb* tp, int value) {
  SetFlag(tp, TF_NODELAY, value != 0);
  return value != 0 ? OutputIfOpen(tp) : 0;
}

int SetNoPush(tcpcb* tp, int value) {
  SetFlag(tp, TF_NOPUSH, value != 0);
  return value == 0 ? OutputIfOpen(tp) : 0;
}

int SetNoOpt(tcpcb* tp, int value) {
  SetFlag(tp, TF_NOOPT, value != 0);
  return 0;
}

int SetFastOpen(tcpcb* tp, int value) {
  if (tp->t_state > TCPS_LISTEN) return EINVAL;  // the SYN has said it
  SetFlag(tp, TF_FASTOPEN, value != 0);
  return 0;
}

int SetMaxSeg(tcpcb* tp, int value) {
  const TcpTunables& set = tunables(tp);
  if (value <= 0 || static_cast<uint32_t>(value) > tp->t_maxseg) return EINVAL;
  const int64_t headers = tcp_headers(tp);
  if (set.freebsd_options != 0 && value + headers < set.minmss) return EINVAL;
  tp->t_maxseg = static_cast<uint32_t>(value);
  return 0;
}
int GetMaxSeg(const tcpcb* tp) { return static_cast<int>(tp->t_maxseg); }

int SetSackEnable(tcpcb* tp, int value) {
  if (tp->t_state > TCPS_LISTEN) return EPERM;  // the SYN has said it
  if (value != 0 && (tp->t_flags & TF_SIGNATURE) != 0) return EPERM;
  SetFlag(tp, TF_REQ_SACK, value != 0);
  return 0;
}

int SetSignature(tcpcb* tp, int value) {
  if (tp->t_state > TCPS_LISTEN) return EPERM;  // the segments sent so far were not signed
  SetFlag(tp, TF_SIGNATURE, value != 0);
  // Laid out the openbsd way, a SYN has no room for SACK beside the signature.
  if (value != 0 && tunables(tp).syn_layout == 0) SetFlag(tp, TF_REQ_SACK, false);
  return 0;
}

// --- Keepalive. 0 goes back to what the host has. ---

int TakeSeconds(int value, int32_t* ms) {
  if (value < 0 || value > kKeepMaxSeconds) return EINVAL;
  *ms = value * 1000;
  return 0;
}

int SetKeepInit(tcpcb* tp, int value) {
  if (int error = TakeSeconds(value, &tp->t_keepinit)) return error;
  // The limit of a handshake that is under way counts from now on, as BSD has it.
  if (tp->t_state == TCPS_SYN_SENT || tp->t_state == TCPS_SYN_RECEIVED) {
    tcp_timer_arm(tp, TCPT_KEEP, tcp_keepinit(tp));
  }
  return 0;
}

int SetKeepIdle(tcpcb* tp, int value) {
  if (int error = TakeSeconds(value, &tp->t_keepidle)) return error;
  tcp_arm_keepalive(tp);
  return 0;
}

int SetKeepIntvl(tcpcb* tp, int value) { return TakeSeconds(value, &tp->t_keepintvl); }

int SetKeepCnt(tcpcb* tp, int value) {
  if (value < 0) return EINVAL;
  tp->t_keepcnt = value;
  return 0;
}

int GetKeepInit(const tcpcb* tp) { return static_cast<int>(tcp_keepinit(tp) / 1000); }
int GetKeepIdle(const tcpcb* tp) { return static_cast<int>(tcp_keepidle(tp) / 1000); }
int GetKeepIntvl(const tcpcb* tp) { return static_cast<int>(tcp_keepintvl(tp) / 1000); }
int GetKeepCnt(const tcpcb* tp) { return static_cast<int>(tcp_keepcnt(tp)); }

int SetMaxUnackTime(tcpcb* tp, int value) { return TakeSeconds(value, &tp->t_maxunacktime); }
int GetMaxUnackTime(const tcpcb* tp) { return static_cast<int>(tp->t_maxunacktime / 1000); }

// The host's name for the same thing, in milliseconds.
int SetUserTimeout(tcpcb* tp, int value) {
  if (value < 0) return EINVAL;
  tp->t_maxunacktime = value;
  return 0;
}
int GetUserTimeout(const tcpcb* tp) { return static_cast<int>(tp->t_maxunacktime); }

int SetUdpPort(tcpcb* tp, int value) {
  if (value < 0 || value > UINT16_MAX) return EINVAL;
  if (value != 0 && tunables(tp).udp_tunneling_port == 0) return EINVAL;
  if (tp->t_state != TCPS_CLOSED) return EINVAL;
  tp->t_port = static_cast<uint16_t>(value);
  return 0;
}
int GetUdpPort(const tcpcb* tp) { return tp->t_port; }

constexpr TcpOption kOptions[] = {
    {TCP_NODELAY, Of::kBoth, SetNoDelay, GetFlag<TF_NODELAY>},
    {TCP_MAXSEG, Of::kBoth, SetMaxSeg, GetMaxSeg},
    {kTcpNoPush, Of::kBoth, SetNoPush, GetFlag<TF_NOPUSH>},
    {TCP_CORK, Of::kBoth, SetNoPush, GetFlag<TF_NOPUSH>},
    {kTcpSackEnable, Of::kOpenBsd, SetSackEnable, GetFlag<TF_REQ_SACK>},
    {TCP_MD5SIG, Of::kBoth, SetSignature, GetFlag<TF_SIGNATURE>},
    {kTcpNoOpt, Of::kFreeBsd, SetNoOpt, GetFlag<TF_NOOPT>},
    {TCP_FASTOPEN, Of::kFreeBsd, SetFastOpen, GetFlag<TF_FASTOPEN>},
    {kTcpKeepInit, Of::kFreeBsd, SetKeepInit, GetKeepInit},
    {TCP_KEEPIDLE, Of::kFreeBsd, SetKeepIdle, GetKeepIdle},
    {TCP_KEEPINTVL, Of::kFreeBsd, SetKeepIntvl, GetKeepIntvl},
    {TCP_KEEPCNT, Of::kFreeBsd, SetKeepCnt, GetKeepCnt},
    {kTcpMaxUnackTime, Of::kFreeBsd, SetMaxUnackTime, GetMaxUnackTime},
    {TCP_USER_TIMEOUT, Of::kFreeBsd, SetUserTimeout, GetUserTimeout},
    {kTcpRemoteUdpEncapsPort, Of::kFreeBsd, SetUdpPort, GetUdpPort},
};

// The row of `optname`, or null: this host does not have it.
const TcpOption* Find(const tcpcb* tp, int optname) {
  const Of other = tunables(tp).freebsd_options != 0 ? Of::kOpenBsd : Of::kFreeBsd;
  for (const TcpOption& option : kOptions) {
    if (option.name == optname) return option.system != other ? &option : nullptr;
  }
  return nullptr;
}

int ReadInt(const mbuf* m, int* value) {
  if (m == nullptr || m->m_len < static_cast<int>(sizeof *value)) return EINVAL;
  m_copydata(m, 0, sizeof *value, value);
  return 0;
}

template <typename T>
void Store(mbuf* m, const T& value) {
  static_assert(sizeof(value) <= MLEN);
  std::memcpy(m->m_data, &value, sizeof value);
  m->m_len = sizeof value;
}

// TCP_CONGESTION: the algorithm's name, with or without a zero byte behind.
int SetCongestion(tcpcb* tp, const mbuf* m) {
  char name[TCP_CC_NAME_MAX] = {};
  if (m == nullptr || m->m_len <= 0 || m->m_len > static_cast<int>(sizeof name)) return EINVAL;
  m_copydata(m, 0, m->m_len, name);
  const cc_algo* algo = tcp_cc_find({name, strnlen(name, sizeof name)});
  if (algo == nullptr) return ESRCH;
  if (algo != tp->t_cc) tp->t_cubic = CubicState{};  // it begins with what the window is now
  tp->t_cc = algo;
  return 0;
}

void GetCongestion(const tcpcb* tp, mbuf* m) {
  char name[TCP_CC_NAME_MAX] = {};
  std::strncpy(name, tp->t_cc->name, sizeof name - 1);
  Store(m, name);
}

// TCP_FUNCTION_BLK: the name of the stack is taken if it is that of the only one.
constexpr char kFunctionSet[] = "freebsd";

int SetFunctionSet(const mbuf* m) {
  tcp_function_set set;
  if (m == nullptr || m->m_len < static_cast<int>(sizeof set)) return EINVAL;
  m_copydata(m, 0, sizeof set, &set);
  set.function_set_name[sizeof set.function_set_name - 1] = 0;
  return std::strcmp(set.function_set_name, kFunctionSet) == 0 ? 0 : ENOENT;
}

void GetFunctionSet(const tcpcb* tp, mbuf* m) {
  tcp_function_set set{};
  std::memcpy(set.function_set_name, kFunctionSet, sizeof kFunctionSet);
  set.pcbcnt = static_cast<uint32_t>(tp->t_host->tcbtable.size());
  Store(m, set);
}

int GetOption(const tcpcb* tp, int optname, mbuf* m) {
  if (optname == TCP_CONGESTION && tunables(tp).freebsd_options != 0) {
    GetCongestion(tp, m);
    return 0;
  }
  if (optname == kTcpFunctionBlk && tunables(tp).freebsd_options != 0) {
    GetFunctionSet(tp, m);
    return 0;
  }
  if (optname == TCP_INFO) {
    Store(m, tcp_host_info(tp));
    return 0;
  }
  if (optname == kTcpInfo) {
    Store(m, tcp_fill_info(tp));
    return 0;
  }
  const TcpOption* option = Find(tp, optname);
  if (option == nullptr) return ENOPROTOOPT;
  Store(m, option->get(tp));
  return 0;
}

int SetOption(tcpcb* tp, int optname, const mbuf* m) {
  const bool freebsd = tunables(tp).freebsd_options != 0;
  if (optname == TCP_CONGESTION && freebsd) return SetCongestion(tp, m);
  if (optname == kTcpFunctionBlk && freebsd) return SetFunctionSet(m);
  const TcpOption* option = Find(tp, optname);
  if (option == nullptr) return ENOPROTOOPT;
  int value = 0;
  if (int error = ReadInt(m, &value)) return error;
  return option->set(tp, value);
}

// What the socket layer has set and TCP must know of.
int HearOf(tcpcb* tp, int optname) {
  switch (optname) {
    case SO_KEEPALIVE:
      // Switched off, the timer finds nothing to do; switched on again, it goes on.
      if (!tcp_timer_isarmed(tp, TCPT_KEEP)) tcp_arm_keepalive(tp);
      return 0;
    case SO_SNDBUF: tp->t_flags |= TF_SNDFIXED; return 0;
    case SO_RCVBUF: tp->t_flags |= TF_RCVFIXED; return 0;
    default: return ENOPROTOOPT;
  }
}

}  // namespace

int tcp_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  tcpcb* tp = sototcpcb(so);
  if (tp == nullptr) return ECONNRESET;
  if (level == SOL_SOCKET) return op == PRCO_SETOPT ? HearOf(tp, optname) : ENOPROTOOPT;
  if (level == IPPROTO_IP || level == IPPROTO_IPV6) return in_ctloutput(op, so, level, optname, m);
  if (level != IPPROTO_TCP) return ENOPROTOOPT;
  return op == PRCO_GETOPT ? GetOption(tp, optname, m) : SetOption(tp, optname, m);
}

}  // namespace sockbed
