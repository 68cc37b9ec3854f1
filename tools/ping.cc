// ping: asks a host for echoes over a raw socket, and says how long they took.

#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernel/sim/time.h"
#include "tools/builtin_programs.h"
#include "tools/program_sockets.h"
#include "uapi/uapi.h"

namespace sockbed::tools {
namespace {

constexpr uint16_t kId = 0x5b;  // one ping per host: its answers are told apart by number

int Failed(const char* what) {
  Complain(what);
  return 1;
}

SimTime Clock() {
  timespec now;
  uapi::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// Whom to ask.
struct Peer {
  sockaddr_storage address;
  socklen_t length;
  bool v6() const { return address.ss_family == AF_INET6; }
};

bool AddressOf(const std::string& host, Peer* peer) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (uapi::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  std::memcpy(&peer->address, found->ai_addr, found->ai_addrlen);
  peer->length = found->ai_addrlen;
  uapi::freeaddrinfo(found);
  return true;
}

// RFC 1071.
uint16_t Checksum(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// The header is the same in both families, but for its type.
std::string Request(bool v6, uint16_t sequence, size_t size) {
  icmphdr header{};
  header.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  header.un.echo.id = htons(kId);
  header.un.echo.sequence = htons(sequence);
  std::string bytes(sizeof header + size, 'x');
  std::memcpy(bytes.data(), &header, sizeof header);
  if (v6) return bytes;  // the kernel makes its checksum
  header.checksum = htons(Checksum(bytes));
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

// What has arrived: the message, and the TTL or hop limit that was left of its packet.
struct Received {
  std::string message;
  int ttl = 0;
};

// The next packet of the socket. Of IPv4 it begins with the IP header.
Received Receive(int fd, bool v6) {
  Received received;
  std::string packet(64 * 1024, '\0');
  iovec iov = {packet.data(), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  const ssize_t n = uapi::recvmsg(fd, &msg, 0);
  packet.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (v6) {
    const cmsghdr* header = CMSG_FIRSTHDR(&msg);
    if (header != nullptr && header->cmsg_type == IPV6_HOPLIMIT) {
      std::memcpy(&received.ttl, CMSG_DATA(header), sizeof received.ttl);
    }
    received.message = std::move(packet);
    return received;
  }
  iphdr ip;
  if (packet.size() < sizeof ip) return received;
  std::memcpy(&ip, packet.data(), sizeof ip);
  received.ttl = ip.ttl;
  received.message = packet.substr(std::min(packet.size(), size_t{ip.ihl} * 4));
  return received;
}

// Whether the message answers that request.
bool IsAnswer(const std::string& message, bool v6, uint16_t sequence) {
  icmphdr icmp;
  if (message.size() < sizeof icmp) return false;
  std::memcpy(&icmp, message.data(), sizeof icmp);
  return icmp.type == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && icmp.un.echo.id == htons(kId) &&
         icmp.un.echo.sequence == htons(sequence);
}

// Waits for the answer until `deadline`. False: none came.
bool AwaitAnswer(int fd, bool v6, uint16_t sequence, SimTime deadline, int* ttl) {
  for (SimTime now = Clock(); now < deadline; now = Clock()) {
    pollfd entry{fd, POLLIN, 0};
    const auto left_ms = static_cast<int>((deadline - now + kMillisecond - 1) / kMillisecond);
    if (uapi::poll(&entry, 1, left_ms) != 1) return false;
    const Received received = Receive(fd, v6);
    *ttl = received.ttl;
    if (IsAnswer(received.message, v6, sequence)) return true;
  }
  return false;
}

int Ping(const ProgramArgs& args) {
  Peer to;
  if (!AddressOf(args.text("host"), &to)) return Failed("getaddrinfo");
  const int protocol = to.v6() ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
  const Descriptor fd(uapi::socket(to.address.ss_family, SOCK_RAW, protocol));
  if (!fd.ok()) return Failed("socket");
  const int on = 1;
  if (to.v6() && uapi::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on) != 0) {
    return Failed("setsockopt");
  }
  const int64_t count = args.number("count");
  int64_t received = 0;
  for (int64_t i = 1; i <= count; ++i) {
    const auto sequence = static_cast<uint16_t>(i);
    const std::string request =
        Request(to.v6(), sequence, static_cast<size_t>(args.number("size")));
    const SimTime sent = Clock();
    const auto* peer = reinterpret_cast<const sockaddr*>(&to.address);
    int ttl = 0;
    if (uapi::sendto(fd.get(), request.data(), request.size(), 0, peer, to.length) < 0) {
      Complain("sendto");
    } else if (AwaitAnswer(fd.get(), to.v6(), sequence, sent + args.number("timeout"), &ttl)) {
      ++received;
      uapi::Print("%zu bytes, number %lld, TTL %d: %.3f ms\n", request.size(),
                  static_cast<long long>(i), ttl, static_cast<double>(Clock() - sent) / 1e6);
    }
    const SimTime rest = sent + args.number("interval") - Clock();
    if (i < count && rest > 0) uapi::usleep(static_cast<useconds_t>(rest / kMicrosecond));
  }
  uapi::Print("%lld sent, %lld answered\n", static_cast<long long>(count),
              static_cast<long long>(received));
  return received > 0 ? 0 : 1;
}

constexpr ArgInfo kPingArgs[] = {
    {"host", ArgType::kHost, nullptr, "the host to ask"},
    {"count", ArgType::kCount, "3", "how many requests"},
    {"size", ArgType::kSize, "56", "bytes of data in each"},
    {"interval", ArgType::kDuration, "1 s", "from one request to the next"},
    {"timeout", ArgType::kDuration, "1 s", "how long to wait for each answer"},
};

}  // namespace

const ProgramInfo kPing = {"ping", "asks a host for echoes (ICMP, over a raw socket)", kPingArgs,
                           MakeProgram<Ping>};

}  // namespace sockbed::tools
