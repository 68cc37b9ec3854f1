#include "kernel/inet/in_pcb.h"

#include <errno.h>

#include <set>

#include "kernel/inet/in_options.h"
#include "kernel/inet/pcb_test_net.h"

namespace sockbed {
namespace {

using PcbTest = PcbTestNet;

constexpr int kAddr = kSoReuseAddr;
constexpr int kPort = kSoReusePort;

TEST_F(PcbTest, BindChecksInOrder) {
  InProcess([&] {
    socket* so = Create();
    MbufPtr nam = Name("10.0.1.1", 5000);
    nam->m_len = 7;
    EXPECT_EQ(in_pcbbind(sotoinpcb(so), nam.get(), curproc()), EINVAL);
    nam = Name("10.0.1.1", 5000);
    nam->m_data[0] = AF_UNIX;
    EXPECT_EQ(in_pcbbind(sotoinpcb(so), nam.get(), curproc()), EAFNOSUPPORT);
    EXPECT_EQ(Bind(so, "10.0.9.9", 5000), EADDRNOTAVAIL);
    EXPECT_EQ(Bind(so, "10.0.1.1", 5000), 0);
    EXPECT_EQ(Bind(so, "10.0.1.1", 5001), EINVAL);
  });
}

TEST_F(PcbTest, WhichAddressesASocketMayHave) {
  InProcess([&] {
    EXPECT_EQ(Bind(Create(SOCK_STREAM), "224.0.0.9", 5000), EADDRNOTAVAIL);
    EXPECT_EQ(Bind(Create(SOCK_STREAM), "255.255.255.255", 5000), EADDRNOTAVAIL);
    EXPECT_EQ(Bind(Create(SOCK_DGRAM), "224.0.0.9", 5000), 0);
    EXPECT_EQ(Bind(Create(SOCK_DGRAM), "255.255.255.255", 5000), 0);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kSoBindAny), "8.8.8.8", 5000), 0);
    EXPECT_EQ(Bind(Create(SOCK_STREAM), "127.0.0.1", 5000), 0);
  });
}

TEST_F(PcbTest, LowPortsNeedPrivilegeAndConflictsAreSeenFirst) {
  InProcess([&] {
    Bound("10.0.1.1", 80, kPort);
    AsUser([&] {
      EXPECT_EQ(Bind(Create(), "10.0.2.1", 80), EACCES);
      EXPECT_EQ(Bind(Create(), "10.0.1.1", 80), EADDRINUSE);
      EXPECT_EQ(Bind(Create(), "10.0.2.1", 2049), EACCES);
      EXPECT_EQ(Bind(Create(), "10.0.2.1", 1024), 0);
    });
  });
}

// The table of spec 9.4: what the new socket has, against what stands there.
TEST_F(PcbTest, ConflictTable) {
  constexpr int kBusy = EADDRINUSE;
  struct Row {
    int new_options;
    int exact_plain, exact_addr, exact_port, wild;
  };
  constexpr Row kRows[] = {
      {0, kBusy, kBusy, kBusy, kBusy},
      {kAddr, kBusy, kBusy, kBusy, 0},
      {kPort, kBusy, kBusy, 0, 0},
      {kAddr | kPort, kBusy, kBusy, 0, 0},
  };
  InProcess([&] {
    Bound("10.0.1.1", 81);
    Bound("10.0.1.1", 82, kAddr);
    Bound("10.0.1.1", 83, kPort);
    Bound("0.0.0.0", 84);
    for (const Row& row : kRows) {
      SCOPED_TRACE(row.new_options);
      auto bind = [&](uint16_t port) {
        const int error = Bind(Create(SOCK_STREAM, row.new_options), "10.0.1.1", port);
        soclose(open_.back());
        open_.pop_back();
        return error;
      };
      EXPECT_EQ(bind(81), row.exact_plain);
      EXPECT_EQ(bind(82), row.exact_addr);
      EXPECT_EQ(bind(83), row.exact_port);
      EXPECT_EQ(bind(84), row.wild);
    }
  });
}

TEST_F(PcbTest, MulticastAddressesAreSharedByReuseAddr) {
  InProcess([&] {
    Bound("224.0.0.9", 5000, kAddr, SOCK_DGRAM);
    EXPECT_EQ(Bind(Create(SOCK_DGRAM), "224.0.0.9", 5000), EADDRINUSE);
    EXPECT_EQ(Bind(Create(SOCK_DGRAM, kAddr), "224.0.0.9", 5000), 0);
    Bound("224.0.0.9", 5001, kPort, SOCK_DGRAM);
    EXPECT_EQ(Bind(Create(SOCK_DGRAM, kAddr), "224.0.0.9", 5001), 0);
    Bound("224.0.0.9", 5002, 0, SOCK_DGRAM);
    EXPECT_EQ(Bind(Create(SOCK_DGRAM, kAddr | kPort), "224.0.0.9", 5002), EADDRINUSE);
  });
}

// Rows (a) to (g) of spec 9.4.
TEST_F(PcbTest, ConflictRows) {
  InProcess([&] {
    Bound("0.0.0.0", 80);
    EXPECT_EQ(Bind(Create(), "10.0.1.1", 80), EADDRINUSE);           // a
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "10.0.1.1", 80), 0);  // b
    Bound("0.0.0.0", 81, kAddr);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "0.0.0.0", 81), EADDRINUSE);  // c
    Bound("0.0.0.0", 82, kPort);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kPort), "0.0.0.0", 82), 0);  // d
    Bound("0.0.0.0", 83);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kPort), "0.0.0.0", 83), EADDRINUSE);  // e
    Bound("10.0.1.1", 84);
    EXPECT_EQ(Bind(Create(), "10.0.2.1", 84), 0);  // f
    socket* old = Bound("10.0.1.1", 85);
    EXPECT_EQ(Connect(old, "10.0.1.2", 9), 0);             // as after a connection: TIME_WAIT
    EXPECT_EQ(Bind(Create(), "0.0.0.0", 85), EADDRINUSE);  // g
    EXPECT_EQ(Bind(Create(), "10.0.1.1", 85), EADDRINUSE);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "0.0.0.0", 85), 0);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "10.0.1.1", 85), 0);
  });
}

TEST_F(PcbTest, AnotherUsersPortIsTakenWhateverTheFlags) {
  InProcess([&] {
    Bound("0.0.0.0", 5000, kAddr | kPort);
    AsUser([&] {
      EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr | kPort), "0.0.0.0", 5000), EADDRINUSE);
      EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "10.0.1.1", 5000), EADDRINUSE);
      EXPECT_EQ(Bind(Create(SOCK_STREAM), "10.0.1.1", 5001), 0);
    });
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kPort), "0.0.0.0", 5000), 0);
  });
}

// Streams may meet another user's connections, as of a server that has gone (spec 9.4).
TEST_F(PcbTest, AnotherUsersConnectionsDoNotCountForStreamsOfTheOtherSystem) {
  for (const int profile : {0, 1}) {
    Set(a_, "net.inet.ip.profile", profile);
    InProcess([&] {
      EXPECT_EQ(Connect(Bound("10.0.1.1", 5000, kAddr), "10.0.1.2", 9), 0);
      Bound("10.0.1.1", 5001, kAddr);
      AsUser([&] {
        const int expected = profile != 0 ? 0 : EADDRINUSE;
        EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "10.0.1.1", 5000), expected);
        EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "0.0.0.0", 5001), EADDRINUSE);
        EXPECT_EQ(Bind(Create(SOCK_STREAM), "0.0.0.0", 5000), EADDRINUSE);
      });
      EXPECT_EQ(Connect(Bound("10.0.1.1", 5002, kAddr), "10.0.1.2", 9), 0);
      AsUser([&] {
        EXPECT_EQ(Bind(Create(SOCK_DGRAM, kAddr), "10.0.1.1", 5002), EADDRINUSE);
      });
    });
  }
}

TEST_F(PcbTest, OnlyTheBestMatchCounts) {
  InProcess([&] {
    Bound("10.0.1.1", 5000, kPort);
    Bound("0.0.0.0", 5000, kAddr);  // wild for what follows
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kPort), "10.0.1.1", 5000), 0);
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kPort), "0.0.0.0", 5000), EADDRINUSE);
  });
}

TEST_F(PcbTest, AutomaticPortsComeFromTheirRanges) {
  InProcess([&] {
    for (int i = 0; i < 50; ++i) {
      socket* so = Create();
      EXPECT_EQ(in_pcbbind(sotoinpcb(so), nullptr, curproc()), 0);
      EXPECT_GE(LocalPort(so), 1024);
      EXPECT_LE(LocalPort(so), 49151);
      so = Create();
      sotoinpcb(so)->inp_flags |= INP_HIGHPORT;
      EXPECT_EQ(Bind(so, "10.0.1.1", 0), 0);
      EXPECT_GE(LocalPort(so), 49152);
      so = Create();
      sotoinpcb(so)->inp_flags |= INP_LOWPORT;
      EXPECT_EQ(Bind(so, "0.0.0.0", 0), 0);
      EXPECT_GE(LocalPort(so), 600);
      EXPECT_LE(LocalPort(so), 1023);
    }
    AsUser([&] {
      socket* so = Create();
      sotoinpcb(so)->inp_flags |= INP_LOWPORT;
      EXPECT_EQ(Bind(so, "0.0.0.0", 0), EACCES);
    });
  });
}

TEST_F(PcbTest, AutomaticPortsAvoidTheTakenAndTheBad) {
  Set(a_, "net.inet.ip.portfirst", 2000);
  Set(a_, "net.inet.ip.portlast", 2009);
  Set(a_, "net.inet.ip.portrandom", 0);
  InProcess([&] {
    Bound("0.0.0.0", 2005);
    std::vector<uint16_t> ports;
    for (int i = 0; i < 7; ++i) {
      socket* so = Create();
      EXPECT_EQ(in_pcbbind(sotoinpcb(so), nullptr, curproc()), 0) << i;
      ports.push_back(LocalPort(so));
    }
    // 2001 and 2002 are never picked; the first one tried is the second of the range.
    EXPECT_EQ(ports, (std::vector<uint16_t>{2003, 2004, 2006, 2007, 2008, 2009, 2000}));
    EXPECT_EQ(in_pcbbind(sotoinpcb(Create()), nullptr, curproc()), EADDRNOTAVAIL);
    // Exact ports of another address do not matter, wild ones do unless the socket may share.
    EXPECT_EQ(Bind(Create(SOCK_STREAM, kAddr), "10.0.1.1", 0), 0);
  });
}

TEST_F(PcbTest, SetsOfPortsCanBeChanged) {
  in_pcbsysctls(&HostLocal<PcbHost>::Of(a_).table, "net.inet.test");
  const auto set = [&](const char* name, const char* text) {
    return a_.sysctls.SetText(std::string("net.inet.test.") + name, text);
  };
  const auto list = [&](const char* name) {
    std::string text;
    EXPECT_EQ(a_.sysctls.GetText(std::string("net.inet.test.") + name, &text), 0);
    return text;
  };
  EXPECT_EQ(list("baddynamic"), "2001,2002");
  EXPECT_EQ(set("baddynamic", "+2009,-2002,+2003"), 0);
  EXPECT_EQ(list("baddynamic"), "2001,2003,2009");
  EXPECT_EQ(set("rootonly", "5000,4000,5000"), 0);
  EXPECT_EQ(list("rootonly"), "4000,5000");
  for (const char* wrong : {"x", "+1,2", "1,+2", "0", "65536", "1,,2", "+", "1 2"}) {
    EXPECT_EQ(set("rootonly", wrong), EINVAL) << wrong;
  }
  EXPECT_EQ(list("rootonly"), "4000,5000");
  Set(a_, "net.inet.ip.portfirst", 2000);
  Set(a_, "net.inet.ip.portlast", 2009);
  Set(a_, "net.inet.ip.portrandom", 0);
  InProcess([&] {
    socket* so = Create();
    EXPECT_EQ(in_pcbbind(sotoinpcb(so), nullptr, curproc()), 0);
    EXPECT_EQ(LocalPort(so), 2002);
    AsUser([&] {
      EXPECT_EQ(Bind(Create(), "10.0.1.1", 4000), EACCES);
      EXPECT_EQ(Bind(Create(), "10.0.1.1", 2049), 0);
    });
  });
  EXPECT_EQ(set("rootonly", ""), 0);
  EXPECT_EQ(list("rootonly"), "");
}

TEST_F(PcbTest, AutomaticPortsRepeatWithTheSeed) {
  auto picks = [&](uint64_t seed) {
    Boot({.seed = seed});
    std::vector<uint16_t> ports;
    HostBase& host = AddHost("host");
    BootPcbs(host);
    InProcessOf(host, [&] {
      for (int i = 0; i < 5; ++i) {
        socket* so = Create();
        EXPECT_EQ(in_pcbbind(sotoinpcb(so), nullptr, curproc()), 0);
        ports.push_back(LocalPort(so));
      }
    });
    return ports;
  };
  const std::vector<uint16_t> once = picks(1);
  EXPECT_EQ(picks(1), once);
  EXPECT_NE(picks(2), once);
  EXPECT_EQ(std::set<uint16_t>(once.begin(), once.end()).size(), 5u);
}

TEST_F(PcbTest, ConnectChoosesSourceAndPort) {
  InProcess([&] {
    socket* so = Create();
    EXPECT_EQ(Connect(so, "10.0.2.2", 80), 0);
    const inpcb* inp = sotoinpcb(so);
    EXPECT_EQ(Text(inp->inp_laddr.v4()), "10.0.2.1");
    EXPECT_NE(inp->inp_lport, 0);
    MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    sockaddr_in sin;
    in_setpeeraddr(inp, nam.get());
    EXPECT_EQ(in_nam2sin(nam.get(), &sin), 0);
    EXPECT_EQ(Text(sin.sin_addr), "10.0.2.2");
    EXPECT_EQ(ntohs(sin.sin_port), 80);
    in_setsockaddr(inp, nam.get());
    EXPECT_EQ(in_nam2sin(nam.get(), &sin), 0);
    EXPECT_EQ(Text(sin.sin_addr), "10.0.2.1");
  });
}

TEST_F(PcbTest, ConnectErrors) {
  InProcess([&] {
    EXPECT_EQ(Connect(Create(), "10.0.1.2", 0), EADDRNOTAVAIL);
    EXPECT_EQ(Connect(Create(), "8.8.8.8", 80), EADDRNOTAVAIL);  // no route, no source
    EXPECT_EQ(Connect(Create(), "224.0.0.9", 80), EADDRNOTAVAIL);
    EXPECT_EQ(Connect(Bound("10.0.1.1", 5000), "8.8.8.8", 80), 0);  // the first packet will fail
    socket* first = Bound("10.0.1.1", 5001, kPort);
    EXPECT_EQ(Connect(first, "10.0.1.2", 80), 0);
    socket* second = Bound("10.0.1.1", 5001, kPort);
    EXPECT_EQ(Connect(second, "10.0.1.2", 80), EADDRINUSE);
    EXPECT_EQ(Connect(second, "10.0.1.2", 81), 0);
  });
}

// SO_REUSEADDR lets a port be picked that others have, but not the peer that one of them has.
TEST_F(PcbTest, APickedPortMayBeSharedButNotItsConnection) {
  Set(a_, "net.inet.ip.portfirst", 7000);
  Set(a_, "net.inet.ip.portlast", 7000);
  InProcess([&] {
    EXPECT_EQ(Connect(Create(SOCK_STREAM, kAddr), "10.0.1.2", 80), 0);
    EXPECT_EQ(Connect(Create(SOCK_STREAM, kAddr), "10.0.1.2", 81), 0);
    socket* again = Create(SOCK_STREAM, kAddr);
    EXPECT_EQ(Connect(again, "10.0.1.2", 80), EADDRINUSE);
    EXPECT_EQ(LocalPort(again), 0);
    EXPECT_EQ(Connect(again, "10.0.1.2", 82), 0);
  });
}

// The rows of spec 9.3, 9.5 and 9.6 in which the systems differ.
TEST_F(PcbTest, TheOtherSystemsWays) {
  Set(a_, "net.inet.ip.profile", 1);
  InProcess([&] {
    socket* so = Create();
    EXPECT_EQ(Connect(so, "0.0.0.0", 80), 0);
    EXPECT_EQ(Text(sotoinpcb(so)->inp_faddr.v4()), "127.0.0.1") << "the host's first address";
    EXPECT_GE(LocalPort(so), 10000);
    EXPECT_EQ(Connect(Create(), "8.8.8.8", 80), ENETUNREACH);
    Bound("10.0.1.1", 80, kPort);
    AsUser([&] { EXPECT_EQ(Bind(Create(), "10.0.1.1", 80), EACCES); });
  });
}

TEST_F(PcbTest, LookUpPrefersTheConnectedThenTheExactThenTheWild) {
  InProcess([&] {
    inpcb* wild = sotoinpcb(Bound("0.0.0.0", 80, kPort));
    inpcb* exact = sotoinpcb(Bound("10.0.1.1", 80, kPort));
    socket* connected = Bound("10.0.1.1", 80, kPort);
    EXPECT_EQ(Connect(connected, "10.0.1.2", 1234), 0);
    auto find = [&](const char* faddr, uint16_t fport, const char* laddr, uint16_t lport) {
      inpcb* inp = in_pcblookup(&table(), Addr(faddr), htons(fport), Addr(laddr), htons(lport));
      return inp != nullptr ? inp : in_pcblookup_listen(&table(), Addr(laddr), htons(lport));
    };
    EXPECT_EQ(find("10.0.1.2", 1234, "10.0.1.1", 80), sotoinpcb(connected));
    EXPECT_EQ(find("10.0.1.2", 1235, "10.0.1.1", 80), exact);
    EXPECT_EQ(find("10.0.1.3", 1234, "10.0.2.1", 80), wild);
    EXPECT_EQ(find("10.0.1.2", 1234, "10.0.1.1", 81), nullptr);
    in_pcbdisconnect(sotoinpcb(connected));
    EXPECT_EQ(find("10.0.1.2", 1234, "10.0.1.1", 80), sotoinpcb(connected));  // unconnected, newest
    inpcb* newest = sotoinpcb(Bound("0.0.0.0", 80, kPort));
    EXPECT_EQ(find("10.0.1.3", 1, "10.0.2.1", 80), newest);
  });
}

// What was found last is looked at first; it must not outlive its connection.
TEST_F(PcbTest, LookUpRemembersTheLastOneWhileItIsConnected) {
  InProcess([&] {
    inpcb* one = sotoinpcb(Bound("10.0.1.1", 80, kPort));
    inpcb* two = sotoinpcb(Bound("10.0.1.1", 81, kPort));
    EXPECT_EQ(Connect(one->inp_socket, "10.0.1.2", 1234), 0);
    EXPECT_EQ(Connect(two->inp_socket, "10.0.1.2", 1234), 0);
    const auto find = [&](uint16_t fport, uint16_t lport) {
      return in_pcblookup(&table(), Addr("10.0.1.2"), htons(fport), Addr("10.0.1.1"), htons(lport));
    };
    EXPECT_EQ(table().expected(), nullptr);
    for (inpcb* inp : {one, two, two, one}) {
      EXPECT_EQ(find(1234, ntohs(inp->inp_lport)), inp);
      EXPECT_EQ(table().expected(), inp);
    }
    EXPECT_EQ(find(1235, 80), nullptr);
    EXPECT_EQ(table().expected(), one);
    in_pcbdisconnect(one);
    EXPECT_EQ(table().expected(), nullptr);
    EXPECT_EQ(find(1234, 80), nullptr);
    EXPECT_EQ(Connect(one->inp_socket, "10.0.1.2", 1235), 0);
    EXPECT_EQ(find(1234, 80), nullptr);
    EXPECT_EQ(find(1235, 80), one);
  });
}

// Somebody sleeps on a connection: look-ups begin with it. With one that has no peer they cannot.
TEST_F(PcbTest, LookUpBeginsWithWhoIsAwaited) {
  InProcess([&] {
    inpcb* one = sotoinpcb(Bound("10.0.1.1", 80, kPort));
    inpcb* two = sotoinpcb(Bound("10.0.1.1", 81, kPort));
    for (inpcb* inp : {one, two}) EXPECT_EQ(Connect(inp->inp_socket, "10.0.1.2", 1234), 0);
    in_pcbexpect(one);
    EXPECT_EQ(table().expected(), one);
    in_pcbexpect(sotoinpcb(Bound("10.0.1.1", 82, kPort)));
    EXPECT_EQ(table().expected(), one);
    EXPECT_EQ(in_pcblookup(&table(), Addr("10.0.1.2"), htons(1234), Addr("10.0.1.1"), htons(81)),
              two);
    in_pcbexpect(one);
    in_pcbdisconnect(one);
    EXPECT_EQ(table().expected(), nullptr);
  });
}

// How many pcbs are compared, on average, until a connected one is found. All of `inps` are.
double ComparisonsPerLookup(const std::vector<inpcb*>& inps) {
  uint64_t comparisons = 0;
  for (const inpcb* inp : inps) {
    for (const inpcb* at = inp; at != nullptr; at = at->inp_hash_next) ++comparisons;
  }
  return static_cast<double>(comparisons) / static_cast<double>(inps.size());
}

// A look-up costs the same with a hundred thousand connections as with ten, whichever of their
// names' parts differ: the hash leaves one and a half comparisons of them.
TEST_F(PcbTest, LookUpComparesAsManyPcbsAmongManyAsAmongFew) {
  for (const bool many_hosts : {false, true}) {
    for (const uint32_t count : {10u, 1'000u, 100'000u}) {
      InProcess([&] {
        std::vector<inpcb*> accepted;
        for (uint32_t n = 0; n < count; ++n) {
          const in_addr from = {htonl(0x0a01'0000 + (many_hosts ? n : n / 50'000))};
          const auto port = static_cast<uint16_t>(many_hosts ? 1024 : 1024 + n % 50'000);
          inpcb* inp = sotoinpcb(Create());
          ASSERT_EQ(in_pcbset_addr(inp, from, htons(port), Addr("10.0.1.1"), htons(80)), 0);
          accepted.push_back(inp);
        }
        EXPECT_LE(ComparisonsPerLookup(accepted), 1.7) << count;
      });
    }
  }
}

TEST_F(PcbTest, AcceptedConnectionsShareTheListenersPort) {
  InProcess([&] {
    inpcb* listener = sotoinpcb(Bound("0.0.0.0", 80));
    std::vector<inpcb*> accepted;
    for (uint16_t n = 0; n < 3000; ++n) {
      inpcb* inp = sotoinpcb(Create());
      EXPECT_EQ(in_pcbset_addr(inp, Addr("10.0.1.2"), htons(n), Addr("10.0.1.1"), htons(80)), 0);
      accepted.push_back(inp);
    }
    for (uint16_t n = 0; n < 3000; ++n) {
      ASSERT_EQ(in_pcblookup(&table(), Addr("10.0.1.2"), htons(n), Addr("10.0.1.1"), htons(80)),
                accepted[n]);
    }
    EXPECT_EQ(in_pcblookup_listen(&table(), Addr("10.0.1.1"), htons(80)), listener);
    EXPECT_EQ(in_pcbset_addr(sotoinpcb(Create()), Addr("10.0.1.2"), htons(7), Addr("10.0.1.1"),
                             htons(80)),
              EADDRINUSE);
    EXPECT_EQ(Live(a_, "inpcb"), 3002);
  });
  EXPECT_EQ(Live(a_, "inpcb"), 0);
}

TEST_F(PcbTest, ALosingRouteIsForgotten) {
  InProcess([&] {
    inpcb* inp = sotoinpcb(Create());
    EXPECT_EQ(Connect(inp->inp_socket, "10.0.1.2", 80), 0);
    EXPECT_EQ(rt_path_mtu(in_pcbrtentry(inp)), 1500u);
    icmp_mtudisc({.error = EMSGSIZE, .dst = Addr("10.0.1.2"), .mtu = 1400});
    EXPECT_EQ(rt_path_mtu(in_pcbrtentry(inp)), 1400u);
    in_losing(inp);
    EXPECT_EQ(rt_path_mtu(in_pcbrtentry(inp)), 1500u);
  });
}

TEST_F(PcbTest, NotifiesTheOneOrAllOfAPeer) {
  InProcess([&] {
    socket* one = Create();
    socket* two = Create();
    EXPECT_EQ(Connect(one, "10.0.1.2", 80), 0);
    EXPECT_EQ(Connect(two, "10.0.1.2", 81), 0);
    auto notify = [](inpcb* inp, int error) { inp->inp_socket->so_error = error; };
    const inpcb* inp = sotoinpcb(one);
    EXPECT_TRUE(in_pcbnotify(&table(), inp->inp_faddr, inp->inp_fport, inp->inp_laddr,
                             inp->inp_lport, ECONNREFUSED, notify));
    EXPECT_FALSE(in_pcbnotify(&table(), inp->inp_faddr, inp->inp_fport, inp->inp_laddr, 0,
                              ECONNREFUSED, notify));
    EXPECT_EQ(one->so_error, ECONNREFUSED);
    EXPECT_EQ(two->so_error, 0);
    in_pcbnotifyall(&table(), Addr("10.0.1.2"), EHOSTUNREACH, notify);
    EXPECT_EQ(two->so_error, EHOSTUNREACH);
    one->so_error = two->so_error = 0;
  });
}

TEST_F(PcbTest, ARefusedAllocationIsReported) {
  fault::Plan plan({{.site = Site::kPoolGet, .only_ordinal = 1}});
  Boot({.seed = 1, .fault_plan = &plan});
  HostBase& host = AddHost("host");
  BootPcbs(host);
  HostScope scope(host);
  socket* so = nullptr;
  EXPECT_EQ(socreate(AF_INET, &so, SOCK_STREAM, 0), ENOBUFS);
  Boot({.seed = 1});
}

}  // namespace
}  // namespace sockbed
