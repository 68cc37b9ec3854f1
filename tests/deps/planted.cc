// What no room may do, for imports_test to find. Nothing calls it.
#include <time.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>

namespace sockbed {

long Planted(const char* a, const char* b) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const long ticks = std::chrono::steady_clock::now().time_since_epoch().count();
  return now.tv_nsec + ticks + std::random_device()() + rand() + memcmp(a, b, 3);
}

}  // namespace sockbed
