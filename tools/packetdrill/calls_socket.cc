// Calls that make, name and end sockets.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/calls.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

int ScriptFd(const Expr& expr) { return static_cast<int>(expr.number); }

// The address and its length, which the runner supplies: the arguments from the `from`-th on.
absl::Status NeedEllipses(const Call& call, size_t from) {
  absl::Status status;
  for (size_t i = from; i < call.arguments.size() && status.ok(); ++i) {
    status = NeedEllipsis(call.arguments[i]);
  }
  return status;
}

// Whether two socket addresses name the same port of the same host.
bool SamePeer(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (a.ss_family == AF_INET) {
    const auto& x = reinterpret_cast<const sockaddr_in&>(a);
    const auto& y = reinterpret_cast<const sockaddr_in&>(b);
    return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
  }
  const auto& x = reinterpret_cast<const sockaddr_in6&>(a);
  const auto& y = reinterpret_cast<const sockaddr_in6&>(b);
  return x.sin6_port == y.sin6_port &&
         std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0;
}

}  // namespace

absl::Status Calls::Socket(const Call& call, PendingCall* pending) {
  std::vector<int> values;
  absl::Status status = IntsFrom(call, 1, &values);
  if (!status.ok()) return status;
  const bool v4 = config_.ip_version == IpVersion::kIpv4;
  int domain = v4 ? AF_INET : AF_INET6;
  if (call.arguments[0].kind != Expr::Kind::kEllipsis) {
    const absl::StatusOr<int> given = IntOf(call.arguments[0]);
    if (!given.ok()) return given.status();
    domain = *given;
  }
  const int type = values[0];
  const int protocol = values[1];
  const bool mapped = config_.ip_version == IpVersion::kIpv4Mapped;
  pending->gives_descriptor = true;
  pending->body = [=] {
    const int fd = uapi::socket(domain, type, protocol);
    const int off = 0;
    if (fd >= 0 && mapped) uapi::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    return int64_t{fd};
  };
  const bool stream = (type & 0xf) == SOCK_STREAM;
  const uint8_t carried = protocol != 0 ? static_cast<uint8_t>(protocol) : stream ? kTcp : kUdp;
  pending->effect = [this, pending, carried, &call] {
    if (pending->result < 0) return;
    connections_->OnSocket(ScriptFd(call.result), static_cast<int>(pending->result), carried);
  };
  return absl::OkStatus();
}

absl::Status Calls::Bind(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = NeedEllipses(call, 1); !status.ok()) return status;
  sockaddr_storage address;
  const socklen_t length = SocketAddress(config_.local_ip, config_.bind_port, &address);
  pending->body = [=] {
    return int64_t{uapi::bind(fd, reinterpret_cast<const sockaddr*>(&address), length)};
  };
  pending->effect = [this, pending, script = ScriptFd(call.arguments[0])] {
    if (pending->result == 0) connections_->OnBind(script);
  };
  return absl::OkStatus();
}

absl::Status Calls::Listen(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  const absl::StatusOr<int> backlog = IntOf(call.arguments[1]);
  if (!backlog.ok()) return backlog.status();
  pending->body = [fd, n = *backlog] { return int64_t{uapi::listen(fd, n)}; };
  pending->effect = [this, pending, script = ScriptFd(call.arguments[0])] {
    if (pending->result == 0) connections_->OnListen(script);
  };
  return absl::OkStatus();
}

absl::Status Calls::Accept(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = NeedEllipses(call, 1); !status.ok()) return status;
  auto peer = std::make_shared<sockaddr_storage>();
  pending->gives_descriptor = true;
  pending->body = [fd, peer] {
    socklen_t length = sizeof *peer;
    return int64_t{uapi::accept(fd, reinterpret_cast<sockaddr*>(peer.get()), &length)};
  };
  auto tracked = std::make_shared<Tracked*>(nullptr);
  pending->effect = [this, pending, tracked, &call] {
    if (pending->result < 0) return;
    *tracked = connections_->OnAccept(ScriptFd(call.result), static_cast<int>(pending->result));
  };
  pending->output = [this, peer, tracked] {
    if (*tracked == nullptr) return CallError("accept returned a connection that no line opened");
    sockaddr_storage expected;
    SocketAddress(config_.remote_ip, (*tracked)->remote_port, &expected);
    if (SamePeer(expected, *peer)) return absl::OkStatus();
    return CallError("accept returned another peer's connection");
  };
  return absl::OkStatus();
}

absl::Status Calls::Connect(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  const int script = ScriptFd(call.arguments[0]);
  sockaddr_storage address;
  socklen_t length = PeerAddress(&address);
  const bool family_alone = call.arguments[1].kind == Expr::Kind::kWord;  // AF_UNSPEC: to nobody
  if (family_alone) {
    const absl::StatusOr<int> family = IntOf(call.arguments[1], 8);
    if (!family.ok()) return family.status();
    address.ss_family = static_cast<sa_family_t>(*family);
  }
  if (absl::Status s = NeedEllipses(call, family_alone ? 2 : 1); !s.ok()) return s;
  if (family_alone) {
    // A datagram socket loses its peer even by a call that fails: the family is looked at later.
    pending->effect = [this, pending, script] {
      const Tracked* const tracked = connections_->Find(script);
      const bool datagrams = tracked != nullptr && tracked->protocol != kTcp;
      if (pending->result == 0 || datagrams) connections_->OnDisconnect(script);
    };
  } else {
    Speaks(script, pending);
    if (Tracked* tracked = connections_->Find(script)) tracked->connected = true;
  }
  pending->body = [=] {
    return int64_t{uapi::connect(fd, reinterpret_cast<const sockaddr*>(&address), length)};
  };
  return absl::OkStatus();
}

absl::Status Calls::Close(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  pending->body = [fd] { return int64_t{uapi::close(fd)}; };
  pending->effect = [this, script = ScriptFd(call.arguments[0])] {
    descriptors_.erase(script);
    connections_->OnClose(script);
  };
  return absl::OkStatus();
}

absl::Status Calls::Shutdown(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  const absl::StatusOr<int> how = IntOf(call.arguments[1]);
  if (!how.ok()) return how.status();
  pending->body = [fd, h = *how] { return int64_t{uapi::shutdown(fd, h)}; };
  return absl::OkStatus();
}

absl::Status Calls::Fcntl(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  std::vector<int> values;
  if (absl::Status status = IntsFrom(call, 1, &values); !status.ok()) return status;
  values.resize(2);
  pending->body = [fd, command = values[0], argument = values[1]] {
    return int64_t{uapi::fcntl(fd, command, argument)};
  };
  return absl::OkStatus();
}

// With three arguments the third, "[n]", is what the call must answer.
absl::Status Calls::Ioctl(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  const absl::StatusOr<int64_t> request = ValueOf(call.arguments[1]);
  if (!request.ok()) return request.status();
  auto answer = std::make_shared<int>(0);
  pending->body = [fd, answer, r = static_cast<unsigned long>(*request)] {
    return int64_t{uapi::ioctl(fd, r, answer.get())};
  };
  if (call.arguments.size() == 2) return absl::OkStatus();
  const Expr& list = call.arguments[2];
  if (list.kind != Expr::Kind::kArray || list.parts.size() != 1) {
    return CallError("Bad type; expected: list of one integer");
  }
  const absl::StatusOr<int> expected = IntOf(list.parts[0]);
  if (!expected.ok()) return expected.status();
  pending->output = [answer, wanted = *expected] {
    if (*answer == wanted) return absl::OkStatus();
    return CallError(absl::StrCat("Bad ioctl value: expected: ", wanted, " actual: ", *answer));
  };
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
