// A network of hosts with IPv4 and no transport: a protocol of the test's own stands on top.
//
// Lives here:  InetTestNet, TestInbox, CaptureInterface.
// Called by:   *_test.cc here.
// Invariants:  after each test every live count of every host is zero.
#ifndef SOCKBED_KERNEL_INET_INET_TEST_NET_H_
#define SOCKBED_KERNEL_INET_INET_TEST_NET_H_

#include <errno.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_test_hosts.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/inet/route.h"
#include "kernel/inet/test_packet.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/if.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"
#include "tests/captures/test_captures.h"

namespace sockbed {

// What the test's protocol keeps per host.
struct TestInbox {
  static constexpr HostSlot kHostSlot = HostSlot::kUdp;
  std::vector<Packet> packets;
  std::vector<IcmpError> errors;
  bool believes_needfrag = true;

  static void Input(MbufPtr m, int hlen) {
    Packet packet = Packet::Of(BytesOf(m.get()));
    EXPECT_EQ(hlen, kIpv4HeaderMin + static_cast<int>(packet.options.size()));
    packet.mbuf_flags = m->m_flags;
    HostLocal<TestInbox>::Get().packets.push_back(packet);
  }
  static void Control(const IcmpError& error) {
    TestInbox& inbox = HostLocal<TestInbox>::Get();
    inbox.errors.push_back(error);
    if (error.error == EMSGSIZE && inbox.believes_needfrag) icmp_mtudisc(error);
  }
};
inline constexpr InetProtocol kTestProtocolOps = {kTestProtocol, TestInbox::Input,
                                                  TestInbox::Control};

// An interface that keeps what it is given to send.
struct CaptureInterface {
  std::vector<Packet> sent;
  ifnet* ifp = nullptr;
  TestCapture* capture = nullptr;  // of the net's
  sockaddr_in next_hop{};          // of the packet sent last

  static int Output(ifnet* ifp, MbufPtr m, const sockaddr* dst) {
    auto* self = static_cast<CaptureInterface*>(ifp->if_softc);
    std::memcpy(&self->next_hop, dst, sizeof self->next_hop);
    if_finish_checksums(ifp, m.get());
    if (self->capture != nullptr) self->capture->Add(m.get(), true);
    self->sent.push_back(Packet::Of(BytesOf(m.get())));
    self->sent.back().mbuf_flags = m->m_flags;
    return 0;
  }
};

class InetTestNet : public InetTestHosts {
 protected:
  HostBase& AddHost(const std::string& name) {
    HostBase& host = InetTestHosts::AddHost(name);
    HostLocal<TestInbox>::Make(host);
    inet_register_protocol(host, kTestProtocolOps);
    return host;
  }

  // A host with a broadcast interface of the test's own: 192.168.1.1/24.
  HostBase& AddHostOnLan(CaptureInterface* lan) {
    HostBase& host = AddHost("lan" + std::to_string(hosts().size()));
    lan->capture = NextCapture();
    lan->ifp = if_attach(host, "lan0");
    lan->ifp->if_softc = lan;
    lan->ifp->if_output = CaptureInterface::Output;
    lan->ifp->if_flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST;
    AddAddress(lan->ifp, "192.168.1.1", 24);
    return host;
  }

  // Sends on `host` with ip_output, checksum of nothing pending. `ro`: a route cache, or null.
  int Output(HostBase& host, const Packet& packet, int flags = 0, route* ro = nullptr) {
    HostScope scope(host);
    const int length = kIpv4HeaderMin + static_cast<int>(packet.payload.size());
    std::string bytes(static_cast<size_t>(kIpv4HeaderMin), '\0');
    Ipv4Header{.total_length = length,
               .tos = packet.tos,
               .ttl = packet.ttl,
               .protocol = packet.protocol,
               .dont_fragment = packet.dont_fragment,
               .source = packet.src,
               .destination = packet.dst}
        .Write(bytes.data(), bytes.size());
    bytes += packet.payload;
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    if (m == nullptr) return ENOBUFS;
    return ip_output(std::move(m), nullptr, ro, flags, nullptr, nullptr);
  }

  // A packet of those bytes arrives on ifp, now. `verdict`: M_IPV4_CSUM_IN_*, or none.
  void Inject(ifnet* ifp, const std::string& bytes, uint16_t mbuf_flags = 0, uint16_t verdict = 0) {
    HostScope scope(*ifp->if_host);
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    m->m_pkthdr.ph_family = AF_INET;
    m->m_pkthdr.csum_flags = verdict;
    m->m_flags |= mbuf_flags;
    if_input(ifp, std::move(m));
  }

  void Run(SimTime deadline = kForever) { machine().Run(deadline); }
  void RunFor(SimTime ns) { machine().Run(Now() + ns); }
  // Lets virtual time pass, whatever happens in it.
  void Wait(SimTime ns) {
    Event pause;
    pause.handler = [](Event*) {};
    machine().ScheduleAfter(&pause, ns);
    RunFor(ns);
  }

  std::vector<Packet>& Packets(HostBase& host) { return HostLocal<TestInbox>::Of(host).packets; }
  std::vector<IcmpError>& Errors(HostBase& host) { return HostLocal<TestInbox>::Of(host).errors; }
  TestInbox& InboxOf(HostBase& host) { return HostLocal<TestInbox>::Of(host); }
  static int64_t Live(const HostBase& host, const std::string& what) {
    for (const LiveCount& live : host.live_counts) {
      if (live.what == what) return *live.count;
    }
    ADD_FAILURE() << "no count of " << what;
    return -1;
  }

  // The records of this room so far.
  std::vector<Record> RecordsOf(InetRecord type) {
    std::vector<Record> found;
    for (const Record& record : records()) {
      if (record.room == Room::kInet && record.type == static_cast<uint8_t>(type)) {
        found.push_back(record);
      }
    }
    return found;
  }

  // Asserts that since boot exactly `count` packets were dropped, all as `why`, each with a record.
  void ExpectDrops(HostBase& host, ipstat_counters why, uint64_t count) {
    EXPECT_EQ(ipstat_get(host, why), count);
    uint64_t recorded = 0;
    for (const Record& record : RecordsOf(InetRecord::kDrop)) {
      if (record.host == host.id && record.args[0] >> 32 == why) ++recorded;
    }
    EXPECT_EQ(recorded, count);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET_TEST_NET_H_
