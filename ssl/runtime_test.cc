#include "ssl/runtime.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>

#include "gtest/gtest.h"
#include "kernel/sim/fault.h"
#include "ssl/sha256.h"

namespace sockbed::ssl {
namespace {

using Bytes = std::array<unsigned char, 16>;

// What host `id` of a run with `seed` draws after `skipped` draws of host 1.
Bytes DrawOn(uint64_t seed, HostId id, int skipped) {
  Runtime runtime;
  Machine machine({.seed = seed});
  runtime.Attach(machine);
  MachineScope scope(machine);
  HostBase one(1, "one");
  HostBase two(2, "two");
  runtime.AddHost(one);
  runtime.AddHost(two);
  Bytes bytes{};
  {
    HostScope on(one);
    for (int i = 0; i < skipped; ++i) RAND_bytes(bytes.data(), bytes.size());
  }
  HostScope on(id == 1 ? one : two);
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 1);
  return bytes;
}

TEST(Runtime, DescribesItsRecordsInFormatsThatParse) {
  Runtime runtime;
  Machine machine({.seed = 1});
  runtime.Attach(machine);
  machine.trace().CheckFormats();
}

TEST(Runtime, DrawsDependOnSeedAndHostAlone) {
  EXPECT_EQ(DrawOn(7, 1, 0), DrawOn(7, 1, 0));
  EXPECT_NE(DrawOn(7, 1, 0), DrawOn(8, 1, 0));
  EXPECT_NE(DrawOn(7, 1, 0), DrawOn(7, 2, 0));
  EXPECT_NE(DrawOn(7, 1, 0), DrawOn(7, 1, 1));
}

TEST(Runtime, OneHostsDrawsMoveNothingOnAnother) { EXPECT_EQ(DrawOn(7, 2, 0), DrawOn(7, 2, 5)); }

TEST(Runtime, OutsideAHostADrawFailsWithAReason) {
  Runtime runtime;
  Bytes bytes{};
  ERR_clear_error();
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 0);
  const char* data = nullptr;
  int flags = 0;
  ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
  EXPECT_STREQ(data, "drawn outside a simulated host with TLS");
  ERR_clear_error();
}

TEST(Runtime, TheFaultPointMakesADrawFail) {
  Runtime runtime;
  fault::Plan plan({{.site = Site::kSslRand, .only_ordinal = 2}});
  Machine machine({.fault_plan = &plan});
  runtime.Attach(machine);
  MachineScope scope(machine);
  HostBase host(1, "host");
  runtime.AddHost(host);
  HostScope on(host);
  Bytes bytes{};
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 1);
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 0);
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 1);
  ERR_clear_error();
}

TEST(Runtime, CertificatesRepeatAndNameTheirHost) {
  const auto der = [](uint64_t seed) {
    Runtime runtime;
    Machine machine({.seed = seed});
    runtime.Attach(machine);
    MachineScope scope(machine);
    HostBase host(1, "server");
    runtime.AddHost(host);
    const TestCa& ca = runtime.ca();
    HostScope on(host);
    const std::unique_ptr<Identity> identity = ca.Issue("server");
    EXPECT_NE(identity, nullptr);
    EXPECT_EQ(X509_check_host(identity->cert.get(), "server", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_host(identity->cert.get(), "other", 0, 0, nullptr), 0);
    EXPECT_GE(X509_get_ext_by_NID(identity->cert.get(), NID_subject_alt_name, -1), 0);
    EXPECT_EQ(X509_verify(identity->cert.get(), X509_get0_pubkey(ca.cert())), 1);
    unsigned char* out = nullptr;
    const int length = i2d_X509(identity->cert.get(), &out);
    std::string bytes(reinterpret_cast<char*>(out), static_cast<size_t>(length));
    OPENSSL_free(out);
    return bytes;
  };
  EXPECT_EQ(der(1), der(1));
  EXPECT_NE(der(1), der(2));
}

// The allocator fails processes alone: what is set up outside belongs to no host.
TEST(Runtime, OutsideAProcessNoAllocationIsRefused) {
  Runtime runtime;
  fault::Plan plan({{.site = Site::kSslMalloc}});
  Machine machine({.fault_plan = &plan});
  runtime.Attach(machine);
  MachineScope scope(machine);
  HostBase host(1, "host");
  runtime.AddHost(host);
  HostScope on(host);
  void* const memory = OPENSSL_malloc(1);
  EXPECT_NE(memory, nullptr);
  OPENSSL_free(memory);
}

// FIPS 180-4's own example.
TEST(Sha256, IsThatOfTheStandard) {
  Sha256 hash;
  hash.Update("a", 1);
  hash.Update("bc", 2);
  EXPECT_EQ(hash.Finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(KeyLog, KeepsFirstAppearancesOnly) {
  KeyLog log;
  log.Add("b");
  log.Add("a");
  log.Add("b");
  EXPECT_EQ(log.ToString(), "b\na\n");
}

}  // namespace
}  // namespace sockbed::ssl
