#include "kernel/tcp/tcp_fsm.h"

#include <string>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

// Every pair of states, as RFC 9293's diagram and the SYN cache allow them: rows are from, columns
// to, in the order of TcpState.
constexpr const char* kEdges[TCP_NSTATES] = {
    //  to: CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1,
    //      CLOSING, LAST_ACK, FIN_WAIT_2, TIME_WAIT
    ".xxx.......",  // CLOSED
    "x..........",  // LISTEN
    "x..xx......",  // SYN_SENT
    "x...x.x....",  // SYN_RECEIVED
    "x....xx....",  // ESTABLISHED
    "x.......x..",  // CLOSE_WAIT
    "x......x.x.",  // FIN_WAIT_1
    "x.........x",  // CLOSING
    "x..........",  // LAST_ACK
    "x.........x",  // FIN_WAIT_2
    "x..........",  // TIME_WAIT
};

TEST(TcpFsm, AllowsTheEdgesOfTheDiagramAndNoOther) {
  for (int from = 0; from < TCP_NSTATES; ++from) {
    for (int to = 0; to < TCP_NSTATES; ++to) {
      EXPECT_EQ(tcp_may_become(static_cast<TcpState>(from), static_cast<TcpState>(to)),
                kEdges[from][to] == 'x')
          << from << " -> " << to;
    }
  }
}

TEST(TcpFsm, KnowsWhoHasClosed) {
  std::string received;
  for (int state = 0; state < TCP_NSTATES; ++state) {
    received += TCPS_HAVERCVDFIN(static_cast<TcpState>(state)) ? 'x' : '.';
  }
  EXPECT_EQ(received, ".....x.xx.x");
}

TEST(TcpFsm, SendsAFinUntilItIsAcknowledged) {
  std::string fin;
  for (const uint8_t flags : tcp_outflags) fin += (flags & TH_FIN) != 0 ? 'x' : '.';
  EXPECT_EQ(fin, "......xxx..");
}

}  // namespace
}  // namespace sockbed
