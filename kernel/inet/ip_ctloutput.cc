// Socket options of level IPPROTO_IP (spec 12.1). What is not in these tables is refused.
#include <errno.h>

#include <cstring>
#include <span>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip_private.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

// Options that are one bit of inp_flags: what a datagram socket wants to be told with each
// datagram.
struct OptionFlag {
  int name;
  int flag;
};
constexpr OptionFlag kFlags[] = {
    {kIpRecvDstAddr, INP_RECVDSTADDR}, {kIpRecvIf, INP_RECVIF},   {IP_RECVTTL, INP_RECVTTL},
    {kIpRecvDstPort, INP_RECVDSTPORT}, {IP_RECVTOS, INP_RECVTOS}, {IP_PKTINFO, INP_RECVPKTINFO},
};

int FlagOf(int optname) {
  for (const auto& [name, flag] : kFlags) {
    if (name == optname) return flag;
  }
  return 0;
}

// Options that only say something of single datagrams.
bool IsForDatagrams(int optname) {
  return FlagOf(optname) != 0 || optname == kIpDontFrag || optname == IP_MTU_DISCOVER ||
         ip_ismoption(optname);
}

bool ReadInt(const mbuf* m, int* value) {
  if (m == nullptr || m->m_len != static_cast<int>(sizeof *value)) return false;
  std::memcpy(value, m->m_data, sizeof *value);
  return true;
}

int WriteInt(mbuf* m, int value) {
  std::memcpy(m->m_data, &value, sizeof value);
  m->m_len = sizeof value;
  return 0;
}

int SetOptions(inpcb* inp, const mbuf* m) {
  mbuf* kept = nullptr;
  const int error = ip_pcbopts(m, &kept);
  if (error != 0) return error;
  m_freemp(&inp->inp_options);
  inp->inp_options = kept;
  return 0;
}

// As the program gave them, a source route's first hop included: it stands in front of what is
// kept.
int GetOptions(const inpcb* inp, mbuf* m) {
  m->m_len = 0;
  if (inp->inp_options == nullptr) return 0;
  const uint8_t* kept = mtod<uint8_t>(inp->inp_options);
  const int skip = LoadBe32(kept) == 0 ? 4 : 0;
  m->m_len = inp->inp_options->m_len - skip;
  std::memcpy(m->m_data, kept + skip, static_cast<size_t>(m->m_len));
  return 0;
}

int SetPortRange(inpcb* inp, int value) {
  if (value < IP_PORTRANGE_DEFAULT || value > IP_PORTRANGE_LOW) return EINVAL;
  inp->inp_flags &= ~(INP_HIGHPORT | INP_LOWPORT);
  if (value == IP_PORTRANGE_HIGH) inp->inp_flags |= INP_HIGHPORT;
  if (value == IP_PORTRANGE_LOW) inp->inp_flags |= INP_LOWPORT;
  return 0;
}

int SetInt(inpcb* inp, int optname, int value) {
  switch (optname) {
    case IP_TOS:
      if (value < 0 || value > 255) return EINVAL;
      inp->inp_ip.ip_tos = static_cast<uint8_t>(value);
      return 0;
    case IP_TTL:
      if (value == -1 && inet_here().tunables.profile == 0) {
        value = static_cast<int>(inet_here().tunables.ttl);
      }
      if (value < 1 || value > 255) return EINVAL;
      inp->inp_ip.ip_ttl = static_cast<uint8_t>(value);
      return 0;
    case IP_MINTTL:
      if (value < 0 || value > 255) return EINVAL;
      inp->inp_ip_minttl = static_cast<uint8_t>(value);
      return 0;
    case kIpPortRange:
      return SetPortRange(inp, value);
    case kIpDontFrag:
      inp->inp_mtu_discover = value != 0 ? MtuDiscover::kProbe : MtuDiscover::kDont;
      return 0;
    case IP_MTU_DISCOVER:
      if (value < 0 || value > static_cast<int>(MtuDiscover::kProbe)) return EINVAL;
      inp->inp_mtu_discover = static_cast<MtuDiscover>(value);
      return 0;
    default:
      break;
  }
  const int flag = FlagOf(optname);
  if (flag == 0) return ENOPROTOOPT;
  inp->inp_flags = value != 0 ? inp->inp_flags | flag : inp->inp_flags & ~flag;
  return 0;
}

int GetPortRange(const inpcb* inp) {
  if ((inp->inp_flags & INP_HIGHPORT) != 0) return IP_PORTRANGE_HIGH;
  return (inp->inp_flags & INP_LOWPORT) != 0 ? IP_PORTRANGE_LOW : IP_PORTRANGE_DEFAULT;
}

int GetInt(inpcb* inp, int optname, int* value) {
  switch (optname) {
    case IP_TOS:
      *value = inp->inp_ip.ip_tos;
      return 0;
    case IP_TTL:
      *value = inp->inp_ip.ip_ttl;
      return 0;
    case IP_MINTTL:
      *value = inp->inp_ip_minttl;
      return 0;
    case kIpPortRange:
      *value = GetPortRange(inp);
      return 0;
    case kIpIpDefTtl:
      *value = static_cast<int>(inet_here().tunables.ttl);
      return 0;
    case kIpDontFrag:
      *value = inp->inp_mtu_discover == MtuDiscover::kProbe ? 1 : 0;
      return 0;
    case IP_MTU_DISCOVER:
      *value = static_cast<int>(inp->inp_mtu_discover);
      return 0;
    case IP_MTU: {
      const rtentry* rt = in_pcbrtentry(inp);
      if (rt == nullptr) return ENOTCONN;
      *value = static_cast<int>(rt_path_mtu(rt));
      return 0;
    }
    default:
      break;
  }
  const int flag = FlagOf(optname);
  if (flag == 0) return ENOPROTOOPT;
  *value = (inp->inp_flags & flag) != 0 ? 1 : 0;
  return 0;
}

}  // namespace

int ip_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  if (level != IPPROTO_IP) return ENOPROTOOPT;
  if (so->so_type == SOCK_STREAM && IsForDatagrams(optname)) return ENOPROTOOPT;
  int value = 0;
  if (op == PRCO_SETOPT) {
    if (optname == IP_OPTIONS) return SetOptions(inp, m);
    if (ip_ismoption(optname)) return ip_setmoptions(optname, inp, m);
    const bool read = ReadInt(m, &value);
    // Whether the option exists matters more than whether its value is well-formed.
    int current = 0;
    if (!read) return GetInt(inp, optname, &current) == ENOPROTOOPT ? ENOPROTOOPT : EINVAL;
    return SetInt(inp, optname, value);
  }
  if (optname == IP_OPTIONS) return GetOptions(inp, m);
  if (ip_ismoption(optname)) return ip_getmoptions(optname, inp, m);
  const int error = GetInt(inp, optname, &value);
  return error != 0 ? error : WriteInt(m, value);
}

// These options of a socket are flags of ip_output as they stand.
static_assert(IP_ROUTETOIF == kSoDontRoute && IP_ALLOWBROADCAST == kSoBroadcast);

uint32_t in_pcboptlen(const inpcb* inp) {
  return static_cast<uint32_t>(inp->inp_options->m_len - 4);  // the first hop stands in front
}

int in_pcboutflags(const inpcb* inp) {
  const int flags = inp->inp_socket->so_options & (IP_ROUTETOIF | IP_ALLOWBROADCAST);
  switch (inp->inp_mtu_discover) {
    case MtuDiscover::kDont: return flags;
    case MtuDiscover::kWant: return flags | IP_MTUWANT;
    case MtuDiscover::kDo: return flags | IP_MTUDISC;
    case MtuDiscover::kProbe: return flags | IP_MTUPROBE;
  }
  KPANIC("inp_mtu_discover");
}

}  // namespace sockbed
