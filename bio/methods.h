// The methods of this room's BIOs, made once per OS process.
//
// Lives here:  BioMethods, MethodCalls, NewMethod, NewPair.
// Called by:   each BIO's file: it says what its method calls, and finds it here.
// Owns:        the methods; never freed, never changed.
#ifndef SOCKBED_BIO_METHODS_H_
#define SOCKBED_BIO_METHODS_H_

#include <openssl/bio.h>

#include <cstddef>

namespace sockbed {

struct BioMethods {
  const BIO_METHOD* socket;
  const BIO_METHOD* datagram;
  const BIO_METHOD* pair;
  const BIO_METHOD* ksocket;
  const BIO_METHOD* connect;
  const BIO_METHOD* accept;
  const BIO_METHOD* dgram_pair;
  const BIO_METHOD* dgram_mem;
};
const BioMethods& Methods();

// What a method does. `create`, `puts` and `callback_control` may be null.
struct MethodCalls {
  int (*create)(BIO* bio);
  int (*destroy)(BIO* bio);
  int (*read)(BIO* bio, char* out, int length);
  int (*write)(BIO* bio, const char* in, int length);
  int (*puts)(BIO* bio, const char* text);
  long (*control)(BIO* bio, int command, long number, void* pointer);
  long (*callback_control)(BIO* bio, int command, BIO_info_cb* callback) = nullptr;
};

// `type`: a library's own type number lets SSL_get_fd and kin find what they look for.
const BIO_METHOD* NewMethod(int type, const char* name, const MethodCalls& calls);

// Two new BIOs of a method, joined; a buffer size of 0 is the method's own. 1; or 0 with both null.
int NewPair(const BIO_METHOD* method, BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2);

const BIO_METHOD* MakeSocketMethod();
const BIO_METHOD* MakeDatagramMethod();
const BIO_METHOD* MakePairMethod();
const BIO_METHOD* MakeKsocketMethod();
const BIO_METHOD* MakeConnectMethod();
const BIO_METHOD* MakeAcceptMethod();
const BIO_METHOD* MakeDgramPairMethod();
const BIO_METHOD* MakeDgramMemMethod();

}  // namespace sockbed

#endif  // SOCKBED_BIO_METHODS_H_
