// Calls that wait for several files: poll and epoll; and pipe, which makes two.
#include <sys/epoll.h>

#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/calls.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

// "{events=EPOLLIN, fd=4}": the word behind the events is the program's, by whichever name.
absl::Status ReadEvent(const Expr& expr, epoll_event* event) {
  if (expr.kind != Expr::Kind::kStruct) return CallError("Bad type; expected: epoll_event");
  const Expr* const events = FieldOf(expr, "events", SIZE_MAX);
  const Expr* word = nullptr;
  for (const char* name : {"fd", "ptr", "u32", "u64"}) {
    if (word == nullptr) word = FieldOf(expr, name, SIZE_MAX);
  }
  if (events == nullptr || word == nullptr) return CallError("an epoll_event needs two fields");
  const absl::StatusOr<int64_t> asked = ValueOf(*events);
  const absl::StatusOr<int64_t> data = ValueOf(*word);
  if (!asked.ok() || !data.ok()) return asked.ok() ? data.status() : asked.status();
  event->events = static_cast<uint32_t>(*asked);
  event->data.u64 = static_cast<uint64_t>(*data);
  return absl::OkStatus();
}

}  // namespace

absl::Status Calls::Poll(const Call& call, PendingCall* pending) {
  const Expr& list = call.arguments[0];
  if (list.kind != Expr::Kind::kArray) return CallError("Bad type; expected: list of pollfd");
  std::vector<int64_t> values;
  if (absl::Status status = ValuesFrom(call, 1, &values); !status.ok()) return status;
  auto fds = std::make_shared<std::vector<pollfd>>();
  std::vector<int64_t> wanted;
  for (const Expr& entry : list.parts) {
    const Expr* const fd = FieldOf(entry, "fd", 0);
    const Expr* const events = FieldOf(entry, "events", 1);
    const Expr* const revents = FieldOf(entry, "revents", 2);
    if (fd == nullptr || events == nullptr) return CallError("a pollfd needs fd and events");
    pollfd& made = fds->emplace_back();
    if (absl::Status status = Live(*fd, &made.fd); !status.ok()) return status;
    const absl::StatusOr<int64_t> asked = ValueOf(*events);
    const absl::StatusOr<int64_t> told = revents != nullptr ? ValueOf(*revents) : int64_t{0};
    if (!asked.ok() || !told.ok()) return asked.ok() ? told.status() : asked.status();
    made.events = static_cast<int16_t>(*asked);
    wanted.push_back(*told);
  }
  pending->body = [fds, count = values[0], limit = static_cast<int>(values[1])] {
    return int64_t{uapi::poll(fds->data(), static_cast<nfds_t>(count), limit)};
  };
  pending->output = [fds, wanted] {
    for (size_t i = 0; i < wanted.size(); ++i) {
      if ((*fds)[i].revents == wanted[i]) continue;
      return CallError(absl::StrCat("Expected revents ", wanted[i], " of entry ", i, " but got ",
                                    (*fds)[i].revents));
    }
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

absl::Status Calls::EpollCreate(const Call& call, PendingCall* pending) {
  const absl::StatusOr<int64_t> size = ValueOf(call.arguments[0]);
  if (!size.ok()) return size.status();
  pending->gives_descriptor = true;
  pending->body = [n = static_cast<int>(*size)] { return int64_t{uapi::epoll_create(n)}; };
  return absl::OkStatus();
}

absl::Status Calls::EpollCtl(const Call& call, PendingCall* pending) {
  int set, fd;
  if (absl::Status status = Live(call.arguments[0], &set); !status.ok()) return status;
  if (absl::Status status = Live(call.arguments[2], &fd); !status.ok()) return status;
  const absl::StatusOr<int64_t> what = ValueOf(call.arguments[1]);
  if (!what.ok()) return what.status();
  epoll_event event{};
  if (absl::Status s = ReadEvent(call.arguments[3], &event); !s.ok()) return s;
  pending->body = [=, op = static_cast<int>(*what)]() mutable {
    return int64_t{uapi::epoll_ctl(set, op, fd, &event)};
  };
  return absl::OkStatus();
}

// Of what it tells only the first is compared.
absl::Status Calls::EpollWait(const Call& call, PendingCall* pending) {
  int set;
  if (absl::Status status = Live(call.arguments[0], &set); !status.ok()) return status;
  std::vector<int64_t> values;
  if (absl::Status status = ValuesFrom(call, 2, &values); !status.ok()) return status;
  if (values[0] < 1 || values[0] > 1024) return CallError("epoll_wait for 1 to 1024 events");
  epoll_event expected{};
  if (absl::Status s = ReadEvent(call.arguments[1], &expected); !s.ok()) return s;
  auto told = std::make_shared<std::vector<epoll_event>>(static_cast<size_t>(values[0]));
  pending->body = [set, told, limit = static_cast<int>(values[1])] {
    return int64_t{uapi::epoll_wait(set, told->data(), static_cast<int>(told->size()), limit)};
  };
  pending->output = [pending, told, expected] {
    const epoll_event& first = told->front();
    const bool same = first.events == expected.events && first.data.u64 == expected.data.u64;
    if (pending->result == 0 || same) return absl::OkStatus();
    return CallError(absl::StrCat("Expected events ", expected.events, " with ", expected.data.u64,
                                  " but got ", first.events, " with ", first.data.u64));
  };
  return absl::OkStatus();
}

// "pipe([3, 4])": the script's names for both ends.
absl::Status Calls::Pipe(const Call& call, PendingCall* pending) {
  const Expr& list = call.arguments[0];
  if (list.kind != Expr::Kind::kArray || list.parts.size() != 2) {
    return CallError("Bad type; expected: list of two descriptors");
  }
  const absl::StatusOr<int64_t> reader = ValueOf(list.parts[0]);
  const absl::StatusOr<int64_t> writer = ValueOf(list.parts[1]);
  if (!reader.ok() || !writer.ok()) return reader.ok() ? writer.status() : reader.status();
  auto ends = std::make_shared<std::array<int, 2>>();
  pending->body = [ends] { return int64_t{uapi::pipe(ends->data())}; };
  pending->output = [this, ends, names = std::array{*reader, *writer}] {
    for (size_t i = 0; i < 2; ++i) {
      const auto name = static_cast<int>(names[i]);
      if (descriptors_.emplace(name, (*ends)[i]).second) continue;
      return CallError(absl::StrCat("descriptor ", name, " is open already"));
    }
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
