// The BIO pair: the table of BIO_new_bio_pair(3), over this project's pair and OpenSSL's.
#include "bio/bss_bio.h"

#include <algorithm>

#include "bio/both_ways.h"
#include "kernel/mbuf/chain.h"

namespace sockbed {
namespace {

class BssBio : public BothWays {
 protected:
  struct Pair {
    BioPtr a, b;
  };
  Pair MakePair(size_t a_bytes, size_t b_bytes) {
    BIO *a = nullptr, *b = nullptr;
    EXPECT_EQ(bios().new_bio_pair(&a, a_bytes, &b, b_bytes), 1);
    return {BioPtr(a), BioPtr(b)};
  }

  static int Write(const BioPtr& bio, int size, char fill = 'x') {
    return BIO_write(bio.get(), std::string(static_cast<size_t>(size), fill).data(), size);
  }
  static int Read(const BioPtr& bio, int size) {
    std::string buffer(static_cast<size_t>(size), '\0');
    return BIO_read(bio.get(), buffer.data(), size);
  }
  static std::string ReadText(const BioPtr& bio, int size = 64) {
    std::string text(static_cast<size_t>(size), '\0');
    const int n = BIO_read(bio.get(), text.data(), size);
    return n < 0 ? "error" : text.substr(0, static_cast<size_t>(n));
  }
  static int Guarantee(const BioPtr& bio) {
    return static_cast<int>(BIO_ctrl_get_write_guarantee(bio.get()));
  }
  static int Request(const BioPtr& bio) {
    return static_cast<int>(BIO_ctrl_get_read_request(bio.get()));
  }
};

TEST_P(BssBio, TheDefaultHoldsARecordEachWay) {
  InProcess([&] {
    const Pair pair = MakePair(0, 0);
    EXPECT_EQ(BIO_get_write_buf_size(pair.a.get(), 0), 17 * 1024);
    EXPECT_EQ(Guarantee(pair.b), 17 * 1024);
    EXPECT_EQ(BIO_method_type(pair.a.get()), 0x413);
  });
}

// The worked example of the specification.
TEST_P(BssBio, WritesAreCutToTheRoomAndReadsToTheData) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    EXPECT_EQ(Write(pair.a, 500), 100);
    EXPECT_EQ(Write(pair.a, 1), -1);
    EXPECT_TRUE(BIO_should_write(pair.a.get()));
    EXPECT_EQ(BIO_ctrl_wpending(pair.a.get()), 100u);
    EXPECT_EQ(BIO_ctrl_pending(pair.b.get()), 100u);
    EXPECT_EQ(Read(pair.b, 30), 30);
    EXPECT_EQ(Guarantee(pair.a), 30);
    EXPECT_EQ(Read(pair.b, 500), 70);
    EXPECT_EQ(Read(pair.b, 60'000), -1);
    EXPECT_TRUE(BIO_should_read(pair.b.get()));
    EXPECT_EQ(Request(pair.a), 100);  // what it asked for, cut to what a can hold
  });
}

TEST_P(BssBio, ARequestStandsUntilItIsAnswered) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    EXPECT_EQ(Read(pair.b, 7), -1);
    EXPECT_EQ(Request(pair.a), 7);
    EXPECT_EQ(Request(pair.b), 0);
    EXPECT_EQ(Write(pair.a, 3), 3);
    EXPECT_EQ(Request(pair.a), 0);
    EXPECT_EQ(Read(pair.b, 3), 3);
    EXPECT_EQ(Read(pair.b, 9), -1);
    EXPECT_EQ(BIO_ctrl_reset_read_request(pair.a.get()), 1);
    EXPECT_EQ(Request(pair.a), 0);
    EXPECT_EQ(Read(pair.b, 9), -1);
    EXPECT_EQ(Read(pair.b, 0), 0);  // asks for nothing
    EXPECT_EQ(Request(pair.a), 0);
    EXPECT_EQ(BIO_nread0(pair.b.get(), nullptr), -1);
    EXPECT_EQ(Request(pair.a), 1);
  });
}

TEST_P(BssBio, ShuttingOneWayLeavesTheOther) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    EXPECT_EQ(Write(pair.a, 5), 5);
    EXPECT_EQ(BIO_shutdown_wr(pair.a.get()), 1);
    ERR_clear_error();
    EXPECT_EQ(Write(pair.a, 1), -1);
    EXPECT_FALSE(BIO_should_retry(pair.a.get()));
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_BROKEN_PIPE, ""}}));
    EXPECT_EQ(Guarantee(pair.a), 0);
    EXPECT_EQ(BIO_eof(pair.b.get()), 0);
    EXPECT_EQ(Read(pair.b, 100), 5);
    EXPECT_EQ(BIO_eof(pair.b.get()), 1);
    EXPECT_EQ(Read(pair.b, 100), 0);
    EXPECT_FALSE(BIO_should_retry(pair.b.get()));
    EXPECT_EQ(Write(pair.b, 4), 4);
    EXPECT_EQ(Read(pair.a, 100), 4);
    EXPECT_EQ(BIO_nwrite0(pair.a.get(), nullptr), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_BROKEN_PIPE, ""}}));
    EXPECT_EQ(BIO_nread0(pair.b.get(), nullptr), 0);
  });
}

TEST_P(BssBio, ResetDropsWhatThisHalfWrote) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    EXPECT_EQ(Write(pair.a, 5), 5);
    EXPECT_EQ(Write(pair.b, 6), 6);
    EXPECT_EQ(BIO_reset(pair.a.get()), 0);
    EXPECT_EQ(BIO_ctrl_pending(pair.b.get()), 0u);
    EXPECT_EQ(BIO_ctrl_pending(pair.a.get()), 6u);
  });
}

TEST_P(BssBio, SizesAreSetBeforeJoining) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    ERR_clear_error();
    EXPECT_EQ(BIO_set_write_buf_size(pair.a.get(), 5), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_IN_USE, ""}}));
    EXPECT_EQ(BIO_make_bio_pair(pair.a.get(), pair.b.get()), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_IN_USE, ""}}));
    EXPECT_EQ(BIO_destroy_bio_pair(pair.a.get()), 1);
    EXPECT_EQ(BIO_destroy_bio_pair(pair.a.get()), 1);  // always
    EXPECT_EQ(BIO_set_write_buf_size(pair.a.get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_INVALID_ARGUMENT, ""}}));
    EXPECT_EQ(BIO_set_write_buf_size(pair.a.get(), 5), 1);
    EXPECT_EQ(BIO_make_bio_pair(pair.a.get(), pair.b.get()), 1);
    EXPECT_EQ(Write(pair.a, 9), 5);
    EXPECT_EQ(Write(pair.b, 200), 100);
  });
}

TEST_P(BssBio, HalvesThatAreJoinedAgainAreOpenAgain) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    EXPECT_EQ(BIO_shutdown_wr(pair.a.get()), 1);
    EXPECT_EQ(BIO_destroy_bio_pair(pair.a.get()), 1);
    EXPECT_EQ(BIO_make_bio_pair(pair.a.get(), pair.b.get()), 1);
    EXPECT_EQ(Write(pair.a, 5), 5);
    EXPECT_EQ(Read(pair.b, 5), 5);
    EXPECT_EQ(BIO_eof(pair.b.get()), 0);
  });
}

TEST_P(BssBio, FreeingAHalfPartsThePair) {
  InProcess([&] {
    Pair pair = MakePair(100, 100);
    EXPECT_EQ(Write(pair.a, 5), 5);
    pair.a.reset();
    ERR_clear_error();
    EXPECT_EQ(Read(pair.b, 5), -1);
    EXPECT_EQ(Write(pair.b, 5), -1);
    EXPECT_EQ(BIO_nread0(pair.b.get(), nullptr), -2);
    EXPECT_EQ(BIO_nwrite(pair.b.get(), nullptr, 1), -2);
    EXPECT_EQ(TakeErrors(), Errors(4, {ERR_LIB_BIO, BIO_R_UNINITIALIZED, ""}));
    EXPECT_EQ(BIO_ctrl_pending(pair.b.get()), 0u);
    EXPECT_EQ(BIO_eof(pair.b.get()), 1);
    EXPECT_EQ(Guarantee(pair.b), 0);
    Pair other = MakePair(10, 10);
    BIO_destroy_bio_pair(other.a.get());
    EXPECT_EQ(BIO_make_bio_pair(pair.b.get(), other.a.get()), 1);
    EXPECT_EQ(Write(pair.b, 5), 5);
    EXPECT_EQ(Read(other.a, 5), 5);
  });
}

TEST_P(BssBio, TheRestOfTheControls) {
  InProcess([&] {
    const Pair pair = MakePair(100, 100);
    EXPECT_EQ(BIO_flush(pair.a.get()), 1);
    for (const int command : {BIO_C_SET_NBIO, BIO_C_GET_FD, BIO_CTRL_INFO, 73, 76, 9999}) {
      EXPECT_EQ(BIO_ctrl(pair.a.get(), command, 0, nullptr), 0) << command;
    }
    EXPECT_EQ(BIO_puts(pair.a.get(), "abc"), 3);
    EXPECT_EQ(ReadText(pair.b), "abc");
    char line[8];
    EXPECT_EQ(BIO_gets(pair.b.get(), line, sizeof line), -2);
    EXPECT_EQ(BIO_set_close(pair.a.get(), BIO_NOCLOSE), 1);
    EXPECT_EQ(BIO_get_close(pair.a.get()), BIO_NOCLOSE);
    const Pair copy = MakePair(0, 0);
    EXPECT_EQ(BIO_ctrl(pair.a.get(), BIO_CTRL_DUP, 0, copy.a.get()), 1);
    EXPECT_EQ(BIO_get_write_buf_size(copy.a.get(), 0), 100);
  });
}

// Where a run ends is each pair's own; that repeated calls reach all of it is the contract.
TEST_P(BssBio, RunsReachAllThereIsWithoutACopy) {
  InProcess([&] {
    const Pair pair = MakePair(5000, 5000);
    std::string sent, received;
    for (int round = 0; round < 50; ++round) {
      char* at = nullptr;
      int n;
      while ((n = BIO_nwrite(pair.a.get(), &at, 37 + round)) > 0) {
        const std::string part(static_cast<size_t>(n), static_cast<char>('a' + round % 26));
        memcpy(at, part.data(), part.size());
        sent += part;
      }
      EXPECT_TRUE(BIO_should_write(pair.a.get()));
      EXPECT_EQ(Guarantee(pair.a), 0);
      for (size_t left = 2000; left > 0; left -= static_cast<size_t>(n)) {
        EXPECT_GE(BIO_nread0(pair.b.get(), &at), 1);
        n = BIO_nread(pair.b.get(), &at, static_cast<int>(left));
        ASSERT_GE(n, 1);
        received.append(at, static_cast<size_t>(n));
      }
    }
    received += ReadText(pair.b, 5000);
    EXPECT_EQ(received, sent);
  });
}

TEST_P(BssBio, MixedSizesArriveInOrder) {
  InProcess([&] {
    const Pair pair = MakePair(777, 1);
    std::string sent, received;
    for (int round = 0; round < 3000; ++round) {
      const int n = Write(pair.a, round % 97 + 1, static_cast<char>('a' + round % 26));
      if (n > 0) sent.append(static_cast<size_t>(n), static_cast<char>('a' + round % 26));
      const std::string got = ReadText(pair.b, round % 89 + 1);
      if (got != "error") received += got;
    }
    received += ReadText(pair.b, 777);
    EXPECT_EQ(received, sent);
  });
}

SOCKBED_BOTH_WAYS(BssBio);

}  // namespace
}  // namespace sockbed
