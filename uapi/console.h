// The console of a host, as an open file: descriptors 0, 1 and 2 of every process.
//
// Lives here:  console_open, console_ops.
// Called by:   filedesc (a new process).
// Owns:        each console file holds the line that is not finished yet; its last close prints it.
// Source:      the manner of getty(8): one terminal, opened once, dup'ed to 0, 1 and 2.
// Differs:     there is no keyboard: reading finds the end of file.
#ifndef SOCKBED_UAPI_CONSOLE_H_
#define SOCKBED_UAPI_CONSOLE_H_

#include "kernel/sched/file.h"

namespace sockbed::uapi {

extern const fileops console_ops;

// A new console file of the current process, with one reference. Errors: ENFILE.
[[nodiscard]] int console_open(file** fp);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_CONSOLE_H_
