#include "kernel/sim/kassert.h"

#include <gtest/gtest.h>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

TEST(KassertTest, PassesWhatIsTrue) {
  int evaluated = 0;
  KASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(KassertDeathTest, NamesExpressionAndPlace) {
  EXPECT_DEATH(KASSERT(1 + 1 == 3), "panic: KASSERT\\(1 \\+ 1 == 3\\) at .*kassert_test.cc:[0-9]+");
}

TEST(KassertDeathTest, SaysWhereTheSimulationStands) {
  Machine machine({.seed = 77});
  machine.trace().NameHost(2, "client");
  MachineScope scope(machine);
  Here().host_id = 2;
  Here().now = 1'500'000'000;
  Emit(Room::kSim, 0, 0, 4711);
  EXPECT_DEATH(KPANIC("out of luck"),
               "panic: out of luck at .*\n"
               "  host 2, no process, virtual time 1.500000000 s, seed 77.*\n"
               ".*\n.*seed 77\n.*client .*seed 4711");
}

TEST(KassertDeathTest, PanicsOnAFiberToo) {
  EXPECT_DEATH(
      {
        Machine machine({});
        Fiber fiber;
        machine.StartFiber(&fiber, [](void*) { KASSERT(false); }, nullptr);
        machine.Run();
      },
      "KASSERT\\(false\\)");
}

}  // namespace
}  // namespace sockbed
