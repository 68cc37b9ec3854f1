// Options: their defaults, their sizes, what they become, and what is refused.
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include <string>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

struct Option {
  const char* name;
  int level;
  int number;
  int value;  // to be set
};

constexpr Option kBooleans[] = {
    {"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1}, {"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1}, {"SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 1},
    {"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1}, {"SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1},
    {"SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, 1},
};

constexpr Option kNumbers[] = {
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1},
    {"TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 500},
    {"IP_TTL", IPPROTO_IP, IP_TTL, 9},
    {"IP_TOS", IPPROTO_IP, IP_TOS, 0x10},
    {"IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, 7},
    {"IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP, 0},
    {"IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 1},
    {"IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9},
    {"IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 7},
    {"IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0},
    {"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 0x10},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
    {"IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1},
    {"IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 1},
};

// Those that one kernel alone has.
constexpr Option kAbsent[] = {
    {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 9},
    {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 9},
    {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 3},
    {"TCP_CORK", IPPROTO_TCP, TCP_CORK, 1},
    {"IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, 7},
    {"IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
};

// An option of whole numbers, as text: "9 (4 bytes)".
std::string Get(int fd, const Option& option, bool as_bool) {
  int value = 0;
  socklen_t len = sizeof value;
  if (getsockopt(fd, option.level, option.number, &value, &len) != 0) return ErrnoName(errno);
  if (len == 1) value = *reinterpret_cast<const unsigned char*>(&value);
  if (as_bool) value = value != 0;
  return std::to_string(value) + " (" + std::to_string(len) + " bytes)";
}

void NoteOption(Notes& notes, int fd, const Option& option, bool as_bool) {
  const std::string name = option.name;
  notes.Text(name + " at first", Get(fd, option, as_bool));
  notes.Call(name + " set", setsockopt(fd, option.level, option.number, &option.value, 4));
  notes.Text(name + " then", Get(fd, option, as_bool));
  int value = 0;
  socklen_t len = 1;
  notes.Call(name + " cut", getsockopt(fd, option.level, option.number, &value, &len));
  notes.Value(name + " cut to", len);
  notes.Call(name + " short", setsockopt(fd, option.level, option.number, &option.value, 3));
  notes.Call(name + " empty", setsockopt(fd, option.level, option.number, &value, 0));
  notes.Call(name + " from nowhere", setsockopt(fd, option.level, option.number, nullptr, 4));
}

void Booleans(Notes& notes, Kind kind) {
  for (const Option& option : kBooleans) NoteOption(notes, Fresh(kind), option, true);
}

void Numbers(Notes& notes, Kind kind) {
  for (const Option& option : kNumbers) {
    if (option.level == IPPROTO_TCP && !IsTcp(kind)) continue;
    if (option.level == IPPROTO_IP && FamilyOf(kind) != AF_INET) continue;
    if (option.level == IPPROTO_IPV6 && FamilyOf(kind) != AF_INET6) continue;
    const std::string name = option.name;
    if (IsTcp(kind) &&
        (name.find("MULTICAST") != std::string::npos || name.starts_with("IPV6_RECV"))) {
      continue;
    }
    NoteOption(notes, Fresh(kind), option, false);
    const int large = 100'000, negative = -5;
    notes.Call(std::string(option.name) + " too large",
               setsockopt(Fresh(kind), option.level, option.number, &large, sizeof large));
    notes.Call(std::string(option.name) + " negative",
               setsockopt(Fresh(kind), option.level, option.number, &negative, sizeof negative));
  }
}

void Absent(Notes& notes) {
  for (const Option& option : kAbsent) {
    const int fd = Fresh(option.level == IPPROTO_IPV6 ? Kind::kTcp6 : Kind::kTcp4);
    notes.Text(option.name, Get(fd, option, false));
    notes.Call(std::string(option.name) + " set",
               setsockopt(fd, option.level, option.number, &option.value, 4));
  }
}

void ReadOnly(Notes& notes, Kind kind) {
  const int fd = Fresh(kind);
  for (const Option& option : {Option{"SO_TYPE", SOL_SOCKET, SO_TYPE, 1},
                               {"SO_ERROR", SOL_SOCKET, SO_ERROR, 1},
                               {"SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN, 1}}) {
    notes.Text(option.name, Get(fd, option, false));
    notes.Call(std::string(option.name) + " set",
               setsockopt(fd, option.level, option.number, &option.value, 4));
  }
}

void Unknown(Notes& notes, Kind kind) {
  const int fd = Fresh(kind);
  int value = 1;
  socklen_t len = sizeof value;
  notes.Call("set", setsockopt(fd, SOL_SOCKET, 4711, &value, sizeof value));
  notes.Call("get", getsockopt(fd, SOL_SOCKET, 4711, &value, &len));
  notes.Call("set at an unknown level", setsockopt(fd, 4711, 1, &value, sizeof value));
  notes.Call("get at an unknown level", getsockopt(fd, 4711, 1, &value, &len));
  notes.Call("TCP's at UDP's level", setsockopt(fd, IPPROTO_UDP, TCP_NODELAY, &value, len));
  notes.Call("TCP's", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
  notes.Call("unknown of TCP", setsockopt(fd, IPPROTO_TCP, 4711, &value, sizeof value));
  notes.Call("unknown of IP", setsockopt(fd, IPPROTO_IP, 4711, &value, sizeof value));
  notes.Call("unknown of IPv6", setsockopt(fd, IPPROTO_IPV6, 4711, &value, sizeof value));
  notes.Call("get to nowhere", getsockopt(fd, SOL_SOCKET, SO_TYPE, nullptr, &len));
  notes.Call("get without a length", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, nullptr));
  len = 0;
  notes.Call("get of no bytes", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
  len = static_cast<socklen_t>(-1);
  notes.Call("get of a negative length", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
  char many[3000] = {};
  notes.Call("set of 3000 bytes", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, many, sizeof many));
}

void Lingering(Notes& notes, Kind kind) {
  const int fd = Fresh(kind);
  linger got{-1, -1};
  socklen_t len = sizeof got;
  notes.Call("get", getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len));
  notes.Value("at first", got.l_onoff != 0);
  notes.Value("its time", got.l_linger);
  linger wanted{1, 7};
  notes.Call("set", setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, sizeof wanted));
  getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len);
  notes.Value("then", got.l_onoff != 0);
  notes.Value("its time", got.l_linger);
  notes.Value("length", len);
  notes.Call("short", setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, 4));
  wanted = {1, -1};
  notes.Call("negative", setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, sizeof wanted));
  wanted = {1, 40'000};
  notes.Call("40000 seconds", setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, sizeof wanted));
  wanted = {0, 9};
  notes.Call("off", setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, sizeof wanted));
  getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len);
  notes.Value("at last", got.l_onoff != 0);
}

void Limits(Notes& notes, Kind kind) {
  const int fd = Fresh(kind);
  for (const auto& [name, number] :
       {std::pair{"SO_RCVTIMEO", SO_RCVTIMEO}, {"SO_SNDTIMEO", SO_SNDTIMEO}}) {
    const std::string label = name;
    timeval got{-1, -1};
    socklen_t len = sizeof got;
    notes.Call(label, getsockopt(fd, SOL_SOCKET, number, &got, &len));
    notes.Value(label + " us", got.tv_sec * 1'000'000 + got.tv_usec);
    notes.Value(label + " length", len);
    timeval wanted{2, 500'000};
    notes.Call(label + " set", setsockopt(fd, SOL_SOCKET, number, &wanted, sizeof wanted));
    getsockopt(fd, SOL_SOCKET, number, &got, &len);
    notes.Value(label + " us then", got.tv_sec * 1'000'000 + got.tv_usec);
    wanted = {0, 1'000'000};
    notes.Call(label + " not canonical",
               setsockopt(fd, SOL_SOCKET, number, &wanted, sizeof wanted));
    wanted = {-1, 0};
    notes.Call(label + " negative", setsockopt(fd, SOL_SOCKET, number, &wanted, sizeof wanted));
    notes.Call(label + " short", setsockopt(fd, SOL_SOCKET, number, &wanted, 8));
    wanted = {1'000'000, 0};
    notes.Call(label + " of 11 days", setsockopt(fd, SOL_SOCKET, number, &wanted, sizeof wanted));
  }
}

void Buffers(Notes& notes, Kind kind) {
  for (const auto& [name, number] : {std::pair{"SO_SNDBUF", SO_SNDBUF},
                                     {"SO_RCVBUF", SO_RCVBUF},
                                     {"SO_RCVLOWAT", SO_RCVLOWAT},
                                     {"SO_SNDLOWAT", SO_SNDLOWAT}}) {
    const std::string label = name;
    const int fd = Fresh(kind);
    int value = 0;
    socklen_t len = sizeof value;
    notes.Call(label, getsockopt(fd, SOL_SOCKET, number, &value, &len));
    notes.Value(label + " length", len);
    notes.Value(label + " is positive", value > 0);
    const int wanted = 5'000;
    notes.Call(label + " set", setsockopt(fd, SOL_SOCKET, number, &wanted, sizeof wanted));
    getsockopt(fd, SOL_SOCKET, number, &value, &len);
    notes.Value(label + " then", value);
    const int zero = 0;
    notes.Call(label + " zero", setsockopt(fd, SOL_SOCKET, number, &zero, sizeof zero));
    const int huge = 1 << 30;
    notes.Call(label + " huge", setsockopt(fd, SOL_SOCKET, number, &huge, sizeof huge));
    notes.Call(label + " short", setsockopt(fd, SOL_SOCKET, number, &wanted, 2));
  }
}

// Options of sockets that are connected, and of accepted ones.
void Inherited(Notes& notes, Kind kind) {
  Address address;
  const int listener = Listener(kind, "server", &address);
  const int one = 1;
  const linger seven{1, 7};
  setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(listener, SOL_SOCKET, SO_LINGER, &seven, sizeof seven);
  const timeval second{1, 0};
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  notes.Text("SO_ACCEPTCONN", Get(listener, {"", SOL_SOCKET, SO_ACCEPTCONN, 0}, false));
  const int client = Fresh(kind);
  notes.Call("connect", connect(client, address.get(), address.len));
  const int server = notes.Makes("accept", accept(listener, nullptr, nullptr));
  notes.Text("SO_KEEPALIVE", Get(server, {"", SOL_SOCKET, SO_KEEPALIVE, 0}, true));
  linger got{};
  socklen_t len = sizeof got;
  getsockopt(server, SOL_SOCKET, SO_LINGER, &got, &len);
  notes.Value("linger", got.l_linger);
  timeval limit{};
  len = sizeof limit;
  getsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, &len);
  notes.Value("SO_RCVTIMEO", limit.tv_sec);
  notes.Text("SO_ACCEPTCONN of it", Get(server, {"", SOL_SOCKET, SO_ACCEPTCONN, 0}, false));
  notes.Text("SO_TYPE of it", Get(server, {"", SOL_SOCKET, SO_TYPE, 0}, false));
}

}  // namespace

void AddOptionCases(std::vector<Case>* cases) {
  const auto internet = [](Kind kind) { return IsTcp(kind) || IsUdp(kind); };
  const auto connects = [](Kind kind) { return IsSocket(kind) && !IsDgram(kind); };
  ForEachKind(cases, "Option.Booleans", IsSocket, Booleans);
  ForEachKind(cases, "Option.Numbers", internet, Numbers);
  cases->push_back({"Option.Absent", Absent});
  ForEachKind(cases, "Option.ReadOnly", IsSocket, ReadOnly);
  ForEachKind(cases, "Option.Unknown", IsSocket, Unknown);
  ForEachKind(cases, "Option.Lingering", IsSocket, Lingering);
  ForEachKind(cases, "Option.Limits", IsSocket, Limits);
  ForEachKind(cases, "Option.Buffers", IsSocket, Buffers);
  ForEachKind(cases, "Option.Inherited", connects, Inherited);
}

}  // namespace sockbed::two_arms
