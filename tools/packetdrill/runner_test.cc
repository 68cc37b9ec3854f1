#include "tools/packetdrill/runner.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/captures/test_sysctls.h"

namespace sockbed::packetdrill {
namespace {

// What the environment asks of the host goes where a user would put it: into an init script, which
// stands in for one that a script names.
Verdict Play(const std::string& text) {
  RunOptions options;
  options.exact = true;
  for (const auto& [name, value] : TestSysctls()) {
    const std::string file = testing::TempDir() + name + ".sh";
    std::ofstream(file) << "sysctl -w " << name << "=" << value << "\n";
    options.overrides.emplace_back("init_scripts", file);
  }
  return RunScript("t.pkt", text, options);
}

// A server and its first connection; events 1 to 8.
constexpr char kServer[] = R"(0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0.1 < S 7:7(0) win 65535 <mss 1000>
+0 > S. 700:700(0) ack 8 <mss 1460>
+0.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
)";

std::string Report(const std::string& tail) { return Play(kServer + tail).message; }

// What a call after the server's says, without the place and the call.
std::string CallError(const std::string& call) {
  const std::string report = Report("+0 " + call + "\n");
  const std::string begin = "t.pkt:9: runtime error in ";
  if (report.compare(0, begin.size(), begin) != 0) return report;
  return report.substr(begin.size(), report.find('\n') - begin.size());
}

TEST(Runner, AServerAnswersToTheMicrosecond) {
  const Verdict verdict = Play(std::string(kServer) + R"(
+0 < P. 1:101(100) ack 1 win 65535
+0 read(4, ..., 1000) = 100
+0 write(4, ..., 10) = 10
+0 > P. 1:11(10) ack 101
+0.1 < F. 101:101(0) ack 11 win 65535
+0 > . 11:11(0) ack 102
+0 close(4) = 0
+0 > F. 11:11(0) ack 102
+0.1 < . 102:102(0) ack 12 win 65535
)");
  EXPECT_TRUE(verdict.passed) << verdict.message;
  EXPECT_EQ(verdict.deviation_us, 0);
  EXPECT_EQ(verdict.left_behind, "");
  EXPECT_EQ(verdict.events, 17);
}

TEST(Runner, AnInitialNumberNearTheWrapIsTranslated) {
  const Verdict verdict = Play(R"(0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 4294967290:4294967290(0) win 65535 <mss 1000>
+0 > S. 700:700(0) ack 4294967291 <mss 1460>
+0 < . 1:1(0) ack 1 win 65535
+0 < P. 1:11(10) ack 1 win 65535
+0 < P. 11:21(10) ack 1 win 65535
+0 > . 1:1(0) ack 21
)");
  EXPECT_TRUE(verdict.passed) << verdict.message;
}

TEST(Runner, ShowsExpectedAndActualPacket) {
  EXPECT_EQ(Report("+0 < P. 2:12(10) ack 1 win 9\n+0 > . 1:1(0) ack 5\n"),
            "t.pkt:10: error handling packet: live packet field tcp_ack_seq: expected: 5 (0x5) vs "
            "actual: 1 (0x1)\n"
            "  script packet: 0.200000 > . 1:1(0) ack 5\n"
            "  actual packet: 0.200000 > . 1:1(0) ack 1\n");
}

// The host sends "P. 1:11(10) ack 1 win 17000", without options: whatever a line says otherwise is
// found, and named.
TEST(Runner, EachFieldIsCompared) {
  const struct {
    const char* line;
    const char* field;
  } kRows[] = {
      {". 1:11(10) ack 1", "field tcp_psh: expected: 0"},
      {"FP. 1:11(10) ack 1", "field tcp_fin: expected: 1"},
      {"P 1:11(10) ack 1", "field tcp_ack: expected: 0"},
      {"PU. 1:11(10) ack 1", "field tcp_urg: expected: 1"},
      {"P.E 1:11(10) ack 1", "field tcp_ece: expected: 1"},
      {"P.1 1:11(10) ack 1", "field tcp_ace: expected: 1"},
      {"P. 2:12(10) ack 1", "field tcp_seq: expected: 2"},
      {"P. 700:710(10)! ack 1", "field tcp_seq: expected: 700"},
      {"P. 1:11(10)", "field tcp_ack_seq: expected: 0"},
      {"P. 1:11(10) ack 1 win 5", "field tcp_window: expected: 5"},
      {"P. 1:11(10) ack 1 urg 3", "field tcp_urg_ptr: expected: 3"},
      {"P. 1:10(9) ack 1", "field payload length: expected: 9"},
      {"P. 1:11(10) ack 1 <nop,nop,eol,eol>", "options differ in number: expected: 4"},
      {"P. 1:11(10) ack 1 /udp(1 > 2)", "the segment does not travel in UDP"},
      {"(ttl 9) P. 1:11(10) ack 1", "field ttl: expected: 9"},
      {"(tos 0x10) P. 1:11(10) ack 1", "field tos: expected: 16"},
      {"[ect01] P. 1:11(10) ack 1", "field ecn: expected: ect01"},
  };
  for (const auto& row : kRows) {
    const std::string report =
        Report("+0 write(4, ..., 10) = 10\n+0 > " + std::string(row.line) + "\n");
    EXPECT_NE(report.find(row.field), std::string::npos) << row.line << ": " << report;
  }
  for (const char* same :
       {"P. ...(10) ack 1", "P. 1:11(10) ack 1 <...>", "[noecn] P. 1:11(10) ack 1"}) {
    EXPECT_EQ(Report("+0 write(4, ..., 10) = 10\n+0 > " + std::string(same) + "\n"), "");
  }
}

TEST(Runner, ReportsTheDeviation) {
  EXPECT_EQ(Report("+0 < F. 1:1(0) ack 1 win 9\n+0.3 > . 1:1(0) ack 2\n"),
            "t.pkt:10: error handling packet: timing error: expected outbound packet at 0.500000 "
            "sec but happened at 0.200000 sec (-300000 usecs; tolerance 0)\n"
            "  script packet: 0.500000 > . 1:1(0) ack 2\n"
            "  actual packet: 0.200000 > . 1:1(0) ack 2\n");
}

TEST(Runner, SaysThatNothingIsLeftToHappen) {
  const std::string report = Report("+0 > . 1:1(0) ack 2\n");
  EXPECT_NE(report.find("t.pkt:9: error handling packet: no packet"), std::string::npos) << report;
}

TEST(Runner, SaysWhatTcpWaitsForWhenNoPacketComes) {
  const std::string report =
      Report("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+0.1 > . 11:11(0) ack 1\n");
  EXPECT_NE(report.find("no packet until 2.300000 sec; pending: REXMT at "), std::string::npos)
      << report;
}

TEST(Runner, ComparesResultsAndErrors) {
  EXPECT_EQ(Report("+0 close(9) = 0\n"),
            "t.pkt:9: runtime error in close call: descriptor 9 is not open\n  close(9) = 0\n");
  EXPECT_EQ(Report("+0 listen(4, 1) = 0\n"),
            "t.pkt:9: runtime error in listen call: Expected result 0 but got -1 with errno 22 "
            "(Invalid argument)\n  listen(4, 1) = 0\n");
  EXPECT_NE(Report("+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [5], [4]) = 0\n"), "");
  EXPECT_NE(Report("+0 frobnicate() = 0\n"), "");
  EXPECT_NE(Report("+0 shutdown(4) = 0\n"), "");
  EXPECT_NE(Report("+0 shutdown(4, SHUT_NEVER) = 0\n"), "");
}

TEST(Runner, ACountMustBeThatOfTheList) {
  EXPECT_EQ(CallError("poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 50, 0) = 1"),
            "poll call: nfds is 50 but the list has 1 elements");
  EXPECT_EQ(CallError("poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 0, 0) = 0"),
            "poll call: nfds is 0 but the list has 1 elements");
  EXPECT_EQ(CallError("sendmsg(4, {msg_iov(2)=[{..., 10}]}, 0) = 10"),
            "sendmsg call: msg_iov(2) has a list of 1 elements");
  EXPECT_EQ(CallError("readv(4, [{..., 10}], 2) = 10"),
            "readv call: iovcnt is 2 but the list has 1 elements");
  EXPECT_EQ(CallError("sendmsg(4, {msg_name(...)=..., msg_iov(...)=[{..., 1}]}, 0) = 1"), "");
}

TEST(Runner, ACallThatNeverReturnsEndsTheScript) {
  const std::string head = std::string("--non_fatal=syscall\n") + kServer;
  const Verdict verdict = Play(head +
                               "+0 read(4, ..., 100) = 10\n+0 close(4) = 0\n"
                               "`sysctl -w net.inet.tcp.rfc1323=7`\n");
  EXPECT_EQ(verdict.message.find("t.pkt:10: runtime error in read call: it does not return\n"), 0u)
      << verdict.message;
  EXPECT_NE(verdict.message.find("error executing cleanup command"), std::string::npos);
  EXPECT_EQ(verdict.events, 9);
  EXPECT_EQ(Report("+0 read(4, ..., 100) = 10\n"
                   "`sockstat -4 -P tcp -s | grep packetdril | grep -c CLOSED | grep 0`\n"),
            "t.pkt:9: runtime error in read call: it does not return\n  read(4, ..., 100) = 10\n"
            "t.pkt: error executing cleanup command: which sockets are closed cannot be told while "
            "a call sleeps\n");
}

TEST(Runner, AnOptionsValueIsComparedToItsEnd) {
  for (const char* value :
       {"SO_TYPE, \"\", [4]", "SO_TYPE, \"\\x01\", [4]", "SO_TYPE, \"\\x02\"..., [4]",
        "SO_LINGER, [0], [8]", "SO_TYPE, \"\\x01\\x00\\x00\\x00\\x00\", [4]"}) {
    EXPECT_NE(CallError(absl::StrCat("getsockopt(4, SOL_SOCKET, ", value, ") = 0")), "") << value;
  }
  for (const char* value :
       {"SO_TYPE, \"\\x01\\x00\\x00\\x00\", [4]", "SO_TYPE, \"\\x01\"..., [4]",
        "SO_TYPE, [1], [4]",
        "SO_TYPE, \"\"..., [4]",
        "SO_LINGER, {onoff=0, linger=...}, [8]"}) {
    EXPECT_EQ(CallError(absl::StrCat("getsockopt(4, SOL_SOCKET, ", value, ") = 0")), "") << value;
  }
}

TEST(Runner, StructuresHaveNoOtherFields) {
  EXPECT_EQ(CallError("poll([{fd=4, events=POLLIN, revent=POLLOUT}], 1, 0) = 0"),
            "poll call: the structure has no field 'revent'");
  for (const char* call :
       {"setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5, foo=9}, 8) = 0",
        "setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5, 9}, 8) = 0",
        "setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5, linger=5}, 8) = 0",
        "sendmsg(4, {msg_iov(1)=[{..., 10}], msg_flag=0}, 0) = 10",
        "sendmsg(4, {msg_nam(...)=..., msg_iov(1)=[{..., 10}]}, 0) = 10",
        "sendmsg(4, {msg_name(...)=17, msg_iov(1)=[{..., 10}]}, 0) = 10",
        "sendmsg(4, {msg_iov(1)=[{..., 10}], msg_flags=MSG_OOB}, 0) = 10",
        "sendmsg(4, {msg_iov(1)=[{..., 10, 30}]}, 0) = 10",
        "writev(4, [{..., 10, 30}], 1) = 10", "writev(4, [{iov_base=..., iov_lem=10}], 1) = 10",
        "writev(4, [{iov_base=..., 10, iov_len=10}], 1) = 10"}) {
    EXPECT_NE(CallError(call), "") << call;
  }
  EXPECT_NE(Report("+0 < P. 1:11(10) ack 1 win 65535\n+0 recvmsg(4, {msg_iov(1)=[{..., 10}],"
                   " msg_control=[{cmsg_level=1, cmsg_type=1, cmsg_data=1, cmsg_foo=5}]}, 0) = 1\n")
                .find("no field 'cmsg_foo'"),
            std::string::npos);
}

TEST(Runner, AFieldLeftOpenIsNotCompared) {
  for (const char* call :
       {"poll([{fd=4, events=POLLOUT, revents=...}], 1, 0) = 1",
        "getsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=0, tv_usec=...}, [16]) = 0",
        "getsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=..., tv_usec=0}, [16]) = 0"}) {
    EXPECT_EQ(CallError(call), "") << call;
  }
  const std::string received = R"(0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+0 setsockopt(3, IPPROTO_IP, IP_RECVTTL, [1], 4) = 0
+0 < (ttl 9) udp (10)
+0 recvmsg(3, {msg_iov(1)=[{..., 10}], msg_flags=..., msg_control=[)";
  const std::string open = "{cmsg_level=..., cmsg_type=..., cmsg_data=";
  EXPECT_EQ(Play(received + open + "...}]}, 0) = 10").message, "");
  EXPECT_NE(Play(received + open + "8}]}, 0) = 10").message, "");
  // What is sent has to be said.
  EXPECT_NE(CallError("setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=...}, 8) = 0"), "");
  EXPECT_NE(CallError("sendmsg(4, {msg_iov(1)=[{..., 10}], msg_flags=...}, 0) = 10"), "");
}

TEST(Runner, WhatTheRunnerSuppliesIsWrittenAsEllipsis) {
  for (const char* call :
       {"accept(3, 17, \"foo\") = -1 EAGAIN", "accept(3, ..., 17) = -1", "bind(3, ..., 99) = -1",
        "connect(4, ..., 99) = -1", "sendto(4, ..., 1, 0, NULL, 99) = 1",
        "recvfrom(4, ..., 1, MSG_DONTWAIT, 7, \"x\") = -1",
        "recvfrom(4, ..., 1, MSG_DONTWAIT, ..., 5) = -1"}) {
    EXPECT_NE(CallError(call).find("Bad type"), std::string::npos) << call << CallError(call);
  }
  EXPECT_EQ(CallError("recvfrom(4, ..., 1, MSG_DONTWAIT, ..., ...) = -1 EAGAIN"), "");
  EXPECT_EQ(CallError("recvfrom(4, ..., 1, MSG_DONTWAIT, NULL, NULL) = -1 EAGAIN"), "");
  EXPECT_EQ(CallError("sendto(4, ..., 1, 0, NULL, 0) = 1"), "");
}

TEST(Runner, OnlyAFailureHasAnErrno) {
  EXPECT_EQ(CallError("close(4) = 0 EFOO (x)"), "close call: an errno behind a result of 0");
  EXPECT_EQ(CallError("write(4, ..., 7) = 7 EAGAIN"), "write call: an errno behind a result of 7");
}

TEST(Runner, NumbersOfCallsHave32Bits) {
  for (const char* call :
       {"getsockopt(4, SOL_SOCKET, SO_ERROR, [4294967296], [4]) = 0", "shutdown(4, 4294967297) = 0",
        "close(4294967300) = 0", "setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [4294967297], 4) = 0",
        "poll([{fd=4, events=65540}], 1, 0) = 1", "listen(3, 4294967297) = 0",
        "fcntl(4, 4294967299, 0) = 2", "recv(4, ..., 1, 4294967360) = -1 EAGAIN",
        "setsockopt(4, 4294967295, 4294967300, [1], 4) = 0",
        "socket(..., 4294967297, 0) = 9", "poll([{fd=4, events=POLLIN}], 1, 4294967296) = 0"}) {
    EXPECT_NE(CallError(call).find("does not fit"), std::string::npos) << call << CallError(call);
  }
  EXPECT_EQ(CallError("setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [0xffffffff], 4) = 0"), "");
}

TEST(Runner, ACallThatSleepsReturnsInTime) {
  const Verdict verdict = Play(std::string(kServer) + R"(
+0...0.5 read(4, ..., 1000) = 10
+0.5 < P. 1:11(10) ack 1 win 65535
)");
  EXPECT_TRUE(verdict.passed) << verdict.message;
  const Verdict late = Play(std::string(kServer) + R"(
+0...0.4 read(4, ..., 1000) = 10
+0.5 < P. 1:11(10) ack 1 win 65535
+0.1 close(4) = 0
)");
  EXPECT_NE(late.message.find("expected system call return at 0.600000 sec but happened at "
                              "0.700000 sec (+100000 usecs"),
            std::string::npos)
      << late.message;
}

// The reader is a thread of the process: the descriptor that is closed under its feet is its own,
// and the connection ends when its call returns.
TEST(Runner, ACallThatSleepsSharesTheDescriptors) {
  const Verdict verdict = Play(std::string(kServer) + R"(
+0...0.3 read(4, ..., 1000) = 20
+0.1 close(4) = 0
+0.2 < P. 1:21(20) ack 1 win 65535
+0 > F. 1:1(0) ack 21
)");
  EXPECT_TRUE(verdict.passed) << verdict.message;
}

TEST(Runner, AnAcceptThatSleepsHandsItsDescriptorOver) {
  const Verdict verdict = Play(R"(0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0...0.2 accept(3, ..., ...) = 4
+0.1 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0.1 < . 1:1(0) ack 1 win 65535
+0 < P. 1:11(10) ack 1 win 65535
+0 read(4, ..., 1000) = 10
)");
  EXPECT_TRUE(verdict.passed) << verdict.message;
}

TEST(Runner, CommandsActOnTheHost) {
  EXPECT_EQ(Report("+0 `sysctl -w net.inet.tcp.rfc1323=0`\n"), "");
  EXPECT_EQ(Report("+0 `sockstat -4 -P tcp -s | grep packetdrill | grep -c ESTABLISHED | grep 1`\n"
                   "+0 `sockstat -4 -P tcp -p 8080 -s | grep -c SYN_RCVD | grep 0`\n"),
            "");
  EXPECT_NE(Report("+0 `sysctl -w net.inet.tcp.nonsense=1`\n"), "");
  EXPECT_EQ(Report("+0 `sysctl -w net.inet.udp.baddynamic=+587,-623`\n"), "");
  EXPECT_NE(Report("+0 `sysctl -w net.inet.tcp.sack=many`\n")
                .find("sysctl net.inet.tcp.sack=many: it is a whole number from 0 to 1"),
            std::string::npos);
  EXPECT_NE(Report("+0 `rm -rf /`\n"), "");
}

TEST(Runner, InitScriptsRunBeforeTheInitCommand) {
  const std::string file = testing::TempDir() + "init.sh";
  std::ofstream(file) << "#!/bin/sh\nsysctl -q net.inet.tcp.rfc1323=0\n";
  const std::string syn =
      "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
      "+0 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0\n"
      "+0 connect(3, ..., ...) = -1 EINPROGRESS (In progress)\n"
      "+0 > S 0:0(0) <mss 1460,nop,nop,sackOK>\n";
  EXPECT_EQ(Play("--init_scripts=\"" + file + "\"\n" + syn).message, "");
  EXPECT_NE(
      Play("--init_scripts=\"" + file + "\"\n`sysctl -w net.inet.tcp.rfc1323=1`\n" + syn).message,
      "");
  EXPECT_NE(Play(syn).message, "");
  EXPECT_EQ(Play("--init_scripts=\"/none\"\n" + syn).message,
            "t.pkt: init script /none: cannot be read\n");
  std::ofstream(file) << "reboot\n";
  EXPECT_EQ(Play("--init_scripts=\"" + file + "\"\n" + syn).message,
            "t.pkt: error executing init script " + file +
                ": 'reboot' is none of the commands that the simulated host knows\n");
}

TEST(Runner, CleanupRunsAfterAFailureToo) {
  const std::string failing = std::string(kServer) + "+0 close(9) = 0\n";
  EXPECT_EQ(Play(failing + "`reboot`\n").message,
            "t.pkt:9: runtime error in close call: descriptor 9 is not open\n  close(9) = 0\n"
            "t.pkt: error executing cleanup command: 'reboot' is none of the commands that the "
            "simulated host knows\n");
  const std::string unready = Play("`reboot`\n" + failing + "`halt`\n").message;
  EXPECT_NE(unready.find("init command"), std::string::npos) << unready;
  EXPECT_EQ(unready.find("cleanup"), std::string::npos) << unready;
}

TEST(Runner, CodeSeesTheConnection) {
  EXPECT_EQ(Report("+0 %{ assert tcpi_state == TCPI_ESTABLISHED }%\n"), "");
  const std::string report = Report("+0 %{ assert tcpi_state == TCPI_CLOSING }%\n");
  EXPECT_NE(report.find("assertion failed: tcpi_state == TCPI_CLOSING (TCPI_CLOSING = 7, "
                        "tcpi_state = 4)"),
            std::string::npos)
      << report;
}

TEST(Runner, DatagramsGoBothWays) {
  const Verdict verdict = Play(R"(0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+0 connect(3, ..., ...) = 0
+0 write(3, ..., 100) = 100
+0 > udp (100)
+0.1 < udp (50)
+0 read(3, ..., 1000) = 50
+0 < icmp unreachable port_unreachable [udp (100)]
+0 read(3, ..., 1000) = -1 ECONNREFUSED (Connection refused)
)");
  EXPECT_TRUE(verdict.passed) << verdict.message;
}

// What the script's side sends, by its place in the script.
std::vector<std::vector<uint8_t>> Injected(const std::string& text) {
  std::vector<std::vector<uint8_t>> packets;
  RunOptions options;
  options.listener = [&](SimTime, const std::vector<uint8_t>& packet, bool outbound) {
    if (!outbound) packets.push_back(packet);
  };
  const Verdict verdict = RunScript("t.pkt", text, options);
  EXPECT_TRUE(verdict.passed) << verdict.message;
  return packets;
}

TEST(Runner, APacketMustFitIntoIp) {
  EXPECT_NE(Report("+0 < . 1:65536(65535) ack 1 win 65535\n").find("too long for an IP packet"),
            std::string::npos);
  const std::string udp =
      "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n+0 < udp ";
  EXPECT_NE(Play(udp + "(65535)\n").message, "");
  EXPECT_NE(Play(udp + "(65508)\n").message, "");
  EXPECT_EQ(Play(udp + "(65507)\n").message, "");
  EXPECT_EQ(Play("--ip_version=ipv6\n" + udp + "(65527)\n").message, "");
  EXPECT_NE(Play("--ip_version=ipv6\n" + udp + "(65528)\n").message, "");
}

TEST(Runner, AnIcmpMessageHasWhatItsTypeHas) {
  for (const char* line :
       {"unreachable frag_needed mtu 1200 id 7 [1:1(0)]", "unreachable id 7 [1:1(0)]",
        "time_exceeded id 7", "echo_request mtu 5"}) {
    EXPECT_NE(Report("+0 < icmp " + std::string(line) + "\n"), "") << line;
  }
  EXPECT_EQ(Report("+0 < icmp echo_request id 7\n"), "");
  const std::string server = absl::StrReplaceAll(kServer, {{"mss 1460", "mss 1440"}});
  const std::string v6 = "--ip_version=ipv6\n" + server + "+0 < icmp ";
  for (const char* line :
       {"packet_too_big [1:1(0)]", "unreachable mtu 1280 [1:1(0)]", "echo_request mtu 1280",
        "packet_too_big mtu 1280 id 7 [1:1(0)]", "router_advertisement mtu 1400 [0:0(0)]",
        "router_advertisement mtu 1400 id 3"}) {
    const std::string report = Play(v6 + line + "\n").message;
    EXPECT_NE(report.find("t.pkt:10: error handling packet"), std::string::npos) << line << report;
  }
  EXPECT_EQ(Play(v6 + "packet_too_big mtu 1280 [1:1(0)]\n").message, "");
  EXPECT_EQ(Play(v6 + "echo_request id 7\n").message, "");
}

TEST(Runner, AQuotedNumberMayBeLiteral) {
  const auto packets = Injected(
      std::string(kServer) + "+0 < icmp unreachable port_unreachable [16909060:16909060(0)!]\n");
  const std::vector<uint8_t>& last = packets.back();
  ASSERT_GE(last.size(), 56u);
  const size_t at = 20 + 8 + 20 + 4;  // IP, ICMP, quoted IP, ports
  EXPECT_EQ(std::vector<uint8_t>(last.begin() + at, last.begin() + at + 4),
            (std::vector<uint8_t>{1, 2, 3, 4}));
}

TEST(Runner, CommandsSayWhatTheyMean) {
  for (const char* command :
       {"sockstat -P tcp -s | grep -c LISTEN | grep 0", "sysctl", "sysctl -w", "kldload nonsense",
        "echo 'add 192.0.2.1 192.168.0.1 tcp banana -A tcp-md5 \"x\" ;' | setkey -c"}) {
    EXPECT_NE(Report("+0 `" + std::string(command) + "`\n"), "") << command;
  }
  for (const char* command :
       {"sysctl -e net.inet.tcp.nonsense=1", "kldstat -q -m tcpmd5 || kldload tcpmd5",
        "sysctl -w \\\n net.inet.tcp.rfc1323=1", "sysctl -w net.ipv4.tcp_wmem='4096 16384 65536'",
        "sysctl -w net.ipv4.tcp_rmem='4096\t16384\t65536'",
        "echo 'add 192.0.2.1 192.168.0.1 tcp 0x1000 -A tcp-md5 \"x\" ;' | setkey -c"}) {
    EXPECT_EQ(Report("+0 `" + std::string(command) + "`\n"), "") << command;
  }
  RunOptions options;
  options.ignored_sysctls = {"a.b"};
  options.ignored_commands = {"ethtool"};
  const std::string text = "0 `sysctl -w a.b=hello`\n+0 `ethtool -K tun0 tso off && nstat`\n";
  EXPECT_EQ(RunScript("t.pkt", text, options).message,
            "t.pkt:2: error executing `ethtool -K tun0 tso off && nstat` command: 'nstat' is none "
            "of the commands that the simulated host knows\n");
}

TEST(Runner, OnlyATcpSocketHasTcpInfo) {
  EXPECT_NE(Play("0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 %{ assert tcpi_state == 0 }%\n")
                .message.find("no TCP socket"),
            std::string::npos);
  EXPECT_EQ(Report("+0 %{ assert tcpi_snd_bwnd + tcpi_toe_tid + tcpi_delivered_ce == 0 }%\n"), "");
  EXPECT_EQ(Report("+0 %{ assert tcpi_received_e1_bytes + TCP_CA_Open == 0 }%\n"), "");
  EXPECT_EQ(Report("+0 %{ assert TCP_ESTABLISHED == 1 and TCP_CA_Loss == 4 }%\n"), "");
}

// Where the call did not make the host speak, the script's side may.
TEST(Runner, AConnectThatFailsOrEndsLeavesTheSocketNew) {
  const std::string udp = "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n";
  EXPECT_EQ(Play(udp +
                 "+0 connect(3, ..., ...) = 0\n+0 connect(3, AF_UNSPEC, ...) = -1 EAFNOSUPPORT\n"
                 "+0 < udp (50)\n+0 read(3, ..., 1000) = 50\n")
                .message,
            "");
  EXPECT_EQ(Play(R"(0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 connect(3, AF_INET6, ...) = -1 EAFNOSUPPORT (A socket of AF_INET)
+0 listen(3, 1) = 0
+0.1 < S 7:7(0) win 65535 <mss 1000>
+0 > S. 700:700(0) ack 8 <mss 1460>
)")
                .message,
            "");
}

TEST(Runner, ABoundSocketHasItsPortBeforeItSpeaks) {
  EXPECT_EQ(Play(R"(0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+0 connect(3, ..., ...) = 0
+0 < udp (50)
+0 read(3, ..., 1000) = 50
)")
                .message,
            "");
}

TEST(Runner, PacketsOfOthersNeedNotBeReadable) {
  EXPECT_EQ(Play(R"(--remote_ip=192.0.2.1
0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 connect(3, ..., ...) = 0
+0 write(3, ..., 3000) = 3000
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 fcntl(4, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 connect(4, ..., ...) = -1 EINPROGRESS (In progress)
+0 > S 0:0(0) <...>
)")
                .message,
            "");
}

TEST(Runner, NamesOfOtherSystemsAreKnown) {
  for (const char* name :
       {"MSG_DONTROUTE", "IP_MULTICAST_TTL", "IP_ADD_MEMBERSHIP", "IP_PKTINFO", "IPV6_MULTICAST_IF",
        "IPV6_MINHOPCOUNT", "SO_SPLICE", "SO_PEERCRED", "IP_PMTUDISC_DO", "IPV6_PKTINFO", "F_DUPFD",
        "F_GETOWN", "FIOSETOWN", "FIOCLEX", "SIOCSPGRP", "IPTOS_DSCP_AF11", "IPTOS_DSCP_LE",
        "IPTOS_RELIABILITY", "IPTOS_ECN_MASK", "TCP_RACK_TLP_REDUCE", "TCP_QUICKACK", "TCP_LINGER2",
        "SO_PRIORITY", "SO_NOSIGPIPE", "SIOCOUTQ", "MSG_NBIO", "SO_EE_ORIGIN_ICMP", "EDEADLK",
        "ESRCH", "E2BIG", "ENOSYS", "ELOOP", "EROFS", "ECANCELED", "EPROTO"}) {
    EXPECT_EQ(CallError(absl::StrCat("listen(4, ", name, ") = -1 EINVAL")), "") << name;
  }
  EXPECT_EQ(CallError("setsockopt(4, IPPROTO_TCP, TCP_RACK_PROP, [1], 4) = -1 ENOPROTOOPT"), "");
}

TEST(Runner, VerboseTellsEachDeviation) {
  const std::string text = std::string(kServer) +
                           "+0 < F. 1:1(0) ack 1 win 9\n+0.002 > . 1:1(0) ack 2\n";
  RunOptions options;
  options.verbose = true;
  const Verdict verdict = RunScript("t.pkt", text, options);
  EXPECT_NE(verdict.log.find("outbound packet at its time\n"), std::string::npos) << verdict.log;
  EXPECT_NE(verdict.log.find("outbound packet -2000 usecs off\n"), std::string::npos);
  options.verbose = false;
  EXPECT_EQ(RunScript("t.pkt", text, options).log, "");
  EXPECT_NE(RunScript("t.pkt", "--verbose\n" + text, options).log, "");
}

TEST(Runner, OptionsTakeWhatTheySay) {
  for (const char* option :
       {"define=FOO", "define=3=4", "define=FOO=", "speed=abc", "speed=-1", "netmask_ip=0.0.0.0",
        "netmask_ip=\"::\"", "netmask_ip=\"ffff::\"", "local_ip=192.168.0.1/0",
        "local_ip=192.168.0.1/33", "remote_ip=192.0.2.1/33"}) {
    EXPECT_FALSE(Play("--" + std::string(option) + "\n0 socket(..., SOCK_STREAM, 0) = 3").readable)
        << option;
  }
  for (const char* option :
       {"define=FOO=3", "speed=100", "code_command=python3", "remote_ip=192.0.2.1/32"}) {
    EXPECT_EQ(Play("--" + std::string(option) + "\n0 socket(..., SOCK_STREAM, 0) = 3").message, "")
        << option;
  }
}

TEST(Runner, UnreadableScriptsAndOptionsAreTold) {
  EXPECT_FALSE(Play("0 s//").readable);
  EXPECT_EQ(Play("--nonsense\n0 `true`").message, "t.pkt:1: option 'nonsense' unknown\n");
  EXPECT_EQ(Play("--mtu=7\n0 `true`").message,
            "t.pkt:1: bad --mtu: 7: takes a number from 68 to 65535\n");
  EXPECT_EQ(Play("--ip_version=ipv6\n--mtu=1279\n0 `true`").message,
            "t.pkt: bad --mtu: 1279: IPv6 takes no less than 1280\n");
  EXPECT_EQ(Play("--netmask_ip=255.0.255.0\n0 `true`").message,
            "t.pkt:1: bad --netmask_ip: 255.0.255.0: takes ones, then zeros, as 255.255.0.0 is\n");
  EXPECT_TRUE(Play("--netmask_ip=255.255.240.0\n0 socket(..., SOCK_STREAM, 0) = 3").passed);
  EXPECT_EQ(Play("--code_format=perl\n0 `true`").message,
            "t.pkt:1: bad --code_format: perl: takes python\n");
  EXPECT_EQ(Play("--no_cleanup=1\n0 `true`").message,
            "t.pkt:1: option 'no_cleanup' forbids an argument\n");
  EXPECT_EQ(Play("--mtu\n0 `true`").message, "t.pkt:1: option 'mtu' requires an argument\n");
  EXPECT_EQ(Play("1 `true`").message, "t.pkt:1: the first event must be at time 0\n");
}

}  // namespace
}  // namespace sockbed::packetdrill
