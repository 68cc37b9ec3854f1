// Interrupt priority levels: spl(9).
//
// Lives here:  IPL_*, splraise and its named forms, splx, spl0, splassert, SplScope.
// Called by:   socket (the whole layer runs at splsoftnet), accept and connect of uapi, consumers
//              in the kernel.
// Context:     any. In interrupt context the level is above all others and stays there.
// Invariants:  1. A process keeps its level over a sleep, and others run at their own meanwhile:
//                 no level protects anything across a sleep.
//              2. It is IPL_NONE whenever a process returns to user mode (asserted by userret).
// Source:      OpenBSD share/man/man9/spl.9.
// Differs:     one CPU and no preemption: by default events run from the machine's loop only. A
//              level then keeps nothing out; it says what the code relies on, and splassert checks
//              that. With Machine::Options::deliver_at_splx packets and timeouts that are due come
//              wherever a process lowers its level below theirs, sleeps or returns to user mode.
#ifndef SOCKBED_KERNEL_SCHED_SPL_H_
#define SOCKBED_KERNEL_SCHED_SPL_H_

#include "kernel/sched/proc.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/machine.h"

namespace sockbed {

// From weak to strong: each blocks what those before it block, and more.
inline constexpr int IPL_NONE = 0, IPL_SOFTCLOCK = 1, IPL_SOFTNET = 2, IPL_BIO = 3, IPL_NET = 4;
inline constexpr int IPL_TTY = 5, IPL_VM = 6, IPL_CLOCK = 7, IPL_STATCLOCK = 7, IPL_SCHED = 8;
inline constexpr int IPL_HIGH = 9;

// The level of the running code.
inline int splget() {
  const proc* const p = curproc();
  return p != nullptr ? p->p_ipl : IPL_HIGH;
}

// Raises the level to `level`, or leaves it where it is if that is higher. Returns what it was.
inline int splraise(int level) {
  proc* const p = curproc();
  if (p == nullptr) return IPL_HIGH;
  const int was = p->p_ipl;
  if (level > was) p->p_ipl = static_cast<uint8_t>(level);
  return was;
}
inline int splsoftclock() { return splraise(IPL_SOFTCLOCK); }
inline int splsoftnet() { return splraise(IPL_SOFTNET); }
inline int splbio() { return splraise(IPL_BIO); }
inline int splnet() { return splraise(IPL_NET); }
inline int spltty() { return splraise(IPL_TTY); }
inline int splvm() { return splraise(IPL_VM); }
inline int splclock() { return splraise(IPL_CLOCK); }
inline int splstatclock() { return splraise(IPL_STATCLOCK); }
inline int splsched() { return splraise(IPL_SCHED); }
inline int splhigh() { return splraise(IPL_HIGH); }

// Sets the level of `p`, curproc, which is no lower; what it keeps out no longer may come.
inline void spl_lower(proc* p, uint8_t level) {
  const bool lowers = level < p->p_ipl;
  p->p_ipl = level;
  if (p->p_lets_in && lowers) [[unlikely]] Here().machine->LetIn(level);
}

// Goes back to what a raise has returned. REQUIRES: `s` is no higher than the level is.
inline void splx(int s) {
  KASSERT(s >= IPL_NONE && s <= splget());
  if (proc* const p = curproc()) spl_lower(p, static_cast<uint8_t>(s));
}
// Blocks nothing any more. Returns what the level was. REQUIRES: a process.
inline int spl0() {
  const int was = splget();
  splx(IPL_NONE);
  return was;
}

// The code that follows relies on a level of at least `level`.
inline void splassert(int level) { KASSERT(splget() >= level); }

// A raised level for a scope, unwinding included. It looks for the process once: every call of the
// socket layer makes one.
class SplScope {
 public:
  explicit SplScope(int level) : p_(curproc()), was_(p_ != nullptr ? p_->p_ipl : uint8_t{0}) {
    if (p_ != nullptr && level > was_) [[likely]] p_->p_ipl = static_cast<uint8_t>(level);
  }
  ~SplScope() {
    if (p_ == nullptr) return;
    KASSERT(was_ <= p_->p_ipl);
    spl_lower(p_, was_);
  }
  SplScope(const SplScope&) = delete;
  SplScope& operator=(const SplScope&) = delete;

 private:
  proc* const p_;  // null: interrupt context
  const uint8_t was_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SPL_H_
