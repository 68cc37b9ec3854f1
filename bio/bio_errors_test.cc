// Failures that take some making, both ways: descriptors that are no sockets, sockets of another
// family, tables that are full, a resolver that fails.
#include <sys/resource.h>

#include "bio/both_ways.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

class BioErrors : public BothWays {
 protected:
  // From now on no descriptor is to be had.
  static void FillTable() {
    const rlimit none{0, 0};
    EXPECT_THAT(uapi::setrlimit(RLIMIT_NOFILE, &none), Works());
  }
};

TEST_P(BioErrors, WhatIsNoSocketFailsAtTheFirstOptionThatASocketHas) {
  InProcess([&] {
    int ends[2];
    EXPECT_THAT(uapi::pipe(ends), Works());
    ERR_clear_error();
    EXPECT_EQ(bios().connect(ends[0], Loopback(1).get(), BIO_SOCK_KEEPALIVE), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ENOTSOCK, "calling setsockopt()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_KEEPALIVE, ""}}));
    EXPECT_EQ(bios().connect(ends[0], Loopback(1).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ENOTSOCK, "calling connect()"},
                                    {ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""}}));
    EXPECT_EQ(bios().listen(ends[0], Loopback(1).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ENOTSOCK, "calling getsockopt()"},
                                    {ERR_LIB_BIO, BIO_R_GETTING_SOCKTYPE, ""}}));
    for (const int end : ends) bios().closesocket(end);
  });
}

TEST_P(BioErrors, ASocketOfTheOtherFamilyCannotBeToldWhomItServes) {
  InProcess([&] {
    AddrStorage any{};
    any.in6.sin6_family = AF_INET6;
    const int fd = Stream();
    ERR_clear_error();
    EXPECT_EQ(bios().listen(fd, any.addr(), 0), 0);
    const Errors errors = TakeErrors();
    ASSERT_EQ(errors.size(), 2u);
    EXPECT_EQ(errors[0].data, "calling setsockopt()");
    EXPECT_EQ(errors[1], (Entry{ERR_LIB_BIO, BIO_R_LISTEN_V6_ONLY, ""}));
    bios().closesocket(fd);
  });
}

TEST_P(BioErrors, ASocketThatCannotListenSaysSoAfterItsBind) {
  InProcess([&] {
    const int fd = bios().socket(AF_INET, SOCK_RAW, IPPROTO_ICMP, 0);
    ERR_clear_error();
    EXPECT_EQ(bios().listen(fd, Loopback(0).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EOPNOTSUPP, "calling listen()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_LISTEN_SOCKET, ""}}));
    bios().closesocket(fd);
  });
}

TEST_P(BioErrors, AskedAgainAConnectionUnderWayIsStillForLater) {
  InProcess([&] {
    const int fd = Stream();
    for (const int error : {EINPROGRESS, EALREADY}) {
      ERR_clear_error();
      EXPECT_EQ(bios().connect(fd, AddrOf(server_.address(81)).get(), BIO_SOCK_NONBLOCK), 0);
      EXPECT_EQ(errno, error);
      EXPECT_EQ(bios().sock_should_retry(-1), 1);
      EXPECT_EQ(TakeErrors(), Errors{});
    }
    bios().closesocket(fd);
  });
}

TEST_P(BioErrors, AcceptNeedsAListenerAndADescriptor) {
  InProcess([&] {
    const int idle = Stream(), listener = Stream(), fd = Stream();
    ERR_clear_error();
    EXPECT_EQ(bios().accept_ex(idle, nullptr, 0), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EINVAL, "calling accept()"},
                                    {ERR_LIB_BIO, BIO_R_ACCEPT_ERROR, ""}}));
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 1);
    FillTable();
    EXPECT_EQ(bios().accept_ex(listener, nullptr, 0), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EMFILE, "calling accept()"},
                                    {ERR_LIB_BIO, BIO_R_ACCEPT_ERROR, ""}}));
    for (const int each : {idle, listener, fd}) bios().closesocket(each);
  });
}

TEST_P(BioErrors, WithoutADescriptorConnectAndAcceptBiosGiveUp) {
  InProcess([&] {
    FillTable();
    const BioPtr out(bios().new_connect("127.0.0.1:80")), in(bios().new_accept("127.0.0.1:80"));
    ERR_clear_error();
    const Errors expected = {{ERR_LIB_SYS, EMFILE, "calling socket()"},
                             {ERR_LIB_BIO, BIO_R_UNABLE_TO_CREATE_SOCKET, ""},
                             {ERR_LIB_SYS, EMFILE, "calling socket(127.0.0.1, 80)"},
                             {ERR_LIB_BIO, BIO_R_UNABLE_TO_CREATE_SOCKET, ""}};
    EXPECT_LE(BIO_do_connect(out.get()), 0);
    EXPECT_EQ(TakeErrors(), expected);
    EXPECT_FALSE(BIO_should_retry(out.get()));
    EXPECT_EQ(BIO_do_accept(in.get()), -1);
    EXPECT_EQ(TakeErrors(), expected);
    EXPECT_FALSE(BIO_should_retry(in.get()));
  });
}

TEST_P(BioErrors, ABioWithoutItsDescriptorIsUninitialized) {
  InProcess([&] {
    BIO* const fresh[] = {BIO_new(bios().s_connect()), BIO_new(bios().s_accept())};
    for (BIO* const bio : fresh) {
      char byte;
      ERR_clear_error();
      EXPECT_EQ(BIO_read(bio, &byte, 1), -1);
      EXPECT_EQ(BIO_write(bio, "x", 1), -1);
      EXPECT_EQ(TakeErrors(), Errors(2, {ERR_LIB_BIO, BIO_R_UNINITIALIZED, ""}));
      EXPECT_EQ(BIO_get_fd(bio, nullptr), -1);
      BIO_free(bio);
    }
  });
}

SOCKBED_BOTH_WAYS(BioErrors);

// A resolver that fails at its first look-up, and is asked again without the addresses of this
// host's families.
class BioErrorsOfNames : public BothWays {
 protected:
  BioErrorsOfNames() : BothWays(Machine::Options{.seed = 7, .fault_plan = &plan_}) {}

  fault::Plan plan_{{{.site = Site::kResolvFail}}};
};

TEST_P(BioErrorsOfNames, TheFirstFailureIsTold) {
  InProcess([&] {
    BIO_ADDRINFO* list = nullptr;
    for (const int family : {AF_INET, AF_UNSPEC}) {
      ERR_clear_error();
      EXPECT_EQ(bios().lookup_ex("server", "80", BIO_LOOKUP_CLIENT, family, SOCK_STREAM, 0, &list),
                0);
      EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, ERR_R_SYS_LIB, gai_strerror(EAI_AGAIN)}}));
    }
    const BioPtr out(bios().new_connect("server:80")), in(bios().new_accept("server:80"));
    EXPECT_EQ(BIO_do_connect(out.get()), -1);
    EXPECT_EQ(BIO_do_accept(in.get()), -1);
    EXPECT_EQ(TakeErrors(), Errors(2, {ERR_LIB_BIO, ERR_R_SYS_LIB, gai_strerror(EAI_AGAIN)}));
  });
}

SOCKBED_BOTH_WAYS(BioErrorsOfNames);

// The first of the client's two addresses finds no descriptor; the second does.
class BioErrorsOfTheFirst : public BothWays {
 protected:
  BioErrorsOfTheFirst() : BothWays(Machine::Options{.seed = 7, .fault_plan = &plan_}) {
    sim_.Connect(client_, server_, {});
  }

  fault::Plan plan_{{{.site = Site::kFdLimit, .only_ordinal = 1}}};
};

TEST_P(BioErrorsOfTheFirst, AnAcceptBioTriesTheNext) {
  InProcess([&] {
    const BioPtr bio(bios().new_accept("client:80"));
    ERR_clear_error();
    EXPECT_EQ(BIO_do_accept(bio.get()), 1);
    EXPECT_STREQ(BIO_get_accept_name(bio.get()), "10.0.2.1");
    EXPECT_EQ(TakeErrors(), Errors{});
  });
}

TEST_P(BioErrorsOfTheFirst, AConnectBioDoesNot) {
  InProcess([&] {
    const BioPtr bio(bios().new_connect("client:80"));
    ERR_clear_error();
    EXPECT_LE(BIO_do_connect(bio.get()), 0);
    EXPECT_EQ(TakeErrors().size(), 4u);
  });
}

SOCKBED_BOTH_WAYS(BioErrorsOfTheFirst);

}  // namespace
}  // namespace sockbed
