// What a datagram socket asks of UDP; boot and tables of the room.
#include <errno.h>

#include "kernel/inet/in_options.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"
#include "kernel/udp/udp_private.h"
#include "kernel/udp/udp_var.h"

namespace sockbed {

namespace {

// Ports that are never picked automatically, and those beside 1 .. 1023 that need privilege:
// defaults.
constexpr uint16_t kBadDynamic[] = {623, 664, 749, 750, 751, 2049, 3784, 3785, 7784};
constexpr uint16_t kRootOnly[] = {2049};

constexpr InetProtocol kUdpProtocol = {IPPROTO_UDP, udp_input, udp_ctlinput};

bool IsConnected(const socket* so) { return (so->so_state & SS_ISCONNECTED) != 0; }

int udp_attach(socket* so, int) {
  if (so->so_pcb != nullptr) return EINVAL;
  const UdpHost& udp = udp_here();
  const int error =
      soreserve(so, static_cast<uint64_t>(udp.sendspace), static_cast<uint64_t>(udp.recvspace));
  return error != 0 ? error : in_pcballoc(so, &udp_here().table);
}

int udp_detach(socket* so) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  in_pcbdetach(inp);
  return 0;
}

int udp_bind(socket* so, mbuf* nam, proc* p) {
  inpcb* inp = sotoinpcb(so);
  return inp == nullptr ? EINVAL : in_pcbbind(inp, nam, p);
}

int udp_connect(socket* so, mbuf* nam) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  if (IsConnected(so)) return EISCONN;
  InetName peer;
  int error = in_pcbpeername(inp, nam, &peer);
  if (error == 0) error = in_pcbconnect(inp, peer);
  if (error == 0) soisconnected(so);
  return error;
}

// The peer goes, and the local address with it, even if bind gave it; the port stays.
int udp_disconnect(socket* so) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  if (!IsConnected(so)) return ENOTCONN;
  so->so_state &= ~SS_ISCONNECTED;
  const bool survives = (so->so_state & SS_NOFDREF) == 0;
  in_pcbdisconnect(inp);
  if (survives) inp->inp_laddr = {};
  return 0;
}

int udp_shutdown(socket* so) {
  socantsendmore(so);
  return 0;
}

int udp_send(socket* so, MbufPtr m, mbuf* nam, MbufPtr control) {
  inpcb* inp = sotoinpcb(so);
  return inp == nullptr ? EINVAL : udp_output(inp, std::move(m), nam, std::move(control));
}

void udp_abort(socket* so) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return;
  soisdisconnected(so);
  in_pcbdetach(inp);
}

int udp_sense(socket*, struct stat*) { return 0; }  // no block size of its own

int udp_sockaddr(socket* so, mbuf* nam) {
  const inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  in_setsockaddr(inp, nam);
  return 0;
}

int udp_peeraddr(socket* so, mbuf* nam) {
  const inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  in_setpeeraddr(inp, nam);
  return 0;
}

constexpr EventType kTypes[] = {
    {"UDPOUT", "pcb#{o} {0:a} to {1:a}, {2} bytes"},
    {"UDPIN", "pcb#{o} {0:a} from {1:a}, {2} bytes"},
    {"UDPDROP", "pcb#{o} {0:a} from {1:a}: {2:@why}"},
    {"UDPERR", "pcb#{o} {0:e}"},
    {"UDPOUT6", "pcb#{o} to {0:I} port {2:h}, {2:l} bytes"},
    {"UDPIN6", "pcb#{o} from {0:I} port {2:h}, {2:l} bytes"},
    {"UDPDROP6", "pcb#{o} from {0:I} port {2:h}: {2:l@why}"},
};

constexpr ValueName kWhy[] = {
#define SOCKBED_WHY(name, meaning) {name, #name},
    SOCKBED_UDPSTAT(SOCKBED_WHY)
#undef SOCKBED_WHY
};

constexpr ValueTable kTables[] = {{"why", kWhy}};

}  // namespace

const pr_usrreqs udp_usrreqs = {
    .pru_attach = udp_attach,
    .pru_detach = udp_detach,
    .pru_bind = udp_bind,
    .pru_connect = udp_connect,
    .pru_disconnect = udp_disconnect,
    .pru_shutdown = udp_shutdown,
    .pru_send = udp_send,
    .pru_abort = udp_abort,
    .pru_sense = udp_sense,
    .pru_sockaddr = udp_sockaddr,
    .pru_peeraddr = udp_peeraddr,
    .pru_pcbbytes = sizeof(inpcb),
};

int udp_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  return in_ctloutput(op, so, level, optname, m);
}

TraceId udp_note6(UdpRecord type, uint64_t pcb, const InetName& remote, uint64_t what) {
  const UdpRecord type6 = type == UdpRecord::kOut  ? UdpRecord::kOut6
                          : type == UdpRecord::kIn ? UdpRecord::kIn6
                                                   : UdpRecord::kDrop6;
  const in6_addr addr = remote.addr.v6();
  return Emit(Room::kUdp, static_cast<uint8_t>(type6), pcb, in6_high(addr), in6_low(addr),
              PackPair(ntohs(remote.port), static_cast<uint32_t>(what)));
}

UdpHost::UdpHost(HostBase& host) : table(host, IPPROTO_UDP, kBadDynamic, kRootOnly) {}

void udp_describe(Trace& trace) { trace.Describe(Room::kUdp, {kTypes, kTables}); }

void udp_boot(HostBase& host) {
  constexpr int64_t kSpaceMax = 64 * 1024 * 1024;
  UdpHost& udp = HostLocal<UdpHost>::Make(host, host);
  host.sysctls.Add("net.inet.udp.checksum", {.value = &udp.checksum, .min = 0, .max = 1});
  host.sysctls.Add("net.inet.udp.recvspace", {.value = &udp.recvspace, .min = 1, .max = kSpaceMax});
  host.sysctls.Add("net.inet.udp.sendspace", {.value = &udp.sendspace, .min = 1, .max = kSpaceMax});
  host.sysctls.Add("net.inet.udp.blackhole", {.value = &udp.blackhole, .min = 0, .max = 1});
  host.sysctls.AddAlias("net.inet.udp.maxdgram", "net.inet.udp.sendspace");
  in_pcbsysctls(&udp.table, "net.inet.udp");
  inet_register_protocol(host, kUdpProtocol);
  inet6_register_protocol(host, kUdpProtocol);
}

uint64_t udpstat_get(HostBase& host, udpstat_counters counter) {
  return HostLocal<UdpHost>::Of(host).udpstat[counter];
}

inpcbtable& udp_table(HostBase& host) { return HostLocal<UdpHost>::Of(host).table; }

}  // namespace sockbed
