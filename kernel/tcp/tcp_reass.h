// Data that has arrived out of order and waits.
//
// Lives here:  tcpqent.
// Called by:   tcp_reass.cc; TcpHost holds the pool.
// Owns:        its data.
// Invariants:  of one connection: sorted by seq, with something missing between any two, above
//              rcv_nxt.
// Cost:        a segment that goes on where another ended is appended; the walk is over the gaps.
// Source:      OpenBSD sys/netinet/tcp_var.h (struct tcpqent); FreeBSD's tcp_reass.c joins, too.
// Differs:     OpenBSD has an entry for each segment, and counts those against reasslimit.
#ifndef SOCKBED_KERNEL_TCP_TCP_REASS_H_
#define SOCKBED_KERNEL_TCP_TCP_REASS_H_

#include <cstdint>

#include "kernel/mbuf/mbuf.h"
#include "kernel/tcp/tcp_seq.h"

namespace sockbed {

struct tcpqent {
  tcpqent* next = nullptr;
  MbufPtr m;             // null: only a FIN
  mbuf* last = nullptr;  // of m's chain [d]
  tcp_seq seq;           // of the first byte
  uint32_t len = 0;      // bytes of data
  bool fin = false;      // the stream ends behind them

  tcp_seq end() const { return seq + len; }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_REASS_H_
