#include "kernel/tcp/tcp_md5.h"

#include <md5.h>

#include <algorithm>

#include "kernel/inet/ip6_wire.h"

namespace sockbed {
namespace {

// The pseudo header of either family (RFC 9293 3.1, RFC 8200 8.1).
void UpdatePseudoHeader(MD5_CTX* md5, const TcpMd5Key& key, uint32_t length) {
  if (key.src.is_v4()) {
    std::array<uint8_t, 12> pseudo{};
    StoreAddress(pseudo.data(), key.src.v4());
    StoreAddress(pseudo.data() + 4, key.dst.v4());
    pseudo[9] = IPPROTO_TCP;
    StoreBe16(pseudo.data() + 10, static_cast<uint16_t>(length));
    return MD5Update(md5, pseudo.data(), pseudo.size());
  }
  std::array<uint8_t, 40> pseudo{};
  StoreAddress6(pseudo.data(), in6_clearscope(key.src.v6()));
  StoreAddress6(pseudo.data() + 16, in6_clearscope(key.dst.v6()));
  StoreBe32(pseudo.data() + 32, length);
  pseudo[39] = IPPROTO_TCP;
  MD5Update(md5, pseudo.data(), pseudo.size());
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
  MD5_CTX md5;
  MD5Init(&md5);
  UpdatePseudoHeader(&md5, key, length);
  MD5Update(&md5, header.data(), header.size());
  for (const mbuf* n = m; n != nullptr; n = n->m_next) {
    const int skip = std::min<int>(off, n->m_len);
    off -= skip;
    MD5Update(&md5, reinterpret_cast<const uint8_t*>(n->m_data) + skip,
              static_cast<size_t>(n->m_len - skip));
  }
  MD5Update(&md5, reinterpret_cast<const uint8_t*>(key.key.data()), key.key.size());
  Md5Digest digest;
  MD5Final(digest.data(), &md5);
  return digest;
}

}  // namespace sockbed
