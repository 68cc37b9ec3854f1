// Who waits for a file to become ready: in select or poll, or by a kqueue's knote.
//
// Lives here:  struct selinfo, selrecord, selwakeup, the wait of poll itself.
// Called by:   socket and pipes (selwakeup), fo_poll (selrecord), uapi (selwait).
// Owns:        a record (selrec) belongs to the host's pool; it stands in the list of its file and
//              of its process, and whichever of them goes first takes it out of both.
// Invariants:  1. A process has at most one record per file.
//              2. Outside a scan and the sleep after it a process has no records.
// Source:      OpenBSD sys/kern/sys_generic.c; selrecord(9).
// Differs:     a list of waiting processes in order of registration, instead of one id and a
//              collision flag.
//
// A scan asks each file in turn (fo_poll, which records the process where nothing is ready), then
// either finds something and calls selclear, or calls selwait. A file that becomes ready in between
// leaves a mark (p_selwoken), so that selwait returns at once: the wakeup that nobody slept for is
// not lost.
#ifndef SOCKBED_KERNEL_SCHED_SELINFO_H_
#define SOCKBED_KERNEL_SCHED_SELINFO_H_

#include "kernel/sched/event.h"
#include "kernel/sched/proc.h"

namespace sockbed {

struct selinfo;

struct selrec {
  proc* sr_proc = nullptr;
  selinfo* sr_info = nullptr;
  selrec* sr_next = nullptr;  // of the file, in order of registration
  selrec* sr_prev = nullptr;
  selrec* sr_proc_next = nullptr;  // of the process; in the pool, of the free ones
  selrec* sr_proc_prev = nullptr;
};

// The part of a file that remembers who scanned and who watches it. A field of a sockbuf or a pipe;
// goes with it.
struct selinfo {
  selinfo() = default;
  ~selinfo();  // wakes whoever is recorded: the file is gone
  selinfo(const selinfo&) = delete;
  selinfo& operator=(const selinfo&) = delete;

  bool empty() const { return si_first == nullptr; }

  selrec* si_first = nullptr;
  selrec* si_last = nullptr;
  klist si_note;
};

// Free records of one host.
class SelrecPool {
 public:
  SelrecPool() = default;
  ~SelrecPool();
  SelrecPool(const SelrecPool&) = delete;
  SelrecPool& operator=(const SelrecPool&) = delete;

  selrec* Get();
  void Put(selrec* record);

 private:
  selrec* free_ = nullptr;
};

// Records that `p` is scanning `sip`. At most once per process and file.
void selrecord(proc* p, selinfo* sip);

// Tells the knotes, then wakes everybody recorded, in order of registration, and forgets them.
void selwakeup(selinfo* sip);

// The sleep of select(2) and poll(2): until a recorded file wakes `p` or `timo` ticks have passed
// (0: no limit). [sleeps] `wmesg` is "select" or "poll". Returns as tsleep does; 0 at once if a
// file became ready since it was scanned. Afterwards `p` is recorded nowhere. REQUIRES: p is
// curproc.
[[nodiscard]] int selwait(proc* p, const char* wmesg, int timo);

// Forgets all of p's records: the scan found something, or the process ends.
void selclear(proc* p);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SELINFO_H_
