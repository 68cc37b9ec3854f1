#include "bio/bss_acpt.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <new>
#include <utility>

#include "bio/addr.h"
#include "bio/bio_names.h"
#include "bio/bio_sock.h"
#include "bio/bio_stack.h"
#include "bio/bss_sock.h"
#include "bio/methods.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

enum class State { kBefore, kGetAddr, kCreateSocket, kListen, kAccept, kOk };

struct Acceptor {
  State state = State::kBefore;
  HostService asked;  // where to listen
  int family = BIO_FAMILY_IPANY;
  int bind_mode = 0;      // BIO_SOCK_*, of the listening socket
  int accepted_mode = 0;  // of accepted ones
  AddrListPtr list;
  const BIO_ADDRINFO* at = nullptr;
  int sock = -1;
  HostService listening;  // in figures, once it listens
  HostService peer;       // in figures, of the last connection
  BIO* chain = nullptr;   // owned: copied above each connection
};

Acceptor& AcceptorOf(BIO* bio) { return *static_cast<Acceptor*>(BIO_get_data(bio)); }

// What a step of the machine comes to.
enum class Step {
  kGoOn,
  kDone,  // 1
  kFail,  // -1: an entry says why, or the retry flags do
};

void CloseSocket(Acceptor* a) {
  if (a->sock < 0) return;
  uapi::shutdown_staying(a->sock, SHUT_RDWR);
  BIO_closesocket(std::exchange(a->sock, -1));
}

// --- The steps, one for each state. ---

Step Begin(Acceptor* a) {
  if (!a->asked.any()) {
    a->asked.RaiseMissing(BIO_R_NO_ACCEPT_ADDR_OR_SERVICE_SPECIFIED, "hostname=%s, service=%s");
    return Step::kFail;
  }
  a->listening = {};
  a->peer = {};
  a->state = State::kGetAddr;
  return Step::kGoOn;
}

Step GetAddr(Acceptor* a) {
  if (!LookUp(a->asked, BIO_LOOKUP_SERVER, a->family, SOCK_STREAM, &a->list)) return Step::kFail;
  a->at = a->list.get();
  a->state = State::kCreateSocket;
  return Step::kGoOn;
}

Step CreateSocket(Acceptor* a) {
  ERR_set_mark();
  for (;;) {
    a->sock = sockbed::BIO_socket(BIO_ADDRINFO_family(a->at), BIO_ADDRINFO_socktype(a->at),
                                  BIO_ADDRINFO_protocol(a->at), 0);
    const BIO_ADDRINFO* const next = BIO_ADDRINFO_next(a->at);
    if (a->sock >= 0 || next == nullptr) break;
    a->at = next;
    ERR_pop_to_mark();
    ERR_set_mark();
  }
  ERR_clear_last_mark();
  if (a->sock < 0) {
    RaiseSystem("socket", a->asked.host_text(), a->asked.service_text());
    RaiseBio(BIO_R_UNABLE_TO_CREATE_SOCKET);
    return Step::kFail;
  }
  a->state = State::kListen;
  return Step::kGoOn;
}

// A failure closes the socket and stays here: BIO_reset first.
Step Listen(Acceptor* a) {
  AddrStorage own{};
  BIO_sock_info_u info{};
  info.addr = own.addr();
  if (sockbed::BIO_listen(a->sock, BIO_ADDRINFO_address(a->at), a->bind_mode) == 0 ||
      sockbed::BIO_sock_info(a->sock, BIO_SOCK_INFO_ADDRESS, &info) == 0 ||
      !a->listening.SetAddress(own.addr())) {
    BIO_closesocket(std::exchange(a->sock, -1));
    return Step::kFail;
  }
  a->state = State::kAccept;
  return Step::kDone;
}

// The new connection's BIO, under a copy of the chain if there is one. Takes `sock`. Null: out of
// memory.
BIO* NewConnection(const Acceptor& a, int sock) {
  BIO* const bio = sockbed::BIO_new_socket(sock, BIO_CLOSE);
  if (bio == nullptr) {
    BIO_closesocket(sock);
    return nullptr;
  }
  if (a.chain == nullptr) return bio;
  BIO* const chain = BIO_dup_chain(a.chain);
  if (chain == nullptr) {
    BIO_free(bio);
    return nullptr;
  }
  return BIO_push(chain, bio);
}

Step Accept(BIO* bio, Acceptor* a) {
  BIO_clear_retry_flags(bio);
  BIO_set_retry_reason(bio, 0);
  a->peer = {};
  AddrStorage peer{};
  const int sock = sockbed::BIO_accept_ex(a->sock, peer.addr(), a->accepted_mode);
  if (sock < 0) {
    if (BIO_sock_should_retry(sock) != 0) {
      BIO_set_retry_special(bio);
      BIO_set_retry_reason(bio, BIO_RR_ACCEPT);
    }
    return Step::kFail;
  }
  BIO* const connection = NewConnection(*a, sock);
  if (connection == nullptr) return Step::kFail;
  if (!a->peer.SetAddress(peer.addr())) {
    BIO_free_all(connection);
    return Step::kFail;
  }
  BIO_push(bio, connection);
  a->state = State::kOk;
  return Step::kDone;
}

Step StepOf(BIO* bio, Acceptor* a) {
  switch (a->state) {
    case State::kBefore: return Begin(a);
    case State::kGetAddr: return GetAddr(a);
    case State::kCreateSocket: return CreateSocket(a);
    case State::kListen: return Listen(a);
    case State::kAccept: return Accept(bio, a);
    case State::kOk: break;
  }
  if (BIO_next(bio) != nullptr) return Step::kDone;
  a->state = State::kAccept;  // the connection has been taken out
  return Step::kGoOn;
}

int Run(BIO* bio) {
  Acceptor& a = AcceptorOf(bio);
  for (;;) {
    const Step step = StepOf(bio, &a);
    if (step != Step::kGoOn) return step == Step::kDone ? 1 : -1;
  }
}

// --- Data passes through to the connection below, which is accepted if need be. ---

template <typename Pass>
int Through(BIO* bio, Pass pass) {
  BIO_clear_retry_flags(bio);
  while (BIO_next(bio) == nullptr) {
    if (const int ret = Run(bio); ret <= 0) return ret;
  }
  const int n = pass(BIO_next(bio));
  BIO_copy_next_retry(bio);
  return n;
}

int Read(BIO* bio, char* out, int length) {
  if (out == nullptr) return 0;
  return Through(bio, [=](BIO* next) { return BIO_read(next, out, length); });
}

int Write(BIO* bio, const char* in, int length) {
  return Through(bio, [=](BIO* next) { return BIO_write(next, in, length); });
}

int Puts(BIO* bio, const char* text) { return Write(bio, text, static_cast<int>(strlen(text))); }

// --- Controls. ---

long Reset(BIO* bio) {
  Acceptor& a = AcceptorOf(bio);
  CloseSocket(&a);
  a.state = State::kBefore;
  a.at = nullptr;
  a.list.reset();
  BIO_clear_flags(bio, ~0);
  return 0;
}

void SetMode(int* mode, int bit, bool on) { *mode = on ? *mode | bit : *mode & ~bit; }

long SetAccept(BIO* bio, long which, void* value) {
  Acceptor& a = AcceptorOf(bio);
  if (which == 2 || which == 5) {  // here the pointer is the value
    SetMode(&a.bind_mode, which == 2 ? BIO_SOCK_NONBLOCK : BIO_SOCK_TFO, value != nullptr);
    return 1;
  }
  if (value == nullptr) return 1;
  switch (which) {
    case 0:
      BIO_set_init(bio, 1);
      return a.asked.Parse(static_cast<const char*>(value), BIO_PARSE_PRIO_SERV);
    case 1:
      BIO_set_init(bio, 1);
      a.asked.service = static_cast<const char*>(value);
      return 1;
    case 3: BIO_free(std::exchange(a.chain, static_cast<BIO*>(value))); return 1;
    case 4: a.family = *static_cast<const int*>(value); return 1;
    default: return 1;
  }
}

long GetAccept(BIO* bio, long which, void* value) {
  const Acceptor& a = AcceptorOf(bio);
  if (BIO_get_init(bio) == 0) return -1;
  if (which == 4) return FamilyNumber(a.at, a.family);
  if (value == nullptr || which < 0 || which > 3) return -1;
  const char* const names[] = {a.listening.host_or_null(), a.listening.service_or_null(),
                               a.peer.host_or_null(), a.peer.service_or_null()};
  *static_cast<const char**>(value) = names[which];
  return 1;
}

long Adopt(BIO* bio, long close_flag, const int* sock) {
  Acceptor& a = AcceptorOf(bio);
  a.sock = *sock;
  a.state = State::kAccept;
  BIO_set_shutdown(bio, static_cast<int>(close_flag));
  BIO_set_init(bio, 1);
  return 1;
}

long Control(BIO* bio, int command, long number, void* pointer) {
  Acceptor& a = AcceptorOf(bio);
  switch (command) {
    case BIO_CTRL_RESET: return Reset(bio);
    case BIO_C_DO_STATE_MACHINE: return Run(bio);
    case BIO_C_SET_ACCEPT: return SetAccept(bio, number, pointer);
    case BIO_C_GET_ACCEPT: return GetAccept(bio, number, pointer);
    case BIO_C_SET_NBIO: SetMode(&a.accepted_mode, BIO_SOCK_NONBLOCK, number != 0); return 1;
    case BIO_C_SET_BIND_MODE: a.bind_mode = static_cast<int>(number); return 1;
    case BIO_C_GET_BIND_MODE: return a.bind_mode;
    case BIO_C_SET_FD: return Adopt(bio, number, static_cast<const int*>(pointer));
    case BIO_C_GET_FD:
      if (BIO_get_init(bio) == 0) return -1;
      if (pointer != nullptr) *static_cast<int*>(pointer) = a.sock;
      return a.sock;
    case BIO_CTRL_GET_CLOSE: return BIO_get_shutdown(bio);
    case BIO_CTRL_SET_CLOSE: BIO_set_shutdown(bio, static_cast<int>(number)); return 1;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_EOF: return BIO_next(bio) == nullptr ? 0 : BIO_eof(BIO_next(bio));
    default: return 0;
  }
}

int Create(BIO* bio) {
  void* const memory = OPENSSL_malloc(sizeof(Acceptor));
  if (memory == nullptr) return 0;
  BIO_set_data(bio, new (memory) Acceptor);
  BIO_set_init(bio, 0);
  BIO_set_shutdown(bio, BIO_CLOSE);
  return 1;
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  Acceptor& a = AcceptorOf(bio);
  if (BIO_get_shutdown(bio) != 0) CloseSocket(&a);
  BIO_free(a.chain);
  a.~Acceptor();
  OPENSSL_free(&a);
  return 1;
}

}  // namespace

const BIO_METHOD* MakeAcceptMethod() {
  return NewMethod(BIO_TYPE_ACCEPT, "simulated socket accept",
                   {Create, Destroy, Read, Write, Puts, Control, nullptr});
}

const BIO_METHOD* BIO_s_accept() { return Methods().accept; }

BIO* BIO_new_accept(const char* host_and_service) {
  BIO* const bio = BIO_new(sockbed::BIO_s_accept());
  if (bio == nullptr || BIO_set_accept_name(bio, host_and_service) == 1) return bio;
  BIO_free(bio);
  return nullptr;
}

}  // namespace sockbed
