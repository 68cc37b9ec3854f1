#include "tools/packetdrill/runner.h"

#include "absl/strings/str_cat.h"
#include "kernel/inet/ip6_wire.h"
#include "tools/packetdrill/parser.h"
#include "tools/packetdrill/script_run.h"

namespace sockbed::packetdrill {
namespace {

// The script's options, then those that outrank them. Errors: InvalidArgument, with the place.
absl::Status ReadOptions(const std::string& path, const Script& script, const RunOptions& options,
                         Config* config) {
  for (const Option& option : script.options) {
    if (absl::Status status = ApplyOption(option.name, option.value, config); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", option.place.line, ": ", status.message()));
    }
  }
  for (const auto& [name, value] : options.overrides) {
    if (absl::Status status = ApplyOption(name, value, config); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
    }
  }
  CompleteAddresses(config);
  return absl::OkStatus();
}

absl::StatusOr<LiveHostOptions> HostOptionsOf(const Config& config, const RunOptions& options) {
  LiveHostOptions live;
  live.profile = options.profile;
  live.seed = options.seed;
  live.mtu = config.mtu;
  live.local_prefix_len = config.local_prefix_len;
  live.remote_prefix_len = config.remote_prefix_len;
  const absl::StatusOr<Address> local = ParseAddressText(config.local_ip);
  const absl::StatusOr<Address> gateway = ParseAddressText(config.gateway_ip);
  const absl::StatusOr<Address> remote = ParseAddressText(config.remote_ip);
  for (const auto* address : {&local, &gateway, &remote}) {
    if (!address->ok()) return address->status();
    if ((*address)->v6() != config.v6_packets()) {
      return absl::InvalidArgumentError("an address of another family than --ip_version says");
    }
  }
  if (config.netmask_v6.value_or(config.v6_packets()) != config.v6_packets()) {
    return absl::InvalidArgumentError("--netmask_ip is of another family than --ip_version says");
  }
  if (config.v6_packets() && config.mtu < kIpv6MtuLeast) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad --mtu: ", config.mtu, ": IPv6 takes no less than ", kIpv6MtuLeast));
  }
  live.local = *local;
  live.gateway = *gateway;
  live.local_linklocal = *ParseAddressText(config.local_linklocal_ip);
  live.remote_net = *remote;
  for (int bit = live.remote_prefix_len; bit < live.remote_net.length * 8; ++bit) {
    live.remote_net.bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> bit % 8));
  }
  return live;
}

}  // namespace

Definitions ProfileDefinitions(Profile profile) {
  if (profile == Profile::kFreeBsd) return {{"FreeBSD", ""}};
  return {{"OpenBSD", ""}, {"STANDARD", ""}};
}

Verdict RunScript(const std::string& path, const std::string& text, const RunOptions& options) {
  Verdict verdict;
  Definitions definitions = ProfileDefinitions(options.profile);
  for (const auto& [name, value] : options.definitions) definitions[name] = value;
  const absl::StatusOr<Script> script = ParseScript(text, path, definitions);
  if (!script.ok()) {
    verdict.readable = false;
    verdict.message = absl::StrCat(script.status().message(), "\n");
    return verdict;
  }
  Config config;
  if (options.profile == Profile::kOpenBsd) config.tolerance_percent = 12.5;
  if (absl::Status status = ReadOptions(path, *script, options, &config); !status.ok()) {
    verdict.readable = false;
    verdict.message = absl::StrCat(status.message(), "\n");
    return verdict;
  }
  if (config.dry_run) {
    verdict.passed = true;
    return verdict;
  }
  const absl::StatusOr<LiveHostOptions> host = HostOptionsOf(config, options);
  absl::StatusOr<std::unique_ptr<LiveHost>> live =
      host.ok() ? LiveHost::Boot(*host, options.store) : host.status();
  if (!live.ok()) {
    verdict.readable = false;
    verdict.message = absl::StrCat(path, ": ", live.status().message(), "\n");
    return verdict;
  }
  (*live)->set_listener(options.listener);
  ScriptRun(path, *script, config, options, *std::move(live), &verdict).Run();
  return verdict;
}

}  // namespace sockbed::packetdrill
