// TLS through a BIO pair: who moves the bytes between the pair and the world.
//
//   program -- SSL -- internal half | network half -- Transport -- socket
//
// Lives here:  Transport and its three kinds; Pump.
// Called by:   programs and kernel threads that give their SSL a pair instead of a socket.
// May touch:   OpenSSL, bio, uapi; socket and sched for the bare socket.
// Context:     a simulated process or kernel thread; each call [sleeps] in Transport::Wait.
// Owns:        nothing: SSL, pair and transport are the caller's.
// Invariants:  1. What the SSL has written is handed on after every call, whatever the call
//                 returned: holding it back is how both ends come to wait for each other.
//              2. No round is repeated that has moved nothing and has not waited. Who has no room
//                 to write waits for that alone: what has come meanwhile would end the wait at
//                 once.
// Source:      BIO_new_bio_pair(3), SSL_get_error(3).
#ifndef SOCKBED_SSL_PUMP_H_
#define SOCKBED_SSL_PUMP_H_

#include <openssl/ssl.h>

#include "kernel/socket/socketvar.h"
#include "ssl/drive.h"

namespace sockbed::ssl {

// The world beyond a network half. Send and Receive return bytes moved (> 0), 0 when nothing can be
// now, kEnd at the world's end, or -1 with errno. They do not sleep.
class Transport {
 public:
  static constexpr int kEnd = -2;

  virtual ~Transport() = default;
  // Hands on what can be read at `half`.
  virtual int Send(BIO* half) = 0;
  // Writes up to `max` bytes to `half`. REQUIRES: 0 < max <= the half's write guarantee.
  virtual int Receive(BIO* half, int max) = 0;
  // Waits until Receive has something, if `in`, or Send has room, if `out`; at its end it has both.
  // False: nothing to wait on, or the wait failed. [sleeps]
  virtual bool Wait(bool in, bool out) = 0;
};

// A socket by its descriptor, blocking or not.
class FdTransport : public Transport {
 public:
  explicit FdTransport(int fd) : fd_(fd) {}
  int Send(BIO* half) override;
  int Receive(BIO* half, int max) override;
  bool Wait(bool in, bool out) override;

 private:
  const int fd_;
};

// A bare socket, a connected stream: chains change hands, nothing is copied. The half is one of
// bss_bio.h's.
class SocketTransport : public Transport {
 public:
  explicit SocketTransport(socket* so) : so_(so) {}
  int Send(BIO* half) override;
  int Receive(BIO* half, int max) override;
  bool Wait(bool in, bool out) override;

 private:
  socket* const so_;
};

// The network half of another pair, whose SSL lives in the same process: nobody to wait for.
class PairTransport : public Transport {
 public:
  explicit PairTransport(BIO* other) : other_(other) {}
  int Send(BIO* half) override;
  int Receive(BIO* half, int max) override;
  bool Wait(bool /*in*/, bool /*out*/) override { return false; }

 private:
  BIO* const other_;
};

// Drives one SSL. An operation that lacks bytes which nobody can be waited for ends with
// SSL_ERROR_WANT_READ or _WRITE: call it again once the other side has moved.
class Pump {
 public:
  Pump(SSL* ssl, BIO* network, Transport* transport)
      : ssl_(ssl), network_(network), transport_(transport) {}

  Outcome Handshake();
  Outcome Read(void* buffer, size_t size);
  Outcome Write(const void* data, size_t size);
  // Sends close_notify; the peer may still write.
  Outcome SayGoodbye();
  // Sends it and waits for the peer's. ret 1: both have said goodbye.
  Outcome Shutdown();

  // Processes what has come (tickets, key updates, alerts) without taking data. A side that is done
  // must go on doing so: the other may be held up by what it does not take.
  Outcome Attend();

 private:
  enum class Round { kMoved, kIdle, kFailed };

  template <typename Operation>
  Outcome Drive(Operation operation);
  Round HandOn();
  Round TakeIn();
  bool FlushAll();
  Outcome Broken() const;

  SSL* const ssl_;
  BIO* const network_;
  Transport* const transport_;
  bool ended_ = false;  // the transport has; the network half is shut
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_PUMP_H_
