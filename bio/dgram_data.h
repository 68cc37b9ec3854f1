// What the methods of datagram BIOs share with the calls for many messages.
//
// Lives here:  DgramData, FindDgram; IsDgramQueue, PutMessage, TakeMessage.
// Called by:   bss_dgram.cc, bss_dgram_pair.cc, bio_mmsg.cc.
// Owns:        nothing: the BIO owns its DgramData, the close flag says who owns the descriptor.
#ifndef SOCKBED_BIO_DGRAM_DATA_H_
#define SOCKBED_BIO_DGRAM_DATA_H_

#include <openssl/bio.h>
#include <sys/time.h>

#include "bio/addr.h"
#include "bio/compat.h"

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

// Whether `bio` is a half of a datagram pair, or a memory BIO of datagrams.
bool IsDgramQueue(BIO* bio);

// Writes or reads one message there. Returns 0 with data_len and flags set, or a reason; leaves no
// entry, no retry flag. REQUIRES: IsDgramQueue(bio).
int PutMessage(BIO* bio, BIO_MSG* m);
int TakeMessage(BIO* bio, BIO_MSG* m);

}  // namespace sockbed

#endif  // SOCKBED_BIO_DGRAM_DATA_H_
