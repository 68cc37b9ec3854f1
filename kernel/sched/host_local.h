// Per-host storage: what each room keeps for each host, without the rooms below knowing of it.
//
// Lives here:  HostBase, HostSlot, HostLocal<T>.
// Called by:   every room from sched up; kernel/host fills the slots at boot.
// Owns:        a HostBase owns what stands in its slots and deletes it in reverse order of boot.
// Source:      the idea of FreeBSD's VNET(9).
#ifndef SOCKBED_KERNEL_SCHED_HOST_LOCAL_H_
#define SOCKBED_KERNEL_SCHED_HOST_LOCAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernel/sched/sysctl.h"
#include "kernel/sim/context.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

// One slot per room, in boot order.
enum class HostSlot : uint8_t {
  kSched,
  kMbuf,
  kSocket,
  kUnix,
  kNet,
  kInet,
  kUdp,
  kTcp,
  kUapi,
  kBio,
  kSsl,
  kProgram,
  kCount
};

// A count that must be back to zero when the host ends: mbufs, clusters, sockets, pcbs, timeouts.
struct LiveCount {
  const char* what;
  const int64_t* count;
};

// What every room sees of a host. kernel/host derives the public Host from it.
struct HostBase {
  HostBase(HostId id_in, std::string name_in) : id(id_in), name(std::move(name_in)) {}
  ~HostBase();
  HostBase(const HostBase&) = delete;
  HostBase& operator=(const HostBase&) = delete;

  const HostId id;  // counts from 1 in order of creation
  const std::string name;
  SysctlTable sysctls;                 // each room adds its own at boot
  std::vector<LiveCount> live_counts;  // each room adds its own at boot

  struct Slot {
    void* object = nullptr;
    void (*destroy)(void*) = nullptr;
  };
  std::array<Slot, static_cast<size_t>(HostSlot::kCount)> slots;
};

// Access to T, the per-host state of one room. T names its slot: static
// constexpr HostSlot kHostSlot.
template <typename T>
class HostLocal {
 public:
  // Makes the host's T. REQUIRES: called once per host, at boot.
  template <typename... Args>
  static T& Make(HostBase& host, Args&&... args) {
    HostBase::Slot& slot = host.slots[kIndex];
    KASSERT(slot.object == nullptr);
    T* object = new T(std::forward<Args>(args)...);
    slot = {object, [](void* p) { delete static_cast<T*>(p); }};
    return *object;
  }

  static T& Of(HostBase& host) { return *static_cast<T*>(host.slots[kIndex].object); }
  // The current host's. REQUIRES: on a host.
  static T& Get() { return Of(*Here().host); }
  static bool Has(const HostBase& host) { return host.slots[kIndex].object != nullptr; }

 private:
  static constexpr size_t kIndex = static_cast<size_t>(T::kHostSlot);
};

// Enters a host for set-up or tear-down from outside: interrupt context on that host.
class HostScope {
 public:
  explicit HostScope(HostBase& host) : saved_(Here()) {
    Here().who() = {.host = &host, .host_id = host.id};
  }
  ~HostScope() { Here().who() = saved_; }
  HostScope(const HostScope&) = delete;
  HostScope& operator=(const HostScope&) = delete;

 private:
  const Who saved_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_HOST_LOCAL_H_
