// The differences between the two systems that a peer or a program can see, each by its own knob.
//
// The rows are those of the specification's section 4, by number. A row's conversation runs twice,
// on a host that is openbsd but for this one knob. (D8 is in tcp_syncookie_test, D22 in
// tcp_icmp_test.)
#include <cerrno>

#include "kernel/tcp/segment_peer.h"
#include "kernel/tcp/tcp_host.h"

namespace sockbed {
namespace {

// A host of its own for each conversation, whose words are what the host sends.
class Peer : public SegmentTest {
 public:
  void TestBody() override {}

  using SegmentTest::Accept;
  using SegmentTest::Anew;
  using SegmentTest::Close;
  using SegmentTest::Connect;
  using SegmentTest::Create;
  using SegmentTest::Establish;
  using SegmentTest::host;
  using SegmentTest::kPeerPort;
  using SegmentTest::Listen;
  using SegmentTest::now_ms;
  using SegmentTest::peer_port_;
  using SegmentTest::RunTo;
  using SegmentTest::Send;
  using SegmentTest::SetOption;
  using SegmentTest::Shutdown;
  using SegmentTest::Skip;
  using SegmentTest::so;
  using SegmentTest::State;
  using SegmentTest::Sysctl;
  using SegmentTest::TakeWhole;
  using SegmentTest::tp;
  using SegmentTest::Write;

  // What the host answers to the segment, by what it sends at once.
  std::string Answer(const std::string& segment) {
    Skip();
    Send(segment);
    return Said();
  }
  // All it has said by now.
  std::string Said() {
    std::string all;
    for (const std::string& sent : TakeAll()) all += (all.empty() ? "" : "; ") + sent;
    return all;
  }
  // Its last segment's options by now.
  std::string LastOptionsSent() {
    std::string last;
    for (std::string sent; !(sent = TakeWhole()).empty();) last = sent;
    return last.substr(last.find('<'));
  }
  // A connection whose SYN has these options.
  void Take(const std::string& options) {
    Listen();
    Send("S 0:0(0) win 1000" + options);
    EXPECT_EQ(Skip(), 1);  // tells our numbers
    Send(". 1:1(0) ack 1 win 1000");
    EXPECT_TRUE(Accept());
    Skip();
  }
  // The window, or the options, of the answer.
  std::string LastWindow(const std::string& segment) {
    Skip();
    Send(segment);
    RunTo(now_ms() + 300);
    const std::string all = TakeWhole();
    const size_t at = all.find("win");
    return all.substr(at, all.find(' ', at + 4) - at);
  }
  std::string LastOptions(const std::string& segment) {
    Skip();
    Send(segment);
    const std::string all = TakeWhole();
    return all.substr(all.find('<'));
  }
  // When it sends until `until_ms`, in ms.
  std::string Times(int64_t until_ms) {
    std::string times;
    for (int64_t ms = now_ms(); ms <= until_ms; ms += 100) {
      RunTo(ms);
      if (Skip() != 0) times += std::to_string(ms) + " ";
    }
    return times;
  }
  void TimeWait() {
    Establish();
    EXPECT_EQ(Shutdown(), 0);
    Send("F. 1:1(0) ack 2");
    Skip();
    EXPECT_EQ(State(), TCPS_TIME_WAIT);
  }
};

struct Difference {
  const char* row;
  const char* knob;  // below net.inet.tcp
  int64_t openbsd, freebsd;
  std::string (*talk)(Peer& peer);
  const char* on_openbsd;
  const char* on_freebsd;
  // With all other knobs turned, where that matters.
  const char* openbsd_on_freebsd = nullptr;
  const char* freebsd_on_freebsd = nullptr;
};

std::string Established(Peer& peer, const char* segment) {
  peer.Establish();
  return peer.Answer(segment);
}
std::string Listening(Peer& peer, const char* segment) {
  peer.Listen();
  return peer.Answer(segment);
}

const Difference kDifferences[] = {
    {"D1", "knob.rst_challenge", 0, 1, [](Peer& p) { return Established(p, "R 100:100(0)"); }, "",
     ". 1:1(0) ack 1"},
    {"D2", "knob.rst_past_next", 1, 0,
     [](Peer& p) {
       Established(p, "R 2:2(0)");
       return std::to_string(p.State());
     },
     "0", "4"},
    {"D3", "knob.syn_challenge", 0, 1, [](Peer& p) { return Established(p, "S 100000:100000(0)"); },
     ". 1:1(0) ack 1", ". 1:1(0) ack 1"},
    {"D4", "knob.listen_rst_bare", 1, 0, [](Peer& p) { return Listening(p, "- 0:0(0)"); },
     "R. 0:0(0) ack 0", ""},
    {"D5", "knob.listen_rst_synack", 1, 0, [](Peer& p) { return Listening(p, "S. 0:0(0) ack 1"); },
     "R 1:1(0)", ""},
    {"D6", "knob.cache_rst_strict", 0, 1,
     [](Peer& p) {
       Listening(p, "S 0:0(0) win 1000 <mss 1460>");
       p.Send("R 0:0(0)");
       return p.Answer(". 1:1(0) ack 1");
     },
     "R 1:1(0)", ""},
    {"D7", "knob.cache_bad_ack_rst", 0, 1,
     [](Peer& p) {
       Listening(p, "S 0:0(0) win 1000 <mss 1460>");
       return p.Answer(". 1:1(0) ack 5");
     },
     "S. 0:0(0) ack 1", "R 5:5(0)"},
    {"D9", "syncache.rexmit_initial", 3000, 1000,
     [](Peer& p) {
       Listening(p, "S 0:0(0) win 1000 <mss 1460>");
       return p.Times(10'000);
     },
     "3000 9000 ", "1000 3000 7000 ", "3000 9200 ", "1000 3200 7400 "},
    {"D10", "rexmit_initial", 6000, 1000,
     [](Peer& p) {
       EXPECT_EQ(p.Connect(), 0);
       p.Skip();
       return p.Times(20'000);
     },
     "6000 18000 ", "1000 3000 7000 15000 ", "6000 18200 ", "1000 3200 7400 15600 "},
    {"D11", "rexmit_min", 1000, 30,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Write(10), 0);
       p.Send(". 1:1(0) ack 11");
       return std::to_string(p.tp()->t_rxtcur);
     },
     "1000", "30", "1200", "230"},
    {"D12", "delacktime", 200, 40,
     [](Peer& p) {
       p.Establish();
       p.Send("P. 1:11(10) ack 1");
       p.RunTo(39);
       std::string early = p.Said();
       p.RunTo(40);
       return early + "/" + p.Said();
     },
     "/", "/. 1:1(0) ack 11"},
    {"D12Closing", "knob.delack_no_wait", 0, 1,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Shutdown(), 0);
       p.Send(". 1:1(0) ack 2");
       std::string early = p.Answer("P. 1:11(10) ack 2");
       return early + "/" + p.Answer("P. 11:21(10) ack 2");
     },
     ". 2:2(0) ack 11/. 2:2(0) ack 21", "/. 2:2(0) ack 21"},
    {"D13", "knob.syn_layout", 0, 1,
     [](Peer& p) {
       EXPECT_EQ(p.Connect(), 0);
       const std::string syn = p.TakeWhole();
       return syn.substr(syn.find('<'));
     },
     "<mss 1460,nop,nop,sackOK,nop,wscale 3,nop,nop,TS val 0 ecr 0>",
     "<mss 1460,nop,wscale 3,sackOK,TS val 0 ecr 0>",
     "<mss 1460,nop,nop,sackOK,nop,wscale 6,nop,nop,TS val 0 ecr 0>",
     "<mss 1460,nop,wscale 6,sackOK,TS val 0 ecr 0>"},
    {"D14", "knob.window_round_up", 0, 1,
     [](Peer& p) {
       p.Sysctl("kern.sbmax", 262144);
       p.Establish(",nop,wscale 0");
       return p.LastWindow("P. 1:11(10) ack 1");
     },
     "win 2188", "win 2189", "win 8211", "win 8212"},
    {"D15", "rfc3465", 0, 1,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Write(17520), 0);
       const uint32_t before = p.tp()->snd_cwnd;
       p.Send(". 1:1(0) ack 2921");
       return std::to_string(p.tp()->snd_cwnd - before);
     },
     "1460", "2920"},
    {"D15Limited", "rfc3042", 0, 1,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Write(17520), 0);
       return p.Answer(". 1:1(0) ack 1");
     },
     "", ". 14601:16061(1460) ack 1"},
    {"D16", "knob.sack_blocks", 3, 4,
     [](Peer& p) {
       p.Establish(",sackOK,eol,eol");
       for (const char* at : {"11:21", "31:41", "51:61"}) {
         p.Send("P. " + std::string(at) + "(10) ack 1");
       }
       return p.LastOptions("P. 71:81(10) ack 1");
     },
     "<nop,nop,sack 71:81 51:61 31:41>", "<nop,nop,sack 71:81 51:61 31:41 11:21>"},
    {"D17", "knob.idle_restart", 0, 1,
     [](Peer& p) {
       p.Establish();
       p.RunTo(100'000);
       EXPECT_EQ(p.Write(17520), 0);
       return std::to_string(p.Skip());
     },
     "2", "10"},
    {"D18", "knob.timewait_policy", 0, 1,
     [](Peer& p) {
       p.TimeWait();
       p.Send("R 2:2(0)");
       return std::to_string(p.State());
     },
     "0", "10"},
    {"D19", "knob.timewait_random_iss", 1, 0,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.knob.iss", 1000);
       p.TimeWait();
       p.Send("S 100:100(0) win 1000 <mss 1460>");
       const syn_cache* sc = HostLocal<TcpHost>::Of(p.host()).syn_cache.oldest();
       const uint32_t distance = sc->sc_iss.value() - 1002;  // from where the old one ended
       return std::string(sc->sc_iss.value() == 1000                      ? "its own"
                          : distance >= 0x8000 && distance < 0x8000'0000u ? "beyond"
                                                                          : "wrong");
     },
     "beyond", "its own"},
    {"D20", "knob.timewait_policy", 0, 1,
     [](Peer& p) {
       p.TimeWait();
       return p.Answer(". 3:3(0) ack 2");
     },
     "", ". 2:2(0) ack 2"},
    {"D21", "knob.finwait2_poll", 1, 0,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Close(), 0);
       p.Send(". 1:1(0) ack 2");
       p.RunTo(601'000);
       return std::to_string(p.State());
     },
     "9", "0"},
    {"D23", "tolerate_missing_ts", 1, 0,
     [](Peer& p) {
       p.Establish(",nop,nop,TS val 1 ecr 0");
       p.Send("P. 1:11(10) ack 1");
       return std::to_string(p.so()->so_rcv.sb_cc);
     },
     "10", "0"},
    {"D24", "cc.algorithm", 0, 1,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Write(17520), 0);
       while (p.tp()->snd_cwnd > 1460) p.RunTo(p.now_ms() + 100);  // until the first timeout
       return std::to_string(p.tp()->snd_cwnd) + " " + std::to_string(p.tp()->snd_ssthresh);
     },
     "1460 7300", "1460 10220"},
    {"D25", "knob.freebsd_options", 0, 1,
     [](Peer& p) {
       p.Create();
       return std::to_string(p.SetOption(IPPROTO_TCP, TCP_KEEPIDLE, 100) == ENOPROTOOPT);
     },
     "1", "0"},
    {"D26", "knob.rst_closing_error", 0, 1,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Shutdown(), 0);
       p.Send("F. 1:1(0) ack 1");
       p.Send("R 2:2(0)");
       return std::to_string(p.so()->so_error == ECONNRESET);
     },
     "0", "1"},
    {"D27", "knob.blackhole_df", 1, 0,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Write(1460), 0);
       p.RunTo(50'000);
       return std::to_string((p.tp()->t_flags & TF_BLACKHOLE) != 0);
     },
     "1", "0"},
    {"D28", "knob.rst_counts_fin", 0, 1, [](Peer& p) { return p.Answer("F 0:0(0)"); },
     "R. 0:0(0) ack 0", "R. 0:0(0) ack 1"},
};

// Tunables that both systems have, with the same default or none: what each turns.
const Difference kTunables[] = {
    {"AlwaysKeepalive", "always_keepalive", 0, 1,
     [](Peer& p) {
       p.Establish();
       p.RunTo(7'250'000);
       return p.Said();
     },
     "", ". 0:0(0) ack 1"},
    {"Keepidle", "keepidle", 10, 20,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.always_keepalive", 1);
       p.Establish();
       return p.Times(40'000);
     },
     "10000 ", "20000 "},
    {"Keepintvl", "keepintvl", 10, 20,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.always_keepalive", 1);
       p.Sysctl("net.inet.tcp.keepidle", 10);
       p.Establish();
       return p.Times(35'000);
     },
     "10000 20000 30000 ", "10000 30000 "},
    {"Keepcnt", "keepcnt", 1, 2,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.always_keepalive", 1);
       p.Sysctl("net.inet.tcp.keepidle", 10);
       p.Sysctl("net.inet.tcp.keepintvl", 10);
       p.Establish();
       p.RunTo(25'000);
       return std::to_string(p.State());
     },
     "0", "4"},
    {"Retries", "retries", 2, 3,
     [](Peer& p) {
       p.Establish();
       EXPECT_EQ(p.Write(10), 0);
       p.Skip();
       return p.Times(100'000);
     },
     "6000 18000 42000 ", "6000 18000 42000 90000 "},
    {"Persmin", "persmin", 5000, 8000,
     [](Peer& p) {
       p.Establish("", "0");
       EXPECT_EQ(p.Write(10), 0);
       return p.Times(12'000);
     },
     "5000 11000 ", "8000 "},
    {"Persmax", "persmax", 60'000, 10'000,
     [](Peer& p) {
       p.Establish("", "0");
       EXPECT_EQ(p.Write(10), 0);
       return p.Times(40'000);
     },
     "5000 11000 23000 ", "5000 11000 21000 31000 "},
    {"Msl", "msl", 30'000, 1000,
     [](Peer& p) {
       p.TimeWait();
       p.RunTo(5000);
       return std::to_string(p.State());
     },
     "10", "0"},
    {"FastFinwait2Recycle", "fast_finwait2_recycle", 0, 1,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.knob.finwait2_poll", 0);
       p.Sysctl("net.inet.tcp.finwait2_timeout", 5000);
       p.Establish();
       EXPECT_EQ(p.Close(), 0);
       p.Send(". 1:1(0) ack 2");
       p.RunTo(10'000);
       return std::to_string(p.State());
     },
     "9", "0"},
    {"RexmitDropOptions", "rexmit_drop_options", 0, 1,
     [](Peer& p) {
       EXPECT_EQ(p.Connect(), 0);
       p.RunTo(45'000);
       return p.LastOptionsSent();
     },
     "<mss 1460,nop,nop,sackOK,nop,wscale 3,nop,nop,TS val 42000 ecr 0>", "<mss 1460>"},
    {"AbcLVar", "abc_l_var", 1, 2,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.rfc3465", 1);
       p.Establish();
       EXPECT_EQ(p.Write(17520), 0);
       const uint32_t before = p.tp()->snd_cwnd;
       p.Send(". 1:1(0) ack 2921");
       return std::to_string(p.tp()->snd_cwnd - before);
     },
     "1460", "2920"},
    {"Minmss", "minmss", 216, 500,
     [](Peer& p) {
       p.Take(" <mss 100>");
       return std::to_string(p.tp()->t_maxseg);
     },
     "216", "500"},
    {"Mssdflt", "mssdflt", 512, 600,
     [](Peer& p) {
       p.Take("");
       return std::to_string(p.tp()->t_maxseg);
     },
     "512", "600"},
    {"InsecureAck", "insecure_ack", 0, 1,
     [](Peer& p) {
       p.Sysctl("net.inet.tcp.knob.old_ack_challenge", 1);
       p.Establish("", "1000");
       return p.Answer("P. 1:11(10) ack 4294960000 win 1000");
     },
     ". 1:1(0) ack 1", ""},
    {"DropSynfin", "drop_synfin", 0, 1,
     [](Peer& p) { return Listening(p, "SF 0:0(0) win 1000 <mss 1460>"); }, "S. 0:0(0) ack 1", ""},
    {"Hostcache", "hostcache.enable", 0, 1,
     [](Peer& p) {
       p.Establish();
       for (int n = 1; n <= 10; ++n) {
         EXPECT_EQ(p.Write(10), 0);
         p.RunTo(p.now_ms() + 100);
         p.Send(". 1:1(0) ack " + std::to_string(1 + 10 * n));
       }
       p.Send("R 1:1(0)");
       EXPECT_EQ(p.Close(), 0);
       p.Skip();
       p.Anew();
       p.peer_port_ = Peer::kPeerPort + 1;
       p.Establish();
       return std::to_string(p.tp()->t_srtt != 0);
     },
     "0", "1"},
};

// Turns the row's knob each way, on a host of either profile, and compares what its talk gives.
void ExpectEachWay(const Difference& row, bool on_freebsd, const char* openbsd,
                   const char* freebsd) {
  for (const bool turned : {false, true}) {
    Peer peer;
    if (on_freebsd) peer.Sysctl("net.inet.tcp.profile", 1);
    peer.Sysctl(std::string("net.inet.tcp.") + row.knob, turned ? row.freebsd : row.openbsd);
    EXPECT_EQ(row.talk(peer), turned ? freebsd : openbsd) << row.row << " turned: " << turned;
  }
}

class Differences : public testing::TestWithParam<Difference> {};

TEST_P(Differences, TurnsByItsOwnKnob) {
  const Difference& row = GetParam();
  ExpectEachWay(row, false, row.on_openbsd, row.on_freebsd);
}

// The same knob on a host that is freebsd but for it.
TEST_P(Differences, TurnsByItsOwnKnobOnTheOtherSystemToo) {
  const Difference& row = GetParam();
  ExpectEachWay(row, true, row.openbsd_on_freebsd ? row.openbsd_on_freebsd : row.on_openbsd,
                row.freebsd_on_freebsd ? row.freebsd_on_freebsd : row.on_freebsd);
}

INSTANTIATE_TEST_SUITE_P(Rows, Differences, testing::ValuesIn(kDifferences),
                         [](const auto& info) { return std::string(info.param.row); });

class Tunables : public testing::TestWithParam<Difference> {};

TEST_P(Tunables, DoWhatTheySay) {
  const Difference& row = GetParam();
  ExpectEachWay(row, false, row.on_openbsd, row.on_freebsd);
}

INSTANTIATE_TEST_SUITE_P(Rows, Tunables, testing::ValuesIn(kTunables),
                         [](const auto& info) { return std::string(info.param.row); });

struct Row {
  const char* name;
  int64_t openbsd, freebsd;
};
constexpr Row kRows[] = {
#define SOCKBED_TEST_ROW(member, name, openbsd, freebsd, least, most, meaning) \
  {name, openbsd, freebsd},
    SOCKBED_TCP_TUNABLES(SOCKBED_TEST_ROW)
#undef SOCKBED_TEST_ROW
};

class Profile : public SegmentTest {};

TEST_F(Profile, SetsEveryKnobBothWays) {
  for (const int64_t profile : {1, 0}) {
    Sysctl("net.inet.tcp.profile", profile);
    for (const Row& row : kRows) {
      int64_t value = -1;
      EXPECT_EQ(host().sysctls.Get(std::string("net.inet.tcp.") + row.name, &value), 0);
      EXPECT_EQ(value, profile == 0 ? row.openbsd : row.freebsd) << row.name;
    }
    int64_t sb_max = 0;
    EXPECT_EQ(host().sysctls.Get("kern.ipc.maxsockbuf", &sb_max), 0);
    EXPECT_EQ(sb_max, profile == 0 ? 262144 : 2097152);
  }
}

TEST_F(Profile, LeavesEachKnobToItselfAfterwards) {
  Sysctl("net.inet.tcp.profile", 1);
  Sysctl("net.inet.tcp.knob.rst_challenge", 0);
  Establish();
  Send("R 100:100(0)");
  ExpectNothing();
}

}  // namespace
}  // namespace sockbed
