// The first lesson about sockets: two of them, joined, and two processes that talk.
//
// Compare it with the pipe of sched/pipe_test.cc. What the pipe did by hand, sosend and soreceive
// do here: the slot has become a buffer, its "full" flag a count of bytes, and the sleeping and
// waking happen inside the calls. The protocol between the two buffers is the simplest there is: it
// puts what one end sends straight into the receive buffer of the other.
#include <string>

#include "kernel/sched/synch.h"
#include "kernel/unix/unix_test_host.h"

namespace sockbed {
namespace {

using SocketpairTest = UnixTestHost;

TEST_F(SocketpairTest, CarriesBytesBothWays) {
  InProcess([] {
    const auto [a, b] = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Write(a, "question"), 0);
    EXPECT_EQ(Receive(b, 100).data, "question");
    EXPECT_EQ(Write(b, "answer"), 0);
    EXPECT_EQ(Receive(a, 100).data, "answer");
    soclose(a);
    EXPECT_EQ(Receive(b, 100).data, "") << "the other end is closed: end of file";
    soclose(b);
  });
}

TEST_F(SocketpairTest, ReaderSleepsUntilSomethingIsWritten) {
  socket *a = nullptr, *b = nullptr;
  Spawn("reader", [&] {
    std::tie(a, b) = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Receive(b, 100).data, "at last");  // asleep in sbwait, on &b->so_rcv.sb_cc
    EXPECT_EQ(Now(), kSecond);
    soclose(b);
  });
  Spawn("writer", [&] {
    Pause(kSecond);
    EXPECT_EQ(Write(a, "at last"), 0);  // unp_send: sbappend to b, sorwakeup(b)
    soclose(a);
  });
  Run();
}

TEST_F(SocketpairTest, WriterSleepsWhileTheReaderHasTooMuch) {
  socket *a = nullptr, *b = nullptr;
  bool all_written = false;
  Spawn("writer", [&] {
    std::tie(a, b) = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Write(a, std::string(10'000, 'x')), 0);
    all_written = true;
  });
  Spawn("reader", [&] {
    Pause(kSecond);
    EXPECT_FALSE(all_written);
    EXPECT_EQ(b->so_rcv.sb_cc, 4096u) << "what fits";
    EXPECT_EQ(a->so_snd.sb_cc, 4096u) << "the mirror that the writer looks at";
    EXPECT_EQ(a->so_snd.sb_mb, nullptr) << "there is nothing behind it";
    EXPECT_EQ(Receive(b, 10'000, MSG_WAITALL).data.size(), 10'000u);
    Pause(kSecond);
    EXPECT_TRUE(all_written);
    CloseLocalPair({a, b});
  });
  Run();
}

TEST_F(SocketpairTest, KeepsTheBoundariesOfDatagrams) {
  InProcess([] {
    const auto [a, b] = CreateLocalPair(SOCK_DGRAM);
    EXPECT_EQ(Write(a, "first"), 0);
    EXPECT_EQ(Write(a, "second"), 0);
    EXPECT_EQ(Receive(b, 100).data, "first");
    EXPECT_EQ(Receive(b, 3).data, "sec");
    EXPECT_EQ(Receive(b, 100, MSG_DONTWAIT).error, EWOULDBLOCK) << "the rest was dropped";
    CloseLocalPair({a, b});
  });
}

}  // namespace
}  // namespace sockbed
