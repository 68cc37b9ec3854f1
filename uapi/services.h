// The services and protocols that every host knows by name: services(5), protocols(5).
//
// Lives here:  kServices, kProtocols.
// Called by:   resolver.cc, getserv.cc.
// Differs:     a service is there over TCP and over UDP.
#ifndef SOCKBED_UAPI_SERVICES_H_
#define SOCKBED_UAPI_SERVICES_H_

#include <cstdint>

namespace sockbed::uapi {

struct Service {
  const char* name;
  uint16_t port;
};
inline constexpr Service kServices[] = {
    {"echo", 7},   {"discard", 9}, {"daytime", 13},     {"chargen", 19}, {"ftp", 21},
    {"ssh", 22},   {"telnet", 23}, {"smtp", 25},        {"time", 37},    {"domain", 53},
    {"http", 80},  {"pop3", 110},  {"ntp", 123},        {"imap", 143},   {"snmp", 161},
    {"ldap", 389}, {"https", 443}, {"submission", 587}, {"imaps", 993},  {"pop3s", 995},
};

struct Protocol {
  const char* name;
  const char* alias;
  int number;
};
inline constexpr Protocol kProtocols[] = {
    {"ip", "IP", 0},
    {"icmp", "ICMP", 1},
    {"igmp", "IGMP", 2},
    {"tcp", "TCP", 6},
    {"udp", "UDP", 17},
    {"ipv6", "IPv6", 41},
    {"ipv6-icmp", "IPv6-ICMP", 58},
};

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_SERVICES_H_
