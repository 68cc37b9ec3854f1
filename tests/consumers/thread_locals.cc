// Threads that count, each for itself.
#include <stdio.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace {

thread_local int count = 5;
thread_local int turns;

struct Named {
  ~Named() { printf("%s has counted to %d in %d turns\n", name.c_str(), count, turns); }
  std::string name = "nobody";
};
thread_local Named self;

void Count(const std::string& name, int turns_wanted) {
  for (turns = 0; turns < turns_wanted; ++turns) {
    if (turns == 1) self.name = name;
    ++count;
    usleep(1000);
  }
}

}  // namespace

int main() {
  self.name = "main";
  std::thread a(Count, "a", 3), b(Count, "b", 7), c(Count, "c", 1);
  ++turns;
  a.join();
  b.join();
  c.join();
  return count - 5;
}
