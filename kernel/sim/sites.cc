#include "kernel/sim/sites.h"

namespace sockbed {
namespace {

constexpr bool KeysDiffer() {
  for (size_t i = 0; i < kSiteCount; ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (kSites[i].key == kSites[j].key) return false;
    }
  }
  return true;
}
static_assert(KeysDiffer(), "two sites have one name, or names that collide");

}  // namespace

std::optional<Site> FindSite(std::string_view name) {
  for (size_t i = 0; i < kSiteCount; ++i) {
    if (kSites[i].name == name) return static_cast<Site>(i);
  }
  return std::nullopt;
}

}  // namespace sockbed
