#include "ssl/err_swap.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include <cstring>
#include <utility>

namespace sockbed::ssl {
namespace {

static_assert(OPENSSL_VERSION_MAJOR == 3 && OPENSSL_VERSION_MINOR == 0,
              "from 3.2 on OSSL_ERR_STATE_save and _restore do this without knowing the layout");

bool Empty(const ERR_STATE* state) { return state->top == state->bottom; }

// Empties a queue, and frees the strings that its entries own, or owned when they were read.
void Clear(ERR_STATE* state) {
  for (int i = 0; i < ERR_NUM_ERRORS; ++i) {
    if ((state->err_data_flags[i] & ERR_TXT_MALLOCED) != 0) OPENSSL_free(state->err_data[i]);
    OPENSSL_free(state->err_file[i]);
    OPENSSL_free(state->err_func[i]);
  }
  std::memset(state, 0, sizeof(*state));
}

// Drops a saved queue.
void Discard(ERR_STATE* state) {
  if (state == nullptr) return;
  Clear(state);
  delete state;
}

ERR_STATE* ThreadState() {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return ERR_get_state();
#pragma GCC diagnostic pop
}

}  // namespace

ErrSwap::ErrSwap() {
  switched = &ErrSwap::Switched;
  ended = &ErrSwap::Ended;
}

ErrSwap::~ErrSwap() { Discard(loop_saved_); }

ERR_STATE*& ErrSwap::SavedOf(Fiber* fiber) {
  return fiber == nullptr ? loop_saved_ : reinterpret_cast<ERR_STATE*&>(fiber->hook_state[slot]);
}

void ErrSwap::Switched(SwitchHook* hook, Fiber* from, Fiber* to) {
  auto* self = static_cast<ErrSwap*>(hook);
  if (self->live_ == nullptr) self->live_ = ThreadState();
  ERR_STATE* live = self->live_;
  ERR_STATE*& saved = self->SavedOf(to);
  if (!Empty(live)) {
    // The strings move with the struct; what is left behind must own none.
    self->SavedOf(from) = new ERR_STATE(*live);
    std::memset(live, 0, sizeof(*live));
  }
  if (saved != nullptr) {
    // An empty live queue may still own strings of entries that were read: those go with its copy.
    std::swap(*live, *saved);
    Discard(std::exchange(saved, nullptr));
  }
}

// The queue of a fiber that ends is the live one: it still runs.
void ErrSwap::Ended(SwitchHook* /*hook*/, Fiber* /*fiber*/) { Clear(ThreadState()); }

}  // namespace sockbed::ssl
