// netstat: what its host's kernel has counted.

#include <array>
#include <string>

#include "absl/strings/str_format.h"
#include "kernel/mbuf/mbuf_host.h"
#include "tools/builtin_programs.h"
#include "uapi/uapi.h"

namespace sockbed::tools {
namespace {

// What each type is for, in netstat's order.
struct MbufType {
  int type;
  const char* name;
};
constexpr MbufType kMbufTypes[] = {
    {MT_DATA, "data"},
    {MT_OOBDATA, "oob data"},
    {MT_CONTROL, "ancillary data"},
    {MT_HEADER, "packet headers"},
    {MT_FTABLE, "fragment reassembly queue headers"},
    {MT_SONAME, "socket names and addresses"},
    {MT_SOOPTS, "socket options"},
    {MT_FREE, "<mbuf type 0>"},
};

std::string Mbufs(int64_t n) { return absl::StrFormat("%d mbuf%s", n, n == 1 ? "" : "s"); }

void PrintLine(const std::string& line) { uapi::Print("%s\n", line.c_str()); }

// netstat -m.
void PrintMemory() {
  const HostBase& host = *Here().host;
  const mbstat& stat = mbuf_stat(host);
  int64_t clusters_max = 0;
  if (host.sysctls.Get("kern.maxclusters", &clusters_max) != 0) return;
  int64_t mbufs = 0;
  for (const int64_t n : stat.m_mtypes) mbufs += n;
  PrintLine(Mbufs(mbufs) + " in use:");
  for (const MbufType& type : kMbufTypes) {
    const int64_t n = stat.m_mtypes[static_cast<size_t>(type.type)];
    if (n != 0) PrintLine("\t" + Mbufs(n) + " allocated to " + type.name);
  }
  int64_t pages = 0;
  int64_t pages_max = 0;
  for (const MbufPoolStat& pool : mbuf_pools(host)) {
    pages += pool.pages;
    pages_max += pool.pages_max;
    if (pool.size == MSIZE) continue;  // those are mbufs
    PrintLine(absl::StrFormat("%d/%d mbuf %d byte clusters in use (current/peak)", pool.live,
                              pool.items_max, pool.size));
  }
  constexpr int64_t kPageKbytes = kMbufPageBytes / 1024;
  PrintLine(absl::StrFormat("%d/%d/%d Kbytes allocated to network (current/peak/max)",
                            pages * kPageKbytes, pages_max * kPageKbytes,
                            clusters_max * MCLBYTES / 1024));
  PrintLine(absl::StrFormat("%d requests for memory denied", stat.m_drops));
  PrintLine(absl::StrFormat("%d requests for memory delayed", stat.m_wait));
  PrintLine(absl::StrFormat("%d calls to protocol drain routines", stat.m_drain));
}

int Netstat(const ProgramArgs& args) {
  if (!args.flag("m")) {
    uapi::Print("netstat: say what to show: args: {m: true}\n");
    return 1;
  }
  PrintMemory();
  return 0;
}

constexpr ArgInfo kNetstatArgs[] = {
    {"m", ArgType::kFlag, "false",
     "the memory of the network: mbufs, clusters, the limit, refusals"},
};

}  // namespace

const ProgramInfo kNetstat = {"netstat", "shows what its host's kernel has counted (-m)",
                              kNetstatArgs, MakeProgram<Netstat>};

}  // namespace sockbed::tools
