#include "tools/run_command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kernel/host/simulation.h"
#include "kernel/net/link.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/choices.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"
#include "ssl/runtime.h"
#include "tools/report.h"
#include "tools/run_outputs.h"
#include "tools/scenario.h"
#include "tools/units.h"
#include "uapi/resolver.h"

namespace sockbed::tools {
namespace {

constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);

// The kernel's fraction of 2^32 as the friendly API's probability; exact both ways.
double Probability(Chance chance) { return static_cast<double>(chance) / kAlways; }

// Everything that lives as long as a run, in the order in which it must die (last first).
struct World {
  explicit World(const RunOptions& options, const Scenario& scenario)
      : plan(scenario.faults),
        shuffled(options.seed),
        simulation({.seed = options.seed,
                    .choices = options.shuffle ? &shuffled : nullptr,
                    .fault_plan = scenario.faults.empty() ? nullptr : &plan,
                    .check = options.check,
                    .deliver_at_splx = options.deliver_at_splx}) {
    tls.Attach(simulation.machine());
  }

  ssl::Runtime tls;
  fault::Plan plan;
  SeededOrder shuffled;
  Simulation simulation;
};

absl::Status Misplaced(const Scenario& scenario, Place place, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(scenario.path, ":", place.line, ":", place.column, ": ", what));
}

// Sets a tunable of the current host. Returns what is wrong with it, or nothing.
std::string SetSysctl(Host& host, const std::string& name, const std::string& value) {
  const int error = host.sysctls.SetText(name, value);
  if (error == ENOENT) return absl::StrCat("no sysctl \"", name, "\" (see: sockbed sysctls)");
  if (error == 0) return "";
  const std::string why = error == EINVAL ? "it is " + host.sysctls.Wants(name) : strerror(error);
  return absl::StrCat(name, " cannot be \"", value, "\": ", why);
}

absl::Status AddHosts(const RunOptions& options, const Scenario& scenario, World& world) {
  for (const ScenarioHost& wanted : scenario.hosts) {
    Host& host = world.simulation.AddHost(wanted.name, {.clock_offset = wanted.clock_offset});
    world.tls.AddHost(host);
    const MachineScope machine(world.simulation.machine());
    const HostScope on_host(host);  // some tunables leave a record when they are set
    for (const auto& [name, value] : options.sysctls) {
      const std::string wrong = SetSysctl(host, name, value);
      if (!wrong.empty()) return absl::InvalidArgumentError(wrong);
    }
    for (const ScenarioSysctl& sysctl : wanted.sysctls) {
      const std::string wrong = SetSysctl(host, sysctl.name, sysctl.value);
      if (!wrong.empty()) return Misplaced(scenario, sysctl.place, wrong);
    }
  }
  return absl::OkStatus();
}

// `outputs` may be null. Errors: those of the captures.
absl::Status AddLinks(const Scenario& scenario, World& world, RunOutputs* outputs) {
  for (const ScenarioLink& wanted : scenario.links) {
    LinkSpec spec;
    spec.latency = absl::Nanoseconds(wanted.latency);
    spec.loss = Probability(wanted.loss);
    spec.duplicate = Probability(wanted.duplicate);
    spec.reorder = Probability(wanted.reorder);
    spec.corrupt = Probability(wanted.corrupt);
    spec.reorder_delay = absl::Nanoseconds(wanted.reorder_delay);
    spec.rate_bps = static_cast<uint64_t>(wanted.bits_per_second);
    spec.queue_len = static_cast<int>(wanted.queue_packets);
    spec.mtu = static_cast<uint32_t>(wanted.mtu);
    spec.ethernet = wanted.ethernet;
    spec.jitter = absl::Nanoseconds(wanted.jitter);
    spec.first_address = wanted.first_address;
    spec.second_address = wanted.second_address;
    spec.first_address6 = wanted.first_address6;
    spec.second_address6 = wanted.second_address6;
    PacketTap* tap = nullptr;
    if (outputs != nullptr) {
      const absl::StatusOr<PacketTap*> capture = outputs->AddCapture(wanted.name, wanted.ethernet);
      if (!capture.ok()) return capture.status();
      tap = *capture;
    }
    world.simulation.Connect(*world.simulation.FindHost(wanted.first),
                             *world.simulation.FindHost(wanted.second), spec, tap);
  }
  return absl::OkStatus();
}

// A host's address as `asker` reaches it, or an address in figures. Errors: it is neither.
absl::Status Locate(const Scenario& scenario, World& world, const Host& asker, uint16_t port,
                    const ScenarioResolver::Target& target, InetAddress* address) {
  in_addr v4;
  in6_addr v6;
  const Host* const host = world.simulation.FindHost(target.text);
  if (inet_pton(AF_INET, target.text.c_str(), &v4) == 1) {
    *address = InetAddress::Of(v4, port);
  } else if (inet_pton(AF_INET6, target.text.c_str(), &v6) == 1) {
    *address = InetAddress::Of(v6, port);
  } else if (host != nullptr) {
    *address = InetAddress::Of(host->AddressFor(asker), port);
  } else {
    return Misplaced(scenario, target.place,
                     absl::StrCat("no host and no address: \"", target.text, "\""));
  }
  return absl::OkStatus();
}

absl::Status SetResolvers(const Scenario& scenario, World& world) {
  constexpr uint16_t kDnsPort = 53;
  for (const ScenarioHost& wanted : scenario.hosts) {
    if (!wanted.resolver) continue;
    Host& host = *world.simulation.FindHost(wanted.name);
    ResolverConf conf;
    conf.search = wanted.resolver->search;
    conf.timeout_ns = wanted.resolver->timeout;
    conf.attempts = static_cast<int>(wanted.resolver->attempts);
    for (const ScenarioResolver::Target& server : wanted.resolver->nameservers) {
      InetAddress& address = conf.nameservers.emplace_back();
      if (absl::Status status = Locate(scenario, world, host, kDnsPort, server, &address);
          !status.ok()) {
        return status;
      }
    }
    for (const auto& [name, target] : wanted.resolver->names) {
      HostsLine& line = conf.hosts.emplace_back();
      line.names = {name};
      if (absl::Status status = Locate(scenario, world, host, 0, target, &line.address);
          !status.ok()) {
        return status;
      }
    }
    SetResolver(host, std::move(conf));
  }
  return absl::OkStatus();
}

// Once all links are there.
absl::Status AddRoutes(const Scenario& scenario, World& world) {
  for (const ScenarioHost& host : scenario.hosts) {
    for (const ScenarioRoute& wanted : host.routes) {
      const int error = world.simulation.FindHost(host.name)->AddRoute(wanted.route);
      if (error == 0) continue;
      const std::string why =
          error == ENETUNREACH
              ? absl::StrCat("no link of ", host.name, " leads to ", wanted.gateway)
              : absl::StrCat("a second route to ", wanted.destination);
      return Misplaced(scenario, wanted.place, why);
    }
  }
  return absl::OkStatus();
}

void SpawnPrograms(const Scenario& scenario, World& world) {
  for (const ScenarioProgram& program : scenario.programs) {
    Host& host = *world.simulation.FindHost(program.host);
    const bool built_in = program.info != nullptr;
    host.Spawn(program.name,
               built_in ? program.info->make(program.args) : ProgramMain(program.start),
               {.daemon = program.daemon,
                .start_at = program.start_at,
                .stack_bytes = built_in ? 0 : kProgramStackBytes});
  }
}

void AddFiles(const Scenario& scenario, World& world) {
  for (const ScenarioHost& wanted : scenario.hosts) {
    if (wanted.files.empty()) continue;
    SetFiles(*world.simulation.FindHost(wanted.name), {.mounts = wanted.files});
  }
}

// Shows how far the run is, and ends it when the user asks.
class Watcher {
 public:
  Watcher(const RunOptions& options, SimTime end, Machine& machine)
      : options_(options), end_(end), machine_(machine), start_(absl::Now()), shown_(start_) {
    if (!options_.interruptible) return;
    // Blocked rather than handled: Look asks whether it has come.
    sigemptyset(&interrupt_);
    sigaddset(&interrupt_, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt_, &saved_);
  }
  ~Watcher() {
    if (options_.progress && shown_ != start_) fprintf(stderr, "\r\033[K");
    if (!options_.interruptible) return;
    const timespec now{0, 0};
    while (sigtimedwait(&interrupt_, nullptr, &now) == SIGINT) interrupted_ = true;
    sigprocmask(SIG_SETMASK, &saved_, nullptr);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  void Look() {
    if (options_.interruptible) {
      sigset_t pending;
      sigpending(&pending);
      if (sigismember(&pending, SIGINT) == 1) {
        interrupted_ = true;
        machine_.Stop();
      }
    }
    if (!options_.progress) return;
    const absl::Time now = absl::Now();
    if (now - shown_ < kProgressEvery) return;
    shown_ = now;
    Show(absl::ToDoubleSeconds(now - start_));
  }

  bool interrupted() const { return interrupted_; }
  double wall_seconds() const { return absl::ToDoubleSeconds(absl::Now() - start_); }

 private:
  void Show(double wall) {
    const double rate = static_cast<double>(machine_.events_run()) / wall;
    std::string line =
        absl::StrFormat("\r\033[K%s virtual, %.0f events/s", FormatSeconds(machine_.now()), rate);
    if (end_ != kForever && machine_.now() > 0) {
      const double left =
          wall * static_cast<double>(end_ - machine_.now()) / static_cast<double>(machine_.now());
      absl::StrAppendFormat(&line, ", at most %.0f s to go", left);
    }
    fputs(line.c_str(), stderr);
  }

  const RunOptions& options_;
  const SimTime end_;
  Machine& machine_;
  const absl::Time start_;
  absl::Time shown_;
  sigset_t interrupt_{};
  sigset_t saved_{};
  bool interrupted_ = false;
};

const ProcessRecord* FindProcess(const RunResult& result, const std::string& name) {
  for (const ProcessRecord& process : result.processes) {
    if (process.host_name + "/" + process.name == name) return &process;
  }
  return nullptr;
}

// What is wrong with one expectation, or nothing.
std::string Check(const Expectation& expected, const World& world, const RunResult& result) {
  if (expected.ends_by.has_value()) {
    if (!result.AllEnded()) {
      return absl::StrCat("programs were to end by ", FormatSeconds(*expected.ends_by),
                          ", not all had ended at ", FormatSeconds(result.time));
    }
    if (result.last_exit <= *expected.ends_by) return "";
    return absl::StrCat("programs were to end by ", FormatSeconds(*expected.ends_by),
                        ", the last ended at ", FormatSeconds(result.last_exit));
  }
  if (expected.prints.has_value()) {
    for (const ConsoleLine& line : world.simulation.console()) {
      if (line.host_name + "/" + line.process == expected.program &&
          absl::StrContains(line.text, *expected.prints)) {
        return "";
      }
    }
    return absl::StrCat(expected.program, " was to print \"", *expected.prints,
                        "\" and had not at ", FormatSeconds(result.time));
  }
  const ProcessRecord* process = FindProcess(result, expected.program);
  if (process == nullptr || !process->exited) {
    return absl::StrCat(expected.program, " was to exit ", *expected.exit_status,
                        " and had not ended at ", FormatSeconds(result.time));
  }
  if (WIFEXITED(process->status) && WEXITSTATUS(process->status) == *expected.exit_status)
    return "";
  const std::string what = WIFSIGNALED(process->status)
                               ? absl::StrCat("was killed by signal ", WTERMSIG(process->status))
                               : absl::StrCat("exited ", WEXITSTATUS(process->status));
  return absl::StrCat(expected.program, " was to exit ", *expected.exit_status, "; it ", what,
                      " at ", FormatSeconds(process->exit_time));
}

// What kept the run from being what the scenario expects, in lines. Exits that the scenario speaks
// of itself are judged by its expectations only.
std::string Complaints(const Scenario& scenario, const World& world, const RunResult& result) {
  std::string text;
  for (const Expectation& expected : scenario.expectations) {
    const std::string wrong = Check(expected, world, result);
    if (wrong.empty()) continue;
    absl::StrAppend(&text, scenario.path, ":", expected.place.line, ": ", wrong, "\n");
  }
  for (const SleeperInfo& s : result.sleepers) {
    absl::StrAppendFormat(&text, "%s/%s sleeps on \"%s\" since %s\n", s.host_name, s.comm, s.wmesg,
                          FormatSeconds(s.since));
  }
  absl::StrAppend(&text, result.leaks);
  return text;
}

}  // namespace

absl::StatusOr<RunVerdict> RunScenario(const RunOptions& options) {
  const absl::StatusOr<Scenario> scenario = LoadScenario(options.scenario, options.settings);
  if (!scenario.ok()) return scenario.status();
  World world(options, *scenario);
  if (const absl::Status added = AddHosts(options, *scenario, world); !added.ok()) return added;
  std::unique_ptr<RunOutputs> outputs;
  if (!options.out.empty()) {
    auto opened = RunOutputs::Open(options.out, world.simulation);
    if (!opened.ok()) return opened.status();
    outputs = *std::move(opened);
  }
  const absl::Status linked = AddLinks(*scenario, world, outputs.get());
  if (!linked.ok()) return linked;
  if (const absl::Status set = SetResolvers(*scenario, world); !set.ok()) return set;
  if (const absl::Status status = AddRoutes(*scenario, world); !status.ok()) return status;
  AddFiles(*scenario, world);
  SpawnPrograms(*scenario, world);

  RunVerdict verdict;
  double wall_seconds = 0;
  {
    Watcher watcher(options, scenario->end, world.simulation.machine());
    world.simulation.RunUntil({.deadline = scenario->end, .progress = [&] { watcher.Look(); }});
    wall_seconds = watcher.wall_seconds();
    watcher.Look();
    if (watcher.interrupted()) verdict.complaints = "interrupted\n";
  }
  const std::vector<ConnectionLine> connections = CollectConnections(world.simulation, world.tls);
  if (outputs != nullptr) {
    // Before tear-down: the files end where the digest does.
    const absl::Status written = outputs->Finish(world.tls.key_log().ToString());
    if (!written.ok()) return written;
  }
  const RunResult result = world.simulation.Finish();
  absl::StrAppend(&verdict.complaints, Complaints(*scenario, world, result));
  verdict.passed = verdict.complaints.empty();
  verdict.digest = result.digest;
  verdict.time = result.time;
  verdict.screen = FormatReport({.scenario = *scenario,
                                 .simulation = world.simulation,
                                 .result = result,
                                 .connections = connections,
                                 .seed = options.seed,
                                 .wall_seconds = wall_seconds,
                                 .out = options.out});
  return verdict;
}

}  // namespace sockbed::tools
