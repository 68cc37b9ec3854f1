// The screen that ends a run: hosts, links, programs, connections, digest.
//
// Lives here:  Report, ConnectionLine.
// Called by:   the run command.
// May touch:   the finished simulation: hosts, links, TCP's summaries, TLS handshakes.
#ifndef SOCKBED_TOOLS_REPORT_H_
#define SOCKBED_TOOLS_REPORT_H_

#include <string>
#include <vector>

#include "kernel/host/simulation.h"
#include "ssl/runtime.h"
#include "tools/scenario.h"

namespace sockbed::tools {

// One end of a TCP connection, taken before tear-down.
struct ConnectionLine {
  std::string host;
  std::string local, peer;  // "10.0.1.1:4433"
  uint64_t bytes_sent = 0, bytes_received = 0;
  uint64_t segments_sent = 0, segments_received = 0, retransmitted = 0;
  SimTime srtt = 0;  // 0: never measured
  std::string state;
  std::string tls;  // "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty
};

struct Report {
  const Scenario& scenario;
  Simulation& simulation;
  const RunResult& result;
  const std::vector<ConnectionLine>& connections;
  uint64_t seed = 0;
  double wall_seconds = 0;
  std::string out;  // where files were written; may be empty
};

// The connections of all hosts, in order of host and of opening. Before Simulation::Finish.
std::vector<ConnectionLine> CollectConnections(Simulation& simulation, const ssl::Runtime& tls);

// The whole screen.
std::string FormatReport(const Report& report);

// A screen's lines about what programs printed, and how each exited.
std::string FormatConsole(const Report& report);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_REPORT_H_
