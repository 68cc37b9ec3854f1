// The socket buffer: records of mbufs, counted, bounded, locked, waited for.
//
// Lives here:  struct sockbuf; the sb* functions.
// Called by:   sosend and soreceive; protocols append to so_rcv and drop from so_snd.
// May touch:   mbuf, sched, sim.
// Context:     appending and dropping anywhere; functions marked [sleeps] need a process.
// Owns:        the chains in sb_mb.
// Units:       bytes; sb_timeo in ticks.
// Invariants:  (sbcheck walks the buffer and tests them)
//              1. sb_mb, sb_mbtail, sb_lastrecord are all null or none is.
//              2. Empty means that all counts are 0.
//              3. sb_cc is the sum of m_len.
//              4. sb_datacc leaves out MT_CONTROL and MT_SONAME.
//              5. sb_mbcnt is the sum of sb_storage.
//              6. sb_lastrecord is the record without m_nextpkt.
//              7. sb_mbtail is its mbuf without m_next.
//              8. m_nextpkt is set in no mbuf but a record's first.
//              9. M_EOR is on no mbuf but a record's last.
//              10. A buffer filled by sbappendstream alone is one record.
//              11. sb_lowat <= sb_hiwat, and >= 1 from soreserve on until sbrelease or sorflush.
// Source:      OpenBSD 4.9 sys/kern/uipc_socket2.c, sys/sys/socketvar.h.
// Differs:     1. A cluster above MCLBYTES is charged as MCLBYTES (sb_storage). Here the segments
//                 of both hosts share the sender's large clusters, where a driver would have filled
//                 a small one for each; charging the large one each time would close the window.
//              2. A stream has no packets: its mbufs lose their packet headers on the way in.
//              3. Bytes that stand behind the last mbuf's in the same cluster, as two segments of
//                 one write do, become its own without being copied, and are charged once.
#ifndef SOCKBED_KERNEL_SOCKET_SOCKBUF_H_
#define SOCKBED_KERNEL_SOCKET_SOCKBUF_H_

#include <sys/socket.h>

#include <algorithm>
#include <cstdint>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/selinfo.h"

namespace sockbed {

struct socket;

inline constexpr int SB_LOCK = 0x01;    // one reader or writer holds it
inline constexpr int SB_WANT = 0x02;    // somebody waits for the lock
inline constexpr int SB_WAIT = 0x04;    // somebody waits for data or space
inline constexpr int SB_SEL = 0x08;     // a poller is recorded
inline constexpr int SB_ASYNC = 0x10;   // SIGIO wanted
inline constexpr int SB_SPLICE = 0x20;  // part of a splice
inline constexpr int SB_NOINTR = 0x40;  // waits ignore signals
inline constexpr int SB_KNOTE = 0x80;   // a knote is attached

struct sockbuf {
  uint64_t sb_cc = 0;             // all bytes: data, names, control
  uint64_t sb_datacc = 0;         // bytes of data; what FIONREAD reports
  uint64_t sb_hiwat = 0;          // limit of sb_cc
  uint64_t sb_wat = 0;            // the limit asked for, before automatic growth
  uint64_t sb_mbcnt = 0;          // storage charged
  uint64_t sb_mbmax = 0;          // limit of sb_mbcnt
  int64_t sb_lowat = 0;           // low-water mark
  mbuf* sb_mb = nullptr;          // first mbuf of the first record; owns
  mbuf* sb_mbtail = nullptr;      // last mbuf of the last record; [d]
  mbuf* sb_lastrecord = nullptr;  // first mbuf of the last record; [d]
  selinfo sb_sel;
  int sb_flags = 0;  // SB_*
  int sb_timeo = 0;  // limit of sbwait, 0: none
};

// Room left, negative when overcommitted: limits are advisory to those who do not ask.
inline int64_t sbspace(const sockbuf* sb) {
  return std::min(static_cast<int64_t>(sb->sb_hiwat) - static_cast<int64_t>(sb->sb_cc),
                  static_cast<int64_t>(sb->sb_mbmax) - static_cast<int64_t>(sb->sb_mbcnt));
}
// Whether a change of the buffer concerns anybody.
inline bool sb_notify(const sockbuf* sb) {
  return (sb->sb_flags & (SB_WAIT | SB_SEL | SB_ASYNC | SB_SPLICE | SB_KNOTE)) != 0;
}

// Sets the limits for `cc` bytes. Returns 1 on failure (0, or above kern.sbmax), 0 on success.
int sbreserve(sockbuf* sb, uint64_t cc);
// Reserves both buffers. Errors: ENOBUFS.
[[nodiscard]] int soreserve(socket* so, uint64_t sndcc, uint64_t rcvcc);
// Errors: ENOBUFS when `cnt` exceeds `default_cnt` while mbufs are scarce.
[[nodiscard]] int sbcheckreserve(uint64_t cnt, uint64_t default_cnt);

// Appenders take the chain and never wake anybody: the protocol calls sorwakeup or sowwakeup
// afterwards.
void sbappend(sockbuf* sb, MbufPtr m);        // new record only behind M_EOR
void sb_appendstream(sockbuf* sb, mbuf* m);   // takes m; bytes; REQUIRES one record
inline void sbappendstream(sockbuf* sb, MbufPtr m) { sb_appendstream(sb, m.release()); }
void sbappendrecord(sockbuf* sb, MbufPtr m);  // always a new record
void sbinsertoob(sockbuf* sb, MbufPtr m);     // before all records that are not out of band
// These two check the space and return 1, or 0 having taken nothing (the arguments stay the
// caller's).
int sbappendaddr(sockbuf* sb, const sockaddr* sa, socklen_t salen, MbufPtr& m, MbufPtr& control);
int sbappendcontrol(sockbuf* sb, MbufPtr& m, MbufPtr& control);

// Drops `len` bytes from the front, across records. REQUIRES: that many are there.
void sbdrop(sockbuf* sb, int64_t len);
void sbdroprecord(sockbuf* sb);  // the first record, if any
void sbflush(sockbuf* sb);       // everything; REQUIRES: not locked
void sbrelease(sockbuf* sb);     // everything, and the limits

// What holding `m` costs: MSIZE, and its external storage, of which no more than MCLBYTES counts.
inline uint64_t sb_storage(const mbuf* m) {
  uint64_t cost = MSIZE;
  if ((m->m_flags & M_EXT) != 0) cost += std::min<uint64_t>(m->m_ext.ext_size, MCLBYTES);
  return cost;
}
// Whether its bytes are data, as opposed to a name or a control message.
inline bool sb_isdata(const mbuf* m) { return m->m_type != MT_CONTROL && m->m_type != MT_SONAME; }

// Accounting of one mbuf that enters or leaves. REQUIRES: m_len as when it was queued.
inline void sballoc(sockbuf* sb, const mbuf* m) {
  sb->sb_cc += static_cast<uint64_t>(m->m_len);
  if (sb_isdata(m)) sb->sb_datacc += static_cast<uint64_t>(m->m_len);
  sb->sb_mbcnt += sb_storage(m);
}
inline void sbfree(sockbuf* sb, const mbuf* m) {
  sb->sb_cc -= static_cast<uint64_t>(m->m_len);
  if (sb_isdata(m)) sb->sb_datacc -= static_cast<uint64_t>(m->m_len);
  sb->sb_mbcnt -= sb_storage(m);
}
// After the first mbuf of the buffer has changed: repairs the tails.
void sb_empty_fixup(sockbuf* sb);
// Takes the first mbuf of the first record out, alone, accounts for it and repairs the buffer.
// REQUIRES: not empty.
MbufPtr sb_takefirst(sockbuf* sb);
// The same, and frees it.
void sb_dropfirst(sockbuf* sb);

// What sblock and sbunlock do when somebody else wants the lock: wait until it is free, with the
// errors of sblock; wake who waits.
[[nodiscard]] int sb_awaitlock(sockbuf* sb, bool wait);
void sb_offerlock(sockbuf* sb);

// Waits until nobody holds the lock. [sleeps] "netlck". Errors: those of sblock.
[[nodiscard]] inline int sb_awaitfree(sockbuf* sb, bool wait) {
  return (sb->sb_flags & SB_LOCK) == 0 ? 0 : sb_awaitlock(sb, wait);
}
// Takes the lock. REQUIRES: nobody holds it.
inline void sb_takelock(sockbuf* sb) {
  sb->sb_flags |= SB_LOCK;
  if (proc* const p = curproc()) ++p->p_sblocks;
}
// Locks the buffer for a whole call. [sleeps] "netlck". Errors: EWOULDBLOCK (`wait` false and
// held), EINTR, kERESTART; on error the lock is not held.
[[nodiscard]] inline int sblock(sockbuf* sb, bool wait) {
  if (const int error = sb_awaitfree(sb, wait)) return error;
  sb_takelock(sb);
  return 0;
}
// REQUIRES: locked by the caller.
inline void sbunlock(sockbuf* sb) {
  KASSERT((sb->sb_flags & SB_LOCK) != 0);
  sb->sb_flags &= ~SB_LOCK;
  if (proc* const p = curproc()) {
    KASSERT(p->p_sblocks > 0);
    --p->p_sblocks;
  }
  if ((sb->sb_flags & SB_WANT) != 0) [[unlikely]]
    sb_offerlock(sb);
}
// Waits for a change. [sleeps] "netio". Errors: EWOULDBLOCK (sb_timeo), EINTR, kERESTART.
[[nodiscard]] int sbwait(sockbuf* sb);

// A control message of `size` bytes of data, or null (too big, no mbuf). Never waits.
MbufPtr sbcreatecontrol(const void* data, size_t size, int type, int level);

// What is wrong with the buffer, of the invariants above (but 10, which sbappendstream asserts), as
// a sentence; null when it is sound.
const char* sb_broken(const sockbuf* sb);
// Stops the run, showing the first record, if sb_broken has something to say.
void sbcheck(const sockbuf* sb);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKBUF_H_
