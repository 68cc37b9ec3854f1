#include "bio/error_text.h"

#include <errno.h>
#include <openssl/err.h>

#include <cstring>

namespace sockbed {

std::string TakeErrorText() {
  const int error = errno;
  const unsigned long entry = ERR_peek_error();
  const char* reason = nullptr;
  if (entry != 0 && !ERR_SYSTEM_ERROR(entry)) reason = ERR_reason_error_string(entry);
  ERR_clear_error();
  return reason != nullptr ? reason : strerror(error);
}

}  // namespace sockbed
