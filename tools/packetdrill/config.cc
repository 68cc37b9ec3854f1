#include "tools/packetdrill/config.h"

#include <algorithm>
#include <functional>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sockbed::packetdrill {
namespace {

template <typename T>
bool ToNumber(const std::string& text, int64_t least, int64_t most, T* number) {
  int64_t value;
  if (!absl::SimpleAtoi(text, &value) || value < least || value > most) return false;
  *number = static_cast<T>(value);
  return true;
}

bool SetIpVersion(const std::string& text, Config* config) {
  if (text == "ipv4") {
    config->ip_version = IpVersion::kIpv4;
  } else if (text == "ipv6") {
    config->ip_version = IpVersion::kIpv6;
  } else if (text == "ipv4_mapped_ipv6" || text == "ipv4-mapped-ipv6") {
    config->ip_version = IpVersion::kIpv4Mapped;
  } else {
    return false;
  }
  return true;
}

// "ADDRESS" or "ADDRESS/LENGTH".
bool SetAddress(const std::string& text, std::string* address, int least_prefix, int* prefix_len) {
  const size_t slash = text.find('/');
  *address = text.substr(0, slash);
  const absl::StatusOr<Address> parsed = ParseAddressText(*address);
  if (!parsed.ok()) return false;
  if (slash == std::string::npos) return true;
  return prefix_len != nullptr &&
         ToNumber(text.substr(slash + 1), least_prefix, parsed->length * 8, prefix_len);
}

bool SetLinkLocal(const std::string& text, std::string* address) {
  const absl::StatusOr<Address> parsed = ParseAddressText(text);
  *address = text;
  return parsed.ok() && parsed->v6() && parsed->bytes[0] == 0xfe && parsed->bytes[1] >> 6 == 2;
}

bool SetNetmask(const std::string& text, Config* config) {
  const absl::StatusOr<Address> mask = ParseAddressText(text);
  if (!mask.ok()) return false;
  int ones = 0;
  int leading = 0;
  for (int i = 0; i < mask->length * 8; ++i) {
    if ((mask->bytes[static_cast<size_t>(i / 8)] >> (7 - i % 8) & 1) == 0) continue;
    if (ones++ == i) ++leading;
  }
  config->local_prefix_len = leading;
  config->netmask_v6 = mask->v6();
  return leading > 0 && ones == leading;
}

bool SetNonFatal(const std::string& text, Config* config) {
  for (const std::string& kind : static_cast<std::vector<std::string>>(absl::StrSplit(text, ','))) {
    if (kind == "packet") {
      config->packets_may_differ = true;
    } else if (kind == "syscall") {
      config->calls_may_differ = true;
    } else {
      return false;
    }
  }
  return true;
}

// Whether it has a word for its name, and a value.
bool IsDefinition(const std::string& text, Config*) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size()) return false;
  const std::string name = text.substr(0, equals);
  const auto in_word = [](char c) { return absl::ascii_isalnum(c) || c == '_'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), in_word) &&
         !std::all_of(name.begin(), name.end(), absl::ascii_isdigit);
}

struct ValueOption {
  std::function<bool(const std::string& value, Config* config)> set;  // false: not what it takes
  std::string takes = "anything";
};

template <typename T>
ValueOption NumberIn(T Config::*field, int64_t least, int64_t most) {
  return {[=](const std::string& value, Config* config) {
            return ToNumber(value, least, most, &(config->*field));
          },
          absl::StrCat("a number from ", least, " to ", most)};
}

ValueOption AddressInto(std::string Config::*address, int least_prefix = 0,
                        int Config::*prefix_len = nullptr) {
  return {[=](const std::string& value, Config* config) {
            return SetAddress(value, &(config->*address), least_prefix,
                              prefix_len == nullptr ? nullptr : &(config->*prefix_len));
          },
          prefix_len == nullptr ? "an address" : "an address, or ADDRESS/LENGTH"};
}

ValueOption LinkLocalInto(std::string Config::*address) {
  return {[=](const std::string& value, Config* config) {
            return SetLinkLocal(value, &(config->*address));
          },
          "an address of fe80::/10"};
}

std::map<std::string, ValueOption> ValueOptions() {
  // What has no meaning for a simulated host, whatever its value.
  const ValueOption nothing = {[](const std::string&, Config*) { return true; }};
  return {
      {"ip_version", {SetIpVersion, "ipv4, ipv6 or ipv4_mapped_ipv6"}},
      {"local_ip", AddressInto(&Config::local_ip, 1, &Config::local_prefix_len)},
      {"remote_ip", AddressInto(&Config::remote_ip, 0, &Config::remote_prefix_len)},
      {"gateway_ip", AddressInto(&Config::gateway_ip)},
      {"local_linklocal_ip", LinkLocalInto(&Config::local_linklocal_ip)},
      {"gateway_linklocal_ip", LinkLocalInto(&Config::gateway_linklocal_ip)},
      {"netmask_ip", {SetNetmask, "ones, then zeros, as 255.255.0.0 is"}},
      {"bind_port", NumberIn(&Config::bind_port, 1, 65535)},
      {"connect_port", NumberIn(&Config::connect_port, 1, 65535)},
      {"mtu", NumberIn(&Config::mtu, 68, 65535)},
      {"tolerance_usecs", NumberIn(&Config::tolerance_us, 1, int64_t{1} << 50)},
      {"tolerance_percent",
       {[](const std::string& v, Config* c) {
          return absl::SimpleAtod(v, &c->tolerance_percent) && c->tolerance_percent >= 0;
        },
        "a number from 0"}},
      {"tcp_ts_tick_usecs", NumberIn(&Config::ts_tick_us, 0, 1'000'000'000)},
      {"non_fatal", {SetNonFatal, "packet, syscall or both with a comma"}},
      {"init_scripts",
       {[](const std::string& v, Config* c) {
          c->init_scripts = absl::StrSplit(v, ',', absl::SkipEmpty());
          return !c->init_scripts.empty();
        },
        "FILE,FILE..."}},
      {"tcp_md5_secret",
       {[](const std::string& v, Config* c) {
         c->md5_secret = v;
         return true;
       }}},
      {"udp_encapsulation",
       {[](const std::string& v, Config* c) {
          c->tcp_in_udp = v == "tcp";
          return c->tcp_in_udp;
        },
        "tcp"}},
      {"define", {IsDefinition, "NAME=VALUE"}},  // the parser's
      {"speed",
       {[](const std::string& v, Config*) {
          uint32_t mbits;  // of no meaning here
          return ToNumber(v, 0, UINT32_MAX, &mbits);
        },
        absl::StrCat("a number from 0 to ", UINT32_MAX)}},
      {"tun_dev", nothing},
      {"code_command", nothing},
      {"code_format", {[](const std::string& v, Config*) { return v == "python"; }, "python"}},
      {"code_sockopt", {[](const std::string& v, Config*) { return v == "TCP_INFO"; }, "TCP_INFO"}},
      {"mss", nothing},
  };
}

std::map<std::string, bool Config::*> Switches() {
  return {{"dry_run", &Config::dry_run},
          {"verbose", &Config::verbose},
          {"tcp_ts_ecr_scaled", &Config::ts_ecr_scaled}};
}

}  // namespace

absl::Status ApplyOption(const std::string& name, const std::optional<std::string>& value,
                         Config* config) {
  const absl::Status forbidden =
      absl::InvalidArgumentError(absl::StrCat("option '", name, "' forbids an argument"));
  const std::map<std::string, bool Config::*> switches = Switches();
  if (const auto found = switches.find(name); found != switches.end()) {
    if (value) return forbidden;
    config->*found->second = true;
    return absl::OkStatus();
  }
  // What is always so here: segments are compared one by one, no reset ends a connection that the
  // script leaves, since the host is gone with it, and no device outlives it.
  if (name == "strict_segments" || name == "no_cleanup" || name == "persistent_tun_dev") {
    return value ? forbidden : absl::OkStatus();
  }
  const std::map<std::string, ValueOption> options = ValueOptions();
  const auto found = options.find(name);
  if (found == options.end()) {
    return absl::InvalidArgumentError(absl::StrCat("option '", name, "' unknown"));
  }
  if (!value) {
    return absl::InvalidArgumentError(absl::StrCat("option '", name, "' requires an argument"));
  }
  if (!found->second.set(*value, config)) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad --", name, ": ", *value, ": takes ", found->second.takes));
  }
  return absl::OkStatus();
}

void CompleteAddresses(Config* config) {
  const bool v6 = config->v6_packets();
  const auto fallback = [](std::string* text, const char* value) {
    if (text->empty()) *text = value;
  };
  fallback(&config->local_ip, v6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1");
  fallback(&config->gateway_ip, v6 ? "fd3d:fa7b:d17d::2" : "192.168.0.2");
  fallback(&config->remote_ip, v6 ? "2001:db8::1" : "192.0.2.1");
  if (config->local_prefix_len < 0) config->local_prefix_len = v6 ? 48 : 16;
  if (config->remote_prefix_len < 0) config->remote_prefix_len = v6 ? 32 : 24;
}

}  // namespace sockbed::packetdrill
