// Names: the simulation's hosts instead of a name server, a short table instead of /etc/services.
//
// Built of the C library's rules (getaddrinfo(3), RFC 3493 6.1), over a table in memory: no file,
// no environment and no locale is read. A result is one malloc per node and per name, as the C
// library makes it, so that either side's freeaddrinfo frees it.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/host/simulation.h"
#include "kernel/sim/fault.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

struct Service {
  const char* name;
  uint16_t port;
};
constexpr Service kServices[] = {
    {"echo", 7},     {"discard", 9}, {"daytime", 13}, {"chargen", 19}, {"ftp", 21},
    {"ssh", 22},     {"telnet", 23}, {"smtp", 25},    {"time", 37},    {"domain", 53},
    {"http", 80},    {"pop3", 110},  {"ntp", 123},    {"imap", 143},   {"snmp", 161},
    {"ldap", 389},   {"https", 443}, {"submission", 587}, {"imaps", 993}, {"pop3s", 995},
};

// The kinds of socket an answer is given for, in the order of the answers.
struct Transport {
  int socktype;
  int protocol;
};
constexpr Transport kTransports[] = {
    {SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}, {SOCK_RAW, IPPROTO_IP}};

constexpr int kKnownFlags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV |
                            AI_ADDRCONFIG | AI_V4MAPPED | AI_ALL;

union Address {
  sockaddr sa;
  sockaddr_in sin;
  sockaddr_in6 sin6;
};

Address Inet(in_addr address) {
  Address a{};
  a.sin = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = address, .sin_zero = {}};
  return a;
}
Address Inet6(const in6_addr& address) {
  Address a{};
  a.sin6.sin6_family = AF_INET6;
  a.sin6.sin6_addr = address;
  return a;
}
socklen_t Length(const Address& a) {
  return a.sa.sa_family == AF_INET ? sizeof a.sin : sizeof a.sin6;
}

int ParsePort(const char* service, const addrinfo& hints, uint16_t* port) {
  *port = 0;
  if (service == nullptr) return 0;
  const std::string_view text = service;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return 0;
  if ((hints.ai_flags & AI_NUMERICSERV) != 0) return EAI_NONAME;
  if (hints.ai_socktype == SOCK_RAW) return EAI_SERVICE;
  const auto* found = std::find_if(std::begin(kServices), std::end(kServices),
                                   [&](const Service& s) { return text == s.name; });
  if (found == std::end(kServices)) return EAI_SERVICE;
  *port = found->port;
  return 0;
}

// The address that `node` writes in figures, if it does.
std::optional<Address> Numeric(const char* node) {
  in_addr v4;
  if (inet_aton(node, &v4) != 0) return Inet(v4);
  in6_addr v6;
  if (inet_pton(AF_INET6, node, &v6) == 1) return Inet6(v6);
  return std::nullopt;
}

// Without a node: what one binds to, or this host itself.
std::vector<Address> OwnAddresses(const addrinfo& hints) {
  const bool passive = (hints.ai_flags & AI_PASSIVE) != 0;
  std::vector<Address> found;
  if (hints.ai_family != AF_INET6) {
    found.push_back(Inet({htonl(passive ? INADDR_ANY : INADDR_LOOPBACK)}));
  }
  // AI_ADDRCONFIG: no host here has an IPv6 address.
  if (hints.ai_family == AF_INET6 || (hints.ai_family == AF_UNSPEC &&
                                      (hints.ai_flags & AI_ADDRCONFIG) == 0 && passive)) {
    found.push_back(Inet6(passive ? in6addr_any : in6addr_loopback));
  }
  return found;
}

int LookUp(const char* node, const addrinfo& hints, std::vector<Address>* found) {
  if (node == nullptr) {
    *found = OwnAddresses(hints);
    return 0;
  }
  if (const std::optional<Address> numeric = Numeric(node)) {
    if (hints.ai_family != AF_UNSPEC && hints.ai_family != numeric->sa.sa_family) {
      return EAI_ADDRFAMILY;
    }
    found->push_back(*numeric);
    return 0;
  }
  if ((hints.ai_flags & AI_NUMERICHOST) != 0) return EAI_NONAME;
  if (fault::Fires(Site::kResolvFail, Here().pid)) return EAI_AGAIN;
  if (std::string_view(node) == "localhost") {
    found->push_back(Inet({htonl(INADDR_LOOPBACK)}));
  } else if (const Host* host = CurrentHost().simulation().FindHost(node)) {
    // First the address that is reached over a link of one's own.
    const in_addr first = host->AddressFor(CurrentHost());
    found->push_back(Inet(first));
    for (const HostAddress& other : host->addresses()) {
      if (other.address.s_addr != first.s_addr) found->push_back(Inet(other.address));
    }
  }
  if (hints.ai_family == AF_INET6 && !found->empty()) return EAI_NODATA;
  return found->empty() ? EAI_NONAME : 0;
}

// One node of the answer. The address stands behind it in the same allocation.
addrinfo* MakeNode(const Address& address, const Transport& transport, uint16_t port) {
  auto* const node = static_cast<addrinfo*>(calloc(1, sizeof(addrinfo) + sizeof(Address)));
  if (node == nullptr) return nullptr;
  auto* const at = reinterpret_cast<Address*>(node + 1);
  *at = address;
  (address.sa.sa_family == AF_INET ? at->sin.sin_port : at->sin6.sin6_port) = htons(port);
  node->ai_family = address.sa.sa_family;
  node->ai_socktype = transport.socktype;
  node->ai_protocol = transport.protocol;
  node->ai_addrlen = Length(address);
  node->ai_addr = &at->sa;
  return node;
}

bool Wanted(const Transport& t, const addrinfo& hints) {
  return (hints.ai_socktype == 0 || hints.ai_socktype == t.socktype) &&
         (hints.ai_protocol == 0 || t.protocol == 0 || hints.ai_protocol == t.protocol);
}

int Answer(const std::vector<Address>& addresses, uint16_t port, const char* canonical,
           const addrinfo& hints, addrinfo** result) {
  addrinfo** tail = result;
  for (const Address& address : addresses) {
    for (Transport transport : kTransports) {
      if (!Wanted(transport, hints)) continue;
      if (transport.protocol == 0) transport.protocol = hints.ai_protocol;
      *tail = MakeNode(address, transport, port);
      if (*tail == nullptr) return EAI_MEMORY;
      tail = &(*tail)->ai_next;
    }
  }
  if (*result == nullptr) return hints.ai_socktype != 0 ? EAI_SOCKTYPE : EAI_SERVICE;
  if (canonical != nullptr && ((*result)->ai_canonname = strdup(canonical)) == nullptr) {
    return EAI_MEMORY;
  }
  return 0;
}

int Resolve(const char* node, const char* service, const addrinfo& hints, addrinfo** result) {
  if (node == nullptr && service == nullptr) return EAI_NONAME;
  if ((hints.ai_flags & ~kKnownFlags) != 0) return EAI_BADFLAGS;
  const bool canonical = (hints.ai_flags & AI_CANONNAME) != 0;
  if (canonical && node == nullptr) return EAI_BADFLAGS;
  if (hints.ai_family != AF_UNSPEC && hints.ai_family != AF_INET && hints.ai_family != AF_INET6) {
    return EAI_FAMILY;
  }
  uint16_t port;
  if (const int error = ParsePort(service, hints, &port)) return error;
  std::vector<Address> addresses;
  if (const int error = LookUp(node, hints, &addresses)) return error;
  return Answer(addresses, port, canonical ? node : nullptr, hints, result);
}

// Stores `text` if it fits. Errors: EAI_OVERFLOW.
int Store(std::string_view text, char* out, socklen_t len) {
  if (out == nullptr || len == 0) return 0;
  if (text.size() >= len) return EAI_OVERFLOW;
  out[text.copy(out, len)] = '\0';
  return 0;
}

std::string HostText(const Address& a, int flags) {
  if (a.sa.sa_family == AF_INET && (flags & NI_NUMERICHOST) == 0) {
    if (ntohl(a.sin.sin_addr.s_addr) == INADDR_LOOPBACK) return "localhost";
    if (Host* host = CurrentHost().simulation().FindHost(a.sin.sin_addr)) return host->name;
  }
  std::array<char, INET6_ADDRSTRLEN> text;
  const void* const bits = a.sa.sa_family == AF_INET ? static_cast<const void*>(&a.sin.sin_addr)
                                                     : &a.sin6.sin6_addr;
  return inet_ntop(a.sa.sa_family, bits, text.data(), text.size());
}

std::string ServiceText(uint16_t port, int flags) {
  const auto* found = std::find_if(std::begin(kServices), std::end(kServices),
                                   [&](const Service& s) { return s.port == port; });
  if ((flags & NI_NUMERICSERV) == 0 && found != std::end(kServices)) return found->name;
  return std::to_string(port);
}

int NameOf(const sockaddr* sa, socklen_t len, char* host, socklen_t hostlen, char* service,
           socklen_t servicelen, int flags) {
  Address a{};
  if (sa == nullptr || len < sizeof(sa_family_t)) return EAI_FAMILY;
  if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6) return EAI_FAMILY;
  memcpy(&a, sa, std::min<size_t>(len, sizeof a));
  if (len < Length(a)) return EAI_FAMILY;
  if ((host == nullptr || hostlen == 0) && (service == nullptr || servicelen == 0)) {
    return EAI_NONAME;
  }
  const std::string name = HostText(a, flags);
  const bool is_name = !Numeric(name.c_str()).has_value();
  if ((flags & NI_NAMEREQD) != 0 && !is_name) return EAI_NONAME;
  if (const int error = Store(name, host, hostlen)) return error;
  const uint16_t port = a.sa.sa_family == AF_INET ? a.sin.sin_port : a.sin6.sin6_port;
  return Store(ServiceText(ntohs(port), flags), service, servicelen);
}

}  // namespace

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  const CallArgs args{.a0 = Shown(node, 0), .a1 = Shown(node, 1), .a2 = Shown(service, 0)};
  // The trace shows the EAI_ code: a result of the call, not an errno.
  return static_cast<int>(SystemCallValue(Sys::kGetaddrinfo, args, [&](proc*) {
    addrinfo any{};
    any.ai_flags = AI_ADDRCONFIG | AI_V4MAPPED;
    *result = nullptr;
    const int error = Resolve(node, service, hints != nullptr ? *hints : any, result);
    if (error != 0) uapi::freeaddrinfo(std::exchange(*result, nullptr));
    return error;
  }));
}

void freeaddrinfo(addrinfo* list) {
  while (list != nullptr) {
    addrinfo* const next = list->ai_next;
    free(list->ai_canonname);
    free(list);
    list = next;
  }
}

int getnameinfo(const sockaddr* sa, socklen_t len, char* host, socklen_t hostlen, char* service,
                socklen_t servicelen, int flags) {
  return static_cast<int>(
      SystemCallValue(Sys::kGetnameinfo, {.a0 = Shown(sa, len)}, [&](proc*) {
        return NameOf(sa, len, host, hostlen, service, servicelen, flags);
      }));
}

int gethostname(char* name, size_t len) {
  return static_cast<int>(SystemCall(Sys::kGethostname, {}, [&](proc*, int64_t*) {
    const std::string& host = CurrentHost().name;
    if (name == nullptr) return EFAULT;
    if (host.size() >= len) return ENAMETOOLONG;
    name[host.copy(name, len)] = '\0';
    return 0;
  }));
}

}  // namespace sockbed::uapi
