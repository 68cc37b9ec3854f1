#include "kernel/host/rooms.h"

#include <array>

#include "kernel/host/host_trace.h"
#include "kernel/host/in_proto.h"
#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/net/if.h"
#include "kernel/sched/sched.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/tcp.h"
#include "kernel/udp/udp_var.h"
#include "kernel/unix/unix.h"

namespace sockbed {
namespace {

void RegisterDomains(HostBase& host) {
  domain_register(host, &inetdomain);
  domain_register(host, &inet6domain);
}

struct Step {
  void (*describe)(Trace& trace);  // null: the step leaves no records
  void (*boot)(HostBase& host);
  void (*halt)(HostBase& host);  // null: what it holds belongs to a process or to a step above
};

constexpr std::array kBootOrder = {
    Step{sched_describe, sched_boot, nullptr},        // processes, sleeping, timeouts, open files
    Step{mbuf_describe, mbuf_boot, nullptr},          // memory for packets, and who pays for it
    Step{socket_describe, socket_boot, socket_halt},  // sockets; no family yet
    Step{unix_describe, unix_boot, unix_collect},     // AF_UNIX: names, pairs, open files in flight
    Step{net_describe, net_boot, net_halt},           // interfaces, and lo0
    Step{inet_describe, inet_boot, inet_halt},        // IPv4: addresses, routes, fragments, ICMP
    Step{udp_describe, udp_boot, nullptr},            // datagrams
    Step{tcp_describe, tcp_boot, tcp_halt},           // streams
    Step{nullptr, RegisterDomains, nullptr},          // now socket(2) finds them
    Step{host_describe, host_boot, nullptr},          // the console, kern.*, the list of exits
};

}  // namespace

void describe_rooms(Trace& trace) {
  for (const Step& step : kBootOrder) {
    if (step.describe != nullptr) step.describe(trace);
  }
}

void boot_rooms(HostBase& host) {
  for (const Step& step : kBootOrder) step.boot(host);
}

void halt_rooms(HostBase& host) {
  for (auto step = kBootOrder.rbegin(); step != kBootOrder.rend(); ++step) {
    if (step->halt != nullptr) step->halt(host);
  }
}

}  // namespace sockbed
