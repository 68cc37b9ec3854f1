// The scenarios: small programs that between them use the socket layer, AF_UNIX, UDP and TCP. They
// are told twice over: with every allocation failing once, and with every sleep disturbed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <utility>

#include "kernel/socket/bsd_socket.h"
#include "tests/faults/kernel_scenarios.h"
#include "tests/faults/story.h"
#include "tests/faults/waiting_scenarios.h"
#include "uapi/uapi.h"

namespace sockbed::faults {
namespace {

constexpr uint16_t kPort = 7;
constexpr timeval kPatience = {.tv_sec = 5, .tv_usec = 0};
constexpr timeval kLongPatience = {.tv_sec = 300, .tv_usec = 0};

const sockaddr* AsSockaddr(const void* name) { return static_cast<const sockaddr*>(name); }

sockaddr_un Path(std::string_view path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  return name;
}

sockaddr_in Any(uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  return name;
}

// A program whose first act is Begin.
template <typename Main>
void Spawn(Host& host, const char* name, Story* story, Main main) {
  host.Spawn(name, [story, main] {
    Begin(story);
    main(story);
  });
}

// No datagram socket waits for ever: nobody tells it that its peer has gone.
bool BePatient(Story* story, int fd, const timeval& limit = kPatience) {
  return story->Works("setsockopt",
                      uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
}

// A lost reset leaves the other end of a stream without a word: it asks now and then.
bool KeepAlive(Story* story, int fd) {
  const int on = 1;
  return story->Works("setsockopt", uapi::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
}

// A child with a copy of the descriptors, of which it keeps `keep` and not `drop`.
template <typename Main>
void Child(Story* story, int keep, int drop, Main main) {
  uapi::spawn("child", [story, keep, drop, main] {
    uapi::close(drop);
    main(story, keep);
    return 0;
  });
  uapi::close(keep);
}

// --- Local pairs. ---

// Far more than the buffer holds, both ways, in pieces that do not fit each other.
void StreamPair(TestSimulation& sim, Story* story) {
  Spawn(sim.AddHost("host"), "parent", story, [](Story* s) {
    int ends[2];
    if (!s->Works("socketpair", uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends))) return;
    Child(s, ends[1], ends[0], [](Story* t, int fd) {
      if (!t->ReceiveStream(fd, 'a', 40'000, 3000)) return;
      t->SendStream(fd, 'b', 20'000, 20'000);
    });
    if (!s->SendStream(ends[0], 'a', 40'000, 7000)) return;
    if (!s->Works("shutdown", uapi::shutdown(ends[0], SHUT_WR))) return;
    s->ReceiveStream(ends[0], 'b', 20'000, 20'000, MSG_WAITALL);
  });
}

// Messages there and back, of sizes around those of mbufs and clusters.
void MessagePair(TestSimulation& sim, Story* story, int type) {
  Spawn(sim.AddHost("host"), "parent", story, [type](Story* s) {
    int ends[2];
    if (!s->Works("socketpair", uapi::socketpair(AF_UNIX, type, 0, ends))) return;
    if (!BePatient(s, ends[0]) || !BePatient(s, ends[1])) return;
    static constexpr size_t kSizes[] = {1, 200, 300, 1500, 2047, 2048};
    Child(s, ends[1], ends[0], [](Story* t, int fd) {
      for (const size_t size : kSizes) {
        if (!t->ReceiveMessage(fd, 'm', size) || !t->SendMessage(fd, 'n', size)) return;
      }
    });
    for (const size_t size : kSizes) {
      if (!s->SendMessage(ends[0], 'm', size) || !s->ReceiveMessage(ends[0], 'n', size)) return;
    }
  });
}
void DatagramPair(TestSimulation& sim, Story* story) { MessagePair(sim, story, SOCK_DGRAM); }
void SeqpacketPair(TestSimulation& sim, Story* story) { MessagePair(sim, story, SOCK_SEQPACKET); }

// --- Local names. ---

// Serves `times` connections on a listener: echoes what the client sends until it stops.
void Serve(Story* s, int listener, int times, char salt, size_t total) {
  for (int i = 0; i < times; ++i) {
    const int fd = uapi::accept(listener, nullptr, nullptr);
    if (!s->Works("accept", fd)) return;
    if (s->ReceiveStream(fd, salt, total, 2000)) s->SendStream(fd, salt, total, 1000);
    s->Works("close", uapi::close(fd));
  }
}

void Call(Story* s, int fd, const void* name, socklen_t len, char salt, size_t total) {
  if (!s->Works("connect", uapi::connect(fd, AsSockaddr(name), len))) return;
  if (!s->SendStream(fd, salt, total, 1500)) return;
  if (!s->Works("shutdown", uapi::shutdown(fd, SHUT_WR))) return;
  // Half closed, TCP does not ask any more whether its peer is there.
  if (BePatient(s, fd, kLongPatience)) s->ReceiveStream(fd, salt, total, 4000);
}

void NamedConnections(TestSimulation& sim, Story* story, int type) {
  Host& host = sim.AddHost("host");
  Spawn(host, "server", story, [type](Story* s) {
    const sockaddr_un name = Path("/tmp/server");
    const int fd = uapi::socket(AF_UNIX, type, 0);
    if (!s->Works("socket", fd)) return;
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&name), sizeof name))) return;
    if (!s->Works("listen", uapi::listen(fd, 2))) return;
    for (int i = 0; i < 2; ++i) {
      uapi::spawn("client", [s, fd, name, type] {
        uapi::close(fd);  // its copy would keep the listener alive
        const int client = uapi::socket(AF_UNIX, type, 0);
        if (s->Works("socket", client)) Call(s, client, &name, sizeof name, 'u', 9000);
        return 0;
      });
    }
    Serve(s, fd, 2, 'u', 9000);
  });
}
void NamedStream(TestSimulation& sim, Story* story) { NamedConnections(sim, story, SOCK_STREAM); }
void NamedSeqpacket(TestSimulation& sim, Story* story) {
  NamedConnections(sim, story, SOCK_SEQPACKET);
}

void NamedDatagram(TestSimulation& sim, Story* story) {
  Spawn(sim.AddHost("host"), "server", story, [](Story* s) {
    const sockaddr_un name = Path("/tmp/server"), back = Path("/tmp/client");
    const int fd = uapi::socket(AF_UNIX, SOCK_DGRAM, 0);
    if (!s->Works("socket", fd) || !BePatient(s, fd)) return;
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&name), sizeof name))) return;
    uapi::spawn("client", [s, name, back] {
      const int client = uapi::socket(AF_UNIX, SOCK_DGRAM, 0);
      if (!s->Works("socket", client) || !BePatient(s, client)) return 0;
      if (!s->Works("bind", uapi::bind(client, AsSockaddr(&back), sizeof back))) return 0;
      if (!s->Works("send", uapi::sendto(client, "ask", 3, 0, AsSockaddr(&name), sizeof name))) {
        return 0;
      }
      s->ReceiveMessage(client, 'r', 600);
      return 0;
    });
    char ask[8];
    sockaddr_un from{};
    socklen_t len = sizeof from;
    if (!s->Works("recv", uapi::recvfrom(fd, ask, sizeof ask, 0, reinterpret_cast<sockaddr*>(&from),
                                         &len))) {
      return;
    }
    if (s->Works("connect", uapi::connect(fd, AsSockaddr(&from), len))) {
      s->SendMessage(fd, 'r', 600);
    }
  });
}

// --- Descriptors in messages. ---

struct Rights {
  alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
  char byte = 'r';
  iovec vector{&byte, 1};
  msghdr header{};

  Rights() {
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  void Hold(const std::array<int, 3>& fds) {
    cmsghdr* const c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    std::memcpy(CMSG_DATA(c), fds.data(), sizeof fds);
  }
  std::array<int, 3> Held() const {
    std::array<int, 3> fds{-1, -1, -1};
    if (header.msg_controllen < CMSG_LEN(sizeof fds)) return fds;
    std::memcpy(fds.data(), CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof fds);
    return fds;
  }
};

// Three open files go through a pair twice: once they are used, once nobody fetches them.
void RightsPassing(TestSimulation& sim, Story* story, int type) {
  Spawn(sim.AddHost("host"), "parent", story, [type](Story* s) {
    int ends[2], inner[2];
    if (!s->Works("socketpair", uapi::socketpair(AF_UNIX, type, 0, ends))) return;
    if (!s->Works("socketpair", uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, inner))) return;
    if (!BePatient(s, ends[0]) || !BePatient(s, ends[1])) return;
    Child(s, ends[1], ends[0], [](Story* t, int fd) {
      Rights in;
      if (!t->Works("recv", uapi::recvmsg(fd, &in.header, 0))) return;
      if (in.Held()[0] < 0) return;
      t->SendStream(in.Held()[0], 'i', 500, 500);
    });
    Rights out, again;
    out.Hold({inner[1], ends[0], inner[1]});
    again.Hold({inner[1], inner[0], ends[0]});
    if (!s->Works("send", uapi::sendmsg(ends[0], &out.header, 0))) return;
    if (!s->Works("send", uapi::sendmsg(ends[0], &again.header, 0))) return;
    uapi::close(inner[1]);
    uapi::close(ends[0]);
    s->ReceiveStream(inner[0], 'i', 500, 500);
  });
}
void StreamRights(TestSimulation& sim, Story* story) { RightsPassing(sim, story, SOCK_STREAM); }
void DatagramRights(TestSimulation& sim, Story* story) { RightsPassing(sim, story, SOCK_DGRAM); }
void SeqpacketRights(TestSimulation& sim, Story* story) {
  RightsPassing(sim, story, SOCK_SEQPACKET);
}

// --- Options, names, readiness. ---

void Options(TestSimulation& sim, Story* story) {
  Spawn(sim.AddHost("host"), "prog", story, [](Story* s) {
    for (const int family : {AF_UNIX, AF_INET}) {
      const int fd = uapi::socket(family, SOCK_STREAM, 0);
      if (!s->Works("socket", fd)) return;
      for (const int option : {SO_SNDBUF, SO_RCVBUF, SO_RCVLOWAT, SO_REUSEADDR, SO_KEEPALIVE}) {
        int value = 9000;
        socklen_t len = sizeof value;
        if (!s->Works("setsockopt", uapi::setsockopt(fd, SOL_SOCKET, option, &value, len))) return;
        if (!s->Works("getsockopt", uapi::getsockopt(fd, SOL_SOCKET, option, &value, &len))) return;
      }
      const linger wait{.l_onoff = 1, .l_linger = 1};
      if (!s->Works("setsockopt",
                    uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof wait))) {
        return;
      }
      sockaddr_un name;
      socklen_t len = sizeof name;
      auto* address = reinterpret_cast<sockaddr*>(&name);
      if (!s->Works("getsockname", uapi::getsockname(fd, address, &len))) return;
      const int copy = uapi::dup(fd);
      if (!s->Works("dup", copy)) return;
      if (!s->Works("close", uapi::close(fd)) || !s->Works("close", uapi::close(copy))) return;
    }
  });
}

// A server that waits for all of its clients at once.
void Polled(TestSimulation& sim, Story* story) {
  Spawn(sim.AddHost("host"), "server", story, [](Story* s) {
    std::array<pollfd, 3> fds{};
    for (pollfd& entry : fds) {
      int ends[2];
      if (!s->Works("socketpair", uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends))) return;
      entry = {.fd = ends[0], .events = POLLIN, .revents = 0};
      Child(s, ends[1], ends[0], [](Story* t, int fd) {
        uapi::usleep(1000);
        t->SendStream(fd, 'p', 300, 100);
      });
    }
    for (size_t open = fds.size(); open > 0;) {
      if (!s->Works("poll", uapi::poll(fds.data(), fds.size(), -1))) return;
      for (pollfd& entry : fds) {
        if (entry.revents == 0) continue;
        char buffer[128];
        const ssize_t n = uapi::recv(entry.fd, buffer, sizeof buffer, 0);
        if (!s->Works("recv", n)) return;
        if (n > 0) continue;
        uapi::close(entry.fd);
        entry.fd = -1;
        --open;
      }
    }
  });
}

// --- The network. ---

// Datagrams there and back, small, as large as a frame, and in fragments; with control messages.
void UdpEcho(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  static constexpr size_t kSizes[] = {1, 1472, 6000};
  Spawn(server, "server", story, [](Story* s) {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    if (!s->Works("socket", fd) || !BePatient(s, fd)) return;
    const int on = 1;
    if (!s->Works("setsockopt", uapi::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on))) {
      return;
    }
    const sockaddr_in any = Any(kPort);
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&any), sizeof any))) return;
    for (size_t i = 0; i < std::size(kSizes); ++i) {
      std::array<char, 7000> data;
      std::array<char, 128> control;
      sockaddr_in from{};
      iovec vector{data.data(), data.size()};
      msghdr header{};
      header.msg_name = &from;
      header.msg_namelen = sizeof from;
      header.msg_iov = &vector;
      header.msg_iovlen = 1;
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      const ssize_t n = uapi::recvmsg(fd, &header, 0);
      if (!s->Works("recv", n)) return;
      if (!s->Works("send", uapi::sendto(fd, data.data(), static_cast<size_t>(n), 0,
                                         AsSockaddr(&from), sizeof from))) {
        return;
      }
    }
  });
  const sockaddr_in to = server.address(kPort);
  Spawn(client, "client", story, [to](Story* s) {
    uapi::usleep(1000);
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    if (!s->Works("socket", fd) || !BePatient(s, fd)) return;
    if (!s->Works("connect", uapi::connect(fd, AsSockaddr(&to), sizeof to))) return;
    for (const size_t size : kSizes) {
      if (!s->SendMessage(fd, 'd', size) || !s->ReceiveMessage(fd, 'd', size)) return;
    }
  });
}

void TcpServer(Host& host, Story* story, int backlog, int times, size_t total) {
  Spawn(host, "server", story, [=](Story* s) {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    if (!s->Works("socket", fd) || !KeepAlive(s, fd)) return;
    const sockaddr_in any = Any(kPort);
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&any), sizeof any))) return;
    if (!s->Works("listen", uapi::listen(fd, backlog))) return;
    uapi::sleep(1);  // connections queue up
    Serve(s, fd, times, 't', total);
  });
}

void TcpClient(Host& host, Story* story, const sockaddr_in& to, size_t total) {
  Spawn(host, "client", story, [to, total](Story* s) {
    uapi::usleep(1000);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    if (s->Works("socket", fd) && KeepAlive(s, fd)) Call(s, fd, &to, sizeof to, 't', total);
  });
}

void TcpOverALink(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  TcpServer(server, story, 5, 1, 30'000);
  TcpClient(client, story, server.address(kPort), 30'000);
}

void TcpLoopback(TestSimulation& sim, Story* story) {
  Host& host = sim.AddHost("host");
  TcpServer(host, story, 5, 1, 50'000);
  TcpClient(host, story, host.address(kPort), 50'000);
}

// A server without system calls.
void TcpKernelServer(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  KernelServer(server, story, kPort);
  TcpClient(client, story, server.address(kPort), 20'000);
}

// Splices the first connection of a listener with one to the backend, both ways, and passes the two
// ends of file on.
void Relay(Story* s, int listener, const sockaddr_in& backend) {
  const int front = uapi::accept(listener, nullptr, nullptr);
  if (!s->Works("accept", front) || !BePatient(s, front, kLongPatience)) return;
  const int back = uapi::socket(AF_INET, SOCK_STREAM, 0);
  if (!s->Works("socket", back) || !KeepAlive(s, back)) return;
  if (!s->Works("connect", uapi::connect(back, AsSockaddr(&backend), sizeof backend))) return;
  if (!BePatient(s, back, kLongPatience)) return;
  const std::pair<int, int> ways[] = {{front, back}, {back, front}};
  for (const auto& [from, to] : ways) {
    if (!s->Works("setsockopt", uapi::setsockopt(from, SOL_SOCKET, SO_SPLICE, &to, sizeof to))) {
      return;
    }
  }
  for (const auto& [from, to] : ways) {
    char byte;
    if (!s->Works("recv", uapi::recv(from, &byte, 1, 0))) return;
    if (!s->Works("shutdown", uapi::shutdown(to, SHUT_WR))) return;
  }
}

void TcpSplice(TestSimulation& sim, Story* story) {
  constexpr uint16_t kRelayPort = 8;
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  TcpServer(server, story, 5, 1, 20'000);
  Spawn(server, "relay", story, [backend = server.address(kPort)](Story* s) {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    if (!s->Works("socket", fd) || !KeepAlive(s, fd)) return;
    const sockaddr_in any = Any(kRelayPort);
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&any), sizeof any))) return;
    if (s->Works("listen", uapi::listen(fd, 5))) Relay(s, fd, backend);
  });
  TcpClient(client, story, server.address(kRelayPort), 20'000);
}

// An urgent byte each way: the server reads it in its place, the client fetches it aside.
void UrgentServer(Story* s, int fd) {
  if (!s->ReceiveStream(fd, 'o', 5001, 2000)) return;
  if (!s->SendStream(fd, 'p', 3000, 1000)) return;
  s->Works("send", uapi::send(fd, "!", 1, MSG_OOB | MSG_NOSIGNAL));
}

void UrgentClient(Story* s, int fd) {
  if (!s->SendStream(fd, 'o', 5000, 1000)) return;
  const char last = Story::ByteAt('o', 5000);
  if (!s->Works("send", uapi::send(fd, &last, 1, MSG_OOB | MSG_NOSIGNAL))) return;
  if (!s->Works("shutdown", uapi::shutdown(fd, SHUT_WR))) return;
  if (!BePatient(s, fd, kLongPatience) || !s->ReceiveStream(fd, 'p', 3000, 2000)) return;
  char urgent = 0;
  if (!s->Works("recv", uapi::recv(fd, &urgent, 1, MSG_OOB))) return;
  if (urgent != '!') ++s->corrupt;
}

void TcpUrgent(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  Spawn(server, "server", story, [](Story* s) {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in any = Any(kPort);
    if (!s->Works("socket", fd) || !KeepAlive(s, fd)) return;
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&any), sizeof any))) return;
    if (!s->Works("listen", uapi::listen(fd, 1))) return;
    const int on = 1;
    if (!s->Works("setsockopt", uapi::setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on))) {
      return;
    }
    // SIGURG is ignored, but sent.
    if (!s->Works("fcntl", uapi::fcntl(fd, F_SETOWN, uapi::getpid()))) return;
    const int connection = uapi::accept(fd, nullptr, nullptr);
    if (s->Works("accept", connection)) UrgentServer(s, connection);
  });
  Spawn(client, "client", story, [to = server.address(kPort)](Story* s) {
    uapi::usleep(1000);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    if (!s->Works("socket", fd) || !KeepAlive(s, fd)) return;
    if (s->Works("connect", uapi::connect(fd, AsSockaddr(&to), sizeof to))) UrgentClient(s, fd);
  });
}

// More clients than the listener lets wait.
void TcpListenOverflow(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  TcpServer(server, story, 1, 5, 100);
  for (int i = 0; i < 5; ++i) TcpClient(client, story, server.address(kPort), 100);
}

// The server stops reading, and the client's close lingers until it gives up.
void TcpLinger(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  Spawn(server, "server", story, [](Story* s) {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in any = Any(kPort);
    if (!s->Works("socket", fd)) return;
    if (!s->Works("bind", uapi::bind(fd, AsSockaddr(&any), sizeof any))) return;
    if (!s->Works("listen", uapi::listen(fd, 1))) return;
    if (s->Works("accept", uapi::accept(fd, nullptr, nullptr))) uapi::sleep(30);
  });
  const sockaddr_in to = server.address(kPort);
  Spawn(client, "client", story, [to](Story* s) {
    uapi::usleep(1000);
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    if (!s->Works("socket", fd)) return;
    if (!s->Works("connect", uapi::connect(fd, AsSockaddr(&to), sizeof to))) return;
    const linger wait{.l_onoff = 1, .l_linger = 2};
    if (!s->Works("setsockopt", uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof wait))) {
      return;
    }
    const timeval limit{.tv_sec = 1, .tv_usec = 0};
    if (!s->Works("setsockopt",
                  uapi::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit))) {
      return;
    }
    const std::string bytes(10'000, 'l');
    while (uapi::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
    s->Works("close", uapi::close(fd));
  });
}

// Nobody listens at the other end.
void NobodyThere(TestSimulation& sim, Story* story) {
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  sim.Connect(server, client, {.latency = absl::Milliseconds(1)});
  const sockaddr_in to = server.address(kPort);
  Spawn(client, "client", story, [to](Story* s) {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    if (!s->Works("socket", fd)) return;
    s->Works("connect", uapi::connect(fd, AsSockaddr(&to), sizeof to));
    const int datagrams = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    if (!s->Works("socket", datagrams) || !BePatient(s, datagrams)) return;
    if (!s->Works("connect", uapi::connect(datagrams, AsSockaddr(&to), sizeof to))) return;
    if (s->SendMessage(datagrams, 'n', 10)) s->ReceiveMessage(datagrams, 'n', 10);
  });
}

constexpr Scenario kScenarios[] = {
    {"StreamPair", StreamPair},
    {"DatagramPair", DatagramPair},
    {"SeqpacketPair", SeqpacketPair},
    {"NamedStream", NamedStream},
    {"NamedSeqpacket", NamedSeqpacket},
    {"NamedDatagram", NamedDatagram},
    {"StreamRights", StreamRights},
    {"DatagramRights", DatagramRights},
    {"SeqpacketRights", SeqpacketRights},
    {"KernelPair", KernelPair},
    {"KernelUpcall", KernelUpcall},
    {"Options", Options},
    {"Polled", Polled},
    {"KqueueServer", KqueueServer},
    {"EpollServer", EpollServer},
    // What fails without any fault: the name server's wait, when nobody asks any more.
    {.name = "NameLookup", .build = NameLookup, .usual_failures = 1},
    {"UdpEcho", UdpEcho},
    {"TcpOverALink", TcpOverALink},
    {"TcpLoopback", TcpLoopback},
    {"TcpListenOverflow", TcpListenOverflow},
    {"TcpKernelServer", TcpKernelServer},
    {"TcpSplice", TcpSplice},
    {"TcpUrgent", TcpUrgent},
    // What fails without any fault: the close, when its time is over; each call that hears of it.
    {.name = "TcpLinger", .build = TcpLinger, .usual_failures = 1},
    {.name = "NobodyThere", .build = NobodyThere, .usual_failures = 2},
};

}  // namespace

std::span<const Scenario> Scenarios() { return kScenarios; }

}  // namespace sockbed::faults
