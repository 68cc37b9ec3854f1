// What splsoftnet is for: a packet may come between the look at a queue and the sleep. In a machine
// that switches only where code sleeps nobody notices who forgets it; deliver_at_splx shows.

#include <errno.h>
#include <netinet/in.h>

#include <cstring>

#include "gtest/gtest.h"
#include "kernel/host/simulation.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/spl.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {
namespace {

MbufPtr LoopbackAddress(uint16_t port) {
  MbufPtr nam = m_get(M_WAIT, MT_SONAME);
  sockaddr_in sin = {};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(nam->m_data, &sin, sizeof sin);
  nam->m_len = sizeof sin;
  return nam;
}

// Sends a datagram to itself over lo0 and waits for it: having looked, it sends, and sleeps because
// of what it saw.
void SendAndWait(bool careful) {
  socket* so;
  ASSERT_EQ(socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
  const MbufPtr nam = LoopbackAddress(7);
  ASSERT_EQ(sobind(so, nam.get(), curproc()), 0);
  {
    const SplScope spl(careful ? IPL_SOFTNET : IPL_NONE);
    const bool empty = so->so_rcv.sb_cc == 0;
    MbufPtr top = m_devget("ping", 4, 0);
    EXPECT_EQ(sosend(so, nam.get(), nullptr, top.release() /*taken*/, nullptr, 0), 0);
    if (empty) (void)sbwait(&so->so_rcv);  // EINTR: it was still waiting when the host ended
  }
  EXPECT_GT(so->so_rcv.sb_datacc, 0u);
  soclose(so);
}

RunResult RunWith(bool careful, bool deliver_at_splx) {
  Simulation sim({.seed = 1, .deliver_at_splx = deliver_at_splx});
  sim.AddHost("host").Spawn("kthread", [=] { SendAndWait(careful); });
  return sim.Run();
}

TEST(Race, CarelessThreadIsLuckyWhereNothingComesInBetween) {
  EXPECT_EQ(RunWith(false, false).Complaints(), "");
}

TEST(Race, CarelessThreadSleepsForEverWhereSplxDelivers) {
  const RunResult result = RunWith(false, true);
  ASSERT_EQ(result.sleepers.size(), 1u);
  EXPECT_EQ(result.sleepers[0].wmesg, "netio");
  EXPECT_EQ(result.sleepers[0].ident, "so#1.so_rcv.sb_cc");
}

TEST(Race, CarefulThreadIsRightInBoth) {
  EXPECT_EQ(RunWith(true, false).Complaints(), "");
  EXPECT_EQ(RunWith(true, true).Complaints(), "");
}

TEST(Race, DeliveringAtSplxIsOneRunToTheBitToo) {
  EXPECT_EQ(RunWith(true, true).digest, RunWith(true, true).digest);
  EXPECT_NE(RunWith(false, true).digest, RunWith(false, false).digest);
}

}  // namespace
}  // namespace sockbed
