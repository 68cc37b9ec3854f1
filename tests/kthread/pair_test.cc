// The smallest complete example of kernel/socket/README.md: two sockets joined, as a pipe is, by
// code in the kernel.

#include <errno.h>

#include <string>

#include "gtest/gtest.h"
#include "kernel/host/simulation.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/proc.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {
namespace {

std::string BytesOf(const MbufPtr& chain) {
  std::string bytes(static_cast<size_t>(m_length(chain.get())), '\0');
  m_copydata(chain.get(), 0, static_cast<int>(bytes.size()), bytes.data());
  return bytes;
}

TEST(Pair, IsAPipe) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("kthread", [] {
    socket *a, *b;
    ASSERT_EQ(socreate(AF_UNIX, &a, SOCK_STREAM, 0), 0);
    ASSERT_EQ(socreate(AF_UNIX, &b, SOCK_STREAM, 0), 0);
    ASSERT_EQ(soconnect2(a, b), 0);  // what socketpair(2) does

    MbufPtr top = m_devget("hello", 5, 0);
    EXPECT_EQ(sosend(a, nullptr, nullptr, top.release() /*taken*/, nullptr, 0), 0);

    mbuf* chain;
    EXPECT_EQ(soreceive(b, nullptr, nullptr, &chain, nullptr, nullptr), 0);
    EXPECT_EQ(BytesOf(MbufPtr(chain)), "hello");

    soclose(a);
    soclose(b);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

// The same with a thread at each end: the reader sleeps until there is something, then until there
// is the end.
struct Reader {
  socket* so;
  std::string got;
};

void ReadToTheEnd(void* arg) {
  auto* reader = static_cast<Reader*>(arg);
  for (;;) {
    mbuf* chain = nullptr;
    EXPECT_EQ(soreceive(reader->so, nullptr, nullptr, &chain, nullptr, nullptr), 0);
    if (chain == nullptr) break;  // the other end was closed
    reader->got += BytesOf(MbufPtr(chain));
  }
  soclose(reader->so);
}

TEST(Pair, ThreadReadsWhatAnotherWrites) {
  Reader reader;
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("writer", [&reader] {
    socket* so;
    ASSERT_EQ(socreate(AF_UNIX, &so, SOCK_STREAM, 0), 0);
    ASSERT_EQ(socreate(AF_UNIX, &reader.so, SOCK_STREAM, 0), 0);
    ASSERT_EQ(soconnect2(so, reader.so), 0);
    ASSERT_EQ(kthread_create(ReadToTheEnd, &reader, nullptr, "reader"), 0);
    for (int i = 0; i < 3; ++i) {  // more than the buffer holds: the writer sleeps, too
      const std::string bytes(4000, static_cast<char>('a' + i));
      MbufPtr top = m_devget(bytes.data(), 4000, 0);
      EXPECT_EQ(sosend(so, nullptr, nullptr, top.release() /*taken*/, nullptr, 0), 0);
    }
    soclose(so);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
  EXPECT_EQ(reader.got, std::string(4000, 'a') + std::string(4000, 'b') + std::string(4000, 'c'));
}

TEST(Pair, PacketGoesWholeOrNotAtAll) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("kthread", [] {
    socket *a, *b;
    ASSERT_EQ(socreate(AF_UNIX, &a, SOCK_STREAM, 0), 0);
    ASSERT_EQ(socreate(AF_UNIX, &b, SOCK_STREAM, 0), 0);
    ASSERT_EQ(soconnect2(a, b), 0);
    const std::string bytes(5000, 'x');  // so_snd holds 4096
    MbufPtr top = m_devget(bytes.data(), 5000, 0);
    EXPECT_EQ(sosend(a, nullptr, nullptr, top.release() /*taken*/, nullptr, 0), EMSGSIZE);
    soclose(a);
    soclose(b);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

}  // namespace
}  // namespace sockbed
