#include <sys/socket.h>

#include "kernel/socket/protosw.h"
#include "kernel/socket/socket_host.h"

namespace sockbed {
namespace {

const domain* FindDomain(int family) {
  for (const domain* dom : HostLocal<SocketHost>::Get().domains) {
    if (dom->dom_family == family) return dom;
  }
  return nullptr;
}

}  // namespace

void domain_register(HostBase& host, const domain* dom) {
  KASSERT(dom->dom_family != AF_UNSPEC);  // whoever looks for none finds none
  DomainList& domains = HostLocal<SocketHost>::Of(host).domains;
  for (const domain* other : domains) KASSERT(other->dom_family != dom->dom_family);
  domains.push_back(dom);
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
