#include "ssl/pump.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "bio/bss_bio.h"
#include "kernel/mbuf/mbuf_ptr.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/uio.h"
#include "kernel/sim/kassert.h"
#include "uapi/uapi.h"

namespace sockbed::ssl {
namespace {

// Turns an errno of a transfer into what a Transport returns.
int ResultOf(int error, int moved) {
  if (error == 0) return moved;
  if (error == EWOULDBLOCK) return 0;  // nothing here sleeps: no signal ends a transfer
  errno = error;
  return -1;
}

short EventsOf(bool in, bool out) {
  return static_cast<short>((in ? POLLIN : 0) | (out ? POLLOUT : 0));
}

// Moves up to `max` bytes from one half to another pair's; how many.
int Move(BIO* from, BIO* to, int max) {
  int total = 0;
  while (total < max) {
    char* data = nullptr;
    const int run = std::min(BIO_nread0(from, &data), max - total);
    if (run <= 0) break;
    const int put = BIO_write(to, data, run);
    if (put <= 0) break;
    total += BIO_nread(from, &data, put);
  }
  return total;
}

}  // namespace

// --- Transports. ---

int FdTransport::Send(BIO* half) {
  char* data = nullptr;
  const int run = BIO_nread0(half, &data);
  if (run <= 0) return 0;
  const ssize_t n = uapi::send(fd_, data, static_cast<size_t>(run), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0) return ResultOf(errno, 0);
  return BIO_nread(half, &data, static_cast<int>(n));
}

int FdTransport::Receive(BIO* half, int max) {
  char* room = nullptr;
  const int run = std::min(BIO_nwrite0(half, &room), max);
  if (run <= 0) return ResultOf(ENOBUFS, 0);
  const ssize_t n = uapi::recv(fd_, room, static_cast<size_t>(run), MSG_DONTWAIT);
  if (n < 0) return ResultOf(errno, 0);
  return n == 0 ? kEnd : BIO_nwrite(half, &room, static_cast<int>(n));
}

bool FdTransport::Wait(bool in, bool out) {
  pollfd entry{fd_, EventsOf(in, out), 0};
  return uapi::poll(&entry, 1, -1) == 1;
}

int SocketTransport::Send(BIO* half) {
  const int64_t room = sbspace(&so_->so_snd);
  // A packet is taken whole or not at all: no more than there is room for. Once nothing more can be
  // sent, sosend says why.
  const bool shut = (so_->so_state & SS_CANTSENDMORE) != 0 || so_->so_error != 0;
  if (room <= 0 && !shut) return 0;
  MbufPtr packet;
  const int n = BioPairTake(half, static_cast<int>(shut ? 1 : room), &packet);
  if (n <= 0) return 0;
  return ResultOf(sosend(so_, nullptr, nullptr, packet.release() /*taken*/, nullptr, MSG_DONTWAIT),
                  n);
}

int SocketTransport::Receive(BIO* half, int max) {
  uio limit{.uio_resid = static_cast<size_t>(max), .uio_rw = UIO_READ};
  mbuf* raw = nullptr;
  int flags = MSG_DONTWAIT;
  const int error = soreceive(so_, nullptr, &limit, &raw, nullptr, &flags);
  MbufPtr chain(raw);
  if (error != 0) return ResultOf(error, 0);
  if (chain == nullptr) return kEnd;
  const int n = BioPairPut(half, &chain);
  KASSERT(chain == nullptr);  // there was room for all of it
  return n;
}

bool SocketTransport::Wait(bool in, bool out) {
  const int events = EventsOf(in, out);
  while (sopoll(so_, events, curproc()) == 0) {
    if (selwait(curproc(), "tlspump", 0) != 0) return false;
  }
  selclear(curproc());
  return true;
}

int PairTransport::Send(BIO* half) {
  return Move(half, other_, static_cast<int>(BIO_ctrl_pending(half)));
}

int PairTransport::Receive(BIO* half, int max) {
  const int n = Move(other_, half, max);
  return n == 0 && BIO_eof(other_) != 0 ? kEnd : n;
}

// --- The pump. ---

// Gives the transport all that it takes.
Pump::Round Pump::HandOn() {
  Round round = Round::kIdle;
  while (BIO_ctrl_pending(network_) > 0) {
    const int n = transport_->Send(network_);
    if (n < 0) return Round::kFailed;
    if (n == 0) break;
    round = Round::kMoved;
  }
  return round;
}

// Takes what the transport has, as far as there is room. Its end is told to the SSL once.
Pump::Round Pump::TakeIn() {
  const int room = static_cast<int>(BIO_ctrl_get_write_guarantee(network_));
  if (room == 0) return Round::kIdle;
  const int n = transport_->Receive(network_, room);
  if (n > 0) return Round::kMoved;
  if (n == 0) return Round::kIdle;
  if (n != Transport::kEnd) return Round::kFailed;
  ended_ = true;
  BIO_shutdown_wr(network_);
  return Round::kMoved;
}

// Waits until the transport has all, if it can be waited for. False: it has failed.
bool Pump::FlushAll() {
  for (;;) {
    if (HandOn() == Round::kFailed) return false;
    if (BIO_ctrl_pending(network_) == 0) return true;
    if (!transport_->Wait(/*in=*/false, /*out=*/true)) return true;
  }
}

Outcome Pump::Broken() const {
  Outcome outcome;
  outcome.ret = -1;
  outcome.ssl_error = SSL_ERROR_SYSCALL;
  outcome.sys_errno = errno;
  return outcome;
}

template <typename Operation>
Outcome Pump::Drive(Operation operation) {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const Outcome outcome = TakeOutcome(ssl_, operation());
    Round round = HandOn();
    if (round == Round::kFailed) return Broken();
    if (outcome.ssl_error == SSL_ERROR_WANT_READ && !ended_) {
      const Round in = TakeIn();
      if (in == Round::kFailed) return Broken();
      if (in == Round::kMoved) round = in;
    } else if (outcome.ssl_error != SSL_ERROR_WANT_WRITE) {
      return outcome;
    }
    if (round == Round::kMoved) continue;
    const bool reads = outcome.ssl_error == SSL_ERROR_WANT_READ;
    if (!transport_->Wait(reads, BIO_ctrl_pending(network_) > 0)) return outcome;
  }
}

Outcome Pump::Handshake() {
  const Outcome outcome = Drive([this] { return SSL_do_handshake(ssl_); });
  const Outcome ended = outcome.ok() && !FlushAll() ? Broken() : outcome;
  NoteHandshake(ssl_, ended);
  return ended;
}

Outcome Pump::Read(void* buffer, size_t size) {
  return Drive([=, this] {
    size_t got = 0;
    return SSL_read_ex(ssl_, buffer, size, &got) == 1 ? static_cast<int>(got) : 0;
  });
}

Outcome Pump::Write(const void* data, size_t size) {
  if (size == 0) return Outcome{};
  const Outcome outcome = Drive([=, this] {
    size_t put = 0;
    return SSL_write_ex(ssl_, data, size, &put) == 1 ? static_cast<int>(put) : 0;
  });
  return outcome.ok() && !FlushAll() ? Broken() : outcome;
}

Outcome Pump::SayGoodbye() {
  const Outcome sent = Drive([this] {
    const int ret = SSL_shutdown(ssl_);
    return ret == 0 ? 1 : ret;  // 0: ours is sent, the peer's has not come; not an error
  });
  return sent.ok() && !FlushAll() ? Broken() : sent;
}

Outcome Pump::Shutdown() {
  const Outcome sent = SayGoodbye();
  if (!sent.ok() || (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0) return sent;
  return Drive([this] { return SSL_shutdown(ssl_); });
}

Outcome Pump::Attend() {
  return Drive([this] {
    char byte;
    return SSL_peek(ssl_, &byte, 1);
  });
}

}  // namespace sockbed::ssl
