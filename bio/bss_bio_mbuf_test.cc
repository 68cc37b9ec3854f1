// What only the mbuf pair can do: hand chains over, run out of mbufs, be waited for.
#include "bio/both_ways.h"
#include "bio/bss_bio.h"
#include "kernel/mbuf/chain.h"
#include "kernel/sim/fault.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {
namespace {

class MbufPair : public TwoHosts {
 protected:
  using TwoHosts::TwoHosts;

  void InProcess(std::function<void()> body) {
    client_.Spawn("test", [this, body = std::move(body)] {
      BIO *a = nullptr, *b = nullptr;
      EXPECT_EQ(sockbed::BIO_new_bio_pair(&a, size_, &b, size_), 1);
      a_.reset(a);
      b_.reset(b);
      body();
      a_.reset();
      b_.reset();
    });
    Run();
  }

  std::string Written(int size) {
    const std::string text = Story(size);
    EXPECT_EQ(BIO_write(a_.get(), text.data(), size), size);
    return text;
  }
  static std::string Story(int size) {
    std::string text(static_cast<size_t>(size), '\0');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
    return text;
  }
  static std::string TextOfChain(const mbuf* m) {
    std::string text;
    for (; m != nullptr; m = m->m_next) text.append(m->m_data, static_cast<size_t>(m->m_len));
    return text;
  }

  size_t size_ = 20'000;
  BioPtr a_, b_;
};

TEST_F(MbufPair, ATakenPacketIsTheVeryMemoryThatWasWritten) {
  InProcess([&] {
    char* at = nullptr;
    const int n = BIO_nwrite(a_.get(), &at, 2000);
    ASSERT_EQ(n, 2000);
    memset(at, 'z', 2000);
    MbufPtr packet;
    EXPECT_EQ(BioPairTake(b_.get(), 20'000, &packet), 2000);
    EXPECT_EQ(packet->m_pkthdr.len, 2000);
    m_check(packet.get());
    ASSERT_NE(packet->m_next, nullptr);
    EXPECT_EQ(packet->m_next->m_data, at);
    EXPECT_EQ(BIO_ctrl_get_write_guarantee(a_.get()), 20'000u);
    EXPECT_EQ(BioPairTake(b_.get(), 1, &packet), -1);
    EXPECT_TRUE(BIO_should_read(b_.get()));
    EXPECT_EQ(BIO_ctrl_get_read_request(a_.get()), 1u);
  });
}

// What a record needs is made once, not for each anew.
TEST_F(MbufPair, RecordAfterRecordGoesThroughOneRunOfMemory) {
  InProcess([&] {
    constexpr int kRecord = 16'406;
    std::string read(kRecord, '\0');
    const char* first = nullptr;
    for (const int size : {100, kRecord, kRecord, 5, kRecord}) {
      const std::string text = Written(size);
      char* at = nullptr;
      EXPECT_EQ(BIO_nread0(b_.get(), &at), size);
      if (size == kRecord && first == nullptr) first = at;
      if (first != nullptr) {
        EXPECT_EQ(at, first);
      }
      EXPECT_EQ(BIO_read(b_.get(), read.data(), size), size);
      EXPECT_EQ(read.substr(0, static_cast<size_t>(size)), text);
    }
  });
}

// The library would join it, and take its own bytes for the peer's.
TEST_F(MbufPair, AHalfIsNotItsOwnPeer) {
  InProcess([&] {
    const BioPtr alone(BIO_new(sockbed::BIO_s_bio()));
    ERR_clear_error();
    EXPECT_EQ(BIO_make_bio_pair(alone.get(), alone.get()), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_IN_USE, ""}}));
  });
}

TEST_F(MbufPair, TakingAPartLeavesTheRest) {
  InProcess([&] {
    const std::string text = Written(15'000);
    std::string taken;
    for (const int max : {1, 3000, 1, 5000, 20'000}) {
      MbufPtr packet;
      EXPECT_GT(BioPairTake(b_.get(), max, &packet), 0);
      m_check(packet.get());
      taken += TextOfChain(packet.get());
      char byte;
      if (BIO_read(b_.get(), &byte, 1) == 1) taken += byte;  // both ways of reading, in turn
    }
    EXPECT_EQ(taken, text);
    EXPECT_EQ(BIO_shutdown_wr(a_.get()), 1);
    MbufPtr packet;
    EXPECT_EQ(BioPairTake(b_.get(), 1, &packet), 0);
  });
}

TEST_F(MbufPair, WhatHasNoRoomStaysWithTheGiver) {
  InProcess([&] {
    const std::string text = Story(25'000);
    MbufPtr chain = m_devget(text.data(), 25'000, 0);
    EXPECT_EQ(BioPairPut(a_.get(), &chain), 20'000);
    EXPECT_EQ(TextOfChain(chain.get()), text.substr(20'000));
    EXPECT_EQ(BioPairPut(a_.get(), &chain), -1);
    EXPECT_TRUE(BIO_should_write(a_.get()));
    std::string read(20'000, '\0');
    EXPECT_EQ(BIO_read(b_.get(), read.data(), 20'000), 20'000);
    EXPECT_EQ(read, text.substr(0, 20'000));
    EXPECT_EQ(BioPairPut(a_.get(), &chain), 5000);
    EXPECT_EQ(chain, nullptr);
    EXPECT_EQ(BioPairPut(a_.get(), &chain), 0);
    EXPECT_EQ(BIO_shutdown_wr(a_.get()), 1);
    chain = m_devget("x", 1, 0);
    EXPECT_EQ(BioPairPut(a_.get(), &chain), -1);
    EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), BIO_R_BROKEN_PIPE);
    EXPECT_EQ(BIO_read(b_.get(), read.data(), 20'000), 5000);
  });
}

// From socket to socket through a pair, without a copy: soreceive, put, take, sosend.
TEST_F(MbufPair, SocketsAreJoinedThroughItWithoutACopy) {
  InProcess([&] {
    socket *in[2], *out[2];
    for (socket** ends : {in, out}) {
      ASSERT_EQ(socreate(AF_UNIX, &ends[0], SOCK_STREAM, 0), 0);
      ASSERT_EQ(socreate(AF_UNIX, &ends[1], SOCK_STREAM, 0), 0);
      ASSERT_EQ(soconnect2(ends[0], ends[1]), 0);
    }
    const std::string text = Story(4000);
    MbufPtr sent = m_devget(text.data(), 4000, 0);
    EXPECT_EQ(sosend(in[0], nullptr, nullptr, sent.release() /*taken*/, nullptr, 0), 0);
    mbuf* raw = nullptr;
    EXPECT_EQ(soreceive(in[1], nullptr, nullptr, &raw, nullptr, nullptr), 0);
    const char* const memory = raw->m_data;
    MbufPtr chain(raw), packet;
    EXPECT_EQ(BioPairPut(a_.get(), &chain), 4000);
    EXPECT_EQ(BioPairTake(b_.get(), 4000, &packet), 4000);
    EXPECT_EQ(packet->m_next->m_data, memory);
    EXPECT_EQ(sosend(out[0], nullptr, nullptr, packet.release() /*taken*/, nullptr, 0), 0);
    EXPECT_EQ(soreceive(out[1], nullptr, nullptr, &raw, nullptr, nullptr), 0);
    EXPECT_EQ(TextOfChain(MbufPtr(raw).get()), text);
    for (socket* so : {in[0], in[1], out[0], out[1]}) soclose(so);
  });
}

TEST_F(MbufPair, PacketsThatArePutAreBytesOfOneStream) {
  InProcess([&] {
    std::string sent;
    for (const int size : {300, 400}) {
      MbufPtr packet = m_gethdr(M_DONTWAIT, MT_DATA);
      const std::string text = Story(size);
      EXPECT_EQ(m_copyback(packet.get(), 0, size, text.data(), M_DONTWAIT), 0);
      EXPECT_EQ(BioPairPut(a_.get(), &packet), size);
      sent += text;
    }
    MbufPtr packet;
    EXPECT_EQ(BioPairTake(b_.get(), 20'000, &packet), 700);
    EXPECT_EQ(m_broken(packet.get()), nullptr);
    EXPECT_EQ(TextOfChain(packet.get()), sent);
  });
}

// Each thing that one half does ends the wait for it at the other.
TEST_F(MbufPair, AWaitEndsWithAReadAndWithTheEnd) {
  InProcess([&] {
    Written(100);
    const auto wakes = [this](const std::function<void()>& act) {
      bool woken = false;
      uapi::spawn("waiter", [this, &woken] {
        woken = BioPairWait(a_.get(), 100) == 0;
        return 0;
      });
      uapi::usleep(10'000);
      act();
      int status;
      EXPECT_GT(uapi::wait(&status), 0);
      return woken;
    };
    char text[10];
    EXPECT_TRUE(wakes([&] { EXPECT_EQ(BIO_read(b_.get(), text, 10), 10); }));
    EXPECT_TRUE(wakes([&] { EXPECT_EQ(BIO_shutdown_wr(b_.get()), 1); }));
    EXPECT_FALSE(wakes([] {})) << "and with nothing but its limit";
  });
}

TEST_F(MbufPair, AProcessWaitsForTheOtherHalf) {
  InProcess([&] {
    client_.Spawn("writer", [&] {
      uapi::usleep(250'000);
      EXPECT_EQ(BIO_puts(a_.get(), "x"), 1);
    });
    EXPECT_EQ(BioPairWait(b_.get(), 10), EWOULDBLOCK);
    EXPECT_EQ(BioPairWait(b_.get(), 0), 0);
    EXPECT_NEAR(Seconds(), 0.26, 0.011);
    char byte;
    EXPECT_EQ(BIO_read(b_.get(), &byte, 1), 1);
  });
}

class MbufPairFaults : public MbufPair {
 protected:
  explicit MbufPairFaults() : MbufPair({.fault_plan = &plan_}) { size_ = 3; }

  fault::Plan plan_{{{.site = Site::kMbufGet}}};  // there are no mbufs at all
};

TEST_F(MbufPairFaults, WithoutMemoryNothingIsTakenAndNothingIsForLater) {
  InProcess([&] {
    ERR_clear_error();
    EXPECT_EQ(BIO_puts(a_.get(), "abc"), -1);
    EXPECT_FALSE(BIO_should_retry(a_.get()));
    char* at = nullptr;
    EXPECT_EQ(BIO_nwrite0(a_.get(), &at), -1);
    EXPECT_EQ(TakeErrors(), Errors(2, {ERR_LIB_BIO, ERR_R_MALLOC_FAILURE, ""}));
    EXPECT_EQ(BIO_ctrl_get_write_guarantee(a_.get()), 3u);
  });
}

// The n-th mbuf of the run is refused, once: what a call could not do it has not begun.
class MbufPairOnce : public MbufPair, public testing::WithParamInterface<uint64_t> {
 protected:
  MbufPairOnce() : MbufPair({.fault_plan = &plan_}) {}

  static void ExpectOutOfMemory(BIO* bio, int result) {
    EXPECT_EQ(result, -1);
    EXPECT_FALSE(BIO_should_retry(bio));
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, ERR_R_MALLOC_FAILURE, ""}}));
  }

  fault::Plan plan_{{{.site = Site::kMbufGet, .only_ordinal = GetParam()}}};
};

// The first is the one that is written to; taking a part needs a header and a split.
TEST_P(MbufPairOnce, APacketThatCouldNotBeTakenIsStillThere) {
  InProcess([&] {
    const std::string text = Written(3000);
    MbufPtr packet;
    ERR_clear_error();
    ExpectOutOfMemory(b_.get(), BioPairTake(b_.get(), 1000, &packet));
    EXPECT_EQ(packet, nullptr);
    EXPECT_EQ(BIO_ctrl_pending(b_.get()), 3000u);
    EXPECT_EQ(BioPairTake(b_.get(), 1000, &packet), 1000);
    EXPECT_EQ(TextOfChain(packet.get()), text.substr(0, 1000));
    std::string rest(2000, '\0');
    EXPECT_EQ(BIO_read(b_.get(), rest.data(), 2000), 2000);
    EXPECT_EQ(rest, text.substr(1000));
  });
}

INSTANTIATE_TEST_SUITE_P(Ordinals, MbufPairOnce, testing::Values(2, 3));

// Thirteen mbufs make the chain; cutting it to the room needs another.
class MbufPairPutOnce : public MbufPairOnce {};

TEST_P(MbufPairPutOnce, AChainThatCouldNotBeCutStaysWithItsGiver) {
  InProcess([&] {
    const std::string text = Story(25'000);
    MbufPtr chain = m_devget(text.data(), 25'000, 0);
    ERR_clear_error();
    ExpectOutOfMemory(a_.get(), BioPairPut(a_.get(), &chain));
    EXPECT_EQ(TextOfChain(chain.get()), text);
    EXPECT_EQ(BIO_ctrl_pending(b_.get()), 0u);
    EXPECT_EQ(BioPairPut(a_.get(), &chain), 20'000);
  });
}

INSTANTIATE_TEST_SUITE_P(Ordinals, MbufPairPutOnce, testing::Values(14));

}  // namespace
}  // namespace sockbed
