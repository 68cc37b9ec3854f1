#include "kernel/sched/uio.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "kernel/sim/kassert.h"

namespace sockbed {

namespace {

// Moves `count` bytes, which are in the first vector, and drops that when it is used up. Errors:
// EFAULT. REQUIRES: there is one.
[[gnu::always_inline]] inline int MoveInFirst(void* cp, size_t count, uio* uio) {
  iovec* const iov = uio->uio_iov;
  if (count > 0) [[likely]] {
    if (iov->iov_base == nullptr) return EFAULT;
    const bool reads = uio->uio_rw == UIO_READ;
    memcpy(reads ? iov->iov_base : cp, reads ? cp : iov->iov_base, count);
    iov->iov_base = static_cast<unsigned char*>(iov->iov_base) + count;
    iov->iov_len -= count;
    uio->uio_resid -= count;
  }
  if (iov->iov_len == 0) {
    ++uio->uio_iov;
    --uio->uio_iovcnt;
  }
  return 0;
}

// uiomove across the ends of vectors, of no more bytes than there are.
[[gnu::noinline]] int MoveAcross(void* cp, size_t n, uio* uio) {
  auto* bytes = static_cast<unsigned char*>(cp);
  while (n > 0) {
    KASSERT(uio->uio_iovcnt > 0);
    const size_t count = std::min(n, uio->uio_iov->iov_len);
    if (const int error = MoveInFirst(bytes, count, uio)) return error;
    bytes += count;
    n -= count;
  }
  return 0;
}

}  // namespace

int uiomove(void* cp, size_t n, uio* uio) {
  KASSERT(cp != nullptr || n == 0);
  n = std::min(n, uio->uio_resid);
  if (n == 0) return 0;
  KASSERT(uio->uio_iovcnt > 0);
  // Mostly one vector takes it all.
  return n <= uio->uio_iov->iov_len ? MoveInFirst(cp, n, uio) : MoveAcross(cp, n, uio);
}

}  // namespace sockbed
