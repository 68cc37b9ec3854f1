// Writing a syntax tree down as a script again.
//
// Lives here:  PrintScript, PrintPacket and kin.
// Called by:   reports (a failing line can be pasted back), the round-trip test.
// Invariants:  what is printed has the tokens that were read, one event per line, and parses to the
//              same tree.
#ifndef SOCKBED_TOOLS_PACKETDRILL_PRINTER_H_
#define SOCKBED_TOOLS_PACKETDRILL_PRINTER_H_

#include <string>

#include "tools/packetdrill/script.h"

namespace sockbed::packetdrill {

std::string PrintScript(const Script& script);
std::string PrintEvent(const ScriptEvent& event);
// With its direction: "> S. 0:0(0) ack 1 win 65535 <mss 1460>".
std::string PrintPacket(const Packet& packet);
std::string PrintTcpOptions(const TcpPart& tcp);  // "<mss 1460,nop>"
std::string PrintCall(const Call& call);
std::string PrintExpr(const Expr& expr);

// The letters of `flags`, in the order F S R P . U E W A; "-" for none; `ace`: as a digit.
std::string FlagText(uint16_t flags, bool ace);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_PRINTER_H_
