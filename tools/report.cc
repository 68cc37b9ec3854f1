#include "tools/report.h"

#include <arpa/inet.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernel/inet/in6.h"
#include "kernel/net/link.h"
#include "kernel/tcp/tcp.h"
#include "tools/units.h"

namespace sockbed::tools {
namespace {

std::string FormatEndpoint(const inpaddru& address, uint16_t port) {
  if (!address.is_v4() && !address.is_any()) {
    return absl::StrCat("[", in6_text(address.v6()), "]:", port);
  }
  const in_addr v4 = address.v4();
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &v4, text, sizeof(text));
  return absl::StrCat(text, ":", port);
}

std::string FormatEndpoint(const sockaddr_in& name) {
  return FormatEndpoint(name.sin_addr, ntohs(name.sin_port));
}

std::string FormatRate(int64_t bits_per_second) {
  if (bits_per_second == 0) return "no rate limit";
  if (bits_per_second % 1'000'000 == 0) {
    return absl::StrCat(bits_per_second / 1'000'000, " Mbit/s");
  }
  return absl::StrCat(FormatCount(static_cast<uint64_t>(bits_per_second)), " bit/s");
}

std::string FormatMilliseconds(SimTime ns) {
  return absl::StrFormat("%d.%03d ms", ns / kMillisecond, ns % kMillisecond / kMicrosecond);
}

// A chance with as many decimals as it needs: "1 %", "0.5 %".
std::string FormatChance(Chance chance) {
  const uint64_t hundredths = (chance * 10'000 + kAlways / 2) / kAlways;
  if (hundredths % 100 == 0) return absl::StrFormat("%d %%", hundredths / 100);
  std::string text = absl::StrFormat("%d.%02d", hundredths / 100, hundredths % 100);
  if (text.back() == '0') text.pop_back();
  return text + " %";
}

// As netstat names them, in the order of the states.
constexpr const char* kStateNames[TCP_NSTATES] = {
    "CLOSED",     "LISTEN",  "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "CLOSE_WAIT",
    "FIN_WAIT_1", "CLOSING", "LAST_ACK", "FIN_WAIT_2",   "TIME_WAIT"};

std::string FormatState(const TcpSummary& connection) {
  std::string text = kStateNames[connection.state];
  if (connection.closed) absl::StrAppend(&text, ", closed at ", FormatSeconds(connection.ended));
  if (connection.error != 0) absl::StrAppend(&text, " (", strerror(connection.error), ")");
  return text;
}

std::string FormatExit(const ProcessRecord& process) {
  if (!process.exited) return process.daemon ? "still serving" : "did not end";
  const std::string at = FormatSeconds(process.exit_time);
  if (WIFSIGNALED(process.status)) {
    return absl::StrFormat("killed by signal %d (%s) at %s", WTERMSIG(process.status),
                           sigdescr_np(WTERMSIG(process.status)), at);
  }
  return absl::StrFormat("exited %d at %s", WEXITSTATUS(process.status), at);
}

std::string HostsAndLinks(const Report& report) {
  std::string text = "hosts\n";
  for (const auto& host : report.simulation.hosts()) {
    absl::StrAppendFormat(&text, "  %-12s", host->name);
    for (const HostAddress& address : host->addresses()) {
      char number[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, &address.address, number, sizeof(number));
      if (address.interface == "lo0") continue;
      absl::StrAppendFormat(&text, " %s/%d (%s)", number, address.prefix_len, address.interface);
    }
    for (const HostAddress6& address : host->addresses6()) {
      absl::StrAppendFormat(&text, " %s/%d (%s)", in6_text(address.address), address.prefix_len,
                            address.interface);
    }
    text.push_back('\n');
  }
  if (!report.scenario.links.empty()) text.append("links\n");
  for (size_t i = 0; i < report.scenario.links.size(); ++i) {
    const ScenarioLink& link = report.scenario.links[i];
    absl::StrAppendFormat(&text, "  %-12s %s - %s, %s, %s", link.name, link.first, link.second,
                          FormatRate(link.bits_per_second), FormatMilliseconds(link.latency));
    if (link.loss != 0) absl::StrAppend(&text, ", loss ", FormatChance(link.loss));
    if (link.reorder != 0) absl::StrAppend(&text, ", reorder ", FormatChance(link.reorder));
    if (link.duplicate != 0) absl::StrAppend(&text, ", duplicate ", FormatChance(link.duplicate));
    if (link.corrupt != 0) absl::StrAppend(&text, ", corrupt ", FormatChance(link.corrupt));
    text.push_back('\n');
    for (int direction = 0; direction < 2; ++direction) {
      const LinkCounters& c = report.simulation.links()[i]->counters(direction);
      absl::StrAppendFormat(
          &text, "  %-12s   %s -> %s: %s packets, %s lost, %s queue drops, %s reordered\n", "",
          direction == 0 ? link.first : link.second, direction == 0 ? link.second : link.first,
          FormatCount(c.packets), FormatCount(c.dropped_loss), FormatCount(c.dropped_queue),
          FormatCount(c.reordered));
    }
  }
  return text;
}

std::string Connections(const Report& report) {
  if (report.connections.empty()) return "";
  std::string text = "connections\n";
  for (const ConnectionLine& c : report.connections) {
    absl::StrAppendFormat(&text, "  %-12s %s <-> %s  %s%s\n", c.host, c.local, c.peer, c.state,
                          c.tls.empty() ? "" : "  " + c.tls);
    absl::StrAppendFormat(
        &text,
        "  %-12s   sent %s bytes in %s segments (%s retransmitted), received %s in %s, srtt %s\n",
        "", FormatCount(c.bytes_sent), FormatCount(c.segments_sent), FormatCount(c.retransmitted),
        FormatCount(c.bytes_received), FormatCount(c.segments_received),
        c.srtt == 0 ? "not measured" : FormatMilliseconds(c.srtt));
  }
  return text;
}

std::string Totals(const Report& report) {
  const RunResult& r = report.result;
  const double speed =
      report.wall_seconds > 0 ? static_cast<double>(r.time) / kSecond / report.wall_seconds : 0;
  const std::string done =
      r.AllEnded() ? absl::StrFormat(" (programs done at %s)", FormatSeconds(r.last_exit)) : "";
  std::string text = absl::StrFormat("time     %s virtual%s, %.3f s wall, %.0fx\n",
                                     FormatSeconds(r.time), done, report.wall_seconds, speed);
  absl::StrAppendFormat(&text, "events   %s, trace records %s\n", FormatCount(r.events),
                        FormatCount(report.simulation.trace().last_id()));
  absl::StrAppendFormat(&text, "digest   %s\n", r.digest.ToString());
  if (!report.out.empty()) absl::StrAppendFormat(&text, "files    %s\n", report.out);
  return text;
}

}  // namespace

std::vector<ConnectionLine> CollectConnections(Simulation& simulation, const ssl::Runtime& tls) {
  std::vector<ConnectionLine> lines;
  for (const auto& host : simulation.hosts()) {
    for (const TcpSummary& c : tcp_connections(*host)) {
      ConnectionLine line;
      line.host = host->name;
      line.local = FormatEndpoint(c.laddr, c.lport);
      line.peer = FormatEndpoint(c.faddr, c.fport);
      line.bytes_sent = c.bytes_sent;
      line.bytes_received = c.bytes_received;
      line.segments_sent = c.segments_sent;
      line.segments_received = c.segments_received;
      line.retransmitted = c.retransmissions;
      line.srtt = c.srtt_us * kMicrosecond;
      line.state = FormatState(c);
      for (const ssl::HandshakeRecord& handshake : tls.handshakes()) {
        if (handshake.host == host->id && FormatEndpoint(handshake.local) == line.local &&
            FormatEndpoint(handshake.peer) == line.peer) {
          line.tls = absl::StrCat(handshake.version, " ", handshake.cipher);
        }
      }
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

std::string FormatConsole(const Report& report) {
  std::string text = "programs\n";
  for (const ConsoleLine& line : report.simulation.console()) {
    absl::StrAppendFormat(&text, "  %12s  %s/%s: %s\n", FormatSeconds(line.time), line.host_name,
                          line.process, line.text);
  }
  for (const ProcessRecord& process : report.result.processes) {
    absl::StrAppendFormat(&text, "  %s/%s %s\n", process.host_name, process.name,
                          FormatExit(process));
  }
  return text;
}

std::string FormatReport(const Report& report) {
  std::string text = absl::StrFormat("%s, seed %d\n", report.scenario.name, report.seed);
  if (!report.scenario.about.empty()) absl::StrAppend(&text, "  ", report.scenario.about, "\n");
  absl::StrAppend(&text, HostsAndLinks(report), FormatConsole(report), Connections(report),
                  Totals(report));
  return text;
}

}  // namespace sockbed::tools
