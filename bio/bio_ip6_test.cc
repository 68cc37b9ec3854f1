// BIOs over IPv6, both ways: what a family changes.
#include <netinet/in.h>

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BioIp6 : public BothWays {
 protected:
  static AddrPtr Ip6(const in6_addr& address, uint16_t port) {
    AddrPtr addr(BIO_ADDR_new());
    EXPECT_EQ(BIO_ADDR_rawmake(addr.get(), AF_INET6, &address, sizeof address, htons(port)), 1);
    return addr;
  }
  int Stream6() { return bios().socket(AF_INET6, SOCK_STREAM, 0, 0); }

  static int OptionOf(int fd, int option) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IPV6, option, &value, &length), Works());
    return value;
  }
};

// The option is set either way: no default of the system's stands.
TEST_P(BioIp6, ListeningSaysWhetherIp4IsWelcome) {
  InProcess([&] {
    for (const int flag : {0, BIO_SOCK_V6_ONLY}) {
      const int listener = Stream6(), fd = Stream();
      EXPECT_EQ(bios().listen(listener, Ip6(in6addr_any, 80).get(), flag), 1);
      EXPECT_EQ(OptionOf(listener, IPV6_V6ONLY), flag != 0);
      ERR_clear_error();
      EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), flag == 0);
      if (flag == 0) {
        const AddrPtr peer(BIO_ADDR_new());
        const int accepted = bios().accept_ex(listener, peer.get(), 0);
        EXPECT_EQ(BIO_ADDR_family(peer.get()), AF_INET6);
        bios().closesocket(accepted);
      }
      bios().closesocket(fd);
      bios().closesocket(listener);
    }
  });
}

// The family that is asked for narrows the look-up.
TEST_P(BioIp6, OfTwoFamiliesABioTakesTheOneItIsToldTo) {
  client_.Spawn("server", [&] {
    const BioPtr four(bios().new_accept("127.0.0.1:80")), six(bios().new_accept("[::1]:80"));
    for (BIO* const bio : {four.get(), six.get()}) EXPECT_EQ(BIO_do_accept(bio), 1);
    for (BIO* const bio : {four.get(), six.get()}) {
      EXPECT_EQ(BIO_do_accept(bio), 1);
      BIO_free(BIO_pop(bio));
    }
  });
  InProcess([&] {
    uapi::usleep(50'000);
    for (int family : {BIO_FAMILY_IPV4, BIO_FAMILY_IPV6}) {
      const bool four = family == BIO_FAMILY_IPV4;
      const BioPtr bio(bios().new_connect(":80"));
      const BioPtr other(bios().new_connect(four ? "[::1]:80" : "127.0.0.1:80"));
      BIO_set_conn_ip_family(bio.get(), family);
      BIO_set_conn_ip_family(other.get(), family);
      EXPECT_EQ(BIO_do_connect(bio.get()), 1);
      EXPECT_EQ(BIO_ADDR_family(BIO_get_conn_address(bio.get())), four ? AF_INET : AF_INET6);
      if (bios().ours) {
        EXPECT_EQ(BIO_get_conn_ip_family(bio.get()), family);
      }
      EXPECT_EQ(BIO_do_connect(other.get()), -1) << "the number is of another family";
    }
    ERR_clear_error();
  });
}

TEST_P(BioIp6, AnAcceptBioLikewise) {
  InProcess([&] {
    for (int family : {BIO_FAMILY_IPV4, BIO_FAMILY_IPV6}) {
      const BioPtr bio(bios().new_accept("80"));
      EXPECT_EQ(BIO_set_accept_ip_family(bio.get(), family), 1);
      EXPECT_EQ(BIO_get_accept_ip_family(bio.get()), family);
      EXPECT_EQ(BIO_do_accept(bio.get()), 1);
      EXPECT_EQ(BIO_get_accept_ip_family(bio.get()), family);
      EXPECT_STREQ(BIO_get_accept_name(bio.get()), family == BIO_FAMILY_IPV4 ? "0.0.0.0" : "::");
    }
    int unknown = 5;
    const BioPtr bio(bios().new_accept("80"));
    EXPECT_EQ(BIO_set_accept_ip_family(bio.get(), unknown), 1);
    ERR_clear_error();
    EXPECT_EQ(BIO_do_accept(bio.get()), -1);
    EXPECT_EQ(TakeErrors()[0].reason, BIO_R_UNSUPPORTED_IP_FAMILY);
  });
}

TEST_P(BioIp6, ConnectAndAcceptBiosTalk) {
  client_.Spawn("server", [&] {
    BIO* const bio = bios().new_accept("[::1]:80");
    EXPECT_EQ(BIO_do_accept(bio), 1);
    EXPECT_STREQ(BIO_get_accept_name(bio), "::1");
    EXPECT_EQ(BIO_get_accept_ip_family(bio), 6);
    EXPECT_EQ(BIO_do_accept(bio), 1);
    EXPECT_STREQ(BIO_get_peer_name(bio), "::1");
    EXPECT_EQ(BIO_puts(bio, "hi"), 2);
    BIO_free_all(bio);
  });
  InProcess([&] {
    uapi::usleep(50'000);
    const BioPtr bio(bios().new_connect("[::1]:80"));
    char text[8];
    EXPECT_EQ(BIO_read(bio.get(), text, sizeof text), 2);
    EXPECT_EQ(BIO_ADDR_family(BIO_get_conn_address(bio.get())), AF_INET6);
    if (bios().ours) {
      EXPECT_EQ(BIO_get_conn_ip_family(bio.get()), 6);
    }
  });
}

TEST_P(BioIp6, DatagramsHaveLargerHeadersAndOptionsOfTheirOwn) {
  InProcess([&] {
    const int to = bios().socket(AF_INET6, SOCK_DGRAM, 0, 0);
    const int fd = bios().socket(AF_INET6, SOCK_DGRAM, 0, 0);
    const AddrPtr address = Ip6(in6addr_loopback, 7);
    EXPECT_EQ(bios().bind(to, address.get(), 0), 1);
    EXPECT_EQ(bios().connect(fd, address.get(), 0), 1);
    const BioPtr receiver(bios().new_dgram(to, BIO_CLOSE)), bio(bios().new_dgram(fd, BIO_CLOSE));
    EXPECT_EQ(BIO_ctrl_set_connected(bio.get(), address.get()), 1);
    EXPECT_EQ(BIO_puts(bio.get(), "hello"), 5);
    char text[8];
    EXPECT_EQ(BIO_read(receiver.get(), text, sizeof text), 5);
    const AddrPtr peer(BIO_ADDR_new());
    EXPECT_EQ(BIO_dgram_get_peer(receiver.get(), peer.get()), bios().ours ? 1 : 28);
    EXPECT_EQ(BIO_ADDR_family(peer.get()), AF_INET6);
    const auto ask = [&](int command, long n) { return BIO_ctrl(bio.get(), command, n, nullptr); };
    EXPECT_EQ(ask(BIO_CTRL_DGRAM_QUERY_MTU, 0), 32'768 - 48);
    EXPECT_EQ(ask(BIO_CTRL_DGRAM_MTU_DISCOVER, 0), 0);
    EXPECT_EQ(OptionOf(fd, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_DO);
    EXPECT_EQ(ask(BIO_CTRL_DGRAM_SET_DONT_FRAG, 1), bios().ours ? 1 : 0);
    EXPECT_EQ(OptionOf(fd, IPV6_DONTFRAG), 1);
  });
}

SOCKBED_BOTH_WAYS(BioIp6);

// Later releases' local addresses: no oracle.
class BioIp6Local : public TwoHosts {};

TEST_F(BioIp6Local, AreToldAndChosen) {
  client_.Spawn("test", [] {
    const int fd = sockbed::BIO_socket(AF_INET6, SOCK_DGRAM, 0, 0);
    AddrStorage any{};
    any.in6.sin6_family = AF_INET6;
    any.in6.sin6_port = htons(7);
    EXPECT_EQ(sockbed::BIO_bind(fd, any.addr(), 0), 1);
    const BioPtr bio(sockbed::BIO_new_dgram(fd, BIO_CLOSE));
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP, 0, nullptr), 1);
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE, 1, nullptr), 1);
    AddrStorage self{}, local{}, peer{};
    self.in6 = any.in6;
    self.in6.sin6_addr = in6addr_loopback;
    char text[] = "me";
    BIO_MSG msg{text, 2, self.addr(), self.addr()};
    size_t processed = 0;
    EXPECT_EQ(BIO_sendmmsg(bio.get(), &msg, sizeof msg, 1, 0, &processed), 1);
    msg = {text, 2, peer.addr(), local.addr()};
    EXPECT_EQ(BIO_recvmmsg(bio.get(), &msg, sizeof msg, 1, 0, &processed), 1);
    EXPECT_EQ(memcmp(&local.in6.sin6_addr, &in6addr_loopback, sizeof(in6_addr)), 0);
    EXPECT_EQ(local.in6.sin6_port, htons(7));
    EXPECT_EQ(memcmp(&peer.in6.sin6_addr, &in6addr_loopback, sizeof(in6_addr)), 0);
  });
  Run();
}

}  // namespace
}  // namespace sockbed
