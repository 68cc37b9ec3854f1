// dns-server answers for the names of a zone file, over UDP and TCP; dns-lookup asks as any program
// does, through getaddrinfo.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/builtin_programs.h"
#include "tools/dns_zone.h"
#include "tools/program_sockets.h"
#include "uapi/dns_message.h"
#include "uapi/uapi.h"

namespace sockbed::tools {
namespace {

constexpr size_t kDatagramMax = 64 * 1024;

int Failed(const char* what) {
  Complain(what);
  return 1;
}

// The reply to the bytes of a query, or nothing if they are none.
std::optional<std::string> Reply(const DnsZone& zone, std::span<const char> bytes,
                                 size_t size_max) {
  DnsMessage query;
  if (!DecodeDns(bytes, &query) || query.response) return std::nullopt;
  return EncodeDns(zone.Answer(query), size_max);
}

// One connection: queries one after another, each behind its length.
class Stream {
 public:
  explicit Stream(Descriptor fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  // Takes what has come and answers what is complete. False: the connection is over.
  bool Serve(const DnsZone& zone) {
    char piece[4096];
    const ssize_t n = uapi::recv(fd(), piece, sizeof piece, 0);
    if (n <= 0) return false;
    received_.append(piece, static_cast<size_t>(n));
    while (received_.size() >= 2) {
      const size_t size = static_cast<size_t>(static_cast<uint8_t>(received_[0]) << 8 |
                                              static_cast<uint8_t>(received_[1]));
      if (received_.size() < 2 + size) break;
      const auto reply = Reply(zone, std::span(received_).subspan(2, size), kDnsTcpMax);
      if (!reply) return false;
      received_.erase(0, 2 + size);
      const std::string bytes =
          std::string{static_cast<char>(reply->size() >> 8), static_cast<char>(reply->size())} +
          *reply;
      if (uapi::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(bytes.size())) {
        return false;
      }
    }
    return true;
  }

 private:
  Descriptor fd_;
  std::string received_;
};

void ServeDatagram(int fd, const DnsZone& zone, size_t size_max) {
  std::string buffer(kDatagramMax, '\0');
  sockaddr_storage from;
  socklen_t len = sizeof from;
  auto* const name = reinterpret_cast<sockaddr*>(&from);
  const ssize_t n = uapi::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT, name, &len);
  if (n <= 0) return;
  const auto reply = Reply(zone, std::span(buffer).first(static_cast<size_t>(n)), size_max);
  // Lost answers are asked for again; nothing can be done about them here.
  if (reply) (void)uapi::sendto(fd, reply->data(), reply->size(), 0, name, len);
}

Descriptor BoundDatagram(uint16_t port) {
  Descriptor fd(uapi::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  const auto* const name = reinterpret_cast<const sockaddr*>(&any);
  if (!fd.ok() || uapi::bind(fd.get(), name, sizeof any) != 0) {
    Complain("bind");
    return Descriptor();
  }
  return fd;
}

int Serve(const ProgramArgs& args) {
  const absl::StatusOr<DnsZone> zone = ParseDnsZone(args.text("zone"), *args.file("zone"));
  if (!zone.ok()) {
    uapi::Print("%s\n", std::string(zone.status().message()).c_str());
    return 2;
  }
  const Descriptor udp = BoundDatagram(args.port("port"));
  const Descriptor listener = Listen(args.port("port"));
  if (!udp.ok() || !listener.ok()) return 1;
  std::vector<Stream> streams;
  for (;;) {
    std::vector<pollfd> waits = {{udp.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
    for (const Stream& stream : streams) waits.push_back({stream.fd(), POLLIN, 0});
    if (uapi::poll(waits.data(), waits.size(), -1) < 0) return Failed("poll");
    if (waits[0].revents != 0) {
      ServeDatagram(udp.get(), *zone, static_cast<size_t>(args.number("udp_size")));
    }
    size_t i = 2;
    std::erase_if(streams,
                  [&](Stream& stream) { return waits[i++].revents != 0 && !stream.Serve(*zone); });
    if (waits[1].revents == 0) continue;
    Descriptor stream(uapi::accept(listener.get(), nullptr, nullptr));
    if (stream.ok()) streams.emplace_back(std::move(stream));
  }
}

int LookUp(const ProgramArgs& args) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_CANONNAME | AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const std::string& name = args.text("name");
  const int error = uapi::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    uapi::Print("%s: %s\n", name.c_str(), gai_strerror(error));
    return 1;
  }
  for (const addrinfo* ai = found; ai != nullptr; ai = ai->ai_next) {
    char figures[INET6_ADDRSTRLEN];
    if (uapi::getnameinfo(ai->ai_addr, ai->ai_addrlen, figures, sizeof figures, nullptr, 0,
                          NI_NUMERICHOST) != 0) {
      continue;
    }
    uapi::Print("%s is %s, %s\n", name.c_str(), found->ai_canonname, figures);
  }
  uapi::freeaddrinfo(found);
  return 0;
}

constexpr ArgInfo kServerArgs[] = {
    {"zone", ArgType::kFile, nullptr, "the zone's master file: A, AAAA, CNAME, PTR"},
    {"port", ArgType::kPort, "53", "port, of both protocols"},
    {"udp_size", ArgType::kSize, "512", "the largest answer over UDP; beyond, clients come by TCP"},
};
constexpr ArgInfo kLookupArgs[] = {
    {"name", ArgType::kText, nullptr, "the name to look up"},
};

}  // namespace

const ProgramInfo kDnsServer = {"dns-server", "answers for the names of a zone file", kServerArgs,
                                MakeProgram<Serve>};
const ProgramInfo kDnsLookup = {"dns-lookup", "looks a name up and prints its addresses",
                                kLookupArgs, MakeProgram<LookUp>};

}  // namespace sockbed::tools
