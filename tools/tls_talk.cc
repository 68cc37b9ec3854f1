// Talking over TLS and DTLS in the manner of s_server and s_client: lines go one way and come back
// reversed. And a page over HTTPS.

#include <algorithm>
#include <cstring>
#include <string>

#include "bio/bio_sock.h"
#include "bio/bss_dgram.h"
#include "bio/bss_sock.h"
#include "ssl/context.h"
#include "ssl/drive.h"
#include "ssl/dtls.h"
#include "tools/builtin_programs.h"
#include "tools/program_sockets.h"
#include "tools/tls_steps.h"
#include "uapi/uapi.h"

namespace sockbed::tools {
namespace {

constexpr size_t kLineMax = 4096;

// --- What the programs share. ---

// Whether a context and its SSLs can be had; says why not.
bool Made(bool ok) {
  if (!ok) Complain("TLS");
  return ok;
}

// Stores the versions that "1.2", "1.3" or "any" stand for. False, having said so, for others.
bool ReadVersion(const std::string& text, ssl::ContextOptions* options) {
  if (text != "1.2" && text != "1.3" && text != "any") {
    uapi::Print("no such version: %s (1.2, 1.3, any)\n", text.c_str());
    return false;
  }
  options->min_version = text == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
  options->max_version = text == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  return true;
}

// Likewise what a server wants of its clients: "none", "ask", "require".
bool ReadClientCert(const std::string& text, ssl::ContextOptions* options) {
  if (text == "none") {
    options->client_cert = ssl::ClientCert::kNotAsked;
  } else if (text == "ask") {
    options->client_cert = ssl::ClientCert::kAsked;
  } else if (text == "require") {
    options->client_cert = ssl::ClientCert::kRequired;
  } else {
    uapi::Print("no such wish: %s (none, ask, require)\n", text.c_str());
    return false;
  }
  return true;
}

std::string Reversed(std::string line) {
  std::reverse(line.begin(), line.end());
  return line;
}

bool WriteAll(SSL* ssl, const std::string& text) {
  return Succeeded("sending", ssl::Write(ssl, text.data(), text.size()));
}

// The next line without its newline, from what has come and what comes. kEnd: the peer has said
// goodbye.
enum class Line { kRead, kEnd, kFailed };
Line ReadLine(SSL* ssl, std::string* pending, std::string* line) {
  for (;;) {
    if (const size_t end = pending->find('\n'); end != std::string::npos) {
      *line = pending->substr(0, end);
      pending->erase(0, end + 1);
      return Line::kRead;
    }
    if (pending->size() > kLineMax) {
      uapi::Print("a line of more than %zu bytes\n", kLineMax);
      return Line::kFailed;
    }
    char buffer[1024];
    const ssl::Outcome read = ssl::Read(ssl, buffer, sizeof buffer);
    if (read.ssl_error == SSL_ERROR_ZERO_RETURN) return Line::kEnd;
    if (!Succeeded("receiving", read)) return Line::kFailed;
    pending->append(buffer, static_cast<size_t>(read.ret));
  }
}

// --- tls-server. ---

bool ReverseLines(SSL* ssl) {
  std::string pending, line;
  for (;;) {
    switch (ReadLine(ssl, &pending, &line)) {
      case Line::kEnd: return Succeeded("shutdown", ssl::Shutdown(ssl));
      case Line::kFailed: return false;
      case Line::kRead: break;
    }
    if (!WriteAll(ssl, Reversed(line) + "\n")) return false;
  }
}

// Reads a request to its empty line and answers with a page about the connection.
bool ServePage(SSL* ssl) {
  std::string pending, line, request;
  do {
    if (ReadLine(ssl, &pending, &line) != Line::kRead) return false;
    if (request.empty()) request = line;
  } while (!line.empty() && line != "\r");
  const bool known = request.starts_with("GET ") && request.find(" HTTP/1.") != std::string::npos;
  const std::string page =
      known ? std::string("<p>") + SSL_get_version(ssl) + ", " + SSL_get_cipher_name(ssl) + "</p>\n"
            : "<p>only GET is understood</p>\n";
  const std::string answer =
      std::string("HTTP/1.0 ") + (known ? "200 OK" : "400 Bad Request") +
      "\r\nContent-Type: text/html\r\nContent-Length: " + std::to_string(page.size()) + "\r\n\r\n" +
      page;
  return WriteAll(ssl, answer) && Succeeded("shutdown", ssl::Shutdown(ssl));
}

int ServeTls(const ProgramArgs& args) {
  ssl::ContextOptions options;
  if (!ReadVersion(args.text("version"), &options) ||
      !ReadClientCert(args.text("client_cert"), &options)) {
    return 1;
  }
  options.tickets = static_cast<int>(args.number("tickets"));
  const ssl::Context context(ssl::Role::kServer, options);
  if (!Made(context.ok())) return 1;
  const Descriptor listener = Listen(args.port("port"));
  if (!listener.ok()) return 1;
  const int mode = args.flag("nonblocking") ? BIO_SOCK_NONBLOCK : 0;
  bool all_served = true;
  for (int64_t i = 0; i < args.number("clients"); ++i) {
    const int fd = sockbed::BIO_accept_ex(listener.get(), nullptr, mode);
    if (fd < 0) {
      Complain("accept");
      return 1;
    }
    const ssl::SslPtr ssl = context.NewSsl(BIO_new_socket(fd, BIO_CLOSE));
    const bool served = Made(ssl != nullptr) && ShakeHands(ssl.get()) &&
                        (args.flag("www") ? ServePage(ssl.get()) : ReverseLines(ssl.get()));
    all_served = served && all_served;
  }
  return all_served ? 0 : 1;
}

// --- tls-client. ---

bool Talk(SSL* ssl, const std::string& message, int64_t count) {
  std::string pending, line;
  for (int64_t i = 0; i < count; ++i) {
    if (!WriteAll(ssl, message + "\n")) return false;
    if (ReadLine(ssl, &pending, &line) != Line::kRead) return false;
    if (line != Reversed(message)) {
      uapi::Print("\"%s\" is not \"%s\" reversed\n", line.c_str(), message.c_str());
      return false;
    }
  }
  uapi::Print("%lld lines came back reversed\n", static_cast<long long>(count));
  return Succeeded("shutdown", ssl::Shutdown(ssl));
}

int AskTls(const ProgramArgs& args) {
  ssl::ContextOptions options;
  if (!ReadVersion(args.text("version"), &options)) return 1;
  options.present_cert = args.flag("cert");
  const ssl::Context context(ssl::Role::kClient, options);
  if (!Made(context.ok())) return 1;
  const int mode = (args.flag("nonblocking") ? BIO_SOCK_NONBLOCK : 0) |
                   (args.flag("nodelay") ? BIO_SOCK_NODELAY : 0);
  ssl::SessionPtr session;
  for (int64_t i = 0; i < args.number("connections"); ++i) {
    Descriptor fd = Dial(args.text("server"), args.port("port"), mode);
    if (!fd.ok()) return 1;
    const ssl::SslPtr ssl =
        context.NewSsl(BIO_new_socket(fd.get(), BIO_NOCLOSE), args.text("server"));
    if (!Made(ssl != nullptr)) return 1;
    if (session != nullptr) SSL_set_session(ssl.get(), session.get());
    if (!ShakeHands(ssl.get()) || !Talk(ssl.get(), args.text("message"), args.number("count"))) {
      return 1;
    }
    session.reset(SSL_get1_session(ssl.get()));
  }
  return 0;
}

// --- dtls-server and dtls-client. ---

void SetPatience(SSL* ssl, SimTime patience) {
  timeval limit{patience / kSecond, patience % kSecond / kMicrosecond};
  BIO_ctrl(SSL_get_rbio(ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
}

// Answers each datagram reversed until the goodbye, or until nothing has come for `patience`.
bool ReverseDatagrams(SSL* ssl, SimTime patience) {
  if (!ShakeHands(ssl, patience)) return false;
  SetPatience(ssl, patience);
  std::string buffer(kLineMax, '\0');
  int64_t answered = 0;
  for (;;) {
    const int n = SSL_read(ssl, buffer.data(), static_cast<int>(buffer.size()));
    if (n <= 0) break;
    if (!WriteAll(ssl, Reversed(buffer.substr(0, static_cast<size_t>(n))))) return false;
    ++answered;
  }
  uapi::Print("%lld datagrams answered\n", static_cast<long long>(answered));
  return true;
}

// One client after the other: who calls meanwhile waits. The copy of a hello whose client has been
// served is asked for a cookie, as a stranger's is (RFC 6347 4.2.1), and keeps nobody waiting:
// ssl/dtls.h.
int ServeDtls(const ProgramArgs& args) {
  ssl::ContextOptions options;
  options.datagram = options.cookies = true;
  const ssl::Context context(ssl::Role::kServer, options);
  if (!Made(context.ok())) return 1;
  const int family = args.flag("ipv6") ? AF_INET6 : AF_INET;
  ssl::DtlsListener listener(context, args.port("port"), family);
  if (!listener.ok()) {
    Complain("listen");
    return 1;
  }
  bool all_served = true;
  for (int64_t i = 0; i < args.number("clients"); ++i) {
    const ssl::SslPtr ssl = listener.Accept();
    all_served =
        Made(ssl != nullptr) && ReverseDatagrams(ssl.get(), args.number("patience")) && all_served;
  }
  return all_served ? 0 : 1;
}

// Sends `message` and waits for its reverse; sends again up to `tries` times.
bool AskOnce(SSL* ssl, const std::string& message, int64_t tries) {
  std::string answer(kLineMax, '\0');
  for (int64_t i = 0; i < tries; ++i) {
    if (!WriteAll(ssl, message)) return false;
    const int n = SSL_read(ssl, answer.data(), static_cast<int>(answer.size()));
    if (n > 0 && answer.compare(0, static_cast<size_t>(n), Reversed(message)) == 0) return true;
  }
  return false;
}

int AskDtls(const ProgramArgs& args) {
  ssl::ContextOptions options;
  options.datagram = true;
  const std::string message = args.text("message");
  if (message.size() > kLineMax) {
    uapi::Print("a message of more than %zu bytes\n", kLineMax);
    return 1;
  }
  const ssl::Context context(ssl::Role::kClient, options);
  if (!Made(context.ok())) return 1;
  const int family = args.flag("ipv6") ? AF_INET6 : AF_INET;
  const BioAddr addr = Resolve(args.text("server"), args.port("port"), SOCK_DGRAM, family);
  if (addr == nullptr) return 1;
  const Descriptor fd = SocketFor(addr.get(), SOCK_DGRAM);
  if (!fd.ok() || sockbed::BIO_connect(fd.get(), addr.get(), 0) != 1) {
    Complain("connect");
    return 1;
  }
  BIO* const bio = sockbed::BIO_new_dgram(fd.get(), BIO_NOCLOSE);
  const ssl::SslPtr ssl = context.NewSsl(bio, args.text("server"));
  if (!Made(ssl != nullptr)) return 1;
  BIO_ctrl_set_connected(bio, addr.get());
  if (!ShakeHands(ssl.get())) return 1;
  SetPatience(ssl.get(), args.number("timeout"));
  for (int64_t i = 0; i < args.number("count"); ++i) {
    if (!AskOnce(ssl.get(), message, args.number("tries"))) {
      uapi::Print("no answer to datagram %lld\n", static_cast<long long>(i));
      return 1;
    }
  }
  uapi::Print("%lld datagrams came back reversed\n", static_cast<long long>(args.number("count")));
  SSL_shutdown(ssl.get());  // a goodbye that may be lost: nobody waits for its answer
  return 0;
}

// --- https-get. ---

int Get(const ProgramArgs& args) {
  ssl::ContextOptions options;
  options.min_version = TLS1_2_VERSION;
  const ssl::Context context(ssl::Role::kClient, options);
  if (!Made(context.ok())) return 1;
  const Descriptor fd = Dial(args.text("server"), args.port("port"), 0);
  if (!fd.ok()) return 1;
  const ssl::SslPtr ssl =
      context.NewSsl(BIO_new_socket(fd.get(), BIO_NOCLOSE), args.text("server"));
  if (!Made(ssl != nullptr) || !ShakeHands(ssl.get())) return 1;
  const std::string request =
      "GET " + args.text("path") + " HTTP/1.0\r\nHost: " + args.text("server") + "\r\n\r\n";
  if (!WriteAll(ssl.get(), request)) return 1;
  std::string pending, line;
  for (bool first = true;; first = false) {
    const Line what = ReadLine(ssl.get(), &pending, &line);
    if (what == Line::kFailed) return 1;
    if (what == Line::kEnd) break;
    while (line.ends_with('\r')) line.pop_back();
    uapi::Print("%s\n", line.c_str());
    if (first && line.find(" 200 ") == std::string::npos) return 1;
  }
  return Succeeded("shutdown", ssl::Shutdown(ssl.get())) ? 0 : 1;
}

// --- Their arguments. ---

constexpr ArgInfo kTlsServerArgs[] = {
    {"port", ArgType::kPort, "4433", "the port to listen on"},
    {"clients", ArgType::kCount, "1", "how many clients to serve before exiting"},
    {"version", ArgType::kText, "any", "of TLS: 1.2, 1.3, any"},
    {"client_cert", ArgType::kText, "none", "of its clients: none, ask, require"},
    {"tickets", ArgType::kNumber, "2", "session tickets per full TLS 1.3 handshake"},
    {"www", ArgType::kFlag, "false", "answer a GET with a page instead of lines with lines"},
    {"nonblocking", ArgType::kFlag, "false", "non-blocking sockets, waiting in poll"},
};
constexpr ArgInfo kTlsClientArgs[] = {
    {"server", ArgType::kHost, nullptr, "the host to talk to"},
    {"port", ArgType::kPort, "4433", "the port it listens on"},
    {"message", ArgType::kText, "hello", "the line to send"},
    {"count", ArgType::kCount, "1", "how often to send it"},
    {"connections", ArgType::kCount, "1", "one after the other; later ones offer the session"},
    {"version", ArgType::kText, "any", "of TLS: 1.2, 1.3, any"},
    {"cert", ArgType::kFlag, "false", "show its host's certificate when asked"},
    {"nodelay", ArgType::kFlag, "false", "TCP_NODELAY"},
    {"nonblocking", ArgType::kFlag, "false", "non-blocking sockets, waiting in poll"},
};
constexpr ArgInfo kDtlsServerArgs[] = {
    {"port", ArgType::kPort, "4433", "the port to listen on"},
    {"clients", ArgType::kCount, "1", "how many to serve, one after the other, before exiting"},
    {"patience", ArgType::kDuration, "60 s", "how long to wait for a client's next datagram"},
    {"ipv6", ArgType::kFlag, "false", "over IPv6, not IPv4"},
};
constexpr ArgInfo kDtlsClientArgs[] = {
    {"server", ArgType::kHost, nullptr, "the host to talk to"},
    {"port", ArgType::kPort, "4433", "the port it listens on"},
    {"message", ArgType::kText, "hello", "what each datagram says"},
    {"count", ArgType::kCount, "1", "how many to send"},
    {"timeout", ArgType::kDuration, "1 s", "how long to wait for an answer"},
    {"tries", ArgType::kCount, "10", "how often to send one that is not answered"},
    {"ipv6", ArgType::kFlag, "false", "over IPv6, not IPv4"},
};
constexpr ArgInfo kHttpsGetArgs[] = {
    {"server", ArgType::kHost, nullptr, "the host to ask"},
    {"port", ArgType::kPort, "443", "the port it listens on"},
    {"path", ArgType::kText, "/", "what to ask for"},
};

}  // namespace

const ProgramInfo kTlsServer = {"tls-server", "sends each line of a TLS client back reversed",
                                kTlsServerArgs, MakeProgram<ServeTls>};

const ProgramInfo kTlsClient = {"tls-client", "talks to a tls-server and checks what comes back",
                                kTlsClientArgs, MakeProgram<AskTls>};

const ProgramInfo kDtlsServer = {"dtls-server",
                                 "sends each datagram of a DTLS client back reversed",
                                 kDtlsServerArgs, MakeProgram<ServeDtls>};

const ProgramInfo kDtlsClient = {"dtls-client", "talks to a dtls-server, repeating what is lost",
                                 kDtlsClientArgs, MakeProgram<AskDtls>};

const ProgramInfo kHttpsGet = {"https-get", "fetches a page over HTTPS and prints it",
                               kHttpsGetArgs, MakeProgram<Get>};

}  // namespace sockbed::tools
