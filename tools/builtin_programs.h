// The built-in programs, one constant each.
//
// Lives here:  the declarations that the registry collects.
// Called by:   registry.cc.
#ifndef SOCKBED_TOOLS_BUILTIN_PROGRAMS_H_
#define SOCKBED_TOOLS_BUILTIN_PROGRAMS_H_

#include "tools/program.h"

namespace sockbed::tools {

extern const ProgramInfo kTlsFileServer;  // tls_file.cc
extern const ProgramInfo kTlsFileClient;
extern const ProgramInfo kTlsServer;  // tls_talk.cc
extern const ProgramInfo kTlsClient;
extern const ProgramInfo kDtlsServer;
extern const ProgramInfo kDtlsClient;
extern const ProgramInfo kHttpsGet;
extern const ProgramInfo kTcpEchoServer;  // echo.cc
extern const ProgramInfo kTcpEchoClient;
extern const ProgramInfo kUdpEchoServer;
extern const ProgramInfo kUdpEchoClient;
extern const ProgramInfo kDnsServer;  // dns_server.cc
extern const ProgramInfo kDnsLookup;
extern const ProgramInfo kNetstat;  // netstat.cc
extern const ProgramInfo kPing;     // ping.cc

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_BUILTIN_PROGRAMS_H_
