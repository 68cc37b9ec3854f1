#include "tests/two_arms/kinds.h"

#include <string.h>
#include <unistd.h>

namespace sockbed::two_arms {
namespace {

struct KindFacts {
  Kind kind;
  const char* name;
  int family;
  int type;
};
constexpr KindFacts kKinds[] = {
    {Kind::kTcp4, "Tcp4", AF_INET, SOCK_STREAM},
    {Kind::kTcp6, "Tcp6", AF_INET6, SOCK_STREAM},
    {Kind::kUdp4, "Udp4", AF_INET, SOCK_DGRAM},
    {Kind::kUdp6, "Udp6", AF_INET6, SOCK_DGRAM},
    {Kind::kUnixStream, "UnixStream", AF_UNIX, SOCK_STREAM},
    {Kind::kUnixSeqpacket, "UnixSeqpacket", AF_UNIX, SOCK_SEQPACKET},
    {Kind::kUnixDgram, "UnixDgram", AF_UNIX, SOCK_DGRAM},
    {Kind::kPipe, "Pipe", 0, SOCK_STREAM},
};
const KindFacts& FactsOf(Kind kind) { return kKinds[static_cast<int>(kind)]; }

template <typename T>
Address AddressOf(const T& name) {
  Address address;
  memcpy(&address.storage, &name, sizeof name);
  address.len = sizeof name;
  return address;
}

}  // namespace

const char* NameOf(Kind kind) { return FactsOf(kind).name; }
int FamilyOf(Kind kind) { return FactsOf(kind).family; }
int TypeOf(Kind kind) { return FactsOf(kind).type; }

Address PathOf(const std::string& path) {
  sockaddr_un sun{};
  sun.sun_family = AF_UNIX;
  path.copy(sun.sun_path, sizeof sun.sun_path);
  return AddressOf(sun);
}

Address Local(Kind kind, uint16_t port, const std::string& name) {
  if (FamilyOf(kind) == AF_INET) {
    sockaddr_in sin{};
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons(port);
    return AddressOf(sin);
  }
  if (FamilyOf(kind) == AF_INET6) {
    sockaddr_in6 sin6{};
    sin6.sin6_family = AF_INET6;
    sin6.sin6_addr = in6addr_loopback;
    sin6.sin6_port = htons(port);
    return AddressOf(sin6);
  }
  return PathOf(name);
}

Address NameOfSocket(int fd) {
  Address address;
  address.len = sizeof address.storage;
  if (getsockname(fd, address.get(), &address.len) != 0) address.len = 0;
  return address;
}

int Fresh(Kind kind, int flags) { return socket(FamilyOf(kind), TypeOf(kind) | flags, 0); }

int Bound(Kind kind, const std::string& path, Address* address) {
  const int fd = Fresh(kind);
  const Address wanted = Local(kind, 0, path);
  if (bind(fd, wanted.get(), wanted.len) != 0) return -1;
  *address = IsUnix(kind) ? wanted : NameOfSocket(fd);
  return fd;
}

int Listener(Kind kind, const std::string& path, Address* address, int backlog) {
  const int fd = Bound(kind, path, address);
  return listen(fd, backlog) == 0 ? fd : -1;
}

Pair MakePair(Kind kind) {
  int fds[2] = {-1, -1};
  if (kind == Kind::kPipe) {
    if (pipe(fds) != 0) return {};
    return {fds[1], fds[0]};
  }
  if (IsUnix(kind)) {
    if (socketpair(AF_UNIX, TypeOf(kind), 0, fds) != 0) return {};
    return {fds[0], fds[1]};
  }
  Address first, second;
  if (IsUdp(kind)) {
    const int a = Bound(kind, "", &first), b = Bound(kind, "", &second);
    connect(a, second.get(), second.len);
    connect(b, first.get(), first.len);
    return {a, b};
  }
  const int listener = Listener(kind, "", &first);
  const int a = Fresh(kind);
  connect(a, first.get(), first.len);
  const int b = accept(listener, nullptr, nullptr);
  close(listener);
  return {a, b};
}

void ForEachKind(std::vector<Case>* cases, const std::string& name,
                 const std::function<bool(Kind)>& which, const KindBody& body) {
  for (const KindFacts& facts : kKinds) {
    if (!which(facts.kind)) continue;
    cases->push_back(
        {name + "/" + facts.name, [body, kind = facts.kind](Notes& notes) { body(notes, kind); }});
  }
}

}  // namespace sockbed::two_arms
