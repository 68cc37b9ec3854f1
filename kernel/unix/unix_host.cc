#include <array>

#include "kernel/unix/unix.h"
#include "kernel/unix/unix_trace.h"
#include "kernel/unix/unpcb.h"

namespace sockbed {
namespace {

constexpr std::array kTypes = std::to_array<EventType>({
    {"BIND", "so#{o} to node {0} \"{1:s}{2:s}\""},
    {"JOIN", "so#{o} to so#{0}"},
    {"RIGHTS", "{0} descriptors sent, {1} in flight"},
    {"RIGHTS", "{0} descriptors received, {1} in flight"},
    {"DISCARD", "file {0}"},
    {"COLLECT", "{0} files out of reach"},
});
static_assert(kTypes.size() == static_cast<size_t>(UnixEvent::kCollect) + 1);

// Of the nodes as of the descriptors: a process that ends gives up its view of the tree.
void ForgetProcess(proc* p) { HostLocal<UnixHost>::Of(*p->p_host).names.ProcessEnded(p->p_pid); }

}  // namespace

void unix_describe(Trace& trace) { trace.Describe(Room::kUnix, {kTypes, {}}); }

void unix_boot(HostBase& host) {
  UnixHost& here = HostLocal<UnixHost>::Make(host);
  const int64_t* sb_max = &HostLocal<SocketHost>::Of(host).sb_max;
  const auto add = [&host, sb_max](const char* name, int64_t* value) {
    host.sysctls.Add(name, {.value = value, .min = 1, .check = [sb_max](int64_t size) {
                              return size <= *sb_max ? 0 : EINVAL;
                            }});
  };
  add("net.unix.stream.sendspace", &here.stream_sendspace);
  add("net.unix.stream.recvspace", &here.stream_recvspace);
  add("net.unix.dgram.sendspace", &here.dgram_sendspace);
  add("net.unix.dgram.recvspace", &here.dgram_recvspace);
  add("net.unix.seqpacket.sendspace", &here.seqpacket_sendspace);
  add("net.unix.seqpacket.recvspace", &here.seqpacket_recvspace);
  host.sysctls.Add("kern.maxvnodes", {.value = &here.names.nodes_max, .min = 0});
  host.live_counts.push_back({"unpcb", &here.live_unpcbs});
  host.live_counts.push_back({"file in flight", &here.unp_rights});
  host.live_counts.push_back({"vnode reference", &here.names.references});
  proc_at_exit(host, ForgetProcess);
  domain_register(host, &unixdomain);
}

void unix_collect(HostBase& host) {
  const HostScope on_host(host);
  unp_gc();
}

NameSpace& unix_names(HostBase& host) { return HostLocal<UnixHost>::Of(host).names; }

UnixHost::~UnixHost() {
  while (free_unpcbs != nullptr) {
    unpcb* next = free_unpcbs->unp_next_free;
    delete free_unpcbs;
    free_unpcbs = next;
  }
}

}  // namespace sockbed
