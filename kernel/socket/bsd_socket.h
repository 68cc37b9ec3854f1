// Socket constants that only BSD has. All others come from the host's <sys/socket.h>.
//
// Lives here:  SS_*, PR_*, PRU-era limits, BSD-only SO_* and MSG_* numbers, sizes and their
//              relations; struct splice.
// Called by:   socket and every room above it.
// Source:      OpenBSD sys/sys/{socket,socketvar,protosw}.h.
// Differs:     numbers that the host's headers define are the host's, so that unmodified programs
//              link.
#ifndef SOCKBED_KERNEL_SOCKET_BSD_SOCKET_H_
#define SOCKBED_KERNEL_SOCKET_BSD_SOCKET_H_

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#include <cstdint>

namespace sockbed {

// so_state.
inline constexpr int SS_NOFDREF = 0x0001;  // no descriptor refers to it
inline constexpr int SS_ISCONNECTED = 0x0002;
inline constexpr int SS_ISCONNECTING = 0x0004;
inline constexpr int SS_ISDISCONNECTING = 0x0008;
inline constexpr int SS_CANTSENDMORE = 0x0010;
inline constexpr int SS_CANTRCVMORE = 0x0020;
inline constexpr int SS_RCVATMARK = 0x0040;  // the next byte is just past the urgent mark
inline constexpr int SS_PRIV = 0x0080;       // made by the superuser
inline constexpr int SS_NBIO = 0x0100;
inline constexpr int SS_ASYNC = 0x0200;           // SIGIO wanted
inline constexpr int SS_ISCONFIRMING = 0x0400;    // accept waits for confirmation
inline constexpr int SS_ISDISCONNECTED = 0x0800;  // was connected once
inline constexpr int SS_CONNECTOUT = 0x1000;      // opened actively
inline constexpr int SS_ISSENDING = 0x2000;       // sosend is in the middle of a call

// pr_flags.
inline constexpr int PR_ATOMIC = 0x01;        // one send is one record
inline constexpr int PR_ADDR = 0x02;          // each record starts with the sender's address
inline constexpr int PR_CONNREQUIRED = 0x04;  // data only when connected
inline constexpr int PR_WANTRCVD = 0x08;      // tell the protocol when data has been taken
inline constexpr int PR_RIGHTS = 0x10;        // control messages may hold open files
inline constexpr int PR_ABRTACPTDIS = 0x20;   // accepting a dead connection reports ECONNABORTED
inline constexpr int PR_SPLICE = 0x40;        // SO_SPLICE is possible
inline constexpr int PR_IMPLOPCL = 0x80;      // a send with an address connects first

// so_options: the BSD bit of each boolean option (the host's SO_* numbers are mapped to these).
inline constexpr int kSoDebug = 0x0001;
inline constexpr int kSoAcceptConn = 0x0002;
inline constexpr int kSoReuseAddr = 0x0004;
inline constexpr int kSoKeepAlive = 0x0008;
inline constexpr int kSoDontRoute = 0x0010;
inline constexpr int kSoBroadcast = 0x0020;
inline constexpr int kSoUseLoopback = 0x0040;
inline constexpr int kSoLinger = 0x0080;
inline constexpr int kSoOobInline = 0x0100;
inline constexpr int kSoReusePort = 0x0200;
inline constexpr int kSoJumbo = 0x0400;
inline constexpr int kSoTimestamp = 0x0800;
inline constexpr int kSoBindAny = 0x1000;

// Message flags that only BSD has, above the host's bits.
inline constexpr int MSG_BCAST = 0x0200'0000;
inline constexpr int MSG_MCAST = 0x0400'0000;

// Option numbers that only BSD has.
inline constexpr int SO_USELOOPBACK = 0x1'0040;
inline constexpr int SO_JUMBO = 0x1'0400;
inline constexpr int SO_BINDANY = 0x1'1000;
inline constexpr int SO_RTABLE = 0x1'1021;
inline constexpr int SO_SPLICE = 0x1'1023;

// The value of SO_SPLICE in its long form; the short one is the descriptor alone. What is read back
// is an off_t: the bytes moved so far.
struct splice {
  int sp_fd;        // of the drain; negative: end the splice
  off_t sp_max;     // end it after so many bytes; 0: no limit
  timeval sp_idle;  // end it when nothing moved for so long; 0: no limit
};

inline constexpr int somaxconn_default = 128;           // kern.somaxconn
inline constexpr int sominconn_default = 80;            // kern.sominconn
inline constexpr uint64_t sb_max_default = 256 * 1024;  // kern.sbmax
inline constexpr int kSockAddrMax = 255;                // longest address a call may pass
inline constexpr int kOptionMax = 2048;                 // longest option value or control buffer

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_BSD_SOCKET_H_
