// Hosts with IPv4 and IPv6, joined by links, and nothing above.
//
// Lives here:  InetTestHosts; Addr.
// Called by:   the worlds of unit tests: InetTestNet, UdpTestNet.
// Invariants:  after each test every process is gone and every live count of every host is zero.
#ifndef SOCKBED_KERNEL_INET_INET_TEST_HOSTS_H_
#define SOCKBED_KERNEL_INET_INET_TEST_HOSTS_H_

#include <arpa/inet.h>

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/route.h"
#include "kernel/net/link.h"
#include "kernel/net/net_test_machine.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socket.h"
#include "tests/captures/test_captures.h"

namespace sockbed {

inline in_addr Addr(const char* text) {
  in_addr address;
  EXPECT_EQ(inet_pton(AF_INET, text, &address), 1) << text;
  return address;
}

class InetTestHosts : public NetTestMachine {
 protected:
  InetTestHosts() { Boot({.seed = 7}); }
  ~InetTestHosts() override { Shutdown(); }

  // Starts over on another machine, without hosts.
  void Boot(const Machine::Options& options) {
    Shutdown();
    StartMachine(options);
    inet_describe(machine().trace());
  }

  HostBase& AddHost(const std::string& name) {
    HostBase& host = AddBareHost(name);
    socket_boot(host);
    inet_boot(host);
    return host;
  }

  // Joins two hosts: the k-th link is 10.0.k.0/24, .1 is the first host's, .2 the second's.
  Link& Join(HostBase& a, HostBase& b, const LinkOptions& options = {}) {
    const uint32_t number = static_cast<uint32_t>(links_.size() + 1);
    links_.push_back(
        std::make_unique<Link>(a, b, number, options, captures_.Next(options.ethernet)));
    const std::string net = "10.0." + std::to_string(number);
    AddAddress(links_.back()->interface(0), (net + ".1").c_str(), 24);
    AddAddress(links_.back()->interface(1), (net + ".2").c_str(), 24);
    return *links_.back();
  }
  // The capture of a wire that is no link. Null: nobody asks.
  TestCapture* NextCapture() { return captures_.Next(false); }

  void AddAddress(ifnet* ifp, const char* address, uint8_t plen) {
    HostScope scope(*ifp->if_host);
    EXPECT_EQ(in_ifadd(ifp, Addr(address), plen), 0) << address;
  }
  void AddRoute(HostBase& host, const char* dest, uint8_t plen, const char* gateway) {
    HostScope scope(host);
    EXPECT_EQ(rt_add({.dest = Addr(dest), .plen = plen, .gateway = Addr(gateway)}), 0) << dest;
  }
  static void Set(HostBase& host, const char* sysctl, int64_t value) {
    EXPECT_EQ(host.sysctls.Set(sysctl, value), 0) << sysctl;
  }

  // Ends the machine, if there is one.
  void Shutdown() {
    if (!has_machine()) return;
    for (const auto& host : hosts()) proc_killall(*host);
    links_.clear();
    EndMachine(inet_halt);
  }

 private:
  TestCaptures captures_;
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET_TEST_HOSTS_H_
