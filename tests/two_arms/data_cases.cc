// Data: what is sent, what is received of it, and what is refused.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

bool All(Kind) { return true; }
bool KeepsBoundaries(Kind kind) { return TypeOf(kind) != SOCK_STREAM; }

ssize_t Write(int fd, const std::string& data) { return write(fd, data.data(), data.size()); }

void Order(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Call("write", Write(pair.a, "first"));
  notes.Call("write", Write(pair.a, "second"));
  notes.Settle();
  int bytes = -1;
  notes.Call("FIONREAD", ioctl(pair.b, FIONREAD, &bytes));
  notes.Value("bytes that wait", bytes);
  notes.Read("read 3", pair.b, 3);
  notes.Read("read 20", pair.b, 20);
  notes.Read("read more", pair.b, 20);
  notes.Read("nothing left", pair.b, 20);
}

void Peeking(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  Write(pair.a, "first");
  Write(pair.a, "second");
  notes.Settle();
  notes.Read("peek 3", pair.b, 3, MSG_PEEK);
  notes.Read("peek all", pair.b, 20, MSG_PEEK);
  notes.Read("read", pair.b, 20);
  notes.Read("peek again", pair.b, 20, MSG_PEEK);
  char two[2];
  notes.Call("MSG_TRUNC", recv(pair.b, two, 2, MSG_TRUNC | MSG_PEEK | MSG_DONTWAIT));
}

std::string MessageFlags(int flags) {
  std::string names;
  for (const auto& [bit, name] : {std::pair{int{MSG_TRUNC}, "TRUNC "},
                                  {MSG_CTRUNC, "CTRUNC "},
                                  {MSG_EOR, "EOR "},
                                  {MSG_OOB, "OOB "}}) {
    if ((flags & bit) != 0) names += name;
  }
  return names.empty() ? "none" : names.substr(0, names.size() - 1);
}

void NoteMessage(Notes& notes, const std::string& label, int fd, size_t len, int flags = 0) {
  std::string data(len, '\0');
  iovec iov{data.data(), len};
  Address from;
  msghdr msg{};
  msg.msg_name = from.get();
  msg.msg_namelen = sizeof from.storage;
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_flags = MSG_EOR;  // what stands there before does not matter
  const ssize_t n = notes.Call(label, recvmsg(fd, &msg, flags | MSG_DONTWAIT));
  if (n < 0) return;
  notes.Text(label + " data", data.substr(0, static_cast<size_t>(n)));
  notes.Text(label + " flags", MessageFlags(msg.msg_flags));
  notes.Value(label + " name length", msg.msg_namelen);
  notes.Value(label + " control length", static_cast<int64_t>(msg.msg_controllen));
}

void Messages(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  std::array<char, 4> one{'a', 'b', 'c', 'd'}, two{'e', 'f', 'g', 'h'};
  iovec iov[] = {{one.data(), 4}, {nullptr, 0}, {two.data(), 4}};
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = 3;
  notes.Call("sendmsg", sendmsg(pair.a, &msg, 0));
  notes.Call("sendmsg of MSG_EOR", sendmsg(pair.a, &msg, MSG_EOR));
  notes.Settle();
  NoteMessage(notes, "peek", pair.b, 20, MSG_PEEK);
  NoteMessage(notes, "part", pair.b, 5);
  NoteMessage(notes, "rest", pair.b, 20);
  NoteMessage(notes, "nothing", pair.b, 20);
  msg.msg_iovlen = 0;
  notes.Call("no vector", sendmsg(pair.a, &msg, 0));
  notes.Settle();
  NoteMessage(notes, "of no vector", pair.b, 20);
  msg.msg_iovlen = IOV_MAX + 1;
  notes.Call("too many vectors", sendmsg(pair.a, &msg, 0));
  notes.Call("too many to receive", recvmsg(pair.b, &msg, MSG_DONTWAIT));
  notes.Call("no header", sendmsg(pair.a, nullptr, 0));
  notes.Call("no header to receive", recvmsg(pair.b, nullptr, MSG_DONTWAIT));
}

void Nothing(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Call("write 0", write(pair.a, "", 0));
  if (IsSocket(kind)) notes.Call("send 0", send(pair.a, "", 0, 0));
  notes.Settle();
  notes.Ready("after nothing", pair.b);
  notes.Read("read", pair.b, 10);
  notes.Read("read", pair.b, 10);
  notes.Read("read", pair.b, 10);
  if (!IsSocket(kind)) return;
  char byte;
  notes.Call("recv 0 of nothing", recv(pair.b, &byte, 0, MSG_DONTWAIT));
  Write(pair.a, "data");
  notes.Settle();
  notes.Call("recv 0", recv(pair.b, &byte, 0, MSG_DONTWAIT));
  notes.Call("read 0", read(pair.b, &byte, 0));
  notes.Read("after", pair.b, 10);
}

void Vectors(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  char bytes[8] = "abcdefg";
  const iovec three[] = {{bytes, 2}, {bytes + 2, 0}, {bytes + 2, 5}};
  notes.Call("writev", writev(pair.a, three, 3));
  notes.Settle();
  char low[3] = {}, high[9] = {};
  const iovec in[] = {{low, 2}, {high, 8}};
  notes.Call("readv", readv(pair.b, in, 2));
  notes.Text("what it read", std::string(low) + "|" + high);
  notes.Call("writev of none", writev(pair.a, three, 0));
  volatile int negative = -1;  // the compiler would warn of it
  notes.Call("negative count", writev(pair.a, three, negative));
  const std::vector<iovec> many(IOV_MAX + 1, iovec{bytes, 1});
  notes.Call("too many", writev(pair.a, many.data(), IOV_MAX + 1));
  notes.Call("as many as may be", writev(pair.a, many.data(), IOV_MAX));
  notes.Settle();
  notes.Read("they came", pair.b, 2000);
  const iovec huge[] = {{bytes, SSIZE_MAX}, {bytes, 1}};
  notes.Call("more than SSIZE_MAX", writev(pair.a, huge, 2));
  const iovec* volatile no_vector = nullptr;
  notes.Call("no vector", readv(pair.b, no_vector, 1));
  const iovec nowhere{nullptr, 4};
  notes.Call("from nowhere", writev(pair.a, &nowhere, 1));
  char* volatile no_memory = nullptr;
  notes.Call("write from nowhere", write(pair.a, no_memory, 1));
  Write(pair.a, "data");
  notes.Settle();
  notes.Call("read to nowhere", read(pair.b, no_memory, 4));
  notes.Call("pread", pread(pair.b, bytes, 1, 0));
  notes.Call("pwrite", pwrite(pair.a, bytes, 1, 0));
  notes.Call("lseek", lseek(pair.b, 0, SEEK_SET));
  notes.Call("preadv", preadv(pair.b, in, 2, 0));
  notes.Call("pwritev", pwritev(pair.a, three, 3, 0));
}

// The far end is gone: what waits is read, then the end; what is written is refused.
void AfterTheEnd(Notes& notes, Kind kind) {
  signal(SIGPIPE, SIG_IGN);
  const Pair pair = MakePair(kind);
  Write(pair.a, "last");
  notes.Settle();
  notes.Call("close", close(pair.a));
  notes.Settle();
  notes.Ready("writer gone", pair.b);
  notes.Read("data", pair.b, 10);
  notes.Ready("data read", pair.b);
  notes.Read("end", pair.b, 10);
  notes.Read("end", pair.b, 10);
  if (!IsSocket(kind)) return;
  notes.Call("write", Write(pair.b, "x"));
  notes.Settle();
  notes.Call("write again", Write(pair.b, "x"));
  notes.Settle();
  notes.Ready("after writing", pair.b);
  notes.Read("end", pair.b, 10);
}

// The reader is gone with data that it has not read.
void UnreadData(Notes& notes, Kind kind) {
  signal(SIGPIPE, SIG_IGN);
  const Pair pair = MakePair(kind);
  Write(pair.a, "unread");
  notes.Settle();
  if (IsSocket(kind)) Write(pair.b, "sent before");
  notes.Settle();
  close(pair.b);
  notes.Settle();
  notes.Ready("reader gone", pair.a);
  if (IsSocket(kind)) notes.Read("what it had sent", pair.a, 20);
  if (IsSocket(kind)) notes.Read("read again", pair.a, 20);
  notes.Call("write", Write(pair.a, "x"));
  notes.Settle();
  notes.Call("write again", Write(pair.a, "x"));
}

// SIGPIPE blocked: whether it waits tells whether it came. Either arm forgets it with the process.
bool PipeSignalCame() {
  sigset_t waiting;
  sigpending(&waiting);
  if (!sigismember(&waiting, SIGPIPE)) return false;
  signal(SIGPIPE, SIG_IGN);  // what waits is forgotten
  signal(SIGPIPE, SIG_DFL);
  return true;
}

void BrokenPipes(Notes& notes, Kind kind) {
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigprocmask(SIG_BLOCK, &pipe_signal, nullptr);
  const Pair pair = MakePair(kind);
  if (IsSocket(kind)) {
    notes.Call("shutdown", shutdown(pair.a, SHUT_WR));
    notes.Call("send", send(pair.a, "x", 1, 0));
    notes.Value("SIGPIPE", PipeSignalCame());
    notes.Call("send quietly", send(pair.a, "x", 1, MSG_NOSIGNAL));
    notes.Value("SIGPIPE", PipeSignalCame());
  } else {
    close(pair.b);
  }
  notes.Call("write", Write(pair.a, "x"));
  notes.Value("SIGPIPE", PipeSignalCame());
  notes.Call("write 0", write(pair.a, "", 0));
  notes.Value("SIGPIPE", PipeSignalCame());
  const iovec iov{const_cast<char*>("xy"), 2};
  notes.Call("writev", writev(pair.a, &iov, 1));
  notes.Value("SIGPIPE", PipeSignalCame());
}

// Sockets without a peer.
void Unconnected(Notes& notes, Kind kind) {
  signal(SIGPIPE, SIG_IGN);
  const int fd = Fresh(kind);
  char byte = 'x';
  notes.Call("send", send(fd, &byte, 1, 0));
  notes.Call("send 0", send(fd, &byte, 0, 0));
  notes.Call("write", write(fd, &byte, 1));
  notes.Call("recv", recv(fd, &byte, 1, MSG_DONTWAIT));
  notes.Call("recv 0", recv(fd, &byte, 0, MSG_DONTWAIT));
  notes.Call("peek", recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK));
  notes.Call("recv of MSG_OOB", recv(fd, &byte, 1, MSG_DONTWAIT | MSG_OOB));
  notes.Call("sendto",
             sendto(fd, &byte, 1, 0, Local(kind, 9, "none").get(), Local(kind, 9, "none").len));
  notes.Ready("unconnected", fd);
  int bytes = -1;
  notes.Call("FIONREAD", ioctl(fd, FIONREAD, &bytes));
  notes.Value("bytes", bytes);
  notes.Call("SIOCATMARK", ioctl(fd, SIOCATMARK, &bytes));
}

void TooLong(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const std::string megabyte(1 << 20, 'x');
  notes.Call("a megabyte", send(pair.a, megabyte.data(), megabyte.size(), MSG_DONTWAIT));
  if (IsUdp(kind)) {
    notes.Call("65508 bytes", send(pair.a, megabyte.data(), 65508, MSG_DONTWAIT));
  }
  notes.Settle();
  notes.Read("nothing came", pair.b, 10);
  notes.Call("1000 bytes", send(pair.a, megabyte.data(), 1000, MSG_DONTWAIT));
  notes.Settle();
  notes.Read("they came", pair.b, 2000);
}

// Fills a connection, empties it, and counts.
void FullPairs(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  fcntl(pair.a, F_SETFL, O_NONBLOCK);
  fcntl(pair.b, F_SETFL, O_NONBLOCK);
  const std::string piece(1000, 'x');
  int64_t sent = 0, received = 0;
  ssize_t n;
  for (int quiet = 0; quiet < 2; ++quiet) {
    while ((n = Write(pair.a, piece)) > 0) sent += n;
    notes.Text("full", ErrnoName(errno));
    notes.Settle();
  }
  notes.Ready("full", pair.a);
  notes.Ready("full's other end", pair.b);
  std::string space(5000, '\0');
  for (int quiet = 0; quiet < 2; ++quiet) {
    while ((n = read(pair.b, space.data(), space.size())) > 0) received += n;
    notes.Text("empty", ErrnoName(errno));
    notes.Settle();
  }
  notes.Value("lost", sent - received);
  notes.Ready("empty again", pair.a);
}

// A datagram, or a record, with its sender's name.
void Senders(Notes& notes, Kind kind) {
  Address receiver, sender;
  const int to = Bound(kind, "receiver", &receiver), from = Bound(kind, "sender", &sender);
  notes.Call("sendto", sendto(from, "hello", 5, 0, receiver.get(), receiver.len));
  notes.Settle();
  char bytes[10];
  Address got;
  got.len = sizeof got.storage;
  notes.Call("recvfrom", recvfrom(to, bytes, sizeof bytes, 0, got.get(), &got.len));
  const bool same = got.len >= sizeof(sockaddr_in) &&
                    memcmp(&got.storage, &sender.storage, sizeof(sa_family_t) + 6) == 0;
  notes.Value("its sender", same);
  sendto(from, "again", 5, 0, receiver.get(), receiver.len);
  notes.Settle();
  got.len = 3;
  notes.Call("recvfrom, cut", recvfrom(to, bytes, sizeof bytes, 0, got.get(), &got.len));
  sendto(from, "once more", 9, 0, receiver.get(), receiver.len);
  notes.Settle();
  notes.Call("no length", recvfrom(to, bytes, sizeof bytes, MSG_DONTWAIT, got.get(), nullptr));
  notes.Call("no address", sendto(from, "x", 1, 0, nullptr, 0));
  notes.Call("address of length 0", sendto(from, "x", 1, 0, receiver.get(), 0));
  notes.Call("short address", sendto(from, "x", 1, 0, receiver.get(), 1));
  notes.Call("long address", sendto(from, "x", 1, 0, receiver.get(), 300));
  Address wrong = receiver;
  wrong.storage.ss_family = static_cast<sa_family_t>(IsUnix(kind) ? AF_INET : AF_UNIX);
  notes.Call("wrong family", sendto(from, "x", 1, 0, wrong.get(), wrong.len));
  if (IsUdp(kind)) {
    const Address zero = Local(kind, 0, "");
    notes.Call("port 0", sendto(from, "x", 1, 0, zero.get(), zero.len));
  }
  const int fresh = Fresh(kind);
  notes.Call("from a nameless one", sendto(fresh, "x", 1, 0, receiver.get(), receiver.len));
}

void AddressOfConnected(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const Address other = Local(kind, 9, "other");
  notes.Call("sendto", sendto(pair.a, "x", 1, MSG_NOSIGNAL, other.get(), other.len));
  notes.Settle();
  notes.Read("it came", pair.b, 10);
}

void Arrays(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  char out[3][4] = {"one", "two", "six"}, in[4][8] = {};
  iovec iov[7];
  mmsghdr messages[7] = {};
  for (int i = 0; i < 7; ++i) {
    iov[i] = i < 3 ? iovec{out[i], 3} : iovec{in[i - 3], 7};
    messages[i].msg_hdr.msg_iov = &iov[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  notes.Call("sendmmsg", sendmmsg(pair.a, messages, 3, 0));
  notes.Value("length of the second", messages[1].msg_len);
  notes.Settle();
  notes.Call("recvmmsg", recvmmsg(pair.b, messages + 3, 4, MSG_DONTWAIT, nullptr));
  for (int i = 0; i < 4; ++i) {
    notes.Text("message", std::string(in[i], messages[3 + i].msg_len));
  }
  notes.Call("none left", recvmmsg(pair.b, messages + 3, 4, MSG_DONTWAIT, nullptr));
  notes.Call("none asked", recvmmsg(pair.b, messages + 3, 0, MSG_DONTWAIT, nullptr));
  notes.Call("none sent", sendmmsg(pair.a, messages, 0, 0));
}

// The urgent byte of TCP: set aside, or in line.
void Urgent(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  int mark = -1;
  notes.Call("SIOCATMARK", ioctl(pair.b, SIOCATMARK, &mark));
  notes.Value("at the mark", mark);
  char byte = '?';
  notes.Call("none yet", recv(pair.b, &byte, 1, MSG_OOB | MSG_DONTWAIT));
  Write(pair.a, "before");
  notes.Call("send", send(pair.a, "!", 1, MSG_OOB));
  Write(pair.a, "after");
  notes.Settle();
  notes.Ready("urgent", pair.b);
  notes.Call("peek at it", recv(pair.b, &byte, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT));
  notes.Read("up to the mark", pair.b, 20);
  ioctl(pair.b, SIOCATMARK, &mark);
  notes.Value("at the mark now", mark);
  notes.Ready("at the mark", pair.b);
  notes.Call("fetch", recv(pair.b, &byte, 1, MSG_OOB | MSG_DONTWAIT));
  notes.Text("byte", std::string(1, byte));
  notes.Call("fetch again", recv(pair.b, &byte, 1, MSG_OOB | MSG_DONTWAIT));
  notes.Read("behind it", pair.b, 20);
  ioctl(pair.b, SIOCATMARK, &mark);
  notes.Value("past the mark", mark);
}

void UrgentInLine(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const int one = 1;
  notes.Call("SO_OOBINLINE", setsockopt(pair.b, SOL_SOCKET, SO_OOBINLINE, &one, sizeof one));
  Write(pair.a, "before");
  notes.Call("send two", send(pair.a, "?!", 2, MSG_OOB));
  Write(pair.a, "after");
  notes.Settle();
  char byte;
  notes.Call("fetch", recv(pair.b, &byte, 1, MSG_OOB | MSG_DONTWAIT));
  notes.Read("up to the mark", pair.b, 20);
  int mark = -1;
  ioctl(pair.b, SIOCATMARK, &mark);
  notes.Value("at the mark", mark);
  notes.Read("from the mark", pair.b, 20);
}

void UrgentRefused(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  char byte = 'x';
  notes.Call("send", send(pair.a, &byte, 1, MSG_OOB));
  notes.Call("recv", recv(pair.b, &byte, 1, MSG_OOB | MSG_DONTWAIT));
  int mark;
  notes.Call("SIOCATMARK", ioctl(pair.b, SIOCATMARK, &mark));
}

}  // namespace

void AddDataCases(std::vector<Case>* cases) {
  ForEachKind(cases, "Data.Order", All, Order);
  ForEachKind(cases, "Data.Peeking", IsSocket, Peeking);
  ForEachKind(cases, "Data.Messages", IsSocket, Messages);
  ForEachKind(cases, "Data.Nothing", All, Nothing);
  ForEachKind(cases, "Data.Vectors", All, Vectors);
  ForEachKind(cases, "Data.AfterTheEnd", All, AfterTheEnd);
  ForEachKind(cases, "Data.UnreadData", All, UnreadData);
  ForEachKind(cases, "Data.BrokenPipes", All, BrokenPipes);
  ForEachKind(cases, "Data.Unconnected", IsSocket, Unconnected);
  ForEachKind(cases, "Data.TooLong", KeepsBoundaries, TooLong);
  ForEachKind(
      cases, "Data.FullPairs", [](Kind kind) { return !IsDgram(kind); }, FullPairs);
  ForEachKind(cases, "Data.Senders", IsDgram, Senders);
  ForEachKind(cases, "Data.AddressOfConnected", IsSocket, AddressOfConnected);
  ForEachKind(cases, "Data.Arrays", IsSocket, Arrays);
  ForEachKind(cases, "Data.Urgent", IsTcp, Urgent);
  ForEachKind(cases, "Data.UrgentInLine", IsTcp, UrgentInLine);
  ForEachKind(
      cases, "Data.UrgentRefused", [](Kind kind) { return IsSocket(kind) && !IsTcp(kind); },
      UrgentRefused);
}

}  // namespace sockbed::two_arms
