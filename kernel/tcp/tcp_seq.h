// Sequence numbers: a circle of 2^32, compared by signed distance.
//
// Lives here:  tcp_seq, SEQ_LT and kin; TSTMP_LT and kin for timestamps, which wrap the same way.
// Called by:   all of tcp/.
// Invariants:  two numbers are ordered only if they are less than 2^31 apart; hence no plain <
//              exists.
// Source:      RFC 9293 3.4, RFC 7323 5.2; OpenBSD sys/netinet/tcp_seq.h.
#ifndef SOCKBED_KERNEL_TCP_TCP_SEQ_H_
#define SOCKBED_KERNEL_TCP_TCP_SEQ_H_

#include <cstdint>

namespace sockbed {

class tcp_seq {
 public:
  constexpr tcp_seq() = default;
  constexpr explicit tcp_seq(uint32_t value) : value_(value) {}

  constexpr uint32_t value() const { return value_; }

  constexpr tcp_seq& operator+=(uint32_t n) {
    value_ += n;
    return *this;
  }
  friend constexpr tcp_seq operator+(tcp_seq a, uint32_t n) { return tcp_seq(a.value_ + n); }
  friend constexpr tcp_seq operator-(tcp_seq a, uint32_t n) { return tcp_seq(a.value_ - n); }
  // How far `a` lies ahead of `b`; negative when it lies behind.
  friend constexpr int32_t operator-(tcp_seq a, tcp_seq b) {
    return static_cast<int32_t>(a.value_ - b.value_);
  }
  friend constexpr bool operator==(tcp_seq, tcp_seq) = default;

 private:
  uint32_t value_ = 0;
};

constexpr bool SEQ_LT(tcp_seq a, tcp_seq b) { return a - b < 0; }
constexpr bool SEQ_LEQ(tcp_seq a, tcp_seq b) { return a - b <= 0; }
constexpr bool SEQ_GT(tcp_seq a, tcp_seq b) { return a - b > 0; }
constexpr bool SEQ_GEQ(tcp_seq a, tcp_seq b) { return a - b >= 0; }
constexpr tcp_seq SEQ_MIN(tcp_seq a, tcp_seq b) { return SEQ_LT(a, b) ? a : b; }
constexpr tcp_seq SEQ_MAX(tcp_seq a, tcp_seq b) { return SEQ_GT(a, b) ? a : b; }

// Timestamps are plain numbers of milliseconds: they are added to and echoed, never confused with
// data.
constexpr bool TSTMP_LT(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
constexpr bool TSTMP_GEQ(uint32_t a, uint32_t b) { return !TSTMP_LT(a, b); }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SEQ_H_
