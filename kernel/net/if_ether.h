// Ethernet: addresses, the frame's header, and what an interface needs to speak it.
//
// Lives here:  ether_addr, EtherView, EtherHeader; ether_ifattach, ether_output, ether_input; the
//              groups that an interface listens to.
// Called by:   Link (attaches, hands frames in), inet (ARP sends frames; multicast membership).
// May touch:   the rest of net. Link addresses of neighbours are the families' to know: if_family's
//              `resolve`.
// Context:     any; never sleeps.
// Owns:        a frame is taken by whatever it is passed to as MbufPtr.
// Units:       bytes; a frame's length is without preamble and check sequence.
// Invariants:  1. A frame on the wire has at least 60 bytes.
//              2. if_mtu is of what the frame carries.
//              3. A frame bears no pending checksum: what was left to the interface is computed
//                 before the header goes in front.
// Source:      OpenBSD sys/net/if_ethersubr.c, sys/netinet/if_ether.h; RFC 894, RFC 1042.
// Differs:     an unwanted frame is counted (ifi_notours).
#ifndef SOCKBED_KERNEL_NET_IF_ETHER_H_
#define SOCKBED_KERNEL_NET_IF_ETHER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "kernel/mbuf/mbuf.h"
#include "kernel/net/if.h"

namespace sockbed {

inline constexpr int kEtherHeader = 14;
inline constexpr int kEtherLeast = 60;      // shorter frames are padded with zeros
inline constexpr uint32_t kEtherMtu = 1500;
inline constexpr uint32_t kEtherMtuLeast = 68;
inline constexpr uint32_t kEtherMtuMost = 9216;  // jumbo frames

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

inline constexpr ether_addr kEtherBroadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

inline bool ether_ismulticast(const ether_addr& a) { return (a.octets[0] & 1) != 0; }

// "02:00:00:01:00:02".
std::string ether_sprintf(const ether_addr& a);
// As the trace shows one: six octets in a number.
uint64_t ether_pack(const ether_addr& a);

// A frame's header, read. REQUIRES: at least 14 bytes.
class EtherView {
 public:
  EtherView(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kEtherHeader);
  }
  ether_addr destination() const { return Load(0); }
  ether_addr source() const { return Load(6); }
  uint16_t type() const { return static_cast<uint16_t>(p_[12] << 8 | p_[13]); }

 private:
  ether_addr Load(size_t at) const {
    ether_addr a;
    std::memcpy(a.octets.data(), p_ + at, a.octets.size());
    return a;
  }
  const uint8_t* p_;
};

// A frame's header, to be written.
struct EtherHeader {
  ether_addr destination, source;
  uint16_t type;

  void Write(void* data, size_t size) const {
    KASSERT(size >= kEtherHeader);
    uint8_t* p = static_cast<uint8_t*>(data);
    std::memcpy(p, destination.octets.data(), 6);
    std::memcpy(p + 6, source.octets.data(), 6);
    p[12] = static_cast<uint8_t>(type >> 8);
    p[13] = static_cast<uint8_t>(type);
  }
};

// Makes ifp an Ethernet interface of that address: broadcast, multicast, simplex; `transmit` puts a
// whole frame on the wire. REQUIRES: attached, not up.
void ether_ifattach(ifnet* ifp, const ether_addr& address, int (*transmit)(ifnet*, MbufPtr));

// Sends what m holds in a frame of that type to that address. Takes. A broadcast or multicast that
// this host listens to is looped back by the caller. Errors: ENETDOWN, ENOBUFS.
[[nodiscard]] int ether_send(ifnet* ifp, MbufPtr m, const ether_addr& to, uint16_t type);

// A frame has arrived. Takes. What is not for this host is dropped, else its contents go to their
// family (AF_INET, AF_INET6; ARP: kFamilyArp). REQUIRES: interrupt context of ifp's host.
void ether_input(ifnet* ifp, MbufPtr m);

// ARP in the table of families: it is none, but takes packets like one.
inline constexpr int kFamilyArp = 18;  // AF_LINK

// The group's address on the link: 01:00:5e and the low 23 bits (RFC 1112 6.4); 33:33 and the low
// 32 bits (RFC 2464 7).
ether_addr ether_multicast4(uint32_t group_in_host_order);
ether_addr ether_multicast6(const uint8_t group[16]);

// Listens, or no longer, to a group; the calls are counted. REQUIRES: leaving follows joining.
void ether_addmulti(ifnet* ifp, const ether_addr& group);
void ether_delmulti(ifnet* ifp, const ether_addr& group);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_IF_ETHER_H_
