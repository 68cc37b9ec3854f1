#include "tools/packetdrill_command.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/packetdrill/config.h"
#include "tools/packetdrill/parser.h"
#include "tools/packetdrill/printer.h"
#include "tools/pcapng.h"
#include "tools/worker_pool.h"

namespace sockbed::tools {

const char kPacketdrillHelp[] =
    R"(sockbed packetdrill [--profile=openbsd|freebsd] [--exact] [flags] FILE|DIR...

Runs packetdrill scripts, each on a simulated host of its own, in virtual time. Folders are searched
for *.pkt and run in parallel. Prints what failed to stderr as script:line, with the expected and
the actual packet; then totals, with the largest deviation of an event from its time.

  --profile=NAME     whose behaviour the host has: openbsd (default) or freebsd
  --exact            no tolerance: every event at its microsecond
  --jobs=N           processes (default: one for each processor)
  --seed=N           the host's initial sequence numbers, ports and the like
  --expected_failures=FILE
                     scripts that do not pass: "# the reason", a folder ("name/"), its scripts,
                     a line each; a script that is not listed and fails, or is listed and passes,
                     makes the run fail
  --ignore_sysctl=NAME,NAME...
                     tunables that scripts may set in vain
  --ignore_command=NAME,NAME...
                     commands that scripts may give in vain
  --capture=FOLDER   a capture of each script's packets, which Wireshark reads
  --print            print the scripts as they were understood, and run nothing
  -D NAME[=VALUE]    define a symbol of the script
  -v                 tell each event, and how far it was from its time

Further flags are those of a script's head, and outrank it: --ip_version, --tolerance_usecs, --mtu,
--bind_port, --non_fatal, --dry_run ...

Exit status: 0 all passed; 1 a script failed; 2 bad input, nothing was done.
)";

namespace {

using packetdrill::Verdict;

struct Script {
  std::string path;
  std::string name;    // below the folder that was named, or the path itself
  std::string folder;  // of `name`
};

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

std::string Contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// --- Arguments. ---

absl::Status TakeDefinition(const std::string& text, PacketdrillOptions* options) {
  const size_t equals = text.find('=');
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  options->run.definitions[text.substr(0, equals)] = value;
  return text.empty() || equals == 0 ? Bad("-D needs NAME[=VALUE]") : absl::OkStatus();
}

absl::Status SetProfile(const std::string& name, PacketdrillOptions* options) {
  if (name != "openbsd" && name != "freebsd") return Bad("--profile is openbsd or freebsd");
  options->run.profile =
      name == "freebsd" ? packetdrill::Profile::kFreeBsd : packetdrill::Profile::kOpenBsd;
  return absl::OkStatus();
}

// "--name=value" or "--name".
absl::Status TakeFlag(const std::string& flag, PacketdrillOptions* options) {
  const size_t equals = flag.find('=');
  const std::string name = flag.substr(2, equals - 2);
  std::optional<std::string> value;
  if (equals != std::string::npos) value = flag.substr(equals + 1);
  const std::map<std::string, bool*> switches = {{"exact", &options->run.exact},
                                                 {"verbose", &options->run.verbose},
                                                 {"print", &options->print},
                                                 {"help", &options->help}};
  if (const auto found = switches.find(name); found != switches.end()) {
    if (value) return Bad(absl::StrCat("--", name, " takes no value"));
    *found->second = true;
    return absl::OkStatus();
  }
  const bool ours = name == "profile" || name == "jobs" || name == "seed" ||
                    name == "expected_failures" || name == "ignore_sysctl" ||
                    name == "ignore_command" || name == "define" || name == "capture";
  if (!ours) {
    packetdrill::Config scratch;
    options->run.overrides.emplace_back(name, value);
    return packetdrill::ApplyOption(name, value, &scratch);
  }
  if (!value) return Bad(absl::StrCat("--", name, " needs a value"));
  if (name == "profile") return SetProfile(*value, options);
  if (name == "define") return TakeDefinition(*value, options);
  if (name == "expected_failures") options->expected_failures = *value;
  if (name == "capture") options->capture = *value;
  if (name == "ignore_sysctl" || name == "ignore_command") {
    auto& ignored =
        name == "ignore_sysctl" ? options->run.ignored_sysctls : options->run.ignored_commands;
    for (absl::string_view word : absl::StrSplit(*value, ',')) ignored.emplace(word);
  }
  if (name == "seed" && !absl::SimpleAtoi(*value, &options->run.seed)) return Bad("--seed=N");
  if (name == "jobs" && (!absl::SimpleAtoi(*value, &options->jobs) || options->jobs < 1)) {
    return Bad("--jobs=N");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Script>> FindScripts(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::vector<Script> scripts;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      std::vector<Script> found;
      for (const auto& entry : fs::recursive_directory_iterator(path)) {
        if (entry.path().extension() != ".pkt") continue;
        const fs::path name = entry.path().lexically_relative(path);
        found.push_back({entry.path().string(), name.string(), name.parent_path().string()});
      }
      std::sort(found.begin(), found.end(),
                [](const Script& a, const Script& b) { return a.path < b.path; });
      scripts.insert(scripts.end(), found.begin(), found.end());
    } else if (fs::exists(path, error)) {
      scripts.push_back({path, path, fs::path(path).parent_path().string()});
    } else {
      return absl::NotFoundError(absl::StrCat("no such script or folder: ", path));
    }
  }
  return scripts;
}

// The list of scripts that do not pass: "# a reason", below it folders ("name/") and in each its
// scripts. Errors: NotFound, InvalidArgument (no reason, twice).
absl::StatusOr<std::map<std::string, std::string>> ReadExpectedFailures(const std::string& path) {
  std::map<std::string, std::string> expected;
  if (path.empty()) return expected;
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("no such list: ", path));
  std::string line, reason, folder;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    if (line[0] == '#') {
      reason = line.substr(1);
    } else if (line.back() == '/') {
      folder = line;
    } else if (reason.empty()) {
      return Bad(absl::StrCat(path, ":", number, ": a script without a reason"));
    } else if (!expected.emplace(folder + line, reason).second) {
      return Bad(absl::StrCat(path, ":", number, ": listed twice: ", folder, line));
    }
  }
  return expected;
}

// --- A verdict on its way from a worker. ---

std::string Pack(const Verdict& verdict) {
  std::string text;
  for (const int64_t number :
       {int64_t{verdict.passed}, int64_t{verdict.readable}, verdict.deviation_us,
        int64_t{verdict.deviation_line}, int64_t{verdict.events},
        static_cast<int64_t>(verdict.message.size()), static_cast<int64_t>(verdict.log.size())}) {
    absl::StrAppend(&text, number, " ");
  }
  return absl::StrCat(text, "\n", verdict.message, verdict.log, verdict.left_behind);
}

Verdict Unpack(const std::string& text, const std::string& died, const std::string& path) {
  Verdict verdict;
  if (!died.empty()) {
    verdict.message = absl::StrCat(path, ": ", died, "\n");
    return verdict;
  }
  std::istringstream numbers(text.substr(0, text.find('\n')));
  size_t message = 0, log = 0;
  numbers >> verdict.passed >> verdict.readable >> verdict.deviation_us >> verdict.deviation_line >>
      verdict.events >> message >> log;
  const std::string rest = text.substr(text.find('\n') + 1);
  verdict.message = rest.substr(0, message);
  verdict.log = rest.substr(message, log);
  verdict.left_behind = rest.substr(message + log);
  return verdict;
}

// --- Totals. ---

struct Count {
  int passed = 0, failed = 0, late = 0;
};

class Totals {
 public:
  Totals(const std::vector<Script>& scripts, std::map<std::string, std::string> expected)
      : scripts_(scripts), expected_(std::move(expected)) {}

  void Add(size_t job, const Verdict& verdict) {
    const Script& script = scripts_[job];
    const auto listed = expected_.find(script.name);
    const bool may_fail = listed != expected_.end();
    Count& count = folders_[script.folder];
    ++(verdict.passed ? count.passed : count.failed);
    ++(verdict.passed ? all_.passed : all_.failed);
    if (verdict.passed && verdict.deviation_us != 0) {
      ++count.late;
      ++all_.late;
      if (std::abs(verdict.deviation_us) > std::abs(worst_us_)) {
        worst_us_ = verdict.deviation_us;
        worst_ = absl::StrCat(script.name, ":", verdict.deviation_line);
      }
    }
    if (!verdict.readable) ++unreadable_;
    if (!verdict.left_behind.empty()) {
      absl::StrAppend(&output_[job], script.path, ": left behind:\n", verdict.left_behind);
      unexpected_ = true;
    }
    if (!verdict.passed && may_fail) {
      ++listed_;
    } else if (!verdict.passed) {
      output_[job] += verdict.message;
      unexpected_ = true;
    } else if (may_fail) {
      absl::StrAppend(&output_[job], script.path, ": passes, though listed as failing\n");
      unexpected_ = true;
    }
    output_[job] += verdict.log;
  }

  // Failures and what else there is to say of scripts, in their order.
  std::string Complaints() const {
    std::string text;
    for (const auto& [job, output] : output_) text += output;
    return text;
  }
  std::string Sums() const {
    std::string text;
    if (folders_.size() > 1) {
      absl::StrAppendFormat(&text, "%-50s %7s %7s %9s\n", "", "passed", "failed", "deviating");
      for (const auto& [folder, count] : folders_) {
        absl::StrAppendFormat(&text, "%-50s %7d %7d %9d\n", folder.empty() ? "." : folder,
                              count.passed, count.failed, count.late);
      }
    }
    absl::StrAppendFormat(&text, "%d scripts: %d passed, %d failed", all_.passed + all_.failed,
                          all_.passed, all_.failed);
    if (listed_ > 0) absl::StrAppend(&text, " (", listed_, " of them as listed)");
    if (unreadable_ > 0) absl::StrAppend(&text, ", ", unreadable_, " could not be read");
    absl::StrAppend(&text, "; ", all_.late, " passed with a deviation");
    if (all_.late > 0) absl::StrAppend(&text, ", at most ", worst_us_, " usecs at ", worst_);
    return text + "\n";
  }

  int done() const { return all_.passed + all_.failed; }
  int failed() const { return all_.failed; }
  bool good() const { return !unexpected_; }

 private:
  const std::vector<Script>& scripts_;
  const std::map<std::string, std::string> expected_;
  std::map<size_t, std::string> output_;
  std::map<std::string, Count> folders_;
  Count all_;
  int unreadable_ = 0;
  int listed_ = 0;
  bool unexpected_ = false;
  int64_t worst_us_ = 0;
  std::string worst_;
};

// --- Captures. ---

// What a script's capture is called: its name without what divides folders.
std::string CaptureName(const Script& script) {
  std::string name = script.name.substr(0, script.name.rfind(".pkt"));
  std::replace(name.begin(), name.end(), '/', '-');
  return name;
}

// Errors: InvalidArgument: two scripts would have one capture.
absl::Status CheckCaptureNames(const std::vector<Script>& scripts) {
  std::map<std::string, std::string> paths;
  for (const Script& script : scripts) {
    const auto [other, added] = paths.emplace(CaptureName(script), script.path);
    if (!added) {
      return Bad(absl::StrCat("--capture: ", other->second, " and ", script.path,
                              " would have one capture, ", other->first, ".pcapng"));
    }
  }
  return absl::OkStatus();
}

// A file in the folder for each script.
absl::StatusOr<std::unique_ptr<PcapngWriter>> OpenCapture(const std::string& folder,
                                                          const Script& script) {
  const std::string name = CaptureName(script);
  return PcapngWriter::Create(absl::StrCat(folder, "/", name, ".pcapng"), name);
}

// Runs a script, with a capture if one is wanted.
Verdict RunOne(const Script& script, const packetdrill::RunOptions& run,
               const std::string& capture_folder) {
  const std::string text = Contents(script.path);
  if (capture_folder.empty()) return packetdrill::RunScript(script.path, text, run);
  Verdict verdict;
  auto capture = OpenCapture(capture_folder, script);
  absl::Status written = capture.status();
  if (written.ok()) {
    packetdrill::RunOptions tapped = run;
    tapped.listener = [&](SimTime when, const std::vector<uint8_t>& packet, bool outbound) {
      (*capture)->Add(when, std::as_bytes(std::span(packet)), outbound, "");
    };
    verdict = packetdrill::RunScript(script.path, text, tapped);
    written = (*capture)->Finish("");
  }
  if (written.ok()) return verdict;
  verdict.passed = false;
  absl::StrAppend(&verdict.message, script.path, ": ", written.message(), "\n");
  return verdict;
}

absl::StatusOr<bool> PrintScripts(const std::vector<Script>& scripts,
                                  const PacketdrillOptions& options) {
  packetdrill::Definitions definitions = options.run.definitions;
  definitions.merge(packetdrill::ProfileDefinitions(options.run.profile));
  bool good = true;
  for (const Script& script : scripts) {
    const auto parsed = packetdrill::ParseScript(Contents(script.path), script.path, definitions);
    good = good && parsed.ok();
    fputs(parsed.ok() ? packetdrill::PrintScript(*parsed).c_str()
                      : absl::StrCat(parsed.status().message(), "\n").c_str(),
          parsed.ok() ? stdout : stderr);
  }
  return good;
}

}  // namespace

absl::StatusOr<PacketdrillOptions> ParsePacketdrillArguments(const std::vector<std::string>& args) {
  PacketdrillOptions options;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    absl::Status status;
    if (arg == "-v") {
      options.run.verbose = true;
    } else if (arg == "-h") {
      options.help = true;
    } else if (absl::StartsWith(arg, "-D")) {
      if (arg.size() == 2 && i + 1 == args.size()) return Bad("-D needs NAME[=VALUE]");
      status = TakeDefinition(arg.size() > 2 ? arg.substr(2) : args[++i], &options);
    } else if (absl::StartsWith(arg, "--")) {
      status = TakeFlag(arg, &options);
    } else if (absl::StartsWith(arg, "-")) {
      return Bad(absl::StrCat("unknown flag ", arg));
    } else {
      options.paths.push_back(arg);
    }
    if (!status.ok()) return status;
  }
  if (options.paths.empty() && !options.help) return Bad("packetdrill takes scripts or folders");
  return options;
}

absl::StatusOr<bool> RunPacketdrill(const PacketdrillOptions& options) {
  const absl::StatusOr<std::vector<Script>> scripts = FindScripts(options.paths);
  if (!scripts.ok()) return scripts.status();
  absl::StatusOr<std::map<std::string, std::string>> expected =
      ReadExpectedFailures(options.expected_failures);
  if (!expected.ok()) return expected.status();
  if (options.print) return PrintScripts(*scripts, options);

  if (!options.capture.empty()) {
    if (absl::Status status = CheckCaptureNames(*scripts); !status.ok()) return status;
  }
  if (!options.capture.empty() && mkdir(options.capture.c_str(), 0777) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", options.capture));
  }
  Totals totals(*scripts, *std::move(expected));
  MachineStore store;  // a copy for each worker
  packetdrill::RunOptions run = options.run;
  run.store = &store;
  const auto work = [&](size_t job) {
    const Script& script = (*scripts)[job];
    return Pack(RunOne(script, run, options.capture));
  };
  const bool progress = isatty(STDERR_FILENO) != 0 && scripts->size() > 1;
  const auto done = [&](size_t job, const std::string& result, const std::string& died) {
    totals.Add(job, Unpack(result, died, (*scripts)[job].path));
    if (!progress) return;
    fprintf(stderr, "\r%d of %d, %d failed", totals.done(), static_cast<int>(scripts->size()),
            totals.failed());
  };
  const int jobs =
      options.jobs > 0 ? options.jobs : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  absl::Status status = RunInWorkers(scripts->size(), jobs, work, done);
  if (progress) fprintf(stderr, "\r%40s\r", "");
  if (!status.ok()) return status;
  fputs(totals.Complaints().c_str(), stderr);
  const bool silent = scripts->size() == 1 && totals.good();  // one good script needs no sums
  if (!silent || options.run.verbose) fputs(totals.Sums().c_str(), stdout);
  return totals.good();
}

}  // namespace sockbed::tools
