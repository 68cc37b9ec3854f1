// What OpenSSL 3.2 adds to the BIO interface and 3.0's headers lack: numbers and types.
//
// Lives here:  control numbers and macros, reasons, capability bits, BIO_MSG, BIO_POLL_DESCRIPTOR.
// Called by:   bio/, and programs that use them. Built against newer headers, those win.
// Source:      OpenSSL 3.2 BIO_sendmmsg(3), BIO_s_datagram(3), BIO_get_rpoll_descriptor(3).
#ifndef SOCKBED_BIO_COMPAT_H_
#define SOCKBED_BIO_COMPAT_H_

#include <openssl/bio.h>
#include <openssl/bioerr.h>

#include <cstddef>
#include <cstdint>

// --- Datagram BIOs. ---
#ifndef BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP
#define BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP 82
#define BIO_CTRL_DGRAM_GET_LOCAL_ADDR_ENABLE 83  // ptr int*: stores 0 or 1
#define BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE 84
#define BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS 85
#define BIO_CTRL_DGRAM_GET_CAPS 86  // of a pair or a memory BIO, as the next three
#define BIO_CTRL_DGRAM_SET_CAPS 87
#define BIO_CTRL_DGRAM_GET_NO_TRUNC 88
#define BIO_CTRL_DGRAM_SET_NO_TRUNC 89
#define BIO_CTRL_GET_RPOLL_DESCRIPTOR 91
#define BIO_CTRL_GET_WPOLL_DESCRIPTOR 92
#define BIO_CTRL_DGRAM_DETECT_PEER_ADDR 93
#define BIO_CTRL_DGRAM_SET0_LOCAL_ADDR 94  // of a pair or a memory BIO; ptr BIO_ADDR*: taken

#define BIO_TYPE_DGRAM_PAIR (26 | BIO_TYPE_SOURCE_SINK)
#define BIO_TYPE_DGRAM_MEM (27 | BIO_TYPE_SOURCE_SINK)

// Operations of a BIO's callback; its text is a BIO_MMSG_CB_ARGS.
#define BIO_CB_RECVMMSG 7
#define BIO_CB_SENDMMSG 8

#define BIO_DGRAM_CAP_NONE 0U
#define BIO_DGRAM_CAP_HANDLES_SRC_ADDR (1U << 0)
#define BIO_DGRAM_CAP_HANDLES_DST_ADDR (1U << 1)
#define BIO_DGRAM_CAP_PROVIDES_SRC_ADDR (1U << 2)
#define BIO_DGRAM_CAP_PROVIDES_DST_ADDR (1U << 3)

#define BIO_R_LOCAL_ADDR_NOT_AVAILABLE 111
#define BIO_R_NON_FATAL 112
#define BIO_R_PORT_MISMATCH 150
#define BIO_R_PEER_ADDR_NOT_AVAILABLE 151

namespace sockbed {

// One datagram of BIO_sendmmsg or BIO_recvmmsg. `peer` and `local` may be null.
struct BIO_MSG {
  void* data = nullptr;
  size_t data_len = 0;  // in: bytes to send, or room; out: bytes sent or received
  BIO_ADDR* peer = nullptr;
  BIO_ADDR* local = nullptr;
  uint64_t flags = 0;  // in: ignored; out: 0
};

// The arguments of BIO_sendmmsg or BIO_recvmmsg, for callbacks.
struct BIO_MMSG_CB_ARGS {
  BIO_MSG* msg = nullptr;
  size_t stride = 0;
  size_t num_msg = 0;
  uint64_t flags = 0;
  size_t* num_processed = nullptr;
};

// What to wait on before a BIO is read or written again.
struct BIO_POLL_DESCRIPTOR {
  uint32_t type = 0;
  union {
    int fd;
    void* custom;
  } value = {};
};

}  // namespace sockbed

#define BIO_POLL_DESCRIPTOR_TYPE_NONE 0
#define BIO_POLL_DESCRIPTOR_TYPE_SOCK_FD 1
#endif

// --- Connect BIOs. ---
#ifndef BIO_get_conn_mode
#define BIO_get_conn_mode(b) BIO_ctrl(b, BIO_C_GET_CONNECT, 4, nullptr)
#endif
#ifndef BIO_C_SET_SOCK_TYPE
#define BIO_C_SET_SOCK_TYPE 157  // SOCK_STREAM or SOCK_DGRAM
#define BIO_C_GET_SOCK_TYPE 158
#define BIO_C_GET_DGRAM_BIO 159  // ptr BIO**: stores the BIO below; borrowed
#endif

// --- TCP Fast Open. ---
#ifndef BIO_SOCK_TFO
#define BIO_SOCK_TFO 0x20
#define BIO_R_TFO_DISABLED 106
#define BIO_R_UNABLE_TO_TFO 109
#define BIO_C_SET_TFO 156
#define BIO_set_tfo(b, n) BIO_ctrl(b, BIO_C_SET_TFO, n, nullptr)
#define BIO_set_tfo_accept(b, n) \
  BIO_ctrl(b, BIO_C_SET_ACCEPT, 5, (n) != 0 ? const_cast<char*>("a") : nullptr)
#endif

#endif  // SOCKBED_BIO_COMPAT_H_
