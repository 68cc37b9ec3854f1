// The table of sites: every place where chance or a fault may enter a run, with
// what it means there.
//
// Lives here:  Site, its names and meanings.
// Called by:   whoever draws (random.h), fires (fault.h) or chooses (choices.h).
// Invariants:  1. A site's name never changes its meaning: recorded decisions carry the
//                 name, and what is drawn at a site is keyed by it, so the table may be
//                 reordered and grow anywhere.
//              2. Names are "room.what", lower case, each used once.
#ifndef SOCKBED_KERNEL_SIM_SITES_H_
#define SOCKBED_KERNEL_SIM_SITES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sockbed {

// X(constant, name, kind, meaning). Kinds: choice (one of n legal orders), fault (something that
// may fail in life; also what a link's loss rate asks), stream (a named sequence of random values).
#define SOCKBED_SITES(X)                                                                          \
  X(kRunNext, "sched.next", kChoice, "which runnable process runs next")                          \
  X(kEventNext, "sim.next", kChoice, "which of several events of one instant comes first")        \
  X(kMbufGet, "mbuf.get", kFault, "an mbuf that may not wait is refused")                         \
  X(kMbufCluster, "mbuf.cluster", kFault, "a cluster that may not wait is refused; object: pool") \
  X(kPoolGet, "pool.get", kFault, "a socket, pcb or table entry that may not wait is refused")    \
  X(kLinkDrop, "link.drop", kFault, "the link loses a packet; object: the link's direction")      \
  X(kLinkDuplicate, "link.duplicate", kFault, "the link delivers a packet twice")                 \
  X(kLinkReorder, "link.reorder", kFault, "a packet is held back so that later ones overtake it") \
  X(kLinkCorrupt, "link.corrupt", kFault, "one bit of the packet flips")                          \
  X(kLinkTruncate, "link.truncate", kFault, "the end of the packet is missing")                   \
  X(kLinkDelay, "link.delay", kFault, "the packet takes extra time")                              \
  X(kSleepInterrupt, "sleep.interrupt", kFault, "an interruptible sleep ends with EINTR")         \
  X(kSleepKill, "sleep.kill", kFault, "SIGKILL comes as an interruptible sleep begins or ends")   \
  X(kSleepSignal, "sleep.signal", kFault, "SIGUSR1 comes as one begins or ends")                  \
  X(kSleepTimeout, "sleep.timeout", kFault, "the limit of a sleep that has one comes at once")    \
  X(kThreadPreempt, "thread.preempt", kFault, "at a lock or the like another thread comes first") \
  X(kProcKill, "proc.kill", kFault, "a process receives SIGKILL at a system call")                \
  X(kHostCrash, "host.crash", kFault, "the host stops for good at a system call")                 \
  X(kFdLimit, "fd.limit", kFault, "a new descriptor is refused with EMFILE")                      \
  X(kFileLimit, "file.limit", kFault, "a new open file is refused with ENFILE")                   \
  X(kSyscallShort, "syscall.short", kFault, "a read or write moves fewer bytes than it could")    \
  X(kSyscallByte, "syscall.byte", kFault, "a read or write moves one byte")                       \
  X(kResolvFail, "resolv.fail", kFault, "a name look-up fails with EAI_AGAIN")                    \
  X(kSslRand, "ssl.rand", kFault, "OpenSSL's random source fails")                                \
  X(kSslMalloc, "ssl.malloc", kFault, "OpenSSL's allocator returns null")                         \
  X(kSslVerify, "ssl.verify", kFault, "a peer's certificate chain cannot be checked")             \
  X(kLinkRandom, "link.random", kStream, "how late, which bit: the size of what a link does")     \
  X(kTcpIss, "tcp.iss", kStream, "secret of the initial sequence numbers")                        \
  X(kTcpTsoff, "tcp.tsoff", kStream, "timestamp offsets of connections")                          \
  X(kTcpSynHash, "tcp.synhash", kStream, "secret of the SYN cache's hash")                        \
  X(kTcpCookie, "tcp.cookie", kStream, "secrets of SYN cookies")                                  \
  X(kTcpFastOpen, "tcp.tfo", kStream, "keys of Fast Open cookies")                                \
  X(kTcpClock, "tcp.clock", kStream, "where a host's TCP clock starts")                           \
  X(kInpPort, "inp.port", kStream, "ephemeral ports")                                             \
  X(kIpId, "ip.id", kStream, "IPv4 identifications")                                              \
  X(kIp6FragId, "ip6.fragid", kStream, "IPv6 fragment identifications")                           \
  X(kIp6Flow, "ip6.flow", kStream, "IPv6 flow labels")                                            \
  X(kNdJitter, "nd.jitter", kStream, "neighbour discovery and membership report delays")          \
  X(kOpenssl, "openssl", kStream, "every byte that OpenSSL draws")                                \
  X(kGetrandom, "getrandom", kStream, "getrandom(2), getentropy(3), /dev/urandom")                \
  X(kProgram, "program", kStream, "what a simulated program draws for itself")

enum class Site : uint16_t {
#define SOCKBED_SITE_ENUM(constant, name, kind, meaning) constant,
  SOCKBED_SITES(SOCKBED_SITE_ENUM)
#undef SOCKBED_SITE_ENUM
      kCount
};

enum class SiteKind : uint8_t { kChoice, kFault, kStream };

// What a site's draws are keyed by: FNV-1a over its name.
constexpr uint64_t SiteKey(std::string_view name) {
  uint64_t key = 0xcbf29ce484222325;
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return key;
}

struct SiteInfo {
  std::string_view name;
  SiteKind kind;
  std::string_view meaning;
  uint64_t key;
};

inline constexpr size_t kSiteCount = static_cast<size_t>(Site::kCount);
inline constexpr std::array<SiteInfo, kSiteCount> kSites = {{
#define SOCKBED_SITE_INFO(constant, name, kind, meaning) \
  {name, SiteKind::kind, meaning, SiteKey(name)},
    SOCKBED_SITES(SOCKBED_SITE_INFO)
#undef SOCKBED_SITE_INFO
}};

constexpr const SiteInfo& InfoOf(Site site) { return kSites[static_cast<size_t>(site)]; }

// The site of that name, or nothing.
std::optional<Site> FindSite(std::string_view name);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_SITES_H_
