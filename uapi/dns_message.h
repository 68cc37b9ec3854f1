// A DNS message: what a resolver asks and a name server answers, and its bytes.
//
// Lives here:  DnsRecord, DnsMessage, EncodeDns, DecodeDns, reverse names.
// Called by:   dns_client.cc; name servers (tools, tests).
// May touch:   nothing. Names are compressed and records parsed by libresolv's ns_* functions.
// Invariants:  decoding never reads beyond the bytes given, whatever they say.
// Source:      RFC 1035 section 4; RFC 3596 (AAAA).
// Differs:     authority and additional sections are skipped; of the answers only A, AAAA, CNAME
//              and PTR are kept. EDNS is not spoken.
#ifndef SOCKBED_UAPI_DNS_MESSAGE_H_
#define SOCKBED_UAPI_DNS_MESSAGE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sockbed {

enum class DnsType : uint16_t { kA = 1, kCname = 5, kPtr = 12, kAaaa = 28 };

// RFC 1035 4.1.1.
enum class DnsCode : uint8_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5
};

struct DnsRecord {
  std::string name;  // without the last dot
  DnsType type = DnsType::kA;
  uint32_t ttl = 0;
  std::string data;  // A, AAAA: the address's bytes; CNAME, PTR: a name
};

struct DnsMessage {
  uint16_t id = 0;
  bool response = false;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_desired = false;
  DnsCode code = DnsCode::kNoError;
  std::string question;  // without the last dot
  uint16_t type = 0;     // a DnsType's number, or one that we do not know
  std::vector<DnsRecord> answers;
};

inline constexpr size_t kDnsUdpMax = 512;  // RFC 1035 4.2.1
inline constexpr size_t kDnsTcpMax = 65535;

// The message's bytes, no more than `size_max` of them: if the answers do not fit, those that do,
// and the mark that it was truncated. Empty if the question is no name (RFC 1035 2.3.4).
std::string EncodeDns(const DnsMessage& message, size_t size_max);

// Reads a message. False: it is none, or has not exactly one question.
bool DecodeDns(std::span<const char> bytes, DnsMessage* message);

// Whether two names are the same: case does not count.
bool SameDnsName(const std::string& a, const std::string& b);

// The name under which an address's name stands: "1.2.0.192.in-addr.arpa", "...ip6.arpa" for 4 and
// 16 bytes.
std::string ReverseDnsName(std::span<const uint8_t> address);

}  // namespace sockbed

#endif  // SOCKBED_UAPI_DNS_MESSAGE_H_
