#include "tests/two_arms/notes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sockbed::two_arms {
namespace {

std::string SelectLetters(int fd) {
  fd_set sets[3];
  for (fd_set& set : sets) {
    FD_ZERO(&set);
    FD_SET(fd, &set);
  }
  timeval none{};
  if (select(fd + 1, &sets[0], &sets[1], &sets[2], &none) < 0) return ErrnoName(errno);
  std::string letters;
  for (int i = 0; i < 3; ++i) {
    if (FD_ISSET(fd, &sets[i])) letters += "rwp"[i];
  }
  return letters.empty() ? "-" : letters;
}

std::string PollLetters(int fd) {
  pollfd entry{fd, POLLIN | POLLOUT | POLLPRI, 0};
  if (poll(&entry, 1, 0) < 0) return ErrnoName(errno);
  std::string letters;
  for (const auto& [bit, name] : {std::pair{POLLIN, "r"},
                                  {POLLOUT, "w"},
                                  {POLLPRI, "p"},
                                  {POLLERR, " ERR"},
                                  {POLLHUP, " HUP"},
                                  {POLLNVAL, " NVAL"}}) {
    if ((entry.revents & bit) != 0) letters += name;
  }
  return letters.empty() ? "-" : letters.starts_with(" ") ? letters.substr(1) : letters;
}

}  // namespace

std::string ErrnoName(int error) {
  const char* const name = strerrorname_np(error);
  return name != nullptr ? name : "errno " + std::to_string(error);
}

ssize_t Notes::Call(std::string_view label, ssize_t result) {
  const int error = errno;
  Text(label, result == -1 ? ErrnoName(error) : std::to_string(result));
  errno = error;
  return result;
}

int Notes::Makes(std::string_view label, int fd) {
  const int error = errno;
  Text(label, fd == -1 ? ErrnoName(error) : "ok");
  return fd;
}

int Notes::Returns(std::string_view label, int error) {
  Text(label, error == 0 ? "0" : ErrnoName(error));
  return error;
}

void Notes::Value(std::string_view label, int64_t value) { Text(label, std::to_string(value)); }

void Notes::Text(std::string_view label, std::string text) {
  std::string name(label);
  for (int n = 2; std::ranges::any_of(all_, [&](const Note& n) { return n.label == name; }); ++n) {
    name = std::string(label) + " #" + std::to_string(n);
  }
  all_.push_back({std::move(name), std::move(text)});
}

void Notes::Ready(std::string_view label, int fd) {
  const std::string selected = SelectLetters(fd), polled = PollLetters(fd);
  Text(std::string(label) + " select", selected);
  Text(std::string(label) + " poll", polled);
}

std::string Notes::Read(std::string_view label, int fd, size_t len, int flags) {
  std::string data(len, '\0');
  ssize_t n = recv(fd, data.data(), len, flags | MSG_DONTWAIT);
  if (n == -1 && errno == ENOTSOCK) {
    const int mode = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, mode | O_NONBLOCK);
    n = read(fd, data.data(), len);
    const int error = errno;
    fcntl(fd, F_SETFL, mode);
    errno = error;
  }
  if (n < 0) {
    Text(label, ErrnoName(errno));
    return {};
  }
  data.resize(static_cast<size_t>(n));
  Text(label, "\"" + (n <= 40 ? data : std::to_string(n) + " bytes") + "\"");
  return data;
}

void Notes::Settle() const { usleep(static_cast<useconds_t>(settle_us_)); }

}  // namespace sockbed::two_arms
