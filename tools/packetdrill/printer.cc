#include "tools/packetdrill/printer.h"

#include "absl/strings/str_cat.h"

namespace sockbed::packetdrill {
namespace {

std::string PrintPorts(const Ports& ports) {
  return absl::StrCat(ports.source.text, " > ", ports.destination.text);
}

std::string PrintIpInfo(const IpInfo& info) {
  std::string text(1, info.square ? '[' : '(');
  for (const IpItem& item : info.items) {
    if (text.size() > 1) text += ", ";
    absl::StrAppend(&text, item.name, item.value.empty() ? "" : " ", item.value);
  }
  return absl::StrCat(text, info.square ? "]" : ")");
}

std::string PrintEncapsulation(const Encapsulation& encap) {
  using K = Encapsulation::Kind;
  std::string text;
  switch (encap.kind) {
    case K::kIpv4:
    case K::kIpv6:
      text = encap.kind == K::kIpv4 ? "ipv4 " : "ipv6 ";
      if (encap.ip) absl::StrAppend(&text, PrintIpInfo(*encap.ip), " ");
      absl::StrAppend(&text, encap.source, " > ", encap.destination);
      break;
    case K::kGre:
      text = encap.gre_name;
      for (const GreField& field : encap.gre_fields) {
        absl::StrAppend(&text, " ", field.name, " ", field.value);
      }
      break;
    case K::kMpls:
      text = "mpls";
      for (const MplsLabel& label : encap.labels) {
        absl::StrAppend(&text, " (label ", label.label.text, ", tc ", label.traffic_class.text,
                        label.bottom ? ", [S]" : "", ", ttl ", label.ttl.text, ")");
      }
      break;
  }
  return text + ": ";
}

std::string PrintSequence(const Sequence& sequence) {
  if (sequence.kind == Sequence::Kind::kAny) return absl::StrCat("...(", sequence.length.text, ")");
  return absl::StrCat(sequence.first.text, ":", sequence.last.text, "(", sequence.length.text, ")",
                      sequence.kind == Sequence::Kind::kLiteral ? "!" : "");
}

std::string PrintTcpOption(const TcpOption& option) {
  using K = TcpOption::Kind;
  std::string text = option.name;
  switch (option.kind) {
    case K::kSack:
      for (size_t i = 0; i + 1 < option.numbers.size(); i += 2) {
        absl::StrAppend(&text, " ", option.numbers[i].text, ":", option.numbers[i + 1].text);
      }
      break;
    case K::kTimestamp:
      absl::StrAppend(&text, " val ", option.any_val ? "..." : option.numbers[0].text, " ecr ",
                      option.numbers.back().text, option.literal_ecr ? "!" : "");
      break;
    case K::kMd5Valid: text += " valid"; break;
    case K::kAccEcn0:
    case K::kAccEcn1:
      for (size_t i = 0; i < option.labels.size(); ++i) {
        absl::StrAppend(&text, " ", option.labels[i], " ", option.numbers[i].text);
      }
      break;
    default:
      for (const Number& number : option.numbers) absl::StrAppend(&text, " ", number.text);
      absl::StrAppend(&text, text.empty() || option.hex.empty() ? "" : " ", option.hex);
  }
  return text;
}

std::string PrintTcp(const TcpPart& tcp) {
  std::string text;
  if (tcp.ports) absl::StrAppend(&text, PrintPorts(*tcp.ports), " ");
  absl::StrAppend(&text, tcp.flag_text, " ", PrintSequence(tcp.sequence));
  if (tcp.ack) absl::StrAppend(&text, " ack ", tcp.ack->text);
  if (tcp.window) absl::StrAppend(&text, " win ", tcp.window->text);
  if (tcp.urgent) absl::StrAppend(&text, " urg ", tcp.urgent->text);
  if (tcp.any_options || tcp.options) absl::StrAppend(&text, " ", PrintTcpOptions(tcp));
  if (tcp.rst_reason) {
    absl::StrAppend(&text, " [code ", tcp.rst_reason->source.text, ", pen ",
                    tcp.rst_reason->destination.text, "]");
  }
  if (tcp.in_udp) absl::StrAppend(&text, " /udp(", PrintPorts(*tcp.in_udp), ")");
  return text;
}

std::string PrintUdp(const UdpPart& udp) {
  std::string text = udp.coverage ? "udplite " : "udp ";
  if (udp.ports) absl::StrAppend(&text, PrintPorts(*udp.ports), " ");
  absl::StrAppend(&text, "(", udp.length.text);
  if (udp.coverage) absl::StrAppend(&text, ", ", udp.coverage->text);
  return text + ")";
}

std::string PrintQuotation(const Quotation& quotation) {
  static constexpr const char* kNames[] = {"", "udp", "udplite", "raw"};
  if (quotation.kind == Quotation::Kind::kTcp) {
    std::string text = PrintSequence(quotation.sequence);
    if (quotation.in_udp) absl::StrAppend(&text, " /udp(", PrintPorts(*quotation.in_udp), ")");
    return text;
  }
  return absl::StrCat(kNames[static_cast<int>(quotation.kind)], " (", quotation.length.text,
                      quotation.coverage ? ", " + quotation.coverage->text : "", ")");
}

std::string PrintIcmp(const IcmpPart& icmp) {
  std::string text = absl::StrCat("icmp ", icmp.type, icmp.code.empty() ? "" : " ", icmp.code);
  if (icmp.mtu) absl::StrAppend(&text, " mtu ", icmp.mtu->text);
  if (icmp.id) absl::StrAppend(&text, " id ", icmp.id->text);
  if (icmp.quotation) absl::StrAppend(&text, " [", PrintQuotation(*icmp.quotation), "]");
  return text;
}

std::string PrintTime(const Time& time) {
  if (time.kind == Time::Kind::kAny) return "*";
  const char* const sign = time.kind == Time::Kind::kRelative ? "+" : "";
  std::string text = sign + time.text;
  if (time.window) absl::StrAppend(&text, "~", sign, time.end_text);
  return text;
}

std::string PrintCommand(const std::string& command) {
  std::string text = "`";
  for (const char c : command) {
    if (c == '`') text += '\\';
    text += c;
  }
  return text + "`";
}

std::string PrintList(const char* open, const std::vector<Expr>& list, const char* close) {
  std::string text = open;
  for (const Expr& element : list) {
    if (&element != &list.front()) text += ", ";
    if (!element.field.empty()) {
      text += element.field;
      if (!element.field_size.empty()) {
        absl::StrAppend(&text, "(", PrintExpr(element.field_size[0]), ")");
      }
      text += "=";
    }
    text += PrintExpr(element);
  }
  return text + close;
}

}  // namespace

std::string FlagText(uint16_t flags, bool ace) {
  static constexpr char kLetters[] = "FSRP.U";
  std::string text;
  for (int bit = 0; bit < 6; ++bit) {
    if ((flags >> bit & 1) != 0) text += kLetters[bit];
  }
  const int count = flags >> 6 & 7;
  if (ace && (flags & kAck) != 0) {  // without a dot there is no place for it
    // The digit stands behind the dot, which is always last but for U.
    const bool urgent = (flags & kUrg) != 0;
    if (urgent) text.erase(text.size() - 1);
    if (urgent) text.insert(text.size() - 1, "U");
    return absl::StrCat(text, count);
  }
  if ((flags & kEce) != 0) text += 'E';
  if ((flags & kCwr) != 0) text += 'W';
  if ((flags & kAe) != 0) text += 'A';
  return text.empty() ? "-" : text;
}

std::string PrintTcpOptions(const TcpPart& tcp) {
  if (tcp.any_options) return "<...>";
  std::string text = "<";
  if (tcp.options) {
    for (const TcpOption& option : *tcp.options) {
      absl::StrAppend(&text, text.size() > 1 ? "," : "", PrintTcpOption(option));
    }
  }
  return text + ">";
}

std::string PrintPacket(const Packet& packet) {
  std::string text = packet.inbound ? "< " : "> ";
  for (const Encapsulation& encap : packet.encapsulations) text += PrintEncapsulation(encap);
  if (packet.ip) absl::StrAppend(&text, PrintIpInfo(*packet.ip), " ");
  if (const auto* tcp = std::get_if<TcpPart>(&packet.body)) return text + PrintTcp(*tcp);
  if (const auto* udp = std::get_if<UdpPart>(&packet.body)) return text + PrintUdp(*udp);
  return text + PrintIcmp(std::get<IcmpPart>(packet.body));
}

std::string PrintExpr(const Expr& expr) {
  using K = Expr::Kind;
  switch (expr.kind) {
    case K::kEllipsis: return "...";
    case K::kInteger:
    case K::kWord: return expr.text;
    case K::kString: return absl::StrCat(expr.spelling, expr.open ? "..." : "");
    case K::kOr: {
      std::string text;
      for (const Expr& part : expr.parts) {
        absl::StrAppend(&text, text.empty() ? "" : " | ", PrintExpr(part));
      }
      return text;
    }
    case K::kArray: return PrintList("[", expr.parts, "]");
    case K::kStruct: return PrintList("{", expr.parts, "}");
    case K::kFunction: return expr.text + PrintList("(", expr.parts, ")");
    case K::kAssign: return absl::StrCat(expr.text, " = ", PrintExpr(expr.parts[0]));
  }
  return "";
}

std::string PrintCall(const Call& call) {
  std::string text = call.name + PrintList("(", call.arguments, ")");
  absl::StrAppend(&text, " = ", PrintExpr(call.result));
  if (!call.errno_name.empty()) absl::StrAppend(&text, " ", call.errno_name);
  if (call.note) absl::StrAppend(&text, " (", *call.note, ")");
  return text;
}

std::string PrintEvent(const ScriptEvent& event) {
  std::string text = PrintTime(event.time);
  if (const auto* packet = std::get_if<Packet>(&event.action)) {
    absl::StrAppend(&text, " ", PrintPacket(*packet));
  } else if (const auto* call = std::get_if<Call>(&event.action)) {
    if (call->returns_us) absl::StrAppend(&text, "...", call->returns_text);
    absl::StrAppend(&text, " ", PrintCall(*call));
  } else if (const auto* command = std::get_if<Command>(&event.action)) {
    absl::StrAppend(&text, " ", PrintCommand(command->text));
  } else {
    absl::StrAppend(&text, " ", std::get<Code>(event.action).spelling);
  }
  return text;
}

std::string PrintScript(const Script& script) {
  std::string text;
  for (const Option& option : script.options) {
    absl::StrAppend(&text, "--", option.name, option.value ? "=" : "", option.spelling, "\n");
  }
  if (script.init) absl::StrAppend(&text, PrintCommand(script.init->text), "\n");
  for (const ScriptEvent& event : script.events) absl::StrAppend(&text, PrintEvent(event), "\n");
  if (script.cleanup) absl::StrAppend(&text, PrintCommand(script.cleanup->text), "\n");
  return text;
}

}  // namespace sockbed::packetdrill
