// The uio: a description of user memory that a transfer moves through.
//
// Lives here:  struct uio, uiomove.
// Called by:   socket (sosend, soreceive), file operations, uapi (fills it).
// Owns:        nothing; the memory is the simulated program's.
// Invariants:  uio_resid is the sum of iov_len over the remaining vectors.
// Source:      OpenBSD sys/sys/uio.h, sys/kern/kern_subr.c; uiomove(9).
// Differs:     user memory is host memory; a null pointer with a length is the only fault (EFAULT).
#ifndef SOCKBED_KERNEL_SCHED_UIO_H_
#define SOCKBED_KERNEL_SCHED_UIO_H_

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernel/sim/kassert.h"

namespace sockbed {

enum uio_rw { UIO_READ, UIO_WRITE };  // READ: kernel to user

struct uio {
  iovec* uio_iov = nullptr;  // borrowed, consumed as it goes
  int uio_iovcnt = 0;
  size_t uio_resid = 0;  // bytes left
  enum uio_rw uio_rw = UIO_READ;
};

// uiomove across the ends of vectors, of no more bytes than there are.
[[nodiscard]] int uiomove_across(void* cp, size_t n, uio* uio);

// Moves `n` bytes, which are in the first vector, and drops that when it is used up. Errors:
// EFAULT. REQUIRES: there is one.
[[nodiscard]] inline int uiomove_first(void* cp, size_t n, uio* uio) {
  iovec* const iov = uio->uio_iov;
  if (n > 0) {
    if (iov->iov_base == nullptr) return EFAULT;
    const bool reads = uio->uio_rw == UIO_READ;
    memcpy(reads ? iov->iov_base : cp, reads ? cp : iov->iov_base, n);
    iov->iov_base = static_cast<unsigned char*>(iov->iov_base) + n;
    iov->iov_len -= n;
    uio->uio_resid -= n;
  }
  if (iov->iov_len == 0) {
    ++uio->uio_iov;
    --uio->uio_iovcnt;
  }
  return 0;
}

// Moves up to n bytes between `cp` and the uio, advancing it. Errors: EFAULT
// (bytes before are moved).
[[nodiscard]] inline int uiomove(void* cp, size_t n, uio* uio) {
  KASSERT(cp != nullptr || n == 0);
  n = std::min(n, uio->uio_resid);
  if (n == 0) return 0;
  KASSERT(uio->uio_iovcnt > 0);
  // Mostly one vector takes it all.
  return n <= uio->uio_iov->iov_len ? uiomove_first(cp, n, uio) : uiomove_across(cp, n, uio);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_UIO_H_
