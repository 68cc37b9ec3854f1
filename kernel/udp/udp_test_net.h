// Hosts with UDP, joined by links, for the tests of this room.
//
// Lives here:  UdpTestNet, Datagram, TestSocket helpers.
// Called by:   *_test.cc here.
// Invariants:  after each test every process is gone and every live count of every host is zero.
#ifndef SOCKBED_KERNEL_UDP_UDP_TEST_NET_H_
#define SOCKBED_KERNEL_UDP_UDP_TEST_NET_H_

#include <arpa/inet.h>
#include <errno.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/inet/inet_test_hosts.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/synch.h"
#include "kernel/socket/socket.h"
#include "kernel/socket/socketvar.h"
#include "kernel/udp/udp_trace.h"
#include "kernel/udp/udp_var.h"

namespace sockbed {

extern const domain kUdpDomain;
inline constexpr protosw kUdpSwitch[] = {
    {SOCK_DGRAM, &kUdpDomain, IPPROTO_UDP, kUdpPrFlags, &udp_usrreqs, udp_ctloutput}};
inline const domain kUdpDomain = {
    .dom_family = AF_INET, .dom_name = "internet", .dom_protosw = kUdpSwitch};

// What a receive gave.
struct Datagram {
  int error = 0;
  std::string data;
  std::string from;  // "10.0.1.2:5000"
  int flags = 0;
  MbufPtr control;
};

class UdpTestNet : public InetTestHosts {
 protected:
  UdpTestNet() { udp_describe(machine().trace()); }
  ~UdpTestNet() override { Shutdown(); }

  void Boot(const Machine::Options& options) {
    InetTestHosts::Boot(options);
    udp_describe(machine().trace());
  }

  HostBase& AddHost(const std::string& name) {
    HostBase& host = InetTestHosts::AddHost(name);
    udp_boot(host);
    domain_register(host, &kUdpDomain);
    return host;
  }

  // A process of `host`; its sockets are closed when it ends.
  void Spawn(HostBase& host, std::function<void()> main, SimTime start_at = 0) {
    HostScope scope(host);
    ++running_;
    proc_spawn({.name = "test",
                .main =
                    [this, main = std::move(main)] {
                      main();
                      for (socket* so : std::exchange(open_[curproc()->p_host->id], {}))
                        soclose(so);
                      --running_;
                      return 0;
                    },
                .start_at = start_at});
  }
  void Run() {
    machine().Run();
    EXPECT_EQ(running_, 0) << "a process still sleeps";
  }
  void Pause(SimTime ns) {
    EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "pause", static_cast<uint64_t>(ns)), EWOULDBLOCK);
  }

  socket* Create(int options = 0) {
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
    so->so_options |= options;
    open_[curproc()->p_host->id].push_back(so);
    return so;
  }
  static MbufPtr Name(const char* address, uint16_t port) {
    MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    in_sin2nam(Addr(address), htons(port), nam.get());
    return nam;
  }
  static int Bind(socket* so, const char* address, uint16_t port) {
    return sobind(so, Name(address, port).get(), curproc());
  }
  static int Connect(socket* so, const char* address, uint16_t port) {
    return soconnect(so, Name(address, port).get());
  }
  socket* Bound(const char* address, uint16_t port, int options = 0) {
    socket* so = Create(options);
    EXPECT_EQ(Bind(so, address, port), 0);
    return so;
  }
  static int SendTo(socket* so, const std::string& data, mbuf* nam, MbufPtr control = nullptr) {
    iovec iov = {const_cast<char*>(data.data()), data.size()};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = data.size(), .uio_rw = UIO_WRITE};
    return sosend(so, nam, &uio, nullptr, control.release() /*taken*/, 0);
  }
  static int Send(socket* so, const std::string& data) { return SendTo(so, data, nullptr); }
  static int SendTo(socket* so, const std::string& data, const char* address, uint16_t port) {
    return SendTo(so, data, Name(address, port).get());
  }
  static Datagram Receive(socket* so, int flags = 0, size_t room = 65535) {
    Datagram got{.flags = flags};
    std::string space(room, '\0');
    iovec iov = {space.data(), room};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = room, .uio_rw = UIO_READ};
    mbuf *nam = nullptr, *control = nullptr;
    got.error = soreceive(so, &nam, &uio, nullptr, &control, &got.flags);
    const MbufPtr name(nam);
    got.control = MbufPtr(control);
    sockaddr_in from;
    if (name != nullptr && in_nam2sin(name.get(), &from) == 0) got.from = Endpoint(from);
    got.data = space.substr(0, room - uio.uio_resid);
    return got;
  }
  static std::string Endpoint(const sockaddr_in& sin) {
    char text[INET_ADDRSTRLEN];
    return std::string(inet_ntop(AF_INET, &sin.sin_addr, text, sizeof text)) + ":" +
           std::to_string(ntohs(sin.sin_port));
  }
  static int SetOption(socket* so, int name, int value) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    return sosetopt(so, IPPROTO_IP, name, m.release() /*taken*/);
  }
  static int GetOption(socket* so, int name) {
    mbuf* m = nullptr;
    if (const int error = sogetopt(so, IPPROTO_IP, name, &m)) return -error;
    const MbufPtr owner(m);
    int value = 0;
    std::memcpy(&value, m->m_data, sizeof value);
    return value;
  }

  // Asserts that exactly `count` datagrams were dropped as `why`, each with a record.
  void ExpectDrops(HostBase& host, udpstat_counters why, uint64_t count) {
    EXPECT_EQ(udpstat_get(host, why), count);
    uint64_t recorded = 0;
    for (const Record& r : records()) {
      if (r.room == Room::kUdp && r.type == static_cast<uint8_t>(UdpRecord::kDrop) &&
          r.host == host.id && r.args[2] == why) {
        ++recorded;
      }
    }
    EXPECT_EQ(recorded, count);
  }

 private:
  std::vector<socket*> open_[8];  // by host
  int running_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UDP_UDP_TEST_NET_H_
