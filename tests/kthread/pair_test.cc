// The smallest complete example of kernel/socket/README.md: two sockets joined, as a pipe is.

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "kernel/host/simulation.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {
namespace {

int PassThroughAPair(std::string_view bytes, std::string* out) {
  socket *a = nullptr, *b = nullptr;
  int error = socreate(AF_UNIX, &a, SOCK_STREAM, 0);
  if (error == 0) error = socreate(AF_UNIX, &b, SOCK_STREAM, 0);
  if (error == 0) error = soconnect2(a, b);  // what socketpair(2) does
  if (error == 0) {
    MbufPtr top = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    error = sosend(a, nullptr, nullptr, top.release() /*taken*/, nullptr, 0);
  }
  mbuf* chain = nullptr;
  if (error == 0) error = soreceive(b, nullptr, nullptr, &chain, nullptr, nullptr);
  const MbufPtr got(chain);
  if (error == 0) {
    out->resize(static_cast<size_t>(m_length(chain)));
    m_copydata(chain, 0, static_cast<int>(out->size()), out->data());
  }
  if (a != nullptr) soclose(a);
  if (b != nullptr) soclose(b);
  return error;
}

TEST(Pair, IsAPipe) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("kthread", [] {
    std::string got;
    EXPECT_EQ(PassThroughAPair("hello", &got), 0);
    EXPECT_EQ(got, "hello");
    EXPECT_EQ(PassThroughAPair(std::string(4000, 'x'), &got), 0);
    EXPECT_EQ(got, std::string(4000, 'x'));
    EXPECT_EQ(PassThroughAPair(std::string(5000, 'x'), &got), EMSGSIZE)
        << "a packet goes whole, or not at all";
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

}  // namespace
}  // namespace sockbed
