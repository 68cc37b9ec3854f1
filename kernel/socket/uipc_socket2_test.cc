// What protocols call: the states of a connection, the accept queues, the wakeups. Spec
// socket-layer.md sections 2 and 5, row by row.
#include <errno.h>
#include <poll.h>

#include <string>

#include "kernel/sched/selinfo.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

class Socket2Test : public LoopTestHost {
 protected:
  // Who sleeps on a socket, and in which order they are woken.
  struct Sleepers {
    std::string order;
  };

  // One process on each channel of `so`; each notes its letter when it wakes.
  void Sleep(socket* so, Sleepers& sleepers) {
    Spawn("timeo", [so, &sleepers] {
      if (tsleep(&so->so_timeo, PSOCK, "netcon", hz) == 0) sleepers.order += 't';
    });
    for (const bool snd : {true, false}) {
      Spawn(snd ? "writer" : "reader", [so, snd, &sleepers] {
        sockbuf* sb = snd ? &so->so_snd : &so->so_rcv;
        sb->sb_timeo = hz;
        if (sbwait(sb) == 0) sleepers.order += snd ? 's' : 'r';
      });
    }
    Pause(kMillisecond);
  }

  // Whom a transition wakes, in order: t so_timeo, r the reader, s the sender.
  std::string Wakes(void (*transition)(socket*), int before) {
    std::string order;
    InProcess([&] {
      socket* so = Create(SOCK_STREAM);
      so->so_state |= before;
      Sleepers sleepers;
      Sleep(so, sleepers);
      transition(so);
      Pause(2 * kSecond);
      order = sleepers.order;
      soclose(so);
    });
    return order;
  }
};

constexpr int kConnection =
    SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING | SS_ISDISCONNECTED;
constexpr int kClosed = SS_CANTSENDMORE | SS_CANTRCVMORE;

struct Transition {
  const char* name;
  void (*function)(socket*);
  int before, after;
};

constexpr Transition kTransitions[] = {
    {"connecting", soisconnecting, 0, SS_ISCONNECTING},
    {"connecting, once connected", soisconnecting, SS_ISCONNECTED, SS_ISCONNECTING},
    {"connecting, once disconnecting", soisconnecting, SS_ISDISCONNECTING, SS_ISCONNECTING},
    {"connected", soisconnected, 0, SS_ISCONNECTED},
    {"connected after the handshake", soisconnected, SS_ISCONNECTING, SS_ISCONNECTED},
    {"connected and confirmed", soisconnected, SS_ISCONFIRMING, SS_ISCONNECTED},
    {"disconnecting", soisdisconnecting, SS_ISCONNECTED,
     SS_ISCONNECTED | SS_ISDISCONNECTING | kClosed},
    {"disconnecting in the handshake", soisdisconnecting, SS_ISCONNECTING,
     SS_ISDISCONNECTING | kClosed},
    {"disconnected", soisdisconnected, SS_ISCONNECTED, SS_ISDISCONNECTED | kClosed},
    {"disconnected in the handshake", soisdisconnected, SS_ISCONNECTING,
     SS_ISDISCONNECTED | kClosed},
    {"disconnected in the end", soisdisconnected, SS_ISCONNECTED | SS_ISDISCONNECTING | kClosed,
     SS_ISDISCONNECTED | kClosed},
    {"cannot send", socantsendmore, SS_ISCONNECTED, SS_ISCONNECTED | SS_CANTSENDMORE},
    {"cannot receive", socantrcvmore, SS_ISCONNECTED, SS_ISCONNECTED | SS_CANTRCVMORE},
};

TEST_F(Socket2Test, TransitionsChangeTheirBitsAndNothingElse) {
  for (const Transition& t : kTransitions) {
    SCOPED_TRACE(t.name);
    InProcess([&t] {
      socket* so = Create(SOCK_STREAM);
      const int others = so->so_state | SS_NBIO | SS_CONNECTOUT;
      so->so_state = others | t.before;
      so->so_error = EHOSTDOWN;
      t.function(so);
      EXPECT_EQ(so->so_state, others | t.after);
      EXPECT_EQ(so->so_error, EHOSTDOWN) << "errors are the protocol's to report";
      so->so_state &= ~kConnection;
      soclose(so);
    });
  }
}

TEST_F(Socket2Test, TransitionsWakeInTheirOrder) {
  EXPECT_EQ(Wakes(soisconnecting, 0), "");
  EXPECT_EQ(Wakes(soisconnected, SS_ISCONNECTING), "trs");
  EXPECT_EQ(Wakes(soisdisconnecting, SS_ISCONNECTING), "tsr");
  EXPECT_EQ(Wakes(soisdisconnected, SS_ISCONNECTING), "tsr");
  EXPECT_EQ(Wakes(socantsendmore, 0), "s");
  EXPECT_EQ(Wakes(socantrcvmore, 0), "r");
}

TEST_F(Socket2Test, SleepersOnABufferAreWokenTogether) {
  InProcess([this] {
    socket* so = Create(SOCK_STREAM);
    int woken = 0;
    for (int i = 0; i < 3; ++i) {
      Spawn("reader", [&woken, so] {
        EXPECT_EQ(sbwait(&so->so_rcv), 0);
        ++woken;
      });
    }
    Pause(kMillisecond);
    EXPECT_NE(so->so_rcv.sb_flags & SB_WAIT, 0);
    sorwakeup(so);
    EXPECT_EQ(so->so_rcv.sb_flags & SB_WAIT, 0);
    Pause(kMillisecond);
    EXPECT_EQ(woken, 3);
    soclose(so);
  });
}

TEST_F(Socket2Test, PollersAreWokenBeforeReadersAndForgotten) {
  std::string order;
  InProcess([&] {
    socket* so = Create(SOCK_STREAM);
    Spawn("reader", [&] {
      EXPECT_EQ(sbwait(&so->so_rcv), 0);
      order += 'r';
    });
    Spawn("poller", [&] {
      EXPECT_EQ(sopoll(so, POLLIN, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
      selclear(curproc());
      order += 'p';
    });
    Pause(kMillisecond);
    EXPECT_NE(so->so_rcv.sb_flags & SB_SEL, 0);
    sorwakeup(so);
    EXPECT_EQ(so->so_rcv.sb_flags & SB_SEL, 0);
    Pause(kMillisecond);
    soclose(so);
  });
  EXPECT_EQ(order, "pr");
}

TEST_F(Socket2Test, WakeupThatNobodyAwaitsSaysNothing) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    int calls = 0;
    so->so_upcallarg = &calls;
    so->so_upcall = [](socket*, void* arg, int) { ++*static_cast<int*>(arg); };
    sorwakeup(so);
    EXPECT_EQ(calls, 1) << "the upcall comes whether or not somebody sleeps";
    sowwakeup(so);
    EXPECT_EQ(calls, 1) << "there is none for room to send";
    so->so_upcall = nullptr;
    soclose(so);
  });
  EXPECT_TRUE(RecordsOf(SocketEvent::kBuffer).empty());
}

// --- The accept queues. ---

TEST_F(Socket2Test, QueuesAreFirstInFirstOut) {
  InProcess([] {
    socket* head = CreateListener(80);
    socket* made[3];
    for (socket*& so : made) so = NewConnection(head, 0);
    EXPECT_EQ(head->so_q0len, 3);
    EXPECT_EQ(soqremque(made[0], 1), 0) << "it is on the other queue";
    EXPECT_EQ(made[0]->so_onq, &head->so_q0);
    EXPECT_EQ(soqremque(made[1], 0), 1);
    EXPECT_EQ(made[1]->so_head, nullptr);
    EXPECT_EQ(made[1]->so_onq, nullptr);
    EXPECT_EQ(soqremque(made[1], 0), 0) << "it is on none";
    EXPECT_EQ(head->so_q0len, 2);
    soqinsque(head, made[1], 1);
    EXPECT_EQ(head->so_q.first, made[1]);
    EXPECT_EQ(head->so_qlen, 1);
    EXPECT_EQ(head->so_q0.first, made[0]);
    EXPECT_EQ(head->so_q0.last, made[2]);
    soclose(head);
  });
}

TEST_F(Socket2Test, FinishedHandshakeGoesToTheTailAndWakesOneAccepter) {
  InProcess([this] {
    socket* head = CreateListener(80);
    socket* first = NewConnection(head, 0);
    socket* second = NewConnection(head, 0);
    int woken = 0, calls = 0;
    head->so_upcallarg = &calls;
    head->so_upcall = [](socket*, void* arg, int) { ++*static_cast<int*>(arg); };
    for (int i = 0; i < 2; ++i) {
      Spawn("accepter", [&woken, head] {
        if (tsleep(&head->so_timeo, PSOCK, "netacc", hz) == 0) ++woken;
      });
    }
    Pause(kMillisecond);
    soisconnected(second);
    Pause(2 * kSecond);
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(calls, 1);
    soisconnected(first);
    EXPECT_EQ(head->so_q.first, second) << "the order is that of completion";
    EXPECT_EQ(head->so_q.last, first);
    head->so_upcall = nullptr;
    soclose(head);
  });
}

TEST_F(Socket2Test, ConnectionMadeFinishedWakesAllAccepters) {
  for (const int status : {SS_ISCONNECTED, SS_ISCONFIRMING}) {
    InProcess([this, status] {
      socket* head = CreateListener(80);
      int woken = 0;
      for (int i = 0; i < 2; ++i) {
        Spawn("accepter", [&woken, head] {
          if (tsleep(&head->so_timeo, PSOCK, "netacc", hz) == 0) ++woken;
        });
      }
      Pause(kMillisecond);
      socket* so = NewConnection(head, status);
      EXPECT_EQ(head->so_q.first, so);
      EXPECT_NE(so->so_state & status, 0);
      Pause(2 * kSecond);
      EXPECT_EQ(woken, 2);
      soclose(head);
    });
  }
}

TEST_F(Socket2Test, ConnectionInItsHandshakeWakesNobody) {
  InProcess([this] {
    socket* head = CreateListener(80);
    bool woken = false;
    Spawn("accepter",
          [&woken, head] { woken = tsleep(&head->so_timeo, PSOCK, "netacc", hz) == 0; });
    Pause(kMillisecond);
    ASSERT_NE(NewConnection(head, 0), nullptr);
    Pause(2 * kSecond);
    EXPECT_FALSE(woken);
    soclose(head);
  });
}

TEST_F(Socket2Test, NewConnectionInheritsEvenThatItsListenerHasShut) {
  InProcess([] {
    socket* head = CreateListener(80);
    head->so_state |= SS_CANTRCVMORE | SS_ASYNC;
    socket* so = NewConnection(head, 0);
    EXPECT_NE(so->so_state & SS_CANTRCVMORE, 0);
    EXPECT_NE(so->so_state & SS_ASYNC, 0);
    soclose(head);
  });
}

// A connection whose acceptance awaits confirmation: it may send at once, and its first read
// confirms it.
TEST_F(Socket2Test, ConfirmingConnectionMaySendAndConfirmsByReading) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_state = (pair.first->so_state & ~SS_ISCONNECTED) | SS_ISCONFIRMING;
    EXPECT_EQ(Send(pair.first, "x"), 0);
    const int before = loop().rcvd_calls;
    EXPECT_EQ(Receive(pair.first, 0, MSG_DONTWAIT).error, ENOTCONN);
    EXPECT_EQ(Receive(pair.first, 1, MSG_OOB).error, EINVAL);
    EXPECT_EQ(loop().rcvd_calls, before) << "to read nothing, or aside, confirms nothing";
    EXPECT_EQ(Receive(pair.first, 1, MSG_DONTWAIT).error, ENOTCONN);
    EXPECT_EQ(loop().rcvd_calls, before + 1);
    pair.first->so_state = (pair.first->so_state & ~SS_ISCONFIRMING) | SS_ISCONNECTED;
    ClosePair(pair);
  });
}

// --- Readiness. ---

TEST_F(Socket2Test, ReadableByDataEndConnectionOrError) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_FALSE(soreadable(so));
    sbappendstream(&so->so_rcv, MbufWith("abc"));
    so->so_rcv.sb_lowat = 4;
    EXPECT_FALSE(soreadable(so));
    so->so_rcv.sb_lowat = 3;
    EXPECT_TRUE(soreadable(so));
    sbflush(&so->so_rcv);
    so->so_qlen = 1;
    EXPECT_TRUE(soreadable(so));
    so->so_qlen = 0;
    so->so_error = ECONNRESET;
    EXPECT_TRUE(soreadable(so));
    so->so_error = 0;
    so->so_state |= SS_CANTRCVMORE;
    EXPECT_TRUE(soreadable(so));
    soclose(so);
  });
}

TEST_F(Socket2Test, WriteableByRoomOnAConnectionEndOrError) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_FALSE(sowriteable(so)) << "not connected";
    so->so_state |= SS_ISCONNECTING;
    EXPECT_FALSE(sowriteable(so));
    so->so_error = ECONNREFUSED;
    EXPECT_TRUE(sowriteable(so));
    so->so_error = 0;
    so->so_state = (so->so_state & ~SS_ISCONNECTING) | SS_ISCONNECTED;
    EXPECT_TRUE(sowriteable(so));
    so->so_snd.sb_lowat = static_cast<int64_t>(so->so_snd.sb_hiwat);
    sbappendstream(&so->so_snd, MbufWith("x"));
    EXPECT_FALSE(sowriteable(so));
    so->so_state |= SS_CANTSENDMORE;
    EXPECT_TRUE(sowriteable(so));
    so->so_state &= ~(SS_ISCONNECTED | SS_CANTSENDMORE);
    soclose(so);
  });
}

// --- Reserving both buffers. ---

TEST_F(Socket2Test, FreshBuffersGetTheirLowWaterMarks) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    for (sockbuf* sb : {&so->so_rcv, &so->so_snd}) sbrelease(sb);
    ASSERT_EQ(soreserve(so, 9000, 500), 0);
    EXPECT_EQ(so->so_snd.sb_lowat, MCLBYTES);
    EXPECT_EQ(so->so_rcv.sb_lowat, 1);
    EXPECT_EQ(so->so_snd.sb_wat, 9000u);
    EXPECT_EQ(so->so_rcv.sb_wat, 500u);
    ASSERT_EQ(soreserve(so, 1000, 500), 0);
    EXPECT_EQ(so->so_snd.sb_lowat, 1000) << "never above the high one";
    soclose(so);
  });
}

TEST_F(Socket2Test, LowWaterMarksThatWereSetAreKept) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    so->so_rcv.sb_lowat = 7;
    so->so_snd.sb_lowat = 8;
    ASSERT_EQ(soreserve(so, 9000, 500), 0);
    EXPECT_EQ(so->so_rcv.sb_lowat, 7);
    EXPECT_EQ(so->so_snd.sb_lowat, 8);
    soclose(so);
  });
}

TEST_F(Socket2Test, BuffersAreReservedBothOrNeither) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(soreserve(so, 0, 500), ENOBUFS);
    EXPECT_EQ(soreserve(so, 500, sb_max_default + 1), ENOBUFS);
    EXPECT_EQ(so->so_snd.sb_hiwat, 0u) << "given back";
    EXPECT_EQ(so->so_rcv.sb_hiwat, kLoopSpace) << "not touched";
    soclose(so);
  });
}

}  // namespace
}  // namespace sockbed
