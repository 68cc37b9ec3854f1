// kernel/mbuf against a bare free list, malloc and memcpy.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/machine.h"
#include "tests/bench/paired.h"

namespace sockbed {
namespace {

// A booted host; the benchmark runs on it in interrupt context.
class OnHost {
 public:
  OnHost() {
    sched_boot(host_);
    mbuf_boot(host_);
    on_host_.emplace(host_);
  }

 private:
  Machine machine_{{}};
  MachineScope scope_{machine_};
  HostBase host_{1, "bench"};
  std::optional<HostScope> on_host_;
};

constexpr size_t kOutstanding = 1000;

// Gives the oldest of 1000 things back and takes a new one, over and over.
template <typename Maker>
class Rotation {
 public:
  Rotation() : things_(kOutstanding) {
    for (auto& thing : things_) thing = maker_.Make();
  }
  ~Rotation() {
    for (auto& thing : things_) maker_.Drop(thing);
  }
  void operator()(int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      if (++at_ == kOutstanding) at_ = 0;
      maker_.Drop(things_[at_]);
      things_[at_] = maker_.Make();
    }
  }

 private:
  Maker maker_;
  std::vector<typename Maker::Thing> things_;
  size_t at_ = 0;
};

struct Mbuf {
  using Thing = mbuf*;
  Thing Make() { return m_get(M_DONTWAIT, MT_DATA).release() /*taken*/; }
  void Drop(Thing m) { m_free(m); }
};

struct HeaderMbuf : Mbuf {
  Thing Make() { return m_gethdr(M_DONTWAIT, MT_DATA).release() /*taken*/; }
};

struct ClusterMbuf : Mbuf {
  Thing Make() { return m_clget(nullptr, M_DONTWAIT, MCLBYTES).release() /*taken*/; }
};

// The least an allocator can do: a list of 256-byte items, one word written into each.
class FreeList {
 public:
  struct Item {
    Item* next;
    std::array<char, 248> rest;
  };
  using Thing = Item*;

  FreeList() : items_(new Item[kOutstanding + 1]) {
    for (size_t i = 0; i <= kOutstanding; ++i) Drop(&items_[i]);
  }
  Thing Make() {
    Item* const item = free_;
    free_ = item->next;
    item->next = nullptr;
    benchmark::DoNotOptimize(item);
    return item;
  }
  void Drop(Thing item) {
    item->next = free_;
    free_ = item;
  }

 private:
  std::unique_ptr<Item[]> items_;
  Item* free_ = nullptr;
};

template <size_t kBytes>
struct Malloc {
  using Thing = void*;
  Thing Make() {
    void* const p = std::malloc(kBytes);
    benchmark::DoNotOptimize(p);
    return p;
  }
  void Drop(Thing p) { std::free(p); }
};

template <typename Subject, typename Reference>
void TakeAndGiveBack(benchmark::State& state) {
  const OnHost on_host;
  Rotation<Subject> subject;
  Rotation<Reference> reference;
  RunPaired(state, subject, reference);
}
BENCHMARK_TEMPLATE(TakeAndGiveBack, Mbuf, FreeList)->Apply(Paired);
BENCHMARK_TEMPLATE(TakeAndGiveBack, Mbuf, Malloc<256>)->Apply(Paired);
BENCHMARK_TEMPLATE(TakeAndGiveBack, HeaderMbuf, Malloc<256>)->Apply(Paired);
BENCHMARK_TEMPLATE(TakeAndGiveBack, ClusterMbuf, Malloc<2304>)->Apply(Paired);

// --- Chains. ---

constexpr int kChainBytes = 64 * 1024;

// 64 KB in clusters of 2 KB, as sosend leaves them.
MbufPtr SendBuffer() {
  MbufPtr chain;
  for (int i = 0; i < kChainBytes / MCLBYTES; ++i) {
    MbufPtr m = m_clget(nullptr, M_DONTWAIT, MCLBYTES);
    std::memset(m->m_data, 0, MCLBYTES);
    m->m_len = m->m_pkthdr.len = MCLBYTES;
    if (chain) {
      m_catpkt(chain.get(), std::move(m));
    } else {
      chain = std::move(m);
    }
  }
  return chain;
}

// Sharing 64 KB, against copying them.
void Copym64K(benchmark::State& state) {
  const OnHost on_host;
  const MbufPtr chain = SendBuffer();
  std::vector<char> from(kChainBytes), to(kChainBytes);
  RunPaired(
      state,
      [&](int64_t n) {
        for (int64_t i = 0; i < n; ++i) m_copym(chain.get(), 0, kChainBytes, M_DONTWAIT).reset();
      },
      [&](int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          std::memcpy(to.data(), from.data(), kChainBytes);
          benchmark::DoNotOptimize(to.data());
        }
      });
}
BENCHMARK(Copym64K)->Apply(Paired);

// What TCP does for a segment: a header mbuf, 1448 shared bytes behind it, freed again; against two
// mbufs taken and given back.
void MakeSegment(benchmark::State& state) {
  const OnHost on_host;
  const MbufPtr chain = SendBuffer();
  RunPaired(
      state,
      [&](int64_t n) {
        int off = 0;
        for (int64_t i = 0; i < n; ++i) {
          MbufPtr segment = m_gethdr(M_DONTWAIT, MT_HEADER);
          segment->m_data += max_linkhdr;
          segment->m_len = 52;
          segment->m_next = m_copym(chain.get(), off, 1448, M_DONTWAIT).release() /*taken*/;
          segment->m_pkthdr.len = 1500;
          off = (off + 1448) % 8192;
        }
      },
      [&](int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          MbufPtr segment = m_gethdr(M_DONTWAIT, MT_HEADER);
          segment->m_next = m_get(M_DONTWAIT, MT_DATA).release() /*taken*/;
        }
      });
}
BENCHMARK(MakeSegment)->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
