// Code of a script: assertions about TCP_INFO, in a small part of Python.
//
// Lives here:  Scope, RunSnippet.
// Called by:   runner.
// Differs:     evaluated at the event, not after the script: earlier, never with another verdict.
//
//   statement  = "assert" expr [ "," expr ] | "print" "(" ... ")" | NAME ( "=" | "+=" ) expr
//   expr       = and, or, not; chained comparisons; | & + - * / %; names, integers, strings, ( )
#ifndef SOCKBED_TOOLS_PACKETDRILL_SNIPPET_H_
#define SOCKBED_TOOLS_PACKETDRILL_SNIPPET_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace sockbed::packetdrill {

// What names mean: the fields and constants given, and what snippets have assigned.
using Scope = std::map<std::string, int64_t>;

// Runs the statements of `text`; adds what it prints to *printed. Errors: FailedPrecondition (an
// assertion does not hold: with the values of its names), InvalidArgument (not of this language, an
// unknown name).
absl::Status RunSnippet(const std::string& text, Scope* scope, std::string* printed);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_SNIPPET_H_
