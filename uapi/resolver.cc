// Names: figures, the hosts file, the simulation's hosts, then the name servers; a short table
// instead of /etc/services.
//
// Built of the C library's rules (getaddrinfo(3), RFC 3493 6.1), over tables in memory: no file,
// no environment and no locale is read. A result is one malloc per node and per name, as the C
// library makes it, so that either side's freeaddrinfo frees it.
#include "uapi/resolver.h"
#include "uapi/services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/host/simulation.h"
#include "kernel/sim/fault.h"
#include "uapi/dns_message.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed {

InetAddress InetAddress::Of(in_addr address, uint16_t port) {
  InetAddress a{};
  a.sin = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address, .sin_zero = {}};
  return a;
}

InetAddress InetAddress::Of(const in6_addr& address, uint16_t port) {
  InetAddress a{};
  a.sin6.sin6_family = AF_INET6;
  a.sin6.sin6_port = htons(port);
  a.sin6.sin6_addr = address;
  return a;
}

void SetResolver(Host& host, ResolverConf conf) {
  KASSERT(!InSimulation() || curproc() == nullptr);
  const MachineScope on_machine(host.simulation().machine());
  const HostScope on_host(host);
  uapi::attach_host(host).resolver = std::move(conf);
}

namespace uapi {

const ResolverConf& Resolver() { return HostLocal<UapiHost>::Get().resolver; }

namespace {

// The kinds of socket an answer is given for, in the order of the answers.
struct Transport {
  int socktype;
  int protocol;
};
constexpr Transport kTransports[] = {
    {SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}, {SOCK_RAW, IPPROTO_IP}};

constexpr int kKnownFlags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV |
                            AI_ADDRCONFIG | AI_V4MAPPED | AI_ALL;

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

// The address that `node` writes in figures, if it does; of IPv6, with its zone (RFC 4007 11).
std::optional<InetAddress> Numeric(const char* node) {
  in_addr v4;
  if (inet_aton(node, &v4) != 0) return InetAddress::Of(v4);
  const std::string_view text = node;
  const size_t percent = text.find('%');
  in6_addr v6;
  if (inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &v6) != 1) {
    return std::nullopt;
  }
  InetAddress address = InetAddress::Of(v6);
  if (percent == text.npos) return address;
  address.sin6.sin6_scope_id = CurrentHost().InterfaceIndex(text.substr(percent + 1));
  if (address.sin6.sin6_scope_id == 0) return std::nullopt;
  return address;
}

// Whether this host has an IPv6 address that is more than loopback: what AI_ADDRCONFIG asks.
bool SpeaksIpv6() { return !CurrentHost().addresses6().empty(); }

// Without a node: what one binds to, or this host itself.
std::vector<InetAddress> OwnAddresses(const addrinfo& hints) {
  const bool passive = (hints.ai_flags & AI_PASSIVE) != 0;
  std::vector<InetAddress> found;
  if (hints.ai_family != AF_INET6) {
    found.push_back(InetAddress::Of(in_addr{htonl(passive ? INADDR_ANY : INADDR_LOOPBACK)}));
  }
  if (hints.ai_family == AF_INET6 ||
      (hints.ai_family == AF_UNSPEC &&
       (SpeaksIpv6() || ((hints.ai_flags & AI_ADDRCONFIG) == 0 && passive)))) {
    found.push_back(InetAddress::Of(passive ? in6addr_any : in6addr_loopback));
  }
  return found;
}

// All addresses of a simulated host, first the one that is reached over a link of one's own.
void AddressesOf(const Host& host, std::vector<InetAddress>* found) {
  const in_addr first = host.AddressFor(CurrentHost());
  found->push_back(InetAddress::Of(first));
  for (const HostAddress& other : host.addresses()) {
    if (other.address.s_addr != first.s_addr) found->push_back(InetAddress::Of(other.address));
  }
  if (host.addresses6().empty()) return;
  const in6_addr first6 = host.AddressFor6(CurrentHost());
  found->push_back(InetAddress::Of(first6));
  for (const HostAddress6& other : host.addresses6()) {
    if (!IN6_ARE_ADDR_EQUAL(&other.address, &first6)) {
      found->push_back(InetAddress::Of(other.address));
    }
  }
}

// What is known without asking: the hosts file, this host, the simulation's. Empty if nothing is.
std::vector<InetAddress> KnownAddresses(const char* node, std::string* canonical) {
  std::vector<InetAddress> found;
  for (const HostsLine& line : Resolver().hosts) {
    const auto is_node = [&](const std::string& name) { return SameDnsName(name, node); };
    if (!std::ranges::any_of(line.names, is_node)) continue;
    *canonical = line.names.front();
    found.push_back(line.address);
  }
  if (!found.empty()) return found;
  if (std::string_view(node) == "localhost") {
    found.push_back(InetAddress::Of(in_addr{htonl(INADDR_LOOPBACK)}));
  } else if (const Host* host = CurrentHost().simulation().FindHost(node)) {
    AddressesOf(*host, &found);
  }
  return found;
}

InetAddress Mapped(const InetAddress& v4) {
  in6_addr v6{};
  v6.s6_addr[10] = v6.s6_addr[11] = 0xff;
  memcpy(&v6.s6_addr[12], &v4.sin.sin_addr, sizeof v4.sin.sin_addr);
  return InetAddress::Of(v6);
}

// Which of what was found the caller is to see (RFC 3493 6.1: AI_V4MAPPED, AI_ALL).
std::vector<InetAddress> OfFamily(const std::vector<InetAddress>& all, const addrinfo& hints) {
  std::vector<InetAddress> chosen;
  for (const InetAddress& address : all) {
    const bool fits = hints.ai_family == AF_UNSPEC || hints.ai_family == address.sa.sa_family;
    if (fits) chosen.push_back(address);
  }
  const bool map = hints.ai_family == AF_INET6 && (hints.ai_flags & AI_V4MAPPED) != 0;
  if (!map || (!chosen.empty() && (hints.ai_flags & AI_ALL) == 0)) return chosen;
  for (const InetAddress& address : all) {
    if (address.sa.sa_family == AF_INET) chosen.push_back(Mapped(address));
  }
  return chosen;
}

// Asks the name servers for both families, as far as the hints want them.
int Ask(const char* node, const addrinfo& hints, std::vector<InetAddress>* found,
        std::string* canonical) {
  const bool mapped = (hints.ai_flags & AI_V4MAPPED) != 0;
  const bool want4 = hints.ai_family != AF_INET6 || mapped;
  const bool want6 =
      hints.ai_family == AF_INET6 ||
      (hints.ai_family == AF_UNSPEC && ((hints.ai_flags & AI_ADDRCONFIG) == 0 || SpeaksIpv6()));
  int error = EAI_NONAME;
  if (want4) error = AskForAddresses(node, AF_INET, found, canonical);
  if (!want6 || error == EAI_AGAIN) return error;
  std::string other;  // what the first family's answer has called it stands
  std::string* const name6 = found->empty() ? canonical : &other;
  const int error6 = AskForAddresses(node, AF_INET6, found, name6);
  return found->empty() ? (error != EAI_NONAME ? error : error6) : 0;
}

// One node of the answer. The address stands behind it in the same allocation.
addrinfo* MakeNode(const InetAddress& address, const Transport& transport, uint16_t port) {
  auto* const node = static_cast<addrinfo*>(calloc(1, sizeof(addrinfo) + sizeof(InetAddress)));
  if (node == nullptr) return nullptr;
  auto* const at = reinterpret_cast<InetAddress*>(node + 1);
  *at = address;
  at->port() = htons(port);
  node->ai_family = address.sa.sa_family;
  node->ai_socktype = transport.socktype;
  node->ai_protocol = transport.protocol;
  node->ai_addrlen = address.length();
  node->ai_addr = &at->sa;
  return node;
}

bool Wanted(const Transport& t, const addrinfo& hints) {
  return (hints.ai_socktype == 0 || hints.ai_socktype == t.socktype) &&
         (hints.ai_protocol == 0 || t.protocol == 0 || hints.ai_protocol == t.protocol);
}

int Answer(const std::vector<InetAddress>& addresses, uint16_t port, const char* canonical,
           const addrinfo& hints, addrinfo** result) {
  addrinfo** tail = result;
  for (const InetAddress& address : addresses) {
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
  if (node == nullptr) return Answer(OwnAddresses(hints), port, nullptr, hints, result);
  std::vector<InetAddress> addresses;
  std::string name;
  if (const int error = FindAddresses(node, hints, &addresses, &name)) return error;
  return Answer(addresses, port, canonical ? name.c_str() : nullptr, hints, result);
}

// Stores `text` if it fits. Errors: EAI_OVERFLOW.
int Store(std::string_view text, char* out, socklen_t len) {
  if (out == nullptr || len == 0) return 0;
  if (text.size() >= len) return EAI_OVERFLOW;
  out[text.copy(out, len)] = '\0';
  return 0;
}

std::string Figures(const InetAddress& a) {
  std::array<char, INET6_ADDRSTRLEN> text;
  const void* const bits =
      a.sa.sa_family == AF_INET ? static_cast<const void*>(&a.sin.sin_addr) : &a.sin6.sin6_addr;
  const std::string shown = inet_ntop(a.sa.sa_family, bits, text.data(), text.size());
  if (a.sa.sa_family == AF_INET || a.sin6.sin6_scope_id == 0) return shown;
  return shown + "%" + CurrentHost().InterfaceName(a.sin6.sin6_scope_id);
}

// A name of one's own domain without that, if NI_NOFQDN asks for it.
std::string WithoutDomain(std::string name, int flags) {
  if ((flags & NI_NOFQDN) == 0 || Resolver().search.empty()) return name;
  const std::string domain = "." + Resolver().search.front();
  if (name.ends_with(domain)) name.resize(name.size() - domain.size());
  return name;
}

std::string ServiceText(uint16_t port, int flags) {
  const auto* found = std::find_if(std::begin(kServices), std::end(kServices),
                                   [&](const Service& s) { return s.port == port; });
  if ((flags & NI_NUMERICSERV) == 0 && found != std::end(kServices)) return found->name;
  return std::to_string(port);
}

int NameOf(const sockaddr* sa, socklen_t len, char* host, socklen_t hostlen, char* service,
           socklen_t servicelen, int flags) {
  constexpr int kKnown = NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM;
  if ((flags & ~kKnown) != 0) return EAI_BADFLAGS;
  InetAddress a{};
  if (sa == nullptr || len < sizeof(sa_family_t)) return EAI_FAMILY;
  if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6) return EAI_FAMILY;
  memcpy(&a, sa, std::min<size_t>(len, sizeof a));
  if (len < a.length()) return EAI_FAMILY;
  if ((host == nullptr || hostlen == 0) && (service == nullptr || servicelen == 0)) {
    return EAI_NONAME;
  }
  if (host != nullptr && hostlen > 0) {
    std::string name;
    const int error = (flags & NI_NUMERICHOST) != 0 ? EAI_NONAME : FindName(a, &name);
    if (error != 0 && (flags & NI_NAMEREQD) != 0) return error;
    name = error == 0 ? WithoutDomain(name, flags) : Figures(a);
    if (const int full = Store(name, host, hostlen)) return full;
  }
  return Store(ServiceText(ntohs(a.port()), flags), service, servicelen);
}

}  // namespace

std::string ServicesText() {
  std::string text;
  for (const Service& service : kServices) {
    for (const char* protocol : {"tcp", "udp"}) {
      text += std::string(service.name) + " " + std::to_string(service.port) + "/";
      text += std::string(protocol) + "\n";
    }
  }
  return text;
}

int FindAddresses(const char* node, const addrinfo& hints, std::vector<InetAddress>* found,
                  std::string* canonical) {
  *canonical = node;
  if (const std::optional<InetAddress> numeric = Numeric(node)) {
    *found = OfFamily({*numeric}, hints);
    return found->empty() ? EAI_ADDRFAMILY : 0;
  }
  if ((hints.ai_flags & AI_NUMERICHOST) != 0) return EAI_NONAME;
  if (fault::Fires(Site::kResolvFail, Here().pid)) return EAI_AGAIN;
  std::vector<InetAddress> all = KnownAddresses(node, canonical);
  if (all.empty()) {
    if (Resolver().nameservers.empty()) return EAI_NONAME;
    if (const int error = Ask(node, hints, &all, canonical)) return error;
  }
  *found = OfFamily(all, hints);
  return found->empty() ? EAI_NODATA : 0;
}

int FindName(const InetAddress& address, std::string* name) {
  for (const HostsLine& line : Resolver().hosts) {
    InetAddress known = line.address;
    if (Figures(known) != Figures(address)) continue;
    *name = line.names.front();
    return 0;
  }
  const bool v4 = address.sa.sa_family == AF_INET;
  const bool loopback = v4 ? ntohl(address.sin.sin_addr.s_addr) == INADDR_LOOPBACK
                           : IN6_IS_ADDR_LOOPBACK(&address.sin6.sin6_addr) != 0;
  Simulation& simulation = CurrentHost().simulation();
  const Host* const host =
      v4 ? simulation.FindHost(address.sin.sin_addr) : simulation.FindHost(address.sin6.sin6_addr);
  if (loopback || host != nullptr) {
    *name = loopback ? "localhost" : host->name;
    return 0;
  }
  return Resolver().nameservers.empty() ? EAI_NONAME : AskForName(address, name);
}

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  const CallArgs args{.a0 = Shown(node, 0), .a1 = Shown(node, 1), .a2 = Shown(service, 0)};
  // The list is the call's until it returns: a fatal signal may end it with all but that done.
  struct Free {
    void operator()(addrinfo* list) const { uapi::freeaddrinfo(list); }
  };
  std::unique_ptr<addrinfo, Free> made;
  *result = nullptr;
  // The trace shows the EAI_ code: a result of the call, not an errno.
  const int64_t error = SystemCallValue(Sys::kGetaddrinfo, args, [&](proc*) {
    addrinfo any{};
    any.ai_flags = AI_ADDRCONFIG | AI_V4MAPPED;
    addrinfo* list = nullptr;
    const int code = Resolve(node, service, hints != nullptr ? *hints : any, &list);
    made.reset(list);
    return code;
  });
  if (error == 0) *result = made.release(); /*taken*/
  return static_cast<int>(error);
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
  return static_cast<int>(SystemCallValue(Sys::kGetnameinfo, {.a0 = Shown(sa, len)}, [&](proc*) {
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

}  // namespace uapi
}  // namespace sockbed
