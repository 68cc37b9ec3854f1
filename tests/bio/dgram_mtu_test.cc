// The datagram BIO and the path MTU: client -- 1500 -- router -- 1400 -- server.
#include <netinet/in.h>

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BssDgramMtu : public BothWays {
 protected:
  BssDgramMtu() : far_(sim_.AddHost("far")) {
    // server_ is the router: 10.0.1.1 towards the client, 10.0.2.1 towards the far host.
    sim_.Connect(server_, far_, {.latency = absl::Milliseconds(5), .mtu = 1400});
    server_.SetSysctl("net.inet.ip.forwarding", 1);
    AddRoute(client_, "10.0.2.0/24", "10.0.1.1");
    AddRoute(far_, "10.0.1.0/24", "10.0.2.1");
  }

  static void AddRoute(Host& host, const char* net, const char* gateway) {
    EXPECT_EQ(host.AddRoute(*ParseRoute(net, gateway)), 0);
  }

  // A BIO connected, and told so, to the far host.
  BioPtr Connected() {
    const int fd = Datagram();
    const AddrPtr far = AddrOf(far_.address(7));
    EXPECT_EQ(bios().connect(fd, far.get(), 0), 1);
    BIO* bio = bios().new_dgram(fd, BIO_CLOSE);
    EXPECT_EQ(BIO_ctrl_set_connected(bio, far.get()), 1);
    return BioPtr(bio);
  }

  static long Ask(const BioPtr& bio, int command, long number = 0) {
    return BIO_ctrl(bio.get(), command, number, nullptr);
  }
  static int Write(const BioPtr& bio, int size) {
    return BIO_write(bio.get(), std::string(static_cast<size_t>(size), 'x').data(), size);
  }
  static int Discover(const BioPtr& bio) {
    int value = -1, fd = -1;
    socklen_t length = sizeof value;
    BIO_get_fd(bio.get(), &fd);
    EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &length), Works());
    return value;
  }

  Host& far_;
};

TEST_P(BssDgramMtu, ThePathsMtuIsAskedLessTheHeaders) {
  InProcess([&] {
    const BioPtr bio = Connected();
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_GET_MTU), 0);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_QUERY_MTU), 1500 - 28);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_GET_MTU), 1472);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_SET_MTU, 900), 900);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_GET_MTU), 900);
    const BioPtr alone(bios().new_dgram(Datagram(), BIO_CLOSE));
    EXPECT_EQ(Ask(alone, BIO_CTRL_DGRAM_QUERY_MTU), 0);  // needs a connected socket
  });
}

TEST_P(BssDgramMtu, ARoutersRefusalShrinksIt) {
  far_.Spawn("sink", [&] {
    const int fd = Datagram();
    EXPECT_EQ(bios().bind(fd, AddrOf(far_.address(7)).get(), 0), 1);
    char buffer[2000];
    EXPECT_EQ(uapi::recv(fd, buffer, sizeof buffer, 0), 1372);
  });
  InProcess([&] {
    const BioPtr bio = Connected();
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_MTU_DISCOVER), 0);
    EXPECT_EQ(Discover(bio), IP_PMTUDISC_DO);
    EXPECT_EQ(Write(bio, 1472), 1472);  // on its way, and refused there
    char byte;
    EXPECT_EQ(BIO_read(bio.get(), &byte, 1), -1);
    EXPECT_EQ(errno, EMSGSIZE);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_QUERY_MTU), 1400 - 28);
    EXPECT_EQ(Write(bio, 1373), -1);
    EXPECT_EQ(errno, EMSGSIZE);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    // The library never notes it: EMSGSIZE does not pass, and only errors that do are noted.
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_MTU_EXCEEDED), bios().ours ? 1 : 0);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_MTU_EXCEEDED), 0);
    EXPECT_EQ(Write(bio, 1372), 1372);
  });
}

TEST_P(BssDgramMtu, DontFragmentIsASocketOptionOfThePeersFamily) {
  InProcess([&] {
    const BioPtr bio = Connected();
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_SET_DONT_FRAG, 1), bios().ours ? 1 : 0);
    EXPECT_EQ(Discover(bio), IP_PMTUDISC_PROBE);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_SET_DONT_FRAG, 0), bios().ours ? 1 : 0);
    EXPECT_EQ(Discover(bio), IP_PMTUDISC_DONT);
    const BioPtr alone(bios().new_dgram(Datagram(), BIO_CLOSE));
    EXPECT_EQ(Ask(alone, BIO_CTRL_DGRAM_SET_DONT_FRAG, 1), bios().ours ? 0 : -1);
  });
}

TEST_P(BssDgramMtu, HeadersAndTheSmallestPathDependOnThePeersFamily) {
  InProcess([&] {
    const BioPtr bio(bios().new_dgram(Datagram(), BIO_CLOSE));
    const auto expect = [&](long overhead, long fallback) {
      EXPECT_EQ(BIO_dgram_get_mtu_overhead(bio.get()), static_cast<unsigned>(overhead));
      EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_GET_FALLBACK_MTU), fallback);
    };
    expect(28, 548);
    EXPECT_EQ(BIO_ctrl_dgram_connect(bio.get(), Loopback(1).get()), 1);
    expect(28, 548);
    AddrStorage v6{};
    v6.in6.sin6_family = AF_INET6;
    v6.in6.sin6_addr = in6addr_loopback;
    EXPECT_EQ(BIO_ctrl_dgram_connect(bio.get(), v6.addr()), 1);
    expect(48, 1232);
    inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.in6.sin6_addr);
    EXPECT_EQ(BIO_ctrl_dgram_connect(bio.get(), v6.addr()), 1);
    expect(28, 548);
  });
}

SOCKBED_BOTH_WAYS(BssDgramMtu);

}  // namespace
}  // namespace sockbed
