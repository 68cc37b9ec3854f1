#include "kernel/sim/kassert.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

// Where the simulation stands, and the last lines of its trace.
std::string Situation(const Context& here) {
  const Machine& machine = *here.machine;
  std::string text = "  host " + std::to_string(here.host_id);
  text += here.process != nullptr ? ", process " + std::to_string(here.pid) : ", no process";
  text += ", virtual time " + SecondsText(here.now) + " s";
  text += ", seed " + std::to_string(machine.seed());
  text += ", caused by #" + std::to_string(here.cause) + "\n  the last of the trace:\n";
  for (const Record& record : machine.trace().Recent()) {
    text += "  " + machine.trace().Format(record) + "\n";
  }
  return text;
}

void PrintError(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace

void Panic(const char* file, int line, std::string_view what) {
  PrintError("panic: " + std::string(what) + " at " + file + ":" + std::to_string(line) + "\n");
  if (InSimulation() && !Here().panicking) {
    Here().panicking = true;
    PrintError(Situation(Here()));
  }
  std::abort();
}

}  // namespace sockbed
