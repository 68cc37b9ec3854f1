#include "bio/bss_dgram.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "bio/bio_sock.h"
#include "bio/bio_stack.h"
#include "bio/dgram_data.h"
#include "bio/methods.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr char kName[] = "simulated datagram socket";

constexpr long kIpHeader = 20, kIp6Header = 40, kUdpHeader = 8;
constexpr long kMtuMin = 576, kMtu6Min = 1280;  // what every path carries: RFC 791, RFC 8200

constexpr timeval kAtOnce = {0, 1};  // the shortest limit: 0 would be none

DgramData& DataOf(BIO* bio) { return *static_cast<DgramData*>(BIO_get_data(bio)); }

bool ShouldRetry(int result) {
  return (result == 0 || result == -1) && sockbed::BIO_dgram_non_fatal_error(errno) != 0;
}

void CloseDescriptor(BIO* bio) {
  if (BIO_get_shutdown(bio) == 0) return;
  if (BIO_get_init(bio) != 0) BIO_closesocket(DataOf(bio).sock);
  BIO_set_init(bio, 0);
  BIO_clear_flags(bio, ~0);
}

int Create(BIO* bio) {
  auto* const data = static_cast<DgramData*>(OPENSSL_zalloc(sizeof(DgramData)));
  if (data == nullptr) return 0;
  data->sock = -1;
  BIO_set_data(bio, data);
  BIO_set_init(bio, 0);
  return 1;
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  CloseDescriptor(bio);
  OPENSSL_free(BIO_get_data(bio));
  return 1;
}

// --- The DTLS timer: a read lasts no longer than until then. ---

bool IsSet(const timeval& t) { return t.tv_sec > 0 || t.tv_usec > 0; }

timeval Until(const timeval& then) {
  timeval now, left;
  uapi::gettimeofday(&now, nullptr);
  timersub(&then, &now, &left);
  return left.tv_sec < 0 || !IsSet(left) ? kAtOnce : left;
}

// Puts the timer in place of the socket's own limit, if that is longer.
void ShortenLimit(DgramData* data) {
  if (!IsSet(data->next_timeout)) return;
  socklen_t length = sizeof(timeval);
  uapi::getsockopt(data->sock, SOL_SOCKET, SO_RCVTIMEO, &data->socket_timeout, &length);
  const timeval left = Until(data->next_timeout);
  if (!IsSet(data->socket_timeout) || !timercmp(&data->socket_timeout, &left, <)) {
    uapi::setsockopt(data->sock, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof left);
  }
}

void RestoreLimit(const DgramData& data) {
  if (!IsSet(data.next_timeout)) return;
  const int error = errno;
  uapi::setsockopt(data.sock, SOL_SOCKET, SO_RCVTIMEO, &data.socket_timeout, sizeof(timeval));
  errno = error;
}

// --- Data. ---

int Read(BIO* bio, char* out, int length) {
  if (out == nullptr) return 0;
  DgramData& data = DataOf(bio);
  ShortenLimit(&data);
  errno = 0;
  AddrStorage from{};
  socklen_t from_length = sizeof from;
  const int n = static_cast<int>(uapi::recvfrom(data.sock, out, static_cast<size_t>(length),
                                                data.peek ? MSG_PEEK : 0, &from.sa, &from_length));
  if (!data.connected && n >= 0) data.peer = from;
  BIO_clear_retry_flags(bio);
  if (n < 0 && ShouldRetry(n)) {
    BIO_set_retry_read(bio);
    data.saved_error = errno;
  }
  RestoreLimit(data);
  return n;
}

int Write(BIO* bio, const char* in, int length) {
  DgramData& data = DataOf(bio);
  const auto size = static_cast<size_t>(length);
  errno = 0;
  const ssize_t sent = data.connected || !data.peer.is_set()
                           ? uapi::send(data.sock, in, size, MSG_NOSIGNAL)
                           : uapi::sendto(data.sock, in, size, MSG_NOSIGNAL, &data.peer.sa,
                                          SockaddrLength(data.peer.addr()));
  const int n = static_cast<int>(sent);
  BIO_clear_retry_flags(bio);
  if (n <= 0 && ShouldRetry(n)) {
    BIO_set_retry_write(bio);
    data.saved_error = errno;
  } else if (n < 0 && errno == EMSGSIZE) {
    data.saved_error = EMSGSIZE;
  }
  return n;
}

int Puts(BIO* bio, const char* text) { return Write(bio, text, static_cast<int>(strlen(text))); }

// --- Controls. ---

long Adopt(BIO* bio, long close_flag, const int* sock) {
  CloseDescriptor(bio);
  DataOf(bio).sock = *sock;
  BIO_set_shutdown(bio, static_cast<int>(close_flag));
  BIO_set_init(bio, 1);
  return 1;
}

long SetPeer(DgramData* data, const BIO_ADDR* peer) {
  const int family = BIO_ADDR_family(peer);
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return 0;
  data->peer = {};
  memcpy(&data->peer, SockaddrOf(peer), SockaddrLength(peer));
  return 1;
}

long SetConnected(DgramData* data, const BIO_ADDR* peer) {
  data->connected = peer != nullptr;
  if (peer != nullptr) {
    (void)SetPeer(data, peer);  // an unknown family leaves the peer, as in the library
  } else {
    data->peer = {};
  }
  return 1;
}

// `room`: bytes at `out`, 0: enough.
long GetPeer(DgramData* data, long room, void* out) {
  if (!data->peer.is_set()) return 0;
  const long length = SockaddrLength(data->peer.addr());
  memcpy(out, &data->peer, static_cast<size_t>(room > 0 ? std::min(room, length) : length));
  return 1;
}

// As GetPeer; of a socket that is connected and a BIO that was not told, the socket's.
long DetectPeer(DgramData* data, long room, void* out) {
  if (data->peer.is_set()) return GetPeer(data, room, out);
  DgramData connected = *data;
  socklen_t length = sizeof connected.peer;
  if (uapi::getpeername(data->sock, &connected.peer.sa, &length) != 0) return 0;
  return GetPeer(&connected, room, out);
}

long SetLimit(const DgramData& data, int option, const void* limit) {
  if (uapi::setsockopt(data.sock, SOL_SOCKET, option, limit, sizeof(timeval)) == 0) return 1;
  RaiseSystem("setsockopt()");
  return -1;
}

long GetLimit(const DgramData& data, int option, void* limit) {
  socklen_t length = sizeof(timeval);
  if (uapi::getsockopt(data.sock, SOL_SOCKET, option, limit, &length) == 0) return length;
  RaiseSystem("getsockopt()");
  return -1;
}

// Whether the last failure was this one; asked for once.
long TookError(DgramData* data, int error) {
  if (data->saved_error != error) return 0;
  data->saved_error = 0;
  return 1;
}

bool IsIp6Peer(const DgramData& data) {
  return data.peer.sa.sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&data.peer.in6.sin6_addr);
}

long Overhead(const DgramData& data) {
  return (IsIp6Peer(data) ? kIp6Header : kIpHeader) + kUdpHeader;
}

// The family of the socket's own address; AF_UNSPEC when it cannot be asked.
int LocalFamily(const DgramData& data) {
  AddrStorage local{};
  socklen_t length = sizeof local;
  return uapi::getsockname(data.sock, &local.sa, &length) == 0 ? local.sa.sa_family : AF_UNSPEC;
}

int SetOption(const DgramData& data, int level, int option, int value) {
  return uapi::setsockopt(data.sock, level, option, &value, sizeof value);
}

// 0, or -1: the result of setsockopt, as the library answers. 0 too for a socket without address.
long DiscoverMtu(const DgramData& data) {
  switch (LocalFamily(data)) {
    case AF_INET: return SetOption(data, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    case AF_INET6: return SetOption(data, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
    case AF_UNSPEC: return 0;
    default: return -1;
  }
}

// What a datagram may carry along the path, 0 if unknown. Needs a connected socket.
long QueryMtu(DgramData* data) {
  const int family = LocalFamily(*data);
  if (family != AF_INET && family != AF_INET6) return 0;
  const bool v4 = family == AF_INET;
  int mtu = 0;
  socklen_t length = sizeof mtu;
  if (uapi::getsockopt(data->sock, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu,
                       &length) != 0 ||
      mtu < 0) {
    return 0;
  }
  data->mtu = mtu - Overhead(*data);
  return data->mtu;
}

long SetDontFragment(const DgramData& data, bool on) {
  switch (data.peer.sa.sa_family) {
    case AF_INET:
      return SetOption(data, IPPROTO_IP, IP_MTU_DISCOVER,
                       on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT) == 0;
    case AF_INET6: return SetOption(data, IPPROTO_IPV6, IPV6_DONTFRAG, on) == 0;
    default: return 0;
  }
}

long EnableLocalAddr(DgramData* data, bool on) {
  const bool v6 = LocalFamily(*data) == AF_INET6;
  if (SetOption(*data, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, on) !=
      0) {
    RaiseSystem("setsockopt()");
    return 0;
  }
  data->local_addr = on;
  return 1;
}

long PollDescriptor(BIO* bio, BIO_POLL_DESCRIPTOR* descriptor) {
  if (BIO_get_init(bio) == 0) return 0;
  descriptor->type = BIO_POLL_DESCRIPTOR_TYPE_SOCK_FD;
  descriptor->value.fd = DataOf(bio).sock;
  return 1;
}

// Controls that every BIO over a descriptor answers.
long DescriptorControl(BIO* bio, int command, long number, void* pointer) {
  switch (command) {
    case BIO_C_SET_FD: return Adopt(bio, number, static_cast<const int*>(pointer));
    case BIO_C_GET_FD:
      if (BIO_get_init(bio) == 0) return -1;
      if (pointer != nullptr) *static_cast<int*>(pointer) = DataOf(bio).sock;
      return DataOf(bio).sock;
    case BIO_CTRL_GET_CLOSE: return BIO_get_shutdown(bio);
    case BIO_CTRL_SET_CLOSE: BIO_set_shutdown(bio, static_cast<int>(number)); return 1;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_GET_RPOLL_DESCRIPTOR:
    case BIO_CTRL_GET_WPOLL_DESCRIPTOR:
      return PollDescriptor(bio, static_cast<BIO_POLL_DESCRIPTOR*>(pointer));
    default: return 0;
  }
}

// Path MTU and fragments; else the descriptor's.
long MtuControl(BIO* bio, int command, long number, void* pointer) {
  DgramData& data = DataOf(bio);
  switch (command) {
    case BIO_CTRL_DGRAM_MTU_DISCOVER: return DiscoverMtu(data);
    case BIO_CTRL_DGRAM_QUERY_MTU: return QueryMtu(&data);
    case BIO_CTRL_DGRAM_GET_MTU: return data.mtu;
    case BIO_CTRL_DGRAM_SET_MTU: return data.mtu = number;
    case BIO_CTRL_DGRAM_MTU_EXCEEDED: return TookError(&data, EMSGSIZE);
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return (IsIp6Peer(data) ? kMtu6Min : kMtuMin) - Overhead(data);
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return Overhead(data);
    case BIO_CTRL_DGRAM_SET_DONT_FRAG: return SetDontFragment(data, number != 0);
    default: return DescriptorControl(bio, command, number, pointer);
  }
}

long Control(BIO* bio, int command, long number, void* pointer) {
  DgramData& data = DataOf(bio);
  switch (command) {
    case BIO_CTRL_DGRAM_CONNECT:
    case BIO_CTRL_DGRAM_SET_PEER: return SetPeer(&data, static_cast<const BIO_ADDR*>(pointer));
    case BIO_CTRL_DGRAM_SET_CONNECTED:
      return SetConnected(&data, static_cast<const BIO_ADDR*>(pointer));
    case BIO_CTRL_DGRAM_GET_PEER: return GetPeer(&data, number, pointer);
    case BIO_CTRL_DGRAM_DETECT_PEER_ADDR: return DetectPeer(&data, number, pointer);
    case BIO_CTRL_DGRAM_SET_RECV_TIMEOUT: return SetLimit(data, SO_RCVTIMEO, pointer);
    case BIO_CTRL_DGRAM_GET_RECV_TIMEOUT: return GetLimit(data, SO_RCVTIMEO, pointer);
    case BIO_CTRL_DGRAM_SET_SEND_TIMEOUT: return SetLimit(data, SO_SNDTIMEO, pointer);
    case BIO_CTRL_DGRAM_GET_SEND_TIMEOUT: return GetLimit(data, SO_SNDTIMEO, pointer);
    // One answer for both directions, and a would-block counts: so does the library.
    case BIO_CTRL_DGRAM_GET_RECV_TIMER_EXP:
    case BIO_CTRL_DGRAM_GET_SEND_TIMER_EXP: return TookError(&data, EWOULDBLOCK);
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      data.next_timeout = *static_cast<const timeval*>(pointer);
      return 1;
    case BIO_CTRL_DGRAM_SET_PEEK_MODE: data.peek = number != 0; return 1;
    case BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP: {
      const int family = LocalFamily(data);
      return family == AF_INET || family == AF_INET6;
    }
    case BIO_CTRL_DGRAM_GET_LOCAL_ADDR_ENABLE:
      *static_cast<int*>(pointer) = data.local_addr;
      return 1;
    case BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE: return EnableLocalAddr(&data, number != 0);
    case BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS:
      return BIO_DGRAM_CAP_HANDLES_SRC_ADDR | BIO_DGRAM_CAP_HANDLES_DST_ADDR |
             BIO_DGRAM_CAP_PROVIDES_SRC_ADDR | BIO_DGRAM_CAP_PROVIDES_DST_ADDR;
    default: return MtuControl(bio, command, number, pointer);
  }
}

}  // namespace

const BIO_METHOD* MakeDatagramMethod() {
  return NewMethod(BIO_TYPE_DGRAM, kName, {Create, Destroy, Read, Write, Puts, Control});
}

const BIO_METHOD* BIO_s_datagram() { return Methods().datagram; }

BIO* BIO_new_dgram(int sock, int close_flag) {
  BIO* bio = BIO_new(sockbed::BIO_s_datagram());
  if (bio != nullptr) BIO_set_fd(bio, sock, close_flag);
  return bio;
}

int BIO_dgram_non_fatal_error(int error) {
  return error != ENOTCONN && BIO_sock_non_fatal_error(error) != 0;
}

DgramData* FindDgram(BIO* bio) {
  return bio != nullptr && strcmp(BIO_method_name(bio), kName) == 0 ? &DataOf(bio) : nullptr;
}

}  // namespace sockbed
