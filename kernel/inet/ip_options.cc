#include <errno.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/time.h"

namespace sockbed {

namespace {

// Types of options (RFC 791 3.1); the high bit says that fragments repeat it.
constexpr uint8_t kEnd = 0;
constexpr uint8_t kNop = 1;
constexpr uint8_t kRecordRoute = 7;
constexpr uint8_t kTimestamp = 68;
constexpr uint8_t kSecurity = 130;
constexpr uint8_t kLooseRoute = 131;
constexpr uint8_t kStrictRoute = 137;
constexpr uint8_t kCopied = 0x80;

// Flags of a timestamp option.
constexpr int kTimeOnly = 0;
constexpr int kTimeAndAddress = 1;
constexpr int kTimePrespecified = 3;

// What one option makes of its packet.
struct Verdict {
  enum What : uint8_t { kGoOn, kForward, kBad, kNoSourceRoute, kNoHost } what = kGoOn;
  int offset = 0;  // kBad: of the wrong byte, in the option
};

constexpr Verdict Bad(int offset) { return {Verdict::kBad, offset}; }

// Length of the option at `p` with `rest` bytes left in the header, or 0 if that makes no sense.
int OptionLength(const uint8_t* p, int rest) {
  if (p[0] == kNop) return 1;
  return rest >= 2 && p[1] >= 2 && p[1] <= rest ? p[1] : 0;
}

// The address that a packet to `dst` would leave with.
bool OutgoingAddress(in_addr dst, in_addr* address) {
  const rtentry* rt = rt_match(dst);
  if (rt == nullptr) return false;
  *address = ifatoia(rt->rt_ifa)->ia_addr;
  return true;
}

Verdict DoSourceRoute(uint8_t* p, int length, Ipv4Edit ip) {
  if (inet_here().tunables.sourceroute == 0) return {Verdict::kNoSourceRoute};
  if (length < 3 || p[2] < 4) return Bad(2);
  const bool strict = p[0] == kStrictRoute;
  if (in_ifawithaddr(ip.destination()) == nullptr) {
    return strict ? Verdict{Verdict::kNoSourceRoute} : Verdict{};
  }
  const int at = p[2] - 1;
  if (at + 4 > length) return {};  // the route has been gone
  const in_addr next = LoadAddress(p + at);
  in_addr here;
  if ((strict && in_ifaonlink(next) == nullptr) || !OutgoingAddress(next, &here)) {
    return {Verdict::kNoSourceRoute};
  }
  StoreAddress(p + at, here);
  p[2] = static_cast<uint8_t>(p[2] + 4);
  ip.set_destination(next);
  return {in_ismulticast(next) ? Verdict::kGoOn : Verdict::kForward};
}

Verdict DoRecordRoute(uint8_t* p, int length, in_addr dst) {
  if (length < 3 || p[2] < 4) return Bad(2);
  const int at = p[2] - 1;
  if (at + 4 > length) return {};  // full
  in_addr here;
  if (!OutgoingAddress(dst, &here)) return {Verdict::kNoHost};
  StoreAddress(p + at, here);
  p[2] = static_cast<uint8_t>(p[2] + 4);
  return {};
}

Verdict DoTimestamp(uint8_t* p, int length, const ifnet* ifp) {
  if (length < 4 || p[2] < 5) return Bad(2);
  const int flag = p[3] & 0x0f;
  int at = p[2] - 1;
  if (at + 4 > length) {
    if (p[3] >> 4 == 15) return Bad(3);  // the count of those without room overflows
    p[3] = static_cast<uint8_t>(p[3] + 0x10);
    return {};
  }
  const bool with_address = flag == kTimeAndAddress || flag == kTimePrespecified;
  if (with_address && at + 8 > length) return Bad(2);
  if (flag == kTimeAndAddress) {
    const in_ifaddr* ifa = in_ifaof(ifp);
    if (ifa == nullptr) return {};
    StoreAddress(p + at, ifa->ia_addr);
    at += 4;
  } else if (flag == kTimePrespecified) {
    if (in_ifawithaddr(LoadAddress(p + at)) == nullptr) return {};
    at += 4;
  } else if (flag != kTimeOnly) {
    return Bad(3);
  }
  StoreBe32(p + at, iptime());
  p[2] = static_cast<uint8_t>(at + 4 + 1);
  return {};
}

Verdict DoOption(ifnet* ifp, mbuf* m, uint8_t* p, int length) {
  switch (p[0]) {
    case kLooseRoute:
    case kStrictRoute:
      return DoSourceRoute(p, length, ip_edit(m));
    case kRecordRoute:
      return DoRecordRoute(p, length, ip_view(m).destination());
    case kTimestamp:
      return DoTimestamp(p, length, ifp);
    default:
      return {};  // security, stream id, router alert, and what we do not know
  }
}

void Complain(const Verdict& verdict, int offset, MbufPtr m) {
  const Ipv4View ip = ip_view(m.get());
  ip_note_drop(ips_badoptions, ip.source(), ip.destination(), m->m_pkthdr.len);
  switch (verdict.what) {
    case Verdict::kNoSourceRoute:
      return icmp_error(std::move(m), ICMP_UNREACH, ICMP_UNREACH_SRCFAIL);
    case Verdict::kNoHost:
      return icmp_error(std::move(m), ICMP_UNREACH, ICMP_UNREACH_HOST);
    default:
      return icmp_error(std::move(m), ICMP_PARAMPROB, 0, {},
                        static_cast<uint32_t>(offset + verdict.offset));
  }
}

// Takes the first hop out of a source route and puts it in front of all options. False: malformed.
bool TakeFirstHop(uint8_t* hop, uint8_t* options, int* total, int at, int length) {
  if (length < 7 || options[at + 2] != 4 || LoadBe32(hop) != 0) return false;
  std::memcpy(hop, options + at + 3, 4);
  std::memmove(options + at + 3, options + at + 7, static_cast<size_t>(*total - at - 7));
  options[at + 1] = static_cast<uint8_t>(length - 4);
  *total -= 4;
  return true;
}

}  // namespace

MbufPtr ip_dooptions(ifnet* ifp, MbufPtr m) {
  m = ip_own_header(std::move(m));
  if (m == nullptr) return nullptr;
  const int hlen = ip_view(m.get()).header_length();
  bool forward = false;
  for (int at = kIpv4HeaderMin; at < hlen;) {
    uint8_t* p = mtod<uint8_t>(m.get()) + at;
    if (p[0] == kEnd) break;
    const int length = OptionLength(p, hlen - at);
    const Verdict verdict = length == 0 ? Bad(1) : DoOption(ifp, m.get(), p, length);
    if (verdict.what > Verdict::kForward) {
      Complain(verdict, at, std::move(m));
      return nullptr;
    }
    forward |= verdict.what == Verdict::kForward;
    at += length;
  }
  // The options may have changed: the header's sum is to be computed anew by whoever shows it.
  m->m_pkthdr.csum_flags |= M_IPV4_CSUM_OUT | M_IPV4_CSUM_IN_OK;
  // A host that is no router has it dropped as any packet that is not for it.
  if (!forward || inet_here().tunables.forwarding == 0) return m;
  ip_forward(ifp, std::move(m), true);
  return nullptr;
}

int ip_pcbopts(const mbuf* given, mbuf** kept) {
  *kept = nullptr;
  if (given == nullptr || given->m_len == 0) return 0;
  int total = given->m_len;
  if (total % 4 != 0 || total > kIpOptionsMax || given->m_next != nullptr) return EINVAL;
  uint8_t bytes[4 + kIpOptionsMax] = {};
  uint8_t* options = bytes + 4;
  std::memcpy(options, given->m_data, static_cast<size_t>(total));
  for (int at = 0; at < total && options[at] != kEnd;) {
    const int length = OptionLength(options + at, total - at);
    if (length == 0) return EINVAL;
    int left = length;
    if (options[at] == kLooseRoute || options[at] == kStrictRoute) {
      if (!TakeFirstHop(bytes, options, &total, at, length)) return EINVAL;
      left -= 4;
    }
    at += left;
  }
  MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
  if (m == nullptr) return ENOBUFS;
  std::memcpy(m->m_data, bytes, static_cast<size_t>(4 + total));
  m->m_len = 4 + total;
  *kept = m.release() /*taken*/;
  return 0;
}

MbufPtr ip_insertoptions(MbufPtr m, const mbuf* kept, int* error) {
  const int length = kept->m_len - 4;
  const uint8_t* bytes = mtod<uint8_t>(kept);
  const int total = m->m_pkthdr.len + length;
  if (total > kIpv4PacketMax) {
    *error = EMSGSIZE;
    ip_drop(ips_cantfrag, std::move(m));
    return nullptr;
  }
  uint8_t header[kIpv4HeaderMin];
  m_copydata(m.get(), 0, kIpv4HeaderMin, header);
  m_adj(m.get(), kIpv4HeaderMin);
  m = m_prepend(std::move(m), kIpv4HeaderMin + length, M_DONTWAIT);
  if (m == nullptr) {
    const Ipv4View ip(header, sizeof header);
    *error = ENOBUFS;
    ip_note_drop(ips_nobufs, ip.source(), ip.destination(), total);
    return nullptr;
  }
  std::memcpy(m->m_data, header, kIpv4HeaderMin);
  std::memcpy(m->m_data + kIpv4HeaderMin, bytes + 4, static_cast<size_t>(length));
  Ipv4Edit ip = ip_edit(m.get());
  ip.set_version_and_length(kIpv4HeaderMin + length);
  ip.set_total_length(total);
  if (LoadBe32(bytes) != 0) {
    // A transport's checksum covers the address that the packet ends at (RFC 1122 4.1.3.4).
    in_proto_cksum_out(m.get(), kTransportChecksumsOut);
    ip.set_destination(LoadAddress(bytes));
  }
  return m;
}

void ip_answeroptions(mbuf* m) {
  uint8_t* p = mtod<uint8_t>(m) + kIpv4HeaderMin;
  int rest = ip_view(m).header_length() - kIpv4HeaderMin;
  while (rest > 0 && p[0] != kEnd) {
    const int length = OptionLength(p, rest);
    KASSERT(length > 0);  // ip_dooptions has seen them
    const bool kept = p[0] == kRecordRoute || p[0] == kTimestamp || p[0] == kSecurity;
    if (!kept) std::memset(p, kNop, static_cast<size_t>(length));
    p += length;
    rest -= length;
  }
}

int ip_optcopy(const uint8_t* options, int length, uint8_t* out) {
  int copied = 0;
  for (int at = 0; at < length && options[at] != kEnd;) {
    const int one = OptionLength(options + at, length - at);
    if (one == 0) break;
    if ((options[at] & kCopied) != 0) {
      std::memcpy(out + copied, options + at, static_cast<size_t>(one));
      copied += one;
    }
    at += one;
  }
  while (copied % 4 != 0) out[copied++] = kEnd;
  return copied;
}

uint32_t iptime() {
  constexpr int64_t kDayMs = 86'400'000;
  return static_cast<uint32_t>((kBootEpochSeconds * 1000 + Now() / kMillisecond) % kDayMs);
}

}  // namespace sockbed
