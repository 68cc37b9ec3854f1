// One OpenSSL error queue per fiber, where the library has one per OS thread.
//
// Lives here:  ErrSwap, a switch hook that moves the queue out and in.
// Called by:   the machine, at every switch between fibers.
// May touch:   the layout of ERR_STATE, which OpenSSL 3.0 makes public. No other file does.
// Owns:        the copies of suspended fibers' queues.
// Invariants:  a fiber finds its error queue as it left it, whatever others did with the library
//              meanwhile.
// Source:      ERR_get_state(3); what OSSL_ERR_STATE_save(3) of later releases does.
#ifndef SOCKBED_SSL_ERR_SWAP_H_
#define SOCKBED_SSL_ERR_SWAP_H_

#include <openssl/err.h>

#include "kernel/sim/fiber.h"

namespace sockbed::ssl {

class ErrSwap : public SwitchHook {
 public:
  ErrSwap();
  ~ErrSwap();
  ErrSwap(const ErrSwap&) = delete;
  ErrSwap& operator=(const ErrSwap&) = delete;

 private:
  static void Switched(SwitchHook* self, Fiber* from, Fiber* to);
  static void Ended(SwitchHook* self, Fiber* fiber);

  // Where the queue of `fiber` (null: the event loop) is kept while something else runs.
  ERR_STATE*& SavedOf(Fiber* fiber);

  ERR_STATE* live_ = nullptr;        // this OS thread's; found at the first switch
  ERR_STATE* loop_saved_ = nullptr;  // the event loop's queue while a fiber runs
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_ERR_SWAP_H_
