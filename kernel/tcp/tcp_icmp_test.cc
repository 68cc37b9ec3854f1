// What routers tell: soft and hard errors, the path's MTU.
#include <cerrno>
#include <tuple>

#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_var.h"
#include "kernel/sched/spl.h"
#include "kernel/tcp/segment_peer.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

class Icmp : public SegmentTest {
 protected:
  // An ICMP error that quotes the host's segment number `seq`.
  void Tell(int error, uint32_t seq, uint32_t mtu = 0, uint8_t type = ICMP_UNREACH,
            uint8_t code = 0) {
    Do([=, this] {
      const SplScope spl(IPL_SOFTNET);  // as it arrives from the network
      const inpcb* inp = tcp_inpcb(tp());
      uint8_t quoted[8];
      StoreBe16(quoted, ntohs(inp->inp_lport));
      StoreBe16(quoted + 2, ntohs(inp->inp_fport));
      StoreBe32(quoted + 4, (tp()->iss + seq).value());
      tcp_ctlinput({.error = error,
                    .type = type,
                    .code = code,
                    .src = inp->inp_laddr,
                    .dst = inp->inp_faddr,
                    .mtu = mtu,
                    .transport = quoted,
                    .transport_len = 8});
    });
  }
};

TEST_F(Icmp, IsRememberedUntilTheConnectionTimesOut) {
  ASSERT_EQ(Connect(), 0);
  Tell(EHOSTUNREACH, 0);
  EXPECT_EQ(tp()->t_softerror, EHOSTUNREACH);
  EXPECT_EQ(so()->so_error, 0);
  RunTo(75'000);
  EXPECT_EQ(so()->so_error, EHOSTUNREACH);
  Skip();
}

TEST_F(Icmp, IsBelievedAfterFourTries) {
  Sysctl("net.inet.tcp.rexmit_initial", 1000);
  ASSERT_EQ(Connect(), 0);
  RunTo(16'000);  // sent at 0, 1, 3, 7, 15 s
  EXPECT_EQ(Skip(), 5);
  Tell(EHOSTUNREACH, 0);
  EXPECT_EQ(so()->so_error, 0);
  Tell(EHOSTUNREACH, 0);
  EXPECT_EQ(so()->so_error, EHOSTUNREACH);
}

TEST_F(Icmp, EndsAHandshakeAtOnceIfItMay) {
  Sysctl("net.inet.tcp.icmp_may_rst", 1);
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Tell(EHOSTUNREACH, 0);
  EXPECT_EQ(so()->so_error, 0) << "unreachable may pass";
  Tell(ECONNREFUSED, 0);
  EXPECT_EQ(so()->so_error, ECONNREFUSED);
}

TEST_F(Icmp, IsIgnoredIfTheNumberIsAGuess) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Tell(ECONNREFUSED, 1);
  Tell(ECONNREFUSED, 1000);
  EXPECT_EQ(tp()->t_softerror, 0);
}

TEST_F(Icmp, DoesNotEndAConnection) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  Tell(EHOSTUNREACH, 1);
  EXPECT_EQ(tp()->t_softerror, 0);
  Tell(ECONNREFUSED, 1);
  EXPECT_EQ(tp()->t_softerror, ECONNREFUSED);
  Send(". 1:1(0) ack 11");
  EXPECT_EQ(tp()->t_softerror, 0) << "the peer is there after all";
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
}

// The path is narrow, and nothing that large has ever got through: smaller segments at once.
TEST_F(Icmp, TooBigShrinksTheSegments) {
  Establish();
  EXPECT_EQ(Write(3000), 0);
  EXPECT_EQ(Skip(), 3);
  Tell(EMSGSIZE, 1, 1000);
  EXPECT_EQ(tp()->t_maxseg, 960u);
  Expect(". 1:961(960) ack 1");
  Expect(". 961:1921(960) ack 1");
  Expect(". 1921:2881(960) ack 1");
}

// Something larger has got through: the message may be forged, and waits for a timeout (RFC 5927).
TEST_F(Icmp, TooBigWaitsIfLargerSegmentsGotThrough) {
  Establish();
  EXPECT_EQ(Write(1460), 0);
  Expect("P. 1:1461(1460) ack 1");
  Send(". 1:1(0) ack 1461");
  EXPECT_EQ(Write(1460), 0);
  Expect("P. 1461:2921(1460) ack 1");
  Tell(EMSGSIZE, 1461, 1000);
  EXPECT_EQ(tp()->t_maxseg, 1460u);
  ExpectNothing();
  ExpectAt(1000, ". 1461:2421(960) ack 1");
  Expect("P. 2421:2921(500) ack 1");
  ExpectNothing();
  EXPECT_EQ(tp()->t_maxseg, 960u);
}

TEST_F(Icmp, TooBigIsForgottenWhenTheSegmentArrives) {
  Establish();
  EXPECT_EQ(Write(1460), 0);
  Send(". 1:1(0) ack 1461");
  EXPECT_EQ(Write(2920), 0);
  Skip();
  Tell(EMSGSIZE, 1461, 1000);
  Send(". 1:1(0) ack 2921");
  EXPECT_EQ(tp()->t_flags & TF_PMTUD_PEND, 0u);
  ExpectAt(1000, "P. 2921:4381(1460) ack 1");
}

TEST_F(Icmp, TooBigIsIgnoredIfNothingWasThatBig) {
  Establish();
  EXPECT_EQ(Write(100), 0);
  Expect("P. 1:101(100) ack 1");
  Tell(EMSGSIZE, 1, 1000);
  EXPECT_EQ(tp()->t_maxseg, 1460u);
}

TEST_F(Icmp, UnreachableHandshakesAreForgotten) {
  Listen();
  Send("S 0:0(0) win 32767 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  const auto tell = [this] {
    Do([this] {
      const syn_cache* sc = HostLocal<TcpHost>::Of(host()).syn_cache.oldest();
      const TcpEndpoints ends = sc->sc_ends;
      syn_cache_unreach(HostLocal<TcpHost>::Of(host()), ends, sc->sc_iss, 0);
    });
  };
  tell();
  for (const int64_t ms : {3000, 9000, 21000}) ExpectAt(ms, "S. 0:0(0) ack 1");
  EXPECT_EQ(Stat(tcps_sc_unreach), 0u);
  tell();
  EXPECT_EQ(Stat(tcps_sc_unreach), 1u);
  ExpectNothingUntil(100'000);
}

// Large packets seem to vanish: routers may fragment from now on (D27).
// Routers that forbid refuse, and a packet that ran in circles found no host: to one system.
TEST_F(Icmp, MeansWhatTheProfileSays) {
  Sysctl("net.inet.tcp.icmp_may_rst", 1);
  for (const int64_t freebsd : {0, 1}) {
    Sysctl("net.inet.tcp.knob.icmp_errno", freebsd);
    for (const auto& [type, code, error] : std::initializer_list<std::tuple<int, int, int>>{
             {ICMP_UNREACH, ICMP_UNREACH_HOST_PROHIB, ECONNREFUSED},
             {ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, EHOSTUNREACH}}) {
      ASSERT_EQ(Connect(), 0);
      Skip();
      Tell(type == ICMP_UNREACH ? EHOSTUNREACH : 0, 0, 0, static_cast<uint8_t>(type),
           static_cast<uint8_t>(code));
      EXPECT_EQ(so()->so_error, freebsd != 0 ? error : 0);
      EXPECT_EQ(Close(), 0);
      Skip();
    }
  }
}

// Two tries with each smaller size; if they do not help, it was not the size.
TEST_F(Icmp, SmallerSegmentsAreTriedInBlackHoles) {
  Sysctl("net.inet.tcp.profile", 1);
  Sysctl("net.inet.tcp.pmtud_blackhole_detection", 1);
  Establish();
  EXPECT_EQ(Write(1460), 0);
  Expect("P. 1:1461(1460) ack 1");
  int64_t at = 0;
  for (const int size : {1460, 1200, 1200, 536, 536, 1460}) {
    at += tp()->t_rxtcur;
    ExpectAt(at, (size == 1460 ? "P. 1:" : ". 1:") + std::to_string(1 + size) + "(" +
                     std::to_string(size) + ") ack 1");
    ExpectNothing();
  }
}

// A size that is not smaller than the last one is not tried after it.
TEST_F(Icmp, BlackHolesEndWhereSegmentsCannotShrink) {
  Sysctl("net.inet.tcp.profile", 1);
  Sysctl("net.inet.tcp.pmtud_blackhole_detection", 1);
  Sysctl("net.inet.tcp.mssdflt", 1200);
  Establish();
  EXPECT_EQ(Write(1460), 0);
  Expect("P. 1:1461(1460) ack 1");
  int64_t at = 0;
  for (const std::string size : {"1460", "1200", "1200", "1460"}) {
    at += tp()->t_rxtcur;
    ExpectAt(at, (size == "1460" ? "P. 1:1461(" : ". 1:1201(") + size + ") ack 1");
    ExpectNothing();
  }
}

TEST_F(Icmp, BlackHolesTurnFragmentingOn) {
  Establish();
  EXPECT_EQ(Write(1460), 0);
  RunTo(6000 + 12000 + 1);
  EXPECT_EQ(tp()->t_flags & TF_BLACKHOLE, 0u);
  RunTo(6000 + 12000 + 24000 + 1);
  EXPECT_NE(tp()->t_flags & TF_BLACKHOLE, 0u);
  Skip();
}

// In recovery by RFC 6937, too, what does not fit goes again at once.
TEST_F(Icmp, TooBigEndsRecovery) {
  Sysctl("net.inet.tcp.profile", 1);
  Establish(",sackOK,eol,eol");
  EXPECT_EQ(Write(10 * 1460), 0);
  EXPECT_EQ(Skip(), 10);
  Send(". 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
  Expect(". 1:1461(1460) ack 1");
  const uint32_t ssthresh = tp()->snd_ssthresh;
  Tell(EMSGSIZE, 1, 1000, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG);
  Expect(". 1:961(960) ack 1");
  Expect(". 961:1921(960) ack 1");
  EXPECT_EQ(tp()->t_flags & TF_PRR, 0u);
  EXPECT_LE(tp()->snd_cwnd, ssthresh);
  Skip();
}

TEST_F(Icmp, ALoopSaysNothingOfAConnection) {
  Sysctl("net.inet.tcp.profile", 1);
  Establish();
  EXPECT_EQ(Write(10), 0);
  Tell(EHOSTUNREACH, 1, 0, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS);
  EXPECT_EQ(tp()->t_softerror, 0);
  Tell(EHOSTUNREACH, 1);
  EXPECT_EQ(tp()->t_softerror, EHOSTUNREACH);
  Skip();
}

}  // namespace
}  // namespace sockbed
