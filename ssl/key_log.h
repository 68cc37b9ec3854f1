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

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sockbed::ssl {

class KeyLog {
 public:
  // Adds `line` (no newline at its end) unless it is there.
  void Add(std::string_view line);

  const std::vector<std::string>& lines() const { return lines_; }

  // All lines, each ended by a newline.
  std::string ToString() const;

 private:
  std::vector<std::string> lines_;
  std::set<std::string, std::less<>> seen_;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_KEY_LOG_H_
