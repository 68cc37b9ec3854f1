// What a host's resolver knows: its name servers, its search list, its hosts file.
//
// Lives here:  InetAddress, HostsLine, ResolverConf, SetResolver; the look-ups behind getaddrinfo.
// Called by:   set-up (tests, tools) before a run; resolver.cc, gethostby.cc.
// May touch:   host.
// Context:     SetResolver: outside a run. The look-ups: a simulated process; they sleep in poll(2)
//              as any program that asks a name server does.
// Units:       virtual nanoseconds.
// Source:      hosts(5), resolv.conf(5).
// Differs:     there are no files to read: SetResolver is both of them. Names of simulated hosts
//              and "localhost" are known without it.
#ifndef SOCKBED_UAPI_RESOLVER_H_
#define SOCKBED_UAPI_RESOLVER_H_

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "kernel/host/host.h"
#include "kernel/sim/time.h"

namespace sockbed {

// An Internet address of either family, with a port.
union InetAddress {
  sockaddr sa;
  sockaddr_in sin;
  sockaddr_in6 sin6;

  static InetAddress Of(in_addr address, uint16_t port = 0);
  static InetAddress Of(const in6_addr& address, uint16_t port = 0);

  socklen_t length() const { return sa.sa_family == AF_INET ? sizeof sin : sizeof sin6; }
  in_port_t& port() { return sa.sa_family == AF_INET ? sin.sin_port : sin6.sin6_port; }
};

// One line of the hosts file.
struct HostsLine {
  InetAddress address;
  std::vector<std::string> names;  // the first is the canonical one
};

struct ResolverConf {
  std::vector<InetAddress> nameservers;  // asked in this order; none: names are the hosts file's
  std::vector<std::string> search;       // domains that are tried behind a name
  int ndots = 1;                         // a name with so many dots is first tried as it stands
  SimTime timeout_ns = 5 * kSecond;      // for the first answer; later rounds wait longer
  int attempts = 2;                      // rounds over all name servers
  std::vector<HostsLine> hosts;
};

// Sets up the resolver of `host`. REQUIRES: outside a run.
void SetResolver(Host& host, ResolverConf conf);

namespace uapi {

// The current host's.
const ResolverConf& Resolver();

// What getaddrinfo(3) finds for a name: addresses in order of preference, and the name that they
// belong to. Of the hints it obeys ai_family and AI_NUMERICHOST, AI_ADDRCONFIG, AI_V4MAPPED,
// AI_ALL. [sleeps] Returns 0, EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY, EAI_AGAIN, EAI_FAIL.
int FindAddresses(const char* node, const addrinfo& hints, std::vector<InetAddress>* found,
                  std::string* canonical);

// The name of an address. [sleeps] Returns 0, EAI_NONAME, EAI_AGAIN, EAI_FAIL.
int FindName(const InetAddress& address, std::string* name);

// The same of name servers alone (dns_client.cc); `family` AF_INET or AF_INET6. REQUIRES: there are
// name servers.
int AskForAddresses(const std::string& node, int family, std::vector<InetAddress>* found,
                    std::string* canonical);
int AskForName(const InetAddress& address, std::string* name);

// The services that names are known of, as services(5) writes them.
std::string ServicesText();

}  // namespace uapi
}  // namespace sockbed

#endif  // SOCKBED_UAPI_RESOLVER_H_
