// The syntax tree of a packetdrill script.
//
// Lives here:  Script and all it is made of.
// Called by:   parser (makes it), printer (writes it down again), runner (carries it out).
// Owns:        everything by value.
// Units:       microseconds, as the language has them; sequence numbers as written.
// Invariants:  what can be written in two ways keeps its spelling (Number::text, Expr::text), so
//              that a tree prints the tokens it was read from.
// Source:      the language of google's and nplab's packetdrill: README.md has the grammar.
#ifndef SOCKBED_TOOLS_PACKETDRILL_SCRIPT_H_
#define SOCKBED_TOOLS_PACKETDRILL_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sockbed::packetdrill {

struct Place {
  int line = 1;
  int column = 1;
};

struct Number {
  int64_t value = 0;
  std::string text;  // as written: "0x10", "007"
};
inline Number Num(int64_t value) { return {value, std::to_string(value)}; }

// --- Expressions: arguments and results of calls. ---

struct Expr {
  enum class Kind : uint8_t {
    kEllipsis,  // the runner supplies it
    kInteger,   // number, text: the spelling, hexadecimal ones too
    kWord,      // text
    kString,    // text: the bytes; spelling: as written, quotes included; open: "..." follows
    kOr,        // parts[0] | parts[1] | ...
    kArray,     // [parts]
    kStruct,    // {parts}, each with its field
    kFunction,  // text(parts): htons, inet_addr
    kAssign,    // text = parts[0]
  };
  Kind kind = Kind::kEllipsis;
  Place place;
  std::string text;
  std::string spelling;
  int64_t number = 0;
  bool open = false;
  std::vector<Expr> parts;
  std::string field;             // as an element of a struct: its name, or empty
  std::vector<Expr> field_size;  // "msg_iov(1)=": at most one
};

// --- Packets. ---

// One item of "(ttl 5, ect0)".
struct IpItem {
  std::string name;   // "ttl", "tos", "dscp", "ecn", "ect0", "flowlabel" ...
  std::string value;  // as written; empty: none
  int64_t number = 0;
};
struct IpInfo {
  bool square = false;  // written in [ ]
  std::vector<IpItem> items;
};

struct MplsLabel {
  Number label, traffic_class, ttl;
  bool bottom = false;
};
// "gre flags [checksum present, key present], sum 0x0, ...": its items as written.
struct GreField {
  std::string name;
  std::string value;  // "0x2000", or "[checksum present, key present]"
};
// What they mean (RFC 2784, 2890), and the flags for it.
inline constexpr uint16_t kGreChecksum = 0x8000, kGreKey = 0x2000, kGreSequence = 0x1000;
struct GreHeader {
  bool has_checksum = false;
  std::optional<uint16_t> checksum;  // empty: the right one
  uint16_t offset = 0;               // the reserved field behind it
  std::optional<uint32_t> key, sequence;
};
struct Encapsulation {
  enum class Kind : uint8_t { kIpv4, kIpv6, kGre, kMpls };
  Kind kind = Kind::kIpv4;
  std::optional<IpInfo> ip;
  std::string source, destination;  // IPv4, IPv6
  std::string gre_name;             // "gre", "GREv0", a comma behind it included
  std::vector<GreField> gre_fields;
  GreHeader gre;
  std::vector<MplsLabel> labels;
};

struct Ports {
  Number source, destination;
};

struct TcpOption {
  enum class Kind : uint8_t {
    kEol,
    kNop,
    kMss,
    kWindowScale,
    kSackOk,
    kSack,       // numbers: start, end, start, end ...
    kTimestamp,  // numbers: val (absent if any_val), ecr
    kMd5,        // hex
    kMd5Valid,
    kFastOpen,     // hex
    kFastOpenExp,  // hex
    kAccEcn0,      // labels and numbers, in pairs; order e0, ce, e1
    kAccEcn1,
    kTarr,
    kGeneric,     // id: the kind; hex
    kExperiment,  // id: the experiment's number; hex
    kRaw,         // hex: the whole option field
  };
  Kind kind = Kind::kNop;
  std::string name;  // as written: "mss", "exp-AccECN0", "gen-5"
  std::vector<Number> numbers;
  std::vector<std::string> labels;  // "ee0b", "ceb"
  std::string hex;
  int id = 0;
  bool experimental = false;  // AccECN in an option of kind 254
  bool any_val = false;       // "TS val ..."
  bool literal_ecr = false;   // "ecr 7!"
};

struct Sequence {
  enum class Kind : uint8_t { kTranslated, kLiteral, kAny };  // 1:1(0)   1:1(0)!   ...(0)
  Kind kind = Kind::kTranslated;
  Number first, last, length;
};

inline constexpr uint16_t kFin = 0x001, kSyn = 0x002, kRst = 0x004, kPsh = 0x008, kAck = 0x010,
                          kUrg = 0x020, kEce = 0x040, kCwr = 0x080, kAe = 0x100;

struct TcpPart {
  std::optional<Ports> ports;
  uint16_t flags = 0;     // kFin ...
  bool ace = false;       // AE, CWR, ECE were written as one digit
  std::string flag_text;  // as written
  Sequence sequence;
  std::optional<Number> ack, window, urgent;
  bool any_options = false;                       // <...>
  std::optional<std::vector<TcpOption>> options;  // no < > at all: none
  std::optional<Ports> rst_reason;                // [code C, pen P]
  std::optional<Ports> in_udp;                    // /udp(S > D)
};

struct UdpPart {
  std::optional<Ports> ports;
  Number length;
  std::optional<Number> coverage;  // UDP-Lite
};

// What an ICMP message quotes.
struct Quotation {
  enum class Kind : uint8_t { kTcp, kUdp, kUdpLite, kRaw };
  Kind kind = Kind::kTcp;
  Sequence sequence;  // kTcp
  std::optional<Ports> in_udp;
  Number length;  // the others
  std::optional<Number> coverage;
};
struct IcmpPart {
  std::string type, code;  // as written; code may be empty
  std::optional<Number> mtu, id;
  std::optional<Quotation> quotation;
};

struct Packet {
  bool inbound = false;
  std::vector<Encapsulation> encapsulations;  // outermost first
  std::optional<IpInfo> ip;
  std::variant<TcpPart, UdpPart, IcmpPart> body;
};

// --- Events. ---

struct Time {
  enum class Kind : uint8_t { kAbsolute, kRelative, kAny };
  Kind kind = Kind::kAbsolute;
  int64_t us = 0;
  std::string text;
  bool window = false;  // "~": until end_us
  int64_t end_us = 0;
  std::string end_text;
};

struct Call {
  std::string name;
  std::vector<Expr> arguments;
  std::optional<int64_t> returns_us;  // "...": a call that sleeps
  std::string returns_text;
  Expr result;
  std::string errno_name;  // empty: not compared
  std::optional<std::string> note;
  Place place;
};

struct Command {
  std::string text;
};
struct Code {
  std::string text;
  std::string spelling;  // with its delimiters
};

struct ScriptEvent {
  Time time;
  Place place;
  std::variant<Packet, Call, Command, Code> action;
};

struct Option {
  std::string name;                  // without the dashes
  std::optional<std::string> value;  // as the runner takes it: strings decoded
  std::string spelling;              // of the value
  Place place;
};

struct Script {
  std::vector<Option> options;
  std::optional<Command> init;
  std::vector<ScriptEvent> events;
  std::optional<Command> cleanup;
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_SCRIPT_H_
