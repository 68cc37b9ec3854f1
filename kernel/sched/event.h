// Event queues: what a kqueue(2) watches, and how what is watched tells it.
//
// Lives here:  struct kevent and its constants; klist, knote, filterops. The queue is in kqueue.h.
// Called by:   files (fo_kqfilter, KNOTE through selwakeup), signals, timers; uapi (kevent, epoll).
// Context:     KNOTE anywhere; the rest in a process.
// Owns:        a kqueue owns its knotes. A knote stands in the list of what it watches, of its file
//              if it has one, and of its kqueue, and leaves all of them when it is dropped.
// Units:       timers count milliseconds unless NOTE_* says otherwise, and end on ticks.
// Invariants:  1. One knote per (kqueue, ident, filter, file).
//              2. KN_QUEUED is set exactly while the knote is pending, and then KN_ACTIVE is and
//                 KN_DISABLED is not.
//              3. No knote outlives its file, its kqueue or, of EVFILT_SIGNAL, its process.
// Source:      OpenBSD sys/sys/event.h, sys/kern/kern_event.c; kqueue(2). EV_RECEIPT, EV_DISPATCH,
//              EVFILT_EXCEPT, EVFILT_USER and the timer's units are of releases after 4.9.
// Differs:     1. A listener is recognised when its filter is asked, not when it was attached.
//              2. Timers do not drift: the k-th is due at start + k * interval, and the first tick
//                 at or after that counts it.
//
//   socket                      kqueue                               kevent(2)
//     so_rcv.sb_sel.si_note       kq_first .. kq_last: pending         takes the pending ones in
//       -> knote (READ) ------->    [READ 5] [TIMER 1] ...  -------->  order: cost O(pending),
//     sowakeup: KNOTE asks        the filter said true:                whatever the number watched
//     each filter                 knote_activate queued it
#ifndef SOCKBED_KERNEL_SCHED_EVENT_H_
#define SOCKBED_KERNEL_SCHED_EVENT_H_

#include <cstdint>

namespace sockbed {

struct file;
struct filedesc;
struct filterops;
struct kqueue;
struct selinfo;

inline constexpr short EVFILT_READ = -1;
inline constexpr short EVFILT_WRITE = -2;
inline constexpr short EVFILT_SIGNAL = -6;
inline constexpr short EVFILT_TIMER = -7;
inline constexpr short EVFILT_EXCEPT = -9;
inline constexpr short EVFILT_USER = -10;

inline constexpr unsigned short EV_ADD = 0x1;
inline constexpr unsigned short EV_DELETE = 0x2;
inline constexpr unsigned short EV_ENABLE = 0x4;
inline constexpr unsigned short EV_DISABLE = 0x8;
inline constexpr unsigned short EV_ONESHOT = 0x10;   // reported once, then deleted
inline constexpr unsigned short EV_CLEAR = 0x20;     // reported once per change
inline constexpr unsigned short EV_RECEIPT = 0x40;   // the change answers with an EV_ERROR event
inline constexpr unsigned short EV_DISPATCH = 0x80;  // reported once, then disabled
inline constexpr unsigned short EV_ERROR = 0x4000;   // returned: data is an errno
inline constexpr unsigned short EV_EOF = 0x8000;     // returned: nothing more will come, or go

inline constexpr unsigned NOTE_LOWAT = 0x1;  // READ, WRITE: data is a low-water mark
inline constexpr unsigned NOTE_OOB = 0x4;    // EXCEPT: out-of-band data
inline constexpr unsigned NOTE_MSECONDS = 0, NOTE_SECONDS = 1, NOTE_USECONDS = 2, NOTE_NSECONDS = 3;
// USER: what becomes of the 24 flags that are the program's, and the trigger.
inline constexpr unsigned NOTE_FFNOP = 0, NOTE_FFAND = 0x40000000, NOTE_FFOR = 0x80000000;
inline constexpr unsigned NOTE_FFCOPY = 0xc0000000, NOTE_FFCTRLMASK = 0xc0000000;
inline constexpr unsigned NOTE_FFLAGSMASK = 0x00ffffff, NOTE_TRIGGER = 0x01000000;

// A change that a program asks for, or an event that it is told of.
struct kevent {
  uintptr_t ident;       // a descriptor, a signal's number, or of the program's choice
  short filter;          // EVFILT_*
  unsigned short flags;  // EV_*
  unsigned fflags;       // NOTE_*
  int64_t data;          // the filter's: bytes, connections, expirations, an errno
  void* udata;           // the program's; given back
};

inline void EV_SET(kevent* kev, uintptr_t ident, short filter, unsigned short flags,
                   unsigned fflags, int64_t data, void* udata) {
  *kev = {ident, filter, flags, fflags, data, udata};
}

// Who watches an object: a field of it, or of its selinfo. The newest comes first.
struct klist {
  bool empty() const { return kl_first == nullptr; }
  struct knote* kl_first = nullptr;
};

inline constexpr uint8_t KN_ACTIVE = 0x1;    // the filter fires
inline constexpr uint8_t KN_QUEUED = 0x2;    // stands in its kqueue's queue
inline constexpr uint8_t KN_DISABLED = 0x4;  // EV_DISABLE

// One watch of one kqueue.
struct knote {
  uintptr_t kn_id = 0;          // [I]
  short kn_filter = 0;          // [I]
  unsigned short kn_flags = 0;  // EV_CLEAR, EV_ONESHOT, EV_DISPATCH, EV_EOF
  unsigned kn_fflags = 0;       // to be told
  int64_t kn_data = 0;          // to be told
  unsigned kn_sfflags = 0;      // as the program gave it
  int64_t kn_sdata = 0;         // as the program gave it
  void* kn_udata = nullptr;
  const filterops* kn_fop = nullptr;  // [I]
  kqueue* kn_kq = nullptr;            // [I]
  file* kn_fp = nullptr;              // [I] null for timers, signals, the program's own
  void* kn_hook = nullptr;            // [I] what is watched; the filter knows
  uint8_t kn_status = 0;              // KN_*
  uint32_t kn_round = 0;              // the scan that told of it last: epoll's

  klist* kn_list = nullptr;  // of what is watched
  knote *kn_selnext = nullptr, *kn_selprev = nullptr;
  knote *kn_fnext = nullptr, *kn_fprev = nullptr;      // of the same file
  knote* kn_hnext = nullptr;                           // without a file: by kn_id
  knote *kn_allnext = nullptr, *kn_allprev = nullptr;  // of the same kqueue
  knote *kn_tqnext = nullptr, *kn_tqprev = nullptr;    // pending
};

// A kind of watch. Filters of files are chosen by fo_kqfilter, which attaches as well.
struct filterops {
  // Begins to watch; null for filters of files. Errors: EINVAL (parameters), ENOMEM.
  int (*f_attach)(knote* kn) = nullptr;
  // Ends it.
  void (*f_detach)(knote* kn) = nullptr;
  // Whether it fires now; sets kn_data, kn_fflags and EV_EOF. `hint` is KNOTE's, or 0.
  bool (*f_event)(knote* kn, long hint) = nullptr;
  // Takes over new parameters; null: they are stored as they are. Errors: EINVAL.
  int (*f_touch)(knote* kn, const kevent& kev) = nullptr;
};

// Asks everybody's filter, and activates those that fire.
void knote_tell(klist* list, long hint);
inline void KNOTE(klist* list, long hint) {
  if (list->kl_first != nullptr) knote_tell(list, hint);
}
void klist_insert(klist* list, knote* kn);
void klist_remove(knote* kn);
// An fo_kqfilter's own part: watches `sip` with `fop`, and with it `hook`.
void knote_attach(knote* kn, const filterops* fop, selinfo* sip, void* hook);
void knote_detach(knote* kn);  // its f_detach
// An fo_kqfilter for files that are always ready. Errors: EINVAL (neither READ nor WRITE).
int seltrue_kqfilter(file* fp, knote* kn);

void knote_activate(knote* kn);    // pending from here on, unless disabled
void knote_deactivate(knote* kn);  // not pending
void knote_disable(knote* kn);     // the same, until EV_ENABLE
void knote_drop(knote* kn);        // detaches and frees it

// `fd` of `fdp` no longer means `fp`: kqueues of that table forget it. Epolls do not.
void knote_fdclose(file* fp, int fd, const filedesc* fdp);
// The last reference to `fp` is gone.
void knote_fileclose(file* fp);

// The event that a knote tells.
kevent knote_kevent(const knote* kn);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_EVENT_H_
