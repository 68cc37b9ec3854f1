// Echo over TCP and UDP: the smallest programs of a scenario, and the first to read.

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "bio/addr.h"
#include "tools/builtin_programs.h"
#include "tools/program_sockets.h"
#include "uapi/uapi.h"

namespace sockbed::tools {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

// Says why `what` failed; the exit status of who gives up.
int Failed(const char* what) {
  Complain(what);
  return 1;
}

// The i-th message: a pattern that tells lost, doubled and swapped bytes.
std::string Message(int64_t i, size_t size) {
  std::string text(size, '\0');
  for (size_t k = 0; k < size; ++k)
    text[k] = static_cast<char>('a' + (k + static_cast<size_t>(i)) % 26);
  return text;
}

int ServeTcp(const ProgramArgs& args) {
  const Descriptor listener = Listen(args.port("port"));
  if (!listener.ok()) return 1;
  for (int64_t i = 0; i < args.number("clients"); ++i) {
    const Descriptor client(uapi::accept(listener.get(), nullptr, nullptr));
    if (!client.ok()) return Failed("accept");
    std::string buffer(kBufferBytes, '\0');
    ssize_t got = 0;
    while ((got = uapi::read(client.get(), buffer.data(), buffer.size())) > 0) {
      if (uapi::write(client.get(), buffer.data(), static_cast<size_t>(got)) != got) break;
    }
    if (got < 0) return Failed("read");
  }
  return 0;
}

// Reads until `size` bytes have come; returns how many did.
size_t ReadFully(int fd, char* out, size_t size) {
  size_t got = 0;
  while (got < size) {
    const ssize_t n = uapi::read(fd, out + got, size - got);
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  return got;
}

int AskTcp(const ProgramArgs& args) {
  const Descriptor fd = Dial(args.text("server"), args.port("port"), 0);
  if (!fd.ok()) return 1;
  const auto size = static_cast<size_t>(args.number("size"));
  std::string answer(size, '\0');
  for (int64_t i = 0; i < args.number("count"); ++i) {
    const std::string message = Message(i, size);
    if (uapi::write(fd.get(), message.data(), size) != static_cast<ssize_t>(size)) {
      return Failed("write");
    }
    if (ReadFully(fd.get(), answer.data(), size) != size || answer != message) {
      uapi::Print("message %lld came back wrong\n", static_cast<long long>(i));
      return 1;
    }
  }
  uapi::Print("%lld messages of %zu bytes echoed\n", static_cast<long long>(args.number("count")),
              size);
  return 0;
}

int ServeUdp(const ProgramArgs& args) {
  const BioAddr addr = Resolve("", args.port("port"), SOCK_DGRAM);
  if (addr == nullptr) return 1;
  const Descriptor fd = SocketFor(addr.get(), SOCK_DGRAM);
  if (!fd.ok()) return Failed("socket");
  if (sockbed::BIO_bind(fd.get(), addr.get(), 0) != 1) return Failed("bind");
  std::string buffer(kBufferBytes, '\0');
  for (;;) {
    sockaddr_storage from{};
    socklen_t length = sizeof(from);
    auto* peer = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = uapi::recvfrom(fd.get(), buffer.data(), buffer.size(), 0, peer, &length);
    if (n < 0) return Failed("recvfrom");
    uapi::sendto(fd.get(), buffer.data(), static_cast<size_t>(n), 0, peer, length);
  }
}

// Sends `message` and waits for its echo up to `timeout_ms`; sends again up to `tries` times.
bool AskOnce(int fd, const std::string& message, int64_t tries, int timeout_ms) {
  std::string answer(kBufferBytes, '\0');
  for (int64_t attempt = 0; attempt < tries; ++attempt) {
    if (uapi::send(fd, message.data(), message.size(), 0) < 0) continue;
    pollfd entry{fd, POLLIN, 0};
    while (uapi::poll(&entry, 1, timeout_ms) == 1) {
      const ssize_t n = uapi::recv(fd, answer.data(), answer.size(), 0);
      if (n >= 0 && answer.compare(0, static_cast<size_t>(n), message) == 0) return true;
    }
  }
  return false;
}

int AskUdp(const ProgramArgs& args) {
  const BioAddr addr = Resolve(args.text("server"), args.port("port"), SOCK_DGRAM);
  if (addr == nullptr) return 1;
  const Descriptor fd = SocketFor(addr.get(), SOCK_DGRAM);
  if (!fd.ok()) return Failed("socket");
  if (sockbed::BIO_connect(fd.get(), addr.get(), 0) != 1) return Failed("connect");
  const auto timeout_ms = static_cast<int>(args.number("timeout") / kMillisecond);
  for (int64_t i = 0; i < args.number("count"); ++i) {
    const std::string message = Message(i, static_cast<size_t>(args.number("size")));
    if (!AskOnce(fd.get(), message, args.number("tries"), timeout_ms)) {
      uapi::Print("no echo of datagram %lld\n", static_cast<long long>(i));
      return 1;
    }
  }
  uapi::Print("%lld datagrams of %lld bytes echoed\n", static_cast<long long>(args.number("count")),
              static_cast<long long>(args.number("size")));
  return 0;
}

constexpr ArgInfo kTcpServerArgs[] = {
    {"port", ArgType::kPort, "7", "the port to listen on"},
    {"clients", ArgType::kCount, "1", "how many connections to serve before exiting"},
};
constexpr ArgInfo kTcpClientArgs[] = {
    {"server", ArgType::kHost, nullptr, "the host to ask"},
    {"port", ArgType::kPort, "7", "the port it listens on"},
    {"count", ArgType::kCount, "1", "how many messages"},
    {"size", ArgType::kSize, "64", "bytes of each"},
};
constexpr ArgInfo kUdpServerArgs[] = {
    {"port", ArgType::kPort, "7", "the port to receive on; it serves for ever (daemon: true)"},
};
constexpr ArgInfo kUdpClientArgs[] = {
    {"server", ArgType::kHost, nullptr, "the host to ask"},
    {"port", ArgType::kPort, "7", "the port it receives on"},
    {"count", ArgType::kCount, "1", "how many datagrams"},
    {"size", ArgType::kSize, "64", "bytes of each"},
    {"timeout", ArgType::kDuration, "1 s", "how long to wait for each echo"},
    {"tries", ArgType::kCount, "5", "how often to send each"},
};

}  // namespace

const ProgramInfo kTcpEchoServer = {"tcp-echo-server", "sends back what it receives, over TCP",
                                    kTcpServerArgs, MakeProgram<ServeTcp>};
const ProgramInfo kTcpEchoClient = {"tcp-echo-client", "sends messages and checks their echoes",
                                    kTcpClientArgs, MakeProgram<AskTcp>};
const ProgramInfo kUdpEchoServer = {"udp-echo-server", "sends back each datagram", kUdpServerArgs,
                                    MakeProgram<ServeUdp>};
const ProgramInfo kUdpEchoClient = {"udp-echo-client", "sends datagrams and waits for their echoes",
                                    kUdpClientArgs, MakeProgram<AskUdp>};

}  // namespace sockbed::tools
