// Tunables of a host by name: "net.inet.tcp.rfc1323", "kern.maxclusters".
//
// Lives here:  SysctlTable.
// Called by:   every room at boot (Add), kernel/host, uapi and tools (Get, Set).
// Owns:        names; the variables stay the room's own.
// Units:       as each name's manual page says.
// Source:      sysctl(2), sysctl(3).
#ifndef SOCKBED_KERNEL_SCHED_SYSCTL_H_
#define SOCKBED_KERNEL_SCHED_SYSCTL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace sockbed {

class SysctlTable {
 public:
  struct Node {
    int64_t* value;           // the room's variable, borrowed
    int64_t min = INT64_MIN;  // a value outside [min, max] is refused with EINVAL
    int64_t max = INT64_MAX;
    // Called with the new value before it is stored; its errno refuses the change. May be empty.
    std::function<int(int64_t)> check;
  };
  // One that is no number: a list, say.
  struct TextNode {
    std::function<std::string()> get;
    std::function<int(std::string_view)> set;  // its errno refuses the change
    const char* wants;                         // what a value looks like
  };

  // Adds a tunable. REQUIRES: the name is new.
  void Add(std::string name, Node node);
  void AddText(std::string name, TextNode node);
  // Makes `alias` another name of `name`. REQUIRES: `name` exists.
  void AddAlias(std::string alias, const std::string& name);

  // Errors: ENOENT (no such name), EINVAL (no number).
  [[nodiscard]] int Get(std::string_view name, int64_t* value) const;
  // Errors: ENOENT, EINVAL (out of range; no number), or what the node's check answers.
  [[nodiscard]] int Set(std::string_view name, int64_t value);
  // Any tunable as text, a number in decimal. Errors: ENOENT; setting: EINVAL (a number is wanted),
  // those of Set, or what the node's set answers.
  [[nodiscard]] int GetText(std::string_view name, std::string* text) const;
  [[nodiscard]] int SetText(std::string_view name, std::string_view text);

  // What a value looks like, for who has given a wrong one: "a whole number from 0 to 255".
  // REQUIRES: the name exists.
  std::string Wants(std::string_view name) const;

  std::vector<std::string> Names() const;  // sorted

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };

  using AnyNode = std::variant<Node, TextNode>;
  void Enter(std::string name, AnyNode node);

  // A table of hashes, since a host that boots adds two hundred names and most runs look up three.
  std::unordered_map<std::string, AnyNode, Hash, std::equal_to<>> nodes_;
  std::vector<std::string_view> names_;  // of nodes_, in order of adding
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SYSCTL_H_
