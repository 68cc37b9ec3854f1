#include "ssl/allocator.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "kernel/sim/fault.h"
#include "kernel/sim/kassert.h"

namespace sockbed::ssl {
namespace {

// Before a run, and in the event loop, nobody fails: what is set up there belongs to no host.
bool Refused() {
  return InSimulation() && Here().fault_plan != nullptr && Here().process != nullptr &&
         fault::Fires(Site::kSslMalloc);
}

void* Allocate(size_t size, const char* /*file*/, int /*line*/) {
  return Refused() ? nullptr : malloc(size);
}

void* Reallocate(void* memory, size_t size, const char* /*file*/, int /*line*/) {
  return Refused() ? nullptr : realloc(memory, size);
}

void Free(void* memory, const char* /*file*/, int /*line*/) { free(memory); }

[[gnu::constructor]] void Install() { CRYPTO_set_mem_functions(Allocate, Reallocate, Free); }

}  // namespace

void CheckAllocator() {
  CRYPTO_malloc_fn allocate = nullptr;
  CRYPTO_get_mem_functions(&allocate, nullptr, nullptr);
  if (allocate != Allocate) KPANIC("OpenSSL had allocated memory before ours could be installed");
}

}  // namespace sockbed::ssl
