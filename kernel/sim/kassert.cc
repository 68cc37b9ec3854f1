#include "kernel/sim/kassert.h"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

// Where the simulation stands, and the last lines of its trace.
std::string Situation(const Context& here, bool in_process) {
  const Machine& machine = *here.machine;
  std::string text = "  host " + std::to_string(here.host_id);
  text += in_process ? ", process " + std::to_string(here.pid) : ", no process";
  text += ", virtual time " + SecondsText(here.now) + " s";
  text += ", seed " + std::to_string(machine.seed());
  text += ", caused by #" + std::to_string(here.cause) + "\n  the last of the trace:\n";
  for (const Record& record : machine.trace().Recent()) {
    text += "  " + machine.trace().Format(record) + "\n";
  }
  return text;
}

// Not by way of stderr, which may be a simulated program's.
void PrintError(const std::string& text) {
  (void)!write(STDERR_FILENO, text.data(), text.size());  // nobody is left to hear of an error
}

}  // namespace

void Panic(const char* file, int line, std::string_view what) {
  // Where the C library's names are the simulation's inside a process, they are not from here on:
  // abort() is to end the run and not one of its processes.
  const bool in_process = InSimulation() && std::exchange(Here().process, nullptr) != nullptr;
  PrintError("panic: " + std::string(what) + " at " + file + ":" + std::to_string(line) + "\n");
  if (InSimulation() && !Here().panicking) {
    Here().panicking = true;
    PrintError(Situation(Here(), in_process));
  }
  std::abort();
}

}  // namespace sockbed
