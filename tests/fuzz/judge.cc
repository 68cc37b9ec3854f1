#include "tests/fuzz/judge.h"

#include "kernel/tcp/tcp_wire.h"

namespace sockbed::fuzz {
namespace {

struct Change {
  bool lives;    // it is the same connection
  bool changed;  // it is gone, or in another state
  bool moved;    // ... or one of its numbers is another
};

Change Between(const View& before, const View& after) {
  Change change;
  change.lives = after.there && after.id == before.id;
  change.changed = !change.lives || after.state != before.state;
  change.moved =
      change.changed || after.rcv_nxt != before.rcv_nxt || after.snd_una != before.snd_una;
  return change;
}

bool IsExactReset(const View& before, tcp_seq seq, bool freebsd) {
  return seq == before.last_ack_sent || seq == before.rcv_nxt ||
         (!freebsd && seq == before.rcv_nxt + 1);
}

// A handshake that the SYN cache holds.
std::string_view OfCached(const View& before, const View& after,
                          const packetdrill::WirePacket& packet) {
  if ((packet.tcp.flags & TH_RST) == 0) return "";
  const tcp_seq seq(packet.tcp.seq);
  const bool exact = seq == before.cached_irs || seq == before.cached_irs + 1;
  const bool gone = !after.cached || after.cached_irs != before.cached_irs;
  return gone && !exact ? "a reset that is not exact ended a handshake (3.2)" : "";
}

std::string_view OfSynSent(const View& before, const Change& change,
                           const packetdrill::WirePacket& packet) {
  const uint16_t flags = packet.tcp.flags;
  const tcp_seq ack(packet.tcp.ack);
  const bool has_ack = (flags & TH_ACK) != 0;
  const bool acceptable = has_ack && SEQ_GT(ack, before.iss) && SEQ_LEQ(ack, before.snd_max);
  if (!change.moved) return "";
  if ((flags & TH_RST) != 0) {
    return acceptable ? "" : "a reset without our number was believed (3.2)";
  }
  if ((flags & TH_SYN) == 0) return "SYN_SENT was left without a SYN";
  return has_ack && !acceptable ? "a SYN that acknowledges what is not ours was believed" : "";
}

std::string_view OfSynchronized(const View& before, const Change& change,
                                const packetdrill::WirePacket& packet, bool freebsd) {
  const uint16_t flags = packet.tcp.flags;
  const tcp_seq seq(packet.tcp.seq), ack(packet.tcp.ack);
  if ((flags & TH_RST) != 0) {
    const bool wrong = change.changed && !IsExactReset(before, seq, freebsd);
    return wrong ? "a reset that is not exact was believed (3.2)" : "";
  }
  // In TIME_WAIT a SYN may begin anew; data for a socket that nobody has ends the connection.
  const bool orphan_data =
      !before.owned && before.state > TCPS_CLOSE_WAIT && !packet.payload.empty();
  if (before.state == TCPS_TIME_WAIT || orphan_data || !change.moved) return "";
  const int32_t beyond = seq - before.rcv_nxt;
  if (beyond > 0 && static_cast<uint32_t>(beyond) > before.rcv_wnd) {
    return "a segment beyond the window was believed";
  }
  const bool stands = before.state >= TCPS_ESTABLISHED;
  if (stands && (flags & TH_SYN) != 0 && (freebsd || beyond >= 0)) {
    return "a SYN has moved a connection (4.2)";
  }
  if (stands && (flags & TH_ACK) == 0) return "a segment without ACK was believed";
  const bool too_old = freebsd && stands && SEQ_LT(ack, before.snd_una - before.max_sndwnd);
  if ((flags & TH_ACK) != 0 && (SEQ_GT(ack, before.snd_max) || too_old)) {
    return "an acknowledgement out of range was believed (5.2)";
  }
  return "";
}

std::string_view WentBack(const View& before, const View& after, const Change& change) {
  const bool back = change.lives && (SEQ_LT(after.rcv_nxt, before.rcv_nxt) ||
                                     SEQ_LT(after.snd_una, before.snd_una));
  return back && before.state >= TCPS_ESTABLISHED ? "a number went back" : "";
}

}  // namespace

std::string_view Forbidden(const View& before, const View& after,
                           const packetdrill::WirePacket& packet, bool freebsd) {
  if (packet.source_port != kPeerPort || packet.destination_port != before.port) {
    const bool moved = before.there && Between(before, after).moved;
    return moved ? "another's segment has moved the connection" : "";
  }
  if (!before.there) return before.cached ? OfCached(before, after, packet) : "";
  if (before.state < TCPS_SYN_SENT) return "";
  const Change change = Between(before, after);
  if (before.state == TCPS_SYN_SENT) return OfSynSent(before, change, packet);
  const std::string_view back = WentBack(before, after, change);
  return !back.empty() ? back : OfSynchronized(before, change, packet, freebsd);
}

std::string_view ForbiddenByIcmp(const View& before, const View& after) {
  if (!before.there || before.state < TCPS_ESTABLISHED) return "";
  return Between(before, after).moved ? "an ICMP error has moved a connection that stands" : "";
}

}  // namespace sockbed::fuzz
