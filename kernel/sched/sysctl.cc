#include "kernel/sched/sysctl.h"

#include <errno.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {

void SysctlTable::Add(std::string name, Node node) {
  KASSERT(node.value != nullptr);
  Enter(std::move(name), std::move(node));
}

void SysctlTable::AddText(std::string name, TextNode node) {
  KASSERT(node.get && node.set && node.wants != nullptr);
  Enter(std::move(name), std::move(node));
}

void SysctlTable::Enter(std::string name, AnyNode node) {
  if (nodes_.empty()) nodes_.reserve(256);
  const auto [added, is_new] = nodes_.emplace(std::move(name), std::move(node));
  KASSERT(is_new);
  names_.push_back(added->first);
}

void SysctlTable::AddAlias(std::string alias, const std::string& name) {
  const auto found = nodes_.find(name);
  KASSERT(found != nodes_.end());
  Enter(std::move(alias), found->second);
}

int SysctlTable::Get(std::string_view name, int64_t* value) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return ENOENT;
  const Node* node = std::get_if<Node>(&found->second);
  if (node == nullptr) return EINVAL;
  *value = *node->value;
  return 0;
}

int SysctlTable::Set(std::string_view name, int64_t value) {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return ENOENT;
  const Node* node = std::get_if<Node>(&found->second);
  if (node == nullptr || value < node->min || value > node->max) return EINVAL;
  if (node->check) {
    if (const int error = node->check(value)) return error;
  }
  *node->value = value;
  return 0;
}

int SysctlTable::GetText(std::string_view name, std::string* text) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return ENOENT;
  const TextNode* node = std::get_if<TextNode>(&found->second);
  *text = node != nullptr ? node->get() : std::to_string(*std::get<Node>(found->second).value);
  return 0;
}

int SysctlTable::SetText(std::string_view name, std::string_view text) {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return ENOENT;
  if (const TextNode* node = std::get_if<TextNode>(&found->second)) return node->set(text);
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && read == end ? Set(name, value) : EINVAL;
}

std::string SysctlTable::Wants(std::string_view name) const {
  const auto found = nodes_.find(name);
  KASSERT(found != nodes_.end());
  if (const TextNode* text = std::get_if<TextNode>(&found->second)) return text->wants;
  const Node& node = std::get<Node>(found->second);
  if (node.min == INT64_MIN && node.max == INT64_MAX) return "a whole number";
  if (node.max == INT64_MAX) return "a whole number from " + std::to_string(node.min) + " on";
  return "a whole number from " + std::to_string(node.min) + " to " + std::to_string(node.max);
}

std::vector<std::string> SysctlTable::Names() const {
  std::vector<std::string> names(names_.begin(), names_.end());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sockbed
