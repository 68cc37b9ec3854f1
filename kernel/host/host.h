// A host: a booted kernel with its addresses, its tunables, its console and its processes.
//
// Lives here:  Host, HostOptions, ProgramOptions, KernParams, ProcessRecord, ConsoleLine.
// Called by:   tests and tools (through Simulation), uapi (tunables, names, console).
// May touch:   every room of the kernel.
// Context:     from outside a run, or from inside one (a program may spawn another).
// Owns:        the storage of its rooms (HostBase); the sched room owns its processes.
// Units:       virtual nanoseconds.
#ifndef SOCKBED_KERNEL_HOST_HOST_H_
#define SOCKBED_KERNEL_HOST_HOST_H_

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernel/inet/in6.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/proc.h"
#include "kernel/sim/time.h"

namespace sockbed {

class Simulation;

struct HostOptions {
  size_t stack_bytes = kFiberStackBytes;  // of each program, unless it asks for its own
  SimTime clock_offset = 0;               // how far its wall clock is ahead of the others'
};

struct ProgramOptions {
  bool daemon = false;     // serves for ever: at the end of a run it is expected to be asleep
  SimTime start_at = 0;    // virtual time; the past means now
  ucred cred = {};         // whose process it is: the superuser's by default
  size_t stack_bytes = 0;  // 0: the host's default
};

// What the system calls of a host obey: the sysctls of these names. uapi reads them.
struct KernParams {
  int64_t maxfilesperproc = 1024;  // kern.maxfilesperproc: descriptors of a process; beyond: EMFILE
  int64_t connect_mode = 0;        // kern.connect_mode: 0 as OpenBSD 4.9, 1 as later releases
  int64_t connect_strict = 0;      // kern.connect_strict: 1: connect never says 0 unconnected
  int64_t accept_repost = 0;       // kern.accept_repost: an interrupted accept wakes another
  int64_t syscall_ns = 200;        // kern.syscall_ns: virtual time that a system call takes
};

// One process as the end of a run sees it.
struct ProcessRecord {
  HostId host = 0;
  std::string host_name;
  pid_t pid = 0;
  std::string name;
  bool daemon = false;
  bool exited = false;  // by itself or by a signal, before tear-down
  int status = 0;       // as wait(2) encodes it; of an exited process
  SimTime exit_time = 0;
  std::string what;  // of the exception that ended it, if one did
};

// One line that a simulated program printed.
struct ConsoleLine {
  SimTime time;
  HostId host;
  pid_t pid;
  std::string host_name;
  std::string process;
  std::string text;  // without the newline
};

// One address of a host.
struct HostAddress {
  std::string interface;  // "link1"
  in_addr address;
  int prefix_len;
  HostId neighbour;  // at the other end of the link
};

// The same of IPv6, link-local ones left out: those bear the number of their interface.
struct HostAddress6 {
  std::string interface;
  in6_addr address;
  int prefix_len;
  HostId neighbour;
};

// A way to a network by a router, as route(8) takes one.
struct HostRoute {
  sa_family_t family;
  inpaddru destination;
  uint8_t prefix_len;
  inpaddru gateway;
};
// Reads one: "default", an address or a network ("10.0.2.0/24", "2001:db8::/32"), and the router's
// address, of the same family. Nothing if that is not what the texts are.
std::optional<HostRoute> ParseRoute(std::string_view destination, std::string_view gateway);

class Host : public HostBase {
 public:
  // Made by Simulation::AddHost only.
  Host(Simulation& simulation, HostId id, std::string name, const HostOptions& options);

  // Starts a program: `main` is an int() or void() callable; its result is the exit status, or 0.
  // Returns its process id.
  template <typename Main>
  pid_t Spawn(std::string program, Main main, const ProgramOptions& options = {}) {
    if constexpr (std::is_void_v<std::invoke_result_t<Main&>>) {
      return SpawnProgram(
          std::move(program),
          [main = std::move(main)]() mutable {
            main();
            return 0;
          },
          options);
    } else {
      return SpawnProgram(std::move(program), std::move(main), options);
    }
  }

  // Its first address that is not loopback; 127.0.0.1 before it has a link.
  in_addr address() const;
  // The same with a port (host byte order), ready for bind and connect.
  sockaddr_in address(uint16_t port) const;
  // Its address on a link that it shares with `other`, else its first: what other's programs find
  // under its name.
  in_addr AddressFor(const Host& other) const;
  const std::vector<HostAddress>& addresses() const { return addresses_; }
  // The same of IPv6; ::1 before it has a link with such addresses.
  in6_addr address6() const;
  sockaddr_in6 address6(uint16_t port) const;
  in6_addr AddressFor6(const Host& other) const;
  const std::vector<HostAddress6>& addresses6() const { return addresses6_; }

  // The number of an interface, by its name or its figures, 0 when there is none; and back.
  uint32_t InterfaceIndex(std::string_view name);
  std::string InterfaceName(uint32_t index);

  // A tunable by its sysctl name; each room's README lists them. Panics on an unknown name or a
  // value out of range: set-up by a test is code. Tools use `sysctls`, which answers an errno.
  void SetSysctl(std::string_view sysctl, int64_t value);
  int64_t GetSysctl(std::string_view sysctl) const;

  // Adds a static route. Errors: EEXIST, ENETUNREACH (no link of the host leads to the gateway).
  [[nodiscard]] int AddRoute(const HostRoute& route);
  // Takes it away. Errors: ESRCH.
  [[nodiscard]] int DeleteRoute(const HostRoute& route);
  // Gives the static route to that destination another router. Errors: ESRCH (there is none),
  // ENETUNREACH.
  [[nodiscard]] int ChangeRoute(const HostRoute& route);

  // What the host's wall clock shows now, in nanoseconds since 1970.
  int64_t wall_clock_ns() const;
  // Moves it by so much: from now on, as if the offset of HostOptions had been another.
  void StepWallClock(SimTime by) { clock_step_ += by; }

  // Prints a line of the current process on the console.
  void Say(std::string_view line);

  // A process of the host has ended: called by its exit hook.
  void NoteExit(const proc& p);

  KernParams kern;
  Simulation& simulation() const { return simulation_; }

 private:
  friend class Simulation;

  bool IsDaemon(pid_t pid) const;
  ProcessRecord RecordOf(const proc& p) const;

  pid_t SpawnProgram(std::string program, std::function<int()> main, const ProgramOptions& options);

  Simulation& simulation_;
  const HostOptions options_;
  SimTime clock_step_ = 0;  // how far its wall clock was set ahead since boot
  std::vector<HostAddress> addresses_;
  std::vector<HostAddress6> addresses6_;
  std::vector<pid_t> daemons_;        // in order of pid
  std::vector<ProcessRecord> exits_;  // in order of exit
};

// The host of the running code. REQUIRES: on a host.
inline Host& CurrentHost() { return static_cast<Host&>(*Here().host); }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_HOST_HOST_H_
