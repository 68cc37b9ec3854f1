// Random operations on chains, each mirrored on a plain byte string. After every step the chains
// are sound and hold what the strings hold, every mbuf that is paid for stands in one of them, and
// storage that may not be written has not been; at the end nothing is left.
//
// Chains share storage all the time here, so a write into shared storage shows up in another one.
// Half of the runs refuse an allocation now and then: what a function promises of a chain that it
// could not change is held against the string too.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/two_hosts.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

// SOCKBED_MODEL_SEED=n repeats one run; the default runs are seeds 1 to kRuns.
constexpr uint64_t kRuns = 60;
constexpr int kSteps = 400;
constexpr size_t kPacketsMax = 8;
constexpr int kBytesMax = 20'000;
constexpr Chance kRefused = kAlways / 10;

// Storage of the test's own, attached with MEXTADD: written only if it may be, released once.
struct Foreign {
  std::string bytes;
  std::string original;
  bool writable = false;
  int released = 0;

  bool sound() const { return writable || bytes == original; }
};

void ReleaseForeign(char*, uint32_t, void* arg) { ++static_cast<Foreign*>(arg)->released; }

struct Packet {
  MbufPtr m;
  std::string bytes;
  bool header = true;
  std::string tags;  // the first byte of each, in the order of the list
};

class ChainModel {
 public:
  ChainModel(uint64_t seed, bool refusals)
      : random_(seed, Site::kProgram, 0, 0), refusals_(refusals) {}
  ~ChainModel() {
    packets_.clear();
    for (const auto& foreign : foreign_) EXPECT_EQ(foreign->released, 1);
  }
  ChainModel(const ChainModel&) = delete;
  ChainModel& operator=(const ChainModel&) = delete;

  // `live`: how many mbufs are paid for, by whomever.
  void Step(const std::function<int64_t()>& live) {
    using Operation = void (ChainModel::*)();
    static constexpr Operation kOperations[] = {
        &ChainModel::Make,     &ChainModel::Copy,      &ChainModel::Prepend,  &ChainModel::Pullup,
        &ChainModel::Pulldown, &ChainModel::Split,     &ChainModel::Cat,      &ChainModel::Adj,
        &ChainModel::Copyback, &ChainModel::Makespace, &ChainModel::Inject,   &ChainModel::Defrag,
        &ChainModel::Dup,      &ChainModel::Devget,    &ChainModel::Travel,   &ChainModel::Drop,
        &ChainModel::Attach,   &ChainModel::Look,      &ChainModel::Tag,      &ChainModel::Behead,
        &ChainModel::Crown,    &ChainModel::Reset,     &ChainModel::DropWiped};
    if (packets_.empty()) Make();
    if (packets_.empty()) return;  // no memory
    (this->*kOperations[Below(std::size(kOperations))])();
    while (packets_.size() > kPacketsMax) Drop();
    Check(live());
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
  void Forget(const Packet& p) { packets_.erase(packets_.begin() + (&p - packets_.data())); }
  static int Length(const Packet& p) { return static_cast<int>(p.bytes.size()); }
  void Add(MbufPtr m, std::string bytes, bool header = true, std::string tags = "") {
    packets_.push_back({std::move(m), std::move(bytes), header, std::move(tags)});
  }
  // A function that found no memory: fine where that may be.
  void Refused() { EXPECT_TRUE(refusals_); }

  void Check(int64_t live) {
    int64_t mbufs = 0;
    for (const Packet& p : packets_) {
      m_check(p.m.get());
      // Not ASSERT_EQ: it would print what cannot be read.
      ASSERT_TRUE(Content(p.m) == p.bytes) << p.bytes.size() << " bytes: " << m_show(p.m.get());
      ASSERT_EQ((p.m->m_flags & M_PKTHDR) != 0, p.header);
      ASSERT_EQ(p.header ? Tags(p.m.get()) : "", p.tags);
      for (const mbuf* m = p.m.get(); m != nullptr; m = m->m_next) ++mbufs;
    }
    ASSERT_EQ(mbufs, live) << "an mbuf was lost";
    for (const auto& foreign : foreign_) ASSERT_TRUE(foreign->sound());
  }
  static std::string Tags(const mbuf* m) {
    std::string tags;
    for (const m_tag* t = m_tag_first(m); t != nullptr; t = m_tag_next(t)) {
      tags += static_cast<char>(t->m_tag_data[0]);
    }
    return tags;
  }

  // --- Making. ---

  // A packet of several mbufs of random sizes and storage.
  void Make() {
    MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
    if (!m) return Refused();
    std::string bytes;
    for (mbuf* last = m.get();;) {
      if (Below(2) == 0 && !m_clget(last, M_DONTWAIT, static_cast<uint32_t>(1 + UpTo(5000)))) {
        Refused();
      }
      const int shift = Below(4) == 0 ? UpTo(m_trailingspace(last)) : 0;
      last->m_data += shift;
      const std::string piece = Random(UpTo(m_trailingspace(last)));
      piece.copy(last->m_data, piece.size());
      last->m_len = static_cast<int>(piece.size());
      bytes += piece;
      if (Below(3) == 0) break;
      last->m_next = m_get(M_DONTWAIT, MT_DATA).release();
      if (last->m_next == nullptr) break;
      last = last->m_next;
    }
    m_calchdrlen(m.get());
    Add(std::move(m), std::move(bytes));
  }

  // A packet in storage that is not the kernel's, which one may write half of the time.
  void Attach() {
    MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
    if (!m) return Refused();
    foreign_.push_back(std::make_unique<Foreign>());
    Foreign& foreign = *foreign_.back();
    foreign.bytes = foreign.original = Random(1 + UpTo(5000));
    foreign.writable = Below(2) == 0;
    MEXTADD(m.get(), foreign.bytes.data(), static_cast<uint32_t>(foreign.bytes.size()),
            foreign.writable ? M_EXTWR : 0, mextfree_register(&ReleaseForeign), &foreign);
    const int shift = UpTo(static_cast<int>(foreign.bytes.size()));
    m->m_data += shift;
    m->m_len = UpTo(static_cast<int>(foreign.bytes.size()) - shift);
    m_calchdrlen(m.get());
    std::string bytes = Content(m);
    Add(std::move(m), std::move(bytes));
  }

  void Devget() {
    std::string bytes = Random(UpTo(5000));
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), UpTo(MHLEN));
    if (!m) return Refused();
    Add(std::move(m), std::move(bytes));
  }

  // --- Copying. ---

  void Copy() {
    Packet& p = Any();
    if (p.bytes.empty()) return;
    const int off = Below(3) == 0 ? UpTo(Length(p) - 1) : 0;
    const bool all = Below(4) == 0;
    const int len = all ? Length(p) - off : 1 + UpTo(Length(p) - off - 1);
    const int asked = all ? M_COPYALL : len;
    MbufPtr n = Below(4) == 0 ? m_copym2(p.m.get(), off, asked, M_DONTWAIT)
                              : m_copym(p.m.get(), off, asked, M_DONTWAIT);
    if (!n) return Refused();
    const bool header = off == 0 && p.header;
    Add(std::move(n), p.bytes.substr(static_cast<size_t>(off), static_cast<size_t>(len)), header,
        header ? p.tags : "");
  }

  void Dup() {
    Packet& p = Any();
    if (!p.header) return;
    MbufPtr n = m_dup_pkt(p.m.get(), UpTo(200), M_DONTWAIT);
    if (!n) return Refused();
    EXPECT_EQ(n->m_next, nullptr);
    EXPECT_FALSE(M_READONLY(n.get()));
    Add(std::move(n), p.bytes, true, p.tags);
  }

  // m_copyback trusts its caller that the storage is private: a copy of the packet is written to
  // when it is not.
  void Copyback() {
    Packet& p = Any();
    if (!Private(p.m.get())) {
      MbufPtr copy = p.bytes.empty() ? nullptr : m_copym2(p.m.get(), 0, M_COPYALL, M_DONTWAIT);
      if (!copy) return;
      p.m = std::move(copy);
    }
    const int off = UpTo(Length(p) + 3000);
    const std::string data = Random(UpTo(6000));
    const size_t end = static_cast<size_t>(off) + data.size();
    if (end > kBytesMax) return;
    const size_t before = p.bytes.size();
    const int error =
        m_copyback(p.m.get(), off, static_cast<int>(data.size()), data.data(), M_DONTWAIT);
    if (end > p.bytes.size()) p.bytes.resize(end);
    p.bytes.replace(static_cast<size_t>(off), data.size(), data);
    if (error == 0) return;
    Refused();
    ASSERT_EQ(error, ENOBUFS);
    const auto grown = static_cast<size_t>(m_length(p.m.get()));
    ASSERT_GE(grown, before);
    p.bytes.resize(grown);  // as far as it came
  }
  static bool Private(const mbuf* m) {
    for (; m != nullptr; m = m->m_next) {
      if (M_READONLY(m)) return false;
    }
    return true;
  }

  // --- Making room. ---

  void Prepend() {
    Packet& p = Any();
    const std::string head = Random(UpTo(MHLEN));
    p.m = m_prepend(std::move(p.m), static_cast<int>(head.size()), M_DONTWAIT);
    if (!p.m) return Lost(p);
    head.copy(p.m->m_data, head.size());
    p.bytes.insert(0, head);
  }
  void Lost(const Packet& p) {
    Refused();
    Forget(p);
  }

  void Makespace() {
    Packet& p = Any();
    if (!p.header) return;
    const int skip = UpTo(Length(p));
    const std::string hole = Random(1 + UpTo(MHLEN - 2));
    const mbuf* const first = p.m.get();
    int o = 0;
    mbuf* const n = m_makespace(p.m.get(), skip, static_cast<int>(hole.size()), &o);
    EXPECT_EQ(p.m.get(), first);
    if (n == nullptr) return Refused();
    hole.copy(n->m_data + o, hole.size());
    p.bytes.insert(static_cast<size_t>(skip), hole);
  }

  void Inject() {
    Packet& p = Any();
    const int at = UpTo(Length(p));
    const std::string hole = Random(UpTo(MHLEN - 1));
    mbuf* const n = m_inject(p.m.get(), at, static_cast<int>(hole.size()), M_DONTWAIT);
    if (n == nullptr) {
      if (at != 0) Refused();
      return;
    }
    ASSERT_NE(at, 0);
    hole.copy(n->m_data, hole.size());
    p.bytes.insert(static_cast<size_t>(at), hole);
  }

  // --- Making contiguous. ---

  void Pullup() {
    Packet& p = Any();
    const int len = UpTo(Length(p));
    p.m = m_pullup(std::move(p.m), len);
    if (!p.m) return Lost(p);
    EXPECT_GE(p.m->m_len, len);
  }

  // Makes a region private and writes to it: no other packet may change.
  void Pulldown() {
    Packet& p = Any();
    const int off = UpTo(Length(p));
    const std::string region = Random(UpTo(Length(p) - off));
    int o = 0;
    mbuf* const n = m_pulldown(p.m, off, static_cast<int>(region.size()), Below(3) ? &o : nullptr);
    if (n == nullptr) return Lost(p);
    region.copy(n->m_data + o, region.size());
    p.bytes.replace(static_cast<size_t>(off), region.size(), region);
  }

  void Defrag() {
    Packet& p = Any();
    if (!p.header) return;
    const mbuf* const first = p.m.get();
    const int error = m_defrag(p.m.get(), M_DONTWAIT);
    EXPECT_EQ(p.m.get(), first);
    if (error != 0) return Refused();
    EXPECT_EQ(p.m->m_next, nullptr);
  }

  // --- Cutting and joining. ---

  void Split() {
    Packet& p = Any();
    const int at = UpTo(Length(p));
    MbufPtr tail = m_split(p.m.get(), at, M_DONTWAIT);
    if (!tail) {
      if (p.header || at < Length(p)) Refused();
      return;
    }
    std::string rest = p.bytes.substr(static_cast<size_t>(at));
    p.bytes.resize(static_cast<size_t>(at));
    const bool header = p.header;
    std::string tags = p.tags;
    Add(std::move(tail), std::move(rest), header, std::move(tags));
  }

  void Cat() {
    if (packets_.size() < 2) return;
    Packet last = std::move(packets_.back());
    packets_.pop_back();
    Packet& p = Any();
    if (Length(p) + Length(last) > kBytesMax) return;
    if (p.header && last.header) {
      m_catpkt(p.m.get(), std::move(last.m));
    } else {
      if (last.header) m_removehdr(last.m.get());
      m_cat(p.m.get(), std::move(last.m));
      if (p.header) m_calchdrlen(p.m.get());
    }
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

  // --- Headers and tags. ---

  void Tag() {
    Packet& p = Any();
    if (!p.header || p.tags.size() > 4) return;
    const int ids[] = {PACKET_TAG_IP_OFFNXT, PACKET_TAG_IP6_OFFNXT, PACKET_TAG_SRCROUTE};
    m_tag* const t = m_tag_get(ids[Below(std::size(ids))], 1 + UpTo(79), M_DONTWAIT);
    if (t == nullptr) return Refused();
    const std::string value = Random(1);
    t->m_tag_data[0] = static_cast<unsigned char>(value[0]);
    m_tag_prepend(p.m.get(), t);
    p.tags.insert(0, value);
  }

  // A packet becomes a plain chain.
  void Behead() {
    Packet& p = Any();
    if (!p.header || Below(3) != 0) return;
    m_removehdr(p.m.get());
    p.header = false;
    p.tags.clear();
  }

  // A plain chain becomes a packet, as IP makes one of a fragment: an empty header goes in front.
  void Crown() {
    Packet& p = Any();
    if (p.header) return;
    MbufPtr header = m_gethdr(M_DONTWAIT, MT_HEADER);
    if (!header) return Refused();
    header->m_next = p.m.release();
    p.m = std::move(header);
    m_calchdrlen(p.m.get());
    p.header = true;
  }

  void Reset() {
    Packet& p = Any();
    if (!p.header) return;
    m_resethdr(p.m.get());
    p.tags.clear();
  }

  // --- Looking. ---

  void Look() {
    Packet& p = Any();
    EXPECT_EQ(m_length(p.m.get()), Length(p));
    const int off = UpTo(Length(p));
    const int len = UpTo(Length(p) - off);
    const std::string expected = p.bytes.substr(static_cast<size_t>(off), static_cast<size_t>(len));
    std::string copied(expected.size(), '\0');
    m_copydata(p.m.get(), off, len, copied.data());
    EXPECT_TRUE(copied == expected);
    std::string applied;
    const auto append = [](void* arg, char* data, int n) {
      static_cast<std::string*>(arg)->append(data, static_cast<size_t>(n));
      return 0;
    };
    EXPECT_EQ(m_apply(p.m.get(), off, len, append, &applied), 0);
    EXPECT_TRUE(applied == expected);
    int o = 0;
    const mbuf* const n = m_getptr(p.m.get(), off, &o);
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(n->m_len - o + m_length(n->m_next), Length(p) - off);
    EXPECT_EQ(m_getptr(p.m.get(), Length(p) + 1, &o), nullptr);
  }

  // --- Leaving. ---

  void Travel() { m_transfer(Any().m.get()); }

  void Drop() { packets_.erase(packets_.begin() + Below(packets_.size())); }

  // What is wiped as it goes is nobody else's.
  void DropWiped() {
    Packet& p = Any();
    p.m->m_flags |= M_ZEROIZE;
    Forget(p);
  }

  Stream random_;
  const bool refusals_;
  std::vector<Packet> packets_;
  std::vector<std::unique_ptr<Foreign>> foreign_;
};

class ChainModelTest : public TwoHosts {
 protected:
  // One run of kSteps, most of them on host a; false: it failed.
  bool Run(uint64_t seed, bool refusals) {
    fault::Plan plan({{.site = Site::kMbufGet, .chance = kRefused},
                      {.site = Site::kMbufCluster, .chance = kRefused},
                      {.site = Site::kPoolGet, .chance = kRefused}});
    Boot({.seed = seed, .fault_plan = refusals ? &plan : nullptr});
    {
      ChainModel model(seed, refusals);
      for (int step = 0; step < kSteps; ++step) {
        HostScope somewhere(step % 7 == 0 ? b() : a());
        model.Step([this] { return Live(a(), "mbuf") + Live(b(), "mbuf"); });
        if (HasFailure()) {
          std::cerr << "seed " << seed << ", step " << step << "\n";
          return false;
        }
      }
    }
    Shutdown();
    return true;
  }
};

TEST_F(ChainModelTest, ChainsHoldWhatStringsHold) {
  const char* const wanted = std::getenv("SOCKBED_MODEL_SEED");
  const uint64_t first = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  const uint64_t last = wanted != nullptr ? first : kRuns;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("repeat with SOCKBED_MODEL_SEED=" + std::to_string(seed));
    if (!Run(seed, seed % 2 == 0)) return;
  }
}

}  // namespace
}  // namespace sockbed
