// The counters of a host's TCP, as netstat -s shows them.
//
// Lives here:  the list of counters; TcpStat.
// Called by:   all of tcp/ (counts); tests and tools (tcpstat_get in tcp_host.h).
// Source:      OpenBSD sys/netinet/tcp_var.h.
// Differs:     a segment that is dropped moves exactly one of those marked with *.
#ifndef SOCKBED_KERNEL_TCP_TCP_STAT_H_
#define SOCKBED_KERNEL_TCP_TCP_STAT_H_

#include <array>
#include <cstdint>

namespace sockbed {

// X(name, meaning)
#define SOCKBED_TCPSTAT(X)                                              \
  X(tcps_connattempt, "connections begun")                              \
  X(tcps_accepts, "connections accepted")                               \
  X(tcps_connects, "connections established")                           \
  X(tcps_drops, "established connections dropped")                      \
  X(tcps_conndrops, "embryonic connections dropped")                    \
  X(tcps_closed, "connections closed")                                  \
  X(tcps_segstimed, "segments timed")                                   \
  X(tcps_rttupdated, "round trips measured")                            \
  X(tcps_delack, "delayed ACKs sent by the timer")                      \
  X(tcps_timeoutdrop, "connections dropped by retransmission timeout")  \
  X(tcps_rexmttimeo, "retransmission timeouts")                         \
  X(tcps_persisttimeo, "persist timeouts")                              \
  X(tcps_persistdrop, "connections dropped by persist timeout")         \
  X(tcps_keeptimeo, "keepalive timeouts")                               \
  X(tcps_keepprobe, "keepalive probes sent")                            \
  X(tcps_keepdrops, "connections dropped by keepalive")                 \
  X(tcps_sndtotal, "segments sent")                                     \
  X(tcps_sndpack, "data segments sent")                                 \
  X(tcps_sndbyte, "data bytes sent")                                    \
  X(tcps_sndrexmitpack, "data segments retransmitted")                  \
  X(tcps_sndrexmitbyte, "data bytes retransmitted")                     \
  X(tcps_sndrexmitfast, "fast retransmits")                             \
  X(tcps_sndacks, "segments sent with ACK only")                        \
  X(tcps_sndprobe, "window probes sent")                                \
  X(tcps_sndurg, "segments sent with URG only")                         \
  X(tcps_sndwinup, "window updates sent")                               \
  X(tcps_sndctrl, "SYN, FIN and RST segments sent without data")        \
  X(tcps_rcvtotal, "segments received")                                 \
  X(tcps_rcvpack, "data segments received in order")                    \
  X(tcps_rcvbyte, "data bytes received in order")                       \
  X(tcps_rcvbcast, "* to a broadcast or multicast address")             \
  X(tcps_rcvshort, "* shorter than a header")                           \
  X(tcps_rcvbadoff, "* bad header length")                              \
  X(tcps_rcvbadsum, "* bad checksum")                                   \
  X(tcps_rcvbadsig, "* not signed, or not with the key")                \
  X(tcps_rcvminttl, "* TTL below IP_MINTTL")                            \
  X(tcps_noport, "* for a port that nobody has")                        \
  X(tcps_listendrop, "* nothing that a listener takes")                 \
  X(tcps_synsentdrop, "* nothing that a connecting socket takes")       \
  X(tcps_rcvbadrst, "* RST outside the window, or not where it may be") \
  X(tcps_rcvrst, "RST accepted")                                        \
  X(tcps_badsyn, "* SYN inside a connection")                           \
  X(tcps_noack, "* without ACK")                                        \
  X(tcps_pawsdrop, "* older than the last timestamp")                   \
  X(tcps_missingts, "* without the timestamp that was agreed")          \
  X(tcps_rcvacktoomuch, "* ACK of what was not sent")                   \
  X(tcps_rcvacktooold, "* ACK far below what was sent")                 \
  X(tcps_rcvafterclose, "* data after close")                           \
  X(tcps_rcvpackafterwin, "segments with data beyond the window")       \
  X(tcps_rcvbyteafterwin, "bytes of data beyond the window")            \
  X(tcps_rcvoutofwin, "* wholly beyond the window")                     \
  X(tcps_timewaitdrop, "* in TIME_WAIT, nothing new")                   \
  X(tcps_tunneled_pkts, "segments received in UDP")                     \
  X(tcps_tunneled_errs, "* not in UDP from the port that is agreed")    \
  X(tcps_rcvwinprobe, "window probes received")                         \
  X(tcps_rcvduppack, "duplicate segments received")                     \
  X(tcps_rcvdupbyte, "duplicate bytes received")                        \
  X(tcps_rcvpartduppack, "segments with some duplicate data")           \
  X(tcps_rcvpartdupbyte, "duplicate bytes in those")                    \
  X(tcps_rcvoopack, "segments received out of order")                   \
  X(tcps_rcvoobyte, "bytes received out of order")                      \
  X(tcps_rcvmemdrop, "segments out of order dropped for want of room")  \
  X(tcps_rcvdupack, "duplicate ACKs received")                          \
  X(tcps_rcvackpack, "ACKs of new data received")                       \
  X(tcps_rcvackbyte, "bytes acknowledged")                              \
  X(tcps_rcvwinupd, "window updates received")                          \
  X(tcps_predack, "ACKs that header prediction took")                   \
  X(tcps_preddat, "data segments that header prediction took")          \
  X(tcps_challenge, "challenge ACKs sent")                              \
  X(tcps_challenge_dropped, "challenge ACKs beyond the limit")          \
  X(tcps_rstlimited, "resets not sent: beyond rstppslimit")             \
  X(tcps_softnotify, "ICMP errors remembered")                          \
  X(tcps_hardnotify, "connections ended by an ICMP error")              \
  X(tcps_pmtud, "path MTU messages acted upon")                         \
  X(tcps_sack_recovery_episode, "recoveries guided by SACK")            \
  X(tcps_sack_rexmits, "segments retransmitted in those")               \
  X(tcps_sack_rexmit_bytes, "bytes retransmitted in those")             \
  X(tcps_sack_lostrexmt, "retransmissions that were lost, too")         \
  X(tcps_limited_xmit, "segments of limited transmit")                  \
  X(tcps_rack_lost, "segments that RACK found lost")                    \
  X(tcps_rack_reordered, "connections on which RACK saw reordering")    \
  X(tcps_tlp_probes, "tail loss probes sent")                           \
  X(tcps_tlp_repaired, "losses that a probe has repaired")              \
  X(tcps_sndrexmitbad, "timeouts that turned out to be needless")       \
  X(tcps_ecn_accepts, "connections that agreed on ECN")                 \
  X(tcps_ecn_rcvce, "segments received with a mark")                    \
  X(tcps_ecn_rcvece, "ACKs received that echo a mark")                  \
  X(tcps_ecn_rcvcwr, "segments received that end the echo")             \
  X(tcps_ecn_sndect, "segments sent that may be marked")                \
  X(tcps_ecn_sndece, "segments sent that echo a mark")                  \
  X(tcps_cwr_ecn, "windows reduced for a mark")                         \
  X(tcps_sack_rcv_opts, "SACK options received")                        \
  X(tcps_sack_snd_opts, "SACK options sent")                            \
  X(tcps_sack_drop, "SACK blocks ignored: too many holes")              \
  X(tcps_dropsyn, "* SYN: the listen queue or memory is full")          \
  X(tcps_sc_added, "handshakes begun in the SYN cache")                 \
  X(tcps_sc_completed, "handshakes completed")                          \
  X(tcps_sc_dupesyn, "SYNs of a handshake in the cache")                \
  X(tcps_sc_dropped, "SYN-ACKs that could not be sent")                 \
  X(tcps_sc_retransmitted, "SYN-ACKs retransmitted")                    \
  X(tcps_sc_timed_out, "handshakes timed out")                          \
  X(tcps_sc_bucketoverflow, "handshakes discarded: bucket full")        \
  X(tcps_sc_overflowed, "handshakes discarded: cache full")             \
  X(tcps_sc_reset, "handshakes ended by RST")                           \
  X(tcps_sc_unreach, "handshakes ended by ICMP")                        \
  X(tcps_sc_aborted, "handshakes ended for want of a socket")           \
  X(tcps_tfo_accepts, "connections opened by a SYN with data")          \
  X(tcps_sc_sendcookie, "SYN-ACKs sent without an entry: a cookie")     \
  X(tcps_sc_recvcookie, "handshakes completed by a cookie")             \
  X(tcps_sc_seedrandom, "new secrets of the cache's hash")               \
  X(tcps_outhwtso, "pieces left to an interface to be cut")

enum tcpstat_counters : uint8_t {
#define SOCKBED_TCPSTAT_ENUM(name, meaning) name,
  SOCKBED_TCPSTAT(SOCKBED_TCPSTAT_ENUM)
#undef SOCKBED_TCPSTAT_ENUM
      tcps_ncounters
};

using TcpStat = std::array<uint64_t, tcps_ncounters>;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_STAT_H_
