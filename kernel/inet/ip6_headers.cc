// The chain of headers of an IPv6 packet: walking it, and the options inside.
#include <algorithm>
#include <array>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/mbuf/chain.h"

namespace sockbed {

namespace {

constexpr int kHeaderMost = 256 * 8;
constexpr uint8_t kOptionPad1 = 0;
constexpr uint8_t kOptionPadN = 1;
constexpr uint8_t kOptionRouterAlert = 5;
constexpr int kRouterAlertLength = 2;

// What to do about an option that is not known: the two top bits of its type (RFC 8200 4.2).
constexpr int kUnknownSkip = 0, kUnknownDrop = 1, kUnknownTell = 2;

// Drops a packet because of the byte at `at`, and tells its sender.
void Complain(MbufPtr m, uint8_t code, int at) {
  ip6_note_drop(ip6s_badoptions, ip6_source(m.get()), ip6_destination(m.get()), m->m_pkthdr.len);
  icmp6_error(std::move(m), ICMP6_PARAM_PROB, code, static_cast<uint32_t>(at));
}

// Acts on an unknown option at `at`. Null: the packet is gone.
MbufPtr UnknownOption(MbufPtr m, uint8_t type, int at) {
  switch (type >> 6) {
    case kUnknownSkip: return m;
    case kUnknownDrop: ip6_drop(ip6s_badoptions, std::move(m)); return nullptr;
    case kUnknownTell: break;
    default:
      if (in6_ismulticast(ip6_destination(m.get()))) {
        ip6_drop(ip6s_badoptions, std::move(m));
        return nullptr;
      }
  }
  Complain(std::move(m), ICMP6_PARAMPROB_OPTION, at);
  return nullptr;
}

}  // namespace

bool ip6_nexthdr(const mbuf* m, Ip6Chain* at) {
  KASSERT(Ip6IsOptionsHeader(at->next));
  if (at->offset + kIp6ExtensionLeast > m->m_pkthdr.len) return false;
  uint8_t head[2];
  m_copydata(m, at->offset, sizeof head, head);
  const int length = Ip6ExtensionLength(head);
  if (at->offset + length > m->m_pkthdr.len) return false;
  at->next_at = at->offset;
  at->next = head[0];
  at->offset += length;
  return true;
}

bool ip6_unfragpart(const mbuf* m, Ip6Chain* at) {
  // Destination options belong to it only in front of a routing header.
  Ip6Chain probe = *at;
  while (Ip6IsOptionsHeader(probe.next)) {
    const bool belongs = probe.next != IPPROTO_DSTOPTS;
    if (!ip6_nexthdr(m, &probe)) return false;
    if (belongs) *at = probe;
  }
  return true;
}

bool ip6_lasthdr(const mbuf* m, Ip6Chain* at) {
  while (true) {
    if (Ip6IsOptionsHeader(at->next)) {
      if (!ip6_nexthdr(m, at)) return false;
    } else if (at->next == IPPROTO_FRAGMENT) {
      if (at->offset + kIp6FragmentHeader > m->m_pkthdr.len) return false;
      uint8_t head[kIp6FragmentHeader];
      m_copydata(m, at->offset, sizeof head, head);
      const Ip6FragmentView fragment(head, sizeof head);
      if (fragment.offset() != 0) return false;
      at->next_at = at->offset;
      at->next = fragment.next_header();
      at->offset += kIp6FragmentHeader;
    } else {
      return true;
    }
  }
}

MbufPtr ip6_dooptions(MbufPtr m, int off) {
  std::array<uint8_t, kHeaderMost> header;
  m_copydata(m.get(), off, 2, header.data());
  const int length = Ip6ExtensionLength(header.data());
  m_copydata(m.get(), off, length, header.data());
  for (int i = 2; i < length;) {
    const uint8_t type = header[static_cast<size_t>(i)];
    if (type == kOptionPad1) {
      ++i;
      continue;
    }
    // The option's length must stand in the header, and what it says must fit.
    const bool has_length = i + 1 < length;
    const int option = has_length ? header[static_cast<size_t>(i + 1)] : 0;
    const bool fits = has_length && i + 2 + option <= length;
    const bool alert_is_wrong = type == kOptionRouterAlert && option != kRouterAlertLength;
    if (!fits || alert_is_wrong) {
      const int at = std::min(off + i + 1, off + length - 1);
      return Complain(std::move(m), ICMP6_PARAMPROB_HEADER, at), nullptr;
    }
    if (type != kOptionPadN && type != kOptionRouterAlert) {
      m = UnknownOption(std::move(m), type, off + i);
      if (m == nullptr) return nullptr;
    }
    i += 2 + option;
  }
  return m;
}

}  // namespace sockbed
