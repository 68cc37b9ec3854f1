// ping: asks a host for echoes over a raw socket, and says how long they took.

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <cstring>
#include <string>

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

bool AddressOf(const std::string& host, sockaddr_in* sin) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (uapi::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  std::memcpy(sin, found->ai_addr, sizeof *sin);
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

std::string Request(uint16_t sequence, size_t size) {
  icmphdr header{};
  header.type = ICMP_ECHO;
  header.un.echo.id = htons(kId);
  header.un.echo.sequence = htons(sequence);
  std::string bytes(sizeof header + size, 'x');
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = htons(Checksum(bytes));
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

// Whether the packet answers that request; *ttl is what was left of its.
bool IsAnswer(const std::string& packet, uint16_t sequence, int* ttl) {
  iphdr ip;
  icmphdr icmp;
  if (packet.size() < sizeof ip) return false;
  std::memcpy(&ip, packet.data(), sizeof ip);
  const size_t hlen = size_t{ip.ihl} * 4;
  if (packet.size() < hlen + sizeof icmp) return false;
  std::memcpy(&icmp, packet.data() + hlen, sizeof icmp);
  *ttl = ip.ttl;
  return icmp.type == ICMP_ECHOREPLY && icmp.un.echo.id == htons(kId) &&
         icmp.un.echo.sequence == htons(sequence);
}

// Waits for the answer until `deadline`. False: none came.
bool AwaitAnswer(int fd, uint16_t sequence, SimTime deadline, int* ttl) {
  for (SimTime now = Clock(); now < deadline; now = Clock()) {
    pollfd entry{fd, POLLIN, 0};
    const auto left_ms = static_cast<int>((deadline - now + kMillisecond - 1) / kMillisecond);
    if (uapi::poll(&entry, 1, left_ms) != 1) return false;
    std::string packet(64 * 1024, '\0');
    const ssize_t n = uapi::recv(fd, packet.data(), packet.size(), 0);
    packet.resize(n > 0 ? static_cast<size_t>(n) : 0);
    if (IsAnswer(packet, sequence, ttl)) return true;
  }
  return false;
}

int Ping(const ProgramArgs& args) {
  sockaddr_in to;
  if (!AddressOf(args.text("host"), &to)) return Failed("getaddrinfo");
  const Descriptor fd(uapi::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  if (!fd.ok()) return Failed("socket");
  const int64_t count = args.number("count");
  int64_t received = 0;
  for (int64_t i = 1; i <= count; ++i) {
    const auto sequence = static_cast<uint16_t>(i);
    const std::string request = Request(sequence, static_cast<size_t>(args.number("size")));
    const SimTime sent = Clock();
    const auto* peer = reinterpret_cast<const sockaddr*>(&to);
    int ttl = 0;
    if (uapi::sendto(fd.get(), request.data(), request.size(), 0, peer, sizeof to) < 0) {
      Complain("sendto");
    } else if (AwaitAnswer(fd.get(), sequence, sent + args.number("timeout"), &ttl)) {
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
