#include "kernel/tcp/tcp_wire.h"

#include <algorithm>

namespace sockbed {

namespace {

// One option of `length` bytes at `p`, kind and length included.
void ParseSynOption(const uint8_t* p, int length, TcpOptions* options) {
  switch (p[0]) {
    case TCPOPT_MAXSEG:
      if (length != TCPOLEN_MAXSEG) return;
      options->has_mss = true;
      options->mss = LoadBe16(p + 2);
      return;
    case TCPOPT_WINDOW:
      if (length != TCPOLEN_WINDOW) return;
      options->has_wscale = true;
      options->wscale = std::min<uint8_t>(p[2], TCP_MAX_WINSHIFT);  // RFC 7323 2.3
      return;
    case TCPOPT_SACK_PERMITTED:
      if (length != TCPOLEN_SACK_PERMITTED) return;
      options->sack_permitted = true;
      return;
    case kTcpOptFastOpen:
      options->has_tfo = true;
      length -= 2;
      if (length < kTfoCookieMin || length > kTfoCookieMax || length % 2 != 0) return;
      options->tfo_length = static_cast<uint8_t>(length);
      std::copy_n(p + 2, length, options->tfo.begin());
      return;
  }
}

void ParseTimestamp(const uint8_t* p, int length, TcpOptions* options) {
  if (length != TCPOLEN_TIMESTAMP) return;
  options->has_timestamp = true;
  options->ts_val = LoadBe32(p + 2);
  options->ts_ecr = LoadBe32(p + 6);
}

void ParseSack(const uint8_t* p, int length, TcpOptions* options) {
  if (length <= 2 || (length - 2) % 8 != 0) return;
  const int count = std::min((length - 2) / 8, kTcpSackBlocksMax);
  for (int i = 0; i < count; ++i) {
    const uint8_t* block = p + 2 + 8 * i;
    options->sack[i] = {tcp_seq(LoadBe32(block)), tcp_seq(LoadBe32(block + 4))};
  }
  options->sack_count = static_cast<uint8_t>(count);
}

}  // namespace

TcpOptions tcp_parse_options(std::span<const uint8_t> bytes, bool syn) {
  TcpOptions options;
  size_t at = 0;
  while (at < bytes.size()) {
    const uint8_t kind = bytes[at];
    if (kind == TCPOPT_EOL) break;
    if (kind == TCPOPT_NOP) {
      ++at;
      continue;
    }
    if (at + 1 >= bytes.size()) break;
    const int length = bytes[at + 1];
    if (length < 2 || at + length > bytes.size()) break;
    const uint8_t* option = bytes.data() + at;
    if (kind == kTcpOptSignature && length == kTcpOptSignatureLen) {
      options.has_md5 = true;
      std::copy_n(option + 2, options.md5.size(), options.md5.begin());
    } else if (kind == TCPOPT_TIMESTAMP) {
      ParseTimestamp(option, length, &options);
    } else if (syn) {
      ParseSynOption(option, length, &options);
    } else if (kind == TCPOPT_SACK) {
      ParseSack(option, length, &options);
    }
    at += length;
  }
  return options;
}

namespace {

constexpr uint32_t Word(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return uint32_t{a} << 24 | uint32_t{b} << 16 | uint32_t{c} << 8 | d;
}

}  // namespace

void TcpOptionWriter::Mss(uint16_t mss) { Long(Word(TCPOPT_MAXSEG, TCPOLEN_MAXSEG, 0, 0) | mss); }

void TcpOptionWriter::WindowScale(uint8_t shift) {
  Byte(TCPOPT_WINDOW);
  Byte(TCPOLEN_WINDOW);
  Byte(shift);
}

void TcpOptionWriter::PaddedWindowScale(uint8_t shift) {
  Long(Word(TCPOPT_NOP, TCPOPT_WINDOW, TCPOLEN_WINDOW, shift));
}

void TcpOptionWriter::PaddedSackPermitted() {
  Long(Word(TCPOPT_NOP, TCPOPT_NOP, TCPOPT_SACK_PERMITTED, TCPOLEN_SACK_PERMITTED));
}

void TcpOptionWriter::SackPermitted() {
  Byte(TCPOPT_SACK_PERMITTED);
  Byte(TCPOLEN_SACK_PERMITTED);
}

void TcpOptionWriter::Timestamp(uint32_t value, uint32_t echo) {
  Byte(TCPOPT_TIMESTAMP);
  Byte(TCPOLEN_TIMESTAMP);
  Long(value);
  Long(echo);
}

void TcpOptionWriter::Sack(std::span<const SackBlock> blocks) {
  KASSERT(!blocks.empty() && blocks.size() <= kTcpSackBlocksMax);
  Byte(TCPOPT_SACK);
  Byte(static_cast<uint8_t>(2 + 8 * blocks.size()));
  for (const SackBlock& block : blocks) {
    Long(block.start.value());
    Long(block.end.value());
  }
}

void TcpOptionWriter::Signature() {
  Align();
  Byte(kTcpOptSignature);
  Byte(kTcpOptSignatureLen);
  md5_at_ = size_;
  for (int i = 2; i < kTcpOptSignatureLen; ++i) Byte(0);
}

void TcpOptionWriter::FastOpen(std::span<const uint8_t> cookie) {
  Byte(kTcpOptFastOpen);
  Byte(static_cast<uint8_t>(2 + cookie.size()));
  for (const uint8_t byte : cookie) Byte(byte);
}

void TcpOptionWriter::Finish() {
  while (size_ % 4 != 0) Byte(TCPOPT_EOL);
}

namespace {

void WriteOpenBsdSyn(TcpOptionWriter& out, const TcpSynOffer& offer) {
  if (offer.sack) out.PaddedSackPermitted();
  if (offer.wscale) out.PaddedWindowScale(offer.shift);
  if (offer.timestamp) out.PaddedTimestamp(offer.ts_val, offer.ts_ecr);
}

void WriteFreeBsdSyn(TcpOptionWriter& out, const TcpSynOffer& offer) {
  if (offer.wscale) out.PaddedWindowScale(offer.shift);
  if (offer.sack) out.SackPermitted();
  if (offer.timestamp) {
    out.Align();
    out.Timestamp(offer.ts_val, offer.ts_ecr);
  }
}

}  // namespace

void tcp_write_syn_options(TcpOptionWriter& out, const TcpSynOffer& offer, SynLayout layout) {
  if (offer.mss != 0) out.Mss(offer.mss);
  if (layout == SynLayout::kOpenBsd) {
    WriteOpenBsdSyn(out, offer);
  } else {
    WriteFreeBsdSyn(out, offer);
  }
  if (offer.signature) out.Signature();
  // An option that does not fit is left out: all others matter more.
  if (offer.fastopen && static_cast<int>(offer.cookie.size()) + 2 <= out.room()) {
    out.FastOpen(offer.cookie);
  }
  out.Finish();
}

}  // namespace sockbed
