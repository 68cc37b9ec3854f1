#include "tools/packetdrill/option_bytes.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {
namespace {

constexpr uint32_t kExperimentFastOpen = 0xf989, kExperimentAccEcn0 = 0xacc0,
                   kExperimentAccEcn1 = 0xacc1, kExperimentTarr = 0x00ac;
constexpr size_t kMd5Bytes = 16;

void AddNumber(std::vector<uint8_t>* out, int64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<uint8_t>(value >> shift));
  }
}

uint32_t LoadNumber(const uint8_t* p, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

// Kind, length, then `data`; an experiment's number in front of it.
void AddOption(std::vector<uint8_t>* out, int kind, const std::vector<uint8_t>& data,
               int64_t experiment = -1) {
  std::vector<uint8_t> all;
  if (experiment >= 0) AddNumber(&all, experiment, 2);
  all.insert(all.end(), data.begin(), data.end());
  out->push_back(static_cast<uint8_t>(kind));
  out->push_back(static_cast<uint8_t>(all.size() + 2));
  out->insert(out->end(), all.begin(), all.end());
}

std::vector<uint8_t> NumbersAs(const TcpOption& option, int bytes) {
  std::vector<uint8_t> data;
  for (const Number& number : option.numbers) AddNumber(&data, number.value, bytes);
  return data;
}

void AddAccEcn(std::vector<uint8_t>* out, const TcpOption& option) {
  const bool order0 = option.kind == TcpOption::Kind::kAccEcn0;
  const std::vector<uint8_t> data = NumbersAs(option, 3);
  if (option.experimental) {
    AddOption(out, kOptExperiment, data, order0 ? kExperimentAccEcn0 : kExperimentAccEcn1);
  } else {
    AddOption(out, order0 ? kOptAccEcn0 : kOptAccEcn1, data);
  }
}

void EncodeOption(const TcpOption& option, std::vector<uint8_t>* out) {
  using K = TcpOption::Kind;
  switch (option.kind) {
    case K::kEol:
    case K::kNop: out->push_back(option.kind == K::kEol ? kOptEol : kOptNop); return;
    case K::kMss: return AddOption(out, kOptMss, NumbersAs(option, 2));
    case K::kWindowScale: return AddOption(out, kOptWindowScale, NumbersAs(option, 1));
    case K::kSackOk: return AddOption(out, kOptSackOk, {});
    case K::kSack: return AddOption(out, kOptSack, NumbersAs(option, 4));
    case K::kTimestamp: {
      std::vector<uint8_t> data(option.any_val ? 4 : 0);
      const std::vector<uint8_t> rest = NumbersAs(option, 4);
      data.insert(data.end(), rest.begin(), rest.end());
      return AddOption(out, kOptTimestamp, data);
    }
    case K::kMd5: return AddOption(out, kOptMd5, FromHex(option.hex));
    case K::kMd5Valid: return AddOption(out, kOptMd5, std::vector<uint8_t>(kMd5Bytes));
    case K::kFastOpen: return AddOption(out, kOptFastOpen, FromHex(option.hex));
    case K::kFastOpenExp:
      return AddOption(out, kOptExperiment, FromHex(option.hex), kExperimentFastOpen);
    case K::kAccEcn0:
    case K::kAccEcn1: return AddAccEcn(out, option);
    case K::kTarr: {
      std::vector<uint8_t> data;
      for (const Number& rate : option.numbers) AddNumber(&data, rate.value << 1, 1);
      return AddOption(out, kOptExperiment, data, kExperimentTarr);
    }
    case K::kGeneric: return AddOption(out, option.id, FromHex(option.hex));
    case K::kExperiment: return AddOption(out, kOptExperiment, FromHex(option.hex), option.id);
    case K::kRaw: {
      const std::vector<uint8_t> raw = FromHex(option.hex);
      out->insert(out->end(), raw.begin(), raw.end());
    }
  }
}

TcpOption Named(TcpOption::Kind kind, const char* name) {
  TcpOption option;
  option.kind = kind;
  option.name = name;
  return option;
}

TcpOption WithNumbers(TcpOption::Kind kind, const char* name, const std::vector<uint8_t>& data,
                      size_t bytes) {
  TcpOption option = Named(kind, name);
  for (size_t at = 0; at + bytes <= data.size(); at += bytes) {
    option.numbers.push_back(Num(LoadNumber(&data[at], bytes)));
  }
  return option;
}

TcpOption DecodeOption(const WireOption& wire) {
  using K = TcpOption::Kind;
  const size_t size = wire.data.size();
  switch (wire.kind) {
    case kOptEol: return Named(K::kEol, "eol");
    case kOptNop: return Named(K::kNop, "nop");
    case kOptMss:
      if (size == 2) return WithNumbers(K::kMss, "mss", wire.data, 2);
      break;
    case kOptWindowScale:
      if (size == 1) return WithNumbers(K::kWindowScale, "wscale", wire.data, 1);
      break;
    case kOptSackOk:
      if (size == 0) return Named(K::kSackOk, "sackOK");
      break;
    case kOptSack:
      if (size % 8 == 0 && size > 0) return WithNumbers(K::kSack, "sack", wire.data, 4);
      break;
    case kOptTimestamp:
      if (size == 8) return WithNumbers(K::kTimestamp, "TS", wire.data, 4);
      break;
    case kOptFastOpen:
    case kOptMd5: {
      TcpOption option = wire.kind == kOptMd5 ? Named(K::kMd5, "md5") : Named(K::kFastOpen, "FO");
      option.hex = ToHex(wire.data);
      return option;
    }
    default: break;
  }
  TcpOption option = Named(K::kGeneric, "");
  option.name = absl::StrCat("gen-", static_cast<int>(wire.kind));
  option.id = wire.kind;
  option.hex = ToHex(wire.data);
  return option;
}

}  // namespace

std::vector<uint8_t> EncodeOptions(const std::vector<TcpOption>& options) {
  std::vector<uint8_t> out;
  for (const TcpOption& option : options) EncodeOption(option, &out);
  return out;
}

std::vector<TcpOption> DecodeOptions(std::span<const uint8_t> bytes) {
  std::vector<TcpOption> options;
  for (const WireOption& wire : SplitOptions(bytes)) options.push_back(DecodeOption(wire));
  return options;
}

std::string ToHex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::vector<uint8_t> FromHex(const std::string& hex) {
  std::vector<uint8_t> bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::from_chars(&hex[2 * i], &hex[2 * i] + 2, bytes[i], 16);
  }
  return bytes;
}

}  // namespace sockbed::packetdrill
