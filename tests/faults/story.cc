#include "tests/faults/story.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include "kernel/sched/signal.h"
#include "uapi/uapi.h"

namespace sockbed::faults {
namespace {

// TCP gives a half-closed connection with a silent peer up after 16 hours.
constexpr SimTime kPatience = 24 * 3600 * kSecond;
constexpr int kRoundsMax = 100;

// Sets all stopped processes going; whether there were any.
bool ContinueStopped(Simulation& sim) {
  const MachineScope machine(sim.machine());
  bool any = false;
  for (const std::unique_ptr<Host>& host : sim.hosts()) {
    const HostScope on_host(*host);
    proc_foreach(*host, [&](proc* p) {
      if (p->p_stat != ProcState::kStopped) return;
      psignal(p, SIGCONT);
      any = true;
    });
  }
  return any;
}

}  // namespace

std::string Story::Bytes(char salt, size_t offset, size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = ByteAt(salt, offset + i);
  return bytes;
}

bool Story::SendStream(int fd, char salt, size_t total, size_t at_once) {
  for (size_t sent = 0; sent < total;) {
    const std::string bytes = Bytes(salt, sent, std::min(at_once, total - sent));
    const ssize_t n = uapi::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (!Works("send", n)) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

bool Story::ReceiveStream(int fd, char salt, size_t total, size_t at_once, int flags) {
  size_t got = 0;
  std::string buffer(at_once, '\0');
  for (;;) {
    const ssize_t n = uapi::recv(fd, buffer.data(), buffer.size(), flags);
    if (!Works("recv", n)) return false;
    if (n == 0) break;
    const std::string_view bytes(buffer.data(), static_cast<size_t>(n));
    if (bytes != Bytes(salt, got, bytes.size())) ++corrupt;
    got += bytes.size();
  }
  if (got > total) ++corrupt;
  if (got < total) ++incomplete;
  return got == total;
}

bool Story::SendMessage(int fd, char salt, size_t size) {
  const std::string bytes = Bytes(salt, 0, size);
  return Works("send", uapi::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

bool Story::ReceiveMessage(int fd, char salt, size_t size) {
  std::string buffer(size + 1, '\0');
  const ssize_t n = uapi::recv(fd, buffer.data(), buffer.size(), 0);
  if (!Works("recv", n)) return false;
  if (n == 0) {
    ++incomplete;
    return false;
  }
  const std::string_view bytes(buffer.data(), static_cast<size_t>(n));
  if (bytes != Bytes(salt, 0, repeats ? bytes.size() : size)) ++corrupt;
  return true;
}

void Begin(const Story* story) {
  if (story->signal_flags < 0) return;
  struct sigaction act{};
  act.sa_handler = [](int) {};
  act.sa_flags = story->signal_flags;
  uapi::sigaction(SIGUSR1, &act, nullptr);
}

Outcome Play(const Scenario& scenario, fault::Plan* plan, int signal_flags,
             const PlayOptions& options) {
  Outcome outcome;
  outcome.story.signal_flags = signal_flags;
  outcome.story.repeats = options.repeats;
  TestSimulation sim({.seed = options.seed,
                      .choices = options.choices,
                      .fault_plan = plan,
                      .deliver_at_splx = options.deliver_at_splx});
  scenario.build(sim, &outcome.story);
  if (options.extra != nullptr) {
    for (const std::unique_ptr<Host>& host : sim.hosts()) options.extra(*host, options.seed);
  }
  // Who stopped a process may be dead before it could continue it.
  for (int round = 0; round < kRoundsMax; ++round) {
    sim.RunUntil({.deadline = sim.machine().now() + kPatience});
    if (!ContinueStopped(sim)) break;
  }
  outcome.result = sim.Finish();
  return outcome;
}

std::string BadSleepers(const RunResult& result) {
  std::string text;
  for (const SleeperInfo& sleeper : result.sleepers) {
    if (sleeper.wmesg != "netacc") text += SleeperText(sleeper) + "\n";
  }
  return text;
}

}  // namespace sockbed::faults
