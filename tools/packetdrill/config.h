// What a script's options and the command line ask for.
//
// Lives here:  Config, ApplyOption.
// Called by:   runner, the command.
// Units:       microseconds.
#ifndef SOCKBED_TOOLS_PACKETDRILL_CONFIG_H_
#define SOCKBED_TOOLS_PACKETDRILL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

enum class IpVersion : uint8_t { kIpv4, kIpv6, kIpv4Mapped };

struct Config {
  IpVersion ip_version = IpVersion::kIpv4;
  std::string local_ip, remote_ip, gateway_ip;  // empty: by the IP version
  std::string local_linklocal_ip = "fe80::1", gateway_linklocal_ip = "fe80::2";  // IPv6
  int local_prefix_len = -1, remote_prefix_len = -1;  // -1: by the IP version
  std::optional<bool> netmask_v6;                     // the family that --netmask_ip was given in
  uint16_t bind_port = 8080;
  uint16_t connect_port = 8080;
  uint32_t mtu = 1500;
  int64_t tolerance_us = 4000;
  double tolerance_percent = 5;
  int64_t ts_tick_us = 0;  // 0: timestamp values are not checked
  bool ts_ecr_scaled = false;
  bool packets_may_differ = false;  // --non_fatal
  bool calls_may_differ = false;
  bool dry_run = false;
  bool verbose = false;
  bool tcp_in_udp = false;
  std::string md5_secret;
  std::vector<std::string> init_scripts;  // files of commands, run before the script

  // The version of what goes over the wire.
  bool v6_packets() const { return ip_version == IpVersion::kIpv6; }
};

// Sets what `--name=value` says. Errors: InvalidArgument, "option 'x' unknown" and kin.
absl::Status ApplyOption(const std::string& name, const std::optional<std::string>& value,
                         Config* config);

// Fills in the addresses that nobody gave.
void CompleteAddresses(Config* config);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_CONFIG_H_
