// AF_UNIX, row by row of spec unix-domain.md.
#include <errno.h>
#include <sys/ioctl.h>

#include <string>
#include <vector>

#include "kernel/unix/unix_test_host.h"
#include "kernel/unix/unix_trace.h"

namespace sockbed {
namespace {

class UnixTest : public UnixTestHost {
 protected:
  // A connected client and its server side, through a listener at `path`.
  std::pair<socket*, socket*> Connected(std::string_view path, int type = SOCK_STREAM) {
    socket* head = CreateLocalListener(path, type);
    socket* client = CreateLocal(type);
    EXPECT_EQ(ConnectTo(client, path), 0);
    socket* server = AcceptWaiting(head);
    soclose(head);
    return {client, server};
  }
};

constexpr ucred kUser = {.cr_uid = 1000, .cr_ruid = 1001, .cr_gid = 100, .cr_rgid = 101};
const int kTypes[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

// --- Section 1: types and sizes. ---

TEST_F(UnixTest, ThreeTypesUnderOneProtocolNumber) {
  InProcess([] {
    socket* so = nullptr;
    for (const int type : kTypes) {
      for (const int proto : {0, 1}) {
        ASSERT_EQ(socreate(AF_UNIX, &so, type, proto), 0);
        soclose(so);
      }
      EXPECT_EQ(socreate(AF_UNIX, &so, type, 2), EPROTONOSUPPORT);
    }
    EXPECT_EQ(socreate(AF_UNIX, &so, SOCK_RAW, 0), EPROTONOSUPPORT);
  });
}

TEST_F(UnixTest, BuffersHaveTheSizesOfTheirType) {
  InProcess([] {
    const std::pair<uint64_t, uint64_t> sizes[] = {{4096, 4096}, {2048, 4096}, {4096, 4096}};
    for (int i = 0; i < 3; ++i) {
      socket* so = CreateLocal(kTypes[i]);
      EXPECT_EQ(so->so_snd.sb_hiwat, sizes[i].first);
      EXPECT_EQ(so->so_rcv.sb_hiwat, sizes[i].second);
      EXPECT_EQ(so->so_snd.sb_lowat, 2048);
      soclose(so);
    }
  });
}

TEST_F(UnixTest, NoControlBlockNoSocket) {
  InProcess([this] {
    Fail({{.site = Site::kPoolGet}});
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_UNIX, &so, SOCK_STREAM, 0), ENOBUFS);
    Fail({});
  });
}

// --- Section 2: addresses. ---

TEST_F(UnixTest, AddressesOfBadLengthAreInvalid) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    const MbufPtr nam = UnixAddress("/tmp/a");
    nam->m_len = 1;
    EXPECT_EQ(sobind(so, nam.get(), curproc()), EINVAL);
    EXPECT_EQ(soconnect(so, nam.get()), EINVAL);
    nam->m_len = sizeof(sockaddr_un) + 1;
    EXPECT_EQ(sobind(so, nam.get(), curproc()), EINVAL);
    nam->m_len = 2;
    EXPECT_EQ(sobind(so, nam.get(), curproc()), ENOENT) << "no autobind: the empty path";
    soclose(so);
  });
}

TEST_F(UnixTest, AddressOfAnotherFamilyIsRefused) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    const MbufPtr nam = UnixAddress("/tmp/a");
    mtod<sockaddr_un>(nam.get())->sun_family = AF_INET;
    EXPECT_EQ(sobind(so, nam.get(), curproc()), EAFNOSUPPORT);
    EXPECT_EQ(soconnect(so, nam.get()), EAFNOSUPPORT);
    soclose(so);
  });
}

TEST_F(UnixTest, PathEndsAtItsNulOrAtTheLength) {
  InProcess([this] {
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(so, std::string_view("/tmp/ab\0cd", 10)), 0);
    soclose(so);
    socket* other = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(other, "/tmp/abcd"), 0);
    soclose(other);
    vnode* node = nullptr;
    EXPECT_EQ(names().Lookup("/tmp/ab", &node), 0);
  });
}

TEST_F(UnixTest, FullAddressWithoutNulIsInvalid) {
  InProcess([] {
    const size_t full = sizeof(sockaddr_un::sun_path);
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(so, "/tmp/" + std::string(full - 5, 'x')), EINVAL);
    EXPECT_EQ(Bind(so, "/tmp/" + std::string(full - 6, 'x')), 0);
    soclose(so);
  });
}

TEST_F(UnixTest, AbstractNamesDoNotExist) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(so, std::string_view("\0abstract", 9)), ENOENT);
    soclose(so);
  });
}

TEST_F(UnixTest, NamesComeBackInFullLengthOrAsNameless) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(client, "/tmp/client"), 0);
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), 0);
    std::string peer;
    socket* server = AcceptWaiting(head, &peer);
    EXPECT_EQ(peer, "/tmp/client");
    const pr_usrreqs* requests = head->so_proto->pr_usrreqs;
    const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
    EXPECT_EQ(requests->pru_sockaddr(server, nam.get()), 0);
    EXPECT_EQ(PathIn(nam.get()), "/tmp/server") << "a copy of the listener's";
    EXPECT_EQ(requests->pru_peeraddr(client, nam.get()), 0);
    EXPECT_EQ(PathIn(nam.get()), "/tmp/server");
    EXPECT_EQ(requests->pru_peeraddr(head, nam.get()), 0);
    EXPECT_EQ(PathIn(nam.get()), "-");
    for (socket* so : {head, client, server}) soclose(so);
  });
}

TEST_F(UnixTest, RelativePathIsResolvedWhenItIsUsed) {
  InProcess([this] {
    socket* head = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(names().Chdir("/tmp"), 0);
    EXPECT_EQ(Bind(head, "server"), 0);
    EXPECT_EQ(solisten(head, 1), 0);
    ASSERT_EQ(names().Chdir("/"), 0);
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(client, "server"), ENOENT);
    EXPECT_EQ(ConnectTo(client, "tmp/server"), 0);
    soclose(client);
    soclose(head);
  });
}

// --- Section 5: bind. ---

TEST_F(UnixTest, BindErrorsInTheirOrder) {
  InProcess([this] {
    socket* so = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(names().Mkdir("/ro", 0755), 0);
    ASSERT_EQ(names().SetReadOnly("/ro", true), 0);
    EXPECT_EQ(Bind(so, "/none/a"), ENOENT);
    EXPECT_EQ(Bind(so, "/ro/a"), EROFS);
    EXPECT_EQ(Bind(so, "/tmp"), EADDRINUSE);
    EXPECT_EQ(Bind(so, "/tmp/a"), 0);
    EXPECT_EQ(Bind(so, "/tmp/b"), EINVAL) << "bound already";
    EXPECT_EQ(Bind(so, ""), EINVAL) << "before the address is looked at";
    soclose(so);
    socket* again = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(again, "/tmp/a"), EADDRINUSE) << "the name outlives the socket";
    EXPECT_EQ(names().Unlink("/tmp/a"), 0);
    EXPECT_EQ(Bind(again, "/tmp/a"), 0);
    soclose(again);
  });
}

TEST_F(UnixTest, BindNeedsPermission) {
  InProcess(
      [] {
        socket* so = CreateLocal(SOCK_STREAM);
        EXPECT_EQ(Bind(so, "/var/run/mine"), EACCES);
        EXPECT_EQ(Bind(so, "/tmp/mine"), 0);
        soclose(so);
      },
      kUser);
}

TEST_F(UnixTest, UnlinkedSocketGoesOnWorkingUnreachable) {
  InProcess([this] {
    const auto [client, server] = Connected("/tmp/a");
    socket* head = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(names().Unlink("/tmp/a"), 0);
    EXPECT_EQ(Bind(head, "/tmp/a"), 0);
    EXPECT_EQ(names().Unlink("/tmp/a"), 0);
    EXPECT_EQ(solisten(head, 1), 0);
    socket* late = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(late, "/tmp/a"), ENOENT);
    for (socket* so : {client, server, head, late}) soclose(so);
  });
}

TEST_F(UnixTest, ConnectedSocketMayBeBound) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Bind(pair.first, "/tmp/late"), 0);
    const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
    EXPECT_EQ(pair.second->so_proto->pr_usrreqs->pru_peeraddr(pair.second, nam.get()), 0);
    EXPECT_EQ(PathIn(nam.get()), "/tmp/late");
    CloseLocalPair(pair);
  });
}

// --- Section 6: listen and connect. ---

TEST_F(UnixTest, ListenNeedsANameAndAConnection) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(solisten(so, 1), EINVAL);
    soclose(so);
    socket* datagram = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(datagram, "/tmp/d"), 0);
    EXPECT_EQ(solisten(datagram, 1), EOPNOTSUPP);
    soclose(datagram);
  });
}

TEST_F(UnixTest, ConnectErrorsByWhatStandsThere) {
  InProcess([this] {
    socket* so = CreateLocal(SOCK_STREAM);
    socket* bound = CreateLocal(SOCK_STREAM);
    socket* datagram = CreateLocal(SOCK_DGRAM);
    ASSERT_EQ(names().Creat("/tmp/file", 0666), 0);
    ASSERT_EQ(Bind(bound, "/tmp/bound"), 0);
    ASSERT_EQ(Bind(datagram, "/tmp/datagram"), 0);
    EXPECT_EQ(ConnectTo(so, "/tmp/none"), ENOENT);
    EXPECT_EQ(ConnectTo(so, "/tmp/file/x"), ENOTDIR);
    EXPECT_EQ(ConnectTo(so, "/tmp/file"), ENOTSOCK);
    EXPECT_EQ(ConnectTo(so, "/tmp/datagram"), EPROTOTYPE);
    EXPECT_EQ(ConnectTo(so, "/tmp/bound"), ECONNREFUSED) << "not listening";
    soclose(bound);
    EXPECT_EQ(ConnectTo(so, "/tmp/bound"), ECONNREFUSED) << "nobody there any more";
    EXPECT_EQ(so->so_state & (SS_ISCONNECTED | SS_ISCONNECTING), 0);
    soclose(so);
    soclose(datagram);
  });
}

TEST_F(UnixTest, ConnectNeedsPermissionToWrite) {
  InProcess([this] {
    socket* head = CreateLocalListener("/tmp/private");
    ASSERT_EQ(names().Chmod("/tmp/private", 0700), 0);
    Spawn(
        "user",
        [] {
          socket* so = CreateLocal(SOCK_STREAM);
          EXPECT_EQ(ConnectTo(so, "/tmp/private"), EACCES);
          soclose(so);
        },
        kUser);
    Pause(kSecond);
    soclose(head);
  });
}

TEST_F(UnixTest, ConnectSucceedsBeforeAccept) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), 0);
    EXPECT_NE(client->so_state & SS_ISCONNECTED, 0);
    EXPECT_EQ(Now(), 0) << "without waiting";
    EXPECT_EQ(Write(client, std::string(4096, 'x')), 0);
    EXPECT_EQ(Write(client, "x", MSG_DONTWAIT), EWOULDBLOCK);
    soclose(client);
    std::string peer;
    socket* server = AcceptWaiting(head, &peer);
    EXPECT_EQ(peer, "-") << "gone already";
    EXPECT_EQ(Receive(server, 5000).data.size(), 4096u);
    EXPECT_EQ(Receive(server, 5000).data, "");
    soclose(server);
    soclose(head);
  });
  EXPECT_EQ(RecordsOf(Room::kUnix, static_cast<uint8_t>(UnixEvent::kConnect)).size(), 1u);
}

TEST_F(UnixTest, FullBacklogRefuses) {
  ASSERT_EQ(host().sysctls.Set("kern.sominconn", 1), 0);
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    std::vector<socket*> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(CreateLocal(SOCK_STREAM));
      EXPECT_EQ(ConnectTo(clients.back(), "/tmp/server"), 0);
    }
    socket* refused = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(refused, "/tmp/server"), ECONNREFUSED);
    soclose(refused);
    for (socket* so : clients) soclose(so);
    soclose(head);
  });
}

TEST_F(UnixTest, ConnectIsRefusedWithoutMemory) {
  InProcess([this] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    for (const uint64_t k : {1, 2}) {
      Fail({{.site = Site::kPoolGet, .only_ordinal = k}});
      EXPECT_EQ(ConnectTo(client, "/tmp/server"), ECONNREFUSED) << k;
    }
    Fail({});
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), 0);
    soclose(client);
    soclose(head);
  });
}

TEST_F(UnixTest, StreamConnectsOnce) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), 0);
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), EISCONN);
    soclose(AcceptWaiting(head));
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), EINVAL) << "nor after its connection has ended";
    soclose(client);
    EXPECT_EQ(ConnectTo(head, "/tmp/server"), EOPNOTSUPP);
    soclose(head);
  });
}

TEST_F(UnixTest, DatagramSocketIsPointedAtOneAfterTheOther) {
  InProcess([] {
    socket* a = CreateLocal(SOCK_DGRAM);
    socket* b = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(a, "/tmp/a"), 0);
    EXPECT_EQ(Bind(b, "/tmp/b"), 0);
    socket* so = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(ConnectTo(so, "/tmp/a"), 0);
    EXPECT_EQ(ConnectTo(so, "/tmp/b"), 0);
    EXPECT_EQ(Write(so, "for b"), 0);
    EXPECT_EQ(Receive(b, 10).data, "for b");
    EXPECT_EQ(ConnectTo(so, "/tmp/none"), ENOENT);
    EXPECT_EQ(Write(so, "nowhere"), EDESTADDRREQ) << "the old peer is forgotten";
    EXPECT_EQ(ConnectTo(b, "/tmp/b"), 0) << "to itself";
    EXPECT_EQ(Write(b, "self"), 0);
    EXPECT_EQ(Receive(b, 10).data, "self");
    for (socket* s : {a, b, so}) soclose(s);
  });
}

TEST_F(UnixTest, ConnectedDatagramSocketStillHearsEverybody) {
  InProcess([] {
    socket* a = CreateLocal(SOCK_DGRAM);
    socket* b = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(a, "/tmp/a"), 0);
    EXPECT_EQ(Bind(b, "/tmp/b"), 0);
    EXPECT_EQ(ConnectTo(a, "/tmp/b"), 0);
    socket* stranger = CreateLocal(SOCK_DGRAM);
    const MbufPtr nam = UnixAddress("/tmp/a");
    EXPECT_EQ(SendTo(stranger, "hello", nam.get()), 0);
    const Received got = Receive(a, 10);
    EXPECT_EQ(got.data, "hello");
    EXPECT_EQ(PathIn(got.name.get()), "-");
    for (socket* s : {a, b, stranger}) soclose(s);
  });
}

// --- Section 7: sending and receiving. ---

TEST_F(UnixTest, DatagramCarriesItsSendersName) {
  InProcess([] {
    socket* a = CreateLocal(SOCK_DGRAM);
    socket* b = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(a, "/tmp/a"), 0);
    EXPECT_EQ(Bind(b, "/tmp/b"), 0);
    const MbufPtr nam = UnixAddress("/tmp/b");
    EXPECT_EQ(SendTo(a, "hello", nam.get()), 0);
    EXPECT_EQ(SendTo(a, "", nam.get()), 0);
    EXPECT_EQ(PathIn(Receive(b, 10).name.get()), "/tmp/a");
    const Received empty = Receive(b, 10);
    EXPECT_EQ(empty.data, "");
    EXPECT_EQ(PathIn(empty.name.get()), "/tmp/a") << "an empty message is one too";
    EXPECT_EQ(a->so_state & SS_ISCONNECTED, 0);
    soclose(a);
    soclose(b);
  });
}

TEST_F(UnixTest, DatagramSendErrors) {
  InProcess([] {
    socket* to = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(to, "/tmp/to"), 0);
    socket* so = CreateLocal(SOCK_DGRAM);
    const MbufPtr nam = UnixAddress("/tmp/to");
    const MbufPtr nowhere = UnixAddress("/tmp/nowhere");
    EXPECT_EQ(Write(so, "x"), EDESTADDRREQ);
    EXPECT_EQ(SendTo(so, "x", nowhere.get()), ENOENT);
    EXPECT_EQ(SendTo(so, std::string(2049, 'x'), nam.get()), EMSGSIZE);
    EXPECT_EQ(SendTo(so, "!", nam.get(), MSG_OOB), EOPNOTSUPP);
    EXPECT_EQ(ConnectTo(so, "/tmp/to"), 0);
    EXPECT_EQ(SendTo(so, "x", nam.get()), EISCONN);
    soclose(so);
    soclose(to);
  });
}

TEST_F(UnixTest, FullReceiverRefusesDatagramsAtOnce) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_DGRAM);
    int accepted = 0;
    while (Write(pair.first, std::string(1000, 'x')) == 0) ++accepted;
    EXPECT_EQ(accepted, 3);
    EXPECT_EQ(Write(pair.first, std::string(1000, 'x')), ENOBUFS);
    EXPECT_EQ(Now(), 0);
    EXPECT_TRUE(sowriteable(pair.first)) << "select does not help";
    EXPECT_EQ(pair.second->so_rcv.sb_cc, 3048u);
    EXPECT_EQ(pair.second->so_rcv.sb_mbcnt, 7680u);
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, StreamSendErrors) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Write(so, "x"), ENOTCONN);
    EXPECT_EQ(Receive(so, 1).error, ENOTCONN);
    soclose(so);
    const auto pair = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Write(pair.first, "x", MSG_EOR), EINVAL);
    EXPECT_EQ(Write(pair.first, "x", MSG_OOB), EOPNOTSUPP);
    EXPECT_EQ(Receive(pair.first, 1, MSG_OOB).error, EOPNOTSUPP);
    const MbufPtr nam = UnixAddress("/tmp/ignored");
    EXPECT_EQ(SendTo(pair.first, "x", nam.get()), 0) << "an address is of no use";
    EXPECT_EQ(Write(pair.first, ""), 0);
    EXPECT_EQ(Receive(pair.second, 10).data, "x");
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, StreamWriterResumesAtTheLowWaterMark) {
  InProcess([this] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    bool written = false;
    Spawn("writer", [&written, so = pair.first] {
      EXPECT_EQ(Write(so, std::string(4096 + 3000, 'x')), 0);
      written = true;
    });
    Pause(kSecond);
    EXPECT_EQ(Receive(pair.second, 2047).data.size(), 2047u);
    Pause(kSecond);
    EXPECT_EQ(pair.second->so_rcv.sb_cc, 2049u) << "2047 bytes are not enough";
    EXPECT_EQ(Receive(pair.second, 1).data.size(), 1u);
    Pause(kSecond);
    EXPECT_EQ(pair.second->so_rcv.sb_cc, 4096u);
    EXPECT_FALSE(written);
    EXPECT_EQ(Receive(pair.second, 952).data.size(), 952u);
    Pause(kSecond);
    EXPECT_TRUE(written) << "the rest fits";
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, LargeWriteFillsTwoClusters) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Write(pair.first, std::string(4096, 'x')), 0);
    EXPECT_EQ(pair.second->so_rcv.sb_cc, 4096u);
    EXPECT_EQ(pair.second->so_rcv.sb_mbcnt, 4608u);
    EXPECT_EQ(sbspace(&pair.first->so_snd), 0);
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, BytewiseWriterBlocksAtTheByteLimit) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    int written = 0;
    while (Write(pair.first, "x", MSG_DONTWAIT) == 0) ++written;
    EXPECT_EQ(written, 4096);
    EXPECT_EQ(pair.second->so_rcv.sb_mbcnt, 7424u);
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, SeqpacketKeepsRecordsAndWaitsForRoomAsAWhole) {
  InProcess([this] {
    const auto pair = CreateLocalPair(SOCK_SEQPACKET);
    EXPECT_EQ(Write(pair.first, std::string(4097, 'x')), EMSGSIZE);
    EXPECT_EQ(Write(pair.first, std::string(3000, 'a'), MSG_EOR), 0);
    EXPECT_EQ(Write(pair.first, std::string(1097, 'b'), MSG_DONTWAIT), EWOULDBLOCK);
    Spawn("writer", [so = pair.first] { EXPECT_EQ(Write(so, std::string(1097, 'b')), 0); });
    Pause(kSecond);
    const Received first = Receive(pair.second, 4000, MSG_WAITALL);
    EXPECT_EQ(first.data.size(), 3000u);
    EXPECT_EQ(first.name, nullptr);
    EXPECT_NE(first.flags & MSG_EOR, 0);
    const Received second = Receive(pair.second, 1000);
    EXPECT_EQ(second.flags, MSG_TRUNC);
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, EndOfRecordTravelsWithADatagram) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_DGRAM);
    EXPECT_EQ(Write(pair.first, std::string(2000, 'x'), MSG_EOR), 0);
    EXPECT_EQ(Receive(pair.second, 2000).flags, MSG_EOR) << "in one piece, over two mbufs";
    CloseLocalPair(pair);
  });
}

// --- Section 8: shutdown and close. ---

TEST_F(UnixTest, ShutdownOfWritingIsSeenAsEndOfFile) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      const auto pair = CreateLocalPair(type);
      EXPECT_EQ(Write(pair.first, "last"), 0);
      EXPECT_EQ(soshutdown(pair.first, SHUT_WR), 0);
      EXPECT_EQ(Write(pair.first, "x"), EPIPE);
      EXPECT_EQ(Receive(pair.second, 10).data, "last");
      EXPECT_EQ(Receive(pair.second, 10).data, "");
      EXPECT_EQ(Write(pair.second, "back"), 0);
      EXPECT_EQ(Receive(pair.first, 10).data, "back");
      CloseLocalPair(pair);
    }
  });
}

TEST_F(UnixTest, ShutdownOfReadingDoesNotStopThePeer) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    EXPECT_EQ(Write(pair.second, "lost"), 0);
    EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
    EXPECT_EQ(Receive(pair.first, 10).data, "");
    EXPECT_EQ(Write(pair.second, "still arrives"), 0);
    EXPECT_EQ(Receive(pair.first, 20).data, "still arrives");
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, ShutdownOfADatagramSocketIsItsOwnAffair) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_DGRAM);
    EXPECT_EQ(soshutdown(pair.first, SHUT_RDWR), 0);
    EXPECT_EQ(Write(pair.first, "x"), EPIPE);
    EXPECT_EQ(Receive(pair.first, 1).data, "");
    EXPECT_EQ(Write(pair.second, "x"), ENOBUFS) << "no room is left there";
    EXPECT_EQ(Receive(pair.second, 1, MSG_DONTWAIT).error, EWOULDBLOCK);
    CloseLocalPair(pair);
  });
}

TEST_F(UnixTest, ClosedStreamIsEndOfFileAndBrokenPipeWithoutReset) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      const auto [a, b] = CreateLocalPair(type);
      EXPECT_EQ(Write(a, "unread by b"), 0);
      EXPECT_EQ(Write(b, "unread by a"), 0);
      soclose(a);
      EXPECT_EQ(Receive(b, 100).data, "unread by b");
      EXPECT_EQ(Receive(b, 100).error, 0);
      EXPECT_EQ(Write(b, "x"), EPIPE);
      EXPECT_EQ(b->so_error, 0);
      soclose(b);
    }
  });
}

TEST_F(UnixTest, CloseWakesTheBlockedPeer) {
  InProcess([this] {
    const auto [a, b] = CreateLocalPair(SOCK_STREAM);
    Spawn("reader", [b = b] { EXPECT_EQ(Receive(b, 10).data, ""); });
    Spawn("writer", [b = b] { EXPECT_EQ(Write(b, std::string(5000, 'x')), EPIPE); });
    Pause(kSecond);
    soclose(a);
    Pause(kSecond);
    soclose(b);
  });
}

TEST_F(UnixTest, ClosedDatagramPeerIsReportedOnceToAllWhoPointedAtIt) {
  InProcess([this] {
    socket* to = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(to, "/tmp/to"), 0);
    socket* from[] = {CreateLocal(SOCK_DGRAM), CreateLocal(SOCK_DGRAM), CreateLocal(SOCK_DGRAM)};
    for (socket* so : from) EXPECT_EQ(ConnectTo(so, "/tmp/to"), 0);
    bool told = false;
    Spawn("reader", [&told, so = from[2]] {
      EXPECT_EQ(Receive(so, 1).error, ECONNRESET);
      told = true;
    });
    Pause(kSecond);
    soclose(to);
    Pause(kSecond);
    EXPECT_TRUE(told) << "who sleeps is woken";
    EXPECT_EQ(Write(from[0], "x"), ECONNRESET);
    EXPECT_EQ(Write(from[0], "x"), EDESTADDRREQ);
    EXPECT_EQ(Receive(from[1], 1).error, ECONNRESET);
    EXPECT_EQ(Receive(from[1], 1, MSG_DONTWAIT).error, EWOULDBLOCK);
    for (socket* so : from) soclose(so);
  });
}

TEST_F(UnixTest, OneOfSeveralReferrersMayLeave) {
  InProcess([] {
    socket* to = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(Bind(to, "/tmp/to"), 0);
    socket* from[] = {CreateLocal(SOCK_DGRAM), CreateLocal(SOCK_DGRAM), CreateLocal(SOCK_DGRAM)};
    for (socket* so : from) EXPECT_EQ(ConnectTo(so, "/tmp/to"), 0);
    soclose(from[1]);
    soclose(to);
    EXPECT_EQ(from[0]->so_error, ECONNRESET);
    EXPECT_EQ(from[2]->so_error, ECONNRESET);
    soclose(from[0]);
    soclose(from[2]);
  });
}

TEST_F(UnixTest, ClosedListenerDisconnectsThoseWhoWait) {
  InProcess([this] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(client, "/tmp/server"), 0);
    EXPECT_EQ(Write(client, "never read"), 0);
    soclose(head);
    EXPECT_EQ(client->so_error, 0);
    EXPECT_EQ(Receive(client, 10).data, "");
    EXPECT_EQ(Write(client, "x"), EPIPE);
    EXPECT_EQ(sockets().live_sockets, 1);
    soclose(client);
  });
}

TEST_F(UnixTest, LingerHasNoEffect) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    pair.first->so_options |= kSoLinger;
    pair.first->so_linger = 5;
    EXPECT_EQ(soclose_error(pair.first), 0);
    EXPECT_EQ(Now(), 0);
    soclose(pair.second);
  });
}

// --- Section 11: credentials. ---

::ucred PeerOf(socket* so, int* error) {
  ::ucred id = {};
  mbuf* raw = nullptr;
  *error = sogetopt(so, SOL_SOCKET, SO_PEERCRED, &raw);
  const MbufPtr m(raw);
  if (m != nullptr) std::memcpy(&id, m->m_data, sizeof(id));
  return id;
}

TEST_F(UnixTest, EachEndKnowsWhoIsAtTheOther) {
  pid_t client_pid = 0, server_pid = 0;
  socket* head = nullptr;
  Spawn("server", [&] {
    server_pid = curproc()->p_pid;
    head = CreateLocalListener("/tmp/server");
    ASSERT_EQ(names().Chmod("/tmp/server", 0777), 0);
    Pause(kSecond);
    socket* so = AcceptWaiting(head);
    int error = 0;
    const ::ucred client = PeerOf(so, &error);
    EXPECT_EQ(client.uid, 1000u);
    EXPECT_EQ(client.gid, 100u);
    EXPECT_EQ(client.pid, client_pid);
    PeerOf(head, &error);
    EXPECT_EQ(error, ENOTCONN);
    soclose(so);
    soclose(head);
  });
  Spawn(
      "client",
      [&] {
        client_pid = curproc()->p_pid;
        socket* so = CreateLocal(SOCK_STREAM);
        EXPECT_EQ(ConnectTo(so, "/tmp/server"), 0);
        Pause(2 * kSecond);
        int error = 0;
        const ::ucred server = PeerOf(so, &error);
        EXPECT_EQ(error, 0) << "though it has gone";
        EXPECT_EQ(server.uid, 0u);
        EXPECT_EQ(server.pid, server_pid);
        soclose(so);
      },
      kUser);
  Run();
}

TEST_F(UnixTest, EndsOfAPairKnowTheirCreator) {
  InProcess(
      [] {
        const auto pair = CreateLocalPair(SOCK_STREAM);
        int error = 0;
        for (socket* so : {pair.first, pair.second}) {
          const ::ucred id = PeerOf(so, &error);
          EXPECT_EQ(error, 0);
          EXPECT_EQ(id.uid, 1000u);
          EXPECT_EQ(id.gid, 100u);
          EXPECT_EQ(id.pid, curproc()->p_pid);
        }
        CloseLocalPair(pair);
        const auto datagrams = CreateLocalPair(SOCK_DGRAM);
        PeerOf(datagrams.first, &error);
        EXPECT_EQ(error, ENOTCONN);
        CloseLocalPair(datagrams);
      },
      kUser);
}

// --- Sections 12 and 13. ---

TEST_F(UnixTest, PairsAreOfOneType) {
  InProcess([] {
    socket* a = CreateLocal(SOCK_STREAM);
    socket* b = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(soconnect2(a, b), EPROTOTYPE);
    soclose(a);
    soclose(b);
  });
}

TEST_F(UnixTest, ClosedEndOfADatagramPairResetsTheOther) {
  InProcess([] {
    const auto [a, b] = CreateLocalPair(SOCK_DGRAM);
    soclose(a);
    EXPECT_EQ(Receive(b, 1).error, ECONNRESET);
    soclose(b);
  });
}

TEST_F(UnixTest, StatTellsBlocksNumberAndAge) {
  InProcess([] {
    Pause(kSecond);
    const auto pair = CreateLocalPair(SOCK_STREAM);
    Pause(kSecond);
    EXPECT_EQ(Write(pair.first, "12345"), 0);
    const int fd = NewFd(pair.first);
    const int other = NewFd(pair.second);
    file* fp = TestGetFile(curproc(), fd);
    struct stat sb;
    EXPECT_EQ(fp->f_ops->fo_stat(fp, &sb), 0);
    EXPECT_EQ(sb.st_blksize, 4096 + 5);
    EXPECT_EQ(sb.st_dev, static_cast<dev_t>(-1));
    EXPECT_EQ(sb.st_ino, 1u);
    EXPECT_EQ(fp->f_ops->fo_stat(fp, &sb), 0);
    EXPECT_EQ(sb.st_ino, 1u) << "given once";
    for (const timespec& time : {sb.st_atim, sb.st_mtim, sb.st_ctim}) {
      EXPECT_EQ(time.tv_sec, kBootEpochSeconds + 1);
    }
    int value = 0;
    EXPECT_EQ(fp->f_ops->fo_ioctl(fp, TIOCSTI, &value), EOPNOTSUPP);
    CloseFd(fd);
    CloseFd(other);
  });
}

TEST_F(UnixTest, DisconnectWithoutAPeerIsNothing) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(so->so_proto->pr_usrreqs->pru_disconnect(so), 0);
    EXPECT_EQ(so->so_proto->pr_usrreqs->pru_attach(so, 0), EISCONN);
    soclose(so);
  });
}

}  // namespace
}  // namespace sockbed
