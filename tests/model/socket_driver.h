// Random system calls on a pair of sockets, each foretold by the reference.
//
// Lives here:  Kind, SocketDriver.
// Called by:   socket_model_test.
// Context:     a process; a call that waits is another's, and the driver ends the wait.
// Invariants:  after every step the walkers have seen every buffer of the host.
#ifndef SOCKBED_TESTS_MODEL_SOCKET_DRIVER_H_
#define SOCKBED_TESTS_MODEL_SOCKET_DRIVER_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/sim/random.h"
#include "kernel/sim/time.h"
#include "kernel/socket/socketvar.h"
#include "tests/model/reference.h"

namespace sockbed {

enum class Kind : uint8_t { kUnixStream, kUnixSeqpacket, kUnixDgram, kTcp, kUdp };
inline constexpr Kind kKinds[] = {Kind::kUnixStream, Kind::kUnixSeqpacket, Kind::kUnixDgram,
                                  Kind::kTcp, Kind::kUdp};
std::string_view KindName(Kind kind);

class SocketDriver {
 public:
  SocketDriver(Kind kind, uint64_t seed);
  ~SocketDriver();
  SocketDriver(const SocketDriver&) = delete;
  SocketDriver& operator=(const SocketDriver&) = delete;

  // One random call at one random end.
  void Step();
  // Reads what is left, and ends both sockets: all of it arrives, and the end behind it.
  void Finish();

 private:
  // One socket, and what the model knows of it.
  struct End {
    explicit End(bool keeps_messages) : in(keeps_messages) {}
    int fd = -1;
    socket* so = nullptr;
    Inbox in;
    bool wr_shut = false;  // it sends no more
    bool deaf = false;     // it has shut its receiving side
    sockaddr_storage name = {};
    socklen_t namelen = 0;
    // The urgent byte on its way to this end.
    bool marked = false;  // a mark is ahead, or reached
    size_t ahead = 0;     // bytes before it
    bool taken = false;   // the byte was fetched
    char urgent = 0;
  };

  // What a send is allowed to do.
  struct Verdict {
    int error = 0;               // what must come back; 0: success
    bool maybe_enobufs = false;  // the peer's buffer decides by its own count of control
  };

  bool is_stream() const { return kind_ == Kind::kUnixStream || kind_ == Kind::kTcp; }
  bool is_unix() const { return kind_ != Kind::kTcp && kind_ != Kind::kUdp; }
  bool is_dgram() const { return kind_ == Kind::kUnixDgram || kind_ == Kind::kUdp; }

  void OpenUnix();
  void OpenTcp();
  void OpenUdp();
  void Adopt();

  // The calls.
  void Send(End& a, End& b);
  void SendRights(End& a, End& b);
  void SendUrgent(End& a, End& b);
  void Receive(End& a, End& b);
  void Peek(End& a, End& b);
  void ReceiveAll(End& a, End& b);
  void ReceiveWaiting(End& a, End& b);
  void FetchUrgent(End& a, End& b);
  void LookForMark(End& a, End& b);
  void SetBuffer(End& a, End& b);
  void SetLowWater(End& a, End& b);
  void Poll(End& a, End& b);
  void Count(End& a, End& b);
  void Shut(End& a, End& b);
  void LosePeer(End& a, End& b);

  // The calls that wait (blocked_calls.cc).
  class BlockedCall;
  void SendBlocked(End& a, End& b);
  void SendStreamBlocked(End& a, End& b);
  void SendRecordBlocked(End& a, End& b);
  void ReceiveBlocked(End& a, End& b);
  bool TooSlow(const End& from, const End& to) const;
  void AwaitEnd(const BlockedCall& call);
  std::string ReadWhileBlocked(const End& a, const End& b, const BlockedCall& call, size_t len);
  void SendUntilDone(End& a, End& b, const BlockedCall& call, int64_t least);
  void CheckReceived(End& a, const BlockedCall& call, const std::string& space, int64_t least);
  void EndWithBytes(End& a, End& b, BlockedCall& call, const std::string& space);

  Verdict Foretell(const End& a, const End& b, size_t len, bool rights) const;
  void Transmit(End& a, End& b, Message message);
  void CheckStreamSend(const End& a, const Verdict& verdict, ssize_t n, size_t len, int64_t room);
  bool AtEnd(const End& a, const End& b) const;
  void SkipEmpty(End& a, const End& b);
  size_t Readable(const End& a) const;
  void CheckRead(End& a, End& b, size_t size, int flags, bool wants_rights);
  void ReadAndCompare(End& a, End& b, size_t size, int flags, bool wants_rights);
  void PassMark(End& a, size_t n);
  void ShutNow(End& a, int how);
  void BindAfresh(const End& end, int index);
  void ExpectErrorOnce(int fd, int error);
  void Drain(End& a, End& b);
  void Walk() const;
  void Settle(SimTime most);
  // Long enough for something to happen: TCP probes a closed window every few seconds.
  SimTime a_while() const { return kind_ == Kind::kTcp ? kSecond : 20 * kMillisecond; }

  uint64_t Below(uint64_t bound) { return random_.NextBelow(bound); }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }
  size_t Size();
  std::string Bytes(size_t size);

  const Kind kind_;
  Stream random_;
  End ends_[2];
  int token_ = -1;  // the descriptor that is passed
  int names_ = 0;   // local names given so far
  char next_ = 0;   // bytes count upwards, so that a lost one shows
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_MODEL_SOCKET_DRIVER_H_
