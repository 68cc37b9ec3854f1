// What AF_UNIX looks at first, and the corners of spec unix-domain.md that uipc_usrreq_test.cc
// leaves.
#include <errno.h>
#include <netinet/in.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernel/unix/unix_test_host.h"

namespace sockbed {
namespace {

class UnixOrderTest : public UnixTestHost {
 protected:
  // A path of more than 1024 bytes, as soon as the symlinks that it names are followed.
  std::string LongPath() {
    EXPECT_EQ(names().Symlink("/tmp/" + std::string(1015, '/'), "/tmp/long"), 0);
    return "/tmp/long/and/more";
  }
  std::string LoopPath() {
    EXPECT_EQ(names().Symlink("loop", "/tmp/loop"), 0);
    return "/tmp/loop/x";
  }
};

constexpr ucred kUser = {.cr_uid = 1000, .cr_ruid = 1000, .cr_gid = 100, .cr_rgid = 100};

// --- Buffers. ---

TEST_F(UnixOrderTest, AcceptedSocketInheritsTheListenersBuffers) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    ASSERT_EQ(soreserve(head, 1000, 3000), 0);
    socket* client = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(ConnectTo(client, "/tmp/server"), 0);
    socket* server = AcceptWaiting(head);
    EXPECT_EQ(server->so_snd.sb_hiwat, 1000u);
    EXPECT_EQ(server->so_rcv.sb_hiwat, 3000u);
    EXPECT_EQ(client->so_rcv.sb_hiwat, 4096u) << "its own";
    for (socket* so : {head, client, server}) soclose(so);
  });
}

TEST_F(UnixOrderTest, SizesAreTunableUpToSbmax) {
  EXPECT_EQ(host().sysctls.Set("net.unix.stream.recvspace", 0), EINVAL);
  EXPECT_EQ(host().sysctls.Set("net.unix.dgram.sendspace", 262145), EINVAL);
  uint64_t size = 8000;
  for (const char* type : {"stream", "dgram", "seqpacket"}) {
    for (const char* side : {"sendspace", "recvspace"}) {
      const std::string name = std::string("net.unix.") + type + "." + side;
      ASSERT_EQ(host().sysctls.Set(name, static_cast<int64_t>(++size)), 0);
    }
  }
  InProcess([] {
    uint64_t expected = 8000;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
      socket* so = CreateLocal(type);
      EXPECT_EQ(so->so_snd.sb_hiwat, ++expected);
      EXPECT_EQ(so->so_rcv.sb_hiwat, ++expected);
      soclose(so);
    }
  });
}

TEST_F(UnixOrderTest, NoSocketWhenItsBuffersWouldBeTooLarge) {
  ASSERT_EQ(host().sysctls.Set("kern.sbmax", 4095), 0);
  InProcess([] {
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_UNIX, &so, SOCK_STREAM, 0), ENOBUFS);
  });
}

// --- Section 5: bind. ---

TEST_F(UnixOrderTest, BindMindsTheLengthBeforeTheFamilyBeforeTheEnd) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    const MbufPtr nam = UnixAddress("/tmp/" + std::string(sizeof(sockaddr_un::sun_path) - 5, 'x'));
    mtod<sockaddr_un>(nam.get())->sun_family = AF_INET;
    nam->m_len = sizeof(sockaddr_un) + 1;
    EXPECT_EQ(sobind(so, nam.get(), curproc()), EINVAL);
    nam->m_len = sizeof(sockaddr_un);
    EXPECT_EQ(sobind(so, nam.get(), curproc()), EAFNOSUPPORT) << "and it has no end either";
    soclose(so);
  });
}

TEST_F(UnixOrderTest, BoundSocketIsSoBeforeTheAddressIsLookedAt) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(Bind(so, "/tmp/first"), 0);
    const MbufPtr nam = UnixAddress("/tmp/second");
    mtod<sockaddr_un>(nam.get())->sun_family = AF_INET;
    EXPECT_EQ(sobind(so, nam.get(), curproc()), EINVAL);
    soclose(so);
  });
}

TEST_F(UnixOrderTest, WhatIsThereIsSeenBeforeThePermissionToMakeIt) {
  InProcess(
      [] {
        socket* so = CreateLocal(SOCK_STREAM);
        EXPECT_EQ(Bind(so, "/var/run"), EADDRINUSE);
        EXPECT_EQ(Bind(so, "/var/new"), EACCES);
        soclose(so);
      },
      kUser);
}

TEST_F(UnixOrderTest, BindPassesOnWhatTheLookupSays) {
  InProcess([this] {
    socket* so = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(names().Creat("/tmp/file", 0666), 0);
    EXPECT_EQ(Bind(so, "/tmp/file/x"), ENOTDIR);
    EXPECT_EQ(Bind(so, LoopPath()), ELOOP);
    EXPECT_EQ(Bind(so, LongPath()), ENAMETOOLONG);
    ASSERT_EQ(names().Symlink("/nowhere", "/tmp/dangling"), 0);
    EXPECT_EQ(Bind(so, "/tmp/dangling"), EADDRINUSE) << "the link itself is in the way";
    names().nodes_max = 0;
    EXPECT_EQ(Bind(so, "/tmp/full"), ENOSPC);
    EXPECT_EQ(Bind(so, "/tmp/file"), EADDRINUSE) << "what is there is seen first";
    names().nodes_max = 100;
    EXPECT_EQ(Bind(so, "/tmp/free"), 0) << "a bind that failed left nothing behind";
    soclose(so);
  });
}

TEST_F(UnixOrderTest, RenamedSocketIsFoundUnderItsNewNameAndSaysTheOld) {
  InProcess([this] {
    socket* head = CreateLocalListener("/tmp/old");
    ASSERT_EQ(names().Rename("/tmp/old", "/tmp/new"), 0);
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(client, "/tmp/old"), ENOENT);
    EXPECT_EQ(ConnectTo(client, "/tmp/new"), 0);
    const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
    EXPECT_EQ(client->so_proto->pr_usrreqs->pru_peeraddr(client, nam.get()), 0);
    EXPECT_EQ(PathIn(nam.get()), "/tmp/old") << "the string that bind was given";
    EXPECT_EQ(mtod<sockaddr_un>(nam.get())->sun_family, AF_UNIX);
    socket* next = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(Bind(next, "/tmp/old"), 0);
    for (socket* so : {head, client, next}) soclose(so);
  });
}

// --- Section 6: connect. ---

TEST_F(UnixOrderTest, ConnectPassesOnWhatTheLookupSays) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/tmp/private", 0700), 0);
    soclose(CreateLocalListener("/tmp/private/server"));
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(so, ""), ENOENT);
    EXPECT_EQ(ConnectTo(so, LoopPath()), ELOOP);
    EXPECT_EQ(ConnectTo(so, LongPath()), ENAMETOOLONG);
    soclose(so);
    Spawn(
        "user",
        [] {
          socket* user = CreateLocal(SOCK_STREAM);
          EXPECT_EQ(ConnectTo(user, "/tmp/private/server"), EACCES) << "may not search";
          soclose(user);
        },
        kUser);
  });
}

TEST_F(UnixOrderTest, ConnectFollowsSymlinks) {
  InProcess([this] {
    socket* head = CreateLocalListener("/tmp/server");
    ASSERT_EQ(names().Symlink("server", "/tmp/link"), 0);
    socket* client = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(client, "/tmp/link"), 0);
    soclose(client);
    soclose(head);
  });
}

// The rows of the table, each with the one behind it broken as well.
TEST_F(UnixOrderTest, ConnectMindsTheRowsOfItsTableInTheirOrder) {
  InProcess([this] {
    socket* head = CreateLocalListener("/tmp/server");
    EXPECT_EQ(ConnectTo(head, ""), EOPNOTSUPP) << "listening, and the path is empty";
    socket* so = CreateLocal(SOCK_STREAM);
    const MbufPtr nam = UnixAddress("/tmp/none");
    mtod<sockaddr_un>(nam.get())->sun_family = AF_INET;
    nam->m_len = sizeof(sockaddr_un) + 1;
    EXPECT_EQ(soconnect(so, nam.get()), EAFNOSUPPORT) << "the family before the length";
    nam->m_len = 1;
    EXPECT_EQ(soconnect(so, nam.get()), EINVAL) << "too short for a family";
    ASSERT_EQ(ConnectTo(so, "/tmp/server"), 0);
    EXPECT_EQ(ConnectTo(so, ""), EISCONN);
    socket* datagram = CreateLocal(SOCK_DGRAM);
    ASSERT_EQ(Bind(datagram, "/tmp/stale"), 0);
    soclose(datagram);
    socket* late = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(ConnectTo(late, "/tmp/stale"), ECONNREFUSED) << "nobody there, of another type";
    socket* packets = CreateLocal(SOCK_SEQPACKET);
    ASSERT_EQ(Bind(packets, "/tmp/packets"), 0);
    EXPECT_EQ(ConnectTo(late, "/tmp/packets"), EPROTOTYPE) << "another type, not listening";
    Spawn(
        "user",
        [] {
          socket* user = CreateLocal(SOCK_STREAM);
          EXPECT_EQ(ConnectTo(user, "/tmp/stale"), EACCES) << "may not write, nobody there";
          soclose(user);
        },
        kUser);
    Pause(kSecond);
    for (socket* s : {head, so, late, packets}) soclose(s);
  });
}

// --- Section 7: sending and receiving. ---

TEST_F(UnixOrderTest, DatagramIsSentToWhomeverTheAddressFinds) {
  InProcess([this] {
    ASSERT_EQ(names().Creat("/tmp/file", 0666), 0);
    soclose(CreateLocalListener("/tmp/stream"));
    socket* so = CreateLocal(SOCK_DGRAM);
    const auto send = [so](std::string_view path) {
      const MbufPtr nam = UnixAddress(path);
      return SendTo(so, "x", nam.get());
    };
    EXPECT_EQ(send("/tmp/file/x"), ENOTDIR);
    EXPECT_EQ(send("/tmp/file"), ENOTSOCK);
    EXPECT_EQ(send("/tmp/stream"), ECONNREFUSED);
    socket* stream = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(Bind(stream, "/tmp/live"), 0);
    EXPECT_EQ(send("/tmp/live"), EPROTOTYPE);
    const MbufPtr inet = UnixAddress("/tmp/live");
    mtod<sockaddr_un>(inet.get())->sun_family = AF_INET;
    EXPECT_EQ(SendTo(so, "x", inet.get()), EAFNOSUPPORT);
    EXPECT_EQ(send(LoopPath()), ELOOP);
    socket* secret = CreateLocal(SOCK_DGRAM);
    ASSERT_EQ(Bind(secret, "/tmp/secret"), 0);
    curproc()->p_ucred.cr_uid = 1000;
    EXPECT_EQ(send("/tmp/secret"), EACCES);
    curproc()->p_ucred.cr_uid = 0;
    EXPECT_EQ(send("/tmp/secret"), 0);
    soclose(secret);
    soclose(stream);
    soclose(so);
  });
}

TEST_F(UnixOrderTest, StreamTakesWhatFitsAndSeqpacketAllOrNothing) {
  InProcess([] {
    const auto stream = CreateLocalPair(SOCK_STREAM);
    size_t sent = 0;
    EXPECT_EQ(Write(stream.first, std::string(5000, 'x'), MSG_DONTWAIT, &sent), EWOULDBLOCK);
    EXPECT_EQ(sent, 4096u);
    CloseLocalPair(stream);
    const auto packets = CreateLocalPair(SOCK_SEQPACKET);
    EXPECT_EQ(Write(packets.first, std::string(3000, 'x'), 0, &sent), 0);
    EXPECT_EQ(Write(packets.first, std::string(3000, 'x'), MSG_DONTWAIT, &sent), EWOULDBLOCK);
    EXPECT_EQ(sent, 0u);
    CloseLocalPair(packets);
  });
}

TEST_F(UnixOrderTest, ControlAloneNeedsAPeerAsWell) {
  InProcess([this] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      socket* so = CreateLocal(type);
      const int fd = NewFd(so);
      EXPECT_EQ(SendFds(so, "", {fd}), ENOTCONN);
      EXPECT_EQ(local().unp_rights, 0);
      EXPECT_EQ(soshutdown(so, SHUT_WR), 0) << "which needs none";
      EXPECT_EQ(Write(so, "x"), EPIPE);
      CloseFd(fd);
    }
  });
}

TEST_F(UnixOrderTest, SmallRecordsFillTheStorageBeforeTheBytes) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_SEQPACKET);
    int written = 0;
    while (Write(pair.first, "x", MSG_DONTWAIT) == 0) ++written;
    EXPECT_EQ(written, 32);
    EXPECT_EQ(pair.first->so_snd.sb_mbcnt, 8192u) << "the mirror has both counts";
    CloseLocalPair(pair);
  });
}

TEST_F(UnixOrderTest, EmptySeqpacketRecordIsSwallowedUnlessItEndsARecord) {
  InProcess([] {
    const auto [a, b] = CreateLocalPair(SOCK_SEQPACKET);
    EXPECT_EQ(Write(a, ""), 0);
    EXPECT_EQ(Receive(b, 10, MSG_DONTWAIT).error, EWOULDBLOCK);
    EXPECT_EQ(Write(a, ""), 0);
    EXPECT_EQ(Write(a, "data"), 0);
    EXPECT_EQ(Receive(b, 10).data, "data") << "the reader waits on";
    EXPECT_EQ(Write(a, "", MSG_EOR), 0);
    const Received end = Receive(b, 10);
    EXPECT_EQ(end.error, 0);
    EXPECT_EQ(end.data, "");
    EXPECT_EQ(end.flags, MSG_EOR) << "which is how it differs from end of file";
    soclose(a);
    EXPECT_EQ(Receive(b, 10).flags, 0);
    soclose(b);
  });
}

TEST_F(UnixOrderTest, EndOfRecordIsToldWithTheWholeRecordOnly) {
  InProcess([] {
    const auto [a, b] = CreateLocalPair(SOCK_SEQPACKET);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Write(a, "record", MSG_EOR), 0);
    EXPECT_EQ(Receive(b, 3).flags, MSG_TRUNC);
    EXPECT_EQ(Receive(b, 6).flags, MSG_EOR);
    EXPECT_EQ(Write(a, "record"), 0);
    EXPECT_EQ(Receive(b, 6).flags, 0) << "nobody marked it";
    CloseLocalPair({a, b});
  });
}

TEST_F(UnixOrderTest, WaitallIsForStreams) {
  InProcess([this] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}) {
      const auto pair = CreateLocalPair(type);
      Spawn("writer", [so = pair.first] {
        EXPECT_EQ(Write(so, "one"), 0);
        Pause(kSecond);
        EXPECT_EQ(Write(so, "two"), 0);
      });
      EXPECT_EQ(Receive(pair.second, 6, MSG_WAITALL).data, type == SOCK_STREAM ? "onetwo" : "one");
      Pause(2 * kSecond);
      CloseLocalPair(pair);
    }
  });
}

TEST_F(UnixOrderTest, WriteableMeansRoomAndAPeerButForDatagrams) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      socket* alone = CreateLocal(type);
      EXPECT_FALSE(sowriteable(alone));
      soclose(alone);
      const auto pair = CreateLocalPair(type);
      EXPECT_TRUE(sowriteable(pair.first));
      EXPECT_EQ(Write(pair.first, std::string(2048, 'x')), 0);
      EXPECT_TRUE(sowriteable(pair.first)) << "just the low-water mark";
      EXPECT_EQ(Write(pair.first, "x"), 0);
      EXPECT_FALSE(sowriteable(pair.first));
      CloseLocalPair(pair);
    }
    socket* datagram = CreateLocal(SOCK_DGRAM);
    EXPECT_TRUE(sowriteable(datagram));
    soclose(datagram);
  });
}

// --- Section 11: credentials. ---

int PeerError(socket* so) {
  mbuf* raw = nullptr;
  const int error = sogetopt(so, SOL_SOCKET, SO_PEERCRED, &raw);
  const MbufPtr m(raw);
  return error;
}

TEST_F(UnixOrderTest, ListenersIdsAreThoseOfTheBind) {
  InProcess([] {
    socket* head = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(Bind(head, "/tmp/server"), 0);
    curproc()->p_ucred.cr_uid = 1000;  // gives its rights up
    ASSERT_EQ(solisten(head, 1), 0);
    curproc()->p_ucred.cr_uid = 0;
    socket* client = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(ConnectTo(client, "/tmp/server"), 0);
    mbuf* raw = nullptr;
    ASSERT_EQ(sogetopt(client, SOL_SOCKET, SO_PEERCRED, &raw), 0);
    const MbufPtr m(raw);
    EXPECT_EQ(mtod<::ucred>(m.get())->uid, 0u);
    soclose(client);
    soclose(head);
  });
}

TEST_F(UnixOrderTest, ConnectorsIdsAreThoseOfTheConnect) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    curproc()->p_ucred.cr_gid = 77;  // since it made the socket
    ASSERT_EQ(ConnectTo(client, "/tmp/server"), 0);
    curproc()->p_ucred.cr_gid = 0;
    socket* server = AcceptWaiting(head);
    mbuf* raw = nullptr;
    ASSERT_EQ(sogetopt(server, SOL_SOCKET, SO_PEERCRED, &raw), 0);
    const MbufPtr m(raw);
    EXPECT_EQ(mtod<::ucred>(m.get())->gid, 77u);
    for (socket* so : {head, client, server}) soclose(so);
  });
}

TEST_F(UnixOrderTest, NobodyIsAtTheOtherEndOfTheUnconnectedAndOfDatagrams) {
  InProcess([] {
    socket* so = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(PeerError(so), ENOTCONN);
    soclose(so);
    socket* to = CreateLocal(SOCK_DGRAM);
    ASSERT_EQ(Bind(to, "/tmp/to"), 0);
    socket* from = CreateLocal(SOCK_DGRAM);
    ASSERT_EQ(ConnectTo(from, "/tmp/to"), 0);
    EXPECT_EQ(PeerError(from), ENOTCONN);
    EXPECT_EQ(PeerError(to), ENOTCONN);
    soclose(from);
    soclose(to);
  });
}

// --- Sections 12 and 13. ---

TEST_F(UnixOrderTest, EndsOfAPairAreNameless) {
  InProcess([] {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}) {
      const auto pair = CreateLocalPair(type);
      const pr_usrreqs* requests = pair.first->so_proto->pr_usrreqs;
      const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
      std::memset(nam->m_data, 0xff, MLEN);
      EXPECT_EQ(requests->pru_sockaddr(pair.first, nam.get()), 0);
      EXPECT_EQ(PathIn(nam.get()), "-");
      const sockaddr noname = {.sa_family = AF_UNIX, .sa_data = {}};
      EXPECT_EQ(std::memcmp(nam->m_data, &noname, sizeof noname), 0) << "and no data";
      EXPECT_EQ(requests->pru_peeraddr(pair.first, nam.get()), 0);
      EXPECT_EQ(PathIn(nam.get()), "-");
      EXPECT_EQ(mtod<sockaddr>(nam.get())->sa_family, AF_UNIX);
      CloseLocalPair(pair);
    }
  });
}

TEST_F(UnixOrderTest, StatOfWhoHasNoMirrorTellsOfItsOwnBufferAlone) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_DGRAM);
    EXPECT_EQ(Write(pair.first, "12345"), 0);
    struct stat sb = {};
    EXPECT_EQ(pair.first->so_proto->pr_usrreqs->pru_sense(pair.first, &sb), 0);
    EXPECT_EQ(sb.st_blksize, 2048);
    CloseLocalPair(pair);
    socket* alone = CreateLocal(SOCK_STREAM);
    EXPECT_EQ(alone->so_proto->pr_usrreqs->pru_sense(alone, &sb), 0);
    EXPECT_EQ(sb.st_blksize, 4096);
    soclose(alone);
  });
}

// --- The protocol's own checks, which the layer above mostly anticipates. ---

TEST_F(UnixOrderTest, ProtocolItselfRefusesToSendFromADirectionThatIsShut) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_STREAM);
    const auto send = [](socket* so) {
      return so->so_proto->pr_usrreqs->pru_send(so, MbufWith("x"), nullptr, nullptr);
    };
    socantsendmore(pair.first);
    EXPECT_EQ(send(pair.first), EPIPE);
    EXPECT_EQ(pair.second->so_rcv.sb_cc, 0u);
    CloseLocalPair(pair);
    socket* datagram = CreateLocal(SOCK_DGRAM);
    EXPECT_EQ(send(datagram), ENOTCONN);
    soclose(datagram);
  });
}

TEST_F(UnixOrderTest, SmallMessagesOfSeqpacketAreNotRunTogether) {
  InProcess([] {
    const auto pair = CreateLocalPair(SOCK_SEQPACKET);
    EXPECT_EQ(Write(pair.first, "ab"), 0);
    EXPECT_EQ(Write(pair.first, "cd"), 0);
    EXPECT_EQ(Receive(pair.second, 10).data, "ab");
    EXPECT_EQ(Receive(pair.second, 10).data, "cd");
    CloseLocalPair(pair);
  });
}

// --- What the trace tells of the order. ---

TEST_F(UnixOrderTest, ConnectorIsConnectedBeforeItsServer) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(ConnectTo(client, "/tmp/server"), 0);
    soclose(client);
    soclose(head);
  });
  std::vector<uint64_t> connected;
  for (const Record& record : RecordsOf(SocketEvent::kState)) {
    if ((record.args[1] & SS_ISCONNECTED) != 0) connected.push_back(record.object);
  }
  EXPECT_EQ(connected, (std::vector<uint64_t>{2, 3}));
}

TEST_F(UnixOrderTest, SocketThatWasNeverConnectedEndsAsDisconnected) {
  InProcess([] { soclose(CreateLocal(SOCK_STREAM)); });
  const std::vector<Record> states = RecordsOf(SocketEvent::kState);
  ASSERT_EQ(states.size(), 1u);
  constexpr uint64_t kEnd = SS_ISDISCONNECTED | SS_CANTSENDMORE | SS_CANTRCVMORE;
  EXPECT_EQ(states[0].args[1] & ~uint64_t{SS_PRIV}, kEnd);
}

TEST_F(UnixOrderTest, AbortedConnectionSaysSo) {
  InProcess([] {
    socket* head = CreateLocalListener("/tmp/server");
    socket* client = CreateLocal(SOCK_STREAM);
    ASSERT_EQ(ConnectTo(client, "/tmp/server"), 0);
    soclose(head);
    soclose(client);
  });
  const std::vector<Record> errors = RecordsOf(SocketEvent::kError);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].args[1], static_cast<uint64_t>(ECONNABORTED));
}

}  // namespace
}  // namespace sockbed
