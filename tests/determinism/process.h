// Running a program in a world that differs in everything a simulation must not notice.
//
// Lives here:  Perturbation, RunProcess, Worlds.
// Called by:   the determinism tests.
// May touch:   the operating system: these tests are about real processes.
#ifndef SOCKBED_TESTS_DETERMINISM_PROCESS_H_
#define SOCKBED_TESTS_DETERMINISM_PROCESS_H_

#include <map>
#include <string>
#include <vector>

namespace sockbed {

// One way in which the world of a process differs.
struct Perturbation {
  const char* name;
  std::map<std::string, std::string> environment;  // all of it
  const char* directory = nullptr;                 // where it runs; null: where the test does
  bool fixed_addresses = false;                    // address space randomisation off
};

// The worlds that must all give the same run.
std::vector<Perturbation> Worlds();

struct ProcessResult {
  int status = -1;     // exit status, or -1 if it was killed
  std::string output;  // standard output and error
};

// Runs `command` (absolute path and arguments) in that world.
ProcessResult RunProcess(const std::vector<std::string>& command, const Perturbation& world);

// The whole of a file; fails the test if it cannot be read.
std::string Slurp(const std::string& path);

// The path of a file among the test's data.
std::string Runfile(const std::string& path);

}  // namespace sockbed

#endif  // SOCKBED_TESTS_DETERMINISM_PROCESS_H_
