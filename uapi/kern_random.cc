// Random bytes and printed lines: what a program draws from its kernel, and says to it.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#include <array>
#include <span>
#include <vector>

#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr size_t kEntropyMax = 256;  // what one getentropy(3) may ask for

int FillRandom(void* data, size_t len) {
  if (data == nullptr && len > 0) return EFAULT;
  HostLocal<UapiHost>::Get().getrandom.Fill({static_cast<std::byte*>(data), len});
  return 0;
}

}  // namespace

ssize_t getrandom(void* data, size_t len, unsigned flags) {
  return SystemCall(Sys::kGetrandom, {.a0 = len}, [&](proc*, int64_t* value) {
    if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0) return EINVAL;
    *value = static_cast<int64_t>(len);
    return FillRandom(data, len);
  });
}

int getentropy(void* data, size_t len) {
  return static_cast<int>(SystemCall(Sys::kGetrandom, {.a0 = len}, [&](proc*, int64_t*) {
    return len > kEntropyMax ? EIO : FillRandom(data, len);
  }));
}

void Print(const char* format, ...) {
  std::array<char, 512> small;
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int len = vsnprintf(small.data(), small.size(), format, args);
  va_end(args);
  if (len >= 0 && static_cast<size_t>(len) < small.size()) {
    (void)uapi::write(1, small.data(), static_cast<size_t>(len));  // as printf: nobody asks
  } else if (len >= 0) {
    std::vector<char> large(static_cast<size_t>(len) + 1);
    vsnprintf(large.data(), large.size(), format, again);
    (void)uapi::write(1, large.data(), static_cast<size_t>(len));
  }
  va_end(again);
}

}  // namespace sockbed::uapi
