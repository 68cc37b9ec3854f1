// TCP options, in wire order.
#include <charconv>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/packetdrill/parser_private.h"

namespace sockbed::packetdrill {
namespace {

constexpr int kOptionBytesMax = 40;

bool IsHex(const std::string& text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

int HexBytes(const std::string& hex) { return static_cast<int>(hex.size() / 2); }

}  // namespace

int OptionLength(const TcpOption& option) {
  using K = TcpOption::Kind;
  const int counters = static_cast<int>(option.numbers.size());
  switch (option.kind) {
    case K::kEol:
    case K::kNop: return 1;
    case K::kMss: return 4;
    case K::kWindowScale: return 3;
    case K::kSackOk: return 2;
    case K::kSack: return 2 + 4 * counters;
    case K::kTimestamp: return 10;
    case K::kMd5Valid: return 18;
    case K::kAccEcn0:
    case K::kAccEcn1: return (option.experimental ? 4 : 2) + 3 * counters;
    case K::kTarr: return 4 + counters;
    case K::kMd5:
    case K::kFastOpen:
    case K::kGeneric: return 2 + HexBytes(option.hex);
    case K::kFastOpenExp:
    case K::kExperiment: return 4 + HexBytes(option.hex);
    case K::kRaw: return HexBytes(option.hex);
  }
  return 0;
}

// A word or number that is read as bytes, two digits each. Without one, `needed` decides.
bool Parser::TakeHex(bool needed, std::string* hex) {
  const Token& token = Peek();
  const bool blob =
      (token.kind == Kind::kInteger || token.kind == Kind::kWord) && IsHex(token.text);
  if (!blob) return !needed || FailHere("expected bytes in hexadecimal");
  if (token.text.size() % 2 != 0) return FailHere("an odd number of hexadecimal digits");
  if (token.text.size() > 2 * kOptionBytesMax) return FailHere("more bytes than options can have");
  *hex = Take().text;
  return true;
}

bool Parser::TakeTcpOptions(bool inbound, TcpPart* tcp) {
  const Place place = Peek().place;
  if (!Expect('<')) return false;
  if (Peek().kind == Kind::kEllipsis) {
    if (inbound) return FailHere("an inbound segment needs its options");
    Take();
    tcp->any_options = true;
    return Expect('>');
  }
  tcp->options.emplace();
  do {
    TcpOption option;
    const bool behind_others = !tcp->options->empty();
    const bool taken = TakeTcpOption(inbound, &option);
    if (taken && behind_others && option.kind == TcpOption::Kind::kRaw) {
      return FailHere("bytes without a name are the whole list");
    }
    if (!taken) return false;
    tcp->options->push_back(std::move(option));
  } while (Accept(','));
  return Expect('>') && CheckOptionLength(*tcp, place);
}

bool Parser::CheckOptionLength(const TcpPart& tcp, Place place) {
  int length = 0;
  for (const TcpOption& option : *tcp.options) length += OptionLength(option);
  if (length % 4 == 0 && length <= kOptionBytesMax) return true;
  return FailMeaning(place, absl::StrCat("options of ", length, " bytes: a multiple of 4 up to ",
                                         kOptionBytesMax, " is needed"));
}

bool Parser::TakeTcpOption(bool inbound, TcpOption* option) {
  const Token& name = Peek();
  if (name.kind == Kind::kInteger && Peek(1).Is('>')) {
    option->kind = TcpOption::Kind::kRaw;
    return TakeHex(true, &option->hex);
  }
  if (name.kind != Kind::kWord) return FailHere("expected a TCP option");
  option->name = name.text;
  bool known = true;
  if (!TakeSimpleOption(&known, option)) return false;
  if (known) return true;
  if (name.text == "sack") return TakeSack(option);
  if (name.text == "TS") return TakeTimestamp(inbound, option);
  if (name.text == "md5") return TakeMd5(option);
  if (name.text == "ECN" || name.text == "AccECN0" || name.text == "AccECN1") {
    return TakeCounters(option);
  }
  if (name.text == "gen" || name.text == "exp" || name.text == "EXP") return TakeDashed(option);
  if (IsHex(name.text) && Peek(1).Is('>')) {
    option->kind = TcpOption::Kind::kRaw;
    option->name.clear();
    return TakeHex(true, &option->hex);
  }
  return FailHere("an unknown TCP option");
}

bool Parser::TakeSimpleOption(bool* known, TcpOption* option) {
  using K = TcpOption::Kind;
  const std::string& name = option->name;
  if (name == "eol" || name == "nop" || name == "sackOK") {
    Take();
    option->kind = name == "eol" ? K::kEol : name == "nop" ? K::kNop : K::kSackOk;
    return true;
  }
  if (name == "mss" || name == "wscale") {
    Take();
    const bool mss = name == "mss";
    option->kind = mss ? K::kMss : K::kWindowScale;
    return TakeNumber(mss ? "mss" : "wscale", 0, mss ? 65535 : 255,
                      &option->numbers.emplace_back());
  }
  if (name == "FO" || name == "FOEXP") {
    Take();
    option->kind = name == "FO" ? K::kFastOpen : K::kFastOpenExp;
    return TakeHex(false, &option->hex);
  }
  *known = false;
  return true;
}

bool Parser::TakeSack(TcpOption* option) {
  option->kind = TcpOption::Kind::kSack;
  Take();
  do {
    if (!TakeUint32("start of a SACK block", &option->numbers.emplace_back())) return false;
    if (!Expect(':')) return false;
    if (!TakeUint32("end of a SACK block", &option->numbers.emplace_back())) return false;
  } while (Peek().kind == Kind::kInteger);
  return true;
}

bool Parser::TakeTimestamp(bool inbound, TcpOption* option) {
  option->kind = TcpOption::Kind::kTimestamp;
  Take();
  if (!AcceptWord("val")) return FailHere("expected 'val'");
  if (Peek().kind == Kind::kEllipsis && !inbound) {
    Take();
    option->any_val = true;
  } else if (!TakeUint32("TS val", &option->numbers.emplace_back())) {
    return false;
  }
  if (!AcceptWord("ecr")) return FailHere("expected 'ecr'");
  if (!TakeUint32("TS ecr", &option->numbers.emplace_back())) return false;
  option->literal_ecr = Accept('!');
  return true;
}

bool Parser::TakeMd5(TcpOption* option) {
  Take();
  option->kind = TcpOption::Kind::kMd5;
  if (!AcceptWord("valid")) return TakeHex(true, &option->hex);
  option->kind = TcpOption::Kind::kMd5Valid;
  return true;
}

// "gen-5 0102", "exp-FO 0102", "exp-AccECN0 ee0b 1", "exp-tarr 3", "exp-00AC 01".
bool Parser::TakeDashed(TcpOption* option) {
  using K = TcpOption::Kind;
  const bool generic = Take().text == "gen";
  std::string suffix;
  if (Peek().kind == Kind::kInteger && Peek().text[0] == '-') {
    suffix = Take().text.substr(1);
  } else {
    if (!Expect('-')) return false;
    suffix = Peek().text;
    if (Peek().kind != Kind::kWord && Peek().kind != Kind::kInteger) {
      return FailHere("expected the name or number of an option");
    }
    if (suffix == "AccECN0" || suffix == "AccECN1") {
      absl::StrAppend(&option->name, "-", suffix);
      option->experimental = true;
      return TakeCounters(option);
    }
    Take();
  }
  absl::StrAppend(&option->name, "-", suffix);
  if (!generic && suffix == "FO") {
    option->kind = K::kFastOpenExp;
    return TakeHex(false, &option->hex);
  }
  if (!generic && suffix == "tarr") {
    option->kind = K::kTarr;
    if (Peek().kind != Kind::kInteger) return true;
    return TakeNumber("rate", 0, 127, &option->numbers.emplace_back());
  }
  option->kind = generic ? K::kGeneric : K::kExperiment;
  const char* const end = suffix.data() + suffix.size();
  const auto read = std::from_chars(suffix.data(), end, option->id, generic ? 10 : 16);
  const int most = generic ? 255 : 65535;
  if (read.ec != std::errc() || read.ptr != end || option->id > most) {
    return FailHere("not the number of an option");
  }
  return TakeHex(false, &option->hex);
}

// AccECN counters, each with its label: a prefix of the three of its order.
bool Parser::TakeCounters(TcpOption* option) {
  static constexpr const char* kLabels[2][3] = {{"e0b", "ceb", "e1b"}, {"e1b", "ceb", "e0b"}};
  const std::string name = Take().text;
  const auto label_at = [&](size_t i) {
    const std::string& text = Peek(i).text;
    return Peek(i).kind == Kind::kWord && text.size() == 4 && text[0] == 'e' ? text.substr(1)
                                                                             : text;
  };
  int order = absl::EndsWith(name, "1") ? 1 : 0;
  if (name == "ECN") order = label_at(0) == "e1b" ? 1 : 0;
  option->kind = order == 0 ? TcpOption::Kind::kAccEcn0 : TcpOption::Kind::kAccEcn1;
  for (size_t i = 0; i < 3 && Peek().kind == Kind::kWord; ++i) {
    if (label_at(0) != kLabels[order][i]) return FailHere("a counter out of order");
    option->labels.push_back(Take().text);
    if (!TakeNumber("counter", 0, 0xffffff, &option->numbers.emplace_back())) return false;
  }
  return true;
}

}  // namespace sockbed::packetdrill
