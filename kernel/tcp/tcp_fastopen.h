// TCP Fast Open: cookies of servers for clients, of clients for servers, and data on a SYN.
//
// Lives here:  TfoCookie, TfoCache; what a connection does with them; TfoKeys, the server's side.
// Called by:   tcp_usrreq.cc (sendto without connect), tcp_output.cc (the SYN), tcp_input_listen.cc
//              (its answer), tcp_timer.cc; tcp_syncache.cc (the server).
// Owns:        TfoCache its entries.
// Source:      RFC 7413; FreeBSD sys/netinet/tcp_fastopen.c; tcp(4).
#ifndef SOCKBED_KERNEL_TCP_TCP_FASTOPEN_H_
#define SOCKBED_KERNEL_TCP_TCP_FASTOPEN_H_

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernel/inet/in6.h"
#include "kernel/sim/random.h"
#include "kernel/sim/time.h"
#include "kernel/tcp/tcp_siphash.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

struct tcpcb;
struct TcpSegment;

struct TfoCookie {
  uint8_t length = 0;  // 0: none
  std::array<uint8_t, kTfoCookieMax> bytes{};

  std::span<const uint8_t> span() const { return {bytes.data(), length}; }
};

// What a client knows of a server.
struct TfoPath {
  inpaddru laddr, faddr;
  uint16_t fport = 0;  // host order
  uint16_t mss = 0;    // the server's, for data on a SYN
  TfoCookie cookie;
  SimTime disabled_until = 0;  // the path, or the server, cannot do it
};

// The paths of a host: buckets of a hash, the oldest path of a full bucket goes.
class TfoCache {
 public:
  TfoPath* Find(const inpaddru& laddr, const inpaddru& faddr, uint16_t fport);
  // The path, a new one if need be. Borrowed until the next Take.
  TfoPath* Take(const inpaddru& laddr, const inpaddru& faddr, uint16_t fport, size_t buckets,
                size_t bucket_limit);
  void Clear() { buckets_.clear(); }

 private:
  std::vector<TfoPath>* BucketOf(const inpaddru& laddr, const inpaddru& faddr, uint16_t fport);

  std::vector<std::vector<TfoPath>> buckets_;
};

// The keys of a server's cookies: one that makes them, and the one before, which is still good.
class TfoKeys {
 public:
  TfoKeys();

  // The cookie of `client`. `autokey`: how long a key makes cookies.
  TfoCookie Make(const inpaddru& client, SimTime autokey);
  bool Check(const inpaddru& client, std::span<const uint8_t> cookie, SimTime autokey);

 private:
  void Renew(SimTime autokey);

  Stream keys_drawn_;  // tcp.tfo
  SipKey current_, previous_;
  SimTime made_ = -1;  // when the current key was; -1: there is none
  bool has_previous_ = false;
};

// How far a connection is with it.
enum class TfoState : uint8_t {
  kNone,     // not asked for, or given up
  kRequest,  // its SYN asks for a cookie
  kCookie,   // its SYN carries one, and data
};

// The connection is about to send its first SYN: looks what is known of the server.
void tcp_fastopen_connect(tcpcb* tp);
// How much data the SYN may carry, if `available` wait.
uint32_t tcp_fastopen_room(const tcpcb* tp, uint32_t available);
// The SYN has timed out: the next one is plain.
void tcp_fastopen_timeout(tcpcb* tp);
// The answer to the SYN, which acknowledges `acked` bytes of the data: keeps the cookie, or learns
// that the path is not for it.
void tcp_fastopen_answer(const TcpSegment& seg, uint32_t acked);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_FASTOPEN_H_
