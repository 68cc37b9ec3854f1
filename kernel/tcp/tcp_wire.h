// The TCP header and its options on the wire: a view that reads them, builders that make them.
//
// Lives here:  TcpHeader, TcpView, TcpOptions, tcp_parse_options, TcpOptionWriter.
// Called by:   tcp_input, tcp_output, tcp_syncache, tcp_subr; tests and tools that look at
//              segments.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Units:       host byte order; lengths in bytes (the wire counts the header in 4).
// Invariants:  1. A view is made over at least 20 bytes; then no accessor can fail.
//              2. Parsing reads no byte beyond the span it was given, whatever the lengths claim.
//              3. A writer never makes more than 40 bytes, and always a multiple of 4.
// Source:      RFC 9293 3.1, 3.2; RFC 7323 2.2, 3.2; RFC 2018 2, 3.
#ifndef SOCKBED_KERNEL_TCP_TCP_WIRE_H_
#define SOCKBED_KERNEL_TCP_TCP_WIRE_H_

#include <netinet/tcp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "kernel/inet/ip_wire.h"
#include "kernel/sim/kassert.h"
#include "kernel/tcp/tcp_seq.h"

namespace sockbed {

// The two flags that RFC 3168 has added to the six of <netinet/tcp.h>.
inline constexpr uint8_t TH_ECE = 0x40;  // a mark was seen; with SYN: ECN is known here
inline constexpr uint8_t TH_CWR = 0x80;  // the window was reduced for it

inline constexpr int kTcpHeaderMin = 20;
inline constexpr int kTcpHeaderMax = 60;
inline constexpr int kTcpOptionsMax = kTcpHeaderMax - kTcpHeaderMin;
inline constexpr int kTcpChecksumOffset = 16;
inline constexpr uint8_t kTcpOptFastOpen = 34;   // TCPOPT_FASTOPEN (RFC 7413)
inline constexpr uint8_t kTcpOptSignature = 19;  // TCPOPT_SIGNATURE (RFC 2385)
inline constexpr int kTcpOptSignatureLen = 18;
inline constexpr int kTfoCookieMin = 4;  // a cookie's length: even, 4 to 16
inline constexpr int kTfoCookieMax = 16;
inline constexpr int kTcpSackBlocksMax = 4;  // what fits into 40 bytes

// The fixed header by meaning. Without th_sum: that is read on arrival and left to the interface on
// the way out.
struct TcpHeader {
  uint16_t th_sport = 0;
  uint16_t th_dport = 0;
  tcp_seq th_seq;
  tcp_seq th_ack;
  uint8_t th_flags = 0;  // TH_*
  uint16_t th_win = 0;
  uint16_t th_urp = 0;

  // Writes the header, checksum 0, to the front of `bytes`. REQUIRES: size >= 20; `header_length`,
  // options included, is a multiple of 4 up to 60.
  void Write(std::span<uint8_t> bytes, int header_length) const;
};

[[gnu::always_inline]] inline void TcpHeader::Write(std::span<uint8_t> bytes,
                                                    int header_length) const {
  KASSERT(bytes.size() >= kTcpHeaderMin);
  KASSERT(header_length >= kTcpHeaderMin && header_length <= kTcpHeaderMax &&
          header_length % 4 == 0);
  uint8_t* p = bytes.data();
  StoreBe16(p, th_sport);
  StoreBe16(p + 2, th_dport);
  StoreBe32(p + 4, th_seq.value());
  StoreBe32(p + 8, th_ack.value());
  p[12] = static_cast<uint8_t>(header_length / 4 << 4);
  p[13] = th_flags;
  StoreBe16(p + 14, th_win);
  StoreBe16(p + kTcpChecksumOffset, 0);
  StoreBe16(p + 18, th_urp);
}

class TcpView {
 public:
  // REQUIRES: at least 20 bytes.
  explicit TcpView(std::span<const uint8_t> bytes) : p_(bytes.data()) {
    KASSERT(bytes.size() >= kTcpHeaderMin);
  }

  // Where the data begins, by the header's own word: may be below 20 or beyond the segment.
  int header_length() const { return (p_[12] >> 4) * 4; }
  uint8_t flags() const { return p_[13]; }
  uint16_t source_port() const { return LoadBe16(p_); }
  uint16_t destination_port() const { return LoadBe16(p_ + 2); }
  tcp_seq sequence() const { return tcp_seq(LoadBe32(p_ + 4)); }

  TcpHeader Read() const {
    return {source_port(), destination_port(), sequence(),       tcp_seq(LoadBe32(p_ + 8)),
            flags(),       LoadBe16(p_ + 14),  LoadBe16(p_ + 18)};
  }

 private:
  const uint8_t* p_;
};

// A run of received bytes, [start, end).
struct SackBlock {
  tcp_seq start;
  tcp_seq end;
  friend bool operator==(const SackBlock&, const SackBlock&) = default;
};

// What a segment's options say.
struct TcpOptions {
  // Which of the fields below are there.
  bool has_mss = false;
  bool has_wscale = false;
  bool has_timestamp = false;
  bool sack_permitted = false;
  uint8_t sack_count = 0;
  uint8_t wscale = 0;  // at most TCP_MAX_WINSHIFT
  uint16_t mss = 0;
  uint32_t ts_val = 0;
  uint32_t ts_ecr = 0;
  std::array<SackBlock, kTcpSackBlocksMax> sack;  // [0, sack_count)
  bool has_md5 = false;
  std::array<uint8_t, 16> md5;             // if has_md5
  bool has_tfo = false;                    // Fast Open, with or without a cookie
  uint8_t tfo_length = 0;                  // of a cookie of a length that may be
  std::array<uint8_t, kTfoCookieMax> tfo;  // [0, tfo_length)
};

// Reads options. Unknown kinds are skipped by their length; a length below 2 or beyond the end ends
// the parsing; a known kind of a wrong length says nothing. What belongs to a SYN is ignored
// elsewhere and SACK blocks are ignored on a SYN.
TcpOptions tcp_parse_options(std::span<const uint8_t> bytes, bool syn);

// The same for the options that nearly every segment has, a timestamp behind two NOPs and nothing
// else (RFC 7323 appendix A): fills `options`, fresh, and returns true; else false.
inline bool tcp_parse_padded_timestamp(std::span<const uint8_t> bytes, TcpOptions* options) {
  if (bytes.size() != TCPOLEN_TSTAMP_APPA || LoadBe32(bytes.data()) != TCPOPT_TSTAMP_HDR)
      [[unlikely]] {
    return false;
  }
  options->has_timestamp = true;
  options->ts_val = LoadBe32(bytes.data() + 4);
  options->ts_ecr = LoadBe32(bytes.data() + 8);
  return true;
}

// Whichever of the two applies.
inline TcpOptions tcp_read_options(std::span<const uint8_t> bytes, bool syn) {
  TcpOptions options;
  if (!tcp_parse_padded_timestamp(bytes, &options)) options = tcp_parse_options(bytes, syn);
  return options;
}

// Writes what tcp_parse_padded_timestamp reads.
inline void tcp_write_timestamp(uint8_t* to, uint32_t value, uint32_t echo) {
  StoreBe32(to, TCPOPT_TSTAMP_HDR);
  StoreBe32(to + 4, value);
  StoreBe32(to + 8, echo);
}

// Collects options. REQUIRES of each: room is left.
class TcpOptionWriter {
 public:
  void Nop() { Byte(TCPOPT_NOP); }
  // Pads so that what follows a kind and a length lies on a word.
  void Align() {
    while (size_ % 4 != 2) Nop();
  }
  void Mss(uint16_t mss);
  void WindowScale(uint8_t shift);
  void SackPermitted();
  // The same with NOPs in front, which make them a word.
  void PaddedWindowScale(uint8_t shift);
  void PaddedSackPermitted();
  void Timestamp(uint32_t value, uint32_t echo);
  // The same with two NOPs in front.
  void PaddedTimestamp(uint32_t value, uint32_t echo) {
    KASSERT(room() >= TCPOLEN_TSTAMP_APPA);
    tcp_write_timestamp(bytes_.data() + size_, value, echo);
    size_ += TCPOLEN_TSTAMP_APPA;
  }
  // REQUIRES: not empty.
  void Sack(std::span<const SackBlock> blocks);
  // A signature, aligned as custom wants it; the digest is written later, at md5_at() of bytes().
  void Signature();
  int md5_at() const { return md5_at_; }  // -1: there is none
  // Fast Open: a cookie, or without one the request for it.
  void FastOpen(std::span<const uint8_t> cookie);
  // Pads with end-of-list to a multiple of 4. Afterwards bytes() are what goes on the wire.
  void Finish();

  // Copies them to where they go. That is nearly always a timestamp: a few moves.
  void CopyTo(uint8_t* to) const {
    if (size_ == TCPOLEN_TSTAMP_APPA) [[likely]] {
      std::memcpy(to, bytes_.data(), TCPOLEN_TSTAMP_APPA);
    } else {
      std::memcpy(to, bytes_.data(), static_cast<size_t>(size_));
    }
  }
  int size() const { return size_; }
  int room() const { return kTcpOptionsMax - size_; }
  std::span<const uint8_t> bytes() const { return {bytes_.data(), static_cast<size_t>(size_)}; }

 private:
  void Byte(uint8_t value) {
    KASSERT(size_ < kTcpOptionsMax);
    bytes_[size_++] = value;
  }
  void Long(uint32_t value) {
    KASSERT(room() >= 4);
    StoreBe32(bytes_.data() + size_, value);
    size_ += 4;
  }

  int size_ = 0;
  int md5_at_ = -1;
  std::array<uint8_t, kTcpOptionsMax> bytes_;
};

// What a SYN or SYN-ACK offers.
struct TcpSynOffer {
  uint16_t mss = 0;  // 0: no MSS option
  bool sack = false;
  bool wscale = false;
  bool timestamp = false;
  uint8_t shift = 0;
  uint32_t ts_val = 0;
  uint32_t ts_ecr = 0;
  bool signature = false;
  bool fastopen = false;
  std::span<const uint8_t> cookie;  // of Fast Open; empty: asks for one
};

// The two customs of laying a SYN's options out.
enum class SynLayout : uint8_t {
  kOpenBsd,  // MSS; NOP NOP SACK; NOP WS; NOP NOP TS
  kFreeBsd,  // MSS; NOP WS; SACK; TS; end of list
};

// Writes the offer and finishes.
void tcp_write_syn_options(TcpOptionWriter& out, const TcpSynOffer& offer, SynLayout layout);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_WIRE_H_
