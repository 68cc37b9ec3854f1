// Datagrams between two BIOs, and in one: what OpenSSL 3.2 adds; 3.0 has no oracle for it.
#include "bio/bss_dgram_pair.h"

#include "bio/both_ways.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

constexpr int kHeader = static_cast<int>(kDatagramHeaderBytes);
constexpr long kAllCaps = BIO_DGRAM_CAP_HANDLES_SRC_ADDR | BIO_DGRAM_CAP_HANDLES_DST_ADDR |
                          BIO_DGRAM_CAP_PROVIDES_SRC_ADDR | BIO_DGRAM_CAP_PROVIDES_DST_ADDR;

class DgramPair : public TwoHosts {
 protected:
  explicit DgramPair(const Machine::Options& options = {.seed = 7}) : TwoHosts(options) {}

  // Runs `body` in a process with a pair of such sizes.
  void WithPair(size_t a_bytes, size_t b_bytes, std::function<void(BIO* a, BIO* b)> body) {
    client_.Spawn("test", [=] {
      BIO *a = nullptr, *b = nullptr;
      ASSERT_EQ(sockbed::BIO_new_bio_dgram_pair(&a, a_bytes, &b, b_bytes), 1);
      const BioPtr own_a(a), own_b(b);
      ERR_clear_error();
      body(a, b);
    });
    Run();
  }
  void WithPair(std::function<void(BIO* a, BIO* b)> body) { WithPair(0, 0, std::move(body)); }

  void WithMemory(std::function<void(BIO* bio)> body) {
    client_.Spawn("test", [=] {
      const BioPtr bio(BIO_new(sockbed::BIO_s_dgram_mem()));
      ERR_clear_error();
      body(bio.get());
    });
    Run();
  }

  static long Ask(BIO* bio, int command, long number = 0, void* pointer = nullptr) {
    return BIO_ctrl(bio, command, number, pointer);
  }

  // The next datagram; "later" or "error" if there is none to be had.
  static std::string ReadText(BIO* bio, int room = 2000) {
    std::string text(static_cast<size_t>(room), '\0');
    const int n = BIO_read(bio, text.data(), room);
    if (n >= 0) return text.substr(0, static_cast<size_t>(n));
    EXPECT_EQ(n, -1);
    return BIO_should_read(bio) != 0 ? "later" : "error";
  }

  static int WriteText(BIO* bio, std::string_view text) {
    return BIO_write(bio, text.data(), static_cast<int>(text.size()));
  }

  static int Send(BIO* bio, BIO_MSG m) {
    size_t processed = 9;
    const int ret = BIO_sendmmsg(bio, &m, sizeof m, 1, 0, &processed);
    EXPECT_EQ(processed, ret == 1 ? 1u : 0u);
    return ret;
  }

  // The reason of the one entry.
  static int TakeReason() {
    const Errors errors = TakeErrors();
    EXPECT_EQ(errors.size(), 1u);
    return errors.empty() ? 0 : errors[0].reason;
  }
};

TEST_F(DgramPair, AWriteIsADatagramAndAReadTakesOne) {
  WithPair([](BIO* a, BIO* b) {
    EXPECT_EQ(BIO_method_type(a), 0x41a);
    EXPECT_EQ(ReadText(b), "later");
    EXPECT_EQ(TakeErrors(), Errors{});
    EXPECT_EQ(WriteText(a, "one"), 3);
    EXPECT_EQ(WriteText(a, "three"), 5);
    EXPECT_EQ(WriteText(b, "back"), 4);
    EXPECT_EQ(BIO_ctrl_pending(b), 3u) << "of the next datagram alone";
    EXPECT_EQ(BIO_ctrl_wpending(b), 0u);
    EXPECT_EQ(ReadText(b), "one");
    EXPECT_EQ(ReadText(b), "three");
    EXPECT_EQ(ReadText(a), "back");
    EXPECT_EQ(BIO_ctrl_pending(b), 0u);
    EXPECT_EQ(BIO_flush(a), 1);
    char line[8];
    EXPECT_EQ(BIO_gets(a, line, sizeof line), -2);
    EXPECT_EQ(BIO_puts(a, "x"), -2);
    EXPECT_EQ(Ask(a, BIO_C_SET_NBIO, 1), 0);
    EXPECT_EQ(Ask(a, 73), 0);
  });
}

TEST_F(DgramPair, ATooSmallBufferLosesTheRestOrIsRefused) {
  WithPair([](BIO* a, BIO* b) {
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_GET_NO_TRUNC), 0);
    WriteText(a, "abcdef");
    WriteText(a, "next");
    EXPECT_EQ(ReadText(b, 3), "abc");
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_SET_NO_TRUNC, 1), 1);
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_GET_NO_TRUNC), 1);
    EXPECT_EQ(ReadText(b, 3), "error");
    EXPECT_EQ(TakeErrors(), Errors{});
    BIO_MSG m{};
    char buffer[3];
    m.data = buffer;
    m.data_len = sizeof buffer;
    size_t processed = 9;
    EXPECT_EQ(BIO_recvmmsg(b, &m, sizeof m, 1, 0, &processed), 0);
    EXPECT_EQ(TakeReason(), BIO_R_NON_FATAL);
    EXPECT_EQ(ReadText(b, 4), "next");
  });
}

TEST_F(DgramPair, CapacityCountsDatagramsWithTheirHeaders) {
  WithPair(1024, 2000, [](BIO* a, BIO* b) {
    EXPECT_EQ(BIO_get_write_buf_size(a, 0), 1024);
    EXPECT_EQ(BIO_get_write_buf_size(b, 0), 2000);
    EXPECT_EQ(BIO_ctrl_get_write_guarantee(a), 0u) << "none of the MTU fits";
    EXPECT_EQ(BIO_ctrl_get_write_guarantee(b), 2000u - kHeader);
    const std::string whole(1024 - 2 * kHeader - 1, 'x');
    EXPECT_EQ(WriteText(a, "y"), 1);
    EXPECT_EQ(WriteText(a, whole + "x"), -1);
    EXPECT_TRUE(BIO_should_write(a));
    EXPECT_EQ(TakeReason(), BIO_R_NON_FATAL);
    EXPECT_EQ(WriteText(a, whole), static_cast<int>(whole.size()));
    EXPECT_FALSE(BIO_should_retry(a));
    EXPECT_EQ(ReadText(b), "y");
    EXPECT_EQ(WriteText(a, "z"), 1) << "what was read made room";
  });
}

TEST_F(DgramPair, DefaultsAndLimits) {
  WithPair([](BIO* a, BIO* b) {
    EXPECT_EQ(BIO_get_write_buf_size(a, 0), 15'336);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_GET_MTU), 1472);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_SET_MTU, 9000), 1);
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_GET_MTU), 9000) << "of both";
    EXPECT_EQ(BIO_ctrl_get_write_guarantee(b), 15'336u - kHeader);
    EXPECT_EQ(BIO_set_write_buf_size(a, 4000), 0);
    EXPECT_EQ(TakeReason(), BIO_R_IN_USE);
    const BioPtr alone(BIO_new(sockbed::BIO_s_dgram_pair()));
    EXPECT_EQ(BIO_set_write_buf_size(alone.get(), 10), 1);
    EXPECT_EQ(BIO_get_write_buf_size(alone.get(), 0), 1024);
    EXPECT_EQ(BIO_set_write_buf_size(alone.get(), 1L << 40), 0);
    EXPECT_EQ(TakeReason(), BIO_R_INVALID_ARGUMENT);
  });
}

TEST_F(DgramPair, JoiningAndParting) {
  WithPair([](BIO* a, BIO* b) {
    const BioPtr other(BIO_new(sockbed::BIO_s_dgram_pair())), stream(BIO_new(sockbed::BIO_s_bio()));
    EXPECT_EQ(BIO_eof(other.get()), 1);
    EXPECT_EQ(BIO_eof(a), 0) << "datagrams have no end";
    EXPECT_EQ(BIO_make_bio_pair(a, other.get()), 0);
    EXPECT_EQ(TakeReason(), BIO_R_IN_USE);
    EXPECT_EQ(BIO_make_bio_pair(other.get(), other.get()), 0);
    EXPECT_EQ(TakeReason(), BIO_R_IN_USE);
    EXPECT_EQ(BIO_make_bio_pair(other.get(), stream.get()), 0);
    EXPECT_EQ(TakeReason(), BIO_R_INVALID_ARGUMENT);
    WriteText(a, "lost");
    EXPECT_EQ(BIO_destroy_bio_pair(b), 1);
    EXPECT_EQ(ReadText(b), "error");
    EXPECT_EQ(TakeReason(), BIO_R_UNINITIALIZED);
    EXPECT_EQ(BIO_ctrl_pending(b), 0u);
    EXPECT_EQ(BIO_ctrl_get_write_guarantee(b), 0u);
    EXPECT_EQ(BIO_make_bio_pair(b, other.get()), 1);
    EXPECT_EQ(ReadText(other.get()), "later");
    WriteText(b, "new");
    EXPECT_EQ(ReadText(other.get()), "new");
  });
}

TEST_F(DgramPair, AResetDropsWhatThisSideHasWritten) {
  WithPair([](BIO* a, BIO* b) {
    WriteText(a, "out");
    WriteText(b, "in");
    EXPECT_EQ(BIO_reset(a), 1);
    EXPECT_EQ(ReadText(b), "later");
    EXPECT_EQ(ReadText(a), "in");
  });
}

TEST_F(DgramPair, WhoeverReadsSaysWhatItKnowsOfAddresses) {
  WithPair([](BIO* a, BIO* b) {
    char x[] = "x";
    const AddrPtr to = Loopback(2), from = Loopback(1);
    int on = -1;
    EXPECT_EQ(Send(a, {x, 1, to.get()}), 0);
    EXPECT_EQ(TakeReason(), BIO_R_PEER_ADDR_NOT_AVAILABLE);
    EXPECT_EQ(Send(a, {x, 1, nullptr, from.get()}), 0);
    EXPECT_EQ(TakeReason(), BIO_R_LOCAL_ADDR_NOT_AVAILABLE);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP), 0);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE, 1), 0);
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_SET_CAPS, kAllCaps), 1);
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_GET_CAPS), kAllCaps);
    EXPECT_EQ(Ask(b, BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS), 0) << "those of the other";
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS), kAllCaps);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP), 1);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE, 1), 1);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_GET_LOCAL_ADDR_ENABLE, 0, &on), 1);
    EXPECT_EQ(on, 1);
    EXPECT_EQ(Send(a, {x, 1, to.get(), from.get()}), 1);
  });
}

TEST_F(DgramPair, AddressesTravelWithTheDatagram) {
  WithPair([](BIO* a, BIO* b) {
    for (BIO* const bio : {a, b}) Ask(bio, BIO_CTRL_DGRAM_SET_CAPS, kAllCaps);
    for (BIO* const bio : {a, b}) Ask(bio, BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE, 1);
    char x[] = "x", room[8];
    const AddrPtr to = Loopback(2), from = Loopback(1), peer(BIO_ADDR_new()), local(BIO_ADDR_new());
    EXPECT_EQ(Send(a, {x, 1, to.get(), from.get()}), 1);
    EXPECT_EQ(Ask(a, BIO_CTRL_DGRAM_SET0_LOCAL_ADDR, 0, sockbed::BIO_ADDR_dup(Loopback(7).get())),
              1);
    EXPECT_EQ(WriteText(a, "yz"), 2);
    BIO_MSG in[] = {{room, 8, peer.get(), local.get()}};
    size_t processed = 0;
    EXPECT_EQ(BIO_recvmmsg(b, in, sizeof in[0], 1, 0, &processed), 1);
    EXPECT_EQ(TextOf(peer.get()) + " " + TextOf(local.get()), "127.0.0.1:1 127.0.0.1:2");
    EXPECT_EQ(in[0].data_len, 1u);
    in[0].data_len = 8;
    EXPECT_EQ(BIO_recvmmsg(b, in, sizeof in[0], 1, 0, &processed), 1);
    EXPECT_EQ(TextOf(peer.get()) + " " + TextOf(local.get()), "127.0.0.1:7 unset");
    EXPECT_EQ(BIO_recvmmsg(b, in, sizeof in[0], 1, 0, &processed), 0);
    EXPECT_EQ(TakeReason(), BIO_R_NON_FATAL);
    EXPECT_FALSE(BIO_should_retry(b)) << "the calls for many leave the flags";
  });
}

TEST_F(DgramPair, ManyMessagesEndAtTheFirstThatDoesNotFit) {
  WithPair(1024, 1024, [](BIO* a, BIO* b) {
    std::string data(300, 'x');
    BIO_MSG out[3] = {{data.data(), 300}, {data.data(), 0}, {data.data(), 300}};
    size_t processed = 0;
    EXPECT_EQ(BIO_sendmmsg(a, out, sizeof out[0], 3, 0, &processed), 1);
    EXPECT_EQ(processed, 2u);
    EXPECT_EQ(TakeErrors(), Errors{});
    EXPECT_EQ(ReadText(b), data);
    EXPECT_EQ(ReadText(b), "") << "one may be empty";
    EXPECT_EQ(ReadText(b), "later");
  });
}

TEST_F(DgramPair, ADatagramMayBeLargerThanAnyCluster) {
  WithPair(300'000, 0, [](BIO* a, BIO* b) {
    std::string data(200'000, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7);
    EXPECT_EQ(WriteText(a, data), 200'000);
    EXPECT_EQ(ReadText(b, 200'001), data);
  });
}

// --- In one BIO. ---

TEST_F(DgramPair, AMemoryBioIsReadWhereItWasWritten) {
  WithMemory([](BIO* bio) {
    EXPECT_EQ(BIO_method_type(bio), 0x41b);
    EXPECT_EQ(ReadText(bio), "later");
    EXPECT_EQ(WriteText(bio, "one"), 3);
    EXPECT_EQ(WriteText(bio, "two"), 3);
    EXPECT_EQ(BIO_ctrl_pending(bio), 3u);
    EXPECT_EQ(BIO_eof(bio), 0);
    EXPECT_EQ(ReadText(bio), "one");
    EXPECT_EQ(BIO_reset(bio), 1);
    EXPECT_EQ(ReadText(bio), "later");
    EXPECT_EQ(BIO_make_bio_pair(bio, bio), 0);
    EXPECT_EQ(BIO_destroy_bio_pair(bio), 0);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_SET_CAPS, kAllCaps), 1);
    EXPECT_EQ(Ask(bio, BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS), kAllCaps);
  });
}

TEST_F(DgramPair, AMemoryBioGrowsUntilItIsGivenASize) {
  WithMemory([](BIO* bio) {
    const std::string data(1400, 'x');
    for (int i = 0; i < 100; ++i) ASSERT_EQ(WriteText(bio, data), 1400);
    EXPECT_EQ(BIO_get_write_buf_size(bio, 0), 100 * (1400 + kHeader));
    EXPECT_EQ(BIO_set_write_buf_size(bio, 2000), 0) << "it holds more";
    EXPECT_EQ(TakeReason(), BIO_R_INVALID_ARGUMENT);
    BIO_reset(bio);
    EXPECT_EQ(BIO_set_write_buf_size(bio, 2000), 1);
    EXPECT_EQ(WriteText(bio, data), 1400);
    EXPECT_EQ(WriteText(bio, data), -1);
    EXPECT_EQ(TakeReason(), BIO_R_NON_FATAL);
  });
}

// Each mbuf and each cluster of a write is refused in turn.
TEST(DgramPairWithoutMemory, AWriteIsWholeOrNothing) {
  for (const Site site : {Site::kMbufGet, Site::kMbufCluster}) {
    fault::Plan plan({{.site = site}});
    class OutOfMbufs : public DgramPair {
     public:
      explicit OutOfMbufs(fault::Plan* faults) : DgramPair({.seed = 7, .fault_plan = faults}) {}
      void TestBody() override {
        WithPair([](BIO* a, BIO* b) {
          EXPECT_EQ(WriteText(a, std::string(1400, 'x')), -1);
          EXPECT_FALSE(BIO_should_retry(a));
          EXPECT_EQ(TakeReason(), ERR_R_MALLOC_FAILURE);
          EXPECT_EQ(ReadText(b), "later");
          EXPECT_EQ(BIO_ctrl_get_write_guarantee(a), 15'336u - kHeader);
        });
      }
    };
    OutOfMbufs(&plan).TestBody();
  }
}

}  // namespace
}  // namespace sockbed
