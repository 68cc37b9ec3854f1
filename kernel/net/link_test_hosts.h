// Two hosts joined by a link, without any protocol: packets are bytes, and arrivals are noted.
//
// Lives here:  LinkTestHosts, Arrival.
// Called by:   *_test.cc here.
// Invariants:  after each test every live count of both hosts is zero.
#ifndef SOCKBED_KERNEL_NET_LINK_TEST_HOSTS_H_
#define SOCKBED_KERNEL_NET_LINK_TEST_HOSTS_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/if.h"
#include "kernel/net/if_ether.h"
#include "kernel/net/link.h"
#include "kernel/net/net_test_machine.h"
#include "kernel/net/net_trace.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

// A packet that has come up from an interface.
struct Arrival {
  SimTime time;
  std::string bytes;
  uint16_t csum_flags;
  uint32_t ifidx;
  uint16_t mbuf_flags;
};

// What the test's address family keeps per host. It stands where the network layer would.
struct Inbox {
  static constexpr HostSlot kHostSlot = HostSlot::kInet;
  std::vector<Arrival> arrivals;
  int finished = 0;  // packets whose checksums were asked for
  int link_changes = 0;
  ether_addr neighbour = kEtherBroadcast;  // the link address of every next hop
  int resolved = 0;                        // what asking for it answers

  static void Input(ifnet* ifp, MbufPtr m) {
    Arrival arrival = {Now(), std::string(static_cast<size_t>(m->m_pkthdr.len), '\0'),
                       m->m_pkthdr.csum_flags, m->m_pkthdr.ph_ifidx, m->m_flags};
    m_copydata(m.get(), 0, m->m_pkthdr.len, arrival.bytes.data());
    HostLocal<Inbox>::Of(*ifp->if_host).arrivals.push_back(arrival);
  }
  static void Finish(mbuf* m) {
    ++HostLocal<Inbox>::Get().finished;
    m->m_pkthdr.csum_flags &= static_cast<uint16_t>(~(M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT));
  }
  static void LinkState(ifnet* ifp) { ++HostLocal<Inbox>::Of(*ifp->if_host).link_changes; }
  static int Resolve(ifnet* ifp, MbufPtr& m, const sockaddr*, ether_addr* to) {
    const Inbox& inbox = HostLocal<Inbox>::Of(*ifp->if_host);
    *to = inbox.neighbour;
    if (inbox.resolved != 0) m.reset();
    return inbox.resolved;
  }
};

inline constexpr if_family kTestFamily = {Inbox::Input, Inbox::Finish, Inbox::LinkState,
                                         Inbox::Resolve};

class LinkTestHosts : public NetTestMachine {
 protected:
  LinkTestHosts() { Boot({.seed = 7}); }
  ~LinkTestHosts() override { Shutdown(); }

  // Starts over on another machine.
  void Boot(const Machine::Options& options) {
    Shutdown();
    StartMachine(options);
    for (const char* name : {"a", "b"}) {
      HostBase& host = AddBareHost(name);
      HostLocal<Inbox>::Make(host);
      if_register_family(host, AF_INET, &kTestFamily);
    }
  }

  void Join(const LinkOptions& options) {
    link_ = std::make_unique<Link>(host(0), host(1), 1, options);
  }

  // Sends a packet of those bytes from host a (0) or b (1), now.
  int Send(const std::string& bytes, int end = 0, uint16_t csum_flags = 0) {
    return SendOn(link_->interface(end), bytes, csum_flags);
  }
  int SendOn(ifnet* ifp, const std::string& bytes, uint16_t csum_flags = 0) {
    HostScope scope(*ifp->if_host);
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    m->m_pkthdr.csum_flags = csum_flags;
    const sockaddr dst = {.sa_family = AF_INET, .sa_data = {}};
    return if_output(ifp, std::move(m), &dst);
  }
  int SendSize(int size) { return Send(std::string(static_cast<size_t>(size), 'x')); }

  Machine::End Run(SimTime deadline = kForever) { return machine().Run(deadline); }

  std::vector<Arrival>& Arrivals(int end) { return inbox(end).arrivals; }
  Inbox& inbox(int end) { return HostLocal<Inbox>::Of(host(end)); }
  HostBase& host(int end) { return *hosts()[static_cast<size_t>(end)]; }
  Link& link() { return *link_; }

  // How often each kind of drop was recorded so far.
  int Drops(NetDrop why) {
    int count = 0;
    for (const Record& record : records()) {
      const auto type = static_cast<NetRecord>(record.type);
      if (record.room != Room::kNet) continue;
      if (type != NetRecord::kLinkDrop && type != NetRecord::kIfDrop) continue;
      if (record.args[1] == static_cast<uint64_t>(why)) ++count;
    }
    return count;
  }

 private:
  void Shutdown() {
    if (!has_machine()) return;
    link_.reset();
    EndMachine([](HostBase&) {});
  }

  std::unique_ptr<Link> link_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_LINK_TEST_HOSTS_H_
