// Names and numbers: getaddrinfo and kin, as far as no name server is asked.
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include <string>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

std::string EaiName(int error) {
  switch (error) {
    case 0: return "0";
    case EAI_BADFLAGS: return "EAI_BADFLAGS";
    case EAI_NONAME: return "EAI_NONAME";
    case EAI_FAMILY: return "EAI_FAMILY";
    case EAI_SOCKTYPE: return "EAI_SOCKTYPE";
    case EAI_SERVICE: return "EAI_SERVICE";
    case EAI_ADDRFAMILY: return "EAI_ADDRFAMILY";
    case EAI_OVERFLOW: return "EAI_OVERFLOW";
    default: return "EAI " + std::to_string(error);
  }
}

// "2/1/6 127.0.0.1:80": family, type, protocol, where it is.
std::string Shown(const addrinfo& ai) {
  char host[NI_MAXHOST], service[NI_MAXSERV];
  const int error = getnameinfo(ai.ai_addr, ai.ai_addrlen, host, sizeof host, service,
                                sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  if (error != 0) return EaiName(error);
  return std::to_string(ai.ai_family) + "/" + std::to_string(ai.ai_socktype) + "/" +
         std::to_string(ai.ai_protocol) + " " + host + ":" + service +
         (ai.ai_canonname != nullptr ? std::string(" ") + ai.ai_canonname : "");
}

void Look(Notes& notes, const std::string& label, const char* node, const char* service,
          const addrinfo& hints) {
  addrinfo* list = nullptr;
  const int error = getaddrinfo(node, service, &hints, &list);
  std::string all = EaiName(error);
  if (error == 0) {
    all.clear();
    for (const addrinfo* ai = list; ai != nullptr; ai = ai->ai_next) {
      all += (all.empty() ? "" : ", ") + Shown(*ai);
    }
    freeaddrinfo(list);
  }
  notes.Text(label, all);
}

addrinfo Hints(int flags, int family, int type, int protocol = 0) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_family = family;
  hints.ai_socktype = type;
  hints.ai_protocol = protocol;
  return hints;
}

void Addresses(Notes& notes) {
  const addrinfo any = Hints(AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
  Look(notes, "IPv4", "192.0.2.7", "80", any);
  Look(notes, "IPv6", "2001:db8::7", "80", any);
  Look(notes, "every type", "192.0.2.7", "80", Hints(AI_NUMERICHOST, AF_UNSPEC, 0));
  Look(notes, "short form", "127.1", "0", any);
  Look(notes, "hexadecimal", "0x7f000001", "0", any);
  Look(notes, "too large", "1.2.3.256", "0", any);
  Look(notes, "a name", "www.example.org", "0", any);
  Look(notes, "IPv4 as IPv6", "192.0.2.7", "80", Hints(AI_NUMERICHOST, AF_INET6, SOCK_STREAM));
  Look(notes, "mapped", "192.0.2.7", "80",
       Hints(AI_NUMERICHOST | AI_V4MAPPED, AF_INET6, SOCK_STREAM));
  Look(notes, "canonical", "192.0.2.7", "80",
       Hints(AI_NUMERICHOST | AI_CANONNAME, AF_INET, SOCK_STREAM));
  Look(notes, "passive", nullptr, "80", Hints(AI_PASSIVE, AF_INET, SOCK_STREAM));
  Look(notes, "passive IPv6", nullptr, "80", Hints(AI_PASSIVE, AF_INET6, SOCK_STREAM));
  Look(notes, "loopback", nullptr, "80", Hints(0, AF_INET, SOCK_STREAM));
  Look(notes, "nothing", nullptr, nullptr, any);
  Look(notes, "unknown family", "192.0.2.7", "80", Hints(0, AF_UNIX, SOCK_STREAM));
  Look(notes, "unknown type", "192.0.2.7", "80", Hints(0, AF_INET, 77));
  Look(notes, "type against protocol", "192.0.2.7", "80",
       Hints(0, AF_INET, SOCK_STREAM, IPPROTO_UDP));
  Look(notes, "unknown flags", "192.0.2.7", "80", Hints(0x10000, AF_INET, SOCK_STREAM));
  Look(notes, "canonical of nothing", nullptr, "80", Hints(AI_CANONNAME, AF_INET, SOCK_STREAM));
}

void Services(Notes& notes) {
  const addrinfo tcp = Hints(AI_NUMERICHOST, AF_INET, SOCK_STREAM);
  const addrinfo udp = Hints(AI_NUMERICHOST, AF_INET, SOCK_DGRAM);
  Look(notes, "http", "127.0.0.1", "http", tcp);
  Look(notes, "https", "127.0.0.1", "https", tcp);
  Look(notes, "domain over UDP", "127.0.0.1", "domain", udp);
  Look(notes, "unknown", "127.0.0.1", "no-such-service", tcp);
  Look(notes, "not numeric", "127.0.0.1", "http",
       Hints(AI_NUMERICHOST | AI_NUMERICSERV, AF_INET, SOCK_STREAM));
  Look(notes, "65535", "127.0.0.1", "65535", tcp);
}

void Tables(Notes& notes) {
  const auto service = [&notes](const char* label, const servent* found) {
    notes.Text(label, found == nullptr
                          ? "none"
                          : std::string(found->s_name) + " " +
                                std::to_string(ntohs(static_cast<uint16_t>(found->s_port))) + "/" +
                                found->s_proto);
  };
  service("http", getservbyname("http", "tcp"));
  service("domain", getservbyname("domain", "udp"));
  service("unknown", getservbyname("no-such-service", nullptr));
  service("over an unknown protocol", getservbyname("http", "no-such-protocol"));
  service("port 443", getservbyport(htons(443), "tcp"));
  service("port 4711", getservbyport(htons(4711), "udp"));
  for (const char* const name : {"ip", "tcp", "UDP", "ipv6-icmp", "no-such-protocol"}) {
    const protoent* const found = getprotobyname(name);
    notes.Value(name, found != nullptr ? found->p_proto : -1);
  }
  const protoent* const found = getprotobynumber(17);
  notes.Text("protocol 17", found != nullptr ? found->p_name : "none");
  notes.Value("protocol 250", getprotobynumber(250) != nullptr);
}

void Names(Notes& notes) {
  const Address address = Local(Kind::kTcp4, 80, "");
  char host[64], service[64];
  const auto look = [&](const char* label, socklen_t hostlen, socklen_t servicelen, int flags) {
    const int error =
        getnameinfo(address.get(), address.len, host, hostlen, service, servicelen, flags);
    notes.Text(label, error == 0 ? std::string(host) + " " + service : EaiName(error));
  };
  look("numbers", sizeof host, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  look("no room", 3, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  look("no room for the service", sizeof host, 1, NI_NUMERICHOST | NI_NUMERICSERV);
  look("service by name", sizeof host, sizeof service, NI_NUMERICHOST);
  look("unknown flags", sizeof host, sizeof service, 0x10000);
  notes.Text("short", EaiName(getnameinfo(address.get(), 4, host, sizeof host, service,
                                          sizeof service, NI_NUMERICHOST)));
  const Address path = PathOf("x");
  notes.Text("unknown family", EaiName(getnameinfo(path.get(), 2, host, sizeof host, service,
                                                   sizeof service, NI_NUMERICHOST)));
}

}  // namespace

void AddNameCases(std::vector<Case>* cases) {
  cases->push_back({"Name.Addresses", Addresses});
  cases->push_back({"Name.Services", Services});
  cases->push_back({"Name.Tables", Tables});
  cases->push_back({"Name.Names", Names});
}

}  // namespace sockbed::two_arms
