// What all calls share: arguments, descriptors, results.
#include "tools/packetdrill/calls.h"

#include <arpa/inet.h>
#include <errno.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/constants.h"
#include "tools/packetdrill/printer.h"

namespace sockbed::packetdrill {
namespace {

const char* TypeName(const Expr& expr) {
  static constexpr const char* kNames[] = {"ellipsis", "integer",  "word",
                                           "string",   "integer",  "list",
                                           "struct",   "function", "assignment"};
  return kNames[static_cast<size_t>(expr.kind)];
}

// Calls of the language that the simulated system has not.
bool IsForeign(const std::string& name) {
  for (const char* foreign :
       {"open", "sendfile", "splice", "cap_set", "psp_rx_assoc", "psp_tx_assoc"}) {
    if (name == foreign) return true;
  }
  return name.compare(0, 5, "sctp_") == 0;
}

}  // namespace

absl::Status CallError(const std::string& what) { return absl::FailedPreconditionError(what); }

bool IsNull(const Expr& expr) { return expr.kind == Expr::Kind::kWord && expr.text == "NULL"; }

absl::Status NeedEllipsis(const Expr& expr) {
  if (expr.kind == Expr::Kind::kEllipsis) return absl::OkStatus();
  return CallError(absl::StrCat("Bad type; actual: ", TypeName(expr), " expected: ellipsis"));
}

absl::StatusOr<int64_t> ValueOf(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kInteger: return expr.number;
    case Expr::Kind::kWord: {
      const std::optional<int64_t> value = SymbolValue(expr.text);
      if (!value) return CallError(absl::StrCat("unknown symbol: '", expr.text, "'"));
      return *value;
    }
    case Expr::Kind::kOr: {
      int64_t all = 0;
      for (const Expr& part : expr.parts) {
        const absl::StatusOr<int64_t> value = ValueOf(part);
        if (!value.ok()) return value;
        all |= *value;
      }
      return all;
    }
    case Expr::Kind::kFunction:
      if (expr.parts.size() == 1 && expr.text == "inet_addr") {
        in_addr addr;
        if (inet_pton(AF_INET, expr.parts[0].text.c_str(), &addr) == 1) return int64_t{addr.s_addr};
        return CallError(absl::StrCat("no address: ", expr.parts[0].text));
      }
      if (expr.parts.size() == 1 && (expr.text == "htons" || expr.text == "htonl")) {
        const absl::StatusOr<int> value = IntOf(expr.parts[0], expr.text == "htons" ? 16 : 32);
        if (!value.ok()) return value.status();
        if (expr.text == "htons") return int64_t{htons(static_cast<uint16_t>(*value))};
        return int64_t{htonl(static_cast<uint32_t>(*value))};
      }
      break;
    default: break;
  }
  return CallError(absl::StrCat("Bad type; actual: ", TypeName(expr), " expected: integer"));
}

absl::StatusOr<int> IntOf(const Expr& expr, int bits) {
  const absl::StatusOr<int64_t> value = ValueOf(expr);
  if (!value.ok()) return value.status();
  if (*value >= -(int64_t{1} << (bits - 1)) && *value < int64_t{1} << bits) {
    return static_cast<int>(*value);
  }
  return CallError(absl::StrCat(*value, " does not fit into ", bits, " bits"));
}

absl::Status ReadOpenInt(const Expr& expr, bool get, std::optional<int>* value) {
  value->reset();
  if (get && expr.kind == Expr::Kind::kEllipsis) return absl::OkStatus();
  const absl::StatusOr<int> number = IntOf(expr);
  if (number.ok()) *value = *number;
  return number.status();
}

absl::Status IntsFrom(const Call& call, size_t from, std::vector<int>* values) {
  for (size_t i = from; i < call.arguments.size(); ++i) {
    const absl::StatusOr<int> value = IntOf(call.arguments[i]);
    if (!value.ok()) return value.status();
    values->push_back(*value);
  }
  return absl::OkStatus();
}

absl::Status FieldsOf(const Expr& structure, std::initializer_list<const char*> names,
                      std::vector<const Expr*>* fields) {
  if (structure.kind != Expr::Kind::kStruct) {
    return CallError(absl::StrCat("Bad type; actual: ", TypeName(structure), " expected: struct"));
  }
  fields->assign(names.size(), nullptr);
  for (size_t i = 0; i < structure.parts.size(); ++i) {
    const Expr& element = structure.parts[i];
    size_t place = i;
    if (!element.field.empty()) {
      place = static_cast<size_t>(std::find(names.begin(), names.end(), element.field) -
                                  names.begin());
    }
    if (place >= names.size()) {
      return CallError(element.field.empty()
                           ? absl::StrCat("the structure has ", names.size(), " fields")
                           : absl::StrCat("the structure has no field '", element.field, "'"));
    }
    if ((*fields)[place] != nullptr) {
      return CallError(absl::StrCat("field ", names.begin()[place], " is given twice"));
    }
    (*fields)[place] = &element;
  }
  return absl::OkStatus();
}

int64_t PendingCall::Make() {
  errno = 0;
  result = body();
  error = result < 0 ? errno : 0;
  return result;
}

// --- The table. ---

struct CallTable {
  static constexpr Calls::Entry kEntries[] = {
      {"socket", 3, 3, &Calls::Socket},
      {"bind", 3, 3, &Calls::Bind},
      {"listen", 2, 2, &Calls::Listen},
      {"accept", 3, 3, &Calls::Accept},
      {"connect", 3, 3, &Calls::Connect},
      {"close", 1, 1, &Calls::Close},
      {"shutdown", 2, 2, &Calls::Shutdown},
      {"fcntl", 2, 3, &Calls::Fcntl},
      {"ioctl", 2, 3, &Calls::Ioctl},
      {"poll", 3, 3, &Calls::Poll},
      {"epoll_create", 1, 1, &Calls::EpollCreate},
      {"epoll_ctl", 4, 4, &Calls::EpollCtl},
      {"epoll_wait", 4, 4, &Calls::EpollWait},
      {"pipe", 1, 1, &Calls::Pipe},
      {"read", 3, 3, &Calls::ReadWrite},
      {"write", 3, 3, &Calls::ReadWrite},
      {"readv", 3, 3, &Calls::Vectors},
      {"writev", 3, 3, &Calls::Vectors},
      {"recv", 4, 4, &Calls::SendRecv},
      {"send", 4, 4, &Calls::SendRecv},
      {"recvfrom", 6, 6, &Calls::SendRecvNamed},
      {"sendto", 6, 6, &Calls::SendRecvNamed},
      {"recvmsg", 3, 3, &Calls::Message},
      {"sendmsg", 3, 3, &Calls::Message},
      {"getsockopt", 5, 5, &Calls::GetOption},
      {"setsockopt", 5, 5, &Calls::SetOption},
  };
};

const Calls::Entry* Calls::FindEntry(const std::string& name) {
  for (const Entry& entry : CallTable::kEntries) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<PendingCall>> Calls::Prepare(const Call& call) {
  const Entry* const entry = FindEntry(call.name);
  if (entry == nullptr) {
    if (!IsForeign(call.name)) {
      return CallError(absl::StrCat("Unknown system call: '", call.name, "'"));
    }
    return absl::UnimplementedError(
        absl::StrCat("the simulated system has no call '", call.name, "'"));
  }
  const size_t given = call.arguments.size();
  if (given < entry->least || given > entry->most) {
    return CallError(absl::StrCat("Expected ", entry->least, " args but got ", given));
  }
  const absl::StatusOr<int64_t> result = ValueOf(call.result);
  if (!result.ok()) return result.status();
  if (*result >= 0 && !call.errno_name.empty()) {
    return CallError(absl::StrCat("an errno behind a result of ", *result));
  }
  auto pending = std::make_shared<PendingCall>();
  if (absl::Status status = (this->*entry->handler)(call, pending.get()); !status.ok()) {
    return status;
  }
  return pending;
}

absl::Status Calls::Judge(const Call& call, PendingCall* pending) {
  const absl::StatusOr<int64_t> expected = ValueOf(call.result);
  if (!expected.ok()) return expected.status();
  const auto with_errno = [&] {
    return pending->result < 0 ? absl::StrCat(" with errno ", ErrnoText(pending->error)) : "";
  };
  if (pending->gives_descriptor && *expected >= 0) {
    if (pending->result < 0) {
      return CallError(
          absl::StrCat("Expected non-negative result but got ", pending->result, with_errno()));
    }
    const absl::StatusOr<int> script = IntOf(call.result);
    if (!script.ok()) return script.status();
    const bool added = descriptors_.emplace(*script, static_cast<int>(pending->result)).second;
    if (!added) return CallError(absl::StrCat("descriptor ", *expected, " is open already"));
  } else if (pending->result != *expected) {
    return CallError(
        absl::StrCat("Expected result ", *expected, " but got ", pending->result, with_errno()));
  }
  if (!call.errno_name.empty() && pending->result < 0) {
    const std::optional<int64_t> error = SymbolValue(call.errno_name);
    if (!error) return CallError(absl::StrCat("unknown symbol: '", call.errno_name, "'"));
    if (*error != pending->error) {
      return CallError(absl::StrCat("Expected errno ", ErrnoText(static_cast<int>(*error)),
                                    " but got ", ErrnoText(pending->error)));
    }
  }
  if (pending->effect) pending->effect();
  return pending->output && pending->result >= 0 ? pending->output() : absl::OkStatus();
}

// --- Arguments. ---

absl::Status Calls::Live(const Expr& expr, int* fd) const {
  const absl::StatusOr<int> script = IntOf(expr);
  if (!script.ok()) return script.status();
  const auto found = descriptors_.find(*script);
  if (found == descriptors_.end()) {
    return CallError(absl::StrCat("descriptor ", *script, " is not open"));
  }
  *fd = found->second;
  return absl::OkStatus();
}

socklen_t Calls::SocketAddress(const std::string& ip, uint16_t port,
                               sockaddr_storage* address) const {
  std::memset(address, 0, sizeof *address);
  if (config_.ip_version == IpVersion::kIpv4) {
    auto* const sin = reinterpret_cast<sockaddr_in*>(address);
    sin->sin_family = AF_INET;
    sin->sin_port = htons(port);
    inet_pton(AF_INET, ip.c_str(), &sin->sin_addr);
    return sizeof *sin;
  }
  auto* const sin6 = reinterpret_cast<sockaddr_in6*>(address);
  sin6->sin6_family = AF_INET6;
  sin6->sin6_port = htons(port);
  const bool mapped = config_.ip_version == IpVersion::kIpv4Mapped;
  inet_pton(AF_INET6, (mapped ? "::ffff:" + ip : ip).c_str(), &sin6->sin6_addr);
  return sizeof *sin6;
}

// Whom connect and sendto speak to: the script's side, at the port of the connection under test if
// it has one already.
socklen_t Calls::PeerAddress(sockaddr_storage* address) const {
  const Tracked* const tracked = connections_->under_test();
  const bool received = tracked != nullptr && tracked->phase == Phase::kPacketReceived;
  return SocketAddress(config_.remote_ip, received ? tracked->remote_port : config_.connect_port,
                       address);
}

void Calls::Speaks(int script, PendingCall* pending) {
  if (!connections_->OnConnect(script)) return;
  pending->effect = [this, pending, script] {
    // These come to who has spoken.
    const std::initializer_list<int> spoken = {EINPROGRESS, EINTR, ETIMEDOUT, ECONNREFUSED,
                                               ECONNRESET};
    const bool silent = std::find(spoken.begin(), spoken.end(), pending->error) == spoken.end();
    if (pending->result < 0 && silent) connections_->OnDisconnect(script);
  };
}

}  // namespace sockbed::packetdrill
