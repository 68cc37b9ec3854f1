// Looks for what our rooms ask of the host in their object archives. Whatever could differ between
// two runs of one seed must come from the machine (kernel/sim) instead; a call that hides behind a
// macro, a wrapper or a header's inline function is an import like any other.
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

struct Forbidden {
  std::string_view symbol;  // up to a *, if it ends in one
  std::string_view reason;
};

constexpr std::string_view kClock = "time is Machine::now";
constexpr std::string_view kChance = "chance is a named decision (kernel/sim/random.h)";
constexpr std::string_view kThread = "processes are fibers; a simulation has one thread";
constexpr std::string_view kSleep = "waiting is tsleep or an event";
constexpr std::string_view kWorld = "the host's environment differs from machine to machine";
constexpr std::string_view kFiles = "only tools/ touches files, only the simulation the network";

constexpr Forbidden kForbidden[] = {
    {"time", kClock},
    {"ftime", kClock},
    {"clock", kClock},
    {"times", kClock},
    {"clock_gettime", kClock},
    {"gettimeofday", kClock},
    {"timespec_get", kClock},
    {"localtime*", kClock},
    {"mktime", kClock},
    {"_ZNSt6chrono3_V2*", kClock},  // std::chrono's clocks
    {"_ZN4absl12lts_202206233NowEv", kClock},
    {"_ZN4absl12lts_2022062319GetCurrentTimeNanosEv", kClock},

    {"rand", kChance},
    {"rand_r", kChance},
    {"srand", kChance},
    {"random", kChance},
    {"srandom", kChance},
    {"drand48", kChance},
    {"lrand48", kChance},
    {"mrand48", kChance},
    {"getrandom", kChance},
    {"getentropy", kChance},
    {"arc4random*", kChance},
    {"_ZNSt13random_device*", kChance},
    {"_ZN4absl12lts_2022062315random_internal*", kChance},

    {"pthread_create", kThread},
    {"thrd_create", kThread},
    {"fork", kThread},
    {"clone", kThread},
    {"_ZNSt6thread*", kThread},

    {"sleep", kSleep},
    {"usleep", kSleep},
    {"nanosleep", kSleep},
    {"clock_nanosleep", kSleep},

    {"getenv", kWorld},
    {"secure_getenv", kWorld},
    {"environ", kWorld},
    {"getpid", kWorld},
    {"gettid", kWorld},
    {"gethostname", kWorld},
    {"setlocale", kWorld},

    {"open", kFiles},
    {"open64", kFiles},
    {"openat", kFiles},
    {"fopen", kFiles},
    {"fopen64", kFiles},
    {"socket", kFiles},
    {"connect", kFiles},
    {"bind", kFiles},
    {"recvmsg", kFiles},
    {"sendmsg", kFiles},
    {"poll", kFiles},
    {"select", kFiles},
    {"epoll_wait", kFiles},
};

bool Matches(std::string_view pattern, std::string_view symbol) {
  if (!pattern.ends_with('*')) return pattern == symbol;
  return symbol.starts_with(pattern.substr(0, pattern.size() - 1));
}

// The paths in an environment variable that BUILD sets.
std::vector<std::string> Archives(const char* variable) {
  const char* value = std::getenv(variable);
  std::istringstream in(value == nullptr ? "" : value);
  std::vector<std::string> paths;
  for (std::string path; in >> path;) paths.push_back(path);
  return paths;
}

// The lines of `nm -A -u`: "archive:object:   U symbol".
std::vector<std::string> Imports(const std::string& archive) {
  std::vector<std::string> lines;
  FILE* nm = popen(("nm -A -u " + archive).c_str(), "r");
  char line[4096];
  while (nm != nullptr && std::fgets(line, sizeof(line), nm) != nullptr) lines.emplace_back(line);
  EXPECT_EQ(pclose(nm), 0) << archive;
  return lines;
}

// One line for each import that is forbidden.
std::string Faults(const std::vector<std::string>& archives) {
  std::string faults;
  for (const std::string& archive : archives) {
    for (const std::string& line : Imports(archive)) {
      const size_t at = line.find(" U ");
      if (at == line.npos) continue;
      const std::string symbol = line.substr(at + 3, line.find('\n') - at - 3);
      for (const Forbidden& forbidden : kForbidden) {
        if (!Matches(forbidden.symbol, symbol)) continue;
        faults += line.substr(0, line.find(": ")) + " imports " + symbol + ": " +
                  std::string(forbidden.reason) + "\n";
      }
    }
  }
  return faults;
}

TEST(Imports, RoomsAskTheHostForNothingThatVaries) {
  const std::vector<std::string> rooms = Archives("ROOMS");
  ASSERT_GT(rooms.size(), 1u);
  const std::string faults = Faults(rooms);
  if (!faults.empty()) FAIL() << "\n" << faults;
}

// A test that finds nothing must be shown to see.
TEST(Imports, APlantedLibraryIsCaught) {
  const std::string faults = Faults(Archives("PLANTED"));
  EXPECT_NE(faults.find(" imports clock_gettime: "), faults.npos) << faults;
  EXPECT_NE(faults.find(" imports rand: "), faults.npos) << faults;
  EXPECT_NE(faults.find(" imports _ZNSt6chrono3_V212steady_clock3nowEv: "), faults.npos) << faults;
  EXPECT_NE(faults.find(" imports _ZNSt13random_device"), faults.npos) << faults;
  EXPECT_EQ(faults.find("memcmp"), faults.npos) << faults;
}

}  // namespace
}  // namespace sockbed
