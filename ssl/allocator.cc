#include "ssl/allocator.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "kernel/sim/fault.h"
#include "kernel/sim/kassert.h"
#include "ssl/runtime.h"

namespace sockbed::ssl {
namespace {

// Whether faults are planned: without, an allocation is malloc's, at the price of this look.
bool Watched() { return InSimulation() && Here().fault_plan != nullptr; }

// The host whose memory is counted now, or null.
SslHost* Counted() {
  if (!Watched() || Here().host == nullptr) return nullptr;
  return HostLocal<SslHost>::Has(*Here().host) ? &HostLocal<SslHost>::Get() : nullptr;
}

// Before a run, and in the event loop, nobody fails: what is set up there belongs to no host.
bool Refused() {
  if (!Watched() || Here().process == nullptr || !fault::Fires(Site::kSslMalloc)) return false;
  if (SslHost* const host = Counted()) host->runtime->memory().Abandon();
  return true;
}

void* Noted(void* memory) {
  SslHost* const host = Counted();
  if (memory == nullptr || host == nullptr || !host->counts || Here().process == nullptr) {
    return memory;
  }
  host->runtime->memory().Add(memory, &host->live);
  return memory;
}

void Forget(const void* memory) {
  if (SslHost* const host = Counted()) host->runtime->memory().Remove(memory);
}

void* Allocate(size_t size, const char* /*file*/, int /*line*/) {
  if (!Watched()) return malloc(size);
  return Refused() ? nullptr : Noted(malloc(size));
}

void* Reallocate(void* memory, size_t size, const char* /*file*/, int /*line*/) {
  if (!Watched()) return realloc(memory, size);
  if (Refused()) return nullptr;
  Forget(memory);
  return Noted(realloc(memory, size));
}

void Free(void* memory, const char* /*file*/, int /*line*/) {
  if (Watched()) Forget(memory);
  free(memory);
}

[[gnu::constructor]] void Install() { CRYPTO_set_mem_functions(Allocate, Reallocate, Free); }

}  // namespace

void CheckAllocator() {
  CRYPTO_malloc_fn allocate = nullptr;
  CRYPTO_get_mem_functions(&allocate, nullptr, nullptr);
  if (allocate != Allocate) KPANIC("OpenSSL had allocated memory before ours could be installed");
}

}  // namespace sockbed::ssl
