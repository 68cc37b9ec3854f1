#include "bio/bss_conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <new>
#include <utility>

#include "bio/addr.h"
#include "bio/bio_lookup.h"
#include "bio/bio_names.h"
#include "bio/bio_ptr.h"
#include "bio/bio_sock.h"
#include "bio/bio_stack.h"
#include "bio/bss_dgram.h"
#include "bio/compat.h"
#include "bio/methods.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

// The library's numbers: the info callback is told them.
enum State {
  kBefore = 1,
  kGetAddr = 2,
  kCreateSocket = 3,
  kConnect = 4,
  kOk = 5,
  kBlockedConnect = 6,
  kConnectError = 7,
};

struct Connection {
  State state = kBefore;
  HostService names;
  int family = BIO_FAMILY_IPANY;
  int mode = 0;  // BIO_SOCK_*, besides KEEPALIVE
  int socktype = SOCK_STREAM;
  AddrListPtr list;
  const BIO_ADDRINFO* at = nullptr;  // the address in use, of the list
  int sock = -1;
  bool unsent = false;  // Fast Open: the first write connects
  BioPtr dgram;         // over `sock`, once it is connected and of datagrams
  BIO_info_cb* info = nullptr;
};

Connection& ConnectionOf(BIO* bio) { return *static_cast<Connection*>(BIO_get_data(bio)); }

// What a step of the machine comes to.
enum class Step {
  kGoOn,
  kDone,  // connected
  kFail,  // -1: an entry says why
  kStop,  // 0: it failed, or is to be asked again
};

// --- The steps, one for each state. ---

Step Begin(Connection* c) {
  if (!c->names.any()) {
    c->names.RaiseMissing(BIO_R_NO_HOSTNAME_OR_SERVICE_SPECIFIED, "hostname=%s service=%s");
    return Step::kFail;
  }
  c->state = kGetAddr;
  return Step::kGoOn;
}

Step GetAddr(Connection* c) {
  if (!LookUp(c->names, BIO_LOOKUP_CLIENT, c->family, c->socktype, &c->list)) return Step::kFail;
  c->at = c->list.get();
  c->state = kCreateSocket;
  return Step::kGoOn;
}

Step CreateSocket(Connection* c) {
  c->sock = sockbed::BIO_socket(BIO_ADDRINFO_family(c->at), BIO_ADDRINFO_socktype(c->at),
                                BIO_ADDRINFO_protocol(c->at), 0);
  if (c->sock < 0) {
    RaiseSystem("socket", c->names.host_text(), c->names.service_text());
    RaiseBio(BIO_R_UNABLE_TO_CREATE_SOCKET);
    return Step::kFail;
  }
  c->state = kConnect;
  return Step::kGoOn;
}

Step AskAgain(BIO* bio) {
  BIO_set_retry_special(bio);
  BIO_set_retry_reason(bio, BIO_RR_CONNECT);
  return Step::kStop;
}

// Whether another address is left to try.
bool NextAddress(Connection* c) {
  c->at = BIO_ADDRINFO_next(c->at);
  if (c->at == nullptr) return false;
  BIO_closesocket(std::exchange(c->sock, -1));
  c->state = kCreateSocket;
  return true;
}

Step GiveUp(Connection* c, int error, int reason) {
  errno = error;
  RaiseSystem("connect", c->names.host_text(), c->names.service_text());
  RaiseBio(reason);
  c->state = kConnectError;
  return Step::kStop;
}

// What comes once the socket is connected.
Step Connected(Connection* c) {
  if (c->socktype == SOCK_DGRAM) {
    c->dgram.reset(sockbed::BIO_new_dgram(c->sock, BIO_NOCLOSE));
    if (c->dgram == nullptr) {
      c->state = kConnectError;
      return Step::kFail;
    }
    AddrStorage peer{};
    const BIO_ADDR* const addr = BIO_ADDRINFO_address(c->at);
    memcpy(&peer, SockaddrOf(addr), SockaddrLength(addr));
    BIO_ctrl_set_connected(c->dgram.get(), peer.addr());
  }
  c->state = kOk;
  return Step::kGoOn;
}

Step Connect(BIO* bio, Connection* c) {
  BIO_clear_retry_flags(bio);
  BIO_set_retry_reason(bio, 0);
  ERR_set_mark();
  if (sockbed::BIO_connect(c->sock, BIO_ADDRINFO_address(c->at), BIO_SOCK_KEEPALIVE | c->mode)) {
    ERR_clear_last_mark();
    c->unsent = (c->mode & BIO_SOCK_TFO) != 0;
    return Connected(c);
  }
  const int error = errno;
  if (BIO_sock_should_retry(0) != 0) {
    ERR_pop_to_mark();
    c->state = kBlockedConnect;
    return AskAgain(bio);
  }
  if (NextAddress(c)) {
    ERR_pop_to_mark();
    return Step::kGoOn;
  }
  ERR_clear_last_mark();
  return GiveUp(c, error, BIO_R_CONNECT_ERROR);
}

Step FinishConnect(BIO* bio, Connection* c) {
  pollfd writable{c->sock, POLLOUT, 0};
  if (uapi::poll(&writable, 1, 0) == 0) {
    errno = EINPROGRESS;
    return AskAgain(bio);
  }
  BIO_clear_retry_flags(bio);
  const int error = sockbed::BIO_sock_error(c->sock);
  if (error == 0) return Connected(c);
  return NextAddress(c) ? Step::kGoOn : GiveUp(c, error, BIO_R_NBIO_CONNECT_ERROR);
}

Step StepOf(BIO* bio, Connection* c) {
  switch (c->state) {
    case kBefore: return Begin(c);
    case kGetAddr: return GetAddr(c);
    case kCreateSocket: return CreateSocket(c);
    case kConnect: return Connect(bio, c);
    case kBlockedConnect: return FinishConnect(bio, c);
    case kConnectError: RaiseBio(BIO_R_CONNECT_ERROR); return Step::kStop;
    case kOk: break;
  }
  return Step::kDone;
}

int ResultOf(Step step) { return step == Step::kFail ? -1 : step == Step::kStop ? 0 : 1; }

// Runs until connected or stopped. The info callback hears of each step and may stop it with 0.
int Run(BIO* bio) {
  Connection& c = ConnectionOf(bio);
  for (;;) {
    const Step step = StepOf(bio, &c);
    int ret = ResultOf(step);
    if (c.info != nullptr) {
      const int error = errno;
      ret = c.info(bio, c.state, ret);
      errno = error;
      if (step == Step::kGoOn && ret == 0) return 0;
    }
    if (step != Step::kGoOn) return ret;
  }
}

// --- Data. ---

// 1 when connected; else what the call returns.
int Ready(BIO* bio) { return ConnectionOf(bio).state == kOk ? 1 : Run(bio); }

// What the datagram BIO's read or write came to, flags included.
int Passed(BIO* bio, BIO* dgram, int n) {
  BIO_clear_retry_flags(bio);
  BIO_set_flags(bio, BIO_get_retry_flags(dgram));
  return n;
}

int Read(BIO* bio, char* out, int length) {
  if (const int ready = Ready(bio); ready <= 0) return ready;
  if (BIO* const dgram = ConnectionOf(bio).dgram.get()) {
    return Passed(bio, dgram, BIO_read(dgram, out, length));
  }
  if (out == nullptr) return 0;
  errno = 0;
  const int n =
      static_cast<int>(uapi::read(ConnectionOf(bio).sock, out, static_cast<size_t>(length)));
  BIO_clear_retry_flags(bio);
  if (n <= 0 && BIO_sock_should_retry(n) != 0) {
    BIO_set_retry_read(bio);
  } else if (n == 0) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  }
  return n;
}

// Sends; with Fast Open the first bytes may go with the SYN that they cause.
ssize_t Send(Connection* c, const char* in, size_t size) {
  if (!c->unsent) return uapi::send(c->sock, in, size, MSG_NOSIGNAL);
  const BIO_ADDR* const to = BIO_ADDRINFO_address(c->at);
  const ssize_t n =
      uapi::sendto(c->sock, in, size, MSG_NOSIGNAL, SockaddrOf(to), SockaddrLength(to));
  c->unsent = n < 0;
  return n;
}

int Write(BIO* bio, const char* in, int length) {
  if (const int ready = Ready(bio); ready <= 0) return ready;
  if (BIO* const dgram = ConnectionOf(bio).dgram.get()) {
    return Passed(bio, dgram, BIO_write(dgram, in, length));
  }
  errno = 0;
  const int n = static_cast<int>(Send(&ConnectionOf(bio), in, static_cast<size_t>(length)));
  BIO_clear_retry_flags(bio);
  if (n <= 0 && BIO_sock_should_retry(n) != 0) BIO_set_retry_write(bio);
  return n;
}

int Puts(BIO* bio, const char* text) { return Write(bio, text, static_cast<int>(strlen(text))); }

// --- Controls. ---

// Only a finished connection is shut down; one under way is just closed.
void CloseSocket(Connection* c) {
  c->dgram.reset();
  if (c->sock < 0) return;
  if (c->state == kOk) uapi::shutdown_staying(c->sock, SHUT_RDWR);
  BIO_closesocket(std::exchange(c->sock, -1));
}

long Reset(BIO* bio) {
  Connection& c = ConnectionOf(bio);
  CloseSocket(&c);
  c.state = kBefore;
  c.at = nullptr;
  c.list.reset();
  BIO_clear_flags(bio, ~0);
  return 0;
}

long SetAddress(Connection* c, const BIO_ADDR* addr) {
  if (!c->names.SetAddress(addr)) return 0;
  c->at = nullptr;
  c->list.reset();
  return 1;
}

long SetName(BIO* bio, long which, void* value) {
  if (value == nullptr) return 0;
  Connection& c = ConnectionOf(bio);
  BIO_set_init(bio, 1);
  switch (which) {
    case 0: return c.names.Parse(static_cast<const char*>(value), BIO_PARSE_PRIO_HOST);
    case 1: c.names.service = static_cast<const char*>(value); return 1;
    case 2: return SetAddress(&c, static_cast<const BIO_ADDR*>(value));
    case 3: c.family = *static_cast<const int*>(value); return 1;
    default: return 0;
  }
}

long GetName(const Connection& c, long which, void* value) {
  // The macros of these two pass no pointer.
  if (which == 3) return FamilyNumber(c.at, c.family);
  if (which == 4) return c.mode;
  if (value == nullptr) return 0;
  auto** const out = static_cast<const void**>(value);
  switch (which) {
    case 0: *out = c.names.host_or_null(); return 1;
    case 1: *out = c.names.service_or_null(); return 1;
    case 2: *out = c.at != nullptr ? BIO_ADDRINFO_address(c.at) : nullptr; return 1;
    default: return 0;
  }
}

// Only before the look-up.
long SetSockType(Connection* c, long type) {
  if ((type != SOCK_STREAM && type != SOCK_DGRAM) || c->state >= kGetAddr) return 0;
  c->socktype = static_cast<int>(type);
  return 1;
}

long GetDgram(const Connection& c, BIO** out) {
  if (c.dgram == nullptr) return 0;
  *out = c.dgram.get();
  return 1;
}

// Whom it is connected to, or would be: connects if need be. `room`: bytes at `out`, 0: enough.
long GetPeer(BIO* bio, long room, void* out) {
  (void)Ready(bio);  // as far as it comes
  const Connection& c = ConnectionOf(bio);
  if (c.at == nullptr) return 0;
  const BIO_ADDR* const peer = BIO_ADDRINFO_address(c.at);
  const long length = SockaddrLength(peer);
  memcpy(out, SockaddrOf(peer), static_cast<size_t>(room > 0 ? std::min(room, length) : length));
  return 1;
}

long PollDescriptor(BIO* bio, BIO_POLL_DESCRIPTOR* descriptor) {
  (void)Ready(bio);
  const Connection& c = ConnectionOf(bio);
  if (c.sock < 0) return 0;
  descriptor->type = BIO_POLL_DESCRIPTOR_TYPE_SOCK_FD;
  descriptor->value.fd = c.sock;
  return 1;
}

long Duplicate(const Connection& from, BIO* to) {
  Connection& c = ConnectionOf(to);
  c.names = from.names;
  c.family = from.family;
  c.mode = from.mode;
  c.socktype = from.socktype;
  c.info = from.info;
  BIO_set_init(to, 1);
  return 1;
}

// Controls of later releases; else 0.
long LaterControl(BIO* bio, int command, long number, void* pointer) {
  Connection& c = ConnectionOf(bio);
  switch (command) {
    case BIO_C_SET_TFO:
      c.mode = number != 0 ? c.mode | BIO_SOCK_TFO : c.mode & ~BIO_SOCK_TFO;
      return 1;
    case BIO_C_SET_SOCK_TYPE: return SetSockType(&c, number);
    case BIO_C_GET_SOCK_TYPE: return c.socktype;
    case BIO_C_GET_DGRAM_BIO: return GetDgram(c, static_cast<BIO**>(pointer));
    case BIO_CTRL_DGRAM_GET_PEER:
    case BIO_CTRL_DGRAM_DETECT_PEER_ADDR: return GetPeer(bio, number, pointer);
    case BIO_CTRL_GET_RPOLL_DESCRIPTOR:
    case BIO_CTRL_GET_WPOLL_DESCRIPTOR:
      return PollDescriptor(bio, static_cast<BIO_POLL_DESCRIPTOR*>(pointer));
    default: return 0;
  }
}

long Control(BIO* bio, int command, long number, void* pointer) {
  Connection& c = ConnectionOf(bio);
  switch (command) {
    case BIO_CTRL_RESET: return Reset(bio);
    case BIO_C_DO_STATE_MACHINE: return Ready(bio);
    case BIO_C_SET_CONNECT: return SetName(bio, number, pointer);
    case BIO_C_GET_CONNECT: return GetName(c, number, pointer);
    case BIO_C_SET_NBIO:
      c.mode = number != 0 ? c.mode | BIO_SOCK_NONBLOCK : c.mode & ~BIO_SOCK_NONBLOCK;
      return 1;
    case BIO_C_SET_CONNECT_MODE: c.mode = static_cast<int>(number); return 1;
    case BIO_C_GET_FD:
      if (BIO_get_init(bio) == 0) return -1;
      if (pointer != nullptr) *static_cast<int*>(pointer) = c.sock;
      return c.sock;
    case BIO_CTRL_GET_CLOSE: return BIO_get_shutdown(bio);
    case BIO_CTRL_SET_CLOSE: BIO_set_shutdown(bio, static_cast<int>(number)); return 1;
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_DUP: return Duplicate(c, static_cast<BIO*>(pointer));
    case BIO_CTRL_GET_CALLBACK: *static_cast<BIO_info_cb**>(pointer) = c.info; return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default: return LaterControl(bio, command, number, pointer);
  }
}

long SetCallback(BIO* bio, int command, BIO_info_cb* callback) {
  if (command != BIO_CTRL_SET_CALLBACK) return 0;
  ConnectionOf(bio).info = callback;
  return 1;
}

int Create(BIO* bio) {
  void* const memory = OPENSSL_malloc(sizeof(Connection));
  if (memory == nullptr) return 0;
  BIO_set_data(bio, new (memory) Connection);
  BIO_set_init(bio, 0);
  BIO_set_shutdown(bio, BIO_CLOSE);
  return 1;
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  Connection& c = ConnectionOf(bio);
  if (BIO_get_shutdown(bio) != 0) CloseSocket(&c);
  c.~Connection();
  OPENSSL_free(&c);
  return 1;
}

}  // namespace

const BIO_METHOD* MakeConnectMethod() {
  return NewMethod(BIO_TYPE_CONNECT, "simulated socket connect",
                   {Create, Destroy, Read, Write, Puts, Control, SetCallback});
}

const BIO_METHOD* BIO_s_connect() { return Methods().connect; }

BIO* BIO_new_connect(const char* host_and_service) {
  BIO* const bio = BIO_new(sockbed::BIO_s_connect());
  if (bio == nullptr || BIO_set_conn_hostname(bio, host_and_service) == 1) return bio;
  BIO_free(bio);
  return nullptr;
}

}  // namespace sockbed
