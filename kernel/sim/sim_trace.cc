#include "kernel/sim/sim_trace.h"

#include <array>

#include "kernel/sim/sites.h"

namespace sockbed {
namespace {

constexpr EventType kTypes[] = {
    {"BOOT", "seed {0}"},
    {"PICK", "{0:@site} {1} of {2}"},
    {"FAULT", "{0:@site} object {o}, visit {1}"},
};

constexpr std::array<ValueName, kSiteCount> kSiteNames = [] {
  std::array<ValueName, kSiteCount> names{};
  for (size_t i = 0; i < kSiteCount; ++i) names[i] = {i, kSites[i].name.data()};
  return names;
}();

constexpr ValueTable kTables[] = {{"site", kSiteNames}};

}  // namespace

RoomTypes SimRoomTypes() { return {kTypes, kTables}; }

}  // namespace sockbed
