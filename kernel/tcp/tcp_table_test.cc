// Every state against every event: what is answered, and what the state is then (RFC 9293 3.10).
//
// The table is tcp_table.inc: a line for each pair, in the words of segment_peer.h. To change it is
// to change the protocol: each line must follow from section 3.10.7 of RFC 9293, RFC 5961, or a row
// of the specification's table of differences.
#include <cerrno>
#include <sstream>
#include <string>
#include <vector>

#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

constexpr const char* kStateNames[TCP_NSTATES] = {
    "CLOSED",     "LISTEN",  "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "CLOSE_WAIT",
    "FIN_WAIT_1", "CLOSING", "LAST_ACK", "FIN_WAIT_2",   "TIME_WAIT"};

// One connection on a host of its own, brought into a state. The peer's numbers begin at 0, ours
// too; the peer's window is 1000.
class OneConnection : public SegmentTest {
 public:
  void TestBody() override {}

  void Enter(TcpState state, int64_t profile) {
    Sysctl("net.inet.tcp.profile", profile);
    Sysctl("net.inet.tcp.hostcache.enable", 0);
    if (state == TCPS_CLOSED) {
      peer_port_ = kPort;
    } else if (state == TCPS_LISTEN) {
      Listen();
    } else {
      Open(state);
    }
    Skip();
    if (Connected()) zero_ = std::to_string(static_cast<uint32_t>(tcp_seq(0) - tp()->iss));
  }

  // The numbers of both sides at this point, relative.
  uint32_t rcv_nxt() { return Connected() ? static_cast<uint32_t>(tp()->rcv_nxt - peer_isn_) : 1; }
  uint32_t snd_nxt() { return Connected() ? static_cast<uint32_t>(tp()->snd_max - tp()->iss) : 1; }

  // Lets the event happen; returns what was answered, and the state.
  std::string Run(const std::string& event) {
    if (event == "close") {
      (void)(so() != nullptr ? Close() : listener() != nullptr ? CloseListener() : 0);
    } else if (event == "shutdown") {
      if (so() != nullptr) (void)Shutdown();
    } else if (event == "send") {
      if (so() != nullptr) (void)Write(10);
    } else {
      Send(event);
    }
    std::string answers;
    for (std::string& sent : TakeAll()) {
      // The reset of a connection that is gone has the number 0, whatever its own were.
      if (sent.starts_with("R. " + zero_ + ":")) sent = "R." + sent.substr(sent.find(" ack"));
      answers += " > " + sent;
    }
    return kStateNames[ThisState()] + answers;
  }

 private:
  std::string zero_ = "none";  // the number 0 as our numbers have it

  bool Connected() { return so() != nullptr && tp() != nullptr && State() > TCPS_SYN_SENT; }
  void Open(TcpState state) {
    EXPECT_EQ(Connect(), 0);
    EXPECT_EQ(Skip(), 1);  // tells our numbers
    if (state == TCPS_SYN_SENT) return;
    if (state == TCPS_SYN_RECEIVED) return Send("S 0:0(0) win 1000 <mss 1460>");
    Send("S. 0:0(0) ack 1 win 1000 <mss 1460>");
    if (state == TCPS_ESTABLISHED) return;
    if (state == TCPS_CLOSE_WAIT || state == TCPS_LAST_ACK) {
      Send("F. 1:1(0) ack 1 win 1000");
      if (state == TCPS_LAST_ACK) (void)Shutdown();
      return;
    }
    EXPECT_EQ(Shutdown(), 0);
    if (state == TCPS_FIN_WAIT_1) return;
    if (state == TCPS_CLOSING) return Send("F. 1:1(0) ack 1 win 1000");
    Send(". 1:1(0) ack 2 win 1000");
    if (state == TCPS_TIME_WAIT) Send("F. 1:1(0) ack 2 win 1000");
  }
  // A connection that is closed here still has its state; so has a listener.
  TcpState ThisState() {
    const TcpState state = State();
    if (state == TCPS_CLOSED && listener() != nullptr) return TCPS_LISTEN;
    return state;
  }
};

std::string At(uint32_t seq, uint32_t length) {
  return std::to_string(seq) + ":" + std::to_string(seq + length) + "(" + std::to_string(length) +
         ")";
}

struct Event {
  const char* name;
  std::string (*segment)(OneConnection& one);  // or the user's call by its name
};

#define SEGMENT(flags, seq, length, ack)                                       \
  [](OneConnection& one) {                                                     \
    return std::string(flags) + " " + At(one.rcv_nxt() + (seq), length) +      \
           ((ack) < 0 ? "" : " ack " + std::to_string(one.snd_nxt() + (ack))); \
  }
#define CALL(name) [](OneConnection&) { return std::string(name); }

const Event kEvents[] = {
    {"ack", SEGMENT(".", 0, 0, 0)},
    {"ack-beyond", SEGMENT(".", 0, 0, 9)},
    {"ack-outside", SEGMENT(".", 100'000, 0, 0)},
    {"data", SEGMENT("P.", 0, 10, 0)},
    {"data-old", SEGMENT("P.", -1, 1, 0)},
    {"data-ahead", SEGMENT("P.", 10, 10, 0)},
    {"fin", SEGMENT("F.", 0, 0, 0)},
    {"fin-old", SEGMENT("F.", -1, 0, 0)},
    {"rst", SEGMENT("R", 0, 0, -1)},
    {"rst-ack", SEGMENT("R.", 0, 0, 0)},
    {"rst-inside", SEGMENT("R", 9, 0, -1)},
    {"rst-outside", SEGMENT("R", 100'000, 0, -1)},
    {"syn", SEGMENT("S", 9, 0, -1)},
    {"syn-old", SEGMENT("S", -1, 0, -1)},
    {"syn-ack", SEGMENT("S.", 9, 0, 0)},
    {"no-flags", SEGMENT("-", 0, 10, -1)},
    {"close", CALL("close")},
    {"shutdown", CALL("shutdown")},
    {"send", CALL("send")},
};

std::string Table(int64_t profile) {
  std::string table;
  for (int state = 0; state < TCP_NSTATES; ++state) {
    for (const Event& event : kEvents) {
      OneConnection one;
      one.Enter(static_cast<TcpState>(state), profile);
      table += std::string(kStateNames[state]) + " " + event.name + ": " +
               one.Run(event.segment(one)) + "\n";
    }
  }
  return table;
}

constexpr const char* kTables[] = {
#include "kernel/tcp/tcp_table.inc"
};

class States : public testing::TestWithParam<int> {};

TEST_P(States, AnswerEveryEventAsTheTableSays) {
  std::istringstream want(kTables[GetParam()]), have(Table(GetParam()));
  std::string wanted, found;
  bool more = true;
  while (more) {
    wanted = found = "";
    const bool left = static_cast<bool>(std::getline(want, wanted));
    more = static_cast<bool>(std::getline(have, found)) || left;
    EXPECT_EQ(wanted, found);
  }
}

INSTANTIATE_TEST_SUITE_P(Profiles, States, testing::Values(0, 1),
                         [](const auto& info) { return info.param == 0 ? "OpenBsd" : "FreeBsd"; });

}  // namespace
}  // namespace sockbed
