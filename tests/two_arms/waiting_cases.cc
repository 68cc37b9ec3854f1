// Calls that wait: for readiness, for data, for room, for a peer; and what ends the wait.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

bool All(Kind) { return true; }
bool Connects(Kind kind) { return IsSocket(kind) && !IsDgram(kind); }

// Runs `act` in another thread a while from now.
template <typename Act>
std::thread Soon(Act act) {
  return std::thread([act] {
    usleep(30'000);
    act();
  });
}

void Polling(Notes& notes) {
  pollfd entries[3] = {{99, POLLIN, 9}, {-1, POLLIN, 9}, {1, 0, 9}};
  notes.Call("poll", poll(entries, 3, 0));
  notes.Value("not open", entries[0].revents);
  notes.Value("negative", entries[1].revents);
  notes.Value("nothing asked", entries[2].revents);
  notes.Call("of none", poll(nullptr, 0, 0));
  pollfd* volatile nowhere = nullptr;  // the compiler would warn of it
  notes.Call("from nowhere", poll(nowhere, 1, 0));
  std::vector<pollfd> many(5000, pollfd{-1, 0, 0});
  notes.Call("too many", poll(many.data(), many.size(), 0));
  timespec bad{0, 1'000'000'000};
  notes.Call("ppoll", ppoll(entries, 0, &bad, nullptr));
  bad = {-1, 0};
  notes.Call("ppoll, negative", ppoll(entries, 0, &bad, nullptr));
}

void Selecting(Notes& notes) {
  int ends[2];
  if (pipe(ends) != 0) return;
  fd_set set;
  timeval none{};
  const auto just = [&set](int fd) {
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return &set;
  };
  notes.Call("not open", select(50, just(40), nullptr, nullptr, &none));
  notes.Value("set as it was", FD_ISSET(40, &set) != 0);
  notes.Call("below its number", select(30, just(40), nullptr, nullptr, &none));
  notes.Call("negative count", select(-1, just(1), nullptr, nullptr, &none));
  notes.Call("nothing ready", select(ends[0] + 1, just(ends[0]), nullptr, nullptr, &none));
  notes.Value("set emptied", FD_ISSET(ends[0], &set) != 0);
  notes.Call("ready", select(ends[1] + 1, nullptr, just(ends[1]), nullptr, &none));
  write(ends[1], "x", 1);
  fd_set in;
  FD_ZERO(&in);
  FD_SET(ends[0], &in);
  notes.Call("two sets", select(ends[1] + 1, &in, just(ends[1]), nullptr, &none));
  timeval bad{-1, 0};
  notes.Call("negative limit", select(0, nullptr, nullptr, nullptr, &bad));
  bad = {0, -1};
  notes.Call("negative microseconds", select(0, nullptr, nullptr, nullptr, &bad));
  timespec worse{0, 1'000'000'000};
  notes.Call("pselect", pselect(0, nullptr, nullptr, nullptr, &worse, nullptr));
}

std::string Events(uint32_t events) {
  std::string names;
  for (const auto& [bit, name] : {std::pair{uint32_t{EPOLLIN}, "IN "},
                                  {EPOLLOUT, "OUT "},
                                  {EPOLLERR, "ERR "},
                                  {EPOLLHUP, "HUP "},
                                  {EPOLLRDHUP, "RDHUP "}}) {
    if ((events & bit) != 0) names += name;
  }
  return names.empty() ? "none" : names.substr(0, names.size() - 1);
}

void NoteEpoll(Notes& notes, const std::string& label, int ep) {
  epoll_event got[4];
  const int n = epoll_wait(ep, got, 4, 0);
  notes.Call(label, n);
  for (int i = 0; i < n; ++i) notes.Text(label + " events", Events(got[i].events));
}

void EpollErrors(Notes& notes) {
  const int ep = notes.Makes("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
  int ends[2];
  if (pipe(ends) != 0) return;
  epoll_event event{};
  event.events = EPOLLIN;
  notes.Makes("size 0", epoll_create(0));
  notes.Makes("unknown flags", epoll_create1(1));
  notes.Call("add", epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
  notes.Call("add again", epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
  notes.Call("modify another", epoll_ctl(ep, EPOLL_CTL_MOD, ends[1], &event));
  notes.Call("delete another", epoll_ctl(ep, EPOLL_CTL_DEL, ends[1], nullptr));
  notes.Call("add itself", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event));
  notes.Call("unknown operation", epoll_ctl(ep, 9, ends[0], &event));
  notes.Call("not open", epoll_ctl(ep, EPOLL_CTL_ADD, 99, &event));
  notes.Call("no epoll", epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], &event));
  notes.Call("epoll not open", epoll_ctl(99, EPOLL_CTL_ADD, ends[1], &event));
  notes.Call("no event", epoll_ctl(ep, EPOLL_CTL_ADD, ends[1], nullptr));
  notes.Call("room for none", epoll_wait(ep, &event, 0, 0));
  epoll_event* volatile nowhere = nullptr;  // the compiler would warn of it
  notes.Call("room nowhere", epoll_wait(ep, nowhere, 1, 0));
  notes.Call("wait of no epoll", epoll_wait(ends[0], &event, 1, 0));
  notes.Call("wait of nothing", epoll_wait(99, &event, 1, 0));
  const int outer = epoll_create1(0);
  notes.Call("nested", epoll_ctl(outer, EPOLL_CTL_ADD, ep, &event));
  notes.Call("in a circle", epoll_ctl(ep, EPOLL_CTL_ADD, outer, &event));
  notes.Ready("nested, idle", ep);
  write(ends[1], "x", 1);
  notes.Ready("nested, ready", ep);
  NoteEpoll(notes, "outer", outer);
  char byte;
  notes.Call("read", read(ep, &byte, 1));
  notes.Call("write", write(ep, &byte, 1));
}

void EpollModes(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const int ep = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET | (IsSocket(kind) ? uint32_t{EPOLLRDHUP} : 0);
  notes.Call("add", epoll_ctl(ep, EPOLL_CTL_ADD, pair.b, &event));
  NoteEpoll(notes, "idle", ep);
  write(pair.a, "one", 3);
  notes.Settle();
  NoteEpoll(notes, "edge", ep);
  NoteEpoll(notes, "told once", ep);
  write(pair.a, "two", 3);
  notes.Settle();
  NoteEpoll(notes, "next edge", ep);
  event.events = EPOLLIN | EPOLLONESHOT;
  notes.Call("modify", epoll_ctl(ep, EPOLL_CTL_MOD, pair.b, &event));
  NoteEpoll(notes, "one shot", ep);
  NoteEpoll(notes, "shot", ep);
  notes.Call("arm again", epoll_ctl(ep, EPOLL_CTL_MOD, pair.b, &event));
  NoteEpoll(notes, "armed again", ep);
  const int twin = dup(pair.b);
  event.events = EPOLLIN;
  notes.Call("level", epoll_ctl(ep, EPOLL_CTL_MOD, pair.b, &event));
  notes.Call("twin", epoll_ctl(ep, EPOLL_CTL_ADD, twin, &event));
  NoteEpoll(notes, "both", ep);
  close(twin);
  NoteEpoll(notes, "twin's number closed", ep);
  notes.Call("delete", epoll_ctl(ep, EPOLL_CTL_DEL, pair.b, nullptr));
  close(pair.a);
  notes.Settle();
  event.events = EPOLLIN | EPOLLRDHUP;
  notes.Call("add anew", epoll_ctl(ep, EPOLL_CTL_ADD, pair.b, &event));
  NoteEpoll(notes, "peer gone", ep);
}

void EpollExclusiveErrors(Notes& notes) {
  const int ep = epoll_create1(0), inner = epoll_create1(0);
  int ends[2];
  if (pipe(ends) != 0) return;
  epoll_event event{};
  event.events = EPOLLEXCLUSIVE | EPOLLIN;
  notes.Call("an epoll", epoll_ctl(ep, EPOLL_CTL_ADD, inner, &event));
  notes.Call("change of none", epoll_ctl(ep, EPOLL_CTL_MOD, ends[0], &event));
  for (const uint32_t more : {EPOLLONESHOT, EPOLLRDHUP, EPOLLPRI, EPOLLRDNORM}) {
    event.events = EPOLLEXCLUSIVE | more;
    notes.Call("with another", epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
  }
  event.events = EPOLLEXCLUSIVE | EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLET;
  notes.Call("with all", epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
  notes.Call("change to it", epoll_ctl(ep, EPOLL_CTL_MOD, ends[0], &event));
  event.events = EPOLLIN;
  notes.Call("change of it", epoll_ctl(ep, EPOLL_CTL_MOD, ends[0], &event));
  notes.Call("add again", epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
  notes.Call("delete", epoll_ctl(ep, EPOLL_CTL_DEL, ends[0], nullptr));
  event.events = EPOLLIN | EPOLLWAKEUP;
  notes.Call("wakeup", epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
}

// How many of three epolls wake up for one message, two of which want to be alone.
void EpollExclusive(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  int told[3];
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 3; ++i) {
    sleepers.emplace_back([&pair, &told, i] {
      const int ep = epoll_create1(0);
      epoll_event event{};
      event.events = EPOLLIN | (i < 2 ? uint32_t{EPOLLEXCLUSIVE} : 0);
      epoll_ctl(ep, EPOLL_CTL_ADD, pair.b, &event);
      told[i] = epoll_wait(ep, &event, 1, 200);
    });
  }
  usleep(60'000);
  write(pair.a, "x", 1);
  for (std::thread& sleeper : sleepers) sleeper.join();
  notes.Value("exclusive ones", told[0] + told[1]);
  notes.Value("another one", told[2]);
}

// A wait that another thread ends, by `act`.
void WokenBy(Notes& notes, Kind kind, const char* label, void (*act)(const Pair&)) {
  const Pair pair = MakePair(kind);
  char byte;
  std::thread other = Soon([&pair, act] { act(pair); });
  notes.Call(std::string(label) + " ends read", read(pair.b, &byte, 1));
  other.join();
}

void ReadersWoken(Notes& notes, Kind kind) {
  WokenBy(notes, kind, "data", [](const Pair& pair) { write(pair.a, "x", 1); });
  if (!IsDgram(kind)) {
    WokenBy(notes, kind, "close", [](const Pair& pair) { close(pair.a); });
  }
  if (!IsSocket(kind)) return;
  WokenBy(notes, kind, "own shutdown", [](const Pair& pair) { shutdown(pair.b, SHUT_RD); });
  if (!IsDgram(kind)) {
    WokenBy(notes, kind, "peer's shutdown", [](const Pair& pair) { shutdown(pair.a, SHUT_WR); });
  }
}

void PollersWoken(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  pollfd entry{pair.b, POLLIN, 0};
  std::thread other = Soon([&pair] { write(pair.a, "x", 1); });
  notes.Call("poll", poll(&entry, 1, -1));
  notes.Value("revents", entry.revents);
  other.join();
  fd_set in;
  FD_ZERO(&in);
  FD_SET(pair.b, &in);
  char byte;
  notes.Call("read", read(pair.b, &byte, 1));
  other = Soon([&pair] { write(pair.a, "x", 1); });
  notes.Call("select", select(pair.b + 1, &in, nullptr, nullptr, nullptr));
  other.join();
  notes.Call("read", read(pair.b, &byte, 1));
  const int ep = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  epoll_ctl(ep, EPOLL_CTL_ADD, pair.b, &event);
  other = Soon([&pair] { write(pair.a, "x", 1); });
  notes.Call("epoll_wait", epoll_wait(ep, &event, 1, -1));
  other.join();
  entry.events = POLLIN;
  notes.Call("read", read(pair.b, &byte, 1));
  notes.Call("poll, too long", poll(&entry, 1, 20));
  notes.Call("epoll_wait, too long", epoll_wait(ep, &event, 1, 20));
}

void WritersWoken(Notes& notes, Kind kind) {
  signal(SIGPIPE, SIG_IGN);
  const Pair pair = MakePair(kind);
  const std::string much(4 << 20, 'x');
  std::thread reader([&pair, &much] {
    std::string space(1 << 16, '\0');
    size_t got = 0;
    while (got < much.size()) {
      const ssize_t n = read(pair.b, space.data(), space.size());
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
  });
  notes.Call("write", write(pair.a, much.data(), much.size()));
  reader.join();
  std::thread closer = Soon([&pair] { close(pair.b); });
  ssize_t n;
  while ((n = write(pair.a, much.data(), 1 << 16)) == 1 << 16) {
  }
  notes.Value("cut short or refused", n < 1 << 16);
  closer.join();
}

void WholeReads(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  std::thread writer([&pair] {
    for (int i = 0; i < 5; ++i) {
      usleep(10'000);
      send(pair.a, "ab", 2, 0);
    }
    usleep(10'000);
    shutdown(pair.a, SHUT_WR);
  });
  char data[16];
  notes.Call("eight", recv(pair.b, data, 8, MSG_WAITALL));
  notes.Call("until the end", recv(pair.b, data, 8, MSG_WAITALL));
  writer.join();
}

void TimeLimits(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const timeval limit{0, 30'000};
  setsockopt(pair.b, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(pair.a, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  char byte;
  timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  notes.Call("recv", recv(pair.b, &byte, 1, 0));
  clock_gettime(CLOCK_MONOTONIC, &end);
  const int64_t us =
      (end.tv_sec - begin.tv_sec) * 1'000'000 + (end.tv_nsec - begin.tv_nsec) / 1'000;
  notes.Value("not too soon", us >= 29'000);
  if (IsDgram(kind)) return;
  const std::string much(1000, 'x');
  ssize_t n;
  while ((n = send(pair.a, much.data(), much.size(), MSG_NOSIGNAL)) > 0) {
  }
  notes.Call("send", n);
}

void Accepters(Notes& notes, Kind kind) {
  Address address;
  const int listener = Listener(kind, "server", &address);
  std::thread client = Soon([&] {
    const int fd = Fresh(kind);
    connect(fd, address.get(), address.len);
    send(fd, "hello", 5, 0);
    close(fd);
  });
  const int fd = notes.Makes("accept", accept(listener, nullptr, nullptr));
  char data[10];
  notes.Call("recv", recv(fd, data, sizeof data, MSG_WAITALL));
  client.join();
}

void Ignore(int) {}

void StartAlarm(bool restart) {
  struct sigaction act {};
  act.sa_handler = Ignore;
  act.sa_flags = restart ? SA_RESTART : 0;
  sigaction(SIGALRM, &act, nullptr);
  const itimerval soon{{0, 0}, {0, 30'000}};
  setitimer(ITIMER_REAL, &soon, nullptr);
}

void Signals(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  char byte;
  StartAlarm(false);
  notes.Call("read", read(pair.b, &byte, 1));
  pollfd entry{pair.b, POLLIN, 0};
  for (const bool restart : {false, true}) {
    const std::string label = restart ? ", SA_RESTART" : "";
    StartAlarm(restart);
    notes.Call("poll" + label, poll(&entry, 1, -1));
    fd_set in;
    FD_ZERO(&in);
    FD_SET(pair.b, &in);
    StartAlarm(restart);
    notes.Call("select" + label, select(pair.b + 1, &in, nullptr, nullptr, nullptr));
    const int ep = epoll_create1(0);
    epoll_event event{};
    StartAlarm(restart);
    notes.Call("epoll_wait" + label, epoll_wait(ep, &event, 1, -1));
    StartAlarm(restart);
    notes.Call("usleep" + label, usleep(200'000));
  }
  StartAlarm(true);
  std::thread writer([&pair] {
    usleep(90'000);
    write(pair.a, "x", 1);
  });
  notes.Call("read, SA_RESTART", read(pair.b, &byte, 1));
  writer.join();
}

}  // namespace

void AddWaitingCases(std::vector<Case>* cases) {
  cases->push_back({"Wait.Polling", Polling});
  cases->push_back({"Wait.Selecting", Selecting});
  cases->push_back({"Wait.EpollErrors", EpollErrors});
  cases->push_back({"Wait.EpollExclusiveErrors", EpollExclusiveErrors});
  ForEachKind(cases, "Wait.EpollModes", All, EpollModes);
  ForEachKind(cases, "Wait.EpollExclusive", All, EpollExclusive);
  ForEachKind(cases, "Wait.Readers", All, ReadersWoken);
  ForEachKind(cases, "Wait.Pollers", All, PollersWoken);
  ForEachKind(
      cases, "Wait.Writers", [](Kind kind) { return IsStream(kind) || !IsSocket(kind); },
      WritersWoken);
  ForEachKind(cases, "Wait.WholeReads", IsStream, WholeReads);
  ForEachKind(cases, "Wait.TimeLimits", IsSocket, TimeLimits);
  ForEachKind(cases, "Wait.Accepters", Connects, Accepters);
  ForEachKind(cases, "Wait.Signals", All, Signals);
}

}  // namespace sockbed::two_arms
