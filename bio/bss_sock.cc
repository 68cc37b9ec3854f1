#include "bio/bss_sock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bio/bio_sock.h"
#include "bio/methods.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

// The BIO's data pointer holds the descriptor itself: no allocation for it.
int DescriptorOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
}

void SetDescriptor(BIO* bio, int sock) {
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(sock)));
}

void CloseDescriptor(BIO* bio) {
  if (BIO_get_shutdown(bio) == 0) return;
  if (BIO_get_init(bio) != 0) BIO_closesocket(DescriptorOf(bio));
  BIO_set_init(bio, 0);
  BIO_clear_flags(bio, BIO_FLAGS_IN_EOF);
}

int Create(BIO* bio) {
  BIO_set_init(bio, 0);
  SetDescriptor(bio, -1);
  return 1;
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  CloseDescriptor(bio);
  return 1;
}

int Read(BIO* bio, char* out, int length) {
  if (out == nullptr) return 0;
  errno = 0;
  const int n = static_cast<int>(uapi::read(DescriptorOf(bio), out, static_cast<size_t>(length)));
  BIO_clear_retry_flags(bio);
  if (n <= 0) {
    if (BIO_sock_should_retry(n)) {
      BIO_set_retry_read(bio);
    } else if (n == 0) {
      BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
  }
  return n;
}

int Write(BIO* bio, const char* in, int length) {
  errno = 0;
  const int n = static_cast<int>(
      uapi::send(DescriptorOf(bio), in, static_cast<size_t>(length), MSG_NOSIGNAL));
  BIO_clear_retry_flags(bio);
  if (n <= 0 && BIO_sock_should_retry(n)) BIO_set_retry_write(bio);
  return n;
}

int Puts(BIO* bio, const char* text) { return Write(bio, text, static_cast<int>(strlen(text))); }

// Answers BIO_C_SET_FD: gives the old descriptor up and takes a new one.
long Adopt(BIO* bio, long close_flag, const int* sock) {
  CloseDescriptor(bio);
  SetDescriptor(bio, *sock);
  BIO_set_shutdown(bio, static_cast<int>(close_flag));
  BIO_set_init(bio, 1);
  return 1;
}

long Control(BIO* bio, int command, long number, void* pointer) {
  switch (command) {
    case BIO_C_SET_FD: return Adopt(bio, number, static_cast<const int*>(pointer));
    case BIO_C_GET_FD:
      if (BIO_get_init(bio) == 0) return -1;
      if (pointer != nullptr) *static_cast<int*>(pointer) = DescriptorOf(bio);
      return DescriptorOf(bio);
    case BIO_CTRL_GET_CLOSE: return BIO_get_shutdown(bio);
    case BIO_CTRL_SET_CLOSE: BIO_set_shutdown(bio, static_cast<int>(number)); return 1;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default: return 0;
  }
}

}  // namespace

const BIO_METHOD* MakeSocketMethod() {
  return NewMethod(BIO_TYPE_SOCKET, "simulated socket",
                   {Create, Destroy, Read, Write, Puts, Control});
}

const BIO_METHOD* BIO_s_socket() { return Methods().socket; }

BIO* BIO_new_socket(int sock, int close_flag) {
  BIO* bio = BIO_new(BIO_s_socket());
  if (bio != nullptr) BIO_set_fd(bio, sock, close_flag);
  return bio;
}

}  // namespace sockbed
