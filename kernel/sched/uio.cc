#include "kernel/sched/uio.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "kernel/sim/kassert.h"

namespace sockbed {

int uiomove(void* cp, size_t n, uio* uio) {
  KASSERT(cp != nullptr || n == 0);
  auto* bytes = static_cast<unsigned char*>(cp);
  while (n > 0 && uio->uio_resid > 0) {
    KASSERT(uio->uio_iovcnt > 0);
    iovec* const iov = uio->uio_iov;
    const size_t count = std::min(n, iov->iov_len);
    if (count > 0) {
      if (iov->iov_base == nullptr) return EFAULT;
      if (uio->uio_rw == UIO_READ) {
        memcpy(iov->iov_base, bytes, count);
      } else {
        memcpy(bytes, iov->iov_base, count);
      }
      iov->iov_base = static_cast<unsigned char*>(iov->iov_base) + count;
      iov->iov_len -= count;
      uio->uio_resid -= count;
      bytes += count;
      n -= count;
    }
    if (iov->iov_len == 0) {
      ++uio->uio_iov;
      --uio->uio_iovcnt;
    }
  }
  return 0;
}

}  // namespace sockbed
