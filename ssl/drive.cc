#include "ssl/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernel/sim/machine.h"
#include "ssl/runtime.h"
#include "ssl/ssl_trace.h"
#include "uapi/uapi.h"

namespace sockbed::ssl {
namespace {

const char* NameOf(int ssl_error) {
  switch (ssl_error) {
    case SSL_ERROR_NONE: return "SSL_ERROR_NONE";
    case SSL_ERROR_SSL: return "SSL_ERROR_SSL";
    case SSL_ERROR_WANT_READ: return "SSL_ERROR_WANT_READ";
    case SSL_ERROR_WANT_WRITE: return "SSL_ERROR_WANT_WRITE";
    case SSL_ERROR_SYSCALL: return "SSL_ERROR_SYSCALL";
    case SSL_ERROR_ZERO_RETURN: return "SSL_ERROR_ZERO_RETURN";
    case SSL_ERROR_WANT_CONNECT: return "SSL_ERROR_WANT_CONNECT";
    case SSL_ERROR_WANT_ACCEPT: return "SSL_ERROR_WANT_ACCEPT";
    case SSL_ERROR_WANT_X509_LOOKUP: return "SSL_ERROR_WANT_X509_LOOKUP";
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: return "SSL_ERROR_WANT_CLIENT_HELLO_CB";
    case SSL_ERROR_WANT_RETRY_VERIFY: return "SSL_ERROR_WANT_RETRY_VERIFY";
    default: return "SSL_ERROR_OTHER";
  }
}

bool Waits(int ssl_error) {
  return ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE ||
         ssl_error == SSL_ERROR_WANT_CONNECT || ssl_error == SSL_ERROR_WANT_ACCEPT;
}

enum class Waited : uint8_t { kHeard, kTimerRan, kTooLong, kFailed };

// Waits until the transport under `ssl` can do what the operation lacked, the DTLS timer is due, or
// it is `until`. kFailed: the wait itself failed, or no message was answered for so long that DTLS
// gives up.
Waited WaitFor(SSL* ssl, int ssl_error, SimTime until) {
  const bool reading = ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_ACCEPT;
  pollfd entry{};
  entry.fd = reading ? SSL_get_rfd(ssl) : SSL_get_wfd(ssl);
  entry.events = reading ? POLLIN : POLLOUT;
  if (entry.fd < 0) return Waited::kFailed;
  timeval left{};
  const bool timed = SSL_is_dtls(ssl) != 0 && DTLSv1_get_timeout(ssl, &left) == 1;
  const SimTime timer = timed ? left.tv_sec * kSecond + left.tv_usec * kMicrosecond : kForever;
  const SimTime patience = until == kForever ? kForever : std::max<SimTime>(until - Now(), 0);
  const SimTime wait = std::min(timer, patience);
  const timespec limit{wait / kSecond, wait % kSecond};
  const int ready = uapi::ppoll(&entry, 1, wait == kForever ? nullptr : &limit, nullptr);
  if (ready != 0) return ready == 1 ? Waited::kHeard : Waited::kFailed;
  if (Now() >= until) return Waited::kTooLong;
  return DTLSv1_handle_timeout(ssl) >= 0 ? Waited::kTimerRan : Waited::kFailed;
}

// Notes a finished handshake, with the addresses of the socket under it.
void Note(SSL* ssl) {
  HandshakeRecord record;
  record.host = Here().host_id;
  record.version = SSL_get_version(ssl);
  record.cipher = SSL_get_cipher_name(ssl);
  const int fd = SSL_get_fd(ssl);
  socklen_t length = sizeof(record.local);
  if (fd >= 0) uapi::getsockname(fd, reinterpret_cast<sockaddr*>(&record.local), &length);
  length = sizeof(record.peer);
  if (fd >= 0) uapi::getpeername(fd, reinterpret_cast<sockaddr*>(&record.peer), &length);
  HostLocal<SslHost>::Get().runtime->AddHandshake(record);
}

// Calls `operation` until it ends in something other than "wait", or has waited for `patience` and
// heard nothing.
template <typename Operation>
Outcome Drive(SSL* ssl, Operation operation, SimTime patience = kForever) {
  const auto deadline = [patience] {
    return patience < kForever - Now() ? Now() + patience : kForever;
  };
  for (SimTime until = deadline();;) {
    if (ERR_peek_error() != 0) ERR_clear_error();  // to empty an empty queue costs five looks
    errno = 0;
    Outcome outcome = TakeOutcome(ssl, operation());
    if (!Waits(outcome.ssl_error)) return outcome;
    switch (WaitFor(ssl, outcome.ssl_error, until)) {
      case Waited::kHeard: until = deadline(); break;
      case Waited::kTimerRan: break;
      case Waited::kTooLong:
        outcome.ssl_error = SSL_ERROR_SYSCALL;
        outcome.sys_errno = ETIMEDOUT;
        return outcome;
      case Waited::kFailed: return TakeOutcome(ssl, -1);
    }
  }
}

// A descriptor that does not block, for as long as this lives; with -1 nothing.
class NonBlockingScope {
 public:
  explicit NonBlockingScope(int fd) : fd_(fd), flags_(fd < 0 ? 0 : uapi::fcntl(fd, F_GETFL)) {
    if (fd_ >= 0) uapi::fcntl(fd_, F_SETFL, flags_ | O_NONBLOCK);
  }
  ~NonBlockingScope() {
    if (fd_ >= 0) uapi::fcntl(fd_, F_SETFL, flags_);
  }
  NonBlockingScope(const NonBlockingScope&) = delete;
  NonBlockingScope& operator=(const NonBlockingScope&) = delete;

 private:
  const int fd_;
  const int flags_;
};

}  // namespace

Outcome TakeOutcome(SSL* ssl, int ret) {
  Outcome outcome;
  outcome.sys_errno = errno;
  outcome.ret = ret;
  outcome.ssl_error = SSL_get_error(ssl, ret);
  outcome.first_error = ERR_peek_error();
  if (outcome.first_error != 0) outcome.last_error = ERR_peek_last_error();
  return outcome;
}

int Outcome::reason() const { return first_error == 0 ? 0 : ERR_GET_REASON(first_error); }

std::string Outcome::ToString() const {
  std::string text = NameOf(ssl_error);
  if (first_error != 0) {
    const char* reason = ERR_reason_error_string(first_error);
    text.append(": ").append(reason != nullptr ? reason : strerror(ERR_GET_REASON(first_error)));
  } else if (ssl_error == SSL_ERROR_SYSCALL) {
    text.append(": ").append(sys_errno != 0 ? strerror(sys_errno) : "the transport ended");
  }
  return text;
}

Outcome Handshake(SSL* ssl, SimTime patience) {
  const bool bounded = patience != kForever;
  const NonBlockingScope in(bounded ? SSL_get_rfd(ssl) : -1);
  const NonBlockingScope out(bounded ? SSL_get_wfd(ssl) : -1);
  const Outcome outcome = Drive(ssl, [ssl] { return SSL_do_handshake(ssl); }, patience);
  NoteHandshake(ssl, outcome);
  return outcome;
}

void NoteHandshake(SSL* ssl, const Outcome& outcome) {
  TraceHandshake(ssl, outcome);
  if (outcome.ok()) Note(ssl);
}

Outcome Read(SSL* ssl, void* buffer, size_t size) {
  return Drive(ssl, [=] {
    size_t got = 0;
    return SSL_read_ex(ssl, buffer, size, &got) == 1 ? static_cast<int>(got) : 0;
  });
}

Outcome Write(SSL* ssl, const void* data, size_t size) {
  if (size == 0) return Outcome{};
  return Drive(ssl, [=] {
    size_t put = 0;
    return SSL_write_ex(ssl, data, size, &put) == 1 ? static_cast<int>(put) : 0;
  });
}

Outcome Shutdown(SSL* ssl) {
  const Outcome sent = Drive(ssl, [ssl] {
    const int ret = SSL_shutdown(ssl);
    return ret == 0 ? 1 : ret;  // 0: ours is sent, the peer's has not come; not an error
  });
  if (!sent.ok() || (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0) return sent;
  return Drive(ssl, [ssl] { return SSL_shutdown(ssl); });
}

}  // namespace sockbed::ssl
