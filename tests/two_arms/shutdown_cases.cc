// The ends of connections: every combination of shutdown, close and lingering, and what is ready.
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "tests/two_arms/cases.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

constexpr const char* kHowNames[] = {"RD", "WR", "RDWR"};

// What each end can still do.
void NoteEnd(Notes& notes, const std::string& label, int fd) {
  notes.Ready(label, fd);
  notes.Read(label + " read", fd, 20);
  notes.Read(label + " read", fd, 20);
  notes.Call(label + " write", send(fd, "late", 4, MSG_NOSIGNAL | MSG_DONTWAIT));
  notes.Settle();
}

void ShutBy(Notes& notes, Kind kind, int how, bool with_data) {
  const Pair pair = MakePair(kind);
  if (with_data) {
    send(pair.a, "to b", 4, 0);
    send(pair.b, "to a", 4, 0);
    notes.Settle();
  }
  notes.Call("shutdown", shutdown(pair.a, how));
  notes.Settle();
  NoteEnd(notes, "own end", pair.a);
  NoteEnd(notes, "far end", pair.b);
  notes.Ready("own end at last", pair.a);
  notes.Ready("far end at last", pair.b);
  notes.Call("again", shutdown(pair.a, how));
  notes.Call("the other way too", shutdown(pair.a, SHUT_RDWR));
  notes.Settle();
  notes.Ready("wholly shut", pair.a);
  notes.Call("far end shut", shutdown(pair.b, SHUT_RDWR));
  notes.Settle();
  notes.Ready("both shut", pair.a);
  notes.Call("shutdown of both shut", shutdown(pair.a, SHUT_RDWR));
}

void WrongShutdowns(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Call("how 3", shutdown(pair.a, 3));
  notes.Call("how -1", shutdown(pair.a, -1));
  notes.Call("unconnected", shutdown(Fresh(kind), SHUT_RDWR));
  notes.Call("unconnected reading", shutdown(Fresh(kind), SHUT_RD));
  notes.Call("unconnected, how 3", shutdown(Fresh(kind), 3));
}

void Closing(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const int twin = dup(pair.a);
  notes.Call("close", close(pair.a));
  notes.Call("close again", close(pair.a));
  notes.Settle();
  notes.Ready("its twin is open", pair.b);
  notes.Call("write by the twin", write(twin, "x", 1));
  notes.Call("close the twin", close(twin));
  notes.Settle();
  notes.Ready("all closed", pair.b);
}

// SO_LINGER with no time: the connection is reset.
void Resetting(Notes& notes, Kind kind) {
  signal(SIGPIPE, SIG_IGN);
  const Pair pair = MakePair(kind);
  const linger now{1, 0};
  notes.Call("SO_LINGER", setsockopt(pair.a, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  send(pair.a, "sent", 4, 0);
  notes.Settle();
  notes.Call("close", close(pair.a));
  notes.Settle();
  notes.Ready("reset", pair.b);
  notes.Read("read", pair.b, 10);
  notes.Read("read again", pair.b, 10);
  notes.Call("write", write(pair.b, "x", 1));
  notes.Ready("told", pair.b);
  char name[128];
  socklen_t len = sizeof name;
  notes.Call("getpeername", getpeername(pair.b, reinterpret_cast<sockaddr*>(name), &len));
}

void Lingering(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  const linger second{1, 1};
  notes.Call("SO_LINGER", setsockopt(pair.a, SOL_SOCKET, SO_LINGER, &second, sizeof second));
  send(pair.a, "sent", 4, 0);
  notes.Call("close", close(pair.a));
  notes.Settle();
  notes.Read("read", pair.b, 10);
  notes.Read("end", pair.b, 10);
}

// A reset while data waits: what is told, and in which order.
void ResetWithData(Notes& notes, Kind kind) {
  signal(SIGPIPE, SIG_IGN);
  const Pair pair = MakePair(kind);
  send(pair.a, "x", 1, 0);
  notes.Settle();
  close(pair.b);  // with a byte that nobody has read
  notes.Settle();
  notes.Ready("reset", pair.a);
  int error = -1;
  socklen_t len = sizeof error;
  notes.Call("SO_ERROR", getsockopt(pair.a, SOL_SOCKET, SO_ERROR, &error, &len));
  notes.Returns("its value", error);
  notes.Read("read", pair.a, 10);
  notes.Call("write", write(pair.a, "x", 1));
}

// Readiness, row by row, of sockets that have no peer.
void ReadyAlone(Notes& notes, Kind kind) {
  notes.Ready("fresh", Fresh(kind));
  Address address;
  notes.Ready("bound", Bound(kind, "bound", &address));
  const int fd = Fresh(kind);
  notes.Call("shutdown", shutdown(fd, SHUT_RDWR));
  notes.Ready("shut", fd);
}

void ReadyPairs(Notes& notes, Kind kind) {
  const Pair pair = MakePair(kind);
  notes.Ready("idle a", pair.a);
  notes.Ready("idle b", pair.b);
  notes.Call("write", write(pair.a, "x", 1));
  notes.Settle();
  notes.Ready("written a", pair.a);
  notes.Ready("written b", pair.b);
  notes.Read("read", pair.b, 1);
  notes.Ready("read b", pair.b);
  const int four = 4;
  if (!IsStream(kind)) return;
  notes.Call("SO_RCVLOWAT", setsockopt(pair.b, SOL_SOCKET, SO_RCVLOWAT, &four, sizeof four));
  write(pair.a, "xyz", 3);
  notes.Settle();
  notes.Ready("below the mark", pair.b);
  write(pair.a, "!", 1);
  notes.Settle();
  notes.Ready("at the mark", pair.b);
}

}  // namespace

void AddShutdownCases(std::vector<Case>* cases) {
  for (int how = 0; how < 3; ++how) {
    for (const bool with_data : {false, true}) {
      const std::string name =
          std::string("Shutdown.") + kHowNames[how] + (with_data ? "WithData" : "");
      ForEachKind(cases, name, IsSocket, [how, with_data](Notes& notes, Kind kind) {
        ShutBy(notes, kind, how, with_data);
      });
    }
  }
  const auto streams = [](Kind kind) { return IsSocket(kind) && !IsDgram(kind); };
  ForEachKind(cases, "Shutdown.Wrong", IsSocket, WrongShutdowns);
  ForEachKind(
      cases, "Close.Twins", [](Kind) { return true; }, Closing);
  ForEachKind(cases, "Close.Resetting", streams, Resetting);
  ForEachKind(cases, "Close.Lingering", streams, Lingering);
  ForEachKind(cases, "Close.ResetWithData", streams, ResetWithData);
  ForEachKind(cases, "Ready.Alone", IsSocket, ReadyAlone);
  ForEachKind(
      cases, "Ready.Pairs", [](Kind) { return true; }, ReadyPairs);
}

}  // namespace sockbed::two_arms
