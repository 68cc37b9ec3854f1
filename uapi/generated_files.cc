#include "uapi/generated_files.h"

#include <arpa/inet.h>

#include <memory>
#include <string>

#include "kernel/host/simulation.h"
#include "uapi/resolver.h"

namespace sockbed::uapi {
namespace {

std::string Figures(int family, const void* address) {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(family, address, text, sizeof text);
}

std::string Figures(const InetAddress& address) {
  return address.sa.sa_family == AF_INET ? Figures(AF_INET, &address.sin.sin_addr)
                                         : Figures(AF_INET6, &address.sin6.sin6_addr);
}

// The host's own table, then the simulation's hosts: the order in which getaddrinfo looks.
std::string HostsText(Host& host) {
  std::string text = "127.0.0.1 localhost\n::1 localhost\n";
  for (const HostsLine& line : Resolver().hosts) {
    text += Figures(line.address);
    for (const std::string& name : line.names) text += " " + name;
    text += "\n";
  }
  for (const auto& other : host.simulation().hosts()) {
    const in_addr v4 = other->AddressFor(host);
    text += Figures(AF_INET, &v4) + " " + other->name + "\n";
    if (other->addresses6().empty()) continue;
    const in6_addr v6 = other->AddressFor6(host);
    text += Figures(AF_INET6, &v6) + " " + other->name + "\n";
  }
  return text;
}

std::string ResolvConfText(Host&) {
  const ResolverConf& conf = Resolver();
  std::string text;
  for (const InetAddress& server : conf.nameservers) text += "nameserver " + Figures(server) + "\n";
  if (!conf.search.empty()) {
    text += "search";
    for (const std::string& domain : conf.search) text += " " + domain;
    text += "\n";
  }
  const int64_t seconds = std::max<int64_t>(conf.timeout_ns / kSecond, 1);
  text += "options ndots:" + std::to_string(conf.ndots) + " timeout:" + std::to_string(seconds) +
          " attempts:" + std::to_string(conf.attempts) + "\n";
  return text;
}

std::string NsswitchText(Host&) { return "hosts: files dns\nservices: files\nprotocols: files\n"; }
std::string HostnameText(Host& host) { return host.name + "\n"; }
std::string ServicesFileText(Host&) { return ServicesText(); }

void Add(Files& files, const char* name, inode::Kind kind, mode_t mode,
         std::string (*make)(Host&) = nullptr) {
  auto made = std::make_shared<inode>();
  made->i_kind = kind;
  made->i_mode = mode;
  made->i_mtime = kBootEpochSeconds * kSecond;
  made->i_make = make;
  files.nodes[name] = std::move(made);
}

}  // namespace

void AddGenerated(Files& files) {
  Add(files, "/dev/null", inode::Kind::kNull, 0666);
  Add(files, "/dev/zero", inode::Kind::kZero, 0666);
  Add(files, "/dev/random", inode::Kind::kRandom, 0666);
  Add(files, "/dev/urandom", inode::Kind::kRandom, 0666);
  Add(files, "/etc/hosts", inode::Kind::kRegular, 0444, HostsText);
  Add(files, "/etc/resolv.conf", inode::Kind::kRegular, 0444, ResolvConfText);
  Add(files, "/etc/nsswitch.conf", inode::Kind::kRegular, 0444, NsswitchText);
  Add(files, "/etc/services", inode::Kind::kRegular, 0444, ServicesFileText);
  Add(files, "/etc/hostname", inode::Kind::kRegular, 0444, HostnameText);
}

}  // namespace sockbed::uapi
