#include "tests/faults/waiting_scenarios.h"

#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "absl/time/time.h"
#include "uapi/dns_message.h"
#include "uapi/resolver.h"
#include "uapi/uapi.h"

namespace sockbed::faults {
namespace {

constexpr uint16_t kDnsPort = 53;

// A child that keeps `keep` of the descriptors and neither `drop` nor `queue`, and writes a few
// bytes to it after a while. The caller keeps `drop`.
bool Writer(Story* story, int keep, int drop, int queue) {
  uapi::spawn("writer", [=] {
    Begin(story);
    uapi::close(drop);
    uapi::close(queue);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    uapi::sigaction(SIGPIPE, &ignore, nullptr);  // whoever reads may have given up
    uapi::usleep(20'000);
    story->Works("write", uapi::write(keep, "some bytes", 10));
    return 0;
  });
  return story->Works("close", uapi::close(keep));
}

// Takes what there is to read. False: the end, or a failure.
bool Drain(Story* story, int fd) {
  char buffer[64];
  const ssize_t n = uapi::read(fd, buffer, sizeof buffer);
  return story->Works("read", n) && n > 0;
}

bool Watch(Story* story, int kq, uintptr_t ident, short filter, unsigned fflags, int64_t data) {
  struct kevent change;
  // A timer that came again and again would keep a run going in which somebody is stopped.
  const unsigned short once = filter == EVFILT_TIMER ? EV_ONESHOT : 0;
  EV_SET(&change, ident, filter, EV_ADD | once, fflags, data, nullptr);
  return story->Works("kevent", uapi::kevent(kq, &change, 1, nullptr, 0, nullptr));
}

void ServeByKqueue(Story* s) {
  Begin(s);
  const int kq = uapi::kqueue();
  if (!s->Works("kqueue", kq)) return;
  if (!Watch(s, kq, SIGUSR2, EVFILT_SIGNAL, 0, 0)) return;
  if (!Watch(s, kq, 1, EVFILT_TIMER, NOTE_MSECONDS, 15)) return;
  if (!Watch(s, kq, 1, EVFILT_USER, NOTE_TRIGGER, 0)) return;
  int open = 0;
  for (; open < 2; ++open) {
    int ends[2];
    if (!s->Works("socketpair", uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends))) return;
    if (!Watch(s, kq, static_cast<uintptr_t>(ends[0]), EVFILT_READ, 0, 0)) return;
    if (!Writer(s, ends[1], ends[0], -1)) return;
  }
  while (open > 0) {
    std::array<struct kevent, 4> events;
    const int n = uapi::kevent(kq, nullptr, 0, events.data(), events.size(), nullptr);
    if (!s->Works("kevent", n)) return;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      if (events[i].filter == EVFILT_USER) {
        struct kevent change = events[i];
        change.flags = EV_DELETE;
        if (!s->Works("kevent", uapi::kevent(kq, &change, 1, nullptr, 0, nullptr))) return;
      }
      if (events[i].filter != EVFILT_READ) continue;
      const int fd = static_cast<int>(events[i].ident);
      if (Drain(s, fd)) continue;
      if (!s->Works("close", uapi::close(fd))) return;
      --open;
    }
  }
}

bool Add(Story* s, int ep, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return s->Works("epoll_ctl", uapi::epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
}

void ServeByEpoll(Story* s) {
  Begin(s);
  const int ep = uapi::epoll_create1(0);
  if (!s->Works("epoll_create1", ep)) return;
  const int events = uapi::eventfd(1, 0);
  if (!s->Works("eventfd", events) || !Add(s, ep, events, EPOLLIN | EPOLLONESHOT)) return;
  const int timer = uapi::timerfd_create(CLOCK_MONOTONIC, 0);
  const itimerspec soon{{0, 0}, {0, 15'000'000}};
  if (!s->Works("timerfd_create", timer) || !Add(s, ep, timer, EPOLLIN | EPOLLET)) return;
  if (!s->Works("timerfd_settime", uapi::timerfd_settime(timer, 0, &soon, nullptr))) return;
  int open = 0;
  for (; open < 2; ++open) {
    int ends[2];
    if (!s->Works("pipe", uapi::pipe(ends)) || !Add(s, ep, ends[0], EPOLLIN)) return;
    if (!Writer(s, ends[1], ends[0], ep)) return;
  }
  while (open > 0) {
    std::array<epoll_event, 4> ready;
    const int n = uapi::epoll_wait(ep, ready.data(), ready.size(), -1);
    if (!s->Works("epoll_wait", n)) return;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      const int fd = ready[i].data.fd;
      if (Drain(s, fd) || fd == events || fd == timer) continue;
      if (!s->Works("close", uapi::close(fd))) return;
      --open;
    }
  }
}

// Answers every query with one address, until none has come for a while.
void AnswerQueries(Story* s, const sockaddr_in& name) {
  Begin(s);
  const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  if (!s->Works("socket", fd)) return;
  if (!s->Works("bind", uapi::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name)) ||
      !s->Works("setsockopt",
                uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience))) {
    return;
  }
  for (;;) {
    char buffer[kDnsUdpMax];
    sockaddr_in from;
    socklen_t len = sizeof from;
    auto* const whence = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = uapi::recvfrom(fd, buffer, sizeof buffer, 0, whence, &len);
    if (!s->Works("recv", n)) return;
    DnsMessage message;
    if (!DecodeDns({buffer, static_cast<size_t>(n)}, &message)) continue;
    message.response = true;
    message.answers = {{.name = message.question, .data = "\xc0\x01\x02\x03"}};
    const std::string bytes = EncodeDns(message, kDnsUdpMax);
    if (!s->Works("send", uapi::sendto(fd, bytes.data(), bytes.size(), 0, whence, len))) return;
  }
}

void AskForName(Story* s) {
  Begin(s);
  addrinfo hints{}, *list = nullptr;
  hints.ai_family = AF_INET;
  if (uapi::getaddrinfo("www.example.org", nullptr, &hints, &list) == 0) {
    uapi::freeaddrinfo(list);
  } else {
    errno = EAGAIN;  // an EAI_* is no errno
    s->Works("getaddrinfo", -1);
  }
}

}  // namespace

void KqueueServer(TestSimulation& sim, Story* story) {
  sim.AddHost("host").Spawn("server", [story] { ServeByKqueue(story); });
}

void EpollServer(TestSimulation& sim, Story* story) {
  sim.AddHost("host").Spawn("server", [story] { ServeByEpoll(story); });
}

void NameLookup(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  ResolverConf conf;
  conf.nameservers = {InetAddress::Of(server.address(), kDnsPort)};
  SetResolver(client, conf);
  server.Spawn("named", [story, name = server.address(kDnsPort)] { AnswerQueries(story, name); });
  client.Spawn("asker", [story] { AskForName(story); }, {.start_at = 10 * kMillisecond});
}

}  // namespace sockbed::faults
