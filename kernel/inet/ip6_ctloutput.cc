// Socket options of level IPPROTO_IPV6 (spec 12.2), and the control messages that say the same of
// one datagram (spec 10.5). What is not in these tables is refused.
#include <errno.h>

#include <cstring>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr ip6_pktopts kDefaults;

// Options that are one bit of inp_flags.
struct OptionFlag {
  int name;
  int flag;
  bool datagrams;  // it says something of single datagrams only
};
constexpr OptionFlag kFlags[] = {
    {IPV6_RECVPKTINFO, IN6P_PKTINFO, true},     {IPV6_RECVHOPLIMIT, IN6P_HOPLIMIT, true},
    {IPV6_RECVTCLASS, IN6P_TCLASS, true},       {IPV6_RECVPATHMTU, IN6P_MTU, true},
    {kIpv6RecvDstPort, IN6P_RECVDSTPORT, true}, {kIpv6AutoFlowLabel, IN6P_AUTOFLOWLABEL, false},
    {IPV6_V6ONLY, INP_V6ONLY, false},
};

const OptionFlag* FindFlag(int optname) {
  for (const OptionFlag& flag : kFlags) {
    if (flag.name == optname) return &flag;
  }
  return nullptr;
}

bool IsForDatagrams(int optname) {
  const OptionFlag* flag = FindFlag(optname);
  return (flag != nullptr && flag->datagrams) || optname == IPV6_DONTFRAG ||
         optname == IPV6_MTU_DISCOVER || optname == IPV6_PKTINFO || ip6_ismoption(optname);
}

// Extension headers of a program's own: the superuser's in the originals, nobody's here.
bool IsExtensionHeader(int optname) {
  return optname == IPV6_HOPOPTS || optname == IPV6_DSTOPTS || optname == IPV6_RTHDR ||
         optname == IPV6_RTHDRDSTOPTS;
}

template <typename T>
bool Read(const mbuf* m, T* value) {
  if (m == nullptr || m->m_len != static_cast<int>(sizeof *value)) return false;
  std::memcpy(value, m->m_data, sizeof *value);
  return true;
}

template <typename T>
int Write(mbuf* m, const T& value) {
  std::memcpy(m->m_data, &value, sizeof value);
  m->m_len = sizeof value;
  return 0;
}

bool IsByteOrDefault(int value) { return value >= -1 && value <= 255; }

// The pcb's own sticky options, made when the first is set.
ip6_pktopts& OwnOptions(inpcb* inp) {
  if (inp->inp_outputopts6 == nullptr) inp->inp_outputopts6 = new ip6_pktopts;
  return *inp->inp_outputopts6;
}

// Which address and interface to send from. Errors: EADDRNOTAVAIL (not ours), ENXIO (no interface).
int TakePacketInfo(const in6_pktinfo& info, ip6_pktopts* opt) {
  const uint32_t index = info.ipi6_ifindex;
  if (index != 0 && if_byindex(*Here().host, index) == nullptr) return ENXIO;
  const in6_addr addr = in6_setscope(info.ipi6_addr, index);
  if (!in6_isany(addr) && !in6_issource(addr)) return EADDRNOTAVAIL;
  opt->ip6po_addr = addr;
  opt->ip6po_ifindex = index;
  return 0;
}

int SetPortRange(inpcb* inp, int value) {
  if (value < IP_PORTRANGE_DEFAULT || value > IP_PORTRANGE_LOW) return EINVAL;
  inp->inp_flags &= ~(INP_HIGHPORT | INP_LOWPORT);
  if (value == IP_PORTRANGE_HIGH) inp->inp_flags |= INP_HIGHPORT;
  if (value == IP_PORTRANGE_LOW) inp->inp_flags |= INP_LOWPORT;
  return 0;
}

int SetFlag(inpcb* inp, const OptionFlag& flag, int value) {
  if (flag.flag == INP_V6ONLY) {
    // Whose peers it has is settled when it gets its name.
    if (inp->inp_lport != 0 || value < 0 || value > 1) return EINVAL;
  }
  inp->inp_flags = value != 0 ? inp->inp_flags | flag.flag : inp->inp_flags & ~flag.flag;
  return 0;
}

int SetMtu(inpcb* inp, int value) {
  const rtentry* rt = in_pcbrtentry(inp);
  const int most = rt != nullptr ? static_cast<int>(rt->rt_ifp->if_mtu) : kIpv6PayloadMax;
  if (value < static_cast<int>(kIpv6MtuLeast) || value > most) return EINVAL;
  inp->inp_ip6_mtu = static_cast<uint32_t>(value);
  return 0;
}

int SetInt(inpcb* inp, int optname, int value) {
  switch (optname) {
    case IPV6_UNICAST_HOPS:
      if (!IsByteOrDefault(value)) return EINVAL;
      inp->inp_hops = static_cast<int16_t>(value);
      return 0;
    case IPV6_TCLASS:
      if (!IsByteOrDefault(value)) return EINVAL;
      OwnOptions(inp).ip6po_tclass = value;
      return 0;
    case IPV6_MINHOPCOUNT:
      if (value < 0 || value > 255) return EINVAL;
      inp->inp_ip6_minhlim = static_cast<uint8_t>(value);
      return 0;
    case kIpv6UseMinMtu:
      if (value < -1 || value > 1) return EINVAL;
      OwnOptions(inp).ip6po_minmtu = value;
      return 0;
    case IPV6_DONTFRAG: OwnOptions(inp).ip6po_dontfrag = value != 0; return 0;
    case kIpv6PortRange: return SetPortRange(inp, value);
    case IPV6_MTU_DISCOVER:
      if (value < 0 || value > static_cast<int>(MtuDiscover::kProbe)) return EINVAL;
      inp->inp_mtu_discover = static_cast<MtuDiscover>(value);
      return 0;
    case IPV6_MTU: return SetMtu(inp, value);
    default: break;
  }
  const OptionFlag* flag = FindFlag(optname);
  return flag == nullptr ? ENOPROTOOPT : SetFlag(inp, *flag, value);
}

int GetPathMtu(inpcb* inp, uint32_t* mtu) {
  const rtentry* rt = in_pcbrtentry(inp);
  if (rt == nullptr) return ENOTCONN;
  *mtu = ip6_getpmtu(inp, rt_path_mtu(rt));
  return 0;
}

int GetInt(inpcb* inp, int optname, int* value) {
  const ip6_pktopts& opt = in_pcbpktopts(inp);
  switch (optname) {
    case IPV6_UNICAST_HOPS: *value = in6_selecthlim(inp->inp_hops); return 0;
    case IPV6_TCLASS: *value = std::max(opt.ip6po_tclass, 0); return 0;
    case IPV6_MINHOPCOUNT: *value = inp->inp_ip6_minhlim; return 0;
    case kIpv6UseMinMtu: *value = opt.ip6po_minmtu; return 0;
    case IPV6_DONTFRAG: *value = opt.ip6po_dontfrag ? 1 : 0; return 0;
    case kIpv6PortRange:
      *value = (inp->inp_flags & INP_HIGHPORT) != 0  ? IP_PORTRANGE_HIGH
               : (inp->inp_flags & INP_LOWPORT) != 0 ? IP_PORTRANGE_LOW
                                                     : IP_PORTRANGE_DEFAULT;
      return 0;
    case IPV6_MTU_DISCOVER: *value = static_cast<int>(inp->inp_mtu_discover); return 0;
    case IPV6_MTU: {
      uint32_t mtu = 0;
      const int error = GetPathMtu(inp, &mtu);
      *value = static_cast<int>(mtu);
      return error;
    }
    default: break;
  }
  const OptionFlag* flag = FindFlag(optname);
  if (flag == nullptr) return ENOPROTOOPT;
  *value = (inp->inp_flags & flag->flag) != 0 ? 1 : 0;
  return 0;
}

// Options that are more than an int. Errors: ENOPROTOOPT (none of them).
int SetStruct(inpcb* inp, int optname, const mbuf* m) {
  if (optname != IPV6_PKTINFO) return ENOPROTOOPT;
  in6_pktinfo info;
  return Read(m, &info) ? TakePacketInfo(info, &OwnOptions(inp)) : EINVAL;
}

int GetStruct(inpcb* inp, int optname, mbuf* m) {
  if (optname == IPV6_PKTINFO) {
    const ip6_pktopts& opt = in_pcbpktopts(inp);
    in6_pktinfo info{};
    info.ipi6_addr = in6_clearscope(opt.ip6po_addr);
    info.ipi6_ifindex = opt.ip6po_ifindex;
    return Write(m, info);
  }
  if (optname != IPV6_PATHMTU) return ENOPROTOOPT;
  uint32_t mtu = 0;
  if (const int error = GetPathMtu(inp, &mtu)) return error;
  return Write(m, in6_mtuinfo(inp, {inp->inp_faddr, inp->inp_fport}, mtu));
}

}  // namespace

ip6_mtuinfo in6_mtuinfo(const inpcb* inp, const InetName& peer, uint32_t mtu) {
  ip6_mtuinfo info{};
  info.ip6m_addr.sin6_family = AF_INET6;
  info.ip6m_addr.sin6_port = peer.port;
  info.ip6m_addr.sin6_addr = in6_clearscope(peer.addr.v6());
  info.ip6m_addr.sin6_scope_id = in6_zone(peer.addr.v6());
  info.ip6m_mtu = ip6_getpmtu(inp, mtu);
  return info;
}

const ip6_pktopts& in_pcbpktopts(const inpcb* inp) {
  return inp->inp_outputopts6 != nullptr ? *inp->inp_outputopts6 : kDefaults;
}

int ip6_setpktopt(int type, const char* data, size_t size, ip6_pktopts* opt) {
  if (type == IPV6_PKTINFO) {
    in6_pktinfo info;
    if (size != sizeof info) return EINVAL;
    std::memcpy(&info, data, sizeof info);
    return TakePacketInfo(info, opt);
  }
  int value;
  if (size != sizeof value) return EINVAL;
  std::memcpy(&value, data, sizeof value);
  switch (type) {
    case IPV6_HOPLIMIT:
      if (!IsByteOrDefault(value)) return EINVAL;
      opt->ip6po_hlim = value;
      return 0;
    case IPV6_TCLASS:
      if (!IsByteOrDefault(value)) return EINVAL;
      opt->ip6po_tclass = value;
      return 0;
    case IPV6_DONTFRAG: opt->ip6po_dontfrag = value != 0; return 0;
    case kIpv6UseMinMtu:
      if (value < -1 || value > 1) return EINVAL;
      opt->ip6po_minmtu = value;
      return 0;
    default: return EINVAL;
  }
}

int ip6_setpktopts(const mbuf* control, ip6_pktopts* opt) {
  return in_readcontrol(control, IPPROTO_IPV6, [opt](int type, const char* data, size_t size) {
    return ip6_setpktopt(type, data, size, opt);
  });
}

int in_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  const inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  if (level == IPPROTO_IPV6) return ip6_ctloutput(op, so, level, optname, m);
  return in_pcbtalks(inp, true) ? ip_ctloutput(op, so, level, optname, m) : ENOPROTOOPT;
}

int ip6_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  if (level != IPPROTO_IPV6 || !in_pcbis6(inp)) return ENOPROTOOPT;
  if (so->so_type == SOCK_STREAM && IsForDatagrams(optname)) return ENOPROTOOPT;
  if (op == PRCO_SETOPT && IsExtensionHeader(optname)) {
    return (so->so_state & SS_PRIV) != 0 ? ENOPROTOOPT : EPERM;
  }
  if (ip6_ismoption(optname)) {
    return op == PRCO_SETOPT ? ip6_setmoptions(optname, inp, m) : ip6_getmoptions(optname, inp, m);
  }
  const int error = op == PRCO_SETOPT ? SetStruct(inp, optname, m) : GetStruct(inp, optname, m);
  if (error != ENOPROTOOPT) return error;
  int value = 0;
  if (op == PRCO_SETOPT) {
    // Whether the option exists matters more than whether its value is well-formed.
    const bool read = Read(m, &value);
    int current = 0;
    if (!read) return GetInt(inp, optname, &current) == ENOPROTOOPT ? ENOPROTOOPT : EINVAL;
    return SetInt(inp, optname, value);
  }
  const int get_error = GetInt(inp, optname, &value);
  return get_error != 0 ? get_error : Write(m, value);
}

}  // namespace sockbed
