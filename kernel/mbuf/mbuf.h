// The mbuf: a small buffer that can be chained, and can share what it does not hold itself.
//
// Lives here:  struct mbuf with its packet header and external storage; sizes, flags and types;
//              geometry (m_leadingspace, m_align, ...). Making and freeing: mbuf_alloc.h. Chains:
//              chain.h.
// Called by:   everything that carries packets or fills socket buffers.
// May touch:   sim (what caused a packet).
// Context:     any; never sleeps.
// Owns:        m_next and m_nextpkt own what they point at; only mbuf/ and socket/ write them.
// Units:       bytes.
// Invariants:  1. m_data .. m_data + m_len lies inside the data area.
//              2. A packet's first mbuf, and no other, has M_PKTHDR; m_pkthdr.len is the sum of
//                 m_len.
//              3. ph_tagsset is the union of the tags' ids.
//              4. M_EXTWR implies M_EXT; sharers agree on buffer, size and release function.
//              5. m_nextpkt is null in every mbuf that does not head a queued packet.
//              m_check (chain.h) walks a chain and tests all five.
// Source:      OpenBSD sys/sys/mbuf.h; mbuf(9). Spec 8 numbers the invariants the same way.
// Differs:     the object is larger than MSIZE: it also names who pays and who allocated it, and
//              the packet carries when it will arrive. All sizes below keep the 64-bit kernel's
//              values.
#ifndef SOCKBED_KERNEL_MBUF_MBUF_H_
#define SOCKBED_KERNEL_MBUF_MBUF_H_

#include <cstdint>

#include "kernel/mbuf/mbuf_ptr.h"
#include "kernel/sim/context.h"
#include "kernel/sim/kassert.h"

struct timeval;

namespace sockbed {

// --- Sizes: those of the 64-bit kernel, whatever the host. ---

inline constexpr int MSIZE = 256;        // what one mbuf costs a socket buffer
inline constexpr int MLEN = MSIZE - 32;  // data in an mbuf without packet header: 224
inline constexpr int MHLEN = MLEN - 80;  // ... with packet header: 144
inline constexpr int MCLSHIFT = 11;
inline constexpr int MCLBYTES = 1 << MCLSHIFT;  // the smallest cluster: 2048
inline constexpr int MAXMCLBYTES = 64 * 1024;   // the largest, and the longest contiguous region
inline constexpr int MINCLSIZE = MHLEN + MLEN + 1;  // from here on a cluster beats two mbufs: 369
inline constexpr int M_COPYALL = 1'000'000'000;     // m_copym: to the end of the chain
inline constexpr int M_MAXLOOP = 128;               // ph_loopcnt beyond this: ELOOP
inline constexpr int PACKET_TAG_MAXSIZE = 80;
inline constexpr int IFQ_DEFPRIO = 3;  // m_pkthdr.pf.prio of a new packet

inline constexpr int max_linkhdr = 16;   // room for the link header in a new packet
inline constexpr int max_protohdr = 60;  // IPv6 and TCP
inline constexpr int max_hdr = max_linkhdr + max_protohdr;
static_assert(max_linkhdr + 40 + 20 <= MHLEN);

// --- How an allocation may fail. ---

inline constexpr int M_WAIT = 0x0001;      // never: sleeps until there is memory
inline constexpr int M_DONTWAIT = 0x0002;  // at once, with null
inline constexpr int M_WAITOK = M_WAIT;
inline constexpr int M_NOWAIT = M_DONTWAIT;

// --- m_type. ---

inline constexpr int MT_FREE = 0;
inline constexpr int MT_DATA = 1;
inline constexpr int MT_HEADER = 2;
inline constexpr int MT_SONAME = 3;   // a socket address
inline constexpr int MT_SOOPTS = 4;   // an option's value
inline constexpr int MT_FTABLE = 5;   // head of a reassembly queue
inline constexpr int MT_CONTROL = 6;  // ancillary data
inline constexpr int MT_OOBDATA = 7;  // the urgent byte
inline constexpr int MT_NTYPES = 8;

// --- m_flags. Those of M_COPYFLAGS travel with the packet header. ---

inline constexpr uint16_t M_EXT = 0x0001;      // data is in external storage
inline constexpr uint16_t M_PKTHDR = 0x0002;   // m_pkthdr is valid
inline constexpr uint16_t M_EOR = 0x0004;      // ends a record
inline constexpr uint16_t M_EXTWR = 0x0008;    // external storage may be written while unshared
inline constexpr uint16_t M_PROTO1 = 0x0010;   // protocol private
inline constexpr uint16_t M_VLANTAG = 0x0020;  // ether_vtag is valid
inline constexpr uint16_t M_LOOP = 0x0040;     // sent by this host to itself
inline constexpr uint16_t M_BCAST = 0x0100;    // link-level broadcast
inline constexpr uint16_t M_MCAST = 0x0200;    // link-level multicast
inline constexpr uint16_t M_CONF = 0x0400;     // was encrypted
inline constexpr uint16_t M_AUTH = 0x0800;     // was authenticated
inline constexpr uint16_t M_TUNNEL = 0x1000;   // came out of a tunnel
inline constexpr uint16_t M_ZEROIZE = 0x2000;  // wipe the data when it is freed
inline constexpr uint16_t M_COMP = 0x4000;     // header was decompressed
inline constexpr uint16_t M_LINK0 = 0x8000;    // link private
inline constexpr uint16_t M_COPYFLAGS = M_PKTHDR | M_EOR | M_PROTO1 | M_VLANTAG | M_LOOP | M_BCAST |
                                        M_MCAST | M_CONF | M_AUTH | M_TUNNEL | M_ZEROIZE | M_COMP |
                                        M_LINK0;

// --- m_pkthdr.csum_flags. OUT: still to be computed, by ip_output or the interface. IN: the
// receiving interface's verdict; with neither bit the protocol verifies. ---

inline constexpr uint16_t M_IPV4_CSUM_OUT = 0x0001;
inline constexpr uint16_t M_TCP_CSUM_OUT = 0x0002;
inline constexpr uint16_t M_UDP_CSUM_OUT = 0x0004;
inline constexpr uint16_t M_IPV4_CSUM_IN_OK = 0x0008;
inline constexpr uint16_t M_IPV4_CSUM_IN_BAD = 0x0010;
inline constexpr uint16_t M_TCP_CSUM_IN_OK = 0x0020;
inline constexpr uint16_t M_TCP_CSUM_IN_BAD = 0x0040;
inline constexpr uint16_t M_UDP_CSUM_IN_OK = 0x0080;
inline constexpr uint16_t M_UDP_CSUM_IN_BAD = 0x0100;
inline constexpr uint16_t M_ICMP_CSUM_OUT = 0x0200;
inline constexpr uint16_t M_ICMP_CSUM_IN_OK = 0x0400;
inline constexpr uint16_t M_ICMP_CSUM_IN_BAD = 0x0800;
inline constexpr uint16_t M_IPV6_DF_OUT = 0x1000;  // never fragment on the way out
inline constexpr uint16_t M_TIMESTAMP = 0x2000;    // ph_timestamp is valid
inline constexpr uint16_t M_FLOWID = 0x4000;       // ph_flowid is valid
inline constexpr uint16_t M_TCP_TSO = 0x8000;      // cut into segments of ph_mss

struct m_tag;        // mbuf_tags.h
struct MbufAccount;  // mbuf_host.h

// What a packet knows about itself. Valid in an mbuf with M_PKTHDR.
struct pkthdr {
  int32_t len = 0;           // bytes of the whole chain
  uint32_t ph_ifidx = 0;     // receiving interface; 0: generated here
  uint32_t ph_rtableid = 0;  // routing table
  uint16_t ph_tagsset = 0;   // union of the tags' ids [d]
  uint16_t ph_flowid = 0;    // hash of the flow
  uint16_t csum_flags = 0;
  uint16_t ph_mss = 0;      // segment size, for M_TCP_TSO
  uint16_t ether_vtag = 0;  // 802.1Q tag
  uint8_t ph_loopcnt = 0;   // times it was looped inside this host
  uint8_t ph_family = 0;    // address family while queued on an interface
  struct {
    uint8_t prio = IFQ_DEFPRIO;
  } pf;
  m_tag* ph_tags = nullptr;   // owned list
  int64_t ph_timestamp = 0;   // when it was received, ns since boot
  void* ph_cookie = nullptr;  // scratch of the layer that holds the packet
  uint64_t sim_id = 0;        // the packet's number for traces, counted per host that made it
  TraceId ph_cause = 0;       // the record that caused the packet: links a receive to its send
  int64_t ph_due = 0;         // virtual time of its arrival, and ...
  uint64_t ph_place = 0;      // ... its place among the events of that instant (net/)
};

// Storage outside the mbuf, shared through a ring of all mbufs that refer to it. Valid with M_EXT.
struct mbuf_ext {
  char* ext_buf = nullptr;  // start
  uint32_t ext_size = 0;
  uint32_t ext_free_fn = 0;     // index of the release function; 0: a cluster, back to its pool
  void* ext_arg = nullptr;      // for the release function; of a cluster: the account that pays
  mbuf* ext_nextref = nullptr;  // ring of sharers; itself: not shared
  mbuf* ext_prevref = nullptr;
};

// Where an mbuf was asked for: named by the leak report. Default argument of every function that
// makes one.
struct MbufSite {
  const char* file;
  uint64_t line;  // as wide as the pointer: the two travel in registers
  static constexpr MbufSite Here(const char* file = __builtin_FILE(),
                                 uint64_t line = __builtin_LINE()) {
    return {file, line};
  }
};

struct mbuf {
  mbuf* m_next;     // next mbuf of this packet
  mbuf* m_nextpkt;  // first mbuf of the next packet in a queue
  char* m_data;     // first valid byte
  int32_t m_len;    // valid bytes; may be 0 anywhere in a chain
  int16_t m_type;   // MT_*; change it with MCHTYPE
  uint16_t m_flags;
  MbufAccount* m_account;  // who pays for this mbuf (m_transfer)
  MbufSite m_site;         // who asked for it
  mbuf_ext m_ext;
  pkthdr m_pkthdr;
  // Internal data. With a packet header only the last MHLEN bytes are used: the area of both kinds
  // ends at the same place, and an mbuf that loses its header gains leading space, as in the
  // 256-byte original.
  char m_dat[MLEN];

  char* m_pktdat() { return m_dat + (MLEN - MHLEN); }
  const char* m_pktdat() const { return m_dat + (MLEN - MHLEN); }
};

// The data of `m` as T's, for m_len bytes. Bytes are unaligned: read wire formats through their
// views.
template <typename T>
T* mtod(mbuf* m) {
  return reinterpret_cast<T*>(m->m_data);
}
template <typename T>
const T* mtod(const mbuf* m) {
  return reinterpret_cast<const T*>(m->m_data);
}

// --- Geometry. All borrow. ---

inline bool m_isshared(const mbuf* m) {
  return (m->m_flags & M_EXT) != 0 && m->m_ext.ext_nextref != m;
}

// Whether the data may not be written: external, and either never writable or shared. m_copyback
// and stores through mtod do not ask; their callers must know.
inline bool M_READONLY(const mbuf* m) {
  return (m->m_flags & M_EXT) != 0 && ((m->m_flags & M_EXTWR) == 0 || m->m_ext.ext_nextref != m);
}

// The data area: its first byte and the one behind its last.
inline const char* m_area(const mbuf* m) {
  if ((m->m_flags & M_EXT) != 0) return m->m_ext.ext_buf;
  return (m->m_flags & M_PKTHDR) != 0 ? m->m_pktdat() : m->m_dat;
}
inline const char* m_areaend(const mbuf* m) {
  return (m->m_flags & M_EXT) != 0 ? m->m_ext.ext_buf + m->m_ext.ext_size : m->m_dat + MLEN;
}

// Bytes that may be written in front of, and behind, the data: 0 when read-only.
inline int m_leadingspace(const mbuf* m) {
  return M_READONLY(m) ? 0 : static_cast<int>(m->m_data - m_area(m));
}
inline int m_trailingspace(const mbuf* m) {
  return M_READONLY(m) ? 0 : static_cast<int>(m_areaend(m) - (m->m_data + m->m_len));
}

// Places m_data so that `len` bytes end at the end of the area, or up to 7 bytes before: 8-byte
// aligned.
// REQUIRES: writable; m_data at the start of the area; len, rounded up to 8, fits.
void m_align(mbuf* m, int len);
inline void M_ALIGN(mbuf* m, int len) { m_align(m, len); }
inline void MH_ALIGN(mbuf* m, int len) { m_align(m, len); }

// The time at which the packet was received, or else now, as wall time.
void m_microtime(const mbuf* m, timeval* tv);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_H_
