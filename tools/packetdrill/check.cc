#include "tools/packetdrill/check.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/fields.h"
#include "tools/packetdrill/headers.h"
#include "tools/packetdrill/icmp_names.h"
#include "tools/packetdrill/option_bytes.h"
#include "tools/packetdrill/printer.h"
#include "tools/packetdrill/translate.h"

namespace sockbed::packetdrill {
namespace {

uint32_t U32(const Number& number) { return static_cast<uint32_t>(number.value); }
uint32_t U32(const std::optional<Number>& number) { return number ? U32(*number) : 0; }

absl::Status CheckFlags(const TcpPart& line, const WireTcp& tcp) {
  const auto bit = [](uint16_t flags, uint16_t flag) { return (flags & flag) != 0 ? 1u : 0u; };
  Fields fields;
  const auto same = [&](const char* name, uint16_t flag) {
    fields.Same(name, bit(line.flags, flag), bit(tcp.flags, flag));
  };
  same("tcp_fin", kFin);
  same("tcp_syn", kSyn);
  same("tcp_rst", kRst);
  same("tcp_psh", kPsh);
  same("tcp_ack", kAck);
  same("tcp_urg", kUrg);
  if (line.ace) {
    const auto count = [&](uint16_t flags) {  // AE, CWR, ECE as 4, 2, 1
      return bit(flags, kAe) << 2 | bit(flags, kCwr) << 1 | bit(flags, kEce);
    };
    fields.Same("tcp_ace", count(line.flags), count(tcp.flags));
  } else {
    same("tcp_ece", kEce);
    same("tcp_cwr", kCwr);
    same("tcp_ae", kAe);
  }
  fields.Same("tcp_reserved_bits", 0, tcp.reserved);
  return fields.status();
}

// --- Options, pair by pair. ---

absl::Status CheckTimestamp(const TcpOption& option, const WireOption& actual, const Config& config,
                            const Tracked& tracked, int64_t elapsed_us) {
  if (actual.data.size() != 8) return Differs("TCP option TS: bad length");
  if (config.ts_tick_us == 0 || option.any_val || !tracked.base_live_ts) return absl::OkStatus();
  uint32_t value = 0;  // in the script's clock already
  for (int i = 0; i < 4; ++i) value = value << 8 | actual.data[static_cast<size_t>(i)];
  const auto off = static_cast<int32_t>(value - U32(option.numbers[0]));
  const auto percent =
      static_cast<int64_t>(config.tolerance_percent / 100 * static_cast<double>(elapsed_us));
  const int64_t tolerance = std::max(config.tolerance_us, percent);
  if (std::abs(int64_t{off}) * config.ts_tick_us <= tolerance) return absl::OkStatus();
  return Differs(
      absl::StrCat("TCP option TS val: expected: ", option.numbers[0].text, " vs actual: ", value));
}

absl::Status CheckOption(const TcpOption& option, const WireOption& actual, const WirePacket& live,
                         const Config& config, const Tracked& tracked, int64_t elapsed_us) {
  const std::vector<WireOption> expected = SplitOptions(EncodeOptions({option}));
  const WireOption& wanted = expected[0];
  if (wanted.kind != actual.kind) {
    return Differs(absl::StrCat("TCP option ", option.name, " expected, another is there"));
  }
  if (option.kind == TcpOption::Kind::kTimestamp) {
    return CheckTimestamp(option, actual, config, tracked, elapsed_us);
  }
  if (option.kind == TcpOption::Kind::kMd5Valid) {
    const auto digest = Md5Signature(live, {config.md5_secret});
    if (std::equal(digest.begin(), digest.end(), actual.data.begin(), actual.data.end())) {
      return absl::OkStatus();
    }
    return Differs("TCP option md5: the signature is not valid");
  }
  if (wanted.data == actual.data) return absl::OkStatus();
  return Differs(absl::StrCat("TCP option ", option.name, " differs"));
}

absl::Status CheckOptions(const TcpPart& line, const WirePacket& live, const WirePacket& values,
                          const Config& config, const Tracked& tracked, int64_t elapsed_us) {
  if (line.any_options) return absl::OkStatus();
  const std::vector<TcpOption> expected = line.options.value_or(std::vector<TcpOption>());
  const std::vector<WireOption> actual = SplitOptions(values.tcp.options);
  absl::Status status;
  if (!expected.empty() && expected[0].kind == TcpOption::Kind::kRaw) {
    if (EncodeOptions(expected) != live.tcp.options) status = Differs("TCP options differ");
  } else if (expected.size() != actual.size()) {
    status = Differs(absl::StrCat("TCP options differ in number: expected: ", expected.size(),
                                  " vs actual: ", actual.size()));
  } else {
    for (size_t i = 0; i < expected.size() && status.ok(); ++i) {
      status = CheckOption(expected[i], actual[i], live, config, tracked, elapsed_us);
    }
  }
  return status;
}

absl::Status CheckTcp(const TcpPart& line, const WirePacket& live, const WirePacket& values,
                      const Config& config, const Tracked& tracked, int64_t elapsed_us) {
  if (line.in_udp.has_value() != values.in_udp.has_value()) {
    return Differs(line.in_udp ? "the segment does not travel in UDP"
                               : "the segment travels in UDP");
  }
  Fields fields;
  if (line.in_udp) {
    fields.Same("udp_src_port", U32(line.in_udp->source), (*values.in_udp)[0]);
    fields.Same("udp_dst_port", U32(line.in_udp->destination), (*values.in_udp)[1]);
  }
  if (!fields.status().ok()) return fields.status();
  if (absl::Status flags = CheckFlags(line, values.tcp); !flags.ok()) return flags;
  const bool literal = line.sequence.kind == Sequence::Kind::kLiteral;
  if (line.sequence.kind != Sequence::Kind::kAny) {
    fields.Same("tcp_seq", U32(line.sequence.first), literal ? live.tcp.seq : values.tcp.seq);
  }
  fields.Same("tcp_ack_seq", U32(line.ack), values.tcp.ack);
  if (line.window) fields.Same("tcp_window", U32(*line.window), values.tcp.window);
  fields.Same("tcp_urg_ptr", U32(line.urgent), values.tcp.urgent);
  fields.Same("payload length", U32(line.sequence.length),
              static_cast<uint32_t>(values.payload.size()));
  if (!fields.status().ok()) return fields.status();
  return CheckOptions(line, live, values, config, tracked, elapsed_us);
}

absl::Status CheckUdp(const UdpPart& line, const WirePacket& values) {
  Fields fields;
  fields.Same("udp_len", U32(line.length) + 8, static_cast<uint32_t>(values.payload.size()) + 8);
  if (line.coverage) fields.Same("udplite_cov", U32(*line.coverage), values.coverage.value_or(0));
  return fields.status();
}

absl::Status CheckIcmp(const IcmpPart& line, const WirePacket& values) {
  const std::optional<uint8_t> type = IcmpType(line.type, values.v6());
  if (!type) return Differs(absl::StrCat("unknown ICMP type '", line.type, "'"));
  const std::optional<uint8_t> code = IcmpCode(*type, line.code, values.v6());
  if (!code) return Differs(absl::StrCat("unknown ICMP code '", line.code, "'"));
  Fields fields;
  fields.Same("icmp_type", *type, values.icmp_type).Same("icmp_code", *code, values.icmp_code);
  return fields.status();
}

uint8_t ProtocolOf(const Packet& line, bool v6) {
  if (std::holds_alternative<TcpPart>(line.body)) return kTcp;
  if (const auto* udp = std::get_if<UdpPart>(&line.body)) return udp->coverage ? kUdpLite : kUdp;
  return v6 ? kIcmp6 : kIcmp;
}

}  // namespace

absl::Status CheckPacket(const Packet& line, const WirePacket& live, const WirePacket& values,
                         const Config& config, const Tracked& tracked, int64_t elapsed_us) {
  absl::Status status = CheckEncaps(line.encapsulations, live.encaps);
  if (!status.ok()) return status;
  Fields fields;
  fields.Same("ip_version", config.v6_packets() ? 6 : 4, live.v6() ? 6 : 4);
  fields.Same("ip_protocol", ProtocolOf(line, live.v6()), live.protocol);
  if (!fields.status().ok()) return fields.status();
  if (line.ip) status = CheckIp(*line.ip, values);
  if (!status.ok()) return status;
  if (const auto* tcp = std::get_if<TcpPart>(&line.body)) {
    status = CheckTcp(*tcp, live, values, config, tracked, elapsed_us);
  } else if (const auto* udp = std::get_if<UdpPart>(&line.body)) {
    status = CheckUdp(*udp, values);
  } else {
    return CheckIcmp(std::get<IcmpPart>(line.body), values);
  }
  if (!status.ok()) return status;
  const auto* tcp = std::get_if<TcpPart>(&line.body);
  std::vector<uint8_t> payload(live.payload.size());
  if (tcp != nullptr && tcp->rst_reason) payload = RstReason(*tcp->rst_reason);
  if (live.payload == payload) return absl::OkStatus();
  return Differs("the payload is not what was to be sent");
}

void RememberTimestamps(const Packet& line, const WirePacket& live, Tracked* tracked) {
  const auto* tcp = std::get_if<TcpPart>(&line.body);
  if (tcp == nullptr || !tcp->options || live.protocol != kTcp) return;
  for (const TcpOption& option : *tcp->options) {
    if (option.kind != TcpOption::Kind::kTimestamp || option.any_val) continue;
    for (const WireOption& actual : SplitOptions(live.tcp.options)) {
      if (actual.kind != kOptTimestamp || actual.data.size() != 8) continue;
      uint32_t value = 0;
      for (int i = 0; i < 4; ++i) value = value << 8 | actual.data[static_cast<size_t>(i)];
      const uint32_t script = U32(option.numbers[0]);
      tracked->live_ts[script] = value;
      if (tracked->base_live_ts) continue;
      tracked->base_live_ts = value;
      tracked->base_script_ts = script;
    }
  }
}

}  // namespace sockbed::packetdrill
