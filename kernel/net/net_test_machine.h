// The machine of a test, and its hosts as far as their interfaces.
//
// Lives here:  NetTestMachine.
// Called by:   the worlds that unit tests share: LinkTestHosts, InetTestHosts.
// Owns:        machine, hosts and records.
// Invariants:  where a machine ends every live count of every host is zero.
#ifndef SOCKBED_KERNEL_NET_NET_TEST_MACHINE_H_
#define SOCKBED_KERNEL_NET_NET_TEST_MACHINE_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/net/if.h"
#include "kernel/net/net_trace.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/records.h"

namespace sockbed {

class NetTestMachine : public testing::Test {
 protected:
  Machine& machine() { return *machine_; }
  bool has_machine() const { return machine_ != nullptr; }
  const std::vector<std::unique_ptr<HostBase>>& hosts() const { return hosts_; }

  // All that has been traced so far.
  const std::vector<Record>& records() {
    machine_->trace().Flush();
    return records_.all;
  }

  // REQUIRES: the last one has ended.
  void StartMachine(const Machine::Options& options) {
    KASSERT(machine_ == nullptr);
    machine_ = std::make_unique<Machine>(options);
    machine_->trace().set_sink(&records_);
    records_.all.clear();
    net_describe(machine_->trace());
    scope_ = std::make_unique<MachineScope>(*machine_);
  }
  // A host with processes, memory and interfaces, and nothing above these. Numbered from 1.
  HostBase& AddBareHost(const std::string& name) {
    hosts_.push_back(std::make_unique<HostBase>(static_cast<HostId>(hosts_.size() + 1), name));
    HostBase& host = *hosts_.back();
    sched_boot(host);
    mbuf_boot(host);
    net_boot(host);
    return host;
  }
  // halt(host) ends what stands above the interfaces of each. REQUIRES: the links are gone.
  template <typename Halt>
  void EndMachine(Halt halt) {
    for (const auto& host : hosts_) {
      halt(*host);
      net_halt(*host);
    }
    for (const auto& host : hosts_) {
      for (const LiveCount& live : host->live_counts) EXPECT_EQ(*live.count, 0) << live.what;
      EXPECT_EQ(mbuf_leaks(*host), "");
    }
    hosts_.clear();
    machine_->trace().set_sink(nullptr);
    scope_.reset();
    machine_.reset();
  }

 private:
  Records records_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<MachineScope> scope_;
  std::vector<std::unique_ptr<HostBase>> hosts_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_NET_TEST_MACHINE_H_
