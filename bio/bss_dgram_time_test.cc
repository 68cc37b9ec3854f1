// The datagram BIO and time: limits of the socket, and the timer that DTLS sets.
#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BssDgramTime : public BothWays {
 protected:
  BioPtr Quiet() {
    const int fd = Datagram();
    EXPECT_EQ(bios().bind(fd, Loopback(1).get(), 0), 1);
    return BioPtr(bios().new_dgram(fd, BIO_CLOSE));
  }

  static void SetLimit(BIO* bio, double seconds) {
    timeval limit = Interval(seconds);
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit), 1);
  }
  static double LimitOf(BIO* bio) {
    timeval limit{};
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_GET_RECV_TIMEOUT, 0, &limit), 16);
    return static_cast<double>(limit.tv_sec) + static_cast<double>(limit.tv_usec) / 1e6;
  }

  // Sets the timer `seconds` from now.
  static void SetTimer(BIO* bio, double seconds) {
    timeval now;
    uapi::gettimeofday(&now, nullptr);
    const timeval from_now = Interval(seconds);
    timeval then;
    timeradd(&now, &from_now, &then);
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT, 0, &then), 1);
  }

  // How long a read waited in vain.
  static double WaitOf(BIO* bio) {
    const double start = Seconds();
    char byte;
    EXPECT_EQ(BIO_read(bio, &byte, 1), -1);
    EXPECT_TRUE(BIO_should_read(bio));
    return Seconds() - start;
  }

  static timeval Interval(double seconds) {
    const auto us = static_cast<int64_t>(seconds * 1e6);
    timeval t{us / 1'000'000, us % 1'000'000};
    if (t.tv_usec < 0) t = {t.tv_sec - 1, t.tv_usec + 1'000'000};
    return t;
  }
};

constexpr double kTick = 0.01;

TEST_P(BssDgramTime, AReadEndsAtTheSocketsLimitAndSaysSoOnce) {
  InProcess([&] {
    const BioPtr bio = Quiet();
    SetLimit(bio.get(), 1.5);
    EXPECT_DOUBLE_EQ(LimitOf(bio.get()), 1.5);
    EXPECT_NEAR(WaitOf(bio.get()), 1.5, kTick);
    EXPECT_EQ(BIO_dgram_recv_timedout(bio.get()), 1);
    EXPECT_EQ(BIO_dgram_recv_timedout(bio.get()), 0);
  });
}

TEST_P(BssDgramTime, WouldBlockCountsAsTimedOutInBothDirections) {
  InProcess([&] {
    const BioPtr bio = Quiet();
    int fd = -1;
    BIO_get_fd(bio.get(), &fd);
    EXPECT_EQ(bios().socket_nbio(fd, 1), 1);
    EXPECT_LT(WaitOf(bio.get()), kTick);
    EXPECT_EQ(BIO_dgram_send_timedout(bio.get()), 1);
    EXPECT_EQ(BIO_dgram_recv_timedout(bio.get()), 0);
  });
}

TEST_P(BssDgramTime, TheSendLimitIsTheSockets) {
  InProcess([&] {
    const BioPtr bio = Quiet();
    timeval limit = Interval(0.25), seen{};
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_SET_SEND_TIMEOUT, 0, &limit), 1);
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_GET_SEND_TIMEOUT, 0, &seen), 16);
    EXPECT_EQ(seen.tv_usec, 250'000);
  });
}

TEST_P(BssDgramTime, ALimitThatTheKernelRefusesIsAnError) {
  InProcess([&] {
    const BioPtr bio(bios().new_dgram(99, BIO_NOCLOSE));
    timeval limit = Interval(1);
    ERR_clear_error();
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit), -1);
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_GET_SEND_TIMEOUT, 0, &limit), -1);
    // The library complains on stderr, where nothing can be asked.
    const Errors ours = {{ERR_LIB_SYS, EBADF, "calling setsockopt()"},
                         {ERR_LIB_SYS, EBADF, "calling getsockopt()"}};
    EXPECT_EQ(TakeErrors(), bios().ours ? ours : Errors{});
  });
}

TEST_P(BssDgramTime, TheTimerCutsAReadShortAndLeavesTheLimit) {
  InProcess([&] {
    const BioPtr bio = Quiet();
    SetLimit(bio.get(), 1.5);
    SetTimer(bio.get(), 0.7);
    EXPECT_NEAR(WaitOf(bio.get()), 0.7, kTick);
    EXPECT_DOUBLE_EQ(LimitOf(bio.get()), 1.5);
    // It is due: at once. The library takes "at this very instant" for "no limit".
    if (!bios().ours) uapi::usleep(1000);
    EXPECT_LT(WaitOf(bio.get()), 2 * kTick);
    SetTimer(bio.get(), 100);
    EXPECT_NEAR(WaitOf(bio.get()), 1.5, kTick);  // the limit comes first
    timeval never{};
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT, 0, &never), 1);
    EXPECT_NEAR(WaitOf(bio.get()), 1.5, kTick);
  });
}

TEST_P(BssDgramTime, WithoutALimitTheTimerAloneEndsARead) {
  InProcess([&] {
    const BioPtr bio = Quiet();
    SetTimer(bio.get(), 2.5);
    EXPECT_NEAR(WaitOf(bio.get()), 2.5, kTick);
    EXPECT_DOUBLE_EQ(LimitOf(bio.get()), 0);
  });
}

SOCKBED_BOTH_WAYS(BssDgramTime);

}  // namespace
}  // namespace sockbed
