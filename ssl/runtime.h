// What makes OpenSSL deterministic inside a simulation, per process, per machine and per host.
//
// Lives here:  Runtime (one per machine), SslHost (one per host), the random source.
// Called by:   whoever builds a simulation with TLS: tools/, tests, users' tests.
// May touch:   OpenSSL's global random method; sim's streams and switch hooks.
// Context:     set-up, outside Machine::Run.
// Owns:        the key log, the test CA, the error-queue hook. Declare a Runtime before its
//              Simulation: it must outlive the machine.
// Invariants:  1. Every byte that OpenSSL draws on a host is the next of that host's stream
//                 "openssl".
//              2. Outside any host a draw fails: such bytes could not be repeated.
//              3. In a run with a plan of faults a host that ends holds none of OpenSSL's memory
//                 but its certificate: the live count "allocation of OpenSSL". Not if one was
//                 refused.
//              4. No configuration file, environment variable or thread takes part.
// Source:      RAND_set_rand_method(3), OPENSSL_init_ssl(3).
#ifndef SOCKBED_SSL_RUNTIME_H_
#define SOCKBED_SSL_RUNTIME_H_

#include <netinet/in.h>

#include <memory>
#include <vector>

#include "kernel/sched/host_local.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/random.h"
#include "ssl/allocator.h"
#include "ssl/err_swap.h"
#include "ssl/key_log.h"
#include "ssl/test_pki.h"

namespace sockbed::ssl {

class Runtime;

// A handshake that succeeded, as one end saw it.
struct HandshakeRecord {
  HostId host = 0;
  sockaddr_in local{};  // of the socket under it; zero when there is none
  sockaddr_in peer{};
  const char* version = "";  // "TLSv1.3"; both are constants of the library
  const char* cipher = "";   // "TLS_AES_256_GCM_SHA384"
};

// The room's state on one host.
struct SslHost {
  static constexpr HostSlot kHostSlot = HostSlot::kSsl;

  SslHost(Runtime* runtime_in, uint64_t seed, HostId host);

  Runtime* const runtime;              // [I] borrowed; null only while the library warms up
  Stream draws;                        // every byte OpenSSL draws here
  std::unique_ptr<Identity> identity;  // the host's certificate, made when first asked for
  int64_t live = 0;                    // what it holds of OpenSSL's memory (allocator.h)
  bool counts = true;                  // what is allocated now counts
};

class Runtime {
 public:
  // Prepares the library, once per process: no configuration file, our random source, caches warmed
  // by throw-away handshakes so that no fiber ever runs a one-time initialiser.
  Runtime();
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Registers the error-queue hook and the trace's record types. Once, before the machine runs.
  void Attach(Machine& machine);
  // Gives `host` its random stream. Once per host, before it uses TLS. REQUIRES: attached.
  void AddHost(HostBase& host);

  KeyLog& key_log() { return key_log_; }
  LiveMemory& memory() { return memory_; }
  // All handshakes so far, in order. Drivers add to it.
  const std::vector<HandshakeRecord>& handshakes() const { return handshakes_; }
  void AddHandshake(const HandshakeRecord& record) { handshakes_.push_back(record); }
  // The certificate authority that all hosts of the machine trust; made from the seed. REQUIRES:
  // attached.
  const TestCa& ca();

 private:
  ErrSwap err_swap_;
  KeyLog key_log_;
  LiveMemory memory_;
  std::vector<HandshakeRecord> handshakes_;
  std::unique_ptr<HostBase> ca_host_;  // host 0: the CA's own random stream
  std::unique_ptr<TestCa> ca_;
  uint64_t seed_ = 0;  // the machine's
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_RUNTIME_H_
