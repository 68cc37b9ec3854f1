#include "ssl/err_swap.h"

#include <openssl/err.h>

#include "gtest/gtest.h"
#include "kernel/sim/machine.h"

namespace sockbed::ssl {
namespace {

void Raise(int reason) { ERR_raise_data(ERR_LIB_USER, reason, "number %d", reason); }

struct Noisy {
  int reason;
  int found = 0;
};

// Two fibers raise an error each, let the other run, and must find their own.
TEST(ErrSwap, EachFiberKeepsItsOwnErrors) {
  ERR_clear_error();
  ErrSwap swap;
  Machine machine(Machine::Options{});
  machine.AddSwitchHook(&swap);
  Fiber fibers[2];
  Noisy noisy[2] = {{11}, {22}};
  MachineScope scope(machine);
  for (int i = 0; i < 2; ++i) {
    machine.StartFiber(
        &fibers[i],
        [](void* arg) {
          auto* self = static_cast<Noisy*>(arg);
          Raise(self->reason);
          Here().machine->Yield();
          self->found = ERR_GET_REASON(ERR_peek_error());
          ERR_clear_error();
          Here().machine->Yield();
        },
        &noisy[i]);
  }
  machine.Run();
  EXPECT_EQ(noisy[0].found, 11);
  EXPECT_EQ(noisy[1].found, 22);
  EXPECT_EQ(ERR_peek_error(), 0ul);
}

TEST(ErrSwap, TheEventLoopsErrorsAreNotTheFibers) {
  ErrSwap swap;
  Machine machine(Machine::Options{});
  machine.AddSwitchHook(&swap);
  MachineScope scope(machine);
  Fiber fiber;
  unsigned long seen = 1;
  machine.StartFiber(
      &fiber, [](void* arg) { *static_cast<unsigned long*>(arg) = ERR_peek_error(); }, &seen);
  ERR_clear_error();
  Raise(33);
  machine.Run();
  EXPECT_EQ(seen, 0ul);
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), 33);
}

// What a fiber leaves in its queue when it ends is dropped, not leaked and not left to the next.
TEST(ErrSwap, AnEndedFibersErrorsAreDropped) {
  ERR_clear_error();
  ErrSwap swap;
  Machine machine(Machine::Options{});
  machine.AddSwitchHook(&swap);
  MachineScope scope(machine);
  Fiber fiber;
  machine.StartFiber(
      &fiber, [](void*) { Raise(44); }, nullptr);
  machine.Run();
  EXPECT_EQ(ERR_peek_error(), 0ul);
}

}  // namespace
}  // namespace sockbed::ssl
