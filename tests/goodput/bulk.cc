#include "tests/goodput/bulk.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernel/host/simulation.h"
#include "kernel/net/link.h"
#include "kernel/sim/kassert.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_stat.h"
#include "uapi/uapi.h"

namespace sockbed::goodput {
namespace {

constexpr uint16_t kPort = 5001;
constexpr size_t kWrite = 32768;
constexpr int64_t kBufferLargest = 4 << 20;
constexpr int64_t kWrapsSoon = 0xffff'0000;  // an initial sequence number

void SetBuffer(int fd, int name, int64_t bytes) {
  const int value = static_cast<int>(bytes);
  KASSERT(uapi::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value) == 0);
}

void Serve(const BulkCase& bulk, int64_t* received) {
  const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
  SetBuffer(listener, SO_RCVBUF, bulk.buffer);
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_port = htons(kPort);
  KASSERT(uapi::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
  KASSERT(uapi::listen(listener, 1) == 0);
  const int fd = uapi::accept(listener, nullptr, nullptr);
  std::string data(kWrite, '\0');
  for (ssize_t n; (n = uapi::read(fd, data.data(), data.size())) > 0;) *received += n;
}

void Send(const BulkCase& bulk, const sockaddr_in& to) {
  const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
  SetBuffer(fd, SO_SNDBUF, bulk.buffer);
  KASSERT(uapi::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const std::string data(kWrite, 'x');
  while (uapi::write(fd, data.data(), data.size()) > 0) {
  }
}

// How long to look: until so many segments, or round trips, have passed.
SimTime Span(const BulkCase& bulk) {
  constexpr double kSegments = 10'000, kRoundTrips = 60;
  const double losses = bulk.buffer > 100'000 ? 250 : 100;  // theory speaks of the large ones
  const double limit = static_cast<double>(bulk.buffer) / kSegment;
  double rounds = std::max(kRoundTrips, kSegments / limit);
  if (bulk.loss_ppm != 0) {
    const double p = static_cast<double>(bulk.loss_ppm) / 1e6;
    const double window = std::min(limit, MathisWindow(p, true, false));
    rounds = std::max(kRoundTrips, losses / p / window);
  }
  return static_cast<SimTime>(rounds * static_cast<double>(bulk.round_trip_ms)) * kMillisecond;
}

}  // namespace

std::string BulkCase::Name() const {
  return absl::StrCat(freebsd ? "freebsd " : "openbsd ",
                      algorithm == Algorithm::kCubic ? "cubic " : "newreno ", round_trip_ms, " ",
                      loss_ppm, " ", buffer);
}

BulkResult Transfer(const BulkCase& bulk) {
  Simulation sim({.seed = 11});
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  Link& link = sim.Connect(client, server,
                           {.latency = absl::Microseconds(bulk.round_trip_ms * 500),
                            .rate_bps = bulk.rate_bps,
                            .queue_len = 4096});
  LinkOptions lossy = link.options(0);
  lossy.loss = static_cast<Chance>(bulk.loss_ppm * static_cast<int64_t>(kAlways / 1000) / 1000);
  link.set_options(0, lossy);
  for (Host* host : {&server, &client}) {
    host->SetSysctl("net.inet.tcp.profile", bulk.freebsd ? 1 : 0);
    host->SetSysctl("net.inet.tcp.cc.algorithm", static_cast<int64_t>(bulk.algorithm));
    host->SetSysctl("kern.sbmax", kBufferLargest);
    host->SetSysctl("net.inet.tcp.knob.iss", kWrapsSoon);
  }
  int64_t received = 0;
  server.Spawn("reader", [&] { Serve(bulk, &received); });
  client.Spawn("writer", [&, to = server.address(kPort)] { Send(bulk, to); });
  const SimTime span = Span(bulk);
  const auto stat = [&](tcpstat_counters which) {
    return static_cast<int64_t>(tcpstat_get(client, which));
  };
  sim.RunUntil({.deadline = span / 5});
  const int64_t before = received;
  const int64_t rexmits = stat(tcps_sndrexmitpack), timeouts = stat(tcps_rexmttimeo);
  const LinkCounters given = link.counters(0);
  sim.RunUntil({.deadline = span / 5 + span});
  const LinkCounters& now_given = link.counters(0);
  const BulkResult result = {
      .bytes_per_s = (received - before) * 1000 / (span / kMillisecond),
      .rexmits = stat(tcps_sndrexmitpack) - rexmits,
      .timeouts = stat(tcps_rexmttimeo) - timeouts,
      .loss = static_cast<double>(now_given.dropped_loss - given.dropped_loss) /
              static_cast<double>(now_given.packets - given.packets),
  };
  sim.Finish();
  return result;
}

std::vector<BulkCase> Grid() {
  // What a case costs grows with 1 / loss.
  struct Row {
    int64_t loss_ppm;
    std::vector<int64_t> buffers;
  };
  const Row rows[] = {
      {0, {16384, 65536, 1 << 20}}, {1000, {65536, 1 << 20}}, {10'000, {16384, 65536, 1 << 20}}};
  std::vector<BulkCase> grid;
  for (const bool freebsd : {false, true}) {
    for (const Algorithm algorithm : {Algorithm::kNewReno, Algorithm::kCubic}) {
      for (const Row& row : rows) {
        for (const int64_t round_trip_ms : {10, 50, 200}) {
          for (const int64_t buffer : row.buffers) {
            grid.push_back({.freebsd = freebsd,
                            .algorithm = algorithm,
                            .round_trip_ms = round_trip_ms,
                            .loss_ppm = row.loss_ppm,
                            .buffer = buffer});
          }
        }
      }
    }
  }
  return grid;
}

}  // namespace sockbed::goodput
