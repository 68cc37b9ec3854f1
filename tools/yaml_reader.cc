#include "tools/yaml_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sockbed::tools {
namespace {

const char* KindOf(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar: return "a single value";
    case YAML::NodeType::Sequence: return "a list";
    case YAML::NodeType::Map: return "a mapping";
    case YAML::NodeType::Null: return "nothing";
    case YAML::NodeType::Undefined: break;
  }
  return "nothing";
}

// How many single-character changes make one text of the other.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Suggest(absl::string_view found, const std::vector<std::string>& allowed) {
  const auto nearest = std::min_element(allowed.begin(), allowed.end(),
                                        [&](const std::string& a, const std::string& b) {
                                          return EditDistance(found, a) < EditDistance(found, b);
                                        });
  if (nearest == allowed.end() || EditDistance(found, *nearest) > 2) return "";
  return absl::StrCat(" (did you mean ", *nearest, "?)");
}

YamlReader::YamlReader(std::string path, const std::string& text) : path_(std::move(path)) {
  // The library reports bad syntax by exceptions; they end here.
  try {
    root_ = YAML::Load(text);
  } catch (const YAML::ParserException& error) {
    FailAt(error.mark, error.msg);
  }
}

void YamlReader::Fail(const YAML::Node& node, absl::string_view what) { FailAt(node.Mark(), what); }

void YamlReader::FailAt(const YAML::Mark& mark, absl::string_view what) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrCat(path_, ":", mark.line + 1, ":", mark.column + 1, ": ", what));
}

void YamlReader::DefineVariable(const std::string& name, const std::string& value) {
  variables_[name] = value;
}

std::string YamlReader::Text(const YAML::Node& node, absl::string_view what) {
  if (!ok()) return "";
  if (!node.IsScalar()) {
    Fail(node, absl::StrCat(what, " must be a single value, not ", KindOf(node)));
    return "";
  }
  std::string text = node.Scalar();
  for (size_t start = text.find("${"); start != std::string::npos; start = text.find("${", start)) {
    const size_t end = text.find('}', start);
    const std::string name = text.substr(start + 2, end == std::string::npos ? 0 : end - start - 2);
    const auto found = variables_.find(name);
    if (end == std::string::npos || found == variables_.end()) {
      std::vector<std::string> names;
      for (const auto& [known, value] : variables_) names.push_back(known);
      Fail(node, absl::StrCat("no variable ${", name, "}", Suggest(name, names),
                              "; there are: ", absl::StrJoin(names, ", ")));
      return "";
    }
    text.replace(start, end + 1 - start, found->second);
    start += found->second.size();
  }
  return text;
}

void YamlReader::ForEachEntry(
    const YAML::Node& node, absl::string_view what,
    const std::function<void(const std::string&, const YAML::Node&, const YAML::Node&)>& visit) {
  if (!ok() || node.IsNull()) return;
  if (!node.IsMap()) {
    Fail(node, absl::StrCat(what, " must be a mapping, not ", KindOf(node)));
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!ok()) return;
    if (!entry.first.IsScalar()) {
      Fail(entry.first, absl::StrCat("a key of ", what, " must be a single word"));
      return;
    }
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      Fail(entry.first, absl::StrCat("\"", key, "\" stands twice in ", what));
      return;
    }
    visit(key, entry.first, entry.second);
  }
}

void YamlReader::ForEachItem(const YAML::Node& node, absl::string_view what,
                             const std::function<void(const YAML::Node&)>& visit) {
  if (!ok() || node.IsNull()) return;
  if (!node.IsSequence()) {
    Fail(node, absl::StrCat(what, " must be a list, not ", KindOf(node)));
    return;
  }
  for (const YAML::Node& item : node) {
    if (!ok()) return;
    visit(item);
  }
}

YamlMap::YamlMap(YamlReader& reader, const YAML::Node& node, std::string what)
    : reader_(reader), node_(node), what_(std::move(what)) {
  reader_.ForEachEntry(
      node, what_,
      [this](const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
        entries_.push_back({key, key_node, value});
      });
}

const YAML::Node* YamlMap::Find(const std::string& key) {
  asked_.insert(key);
  for (const Entry& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

const YAML::Node* YamlMap::Require(const std::string& key) {
  const YAML::Node* value = Find(key);
  if (value == nullptr) reader_.Fail(node_, absl::StrCat(what_, " needs \"", key, "\""));
  return value;
}

void YamlMap::Finish() {
  for (const Entry& entry : entries_) {
    if (asked_.contains(entry.key)) continue;
    const std::vector<std::string> allowed(asked_.begin(), asked_.end());
    reader_.Fail(entry.key_node, absl::StrCat("unknown key \"", entry.key, "\" in ", what_,
                                              Suggest(entry.key, allowed),
                                              "; allowed: ", absl::StrJoin(allowed, ", ")));
    return;
  }
}

}  // namespace sockbed::tools
