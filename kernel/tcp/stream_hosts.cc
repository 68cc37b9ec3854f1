#include "kernel/tcp/stream_hosts.h"

#include <sys/uio.h>

#include <cerrno>

#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/synch.h"
#include "kernel/socket/socket.h"
#include "tests/captures/test_sysctls.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 80;

in_addr AddressOf(int host) { return {htonl(0x0a000001 + static_cast<uint32_t>(host))}; }

in6_addr Address6Of(int host) {
  return in6_make(0xfd00'0000'0000'0000, 1 + static_cast<uint64_t>(host));
}

extern const domain kStreamDomain, kStream6Domain;
constexpr protosw kStreamSw[] = {
    {SOCK_STREAM, &kStreamDomain, IPPROTO_TCP, kTcpPrFlags, &tcp_usrreqs, tcp_ctloutput},
};
const domain kStreamDomain = {AF_INET, "internet", nullptr, nullptr, kStreamSw};
constexpr protosw kStream6Sw[] = {
    {SOCK_STREAM, &kStream6Domain, IPPROTO_TCP, kTcpPrFlags, &tcp_usrreqs, tcp_ctloutput},
};
const domain kStream6Domain = {AF_INET6, "internet6", nullptr, nullptr, kStream6Sw};

// The address of a host; of -1: any.
MbufPtr Name(bool v6, int host) {
  MbufPtr nam = m_get(M_WAIT, MT_SONAME);
  if (v6) {
    in6_sin2nam(host < 0 ? kIn6Any : Address6Of(host), htons(kPort), nam.get());
  } else {
    in_sin2nam(host < 0 ? in_addr{} : AddressOf(host), htons(kPort), nam.get());
  }
  return nam;
}

void SetTcpOption(socket* so, int name) {
  MbufPtr m = m_get(M_WAIT, MT_SOOPTS);
  m->m_len = sizeof(int);
  *mtod<int>(m.get()) = 1;
  KASSERT(sosetopt(so, IPPROTO_TCP, name, m.release() /*taken*/) == 0);
}

char Pattern(uint32_t n) { return static_cast<char>(n * 31 + n / 251); }

}  // namespace

void StreamTest::Boot(uint64_t seed, const LinkOptions& link, fault::Plan* plan) {
  Shutdown();
  machine_ = std::make_unique<Machine>(Machine::Options{.seed = seed, .fault_plan = plan});
  scope_ = std::make_unique<MachineScope>(*machine_);
  tcp_describe(machine_->trace());
  for (HostId id = 1; id <= 2; ++id) {
    auto host = std::make_unique<HostBase>(id, id == 1 ? "server" : "client");
    sched_boot(*host);
    mbuf_boot(*host);
    socket_boot(*host);
    net_boot(*host);
    inet_boot(*host);
    tcp_boot(*host);
    domain_register(*host, &kStreamDomain);
    domain_register(*host, &kStream6Domain);
    hosts_.push_back(std::move(host));
  }
  link_ = std::make_unique<Link>(host(0), host(1), 1, link, captures_.Next(link.ethernet));
  for (int i = 0; i < 2; ++i) {
    const HostScope on_host(host(i));
    EXPECT_EQ(in_ifadd(link_->interface(i), AddressOf(i), 24), 0);
    if (link.mtu >= kIpv6MtuLeast) {
      EXPECT_EQ(in6_ifadd(link_->interface(i), Address6Of(i), 64), 0);
    }
  }
  for (const auto& host : hosts_) {
    for (int from = 0; from < 2; ++from) {
      tcp_md5_add(*host, AddressOf(from), AddressOf(1 - from), "tower");
      tcp_md5_add(*host, Address6Of(from), Address6Of(1 - from), "bridge");
    }
  }
  Sysctl("net.inet.tcp.debug_walks", 1);
  for (const auto& [name, value] : TestSysctls()) Sysctl(name, value);
}

void StreamTest::Shutdown() {
  if (machine_ == nullptr) return;
  for (const auto& host : hosts_) proc_killall(*host);
  for (const auto& host : hosts_) tcp_halt(*host);
  link_.reset();
  for (const auto& host : hosts_) inet_halt(*host);
  for (const auto& host : hosts_) net_halt(*host);
  for (const auto& host : hosts_) {
    for (const LiveCount& live : host->live_counts) EXPECT_EQ(*live.count, 0) << live.what;
    EXPECT_EQ(mbuf_leaks(*host), "");
  }
  hosts_.clear();
  scope_.reset();
  machine_.reset();
}

void StreamTest::Sysctl(int i, std::string_view name, int64_t value) {
  EXPECT_EQ(host(i).sysctls.Set(name, value), 0) << name;
}

void StreamTest::Sysctl(std::string_view name, int64_t value) {
  for (int i = 0; i < 2; ++i) Sysctl(i, name, value);
}

void StreamTest::Spawn(int i, const char* name, std::function<void()> main) {
  const HostScope on_host(host(i));
  proc_spawn({.name = name, .main = [main = std::move(main)] {
                main();
                return 0;
              }});
}

// Two processes at each end share a socket: one writes, one reads. The last one closes it.
struct StreamTest::Conversation {
  StreamPlan plan;
  StreamResult result;
  StreamTest* test;
  socket* ends[2] = {};
  int users[2] = {};

  void Failed(int error) {
    if (error != 0 && result.error == 0) result.error = error;
  }
  void Release(int end) {
    if (--users[end] == 0) soclose(ends[end]);
  }
};

// Writes from byte `done` on, once; returns where the next write begins.
uint32_t StreamTest::WriteOnce(Conversation* talk, socket* so, uint32_t done, uint32_t n,
                               mbuf* nam) {
  std::vector<char> data(std::min(talk->plan.write, n - done));
  for (uint32_t i = 0; i < data.size(); ++i) data[i] = Pattern(done + i);
  iovec iov = {data.data(), data.size()};
  uio uio{.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = data.size(), .uio_rw = UIO_WRITE};
  talk->Failed(sosend(so, nam, &uio, nullptr, nullptr, 0));
  return done + static_cast<uint32_t>(data.size());
}

void StreamTest::Write(Conversation* talk, socket* so, uint32_t done, uint32_t n) {
  while (done < n && talk->result.error == 0) done = WriteOnce(talk, so, done, n, nullptr);
  if (talk->result.error == 0) talk->Failed(soshutdown(so, SHUT_WR));
}

void StreamTest::Read(Conversation* talk, socket* so, uint32_t* count) {
  std::vector<char> data(talk->plan.write);
  while (true) {
    iovec iov = {data.data(), data.size()};
    uio uio{.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = data.size(), .uio_rw = UIO_READ};
    int flags = 0;
    if (int error = soreceive(so, nullptr, &uio, nullptr, nullptr, &flags)) {
      return talk->Failed(error);
    }
    const size_t got = data.size() - uio.uio_resid;
    if (got == 0) return;
    for (size_t i = 0; i < got; ++i) {
      if (data[i] != Pattern((*count)++)) talk->result.wrong_byte = true;
    }
    if (talk->plan.read_pause != 0) {
      const auto pause = static_cast<uint64_t>(talk->plan.read_pause);
      (void)tsleep_nsec(&nowake, PPAUSE, "pause", pause);  // ends by its limit
    }
  }
}

void StreamTest::Serve(Conversation* talk) {
  socket* head = nullptr;
  const bool v6 = talk->plan.v6;
  KASSERT(socreate(v6 ? AF_INET6 : AF_INET, &head, SOCK_STREAM, 0) == 0);
  const MbufPtr nam = Name(v6, -1);
  if (talk->plan.fast_open) SetTcpOption(head, TCP_FASTOPEN);
  if (talk->plan.md5[0]) SetTcpOption(head, TCP_MD5SIG);
  KASSERT(sobind(head, nam.get(), curproc()) == 0 && solisten(head, 5) == 0);
  talk->users[0] = 2;
  while (head->so_q.first == nullptr) (void)tsleep(&head->so_timeo, PSOCK, "netcon", 0);
  socket* so = talk->ends[0] = head->so_q.first;
  KASSERT(soqremque(so, 1) == 1);
  const MbufPtr peer = m_get(M_WAIT, MT_SONAME);
  talk->Failed(soaccept(so, peer.get()));
  soclose(head);
  talk->test->Spawn(0, "server-writer", [talk] {
    Write(talk, talk->ends[0], 0, talk->plan.down);
    talk->Release(0);
  });
  Read(talk, so, &talk->result.up);
  talk->Release(0);
}

void StreamTest::AwaitConnection(Conversation* talk, socket* so) {
  while ((so->so_state & SS_ISCONNECTING) != 0 && so->so_error == 0) {
    (void)tsleep(&so->so_timeo, PSOCK, "netcon", 0);
  }
  talk->Failed(std::exchange(so->so_error, 0));
}

void StreamTest::Ask(Conversation* talk) {
  const int end = talk->plan.over_loopback ? 0 : 1;
  socket* so = nullptr;
  const bool v6 = talk->plan.v6;
  KASSERT(socreate(v6 ? AF_INET6 : AF_INET, &so, SOCK_STREAM, 0) == 0);
  talk->ends[1] = so;
  talk->users[1] = 2;
  const MbufPtr nam = Name(v6, 0);
  if (talk->plan.md5[1]) SetTcpOption(so, TCP_MD5SIG);
  uint32_t done = 0;
  if (talk->plan.fast_open) {
    SetTcpOption(so, TCP_FASTOPEN);
    done = WriteOnce(talk, so, 0, talk->plan.up, nam.get());  // it connects, too
  } else {
    talk->Failed(soconnect(so, nam.get()));
  }
  AwaitConnection(talk, so);
  talk->test->Spawn(end, "client-reader", [talk] {
    Read(talk, talk->ends[1], &talk->result.down);
    talk->Release(1);
  });
  Write(talk, so, done, talk->plan.up);
  talk->Release(1);
}

StreamResult StreamTest::Converse(const StreamPlan& plan) {
  Conversation talk{.plan = plan, .result = {}, .test = this};
  Spawn(0, "server", [&] { Serve(&talk); });
  Spawn(plan.over_loopback ? 0 : 1, "client", [&] { Ask(&talk); });
  EXPECT_EQ(machine_->Run(), Machine::End::kQuiescent);
  return talk.result;
}

}  // namespace sockbed
