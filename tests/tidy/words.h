// The words that may not stand in the tree: where each is banned, and what to write instead.
//
// Lives here:  Word, kWords.
// Called by:   rules.
#ifndef SOCKBED_TESTS_TIDY_WORDS_H_
#define SOCKBED_TESTS_TIDY_WORDS_H_

#include <string_view>

namespace sockbed::tidy {

struct Word {
  enum class Kind {
    kWord,    // the identifier, anywhere in code
    kCall,    // a call of the free function, not of a member or of another namespace's
    kSuffix,  // an identifier that ends so
  };
  std::string_view word;
  Kind kind;
  std::string_view rooms;  // folders, separated by spaces, tests excepted; "" is everywhere
  std::string_view instead;
};

// What must repeat from run to run. Programs and tests above it may do as they like.
inline constexpr std::string_view kMachineRooms = "kernel/ bio/ ssl/";
inline constexpr std::string_view kQuietRooms = "kernel/ bio/ ssl/ uapi/";

inline constexpr std::string_view kUseRandom = "a named decision (kernel/sim/random.h)";
inline constexpr std::string_view kUseClock = "the virtual clock (Machine::now)";
inline constexpr std::string_view kUseTrace = "the trace (kernel/sim/trace.h); no layer prints";
inline constexpr std::string_view kUseFiber = "fibers and tsleep; a simulation has one thread";

inline constexpr Word kWords[] = {
    {"rand", Word::Kind::kCall, "", kUseRandom},
    {"srand", Word::Kind::kCall, "", kUseRandom},
    {"random", Word::Kind::kCall, "", kUseRandom},
    {"drand48", Word::Kind::kCall, "", kUseRandom},
    {"arc4random", Word::Kind::kCall, kMachineRooms, kUseRandom},
    {"getrandom", Word::Kind::kCall, kMachineRooms, kUseRandom},
    {"getentropy", Word::Kind::kCall, kMachineRooms, kUseRandom},
    {"random_device", Word::Kind::kWord, "", kUseRandom},
    {"default_random_engine", Word::Kind::kWord, "", kUseRandom},
    {"mt19937", Word::Kind::kWord, "", kUseRandom},
    {"mt19937_64", Word::Kind::kWord, "", kUseRandom},
    {"BitGen", Word::Kind::kWord, "", kUseRandom},
    {"InsecureBitGen", Word::Kind::kWord, "", kUseRandom},
    {"_distribution", Word::Kind::kSuffix, "", kUseRandom},
    {"random_shuffle", Word::Kind::kWord, "", kUseRandom},

    {"gettimeofday", Word::Kind::kCall, kMachineRooms, kUseClock},
    {"clock_gettime", Word::Kind::kCall, kMachineRooms, kUseClock},
    {"system_clock", Word::Kind::kWord, kQuietRooms, kUseClock},
    {"steady_clock", Word::Kind::kWord, kQuietRooms, kUseClock},
    {"high_resolution_clock", Word::Kind::kWord, "", "steady_clock, outside the simulation"},
    {"sleep", Word::Kind::kCall, kMachineRooms, "tsleep"},
    {"usleep", Word::Kind::kCall, kMachineRooms, "tsleep"},
    {"nanosleep", Word::Kind::kCall, kMachineRooms, "tsleep"},

    {"printf", Word::Kind::kCall, kQuietRooms, kUseTrace},
    {"fprintf", Word::Kind::kCall, kQuietRooms, kUseTrace},
    {"vprintf", Word::Kind::kCall, kQuietRooms, kUseTrace},
    {"vfprintf", Word::Kind::kCall, kQuietRooms, kUseTrace},
    {"puts", Word::Kind::kCall, kQuietRooms, kUseTrace},
    {"fputs", Word::Kind::kCall, kQuietRooms, kUseTrace},
    {"cout", Word::Kind::kWord, kQuietRooms, kUseTrace},
    {"cerr", Word::Kind::kWord, kQuietRooms, kUseTrace},
    {"sprintf", Word::Kind::kCall, "", "snprintf or absl::StrFormat"},
    {"strcpy", Word::Kind::kCall, "", "std::string or a bounded copy"},
    {"strcat", Word::Kind::kCall, "", "std::string or a bounded copy"},

    {"assert", Word::Kind::kCall, "", "KASSERT (kernel/sim/kassert.h)"},
    {"throw", Word::Kind::kWord, "kernel/ bio/ ssl/ uapi/ tools/", "an errno or absl::Status"},
    {"catch", Word::Kind::kWord, kQuietRooms, "an errno; nothing here throws"},
    {"getenv", Word::Kind::kCall, kQuietRooms, "a sysctl, a scenario key or a flag"},
    {"std::thread", Word::Kind::kWord, kQuietRooms, kUseFiber},
    {"std::mutex", Word::Kind::kWord, kQuietRooms, kUseFiber},
    {"pthread_create", Word::Kind::kCall, kQuietRooms, kUseFiber},
};

// Libraries that one room alone may know.
struct Library {
  std::string_view include;
  std::string_view rooms;
};

inline constexpr Library kLibraries[] = {
    {"boost/", "kernel/sim/"},
    {"openssl/", "bio/ ssl/ tests/"},
    {"yaml-cpp/", "tools/"},
};

}  // namespace sockbed::tidy

#endif  // SOCKBED_TESTS_TIDY_WORDS_H_
