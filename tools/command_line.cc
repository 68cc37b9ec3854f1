#include "tools/command_line.h"

#include <algorithm>
#include <utility>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace sockbed::tools {
namespace {

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// "--seed=7" and "--seed 7" alike: the value, from the same word or the next.
absl::StatusOr<std::string> ValueOf(const std::string& name, const std::string& word,
                                    const std::vector<std::string>& args, size_t* i) {
  const size_t equals = word.find('=');
  if (equals != std::string::npos) return word.substr(equals + 1);
  if (*i + 1 < args.size()) return args[++*i];
  return Bad(absl::StrCat("--", name, " needs a value"));
}

bool IsPair(const std::string& name) { return name == "set" || name == "sysctl"; }

// One --set or --sysctl.
absl::Status AddPair(const std::string& flag, const std::string& text, CommandLine* line) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Bad(absl::StrCat("--", flag, " wants name=value, not \"", text, "\""));
  }
  const std::string name = text.substr(0, equals), value = text.substr(equals + 1);
  if (flag == "set") {
    line->settings[name] = value;
    return absl::OkStatus();
  }
  line->sysctls.emplace_back(name, value);
  return absl::OkStatus();
}

absl::Status SetFlag(const std::string& name, const std::string& value) {
  absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
  std::string error;
  if (flag->ParseFrom(value, &error)) return absl::OkStatus();
  return Bad(
      absl::StrCat("--", name, ": \"", value, "\" will not do", error.empty() ? "" : ": ", error));
}

bool IsSwitch(const std::string& name) { return absl::FindCommandLineFlag(name)->IsOfType<bool>(); }

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& args,
                                             const std::vector<std::string>& allowed) {
  CommandLine line;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word == "--help" || word == "-h") {
      line.help = true;
      continue;
    }
    if (!absl::StartsWith(word, "--")) {
      line.words.push_back(word);
      continue;
    }
    const std::string name = word.substr(2, word.find('=') - 2);
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      return Bad(
          absl::StrCat("unknown flag --", name, "; there are: --", absl::StrJoin(allowed, ", --")));
    }
    if (!IsPair(name) && IsSwitch(name) && !absl::StrContains(word, '=')) {
      if (absl::Status set = SetFlag(name, "true"); !set.ok()) return set;
      continue;
    }
    const absl::StatusOr<std::string> value = ValueOf(name, word, args, &i);
    if (!value.ok()) return value.status();
    absl::Status set = IsPair(name) ? AddPair(name, *value, &line) : SetFlag(name, *value);
    if (!set.ok()) return set;
  }
  return line;
}

}  // namespace sockbed::tools
