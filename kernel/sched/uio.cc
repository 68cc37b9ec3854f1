#include "kernel/sched/uio.h"

namespace sockbed {

int uiomove_across(void* cp, size_t n, uio* uio) {
  auto* bytes = static_cast<unsigned char*>(cp);
  while (n > 0) {
    KASSERT(uio->uio_iovcnt > 0);
    const size_t count = std::min(n, uio->uio_iov->iov_len);
    if (const int error = uiomove_first(bytes, count, uio)) return error;
    bytes += count;
    n -= count;
  }
  return 0;
}

}  // namespace sockbed
