// The shim's names beside those of posix.h.
//
// Lives here:  the lists of the C library's names of files, of streams and of programs, of those
//              that it has twice, and of the kernel's of system calls.
// Called by:   posix_real.h, posix.cc, posix_aliases.cc.
#ifndef SOCKBED_UAPI_POSIX_NAMES_H_
#define SOCKBED_UAPI_POSIX_NAMES_H_

// Files and directories: posix_files.cc.
#define SOCKBED_FILE_NAMES(X)                                                                    \
  X(access) X(canonicalize_file_name) X(chdir) X(closedir) X(creat) X(creat64) X(dirfd)          \
  X(eaccess) X(euidaccess) X(faccessat) X(fchdir) X(fdatasync) X(fdopendir) X(fstatat)           \
  X(fstatat64) X(fsync) X(ftruncate) X(ftruncate64) X(get_current_dir_name) X(getcwd) X(lstat)   \
  X(lstat64) X(mkdir) X(mkdirat) X(mkdtemp) X(mkostemp) X(mkostemp64) X(mkstemp) X(mkstemp64)    \
  X(mmap) X(mmap64) X(open) X(open64) X(openat) X(openat64) X(opendir) X(readdir) X(readdir64)   \
  X(readlink) X(readlinkat) X(realpath) X(remove) X(rename) X(renameat) X(rewinddir) X(rmdir)    \
  X(scandir) X(scandir64) X(seekdir) X(sendfile) X(sendfile64) X(stat) X(stat64) X(telldir)      \
  X(truncate) X(truncate64) X(umask) X(unlink) X(unlinkat)

// Streams: posix_stdio.cc.
#define SOCKBED_STDIO_NAMES(X)                                                                   \
  X(dprintf) X(fdopen) X(fflush) X(fgetc) X(fileno) X(fileno_unlocked) X(fopen) X(fopen64)       \
  X(fputc) X(fputs) X(fread) X(fwrite) X(getc) X(isatty) X(putc) X(ungetc) X(vdprintf)

// How a program begins and ends, and what it asks of its machine: posix_process.cc.
#define SOCKBED_PROCESS_NAMES(X)                                                                 \
  X(_Exit) X(__assert_fail) X(__cxa_atexit) X(__cxa_thread_atexit_impl) X(_exit) X(abort)        \
  X(arc4random) X(arc4random_buf) X(arc4random_uniform) X(clock) X(err) X(error) X(errx) X(exit) \
  X(get_avphys_pages) X(get_phys_pages) X(getdtablesize) X(getgroups) X(gettid)                  \
  X(if_indextoname) X(if_nametoindex) X(quick_exit) X(sched_getaffinity) X(sched_getcpu)         \
  X(sysconf) X(times) X(timespec_get) X(verr) X(verrx)

// Those that the C library exports with two underlines in front as well: posix_aliases.cc.
#define SOCKBED_ALIASED_NAMES(X)                                                                \
  X(close) X(connect) X(dup2) X(fcntl) X(getpgid) X(getpid) X(gettimeofday) X(lseek)            \
  X(nanosleep) X(open) X(open64) X(pipe) X(poll) X(pread64) X(pthread_getspecific)              \
  X(pthread_key_create) X(pthread_mutex_destroy) X(pthread_mutex_lock) X(pthread_mutex_trylock) \
  X(pthread_mutex_unlock) X(pthread_once) X(pthread_rwlock_rdlock) X(pthread_rwlock_tryrdlock)  \
  X(pthread_rwlock_trywrlock) X(pthread_rwlock_unlock) X(pthread_rwlock_wrlock)                 \
  X(pthread_setspecific) X(pwrite64) X(read) X(sched_yield) X(select) X(send) X(setpgid)        \
  X(sigaction) X(sigsuspend) X(sysconf) X(wait) X(waitpid) X(write)

// System calls that somebody is likely to make by number: posix_thread.cc.
#define SOCKBED_NUMBERED_NAMES(X)                                                                \
  X(accept) X(accept4) X(bind) X(clock_gettime) X(clone) X(clone3) X(connect) X(epoll_create1)   \
  X(epoll_ctl) X(epoll_pwait) X(epoll_wait) X(execve) X(exit) X(exit_group) X(fcntl) X(fork)     \
  X(getpeername) X(getpid) X(getsockname) X(getsockopt) X(io_uring_setup) X(ioctl) X(kill)       \
  X(listen) X(mmap) X(nanosleep) X(open) X(openat) X(poll) X(ppoll) X(pselect6) X(read) X(readv) \
  X(recvfrom) X(recvmmsg) X(recvmsg) X(select) X(sendmmsg) X(sendmsg) X(sendto) X(setsockopt)    \
  X(shutdown) X(socket) X(socketpair) X(write) X(writev)

#endif  // SOCKBED_UAPI_POSIX_NAMES_H_
