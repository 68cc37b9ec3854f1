// Reading YAML strictly: each key known, each value of its type, each error with its place.
//
// Lives here:  YamlReader (one file), YamlMap (one mapping of it).
// Called by:   the scenario loader.
// May touch:   yaml-cpp: nobody else does.
// Invariants:  the first error wins and stays; after an error every answer is a default and nothing
//              more is said.
#ifndef SOCKBED_TOOLS_YAML_READER_H_
#define SOCKBED_TOOLS_YAML_READER_H_

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockbed::tools {

class YamlReader {
 public:
  YamlReader(std::string path, const std::string& text);

  const YAML::Node& root() const { return root_; }
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

  // Records the first error, with the place of `node`.
  void Fail(const YAML::Node& node, absl::string_view what);
  void FailAt(const YAML::Mark& mark, absl::string_view what);

  // ${name} in values stands for these.
  void DefineVariable(const std::string& name, const std::string& value);

  // A scalar with its variables filled in; fails on anything else.
  std::string Text(const YAML::Node& node, absl::string_view what);

  // A scalar read by `parse`, whose error is given the node's place.
  template <typename T>
  T Value(const YAML::Node& node, absl::string_view what,
          absl::StatusOr<T> (*parse)(absl::string_view)) {
    const std::string text = Text(node, what);
    if (!ok()) return T();
    const absl::StatusOr<T> value = parse(text);
    if (value.ok()) return *value;
    Fail(node, value.status().message());
    return T();
  }

  // Calls `visit` for each entry of a mapping, in order; fails on other kinds and on keys that
  // stand twice.
  void ForEachEntry(const YAML::Node& node, absl::string_view what,
                    const std::function<void(const std::string& key, const YAML::Node& key_node,
                                             const YAML::Node& value)>& visit);
  // Calls `visit` for each item of a list.
  void ForEachItem(const YAML::Node& node, absl::string_view what,
                   const std::function<void(const YAML::Node& item)>& visit);

 private:
  const std::string path_;
  YAML::Node root_;
  absl::Status status_;
  std::map<std::string, std::string> variables_;
};

// A mapping whose keys are all known. Each key is asked for once; Finish fails on what nobody asked
// for.
class YamlMap {
 public:
  // `what` names the mapping in errors: "a link".
  YamlMap(YamlReader& reader, const YAML::Node& node, std::string what);

  // The value of `key`, or null when it is not there.
  const YAML::Node* Find(const std::string& key);
  // The same; fails when it is not there.
  const YAML::Node* Require(const std::string& key);
  // Fails on the first key that was not asked for, naming those that were.
  void Finish();

  const YAML::Node& node() const { return node_; }

 private:
  YamlReader& reader_;
  const YAML::Node node_;
  const std::string what_;
  struct Entry {
    std::string key;
    YAML::Node key_node;
    YAML::Node value;
  };
  std::vector<Entry> entries_;
  std::set<std::string> asked_;
};

// The allowed name nearest to `found` in spelling, as " (did you mean X?)", or nothing.
std::string Suggest(absl::string_view found, const std::vector<std::string>& allowed);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_YAML_READER_H_
