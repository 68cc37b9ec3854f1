#include "tools/packetdrill/icmp_names.h"

#include <span>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sockbed::packetdrill {
namespace {

struct Name {
  const char* name;
  uint8_t number;
};
struct CodeName {
  uint8_t type;
  const char* name;
  uint8_t number;
};

constexpr Name kTypes4[] = {
    {"unreachable", 3},          {"time_exceeded", 11},     {"echo_reply", 0},
    {"source_quench", 4},        {"redirect", 5},           {"echo_request", 8},
    {"parameter_problem", 12},   {"timestamp_request", 13}, {"timestamp_reply", 14},
    {"information_request", 15}, {"information_reply", 16}, {"address_mask_request", 17},
    {"address_mask_reply", 18}};
constexpr Name kTypes6[] = {{"unreachable", 1},           {"packet_too_big", 2},
                            {"time_exceeded", 3},         {"parameter_problem", 4},
                            {"echo_request", 128},        {"echo_reply", 129},
                            {"router_advertisement", 134}};
constexpr CodeName kCodes4[] = {{3, "net_unreachable", 0},
                                {3, "host_unreachable", 1},
                                {3, "protocol_unreachable", 2},
                                {3, "port_unreachable", 3},
                                {3, "frag_needed", 4},
                                {3, "source_route_failed", 5},
                                {3, "net_unknown", 6},
                                {3, "host_unknown", 7},
                                {3, "source_host_isolated", 8},
                                {3, "net_prohibited", 9},
                                {3, "host_prohibited", 10},
                                {3, "net_unreachable_for_tos", 11},
                                {3, "host_unreachable_for_tos", 12},
                                {3, "packet_filtered", 13},
                                {3, "precedence_violation", 14},
                                {3, "precedence_cutoff", 15},
                                {11, "ttl_exceeded_in_transit", 0},
                                {11, "frag_reass_exceeded", 1}};
constexpr CodeName kCodes6[] = {{1, "no_route", 0},
                                {1, "admin_prohibited", 1},
                                {1, "not_neighbour", 2},
                                {1, "address_unreachable", 3},
                                {1, "port_unreachable", 4},
                                {3, "exceeded_hop_limit", 0},
                                {3, "exceeded_frag_time", 1},
                                {4, "header_field", 0},
                                {4, "unknown_next_header", 1},
                                {4, "unknown_option", 2}};

std::span<const Name> Types(bool v6) {
  return v6 ? std::span<const Name>(kTypes6) : std::span<const Name>(kTypes4);
}
std::span<const CodeName> Codes(bool v6) {
  return v6 ? std::span<const CodeName>(kCodes6) : std::span<const CodeName>(kCodes4);
}

std::optional<uint8_t> Numbered(const std::string& name, const std::string& prefix) {
  uint32_t number;
  if (!absl::StartsWith(name, prefix)) return std::nullopt;
  if (!absl::SimpleAtoi(name.substr(prefix.size()), &number) || number > 255) return std::nullopt;
  return static_cast<uint8_t>(number);
}

}  // namespace

std::optional<uint8_t> IcmpType(const std::string& name, bool v6) {
  for (const Name& known : Types(v6)) {
    if (name == known.name) return known.number;
  }
  return Numbered(name, "type_");
}

std::optional<uint8_t> IcmpCode(uint8_t type, const std::string& name, bool v6) {
  if (name.empty()) return 0;
  for (const CodeName& known : Codes(v6)) {
    if (type == known.type && name == known.name) return known.number;
  }
  return Numbered(name, "code_");
}

std::string IcmpTypeName(uint8_t type, bool v6) {
  for (const Name& known : Types(v6)) {
    if (type == known.number) return known.name;
  }
  return absl::StrCat("type_", static_cast<int>(type));
}

std::string IcmpCodeName(uint8_t type, uint8_t code, bool v6) {
  for (const CodeName& known : Codes(v6)) {
    if (type == known.type && code == known.number) return known.name;
  }
  return code == 0 ? "" : absl::StrCat("code_", static_cast<int>(code));
}

}  // namespace sockbed::packetdrill
