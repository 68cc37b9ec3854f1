// Names, addresses and the small socket routines, both ways.
#include "bio/bio_lookup.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/ioctl.h>

#include "bio/both_ways.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

class BioLookup : public BothWays {
 protected:
  explicit BioLookup(const Machine::Options& options = {.seed = 7}) : BothWays(options) {}

  // What a look-up gives, "10.0.1.1:80/6 10.0.2.1:80/6"; on failure the entries' data.
  std::string LookUp(const char* host, const char* service, int type = BIO_LOOKUP_CLIENT,
                     int family = AF_INET, int socktype = SOCK_STREAM) {
    ERR_clear_error();
    BIO_ADDRINFO* list = nullptr;
    std::string text;
    if (bios().lookup_ex(host, service, type, family, socktype, 0, &list) == 0) {
      for (const Entry& entry : TakeErrors()) {
        text +=
            std::to_string(entry.library) + "/" + std::to_string(entry.reason) + " " + entry.data;
      }
      return text;
    }
    for (const BIO_ADDRINFO* at = list; at != nullptr; at = BIO_ADDRINFO_next(at)) {
      if (!text.empty()) text += " ";
      text += TextOf(BIO_ADDRINFO_address(at)) + "/" + std::to_string(BIO_ADDRINFO_protocol(at));
    }
    BIO_ADDRINFO_free(list);
    return text;
  }

  static std::string Take(char* text) {
    if (text == nullptr) return "null";
    std::string copy = text;
    OPENSSL_free(text);
    return copy;
  }
};

TEST_P(BioLookup, HostsAndServicesComeFromTheSimulation) {
  InProcess([&] {
    EXPECT_EQ(LookUp("server", "https"), "10.0.1.1:443/6");
    EXPECT_EQ(LookUp("server", "53", BIO_LOOKUP_CLIENT, AF_UNSPEC, SOCK_DGRAM), "10.0.1.1:53/17");
    EXPECT_EQ(LookUp("10.9.8.7", "1"), "10.9.8.7:1/6");
    EXPECT_EQ(LookUp(nullptr, "80", BIO_LOOKUP_SERVER), "0.0.0.0:80/6");
    EXPECT_EQ(LookUp(nullptr, "80"), "127.0.0.1:80/6");
    EXPECT_EQ(LookUp("server", "80", BIO_LOOKUP_CLIENT, AF_INET, 0),
              "10.0.1.1:80/6 10.0.1.1:80/17 10.0.1.1:80/0");
  });
}

TEST_P(BioLookup, FailuresSayWhyInTheResolversWords) {
  InProcess([&] {
    const std::string unknown = "32/" + std::to_string(ERR_R_SYS_LIB) + " ";
    EXPECT_EQ(LookUp("nobody", "80"), unknown + gai_strerror(EAI_NONAME));
    EXPECT_EQ(LookUp("nobody", "80", BIO_LOOKUP_CLIENT, AF_UNSPEC),
              unknown + gai_strerror(EAI_NONAME));
    EXPECT_EQ(LookUp("server", "nothing"), unknown + gai_strerror(EAI_SERVICE));
    EXPECT_EQ(LookUp("server", "80", BIO_LOOKUP_CLIENT, AF_APPLETALK),
              "32/" + std::to_string(BIO_R_UNSUPPORTED_PROTOCOL_FAMILY) + " ");
  });
}

// A name of a family that this host has no address of is hidden from it; a number is not.
TEST_P(BioLookup, ANumberThatTheFlagsHideIsTriedAsSuch) {
  InProcess([&] {
    BIO_ADDRINFO* list = nullptr;
    EXPECT_EQ(
        bios().lookup_ex("2001:db8::5", "80", BIO_LOOKUP_CLIENT, AF_UNSPEC, SOCK_STREAM, 0, &list),
        1);
    EXPECT_EQ(BIO_ADDRINFO_family(list), AF_INET6);
    EXPECT_EQ(BIO_ADDRINFO_next(list), nullptr);
    BIO_ADDRINFO_free(list);
  });
}

struct PlanOfFaults {
  fault::Plan plan{{{.site = Site::kResolvFail, .only_ordinal = 1}}};
};

class BioLookupFails : public PlanOfFaults, public BioLookup {
 protected:
  BioLookupFails() : BioLookup({.seed = 7, .fault_plan = &plan}) {}
};

// The second try is for numbers alone, and its own failure is not told.
TEST_P(BioLookupFails, AndTheFirstFailureIsTheOneThatIsTold) {
  InProcess([&] {
    EXPECT_EQ(LookUp("server", "80", BIO_LOOKUP_CLIENT, AF_UNSPEC),
              "32/" + std::to_string(ERR_R_SYS_LIB) + " " + gai_strerror(EAI_AGAIN));
    EXPECT_EQ(LookUp("server", "80", BIO_LOOKUP_CLIENT, AF_UNSPEC), "10.0.1.1:80/6");
  });
}

TEST_P(BioLookup, APathIsAnAddressWithoutAResolver) {
  InProcess([&] {
    BIO_ADDRINFO* list = nullptr;
    EXPECT_EQ(
        bios().lookup_ex("/tmp/x", nullptr, BIO_LOOKUP_CLIENT, AF_UNIX, SOCK_STREAM, 0, &list), 1);
    ASSERT_NE(list, nullptr);
    EXPECT_EQ(BIO_ADDRINFO_next(list), nullptr);
    EXPECT_EQ(BIO_ADDRINFO_protocol(list), 0);
    EXPECT_EQ(Take(BIO_ADDR_path_string(BIO_ADDRINFO_address(list))), "/tmp/x");
    BIO_ADDRINFO_free(list);
  });
}

TEST_P(BioLookup, AddressesHaveNamesAndFigures) {
  InProcess([&] {
    const AddrPtr addr = AddrOf(server_.address(443));
    EXPECT_EQ(Take(bios().addr_hostname_string(addr.get(), 1)), "10.0.1.1");
    EXPECT_EQ(Take(bios().addr_service_string(addr.get(), 1)), "443");
    EXPECT_EQ(Take(bios().addr_hostname_string(addr.get(), 0)), "server");
    EXPECT_EQ(Take(bios().addr_service_string(addr.get(), 0)), "https");
    ERR_clear_error();
    const AddrPtr unset(BIO_ADDR_new());
    EXPECT_EQ(Take(bios().addr_hostname_string(unset.get(), 1)), "null");
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, ERR_R_SYS_LIB, gai_strerror(EAI_FAMILY)}}));
  });
}

TEST(BioAddrDup, CopiesTheWholeAddress) {
  const AddrPtr addr = Loopback(443), copy(sockbed::BIO_ADDR_dup(addr.get()));
  EXPECT_NE(copy.get(), addr.get());
  EXPECT_EQ(memcmp(copy.get(), addr.get(), kBioAddrBytes), 0);
  EXPECT_EQ(sockbed::BIO_ADDR_dup(nullptr), nullptr);
}

TEST_P(BioLookup, ASocketTellsItsOwnAddress) {
  InProcess([&] {
    const int fd = Stream();
    EXPECT_EQ(bios().bind(fd, Loopback(99).get(), 0), 1);
    const AddrPtr own(BIO_ADDR_new());
    BIO_sock_info_u info;
    info.addr = own.get();
    EXPECT_EQ(bios().sock_info(fd, BIO_SOCK_INFO_ADDRESS, &info), 1);
    EXPECT_EQ(TextOf(own.get()), "127.0.0.1:99");
    ERR_clear_error();
    EXPECT_EQ(bios().sock_info(fd, static_cast<BIO_sock_info_type>(9), &info), 0);
    bios().closesocket(fd);
    EXPECT_EQ(bios().sock_info(fd, BIO_SOCK_INFO_ADDRESS, &info), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_UNKNOWN_INFO_TYPE, ""},
                                    {ERR_LIB_SYS, EBADF, "calling getsockname()"},
                                    {ERR_LIB_BIO, BIO_R_GETSOCKNAME_ERROR, ""}}));
  });
}

TEST_P(BioLookup, WaitingForASocketEndsAtAWallClockSecond) {
  InProcess([&] {
    const int fd = bios().socket(AF_INET, SOCK_DGRAM, 0, 0);
    const time_t now = uapi::time(nullptr);
    EXPECT_EQ(bios().socket_wait(fd, 1, 0), 1);  // never waits
    EXPECT_EQ(bios().socket_wait(fd, 1, now - 1), 0);
    EXPECT_EQ(bios().socket_wait(fd, 0, now + 5), 1);  // can be written
    EXPECT_LT(Seconds(), 0.1);
    EXPECT_EQ(bios().socket_wait(fd, 1, now + 2), 0);
    EXPECT_NEAR(Seconds(), 2, 0.05);
    EXPECT_EQ(bios().socket_wait(-1, 1, now + 9), -1);
    EXPECT_EQ(bios().socket_wait(5000, 1, now + 9), -1);
    bios().closesocket(fd);
    EXPECT_EQ(bios().socket_wait(fd, 1, now + 9), -1);
  });
}

TEST_P(BioLookup, AnIoctlIsPassedOn) {
  InProcess([&] {
    const int fd = Stream();
    int on = 1, bytes = -1;
    EXPECT_EQ(bios().socket_ioctl(fd, FIONREAD, &bytes), 0);
    EXPECT_EQ(bytes, 0);
    EXPECT_EQ(bios().socket_ioctl(fd, FIONBIO, &on), 0);
    EXPECT_NE(uapi::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    bios().closesocket(fd);
    ERR_clear_error();
    EXPECT_EQ(bios().socket_ioctl(fd, FIONBIO, &on), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling ioctlsocket()"}}));
  });
}

SOCKBED_BOTH_WAYS(BioLookup);
SOCKBED_BOTH_WAYS(BioLookupFails);

}  // namespace
}  // namespace sockbed
