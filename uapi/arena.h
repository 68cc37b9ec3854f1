// The one buffer that a looked-up entry is laid out in, with all it points at.
//
// Lives here:  Arena.
// Called by:   gethostby.cc, getserv.cc.
// Owns:        nothing: the buffer is the caller's, or the process's.
#ifndef SOCKBED_UAPI_ARENA_H_
#define SOCKBED_UAPI_ARENA_H_

#include <string.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sockbed::uapi {

// Pieces of a buffer, each aligned as asked; null once it is full.
class Arena {
 public:
  explicit Arena(std::span<char> space) : space_(space) {}

  void* Take(size_t size, size_t align) {
    const size_t skip = (align - reinterpret_cast<uintptr_t>(space_.data()) % align) % align;
    if (full_ || skip + size > space_.size()) {
      full_ = true;
      return nullptr;
    }
    char* const at = space_.data() + skip;
    space_ = space_.subspan(skip + size);
    return at;
  }
  char* Copy(const std::string& bytes, size_t align) {
    char* const at = static_cast<char*>(Take(bytes.size() + 1, align));
    if (at != nullptr) memcpy(at, bytes.c_str(), bytes.size() + 1);
    return at;
  }
  bool full() const { return full_; }

 private:
  std::span<char> space_;
  bool full_ = false;
};

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_ARENA_H_
