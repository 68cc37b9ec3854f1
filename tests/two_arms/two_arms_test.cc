// One body of calls on two kernels: what the simulated one and the host's own give must be the
// same, but for the differences of differences.md, and each of those must still be there.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/two_arms/arms.h"
#include "tests/two_arms/cases.h"
#include "tests/two_arms/differences.h"
#include "uapi/posix.h"

namespace sockbed::two_arms {
namespace {

constexpr int kSettleUs = 3'000;
// What a busy machine has not delivered by then, is looked at again with more patience.
constexpr int kPatientSettleUs = 60'000;

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  AddSocketCases(&cases);
  AddDataCases(&cases);
  AddShutdownCases(&cases);
  AddOptionCases(&cases);
  AddAncillaryCases(&cases);
  AddDescriptorCases(&cases);
  AddWaitingCases(&cases);
  AddNameCases(&cases);
  return cases;
}

// One thing that the arms give differently.
struct Found {
  std::string where, here, there;
};

// `where` is a case's name and a note's label. A note that one arm lacks is "nothing" there.
std::vector<Found> Compare(const std::string& name, const Seen& here, const Seen& there) {
  std::vector<Found> found;
  std::map<std::string, std::string> left;
  for (const Note& note : there.notes) left[note.label] = note.text;
  for (const Note& note : here.notes) {
    const auto other = left.find(note.label);
    const std::string text = other != left.end() ? other->second : "nothing";
    if (text != note.text) found.push_back({name + ": " + note.label, note.text, text});
    if (other != left.end()) left.erase(other);
  }
  for (const auto& [label, text] : left) found.push_back({name + ": " + label, "nothing", text});
  if (here.trouble != there.trouble) {
    found.push_back({name + ": end", here.trouble, there.trouble});
  }
  return found;
}

std::vector<Found> DifferencesOf(const Case& one, int settle_us) {
  return Compare(one.name, OnSimulatedKernel(one.body), OnRealKernel(one.body, settle_us));
}

bool Listed(const std::vector<Difference>& list, const Found& found) {
  return std::ranges::any_of(list, [&found](const Difference& row) {
    return Matches(row, found.where, found.here, found.there);
  });
}

// Only what a busy machine gives as well counts.
std::vector<Found> Unlisted(const std::vector<Difference>& list, const Case& one,
                            std::vector<Found>* all) {
  for (const int settle_us : {kSettleUs, kPatientSettleUs}) {
    *all = DifferencesOf(one, settle_us);
    std::vector<Found> unlisted = *all;
    std::erase_if(unlisted, [&list](const Found& found) { return Listed(list, found); });
    if (unlisted.empty() || settle_us == kPatientSettleUs) return unlisted;
  }
  return {};
}

// With SOCKBED_TWO_ARMS_CASE=pattern only the cases whose names have it are run, and no row of the
// list is missed.
TEST(TwoArms, DifferOnlyWhereTheListSaysSo) {
  ASSERT_EQ(posix_check(), "");
  if (const std::string lacking = WhyNoRealArm(); !lacking.empty()) GTEST_SKIP() << lacking;
  const char* const wanted = std::getenv("SOCKBED_TWO_ARMS_CASE");
  const std::vector<Difference> list = ReadDifferences("tests/two_arms/differences.md");
  ASSERT_FALSE(list.empty());
  std::set<int> seen;
  for (const Case& one : AllCases()) {
    if (wanted != nullptr && one.name.find(wanted) == std::string::npos) continue;
    std::vector<Found> all;
    for (const Found& found : Unlisted(list, one, &all)) {
      ADD_FAILURE() << "| " << found.where << " | " << found.here << " | " << found.there << " |";
    }
    for (const Difference& row : list) {
      if (std::ranges::any_of(all, [&row](const Found& found) {
            return Matches(row, found.where, found.here, found.there);
          })) {
        seen.insert(row.line);
      }
    }
  }
  if (wanted != nullptr) return;
  for (const Difference& row : list) {
    if (row.where.starts_with("Sequence")) continue;  // sequences_test's
    EXPECT_TRUE(seen.contains(row.line))
        << "differences.md:" << row.line << ": the arms agree at " << row.where;
  }
}

}  // namespace
}  // namespace sockbed::two_arms
