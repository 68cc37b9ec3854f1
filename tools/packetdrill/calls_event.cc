// Calls that wait for several files: poll and epoll; and pipe, which makes two.
#include <sys/epoll.h>

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/calls.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

// "{events=EPOLLIN, fd=4}": the word behind the events is the program's, by whichever name.
absl::Status ReadEvent(const Expr& expr, epoll_event* event) {
  std::vector<const Expr*> fields;
  absl::Status status = FieldsOf(expr, {"events", "fd", "ptr", "u32", "u64"}, &fields);
  if (!status.ok()) return status;
  const Expr* const events = fields[0];
  const Expr* word = nullptr;
  for (const Expr* field : std::span(fields).subspan(1)) {
    if (field != nullptr && word != nullptr) return CallError("an epoll_event has two fields");
    if (word == nullptr) word = field;
  }
  if (events == nullptr || word == nullptr) return CallError("an epoll_event needs two fields");
  const absl::StatusOr<int> asked = IntOf(*events);
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
  std::vector<int> values;
  if (absl::Status status = IntsFrom(call, 1, &values); !status.ok()) return status;
  if (values[0] < 0 || static_cast<size_t>(values[0]) != list.parts.size()) {
    return CallError(absl::StrCat("nfds is ", values[0], " but the list has ", list.parts.size(),
                                  " elements"));
  }
  auto fds = std::make_shared<std::vector<pollfd>>();
  std::vector<std::optional<int>> wanted;  // nothing: not compared
  for (const Expr& entry : list.parts) {
    std::vector<const Expr*> fields;
    absl::Status status = FieldsOf(entry, {"fd", "events", "revents"}, &fields);
    if (!status.ok()) return status;
    const auto [fd, events, revents] = std::array{fields[0], fields[1], fields[2]};
    if (fd == nullptr || events == nullptr) return CallError("a pollfd needs fd and events");
    pollfd& made = fds->emplace_back();
    if (status = Live(*fd, &made.fd); !status.ok()) return status;
    const absl::StatusOr<int> asked = IntOf(*events, 16);
    if (!asked.ok()) return asked.status();
    made.events = static_cast<int16_t>(*asked);
    std::optional<int>& told = wanted.emplace_back(0);
    if (revents == nullptr) continue;
    if (status = ReadOpenInt(*revents, true, &told); !status.ok()) return status;
  }
  pending->body = [fds, limit = values[1]] {
    return int64_t{uapi::poll(fds->data(), static_cast<nfds_t>(fds->size()), limit)};
  };
  pending->output = [fds, wanted] {
    for (size_t i = 0; i < wanted.size(); ++i) {
      const int told = static_cast<uint16_t>((*fds)[i].revents);
      if (!wanted[i] || told == *wanted[i]) continue;
      return CallError(
          absl::StrCat("Expected revents ", *wanted[i], " of entry ", i, " but got ", told));
    }
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

absl::Status Calls::EpollCreate(const Call& call, PendingCall* pending) {
  const absl::StatusOr<int> size = IntOf(call.arguments[0]);
  if (!size.ok()) return size.status();
  pending->gives_descriptor = true;
  pending->body = [n = *size] { return int64_t{uapi::epoll_create(n)}; };
  return absl::OkStatus();
}

absl::Status Calls::EpollCtl(const Call& call, PendingCall* pending) {
  int set, fd;
  if (absl::Status status = Live(call.arguments[0], &set); !status.ok()) return status;
  if (absl::Status status = Live(call.arguments[2], &fd); !status.ok()) return status;
  const absl::StatusOr<int> what = IntOf(call.arguments[1]);
  if (!what.ok()) return what.status();
  epoll_event event{};
  if (absl::Status s = ReadEvent(call.arguments[3], &event); !s.ok()) return s;
  pending->body = [=, op = *what]() mutable {
    return int64_t{uapi::epoll_ctl(set, op, fd, &event)};
  };
  return absl::OkStatus();
}

// Of what it tells only the first is compared.
absl::Status Calls::EpollWait(const Call& call, PendingCall* pending) {
  int set;
  if (absl::Status status = Live(call.arguments[0], &set); !status.ok()) return status;
  std::vector<int> values;
  if (absl::Status status = IntsFrom(call, 2, &values); !status.ok()) return status;
  if (values[0] < 1 || values[0] > 1024) return CallError("epoll_wait for 1 to 1024 events");
  epoll_event expected{};
  if (absl::Status s = ReadEvent(call.arguments[1], &expected); !s.ok()) return s;
  auto told = std::make_shared<std::vector<epoll_event>>(static_cast<size_t>(values[0]));
  pending->body = [set, told, limit = values[1]] {
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
  const absl::StatusOr<int> reader = IntOf(list.parts[0]);
  const absl::StatusOr<int> writer = IntOf(list.parts[1]);
  if (!reader.ok() || !writer.ok()) return reader.ok() ? writer.status() : reader.status();
  auto ends = std::make_shared<std::array<int, 2>>();
  pending->body = [ends] { return int64_t{uapi::pipe(ends->data())}; };
  pending->output = [this, ends, names = std::array{*reader, *writer}] {
    for (size_t i = 0; i < 2; ++i) {
      if (descriptors_.emplace(names[i], (*ends)[i]).second) continue;
      return CallError(absl::StrCat("descriptor ", names[i], " is open already"));
    }
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
