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
  if (expr.kind == Expr::Kind::kWord && expr.text == "NULL") return absl::OkStatus();
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
    const Expr* const base = FieldOf(entry, "iov_base", 0);
    const Expr* const len = FieldOf(entry, "iov_len", 1);
    if (base == nullptr || len == nullptr) return CallError("an iovec needs two fields");
    if (absl::Status status = NeedEllipsis(*base); !status.ok()) return status;
    size_t count;
    if (absl::Status status = Count(*len, &count); !status.ok()) return status;
    all->buffers.emplace_back(std::max<size_t>(count, 1));
    all->vectors.push_back({nullptr, count});
  }
  for (size_t i = 0; i < all->buffers.size(); ++i) {
    all->vectors[i].iov_base = all->buffers[i].data();
  }
  return absl::OkStatus();
}

// One control message of a script: its data is an integer.
struct Control {
  int level, type, data;
  std::optional<size_t> length;  // cmsg_len, if the script says it
};

absl::Status ReadControls(const Expr& list, std::vector<Control>* controls) {
  if (list.kind != Expr::Kind::kArray) return CallError("Bad type; expected: list of cmsghdr");
  for (const Expr& entry : list.parts) {
    int64_t values[3];
    size_t i = 0;
    for (const char* name : {"cmsg_level", "cmsg_type", "cmsg_data"}) {
      const Expr* const field = FieldOf(entry, name, SIZE_MAX);
      if (field == nullptr) return CallError(absl::StrCat("a cmsghdr needs ", name));
      const absl::StatusOr<int64_t> value = ValueOf(*field);
      if (!value.ok()) return value.status();
      values[i++] = *value;
    }
    Control& control = controls->emplace_back();
    control.level = static_cast<int>(values[0]);
    control.type = static_cast<int>(values[1]);
    control.data = static_cast<int>(values[2]);
    const Expr* const length = FieldOf(entry, "cmsg_len", SIZE_MAX);
    if (length == nullptr || length->kind == Expr::Kind::kEllipsis) continue;
    const absl::StatusOr<int64_t> said = ValueOf(*length);
    if (!said.ok()) return said.status();
    control.length = static_cast<size_t>(*said);
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
  int64_t expected_flags = 0;
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
    header->cmsg_level = control.level;
    header->cmsg_type = control.type;
    header->cmsg_len = control.length.value_or(CMSG_LEN(sizeof(int)));
    std::memcpy(CMSG_DATA(header), &control.data, sizeof control.data);
    header = reinterpret_cast<cmsghdr*>(reinterpret_cast<char*>(header) + CMSG_SPACE(sizeof(int)));
  }
}

absl::Status CheckControls(LiveMessage* message) {
  if (message->header.msg_flags != message->expected_flags) {
    return CallError(absl::StrCat("Expected msg_flags ", message->expected_flags, " but got ",
                                  message->header.msg_flags));
  }
  cmsghdr* header = CMSG_FIRSTHDR(&message->header);
  for (const Control& control : message->expected) {
    if (header == nullptr) return CallError("fewer control messages than expected");
    int data = 0;
    std::memcpy(&data, CMSG_DATA(header), std::min(sizeof data, header->cmsg_len - CMSG_LEN(0)));
    const bool length = !control.length || *control.length == header->cmsg_len;
    if (header->cmsg_level != control.level || header->cmsg_type != control.type ||
        data != control.data || !length) {
      return CallError(absl::StrCat("control message: expected ", control.level, "/", control.type,
                                    " ", control.data, " but got ", header->cmsg_level, "/",
                                    header->cmsg_type, " ", data, " of ", header->cmsg_len,
                                    " bytes"));
    }
    header = CMSG_NXTHDR(&message->header, header);
  }
  return header == nullptr ? absl::OkStatus() : CallError("more control messages than expected");
}

// Reads "{msg_name(...)=..., msg_iov(1)=[...], msg_control(n)=[...], msg_flags=n}".
absl::Status ReadMessage(const Expr& structure, LiveMessage* message) {
  if (structure.kind != Expr::Kind::kStruct) return CallError("Bad type; expected: msghdr");
  const auto named = [&](const char* name) { return FieldOf(structure, name, SIZE_MAX); };
  if (const Expr* const iov = named("msg_iov")) {
    if (absl::Status status = Gather(*iov, &message->data); !status.ok()) return status;
  }
  message->header.msg_iov = message->data.vectors.data();
  message->header.msg_iovlen = message->data.vectors.size();
  if (const Expr* const controls = named("msg_control")) {
    if (absl::Status s = ReadControls(*controls, &message->expected); !s.ok()) return s;
    if (!controls->field_size.empty() && controls->field_size[0].kind != Expr::Kind::kEllipsis) {
      size_t room;
      if (absl::Status s = Count(controls->field_size[0], &room); !s.ok()) return s;
      message->control_room = std::min(room, kControlMax);
    }
  }
  if (const Expr* const flags = named("msg_flags")) {
    const absl::StatusOr<int64_t> value = ValueOf(*flags);
    if (!value.ok()) return value.status();
    message->expected_flags = *value;
  }
  return absl::OkStatus();
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
  const absl::StatusOr<int64_t> count = ValueOf(call.arguments[2]);
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
  const absl::StatusOr<int64_t> flags = ValueOf(call.arguments[3]);
  if (!flags.ok()) return flags.status();
  std::shared_ptr<std::vector<char>> buffer;
  if (absl::Status s = Buffer(call.arguments[1], count, &buffer); !s.ok()) return s;
  const int how = static_cast<int>(*flags);
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
  const absl::StatusOr<int64_t> flags = ValueOf(call.arguments[3]);
  if (!flags.ok()) return flags.status();
  std::shared_ptr<std::vector<char>> buffer;
  if (absl::Status s = Buffer(call.arguments[1], count, &buffer); !s.ok()) return s;
  const int how = static_cast<int>(*flags);
  if (!Sends(call)) {
    pending->body = [fd, count, buffer, how]() -> int64_t {
      sockaddr_storage from;
      socklen_t length = sizeof from;
      return uapi::recvfrom(fd, buffer != nullptr ? buffer->data() : nullptr, count, how,
                            reinterpret_cast<sockaddr*>(&from), &length);
    };
    return absl::OkStatus();
  }
  sockaddr_storage to;
  socklen_t length = PeerAddress(&to);
  if (call.arguments[4].kind == Expr::Kind::kWord) {  // NULL, or a family alone
    const absl::StatusOr<int64_t> family = ValueOf(call.arguments[4]);
    if (!family.ok()) return family.status();
    to.ss_family = static_cast<sa_family_t>(*family);
    if (*family == 0) length = 0;
  } else {
    connections_->OnConnect(static_cast<int>(call.arguments[0].number));
  }
  pending->body = [fd, count, buffer, how, to, length]() -> int64_t {
    const auto* const address = length != 0 ? reinterpret_cast<const sockaddr*>(&to) : nullptr;
    return uapi::sendto(fd, buffer != nullptr ? buffer->data() : nullptr, count, how, address,
                        length);
  };
  return absl::OkStatus();
}

absl::Status Calls::Message(const Call& call, PendingCall* pending) {
  int fd;
  if (absl::Status status = Live(call.arguments[0], &fd); !status.ok()) return status;
  const absl::StatusOr<int64_t> flags = ValueOf(call.arguments[2]);
  if (!flags.ok()) return flags.status();
  const int how = static_cast<int>(*flags);
  auto message = std::make_shared<LiveMessage>();
  const Expr& structure = call.arguments[1];
  if (absl::Status s = ReadMessage(structure, message.get()); !s.ok()) return s;
  const bool named = FieldOf(structure, "msg_name", SIZE_MAX) != nullptr;
  if (Sends(call)) {
    PutControls(message.get());
    // A stream has its peer by now; a datagram goes to the one that it names, unless connect has
    // fixed it.
    const Tracked* const tracked = connections_->Find(static_cast<int>(call.arguments[0].number));
    const bool open = tracked != nullptr && !tracked->connected &&
                      (tracked->phase == Phase::kNew || tracked->protocol != kTcp);
    if (named && open) {
      message->header.msg_namelen = PeerAddress(&message->name);
      message->header.msg_name = &message->name;
      connections_->OnConnect(static_cast<int>(call.arguments[0].number));
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
