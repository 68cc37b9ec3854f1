#include "kernel/sim/sites.h"

#include <gtest/gtest.h>

namespace sockbed {
namespace {

TEST(SitesTest, AreFoundByTheirNames) {
  for (size_t i = 0; i < kSiteCount; ++i) {
    const Site site = static_cast<Site>(i);
    EXPECT_EQ(FindSite(InfoOf(site).name), site);
    EXPECT_FALSE(InfoOf(site).meaning.empty());
  }
  EXPECT_EQ(FindSite("link.dro"), std::nullopt);
}

TEST(SitesTest, KnowTheirKind) {
  EXPECT_EQ(InfoOf(Site::kRunNext).kind, SiteKind::kChoice);
  EXPECT_EQ(InfoOf(Site::kLinkDrop).kind, SiteKind::kFault);
  EXPECT_EQ(InfoOf(Site::kTcpIss).kind, SiteKind::kStream);
}

// Reference value of FNV-1a: recorded runs depend on it.
TEST(SitesTest, AreKeyedByFnv1aOfTheName) {
  EXPECT_EQ(SiteKey(""), 0xcbf29ce484222325);
  EXPECT_EQ(SiteKey("foobar"), 0x85944171f73967e8);
}

}  // namespace
}  // namespace sockbed
