// The system calls that wait: for one of several files, or for what a file of their own counts.
//
// Lives here:  poll, select, kqueue, epoll, eventfd, timerfd, signalfd and their kin.
// Called by:   through uapi.h; //uapi:posix.
// May touch:   host, sched, sim.
// Context:     a simulated process.
// Units:       as POSIX and the manual pages have them; every interval is virtual time.
// Source:      OpenBSD sys/kern/sys_generic.c, kern_event.c; poll(2), select(2), kqueue(2). Linux:
//              epoll(7), eventfd(2), timerfd_create(2), signalfd(2).
// Differs:     waits end on tick boundaries.
#ifndef SOCKBED_UAPI_WAITING_H_
#define SOCKBED_UAPI_WAITING_H_

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "kernel/sched/kqueue.h"

namespace sockbed::uapi {

// --- poll, select. [sleep] "poll", "select"; a signal ends them with EINTR, always. ---

// Errors: EINVAL (count beyond the descriptor limit; a limit below -1), EINTR.
int poll(pollfd* fds, nfds_t count, int timeout_ms);
// `mask`, if set, replaces the signal mask while it waits. Errors: also EINVAL (a bad limit).
int ppoll(pollfd* fds, nfds_t count, const timespec* limit, const sigset_t* mask);
// Errors: EBADF (a bit that is not open), EINVAL (negative count, a bad limit), EINTR.
int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* limit);
int pselect(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* limit,
            const sigset_t* mask);

// --- kqueue: costs what is ready, not what is watched. ---

// A new event queue. It is not inherited by spawn, cannot be passed over a socket, and can itself
// be polled and watched for reading. kqueue1 takes O_CLOEXEC and O_NONBLOCK.
// Errors: EMFILE, ENFILE, EINVAL (flags).
int kqueue();
int kqueue1(int flags);
// Applies the changes in order, then waits for an event (`limit` null: for ever; 24 hours at most)
// and stores up to `nevents`. A change that fails becomes an event with EV_ERROR and its errno in
// data, if there is room, and then the call does not wait; else the call fails with that errno.
// `nevents` 0: returns at once. [sleeps] "kqread". Filters: READ, WRITE, EXCEPT (sockets; pipes,
// kqueues, eventfd, timerfd as far as they can), TIMER (NOTE_ABSTIME: a time of the wall
// clock), SIGNAL, USER.
// Errors: EBADF (no kqueue; ident not open), EINVAL (filter, parameters, limit), ENOENT, ENOMEM,
// ELOOP (kqueues nested more than 5 deep, or in a circle), EINTR.
int kevent(int kq, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const timespec* limit);

// --- epoll: the same under Linux's names and rules. ---

// EPOLL_CLOEXEC. It is inherited by spawn. Errors: EMFILE, ENFILE, EINVAL (flags; a size below 1).
int epoll_create(int size);
int epoll_create1(int flags);
// EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE (of several epolls
// that watch a file so, one that somebody sleeps on is told, the first to have come first). A watch
// stays until it is deleted or the last descriptor of its file is closed. Errors: EBADF, EINVAL (no
// epoll; itself; op; unknown events; what EPOLLEXCLUSIVE does not go with), EEXIST, ENOENT, EPERM
// (the file cannot be watched), ELOOP, ENOMEM, EFAULT.
int epoll_ctl(int epfd, int op, int fd, epoll_event* event);
// A negative limit is none. [sleeps] "epoll". An event is what poll(2) would tell of the file, and
// EPOLLRDHUP of a socket whose peer sends no more.
// Errors: EBADF, EINVAL (no epoll; max below 1; a bad limit), EFAULT, EINTR.
int epoll_wait(int epfd, epoll_event* events, int max, int limit_ms);
int epoll_pwait(int epfd, epoll_event* events, int max, int limit_ms, const sigset_t* mask);
int epoll_pwait2(int epfd, epoll_event* events, int max, const timespec* limit,
                 const sigset_t* mask);

// --- Files that count: read(2) takes 8 bytes, the count, which is 0 afterwards. ---

// EFD_SEMAPHORE (a read takes 1), EFD_NONBLOCK, EFD_CLOEXEC. write(2) adds. [sleep] "evfdrd",
// "evfdwr". Errors: EMFILE, ENFILE, EINVAL (flags).
int eventfd(unsigned count, int flags);
// Counts the times that have come. CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME; TFD_NONBLOCK,
// TFD_CLOEXEC. A time comes with the first tick at or after it. [sleep] "tmfdrd".
// Errors: EMFILE, ENFILE, EINVAL (clock, flags).
int timerfd_create(int clock, int flags);
// TFD_TIMER_ABSTIME; with TFD_TIMER_CANCEL_ON_SET a read fails once with ECANCELED after the wall
// clock was set, if it is a time of that clock which has not come.
// Errors: EBADF, EINVAL (no timerfd; a bad time; flags), EFAULT.
int timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old);
int timerfd_gettime(int fd, itimerspec* value);
// Signals of `mask` that are blocked and wait: read(2) takes them, a signalfd_siginfo each, of
// which the number alone is filled in. `fd` -1: a new one; else that one is for `mask` from now on.
// SFD_NONBLOCK, SFD_CLOEXEC. [sleep] "sigfdrd". Errors: EMFILE, ENFILE, EBADF, EINVAL (no signalfd;
// flags), EFAULT.
int signalfd(int fd, const sigset_t* mask, int flags);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_WAITING_H_
