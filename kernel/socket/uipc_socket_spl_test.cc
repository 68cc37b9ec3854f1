// The interrupt level of the socket layer: raised for every call from above, relied on below.
#include <poll.h>
#include <sys/ioctl.h>

#include <array>

#include "kernel/sched/spl.h"
#include "kernel/socket/loop_test_host.h"
#include "kernel/socket/uipc_splice.h"

namespace sockbed {
namespace {

// A protocol that looks at the level in each of its requests, and does nothing else.
constexpr int kFamily = 200;

struct ProbeHost {
  static constexpr HostSlot kHostSlot = HostSlot::kInet;
  int requests = 0;
};

void Look() {
  EXPECT_EQ(splget(), IPL_SOFTNET);
  ++HostLocal<ProbeHost>::Get().requests;
}
template <typename... Args>
int Answer(socket*, Args...) {
  Look();
  return 0;
}
int Attach(socket* so, int) {
  Look();
  so->so_pcb = so;
  return soreserve(so, 2048, 2048);
}
int Detach(socket* so) {
  Look();
  so->so_pcb = nullptr;
  sofree(so);
  return 0;
}
void Abort(socket* so) { (void)Detach(so); }
int Connect(socket* so, mbuf*) {
  Look();
  soisconnected(so);
  return 0;
}
int Disconnect(socket* so) {
  Look();
  soisdisconnected(so);
  return 0;
}
// What is sent comes back at once.
int Send(socket* so, MbufPtr m, mbuf*, MbufPtr) {
  Look();
  sbappendrecord(&so->so_rcv, std::move(m));
  sorwakeup(so);
  return 0;
}
void Received(socket*, int) { Look(); }
int Option(prc_setopt, socket*, int, int, mbuf*) {
  Look();
  return 0;
}

constexpr pr_usrreqs kRequests = {
    .pru_attach = Attach,
    .pru_detach = Detach,
    .pru_bind = Answer,
    .pru_listen = Answer,
    .pru_connect = Connect,
    .pru_accept = Answer,
    .pru_disconnect = Disconnect,
    .pru_shutdown = Answer,
    .pru_rcvd = Received,
    .pru_send = Send,
    .pru_sendoob = Send,
    .pru_rcvoob = Answer,
    .pru_abort = Abort,
    .pru_control = Answer,
    .pru_sense = Answer,
    .pru_sockaddr = Answer,
    .pru_peeraddr = Answer,
    .pru_connect2 = Answer,
    .pru_peereid = Answer,
};
extern const domain kProbe;
constexpr std::array kProtocols = std::to_array<protosw>(
    {{SOCK_SEQPACKET, &kProbe, 1, PR_ATOMIC | PR_CONNREQUIRED | PR_WANTRCVD, &kRequests, Option}});
const domain kProbe = {.dom_family = kFamily,
                       .dom_name = "probe",
                       .dom_externalize = nullptr,
                       .dom_dispose = nullptr,
                       .dom_protosw = kProtocols};

class ProbeTest : public SocketTestHost {
 protected:
  ProbeTest() {
    HostLocal<ProbeHost>::Make(host());
    domain_register(host(), &kProbe);
  }
  static socket* Make() {
    socket* so = nullptr;
    EXPECT_EQ(socreate(kFamily, &so, SOCK_SEQPACKET, 0), 0);
    return so;
  }
  // The last call made this many requests, and has lowered the level again.
  void ExpectRequests(int count) {
    int& requests = HostLocal<ProbeHost>::Of(host()).requests;
    EXPECT_EQ(requests, count);
    EXPECT_EQ(splget(), IPL_NONE);
    requests = 0;
  }
};

TEST_F(ProbeTest, CallsThatMakeAndEndSocketsRaiseIt) {
  InProcess([this] {
    socket *so = Make(), *other = Make();
    ExpectRequests(2);
    EXPECT_EQ(sobind(so, nullptr, curproc()), 0);
    EXPECT_EQ(solisten(so, 1), 0);
    EXPECT_EQ(soconnect(other, nullptr), 0);
    EXPECT_EQ(soconnect2(so, other), 0);
    ExpectRequests(4);
    socket* third = NewConnection(so, SS_ISCONNECTED);
    ASSERT_EQ(soqremque(third, 1), 1);
    EXPECT_EQ(soaccept(third, nullptr), 0);
    EXPECT_EQ(soshutdown(third, SHUT_RDWR), 0);
    EXPECT_EQ(sodisconnect(other), 0);
    ExpectRequests(4);
    EXPECT_NE(NewConnection(so, SS_ISCONNECTED), nullptr);
    soclose(so);     // attached, aborted with its listener, which is detached
    soclose(other);  // detached
    soclose(third);  // detached: the connection is as its listener made it
    ExpectRequests(1 + 1 + 1 + 1 + 2);
  });
}

TEST_F(ProbeTest, CallsThatMoveDataRaiseIt) {
  InProcess([this] {
    socket* so = Make();
    EXPECT_EQ(soconnect(so, nullptr), 0);
    ExpectRequests(2);
    EXPECT_EQ(SendTo(so, "x", nullptr), 0);
    EXPECT_EQ(SendTo(so, "y", nullptr, MSG_OOB), 0);
    EXPECT_EQ(Receive(so, 10).data, "x");
    EXPECT_EQ(Receive(so, 10, MSG_OOB).error, 0);
    ExpectRequests(4);
    mbuf* value = nullptr;
    EXPECT_EQ(sosetopt(so, SOL_SOCKET + 1, 1, nullptr), 0);
    EXPECT_EQ(sogetopt(so, SOL_SOCKET + 1, 1, &value), 0);
    const MbufPtr m(value);
    ExpectRequests(2);
    file* fp = nullptr;
    ASSERT_EQ(sofile(so, FREAD, &fp), 0);
    struct stat st;
    int data = 0;
    EXPECT_EQ(socketops.fo_stat(fp, &st), 0);
    EXPECT_EQ(socketops.fo_ioctl(fp, 0x1234'5678, &data), 0);
    EXPECT_EQ(socketops.fo_poll(fp, POLLIN, curproc()), POLLIN);
    ExpectRequests(2);
    EXPECT_EQ(FRELE(fp), 0);
    ExpectRequests(2);  // disconnected, detached
  });
}

class LevelTest : public LoopTestHost {};

TEST_F(LevelTest, SleepInTheLayerLeavesOthersTheirLevels) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("reader", [so = pair.first] {
      const int s = splnet();
      EXPECT_EQ(Receive(so, 1).data, "x");
      EXPECT_EQ(splget(), IPL_NET) << "the caller had raised it higher";
      splx(s);
    });
    Pause(kSecond);
    EXPECT_EQ(splget(), IPL_NONE) << "the reader sleeps at its own level";
    EXPECT_EQ(Send(pair.second, "x"), 0);
    Pause(kSecond);
    ClosePair(pair);
  });
}

TEST_F(LevelTest, UpcallFromAProcessRunsAtTheWakersLevel) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    int level = -1;
    pair.first->so_upcallarg = &level;
    pair.first->so_upcall = [](socket*, void* arg, int) { *static_cast<int*>(arg) = splget(); };
    EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
    EXPECT_EQ(level, IPL_SOFTNET);
    pair.first->so_upcall = nullptr;
    ClosePair(pair);
  });
}

TEST_F(LevelTest, SleepForASocketIsInNanosecondsRoundedUp) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    {
      const SplScope spl(IPL_SOFTNET);
      EXPECT_EQ(sosleep_nsec(so, &so->so_timeo, PSOCK, "test", kSecond + 1), EWOULDBLOCK);
      EXPECT_EQ(Now(), kSecond + kTickNs);
      EXPECT_EQ(splget(), IPL_SOFTNET);
    }
    soclose(so);
  });
}

using LevelDeathTest = LevelTest;
constexpr char kTooLow[] = "splget.. >= level";

TEST_F(LevelDeathTest, FreeingAndAbortingFromTooLowALevelPanics) {
  EXPECT_DEATH(InProcess([] { sofree(Create(SOCK_STREAM)); }), kTooLow);
  EXPECT_DEATH(InProcess([] {
                 socket* so = Create(SOCK_STREAM);
                 so->so_state |= SS_NOFDREF;
                 soabort(so);
               }),
               kTooLow);
}

TEST_F(LevelDeathTest, SleepForASocketFromTooLowALevelPanics) {
  EXPECT_DEATH(InProcess([] {
                 socket* so = Create(SOCK_STREAM);
                 (void)sosleep_nsec(so, &so->so_timeo, PSOCK, "test", kSecond);
               }),
               kTooLow);
}

TEST_F(LevelDeathTest, NewConnectionFromTooLowALevelPanics) {
  EXPECT_DEATH(InProcess([] { (void)sonewconn(CreateListener(80), 0); }), kTooLow);
}

TEST_F(LevelDeathTest, SplicingFromTooLowALevelPanics) {
  const auto spliced = [] {
    const auto from = CreatePair(SOCK_STREAM), to = CreatePair(SOCK_STREAM);
    EXPECT_EQ(SpliceSockets(from.second, to.first, 0, nullptr), 0);
    return from.second;
  };
  EXPECT_DEATH(InProcess([&] { (void)somove(spliced(), M_DONTWAIT); }), kTooLow);
  EXPECT_DEATH(InProcess([&] {
                 socket* so = spliced();
                 sounsplice(so, so->so_splice, false);
               }),
               kTooLow);
}

}  // namespace
}  // namespace sockbed
