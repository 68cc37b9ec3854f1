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

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace sockbed {

enum uio_rw { UIO_READ, UIO_WRITE };  // READ: kernel to user

struct uio {
  iovec* uio_iov = nullptr;  // borrowed, consumed as it goes
  int uio_iovcnt = 0;
  size_t uio_resid = 0;  // bytes left
  enum uio_rw uio_rw = UIO_READ;
};

// Moves up to n bytes between `cp` and the uio, advancing it. Errors: EFAULT
// (bytes before are moved).
[[nodiscard]] int uiomove(void* cp, size_t n, uio* uio);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_UIO_H_
