// Who waits in select or poll for a file to become ready.
//
// Lives here:  struct selinfo, selrecord, selwakeup, the wait of poll itself.
// Called by:   socket and pipes (selwakeup), fo_poll (selrecord), uapi (selwait).
// Owns:        entries are fields of the sleeping call's own records; both ends unlink.
// Source:      OpenBSD sys/kern/sys_generic.c; selrecord(9).
// Differs:     a list of waiting processes in order of registration, instead of one id
//              and a collision flag.
#ifndef SOCKBED_KERNEL_SCHED_SELINFO_H_
#define SOCKBED_KERNEL_SCHED_SELINFO_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/sched/proc.h"

namespace sockbed {

struct selinfo {
  // Processes that scanned this file and found it not ready, in order of registration.
  std::vector<proc*> si_waiting;
};

// Records that `p` is scanning `sip`. At most once per process and file.
void selrecord(proc* p, selinfo* sip);

// Wakes everybody recorded, in order of registration, and forgets them.
void selwakeup(selinfo* sip);

// The sleep of select(2) and poll(2): until a recorded file wakes `p` or `timo` ticks have passed
// (0: no limit). [sleeps] `wmesg` is "select" or "poll". Returns as tsleep does. Afterwards `p`
// is recorded nowhere.
[[nodiscard]] int selwait(proc* p, const char* wmesg, int timo);

// Forgets all of p's records: the scan found something, or the process ends.
void selclear(proc* p);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SELINFO_H_
