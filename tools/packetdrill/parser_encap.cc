// Packets in packets: the headers of tunnels in front of a packet proper, outermost first.
#include "absl/strings/str_cat.h"
#include "tools/packetdrill/parser_private.h"

namespace sockbed::packetdrill {
namespace {

using EncapKind = Encapsulation::Kind;

struct GreFlagName {
  const char* word;
  uint16_t flag;
};
constexpr GreFlagName kGreFlagNames[] = {
    {"checksum", kGreChecksum}, {"key", kGreKey}, {"sequence#", kGreSequence}};

bool IsIp(EncapKind kind) { return kind == EncapKind::kIpv4 || kind == EncapKind::kIpv6; }

}  // namespace

bool Parser::TakeEncapsulations(Packet* packet) {
  for (;;) {
    Encapsulation encap;
    if (Peek().IsWord("ipv4") || Peek().IsWord("ipv6")) {
      if (!TakeOuterIp(&encap)) return false;
    } else if (Peek().IsWord("gre") || Peek().IsWord("GREv0")) {
      if (packet->encapsulations.empty() || !IsIp(packet->encapsulations.back().kind)) {
        return FailHere("GRE travels in ipv4 or ipv6");
      }
      encap.kind = EncapKind::kGre;
      if (!TakeGre(&encap)) return false;
    } else if (Peek().IsWord("mpls")) {
      if (packet->encapsulations.empty()) return FailHere("MPLS travels in ipv4, ipv6 or gre");
      encap.kind = EncapKind::kMpls;
      if (!TakeMpls(&encap)) return false;
    } else {
      return true;
    }
    packet->encapsulations.push_back(std::move(encap));
    if (!Expect(':')) return false;
  }
}

bool Parser::TakeOuterIp(Encapsulation* encap) {
  const bool v6 = Take().text == "ipv6";
  const Kind wanted = v6 ? Kind::kIpv6 : Kind::kIpv4;
  encap->kind = v6 ? EncapKind::kIpv6 : EncapKind::kIpv4;
  if (!TakeIpInfo(&encap->ip)) return false;
  if (Peek().kind != wanted) return FailHere("expected the source address");
  encap->source = Take().text;
  if (!Expect('>')) return false;
  if (Peek().kind != wanted) return FailHere("expected the destination address");
  encap->destination = Take().text;
  return true;
}

// "gre flags [checksum present, key present], sum 0x0, off 0x0, key 0x1, seq 0", commas optional.
bool Parser::TakeGre(Encapsulation* encap) {
  const Place place = Peek().place;
  encap->gre_name = Take().text;
  if (Accept(',')) encap->gre_name += ',';
  std::optional<uint16_t> flags;
  while (Peek().kind == Kind::kWord) {
    if (!TakeGreField(encap, &flags)) return false;
  }
  return CheckGre(place, flags, encap);
}

bool Parser::TakeGreField(Encapsulation* encap, std::optional<uint16_t>* flags) {
  GreField field;
  field.name = Peek().text;
  for (const GreField& before : encap->gre_fields) {
    if (before.name == field.name) {
      return FailHere(absl::StrCat("'", field.name, "' is given twice"));
    }
  }
  Take();
  GreHeader& gre = encap->gre;
  Number number;
  bool good;
  if (field.name == "flags" || field.name == "Flags") {
    good = TakeGreFlags(&number.text, flags);
  } else if (field.name == "sum") {
    good = TakeUint16("sum", &number);
    gre.checksum = static_cast<uint16_t>(number.value);
  } else if (field.name == "off") {
    good = TakeUint16("off", &number);
    gre.offset = static_cast<uint16_t>(number.value);
  } else if (field.name == "key") {
    good = TakeUint32("key", &number);
    gre.key = static_cast<uint32_t>(number.value);
  } else if (field.name == "seq") {
    good = TakeUint32("seq", &number);
    gre.sequence = static_cast<uint32_t>(number.value);
  } else {
    --at_;
    return FailHere("expected flags, sum, off, key or seq");
  }
  if (!good) return false;
  field.value = number.text;
  if (Accept(',')) field.value += ',';
  encap->gre_fields.push_back(std::move(field));
  return true;
}

// A number, or "[none]", or names of flags, each followed by "present".
bool Parser::TakeGreFlags(std::string* text, std::optional<uint16_t>* flags) {
  if (!Peek().Is('[')) {
    const Place place = Peek().place;
    Number number;
    if (!TakeUint16("flags", &number)) return false;
    *text = number.text;
    *flags = static_cast<uint16_t>(number.value);
    if ((**flags & ~(kGreChecksum | kGreKey | kGreSequence)) == 0) return true;
    return FailMeaning(place, "GRE has 0x8000 (checksum), 0x2000 (key) and 0x1000 (sequence)");
  }
  *text = Take().text;
  *flags = 0;
  if (AcceptWord("none")) {
    *text += "none]";
    return Expect(']');
  }
  do {
    uint16_t flag = 0;
    for (const GreFlagName& name : kGreFlagNames) flag |= Peek().IsWord(name.word) ? name.flag : 0;
    if (flag == 0 || (**flags & flag) != 0) {
      return FailHere("expected 'checksum', 'key' or 'sequence#', each once");
    }
    **flags |= flag;
    absl::StrAppend(text, text->size() > 1 ? ", " : "", Take().text, " present");
    if (!AcceptWord("present")) return FailHere("expected 'present'");
  } while (Accept(','));
  *text += ']';
  return Expect(']');
}

// Flags and fields must speak of one header. Without flags the fields tell; with them, fields that
// are not given are 0, and the checksum is right; a field whose flag is not set may be given as 0.
bool Parser::CheckGre(Place place, std::optional<uint16_t> flags, Encapsulation* encap) {
  GreHeader& gre = encap->gre;
  bool has_offset = false;
  for (const GreField& field : encap->gre_fields) has_offset |= field.name == "off";
  gre.has_checksum = gre.checksum || has_offset;
  if (!flags) return true;
  const bool nothing = gre.checksum.value_or(0) == 0 && gre.offset == 0;
  const bool sum = (*flags & kGreChecksum) != 0;
  const bool key = (*flags & kGreKey) != 0;
  const bool sequence = (*flags & kGreSequence) != 0;
  if ((!nothing && !sum) || (gre.key.value_or(0) != 0 && !key) ||
      (gre.sequence.value_or(0) != 0 && !sequence)) {
    return FailMeaning(place, "a GRE field is given whose flag is not set");
  }
  gre.has_checksum = sum;
  if (!sum) gre.checksum.reset();
  gre.key = key ? std::optional(gre.key.value_or(0)) : std::nullopt;
  gre.sequence = sequence ? std::optional(gre.sequence.value_or(0)) : std::nullopt;
  return true;
}

bool Parser::TakeMpls(Encapsulation* encap) {
  Take();
  while (Accept('(')) {
    MplsLabel label;
    if (!AcceptWord("label")) return FailHere("expected 'label'");
    if (!TakeNumber("label", 0, (1 << 20) - 1, &label.label) || !Expect(',')) return false;
    if (!AcceptWord("tc")) return FailHere("expected 'tc'");
    if (!TakeNumber("tc", 0, 7, &label.traffic_class) || !Expect(',')) return false;
    if (Accept('[')) {
      if (!AcceptWord("S")) return FailHere("expected 'S'");
      if (!Expect(']') || !Expect(',')) return false;
      label.bottom = true;
    }
    if (!AcceptWord("ttl")) return FailHere("expected 'ttl'");
    if (!TakeNumber("ttl", 0, 255, &label.ttl) || !Expect(')')) return false;
    encap->labels.push_back(std::move(label));
  }
  return !encap->labels.empty() || FailHere("expected '('");
}

}  // namespace sockbed::packetdrill
