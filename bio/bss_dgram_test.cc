// The datagram BIO: peers, data, controls. Time and MTU have files of their own.
#include "bio/bss_dgram.h"

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BssDgram : public BothWays {
 protected:
  // A BIO over a socket bound to a port of this host's loopback.
  BioPtr Bound(uint16_t port) {
    const int fd = Datagram();
    EXPECT_EQ(bios().bind(fd, Loopback(port).get(), 0), 1);
    return BioPtr(bios().new_dgram(fd, BIO_CLOSE));
  }

  static std::string ReadText(BIO* bio, int room = 64) {
    std::string text(static_cast<size_t>(room), '\0');
    const int n = BIO_read(bio, text.data(), room);
    return n < 0 ? "error" : text.substr(0, static_cast<size_t>(n));
  }

  std::string PeerOf(BIO* bio) {
    const AddrPtr peer(BIO_ADDR_new());
    const int answer = BIO_dgram_get_peer(bio, peer.get());
    // The page says 1; the library answers with the size of what it copied, 112 of no address.
    if (bios().ours) {
      EXPECT_EQ(answer, BIO_ADDR_family(peer.get()) != AF_UNSPEC);
    } else {
      EXPECT_EQ(answer, BIO_ADDR_family(peer.get()) == AF_INET ? 16 : 112);
    }
    return TextOf(peer.get());
  }

  static int SendTo(BIO* bio, const BIO_ADDR* peer, const char* text) {
    EXPECT_EQ(BIO_dgram_set_peer(bio, peer), 1);
    return BIO_puts(bio, text);
  }

  static void Block(BIO* bio, int nonblocking) {
    int fd = -1;
    BIO_get_fd(bio, &fd);
    EXPECT_EQ(sockbed::BIO_socket_nbio(fd, nonblocking), 1);
  }
};

TEST_P(BssDgram, EachWriteIsADatagramAndEachReadTakesOne) {
  InProcess([&] {
    const BioPtr a = Bound(1), b = Bound(2);
    EXPECT_EQ(SendTo(a.get(), Loopback(2).get(), "one"), 3);
    EXPECT_EQ(BIO_write(a.get(), "three", 5), 5);
    EXPECT_EQ(ReadText(b.get()), "one");
    EXPECT_EQ(ReadText(b.get()), "three");
    EXPECT_EQ(BIO_number_read(b.get()), 8u);
    EXPECT_EQ(BIO_number_written(a.get()), 8u);
  });
}

// The hazard of the page: whoever speaks last gets the answer.
TEST_P(BssDgram, AStrangersDatagramRedirectsLaterWrites) {
  InProcess([&] {
    const BioPtr server = Bound(1), friendly = Bound(2), stranger = Bound(3);
    EXPECT_EQ(PeerOf(server.get()), "unset");
    EXPECT_EQ(SendTo(friendly.get(), Loopback(1).get(), "hello"), 5);
    EXPECT_EQ(ReadText(server.get()), "hello");
    EXPECT_EQ(PeerOf(server.get()), "127.0.0.1:2");
    EXPECT_EQ(SendTo(stranger.get(), Loopback(1).get(), "mine now"), 8);
    EXPECT_EQ(ReadText(server.get()), "mine now");
    EXPECT_EQ(PeerOf(server.get()), "127.0.0.1:3");
    EXPECT_EQ(BIO_puts(server.get(), "answer"), 6);
    EXPECT_EQ(ReadText(stranger.get()), "answer");
  });
}

TEST_P(BssDgram, ToldThatItIsConnectedItKeepsItsPeer) {
  InProcess([&] {
    const BioPtr bio = Bound(1), stranger = Bound(3);
    const BioPtr peer = Bound(2);
    EXPECT_EQ(BIO_ctrl_set_connected(bio.get(), Loopback(2).get()), 1);
    EXPECT_EQ(SendTo(stranger.get(), Loopback(1).get(), "mine?"), 5);
    EXPECT_EQ(ReadText(bio.get()), "mine?");  // the socket is not connected: anybody is heard
    EXPECT_EQ(PeerOf(bio.get()), "127.0.0.1:2");
    // Writes go through the socket's own connection, which there is none of.
    EXPECT_EQ(BIO_puts(bio.get(), "x"), -1);
    EXPECT_EQ(errno, EDESTADDRREQ);
    EXPECT_EQ(BIO_ctrl_set_connected(bio.get(), nullptr), 1);
    EXPECT_EQ(PeerOf(bio.get()), "unset");
  });
}

TEST_P(BssDgram, AConnectedSocketWritesAndHearsItsPeerAlone) {
  InProcess([&] {
    const BioPtr bio = Bound(1), peer = Bound(2), stranger = Bound(3);
    int fd = -1;
    BIO_get_fd(bio.get(), &fd);
    EXPECT_EQ(bios().connect(fd, Loopback(2).get(), 0), 1);
    EXPECT_EQ(BIO_ctrl_set_connected(bio.get(), Loopback(2).get()), 1);
    EXPECT_EQ(SendTo(stranger.get(), Loopback(1).get(), "mine?"), 5);
    EXPECT_EQ(SendTo(peer.get(), Loopback(1).get(), "yours"), 5);
    EXPECT_EQ(ReadText(bio.get()), "yours");
    EXPECT_EQ(BIO_puts(bio.get(), "thanks"), 6);
    EXPECT_EQ(ReadText(peer.get()), "thanks");
  });
}

// Not told, the BIO names the peer in each write; a BSD kernel refuses that on a connected socket.
TEST_P(BssDgram, AConnectedSocketRefusesABioThatWasNotTold) {
  InProcess([&] {
    const BioPtr bio = Bound(1), peer = Bound(2);
    int fd = -1;
    BIO_get_fd(bio.get(), &fd);
    EXPECT_EQ(bios().connect(fd, Loopback(2).get(), 0), 1);
    EXPECT_EQ(SendTo(bio.get(), Loopback(2).get(), "x"), -1);
    EXPECT_EQ(errno, EISCONN);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
  });
}

// The BIO's own peer, or else the socket's. OpenSSL 3.0 does not know the question.
TEST_P(BssDgram, APeerIsFoundOut) {
  InProcess([&] {
    const BioPtr bio = Bound(1);
    AddrStorage peer{};
    const auto detect = [&] {
      return BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_DETECT_PEER_ADDR, 0, &peer);
    };
    EXPECT_EQ(detect(), 0);
    EXPECT_EQ(
        bios().connect(static_cast<int>(BIO_get_fd(bio.get(), nullptr)), Loopback(2).get(), 0), 1);
    EXPECT_EQ(detect(), bios().ours);
    EXPECT_EQ(TextOf(peer.addr()), bios().ours ? "127.0.0.1:2" : "unset");
    EXPECT_EQ(PeerOf(bio.get()), "unset") << "it was not told";
    EXPECT_EQ(BIO_dgram_set_peer(bio.get(), Loopback(3).get()), 1);
    EXPECT_EQ(detect(), bios().ours);
    EXPECT_EQ(TextOf(peer.addr()), bios().ours ? "127.0.0.1:3" : "unset");
  });
}

TEST_P(BssDgram, WithoutAPeerAWriteHasNoDestination) {
  InProcess([&] {
    const BioPtr bio = Bound(1);
    EXPECT_EQ(BIO_puts(bio.get(), "x"), -1);
    EXPECT_EQ(errno, EDESTADDRREQ);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
  });
}

TEST_P(BssDgram, AClosedPortRefusesTheNextCallOfAConnectedSocket) {
  InProcess([&] {
    const BioPtr bio = Bound(1);
    int fd = -1;
    BIO_get_fd(bio.get(), &fd);
    EXPECT_EQ(bios().connect(fd, Loopback(2).get(), 0), 1);
    EXPECT_EQ(BIO_ctrl_set_connected(bio.get(), Loopback(2).get()), 1);
    EXPECT_EQ(BIO_puts(bio.get(), "anybody?"), 8);
    EXPECT_EQ(ReadText(bio.get()), "error");
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_FALSE(BIO_should_retry(bio.get()));
  });
}

TEST_P(BssDgram, ATooSmallBufferLosesTheRestInSilence) {
  InProcess([&] {
    const BioPtr a = Bound(1), b = Bound(2);
    EXPECT_EQ(SendTo(a.get(), Loopback(2).get(), "abcdef"), 6);
    EXPECT_EQ(SendTo(a.get(), Loopback(2).get(), "next"), 4);
    EXPECT_EQ(ReadText(b.get(), 3), "abc");
    EXPECT_EQ(ReadText(b.get()), "next");
  });
}

TEST_P(BssDgram, PeekingLeavesTheDatagramAndNotesItsSender) {
  InProcess([&] {
    const BioPtr a = Bound(1), b = Bound(2);
    EXPECT_EQ(SendTo(a.get(), Loopback(2).get(), "abcdef"), 6);
    EXPECT_EQ(BIO_ctrl(b.get(), BIO_CTRL_DGRAM_SET_PEEK_MODE, 1, nullptr), 1);
    EXPECT_EQ(ReadText(b.get(), 3), "abc");
    EXPECT_EQ(PeerOf(b.get()), "127.0.0.1:1");
    EXPECT_EQ(ReadText(b.get()), "abcdef");
    EXPECT_EQ(BIO_ctrl(b.get(), BIO_CTRL_DGRAM_SET_PEEK_MODE, 0, nullptr), 1);
    EXPECT_EQ(ReadText(b.get()), "abcdef");
    Block(b.get(), 1);
    EXPECT_EQ(ReadText(b.get()), "error");
    EXPECT_TRUE(BIO_should_retry(b.get()));
    EXPECT_EQ(PeerOf(b.get()), "127.0.0.1:1") << "nobody has spoken since";
  });
}

TEST_P(BssDgram, AnEmptyDatagramReadsAsNothingAndIsNoEnd) {
  InProcess([&] {
    const BioPtr a = Bound(1), b = Bound(2);
    int fd = -1;
    BIO_get_fd(a.get(), &fd);
    sockaddr_in to{};
    memcpy(&to, SockaddrOf(Loopback(2).get()), sizeof to);
    EXPECT_THAT(uapi::sendto(fd, "", 0, 0, AsSockaddr(to), sizeof to), Works());
    EXPECT_EQ(ReadText(b.get()), "");
    EXPECT_FALSE(BIO_should_retry(b.get()));
    EXPECT_EQ(BIO_eof(b.get()), 0);
    EXPECT_EQ(PeerOf(b.get()), "127.0.0.1:1");
  });
}

TEST_P(BssDgram, AnUnknownFamilyLeavesThePeer) {
  InProcess([&] {
    const BioPtr bio = Bound(1);
    EXPECT_EQ(BIO_ctrl_dgram_connect(bio.get(), Loopback(9).get()), 1);
    const AddrPtr unset(BIO_ADDR_new());
    // The page says 0 on failure; the library never says so.
    EXPECT_EQ(BIO_ctrl_dgram_connect(bio.get(), unset.get()), bios().ours ? 0 : 1);
    EXPECT_EQ(BIO_dgram_set_peer(bio.get(), unset.get()), bios().ours ? 0 : 1);
    EXPECT_EQ(PeerOf(bio.get()), "127.0.0.1:9");
    AddrStorage part{};
    EXPECT_GT(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_GET_PEER, 4, &part), 0);  // four bytes of it
    EXPECT_EQ(part.sa.sa_family, AF_INET);
    EXPECT_EQ(part.in.sin_port, htons(9));
    EXPECT_EQ(part.in.sin_addr.s_addr, 0u);
  });
}

TEST_P(BssDgram, ControlsThatItDoesNotKnowAnswerZero) {
  InProcess([&] {
    const BioPtr bio = Bound(1);
    for (const int command : {BIO_CTRL_RESET, BIO_CTRL_INFO, BIO_CTRL_PENDING, BIO_CTRL_WPENDING,
                              BIO_CTRL_EOF, BIO_C_SET_NBIO, 72, 73, 76, 9999}) {
      EXPECT_EQ(BIO_ctrl(bio.get(), command, 0, nullptr), 0) << command;
    }
    EXPECT_EQ(BIO_flush(bio.get()), 1);
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DUP, 0, nullptr), 1);
    char line[8];
    EXPECT_EQ(BIO_gets(bio.get(), line, sizeof line), -2);
    EXPECT_EQ(BIO_method_type(bio.get()), BIO_TYPE_DGRAM);
  });
}

TEST_P(BssDgram, TheCloseFlagSaysWhoOwnsTheDescriptor) {
  InProcess([&] {
    const int kept = Datagram(), owned = Datagram(), next = Datagram();
    BIO* bio = bios().new_dgram(kept, BIO_NOCLOSE);
    EXPECT_EQ(BIO_get_fd(bio, nullptr), kept);
    EXPECT_EQ(BIO_get_close(bio), BIO_NOCLOSE);
    BIO_free(bio);
    EXPECT_EQ(bios().closesocket(kept), 1);
    bio = bios().new_dgram(owned, BIO_CLOSE);
    EXPECT_EQ(BIO_ctrl_dgram_connect(bio, Loopback(9).get()), 1);
    Block(bio, 1);
    EXPECT_EQ(ReadText(bio), "error");
    EXPECT_TRUE(BIO_should_retry(bio));
    BIO_set_fd(bio, next, BIO_NOCLOSE);  // gives `owned` up and keeps the peer
    EXPECT_FALSE(BIO_should_retry(bio)) << "that was of the other";
    EXPECT_EQ(bios().closesocket(owned), 0);
    EXPECT_EQ(PeerOf(bio), "127.0.0.1:9");
    EXPECT_EQ(BIO_set_close(bio, BIO_CLOSE), 1);
    BIO_free(bio);
    EXPECT_EQ(bios().closesocket(next), 0);
  });
}

TEST_P(BssDgram, OfAnotherFamilyThereIsNoPathToAskAbout) {
  InProcess([&] {
    const BioPtr local(bios().new_dgram(bios().socket(AF_UNIX, SOCK_DGRAM, 0, 0), BIO_CLOSE));
    const BioPtr none(bios().new_dgram(99, BIO_NOCLOSE));
    EXPECT_EQ(BIO_ctrl(local.get(), BIO_CTRL_DGRAM_MTU_DISCOVER, 0, nullptr), -1);
    EXPECT_EQ(BIO_ctrl(none.get(), BIO_CTRL_DGRAM_MTU_DISCOVER, 0, nullptr), 0);
    for (BIO* const bio : {local.get(), none.get()}) {
      EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_QUERY_MTU, 0, nullptr), 0);
      EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_GET_MTU, 0, nullptr), 0);
    }
  });
}

// A UDP socket always takes what it is given; one that keeps packets apart and waits for its
// reader does not.
class BssDgramFull : public BssDgram {
 protected:
  // A BIO whose peer reads nothing, written to until it takes no more; `set_up` comes first.
  void Fill(std::function<void(BIO* bio)> set_up, std::function<void(BIO* bio)> then) {
    InProcess([&] {
      int ends[2];
      EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), Works());
      const BioPtr bio(bios().new_dgram(ends[0], BIO_CLOSE)), peer(bios().new_dgram(ends[1], 1));
      AddrStorage name{};
      name.un.sun_family = AF_UNIX;
      EXPECT_EQ(BIO_ctrl_set_connected(bio.get(), name.addr()), 1);
      set_up(bio.get());
      const std::string packet(1000, 'x');
      int n;
      while ((n = BIO_write(bio.get(), packet.data(), 1000)) == 1000) continue;
      EXPECT_EQ(n, -1);
      EXPECT_EQ(errno, EWOULDBLOCK);
      EXPECT_TRUE(BIO_should_write(bio.get()));
      EXPECT_FALSE(BIO_should_read(bio.get()));
      then(bio.get());
    });
  }
};

TEST_P(BssDgramFull, AWriteThatWouldBlockIsForLater) {
  Fill([](BIO* bio) { Block(bio, 1); },
       [](BIO* bio) {
         EXPECT_EQ(BIO_dgram_send_timedout(bio), 1);  // a would-block counts
         EXPECT_EQ(BIO_dgram_send_timedout(bio), 0);
       });
}

TEST_P(BssDgramFull, AWriteEndsAtTheSocketsLimit) {
  Fill(
      [](BIO* bio) {
        timeval limit{0, 250'000};
        EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_SEND_TIMEOUT, 0, &limit), 1);
      },
      [](BIO* bio) {
        EXPECT_NEAR(Seconds(), 0.25, 0.02);
        EXPECT_EQ(BIO_dgram_send_timedout(bio), 1);
      });
}

TEST_P(BssDgram, ErrorsThatPass) {
  for (int error = 1; error < 134; ++error) {
    const bool passes = error == EWOULDBLOCK || error == EINTR || error == EPROTO ||
                        error == EINPROGRESS || error == EALREADY;
    EXPECT_EQ(bios().dgram_non_fatal_error(error) != 0, passes) << error;
    EXPECT_EQ(bios().sock_non_fatal_error(error) != 0, passes || error == ENOTCONN) << error;
  }
}

SOCKBED_BOTH_WAYS(BssDgram);
SOCKBED_BOTH_WAYS(BssDgramFull);

}  // namespace
}  // namespace sockbed
