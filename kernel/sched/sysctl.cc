#include "kernel/sched/sysctl.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {

void SysctlTable::Add(std::string name, Node node) {
  KASSERT(node.value != nullptr);
  if (nodes_.empty()) nodes_.reserve(256);
  const auto [added, is_new] = nodes_.emplace(std::move(name), std::move(node));
  KASSERT(is_new);
  names_.push_back(added->first);
}

void SysctlTable::AddAlias(std::string alias, const std::string& name) {
  const auto found = nodes_.find(name);
  KASSERT(found != nodes_.end());
  Add(std::move(alias), found->second);
}

int SysctlTable::Get(std::string_view name, int64_t* value) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return ENOENT;
  *value = *found->second.value;
  return 0;
}

int SysctlTable::Set(std::string_view name, int64_t value) {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return ENOENT;
  const Node& node = found->second;
  if (value < node.min || value > node.max) return EINVAL;
  if (node.check) {
    if (const int error = node.check(value)) return error;
  }
  *node.value = value;
  return 0;
}

std::vector<std::string> SysctlTable::Names() const {
  std::vector<std::string> names(names_.begin(), names_.end());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sockbed
