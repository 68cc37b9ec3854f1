// What TCP does when IP refuses a segment (12.3).
#include <cerrno>

#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

using Refusal = SegmentTest;

// No room in a queue, or no mbuf: as good as lost, and a sign of congestion.
TEST_F(Refusal, WithoutRoomDataIsAsGoodAsLost) {
  Establish();
  RefuseNext(ENOBUFS);
  EXPECT_EQ(Write(2920), 0);
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
  ExpectNothing();
  ExpectAt(6000, ". 1:1461(1460) ack 1");
  Send(". 1:1(0) ack 1461");
  Expect("P. 1461:2921(1460) ack 1");
}

TEST_F(Refusal, WithoutRoomTheSynGoesAgain) {
  Create();
  RefuseNext(ENOBUFS);
  EXPECT_EQ(Connect(), 0);
  ExpectAt(6000, "S 0:0(0)");
}

// What was not told is still to be told.
TEST_F(Refusal, AnAckThatWasRefusedGoesWithTheNextSegment) {
  Establish(",nop,nop,TS val 1 ecr 0");
  RefuseNext(ENOBUFS);
  Send(". 11:21(10) ack 1 <nop,nop,TS val 2 ecr 0>");  // out of order: to be answered at once
  ExpectNothing();
  EXPECT_NE(tp()->t_flags & TF_ACKNOW, 0u);
  EXPECT_EQ(Write(0), 0);
  Send(". 1:1(0) ack 1 <nop,nop,TS val 3 ecr 0>");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(tp()->t_flags & TF_ACKNOW, 0u);
}

TEST_F(Refusal, AWindowUpdateThatWasRefusedIsStillDue) {
  Establish();
  Send(". 1:1461(1460) ack 1");
  Send(". 1461:2921(1460) ack 1");
  Expect(". 1:1(0) ack 2921");
  Send(". 2921:2941(20) ack 1");
  const tcp_seq promised = tp()->rcv_adv;
  RefuseNext(ENOBUFS);
  EXPECT_EQ(Read(2920), 2920);
  ExpectNothing();
  EXPECT_EQ(tp()->rcv_adv, promised);
  EXPECT_EQ(Read(20), 20);
  Expect(". 1:1(0) ack 2941");
  EXPECT_EQ(tp()->rcv_adv - promised, 2940);
}

TEST_F(Refusal, AReportThatWasRefusedIsStillDue) {
  Sysctl("net.inet.tcp.knob.dsack", 1);
  Establish(",sackOK,eol,eol");
  Send(". 1:11(10) ack 1");
  Send(". 11:21(10) ack 1");
  Expect(". 1:1(0) ack 21");
  RefuseNext(ENOBUFS);
  Send(". 1:11(10) ack 1");  // once more: to be reported
  ExpectNothing();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 21 <nop,nop,sack 1:11>");
}

// The way may come back: until the segments have gone often enough, the error is only remembered.
TEST_F(Refusal, AnUnreachablePeerIsRemembered) {
  for (const int error : {EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN}) {
    SCOPED_TRACE(error);
    Establish();
    const int64_t now = now_ms();
    RefuseNext(error);
    EXPECT_EQ(Write(10), 0);
    EXPECT_EQ(tp()->t_softerror, error);
    ExpectAt(now + 6000, "P. 1:11(10) ack 1");
    Send("R 1:1(0)");
    EXPECT_EQ(Close(), 0);
    Anew();
    ++peer_port_;
  }
}

TEST_F(Refusal, AnUnreachablePeerCannotBeConnected) {
  for (const int error : {EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN}) {
    Create();
    RefuseNext(error);
    EXPECT_EQ(Connect(), error);
    EXPECT_EQ(Close(), 0);
  }
  ExpectNothingUntil(100'000);
}

// Nothing has become of the path's MTU, so only time helps.
TEST_F(Refusal, WhatIsTooLongForALinkThatSaysNoMoreGoesAgain) {
  Establish();
  RefuseNext(EMSGSIZE);
  EXPECT_EQ(Write(1460), 0);
  ExpectAt(6000, "P. 1:1461(1460) ack 1");
}

// Somebody forbids it: the caller hears of it, and the data waits.
TEST_F(Refusal, WhatIsForbiddenIsToldToTheCaller) {
  Establish();
  RefuseNext(EACCES);
  EXPECT_EQ(Write(10), EACCES);
  EXPECT_EQ(tp()->snd_nxt, tp()->snd_una);
  ExpectAt(6000, "P. 1:11(10) ack 1");
}

}  // namespace
}  // namespace sockbed
