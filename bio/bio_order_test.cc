// Which system calls each routine makes, and in what order: it shows in traces, so it is part of
// what is promised. Both ways; where the two differ the test says why.
#include <sys/time.h>

#include <sstream>

#include "bio/both_ways.h"
#include "uapi/uapi_trace.h"

namespace sockbed {
namespace {

// Keeps the name of each system call that began, and the one argument that tells options apart.
class CallKeeper : public TraceSink {
 public:
  explicit CallKeeper(const Trace& trace) : trace_(trace) {}

  void Consume(std::span<const Record> records) override {
    for (const Record& record : records) {
      if (record.room != Room::kUapi || record.type == kTimeTold) continue;
      if (record.type >= static_cast<uint8_t>(uapi::UapiRecord::kReturn)) continue;
      const std::string line = trace_.Format(record);
      const size_t call = line.find_first_not_of(' ', line.find("CALL") + 4);
      Keep(line.substr(call, line.find(')', call) - call));
    }
  }

  std::string kept;  // "socket, ioctl FIONBIO 1, connect"

 private:
  // Of `text`, "setsockopt(3, SOL_SOCKET, SO_KEEPALIVE, 1, 4 bytes".
  void Keep(const std::string& text) {
    std::string call = text.substr(0, text.find('('));
    std::istringstream words(text.substr(call.size()));
    for (std::string word; words >> word;) {
      if (word.ends_with(',')) word.pop_back();
      const bool is_option = word.find("SO_") == 0 || word.find("TCP_") == 0 || word == "FIONBIO";
      if (is_option) call += " " + word;
      if (is_option && call.find("getsockopt") != 0 && words >> word) {
        call += " " + word.substr(0, word.find(','));
      }
    }
    kept += (kept.empty() ? "" : ", ") + call;
  }

  static constexpr auto kTimeTold = static_cast<uint8_t>(uapi::Sys::kGetitimer);  // in loops

  const Trace& trace_;
};

class BioOrder : public BothWays {
 protected:
  // The calls of `body`, which runs as the only process.
  std::string CallsOf(std::function<void()> body) {
    Trace& trace = sim_.machine().trace();
    CallKeeper keeper(trace);
    trace.set_sink(&keeper);
    InProcess(std::move(body));
    trace.Flush();
    trace.set_sink(nullptr);
    return keeper.kept;
  }

  static constexpr int kAll = BIO_SOCK_NONBLOCK | BIO_SOCK_KEEPALIVE | BIO_SOCK_NODELAY |
                              BIO_SOCK_REUSEADDR | BIO_SOCK_V6_ONLY;
};

TEST_P(BioOrder, OfConnect) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = Stream();
              EXPECT_EQ(bios().connect(fd, Loopback(80).get(), kAll), 0);
              EXPECT_EQ(bios().closesocket(fd), 1);
            }),
            "socket, ioctl FIONBIO 1, setsockopt SO_KEEPALIVE 1, setsockopt TCP_NODELAY 1, "
            "connect, close");
}

TEST_P(BioOrder, OfConnectWithoutOptions) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = Stream();
              EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 0);
              EXPECT_EQ(bios().closesocket(fd), 1);
            }),
            "socket, ioctl FIONBIO 0, connect, close");
}

TEST_P(BioOrder, OfBind) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = Stream();
              EXPECT_EQ(bios().bind(fd, Loopback(80).get(), kAll), 1);
              EXPECT_EQ(bios().closesocket(fd), 1);
            }),
            "socket, setsockopt SO_REUSEADDR 1, bind, close");
}

// The trace has no name for IPV6_V6ONLY.
TEST_P(BioOrder, OfListen) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = bios().socket(AF_INET6, SOCK_STREAM, 0, 0);
              AddrStorage any{};
              any.in6.sin6_family = AF_INET6;
              any.in6.sin6_port = htons(80);
              EXPECT_EQ(bios().listen(fd, any.addr(), kAll), 1);
              EXPECT_EQ(bios().closesocket(fd), 1);
            }),
            "socket, getsockopt SO_TYPE, ioctl FIONBIO 1, setsockopt SO_KEEPALIVE 1, "
            "setsockopt TCP_NODELAY 1, setsockopt, setsockopt SO_REUSEADDR 1, bind, "
            "listen, close");
}

TEST_P(BioOrder, OfListenOnADatagramSocket) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = Datagram();
              EXPECT_EQ(bios().listen(fd, Loopback(80).get(), 0), 1);
              EXPECT_EQ(bios().closesocket(fd), 1);
            }),
            "socket, getsockopt SO_TYPE, ioctl FIONBIO 0, bind, close");
}

TEST_P(BioOrder, OfAccept) {
  EXPECT_EQ(CallsOf([&] {
              const int listener = Stream(), fd = Stream();
              EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
              EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 1);
              const int accepted = bios().accept_ex(listener, nullptr, kAll);
              for (const int each : {accepted, fd, listener}) bios().closesocket(each);
            }),
            "socket, socket, getsockopt SO_TYPE, ioctl FIONBIO 0, bind, listen, "
            "ioctl FIONBIO 0, connect, accept, ioctl FIONBIO 1, close, close, close");
}

TEST_P(BioOrder, OfTheSmallRoutines) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = Datagram();
              EXPECT_EQ(bios().sock_error(fd), 0);
              EXPECT_EQ(bios().socket_wait(fd, 1, 0), 1);
              EXPECT_EQ(bios().socket_wait(fd, 0, kBootEpochSeconds + 5), 1);
              EXPECT_EQ(bios().closesocket(-1), 0);
              EXPECT_EQ(bios().closesocket(fd), 1);
            }),
            "socket, getsockopt SO_ERROR, time, select, close");
}

// Only the way of writing differs: MSG_NOSIGNAL needs send(2).
TEST_P(BioOrder, OfASocketBio) {
  const std::string write = bios().ours ? "send" : "write";
  EXPECT_EQ(CallsOf([&] {
              int ends[2];
              EXPECT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
              const BioPtr a(bios().new_socket(ends[0], BIO_CLOSE));
              const BioPtr b(bios().new_socket(ends[1], BIO_CLOSE));
              char byte;
              EXPECT_EQ(BIO_puts(a.get(), "x"), 1);
              EXPECT_EQ(BIO_read(b.get(), &byte, 1), 1);
            }),
            "socketpair, " + write + ", read, close, close");
}

// A connection that stands is shut down before it is closed; one that does not is only closed.
TEST_P(BioOrder, OfAConnectBiosEnd) {
  EXPECT_EQ(CallsOf([&] {
              const int listener = Stream();
              EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
              for (const char* const name : {"127.0.0.1:80", "127.0.0.1:81"}) {
                const BioPtr bio(bios().new_connect(name));
                EXPECT_EQ(BIO_do_connect(bio.get()), name[11] == '0');
                ERR_clear_error();
              }
              bios().closesocket(listener);
            }),
            "socket, getsockopt SO_TYPE, ioctl FIONBIO 0, bind, listen, "
            "getaddrinfo, socket, ioctl FIONBIO 0, setsockopt SO_KEEPALIVE 1, connect, shutdown, "
            "close, getaddrinfo, socket, ioctl FIONBIO 0, setsockopt SO_KEEPALIVE 1, connect, "
            "close, close");
}

TEST_P(BioOrder, OfAnAcceptBio) {
  EXPECT_EQ(CallsOf([&] {
              const BioPtr bio(bios().new_accept("127.0.0.1:80"));
              EXPECT_EQ(BIO_do_accept(bio.get()), 1);
            }),
            "getaddrinfo, socket, getsockopt SO_TYPE, ioctl FIONBIO 0, bind, listen, getsockname, "
            "getnameinfo, getnameinfo, shutdown, close");
}

// The timer stands in for the socket's own limit only where it is the shorter.
TEST_P(BioOrder, OfADatagramReadUnderATimer) {
  EXPECT_EQ(CallsOf([&] {
              const int fd = Datagram();
              const BioPtr bio(bios().new_dgram(fd, BIO_CLOSE));
              timeval limit{0, 50'000};
              EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit), 1);
              char byte;
              EXPECT_EQ(BIO_read(bio.get(), &byte, 1), -1);
              for (const time_t seconds : {100, 1}) {
                timeval then{kBootEpochSeconds + seconds, 0};
                if (seconds == 1) then = {kBootEpochSeconds, 120'000};
                EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT, 0, &then), 1);
                EXPECT_EQ(BIO_read(bio.get(), &byte, 1), -1);
              }
            }),
            "socket, setsockopt SO_RCVTIMEO 0, recvfrom, "
            "getsockopt SO_RCVTIMEO, gettimeofday, recvfrom, setsockopt SO_RCVTIMEO 0, "
            "getsockopt SO_RCVTIMEO, gettimeofday, setsockopt SO_RCVTIMEO 0, recvfrom, "
            "setsockopt SO_RCVTIMEO 0, close");
}

// The descriptor that accept is about to return, and who closes it before anything else is done.
constexpr int kAccepted = 5;
void CloseAccepted(int) {
  const int error = errno;
  uapi::close(kAccepted);
  errno = error;
}

// A signal comes between accept and the ioctl, and its handler closes the new socket: what cannot
// be set is closed (again). The timer counts what calls are charged; `early` calls more than the
// last but few before it is due, and it hits accept.
TEST_P(BioOrder, OfAnAcceptedSocketThatCannotBeSet) {
  const std::string calls = CallsOf([&] {
    struct sigaction act {};
    act.sa_handler = CloseAccepted;
    EXPECT_THAT(uapi::sigaction(SIGVTALRM, &act, nullptr), Works());
    const int listener = Stream();
    EXPECT_EQ(bios().listen(listener, Loopback(80).get(), 0), 1);
    int accepted = 0;
    for (int early = 0; early < 20 && accepted != -1; ++early) {
      const int fd = Stream();
      EXPECT_EQ(bios().connect(fd, Loopback(80).get(), 0), 1);
      EXPECT_EQ(fd + 1, kAccepted);
      itimerval left{{}, {0, 10'000}};
      EXPECT_THAT(uapi::setitimer(ITIMER_VIRTUAL, &left, nullptr), Works());
      while (left.it_value.tv_usec > 2) uapi::getitimer(ITIMER_VIRTUAL, &left);
      for (int i = 0; i < early; ++i) (void)uapi::getpid();
      ERR_clear_error();
      accepted = bios().accept_ex(listener, nullptr, 0);
      left = {};
      EXPECT_THAT(uapi::setitimer(ITIMER_VIRTUAL, &left, nullptr), Works());
      for (const int each : {accepted, fd}) bios().closesocket(each);
    }
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling ioctlsocket()"}}));
    bios().closesocket(listener);
  });
  EXPECT_THAT(calls, testing::HasSubstr("accept, close, ioctl FIONBIO 0, close, setitimer"));
}

SOCKBED_BOTH_WAYS(BioOrder);

}  // namespace
}  // namespace sockbed
