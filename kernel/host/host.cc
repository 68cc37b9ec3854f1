#include "kernel/host/host.h"

#include <arpa/inet.h>
#include <errno.h>

#include <algorithm>
#include <charconv>

#include "kernel/host/host_trace.h"
#include "kernel/host/simulation.h"
#include "kernel/inet/route.h"
#include "kernel/net/if.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

constexpr EventType kTypes[] = {
    {"BOOT", "{o} clock offset {0:t} s"},
    {"LINK", "{o} hosts {0:h} and {0:l}, {1:a} to {2:a}"},
    {"SAY", "\"{0:s}{1:s}{2:s}\""},
    {"SAY", "... \"{0:s}{1:s}{2:s}\""},
    {"CRASH", "host {o}"},
};

// How much of a line one record holds.
constexpr size_t kSayPart = 24;

// Notes how a process has ended, for the result of the run.
void NoteExit(proc* p) {
  if (is_mainproc(p)) static_cast<Host*>(p->p_host)->NoteExit(*p);
}

// What a host that has crashed still says reaches nobody, and nobody reaches it: to its peers it is
// silent.
void GoSilent(HostBase& host) {
  Emit(Room::kHost, static_cast<uint8_t>(HostRecord::kCrash), host.id);
  for (const auto& ifp : HostLocal<NetHost>::Of(host).interfaces) {
    if (ifp != nullptr && (ifp->if_flags & IFF_LOOPBACK) == 0) if_down(ifp.get());
  }
}

}  // namespace

void host_describe(Trace& trace) { trace.Describe(Room::kHost, {kTypes, {}}); }

void host_boot(HostBase& base) {
  KernParams& kern = static_cast<Host&>(base).kern;
  base.sysctls.Add("kern.maxfilesperproc",
                   {.value = &kern.maxfilesperproc, .min = 3, .max = 1 << 20});
  base.sysctls.Add("kern.connect_mode", {.value = &kern.connect_mode, .min = 0, .max = 1});
  base.sysctls.Add("kern.connect_strict", {.value = &kern.connect_strict, .min = 0, .max = 1});
  base.sysctls.Add("kern.accept_repost", {.value = &kern.accept_repost, .min = 0, .max = 1});
  base.sysctls.Add("kern.syscall_ns", {.value = &kern.syscall_ns, .min = 1, .max = kSecond});
  proc_at_exit(base, NoteExit);
  host_at_crash(base, GoSilent);
}

std::optional<HostRoute> ParseRoute(std::string_view destination, std::string_view gateway) {
  HostRoute route = {.family = AF_INET, .destination = {}, .prefix_len = 0, .gateway = {}};
  in_addr v4;
  in6_addr v6;
  const auto read = [&](std::string_view text, inpaddru* address) {
    const std::string copy(text);
    const bool is_v4 = route.family == AF_INET;
    if (inet_pton(route.family, copy.c_str(), is_v4 ? static_cast<void*>(&v4) : &v6) != 1) {
      return false;
    }
    *address = is_v4 ? inpaddru(v4) : inpaddru(v6);
    return true;
  };
  if (gateway.find(':') != gateway.npos) route.family = AF_INET6;
  if (!read(gateway, &route.gateway)) return std::nullopt;
  if (destination == "default") return route;
  const int bits = route.family == AF_INET ? 32 : 128;
  const size_t slash = destination.find('/');
  if (!read(destination.substr(0, slash), &route.destination)) return std::nullopt;
  route.prefix_len = static_cast<uint8_t>(bits);
  if (slash == destination.npos) return route;
  const std::string_view length = destination.substr(slash + 1);
  const char* const end = length.data() + length.size();
  int value = -1;
  const auto parsed = std::from_chars(length.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 0 || value > bits) {
    return std::nullopt;
  }
  route.prefix_len = static_cast<uint8_t>(value);
  // Bits beyond the prefix would never be looked at.
  const bool exact = route.family == AF_INET
                         ? value == 32 || (uint64_t{ntohl(v4.s_addr)} << (32 + value)) == 0
                         : in6_equal(in6_prefix(v6, value), v6);
  return exact ? std::optional(route) : std::nullopt;
}

Host::Host(Simulation& simulation, HostId id, std::string name, const HostOptions& options)
    : HostBase(id, std::move(name)), simulation_(simulation), options_(options) {}

in_addr Host::address() const {
  return addresses_.empty() ? in_addr{htonl(INADDR_LOOPBACK)} : addresses_.front().address;
}

sockaddr_in Host::address(uint16_t port) const {
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  sin.sin_addr = address();
  return sin;
}

in_addr Host::AddressFor(const Host& other) const {
  const auto shared = std::ranges::find(addresses_, other.id, &HostAddress::neighbour);
  return shared != addresses_.end() ? shared->address : address();
}

in6_addr Host::address6() const {
  return addresses6_.empty() ? in6_addr(IN6ADDR_LOOPBACK_INIT) : addresses6_.front().address;
}

sockaddr_in6 Host::address6(uint16_t port) const {
  sockaddr_in6 sin6{};
  sin6.sin6_family = AF_INET6;
  sin6.sin6_port = htons(port);
  sin6.sin6_addr = address6();
  return sin6;
}

in6_addr Host::AddressFor6(const Host& other) const {
  const auto shared = std::ranges::find(addresses6_, other.id, &HostAddress6::neighbour);
  return shared != addresses6_.end() ? shared->address : address6();
}

uint32_t Host::InterfaceIndex(std::string_view name) {
  if (const ifnet* ifp = if_byname(*this, name)) return ifp->if_index;
  uint32_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  const bool whole = !name.empty() && error == std::errc() && end == name.data() + name.size();
  return whole && if_byindex(*this, index) != nullptr ? index : 0;
}

std::string Host::InterfaceName(uint32_t index) {
  const ifnet* ifp = if_byindex(*this, index);
  return ifp != nullptr ? ifp->if_xname : std::to_string(index);
}

void Host::SetSysctl(std::string_view sysctl, int64_t value) {
  const MachineScope machine(simulation_.machine());
  const HostScope host(*this);
  if (sysctls.Set(sysctl, value) != 0) {
    KPANIC("no such tunable, or not such a value: " + std::string(sysctl));
  }
}

int64_t Host::GetSysctl(std::string_view sysctl) const {
  int64_t value;
  if (sysctls.Get(sysctl, &value) != 0) KPANIC("no such tunable: " + std::string(sysctl));
  return value;
}

int Host::AddRoute(const HostRoute& route) {
  const MachineScope machine(simulation_.machine());
  const HostScope host(*this);
  return rt_add({.dest = route.destination,
                 .family = route.family,
                 .plen = route.prefix_len,
                 .gateway = route.gateway});
}

int Host::DeleteRoute(const HostRoute& route) {
  const MachineScope machine(simulation_.machine());
  const HostScope host(*this);
  rtentry* rt = rt_get(route.family, route.destination, route.prefix_len, RTP_STATIC);
  if (rt == nullptr || !(rt->rt_gateway == route.gateway)) return ESRCH;
  rt_delete(rt);
  return 0;
}

int Host::ChangeRoute(const HostRoute& route) {
  const MachineScope machine(simulation_.machine());
  const HostScope host(*this);
  rtentry* rt = rt_get(route.family, route.destination, route.prefix_len, RTP_STATIC);
  return rt == nullptr ? ESRCH : rt_change(rt, route.gateway);
}

int64_t Host::wall_clock_ns() const {
  return kBootEpochSeconds * kSecond + simulation_.machine().now() + options_.clock_offset +
         clock_step_;
}

void Host::Say(std::string_view line) {
  const proc* const p = curproc();
  KASSERT(p != nullptr && p->p_host == this);
  HostRecord type = HostRecord::kSay;
  for (size_t at = 0; at == 0 || at < line.size(); at += kSayPart) {
    const std::string_view part = line.substr(at, kSayPart);
    const auto piece = [&](size_t from) {
      return from < part.size() ? PackText(part.substr(from)) : 0;
    };
    Emit(Room::kHost, static_cast<uint8_t>(type), id, piece(0), piece(8), piece(16));
    type = HostRecord::kSayMore;
  }
  simulation_.AddConsoleLine({Now(), id, p->p_mainproc->p_pid, name, p->p_comm, std::string(line)});
}

pid_t Host::SpawnProgram(std::string program, std::function<int()> main,
                         const ProgramOptions& options) {
  const MachineScope machine(simulation_.machine());
  const HostScope host(*this);
  const size_t stack = options.stack_bytes != 0 ? options.stack_bytes : options_.stack_bytes;
  const proc* const p = proc_spawn({.name = std::move(program),
                                    .main = std::move(main),
                                    .cred = options.cred,
                                    .start_at = options.start_at,
                                    .stack_bytes = stack});
  if (options.daemon) daemons_.push_back(p->p_pid);
  return p->p_pid;
}

bool Host::IsDaemon(pid_t pid) const { return std::ranges::binary_search(daemons_, pid); }

ProcessRecord Host::RecordOf(const proc& p) const {
  return {
      .host = id, .host_name = name, .pid = p.p_pid, .name = p.p_comm, .daemon = IsDaemon(p.p_pid)};
}

void Host::NoteExit(const proc& p) {
  ProcessRecord record = RecordOf(p);
  record.exited = true;
  record.status = (p.p_xexit & 0xff) << 8 | p.p_xsig;
  record.exit_time = Now();
  if (p.p_xwhat != nullptr) record.what = *p.p_xwhat;
  exits_.push_back(std::move(record));
}

}  // namespace sockbed
