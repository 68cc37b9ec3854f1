// Reading a script: text to syntax tree.
//
// Lives here:  ParseScript, ParsePacketText.
// Called by:   runner, peer, tests.
// Invariants:  1. Any bytes give a tree or an error that names its place.
//              2. Of the tree's numbers, those with a field on the wire fit into it; lengths and
//                 sequence numbers agree; TCP options fill words and fit the header.
#ifndef SOCKBED_TOOLS_PACKETDRILL_PARSER_H_
#define SOCKBED_TOOLS_PACKETDRILL_PARSER_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/packetdrill/lexer.h"
#include "tools/packetdrill/script.h"

namespace sockbed::packetdrill {

// `path` is named in errors; `definitions` are those of the command line and the personality.
// Errors: InvalidArgument, "path:line:column: parse error at 'token': ..." or "...: semantic
// error: ...".
absl::StatusOr<Script> ParseScript(const std::string& text, const std::string& path,
                                   const Definitions& definitions);

// A packet alone, direction first: "> S. 0:0(0) ack 1". Errors: as ParseScript.
absl::StatusOr<Packet> ParsePacketText(const std::string& text);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_PARSER_H_
