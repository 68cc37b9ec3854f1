// The host under test: one simulated host, one interface, and the script at the interface's end.
//
// Lives here:  LiveHost, Profile.
// Called by:   runner, peer.
// May touch:   kernel/host, net, inet, sched, uapi.
// Context:     from outside any simulated process.
// Owns:        the simulation; packets sent and not yet taken.
// Units:       microseconds since the script's start.
// Invariants:  1. When a function returns, everything due by its time has happened: timers and
//                 interrupts first, then processes.
//              2. The interface takes no time, loses nothing, and computes no checksum.
//              3. An instant has an end: a host that goes on for ever at one time panics.
#ifndef SOCKBED_TOOLS_PACKETDRILL_LIVE_HOST_H_
#define SOCKBED_TOOLS_PACKETDRILL_LIVE_HOST_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernel/host/simulation.h"
#include "kernel/mbuf/mbuf_ptr.h"
#include "kernel/net/if.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::packetdrill {

enum class Profile : uint8_t { kOpenBsd, kFreeBsd };

struct LiveHostOptions {
  Profile profile = Profile::kOpenBsd;
  uint64_t seed = 1;
  uint32_t mtu = 1500;
  Address local;
  int local_prefix_len = 16;
  Address local_linklocal;  // beside `local`, if that is one of IPv6
  Address gateway;
  Address remote_net;
  int remote_prefix_len = 24;
};

// A packet of the host, and when it left.
struct SentPacket {
  int64_t us = 0;
  std::vector<uint8_t> bytes;
};
// Told of each packet as it passes the interface, at that time of the host's.
using PacketListener =
    std::function<void(SimTime when, const std::vector<uint8_t>& packet, bool outbound)>;

class LiveHost {
 public:
  // Boots a host. Borrows `store`. Errors: InvalidArgument (addresses that do not fit together).
  static absl::StatusOr<std::unique_ptr<LiveHost>> Boot(const LiveHostOptions& options,
                                                        MachineStore* store);
  ~LiveHost();
  LiveHost(const LiveHost&) = delete;
  LiveHost& operator=(const LiveHost&) = delete;

  int64_t now_us() const;
  // When that is, on the script's clock.
  static int64_t us_at(SimTime when);
  // Runs on to `us`, if that lies ahead; in any case until nothing is left to do by then.
  void RunTo(int64_t us);
  // Runs until the host has sent one more packet, at most to `us`. Returns whether it has.
  bool RunToPacket(int64_t us);
  // Whether nothing will ever happen by itself any more.
  bool quiescent() const { return quiescent_; }

  void set_listener(PacketListener listener) { listener_ = std::move(listener); }

  // A packet arrives now.
  void Inject(const std::vector<uint8_t>& packet);
  // What the host has sent, oldest first. The caller takes from the front.
  std::deque<SentPacket>& sent() { return sent_; }

  // Runs `body` in the process under test, to its end, and the clock with it if it sleeps, at most
  // to `us`. Returns whether it has ended. While one before it sleeps it is not run.
  bool Do(std::function<void()> body, int64_t us);

  // Runs `body` in a second thread of the process, and goes on once it sleeps or has ended.
  // REQUIRES: the one before it has ended.
  void StartSleeper(std::function<void()> body);
  bool sleeper_done() const { return sleeper_done_; }
  int64_t sleeper_done_us() const { return sleeper_done_us_; }
  // Runs until the sleeper has ended, at most to `us`. Returns whether it has.
  bool RunToSleeper(int64_t us);

  Host& host() { return *host_; }
  Simulation& simulation() { return *simulation_; }

  // Kills the process and takes the host apart. Returns what was left behind: empty is good.
  std::string Finish();

 private:
  LiveHost() = default;

  absl::Status Configure(const LiveHostOptions& options);
  void ProcessMain();
  static void* SleeperMain(void* self);
  static int Output(ifnet* ifp, MbufPtr m, const sockaddr* dst);
  // Runs until stopped, or to `us`. Returns whether it was stopped.
  bool RunOn(int64_t us);
  Machine::End Run(SimTime until);
  // Counts `n` more of what happens now, and panics when it is too much for one instant.
  void CountAtThisInstant(uint64_t n);

  std::unique_ptr<Simulation> simulation_;
  std::unique_ptr<MachineScope> scope_;
  Host* host_ = nullptr;
  ifnet* ifp_ = nullptr;
  Event alarm_;
  SimTime instant_ = 0;       // the last at which something was counted,
  uint64_t at_instant_ = 0;   // and how much
  uint64_t events_seen_ = 0;  // of the machine's
  std::function<void()> progress_;
  bool quiescent_ = false;
  std::deque<SentPacket> sent_;
  PacketListener listener_;    // may be empty
  std::function<void()> job_;  // what the process is to do next
  bool sleeper_done_ = true;
  int64_t sleeper_done_us_ = 0;
  std::function<void()> sleeper_body_;
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_LIVE_HOST_H_
