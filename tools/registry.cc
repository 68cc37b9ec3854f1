#include <algorithm>

#include "tools/builtin_programs.h"
#include "tools/program.h"

namespace sockbed::tools {
namespace {

constexpr const ProgramInfo* kPrograms[] = {
    &kDnsLookup,     &kDnsServer,     &kDtlsClient,    &kDtlsServer,    &kHttpsGet,
    &kNetstat,       &kPing,          &kTcpEchoClient, &kTcpEchoServer, &kTlsClient,
    &kTlsFileClient, &kTlsFileServer, &kTlsServer,     &kUdpEchoClient, &kUdpEchoServer,
};

}  // namespace

std::span<const ProgramInfo* const> Programs() { return kPrograms; }

const ProgramInfo* FindProgram(absl::string_view name) {
  const auto found = std::ranges::find_if(
      kPrograms, [&](const ProgramInfo* program) { return name == program->name; });
  return found != std::end(kPrograms) ? *found : nullptr;
}

}  // namespace sockbed::tools
