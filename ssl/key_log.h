// The secrets of all TLS connections of a run, as lines that Wireshark reads.
//
// Lives here:  KeyLog.
// Called by:   Context's key log callback; tools writes keys.log and the captures' secrets blocks.
// Owns:        its lines.
// Invariants:  lines stand in order of first appearance, without repetition: both ends log the same
//              secrets, and one line of each is enough.
// Source:      SSL_CTX_set_keylog_callback(3); the NSS key log format.
#ifndef SOCKBED_SSL_KEY_LOG_H_
#define SOCKBED_SSL_KEY_LOG_H_

#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>

namespace sockbed::ssl {

class KeyLog {
 public:
  // Adds `line` (no newline at its end) unless it is there.
  void Add(std::string_view line);

  // All lines, each ended by a newline.
  std::string ToString() const;

 private:
  std::deque<std::string> lines_;              // a line stays where it is when others are added
  std::unordered_set<std::string_view> seen_;  // of lines_; looked up, never walked
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_KEY_LOG_H_
