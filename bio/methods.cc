#include "bio/methods.h"

#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {

const BioMethods& Methods() {
  static const BioMethods methods = {
      .socket = MakeSocketMethod(),
      .datagram = MakeDatagramMethod(),
      .pair = MakePairMethod(),
      .ksocket = MakeKsocketMethod(),
      .connect = MakeConnectMethod(),
      .accept = MakeAcceptMethod(),
      .dgram_pair = MakeDgramPairMethod(),
      .dgram_mem = MakeDgramMemMethod(),
  };
  return methods;
}

const BIO_METHOD* NewMethod(int type, const char* name, const MethodCalls& calls) {
  BIO_METHOD* const method = BIO_meth_new(type, name);
  KASSERT(method != nullptr);
  BIO_meth_set_create(method, calls.create);
  BIO_meth_set_destroy(method, calls.destroy);
  BIO_meth_set_read(method, calls.read);
  BIO_meth_set_write(method, calls.write);
  BIO_meth_set_puts(method, calls.puts);
  BIO_meth_set_ctrl(method, calls.control);
  BIO_meth_set_callback_ctrl(method, calls.callback_control);
  return method;
}

int NewPair(const BIO_METHOD* method, BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2) {
  *bio1 = BIO_new(method);
  *bio2 = BIO_new(method);
  const auto sized = [](BIO* bio, size_t size) {
    return size == 0 || BIO_set_write_buf_size(bio, static_cast<long>(size)) == 1;
  };
  if (*bio1 != nullptr && *bio2 != nullptr && sized(*bio1, writebuf1) && sized(*bio2, writebuf2) &&
      BIO_make_bio_pair(*bio1, *bio2) == 1) {
    return 1;
  }
  BIO_free(std::exchange(*bio1, nullptr));
  BIO_free(std::exchange(*bio2, nullptr));
  return 0;
}

}  // namespace sockbed
