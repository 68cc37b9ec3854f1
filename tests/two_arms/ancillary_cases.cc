// What travels beside the data: passed descriptors, packet information, times.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

// Sends `data` with `fds` as SCM_RIGHTS.
ssize_t SendRights(int fd, const std::vector<int>& fds, const std::string& data) {
  alignas(cmsghdr) char control[CMSG_SPACE(300 * sizeof(int))] = {};
  iovec iov{const_cast<char*>(data.data()), data.size()};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
  cmsghdr* const cmsg = CMSG_FIRSTHDR(&msg);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  if (!fds.empty()) memcpy(CMSG_DATA(cmsg), fds.data(), fds.size() * sizeof(int));
  return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Receives with room for `room` descriptors, and notes what came; returns the descriptors.
std::vector<int> Receive(Notes& notes, const std::string& label, int fd, size_t room,
                         int flags = 0) {
  alignas(cmsghdr) char control[CMSG_SPACE(300 * sizeof(int))] = {};
  char data[20] = {};
  iovec iov{data, sizeof data};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = room > 0 ? control : nullptr;
  msg.msg_controllen = room > 0 ? CMSG_SPACE(room * sizeof(int)) : 0;
  std::vector<int> fds;
  const ssize_t n = notes.Call(label, recvmsg(fd, &msg, flags | MSG_DONTWAIT));
  if (n < 0) return fds;
  notes.Text(label + " data", std::string(data, static_cast<size_t>(n)));
  notes.Value(label + " cut", (msg.msg_flags & MSG_CTRUNC) != 0);
  for (cmsghdr* cmsg = CMSG_FIRSTHDR(&msg); cmsg != nullptr; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
    if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    fds.resize(count);
    memcpy(fds.data(), CMSG_DATA(cmsg), count * sizeof(int));
  }
  notes.Value(label + " descriptors", static_cast<int64_t>(fds.size()));
  return fds;
}

void Passing(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  int ends[2];
  if (pipe(ends) != 0) return;
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  notes.Call("send", SendRights(pair.a, {ends[0], ends[1]}, "two"));
  close(ends[0]);
  close(ends[1]);
  notes.Settle();
  const std::vector<int> got = Receive(notes, "receive", pair.b, 2);
  if (got.size() != 2) return;
  notes.Call("write", write(got[1], "through", 7));
  notes.Read("read", got[0], 10);
  notes.Value("O_NONBLOCK came along", fcntl(got[0], F_GETFL) & O_NONBLOCK);
  notes.Value("close-on-exec", fcntl(got[0], F_GETFD));
  SendRights(pair.a, {got[0]}, "one");
  notes.Settle();
  const std::vector<int> kept = Receive(notes, "cloexec", pair.b, 1, MSG_CMSG_CLOEXEC);
  if (!kept.empty()) notes.Value("its flag", fcntl(kept[0], F_GETFD));
}

// A pair with one message on its way that carries `fds`.
Pair PairWithRights(Notes& notes, Kind kind, const std::vector<int>& fds) {
  const Pair pair = MakePair(kind);
  SendRights(pair.a, fds, "data");
  notes.Settle();
  return pair;
}

void PassingWithoutRoom(Notes& notes, Kind kind) {
  Pair pair = PairWithRights(notes, kind, {0, 1, 2});
  Receive(notes, "room for one", pair.b, 1);
  Receive(notes, "after it", pair.b, 3);
  pair = PairWithRights(notes, kind, {0});
  Receive(notes, "no control asked for", pair.b, 0);
  pair = PairWithRights(notes, kind, {0});
  notes.Read("read", pair.b, 10);
  pair = PairWithRights(notes, kind, {0});
  Receive(notes, "peek", pair.b, 1, MSG_PEEK);
  Receive(notes, "after the peek", pair.b, 1);
}

void PassingWrongly(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Call("not open", SendRights(pair.a, {99}, "x"));
  notes.Call("negative", SendRights(pair.a, {-1}, "x"));
  notes.Call("none", SendRights(pair.a, {}, "x"));
  notes.Call("too many", SendRights(pair.a, std::vector<int>(254, 0), "x"));
  notes.Call("many", SendRights(pair.a, std::vector<int>(100, 0), "x"));
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec iov{const_cast<char*>("x"), 1};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = 8;
  notes.Call("below a header", sendmsg(pair.a, &msg, MSG_DONTWAIT));
  msg.msg_controllen = sizeof control;
  cmsghdr* const cmsg = CMSG_FIRSTHDR(&msg);
  cmsg->cmsg_len = CMSG_LEN(sizeof(int));
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = 4711;
  notes.Call("unknown type", sendmsg(pair.a, &msg, MSG_DONTWAIT));
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = 5;
  notes.Call("length below a header", sendmsg(pair.a, &msg, MSG_DONTWAIT));
  cmsg->cmsg_len = 1000;
  notes.Call("length beyond the buffer", sendmsg(pair.a, &msg, MSG_DONTWAIT));
}

// What was passed keeps its place in a stream.
void PassingInOrder(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  send(pair.a, "before", 6, 0);
  SendRights(pair.a, {0}, "with");
  send(pair.a, "behind", 6, 0);
  notes.Settle();
  for (int i = 0; i < 3; ++i) {
    for (const int fd : Receive(notes, "receive", pair.b, 1)) close(fd);
  }
  notes.Call("without data", SendRights(pair.a, {0}, ""));
  notes.Settle();
  notes.Ready("rights alone", pair.b);
  Receive(notes, "rights alone", pair.b, 1);
}

// A socket is passed over itself, and both ends are closed: nobody holds it. Kernels look for such
// as another local socket is closed.
void PassingItself(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Call("send", SendRights(pair.a, {pair.b}, "itself"));
  const Pair other = MakePair(kind);
  notes.Call("send a pair's end", SendRights(pair.a, {other.a}, "end"));
  close(other.a);
  close(pair.a);
  close(pair.b);
  close(Fresh(kind));
  notes.Settle();
  notes.Ready("its peer", other.b);
  notes.Read("end", other.b, 10);
}

void RightsOverTheNetwork(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Call("send", SendRights(pair.a, {0}, "x"));
}

// The types of the control messages of one datagram.
std::string ControlOf(int fd) {
  alignas(cmsghdr) char control[256] = {};
  char data[20];
  iovec iov{data, sizeof data};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  if (recvmsg(fd, &msg, MSG_DONTWAIT) < 0) return ErrnoName(errno);
  std::string types;
  for (cmsghdr* cmsg = CMSG_FIRSTHDR(&msg); cmsg != nullptr; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
    const size_t len = cmsg->cmsg_len - CMSG_LEN(0);
    if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_TIMESTAMP) types += "time ";
    if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) types += "pktinfo ";
    if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_HOPLIMIT) {
      types += "hops " + std::to_string(*reinterpret_cast<int*>(CMSG_DATA(cmsg))) + " ";
    }
    if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_TCLASS) types += "class ";
    types += std::to_string(len) + " ";
  }
  return types.empty() ? "none" : types.substr(0, types.size() - 1);
}

void Times(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const int one = 1;
  notes.Call("SO_TIMESTAMP", setsockopt(pair.b, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one));
  send(pair.a, "x", 1, 0);
  notes.Settle();
  notes.Text("control", ControlOf(pair.b));
}

void PacketInformation(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const int one = 1, hops = 9;
  for (const int option : {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS}) {
    setsockopt(pair.b, IPPROTO_IPV6, option, &one, sizeof one);
    setsockopt(pair.a, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops);
    send(pair.a, "x", 1, 0);
    notes.Settle();
    notes.Text("control", ControlOf(pair.b));
    const int zero = 0;
    setsockopt(pair.b, IPPROTO_IPV6, option, &zero, sizeof zero);
  }
}

}  // namespace

void AddAncillaryCases(std::vector<Case>* cases) {
  ForEachKind(cases, "Rights.Passing", IsUnix, Passing);
  ForEachKind(cases, "Rights.WithoutRoom", IsUnix, PassingWithoutRoom);
  ForEachKind(cases, "Rights.Wrong", IsUnix, PassingWrongly);
  ForEachKind(cases, "Rights.InOrder", IsUnix, PassingInOrder);
  ForEachKind(cases, "Rights.Itself", IsUnix, PassingItself);
  ForEachKind(
      cases, "Rights.Network", [](Kind kind) { return IsTcp(kind) || IsUdp(kind); },
      RightsOverTheNetwork);
  ForEachKind(
      cases, "Control.Times", [](Kind kind) { return IsSocket(kind) && IsDgram(kind); }, Times);
  ForEachKind(
      cases, "Control.PacketInformation", [](Kind kind) { return kind == Kind::kUdp6; },
      PacketInformation);
}

}  // namespace sockbed::two_arms
