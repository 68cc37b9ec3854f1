// The sockbed command. Exit status: 0 all well, 1 an expectation failed or runs differ, 2 bad
// input.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernel/host/simulation.h"
#include "kernel/sim/sites.h"
#include "tools/command_line.h"
#include "tools/compare.h"
#include "tools/packetdrill_command.h"
#include "tools/program.h"
#include "tools/run_command.h"

ABSL_FLAG(uint64_t, seed, 1, "the seed: one seed is one run");
ABSL_FLAG(std::string, out, "", "folder for trace.txt, captures and keys.log");
ABSL_FLAG(bool, shuffle, false,
          "draw the order of runnable processes and simultaneous events from the seed");
ABSL_FLAG(bool, deliver_at_splx, false, "let packets and timeouts in where a level is lowered");
ABSL_FLAG(bool, check, false, "hash the bytes of every packet into the digest");
ABSL_FLAG(bool, quiet, false, "print the report only when something failed");

namespace sockbed::tools {
namespace {

constexpr int kPassed = 0;
constexpr int kFailed = 1;
constexpr int kBadInput = 2;

constexpr char kHelp[] =
    R"(sockbed: a deterministic network simulator: BSD sockets, TCP/IP and TLS on a virtual clock.

  sockbed run SCENARIO.yaml [flags]   run a scenario and report how it went
  sockbed diff RUN1 RUN2              compare two --out folders; name the first event that differs
  sockbed packetdrill FILE|DIR...     run packetdrill scripts, each against a host of its own
  sockbed programs                    the programs a scenario can run, with their arguments
  sockbed sysctls                     the tunables of a host, with their defaults
  sockbed sites                       the places where chance and faults enter a run
  sockbed help COMMAND                more about one of them

Try it:
  sockbed run tools/scenarios/tls_transfer.yaml --set file=README.md --seed 7 --out run-out

Exit status: 0 all well; 1 an expectation failed, or the runs differ; 2 bad input, nothing was done.
)";

constexpr char kRunHelp[] =
    R"(sockbed run SCENARIO.yaml [--seed N] [--set NAME=VALUE]... [--sysctl NAME=VALUE]...
                           [--out FOLDER] [--shuffle] [--deliver_at_splx] [--check] [--quiet]

Builds the hosts, links and programs that the scenario describes, runs them on a virtual clock
until nothing is left to happen (or until the scenario's `end`), and prints how it went. The same
scenario, settings and seed give the same run, to the byte: the digest at the end says so.

  --seed N           another N is another run: other losses, ports, sequence numbers, TLS bytes
  --set NAME=VALUE   give a variable of the scenario another value; repeat as needed
  --sysctl NAME=VALUE
                     set a tunable of every host, before what the scenario sets; repeat as
                     needed, in the order in which they are to be set
  --out FOLDER       write trace.txt (all that happened, a line each), a capture per link that
                     Wireshark opens (TLS decrypted; packets that the link lost are in it, with a
                     comment), keys.log (the TLS secrets) and digests.txt (for sockbed diff)
  --shuffle          do not run processes first come, first served: draw their order from the seed
  --deliver_at_splx  let what is due (a packet, a timeout) in wherever a process in the kernel
                     lowers its interrupt level, not only once it sleeps
  --check            hash the bytes of every packet into the digest: two runs that agree in it
                     sent the same bytes (without it the digest covers events, not payload)
  --quiet            print only when something failed

A scenario is YAML:

  hosts:    {server: {}, client: {sysctl: {net.inet.tcp.sack: 0}}}
  links:    [{between: [server, client], rate: 10 Mbit/s, latency: 20 ms, loss: 1 %}]
  programs:
    - {host: server, run: tcp-echo-server, args: {port: 7}}
    - {host: client, run: tcp-echo-client, args: {server: server, count: 100}, start: 10 ms}
  faults:   [{site: mbuf.get, host: server, chance: 0.1 %}]
  expect:
    - {program: client/tcp-echo-client, exit: 0}
    - {ends_by: 10 s}
  end: 60 s

A link also takes: name, addresses [A/LEN, B/LEN], reorder, reorder_delay, duplicate, corrupt,
jitter, queue (packets), mtu. A host also takes clock_offset, and routes: {NETWORK/LEN: ROUTER,
default: ROUTER}; a router is a host with sysctl {net.inet.ip.forwarding: 1}. A program also takes
name, and daemon: true if it serves for ever. Values may contain ${NAME}; `variables: {NAME:
default}` declares it. A fault also takes nth (that time alone), and for mbuf.get and mbuf.cluster
a pool: mbufpl, or mcl2k, mcl2k2, mcl4k, mcl8k, mcl9k, mcl12k, mcl16k, mcl64k.
)";

constexpr char kDiffHelp[] =
    R"(sockbed diff RUN1 RUN2

Compares two folders that `sockbed run --out` wrote. Bisects their digests, then shows the first
event that differs, with the last common one before it. Exit status 0: the same; 1: they differ.
)";

int Fail(const absl::Status& status) {
  fprintf(stderr, "sockbed: %s\n", std::string(status.message()).c_str());
  return kBadInput;
}

int Usage(const std::string& what) {
  fprintf(stderr, "sockbed: %s\n(sockbed help tells more)\n", what.c_str());
  return kBadInput;
}

int Run(const CommandLine& line) {
  if (line.words.size() != 1) return Usage("run takes one scenario");
  RunOptions options;
  options.scenario = line.words[0];
  options.settings = line.settings;
  options.sysctls = line.sysctls;
  options.seed = absl::GetFlag(FLAGS_seed);
  options.out = absl::GetFlag(FLAGS_out);
  options.shuffle = absl::GetFlag(FLAGS_shuffle);
  options.deliver_at_splx = absl::GetFlag(FLAGS_deliver_at_splx);
  options.check = absl::GetFlag(FLAGS_check);
  options.progress = isatty(STDERR_FILENO) != 0;
  options.interruptible = true;
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  if (!verdict.ok()) return Fail(verdict.status());
  if (!verdict->passed || !absl::GetFlag(FLAGS_quiet)) fputs(verdict->screen.c_str(), stdout);
  if (verdict->passed) return kPassed;
  printf("FAILED\n%s", verdict->complaints.c_str());
  return kFailed;
}

int Diff(const CommandLine& line) {
  if (line.words.size() != 2) return Usage("diff takes two folders");
  const absl::StatusOr<RunDifference> difference = CompareRuns(line.words[0], line.words[1]);
  if (!difference.ok()) return Fail(difference.status());
  if (difference->same) {
    printf("the runs are the same\n");
    return kPassed;
  }
  const auto shown = [](const std::string& text) {
    return text.empty() ? "(the run had ended)" : text;
  };
  printf("the runs differ from event %llu on\n",
         static_cast<unsigned long long>(difference->record));
  if (!difference->before.empty()) printf("  both   %s\n", difference->before.c_str());
  printf("  %s   %s\n  %s   %s\n", line.words[0].c_str(), shown(difference->first_line).c_str(),
         line.words[1].c_str(), shown(difference->second_line).c_str());
  return kFailed;
}

int ListPrograms(const CommandLine&) {
  for (const ProgramInfo* program : Programs()) {
    printf("%s: %s\n", program->name, program->summary);
    for (const ArgInfo& arg : program->args) {
      printf("  %-12s %s (%s)\n", arg.name, arg.help,
             arg.fallback == nullptr ? "needed" : absl::StrCat("default ", arg.fallback).c_str());
    }
  }
  return kPassed;
}

int ListSites(const CommandLine&) {
  constexpr const char* kKinds[] = {"choice", "fault", "stream"};
  for (int i = 0; i < static_cast<int>(Site::kCount); ++i) {
    const SiteInfo& info = InfoOf(static_cast<Site>(i));
    printf("%-16s %-7s %s\n", std::string(info.name).c_str(), kKinds[static_cast<int>(info.kind)],
           std::string(info.meaning).c_str());
  }
  return kPassed;
}

int ListSysctls(const CommandLine&) {
  Simulation simulation(Machine::Options{});
  const Host& host = simulation.AddHost("host");
  for (const std::string& name : host.sysctls.Names()) {
    std::string value;
    if (host.sysctls.GetText(name, &value) == 0) {
      printf("%-40s %s\n", name.c_str(), value.c_str());
    }
  }
  return kPassed;
}

struct Command {
  const char* name;
  const char* help;
  std::vector<std::string> flags;
  int (*run)(const CommandLine& line);
};

std::vector<Command> Commands() {
  return {{"run",
           kRunHelp,
           {"seed", "set", "sysctl", "out", "shuffle", "deliver_at_splx", "check", "quiet"},
           Run},
          {"diff", kDiffHelp, {}, Diff},
          {"programs", kHelp, {}, ListPrograms},
          {"sysctls", kHelp, {}, ListSysctls},
          {"sites", kHelp, {}, ListSites}};
}

// Has flags of its own: those of a script's head, which Abseil does not know.
int Packetdrill(const std::vector<std::string>& args) {
  const absl::StatusOr<PacketdrillOptions> options = ParsePacketdrillArguments(args);
  if (!options.ok()) return Fail(options.status());
  if (options->help) {
    fputs(kPacketdrillHelp, stdout);
    return kPassed;
  }
  const absl::StatusOr<bool> good = RunPacketdrill(*options);
  if (!good.ok()) return Fail(good.status());
  return *good ? kPassed : kFailed;
}

int Help(const std::string& topic) {
  if (topic == "packetdrill") return Packetdrill({"--help"});
  for (const Command& command : Commands()) {
    if (topic != command.name) continue;
    fputs(command.help, stdout);
    return kPassed;
  }
  if (!topic.empty()) return Usage(absl::StrCat("no command \"", topic, "\""));
  fputs(kHelp, stdout);
  return kPassed;
}

int Main(const std::vector<std::string>& args) {
  if (args.empty()) {
    fputs(kHelp, stderr);
    return kBadInput;
  }
  if (args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
    return Help(args.size() > 1 ? args[1] : "");
  }
  if (args[0] == "packetdrill") return Packetdrill({args.begin() + 1, args.end()});
  for (const Command& command : Commands()) {
    if (args[0] != command.name) continue;
    const absl::StatusOr<CommandLine> line =
        ParseCommandLine({args.begin() + 1, args.end()}, command.flags);
    if (!line.ok()) return Fail(line.status());
    return line->help ? Help(command.name) : command.run(*line);
  }
  return Usage(absl::StrCat("no command \"", args[0], "\""));
}

}  // namespace
}  // namespace sockbed::tools

int main(int argc, char** argv) { return sockbed::tools::Main({argv + 1, argv + argc}); }
