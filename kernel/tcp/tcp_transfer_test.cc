// Data both ways: Nagle, delayed ACKs, windows, reordering, urgent data.
#include <cerrno>

#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Transfer : public SegmentTest {};

// RFC 1122 4.2.3.4: the first small write goes, the others wait for its ACK and go together.
TEST_F(Transfer, NagleGathersSmallWrites) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  EXPECT_EQ(Write(10), 0);
  EXPECT_EQ(Write(10), 0);
  ExpectNothingUntil(50);
  Send(". 1:1(0) ack 11");
  Expect("P. 11:31(20) ack 1");
}

TEST_F(Transfer, NodelaySendsAtOnce) {
  Establish();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_NODELAY, 1), 0);
  for (const char* s : {"P. 1:11(10) ack 1", "P. 11:21(10) ack 1"}) {
    EXPECT_EQ(Write(10), 0);
    Expect(s);
  }
}

TEST_F(Transfer, SettingNodelayReleasesWhatWaits) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  EXPECT_EQ(Write(10), 0);
  EXPECT_EQ(Skip(), 1);
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_NODELAY, 1), 0);
  Expect("P. 11:21(10) ack 1");
}

TEST_F(Transfer, NopushHoldsPartialSegments) {
  Establish();
  EXPECT_EQ(SetOption(IPPROTO_TCP, kTcpNoPush, 1), 0);
  EXPECT_EQ(Write(2000), 0);
  Expect(". 1:1461(1460) ack 1");
  Send(". 1:1(0) ack 1461");
  ExpectNothing();
  EXPECT_EQ(SetOption(IPPROTO_TCP, kTcpNoPush, 0), 0);
  Expect("P. 1461:2001(540) ack 1");
}

// RFC 9293 3.8.6.3: at 200 ms at the latest, and every second segment.
TEST_F(Transfer, AcknowledgesEverySecondSegmentOrLate) {
  Establish();
  Send("P. 1:101(100) ack 1");
  ExpectNothing();
  ExpectAt(200, ". 1:1(0) ack 101");
  Send("P. 101:201(100) ack 1");
  RunTo(250);
  Send("P. 201:301(100) ack 1");
  Expect(". 1:1(0) ack 301");
  ExpectNothingUntil(1000);
  EXPECT_EQ(Stat(tcps_delack), 1u);
}

TEST_F(Transfer, DataCarriesTheAck) {
  Establish();
  Send("P. 1:101(100) ack 1");
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 101");
  Send(". 101:101(0) ack 11");
  ExpectNothingUntil(1000);
}

TEST_F(Transfer, AckonpushAcknowledgesAtOnce) {
  Sysctl("net.inet.tcp.ackonpush", 1);
  Establish();
  Send("P. 1:101(100) ack 1");
  Expect(". 1:1(0) ack 101");
}

// --- What arrives twice, early, or outside. ---

TEST_F(Transfer, QueuesWhatComesEarly) {
  Establish(",sackOK,eol,eol");
  Send("P. 101:201(100) ack 1");
  Expect(". 1:1(0) ack 1 <nop,nop,sack 101:201>");
  Send("P. 301:401(100) ack 1");
  Expect(". 1:1(0) ack 1 <nop,nop,sack 301:401 101:201>");
  Send("P. 501:601(100) ack 1");
  Expect(". 1:1(0) ack 1 <nop,nop,sack 501:601 301:401 101:201>");
  Send("P. 701:801(100) ack 1");
  Expect(". 1:1(0) ack 1 <nop,nop,sack 701:801 501:601 301:401>");
  EXPECT_EQ(Read(), -EWOULDBLOCK);
  Send("P. 1:101(100) ack 1");
  Expect(". 1:1(0) ack 201 <nop,nop,sack 701:801 501:601 301:401>");
  EXPECT_EQ(Read(), 200);
  Send("P. 201:301(100) ack 1");
  Expect(". 1:1(0) ack 401 <nop,nop,sack 701:801 501:601>");
  EXPECT_EQ(Read(), 200);
}

TEST_F(Transfer, JoinsOverlapsWithoutLosingAByte) {
  Establish();
  Send("P. 201:301(100) ack 1");
  Send("P. 401:501(100) ack 1");
  Send("P. 151:451(300) ack 1");  // covers one, overlaps the other
  Send("P. 101:251(150) ack 1");
  Send("P. 51:151(100) ack 1");
  EXPECT_EQ(Skip(), 5);
  Send("P. 1:151(150) ack 1");
  Expect(". 1:1(0) ack 501");
  EXPECT_EQ(Read(), 500);
}

TEST_F(Transfer, RemembersAnEarlyFin) {
  Establish();
  Send("FP. 101:201(100) ack 1");
  Expect(". 1:1(0) ack 1");
  Send("P. 1:101(100) ack 1");
  Expect(". 1:1(0) ack 202");
  EXPECT_EQ(State(), TCPS_CLOSE_WAIT);
  EXPECT_EQ(Read(), 200);
  EXPECT_EQ(Read(), 0);
}

TEST_F(Transfer, RemembersABareEarlyFin) {
  Establish();
  Send("F. 101:101(0) ack 1");
  Send("F. 101:101(0) ack 1");
  EXPECT_EQ(Skip(), 2);
  Send("P. 1:101(100) ack 1");
  Expect(". 1:1(0) ack 102");
  EXPECT_EQ(State(), TCPS_CLOSE_WAIT);
}

// The end that came alone comes again, with the data before it.
TEST_F(Transfer, AnEarlyFinMayComeTwice) {
  Establish();
  Send("F. 201:201(0) ack 1");
  Send("FP. 101:201(100) ack 1");
  Send("F. 201:201(0) ack 1");
  EXPECT_EQ(Skip(), 3);
  Send("P. 1:101(100) ack 1");
  Expect(". 1:1(0) ack 202");
  EXPECT_EQ(Read(), 200);
  EXPECT_EQ(Read(), 0);
}

// RFC 5961 3.2: its own number counts, not the first of its bytes that lies inside the window.
TEST_F(Transfer, AResetFromTheLeftIsNotExact) {
  Establish();
  Send("P. 1:101(100) ack 1");
  ExpectAt(200, ". 1:1(0) ack 101");
  Send("R. 51:151(100) ack 1");
  ExpectNothing();
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(Stat(tcps_rcvbadrst), 1u);
}

TEST_F(Transfer, AnswersDuplicates) {
  Establish();
  Send("P. 1:101(100) ack 1");
  ExpectAt(200, ". 1:1(0) ack 101");
  Send("P. 1:101(100) ack 1");
  Expect(". 1:1(0) ack 101");
  Send("P. 51:151(100) ack 1");
  ExpectAt(400, ". 1:1(0) ack 151");
  EXPECT_EQ(Read(), 150);
}

TEST_F(Transfer, DropsDataBeyondAdvertisedWindow) {
  Establish();
  ASSERT_EQ(so()->so_rcv.sb_hiwat, 17520u);
  Send("P. 17521:17621(100) ack 1");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(Stat(tcps_rcvoutofwin), 1u);
  Send("P. 17471:17571(100) ack 1");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(Stat(tcps_rcvbyteafterwin), 50u);
}

TEST_F(Transfer, LimitsWhatWaits) {
  Sysctl("net.inet.tcp.reass.maxqueuelen", 2);
  Establish();
  for (const char* s :
       {"P. 101:201(100) ack 1", "P. 301:401(100) ack 1", "P. 501:601(100) ack 1"}) {
    Send(s);
  }
  EXPECT_EQ(Stat(tcps_rcvmemdrop), 1u);
  Send("P. 1:101(100) ack 1");
  EXPECT_EQ(Read(), 200) << "the missing piece is always taken";
}

// The limit is one of gaps: however much has arrived behind one missing segment, all of it is kept.
TEST_F(Transfer, WhatTouchesWaitsAsOne) {
  Sysctl("net.inet.tcp.reass.maxqueuelen", 2);
  Establish();
  for (const char* s : {"P. 101:201(100) ack 1", "P. 201:301(100) ack 1", "P. 501:601(100) ack 1",
                        "P. 251:401(150) ack 1", "P. 401:501(100) ack 1", "P. 801:901(100) ack 1",
                        "P. 701:801(100) ack 1", "FP. 901:1001(100) ack 1"}) {
    Send(s);
  }
  EXPECT_EQ(Stat(tcps_rcvmemdrop), 0u);
  EXPECT_EQ(tp()->t_segqlen, 2);
  Send("P. 1:101(100) ack 1");
  EXPECT_EQ(Read(), 600);
  Send("P. 601:701(100) ack 1");
  EXPECT_EQ(Read(), 400);
  EXPECT_EQ(State(), TCPS_CLOSE_WAIT);
}

// RFC 7323 5: an old duplicate is recognised by its timestamp.
TEST_F(Transfer, DropsWhatIsOlderThanItsTimestamp) {
  Establish(",nop,nop,TS val 0 ecr 0");
  Send("P. 1:101(100) ack 1 <nop,nop,TS val 500 ecr 0>");
  ExpectAt(200, ". 1:1(0) ack 101 <nop,nop,TS val 200 ecr 500>");
  Send("P. 101:201(100) ack 1 <nop,nop,TS val 499 ecr 0>");
  Expect(". 1:1(0) ack 101 <nop,nop,TS val 200 ecr 500>");
  Send(". 101:101(0) ack 1 <nop,nop,TS val 1 ecr 0>");
  ExpectNothing();
  EXPECT_EQ(Stat(tcps_pawsdrop), 2u);
  const int64_t days = 25 * 24 * 3600 * 1000LL;
  RunTo(days);
  Send("P. 101:201(100) ack 1 <nop,nop,TS val 1 ecr 0>");
  EXPECT_EQ(Read(), 200) << "after 24 days a timestamp proves nothing";
}

// --- Windows. ---

TEST_F(Transfer, UpdatesTheWindowWhenTheReaderReads) {
  Establish();
  for (uint32_t at = 1; at < 17521; at += 1460) {
    Send(". " + std::to_string(at) + ":" + std::to_string(at + 1460) + "(1460) ack 1");
  }
  Skip();
  EXPECT_EQ(tp()->rcv_adv - tp()->rcv_nxt, 0);
  EXPECT_EQ(Read(1460), 1460);
  ExpectNothing();
  EXPECT_EQ(Read(1460), 1460);
  Expect(". 1:1(0) ack 17521 win 2920");
}

// An odd number of segments fills most of the window in one instant; then the reader reads. Nobody
// waits for the delayed ACK.
TEST_F(Transfer, UpdatesTheWindowWhileAnAckIsDelayed) {
  Sysctl("net.inet.tcp.knob.winupdate_freebsd", 1);
  Establish();
  for (uint32_t at = 1; at < 16061; at += 1460) {
    Send(". " + std::to_string(at) + ":" + std::to_string(at + 1460) + "(1460) ack 1");
  }
  EXPECT_EQ(Skip(), 5);
  EXPECT_EQ(Read(), 16060);
  Expect(". 1:1(0) ack 16061 win 17520");
}

// What scaling leaves of the window is what the peer would read: where that stays the other system
// is silent.
TEST_F(Transfer, UpdatesThatScalingHidesAreNotSent) {
  Sysctl("net.inet.tcp.knob.winupdate_freebsd", 1);
  Sysctl("kern.sbmax", int64_t{65535} << 14);
  Establish(",nop,wscale 0");
  ASSERT_EQ(tp()->rcv_scale, 14);
  for (uint32_t at = 1; at < 17521; at += 1460) {
    Send(". " + std::to_string(at) + ":" + std::to_string(at + 1460) + "(1460) ack 1");
  }
  Skip();
  EXPECT_EQ(Read(16060), 16060);
  ExpectNothing();
  EXPECT_EQ(Read(1460), 1460);
  Expect(". 1:1(0) ack 17521 win 1");
}

// The other system is silent once the peer has closed.
TEST_F(Transfer, UpdatesTheWindowAfterThePeersFin) {
  Establish();
  for (uint32_t at = 1; at < 11681; at += 1460) {
    Send(". " + std::to_string(at) + ":" + std::to_string(at + 1460) + "(1460) ack 1");
  }
  Send("F. 11681:11681(0) ack 1");
  Skip();
  EXPECT_EQ(Read(), 11680);
  Expect(". 1:1(0) ack 11682 win 17520");
}

TEST_F(Transfer, NeverAdvertisesSillyWindows) {
  Establish();
  for (uint32_t at = 1; at < 17521; at += 1460) {
    Send(". " + std::to_string(at) + ":" + std::to_string(at + 1460) + "(1460) ack 1");
  }
  Skip();
  EXPECT_EQ(Read(1000), 1000);
  ExpectNothing();
  Send(". 17521:17522(1) ack 1");  // a probe: there is room for its byte, but not for more
  ExpectAt(200, ". 1:1(0) ack 17522 win 0");
  EXPECT_EQ(tp()->t_sndzerowin, 2u);
}

TEST_F(Transfer, AnswersProbesOfAFullBuffer) {
  Establish();
  for (uint32_t at = 1; at < 17521; at += 1460) {
    Send(". " + std::to_string(at) + ":" + std::to_string(at + 1460) + "(1460) ack 1");
  }
  Skip();
  Send(". 17521:17522(1) ack 1");
  Expect(". 1:1(0) ack 17521 win 0");
  EXPECT_EQ(Stat(tcps_rcvwinprobe), 1u);
}

TEST_F(Transfer, KeepsWithinThePeersWindow) {
  Establish("", "3000");
  EXPECT_EQ(Write(5000), 0);
  Expect(". 1:1461(1460) ack 1");
  Expect(". 1461:2921(1460) ack 1");
  ExpectNothing();
  Send(". 1:1(0) ack 2921 win 100");
  ExpectNothing();
  Send(". 1:1(0) ack 2921 win 3000");
  Expect(". 2921:4381(1460) ack 1");
  Expect("P. 4381:5001(620) ack 1");
}

TEST_F(Transfer, SendsHalfOfTheLargestWindowSeen) {
  Establish("", "1000");
  EXPECT_EQ(Write(5000), 0);
  Expect(". 1:1001(1000) ack 1");
  Send(". 1:1(0) ack 1001 win 499");
  ExpectNothing();
  Send(". 1:1(0) ack 1001 win 500");
  Expect(". 1001:1501(500) ack 1");
}

// --- Buffers that grow. ---

TEST_F(Transfer, GrowsTheSendBufferWithTheFlight) {
  Establish();
  const uint64_t before = so()->so_snd.sb_hiwat;
  EXPECT_EQ(Write(14600), 0);
  EXPECT_EQ(Skip(), 10);
  Send(". 1:1(0) ack 1461");
  EXPECT_EQ(so()->so_snd.sb_hiwat, (16384u + 14600 + 1459) / 1460 * 1460);
  EXPECT_GT(so()->so_snd.sb_hiwat, before);
}

TEST_F(Transfer, KeepsASendBufferThatTheUserChose) {
  Establish();
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_SNDBUF, 20000), 0);
  EXPECT_EQ(Write(14600), 0);
  Skip();
  Send(". 1:1(0) ack 1461");
  EXPECT_EQ(so()->so_snd.sb_hiwat, 20000u);
}

// --- Urgent data. ---

TEST_F(Transfer, SendsUrgentData) {
  Establish();
  EXPECT_EQ(Write(10, MSG_OOB), 0);
  Expect("P.U 1:11(10) ack 1 urg 10");
  Send(". 1:1(0) ack 11");
  EXPECT_EQ(Write(5), 0);
  Expect("P. 11:16(5) ack 1");
}

TEST_F(Transfer, TakesTheUrgentByteAside) {
  Establish();
  Send("P.U 1:11(10) ack 1 urg 10");
  EXPECT_EQ(so()->so_oobmark, 9u);
  EXPECT_EQ(Read(), 9) << "stops at the mark";
  EXPECT_EQ(so()->so_state & SS_RCVATMARK, SS_RCVATMARK);
  EXPECT_EQ(tp()->t_iobc, Pattern(10));
  EXPECT_EQ(tp()->t_oobflags, TCPOOB_HAVEDATA);
}

// The pointer is drawn along by what header prediction takes, too: after 2 GB it would seem to lie
// ahead of everything.
TEST_F(Transfer, SeesUrgentDataAfterTwoGigabytesWithoutAny) {
  Establish();
  tp()->rcv_up = tp()->rcv_nxt - 2'147'483'000;
  Send("P. 1:1001(1000) ack 1");
  Send("P.U 1001:1011(10) ack 1 urg 10");
  EXPECT_EQ(so()->so_oobmark, 1009u);
}

// A pointer beyond what a buffer may ever hold would be waited for in vain.
TEST_F(Transfer, UrgentDataThatCannotFitIsNone) {
  Sysctl("kern.sbmax", 32768);
  Establish();
  Send("P.U 1:11(10) ack 1 urg 40000");
  EXPECT_EQ(so()->so_oobmark, 0u);
  Send("P.U 11:21(10) ack 1 urg 20000");
  EXPECT_EQ(so()->so_oobmark, 20009u);
}

TEST_F(Transfer, LeavesTheUrgentByteInline) {
  Establish();
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_OOBINLINE, 1), 0);
  Send("P.U 1:11(10) ack 1 urg 10");
  EXPECT_EQ(Read(), 9);
  EXPECT_EQ(Read(), 1);
}

// --- Options. ---

TEST_F(Transfer, RefusesOptionsItLacks) {
  Establish();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1), ENOPROTOOPT);
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_KEEPIDLE, 1), ENOPROTOOPT);
  EXPECT_EQ(SetOption(IPPROTO_TCP, kTcpSackEnable, 0), EPERM);
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MAXSEG, 1461), EINVAL);
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MAXSEG, 0), EINVAL);
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MAXSEG, 500), 0);
  EXPECT_EQ(Write(1000), 0);
  Expect(". 1:501(500) ack 1");
  Expect("P. 501:1001(500) ack 1");
}

// RFC 1122 4.2.2.6: options of IP take their bytes from the data.
TEST_F(Transfer, OptionsOfIpShortenSegments) {
  Establish();
  EXPECT_EQ(SetOption(IPPROTO_IP, IP_OPTIONS, 0x01010101), 0);
  EXPECT_EQ(Write(2 * 1460), 0);
  EXPECT_EQ(Stat(tcps_sndpack), 3u);
  EXPECT_EQ(Stat(tcps_sndbyte), 2 * 1460u);
  EXPECT_EQ(tp()->t_maxsent, 1460u);  // with the options
}

// D: what counts as a whole segment where the send buffer is small.
TEST_F(Transfer, HalfABufferIsWorthASegment) {
  for (const int whole : {1, 0}) {
    SCOPED_TRACE(whole);
    Sysctl("net.inet.tcp.knob.nagle_whole", whole);
    peer_port_ = static_cast<uint16_t>(kPeerPort + whole);
    Establish();
    EXPECT_EQ(SetOption(SOL_SOCKET, SO_SNDBUF, 2000), 0);
    EXPECT_EQ(Write(100), 0);
    Expect("P. 1:101(100) ack 1");
    EXPECT_EQ(Write(1000), 0);
    if (whole != 0) {
      ExpectNothing();
      Send(". 1:1(0) ack 101");
    }
    Expect("P. 101:1101(1000) ack 1");
    Send(". 1:1(0) ack 1101");
    EXPECT_EQ(Close(), 0);
    Skip();
    Anew();
  }
}

}  // namespace
}  // namespace sockbed
