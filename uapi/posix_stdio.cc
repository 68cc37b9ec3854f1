// The shim's streams. A FILE that a simulated process opens is the C library's (fopencookie) over
// the simulated descriptor, so that all of stdio works on it.
#undef _FORTIFY_SOURCE

#include <stdarg.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "uapi/posix_process.h"
#include "uapi/posix_real.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

posix_stream& StreamOf(void* cookie) { return *static_cast<posix_stream*>(cookie); }

// Whether the stream belongs to who runs: another process may flush all streams that there are.
bool IsOurs(const posix_stream& stream) {
  return stream.owner != nullptr && InProcess() && FindPosixProcess() == stream.owner;
}

ssize_t StreamRead(void* cookie, char* data, size_t len) {
  const posix_stream& stream = StreamOf(cookie);
  return IsOurs(stream) ? uapi::read(stream.fd, data, len) : -1;
}

ssize_t StreamWrite(void* cookie, const char* data, size_t len) {
  const posix_stream& stream = StreamOf(cookie);
  if (stream.owner == nullptr) return static_cast<ssize_t>(len);  // a dead man's words
  if (!IsOurs(stream)) return 0;
  size_t done = 0;
  while (done < len) {
    const ssize_t n = uapi::write(stream.fd, data + done, len - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

int StreamSeek(void* cookie, off64_t* offset, int whence) {
  const posix_stream& stream = StreamOf(cookie);
  if (!IsOurs(stream)) return -1;
  const off_t at = uapi::lseek(stream.fd, *offset, whence);
  if (at < 0) return -1;
  *offset = at;
  return 0;
}

int StreamClose(void* cookie) {
  const std::unique_ptr<posix_stream> stream(&StreamOf(cookie));
  if (!IsOurs(*stream)) return 0;
  std::erase(stream->owner->streams, stream.get());
  return uapi::close(stream->fd);
}

// The flags of open(2) that fopen(3)'s mode means; nothing if it is no mode.
std::optional<int> OpenFlagsOf(const char* mode) {
  int flags;
  switch (*mode) {
    case 'r': flags = O_RDONLY; break;
    case 'w': flags = O_WRONLY | O_CREAT | O_TRUNC; break;
    case 'a': flags = O_WRONLY | O_CREAT | O_APPEND; break;
    default: return std::nullopt;
  }
  for (const char* c = mode + 1; *c != '\0' && *c != ','; ++c) {
    if (*c == '+') flags = (flags & ~O_ACCMODE) | O_RDWR;
    if (*c == 'x') flags |= O_EXCL;
    if (*c == 'e') flags |= O_CLOEXEC;
  }
  return flags;
}

FILE* OpenFile(const char* path, const char* mode) {
  const std::optional<int> flags = OpenFlagsOf(mode);
  if (!flags.has_value()) {
    errno = EINVAL;
    return nullptr;
  }
  const int fd = uapi::open(path, *flags, 0666);
  return fd >= 0 ? OpenStream(fd, mode) : nullptr;
}

// The streams that C++'s cin, cout and cerr have got hold of before main: inside a program they
// mean the program's.
FILE* Meant(FILE* file) {
  const RealCalls& real = Real();
  if (file == real.standard_out) return ::stdout;
  if (file == real.standard_error) return ::stderr;
  if (file == real.standard_in) return ::stdin;
  return file;
}

}  // namespace

FILE* OpenStream(int fd, const char* mode) {
  if (!OpenFlagsOf(mode).has_value()) {
    errno = EINVAL;
    return nullptr;
  }
  auto stream = std::make_unique<posix_stream>();
  stream->owner = &CurrentPosixProcess();
  stream->fd = fd;
  stream->file =
      fopencookie(stream.get(), mode, {StreamRead, StreamWrite, StreamSeek, StreamClose});
  if (stream->file == nullptr) return nullptr;
  stream->owner->streams.push_back(stream.get());
  return stream.release() /*taken*/->file;
}

int DescriptorOfStream(const FILE* file) {
  const posix_process* const self = FindPosixProcess();
  if (self == nullptr) return -1;
  const auto found = std::ranges::find_if(
      self->streams, [file](const posix_stream* stream) { return stream->file == file; });
  return found != self->streams.end() ? (*found)->fd : -1;
}

void FlushStreams() {
  const posix_process* const self = FindPosixProcess();
  if (self == nullptr) return;
  const std::vector<posix_stream*> open = self->streams;
  for (const posix_stream* stream : open) Real().fflush(stream->file);
}

posix_process::~posix_process() {
  for (posix_stream* stream : streams) stream->owner = nullptr;
  running.reset();
  for (const posix_stream* stream : streams) fclose(stream->file);
}

}  // namespace sockbed

using sockbed::InProcess;
using sockbed::Meant;
using sockbed::Real;
namespace uapi = sockbed::uapi;

#pragma GCC visibility push(default)
extern "C" {

FILE* fopen(const char* path, const char* mode) {
  return InProcess() ? sockbed::OpenFile(path, mode) : Real().fopen(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return InProcess() ? sockbed::OpenFile(path, mode) : Real().fopen64(path, mode);
}
FILE* fdopen(int fd, const char* mode) noexcept {
  if (!InProcess()) return Real().fdopen(fd, mode);
  if (uapi::fcntl(fd, F_GETFL) < 0) return nullptr;
  return sockbed::OpenStream(fd, mode);
}
int fileno(FILE* file) noexcept {
  if (!InProcess()) return Real().fileno(file);
  const int fd = sockbed::DescriptorOfStream(Meant(file));
  return fd >= 0 ? fd : Real().fileno(file);
}
int fileno_unlocked(FILE* file) noexcept { return fileno(file); }
// Nothing here is a terminal: programs print neither colours nor what they would overwrite.
int isatty(int fd) noexcept {
  if (!InProcess()) return Real().isatty(fd);
  if (uapi::fcntl(fd, F_GETFL) >= 0) errno = ENOTTY;
  return 0;
}

int vdprintf(int fd, const char* format, va_list args) {
  if (!InProcess()) return Real().vdprintf(fd, format, args);
  char* text = nullptr;
  const int len = vasprintf(&text, format, args);
  const std::unique_ptr<char, void (*)(void*)> owned(text, free);
  return len < 0 ? -1 : static_cast<int>(uapi::write(fd, text, static_cast<size_t>(len)));
}
int dprintf(int fd, const char* format, ...) {
  va_list args;
  va_start(args, format);
  const int len = vdprintf(fd, format, args);
  va_end(args);
  return len;
}
int __vdprintf_chk(int fd, int, const char* format, va_list args) {
  return vdprintf(fd, format, args);
}
int __dprintf_chk(int fd, int, const char* format, ...) {
  va_list args;
  va_start(args, format);
  const int len = vdprintf(fd, format, args);
  va_end(args);
  return len;
}

size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  return Real().fwrite(data, size, count, Meant(file));
}
size_t fread(void* data, size_t size, size_t count, FILE* file) {
  return Real().fread(data, size, count, Meant(file));
}
int fputs(const char* text, FILE* file) { return Real().fputs(text, Meant(file)); }
int fputc(int c, FILE* file) { return Real().fputc(c, Meant(file)); }
int putc(int c, FILE* file) { return Real().putc(c, Meant(file)); }
int fgetc(FILE* file) { return Real().fgetc(Meant(file)); }
int getc(FILE* file) { return Real().getc(Meant(file)); }
int ungetc(int c, FILE* file) { return Real().ungetc(c, Meant(file)); }
int fflush(FILE* file) {
  if (file != nullptr || !InProcess()) return Real().fflush(file != nullptr ? Meant(file) : file);
  sockbed::FlushStreams();
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop
