// SYN cookies: a handshake whose only memory is the number of its SYN-ACK.
//
// Lives here:  SynCookies, CookieOffer.
// Called by:   tcp_syncache.cc, when there is no room for an entry, or never shall be one.
// Owns:        two secrets: each makes cookies for 15 s and checks them for 15 s more.
// Source:      D. J. Bernstein, SYN cookies (1996); RFC 4987 3.6; FreeBSD syncookies(4).
// Differs:     secrets change at whole multiples of 15 s of virtual time, and only if asked for.
#ifndef SOCKBED_KERNEL_TCP_TCP_SYNCOOKIE_H_
#define SOCKBED_KERNEL_TCP_TCP_SYNCOOKIE_H_

#include <cstdint>

#include "kernel/sim/random.h"
#include "kernel/sim/time.h"
#include "kernel/tcp/tcp_seq.h"
#include "kernel/tcp/tcp_siphash.h"

namespace sockbed {

struct TcpEndpoints;

// What a cookie remembers of the peer's SYN, in seven bits.
struct CookieOffer {
  uint16_t mss = 0;         // rounded down to one of eight
  bool has_wscale = false;  // windows are scaled
  uint8_t wscale = 0;       // rounded down to one of seven
  bool sack = false;
};

class SynCookies {
 public:
  SynCookies();

  static constexpr SimTime kPeriod = 15 * kSecond;

  // The initial number that stands for the handshake.
  tcp_seq Make(const TcpEndpoints& ends, tcp_seq irs, const CookieOffer& offer);
  // Whether `iss` is such a number, made not long ago: then what it remembers.
  bool Check(const TcpEndpoints& ends, tcp_seq irs, tcp_seq iss, CookieOffer* offer);

 private:
  uint32_t Number(uint32_t bits, const TcpEndpoints& ends, tcp_seq irs) const;

  Stream keys_drawn_;  // tcp.cookie
  SipKey keys_[2];
  int64_t periods_[2] = {-1, -1};  // in which each key makes cookies; -1: there is none
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SYNCOOKIE_H_
