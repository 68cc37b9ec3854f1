#include "bio/methods.h"

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

}  // namespace sockbed
