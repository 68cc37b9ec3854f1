// What can be set about a host's TCP: its sysctls, with the values of the two systems it can pass
// for.
//
// Lives here:  TcpTunables; the table of their names, defaults and limits.
// Called by:   all of tcp/ (reads); tcp_host.cc adds them to the host's sysctls.
// Units:       milliseconds where the name's meaning is a time; keepinittime, keepidle and
//              keepintvl are in seconds under profile 0 and in milliseconds under profile 1, as on
//              either system.
// Source:      OpenBSD sysctl(2), tcp(4); FreeBSD tcp(4), syncache(4).
// Differs:     net.inet.tcp.profile sets all of them at once: 0 openbsd (the default), 1 freebsd.
//              What is fixed in the source of one system and tunable in the other is tunable here.
//              The names under "knob." are differences that neither system lets one choose.
#ifndef SOCKBED_KERNEL_TCP_TCP_TUNABLES_H_
#define SOCKBED_KERNEL_TCP_TCP_TUNABLES_H_

#include <cstdint>

namespace sockbed {

// X(member, name below net.inet.tcp, openbsd, freebsd, least, most, meaning)
#define SOCKBED_TCP_TUNABLES(X)                                                                    \
  X(rfc1323, "rfc1323", 1, 1, 0, 3, "ask for: 1 window scale and timestamps, 2, 3 one of them")    \
  X(sack, "sack", 1, 1, 0, 1, "ask for selective acknowledgement")                                 \
  X(sackholelimit, "sackholelimit", 32768, 65536, 0, 1 << 24, "holes of all connections")          \
  X(sack_maxholes, "sack.maxholes", 128, 128, 0, 1 << 16, "holes of one connection")               \
  X(mssdflt, "mssdflt", 512, 536, 216, 65535, "segment size where nobody says")                    \
  X(v6mssdflt, "v6mssdflt", 512, 1220, 216, 65535, "the same over IPv6")                           \
  X(minmss, "minmss", 216, 216, 64, 65535, "smallest segment size taken from a peer")              \
  X(rfc3390, "rfc3390", 2, 1, 0, 2, "initial window: 0 one segment, 1 RFC 3390, 2 RFC 6928")       \
  X(initcwnd_segments, "initcwnd_segments", 0, 10, 0, 64, "... in segments; 0: as rfc3390 says")   \
  X(synack_grows, "knob.synack_grows", 1, 0, 0, 1, "... and one more with the SYN-ACK")            \
  X(ackonpush, "ackonpush", 0, 0, 0, 1, "acknowledge PSH at once")                                 \
  X(delayed_ack, "delayed_ack", 1, 1, 0, 1, "delay acknowledgements at all")                       \
  X(delacktime, "delacktime", 200, 40, 1, 2000, "how long")                                        \
  X(keepinittime, "keepinittime", 75, 75000, 1, 1 << 30, "limit of a handshake")                   \
  X(keepidle, "keepidle", 7200, 7200000, 1, 1 << 30, "silence before the first probe")             \
  X(keepintvl, "keepintvl", 75, 75000, 1, 1 << 30, "between probes")                               \
  X(keepcnt, "keepcnt", 8, 8, 1, 1 << 16, "probes before giving up")                               \
  X(always_keepalive, "always_keepalive", 0, 1, 0, 1, "probe without SO_KEEPALIVE")                \
  X(rexmit_initial, "rexmit_initial", 6000, 1000, 1, 64000, "first timeout without a sample")      \
  X(rexmit_min, "rexmit_min", 1000, 30, 1, 64000, "smallest timeout")                              \
  X(rexmit_slop, "rexmit_slop", 0, 200, 0, 64000, "added to every timeout")                        \
  X(retries, "retries", 12, 12, 1, 12, "retransmissions before giving up")                         \
  X(rexmit_drop_options, "rexmit_drop_options", 0, 0, 0, 1, "fourth SYN on: no option but MSS")    \
  X(persmin, "persmin", 5000, 5000, 1, 1 << 30, "smallest interval of window probes")              \
  X(persmax, "persmax", 60000, 60000, 1, 1 << 30, "largest")                                       \
  X(msl, "msl", 30000, 30000, 1, 1 << 30, "life of a segment; TIME_WAIT lasts two of them")        \
  X(finwait2_timeout, "finwait2_timeout", 60000, 60000, 1, 1 << 30, "with fast recycling")         \
  X(fast_finwait2_recycle, "fast_finwait2_recycle", 0, 0, 0, 1, "end FIN_WAIT_2 without reader")   \
  X(rstppslimit, "rstppslimit", 100, 200, -1, 1 << 30, "resets per second; -1 no limit")           \
  X(ackppslimit, "ackppslimit", 100, -1, -1, 1 << 30, "challenge ACKs per second; -1 no limit")    \
  X(ack_war_timewindow, "ack_war_timewindow", 0, 1000, 0, 1 << 30, "of ack_war_cnt; 0 no limit")   \
  X(ack_war_cnt, "ack_war_cnt", 0, 5, 0, 1 << 30, "challenge ACKs per connection and time window") \
  X(syncachelimit, "syncachelimit", 10255, 15360, 1, 1 << 24, "handshakes of a host")              \
  X(synbucketlimit, "synbucketlimit", 105, 30, 1, 1 << 24, "handshakes of a hash bucket")          \
  X(synhashsize, "synhashsize", 293, 512, 1, 1 << 20, "buckets; obeyed when the cache is empty")   \
  X(synuselimit, "synuselimit", 100000, 100000, 0, 1 << 30, "uses of one hash secret")             \
  X(synack_initial, "syncache.rexmit_initial", 3000, 1000, 1, 64000, "first timeout of a SYN-ACK") \
  X(synack_retries, "syncache.rexmtlimit", 4, 3, 0, 12, "retransmissions of a SYN-ACK")            \
  X(rst_on_sock_fail, "syncache.rst_on_sock_fail", 1, 1, 0, 1, "reset what cannot be accepted")    \
  X(reasslimit, "reasslimit", 32768, 32768, 0, 1 << 24, "segments out of order, all connections")  \
  X(reass_maxqueuelen, "reass.maxqueuelen", 0, 100, 0, 1 << 24, "of one connection; 0 no limit")   \
  X(sendspace, "sendspace", 16384, 32768, 1, 1 << 30, "send buffer of a new socket")               \
  X(recvspace, "recvspace", 16384, 65536, 1, 1 << 30, "receive buffer of a new socket")            \
  X(insecure_rst, "insecure_rst", 0, 0, 0, 1, "believe any RST inside the window")                 \
  X(insecure_syn, "insecure_syn", 0, 0, 0, 1, "a SYN inside the window resets")                    \
  X(insecure_ack, "insecure_ack", 0, 0, 0, 1, "take acknowledgements however old")                 \
  X(drop_synfin, "drop_synfin", 0, 0, 0, 1, "ignore SYN with FIN")                                 \
  X(blackhole, "blackhole", 0, 0, 0, 3,                                                            \
    "no reset for closed ports: 1 after SYN, 2 at all, 3 nor to itself")                           \
  X(icmp_may_rst, "icmp_may_rst", 0, 1, 0, 1, "ICMP errors end a handshake at once")               \
  X(icmp_soft_unreach, "knob.icmp_soft_unreach", 0, 1, 0, 1,                                       \
    "remember unreachable once connected")                                                         \
  X(tolerate_missing_ts, "tolerate_missing_ts", 1, 1, 0, 1, "take segments without timestamps")    \
  X(ts_offset_per_conn, "ts_offset_per_conn", 1, 1, 0, 1, "a random timestamp offset for each")    \
  X(rst_challenge, "knob.rst_challenge", 0, 1, 0, 1, "answer a RST elsewhere in the window")       \
  X(rst_past_next, "knob.rst_past_next", 1, 0, 0, 1, "take a RST at rcv_nxt + 1")                  \
  X(rst_closing_error, "knob.rst_closing_error", 0, 1, 0, 1, "RST while closing is ECONNRESET")    \
  X(rst_counts_fin, "knob.rst_counts_fin", 0, 1, 0, 1, "a reset acknowledges a FIN too")           \
  X(syn_challenge, "knob.syn_challenge", 0, 1, 0, 1, "answer a SYN wherever it lies")              \
  X(listen_rst_bare, "knob.listen_rst_bare", 1, 0, 0, 1, "LISTEN resets what has no S, A, R")      \
  X(listen_rst_synack, "knob.listen_rst_synack", 1, 0, 0, 1, "LISTEN resets SYN-ACK")              \
  X(synrcvd_synack_rst, "knob.synrcvd_synack_rst", 1, 0, 0, 1, "SYN_RECEIVED resets SYN-ACK")      \
  X(cache_rst_strict, "knob.cache_rst_strict", 0, 1, 0, 1, "RST for a handshake: RFC 5961 rules")  \
  X(old_ack_challenge, "knob.old_ack_challenge", 0, 1, 0, 1, "answer acknowledgements too old")    \
  X(cache_bad_ack_rst, "knob.cache_bad_ack_rst", 0, 1, 0, 1, "reset a wrong ACK of a handshake")   \
  X(sendbuf_auto, "sendbuf_auto", 1, 1, 0, 1, "send buffers grow")                                 \
  X(sendbuf_inc, "sendbuf_inc", 8192, 8192, 1, 1 << 30, "by so much (freebsd)")                    \
  X(sendbuf_max, "sendbuf_max", 2097152, 2097152, 1, 1 << 30, "at most to that (freebsd)")         \
  X(recvbuf_auto, "recvbuf_auto", 1, 1, 0, 1, "receive buffers grow")                              \
  X(recvbuf_max, "recvbuf_max", 2097152, 2097152, 1, 1 << 30, "at most to that (freebsd)")         \
  X(buffer_growth, "knob.buffer_growth", 0, 1, 0, 1, "how buffers grow: 0 openbsd, 1 freebsd")     \
  X(round_maxopd, "knob.round_maxopd", 0, 1, 0, 1, "buffers: multiples of the MSS with options")   \
  X(mss_by_route, "knob.mss_by_route", 0, 1, 0, 1, "offer the MSS of the route, not the link")     \
  X(pmtud_at_once, "knob.pmtud_at_once", 0, 1, 0, 1, "believe a \"too big\" at once")              \
  X(cache_again_resets, "knob.cache_again_resets", 0, 1, 0, 1, "a repeated SYN begins anew")       \
  X(freebsd_options, "knob.freebsd_options", 0, 1, 0, 1, "TCP_NOOPT, TCP_KEEP*, TCP_CONGESTION")   \
  X(dsack, "knob.dsack", 0, 1, 0, 1, "report what arrives twice (RFC 2883)")                       \
  X(icmp_errno, "knob.icmp_errno", 0, 1, 0, 1, "prohibited refuses, TTL exceeded: no host")        \
  X(blackhole_df, "knob.blackhole_df", 1, 0, 0, 1,                                                 \
    "large segments vanish: let them be fragmented")                                               \
  X(pmtud_blackhole_detection, "pmtud_blackhole_detection", 0, 0, 0, 3,                            \
    "large segments vanish: try smaller ones; 1 both, 2 IPv4, 3 IPv6")                             \
  X(pmtud_blackhole_mss, "pmtud_blackhole_mss", 1200, 1200, 64, 65535, "how small")                \
  X(v6pmtud_blackhole_mss, "v6pmtud_blackhole_mss", 1220, 1220, 64, 65535, "the same over IPv6")   \
  X(timewait_connect_reuse, "knob.timewait_connect_reuse", 0, 0, 0, 1,                             \
    "connect takes over its own connection in TIME_WAIT")                                          \
  X(cache_rtt, "knob.cache_rtt", 0, 1, 0, 1, "the handshake of a listener is a round trip")        \
  X(synrcvd_old_rst, "knob.synrcvd_old_rst", 0, 1, 0, 1, "SYN_RECEIVED resets what is older")      \
  X(synrcvd_no_ack, "knob.synrcvd_no_ack", 0, 1, 0, 1, "SYN_RECEIVED keeps what has no ACK")       \
  X(synsent_drop_fin, "knob.synsent_drop_fin", 0, 1, 0, 1,                                         \
    "a SYN that crosses ours loses its FIN")                                                       \
  X(ts_recent_strict, "knob.ts_recent_strict", 0, 1, 0, 1, "RFC 7323: and not left of the window") \
  X(cc_algorithm, "cc.algorithm", 0, 1, 0, 1, "of new connections: 0 newreno, 1 cubic")            \
  X(cc_newreno_beta, "cc.newreno.beta", 50, 50, 1, 100, "per cent of the window kept at a loss")   \
  X(cc_newreno_beta_ecn, "cc.newreno.beta_ecn", 80, 80, 1, 100, "... at a mark, with cc.abe")      \
  X(cc_abe, "cc.abe", 0, 0, 0, 1, "marks reduce less than losses (RFC 8511)")                      \
  X(rfc3465, "rfc3465", 0, 1, 0, 1, "the window grows by bytes, not by ACKs")                      \
  X(abc_l_var, "abc_l_var", 2, 2, 1, 64, "segments per ACK in slow start, at most")                \
  X(rfc3042, "rfc3042", 0, 1, 0, 1, "limited transmit at the first two duplicate ACKs")            \
  X(do_prr, "do_prr", 0, 1, 0, 1, "proportional rate reduction in recovery (RFC 6937)")            \
  X(sack_revised, "sack.revised", 0, 1, 0, 1, "what is lost: RFC 6675, not three reports")         \
  X(sack_lrd, "sack.lrd", 0, 1, 0, 1, "see when a retransmission is lost")                         \
  X(rack_tlp, "knob.rack_tlp", 0, 0, 0, 2, "RFC 8985 for new connections: 1 RACK, 2 and TLP")      \
  X(rto_undo, "knob.rto_undo", 0, 1, 0, 1, "take back what a needless timeout did")                \
  X(ecn, "ecn", 0, 2, 0, 2, "1 ask for ECN and take it, 2 take it")                                \
  X(ecn_maxretries, "ecn.maxretries", 0, 1, 0, 12, "SYNs sent again that still ask")               \
  X(ecn_rst_retry, "knob.ecn_rst_retry", 1, 0, 0, 1, "a RST for such a SYN: try without")          \
  X(ecn_one_segment, "knob.ecn_one_segment", 1, 0, 0, 1, "a mark may reduce to one segment")       \
  X(hostcache_enable, "hostcache.enable", 0, 1, 0, 1, "remember what connections learn of peers")  \
  X(hostcache_expire, "hostcache.expire", 3600, 3600, 1, 1 << 30, "for so many seconds")           \
  X(tfo_client_enable, "fastopen.client_enable", 0, 1, 0, 1, "Fast Open for clients")              \
  X(tfo_server_enable, "fastopen.server_enable", 0, 0, 0, 1, "Fast Open for servers")              \
  X(tfo_autokey, "fastopen.autokey", 120, 120, 1, 1 << 30, "seconds until the next key")           \
  X(tfo_path_disable_time, "fastopen.path_disable_time", 900, 900, 0, 1 << 30,                     \
    "seconds without Fast Open after a failure")                                                   \
  X(tfo_ccache_buckets, "fastopen.ccache_buckets", 2048, 2048, 1, 1 << 20, "of known servers")     \
  X(tfo_ccache_bucket_limit, "fastopen.ccache_bucket_limit", 16, 16, 1, 1 << 16,                   \
    "servers of a bucket")                                                                         \
  X(syncookies, "syncookies", 0, 1, 0, 1, "answer SYNs without memory of them when it is full")    \
  X(syncookies_only, "syncookies_only", 0, 0, 0, 1, "... always")                                  \
  X(delack_no_wait, "knob.delack_no_wait", 0, 1, 0, 1, "do not delay for long segments")           \
  X(syn_layout, "knob.syn_layout", 0, 1, 0, 1, "order of a SYN's options")                         \
  X(window_round_up, "knob.window_round_up", 0, 1, 0, 1, "round a scaled window up")               \
  X(sack_blocks, "knob.sack_blocks", 3, 4, 1, 4, "blocks reported at most")                        \
  X(idle_restart, "knob.idle_restart", 0, 1, 0, 1, "after idleness: 0 two segments, 1 IW")         \
  X(timewait_policy, "knob.timewait_policy", 0, 1, 0, 2, "0 openbsd, 1 freebsd, 2 RFC 9293")       \
  X(timewait_random_iss, "knob.timewait_random_iss", 1, 0, 0, 1, "ISS of a reopened connection")   \
  X(finwait2_poll, "knob.finwait2_poll", 1, 0, 0, 1, "FIN_WAIT_2: poll, or one timeout")           \
  X(rtt_freebsd, "knob.rtt_freebsd", 0, 1, 0, 1, "rounding of the estimator; backoff to 512")      \
  X(winupdate_freebsd, "knob.winupdate_freebsd", 0, 1, 0, 1, "when a window update pays")          \
  X(nagle_whole, "knob.nagle_whole", 0, 1, 0, 1, "half a send buffer does not do for a segment")   \
  X(tso, "tso", 1, 1, 0, 1, "leave it to interfaces that can to cut segments")                     \
  X(debug_walks, "debug_walks", 0, 0, 0, 1, "check whole queues after every segment")              \
  X(udp_tunneling_overhead, "udp_tunneling_overhead", 8, 8, 8, 1024,                               \
    "bytes that UDP takes of a segment")                                                           \
  X(summaries_max, "summaries_max", 4096, 4096, 0, 1 << 24, "closed connections remembered")

// A host's settings. Defaults are those of profile 0.
struct TcpTunables {
#define SOCKBED_TCP_TUNABLE_FIELD(member, name, openbsd, freebsd, least, most, meaning) \
  int64_t member = openbsd;
  SOCKBED_TCP_TUNABLES(SOCKBED_TCP_TUNABLE_FIELD)
#undef SOCKBED_TCP_TUNABLE_FIELD

  int64_t profile = 0;  // 0 openbsd, 1 freebsd
  // The UDP port that takes segments, 0: none. net.inet.tcp.udp_tunneling_port; ENOPROTOOPT without
  // freebsd_options, and what socket and bind say.
  int64_t udp_tunneling_port = 0;
  // Of no system: the initial sequence number of every connection, so that a test can let it wrap.
  // -1: RFC 6528's. A SYN cookie stays its own. net.inet.tcp.knob.iss.
  int64_t iss = -1;

  // The unit of keepinittime, keepidle and keepintvl.
  int64_t keep_unit_ms() const { return profile == 0 ? 1000 : 1; }
  int64_t keepinit_ms() const { return keepinittime * keep_unit_ms(); }
  int64_t keepidle_ms() const { return keepidle * keep_unit_ms(); }
  int64_t keepintvl_ms() const { return keepintvl * keep_unit_ms(); }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_TUNABLES_H_
