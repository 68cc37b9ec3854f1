// Random sequences of calls on both kernels: result, errno, bytes and readiness must be the same,
// but for the rows of differences.md that begin with "Sequence". One that fails is printed as its
// smallest part that fails.
//
// SOCKBED_SEQUENCE_SEED=n runs that one alone.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/two_arms/arms.h"
#include "tests/two_arms/differences.h"
#include "tests/two_arms/sequence.h"
#include "uapi/posix.h"

namespace sockbed::two_arms {
namespace {

constexpr int kSettleUs = 200;
constexpr int kPatientSettleUs = 4'000;
constexpr int kLooks = 3;
constexpr uint64_t kShards = 5;  // the last one's are wide
constexpr uint64_t kPerShard = 1'000;
constexpr uint64_t kBatch = 50;
// Sequences of other shards that meet what the first shard's do not: with them it checks every row.
constexpr uint64_t kRare[] = {
    1030,    1039,    1199,    1279,    1302,    1354,    1373,    1396,    1500,
    1745,    1808,    1826,    1907,    1972,    2173,    2249,    2254,    2255,
    2303,    2409,    2534,    2785,    2802,    3324,    3352,    3902,    1000002,
    1000010, 1000011, 1000015, 1000016, 1000025, 1000039, 1000060, 1000075, 1000080,
    1000096, 1000102, 1000115, 1000129, 1000156, 1000191, 1000273, 1000288, 1000318,
    1000398, 1000479, 1000584, 1000585, 1000621, 1000628, 1000696, 1000800};
constexpr size_t kStepsCompared = 20;  // of a sequence's 28, on average

struct Found {
  size_t step;
  std::string where, here, there;
};

class Sequences : public testing::TestWithParam<uint64_t> {
 protected:
  Sequences() : list_(ReadDifferences("tests/two_arms/differences.md")) {}

  const Difference* RowOf(const Found& found) {
    const auto row = std::ranges::find_if(list_, [&found](const Difference& one) {
      return Matches(one, found.where, found.here, found.there);
    });
    return row != list_.end() ? &*row : nullptr;
  }

  // The first difference that has no row. After one that has, if its step was to change something,
  // the two arms are no longer in the same state, and the rest is not looked at.
  std::optional<Found> FirstUnlisted(const Sequence& sequence, const std::vector<Note>& here,
                                     const std::vector<Note>& there) {
    for (size_t i = 0; i < sequence.size(); ++i) {
      if (i >= here.size() || i >= there.size()) return Found{i, "Sequence: end", "", ""};
      ++steps_;
      if (here[i].text == there[i].text) continue;
      const std::string what = here[i].label.substr(here[i].label.find(' ') + 1);
      const Found found{i, "Sequence: " + what, here[i].text, there[i].text};
      const Difference* const row = RowOf(found);
      if (row == nullptr) return found;
      seen_.insert(row->line);
      if (!ChangesNothing(sequence[i].op)) return std::nullopt;
    }
    return std::nullopt;
  }

  std::optional<Found> Try(const Sequence& sequence, int settle_us) {
    const auto body = [&sequence](Notes& notes) { Perform(sequence, "", &notes); };
    return FirstUnlisted(sequence, OnSimulatedKernel(body).notes,
                         OnRealKernel(body, settle_us).notes);
  }

  // Takes out steps as long as it still fails in the same way.
  Sequence Shrunk(Sequence sequence, const Found& wanted) {
    for (size_t i = sequence.size(); i-- > 0;) {
      Sequence shorter = sequence;
      shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
      const auto found = Try(shorter, kPatientSettleUs);
      if (found && found->where == wanted.where && found->here == wanted.here &&
          found->there == wanted.there) {
        sequence = std::move(shorter);
      }
    }
    return sequence;
  }

  void Report(uint64_t seed, const Sequence& sequence) {
    std::optional<Found> found;
    for (int look = 0; look < kLooks; ++look) {  // a busy machine shows more than there is
      found = Try(sequence, kPatientSettleUs);
      if (!found) return;
    }
    if (!reported_.insert(found->where + found->here + "/" + found->there).second) return;
    ADD_FAILURE() << "SOCKBED_SEQUENCE_SEED=" << seed << "\n| `" << found->where << "` | "
                  << found->here << " | " << found->there << " |\n"
                  << AsC(Shrunk(sequence, *found));
  }

  void RunBatch(uint64_t first, uint64_t count) {
    const Seen real = OnRealKernel(
        [first, count](Notes& notes) {
          for (uint64_t seed = first; seed < first + count; ++seed) {
            Perform(MakeSequence(seed), std::to_string(seed) + "-", &notes);
          }
        },
        kSettleUs);
    std::map<uint64_t, std::vector<Note>> there;
    for (const Note& note : real.notes) there[std::stoull(note.label)].push_back(note);
    for (uint64_t seed = first; seed < first + count; ++seed) {
      const Sequence sequence = MakeSequence(seed);
      const Seen here =
          OnSimulatedKernel([&sequence](Notes& notes) { Perform(sequence, "", &notes); });
      EXPECT_EQ(here.trouble, "") << "SOCKBED_SEQUENCE_SEED=" << seed;
      if (FirstUnlisted(sequence, here.notes, there[seed])) Report(seed, sequence);
    }
  }

  const std::vector<Difference> list_;
  std::set<int> seen_;
  std::set<std::string> reported_;
  size_t steps_ = 0;  // compared
};

TEST_P(Sequences, GiveTheSameOnBothKernels) {
  ASSERT_EQ(posix_check(), "");
  if (const std::string lacking = WhyNoRealArm(); !lacking.empty()) GTEST_SKIP() << lacking;
  if (const char* const seed = std::getenv("SOCKBED_SEQUENCE_SEED")) {
    if (GetParam() == 0)
      Report(std::strtoull(seed, nullptr, 0), MakeSequence(std::strtoull(seed, nullptr, 0)));
    return;
  }
  const uint64_t first = GetParam() < kShards - 1 ? 1 + GetParam() * kPerShard : kWideSeed;
  for (uint64_t i = 0; i < kPerShard; i += kBatch) RunBatch(first + i, kBatch);
  RecordProperty("steps", std::to_string(steps_));
  EXPECT_GT(steps_, kPerShard * kStepsCompared) << "the arms part too soon to compare anything";
  if (GetParam() != 0) return;
  for (const uint64_t seed : kRare) RunBatch(seed, 1);
  for (const Difference& row : list_) {
    if (!row.where.starts_with("Sequence")) continue;
    EXPECT_TRUE(seen_.contains(row.line))
        << "differences.md:" << row.line << ": the arms agree at " << row.where;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Sequences, testing::Range<uint64_t>(0, kShards));

}  // namespace
}  // namespace sockbed::two_arms
