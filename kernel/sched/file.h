// The open file: what descriptors refer to and descriptor passing carries.
//
// Lives here:  struct file, struct fileops, reference counting.
// Called by:   uapi (descriptor tables), socket (socket files), unix (SCM_RIGHTS).
// Owns:        a file lives while f_count > 0; the last FRELE calls fo_close.
// Invariants:  0 <= f_msgcount <= f_count.
// Source:      OpenBSD sys/sys/file.h, sys/kern/kern_descrip.c.
#ifndef SOCKBED_KERNEL_SCHED_FILE_H_
#define SOCKBED_KERNEL_SCHED_FILE_H_

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>

#include "kernel/sched/proc.h"
#include "kernel/sched/uio.h"
#include "kernel/sim/prefetch.h"

namespace sockbed {

struct file;
struct knote;

// f_flag. FNONBLOCK and FASYNC are the host's, which <fcntl.h> defines as macros.
inline constexpr int FREAD = 0x1;
inline constexpr int FWRITE = 0x2;
static_assert(((FREAD | FWRITE) & (FNONBLOCK | FASYNC)) == 0);

enum class FileType : uint8_t { kSocket, kPipe, kKqueue, kEpoll, kEventfd, kTimerfd, kVnode };

// What a kind of file does. One const table per kind, filled by its room; runs in process context.
struct fileops {
  // Moves data and advances the uio; results as read(2), write(2). [sleeps]
  int (*fo_read)(file* fp, uio* uio);
  int (*fo_write)(file* fp, uio* uio);
  // Errors: ENOTTY for what the kind does not know.
  int (*fo_ioctl)(file* fp, unsigned long com, void* data);
  // Which of the poll events are true now; if none and `p` is given, records it to be woken.
  int (*fo_poll)(file* fp, int events, proc* p);
  // Watches the file: sets kn_fop as kn_filter asks and attaches (knote_attach); null: it cannot
  // be watched. Errors: EINVAL (no such filter for it), ELOOP (of kqueues).
  int (*fo_kqfilter)(file* fp, knote* kn);
  int (*fo_stat)(file* fp, struct stat* sb);
  // The last reference is gone. Its errno is what close(2) reports. [sleeps]
  int (*fo_close)(file* fp);
};

// What every call touches comes first, in half a cache line.
struct alignas(kCacheLine / 2) file {
  const fileops* f_ops = nullptr;  // [I]
  void* f_data = nullptr;          // the socket, pipe ...; f_ops knows
  int f_flag = 0;                  // F*
  int f_count = 0;                 // references: descriptors, running calls, messages in flight
  int f_msgcount = 0;              // of these, messages in flight
  knote* f_knotes = nullptr;       // of all kqueues, newest first
  uint64_t f_id = 0;               // [I] counts from 1 per host, in order of creation
  FileType f_type = FileType::kSocket;
  ucred f_cred;            // of the opener
  file* f_next = nullptr;  // the host's list of open files, in order of creation
  file* f_prev = nullptr;
};

// A new file with one reference, on the current host's list. Errors: ENFILE (kern.maxfiles
// reached).
[[nodiscard]] int falloc_file(file** fp);
inline void FREF(file* fp) { ++fp->f_count; }
// Drops a reference; the last one closes the file, unless it has no f_ops yet, and returns
// fo_close's errno. [sleeps] if it is the last.
int FRELE(file* fp);

// The current host's oldest open file, or null; f_next leads to the others.
file* file_first();

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_FILE_H_
