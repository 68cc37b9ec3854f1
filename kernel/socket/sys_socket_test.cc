// Sockets as open files: spec syscalls.md sections 2 (fcntl, ioctl, fstat) and 4 (readiness).
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <string>

#include "kernel/sched/selinfo.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

constexpr int kAll = POLLIN | POLLOUT | POLLPRI;

class SysSocketTest : public LoopTestHost {
 protected:
  static file* FileOf(socket* so) {
    file* fp = nullptr;
    EXPECT_EQ(sofile(so, FREAD | FWRITE, &fp), 0);
    return fp;
  }
  static int Ioctl(file* fp, unsigned long com, int* value) {
    return fp->f_ops->fo_ioctl(fp, com, value);
  }
  static int Poll(socket* so, int events) { return sopoll(so, events, nullptr); }
};

TEST_F(SysSocketTest, ReadAndWriteAreReceiveAndSend) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    file* a = FileOf(pair.first);
    file* b = FileOf(pair.second);
    std::string out = "bytes", in(10, '\0');
    iovec out_iov = {out.data(), out.size()}, in_iov = {in.data(), in.size()};
    uio write = {.uio_iov = &out_iov, .uio_iovcnt = 1, .uio_resid = 5, .uio_rw = UIO_WRITE};
    uio read = {.uio_iov = &in_iov, .uio_iovcnt = 1, .uio_resid = 10, .uio_rw = UIO_READ};
    EXPECT_EQ(a->f_ops->fo_write(a, &write), 0);
    EXPECT_EQ(b->f_ops->fo_read(b, &read), 0);
    EXPECT_EQ(in.substr(0, 5), "bytes");
    EXPECT_EQ(FRELE(a), 0);
    EXPECT_EQ(FRELE(b), 0);
  });
}

TEST_F(SysSocketTest, LastReferenceClosesAndReportsWhatCloseReports) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_options |= kSoLinger;
    pair.first->so_linger = 1;
    file* fp = FileOf(pair.first);
    FREF(fp);
    EXPECT_EQ(FRELE(fp), 0);
    EXPECT_EQ(FRELE(fp), EWOULDBLOCK);
    soclose(pair.second);
  });
}

TEST_F(SysSocketTest, NoFileWhenTheHostHasTooMany) {
  InProcess([this] {
    ASSERT_EQ(host().sysctls.Set("kern.maxfiles", 0), 0);
    socket* so = Create(SOCK_STREAM);
    file* fp = nullptr;
    EXPECT_EQ(sofile(so, FREAD, &fp), ENFILE);
    soclose(so);
  });
}

// --- ioctl. ---

TEST_F(SysSocketTest, NonBlockingAndAsynchronousAreStates) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    file* fp = FileOf(so);
    int on = 1, off = 0;
    EXPECT_EQ(Ioctl(fp, FIONBIO, &on), 0);
    EXPECT_EQ(Ioctl(fp, FIOASYNC, &on), 0);
    EXPECT_EQ(so->so_state & (SS_NBIO | SS_ASYNC), SS_NBIO | SS_ASYNC);
    EXPECT_NE(so->so_rcv.sb_flags & so->so_snd.sb_flags & SB_ASYNC, 0);
    EXPECT_EQ(Ioctl(fp, FIONBIO, &off), 0);
    EXPECT_EQ(Ioctl(fp, FIOASYNC, &off), 0);
    EXPECT_EQ(so->so_state & (SS_NBIO | SS_ASYNC), 0);
    EXPECT_EQ((so->so_rcv.sb_flags | so->so_snd.sb_flags) & SB_ASYNC, 0);
    EXPECT_EQ(FRELE(fp), 0);
  });
}

TEST_F(SysSocketTest, FionreadCountsDataOfAllRecordsButNoNames) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    file* fp = FileOf(so);
    EXPECT_EQ(Send(so, "abc", 0, 7), 0);
    EXPECT_EQ(Send(so, "defgh", 0, 7), 0);
    int count = 0;
    EXPECT_EQ(Ioctl(fp, FIONREAD, &count), 0);
    EXPECT_EQ(count, 8);
    EXPECT_EQ(FRELE(fp), 0);
  });
}

TEST_F(SysSocketTest, MarkIsVisible) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    file* fp = FileOf(pair.second);
    int at_mark = 7;
    EXPECT_EQ(Ioctl(fp, SIOCATMARK, &at_mark), 0);
    EXPECT_EQ(at_mark, 0);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    EXPECT_EQ(Ioctl(fp, SIOCATMARK, &at_mark), 0);
    EXPECT_EQ(at_mark, 1);
    soclose(pair.first);
    EXPECT_EQ(FRELE(fp), 0);
  });
}

TEST_F(SysSocketTest, OwnerIsRememberedWithTheIdsOfWhoSetIt) {
  InProcess(
      [] {
        socket* so = Create(SOCK_STREAM);
        file* fp = FileOf(so);
        for (const auto& [set, get] : {std::pair{SIOCSPGRP, SIOCGPGRP}, {FIOSETOWN, FIOGETOWN}}) {
          int owner = -12, got = 0;
          EXPECT_EQ(Ioctl(fp, set, &owner), 0);
          EXPECT_EQ(Ioctl(fp, get, &got), 0);
          EXPECT_EQ(got, -12);
        }
        EXPECT_EQ(so->so_siguid, 6u);
        EXPECT_EQ(so->so_sigeuid, 5u);
        EXPECT_EQ(FRELE(fp), 0);
      },
      {.cr_uid = 5, .cr_ruid = 6});
}

TEST_F(SysSocketTest, OtherRequestsGoToTheProtocolAndInterfacesHaveNone) {
  InProcess([] {
    file* fp = FileOf(Create(SOCK_STREAM));
    int value = 0;
    EXPECT_EQ(Ioctl(fp, SIOCGIFCONF, &value), ENOTTY);
    EXPECT_EQ(Ioctl(fp, TIOCSTI, &value), EOPNOTSUPP);
    EXPECT_EQ(FRELE(fp), 0);
  });
}

// --- stat. ---

TEST_F(SysSocketTest, StatShowsWhichDirectionsAreOpen) {
  InProcess(
      [] {
        const auto pair = CreatePair(SOCK_STREAM);
        file* fp = FileOf(pair.first);
        struct stat sb;
        EXPECT_EQ(fp->f_ops->fo_stat(fp, &sb), 0);
        EXPECT_EQ(sb.st_mode, static_cast<mode_t>(S_IFSOCK | 0666));
        EXPECT_EQ(sb.st_uid, 5u);
        EXPECT_EQ(sb.st_gid, 6u);
        EXPECT_EQ(sb.st_blksize, static_cast<blksize_t>(kLoopSpace));
        socantsendmore(pair.first);
        EXPECT_EQ(Send(pair.second, "unread"), 0);
        Pause(2 * kLoopDelay);
        socantrcvmore(pair.first);
        EXPECT_EQ(fp->f_ops->fo_stat(fp, &sb), 0);
        EXPECT_EQ(sb.st_mode, static_cast<mode_t>(S_IFSOCK | 0444)) << "there is data left";
        EXPECT_EQ(Receive(pair.first, 10).data, "unread");
        EXPECT_EQ(fp->f_ops->fo_stat(fp, &sb), 0);
        EXPECT_EQ(sb.st_mode, static_cast<mode_t>(S_IFSOCK));
        EXPECT_EQ(FRELE(fp), 0);
        soclose(pair.second);
      },
      {.cr_uid = 5, .cr_gid = 6});
}

// --- Readiness, with and without POLLHUP. ---

TEST_F(SysSocketTest, ReadinessOfAFreshAndAConnectingStream) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Poll(so, kAll), 0);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(so, nam.get()), 0);
    EXPECT_EQ(Poll(so, kAll), 0);
    soclose(so);
  });
}

TEST_F(SysSocketTest, ReadinessOfAConnectedStream) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Poll(pair.first, kAll), POLLOUT);
    EXPECT_EQ(Poll(pair.first, POLLWRNORM), POLLWRNORM);
    EXPECT_EQ(Send(pair.second, "x"), 0);
    Pause(2 * kLoopDelay);
    EXPECT_EQ(Poll(pair.first, kAll), POLLIN | POLLOUT);
    EXPECT_EQ(Poll(pair.first, POLLRDNORM), POLLRDNORM);
    pair.first->so_rcv.sb_lowat = 2;
    EXPECT_EQ(Poll(pair.first, POLLIN), 0) << "below the low-water mark";
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace - 2047, 'x')), 0);
    EXPECT_EQ(Poll(pair.first, POLLOUT), 0) << "2047 bytes are not worth waking up for";
    ClosePair(pair);
  });
}

TEST_F(SysSocketTest, ReadinessOfAFailedConnect) {
  for (const bool hup : {false, true}) {
    ASSERT_EQ(host().sysctls.Set("kern.poll_hup", hup), 0);
    InProcess([hup] {
      socket* so = Create(SOCK_STREAM);
      const MbufPtr nam = LoopAddress(80);
      EXPECT_EQ(soconnect(so, nam.get()), 0);
      Pause(kSecond);
      EXPECT_EQ(Poll(so, kAll), hup ? POLLIN | POLLHUP : POLLIN | POLLOUT);
      EXPECT_EQ(Poll(so, 0), hup ? POLLHUP : 0);
      soclose(so);
    });
  }
}

TEST_F(SysSocketTest, ReadinessOfHalfClosedStreams) {
  for (const bool hup : {false, true}) {
    ASSERT_EQ(host().sysctls.Set("kern.poll_hup", hup), 0);
    InProcess([] {
      const auto pair = CreatePair(SOCK_STREAM);
      EXPECT_EQ(soshutdown(pair.first, SHUT_WR), 0);
      Pause(2 * kLoopDelay);
      EXPECT_EQ(Poll(pair.first, kAll), POLLOUT) << "own half";
      EXPECT_EQ(Poll(pair.second, kAll), POLLIN | POLLOUT) << "the peer's";
      EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
      EXPECT_EQ(Poll(pair.first, kAll), POLLIN | POLLOUT);
      ClosePair(pair);
    });
  }
}

TEST_F(SysSocketTest, ReadinessOfAListener) {
  InProcess([] {
    socket* head = CreateListener(80);
    EXPECT_EQ(Poll(head, kAll), 0);
    EXPECT_NE(NewConnection(head, SS_ISCONNECTED), nullptr);
    EXPECT_EQ(Poll(head, kAll), POLLIN);
    soclose(head);
  });
}

TEST_F(SysSocketTest, ReadinessOfADatagramSocket) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    EXPECT_EQ(Poll(so, kAll), POLLOUT);
    EXPECT_EQ(Send(so, "x", 0, 7), 0);
    EXPECT_EQ(Poll(so, kAll), POLLIN | POLLOUT);
    soclose(so);
  });
}

TEST_F(SysSocketTest, UrgentDataIsPriorityInput) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    EXPECT_EQ(Poll(pair.second, POLLPRI | POLLRDBAND), POLLPRI | POLLRDBAND);
    ClosePair(pair);
  });
}

// --- Waiting in poll. ---

TEST_F(SysSocketTest, PollersAreWokenByDataAndByRoom) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, std::string(2 * kLoopSpace, 'x')), 0);
    EXPECT_EQ(sopoll(pair.first, POLLOUT, nullptr), 0);
    Spawn("poller", [so = pair.first] {
      EXPECT_EQ(sopoll(so, POLLOUT, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
      EXPECT_EQ(sopoll(so, POLLOUT, curproc()), POLLOUT);
    });
    Spawn("other", [so = pair.first] {
      EXPECT_EQ(sopoll(so, POLLIN, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", hz / 2), EWOULDBLOCK);
      EXPECT_EQ(sopoll(so, POLLIN, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0) << "data, later";
      EXPECT_EQ(sopoll(so, POLLIN, curproc()), POLLIN);
    });
    Pause(kSecond);
    EXPECT_EQ(Receive(pair.second, 2 * kLoopSpace, MSG_WAITALL).data.size(), 2 * kLoopSpace);
    EXPECT_EQ(Send(pair.second, "x"), 0);
    Pause(kSecond);
    ClosePair(pair);
  });
}

TEST_F(SysSocketTest, AccepterInPollIsWokenByAConnection) {
  InProcess([this] {
    socket* head = CreateListener(80);
    Spawn("poller", [head] {
      EXPECT_EQ(sopoll(head, POLLIN, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
      EXPECT_EQ(sopoll(head, POLLIN, curproc()), POLLIN);
    });
    Pause(kSecond);
    EXPECT_NE(NewConnection(head, SS_ISCONNECTED), nullptr);
    Pause(kSecond);
    soclose(head);
  });
}

TEST_F(SysSocketTest, PollerOfAHostThatReportsHangupHearsOfIt) {
  ASSERT_EQ(host().sysctls.Set("kern.poll_hup", 1), 0);
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("poller", [so = pair.first] {
      EXPECT_EQ(sopoll(so, 0, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
      EXPECT_EQ(sopoll(so, 0, curproc()), POLLHUP);
    });
    Pause(kSecond);
    LoopReset(pair.first, ECONNRESET);
    Pause(kSecond);
    ClosePair(pair);
  });
}

}  // namespace
}  // namespace sockbed
