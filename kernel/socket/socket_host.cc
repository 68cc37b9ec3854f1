#include "kernel/socket/socket_host.h"

#include <new>
#include <string>

#include "kernel/sched/synch.h"
#include "kernel/socket/socket.h"
#include "kernel/socket/socket_private.h"
#include "kernel/socket/socket_trace.h"

namespace sockbed {

// Sockets with so many bytes behind each for its protocol's pcb.
struct SocketMemory {
  explicit SocketMemory(size_t room_in) : room(room_in), sockets(room_in) {}
  const size_t room;
  Slab<socket> sockets;
};

namespace {

// The names of the channels that sleepers on sockets sleep on.
bool NameIdent(const volatile void* ident, std::string* name) {
  const SocketHost& host = HostLocal<SocketHost>::Get();
  for (const socket* so = host.sockets_first; so != nullptr; so = so->so_list_next) {
    const char* field = nullptr;
    if (ident == &so->so_timeo) field = "so_timeo";
    if (ident == &so->so_rcv.sb_cc) field = "so_rcv.sb_cc";
    if (ident == &so->so_snd.sb_cc) field = "so_snd.sb_cc";
    if (ident == &so->so_rcv.sb_flags) field = "so_rcv.sb_flags";
    if (ident == &so->so_snd.sb_flags) field = "so_snd.sb_flags";
    if (field != nullptr) {
      *name = "so#" + std::to_string(so->so_id) + "." + field;
      return true;
    }
  }
  return false;
}

// Whoever sleeps on a channel of a socket that is freed would never be woken.
void AssertNoSleepers(const sockbuf& sb) {
  KASSERT(!is_slept_on(&sb.sb_cc) && !is_slept_on(&sb.sb_flags));
}
void AssertNoSleepers(const socket* so) {
  KASSERT(!is_slept_on(&so->so_timeo));
  AssertNoSleepers(so->so_rcv);
  AssertNoSleepers(so->so_snd);
}

// Where sockets of that protocol come from, and go to.
Slab<socket>& MemoryOf(SocketHost& host, const protosw* proto) {
  const size_t room = proto->pr_usrreqs != nullptr ? proto->pr_usrreqs->pru_pcbbytes : 0;
  for (const auto& memory : host.memory) {
    if (memory->room == room) return memory->sockets;
  }
  return host.memory.emplace_back(std::make_unique<SocketMemory>(room))->sockets;
}

}  // namespace

SocketHost::SocketHost() = default;

SocketHost::~SocketHost() {
  // A socket still in use here was leaked; the host's live counts have said so.
  while (socket* so = sockets_first) {
    sockets_first = so->so_list_next;
    delete so->so_sp;
    MemoryOf(*this, so->so_proto).Free(so);
  }
}

void socket_boot(HostBase& host) {
  SocketHost& here = HostLocal<SocketHost>::Make(host);
  host.sysctls.Add("kern.sbmax", {.value = &here.sb_max, .min = 1, .max = UINT32_MAX});
  host.sysctls.Add("kern.somaxconn", {.value = &here.somaxconn, .min = 0, .max = INT16_MAX});
  host.sysctls.Add("kern.sominconn", {.value = &here.sominconn, .min = 0, .max = INT16_MAX});
  host.sysctls.Add("kern.poll_hup", {.value = &here.poll_hup, .min = 0, .max = 1});
  host.live_counts.push_back({"socket", &here.live_sockets});
  name_idents(host, NameIdent);
}

socket* soalloc(const protosw* proto, int type) {
  SocketHost& host = HostLocal<SocketHost>::Get();
  socket* so = MemoryOf(host, proto).Make();
  so->so_id = ++host.next_id;
  so->so_host = Here().host;
  so->so_proto = proto;
  so->so_type = type;
  so->so_list_prev = host.sockets_last;
  (host.sockets_last != nullptr ? host.sockets_last->so_list_next : host.sockets_first) = so;
  host.sockets_last = so;
  ++host.live_sockets;
  if (const proc* p = curproc()) {
    so->so_euid = p->p_ucred.cr_uid;
    so->so_ruid = p->p_ucred.cr_ruid;
    so->so_egid = p->p_ucred.cr_gid;
    so->so_rgid = p->p_ucred.cr_rgid;
    so->so_cpid = p->p_pid;
    if (suser(p->p_ucred)) so->so_state |= SS_PRIV;
  }
  return so;
}

void sodealloc(socket* so) {
  KASSERT(so->so_pcb == nullptr && so->so_head == nullptr);
  KASSERT(so->so_rcv.sb_mb == nullptr && so->so_snd.sb_mb == nullptr);
  KASSERT(so->so_q.first == nullptr && so->so_q0.first == nullptr);
  KASSERT(so->so_splice == nullptr && so->so_spliceback == nullptr);
  KASSERT(so->so_sp == nullptr || !timeout_pending(&so->so_sp->ssp_idleto));
  AssertNoSleepers(so);
  SocketHost& host = HostLocal<SocketHost>::Of(*so->so_host);
  EmitSocket(SocketEvent::kFree, so);
  selwakeup(&so->so_rcv.sb_sel);
  selwakeup(&so->so_snd.sb_sel);
  (so->so_list_prev != nullptr ? so->so_list_prev->so_list_next : host.sockets_first) =
      so->so_list_next;
  (so->so_list_next != nullptr ? so->so_list_next->so_list_prev : host.sockets_last) =
      so->so_list_prev;
  delete so->so_sp;
  MemoryOf(host, so->so_proto).Free(so);
  --host.live_sockets;
}

}  // namespace sockbed
