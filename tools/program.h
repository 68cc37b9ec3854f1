// The programs that a scenario can run on its hosts, and the arguments they take.
//
// Lives here:  ProgramInfo, ArgInfo, ProgramArgs, the registry.
// Called by:   the scenario loader (checks names and arguments), the run command (makes the mains).
// Owns:        ProgramArgs owns what it has read, files included: a simulated program never touches
//              real files.
// Invariants:  a ProgramArgs holds a value of the right type for every argument of its program.
#ifndef SOCKBED_TOOLS_PROGRAM_H_
#define SOCKBED_TOOLS_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernel/sim/time.h"

namespace sockbed::tools {

// kCount: from 1; kNumber: from 0.
enum class ArgType { kText, kCount, kNumber, kPort, kFile, kSize, kDuration, kHost, kFlag };

// One argument of a program.
struct ArgInfo {
  const char* name;
  ArgType type;
  const char* fallback;  // the value when it is not given; null: it must be given
  const char* help;      // one line
};

class ProgramArgs {
 public:
  // Reads `text` as the argument's type. Errors: InvalidArgument with what is allowed; what the
  // file system says.
  absl::Status Set(const ArgInfo& arg, const std::string& text);

  // REQUIRES: the program's table has that argument, with that type.
  const std::string& text(const std::string& name) const { return texts_.at(name); }
  int64_t number(const std::string& name) const { return numbers_.at(name); }
  uint16_t port(const std::string& name) const { return static_cast<uint16_t>(numbers_.at(name)); }
  bool flag(const std::string& name) const { return numbers_.at(name) != 0; }
  // The contents of a file argument; its name is text(name).
  std::shared_ptr<const std::string> file(const std::string& name) const { return files_.at(name); }

 private:
  std::map<std::string, std::string> texts_;
  std::map<std::string, int64_t> numbers_;
  std::map<std::string, std::shared_ptr<const std::string>> files_;
};

struct ProgramInfo {
  const char* name;
  const char* summary;  // one line
  std::span<const ArgInfo> args;
  // The program's main for these arguments; it runs as a simulated process.
  std::function<int()> (*make)(const ProgramArgs& args);
};

// The `make` of a program whose main takes its arguments.
template <int (*Main)(const ProgramArgs&)>
std::function<int()> MakeProgram(const ProgramArgs& args) {
  return [args] { return Main(args); };
}

// All programs, sorted by name.
std::span<const ProgramInfo* const> Programs();
// The program of that name, or null.
const ProgramInfo* FindProgram(absl::string_view name);

// A real file's contents. Errors: what the file system says, with the path.
absl::StatusOr<std::string> ReadRealFile(const std::string& path);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_PROGRAM_H_
