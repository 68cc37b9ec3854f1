// Calls that move data: bytes sent are zeros, bytes received are not looked at.
#include <netinet/in.h>

#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/packetdrill/calls.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

constexpr int64_t kCountMax = int64_t{1} << 28;
constexpr size_t kControlMax = 4096;

// The size of a buffer.
absl::Status Count(const Expr& expr, size_t* count) {
  const absl::StatusOr<int64_t> value = ValueOf(expr);
  if (!value.ok()) return value.status();
  if (*value < 0 || *value > kCountMax) return CallError("a count beyond all measure");
  *count = static_cast<size_t>(*value);
  return absl::OkStatus();
}

// A buffer: the runner's, or nobody's ("NULL").
absl::Status Buffer(const Expr& expr, size_t count, std::shared_ptr<std::vector<char>>* buffer) {
  if (IsNull(expr)) return absl::OkStatus();
  *buffer = std::make_shared<std::vector<char>>(std::max<size_t>(count, 1));
  return NeedEllipsis(expr);
}

bool Sends(const Call& call) {
  return absl::StartsWith(call.name, "send") || absl::StartsWith(call.name, "write");
}

// Buffers of a vector, and the vector that names them.
struct Gathered {
  std::vector<std::vector<char>> buffers;
  std::vector<iovec> vectors;
};

absl::Status Gather(const Expr& list, Gathered* all) {
  if (list.kind != Expr::Kind::kArray) return CallError("Bad type; expected: list of iovec");
  for (const Expr& entry : list.parts) {
    std::vector<const Expr*> fields;
    absl::Status status = FieldsOf(entry, {"iov_base", "iov_len"}, &fields);
    if (!status.ok()) return status;
    const Expr* const base = fields[0];
    const Expr* const len = fields[1];
    if (base == nullptr || len == nullptr) return CallError("an iovec needs two fields");
    if (status = NeedEllipsis(*base); !status.ok()) return status;
    size_t count;
    if (status = Count(*len, &count); !status.ok()) return status;
    all->buffers.emplace_back(std::max<size_t>(count, 1));
    all->vectors.push_back({nullptr, count});
  }
  for (size_t i = 0; i < all->buffers.size(); ++i) {
    all->vectors[i].iov_base = all->buffers[i].data();
  }
  return absl::OkStatus();
}

// One control message of a script: its data is an integer. What it leaves open is not compared.
struct Control {
  std::optional<int> level, type, data, length;
};

// `get`: of what is received.
absl::Status ReadControls(const Expr& list, bool get, std::vector<Control>* controls) {
  if (list.kind != Expr::Kind::kArray) return CallError("Bad type; expected: list of cmsghdr");
  for (const Expr& entry : list.parts) {
    std::vector<const Expr*> fields;
    absl::Status status =
        FieldsOf(entry, {"cmsg_len", "cmsg_level", "cmsg_type", "cmsg_data"}, &fields);
    Control& control = controls->emplace_back();
    // A length that nobody gives is the natural one.
    if (status.ok() && fields[0] != nullptr) {
      status = ReadOpenInt(*fields[0], true, &control.length);
    }
    size_t i = 1;
    for (std::optional<int>* value : {&control.level, &control.type, &control.data}) {
      if (!status.ok()) return status;
      const Expr* const field = fields[i++];
      if (field == nullptr) return CallError("a cmsghdr needs cmsg_level, cmsg_type and cmsg_data");
      status = ReadOpenInt(*field, get, value);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// A message that lives until its call has returned.
struct LiveMessage {
  Gathered data;
  std::vector<char> control;
  sockaddr_storage name;
  msghdr header{};
  std::vector<Control> expected;  // controls of the script
  std::optional<int> expected_flags = 0;
  bool named = false;  // msg_name is there
  size_t control_room = kControlMax;  // for what is received: "msg_control(n)"
};

void PutControls(LiveMessage* message) {
  size_t size = 0;
  for (size_t i = 0; i < message->expected.size(); ++i) size += CMSG_SPACE(sizeof(int));
  message->control.assign(size, 0);
  message->header.msg_control = message->control.data();
  message->header.msg_controllen = size;
  cmsghdr* header = size != 0 ? CMSG_FIRSTHDR(&message->header) : nullptr;
  for (const Control& control : message->expected) {
    header->cmsg_level = *control.level;
    header->cmsg_type = *control.type;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    if (control.length) header->cmsg_len = static_cast<size_t>(*control.length);
    std::memcpy(CMSG_DATA(header), &*control.data, sizeof(int));
    header = reinterpret_cast<cmsghdr*>(reinterpret_cast<char*>(header) + CMSG_SPACE(sizeof(int)));
  }
}

// "7", or "..." for what is not compared.
std::string Shown(const std::optional<int>& value) { return value ? absl::StrCat(*value) : "..."; }

absl::Status CheckControls(LiveMessage* message) {
  const auto same = [](const std::optional<int>& expected, int64_t actual) {
    return !expected || *expected == actual;
  };
  if (!same(message->expected_flags, message->header.msg_flags)) {
    return CallError(absl::StrCat("Expected msg_flags ", *message->expected_flags, " but got ",
                                  message->header.msg_flags));
  }
  cmsghdr* header = CMSG_FIRSTHDR(&message->header);
  for (const Control& control : message->expected) {
    if (header == nullptr) return CallError("fewer control messages than expected");
    int data = 0;
    std::memcpy(&data, CMSG_DATA(header), std::min(sizeof data, header->cmsg_len - CMSG_LEN(0)));
    if (!same(control.level, header->cmsg_level) || !same(control.type, header->cmsg_type) ||
        !same(control.data, data) ||
        !same(control.length, static_cast<int64_t>(header->cmsg_len))) {
      return CallError(absl::StrCat("control message: expected ", Shown(control.level), "/",
                                    Shown(control.type), " ", Shown(control.data), " but got ",
                                    header->cmsg_level, "/", header->cmsg_type, " ", data, " of ",
                                    header->cmsg_len, " bytes"));
    }
    header = CMSG_NXTHDR(&message->header, header);
  }
  return header == nullptr ? absl::OkStatus() : CallError("more control messages than expected");
}

// Reads "{msg_name(...)=..., msg_iov(1)=[...], msg_control(n)=[...], msg_flags=n}".
absl::Status ReadMessage(const Expr& structure, bool get, LiveMessage* message) {
  std::vector<const Expr*> fields;
  absl::Status status =
      FieldsOf(structure, {"msg_name", "msg_iov", "msg_control", "msg_flags"}, &fields);
  if (!status.ok()) return status;
  if (const Expr* const name = fields[0]) {
    message->named = true;
    if (status = NeedEllipsis(*name); !status.ok()) return status;
  }
  if (const Expr* const iov = fields[1]) {
    if (status = Gather(*iov, &message->data); !status.ok()) return status;
    std::optional<int> count;
    if (!iov->field_size.empty()) status = ReadOpenInt(iov->field_size[0], true, &count);
    if (!status.ok()) return status;
    const size_t elements = message->data.vectors.size();
    if (count && static_cast<int64_t>(elements) != *count) {
      return CallError(
          absl::StrCat("msg_iov(", *count, ") has a list of ", elements, " elements"));
    }
  }
  message->header.msg_iov = message->data.vectors.data();
  message->header.msg_iovlen = message->data.vectors.size();
  if (const Expr* const controls = fields[2]) {
    if (status = ReadControls(*controls, get, &message->expected); !status.ok()) return status;
    if (!controls->field_size.empty() && controls->field_size[0].kind != Expr::Kind::kEllipsis) {
      size_t room;
      if (status = Count(controls->field_size[0], &room); !status.ok()) return status;
      message->control_room = std::min(room, kControlMax);
    }
  }
  if (const Expr* const flags = fields[3]) {
    if (status = ReadOpenInt(*flags, get, &message->expected_flags); !status.ok()) return status;
  }
  if (get || message->expected_flags == 0) return absl::OkStatus();
  return CallError("a message that is sent has msg_flags 0");
}

}  // namespace

absl::Status Calls::ReadWrite(const Call& call, PendingCall* pending) {
  int fd;
  size_t count;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = Count(call.arguments[2], &count); !status.ok()) return status;
  std::shared_ptr<std::vector<char>> buffer;
  if (absl::Status s = Buffer(call.arguments[1], count, &buffer); !s.ok()) return s;
  pending->body = [fd, count, buffer, write = Sends(call)]() -> int64_t {
    char* const data = buffer != nullptr ? buffer->data() : nullptr;
    return write ? uapi::write(fd, data, count) : uapi::read(fd, data, count);
  };
  return absl::OkStatus();
}

absl::Status Calls::Vectors(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  auto all = std::make_shared<Gathered>();
  if (absl::Status s = Gather(call.arguments[1], all.get()); !s.ok()) return s;
  const absl::StatusOr<int> count = IntOf(call.arguments[2]);
  if (!count.ok()) return count.status();
  if (*count != static_cast<int64_t>(all->vectors.size())) {
    return CallError(
        absl::StrCat("iovcnt is ", *count, " but the list has ", all->vectors.size(), " elements"));
  }
  pending->body = [fd, all, write = Sends(call)]() -> int64_t {
    const int n = static_cast<int>(all->vectors.size());
    return write ? uapi::writev(fd, all->vectors.data(), n)
                 : uapi::readv(fd, all->vectors.data(), n);
  };
  return absl::OkStatus();
}

absl::Status Calls::SendRecv(const Call& call, PendingCall* pending) {
  int fd;
  size_t count;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = Count(call.arguments[2], &count); !status.ok()) return status;
  const absl::StatusOr<int> flags = IntOf(call.arguments[3]);
  if (!flags.ok()) return flags.status();
  std::shared_ptr<std::vector<char>> buffer;
  if (absl::Status s = Buffer(call.arguments[1], count, &buffer); !s.ok()) return s;
  const int how = *flags;
  pending->body = [fd, count, buffer, how, send = Sends(call)]() -> int64_t {
    char* const data = buffer != nullptr ? buffer->data() : nullptr;
    return send ? uapi::send(fd, data, count, how) : uapi::recv(fd, data, count, how);
  };
  return absl::OkStatus();
}

absl::Status Calls::SendRecvNamed(const Call& call, PendingCall* pending) {
  int fd;
  size_t count;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  if (absl::Status status = Count(call.arguments[2], &count); !status.ok()) return status;
  const absl::StatusOr<int> flags = IntOf(call.arguments[3]);
  if (!flags.ok()) return flags.status();
  std::shared_ptr<std::vector<char>> buffer;
  if (absl::Status s = Buffer(call.arguments[1], count, &buffer); !s.ok()) return s;
  const int how = *flags;
  const Expr& address = call.arguments[4];
  const Expr& size = call.arguments[5];
  if (!Sends(call)) {
    for (const Expr* given : {&address, &size}) {
      absl::Status status = IsNull(*given) ? absl::OkStatus() : NeedEllipsis(*given);
      if (!status.ok()) return status;
    }
    pending->body = [fd, count, buffer, how, anon = IsNull(address), unsized = IsNull(size)] {
      sockaddr_storage from;
      socklen_t length = sizeof from;
      return int64_t{uapi::recvfrom(fd, buffer != nullptr ? buffer->data() : nullptr, count, how,
                                    anon ? nullptr : reinterpret_cast<sockaddr*>(&from),
                                    unsized ? nullptr : &length)};
    };
    return absl::OkStatus();
  }
  const bool of_none = size.kind == Expr::Kind::kInteger && size.number == 0;
  if (!IsNull(address) || (!IsNull(size) && !of_none)) {
    if (absl::Status s = NeedEllipsis(size); !s.ok()) return s;
  }
  sockaddr_storage to;
  socklen_t length = PeerAddress(&to);
  if (address.kind == Expr::Kind::kWord) {  // NULL, or a family alone
    const absl::StatusOr<int> family = IntOf(address, 8);
    if (!family.ok()) return family.status();
    to.ss_family = static_cast<sa_family_t>(*family);
    if (*family == 0) length = 0;
  } else if (absl::Status s = NeedEllipsis(address); !s.ok()) {
    return s;
  } else {
    Speaks(static_cast<int>(call.arguments[0].number), pending);
  }
  pending->body = [fd, count, buffer, how, to, length]() -> int64_t {
    const auto* const peer = length != 0 ? reinterpret_cast<const sockaddr*>(&to) : nullptr;
    return uapi::sendto(fd, buffer != nullptr ? buffer->data() : nullptr, count, how, peer,
                        length);
  };
  return absl::OkStatus();
}

absl::Status Calls::Message(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  const absl::StatusOr<int> flags = IntOf(call.arguments[2]);
  if (!flags.ok()) return flags.status();
  const int how = *flags;
  auto message = std::make_shared<LiveMessage>();
  const bool sends = Sends(call);
  if (absl::Status s = ReadMessage(call.arguments[1], !sends, message.get()); !s.ok()) return s;
  if (sends) {
    PutControls(message.get());
    // A stream has its peer by now; a datagram goes to the one that it names, unless connect has
    // fixed it.
    const Tracked* const tracked = connections_->Find(static_cast<int>(call.arguments[0].number));
    const bool open = tracked != nullptr && !tracked->connected &&
                      (tracked->phase == Phase::kNew || tracked->protocol != kTcp);
    if (message->named && open) {
      message->header.msg_namelen = PeerAddress(&message->name);
      message->header.msg_name = &message->name;
      Speaks(static_cast<int>(call.arguments[0].number), pending);
    }
    pending->body = [fd, message, how] {
      return int64_t{uapi::sendmsg(fd, &message->header, how)};
    };
    return absl::OkStatus();
  }
  message->control.resize(message->control_room);
  message->header.msg_control = message->control.data();
  message->header.msg_controllen = message->control.size();
  message->header.msg_name = &message->name;
  message->header.msg_namelen = sizeof message->name;
  pending->body = [fd, message, how] { return int64_t{uapi::recvmsg(fd, &message->header, how)}; };
  pending->output = [message] { return CheckControls(message.get()); };
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
