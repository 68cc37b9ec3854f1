#include "ssl/key_log.h"

namespace sockbed::ssl {

void KeyLog::Add(std::string_view line) {
  if (!seen_.contains(line)) seen_.insert(lines_.emplace_back(line));
}

std::string KeyLog::ToString() const {
  std::string text;
  for (const std::string& line : lines_) text.append(line).push_back('\n');
  return text;
}

}  // namespace sockbed::ssl
