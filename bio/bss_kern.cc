#include "bio/bss_kern.h"

#include <errno.h>
#include <string.h>

#include "bio/bio_sock.h"
#include "bio/methods.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/uio.h"

namespace sockbed {
namespace {

socket* SocketOf(BIO* bio) { return static_cast<socket*>(BIO_get_data(bio)); }

// The result of a transfer of `length` bytes, of which uio_resid are left: what read(2) and
// write(2) make of it, errno included.
int Result(int error, int length, const uio& uio) {
  const int done = length - static_cast<int>(uio.uio_resid);
  if (error == kERESTART) error = EINTR;
  if (done > 0 && (error == EINTR || error == EWOULDBLOCK)) error = 0;
  errno = error;
  return error != 0 ? -1 : done;
}

int Read(BIO* bio, char* out, int length) {
  if (out == nullptr) return 0;
  iovec iov{out, static_cast<size_t>(length)};
  uio uio{&iov, 1, iov.iov_len, UIO_READ};
  const int error = soreceive(SocketOf(bio), nullptr, &uio, nullptr, nullptr, nullptr);
  const int n = Result(error, length, uio);
  BIO_clear_retry_flags(bio);
  if (n < 0 && BIO_sock_should_retry(n)) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return n;
}

int Write(BIO* bio, const char* in, int length) {
  iovec iov{const_cast<char*>(in), static_cast<size_t>(length)};  // only read
  uio uio{&iov, 1, iov.iov_len, UIO_WRITE};
  const int error = sosend(SocketOf(bio), nullptr, &uio, nullptr, nullptr, 0);
  const int n = Result(error, length, uio);
  BIO_clear_retry_flags(bio);
  if (n < 0 && BIO_sock_should_retry(n)) BIO_set_retry_write(bio);
  return n;
}

int Puts(BIO* bio, const char* text) { return Write(bio, text, static_cast<int>(strlen(text))); }

long Control(BIO* bio, int command, long number, void* /*pointer*/) {
  socket* const so = SocketOf(bio);
  switch (command) {
    case BIO_CTRL_GET_CLOSE: return BIO_get_shutdown(bio);
    case BIO_CTRL_SET_CLOSE: BIO_set_shutdown(bio, static_cast<int>(number)); return 1;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    case BIO_CTRL_PENDING: return static_cast<long>(so->so_rcv.sb_datacc);
    case BIO_C_SET_NBIO:
      so->so_state = number != 0 ? so->so_state | SS_NBIO : so->so_state & ~SS_NBIO;
      return 1;
    case BIO_C_GET_FD: return -1;
    default: return 0;
  }
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  if (BIO_get_shutdown(bio) != 0 && SocketOf(bio) != nullptr) soclose(SocketOf(bio));
  return 1;
}

}  // namespace

const BIO_METHOD* MakeKsocketMethod() {
  return NewMethod(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "simulated kernel socket",
                   {nullptr, Destroy, Read, Write, Puts, Control});
}

const BIO_METHOD* BIO_s_ksocket() { return Methods().ksocket; }

BIO* BIO_new_ksocket(socket* so, int close_flag) {
  BIO* const bio = BIO_new(BIO_s_ksocket());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, so);
  BIO_set_shutdown(bio, close_flag);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace sockbed
