#include "uapi/console.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <string>

#include "kernel/host/host.h"
#include "kernel/sched/event.h"

namespace sockbed::uapi {
namespace {

// A line that grows beyond this is printed in pieces.
constexpr size_t kLineMax = 1024;

struct Console {
  std::string line;
};
Console& ConsoleOf(file* fp) { return *static_cast<Console*>(fp->f_data); }

void EndLine(Console& console) {
  CurrentHost().Say(console.line);
  console.line.clear();
}

void Put(Console& console, char c) {
  if (c == '\n') return EndLine(console);
  if (c != '\r') console.line.push_back(c);
  if (console.line.size() == kLineMax) EndLine(console);
}

int ConsoleRead(file*, uio*) { return 0; }

int ConsoleWrite(file* fp, uio* uio) {
  Console& console = ConsoleOf(fp);
  while (uio->uio_resid > 0) {
    std::array<char, 256> piece;
    const size_t n = std::min(uio->uio_resid, piece.size());
    if (const int error = uiomove(piece.data(), n, uio)) return error;
    for (size_t i = 0; i < n; ++i) Put(console, piece[i]);
  }
  return 0;
}

int ConsoleIoctl(file*, unsigned long com, void* data) {
  switch (com) {
    case FIONBIO:
    case FIOASYNC:
      return 0;  // reading and writing never block, nothing ever arrives
    case FIONREAD:
      *static_cast<int*>(data) = 0;
      return 0;
    default:
      return ENOTTY;
  }
}

int ConsolePoll(file*, int events, proc*) {
  return events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

int ConsoleStat(file*, struct stat* sb) {
  *sb = {};
  sb->st_mode = S_IFCHR | 0620;
  return 0;
}

int ConsoleClose(file* fp) {
  Console* const console = &ConsoleOf(fp);
  if (!console->line.empty()) EndLine(*console);
  delete console;
  return 0;
}

}  // namespace

const fileops console_ops = {
    .fo_read = ConsoleRead,
    .fo_write = ConsoleWrite,
    .fo_ioctl = ConsoleIoctl,
    .fo_poll = ConsolePoll,
    .fo_kqfilter = seltrue_kqfilter,
    .fo_stat = ConsoleStat,
    .fo_close = ConsoleClose,
};

int console_open(file** fp) {
  if (const int error = falloc_file(fp)) return error;
  (*fp)->f_type = FileType::kVnode;
  (*fp)->f_flag = FREAD | FWRITE;
  (*fp)->f_ops = &console_ops;
  (*fp)->f_data = new Console;
  return 0;
}

}  // namespace sockbed::uapi
