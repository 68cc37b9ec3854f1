// Packets: addresses and header fields in front, then TCP, UDP or ICMP.
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "tools/packetdrill/parser_private.h"

namespace sockbed::packetdrill {

bool Parser::ParsePacket(Packet* packet) {
  if (!Peek().Is('<') && !Peek().Is('>')) return FailHere("expected '<' or '>'");
  packet->inbound = Take().Is('<');
  if (!TakeEncapsulations(packet) || !TakeIpInfo(&packet->ip)) return false;
  if (Peek().IsWord("udp") || Peek().IsWord("udplite")) {
    UdpPart udp;
    if (!TakeUdp(Take().text == "udplite", &udp)) return false;
    packet->body = std::move(udp);
    return true;
  }
  if (AcceptWord("icmp")) {
    IcmpPart icmp;
    if (!TakeIcmp(&icmp)) return false;
    packet->body = std::move(icmp);
    return true;
  }
  if (Peek().IsWord("sctp")) return FailHere("SCTP is not part of this runner");
  TcpPart tcp;
  if (!TakeTcp(packet->inbound, &tcp)) return false;
  packet->body = std::move(tcp);
  return true;
}

// --- IP. ---

namespace {

// What an item says something of: bits that stand for the TTL, the DSCP, ECN and the flow label.
unsigned FieldsOf(const IpItem& item) {
  constexpr unsigned kTtl = 1, kDscp = 2, kEcn = 4, kFlow = 8;
  if (item.name == "ttl" || item.name == "hlim") return kTtl;
  if (item.name == "tos" || item.name == "class") return kDscp | kEcn;
  if (item.name == "dscp") return kDscp;
  return item.name == "flowlabel" ? kFlow : kEcn;
}

}  // namespace

bool Parser::TakeIpInfo(std::optional<IpInfo>* info) {
  if (!Peek().Is('(') && !Peek().Is('[')) return true;
  IpInfo taken;
  taken.square = Take().Is('[');
  unsigned given = 0;
  do {
    IpItem item;
    if (!TakeIpItem(&item)) return false;
    const unsigned fields = FieldsOf(item);
    if ((given & fields) != 0) {
      return FailHere(absl::StrCat("what '", item.name, "' says is given twice"));
    }
    given |= fields;
    taken.items.push_back(std::move(item));
  } while (Accept(','));
  if (!Expect(taken.square ? ']' : ')')) return false;
  *info = std::move(taken);
  return true;
}

bool Parser::TakeIpItem(IpItem* item) {
  static constexpr std::array kEcn = {"noecn", "ect0", "ect1", "ect01", "ce"};
  const Token& name = Peek();
  if (name.kind != Kind::kWord) return FailHere("expected a field of the IP header");
  item->name = Take().text;
  if (std::find(kEcn.begin(), kEcn.end(), item->name) != kEcn.end()) return true;
  const Token& value = Peek();
  item->value = value.text;
  item->number = value.number;
  if (item->name == "ecn") {
    if (std::find(kEcn.begin(), kEcn.end(), value.text) == kEcn.end()) {
      return FailHere("expected noecn, ect0, ect1, ect01 or ce");
    }
    Take();
    return true;
  }
  if (item->name == "dscp" && value.kind != Kind::kHex) {
    // "voice-admit" is three tokens.
    if (value.kind != Kind::kWord) return FailHere("expected a DSCP: a name or a hex number");
    const size_t end = Take().end;
    if (Peek().Is('-') && Peek().begin == end) {
      Take();
      absl::StrAppend(&item->value, "-", Take().text);
    }
    return true;
  }
  int64_t most;
  bool hex = true;
  if (item->name == "ttl" || item->name == "hlim") {
    most = 255;
    hex = false;
  } else if (item->name == "tos" || item->name == "class") {
    most = 255;
  } else if (item->name == "dscp") {
    most = 63;
  } else if (item->name == "flowlabel") {
    most = 0xfffff;
  } else {
    --at_;
    return FailHere("no field of the IP header");
  }
  if (hex && value.kind != Kind::kHex) return FailHere("expected a hex number");
  Number number;
  return TakeNumber(item->name.c_str(), 0, most, &number);
}

// --- TCP. ---

bool Parser::PeekPorts() const {
  return Peek().kind == Kind::kInteger && Peek(1).Is('>') && Peek(2).kind == Kind::kInteger;
}

bool Parser::TakePorts(std::optional<Ports>* ports) {
  Ports taken;
  if (!TakeUint16("source port", &taken.source) || !Expect('>')) return false;
  if (!TakeUint16("destination port", &taken.destination)) return false;
  *ports = std::move(taken);
  return true;
}

bool Parser::TakeTcp(bool inbound, TcpPart* tcp) {
  if (Peek().IsWord("encap") && Peek(1).IsWord("psp")) {
    return FailHere("PSP is not part of this runner");
  }
  if (PeekPorts() && !TakePorts(&tcp->ports)) return false;
  if (!TakeFlags(tcp) || !TakeSequence(inbound, &tcp->sequence)) return false;
  if (AcceptWord("ack")) {
    tcp->ack.emplace();
    if (!TakeUint32("ack", &*tcp->ack)) return false;
  }
  if (AcceptWord("win")) {
    tcp->window.emplace();
    if (!TakeUint16("win", &*tcp->window)) return false;
  } else if (inbound) {
    return FailHere("an inbound segment needs 'win'");
  }
  if (AcceptWord("urg")) {
    tcp->urgent.emplace();
    if (!TakeUint16("urg", &*tcp->urgent)) return false;
  }
  if (Peek().Is('<') && !TakeTcpOptions(inbound, tcp)) return false;
  return TakeTcpTail(tcp);
}

bool Parser::TakeTcpTail(TcpPart* tcp) {
  if (Accept('[')) {
    tcp->rst_reason.emplace();
    if (!AcceptWord("code")) return FailHere("expected 'code'");
    if (!TakeUint16("code", &tcp->rst_reason->source) || !Expect(',')) return false;
    if (!AcceptWord("pen")) return FailHere("expected 'pen'");
    if (!TakeUint32("pen", &tcp->rst_reason->destination) || !Expect(']')) return false;
    if ((tcp->flags & kRst) == 0) return FailHere("only a reset has a code and a pen");
  }
  return TakeInUdp(&tcp->in_udp);
}

bool Parser::TakeInUdp(std::optional<Ports>* ports) {
  if (!Accept('/')) return true;
  if (!AcceptWord("udp")) return FailHere("expected 'udp'");
  return Expect('(') && TakePorts(ports) && Expect(')');
}

namespace {

struct FlagLetter {
  char letter;
  uint16_t flag;
};
constexpr FlagLetter kFlagLetters[] = {{'F', kFin}, {'S', kSyn}, {'R', kRst},
                                       {'P', kPsh}, {'.', kAck}, {'U', kUrg},
                                       {'E', kEce}, {'W', kCwr}, {'A', kAe}};

// Adds the flags of a word; false when it has another letter, or one twice.
bool AddFlags(const std::string& word, uint16_t* flags) {
  for (const char c : word) {
    uint16_t flag = 0;
    for (const auto& known : kFlagLetters) flag |= known.letter == c ? known.flag : 0;
    if (flag == 0 || (*flags & flag) != 0) return false;
    *flags |= flag;
  }
  return true;
}

}  // namespace

// Letters, a dot, then letters or the digit of an ACE count, in one piece or in several; or "-".
bool Parser::TakeFlags(TcpPart* tcp) {
  if (Accept('-')) {
    tcp->flag_text = "-";
    return true;
  }
  const char* const bad = "expected TCP flags: letters of FSRPUEWA and '.', or '-'";
  bool first = true;
  for (;; first = false) {
    const Token& token = Peek();
    std::string letters = token.text;
    if (token.kind == Kind::kFloat && token.text.size() == 2 && token.text[0] == '.' &&
        token.text[1] <= '7') {
      const int ace = token.text[1] - '0';
      if (tcp->ace || (tcp->flags & (kEce | kCwr | kAe)) != 0) return FailHere(bad);
      tcp->ace = true;
      tcp->flags |= static_cast<uint16_t>(((ace & 1) != 0 ? kEce : 0) |
                                          ((ace & 2) != 0 ? kCwr : 0) | ((ace & 4) != 0 ? kAe : 0));
      letters = ".";
    } else if (token.kind != Kind::kWord && !token.Is('.')) {
      break;
    }
    if (!AddFlags(letters, &tcp->flags)) return FailHere(bad);
    const bool of_count = letters.find_first_of("EWA") != std::string::npos;
    if (tcp->ace && of_count) return FailHere(bad);
    tcp->flag_text += token.text;
    Take();
  }
  if (first) return FailHere(bad);
  return true;
}

bool Parser::TakeSequence(bool inbound, Sequence* sequence) {
  const Place place = Peek().place;
  if (Peek().kind == Kind::kEllipsis) {
    if (inbound) return FailHere("an inbound segment needs its sequence number");
    Take();
    sequence->kind = Sequence::Kind::kAny;
    return Expect('(') && TakeUint16("length", &sequence->length) && Expect(')');
  }
  if (!TakeUint32("sequence number", &sequence->first) || !Expect(':')) return false;
  if (!TakeUint32("sequence number", &sequence->last) || !Expect('(')) return false;
  if (!TakeUint16("length", &sequence->length) || !Expect(')')) return false;
  if (Accept('!')) sequence->kind = Sequence::Kind::kLiteral;
  if (sequence->first.value + sequence->length.value == sequence->last.value) return true;
  return FailMeaning(place, absl::StrCat(sequence->first.text, " plus ", sequence->length.text,
                                         " is not ", sequence->last.text));
}

// --- UDP and ICMP. ---

bool Parser::TakeUdp(bool lite, UdpPart* udp) {
  if (PeekPorts() && !TakePorts(&udp->ports)) return false;
  if (!Expect('(') || !TakeUint16("length", &udp->length)) return false;
  if (lite) {
    udp->coverage.emplace();
    if (!Expect(',') || !TakeUint16("checksum coverage", &*udp->coverage)) return false;
  }
  return Expect(')');
}

bool Parser::TakeIcmp(IcmpPart* icmp) {
  if (Peek().kind != Kind::kWord) return FailHere("expected the type of an ICMP message");
  icmp->type = Take().text;
  const bool code = Peek().kind == Kind::kWord && !Peek().IsWord("mtu") && !Peek().IsWord("id");
  if (code) icmp->code = Take().text;
  if (AcceptWord("mtu")) {
    icmp->mtu.emplace();
    if (!TakeUint32("mtu", &*icmp->mtu)) return false;
  }
  if (AcceptWord("id")) {
    icmp->id.emplace();
    if (!TakeUint16("id", &*icmp->id)) return false;
  }
  if (!Accept('[')) return true;
  icmp->quotation.emplace();
  return TakeQuotation(&*icmp->quotation) && Expect(']');
}

bool Parser::TakeQuotation(Quotation* quotation) {
  using What = Quotation::Kind;
  if (AcceptWord("udp")) {
    quotation->kind = What::kUdp;
  } else if (AcceptWord("udplite")) {
    quotation->kind = What::kUdpLite;
  } else if (AcceptWord("raw")) {
    quotation->kind = What::kRaw;
  } else if (Peek().IsWord("sctp")) {
    return FailHere("SCTP is not part of this runner");
  } else {
    return TakeSequence(true, &quotation->sequence) && TakeInUdp(&quotation->in_udp);
  }
  if (!Expect('(') || !TakeUint16("length", &quotation->length)) return false;
  if (quotation->kind == What::kUdpLite) {
    quotation->coverage.emplace();
    if (!Expect(',') || !TakeUint16("checksum coverage", &*quotation->coverage)) return false;
  }
  return Expect(')');
}

}  // namespace sockbed::packetdrill
