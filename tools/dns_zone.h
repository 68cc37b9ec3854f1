// The names that a name server answers for, read from a master file.
//
// Lives here:  DnsZone, ParseDnsZone.
// Called by:   dns_server.cc.
// Owns:        plain values.
// Source:      RFC 1035 section 5.
// Differs:     A, AAAA, CNAME and PTR records of class IN alone, one on a line; $ORIGIN and $TTL.
#ifndef SOCKBED_TOOLS_DNS_ZONE_H_
#define SOCKBED_TOOLS_DNS_ZONE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "uapi/dns_message.h"

namespace sockbed::tools {

struct DnsZone {
  std::vector<DnsRecord> records;  // in order of the file

  // The answer to `query`: CNAMEs followed within the zone, NXDOMAIN for a name that it lacks,
  // NOTIMP for a type that it does not know.
  DnsMessage Answer(const DnsMessage& query) const;
};

// Reads `text`; `path` is for messages. Errors: InvalidArgument "path:line:column: what".
absl::StatusOr<DnsZone> ParseDnsZone(const std::string& path, const std::string& text);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_DNS_ZONE_H_
