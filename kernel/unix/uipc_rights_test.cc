// Descriptors in flight: spec unix-domain.md sections 9 and 10.
#include <errno.h>
#include <netinet/in.h>

#include <set>
#include <string>
#include <vector>

#include "kernel/unix/unix_test_host.h"
#include "kernel/unix/unix_trace.h"

namespace sockbed {
namespace {

class RightsTest : public UnixTestHost {
 protected:
  int InFlight() { return static_cast<int>(local().unp_rights); }
  int OpenFiles() {
    int n = 0;
    for (const file* fp = file_first(); fp != nullptr; fp = fp->f_next) ++n;
    return n;
  }
};

// A pair of sockets as descriptors.
std::pair<int, int> PairFds(int type = SOCK_STREAM) {
  const auto pair = CreateLocalPair(type);
  return {NewFd(pair.first), NewFd(pair.second)};
}

int Pass(int through, const std::vector<int>& fds, std::string_view bytes = "x") {
  return SendFds(SocketOfFd(through), bytes, fds);
}

Received Take(int through, size_t size = 100) {
  return Receive(SocketOfFd(through), size, 0, true);
}

// Closing a local socket, any, runs the collector.
void Collect() { soclose(CreateLocal(SOCK_DGRAM)); }

// --- Passing. ---

TEST_F(RightsTest, DescriptorBecomesAnotherOfTheSameFile) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    const auto [c, d] = PairFds();
    EXPECT_EQ(Pass(a, {c, d}, "take these"), 0);
    EXPECT_EQ(InFlight(), 2);
    const Received got = Take(b);
    EXPECT_EQ(got.data, "take these");
    const std::vector<int> fds = FdsIn(got.control.get());
    ASSERT_EQ(fds, (std::vector<int>{4, 5}));
    EXPECT_EQ(TestGetFile(curproc(), 4), TestGetFile(curproc(), c));
    EXPECT_EQ(InFlight(), 0);
    EXPECT_EQ(got.control->m_len, 16 + 8);
  });
}

TEST_F(RightsTest, FileLivesWhileItIsInFlight) {
  InProcess([] {
    const auto [a, b] = PairFds();
    const auto [c, d] = PairFds();
    EXPECT_EQ(Write(SocketOfFd(d), "kept"), 0);
    EXPECT_EQ(Pass(a, {c}), 0);
    CloseFd(c);
    const std::vector<int> fds = FdsIn(Take(b).control.get());
    EXPECT_EQ(Receive(SocketOfFd(fds.at(0)), 10).data, "kept");
  });
}

TEST_F(RightsTest, MessageComesWithTheBytesSentWithIt) {
  InProcess([] {
    const auto [a, b] = PairFds();
    socket* to = SocketOfFd(a);
    EXPECT_EQ(Write(to, "before "), 0);
    EXPECT_EQ(Pass(a, {a}, "with "), 0);
    EXPECT_EQ(Write(to, "after"), 0);
    const Received first = Take(b);
    EXPECT_EQ(first.data, "before ");
    EXPECT_EQ(first.control, nullptr);
    const Received second = Take(b);
    EXPECT_EQ(second.data, "with after");
    EXPECT_EQ(FdsIn(second.control.get()).size(), 1u);
  });
}

TEST_F(RightsTest, AllTypesCarryDescriptors) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
      const auto [a, b] = PairFds(type);
      EXPECT_EQ(Pass(a, {a}), 0);
      EXPECT_EQ(FdsIn(Take(b).control.get()).size(), 1u) << type;
    }
  });
}

TEST_F(RightsTest, DescriptorsMayTravelWithoutData) {
  InProcess([] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {a}, ""), 0);
    const Received got = Take(b);
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.data, "");
    EXPECT_EQ(FdsIn(got.control.get()).size(), 1u);
  });
}

TEST_F(RightsTest, AsManyAsFitAClusterAndNoMore) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    for (const int n : {0, 13, 14, 127}) {
      EXPECT_EQ(Pass(a, std::vector<int>(static_cast<size_t>(n), a)), 0) << n;
      EXPECT_EQ(FdsIn(Take(b).control.get()).size(), static_cast<size_t>(n));
      while (FilesOf(curproc()).size() > 2) CloseFd(FilesOf(curproc()).rbegin()->first);
    }
    EXPECT_EQ(Pass(a, std::vector<int>(128, a)), E2BIG);
    EXPECT_EQ(InFlight(), 0);
  });
}

// --- What cannot be sent. ---

TEST_F(RightsTest, MalformedMessagesAreInvalid) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    socket* so = SocketOfFd(a);
    const auto send = [so](MbufPtr m) {
      return SendTo(so, "x", nullptr, 0, nullptr, std::move(m));
    };
    MbufPtr m = RightsMessage({a});
    mtod<cmsghdr>(m.get())->cmsg_level = IPPROTO_IP;
    EXPECT_EQ(send(std::move(m)), EINVAL);
    m = RightsMessage({a});
    mtod<cmsghdr>(m.get())->cmsg_type = SCM_CREDENTIALS;
    EXPECT_EQ(send(std::move(m)), EINVAL);
    m = RightsMessage({a});
    m->m_len += 8;
    EXPECT_EQ(send(std::move(m)), EINVAL) << "more than one message";
    m = RightsMessage({});
    mtod<cmsghdr>(m.get())->cmsg_len = 8;
    m->m_len = 8;
    EXPECT_EQ(send(std::move(m)), EINVAL);
    m = RightsMessage({});
    mtod<cmsghdr>(m.get())->cmsg_len = 12;
    EXPECT_EQ(send(std::move(m)), EINVAL) << "less than a header, padded to one";
    m = RightsMessage({a});
    m->m_next = RightsMessage({a}).release() /*taken*/;
    EXPECT_EQ(send(std::move(m)), EINVAL) << "two of them";
    m = RightsMessage({a});
    m->m_len = 20;
    EXPECT_EQ(send(std::move(m)), 0) << "without padding";
    EXPECT_EQ(InFlight(), 1);
  });
}

TEST_F(RightsTest, BadDescriptorsAreRefusedAsAWhole) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {a, 99}), EBADF);
    const file* good = TestGetFile(curproc(), b);
    const int references = good->f_count;
    EXPECT_EQ(Pass(a, {99, b}), EBADF);
    EXPECT_EQ(good->f_count, references) << "it was looked at first";
    file* kqueue = nullptr;
    EXPECT_EQ(falloc_file(&kqueue), 0);
    kqueue->f_type = FileType::kKqueue;
    int fd = -1;
    EXPECT_EQ(TestInstall(curproc(), {&kqueue, 1}, false, &fd), 0);
    EXPECT_EQ(Pass(a, {99, fd}), EINVAL) << "the last one decides";
    EXPECT_EQ(Pass(a, {fd, 99}), EBADF);
    EXPECT_EQ(InFlight(), 0);
    EXPECT_EQ(SocketOfFd(b)->so_rcv.sb_cc, 0u) << "nothing was sent";
    FilesOf(curproc()).erase(fd);
    FRELE(kqueue);
    FRELE(kqueue);
  });
}

TEST_F(RightsTest, TooManyReferencesAreADeadlock) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    file* fp = TestGetFile(curproc(), a);
    const int count = std::exchange(fp->f_count, INT32_MAX - 2);
    EXPECT_EQ(Pass(a, {a}), EDEADLK);
    fp->f_count = count;
    EXPECT_EQ(InFlight(), 0);
  });
}

TEST_F(RightsTest, TooManyInFlightIsSeenBeforeTooManyForACluster) {
  ASSERT_EQ(host().sysctls.Set("kern.maxfiles", 39), 0);
  InProcess([] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, std::vector<int>(128, a)), EMFILE);
  });
}

TEST_F(RightsTest, TenthOfAllFilesMayBeInFlight) {
  ASSERT_EQ(host().sysctls.Set("kern.maxfiles", 39), 0);
  InProcess([this] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {a, a, a}), 0);
    EXPECT_EQ(Pass(a, {a}), EMFILE);
    EXPECT_EQ(InFlight(), 3);
  });
}

TEST_F(RightsTest, FailedSendGivesTheReferencesBack) {
  InProcess([this] {
    const auto [a, b] = PairFds(SOCK_DGRAM);
    EXPECT_EQ(Write(SocketOfFd(a), std::string(1800, 'x')), 0);
    EXPECT_EQ(Write(SocketOfFd(a), std::string(1800, 'x')), 0);
    EXPECT_EQ(Pass(a, {a}, std::string(1000, 'x')), ENOBUFS);
    EXPECT_EQ(InFlight(), 0);
    const auto [c, d] = PairFds();
    EXPECT_EQ(Write(SocketOfFd(c), std::string(4096 - 28, 'x')), 0);
    EXPECT_EQ(Pass(c, {c}, ""), ENOBUFS) << "room for 24 bytes, but references take 32";
    EXPECT_EQ(InFlight(), 0);
  });
}

TEST_F(RightsTest, MessageThatNeedsAClusterMayFindNone) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    Fail({{.site = Site::kMbufCluster}});
    EXPECT_EQ(Pass(a, std::vector<int>(20, a)), ENOBUFS);
    Fail({});
    EXPECT_EQ(InFlight(), 0);
  });
}

// --- What cannot be received. ---

TEST_F(RightsTest, TooSmallARoomClosesTheFilesButNotTheStream) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    const auto [c, d] = PairFds();
    EXPECT_EQ(Pass(a, {c, c}, "data"), 0);
    CloseFd(c);
    char buffer[10];
    iovec iov = {buffer, sizeof(buffer)};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = 10, .uio_rw = UIO_READ};
    mbuf* control = nullptr;
    EXPECT_EQ(soreceive_limit(SocketOfFd(b), nullptr, &uio, nullptr, &control, nullptr, 16 + 7),
              EMSGSIZE);
    EXPECT_EQ(control, nullptr);
    EXPECT_EQ(InFlight(), 0);
    EXPECT_EQ(Receive(SocketOfFd(d), 1).data, "") << "c is closed";
    EXPECT_EQ(Receive(SocketOfFd(b), 10).data, "data");
  });
}

TEST_F(RightsTest, TooSmallARoomLosesADatagram) {
  InProcess([] {
    const auto [a, b] = PairFds(SOCK_DGRAM);
    EXPECT_EQ(Pass(a, {a}, "lost"), 0);
    uio uio = {.uio_rw = UIO_READ};
    mbuf* control = nullptr;
    EXPECT_EQ(soreceive_limit(SocketOfFd(b), nullptr, &uio, nullptr, &control, nullptr, 0),
              EMSGSIZE);
    EXPECT_EQ(Receive(SocketOfFd(b), 10, MSG_DONTWAIT).error, EWOULDBLOCK);
  });
}

TEST_F(RightsTest, FullTableOfDescriptorsIsATooSmallRoom) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {a, b}), 0);
    HostLocal<TestDescriptors>::Get().limit = 3;
    EXPECT_EQ(Take(b).error, EMSGSIZE);
    EXPECT_EQ(FilesOf(curproc()).size(), 2u);
    EXPECT_EQ(InFlight(), 0);
  });
}

TEST_F(RightsTest, ReadWithoutControlClosesTheFiles) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    const auto [c, d] = PairFds();
    EXPECT_EQ(Pass(a, {c}, "data"), 0);
    CloseFd(c);
    EXPECT_EQ(Receive(SocketOfFd(b), 10).data, "data");
    EXPECT_EQ(InFlight(), 0);
    EXPECT_EQ(Receive(SocketOfFd(d), 1).data, "") << "c is closed";
    EXPECT_EQ(Pass(a, {a}, ""), 0);
    EXPECT_EQ(Receive(SocketOfFd(b), 10, MSG_DONTWAIT).error, EWOULDBLOCK) << "and waits on";
    EXPECT_EQ(InFlight(), 0);
  });
}

TEST_F(RightsTest, PeekShowsNoDescriptors) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {a}, "data"), 0);
    const Received got = Receive(SocketOfFd(b), 10, MSG_PEEK, true);
    EXPECT_EQ(got.data, "data");
    EXPECT_EQ(got.control, nullptr);
    EXPECT_EQ(InFlight(), 1);
  });
}

TEST_F(RightsTest, FlushedBufferClosesItsFiles) {
  InProcess([this] {
    for (const bool shut : {true, false}) {
      const auto [a, b] = PairFds();
      const auto [c, d] = PairFds();
      EXPECT_EQ(Pass(a, {c}), 0);
      CloseFd(c);
      if (shut) {
        EXPECT_EQ(soshutdown(SocketOfFd(b), SHUT_RD), 0);
      } else {
        CloseFd(b);
      }
      EXPECT_EQ(InFlight(), 0);
      EXPECT_EQ(Receive(SocketOfFd(d), 1).data, "");
    }
  });
}

// --- The collector. ---

TEST_F(RightsTest, SocketSentOverItselfIsCollected) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {b}), 0);
    CloseFd(b);
    EXPECT_EQ(OpenFiles(), 2) << "b waits in its own buffer, which a can still fill";
    EXPECT_EQ(InFlight(), 1);
    CloseFd(a);
    EXPECT_EQ(OpenFiles(), 0);
    EXPECT_EQ(InFlight(), 0);
  });
  EXPECT_EQ(RecordsOf(Room::kUnix, static_cast<uint8_t>(UnixEvent::kCollect)).size(), 1u);
}

TEST_F(RightsTest, TwoThatHoldEachOtherAreCollected) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    const auto [c, d] = PairFds();
    EXPECT_EQ(Pass(a, {d}), 0);  // d waits at b
    EXPECT_EQ(Pass(c, {b}), 0);  // b waits at d
    for (const int fd : {a, b, c}) CloseFd(fd);
    EXPECT_EQ(OpenFiles(), 2) << "d can still be read";
    CloseFd(d);
    EXPECT_EQ(OpenFiles(), 2) << "nothing was closed: the collector has not run";
    Collect();
    EXPECT_EQ(OpenFiles(), 0);
  });
}

TEST_F(RightsTest, LiveReferenceIntoACycleKeepsItAll) {
  InProcess([this] {
    const auto [a, b] = PairFds();
    const auto [c, d] = PairFds();
    EXPECT_EQ(Pass(a, {d}), 0);
    EXPECT_EQ(Pass(c, {b}), 0);
    for (const int fd : {a, c, d}) CloseFd(fd);
    Collect();
    const std::vector<int> fds = FdsIn(Take(b).control.get());
    ASSERT_EQ(fds.size(), 1u);
    EXPECT_EQ(FdsIn(Take(fds[0]).control.get()).size(), 1u) << "b once more";
    EXPECT_EQ(InFlight(), 0);
  });
}

TEST_F(RightsTest, LongChainIsClosedWithoutDeepRecursion) {
  InProcess([this] {
    // Each socket waits in the buffer of the next; the last one's end is the only descriptor.
    auto [a, b] = PairFds();
    for (int i = 0; i < 300; ++i) {
      const auto [c, d] = PairFds();
      EXPECT_EQ(Pass(c, {b}), 0);
      CloseFd(b);
      CloseFd(c);
      b = d;
    }
    EXPECT_EQ(InFlight(), 300);
    CloseFd(b);
    CloseFd(a);
    EXPECT_EQ(OpenFiles(), 0);
    EXPECT_EQ(InFlight(), 0);
  });
}

TEST_F(RightsTest, OtherFilesInADeadQueueAreClosedOnce) {
  static constexpr fileops kCounting = {.fo_close = [](file* fp) {
    ++*static_cast<int*>(fp->f_data);
    return 0;
  }};
  InProcess([this] {
    int closed = 0;
    file* fp = nullptr;
    EXPECT_EQ(falloc_file(&fp), 0);
    fp->f_ops = &kCounting;
    fp->f_data = &closed;
    fp->f_type = FileType::kPipe;
    int fd = -1;
    EXPECT_EQ(TestInstall(curproc(), {&fp, 1}, false, &fd), 0);
    FRELE(fp);
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {b, fd, fd}), 0);
    CloseFd(fd);
    CloseFd(b);
    EXPECT_EQ(closed, 0);
    CloseFd(a);
    EXPECT_EQ(closed, 1);
    EXPECT_EQ(OpenFiles(), 0);
  });
}

TEST_F(RightsTest, ConnectionsThatWaitAtAListenerInFlightAreReachable) {
  InProcess([this] {
    const int head = NewFd(CreateLocalListener("/tmp/server"));
    const int client = NewFd(CreateLocal(SOCK_STREAM));
    EXPECT_EQ(ConnectTo(SocketOfFd(client), "/tmp/server"), 0);
    const auto [c, d] = PairFds();
    EXPECT_EQ(Pass(client, {c}), 0);  // c waits at a connection that waits at head
    CloseFd(c);
    const auto [a, b] = PairFds();
    EXPECT_EQ(Pass(a, {head}), 0);
    CloseFd(head);
    CloseFd(client);  // runs the collector
    EXPECT_EQ(InFlight(), 2);
    const std::vector<int> fds = FdsIn(Take(b).control.get());
    const int server = NewFd(AcceptWaiting(SocketOfFd(fds.at(0))));
    EXPECT_EQ(FdsIn(Take(server).control.get()).size(), 1u) << "c, alive";
    EXPECT_EQ(InFlight(), 0);
    for (const int fd : {a, b, d, server}) CloseFd(fd);
  });
}

TEST_F(RightsTest, ListenerThatWaitsAtItsOwnConnectionIsCollected) {
  InProcess([this] {
    const int head = NewFd(CreateLocalListener("/tmp/server"));
    const int client = NewFd(CreateLocal(SOCK_STREAM));
    ASSERT_EQ(ConnectTo(SocketOfFd(client), "/tmp/server"), 0);
    EXPECT_EQ(Pass(client, {head}), 0);
    CloseFd(head);
    EXPECT_EQ(OpenFiles(), 2);
    CloseFd(client);
    EXPECT_EQ(OpenFiles(), 0);
    EXPECT_EQ(InFlight(), 0);
    EXPECT_EQ(sockets().live_sockets, 0) << "nor the connection that waited";
  });
}

// The collector against a plain computation: what no descriptor can reach must be closed, nothing
// else.
class CollectorModel {
 public:
  // All files that can be reached from the descriptors of the current process.
  static std::set<const file*> Reachable() {
    std::set<const file*> seen;
    for (const auto& [fd, fp] : FilesOf(curproc())) Visit(fp, &seen);
    return seen;
  }

 private:
  static void Visit(const file* fp, std::set<const file*>* seen) {
    if (!seen->insert(fp).second || fp->f_type != FileType::kSocket) return;
    const auto* so = static_cast<const socket*>(fp->f_data);
    VisitBuffer(so, seen);
    for (const soqhead* queue : {&so->so_q0, &so->so_q}) {
      for (so = queue->first; so != nullptr; so = so->so_qe_next) VisitBuffer(so, seen);
    }
  }

  static void VisitBuffer(const socket* so, std::set<const file*>* seen) {
    for (const mbuf* record = so->so_rcv.sb_mb; record != nullptr; record = record->m_nextpkt) {
      for (const mbuf* m = record; m != nullptr; m = m->m_next) {
        if (m->m_type == MT_CONTROL) VisitMessage(m, seen);
      }
    }
  }

  static void VisitMessage(const mbuf* control, std::set<const file*>* seen) {
    const size_t n = (mtod<cmsghdr>(control)->cmsg_len - CMSG_LEN(0)) / sizeof(fdpass);
    for (size_t i = 0; i < n; ++i) {
      fdpass cell;
      std::memcpy(&cell, control->m_data + CMSG_LEN(0) + i * sizeof(cell), sizeof(cell));
      Visit(cell.fp, seen);
    }
  }
};

// Somebody connects to a listener and then waits there, or is accepted; another socket is left
// alone.
void ConnectOrAccept(socket* so) {
  if ((so->so_options & kSoAcceptConn) == 0) return;
  if (so->so_qlen > 1) {
    NewFd(AcceptWaiting(so));
    return;
  }
  socket* client = CreateLocal(SOCK_STREAM);
  EXPECT_EQ(ConnectTo(client, sotounpcb(so)->unp_addr->sun_path), 0);
  NewFd(client);
}

TEST_F(RightsTest, RandomGraphsKeepExactlyWhatCanBeReached) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    InProcess([this, seed] {
      Stream random(seed, Site::kProgram, 1, 0);
      for (int step = 0; step < 120; ++step) {
        std::map<int, file*>& table = FilesOf(curproc());
        const auto pick = [&] {
          auto it = table.begin();
          std::advance(it, static_cast<long>(random.NextBelow(table.size())));
          return it->first;
        };
        const uint64_t what = table.empty() ? 0 : random.NextBelow(12);
        if (what < 2) {
          PairFds(random.NextBelow(4) == 0 ? SOCK_DGRAM : SOCK_STREAM);
        } else if (what == 10) {
          NewFd(CreateLocalListener("/tmp/" + std::to_string(seed * 1000 + step)));
        } else if (what == 11) {
          ConnectOrAccept(SocketOfFd(pick()));
        } else if (what < 6) {
          (void)SendTo(SocketOfFd(pick()), "x", nullptr, MSG_DONTWAIT, nullptr,
                       RightsMessage({pick(), pick()}));
        } else {
          CloseFd(pick());
          Collect();
          // Files die with their last reference; what is left must be what can be reached.
          EXPECT_EQ(OpenFiles(), static_cast<int>(CollectorModel::Reachable().size()))
              << "seed " << seed << " step " << step;
        }
      }
    });
    unix_collect(host());
    const HostScope on_host(host());
    EXPECT_EQ(OpenFiles(), 0) << "after the process has ended, seed " << seed;
  }
}

}  // namespace
}  // namespace sockbed
