// Fetches pages one after another, as C++ programs do it: streams, exceptions, static objects.
// web_client HOST PATH...
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

// Says farewell as static objects do.
struct Counter {
  ~Counter() { std::cout << pages << " pages" << std::endl; }
  int pages = 0;
};
Counter counter;

int Dial(const std::string& host) {
  addrinfo hints{}, *list;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host.c_str(), "http", &hints, &list);
  if (error != 0) throw std::runtime_error(gai_strerror(error));
  const int fd = socket(list->ai_family, list->ai_socktype, list->ai_protocol);
  const int failed = connect(fd, list->ai_addr, list->ai_addrlen);
  freeaddrinfo(list);
  if (failed != 0) throw std::runtime_error("connect");
  return fd;
}

std::string Fetch(const std::string& host, const std::string& path) {
  const int fd = Dial(host);
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + host + "\r\n\r\n";
  if (write(fd, request.data(), request.size()) < 0) throw std::runtime_error("write");
  std::string answer;
  char piece[512];
  ssize_t n;
  while ((n = read(fd, piece, sizeof piece)) > 0) answer.append(piece, static_cast<size_t>(n));
  close(fd);
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  std::ofstream log("/tmp/log");
  for (int i = 2; i < argc; ++i) {
    try {
      const std::string answer = Fetch(argv[1], argv[i]);
      const size_t body = answer.find("\r\n\r\n") + 4;
      log << argv[i] << ": " << answer.substr(0, answer.find("\r\n")) << ", "
          << answer.size() - body << " bytes\n";
      ++counter.pages;
    } catch (const std::runtime_error& error) {
      std::cerr << argv[0] << ": " << error.what() << std::endl;
      return 1;
    }
  }
  log.close();
  std::cout << std::ifstream("/tmp/log").rdbuf();
}
