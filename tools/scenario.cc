#include "tools/scenario.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernel/host/simulation.h"
#include "kernel/mbuf/mbuf_host.h"
#include "tools/units.h"
#include "tools/yaml_reader.h"

namespace sockbed::tools {
namespace {

constexpr int64_t kMtuMin = 68;  // RFC 791: every link carries that much
constexpr int64_t kMtuMax = 65535;

std::vector<std::string> NamesOf(const std::vector<ScenarioHost>& hosts) {
  std::vector<std::string> names;
  for (const ScenarioHost& host : hosts) names.push_back(host.name);
  return names;
}

// An address in figures, which programs take in place of a host's name.
bool IsAddress(const std::string& text) {
  const std::string with_prefix = text + "/0";
  return ParseAddress(with_prefix).has_value() || ParseAddress6(with_prefix).has_value();
}

bool IsRealFolder(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

Place PlaceOf(const YAML::Node& node) { return {node.Mark().line + 1, node.Mark().column + 1}; }

// Reads one scenario, section by section; each member reads one kind of thing.
class Loader {
 public:
  Loader(const std::string& path, const std::string& text) : reader_(path, text) {
    scenario_.path = path;
  }

  absl::StatusOr<Scenario> Load(const std::map<std::string, std::string>& settings) {
    YamlMap top(reader_, reader_.root(), "the scenario");
    if (const auto* node = top.Find("variables")) ReadVariables(*node);
    ApplySettings(settings);
    if (const auto* node = top.Find("name")) scenario_.name = reader_.Text(*node, "name");
    if (const auto* node = top.Find("about")) scenario_.about = reader_.Text(*node, "about");
    if (const auto* node = top.Find("end")) scenario_.end = Read(*node, "end", ParseDuration);
    if (const auto* node = top.Require("hosts")) ReadHosts(*node);
    ReadList(top.Find("links"), "links", &Loader::ReadLink);
    ReadList(top.Require("programs"), "programs", &Loader::ReadProgram);
    ReadList(top.Find("faults"), "faults", &Loader::ReadFault);
    ReadList(top.Find("expect"), "expect", &Loader::ReadExpectation);
    top.Finish();
    if (!reader_.ok()) return reader_.status();
    return std::move(scenario_);
  }

 private:
  template <typename T>
  T Read(const YAML::Node& node, const char* what, absl::StatusOr<T> (*parse)(absl::string_view)) {
    return reader_.Value<T>(node, what, parse);
  }

  void ReadList(const YAML::Node* node, const char* what, void (Loader::*read)(const YAML::Node&)) {
    if (node == nullptr) return;
    reader_.ForEachItem(*node, what, [&](const YAML::Node& item) { (this->*read)(item); });
  }

  void ReadVariables(const YAML::Node& node) {
    reader_.ForEachEntry(node, "variables",
                         [&](const std::string& name, const YAML::Node&, const YAML::Node& value) {
                           reader_.DefineVariable(
                               name, reader_.Text(value, absl::StrCat("variable ", name)));
                           variables_.push_back(name);
                         });
  }

  void ApplySettings(const std::map<std::string, std::string>& settings) {
    for (const auto& [name, value] : settings) {
      if (std::find(variables_.begin(), variables_.end(), name) == variables_.end()) {
        reader_.Fail(reader_.root(), absl::StrCat("--set ", name, "=...: no such variable",
                                                  Suggest(name, variables_), "; there are: ",
                                                  absl::StrJoin(variables_, ", ")));
        return;
      }
      reader_.DefineVariable(name, value);
    }
  }

  void ReadHosts(const YAML::Node& node) {
    reader_.ForEachEntry(
        node, "hosts",
        [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
          if (name.empty()) reader_.Fail(key, "a host needs a name");
          ScenarioHost host;
          host.name = name;
          YamlMap map(reader_, value, absl::StrCat("host ", name));
          if (const auto* offset = map.Find("clock_offset")) {
            host.clock_offset = Read(*offset, "clock_offset", ParseDuration);
          }
          if (const auto* sysctls = map.Find("sysctl")) ReadSysctls(*sysctls, &host);
          if (const auto* resolver = map.Find("resolver")) ReadResolver(*resolver, &host);
          if (const auto* routes = map.Find("routes")) ReadRoutes(*routes, &host);
          if (const auto* files = map.Find("files")) ReadFiles(*files, &host);
          map.Finish();
          scenario_.hosts.push_back(std::move(host));
        });
    if (reader_.ok() && scenario_.hosts.empty()) reader_.Fail(node, "a scenario needs a host");
  }

  void ReadSysctls(const YAML::Node& node, ScenarioHost* host) {
    reader_.ForEachEntry(
        node, "sysctl",
        [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
          host->sysctls.push_back({name, reader_.Text(value, "a sysctl"), PlaceOf(key)});
        });
  }

  void ReadFiles(const YAML::Node& node, ScenarioHost* host) {
    reader_.ForEachItem(node, "files", [&](const YAML::Node& item) {
      YamlMap map(reader_, item, "a place of files");
      FileMount mount;
      if (const auto* at = map.Require("at")) {
        mount.at = reader_.Text(*at, "at");
        if (reader_.ok() && (mount.at.empty() || mount.at[0] != '/')) {
          reader_.Fail(*at, absl::StrCat("at must be an absolute name, such as /srv, not \"",
                                         mount.at, "\""));
        }
      }
      if (const auto* from = map.Find("from")) {
        mount.from = reader_.Text(*from, "from");
        if (reader_.ok() && !IsRealFolder(mount.from)) {
          reader_.Fail(*from, absl::StrCat("no such folder: \"", mount.from, "\""));
        }
      }
      if (const auto* writable = map.Find("writable")) {
        mount.writable = Truth(*writable, "writable");
      }
      map.Finish();
      host->files.push_back(std::move(mount));
    });
  }

  void ReadResolver(const YAML::Node& node, ScenarioHost* host) {
    ScenarioResolver& resolver = host->resolver.emplace();
    YamlMap map(reader_, node, "a resolver");
    if (const auto* servers = map.Find("nameservers")) {
      reader_.ForEachItem(*servers, "nameservers", [&](const YAML::Node& item) {
        resolver.nameservers.push_back({reader_.Text(item, "a name server"), PlaceOf(item)});
      });
    }
    if (const auto* names = map.Find("names")) {
      reader_.ForEachEntry(
          *names, "names",
          [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
            if (name.empty()) reader_.Fail(key, "an address needs a name");
            resolver.names.push_back({name, {reader_.Text(value, "an address"), PlaceOf(value)}});
          });
    }
    if (const auto* domains = map.Find("search")) {
      reader_.ForEachItem(*domains, "search", [&](const YAML::Node& item) {
        resolver.search.push_back(reader_.Text(item, "a domain"));
      });
    }
    if (const auto* timeout = map.Find("timeout")) {
      resolver.timeout = Read(*timeout, "timeout", ParseDuration);
    }
    if (const auto* attempts = map.Find("attempts")) {
      resolver.attempts = Read(*attempts, "attempts", ParseInteger);
      const bool sane = resolver.attempts >= 1 && resolver.attempts <= 10;
      if (reader_.ok() && !sane) reader_.Fail(*attempts, "attempts: from 1 to 10");
    }
    map.Finish();
  }

  void ReadRoutes(const YAML::Node& node, ScenarioHost* host) {
    reader_.ForEachEntry(
        node, "routes",
        [&](const std::string& destination, const YAML::Node& key, const YAML::Node& value) {
          const std::string gateway = reader_.Text(value, "a gateway");
          const std::optional<HostRoute> route = ParseRoute(destination, gateway);
          if (reader_.ok() && !route.has_value()) {
            reader_.Fail(key, absl::StrCat("\"", destination, ": ", gateway,
                                           "\" is no route, such as 10.0.2.0/30: 10.0.1.2 or "
                                           "default: 10.0.1.2"));
          }
          if (!reader_.ok()) return;
          host->routes.push_back({destination, gateway, *route, PlaceOf(key)});
        });
  }

  // The name of a host that exists.
  std::string HostName(const YAML::Node& node, absl::string_view what) {
    const std::string name = reader_.Text(node, what);
    const std::vector<std::string> names = NamesOf(scenario_.hosts);
    if (reader_.ok() && std::find(names.begin(), names.end(), name) == names.end()) {
      reader_.Fail(node, absl::StrCat(what, " names no host: \"", name, "\"", Suggest(name, names),
                                      "; hosts: ", absl::StrJoin(names, ", ")));
    }
    return name;
  }

  void ReadEnds(const YAML::Node& node, ScenarioLink* link) {
    std::vector<std::string> ends;
    reader_.ForEachItem(node, "between",
                        [&](const YAML::Node& item) { ends.push_back(HostName(item, "between")); });
    if (!reader_.ok()) return;
    if (ends.size() != 2 || ends[0] == ends[1]) {
      reader_.Fail(node, "between must name two different hosts");
      return;
    }
    link->first = ends[0];
    link->second = ends[1];
  }

  // The addresses of both ends. `good` judges one; `like` is an example of one.
  template <typename Good>
  void ReadAddresses(const YAML::Node& node, const char* key, Good good, const char* like,
                     std::string* first, std::string* second) {
    std::vector<std::string> texts;
    reader_.ForEachItem(node, key, [&](const YAML::Node& item) {
      texts.push_back(reader_.Text(item, "an address"));
      if (reader_.ok() && !good(texts.back())) {
        reader_.Fail(item, absl::StrCat("\"", texts.back(),
                                        "\" is no address with a prefix length, such as ", like));
      }
    });
    if (!reader_.ok()) return;
    if (texts.size() != 2) {
      reader_.Fail(node, absl::StrCat(key, " must be two, each such as ", like));
      return;
    }
    *first = texts[0];
    *second = texts[1];
  }

  void ReadChance(YamlMap& map, const char* key, Chance* chance) {
    if (const auto* node = map.Find(key)) *chance = Read(*node, key, ParseChance);
  }

  void ReadLink(const YAML::Node& node) {
    YamlMap map(reader_, node, "a link");
    ScenarioLink link;
    if (const auto* ends = map.Require("between")) ReadEnds(*ends, &link);
    link.name = absl::StrCat(link.first, "-", link.second);
    if (const auto* name = map.Find("name")) link.name = reader_.Text(*name, "name");
    if (const auto* addresses = map.Find("addresses")) {
      ReadAddresses(
          *addresses, "addresses",
          [](const std::string& text) { return ParseAddress(text).has_value(); }, "10.0.1.1/30",
          &link.first_address, &link.second_address);
    }
    if (const auto* addresses = map.Find("addresses6")) {
      ReadAddresses(
          *addresses, "addresses6",
          [](const std::string& text) { return ParseAddress6(text).has_value(); }, "2001:db8::1/64",
          &link.first_address6, &link.second_address6);
    }
    if (const auto* latency = map.Find("latency")) {
      link.latency = Read(*latency, "latency", ParseDuration);
    }
    if (const auto* rate = map.Find("rate")) link.bits_per_second = Read(*rate, "rate", ParseRate);
    ReadChance(map, "loss", &link.loss);
    ReadChance(map, "duplicate", &link.duplicate);
    ReadChance(map, "reorder", &link.reorder);
    ReadChance(map, "corrupt", &link.corrupt);
    if (const auto* delay = map.Find("reorder_delay")) {
      link.reorder_delay = Read(*delay, "reorder_delay", ParseDuration);
    }
    if (const auto* jitter = map.Find("jitter")) {
      link.jitter = Read(*jitter, "jitter", ParseDuration);
    }
    if (const auto* queue = map.Find("queue")) {
      link.queue_packets = Ranged(*queue, "queue", 1, 1'000'000);
    }
    if (const auto* mtu = map.Find("mtu")) link.mtu = Ranged(*mtu, "mtu", kMtuMin, kMtuMax);
    if (const auto* ethernet = map.Find("ethernet")) link.ethernet = Truth(*ethernet, "ethernet");
    map.Finish();
    for (const ScenarioLink& other : scenario_.links) {
      if (other.name == link.name) {
        reader_.Fail(node, absl::StrCat("two links are named \"", link.name, "\""));
      }
    }
    scenario_.links.push_back(std::move(link));
  }

  int64_t Ranged(const YAML::Node& node, const char* what, int64_t min, int64_t max) {
    const int64_t value = Read(node, what, ParseInteger);
    if (reader_.ok() && (value < min || value > max)) {
      reader_.Fail(node, absl::StrCat(what, " must lie from ", min, " to ", max, ", not ", value));
    }
    return value;
  }

  bool Truth(const YAML::Node& node, const char* what) {
    const std::string text = reader_.Text(node, what);
    if (reader_.ok() && text != "true" && text != "false") {
      reader_.Fail(node, absl::StrCat(what, " must be true or false, not \"", text, "\""));
    }
    return text == "true";
  }

  void ReadProgram(const YAML::Node& node) {
    YamlMap map(reader_, node, "a program");
    ScenarioProgram program;
    if (const auto* host = map.Require("host")) program.host = HostName(*host, "host");
    if (const auto* run = map.Require("run")) FindProgramOf(*run, &program);
    if (!reader_.ok()) return;
    if (const auto* name = map.Find("name")) program.name = reader_.Text(*name, "name");
    if (const auto* start = map.Find("start")) {
      program.start_at = Read(*start, "start", ParseDuration);
    }
    if (const auto* daemon = map.Find("daemon")) program.daemon = Truth(*daemon, "daemon");
    const YAML::Node* args = map.Find("args");
    if (program.info != nullptr) {
      ReadArgs(args != nullptr ? *args : YAML::Node(), node, &program);
    } else {
      if (args != nullptr) ReadWords(*args, &program);
      if (const auto* env = map.Find("env")) ReadEnvironment(*env, &program);
    }
    map.Finish();
    for (const ScenarioProgram& other : scenario_.programs) {
      if (other.host == program.host && other.name == program.name) {
        reader_.Fail(node, absl::StrCat("host ", program.host, " has two programs named \"",
                                        program.name, "\"; give one another name"));
      }
    }
    scenario_.programs.push_back(std::move(program));
  }

  // A name with a slash in it is a file's, as in a shell.
  void FindProgramOf(const YAML::Node& node, ScenarioProgram* program) {
    const std::string name = reader_.Text(node, "run");
    if (!reader_.ok()) return;
    const size_t slash = name.rfind('/');
    if (slash != name.npos) {
      program->name = name.substr(slash + 1, name.rfind('.') - slash - 1);
      program->start = {.file = name, .args = {program->name}, .environment = {}};
      const std::string wrong = CheckProgram(name);
      if (!wrong.empty()) reader_.Fail(node, absl::StrCat("cannot run ", name, ": ", wrong));
      return;
    }
    program->info = FindProgram(name);
    if (program->info != nullptr) {
      program->name = program->info->name;
      return;
    }
    std::vector<std::string> names;
    for (const ProgramInfo* known : Programs()) names.emplace_back(known->name);
    reader_.Fail(node, absl::StrCat("unknown program \"", name, "\"", Suggest(name, names),
                                    "; programs: ", absl::StrJoin(names, ", "),
                                    ", or a file such as ./", name, ".so"));
  }

  // The arguments of a file's main.
  void ReadWords(const YAML::Node& node, ScenarioProgram* program) {
    reader_.ForEachItem(node, "args", [&](const YAML::Node& item) {
      program->start.args.push_back(reader_.Text(item, "an argument"));
    });
  }

  void ReadEnvironment(const YAML::Node& node, ScenarioProgram* program) {
    reader_.ForEachEntry(node, "env",
                         [&](const std::string& name, const YAML::Node&, const YAML::Node& value) {
                           program->start.environment.push_back(
                               absl::StrCat(name, "=", reader_.Text(value, "a variable")));
                         });
  }

  void ReadArgs(const YAML::Node& node, const YAML::Node& program_node, ScenarioProgram* program) {
    YamlMap map(reader_, node, absl::StrCat("the arguments of ", program->info->name));
    for (const ArgInfo& arg : program->info->args) {
      const YAML::Node* value = map.Find(arg.name);
      if (value == nullptr && arg.fallback == nullptr) {
        reader_.Fail(program_node, absl::StrCat(program->info->name, " needs the argument \"",
                                                arg.name, "\": ", arg.help));
        return;
      }
      const std::string text = value != nullptr ? reader_.Text(*value, arg.name) : arg.fallback;
      if (!reader_.ok()) return;
      const YAML::Node& place = value != nullptr ? *value : program_node;
      if (arg.type == ArgType::kHost && !IsAddress(text)) HostName(place, arg.name);
      if (const absl::Status set = program->args.Set(arg, text); !set.ok()) {
        reader_.Fail(place, absl::StrCat(arg.name, ": ", set.message()));
      }
    }
    map.Finish();
  }

  void ReadFault(const YAML::Node& node) {
    YamlMap map(reader_, node, "a fault");
    fault::Rule rule{};
    if (const auto* site = map.Require("site")) rule.site = FaultSite(*site);
    if (const auto* pool = map.Find("pool")) rule.only_object = PoolAt(*pool, rule.site);
    if (const auto* host = map.Find("host")) rule.host = HostIdOf(HostName(*host, "host"));
    if (const auto* nth = map.Find("nth")) {
      rule.only_ordinal = static_cast<uint64_t>(Ranged(*nth, "nth", 1, INT64_MAX));
    }
    ReadChance(map, "chance", &rule.chance);
    map.Finish();
    if (reader_.ok() && rule.chance == 0) reader_.Fail(node, "a fault needs a chance above 0 %");
    scenario_.faults.push_back(rule);
  }

  HostId HostIdOf(const std::string& name) const {
    for (size_t i = 0; i < scenario_.hosts.size(); ++i) {
      if (scenario_.hosts[i].name == name) return static_cast<HostId>(i + 1);
    }
    return 0;
  }

  Site FaultSite(const YAML::Node& node) {
    const std::string name = reader_.Text(node, "site");
    std::vector<std::string> names;
    for (int i = 0; i < static_cast<int>(Site::kCount); ++i) {
      const SiteInfo& info = InfoOf(static_cast<Site>(i));
      if (info.kind != SiteKind::kFault) continue;
      if (info.name == name) return static_cast<Site>(i);
      names.emplace_back(info.name);
    }
    reader_.Fail(node, absl::StrCat("unknown fault site \"", name, "\"", Suggest(name, names),
                                    "; sites: ", absl::StrJoin(names, ", ")));
    return Site::kCount;
  }

  // The object that a rule for that pool of mbufs or clusters names.
  std::optional<uint64_t> PoolAt(const YAML::Node& node, Site site) {
    const std::string name = reader_.Text(node, "pool");
    const std::optional<fault::Rule> rule = mbuf_pool_rule(name);
    if (!rule) {
      reader_.Fail(node,
                   absl::StrCat("unknown pool \"", name, "\"", Suggest(name, mbuf_pool_names()),
                                "; pools: ", absl::StrJoin(mbuf_pool_names(), ", ")));
    } else if (reader_.ok() && rule->site != site) {
      reader_.Fail(node, absl::StrCat("the site of pool ", name, " is ",
                                      std::string(InfoOf(rule->site).name)));
    }
    return rule ? rule->only_object : std::nullopt;
  }

  // "name" or "host/name" of a program that exists; the answer has both parts.
  std::string ProgramName(const YAML::Node& node) {
    const std::string wanted = reader_.Text(node, "program");
    std::vector<std::string> names;
    std::vector<std::string> matches;
    for (const ScenarioProgram& program : scenario_.programs) {
      names.push_back(absl::StrCat(program.host, "/", program.name));
      if (wanted == program.name || wanted == names.back()) matches.push_back(names.back());
    }
    if (reader_.ok() && matches.size() != 1) {
      reader_.Fail(node, absl::StrCat(matches.empty() ? "no program is named \"" : "ambiguous: \"",
                                      wanted, "\"; programs: ", absl::StrJoin(names, ", ")));
    }
    return matches.empty() ? "" : matches[0];
  }

  void ReadExpectation(const YAML::Node& node) {
    YamlMap map(reader_, node, "an expectation");
    Expectation expected;
    expected.place = PlaceOf(node);
    if (const auto* program = map.Find("program")) expected.program = ProgramName(*program);
    if (const auto* status = map.Find("exit"))
      expected.exit_status = Ranged(*status, "exit", 0, 255);
    if (const auto* prints = map.Find("prints")) expected.prints = reader_.Text(*prints, "prints");
    if (const auto* by = map.Find("ends_by"))
      expected.ends_by = Read(*by, "ends_by", ParseDuration);
    map.Finish();
    const int kinds = expected.exit_status.has_value() + expected.prints.has_value() +
                      expected.ends_by.has_value();
    if (reader_.ok() && (kinds != 1 || expected.program.empty() != expected.ends_by.has_value())) {
      reader_.Fail(node, "an expectation is one of: program and exit; program and prints; ends_by");
    }
    scenario_.expectations.push_back(std::move(expected));
  }

  YamlReader reader_;
  Scenario scenario_;
  std::vector<std::string> variables_;
};

}  // namespace

absl::StatusOr<Scenario> ParseScenario(const std::string& path, const std::string& text,
                                       const std::map<std::string, std::string>& settings) {
  return Loader(path, text).Load(settings);
}

absl::StatusOr<Scenario> LoadScenario(const std::string& path,
                                      const std::map<std::string, std::string>& settings) {
  const absl::StatusOr<std::string> text = ReadRealFile(path);
  if (!text.ok()) return text.status();
  return ParseScenario(path, *text, settings);
}

}  // namespace sockbed::tools
