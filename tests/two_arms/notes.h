// What a body of calls has seen, in words that compare.
//
// Lives here:  Notes, Note, Case.
// Called by:   the bodies (*_cases.cc), which are written against POSIX's names; arms.
// Context:     on the simulated arm a simulated process, on the real arm a process of its own.
// Invariants:  a note never holds what two runs may give differently: ports, inode numbers, times.
#ifndef SOCKBED_TESTS_TWO_ARMS_NOTES_H_
#define SOCKBED_TESTS_TWO_ARMS_NOTES_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sockbed::two_arms {

struct Note {
  std::string label;  // unique within a body: the second "read" is "read #2"
  std::string text;
};

class Notes {
 public:
  // `settle_us`: how long what is under way takes to arrive, at most.
  explicit Notes(int settle_us) : settle_us_(settle_us) {}

  // What a call returned: its number, or the name of errno. Passes it on.
  ssize_t Call(std::string_view label, ssize_t result);
  // The same of a call that makes a descriptor, whose number does not matter: "ok" or errno.
  int Makes(std::string_view label, int fd);
  // The same of a call that returns an errno itself.
  int Returns(std::string_view label, int error);
  void Value(std::string_view label, int64_t value);
  void Text(std::string_view label, std::string text);

  // What the descriptor is ready for: "r", "w", "p" for readable, writable, urgent, as select has
  // it; then poll's bits of which select knows nothing.
  void Ready(std::string_view label, int fd);
  // The bytes of one read without waiting, or the name of errno.
  std::string Read(std::string_view label, int fd, size_t len, int flags = 0);

  // Lets what is under way arrive.
  void Settle() const;

  const std::vector<Note>& all() const { return all_; }

 private:
  const int settle_us_;
  std::vector<Note> all_;
};

struct Case {
  std::string name;  // "Data.Peek/Tcp4"
  std::function<void(Notes&)> body;
};

// The name of an errno: "EINVAL".
std::string ErrnoName(int error);

}  // namespace sockbed::two_arms

#endif  // SOCKBED_TESTS_TWO_ARMS_NOTES_H_
