// Per-machine storage: what a room keeps for all hosts together, without sim knowing of the room.
//
// Lives here:  MachineSlot, MachineStore, MachineLocal<T>.
// Called by:   Machine (stacks); rooms whose memory moves between hosts (mbuf: packets cross
//              links).
// Owns:        a MachineStore owns what stands in its slots. Lent to one machine after another it
//              carries their pools along, so that a small run touches no fresh page.
// Invariants:  what is carried over is memory only: no value in it may reach a run.
#ifndef SOCKBED_KERNEL_SIM_MACHINE_LOCAL_H_
#define SOCKBED_KERNEL_SIM_MACHINE_LOCAL_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace sockbed {

// One slot per room that needs one.
enum class MachineSlot : uint8_t { kStacks, kMbuf, kCount };

class MachineStore {
 public:
  MachineStore() = default;
  ~MachineStore() {
    for (Slot& slot : slots_) {
      if (slot.object != nullptr) slot.destroy(slot.object);
    }
  }
  MachineStore(const MachineStore&) = delete;
  MachineStore& operator=(const MachineStore&) = delete;

 private:
  template <typename T>
  friend class MachineLocal;

  struct Slot {
    void* object = nullptr;
    void (*destroy)(void*) = nullptr;
  };
  std::array<Slot, static_cast<size_t>(MachineSlot::kCount)> slots_;
};

// Access to T, the per-machine state of one room. T names its slot:
// static constexpr MachineSlot kMachineSlot.
template <typename T>
class MachineLocal {
 public:
  // The store's T; made the first time it is asked for.
  static T& Of(MachineStore& store) {
    MachineStore::Slot& slot = store.slots_[static_cast<size_t>(T::kMachineSlot)];
    if (slot.object == nullptr) {
      slot = {new T, [](void* p) { delete static_cast<T*>(p); }};
    }
    return *static_cast<T*>(slot.object);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_MACHINE_LOCAL_H_
