// The socket routines of BIO_connect(3), over the simulated system calls.
//
// Lives here:  BIO_socket, BIO_bind, BIO_connect, BIO_listen, BIO_accept_ex, BIO_closesocket, the
//              retry rules.
// Called by:   programs, bio/ itself, ssl/.
// May touch:   uapi, OpenSSL's error stack.
// Context:     a simulated process; connect and accept sleep on a blocking socket.
// Units:       options are BIO_SOCK_* bits.
// Source:      OpenSSL 3.0 BIO_connect(3), crypto/bio/{bio_sock,bio_sock2}.c.
// Differs:     a socket of -1 sets EBADF, as the page says, where the library leaves errno alone.
//              Order of system calls, results, errno and error entries are else the library's.
//              BIO_SOCK_TFO is as in 3.2 on FreeBSD: BIO_connect makes no connection, the first
//              sendto does, and its data may go with the SYN. It needs a host of that profile and
//              its sysctls net.inet.tcp.fastopen.{client,server}_enable; without: 0,
//              BIO_R_TFO_DISABLED, EOPNOTSUPP.
// Write sockbed::BIO_connect in full: BIO_ADDR lives in the global namespace, so that an
// unqualified call finds the library's function too and is ambiguous.
#ifndef SOCKBED_BIO_BIO_SOCK_H_
#define SOCKBED_BIO_BIO_SOCK_H_

#include <openssl/bio.h>
#include <time.h>

#include "bio/compat.h"

namespace sockbed {

// Makes a socket; `options` is unused, as in the library. Returns the descriptor, or -1 with two
// entries: SYS/errno "calling socket()" and BIO_R_UNABLE_TO_CREATE_SOCKET.
int BIO_socket(int domain, int socktype, int protocol, int options);

// Sets the address, after SO_REUSEADDR if asked for. Returns 1, or 0 with entries.
int BIO_bind(int sock, const BIO_ADDR* addr, int options);

// Connects, after the mode (blocking or not, always set), SO_KEEPALIVE and TCP_NODELAY. [sleeps] if
// blocking. Returns 1, or 0: with entries when the failure is final, without when errno says
// "later" (BIO_sock_should_retry(-1)).
int BIO_connect(int sock, const BIO_ADDR* addr, int options);

// Binds and listens (a datagram socket is only bound). Returns 1, or 0 with entries.
int BIO_listen(int sock, const BIO_ADDR* addr, int options);

// Takes a connection; `peer` may be null. [sleeps] if blocking. Returns the descriptor, or -1: with
// entries when final, without when errno says "later".
int BIO_accept_ex(int accept_sock, BIO_ADDR* peer, int options);

// Closes. Returns 1, or 0 without any entry. Destructors may call it (uapi::close_staying).
int BIO_closesocket(int sock);

// Returns 1, or 0 without an entry.
int BIO_set_tcp_ndelay(int sock, int turn_on);

// Sets the mode. Returns 1, or 0 with SYS/errno "calling ioctlsocket()".
int BIO_socket_nbio(int sock, int mode);

// ioctl(2): its result, or -1 with the same entry.
int BIO_socket_ioctl(int sock, long request, void* arg);

// BIO_SOCK_INFO_ADDRESS: stores the socket's own address at info->addr. Returns 1, or 0 with
// SYS/errno "calling getsockname()" and BIO_R_GETSOCKNAME_ERROR, or BIO_R_UNKNOWN_INFO_TYPE.
int BIO_sock_info(int sock, BIO_sock_info_type type, BIO_sock_info_u* info);

// Waits until the socket can be read (or else written), until the wall clock shows `until` seconds.
// [sleeps] "select". Returns 1 (ready; at once for 0), 0 (time is up), -1 (no such descriptor).
int BIO_socket_wait(int sock, int for_read, time_t until);

// The pending error of the socket (reading clears it), or errno if it cannot be asked.
int BIO_sock_error(int sock);

// Whether an errno means "the same call may succeed later".
int BIO_sock_non_fatal_error(int error);
// Whether a result (0 or -1) together with errno means that.
int BIO_sock_should_retry(int result);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BIO_SOCK_H_
