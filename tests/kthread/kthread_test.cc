// The examples of this folder at work. A kernel thread is a process that has no descriptors and
// makes no system call; the hosts here run nothing else.

#include <errno.h>

#include <cstring>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/link.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/timeout.h"
#include "tests/captures/test_simulation.h"
#include "tests/kthread/byte_counter.h"
#include "tests/kthread/calls.h"
#include "tests/kthread/echo_client.h"
#include "tests/kthread/echo_server.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 7;

// A packet of that size in one piece of storage.
MbufPtr Question(int size) {
  MbufPtr m = m_gethdr(M_WAIT, MT_DATA);
  EXPECT_TRUE(m_clget(m.get(), M_WAIT, static_cast<uint32_t>(size)));
  for (int i = 0; i < size; ++i) m->m_data[i] = static_cast<char>(i);
  m->m_len = m->m_pkthdr.len = size;
  return m;
}

std::string BytesOf(mbuf* m) {
  std::string bytes(static_cast<size_t>(m_length(m)), '\0');
  m_copydata(m, 0, static_cast<int>(bytes.size()), bytes.data());
  return bytes;
}

class Kthread : public testing::Test {
 protected:
  void Connect(double loss = 0) {
    sim_.Connect(server_, client_, {.latency = absl::Milliseconds(10), .loss = loss});
  }
  void Run() { EXPECT_EQ(sim_.Run().Complaints(), ""); }
  in_addr ServerAddress() const { return server_.address(); }

  // A question and its answer, through two sockets, two links' worth of segments and a server:
  // nobody has copied a byte.
  void AskAndLookForCopies() {
    server_.Spawn("kechod", [] { EXPECT_EQ(ServeEchoes(kPort, 1), 0); });
    client_.Spawn("kecho", [this] {
      MbufPtr question = Question(12'000);
      const MbufPtr same = m_copym(question.get(), 0, M_COPYALL, M_WAIT);  // shares the storage
      MbufPtr answer;
      EXPECT_EQ(AskForEcho(ServerAddress(), kPort, std::move(question), &answer), 0);
      EXPECT_TRUE(BytesOf(answer.get()) == BytesOf(same.get()));
      for (const mbuf* m = answer.get(); m != nullptr; m = m->m_next) {
        EXPECT_TRUE(m->m_len == 0 || m->m_ext.ext_buf == same->m_ext.ext_buf);
      }
    });
    Run();
  }

  TestSimulation sim_{{.seed = 7}};
  Host& server_ = sim_.AddHost("server");
  Host& client_ = sim_.AddHost("client");
};

TEST_F(Kthread, EchoComesBackInTheMemoryItLeftIn) {
  Connect();
  AskAndLookForCopies();
}

// What TCP sends again it sends from where it stands in so_snd, while the first segment may still
// be under way: both share it.
TEST_F(Kthread, SoDoesAnEchoThatHadToBeSentAgain) {
  Connect(0.25);
  AskAndLookForCopies();
  for (int direction : {0, 1}) {
    EXPECT_GT(sim_.links()[0]->counters(direction).dropped_loss, 0u);
  }
}

TEST_F(Kthread, ClientsAreServedOneAfterTheOtherOverABadLink) {
  Connect(0.1);
  server_.Spawn("kechod", [] { EXPECT_EQ(ServeEchoes(kPort, 3), 0); });
  for (int i = 0; i < 3; ++i) {
    client_.Spawn("kecho", [this, i] {
      MbufPtr answer;
      EXPECT_EQ(AskForEcho(ServerAddress(), kPort, Question(5'000 + i), &answer), 0);
      EXPECT_EQ(m_length(answer.get()), 5'000 + i);
    });
  }
  Run();
}

TEST_F(Kthread, NobodyListens) {
  Connect();
  client_.Spawn("kecho", [this] {
    MbufPtr answer;
    EXPECT_EQ(AskForEcho(ServerAddress(), kPort, Question(400), &answer), ECONNREFUSED);
  });
  Run();
}

// BUGS of socreate(9): who gives up waiting finds the socket connecting still, for nobody else
// clears the bit. A second soconnect would be refused for it.
TEST_F(Kthread, WhoGivesUpConnectingClearsTheBit) {
  Connect(1.0);  // the network swallows everything
  client_.Spawn("kthread", [this] {
    socket* so = nullptr;
    ASSERT_EQ(socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
    const MbufPtr nam = PortName(ServerAddress(), kPort);
    ASSERT_EQ(soconnect(so, nam.get()), 0);
    EXPECT_EQ(tsleep(&so->so_timeo, PSOCK, "netcon", 3 * hz), EWOULDBLOCK);
    EXPECT_NE(so->so_state & SS_ISCONNECTING, 0);
    EXPECT_EQ(soconnect(so, nam.get()), EISCONN) << "it thinks that it is connecting";
    so->so_state &= ~SS_ISCONNECTING;
    soclose(so);
  });
  client_.Spawn("careful", [this] {
    socket* so = nullptr;
    ASSERT_EQ(socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
    const MbufPtr nam = PortName(ServerAddress(), kPort);
    EXPECT_EQ(ConnectAndWait(so, nam.get(), 3 * hz), EWOULDBLOCK);
    EXPECT_EQ(so->so_state & SS_ISCONNECTING, 0);
    soclose(so);
  });
  Run();
}

TEST_F(Kthread, UpcallsServeWithoutAThread) {
  Connect(0.05);
  ByteCounter counter;
  server_.Spawn("start", [&] { EXPECT_EQ(counter.Start(kPort), 0); });
  for (int i = 0; i < 3; ++i) {
    client_.Spawn("kecho", [this, i] {
      MbufPtr answer;
      EXPECT_EQ(AskForEcho(ServerAddress(), kPort, Question(5'000 + i), &answer), 0);
      uint64_t bytes = 0;
      ASSERT_EQ(m_length(answer.get()), static_cast<int>(sizeof bytes));
      m_copydata(answer.get(), 0, sizeof bytes, &bytes);
      EXPECT_EQ(bytes, 5'000u + static_cast<uint64_t>(i));
    });
  }
  server_.Spawn("stop", [&] { counter.Stop(); }, {.start_at = 300 * kSecond});
  Run();
}

TEST_F(Kthread, UpcallServerIsStoppedInTheMiddle) {
  Connect();
  ByteCounter counter;
  server_.Spawn("start", [&] { EXPECT_EQ(counter.Start(kPort), 0); });
  client_.Spawn("half", [this] {
    socket* so = nullptr;
    ASSERT_EQ(socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
    const MbufPtr nam = PortName(ServerAddress(), kPort);
    EXPECT_EQ(ConnectAndWait(so, nam.get(), 0), 0);
    mbuf* chain = nullptr;
    EXPECT_EQ(soreceive(so, nullptr, nullptr, &chain, nullptr, nullptr), 0);
    EXPECT_EQ(chain, nullptr) << "the server left without an answer";
    soclose(so);
  });
  server_.Spawn("stop", [&] { counter.Stop(); }, {.start_at = kSecond});
  Run();
}

}  // namespace
}  // namespace sockbed
