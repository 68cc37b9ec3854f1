// Captures that Wireshark and tshark read: pcapng files with the TLS secrets inside.
//
// Lives here:  PcapngWriter.
// Called by:   the run command, one writer per link.
// May touch:   files.
// Owns:        two open files while it runs: the spool of packets, and at the end the capture.
// Units:       virtual nanoseconds since boot; written as time of day from the boot epoch on.
// Invariants:  the secrets stand before the first packet: a reader that goes through the file once
//              can decrypt. Packets are therefore spooled beside the capture and copied behind the
//              secrets at the end.
// Source:      draft-ietf-opsawg-pcapng, and its registry of link types.
#ifndef SOCKBED_TOOLS_PCAPNG_H_
#define SOCKBED_TOOLS_PCAPNG_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernel/sim/time.h"

namespace sockbed::tools {

class PcapngWriter {
 public:
  // Whether packets begin with the network header or with Ethernet's.
  enum class LinkType : uint16_t { kEthernet = 1, kRawIp = 101 };

  // Starts a capture that will stand at `path`; `interface` names the link. Errors: what the file
  // system says.
  static absl::StatusOr<std::unique_ptr<PcapngWriter>> Create(std::string path,
                                                              std::string interface,
                                                              LinkType type = LinkType::kRawIp);
  ~PcapngWriter();
  PcapngWriter(const PcapngWriter&) = delete;
  PcapngWriter& operator=(const PcapngWriter&) = delete;

  // Adds a packet as it was on the wire. `outbound` is the direction away from the link's first
  // host. An empty comment is left out.
  void Add(SimTime when, std::span<const std::byte> packet, bool outbound,
           absl::string_view comment);

  // Writes the capture: section, interface, `key_log` (may be empty), packets. Removes the spool.
  absl::Status Finish(absl::string_view key_log);

 private:
  struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using FilePtr = std::unique_ptr<std::FILE, FileCloser>;

  PcapngWriter(std::string path, std::string interface, LinkType type, FilePtr spool);
  absl::Status CopySpool(std::FILE* out);

  const std::string path_;
  const std::string spool_path_;
  const std::string interface_;
  const LinkType type_;
  FilePtr spool_;
  std::string block_;  // reused for every packet
  bool failed_ = false;
};

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_PCAPNG_H_
