// What a packetdrill script costs (PERFORMANCE.md: P15): the whole of a run, parsing and the host's
// boot included, over the scripts of tests/scenario.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "kernel/sim/kassert.h"
#include "kernel/sim/machine_local.h"
#include "tests/bench/paired.h"
#include "tools/packetdrill/runner.h"

namespace sockbed {
namespace {

namespace fs = std::filesystem;

constexpr double kPacketdrillSeconds = 0.1;  // PERFORMANCE.md, section 3

struct Script {
  std::string path, text;
};

// The scripts among this program's data, in order of name.
std::vector<Script> Scripts() {
  const fs::path folder =
      fs::read_symlink("/proc/self/exe").string() + ".runfiles/sockbed/tests/scenario/scripts";
  std::vector<Script> scripts;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    scripts.push_back({entry.path().filename(), text.str()});
  }
  std::sort(scripts.begin(), scripts.end(),
            [](const Script& a, const Script& b) { return a.path < b.path; });
  return scripts;
}

void PacketdrillScript(benchmark::State& state) {
  const std::vector<Script> scripts = Scripts();
  KASSERT(!scripts.empty());
  MachineStore store;  // kept from one run to the next, as the command does
  for (auto _ : state) {
    std::vector<double> means;
    for (int round = 0; round < 21; ++round) {
      const double start = MonotonicSeconds();
      for (const Script& script : scripts) {
        KASSERT(packetdrill::RunScript(script.path, script.text, {.store = &store}).passed);
      }
      means.push_back((MonotonicSeconds() - start) / static_cast<double>(scripts.size()));
    }
    state.SetIterationTime(MedianOf(means));
    state.counters["ratio"] = MedianOf(means) / kPacketdrillSeconds;
    state.counters["goal"] = 0.01;
    state.counters["scripts"] = static_cast<double>(scripts.size());
  }
}
BENCHMARK(PacketdrillScript)->Name("P15/packetdrill_script_over_packetdrill")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
