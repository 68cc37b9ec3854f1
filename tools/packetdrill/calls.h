// System calls of a script: from a line to a call, and from what came back to a verdict.
//
// Lives here:  Calls, PendingCall.
// Called by:   runner.
// May touch:   uapi, through which all calls go.
// Context:     Prepare and Judge outside the simulation; PendingCall::Make in a simulated process.
// Invariants:  a script's descriptors are names: each stands for the number the kernel gave.
#ifndef SOCKBED_TOOLS_PACKETDRILL_CALLS_H_
#define SOCKBED_TOOLS_PACKETDRILL_CALLS_H_

#include <sys/socket.h>

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/config.h"
#include "tools/packetdrill/script.h"
#include "tools/packetdrill/tracked.h"

namespace sockbed::packetdrill {

// A call that is about to be made, or has been.
struct PendingCall {
  std::function<int64_t()> body;
  std::function<absl::Status()> output;  // compares what it wrote; after success. May be empty.
  std::function<void()> effect;          // what the script knows from now on. May be empty.
  bool gives_descriptor = false;
  int64_t result = 0;
  int error = 0;

  // REQUIRES: in a simulated process.
  int64_t Make();
};

class Calls {
 public:
  Calls(const Config& config, Connections* connections)
      : config_(config), connections_(connections) {}

  // Errors: what the original says of it at run time ("Expected 3 args but got 2", "unknown symbol:
  // 'X'"); Unimplemented for calls that the simulated system has not.
  absl::StatusOr<std::shared_ptr<PendingCall>> Prepare(const Call& call);
  // Compares result, errno and output with the line's; then its effects hold. Errors: "Expected
  // result ...".
  absl::Status Judge(const Call& call, PendingCall* pending);

  // Script descriptor to live one.
  const std::map<int, int>& descriptors() const { return descriptors_; }

 private:
  using Handler = absl::Status (Calls::*)(const Call&, PendingCall*);
  struct Entry {
    const char* name;
    size_t least, most;  // arguments
    Handler handler;
  };
  static const Entry* FindEntry(const std::string& name);
  friend struct CallTable;

  // --- Arguments. ---

  absl::Status Live(const Expr& expr, int* fd) const;
  // A socket address of the script's, in the family that it uses.
  socklen_t SocketAddress(const std::string& ip, uint16_t port, sockaddr_storage* address) const;
  socklen_t PeerAddress(sockaddr_storage* address) const;
  // The call makes a new socket speak: to be known before it does, and not so if it fails.
  void Speaks(int script, PendingCall* pending);

  // --- calls_socket.cc ---

  absl::Status Socket(const Call& call, PendingCall* pending);
  absl::Status Bind(const Call& call, PendingCall* pending);
  absl::Status Listen(const Call& call, PendingCall* pending);
  absl::Status Accept(const Call& call, PendingCall* pending);
  absl::Status Connect(const Call& call, PendingCall* pending);
  absl::Status Close(const Call& call, PendingCall* pending);
  absl::Status Shutdown(const Call& call, PendingCall* pending);
  absl::Status Fcntl(const Call& call, PendingCall* pending);
  absl::Status Ioctl(const Call& call, PendingCall* pending);

  // --- calls_event.cc ---

  absl::Status Poll(const Call& call, PendingCall* pending);
  absl::Status EpollCreate(const Call& call, PendingCall* pending);
  absl::Status EpollCtl(const Call& call, PendingCall* pending);
  absl::Status EpollWait(const Call& call, PendingCall* pending);
  absl::Status Pipe(const Call& call, PendingCall* pending);

  // --- calls_data.cc ---

  absl::Status ReadWrite(const Call& call, PendingCall* pending);
  absl::Status Vectors(const Call& call, PendingCall* pending);
  absl::Status SendRecv(const Call& call, PendingCall* pending);
  absl::Status SendRecvNamed(const Call& call, PendingCall* pending);
  absl::Status Message(const Call& call, PendingCall* pending);

  // --- calls_option.cc ---

  absl::Status GetOption(const Call& call, PendingCall* pending);
  absl::Status SetOption(const Call& call, PendingCall* pending);

  const Config& config_;
  Connections* const connections_;
  std::map<int, int> descriptors_;
};

// The value of an integer expression. Errors: "unknown symbol: 'X'", "Bad type; ...".
absl::StatusOr<int64_t> ValueOf(const Expr& expr);
// The same where the system takes `bits` bits, with a sign or without. Errors: also "N does not fit
// into B bits".
absl::StatusOr<int> IntOf(const Expr& expr, int bits = 32);
// The same of a field that the script may leave open ("..."), where nothing is to be sent: then it
// has no value.
absl::Status ReadOpenInt(const Expr& expr, bool get, std::optional<int>* value);
// The values of all arguments from the `from`-th on. Errors: those of IntOf.
absl::Status IntsFrom(const Call& call, size_t from, std::vector<int>* values);
absl::Status CallError(const std::string& what);
bool IsNull(const Expr& expr);
absl::Status NeedEllipsis(const Expr& expr);
// The fields of a struct in the order of `names`: each by its name, or by its place if it has none;
// null: not there. Errors: no struct; a field of another name, one too many, or one given twice.
absl::Status FieldsOf(const Expr& structure, std::initializer_list<const char*> names,
                      std::vector<const Expr*>* fields);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_CALLS_H_
