// Every kind of socket and pipe that both kernels have, and connected pairs of them.
//
// Lives here:  Kind, Pair, Fresh, Bound, MakePair, ForEachKind.
// Called by:   the bodies.
// Context:     either arm.
// Differs:     local names are relative paths, so that they read alike in both arms.
#ifndef SOCKBED_TESTS_TWO_ARMS_KINDS_H_
#define SOCKBED_TESTS_TWO_ARMS_KINDS_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/two_arms/notes.h"

namespace sockbed::two_arms {

enum class Kind { kTcp4, kTcp6, kUdp4, kUdp6, kUnixStream, kUnixSeqpacket, kUnixDgram, kPipe };

const char* NameOf(Kind kind);
int FamilyOf(Kind kind);
int TypeOf(Kind kind);  // SOCK_STREAM ...
inline bool IsUnix(Kind kind) { return FamilyOf(kind) == AF_UNIX && kind != Kind::kPipe; }
inline bool IsTcp(Kind kind) { return kind == Kind::kTcp4 || kind == Kind::kTcp6; }
inline bool IsUdp(Kind kind) { return kind == Kind::kUdp4 || kind == Kind::kUdp6; }
inline bool IsDgram(Kind kind) { return TypeOf(kind) == SOCK_DGRAM; }
inline bool IsStream(Kind kind) { return TypeOf(kind) == SOCK_STREAM && kind != Kind::kPipe; }
inline bool IsSocket(Kind kind) { return kind != Kind::kPipe; }

// An address of any family.
struct Address {
  sockaddr_storage storage = {};
  socklen_t len = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
// The loopback address of an Internet family, or the path `name`.
Address Local(Kind kind, uint16_t port, const std::string& name);
Address PathOf(const std::string& path);
// The name a socket has, and its peer's.
Address NameOfSocket(int fd);

// A socket that nothing was done with; `flags` as SOCK_NONBLOCK.
int Fresh(Kind kind, int flags = 0);
// One that has a name: a port of the kernel's choice, or `path`. Its address goes to *address.
int Bound(Kind kind, const std::string& path, Address* address);
// One that listens.
int Listener(Kind kind, const std::string& path, Address* address, int backlog = 5);

// Two connected ends; of a pipe, what is written to `a` is read from `b`.
struct Pair {
  int a = -1;
  int b = -1;
};
Pair MakePair(Kind kind);

// Adds `name`/Kind for each kind that `which` holds for.
using KindBody = std::function<void(Notes&, Kind)>;
void ForEachKind(std::vector<Case>* cases, const std::string& name,
                 const std::function<bool(Kind)>& which, const KindBody& body);

}  // namespace sockbed::two_arms

#endif  // SOCKBED_TESTS_TWO_ARMS_KINDS_H_
