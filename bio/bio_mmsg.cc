// Many datagrams in one call: BIO_sendmmsg(3) of OpenSSL 3.2, over sendmsg and recvmsg.
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "bio/bio_sock.h"
#include "bio/bio_stack.h"
#include "bio/bss_dgram.h"
#include "bio/dgram_data.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

// Room for one address of the packet's own in a control message, of either family.
union LocalControl {
  cmsghdr header;
  unsigned char bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
};
static_assert(sizeof(in_pktinfo) <= sizeof(in6_pktinfo));

// Whether the call can be made at all; leaves an entry if not.
bool CheckCall(DgramData* data, const BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags) {
  if (data == nullptr) {
    RaiseBio(BIO_R_UNSUPPORTED_METHOD);
  } else if (stride != sizeof(BIO_MSG) || flags != 0) {
    RaiseBio(ERR_R_PASSED_INVALID_ARGUMENT);
  } else if (!data->local_addr &&
             std::any_of(msgs, msgs + std::min(count, kMessagesMax),
                         [](const BIO_MSG& m) { return m.local != nullptr; })) {
    RaiseBio(BIO_R_LOCAL_ADDR_NOT_AVAILABLE);
  } else {
    return true;
  }
  return false;
}

// Whether `local` bears the port that the socket is bound to; 0 stands for it.
bool IsOwnPort(const DgramData& data, const BIO_ADDR* local) {
  const unsigned short port = BIO_ADDR_rawport(local);
  if (port == 0) return true;
  AddrStorage own{};
  socklen_t length = sizeof own;
  return uapi::getsockname(data.sock, &own.sa, &length) == 0 &&
         BIO_ADDR_rawport(own.addr()) == port;
}

template <typename Info>
size_t PutControl(int level, int type, const Info& info, LocalControl* control) {
  control->header = {CMSG_LEN(sizeof info), level, type};
  memcpy(CMSG_DATA(&control->header), &info, sizeof info);
  return CMSG_SPACE(sizeof info);
}

// Asks for `local` as the source; the length of the control message.
size_t PutSource(const BIO_ADDR* local, LocalControl* control) {
  size_t length = 0;
  if (BIO_ADDR_family(local) == AF_INET6) {
    in6_pktinfo info{};
    BIO_ADDR_rawaddress(local, &info.ipi6_addr, &length);
    return PutControl(IPPROTO_IPV6, IPV6_PKTINFO, info, control);
  }
  in_pktinfo info{};
  BIO_ADDR_rawaddress(local, &info.ipi_spec_dst, &length);
  return PutControl(IPPROTO_IP, IP_PKTINFO, info, control);
}

// Sends one. False: an entry says why, or (`quiet`) nothing does.
bool SendOne(DgramData* data, BIO_MSG* m, bool quiet) {
  iovec iov{m->data, m->data_len};
  LocalControl control{};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  BIO_ADDR* const peer = m->peer != nullptr                        ? m->peer
                         : data->connected || !data->peer.is_set() ? nullptr
                                                                   : data->peer.addr();
  if (peer != nullptr) {
    msg.msg_name = SockaddrOf(peer);
    msg.msg_namelen = SockaddrLength(peer);
  }
  if (m->local != nullptr && SockaddrOf(m->local)->sa_family != AF_UNSPEC) {
    if (!IsOwnPort(*data, m->local)) {
      if (!quiet) RaiseBio(BIO_R_PORT_MISMATCH);
      return false;
    }
    msg.msg_control = &control;
    msg.msg_controllen = PutSource(m->local, &control);
  }
  const ssize_t n = uapi::sendmsg(data->sock, &msg, MSG_NOSIGNAL);
  if (n < 0) {
    if (!quiet) RaiseSystem("sendmsg()");
    return false;
  }
  m->data_len = static_cast<size_t>(n);
  m->flags = 0;
  return true;
}

// The destination of a received packet, which is the local address, with the socket's port.
void StoreLocal(const DgramData& data, const msghdr& msg, BIO_ADDR* local) {
  BIO_ADDR_clear(local);
  const cmsghdr* const header = CMSG_FIRSTHDR(&msg);
  if (header == nullptr) return;
  AddrStorage own{};
  socklen_t length = sizeof own;
  uapi::getsockname(data.sock, &own.sa, &length);
  const unsigned short port = BIO_ADDR_rawport(own.addr());
  if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    in_pktinfo info;
    memcpy(&info, CMSG_DATA(header), sizeof info);
    BIO_ADDR_rawmake(local, AF_INET, &info.ipi_addr, sizeof info.ipi_addr, port);
  } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    memcpy(&info, CMSG_DATA(header), sizeof info);
    BIO_ADDR_rawmake(local, AF_INET6, &info.ipi6_addr, sizeof info.ipi6_addr, port);
  }
}

// Receives one; `first` may sleep and leaves an entry if it fails.
bool ReceiveOne(DgramData* data, BIO_MSG* m, bool first) {
  iovec iov{m->data, m->data_len};
  LocalControl control{};
  AddrStorage from{};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_name = &from;
  msg.msg_namelen = sizeof from;
  if (data->local_addr) {
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
  }
  const ssize_t n = uapi::recvmsg(data->sock, &msg, first ? 0 : MSG_DONTWAIT);
  if (n < 0) {
    if (first) RaiseSystem("recvmsg()");
    return false;
  }
  m->data_len = static_cast<size_t>(n);
  m->flags = 0;
  if (m->peer != nullptr) memcpy(SockaddrOf(m->peer), &from, sizeof from);
  if (m->local != nullptr) StoreLocal(*data, msg, m->local);
  return true;
}

// Calls `one` for each message until it fails; the first failure alone is told.
template <typename One>
int EachMessage(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                size_t* processed, One one) {
  *processed = 0;
  DgramData* const data = FindDgram(bio);
  if (!CheckCall(data, msgs, stride, count, flags)) return 0;
  if (count == 0) return 1;
  const size_t most = std::min(count, kMessagesMax);
  while (*processed < most && one(data, &msgs[*processed], *processed == 0)) ++*processed;
  return *processed > 0;
}

}  // namespace

int BIO_sendmmsg(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                 size_t* processed) {
  return EachMessage(
      bio, msgs, stride, count, flags, processed,
      [](DgramData* data, BIO_MSG* m, bool first) { return SendOne(data, m, /*quiet=*/!first); });
}

int BIO_recvmmsg(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                 size_t* processed) {
  return EachMessage(bio, msgs, stride, count, flags, processed, ReceiveOne);
}

int BIO_err_is_non_fatal(unsigned int entry) {
  if (ERR_SYSTEM_ERROR(entry)) return BIO_sock_non_fatal_error(ERR_GET_REASON(entry));
  return ERR_GET_LIB(entry) == ERR_LIB_BIO && ERR_GET_REASON(entry) == BIO_R_NON_FATAL;
}

}  // namespace sockbed
