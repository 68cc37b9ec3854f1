#include "uapi/dns_message.h"

#include <arpa/nameser.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sockbed {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kCompressedMax = 64;  // how many names are remembered for compression

// Bits of the header's second word.
constexpr uint16_t kQr = 0x8000, kAa = 0x0400, kTc = 0x0200, kRd = 0x0100;
constexpr uint16_t kCodeMask = 0x000f;

// Writes into a buffer of fixed size; false once something did not fit.
class Writer {
 public:
  explicit Writer(size_t size_max) : bytes_(size_max) {
    names_[0] = Data();
    names_[1] = nullptr;
  }

  bool Put16(unsigned value) {
    if (bytes_.size() - used_ < 2) return false;
    ns_put16(value, Data() + used_);
    used_ += 2;
    return true;
  }
  bool Put32(uint32_t value) { return Put16(value >> 16) && Put16(value & 0xffff); }
  bool PutBytes(const std::string& data) {
    if (bytes_.size() - used_ < data.size()) return false;
    data.copy(&bytes_[used_], data.size());
    used_ += data.size();
    return true;
  }
  bool PutName(const std::string& name) {
    const int n = ns_name_compress(name.c_str(), Data() + used_, bytes_.size() - used_,
                                   names_.data(), names_.data() + names_.size());
    if (n < 0) return false;
    used_ += static_cast<size_t>(n);
    return true;
  }
  void Set16(size_t at, unsigned value) { ns_put16(value, Data() + at); }

  size_t used() const { return used_; }
  void CutTo(size_t size) { used_ = size; }
  std::string Take() const { return {bytes_.data(), used_}; }

 private:
  unsigned char* Data() { return reinterpret_cast<unsigned char*>(bytes_.data()); }

  std::vector<char> bytes_;
  size_t used_ = 0;
  std::array<const unsigned char*, kCompressedMax> names_;
};

bool IsName(DnsType type) { return type == DnsType::kCname || type == DnsType::kPtr; }

bool PutRecord(Writer& out, const DnsRecord& record) {
  if (!out.PutName(record.name) || !out.Put16(static_cast<unsigned>(record.type)) ||
      !out.Put16(ns_c_in) || !out.Put32(record.ttl)) {
    return false;
  }
  const size_t length_at = out.used();
  if (!out.Put16(0)) return false;
  if (!(IsName(record.type) ? out.PutName(record.data) : out.PutBytes(record.data))) return false;
  out.Set16(length_at, static_cast<unsigned>(out.used() - length_at - 2));
  return true;
}

uint16_t HeaderBits(const DnsMessage& message) {
  return static_cast<uint16_t>((message.response ? kQr : 0) | (message.authoritative ? kAa : 0) |
                               (message.truncated ? kTc : 0) |
                               (message.recursion_desired ? kRd : 0) |
                               static_cast<uint16_t>(message.code));
}

// The record's data if it is of a kind that is kept; false if it is not, or nonsense.
bool TakeData(const ns_msg& handle, const ns_rr& rr, DnsRecord* record) {
  record->type = static_cast<DnsType>(ns_rr_type(rr));
  const auto* const data = reinterpret_cast<const char*>(ns_rr_rdata(rr));
  const size_t length = ns_rr_rdlen(rr);
  if (IsName(record->type)) {
    char name[NS_MAXDNAME];
    if (ns_name_uncompress(ns_msg_base(handle), ns_msg_end(handle), ns_rr_rdata(rr), name,
                           sizeof name) < 0) {
      return false;
    }
    record->data = name;
    return true;
  }
  if (record->type == DnsType::kA ? length != 4 : record->type != DnsType::kAaaa || length != 16) {
    return false;
  }
  record->data.assign(data, length);
  return true;
}

}  // namespace

std::string EncodeDns(const DnsMessage& message, size_t size_max) {
  Writer out(std::max(size_max, kHeaderBytes));
  constexpr size_t kBitsAt = 2, kAnswersAt = 6;
  out.Put16(message.id);
  out.Put16(HeaderBits(message));
  out.Put16(1);  // questions
  for (int i = 0; i < 3; ++i) out.Put16(0);
  if (!out.PutName(message.question) || !out.Put16(message.type) || !out.Put16(ns_c_in)) return {};
  unsigned fit = 0;
  for (const DnsRecord& record : message.answers) {
    const size_t before = out.used();
    if (!PutRecord(out, record)) {
      out.CutTo(before);
      out.Set16(kBitsAt, HeaderBits(message) | kTc);
      break;
    }
    ++fit;
  }
  out.Set16(kAnswersAt, fit);
  return out.Take();
}

bool DecodeDns(std::span<const char> bytes, DnsMessage* message) {
  ns_msg handle;
  const auto* const data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (bytes.size() < kHeaderBytes || bytes.size() > kDnsTcpMax ||
      ns_initparse(data, static_cast<int>(bytes.size()), &handle) != 0 ||
      ns_msg_count(handle, ns_s_qd) != 1) {
    return false;
  }
  *message = {};
  const uint16_t bits = static_cast<uint16_t>(ns_get16(data + 2));
  message->id = static_cast<uint16_t>(ns_get16(data));
  message->response = (bits & kQr) != 0;
  message->authoritative = (bits & kAa) != 0;
  message->truncated = (bits & kTc) != 0;
  message->recursion_desired = (bits & kRd) != 0;
  message->code = static_cast<DnsCode>(bits & kCodeMask);
  ns_rr rr;
  if (ns_parserr(&handle, ns_s_qd, 0, &rr) != 0) return false;
  message->question = ns_rr_name(rr);
  message->type = ns_rr_type(rr);
  for (int i = 0; i < ns_msg_count(handle, ns_s_an); ++i) {
    if (ns_parserr(&handle, ns_s_an, i, &rr) != 0) return false;
    DnsRecord record{.name = ns_rr_name(rr), .ttl = ns_rr_ttl(rr)};
    if (ns_rr_class(rr) == ns_c_in && TakeData(handle, rr, &record)) {
      message->answers.push_back(std::move(record));
    }
  }
  return true;
}

bool SameDnsName(const std::string& a, const std::string& b) {
  return strcasecmp(a.c_str(), b.c_str()) == 0;
}

std::string ReverseDnsName(std::span<const uint8_t> address) {
  std::string name;
  for (size_t i = address.size(); i-- > 0;) {
    if (address.size() == 4) {
      name += std::to_string(address[i]) + ".";
      continue;
    }
    constexpr char kDigits[] = "0123456789abcdef";
    name += {kDigits[address[i] & 0xf], '.', kDigits[address[i] >> 4], '.'};
  }
  return name + (address.size() == 4 ? "in-addr.arpa" : "ip6.arpa");
}

}  // namespace sockbed
