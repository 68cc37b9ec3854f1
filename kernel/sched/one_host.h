// A machine with one booted host, for the unit tests of this room.
//
// Lives here:  OneHost.
// Called by:   *_test.cc here.
// Invariants:  after each test every process is gone and every live count of the host is zero. A
//              test whose processes still sleep on its own variables calls proc_killall before
//              these go.
#ifndef SOCKBED_KERNEL_SCHED_ONE_HOST_H_
#define SOCKBED_KERNEL_SCHED_ONE_HOST_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/records.h"

namespace sockbed {

class OneHost : public testing::Test {
 protected:
  OneHost() { Boot({.seed = 7}); }

  // Before the members of a test go, which its processes may still use on their way out.
  void TearDown() override { Shutdown(); }

  // Starts over on another machine.
  void Boot(const Machine::Options& options) {
    Shutdown();
    machine_ = std::make_unique<Machine>(options);
    machine_->trace().set_sink(&records_);
    records_.all.clear();
    sched_describe(machine_->trace());
    scope_ = std::make_unique<MachineScope>(*machine_);
    host_ = std::make_unique<HostBase>(HostId{1}, "host");
    machine_->trace().NameHost(1, "host");
    sched_boot(*host_);
  }

  // A process of the host; what it returns is its exit status, 0 if it returns nothing.
  proc* Spawn(std::string name, std::function<void()> main, SimTime start_at = 0) {
    return SpawnWith({.name = std::move(name),
                      .main =
                          [main = std::move(main)] {
                            main();
                            return 0;
                          },
                      .start_at = start_at});
  }
  proc* SpawnWith(SpawnOptions options) {
    const HostScope on_host(*host_);
    return proc_spawn(std::move(options));
  }

  Machine::End Run(SimTime deadline = kForever) {
    const Machine::End end = machine_->Run(deadline);
    sched_check(*host_);
    return end;
  }

  // The records of one type so far, in order.
  std::vector<Record> RecordsOf(SchedEvent type) {
    machine_->trace().Flush();
    std::vector<Record> found;
    for (const Record& record : records_.all) {
      if (record.room == Room::kSched && record.type == static_cast<uint8_t>(type)) {
        found.push_back(record);
      }
    }
    return found;
  }

  Machine& machine() { return *machine_; }
  HostBase& host() { return *host_; }

 private:
  void Shutdown() {
    if (host_ == nullptr) return;
    proc_killall(*host_);
    for (const LiveCount& live : host_->live_counts) EXPECT_EQ(*live.count, 0) << live.what;
    machine_->trace().set_sink(nullptr);
    host_.reset();
    scope_.reset();
    machine_.reset();
  }

  Records records_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<MachineScope> scope_;
  std::unique_ptr<HostBase> host_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_ONE_HOST_H_
