// The signature of segments by MD5 (TCP_MD5SIG).
//
// Lives here:  tcp_signature, TcpMd5Key.
// Called by:   tcp_output.cc and tcp_respond.cc (sign), tcp_input.cc (verify), tcp_host.cc (keys).
// Source:      RFC 2385; MD5 is libmd's.
// Differs:     keys are a table of the host (tcp_md5_add), where the originals ask IPsec's.
#ifndef SOCKBED_KERNEL_TCP_TCP_MD5_H_
#define SOCKBED_KERNEL_TCP_TCP_MD5_H_

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kernel/inet/in6.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

using Md5Digest = std::array<uint8_t, 16>;

// The key of segments from src to dst.
struct TcpMd5Key {
  inpaddru src, dst;
  std::string key;
};

// The digest of a segment from `src` to `dst` (RFC 2385 2.0): pseudo-header, header without options
// and with checksum 0, data, key. The data is what lies behind the first `off` bytes of m, which
// may be null; `header_length` counts the options.
Md5Digest tcp_signature(const TcpMd5Key& key, const TcpHeader& th, int header_length, const mbuf* m,
                        int off);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_MD5_H_
