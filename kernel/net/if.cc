#include "kernel/net/if.h"

#include <errno.h>

#include <algorithm>
#include <cstddef>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/if_private.h"
#include "kernel/net/loop.h"
#include "kernel/net/net_trace.h"
#include "kernel/sim/machine.h"

namespace sockbed {

int ifqueue::ifq_len(SimTime now) {
  while (head_ != tail_ && starts_[head_ & (starts_.size() - 1)] <= now) ++head_;
  return static_cast<int>(tail_ - head_);
}

void ifqueue::ifq_enqueue(SimTime start) {
  if (tail_ - head_ == starts_.size()) {
    std::vector<SimTime> larger(std::max<size_t>(16, 2 * starts_.size()));
    for (uint64_t i = head_; i != tail_; ++i) {
      larger[i & (larger.size() - 1)] = starts_[i & (starts_.size() - 1)];
    }
    starts_ = std::move(larger);
  }
  KASSERT(head_ == tail_ || starts_[(tail_ - 1) & (starts_.size() - 1)] <= start);
  starts_[tail_++ & (starts_.size() - 1)] = start;
}

NetHost::NetHost(HostBase& host_in) : host(&host_in), loop_queue(&loop_arrive, this) {
  loop_queue.set_host(host_in);
}

void net_boot(HostBase& host) {
  HostLocal<NetHost>::Make(host, host);
  loop_attach(host);
}

void net_halt(HostBase& host) {
  HostScope scope(host);
  loop_halt(host);
}

void if_register_family(HostBase& host, int family, const if_family* ops) {
  NetHost& net = HostLocal<NetHost>::Of(host);
  KASSERT(family > 0 && family < AF_MAX);
  KASSERT(net.families[family] == nullptr);
  net.families[family] = ops;
}

ifnet* if_attach(HostBase& host, std::string name) {
  NetHost& net = HostLocal<NetHost>::Of(host);
  KASSERT(if_byname(host, name) == nullptr);
  auto ifp = std::make_unique<ifnet>();
  ifp->if_host = &host;
  ifp->if_xname = std::move(name);
  ifp->if_index = static_cast<uint32_t>(net.interfaces.size()) + 1;
  net.interfaces.push_back(std::move(ifp));
  return net.interfaces.back().get();
}

void if_detach(ifnet* ifp) {
  if_down(ifp);
  HostLocal<NetHost>::Of(*ifp->if_host).interfaces[ifp->if_index - 1].reset();
}

ifnet* if_byindex(HostBase& host, uint32_t index) {
  NetHost& net = HostLocal<NetHost>::Of(host);
  return index >= 1 && index <= net.interfaces.size() ? net.interfaces[index - 1].get() : nullptr;
}

ifnet* if_byname(HostBase& host, std::string_view name) {
  for (const std::unique_ptr<ifnet>& ifp : HostLocal<NetHost>::Of(host).interfaces) {
    if (ifp != nullptr && ifp->if_xname == name) return ifp.get();
  }
  return nullptr;
}

void if_setflags(ifnet* ifp, int flags) {
  if (flags == ifp->if_flags) return;
  HostScope scope(*ifp->if_host);
  ifp->if_flags = flags;
  Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kState), ifp->if_index, PackText(ifp->if_xname),
       static_cast<uint64_t>(flags));
  for (const if_family* family : HostLocal<NetHost>::Of(*ifp->if_host).families) {
    if (family != nullptr) family->link_state(ifp);
  }
}

void if_up(ifnet* ifp) { if_setflags(ifp, ifp->if_flags | IFF_UP); }
void if_down(ifnet* ifp) { if_setflags(ifp, ifp->if_flags & ~IFF_UP); }

int if_setcapabilities(ifnet* ifp, int capabilities) {
  int known = IFCAP_CSUM_ALL | IFCAP_TSOv4 | IFCAP_TSOv6;
  if ((ifp->if_flags & IFF_LOOPBACK) != 0) known |= IFCAP_LRO;
  if ((capabilities & ~known) != 0) return EINVAL;
  const auto lacks = [capabilities](int all) { return (capabilities & all) != all; };
  if ((capabilities & IFCAP_TSOv4) != 0 && lacks(IFCAP_CSUM_IPv4 | IFCAP_CSUM_TCPv4)) return EINVAL;
  if ((capabilities & IFCAP_TSOv6) != 0 && lacks(IFCAP_CSUM_TCPv6)) return EINVAL;
  ifp->if_capabilities = capabilities;
  return 0;
}

void if_note_drop(const ifnet* ifp, NetDrop why, uint64_t* counter, int bytes) {
  ++*counter;
  Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kIfDrop), ifp->if_index,
       static_cast<uint64_t>(bytes), static_cast<uint64_t>(why));
}

void if_drop(ifnet* ifp, NetDrop why, uint64_t* counter, MbufPtr m) {
  if_note_drop(ifp, why, counter, m->m_pkthdr.len);
}

int if_refuse(ifnet* ifp, MbufPtr m) {
  if_drop(ifp, NetDrop::kDown, &ifp->if_counters.ifi_oerrors, std::move(m));
  return ENETDOWN;
}

void if_input_unknown(ifnet* ifp, MbufPtr m) {
  if_drop(ifp, NetDrop::kNoFamily, &ifp->if_counters.ifi_noproto, std::move(m));
}

void if_input_local(ifnet* ifp, MbufPtr m, int family) {
  m->m_pkthdr.ph_family = static_cast<uint8_t>(family);
  (void)loop_to(ifp, std::move(m));  // what is lost is counted there
}

void if_finish_checksums(ifnet* ifp, mbuf* m) {
  const if_family* family = HostLocal<NetHost>::Of(*ifp->if_host).families[m->m_pkthdr.ph_family];
  if (family != nullptr) family->finish_checksums(m);
}

int if_chop(ifnet* ifp, MbufPtr m, mbuf_list* segments) {
  const if_family* family = HostLocal<NetHost>::Of(*ifp->if_host).families[m->m_pkthdr.ph_family];
  KASSERT(family != nullptr && family->chop != nullptr);
  return family->chop(std::move(m), segments);
}

}  // namespace sockbed
