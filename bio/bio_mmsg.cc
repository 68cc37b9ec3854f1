// Many datagrams in one call: BIO_sendmmsg(3) of OpenSSL 3.2. A method of 3.0 has no slot for it,
// so it is chosen here: sendmsg and recvmsg, or a queue's own, or those of the datagram BIO that a
// connect BIO has.
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

// Whether a socket can send and receive these at all; leaves an entry if not.
bool CheckLocals(const DgramData& data, const BIO_MSG* msgs, size_t count) {
  const auto names_one = [](const BIO_MSG& m) { return m.local != nullptr; };
  if (data.local_addr || std::none_of(msgs, msgs + count, names_one)) return true;
  RaiseBio(BIO_R_LOCAL_ADDR_NOT_AVAILABLE);
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

// Sends one; only if it is the first an entry says why it failed.
bool SendOne(DgramData* data, BIO_MSG* m, bool first) {
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
      if (first) RaiseBio(BIO_R_PORT_MISMATCH);
      return false;
    }
    msg.msg_control = &control;
    msg.msg_controllen = PutSource(m->local, &control);
  }
  const ssize_t n = uapi::sendmsg(data->sock, &msg, MSG_NOSIGNAL);
  if (n < 0) {
    if (first) RaiseSystem("sendmsg()");
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

// One direction of the calls.
struct Direction {
  int callback;                                             // BIO_CB_*
  bool (*socket)(DgramData* data, BIO_MSG* m, bool first);  // false: an entry says why, if first
  int (*queue)(BIO* bio, BIO_MSG* m);                       // 0, or a reason
};
constexpr Direction kSend = {BIO_CB_SENDMMSG, SendOne, PutMessage};
constexpr Direction kReceive = {BIO_CB_RECVMMSG, ReceiveOne, TakeMessage};

// Calls `one` for each message until it fails; how many it did not fail for.
template <typename One>
size_t CountWhile(BIO_MSG* msgs, size_t count, One one) {
  size_t done = 0;
  while (done < count && one(&msgs[done], done == 0)) ++done;
  return done;
}

// The datagram BIO that is meant by `bio`: a connect BIO's own, once it is connected.
BIO* Underlying(BIO* bio) {
  BIO* own = nullptr;
  const bool is_connect = bio != nullptr && BIO_method_type(bio) == BIO_TYPE_CONNECT;
  if (!is_connect || BIO_do_connect(bio) <= 0) return bio;
  return BIO_ctrl(bio, BIO_C_GET_DGRAM_BIO, 0, &own) == 1 ? own : bio;
}

// 1 with *processed, or 0 and an entry.
int Transfer(const Direction& direction, BIO* bio, const BIO_MMSG_CB_ARGS& args) {
  bio = Underlying(bio);
  DgramData* const data = FindDgram(bio);
  if (data == nullptr && !IsDgramQueue(bio)) {
    RaiseBio(BIO_R_UNSUPPORTED_METHOD);
    return 0;
  }
  if (args.stride != sizeof(BIO_MSG) || args.flags != 0) {
    RaiseBio(ERR_R_PASSED_INVALID_ARGUMENT);
    return 0;
  }
  const size_t count = std::min(args.num_msg, kMessagesMax);
  if (data != nullptr) {
    if (!CheckLocals(*data, args.msg, count)) return 0;
    *args.num_processed = CountWhile(
        args.msg, count, [&](BIO_MSG* m, bool first) { return direction.socket(data, m, first); });
  } else {
    *args.num_processed = CountWhile(args.msg, count, [&](BIO_MSG* m, bool first) {
      const int reason = direction.queue(bio, m);
      if (reason != 0 && first) RaiseBio(reason);
      return reason == 0;
    });
  }
  return count == 0 || *args.num_processed > 0;
}

// The transfer between the two calls of the BIO's callback, if it has one.
int Call(const Direction& direction, BIO* bio, BIO_MMSG_CB_ARGS args) {
  *args.num_processed = 0;
  const BIO_callback_fn_ex callback = bio != nullptr ? BIO_get_callback_ex(bio) : nullptr;
  if (callback == nullptr) return Transfer(direction, bio, args);
  const auto* const text = reinterpret_cast<const char*>(&args);
  long ret = callback(bio, direction.callback, text, 0, 0, 0, 1, nullptr);
  if (ret <= 0) return 0;
  ret = Transfer(direction, bio, args);
  return static_cast<int>(callback(bio, direction.callback | BIO_CB_RETURN, text, 0, 0, 0,
                                   static_cast<int>(ret), nullptr));
}

}  // namespace

int BIO_sendmmsg(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                 size_t* processed) {
  return Call(kSend, bio, {msgs, stride, count, flags, processed});
}

int BIO_recvmmsg(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                 size_t* processed) {
  return Call(kReceive, bio, {msgs, stride, count, flags, processed});
}

int BIO_err_is_non_fatal(unsigned int entry) {
  if (ERR_SYSTEM_ERROR(entry)) return BIO_sock_non_fatal_error(ERR_GET_REASON(entry));
  return ERR_GET_LIB(entry) == ERR_LIB_BIO && ERR_GET_REASON(entry) == BIO_R_NON_FATAL;
}

}  // namespace sockbed
