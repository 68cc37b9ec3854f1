#include <algorithm>

#include "tools/builtin_programs.h"
#include "tools/program.h"

namespace sockbed::tools {
namespace {

constexpr const ProgramInfo* kPrograms[] = {
    &kDnsLookup,     &kDnsServer,     &kPing,          &kTcpEchoClient, &kTcpEchoServer,
    &kTlsFileClient, &kTlsFileServer, &kUdpEchoClient, &kUdpEchoServer,
};

}  // namespace

std::span<const ProgramInfo* const> Programs() { return kPrograms; }

const ProgramInfo* FindProgram(absl::string_view name) {
  const auto found = std::ranges::find_if(
      kPrograms, [&](const ProgramInfo* program) { return name == program->name; });
  return found != std::end(kPrograms) ? *found : nullptr;
}

}  // namespace sockbed::tools
