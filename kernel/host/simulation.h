// A simulation: hosts, links between them, one clock.
//
// Lives here:  Simulation, LinkSpec, RunLimits, RunResult, ConsoleSink.
// Called by:   tests and tools: this is the front door of the kernel.
// May touch:   every room of the kernel.
// Context:     set-up and Run from outside any process; AddHost and Connect before the first run.
// Owns:        the machine, the hosts and the links; borrows what Machine::Options names.
// Invariants:  1. The same options, the same calls and the same programs give the same digest.
//              2. After Finish every live count of every host is zero, or
//                 RunResult::leaks says which is not.
//
//   Simulation sim({.seed = 7});
//   Host& server = sim.AddHost("server");
//   Host& client = sim.AddHost("client");
//   sim.Connect(server, client, {.latency = absl::Milliseconds(20), .loss = 0.01});
//   server.Spawn("echod", [] { ... });
//   client.Spawn("echo", [&] { ... });
//   RunResult r = sim.Run();
#ifndef SOCKBED_KERNEL_HOST_SIMULATION_H_
#define SOCKBED_KERNEL_HOST_SIMULATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "kernel/host/host.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/machine.h"

namespace sockbed {

class Link;
class PacketTap;

// A link as people say it; both directions are alike. Turned into net's integers once, by Connect.
struct LinkSpec {
  absl::Duration latency = absl::ZeroDuration();  // one way
  double loss = 0;                                // chances of each packet: 0 .. 1
  double duplicate = 0;
  double reorder = 0;
  double corrupt = 0;
  absl::Duration reorder_delay = absl::Milliseconds(5);  // how long a reordered packet is held back
  absl::Duration jitter = absl::ZeroDuration();          // each packet's extra delay, at most
  uint64_t rate_bps = 0;                                 // bits per second; 0: no limit
  int queue_len = 256;                                   // packets that may wait to be sent
  uint32_t mtu = 1500;
  bool ethernet = false;      // frames and ARP, not bare packets
  std::string first_address;  // "10.0.1.1/30"; empty: chosen by Connect
  std::string second_address;
  std::string first_address6;  // "2001:db8::1/64"; empty: no IPv6
  std::string second_address6;
};

// An address with its prefix length, "10.0.1.1/30"; nothing if `text` is no such thing.
struct AddressSpec {
  in_addr address;
  uint8_t prefix_len;
};
std::optional<AddressSpec> ParseAddress(std::string_view text);
// The same of IPv6, "2001:db8::1/64".
struct AddressSpec6 {
  in6_addr address;
  uint8_t prefix_len;
};
std::optional<AddressSpec6> ParseAddress6(std::string_view text);

struct RunLimits {
  SimTime deadline = kForever;
  std::function<void()> progress;  // called now and then, outside any context; may look and Stop
};

struct RunResult {
  Machine::End end = Machine::End::kQuiescent;
  Digest digest;          // of all until the end, tear-down not included
  SimTime time = 0;       // where the clock stands
  SimTime last_exit = 0;  // when the last process exited: TIME_WAIT and kin follow
  uint64_t events = 0;
  std::vector<ProcessRecord> processes;  // in order of (host, pid)
  std::vector<SleeperInfo> sleepers;     // asleep at the end though no daemon: perhaps a deadlock
  std::string leaks;                     // a line for each count that is not zero; empty is good

  // Every process that is no daemon has exited.
  bool AllEnded() const;
  // And did so with status 0, nobody else sleeps, nothing leaked.
  bool ok() const;
  // All that is wrong, in lines for people; empty when ok().
  std::string Complaints() const;
};

// Hears what programs print, line by line, as it happens.
class ConsoleSink {
 public:
  virtual ~ConsoleSink() = default;
  virtual void Print(const ConsoleLine& line) = 0;
};

class Simulation {
 public:
  explicit Simulation(const Machine::Options& options);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // A booted host. Names are unique; programs resolve them.
  Host& AddHost(std::string name, const HostOptions& options = {});

  // A link between two hosts. The k-th link gets the network 10.0.k.0/30 unless the spec names
  // addresses: .1 is the first host's, .2 the second's. IPv6 it has only if the spec names some.
  // `tap` (borrowed; may be null) hears of all that crosses it, from the first frame that an
  // interface sends when it comes up.
  Link& Connect(Host& first, Host& second, const LinkSpec& spec, PacketTap* tap = nullptr);

  // Runs to quiescence or a limit, then tears down and says how it went. Once per simulation.
  RunResult Run(const RunLimits& limits = {});

  // The two halves of Run, for those who look at the kernel in between. RunUntil may be repeated.
  Machine::End RunUntil(const RunLimits& limits);
  RunResult Finish();

  // The host of that name, or null.
  Host* FindHost(std::string_view name);
  // The host that owns the address, or null.
  Host* FindHost(in_addr address);
  Host* FindHost(const in6_addr& address);
  const std::vector<std::unique_ptr<Host>>& hosts() const { return hosts_; }
  const std::vector<std::unique_ptr<Link>>& links() const { return links_; }

  // All that programs have printed so far.
  const std::vector<ConsoleLine>& console() const { return console_; }
  // Also tells `sink` from now on (null: nobody). Borrows it.
  void set_console_sink(ConsoleSink* sink) { console_sink_ = sink; }

  Machine& machine() { return machine_; }
  Trace& trace() { return machine_.trace(); }

 private:
  friend class Host;

  void AddConsoleLine(ConsoleLine line);
  std::vector<ProcessRecord> Processes();
  std::vector<SleeperInfo> UnexpectedSleepers();
  void TearDown();
  std::string Leaks();

  Machine machine_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<ConsoleLine> console_;
  ConsoleSink* console_sink_ = nullptr;
  Machine::End last_end_ = Machine::End::kQuiescent;
  bool finished_ = false;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_HOST_SIMULATION_H_
