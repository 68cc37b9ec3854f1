// The recursive descent: one function per rule of the grammar in README.md.
//
// Lives here:  Parser.
// Called by:   parser.cc, parser_packet.cc, parser_encap.cc, parser_options.cc, parser_call.cc: its
//              parts.
// Invariants:  a function returns true and has consumed its rule, or returns false and has left the
//              reason in status().
#ifndef SOCKBED_TOOLS_PACKETDRILL_PARSER_PRIVATE_H_
#define SOCKBED_TOOLS_PACKETDRILL_PARSER_PRIVATE_H_

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tools/packetdrill/lexer.h"
#include "tools/packetdrill/script.h"

namespace sockbed::packetdrill {

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string path)
      : tokens_(std::move(tokens)), path_(std::move(path)) {}

  // parser.cc
  bool ParseScript(Script* script);
  // parser_packet.cc
  bool ParsePacket(Packet* packet);
  bool AtEnd() const { return Peek().kind == Token::Kind::kEnd; }
  bool FailHere(const std::string& what);
  const absl::Status& status() const { return status_; }

 private:
  using Kind = Token::Kind;

  // --- Tokens. ---

  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool Accept(char c);
  bool AcceptWord(const char* word);
  bool Expect(char c);
  bool FailMeaning(Place place, const std::string& what);

  // --- Numbers. `what` names the field in errors. ---

  bool TakeNumber(const char* what, int64_t least, int64_t most, Number* number);
  bool TakeUint32(const char* what, Number* number) {
    return TakeNumber(what, 0, UINT32_MAX, number);
  }
  bool TakeUint16(const char* what, Number* number) {
    return TakeNumber(what, 0, UINT16_MAX, number);
  }
  bool TakeHex(bool needed, std::string* hex);
  bool TakePorts(std::optional<Ports>* ports);
  bool PeekPorts() const;

  // --- The script (parser.cc). ---

  bool TakeOption(Script* script);
  bool TakeEvent(ScriptEvent* event);
  bool TakeTime(Time* time);
  bool TakeSeconds(int64_t* us, std::string* text);
  bool CheckOrder(const Script& script);

  // --- Packets (parser_packet.cc). ---

  bool TakeIpInfo(std::optional<IpInfo>* info);
  bool TakeIpItem(IpItem* item);
  bool TakeTcp(bool inbound, TcpPart* tcp);
  bool TakeTcpTail(TcpPart* tcp);
  bool TakeFlags(TcpPart* tcp);
  bool TakeSequence(bool inbound, Sequence* sequence);
  bool TakeUdp(bool lite, UdpPart* udp);
  bool TakeIcmp(IcmpPart* icmp);
  bool TakeQuotation(Quotation* quotation);
  bool TakeInUdp(std::optional<Ports>* ports);

  // --- Packets in packets (parser_encap.cc). ---

  bool TakeEncapsulations(Packet* packet);
  bool TakeOuterIp(Encapsulation* encap);
  bool TakeGre(Encapsulation* encap);
  bool TakeGreField(Encapsulation* encap, std::optional<uint16_t>* flags);
  bool TakeGreFlags(std::string* text, std::optional<uint16_t>* flags);
  bool CheckGre(Place place, std::optional<uint16_t> flags, Encapsulation* encap);
  bool TakeMpls(Encapsulation* encap);

  // --- TCP options (parser_options.cc). ---

  bool TakeTcpOptions(bool inbound, TcpPart* tcp);
  bool TakeTcpOption(bool inbound, TcpOption* option);
  bool TakeSimpleOption(bool* known, TcpOption* option);
  bool TakeSack(TcpOption* option);
  bool TakeTimestamp(bool inbound, TcpOption* option);
  bool TakeMd5(TcpOption* option);
  bool TakeDashed(TcpOption* option);
  bool TakeCounters(TcpOption* option);
  bool CheckOptionLength(const TcpPart& tcp, Place place);

  // --- Calls (parser_call.cc). ---

  bool TakeCall(Call* call);
  bool TakeNote(std::optional<std::string>* note);
  bool TakeExpr(Expr* expr);
  bool TakeTerm(Expr* expr);
  bool TakeList(char close, bool fields, std::vector<Expr>* list);
  bool TakeField(Expr* element);

  std::vector<Token> tokens_;
  std::string path_;
  size_t at_ = 0;
  int depth_ = 0;  // of nested expressions
  absl::Status status_;
};

// Bytes of an option on the wire.
int OptionLength(const TcpOption& option);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_PARSER_PRIVATE_H_
