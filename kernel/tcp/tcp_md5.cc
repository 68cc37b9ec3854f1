#include "kernel/tcp/tcp_md5.h"
#include "kernel/inet/ip6_wire.h"

#include <algorithm>
#include <bit>

namespace sockbed {
namespace {

// |sin(i + 1)| * 2^32 (RFC 1321 3.4).
constexpr std::array<uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr std::array<std::array<int, 4>, 4> kShifts = {
    {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

uint32_t LoadLe32(const uint8_t* p) {
  return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

// Step i's function of three words, and which word of the block it takes.
struct Mix {
  uint32_t f;
  int word;
};
Mix MixOf(int i, uint32_t b, uint32_t c, uint32_t d) {
  switch (i / 16) {
    case 0: return {(b & c) | (~b & d), i};
    case 1: return {(d & b) | (~d & c), (5 * i + 1) % 16};
    case 2: return {b ^ c ^ d, (3 * i + 5) % 16};
    default: return {c ^ (b | ~d), 7 * i % 16};
  }
}

}  // namespace

void Md5::Block(const uint8_t* p) {
  auto [a, b, c, d] = state_;
  for (int i = 0; i < 64; ++i) {
    const Mix mix = MixOf(i, b, c, d);
    const uint32_t sum = a + mix.f + kSines[i] + LoadLe32(p + 4 * mix.word);
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kShifts[i / 16][i % 4]);
  }
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
}

void Md5::Update(std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) {
    pending_[length_++ % 64] = byte;
    if (length_ % 64 == 0) Block(pending_.data());
  }
}

Md5Digest Md5::Finish() {
  const uint64_t bits = length_ * 8;
  const uint8_t end = 0x80, zero = 0;
  Update({&end, 1});
  while (length_ % 64 != 56) Update({&zero, 1});
  std::array<uint8_t, 8> size;
  for (int i = 0; i < 8; ++i) size[i] = static_cast<uint8_t>(bits >> (8 * i));
  Update(size);
  Md5Digest digest;
  for (int i = 0; i < 16; ++i) digest[i] = static_cast<uint8_t>(state_[i / 4] >> (8 * (i % 4)));
  return digest;
}

namespace {

// The pseudo header of either family (RFC 9293 3.1, RFC 8200 8.1).
void UpdatePseudoHeader(Md5* md5, const TcpMd5Key& key, uint32_t length) {
  if (key.src.is_v4()) {
    std::array<uint8_t, 12> pseudo{};
    StoreAddress(pseudo.data(), key.src.v4());
    StoreAddress(pseudo.data() + 4, key.dst.v4());
    pseudo[9] = IPPROTO_TCP;
    StoreBe16(pseudo.data() + 10, static_cast<uint16_t>(length));
    return md5->Update(pseudo);
  }
  std::array<uint8_t, 40> pseudo{};
  StoreAddress6(pseudo.data(), in6_clearscope(key.src.v6()));
  StoreAddress6(pseudo.data() + 16, in6_clearscope(key.dst.v6()));
  StoreBe32(pseudo.data() + 32, length);
  pseudo[39] = IPPROTO_TCP;
  md5->Update(pseudo);
}

}  // namespace

Md5Digest tcp_signature(const TcpMd5Key& key, const TcpHeader& th, int header_length, const mbuf* m,
                        int off) {
  int data = -off;
  for (const mbuf* n = m; n != nullptr; n = n->m_next) data += n->m_len;
  if (m == nullptr) data = 0;
  const uint32_t length = static_cast<uint32_t>(header_length + data);
  std::array<uint8_t, kTcpHeaderMin> header;
  th.Write(header, header_length);
  Md5 md5;
  UpdatePseudoHeader(&md5, key, length);
  md5.Update(header);
  for (const mbuf* n = m; n != nullptr; n = n->m_next) {
    const int skip = std::min<int>(off, n->m_len);
    off -= skip;
    md5.Update(
        {reinterpret_cast<const uint8_t*>(n->m_data) + skip, static_cast<size_t>(n->m_len - skip)});
  }
  md5.Update({reinterpret_cast<const uint8_t*>(key.key.data()), key.key.size()});
  return md5.Finish();
}

}  // namespace sockbed
