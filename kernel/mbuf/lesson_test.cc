// The example of README.md, line by line: what is in the chain after each.

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/two_hosts.h"

namespace sockbed {
namespace {

class LessonTest : public TwoHosts {};

TEST_F(LessonTest, SmallestExample) {
  const std::string data = Bytes(1460);
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  m->m_data += max_hdr;
  EXPECT_EQ(m_copyback(m.get(), 0, 5, "hello", M_DONTWAIT), 0);
  EXPECT_EQ(m_show(m.get()), "[pkt 5: 5]");
  m = m_prepend(std::move(m), 20, M_DONTWAIT);
  EXPECT_EQ(m_show(m.get()), "[pkt 25: 25]");
  EXPECT_EQ(m_leadingspace(m.get()), max_hdr - 20);

  MbufPtr big = m_clget(nullptr, M_DONTWAIT, 2048);
  EXPECT_EQ(m_copyback(big.get(), 0, 1460, data.data(), M_DONTWAIT), 0);
  EXPECT_EQ(m_show(big.get()), "[pkt 1460: 1460 of 2048]");
  m_catpkt(m.get(), m_copym(big.get(), 0, 1000, M_DONTWAIT));
  EXPECT_EQ(m_show(m.get()), "[pkt 1025: 25] -> [1000 of 2048 shared by 2]");

  m = m_pullup(std::move(m), 40);
  EXPECT_EQ(m_show(m.get()), "[pkt 1025: 40] -> [985 of 2048 shared by 2]");
  EXPECT_EQ(Content(m).substr(20), "hello" + data.substr(0, 1000));
  EXPECT_EQ(Content(big), data) << "the pull-up took a copy";
  big.reset();
  EXPECT_EQ(m_show(m.get()), "[pkt 1025: 40] -> [985 of 2048]") << "nobody shares it any more";
}

}  // namespace
}  // namespace sockbed
