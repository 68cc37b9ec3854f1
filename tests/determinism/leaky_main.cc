// A simulation with a planted leak of the real world: leaky clock|heap|hash FOLDER.
//
// One program sends what it should not know over a link; the run's files go to FOLDER. leaks_test
// runs it twice and must see the difference. Each leak is of a kind that a careless program or a
// careless kernel would have.

#include <dlfcn.h>
#include <netinet/in.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "kernel/host/simulation.h"
#include "tools/run_outputs.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr size_t kBytes = 64;
constexpr size_t kLargeBytes = 16 * 1024;

// The machine's clock, past the shim: the C library's own function.
std::string LeakClock() {
  void* const libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  const auto real = reinterpret_cast<decltype(&clock_gettime)>(dlsym(libc, "clock_gettime"));
  timespec now{};
  real(CLOCK_REALTIME, &now);
  return std::string(reinterpret_cast<char*>(&now), sizeof(now));
}

// Bytes that nobody has written. A large block: small ones come back as they were freed.
std::string LeakHeap() {
  char* const bytes = static_cast<char*>(malloc(kLargeBytes));
  std::string text(bytes + kLargeBytes / 2, kBytes);
  free(bytes);
  return text;
}

// The order in which a hash table is walked.
std::string LeakHash() {
  absl::flat_hash_set<int> numbers;
  for (int i = 0; i < 100; ++i) numbers.insert(i);
  std::string text;
  for (const int number : numbers) text.push_back(static_cast<char>(number));  // planted
  return text;
}

std::string Leak(const std::string& kind) {
  if (kind == "clock") return LeakClock();
  if (kind == "heap") return LeakHeap();
  if (kind == "hash") return LeakHash();
  return std::string(kBytes, 'x');  // nothing leaks: must not be reported
}

void Send(const std::string& kind, const sockaddr_in& to) {
  const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
  const auto* name = reinterpret_cast<const sockaddr*>(&to);
  for (int i = 0; i < 20; ++i) uapi::sendto(fd, "same", 4, 0, name, sizeof(to));
  const std::string text = Leak(kind);
  uapi::sendto(fd, text.data(), text.size(), 0, name, sizeof(to));
  uapi::close(fd);
}

int Run(const std::string& kind, const std::string& folder) {
  Simulation sim({.seed = 1, .check = true});
  Host& sender = sim.AddHost("sender");
  Host& receiver = sim.AddHost("receiver");
  auto outputs = tools::RunOutputs::Open(folder, sim);
  if (!outputs.ok()) return 2;
  const auto capture = (*outputs)->AddCapture("link", false);
  if (!capture.ok()) return 2;
  sim.Connect(sender, receiver, {.latency = absl::Milliseconds(1)}, *capture);
  sender.Spawn("leak", [&] { Send(kind, receiver.address(9)); });
  sim.RunUntil({});
  if (!(*outputs)->Finish("").ok()) return 2;
  sim.Finish();
  return 0;
}

}  // namespace
}  // namespace sockbed

int main(int argc, char** argv) { return argc == 3 ? sockbed::Run(argv[1], argv[2]) : 2; }
