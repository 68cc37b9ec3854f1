// Floating point's exception flags, made equal on all stacks.
//
// Lives here:  RaiseInexact.
// Called by:   Machine, for the thread and for each new fiber; BareFiber.
// A switch of stacks carries the processor's MXCSR register along, with the flags in which it notes
// what arithmetic has met so far (C's fetestexcept). Loading the value that stands there already is
// free; loading another one costs fifty nanoseconds, ten times the rest of the switch. Nearly all
// arithmetic raises "inexact", and no flag falls by itself: stacks that begin with it raised stay
// alike, whether they calculate or not.
// Differs:     a program begins with FE_INEXACT raised; C has all flags down.
#ifndef SOCKBED_KERNEL_SIM_FLOAT_FLAGS_H_
#define SOCKBED_KERNEL_SIM_FLOAT_FLAGS_H_

namespace sockbed {

// By doing such arithmetic: feraiseexcept may raise the flag of the x87 unit alone.
inline void RaiseInexact() {
  volatile double one = 1;
  one = one / 3;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_FLOAT_FLAGS_H_
