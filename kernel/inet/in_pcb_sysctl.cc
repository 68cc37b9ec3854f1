// The sets of ports that sysctl(8) shows and changes.
#include <errno.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_pcb_private.h"
#include "kernel/inet/ip_var.h"

namespace sockbed {

namespace {

std::string ListOf(const std::vector<uint16_t>& ports) {
  std::string text;
  for (const uint16_t port : ports) {
    if (!text.empty()) text += ',';
    text += std::to_string(port);
  }
  return text;
}

bool IsSign(char c) { return c == '+' || c == '-'; }

// Takes one word from the list. A sign stands in front of all words, or of none.
int Take(std::string_view word, bool relative, std::set<uint16_t>* ports) {
  if (word.empty() || IsSign(word[0]) != relative) return EINVAL;
  const bool leaves = word[0] == '-';
  if (relative) word.remove_prefix(1);
  uint16_t port = 0;
  const char* end = word.data() + word.size();
  const auto [read, error] = std::from_chars(word.data(), end, port);
  if (error != std::errc() || read != end || port == 0) return EINVAL;
  if (leaves) {
    ports->erase(port);
  } else {
    ports->insert(port);
  }
  return 0;
}

int Change(std::string_view text, std::vector<uint16_t>* ports) {
  std::set<uint16_t> changed;
  const bool relative = !text.empty() && IsSign(text[0]);
  if (relative) changed.insert(ports->begin(), ports->end());
  while (!text.empty()) {
    const size_t length = std::min(text.find(','), text.size());
    if (const int error = Take(text.substr(0, length), relative, &changed)) return error;
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  ports->assign(changed.begin(), changed.end());
  return 0;
}

void AddList(HostBase& host, const std::string& name, std::vector<uint16_t>* ports) {
  host.sysctls.AddText(name,
                       {.get = [ports] { return ListOf(*ports); },
                        .set = [ports](std::string_view text) { return Change(text, ports); },
                        .wants = "a list of ports like 587,749, or of changes like +587,-600"});
}

}  // namespace

void InpcbTableAccess::AddSysctls(inpcbtable* table, const std::string& prefix) {
  AddList(table->host_, prefix + ".baddynamic", &table->baddynamic_);
  AddList(table->host_, prefix + ".rootonly", &table->rootonly_);
}

void in_pcbsysctls(inpcbtable* table, const std::string& prefix) {
  InpcbTableAccess::AddSysctls(table, prefix);
}

}  // namespace sockbed
