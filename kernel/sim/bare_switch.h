// The least that changing stacks can cost: Boost.Context's jump and nothing around it.
//
// Lives here:  BareFiber.
// Called by:   benchmarks only, as the reference for fibers, sleeping and waking.
#ifndef SOCKBED_KERNEL_SIM_BARE_SWITCH_H_
#define SOCKBED_KERNEL_SIM_BARE_SWITCH_H_

#include <boost/context/detail/fcontext.hpp>

#include "kernel/sim/float_flags.h"
#include "kernel/sim/stack_pool.h"

namespace sockbed {

// A stack on which `main` runs whenever it is jumped to. `main` never returns; it goes back with
// Switch, too.
class BareFiber {
 public:
  using Context = boost::context::detail::fcontext_t;
  // `back` stands for whoever jumped in, and must be kept up to date by Switch(&back).
  using Main = void (*)(Context back, void* arg);

  BareFiber(StackPool& pool, Main main, void* arg = nullptr)
      : pool_(pool), stack_(pool.Take(64 * 1024)) {
    Start start = {main, arg};
    const auto entry = +[](boost::context::detail::transfer_t from) {
      const Start what = *static_cast<const Start*>(from.data);
      what.main(from.fctx, what.arg);
    };
    RaiseInexact();
    const auto first =
        boost::context::detail::make_fcontext(stack_.top(), stack_.bytes, entry);
    context_ = boost::context::detail::jump_fcontext(first, &start).fctx;
  }
  ~BareFiber() { pool_.Give(stack_); }
  BareFiber(const BareFiber&) = delete;
  BareFiber& operator=(const BareFiber&) = delete;

  // Runs the fiber until it switches back.
  void Run() { Switch(&context_); }

  // Leaves for `*other` until somebody comes back, and notes where that one stands.
  static void Switch(Context* other) {
    *other = boost::context::detail::jump_fcontext(*other, nullptr).fctx;
  }

 private:
  struct Start {
    Main main;
    void* arg;
  };

  StackPool& pool_;
  const Stack stack_;
  Context context_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_BARE_SWITCH_H_
