// A file over TLS: the server sends its length, its SHA-256 and its bytes; the client checks them.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "bio/bss_sock.h"
#include "ssl/context.h"
#include "ssl/drive.h"
#include "ssl/sha256.h"
#include "tools/builtin_programs.h"
#include "tools/program_sockets.h"
#include "tools/tls_steps.h"
#include "uapi/uapi.h"

namespace sockbed::tools {
namespace {

constexpr size_t kChunkBytes = 16 * 1024;  // one TLS record
constexpr size_t kDigestDigits = 64;
constexpr size_t kHeaderBytes = 20 + 1 + kDigestDigits;  // length in decimal, a blank, the SHA-256

std::string Sha256Of(const std::string& bytes) {
  ssl::Sha256 hash;
  hash.Update(bytes.data(), bytes.size());
  return hash.Finish();
}

std::string HeaderFor(const std::string& contents) {
  char length[21];
  snprintf(length, sizeof(length), "%20zu", contents.size());
  return std::string(length) + " " + Sha256Of(contents);
}

bool WriteAll(SSL* ssl, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size(); sent += kChunkBytes) {
    const size_t n = std::min(kChunkBytes, bytes.size() - sent);
    if (!Succeeded("sending", ssl::Write(ssl, bytes.data() + sent, n))) return false;
  }
  return true;
}

bool ServeOne(const ssl::Context& context, int fd, const std::string& contents,
              const std::string& header) {
  const ssl::SslPtr ssl = context.NewSsl(BIO_new_socket(fd, BIO_CLOSE));
  if (ssl == nullptr) return false;
  if (!ShakeHands(ssl.get())) return false;
  if (!WriteAll(ssl.get(), header) || !WriteAll(ssl.get(), contents)) return false;
  if (!Succeeded("shutdown", ssl::Shutdown(ssl.get()))) return false;
  uapi::Print("sent %zu bytes\n", contents.size());
  return true;
}

int Serve(const ProgramArgs& args) {
  const std::shared_ptr<const std::string> contents = args.file("file");
  const std::string header = HeaderFor(*contents);
  const ssl::Context context(ssl::Role::kServer);
  const Descriptor listener = Listen(args.port("port"));
  if (!listener.ok()) return 1;
  uapi::Print("serving %s (%zu bytes) on port %d\n", args.text("file").c_str(), contents->size(),
              args.port("port"));
  bool all_served = true;
  for (int64_t i = 0; i < args.number("clients"); ++i) {
    const int fd = sockbed::BIO_accept_ex(listener.get(), nullptr,
                                          args.flag("nonblocking") ? BIO_SOCK_NONBLOCK : 0);
    if (fd < 0) {
      Complain("accept");
      return 1;
    }
    all_served = ServeOne(context, fd, *contents, header) && all_served;
  }
  return all_served ? 0 : 1;
}

// Reads exactly `size` bytes; false, having said why, when they do not come.
bool ReadAll(SSL* ssl, char* out, size_t size) {
  for (size_t got = 0; got < size;) {
    const ssl::Outcome read = ssl::Read(ssl, out + got, size - got);
    if (!Succeeded("receiving", read)) return false;
    got += static_cast<size_t>(read.ret);
  }
  return true;
}

// Receives `length` bytes and returns their SHA-256; empty, having said why, when they do not come.
std::string ReceiveAndHash(SSL* ssl, size_t length) {
  ssl::Sha256 hash;
  std::string chunk(kChunkBytes, '\0');
  for (size_t got = 0; got < length;) {
    const ssl::Outcome read = ssl::Read(ssl, chunk.data(), std::min(chunk.size(), length - got));
    if (!Succeeded("receiving", read)) return "";
    hash.Update(chunk.data(), static_cast<size_t>(read.ret));
    got += static_cast<size_t>(read.ret);
  }
  return hash.Finish();
}

int Fetch(const ProgramArgs& args) {
  const bool nonblocking = args.flag("nonblocking");
  Descriptor fd = Dial(args.text("server"), args.port("port"), nonblocking ? BIO_SOCK_NONBLOCK : 0);
  if (!fd.ok()) return 1;
  const ssl::Context context(ssl::Role::kClient);
  const ssl::SslPtr ssl =
      context.NewSsl(BIO_new_socket(fd.get(), BIO_NOCLOSE), args.text("server"));
  if (ssl == nullptr) return 1;
  if (!ShakeHands(ssl.get())) return 1;
  std::string header(kHeaderBytes, '\0');
  if (!ReadAll(ssl.get(), header.data(), header.size())) return 1;
  const size_t length = std::stoull(header.substr(0, 20));
  const std::string announced = header.substr(21);
  const std::string received = ReceiveAndHash(ssl.get(), length);
  if (received.empty()) return 1;
  if (!Succeeded("shutdown", ssl::Shutdown(ssl.get()))) return 1;
  const bool agrees = received == announced;
  uapi::Print("received %zu bytes, SHA-256 %s: %s\n", length, agrees ? "agrees" : "DIFFERS",
              received.c_str());
  return agrees ? 0 : 1;
}

constexpr ArgInfo kServerArgs[] = {
    {"port", ArgType::kPort, "4433", "the port to listen on"},
    {"file", ArgType::kFile, nullptr, "the file to send (a real file, read before the run)"},
    {"clients", ArgType::kCount, "1", "how many clients to serve before exiting"},
    {"nonblocking", ArgType::kFlag, "false", "non-blocking sockets, waiting in poll"},
};
constexpr ArgInfo kClientArgs[] = {
    {"server", ArgType::kHost, nullptr, "the host to fetch from"},
    {"port", ArgType::kPort, "4433", "the port it listens on"},
    {"nonblocking", ArgType::kFlag, "false", "non-blocking sockets, waiting in poll"},
};

}  // namespace

const ProgramInfo kTlsFileServer = {"tls-file-server", "sends a file to each client over TLS 1.3",
                                    kServerArgs, MakeProgram<Serve>};

const ProgramInfo kTlsFileClient = {"tls-file-client",
                                    "fetches a file over TLS 1.3 and checks its SHA-256",
                                    kClientArgs, MakeProgram<Fetch>};

}  // namespace sockbed::tools
