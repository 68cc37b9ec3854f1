// What a datagram BIO remembers: shared by its method and by the calls for many messages.
//
// Lives here:  DgramData, FindDgram.
// Called by:   bss_dgram.cc, bio_mmsg.cc.
// Owns:        nothing: the BIO owns its DgramData, the close flag says who owns the descriptor.
#ifndef SOCKBED_BIO_DGRAM_DATA_H_
#define SOCKBED_BIO_DGRAM_DATA_H_

#include <openssl/bio.h>
#include <sys/time.h>

#include "bio/addr.h"

namespace sockbed {

// All zero at first, but for `sock`.
struct DgramData {
  int sock;
  AddrStorage peer;        // where writes go; replaced by each read unless `connected`
  bool connected;          // as the owner said (SET_CONNECTED)
  bool peek;               // reads leave the datagram
  bool local_addr;         // destination addresses are asked for, source addresses may be given
  int saved_error;         // of the last failure that may pass, or EMSGSIZE; asked for once
  long mtu;                // what SET_MTU or QUERY_MTU last said: payload bytes
  timeval next_timeout;    // absolute: when DTLS wants to be woken; 0: never
  timeval socket_timeout;  // the socket's own limit, while a read has another in place
};

// The data of one of our datagram BIOs; null if `bio` is none.
DgramData* FindDgram(BIO* bio);

}  // namespace sockbed

#endif  // SOCKBED_BIO_DGRAM_DATA_H_
