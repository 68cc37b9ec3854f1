// What the receiver tells of segments that arrive twice (RFC 2883).
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

// Three islands wait: 3000:4000, 5000:6000, 7000:8000, above 2000.
class Dsack : public SegmentTest {
 protected:
  void Islands(std::string_view options = ",sackOK,eol,eol") {
    Sysctl("net.inet.tcp.knob.dsack", 1);
    Sysctl("net.inet.tcp.knob.sack_blocks", 4);
    Establish(options);
    Send(". 1:2000(1999) ack 1");
    Send(". 3000:4000(1000) ack 1");
    Send(". 5000:6000(1000) ack 1");
    Send(". 7000:8000(1000) ack 1");
    Skip();
  }
  static std::string Range(uint32_t from, uint32_t to) {
    return std::to_string(from) + ":" + std::to_string(to) + "(" + std::to_string(to - from) + ")";
  }
};

struct Arrival {
  uint32_t from, to;
  uint32_t ack;          // of the answer
  const char* reported;  // its blocks
};

class DsackTable : public Dsack, public testing::WithParamInterface<Arrival> {};

TEST_P(DsackTable, ReportsTheDuplicateFirstAndOnce) {
  const Arrival& arrival = GetParam();
  Islands();
  Send(". " + Range(arrival.from, arrival.to) + " ack 1");
  Expect(". 1:1(0) ack " + std::to_string(arrival.ack) + " <nop,nop,sack " + arrival.reported +
         ">");
  ExpectNothing();
  Send("P. 9000:9010(10) ack 1");
  Skip();
  EXPECT_EQ(tp()->t_flags & TF_DSACK, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Arrivals, DsackTable,
    testing::Values(
        // Old, wholly or in part.
        Arrival{500, 2000, 2000, "500:2000 7000:8000 5000:6000 3000:4000"},
        Arrival{500, 2500, 2500, "500:2000 7000:8000 5000:6000 3000:4000"},
        // Old at its front, and over an island: the old part is what is told.
        Arrival{500, 3500, 4000, "500:2000 7000:8000 5000:6000"},
        // In order, into an island.
        Arrival{2000, 3500, 4000, "3000:3500 7000:8000 5000:6000"},
        Arrival{2000, 7500, 8000, "3000:4000"},
        // An island again, a part of it, more than it: it follows the report, grown.
        Arrival{3000, 4000, 2000, "3000:4000 3000:4000 7000:8000 5000:6000"},
        Arrival{5200, 5300, 2000, "5200:5300 5000:6000 7000:8000 3000:4000"},
        Arrival{3500, 4500, 2000, "3500:4000 3000:4500 7000:8000 5000:6000"},
        // Over two: the lower one is told.
        Arrival{4500, 7500, 2000, "5000:6000 4500:8000 3000:4000"},
        // Between two, touching both: nothing came twice.
        Arrival{4000, 5000, 2000, "3000:6000 7000:8000"}));

TEST_F(Dsack, LeavesRoomForTimestamps) {
  Islands(",nop,nop,sackOK,nop,nop,TS val 1 ecr 0");
  Send(". 3000:3500(500) ack 1 <nop,nop,TS val 2 ecr 0>");
  Expect(". 1:1(0) ack 2000 <nop,nop,TS val * ecr *,nop,nop,sack 3000:3500 3000:4000 7000:8000>");
}

TEST_F(Dsack, IsSilentWhereItIsNotWanted) {
  Islands();
  Sysctl("net.inet.tcp.knob.dsack", 0);
  Send(". 500:1000(500) ack 1");
  Expect(". 1:1(0) ack 2000 <nop,nop,sack 7000:8000 5000:6000 3000:4000>");
}

TEST_F(Dsack, NeedsSack) {
  Islands("");
  Send(". 500:1000(500) ack 1");
  Expect(". 1:1(0) ack 2000 <>");
}

}  // namespace
}  // namespace sockbed
