// A machine with two hosts that have mbufs, and chains to try things on, for the tests of this
// room.
//
// Lives here:  TwoHosts, Bytes, Chain, Content, Lengths.
// Called by:   *_test.cc here.
// Invariants:  after each test both hosts' counts are zero.
#ifndef SOCKBED_KERNEL_MBUF_TWO_HOSTS_H_
#define SOCKBED_KERNEL_MBUF_TWO_HOSTS_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/mbuf/mbuf_trace.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/records.h"

namespace sockbed {

class TwoHosts : public testing::Test {
 protected:
  TwoHosts() { Boot({.seed = 7}); }
  ~TwoHosts() override { Shutdown(); }

  // Starts over on another machine. The test runs on host a, in interrupt context.
  void Boot(const Machine::Options& options) {
    Shutdown();
    machine_ = std::make_unique<Machine>(options);
    records_.all.clear();
    machine_->trace().set_sink(&records_);
    sched_describe(machine_->trace());
    mbuf_describe(machine_->trace());
    scope_ = std::make_unique<MachineScope>(*machine_);
    a_ = BootHost(1, "a");
    b_ = BootHost(2, "b");
    on_a_ = std::make_unique<HostScope>(*a_);
  }

  void Shutdown() {
    if (machine_ == nullptr) return;
    on_a_.reset();
    for (HostBase* host : {a_.get(), b_.get()}) {
      if (host != nullptr) proc_killall(*host);
    }
    for (HostBase* host : {a_.get(), b_.get()}) {
      if (host != nullptr) ExpectNothingLive(*host);
    }
    b_.reset();
    a_.reset();
    machine_->trace().set_sink(nullptr);
    scope_.reset();
    machine_.reset();
  }

  HostBase& a() { return *a_; }
  HostBase& b() { return *b_; }
  Machine& machine() { return *machine_; }
  void EndHostA() {
    on_a_.reset();
    a_.reset();
  }

  // Runs `main` as a process of host a, at once.
  void InProcess(std::function<void()> main) {
    Spawn("test", std::move(main));
    EXPECT_EQ(machine_->Run(), Machine::End::kQuiescent);
  }
  proc* Spawn(std::string name, std::function<void()> main) {
    return proc_spawn({.name = std::move(name), .main = [main = std::move(main)] {
                         main();
                         return 0;
                       }});
  }

  static int64_t Live(const HostBase& host, const std::string& what) {
    for (const LiveCount& live : host.live_counts) {
      if (live.what == what) return *live.count;
    }
    ADD_FAILURE() << "no count of " << what;
    return -1;
  }

  // The records of this room so far, as text without time and host: "LIMIT mbufpl refused, ...".
  std::vector<Record> RecordsOf(MbufRecord type) {
    machine_->trace().Flush();
    std::vector<Record> found;
    for (const Record& record : records_.all) {
      if (record.room == Room::kMbuf && record.type == static_cast<uint8_t>(type)) {
        found.push_back(record);
      }
    }
    return found;
  }

 private:
  static std::unique_ptr<HostBase> BootHost(HostId id, const std::string& name) {
    auto host = std::make_unique<HostBase>(id, name);
    sched_boot(*host);
    mbuf_boot(*host);
    return host;
  }
  static void ExpectNothingLive(const HostBase& host) {
    for (const LiveCount& live : host.live_counts) {
      EXPECT_EQ(*live.count, 0) << live.what << " of host " << host.name << "\n"
                                << mbuf_leaks(host);
    }
    for (int64_t count : mbuf_stat(host).m_mtypes) EXPECT_EQ(count, 0);
    for (const MbufPoolStat& pool : mbuf_pools(host)) {
      EXPECT_EQ(pool.live, 0) << pool.name;
      EXPECT_EQ(pool.pages, 0) << pool.name;
    }
  }

  Records records_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<MachineScope> scope_;
  std::unique_ptr<HostBase> a_;
  std::unique_ptr<HostBase> b_;
  std::unique_ptr<HostScope> on_a_;
};

// `n` bytes that are all different from their neighbours 251 on: byte i of the sequence is
// (first + i) % 251.
inline std::string Bytes(int n, int first = 0) {
  std::string bytes(static_cast<size_t>(n), '\0');
  for (int i = 0; i < n; ++i) bytes[i] = static_cast<char>((first + i) % 251);
  return bytes;
}

// Where an mbuf of a Chain keeps its bytes.
enum class Storage { kSmallest, kCluster };

// A chain of mbufs with the given lengths, holding Bytes(sum of them); with a header unless told
// otherwise. Storage is internal where it fits.
inline MbufPtr Chain(const std::vector<int>& lengths, bool header = true,
                     Storage storage = Storage::kSmallest) {
  MbufPtr chain;
  mbuf* last = nullptr;
  int total = 0;
  for (int length : lengths) {
    const bool first = last == nullptr;
    MbufPtr m = first && header ? m_gethdr(M_DONTWAIT, MT_DATA) : m_get(M_DONTWAIT, MT_DATA);
    if (storage == Storage::kCluster || length > m_trailingspace(m.get())) {
      EXPECT_TRUE(m_clget(m.get(), M_DONTWAIT, static_cast<uint32_t>(length)));
    }
    const std::string bytes = Bytes(length, total);
    bytes.copy(m->m_data, bytes.size());
    m->m_len = length;
    total += length;
    mbuf* const n = m.release();
    if (first) {
      chain.reset(n);
    } else {
      last->m_next = n;
    }
    last = n;
  }
  if (header) chain->m_pkthdr.len = total;
  return chain;
}

// All bytes of the chain.
inline std::string Content(const mbuf* m) {
  std::string content;
  for (; m != nullptr; m = m->m_next) content.append(m->m_data, static_cast<size_t>(m->m_len));
  return content;
}
inline std::string Content(const MbufPtr& m) { return Content(m.get()); }

// m_len of each mbuf.
inline std::vector<int> Lengths(const mbuf* m) {
  std::vector<int> lengths;
  for (; m != nullptr; m = m->m_next) lengths.push_back(m->m_len);
  return lengths;
}
inline std::vector<int> Lengths(const MbufPtr& m) { return Lengths(m.get()); }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_TWO_HOSTS_H_
