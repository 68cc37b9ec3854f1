// Random operations on packets, each mirrored on a plain byte string. After every step the packets
// are sound and hold what the strings hold; at the end nothing is left.
//
// Packets share clusters all the time here, so a write into shared storage shows up in another
// packet.

#include <cstdlib>
#include <cstring>
#include <iostream>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

// SOCKBED_MODEL_SEED=n repeats one run; the default runs are seeds 1 to kRuns.
constexpr uint64_t kRuns = 60;
constexpr int kSteps = 400;
constexpr size_t kPacketsMax = 8;
constexpr int kBytesMax = 20'000;

struct Packet {
  MbufPtr m;
  std::string bytes;
};

class ChainModel {
 public:
  explicit ChainModel(uint64_t seed) : random_(seed, Site::kProgram, 0, 0) {}

  void Step() {
    using Operation = void (ChainModel::*)();
    static constexpr Operation kOperations[] = {
        &ChainModel::Make,     &ChainModel::Copy,      &ChainModel::Prepend, &ChainModel::Pullup,
        &ChainModel::Pulldown, &ChainModel::Split,     &ChainModel::Cat,     &ChainModel::Adj,
        &ChainModel::Copyback, &ChainModel::Makespace, &ChainModel::Inject,  &ChainModel::Defrag,
        &ChainModel::Dup,      &ChainModel::Devget,    &ChainModel::Travel,  &ChainModel::Drop,
    };
    if (packets_.empty()) Make();
    (this->*kOperations[Below(std::size(kOperations))])();
    while (packets_.size() > kPacketsMax) Drop();
    Check();
  }

 private:
  int Below(size_t bound) { return static_cast<int>(random_.NextBelow(bound)); }
  // 0 .. n; small numbers, multiples of the sizes that matter and their neighbours more often.
  int UpTo(int n) {
    const int steps[] = {1, 20, MHLEN, MLEN, MCLBYTES, n};
    const int near = steps[Below(std::size(steps))] + Below(3) - 1;
    return std::clamp(Below(2) == 0 ? near : Below(static_cast<size_t>(n) + 1), 0, n);
  }
  std::string Random(int n) {
    std::string bytes(static_cast<size_t>(n), '\0');
    random_.Fill(std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }
  Packet& Any() { return packets_[static_cast<size_t>(Below(packets_.size()))]; }
  static int Length(const Packet& p) { return static_cast<int>(p.bytes.size()); }
  void Add(MbufPtr m, std::string bytes) { packets_.push_back({std::move(m), std::move(bytes)}); }

  void Check() {
    for (const Packet& p : packets_) {
      m_check(p.m.get());
      // Not ASSERT_EQ: it would print what cannot be read.
      ASSERT_TRUE(Content(p.m) == p.bytes) << p.bytes.size() << " bytes: " << m_show(p.m.get());
    }
  }

  // A packet of several mbufs of random sizes and storage.
  void Make() {
    MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
    std::string bytes;
    for (mbuf* last = m.get();;) {
      if (Below(2) == 0) {
        ASSERT_TRUE(m_clget(last, M_DONTWAIT, static_cast<uint32_t>(1 + UpTo(5000))));
      }
      const int shift = Below(4) == 0 ? UpTo(m_trailingspace(last)) : 0;
      last->m_data += shift;
      const std::string piece = Random(UpTo(m_trailingspace(last)));
      piece.copy(last->m_data, piece.size());
      last->m_len = static_cast<int>(piece.size());
      bytes += piece;
      if (Below(3) == 0) break;
      last = last->m_next = m_get(M_DONTWAIT, MT_DATA).release();
    }
    m_calchdrlen(m.get());
    Add(std::move(m), std::move(bytes));
  }

  void Copy() {
    Packet& p = Any();
    if (p.bytes.empty()) return;
    const int off = Below(3) == 0 ? UpTo(Length(p) - 1) : 0;
    const int len = 1 + UpTo(Length(p) - off - 1);
    MbufPtr n = Below(4) == 0 ? m_copym2(p.m.get(), off, len, M_DONTWAIT)
                              : m_copym(p.m.get(), off, len, M_DONTWAIT);
    if (off > 0) {  // as IP does with a fragment
      n = m_prepend(std::move(n), 0, M_DONTWAIT);
      MbufPtr header = m_gethdr(M_DONTWAIT, MT_DATA);
      header->m_next = n.release();
      n = std::move(header);
      m_calchdrlen(n.get());
    }
    Add(std::move(n), p.bytes.substr(static_cast<size_t>(off), static_cast<size_t>(len)));
  }

  void Dup() {
    Packet& p = Any();
    Add(m_dup_pkt(p.m.get(), UpTo(200), M_DONTWAIT), p.bytes);
  }

  void Devget() {
    std::string bytes = Random(UpTo(5000));
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), UpTo(MHLEN));
    Add(std::move(m), std::move(bytes));
  }

  void Prepend() {
    Packet& p = Any();
    const std::string head = Random(UpTo(MHLEN));
    p.m = m_prepend(std::move(p.m), static_cast<int>(head.size()), M_DONTWAIT);
    head.copy(p.m->m_data, head.size());
    p.bytes.insert(0, head);
  }

  void Pullup() {
    Packet& p = Any();
    const int len = UpTo(Length(p));
    p.m = m_pullup(std::move(p.m), len);
    ASSERT_NE(p.m, nullptr);
    EXPECT_GE(p.m->m_len, len);
  }

  // Makes a region private and writes to it: no other packet may change.
  void Pulldown() {
    Packet& p = Any();
    const int off = UpTo(Length(p));
    const std::string region = Random(UpTo(Length(p) - off));
    int o = 0;
    mbuf* const n = m_pulldown(p.m, off, static_cast<int>(region.size()), Below(3) ? &o : nullptr);
    ASSERT_NE(n, nullptr);
    region.copy(n->m_data + o, region.size());
    p.bytes.replace(static_cast<size_t>(off), region.size(), region);
  }

  void Split() {
    Packet& p = Any();
    const int at = UpTo(Length(p));
    MbufPtr tail = m_split(p.m.get(), at, M_DONTWAIT);
    ASSERT_NE(tail, nullptr);
    std::string rest = p.bytes.substr(static_cast<size_t>(at));
    p.bytes.resize(static_cast<size_t>(at));
    Add(std::move(tail), std::move(rest));
  }

  void Cat() {
    if (packets_.size() < 2) return;
    Packet last = std::move(packets_.back());
    packets_.pop_back();
    Packet& p = Any();
    if (Length(p) + Length(last) > kBytesMax) return;
    m_catpkt(p.m.get(), std::move(last.m));
    p.bytes += last.bytes;
  }

  void Adj() {
    Packet& p = Any();
    const int n = UpTo(Length(p) + 10);
    const size_t cut = std::min(static_cast<size_t>(n), p.bytes.size());
    if (Below(2) == 0) {
      m_adj(p.m.get(), n);
      p.bytes.erase(0, cut);
    } else {
      m_adj(p.m.get(), -n);
      p.bytes.resize(p.bytes.size() - cut);
    }
  }

  // m_copyback trusts its caller that the storage is private: so a copy of the packet is written
  // to.
  void Copyback() {
    Packet& p = Any();
    MbufPtr m = m_copym2(p.m.get(), 0, M_COPYALL, M_DONTWAIT);
    const int off = UpTo(Length(p) + 3000);
    const std::string data = Random(UpTo(6000));
    const size_t end = static_cast<size_t>(off) + data.size();
    if (end > kBytesMax) return;
    ASSERT_EQ(m_copyback(m.get(), off, static_cast<int>(data.size()), data.data(), M_DONTWAIT), 0);
    p.m = std::move(m);
    if (end > p.bytes.size()) p.bytes.resize(end);
    p.bytes.replace(static_cast<size_t>(off), data.size(), data);
  }

  void Makespace() {
    Packet& p = Any();
    const int skip = UpTo(Length(p));
    const std::string hole = Random(1 + UpTo(MHLEN - 2));
    int o = 0;
    mbuf* const n = m_makespace(p.m.get(), skip, static_cast<int>(hole.size()), &o);
    ASSERT_NE(n, nullptr);
    hole.copy(n->m_data + o, hole.size());
    p.bytes.insert(static_cast<size_t>(skip), hole);
  }

  void Inject() {
    Packet& p = Any();
    const int at = UpTo(Length(p));
    const std::string hole = Random(UpTo(MHLEN - 1));
    mbuf* const n = m_inject(p.m.get(), at, static_cast<int>(hole.size()), M_DONTWAIT);
    ASSERT_EQ(n == nullptr, at == 0);
    if (n == nullptr) return;
    hole.copy(n->m_data, hole.size());
    p.bytes.insert(static_cast<size_t>(at), hole);
  }

  void Defrag() {
    Packet& p = Any();
    const mbuf* const first = p.m.get();
    ASSERT_EQ(m_defrag(p.m.get(), M_DONTWAIT), 0);
    EXPECT_EQ(p.m.get(), first);
    EXPECT_EQ(p.m->m_next, nullptr);
  }

  void Travel() { m_transfer(Any().m.get()); }

  void Drop() { packets_.erase(packets_.begin() + Below(packets_.size())); }

  Stream random_;
  std::vector<Packet> packets_;
};

class ChainModelTest : public TwoHosts {};

TEST_F(ChainModelTest, ChainsHoldWhatStringsHold) {
  const char* const wanted = std::getenv("SOCKBED_MODEL_SEED");
  const uint64_t first = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  const uint64_t last = wanted != nullptr ? first : kRuns;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("repeat with SOCKBED_MODEL_SEED=" + std::to_string(seed));
    Boot({.seed = seed});
    {
      ChainModel model(seed);
      for (int step = 0; step < kSteps; ++step) {
        HostScope somewhere(step % 7 == 0 ? b() : a());
        model.Step();
        if (HasFatalFailure()) {
          std::cerr << "seed " << seed << ", step " << step << "\n";
          return;
        }
      }
    }
    Shutdown();
  }
}

}  // namespace
}  // namespace sockbed
