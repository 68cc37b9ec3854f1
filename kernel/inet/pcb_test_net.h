// Two hosts of which the first has sockets with pcbs, and nothing below or above these.
//
// Lives here:  PcbTestNet, PcbHost.
// Called by:   *_test.cc here.
// Invariants:  after each test every live count of every host is zero.
#ifndef SOCKBED_KERNEL_INET_PCB_TEST_NET_H_
#define SOCKBED_KERNEL_INET_PCB_TEST_NET_H_

#include <functional>
#include <utility>
#include <vector>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/inet_test_net.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

// A protocol that has pcbs and nothing else.
struct PcbHost {
  static constexpr HostSlot kHostSlot = HostSlot::kTcp;
  static constexpr uint16_t kBadDynamic[] = {2001, 2002};
  static constexpr uint16_t kRootOnly[] = {2049};
  explicit PcbHost(HostBase& host) : table(host, kTestProtocol, kBadDynamic, kRootOnly) {}
  inpcbtable table;

  static int Attach(socket* so, int) { return in_pcballoc(so, &HostLocal<PcbHost>::Get().table); }
  static int Detach(socket* so) {
    in_pcbdetach(sotoinpcb(so));
    return 0;
  }
};

inline constexpr pr_usrreqs kPcbRequests = {.pru_attach = PcbHost::Attach,
                                            .pru_detach = PcbHost::Detach,
                                            .pru_pcbbytes = sizeof(inpcb)};
extern const domain kPcbDomain;
inline constexpr protosw kPcbSwitch[] = {
    {.pr_type = SOCK_STREAM,
     .pr_domain = &kPcbDomain,
     .pr_flags = PR_CONNREQUIRED,
     .pr_usrreqs = &kPcbRequests},
    {.pr_type = SOCK_DGRAM,
     .pr_domain = &kPcbDomain,
     .pr_flags = PR_ATOMIC | PR_ADDR,
     .pr_usrreqs = &kPcbRequests},
};
inline const domain kPcbDomain = {
    .dom_family = AF_INET, .dom_name = "test", .dom_protosw = kPcbSwitch};

class PcbTestNet : public InetTestNet {
 protected:
  PcbTestNet() : a_(AddHost("a")), b_(AddHost("b")) {
    Join(a_, b_);
    Join(a_, b_);
    BootPcbs(a_);
  }

  static void BootPcbs(HostBase& host) {
    domain_register(host, &kPcbDomain);
    HostLocal<PcbHost>::Make(host, host);
  }

  // Runs `body` as a process of host a, the superuser's; then closes what it opened.
  void InProcess(std::function<void()> body) { InProcessOf(a_, std::move(body)); }
  void InProcessOf(HostBase& host, std::function<void()> body) {
    HostScope scope(host);
    bool ended = false;
    proc_spawn({.name = "test", .main = [&] {
                  body();
                  for (socket* so : std::exchange(open_, {})) soclose(so);
                  ended = true;
                  return 0;
                }});
    Run();
    EXPECT_TRUE(ended);
  }
  // The process goes on as an ordinary user, for the time of `body`.
  void AsUser(std::function<void()> body) {
    curproc()->p_ucred.cr_uid = 100;
    body();
    curproc()->p_ucred.cr_uid = 0;
  }

  socket* Create(int type = SOCK_STREAM, int options = 0) {
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_INET, &so, type, 0), 0);
    so->so_options |= options;
    open_.push_back(so);
    return so;
  }
  MbufPtr Name(const char* address, uint16_t port) {
    MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    in_sin2nam(Addr(address), htons(port), nam.get());
    return nam;
  }
  int Bind(socket* so, const char* address, uint16_t port) {
    return in_pcbbind(sotoinpcb(so), Name(address, port).get(), curproc());
  }
  int Connect(socket* so, const char* address, uint16_t port) {
    InetName peer;
    const int error = in_pcbpeername(sotoinpcb(so), Name(address, port).get(), &peer);
    return error != 0 ? error : in_pcbconnect(sotoinpcb(so), peer);
  }
  socket* Bound(const char* address, uint16_t port, int options = 0, int type = SOCK_STREAM) {
    socket* so = Create(type, options);
    EXPECT_EQ(Bind(so, address, port), 0) << address << " " << port;
    return so;
  }
  static uint16_t LocalPort(const socket* so) { return ntohs(sotoinpcb(so)->inp_lport); }
  inpcbtable& table() { return HostLocal<PcbHost>::Of(a_).table; }

  HostBase& a_;
  HostBase& b_;
  std::vector<socket*> open_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_PCB_TEST_NET_H_
