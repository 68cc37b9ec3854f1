// Options: spec socket-layer.md sections 3 and 8, row by row.
#include <errno.h>
#include <sys/time.h>

#include <cstring>
#include <string>

#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

using SockoptTest = LoopTestHost;

template <typename T>
int Set(socket* so, int optname, const T& value, int level = SOL_SOCKET) {
  MbufPtr m = m_get(M_WAIT, MT_SOOPTS);
  std::memcpy(m->m_data, &value, sizeof(value));
  m->m_len = sizeof(value);
  return sosetopt(so, level, optname, m.release());
}

// The value, or an impossible one when the call fails; *error says how.
template <typename T = int>
T Get(socket* so, int optname, int* error, int level = SOL_SOCKET) {
  T value{};
  mbuf* raw = nullptr;
  *error = sogetopt(so, level, optname, &raw);
  const MbufPtr m(raw);
  EXPECT_EQ(m == nullptr, *error != 0) << "the mbuf comes with success only";
  if (m != nullptr) {
    EXPECT_EQ(m->m_len, static_cast<int>(sizeof(T)));
    EXPECT_EQ(m->m_type, MT_SOOPTS);
    std::memcpy(&value, m->m_data, sizeof(T));
  }
  return value;
}

int GetInt(socket* so, int optname) {
  int error = 0;
  const int value = Get<int>(so, optname, &error);
  EXPECT_EQ(error, 0) << "option " << optname;
  return value;
}

TEST_F(SockoptTest, BooleanOptionsAreBitsOfBsd) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    for (const auto& [name, bit] : {std::pair{SO_DEBUG, 0x1},
                                    {SO_REUSEADDR, 0x4},
                                    {SO_KEEPALIVE, 0x8},
                                    {SO_DONTROUTE, 0x10},
                                    {SO_BROADCAST, 0x20},
                                    {SO_USELOOPBACK, 0x40},
                                    {SO_OOBINLINE, 0x100},
                                    {SO_REUSEPORT, 0x200},
                                    {SO_JUMBO, 0x400},
                                    {SO_TIMESTAMP, 0x800},
                                    {SO_BINDANY, 0x1000}}) {
      EXPECT_EQ(GetInt(so, name), 0);
      EXPECT_EQ(Set(so, name, 1), 0);
      EXPECT_EQ(GetInt(so, name), bit);
      EXPECT_EQ(so->so_options, bit);
      EXPECT_EQ(Set(so, name, 0), 0);
      EXPECT_EQ(so->so_options, 0);
    }
    soclose(so);
  });
}

TEST_F(SockoptTest, BooleanNeedsAnInt) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(sosetopt(so, SOL_SOCKET, SO_KEEPALIVE, nullptr), EINVAL);
    EXPECT_EQ(Set(so, SO_KEEPALIVE, int16_t{1}), EINVAL);
    EXPECT_EQ(Set(so, SO_KEEPALIVE, int64_t{1}), 0) << "longer is allowed";
    soclose(so);
  });
}

TEST_F(SockoptTest, BindanyIsTheSuperusers) {
  InProcess(
      [] {
        socket* so = Create(SOCK_STREAM);
        EXPECT_EQ(Set(so, SO_BINDANY, 1), EPERM);
        EXPECT_EQ(Set(so, SO_KEEPALIVE, 1), 0) << "all others are everybody's";
        soclose(so);
      },
      {.cr_uid = 1000});
}

TEST_F(SockoptTest, LingerIsAStructOfItsExactSize) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    using Linger = struct linger;
    EXPECT_EQ(Set(so, SO_LINGER, Linger{1, 32767}), 0);
    int error = 0;
    const auto got = Get<Linger>(so, SO_LINGER, &error);
    EXPECT_EQ(got.l_onoff, 0x80);
    EXPECT_EQ(got.l_linger, 32767);
    EXPECT_EQ(Set(so, SO_LINGER, Linger{1, 32768}), EINVAL);
    EXPECT_EQ(Set(so, SO_LINGER, Linger{1, -1}), EINVAL);
    EXPECT_EQ(Set(so, SO_LINGER, 1), EINVAL);
    EXPECT_EQ(Set(so, SO_LINGER, std::array<int, 3>{1, 1, 1}), EINVAL);
    EXPECT_EQ(sosetopt(so, SOL_SOCKET, SO_LINGER, nullptr), EINVAL);
    EXPECT_EQ(Set(so, SO_LINGER, Linger{0, 5}), 0);
    EXPECT_EQ(so->so_options & kSoLinger, 0);
    EXPECT_EQ(so->so_linger, 5);
    soclose(so);
  });
}

TEST_F(SockoptTest, BufferSizesAreTheHighWaterMarks) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    for (const int name : {SO_SNDBUF, SO_RCVBUF}) {
      EXPECT_EQ(GetInt(so, name), static_cast<int>(kLoopSpace));
      EXPECT_EQ(Set(so, name, 12345), 0);
      EXPECT_EQ(GetInt(so, name), 12345);
      EXPECT_EQ(Set(so, name, -5), 0);
      EXPECT_EQ(GetInt(so, name), 1) << "at least one byte";
      EXPECT_EQ(Set(so, name, 262144), 0);
      EXPECT_EQ(Set(so, name, 262145), ENOBUFS);
      EXPECT_EQ(Set(so, name, int16_t{5}), EINVAL);
    }
    EXPECT_EQ(so->so_snd.sb_wat, 262144u);
    soclose(so);
  });
}

TEST_F(SockoptTest, BufferOfAClosedDirectionHasNoSize) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    socantsendmore(pair.first);
    EXPECT_EQ(Set(pair.first, SO_SNDBUF, 1000), EINVAL);
    EXPECT_EQ(Set(pair.first, SO_RCVBUF, 1000), 0);
    socantrcvmore(pair.second);
    EXPECT_EQ(Set(pair.second, SO_RCVBUF, 1000), EINVAL);
    ClosePair(pair);
  });
}

TEST_F(SockoptTest, BufferDoesNotGrowWhileMemoryIsLow) {
  InProcess([this] {
    socket* so = Create(SOCK_STREAM);
    ASSERT_EQ(host().sysctls.Set("kern.maxclusters", 10), 0);
    const MbufPtr hog = PacketOf(16384);
    EXPECT_EQ(sosetopt(so, SOL_SOCKET, SO_RCVBUF, MbufWith({"\0\1\0\0", 4}).release()), 0);
    EXPECT_EQ(sosetopt(so, SOL_SOCKET, SO_RCVBUF, MbufWith({"\0\2\0\0", 4}).release()), ENOBUFS);
    soclose(so);
  });
}

TEST_F(SockoptTest, LowWaterMarksStayBetweenOneAndTheHighOnes) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(GetInt(so, SO_SNDLOWAT), 2048);
    EXPECT_EQ(GetInt(so, SO_RCVLOWAT), 1);
    for (const int name : {SO_SNDLOWAT, SO_RCVLOWAT}) {
      EXPECT_EQ(Set(so, name, 100), 0);
      EXPECT_EQ(GetInt(so, name), 100);
      EXPECT_EQ(Set(so, name, 0), 0);
      EXPECT_EQ(GetInt(so, name), 1);
      EXPECT_EQ(Set(so, name, 1'000'000), 0);
      EXPECT_EQ(GetInt(so, name), static_cast<int>(kLoopSpace));
      EXPECT_EQ(Set(so, name, int16_t{5}), EINVAL);
    }
    soclose(so);
  });
}

TEST_F(SockoptTest, TimeLimitsAreCountedInTicks) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    const auto set = [so](int64_t sec, int64_t usec) {
      return Set(so, SO_RCVTIMEO, timeval{.tv_sec = sec, .tv_usec = usec});
    };
    EXPECT_EQ(set(1, 500'000), 0);
    EXPECT_EQ(so->so_rcv.sb_timeo, 150);
    EXPECT_EQ(set(0, 1), 0);
    EXPECT_EQ(so->so_rcv.sb_timeo, 1) << "not for ever";
    EXPECT_EQ(set(655, 350'000), 0);
    EXPECT_EQ(set(655, 360'000), EDOM);
    EXPECT_EQ(set(656, 0), EDOM);
    EXPECT_EQ(set(INT64_MAX, 0), EDOM);
    EXPECT_EQ(set(-1, 0), EINVAL);
    EXPECT_EQ(set(0, -1), EINVAL);
    EXPECT_EQ(set(0, 1'000'000), EINVAL);
    EXPECT_EQ(so->so_rcv.sb_timeo, 65535);
    EXPECT_EQ(Set(so, SO_SNDTIMEO, 1), EINVAL) << "too short";
    EXPECT_EQ(set(0, 0), 0);
    EXPECT_EQ(so->so_rcv.sb_timeo, 0);
    soclose(so);
  });
}

TEST_F(SockoptTest, TimeLimitsReadBack) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Set(so, SO_SNDTIMEO, timeval{.tv_sec = 2, .tv_usec = 345'678}), 0);
    int error = 0;
    const auto tv = Get<timeval>(so, SO_SNDTIMEO, &error);
    EXPECT_EQ(tv.tv_sec, 2);
    EXPECT_EQ(tv.tv_usec, 340'000);
    soclose(so);
  });
}

TEST_F(SockoptTest, ErrorIsConsumedByReadingIt) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    so->so_error = ETIMEDOUT;
    EXPECT_EQ(GetInt(so, SO_ERROR), ETIMEDOUT);
    EXPECT_EQ(GetInt(so, SO_ERROR), 0);
    soclose(so);
  });
}

TEST_F(SockoptTest, SomeOptionsAreOnlyRead) {
  InProcess([] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(GetInt(so, SO_TYPE), SOCK_DGRAM);
    for (const int name : {SO_TYPE, SO_ERROR, SO_PEERCRED, SO_ACCEPTCONN}) {
      EXPECT_EQ(Set(so, name, 1), ENOPROTOOPT);
    }
    soclose(so);
  });
}

TEST_F(SockoptTest, UnknownOptionsAreRefused) {
  InProcess([] {
    socket* so = Create(SOCK_DGRAM);
    int error = 0;
    for (const int name : {SO_ACCEPTCONN, SO_PASSCRED, 9999}) {
      EXPECT_EQ(Set(so, name, 1), ENOPROTOOPT);
      Get<int>(so, name, &error);
      EXPECT_EQ(error, ENOPROTOOPT);
    }
    Get<int>(so, SO_PEERCRED, &error);
    EXPECT_EQ(error, EOPNOTSUPP) << "not a local socket";
    soclose(so);
  });
}

TEST_F(SockoptTest, OtherLevelsAreTheProtocols) {
  InProcess([this] {
    socket* stream = Create(SOCK_STREAM);
    int error = 0;
    EXPECT_EQ(Set(stream, 77, 1, IPPROTO_TCP), 0);
    EXPECT_EQ(loop().last_option, 77);
    EXPECT_EQ(Get<int>(stream, 77, &error, IPPROTO_TCP), 42);
    Get<int>(stream, 77, &error, IPPROTO_UDP);
    EXPECT_EQ(error, ENOPROTOOPT);
    soclose(stream);
    socket* datagram = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(datagram, 77, 1, IPPROTO_UDP), ENOPROTOOPT);
    Get<int>(datagram, 77, &error, IPPROTO_UDP);
    EXPECT_EQ(error, ENOPROTOOPT);
    soclose(datagram);
  });
}

TEST_F(SockoptTest, ProtocolHearsOfSocketOptionsThatWereSet) {
  InProcess([this] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Set(so, SO_KEEPALIVE, 1), 0);
    EXPECT_EQ(loop().last_option, SO_KEEPALIVE);
    EXPECT_EQ(Set(so, SO_TYPE, 1), ENOPROTOOPT);
    EXPECT_EQ(loop().last_option, SO_KEEPALIVE) << "but not of those refused";
    const int calls = loop().option_calls;
    EXPECT_EQ(Set(so, SO_RTABLE, 1), 0);
    EXPECT_EQ(loop().option_calls, calls + 1) << "whose it is in the first place: once";
    soclose(so);
    socket* datagram = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(datagram, SO_BROADCAST, 1), 0) << "though its protocol has no options";
    soclose(datagram);
  });
}

TEST_F(SockoptTest, RouteTableIsTheFamilysFirstProtocols) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Set(so, SO_RTABLE, 1), 0);
    EXPECT_EQ(GetInt(so, SO_RTABLE), 42);
    soclose(so);
    socket* datagram = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(datagram, SO_RTABLE, 1), ENOPROTOOPT);
    soclose(datagram);
  });
}

TEST_F(SockoptTest, NoMemoryForTheAnswerInInterruptContext) {
  InProcess([this] {
    socket* so = Create(SOCK_STREAM);
    const HostScope interrupt(host());
    Fail({{.site = Site::kMbufGet}});
    int error = 0;
    Get<int>(so, SO_TYPE, &error);
    EXPECT_EQ(error, ENOBUFS);
    Fail({});
    soclose(so);
  });
}

}  // namespace
}  // namespace sockbed
