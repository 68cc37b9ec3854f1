// Worlds whose captures have a bit of everything that the hosts can put on a wire.
//
//   worlds FOLDER     writes FOLDER/WORLD/LINK.pcapng and what else a run leaves behind
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kernel/tcp/tcp.h"
#include "tests/captures/test_simulation.h"
#include "tools/run_outputs.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr uint16_t kStreamPort = 7007, kEchoPort = 7009;
constexpr size_t kTransfer = 120'000;

// An address of either family, as a program has it.
struct Name {
  explicit Name(const sockaddr_in& sin) : length(sizeof sin) { memcpy(&storage, &sin, length); }
  explicit Name(const sockaddr_in6& sin6) : length(sizeof sin6) { memcpy(&storage, &sin6, length); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_storage storage{};
  socklen_t length;
};

// What a program asks of its stream.
struct StreamOptions {
  int udp_port = 0;  // of the peer: TCP in UDP
  bool sign = false;
  bool fast_open = false;
};

void Prepare(int fd, const StreamOptions& options) {
  const int on = 1;
  if (options.sign) uapi::setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &on, sizeof on);
  if (options.fast_open) uapi::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &on, sizeof on);
  uapi::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

// Takes `count` streams, one after the other, and echoes each one's length.
std::function<void()> Server(Name name, int count, StreamOptions options) {
  return [=] {
    const int fd = uapi::socket(name.storage.ss_family, SOCK_STREAM, 0);
    Prepare(fd, options);
    uapi::bind(fd, name.get(), name.length);
    uapi::listen(fd, 5);
    for (int i = 0; i < count; ++i) {
      const int connection = uapi::accept(fd, nullptr, nullptr);
      char some[8192];
      size_t total = 0;
      for (ssize_t n; (n = uapi::read(connection, some, sizeof some)) > 0;) total += size_t(n);
      uapi::write(connection, &total, sizeof total);
      uapi::close(connection);
    }
    uapi::close(fd);
  };
}

std::function<void()> Client(Name name, int count, StreamOptions options) {
  return [=] {
    const std::string data(kTransfer, 'd');
    for (int i = 0; i < count; ++i) {
      const int fd = uapi::socket(name.storage.ss_family, SOCK_STREAM, 0);
      if (options.udp_port != 0) {
        uapi::setsockopt(fd, IPPROTO_TCP, kTcpRemoteUdpEncapsPort, &options.udp_port, sizeof(int));
      }
      Prepare(fd, options);
      if (options.fast_open) {
        uapi::sendto(fd, data.data(), 100, 0, name.get(), name.length);
        pollfd connected = {.fd = fd, .events = POLLOUT, .revents = 0};
        uapi::poll(&connected, 1, -1);
      } else {
        uapi::connect(fd, name.get(), name.length);
      }
      uapi::write(fd, data.data(), data.size());
      uapi::send(fd, "!", 1, MSG_OOB);
      uapi::shutdown(fd, SHUT_WR);
      size_t told = 0;
      uapi::read(fd, &told, sizeof told);
      uapi::close(fd);
    }
  };
}

// Datagrams of all sizes there and back, and one that nobody waits for.
std::function<void()> Datagrams(Name name) {
  return [=] {
    const int fd = uapi::socket(name.storage.ss_family, SOCK_DGRAM, 0);
    const timeval limit = {.tv_sec = 1, .tv_usec = 0};
    uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::string data(9000, 'u');
    char back[9000];
    for (const size_t size : {size_t{0}, size_t{1}, size_t{1472}, size_t{1473}, size_t{9000}}) {
      uapi::sendto(fd, data.data(), size, 0, name.get(), name.length);
      uapi::recv(fd, back, sizeof back, 0);
    }
    Name nobody = name;
    reinterpret_cast<sockaddr_in*>(&nobody.storage)->sin_port = htons(9);
    uapi::sendto(fd, data.data(), 10, 0, nobody.get(), nobody.length);
    uapi::recv(fd, back, sizeof back, 0);
    uapi::close(fd);
  };
}

std::function<void()> Echo(Name name) {
  return [=] {
    const int fd = uapi::socket(name.storage.ss_family, SOCK_DGRAM, 0);
    uapi::bind(fd, name.get(), name.length);
    std::vector<char> data(10'000);
    for (;;) {
      sockaddr_storage from;
      socklen_t length = sizeof from;
      const ssize_t n = uapi::recvfrom(fd, data.data(), data.size(), 0,
                                       reinterpret_cast<sockaddr*>(&from), &length);
      if (n < 0) return;
      uapi::sendto(fd, data.data(), size_t(n), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
  };
}

// Joins a group of each family, and leaves.
void Groups() {
  const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
  ip_mreq group = {};
  group.imr_multiaddr.s_addr = htonl(0xe8010203);
  uapi::setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
  const int fd6 = uapi::socket(AF_INET6, SOCK_DGRAM, 0);
  ipv6_mreq group6 = {};
  inet_pton(AF_INET6, "ff05::77", &group6.ipv6mr_multiaddr);
  group6.ipv6mr_interface = 2;
  uapi::setsockopt(fd6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group6, sizeof group6);
  const timespec pause = {.tv_sec = 12, .tv_nsec = 0};
  uapi::nanosleep(&pause, nullptr);
  uapi::close(fd);
  uapi::close(fd6);
}

struct World {
  const char* name;
  LinkSpec link;
  int profile = 0;
  StreamOptions stream;
  int ecn = 0;
};

absl::Status Play(const World& world, const std::string& folder) {
  TestSimulation sim({.seed = 5});
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  auto outputs = tools::RunOutputs::Open(folder + "/" + world.name, sim);
  if (!outputs.ok()) return outputs.status();
  const auto capture = (*outputs)->AddCapture(world.name, world.link.ethernet);
  if (!capture.ok()) return capture.status();
  LinkSpec link = world.link;
  link.first_address6 = "2001:db8::1/64";
  link.second_address6 = "2001:db8::2/64";
  sim.Connect(server, client, link, *capture);
  for (Host* host : {&server, &client}) {
    host->SetSysctl("net.inet.tcp.profile", world.profile);
    host->SetSysctl("net.inet.tcp.ecn", world.ecn);
    if (world.stream.udp_port != 0) {
      host->SetSysctl("net.inet.tcp.udp_tunneling_port", world.stream.udp_port);
    }
    if (world.stream.fast_open) host->SetSysctl("net.inet.tcp.fastopen.server_enable", 1);
    for (const in_addr a : {server.address(), client.address()}) {
      for (const in_addr b : {server.address(), client.address()}) {
        if (world.stream.sign && a.s_addr != b.s_addr) tcp_md5_add(*host, a, b, "secret");
      }
    }
  }
  const int count = world.stream.fast_open ? 3 : 1;
  const Name name(server.address(kStreamPort)), name6(server.address6(kStreamPort));
  const Name echo(server.address(kEchoPort)), echo6(server.address6(kEchoPort));
  const SimTime later = 5 * kSecond;  // addresses are ready
  server.Spawn("server", Server(name, count, world.stream));
  client.Spawn("client", Client(name, count, world.stream), {.start_at = later});
  if (!world.stream.sign) {
    server.Spawn("server6", Server(name6, count, world.stream), {.start_at = later});
    client.Spawn("client6", Client(name6, count, world.stream), {.start_at = 2 * later});
  }
  server.Spawn("echo", Echo(echo), {.daemon = true});
  server.Spawn("echo6", Echo(echo6), {.daemon = true, .start_at = later});
  client.Spawn("datagrams", Datagrams(echo), {.start_at = later});
  client.Spawn("datagrams6", Datagrams(echo6), {.start_at = 2 * later});
  client.Spawn("groups", Groups, {.start_at = later});
  sim.RunUntil({.deadline = 600 * kSecond});
  absl::Status status = (*outputs)->Finish("");
  const RunResult result = sim.Finish();
  if (!result.ok()) status.Update(absl::InternalError(world.name + (": " + result.Complaints())));
  return status;
}

int PlayAll(const std::string& folder) {
  const absl::Duration latency = absl::Milliseconds(10);
  const World worlds[] = {
      {.name = "ethernet", .link = {.latency = latency, .ethernet = true}},
      {.name = "lossy",
       .link = {.latency = latency, .loss = 0.05, .duplicate = 0.03, .reorder = 0.1}},
      {.name = "corrupting", .link = {.latency = latency, .corrupt = 0.02, .ethernet = true}},
      {.name = "marking", .link = {.latency = latency, .loss = 0.02}, .profile = 1, .ecn = 1},
      {.name = "in_udp",
       .link = {.latency = latency, .loss = 0.02},
       .profile = 1,
       .stream = {.udp_port = 9811}},
      {.name = "signed", .link = {.latency = latency}, .profile = 1, .stream = {.sign = true}},
      {.name = "fast_open",
       .link = {.latency = latency},
       .profile = 1,
       .stream = {.fast_open = true}},
  };
  for (const World& world : worlds) {
    if (const absl::Status status = Play(world, folder); !status.ok()) {
      fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace sockbed

int main(int argc, char** argv) { return argc == 2 ? sockbed::PlayAll(argv[1]) : 2; }
