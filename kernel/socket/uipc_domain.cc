#include <sys/socket.h>

#include "kernel/sched/timeout.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/protosw.h"
#include "kernel/socket/socket.h"
#include "kernel/socket/socket_host.h"

namespace sockbed {
namespace {

const domain* FindDomain(int family) {
  for (const domain* dom : HostLocal<SocketHost>::Get().domains) {
    if (dom->dom_family == family) return dom;
  }
  return nullptr;
}

constexpr int kFastMs = 200;
constexpr int kSlowMs = 500;

// Runs one of the two hooks of every protocol that has it.
void RunTimers(void (*protosw::*hook)()) {
  for (const domain* dom : HostLocal<SocketHost>::Get().domains) {
    for (const protosw& pr : dom->dom_protosw) {
      if (pr.*hook != nullptr) (pr.*hook)();
    }
  }
}

// Arms or withdraws a timeout that comes for ever: it is to keep no run going.
void ArmTicks(timeout* to, int n) {
  timeout_add(to, n);
  Here().machine->CountIdle(1);
}
void Withdraw(timeout* to) {
  if (timeout_del(to) != 0) Here().machine->CountIdle(-1);
}

template <void (*protosw::*kHook)(), int kMs>
void Expire(void* arg) {
  Here().machine->CountIdle(-1);
  RunTimers(kHook);
  ArmTicks(static_cast<timeout*>(arg), kMs * hz / 1000);
}

void Initialise(SocketHost& host, const domain* dom) {
  if (dom->dom_init != nullptr) dom->dom_init();
  for (const protosw& pr : dom->dom_protosw) {
    if (pr.pr_init != nullptr) pr.pr_init();
    if (pr.pr_fasttimo != nullptr && !timeout_initialized(&host.pffasttimo_to)) {
      timeout_set(&host.pffasttimo_to, Expire<&protosw::pr_fasttimo, kFastMs>, &host.pffasttimo_to);
      ArmTicks(&host.pffasttimo_to, 1);
    }
    if (pr.pr_slowtimo != nullptr && !timeout_initialized(&host.pfslowtimo_to)) {
      timeout_set(&host.pfslowtimo_to, Expire<&protosw::pr_slowtimo, kSlowMs>, &host.pfslowtimo_to);
      ArmTicks(&host.pfslowtimo_to, 1);
    }
  }
}

}  // namespace

void domain_register(HostBase& host, const domain* dom) {
  KASSERT(dom->dom_family != AF_UNSPEC);  // whoever looks for none finds none
  DomainList& domains = HostLocal<SocketHost>::Of(host).domains;
  for (const domain* other : domains) KASSERT(other->dom_family != dom->dom_family);
  domains.push_back(dom);
  const HostScope on_host(host);
  Initialise(HostLocal<SocketHost>::Get(), dom);
}

void socket_halt(HostBase& host) {
  SocketHost& sockets = HostLocal<SocketHost>::Of(host);
  Withdraw(&sockets.pffasttimo_to);
  Withdraw(&sockets.pfslowtimo_to);
}

const protosw* pffindtype(int family, int type) {
  const domain* dom = FindDomain(family);
  if (dom == nullptr) return nullptr;
  for (const protosw& pr : dom->dom_protosw) {
    if (pr.pr_type != 0 && pr.pr_type == type) return &pr;
  }
  return nullptr;
}

const protosw* pffindproto(int family, int protocol, int type) {
  const domain* dom = FindDomain(family);
  if (dom == nullptr) return nullptr;
  const protosw* wildcard = nullptr;
  for (const protosw& pr : dom->dom_protosw) {
    if (pr.pr_protocol == protocol && pr.pr_type == type) return &pr;
    if (wildcard == nullptr && type == SOCK_RAW && pr.pr_type == SOCK_RAW && pr.pr_protocol == 0) {
      wildcard = &pr;
    }
  }
  return wildcard;
}

}  // namespace sockbed
