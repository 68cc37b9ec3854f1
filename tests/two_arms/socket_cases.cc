// Sockets made, named, connected and accepted.
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

bool Connects(Kind kind) { return IsSocket(kind) && !IsDgram(kind); }
bool Any(Kind kind) { return IsSocket(kind); }

int BindTo(int fd, const Address& address) { return bind(fd, address.get(), address.len); }
int ConnectTo(int fd, const Address& address) { return connect(fd, address.get(), address.len); }

// A name as both arms can say it: the port is "free" if the kernel chose it.
std::string Shown(const Address& address) {
  const auto* const sin = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* const sin6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  const auto* const sun = reinterpret_cast<const sockaddr_un*>(&address.storage);
  if (address.len == 0) return "none";
  switch (address.storage.ss_family) {
    case AF_INET:
      return std::string(sin->sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? "loopback"
                         : sin->sin_addr.s_addr == 0                    ? "any"
                                                                        : "other") +
             (sin->sin_port != 0 ? " port" : " no port") + " " + std::to_string(address.len);
    case AF_INET6:
      return std::string(IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr)      ? "loopback"
                         : IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr) ? "any"
                                                                     : "other") +
             (sin6->sin6_port != 0 ? " port" : " no port") + " " + std::to_string(address.len);
    case AF_UNIX:
      return "path '" +
             (address.len > offsetof(sockaddr_un, sun_path) ? std::string(sun->sun_path) : "") +
             "'";
    default: return "family " + std::to_string(address.storage.ss_family);
  }
}

void NoteName(Notes& notes, const char* label, int (*call)(int, sockaddr*, socklen_t*), int fd) {
  Address address;
  address.len = sizeof address.storage;
  const int result = call(fd, address.get(), &address.len);
  notes.Text(label, result == 0 ? Shown(address) : ErrnoName(errno));
}
int SockName(int fd, sockaddr* name, socklen_t* len) { return getsockname(fd, name, len); }
int PeerName(int fd, sockaddr* name, socklen_t* len) { return getpeername(fd, name, len); }

void Making(Notes& notes) {
  notes.Makes("unknown family", socket(99, SOCK_STREAM, 0));
  notes.Makes("negative family", socket(-1, SOCK_STREAM, 0));
  notes.Makes("family 0", socket(0, SOCK_STREAM, 0));
  notes.Makes("unknown type", socket(AF_INET, 77, 0));
  notes.Makes("type 0", socket(AF_INET, 0, 0));
  notes.Makes("unknown flag", socket(AF_INET, SOCK_STREAM | 0x10000, 0));
  notes.Makes("TCP of datagrams", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
  notes.Makes("UDP of streams", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
  notes.Makes("TCP", socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
  notes.Makes("UDP over IPv6", socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP));
  notes.Makes("unknown protocol", socket(AF_INET, SOCK_STREAM, 999));
  notes.Makes("negative protocol", socket(AF_INET, SOCK_STREAM, -1));
  notes.Makes("seqpacket of IP", socket(AF_INET, SOCK_SEQPACKET, 0));
  notes.Makes("local, protocol 1", socket(AF_UNIX, SOCK_STREAM, PF_UNIX));
  notes.Makes("local, protocol 6", socket(AF_UNIX, SOCK_STREAM, 6));
  notes.Makes("local, rdm", socket(AF_UNIX, SOCK_RDM, 0));
  int fds[2] = {-7, -7};
  notes.Call("pair of IP", socketpair(AF_INET, SOCK_STREAM, 0, fds));
  notes.Call("pair of IPv6 datagrams", socketpair(AF_INET6, SOCK_DGRAM, 0, fds));
  notes.Call("pair of an unknown family", socketpair(99, SOCK_DGRAM, 0, fds));
  notes.Value("untouched", fds[0]);
  notes.Call("pair to nowhere", socketpair(AF_UNIX, SOCK_STREAM, 0, nullptr));
}

void Limits(Notes& notes) {
  const int first = socket(AF_INET, SOCK_STREAM, 0);
  notes.Value("first number", first);
  notes.Value("second number", socket(AF_UNIX, SOCK_DGRAM, 0));
  close(first);
  notes.Value("lowest number", socket(AF_INET6, SOCK_DGRAM, 0));
  const rlimit six{6, 1024};
  notes.Call("setrlimit", setrlimit(RLIMIT_NOFILE, &six));
  int fds[2];
  notes.Call("pair without room for two", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  notes.Value("last number", socket(AF_INET, SOCK_STREAM, 0));
  notes.Makes("socket", socket(AF_INET, SOCK_STREAM, 0));
  notes.Call("pipe", pipe(fds));
  notes.Makes("dup", dup(0));
  notes.Call("dup2 beyond", dup2(0, 6));
  notes.Call("dup2 below", dup2(0, 5));
  notes.Call("F_DUPFD beyond", fcntl(0, F_DUPFD, 6));
}

void Flags(Notes& notes, Kind kind) {
  const int plain = Fresh(kind), both = Fresh(kind, SOCK_NONBLOCK | SOCK_CLOEXEC);
  notes.Value("F_GETFL", fcntl(plain, F_GETFL));
  notes.Value("F_GETFD", fcntl(plain, F_GETFD));
  notes.Value("F_GETFL of both", fcntl(both, F_GETFL));
  notes.Value("F_GETFD of both", fcntl(both, F_GETFD));
}

void Binding(Notes& notes, Kind kind) {
  const int fd = Fresh(kind);
  NoteName(notes, "name before", SockName, fd);
  Address address = Local(kind, 0, "name");
  notes.Call("nowhere", bind(fd, nullptr, address.len));
  notes.Call("length 0", bind(fd, address.get(), 0));
  notes.Call("length 1", bind(fd, address.get(), 1));
  if (!IsUnix(kind)) notes.Call("short", bind(fd, address.get(), 7));
  notes.Call("long", bind(fd, address.get(), 256));
  notes.Call("negative", bind(fd, address.get(), static_cast<socklen_t>(-1)));
  address.storage.ss_family = static_cast<sa_family_t>(IsUnix(kind) ? AF_INET : AF_UNIX);
  notes.Call("wrong family", BindTo(fd, address));
  address.storage.ss_family = static_cast<sa_family_t>(FamilyOf(kind));
  notes.Call("bind", BindTo(fd, address));
  NoteName(notes, "name", SockName, fd);
  NoteName(notes, "peer", PeerName, fd);
  notes.Call("again", BindTo(fd, Local(kind, 0, "other")));
  const Address taken = IsUnix(kind) ? address : NameOfSocket(fd);
  notes.Call("taken", BindTo(Fresh(kind), taken));
  close(fd);
  notes.Call("taken by nobody", BindTo(Fresh(kind), taken));
}

void BindingInternet(Notes& notes, Kind kind) {
  Address foreign = Local(kind, 0, "");
  if (FamilyOf(kind) == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&foreign.storage)->sin_addr.s_addr = htonl(0xcb007101);
  } else {
    reinterpret_cast<sockaddr_in6*>(&foreign.storage)->sin6_addr.s6_addr[0] = 0x20;
  }
  notes.Call("somebody else's", BindTo(Fresh(kind), foreign));
  Address any = Local(kind, 0, "");
  if (FamilyOf(kind) == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&any.storage)->sin_addr.s_addr = 0;
  } else {
    reinterpret_cast<sockaddr_in6*>(&any.storage)->sin6_addr = in6addr_any;
  }
  const int fd = Fresh(kind);
  notes.Call("any", BindTo(fd, any));
  NoteName(notes, "any's name", SockName, fd);
  const Address name = NameOfSocket(fd);
  const Address same =
      Local(kind, ntohs(reinterpret_cast<const sockaddr_in*>(&name.storage)->sin_port), "");
  notes.Call("one address of any", BindTo(Fresh(kind), same));
  const int one = 1;
  const int reuse = Fresh(kind);
  setsockopt(reuse, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  notes.Call("both reuse", BindTo(reuse, same));
}

void BindingPaths(Notes& notes, Kind kind) {
  Address bound;
  Bound(kind, "file", &bound);
  notes.Call("no directory", BindTo(Fresh(kind), PathOf("nowhere/x")));
  notes.Call("below a socket", BindTo(Fresh(kind), PathOf("file/x")));
  Address full = PathOf(std::string(sizeof(sockaddr_un::sun_path), 'x'));
  notes.Call("no end", BindTo(Fresh(kind), full));
  full.len = offsetof(sockaddr_un, sun_path) + 50;
  const int fd = Fresh(kind);
  notes.Call("ended by its length", BindTo(fd, full));
  NoteName(notes, "its name", SockName, fd);
  Address empty = PathOf("");
  notes.Call("abstract", BindTo(Fresh(kind), empty));
  empty.len = offsetof(sockaddr_un, sun_path);
  notes.Call("no path", BindTo(Fresh(kind), empty));
}

void Listening(Notes& notes, Kind kind) {
  const int fd = Fresh(kind);
  notes.Call("without a name", listen(fd, 1));
  Address address;
  const int bound = Bound(kind, "listener", &address);
  notes.Call("with one", listen(bound, 1));
  notes.Call("again", listen(bound, 0));
  notes.Call("negative backlog", listen(bound, -1));
  if (!Connects(kind)) return;
  notes.Call("connect", ConnectTo(bound, address));
  char byte = 'x';
  notes.Call("send", send(bound, &byte, 1, MSG_NOSIGNAL));
  notes.Call("recv", recv(bound, &byte, 1, MSG_DONTWAIT));
  notes.Ready("listener", bound);
  const Pair pair = MakePair(kind);
  notes.Call("a connected one", listen(pair.a, 1));
}

void Accepting(Notes& notes, Kind kind) {
  Address address, from;
  const int fd = Bound(kind, "server", &address);
  notes.Makes("not listening", accept(fd, nullptr, nullptr));
  listen(fd, 5);
  notes.Makes("unknown flags", accept4(fd, nullptr, nullptr, 1));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  notes.Makes("no length", accept(fd, from.get(), nullptr));
  notes.Makes("none there", accept(fd, nullptr, nullptr));
  const int client = Fresh(kind);
  notes.Call("connect", ConnectTo(client, address));
  notes.Settle();
  notes.Ready("listener", fd);
  const rlimit none{static_cast<rlim_t>(client) + 1, 1024}, enough{1024, 1024};
  setrlimit(RLIMIT_NOFILE, &none);
  notes.Makes("no number left", accept(fd, nullptr, nullptr));
  setrlimit(RLIMIT_NOFILE, &enough);
  from.len = sizeof from.storage;
  const int server = notes.Makes("accept", accept(fd, from.get(), &from.len));
  notes.Text("from", Shown(from));
  notes.Value("its flags", fcntl(server, F_GETFL));
  NoteName(notes, "its name", SockName, server);
  NoteName(notes, "its peer", PeerName, server);
  NoteName(notes, "client's name", SockName, client);
  NoteName(notes, "client's peer", PeerName, client);
  ConnectTo(Fresh(kind), address);
  notes.Settle();
  const int quiet = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  notes.Value("accept4's flags", fcntl(quiet, F_GETFL));
  notes.Value("and descriptor's", fcntl(quiet, F_GETFD));
}

// The client has sent, and gone, before it is accepted.
void AcceptingTheGone(Notes& notes, Kind kind) {
  Address address, from;
  const int fd = Listener(kind, "server", &address);
  const int client = Fresh(kind);
  ConnectTo(client, address);
  notes.Call("send", send(client, "hello", 5, 0));
  notes.Call("close", close(client));
  notes.Settle();
  from.len = sizeof from.storage;
  const int server = notes.Makes("accept", accept(fd, from.get(), &from.len));
  notes.Read("read", server, 10);
  notes.Read("end", server, 10);
  notes.Call("listener's shutdown", shutdown(fd, SHUT_RD));
  notes.Settle();
  notes.Ready("listener", fd);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  notes.Makes("accept after shutdown", accept(fd, nullptr, nullptr));
}

void Connecting(Notes& notes, Kind kind) {
  Address address;
  const int listener = Listener(kind, "server", &address);
  const int fd = Fresh(kind);
  notes.Ready("fresh", fd);
  notes.Call("nowhere", connect(fd, nullptr, address.len));
  notes.Call("length 0", connect(fd, address.get(), 0));
  notes.Call("short", connect(fd, address.get(), 3 - 2 * IsUnix(kind)));
  notes.Call("long", connect(fd, address.get(), 256));
  Address wrong = address;
  wrong.storage.ss_family = static_cast<sa_family_t>(IsUnix(kind) ? AF_INET : AF_UNIX);
  notes.Call("wrong family", ConnectTo(fd, wrong));
  notes.Call("connect", ConnectTo(fd, address));
  notes.Call("again", ConnectTo(fd, address));
  NoteName(notes, "name", SockName, fd);
  notes.Call("bind", BindTo(fd, Local(kind, 0, "late")));
  close(listener);
  notes.Settle();
  notes.Ready("listener gone", fd);
  char byte;
  notes.Call("recv", recv(fd, &byte, 1, MSG_DONTWAIT));
  notes.Call("send", send(fd, &byte, 1, MSG_NOSIGNAL));
  NoteName(notes, "peer", PeerName, fd);
}

void ConnectingRefused(Notes& notes, Kind kind) {
  Address address;
  const int bound = Bound(kind, "server", &address);
  int fd = Fresh(kind);
  notes.Call("nobody listens", ConnectTo(fd, address));
  notes.Ready("refused", fd);
  NoteName(notes, "peer", PeerName, fd);
  char byte;
  notes.Call("recv", recv(fd, &byte, 1, MSG_DONTWAIT));
  notes.Call("send", send(fd, &byte, 1, MSG_NOSIGNAL));
  close(bound);
  notes.Call("nobody is there", ConnectTo(Fresh(kind), address));
  if (!IsUnix(kind)) notes.Call("port 0", ConnectTo(Fresh(kind), Local(kind, 0, "")));
}

int PendingError(int fd) {
  int error = -1;
  socklen_t len = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

void ConnectingWithoutWaiting(Notes& notes, Kind kind) {
  Address address;
  const int listener = Listener(kind, "server", &address);
  int fd = Fresh(kind, SOCK_NONBLOCK);
  notes.Call("connect", ConnectTo(fd, address));
  notes.Settle();
  notes.Ready("connected", fd);
  notes.Returns("SO_ERROR", PendingError(fd));
  notes.Call("again", ConnectTo(fd, address));
  notes.Call("and again", ConnectTo(fd, address));
  close(listener);
  fd = Fresh(kind, SOCK_NONBLOCK);
  notes.Call("refused", ConnectTo(fd, address));
  notes.Settle();
  notes.Ready("refused", fd);
  notes.Returns("SO_ERROR refused", PendingError(fd));
  notes.Returns("SO_ERROR once", PendingError(fd));
  notes.Ready("told", fd);
  fd = Fresh(kind, SOCK_NONBLOCK);
  ConnectTo(fd, address);
  notes.Settle();
  char byte;
  notes.Call("recv tells", recv(fd, &byte, 1, 0));
  notes.Call("recv once", recv(fd, &byte, 1, 0));
  notes.Call("send after", send(fd, &byte, 1, MSG_NOSIGNAL));
}

void ConnectingDatagrams(Notes& notes, Kind kind) {
  Address first, second;
  const int a = Bound(kind, "first", &first), b = Bound(kind, "second", &second);
  const int fd = Fresh(kind);
  notes.Call("send unconnected", send(fd, "x", 1, 0));
  notes.Call("connect", ConnectTo(fd, first));
  NoteName(notes, "peer", PeerName, fd);
  notes.Call("send", send(fd, "one", 3, 0));
  notes.Call("sendto elsewhere", sendto(fd, "x", 1, 0, second.get(), second.len));
  notes.Call("connect elsewhere", ConnectTo(fd, second));
  notes.Call("send again", send(fd, "two", 3, 0));
  notes.Settle();
  notes.Read("first", a, 10);
  notes.Read("second", b, 10);
  notes.Read("second, an uninvited one", b, 10);
  Address nobody;
  nobody.storage.ss_family = AF_UNSPEC;
  nobody.len = sizeof(sockaddr);
  notes.Call("connect to nobody", ConnectTo(fd, nobody));
  NoteName(notes, "no peer", PeerName, fd);
  notes.Call("send to nobody", send(fd, "x", 1, 0));
  notes.Call("connect to itself", ConnectTo(a, first));
  notes.Call("send to itself", send(a, "self", 4, 0));
  notes.Settle();
  notes.Read("from itself", a, 10);
}

// The peer of a datagram socket is gone.
void RefusedDatagrams(Notes& notes, Kind kind) {
  Address address;
  const int peer = Bound(kind, "peer", &address);
  const int fd = Fresh(kind);
  ConnectTo(fd, address);
  close(peer);
  notes.Settle();
  notes.Ready("peer gone", fd);
  notes.Call("send", send(fd, "x", 1, 0));
  notes.Settle();
  notes.Ready("after sending", fd);
  notes.Returns("SO_ERROR", PendingError(fd));
  notes.Call("send again", send(fd, "x", 1, 0));
  notes.Settle();
  char byte;
  notes.Call("recv", recv(fd, &byte, 1, MSG_DONTWAIT));
  notes.Call("recv again", recv(fd, &byte, 1, MSG_DONTWAIT));
  notes.Call("sendto", sendto(Fresh(kind), "x", 1, 0, address.get(), address.len));
}

void ConnectingPaths(Notes& notes, Kind kind) {
  Address address;
  Bound(kind, "bound", &address);
  notes.Call("nothing there", ConnectTo(Fresh(kind), PathOf("nothing")));
  notes.Call("no directory", ConnectTo(Fresh(kind), PathOf("nowhere/x")));
  notes.Call("below a socket", ConnectTo(Fresh(kind), PathOf("bound/x")));
  notes.Call("the empty path", ConnectTo(Fresh(kind), PathOf("")));
  const Kind other = kind == Kind::kUnixDgram ? Kind::kUnixStream : Kind::kUnixDgram;
  notes.Call("another type", ConnectTo(Fresh(other), address));
  notes.Call("a long name", ConnectTo(Fresh(kind), PathOf(std::string(100, 'x') + "/y")));
}

void Names(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  NoteName(notes, "name", SockName, pair.a);
  NoteName(notes, "peer", PeerName, pair.a);
  Address address;
  address.len = 4;
  notes.Call("cut", getsockname(pair.a, address.get(), &address.len));
  notes.Value("length of a cut name", address.len);
  notes.Call("nowhere", getsockname(pair.a, nullptr, &address.len));
  notes.Call("no length", getsockname(pair.a, address.get(), nullptr));
  address.len = static_cast<socklen_t>(-1);
  notes.Call("negative length", getsockname(pair.a, address.get(), &address.len));
  NoteName(notes, "fresh peer", PeerName, Fresh(kind));
  close(pair.b);
  notes.Settle();
  NoteName(notes, "peer gone", PeerName, pair.a);
}

// Calls on descriptors that are no sockets, or nothing.
void NotSockets(Notes& notes) {
  int ends[2];
  if (pipe(ends) != 0) return;
  for (const int fd : {ends[0], 99, -1}) {
    const std::string what = fd == ends[0] ? "pipe: " : fd == 99 ? "closed: " : "negative: ";
    const Address address = Local(Kind::kTcp4, 9, "");
    char byte = 'x';
    msghdr msg{};
    socklen_t len = sizeof byte;
    notes.Call(what + "bind", BindTo(fd, address));
    notes.Call(what + "listen", listen(fd, 1));
    notes.Makes(what + "accept", accept(fd, nullptr, nullptr));
    notes.Makes(what + "accept4", accept4(fd, nullptr, nullptr, 0));
    notes.Call(what + "connect", ConnectTo(fd, address));
    notes.Call(what + "shutdown", shutdown(fd, SHUT_RD));
    notes.Call(what + "send", send(fd, &byte, 1, 0));
    notes.Call(what + "sendto", sendto(fd, &byte, 1, 0, address.get(), address.len));
    notes.Call(what + "sendmsg", sendmsg(fd, &msg, 0));
    notes.Call(what + "recv", recv(fd, &byte, 1, 0));
    notes.Call(what + "recvmsg", recvmsg(fd, &msg, 0));
    notes.Call(what + "getsockopt", getsockopt(fd, SOL_SOCKET, SO_TYPE, &byte, &len));
    notes.Call(what + "setsockopt", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &byte, 1));
    NoteName(notes, (what + "getsockname").c_str(), SockName, fd);
    NoteName(notes, (what + "getpeername").c_str(), PeerName, fd);
  }
}

}  // namespace

void AddSocketCases(std::vector<Case>* cases) {
  cases->push_back({"Socket.Making", Making});
  cases->push_back({"Socket.Limits", Limits});
  cases->push_back({"Socket.NotSockets", NotSockets});
  const auto internet = [](Kind kind) { return IsTcp(kind) || IsUdp(kind); };
  const auto dgram = [](Kind kind) { return IsDgram(kind); };
  ForEachKind(cases, "Socket.Flags", Any, Flags);
  ForEachKind(cases, "Bind.Names", Any, Binding);
  ForEachKind(cases, "Bind.Internet", internet, BindingInternet);
  ForEachKind(cases, "Bind.Paths", IsUnix, BindingPaths);
  ForEachKind(cases, "Listen.States", Any, Listening);
  ForEachKind(cases, "Accept.States", Connects, Accepting);
  ForEachKind(cases, "Accept.Gone", Connects, AcceptingTheGone);
  ForEachKind(cases, "Connect.States", Connects, Connecting);
  ForEachKind(cases, "Connect.Refused", Connects, ConnectingRefused);
  ForEachKind(cases, "Connect.WithoutWaiting", Connects, ConnectingWithoutWaiting);
  ForEachKind(cases, "Connect.Datagrams", dgram, ConnectingDatagrams);
  ForEachKind(cases, "Connect.RefusedDatagrams", dgram, RefusedDatagrams);
  ForEachKind(cases, "Connect.Paths", IsUnix, ConnectingPaths);
  ForEachKind(cases, "Names.Ends", Any, Names);
}

}  // namespace sockbed::two_arms
