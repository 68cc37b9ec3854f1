#include "ssl/random_method.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <cstddef>
#include <span>

#include "kernel/sim/fault.h"
#include "kernel/sim/kassert.h"
#include "ssl/runtime.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // the method table, since OpenSSL 3.0

namespace sockbed::ssl {
namespace {

// Fails outside a prepared host: such bytes would differ from run to run.
int Bytes(unsigned char* out, int count) {
  const bool on_host =
      InSimulation() && Here().host != nullptr && HostLocal<SslHost>::Has(*Here().host);
  if (!on_host) {
    ERR_raise_data(ERR_LIB_RAND, ERR_R_UNSUPPORTED, "drawn outside a simulated host with TLS");
    return 0;
  }
  // Host 0 is the authority's: the faults of a run strike its hosts.
  if (Here().host_id != 0 && fault::Fires(Site::kSslRand)) return 0;
  HostLocal<SslHost>::Get().draws.Fill(
      std::as_writable_bytes(std::span(out, static_cast<size_t>(count))));
  return 1;
}

int Seed(const void* /*data*/, int /*count*/) { return 1; }
int Add(const void* /*data*/, int /*count*/, double /*entropy*/) { return 1; }
int Status() { return 1; }

constexpr RAND_METHOD kMethod = {Seed, Bytes, nullptr, Add, Bytes, Status};

}  // namespace

void InstallRandomMethod() { KASSERT(RAND_set_rand_method(&kMethod) == 1); }

}  // namespace sockbed::ssl
