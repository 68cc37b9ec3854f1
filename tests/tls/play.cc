#include "tests/tls/play.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>

#include <cstring>
#include <utility>

#include "bio/addr.h"
#include "bio/bio_sock.h"
#include "bio/bss_dgram.h"
#include "bio/bss_sock.h"
#include "ssl/context.h"
#include "ssl/dtls.h"
#include "ssl/runtime.h"
#include "tests/captures/test_simulation.h"
#include "uapi/uapi.h"

namespace sockbed::ssl {
namespace {

constexpr uint16_t kPort = 4433;
constexpr char kQuestion[] = "which way?";
constexpr char kAnswer[] = "down";
constexpr int kPatienceSeconds = 120;           // of a read
// Of the whole run: TCP gives a half-closed connection with a silent peer up after 16 hours.
constexpr SimTime kBound = 24 * 3600 * kSecond;

ContextOptions OptionsOf(Kind kind) {
  ContextOptions options;
  options.datagram = options.cookies = kind == Kind::kDtls;
  options.min_version = options.max_version =
      kind == Kind::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  options.tickets = 1;
  return options;
}

// Whoever waits is told of a peer that is gone, or gives up.
void BePatient(int fd, bool stream) {
  const timeval limit{kPatienceSeconds, 0};
  uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  uapi::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  if (stream) uapi::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

// Descriptors of a side; closed when it ends, whatever way.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) BIO_closesocket(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int Give() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// What the callback of a side's BIO knows.
struct Watch {
  Side* side;
  int reset_at;
};

// Counts reads and writes; before the one in question it closes the descriptor with a reset, so
// that this side finds no descriptor and the other no connection.
long WatchOperation(BIO* bio, int operation, const char* /*data*/, size_t /*size*/, int /*argi*/,
                    long /*argl*/, int ret, size_t* /*processed*/) {
  if (operation != BIO_CB_READ && operation != BIO_CB_WRITE) return ret;
  auto* const watch = reinterpret_cast<Watch*>(BIO_get_callback_arg(bio));
  if (++watch->side->operations != watch->reset_at) return ret;
  const int fd = static_cast<int>(BIO_get_fd(bio, nullptr));
  const linger now{1, 0};
  uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  BIO_closesocket(fd);
  return ret;
}

void SetWatch(SSL* ssl, Watch* watch) {
  BIO_set_callback_arg(SSL_get_rbio(ssl), reinterpret_cast<char*>(watch));
  BIO_set_callback_ex(SSL_get_rbio(ssl), WatchOperation);
}

SslPtr SslOver(const Context& context, Fd* fd, bool stream, const std::string& name) {
  BIO* const bio = stream ? sockbed::BIO_new_socket(fd->get(), BIO_CLOSE)
                          : sockbed::BIO_new_dgram(fd->get(), BIO_CLOSE);
  if (bio == nullptr) return nullptr;
  (void)fd->Give();
  return context.NewSsl(bio, name);
}

AddrStorage Address(const sockaddr_in& name) {
  AddrStorage addr{};
  addr.in = name;
  return addr;
}

SslPtr Dial(Kind kind, const Context& context, const sockaddr_in& server, int mode) {
  const bool stream = kind != Kind::kDtls;
  Fd fd(sockbed::BIO_socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0, 0));
  if (fd.get() < 0) return nullptr;
  BePatient(fd.get(), stream);
  AddrStorage addr = Address(server);
  if (sockbed::BIO_connect(fd.get(), addr.addr(), 0) != 1) return nullptr;
  if (mode != 0 && sockbed::BIO_socket_nbio(fd.get(), 1) != 1) return nullptr;
  SslPtr ssl = SslOver(context, &fd, stream, "server");
  if (ssl != nullptr && !stream) BIO_ctrl_set_connected(SSL_get_rbio(ssl.get()), addr.addr());
  return ssl;
}

SslPtr Accept(const Context& context, int mode) {
  const Fd listener(sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(kPort);
  AddrStorage addr = Address(any);
  if (listener.get() < 0 || sockbed::BIO_listen(listener.get(), addr.addr(), 0) != 1) {
    return nullptr;
  }
  Fd fd(sockbed::BIO_accept_ex(listener.get(), nullptr, mode));
  if (fd.get() < 0) return nullptr;
  BePatient(fd.get(), /*stream=*/true);
  return SslOver(context, &fd, /*stream=*/true, "");
}

// Whether an operation has worked; keeps how it failed if not.
bool Keep(const Outcome& outcome, Side* side) {
  if (outcome.ok()) return true;
  side->failure = outcome;
  return false;
}

// Reads until `text` has come.
bool Expect(SSL* ssl, const char* text, Side* side) {
  std::string got;
  while (got.size() < strlen(text)) {
    char buffer[32];
    const Outcome read = Read(ssl, buffer, sizeof buffer);
    if (!Keep(read, side)) return false;
    got.append(buffer, static_cast<size_t>(read.ret));
  }
  return got == text;
}

// Over datagrams the question may be lost: it is asked again.
bool AskOverDatagrams(SSL* ssl, Side* side) {
  timeval limit{2, 0};
  BIO_ctrl(SSL_get_rbio(ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  for (int i = 0; i < 30; ++i) {
    if (!Keep(Write(ssl, kQuestion, strlen(kQuestion)), side)) return false;
    char buffer[32];
    ERR_clear_error();
    const int n = SSL_read(ssl, buffer, sizeof buffer);
    if (n == static_cast<int>(strlen(kAnswer))) return true;
    const Outcome outcome = TakeOutcome(ssl, n);
    if (outcome.ssl_error != SSL_ERROR_WANT_READ) return Keep(outcome, side);
  }
  return false;
}

void RunClient(Kind kind, const sockaddr_in& server, int mode, int reset_at, Side* side) {
  side->begun = true;
  const Context context(Role::kClient, OptionsOf(kind));
  if (!context.ok()) return;
  const SslPtr ssl = Dial(kind, context, server, kind == Kind::kDtls ? 0 : mode);
  if (ssl == nullptr) return;
  side->set_up = true;
  Watch watch{side, reset_at};
  SetWatch(ssl.get(), &watch);
  side->handshake = Handshake(ssl.get());
  if (!side->handshake->ok()) return;
  if (kind == Kind::kDtls) {
    side->conversed = AskOverDatagrams(ssl.get(), side);
    SSL_shutdown(ssl.get());
    return;
  }
  if (!Keep(Write(ssl.get(), kQuestion, strlen(kQuestion)), side)) return;
  side->conversed = Expect(ssl.get(), kAnswer, side);
  if (side->conversed) (void)Keep(Shutdown(ssl.get()), side);
}

// Answers each question that comes, until the goodbye or the end of patience.
void AnswerDatagrams(SSL* ssl, Side* side) {
  for (;;) {
    char buffer[32];
    ERR_clear_error();
    const int n = SSL_read(ssl, buffer, sizeof buffer);
    if (n <= 0) {
      const Outcome outcome = TakeOutcome(ssl, n);
      if (outcome.ssl_error != SSL_ERROR_WANT_READ) (void)Keep(outcome, side);
      return;
    }
    if (!Keep(Write(ssl, kAnswer, strlen(kAnswer)), side)) return;
    side->conversed = true;
  }
}

void ServeDatagrams(const Context& context, Side* side) {
  DtlsListener listener(context, kPort);
  if (!listener.ok()) return;
  const SslPtr ssl = listener.Accept();
  if (ssl == nullptr) return;
  side->set_up = true;
  BePatient(SSL_get_fd(ssl.get()), /*stream=*/false);
  side->handshake = Handshake(ssl.get());
  if (side->handshake->ok()) AnswerDatagrams(ssl.get(), side);
}

void RunServer(Kind kind, int mode, int reset_at, Side* side) {
  side->begun = true;
  const Context context(Role::kServer, OptionsOf(kind));
  if (!context.ok()) return;
  if (kind == Kind::kDtls) {
    ServeDatagrams(context, side);
    return;
  }
  const SslPtr ssl = Accept(context, mode);
  if (ssl == nullptr) return;
  side->set_up = true;
  Watch watch{side, reset_at};
  SetWatch(ssl.get(), &watch);
  side->handshake = Handshake(ssl.get());
  if (!side->handshake->ok() || !Expect(ssl.get(), kQuestion, side)) return;
  side->conversed = Keep(Write(ssl.get(), kAnswer, strlen(kAnswer)), side);
  if (side->conversed) (void)Keep(Shutdown(ssl.get()), side);
}

// Whether SSL_get_error(3) and errno say something that a program can act on.
bool IsDocumented(const Outcome& outcome) {
  switch (outcome.ssl_error) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_ZERO_RETURN: return true;
    case SSL_ERROR_SSL: return outcome.first_error != 0;
    case SSL_ERROR_SYSCALL: return outcome.first_error != 0 || outcome.sys_errno != 0;
    // The time limit of a blocking socket.
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return outcome.sys_errno == EWOULDBLOCK || outcome.sys_errno == EINTR;
    default: return false;
  }
}

std::string WrongOf(const char* who, const Side& side) {
  std::string wrong;
  for (const std::optional<Outcome>& outcome : {side.handshake, side.failure}) {
    if (outcome && !IsDocumented(*outcome)) {
      wrong += std::string(who) + ": undocumented " + outcome->ToString() + "\n";
    }
  }
  return wrong;
}

}  // namespace

std::string Tale::ToString() const {
  std::string text;
  for (const Side* side : {&client, &server}) {
    text += side == &client ? "client:" : "server:";
    if (!side->set_up) text += " not set up";
    if (side->handshake) text += " handshake " + side->handshake->ToString();
    if (side->conversed) text += " conversed";
    if (side->failure) text += " then " + side->failure->ToString();
    text += "\n";
  }
  return text;
}

std::string Tale::Wrong() const {
  std::string wrong = WrongOf("client", client) + WrongOf("server", server) + result.leaks;
  if (result.end != Machine::End::kQuiescent) wrong += "no end within the bound\n";
  for (const SleeperInfo& sleeper : result.sleepers) {
    // Nobody owes a listener a connection, or a datagram socket its first hello.
    const bool listens = sleeper.wmesg == "netacc" || (server.begun && !server.set_up);
    if (!listens) wrong += SleeperText(sleeper) + "\n";
  }
  if (client.conversed && !server.handshake) wrong += "the client spoke with nobody\n";
  return wrong;
}

Tale Play(Kind kind, const PlayOptions& options) {
  Tale tale;
  Runtime tls;
  TestSimulation sim({.seed = options.seed, .fault_plan = options.plan});
  tls.Attach(sim.machine());
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  tls.AddHost(server);
  tls.AddHost(client);
  sim.Connect(server, client, options.link);
  const int mode = options.nonblocking ? BIO_SOCK_NONBLOCK : 0;
  server.Spawn("server",
               [&, mode] { RunServer(kind, mode, options.reset_server_at, &tale.server); });
  client.Spawn("client",
               [&, mode] {
                 RunClient(kind, server.address(kPort), mode, options.reset_client_at,
                           &tale.client);
               },
               {.start_at = 50 * kMillisecond});
  sim.RunUntil({.deadline = kBound});
  tale.result = sim.Finish();
  return tale;
}

}  // namespace sockbed::ssl
