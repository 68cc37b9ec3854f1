// The C library's names that nothing simulates.
//
// Lives here:  the lists of them, by what they answer.
// Called by:   posix_refused.cc; the test that walks the C library's names.
// Differs:     inside a simulated process each fails with ENOSYS, and the console says which it was
//              and who asked.
#ifndef SOCKBED_UAPI_POSIX_REFUSED_H_
#define SOCKBED_UAPI_POSIX_REFUSED_H_

// They return -1.
#define SOCKBED_REFUSED_MINUS_ONE(X)                                                             \
  X(_Fork) X(__adjtimex) X(__arch_prctl) X(__fork) X(__getdomainname_chk) X(__mq_open_2)         \
  X(__res_init) X(__res_ninit) X(__res_nquery) X(__res_nquerydomain) X(__res_nsearch)            \
  X(__res_nsend) X(__res_query) X(__res_querydomain) X(__res_search) X(__res_send)               \
  X(__sched_getparam) X(__sched_getscheduler) X(__sched_setscheduler) X(__sigpause) X(__statfs)  \
  X(__sysctl) X(__sysv_signal) X(__vsyslog_chk) X(__xmknod) X(__xmknodat) X(__xpg_sigpause)      \
  X(acct) X(adjtime) X(adjtimex) X(aio_cancel) X(aio_cancel64) X(aio_error) X(aio_error64)       \
  X(aio_fsync) X(aio_fsync64) X(aio_init) X(aio_read) X(aio_read64) X(aio_return)                \
  X(aio_return64) X(aio_suspend) X(aio_suspend64) X(aio_write) X(aio_write64) X(arch_prctl)      \
  X(bdflush) X(bindresvport) X(bsd_signal) X(callrpc) X(capget) X(capset) X(chflags) X(chmod)    \
  X(chown) X(chroot) X(clock_adjtime) X(clock_getcpuclockid) X(close_range) X(closefrom)         \
  X(closelog) X(copy_file_range) X(create_module) X(daemon) X(delete_module) X(endgrent)         \
  X(endhostent) X(endnetent) X(endnetgrent) X(endprotoent) X(endpwent) X(endservent) X(endspent) \
  X(endusershell) X(endutent) X(endutxent) X(error_at_line) X(execv) X(execve) X(execveat)       \
  X(execvp) X(execvpe) X(fallocate) X(fallocate64) X(fanotify_init) X(fanotify_mark) X(fattach)  \
  X(fchflags) X(fchmod) X(fchmodat) X(fchown) X(fchownat) X(fcloseall) X(fdetach) X(fexecve)     \
  X(fgetxattr) X(flistxattr) X(flock) X(fork) X(forkpty) X(fpathconf) X(fremovexattr)            \
  X(fsconfig) X(fsetxattr) X(fsmount) X(fsopen) X(fspick) X(fstatfs) X(fstatfs64) X(fstatvfs)    \
  X(fstatvfs64) X(ftime) X(ftok) X(ftw) X(ftw64) X(futimens) X(futimes) X(futimesat)             \
  X(gai_cancel) X(gai_error) X(gai_suspend) X(get_myaddress) X(getaddrinfo_a) X(getcpu)          \
  X(getdate_r) X(getdents64) X(getdirentries) X(getdirentries64) X(getdomainname)                \
  X(getgrouplist) X(gethostid) X(getifaddrs) X(getipv4sourcefilter) X(getloadavg) X(getmsg)      \
  X(getnetgrent) X(getnetgrent_r) X(getnetname) X(getpmsg) X(getpriority) X(getpt)               \
  X(getpublickey) X(getpw) X(getresgid) X(getresuid) X(getrpcport) X(getsecretkey) X(getsid)     \
  X(getsourcefilter) X(getxattr) X(grantpt) X(gsignal) X(gtty) X(host2netname) X(init_module)    \
  X(initgroups) X(innetgr) X(inotify_add_watch) X(inotify_init) X(inotify_init1)                 \
  X(inotify_rm_watch) X(ioperm) X(iopl) X(iruserok) X(iruserok_af) X(isastream) X(isfdtype)      \
  X(key_decryptsession) X(key_decryptsession_pk) X(key_encryptsession) X(key_encryptsession_pk)  \
  X(key_gendes) X(key_get_conv) X(key_secretkey_is_set) X(key_setnet) X(key_setsecret)           \
  X(klogctl) X(lchmod) X(lchown) X(lckpwdf) X(lgetxattr) X(link) X(linkat) X(lio_listio)         \
  X(lio_listio64) X(listxattr) X(llistxattr) X(llseek) X(lockf) X(lockf64) X(login) X(login_tty) \
  X(logout) X(logwtmp) X(lremovexattr) X(lsetxattr) X(lutimes) X(memfd_create) X(mkfifo)         \
  X(mkfifoat) X(mknod) X(mknodat) X(mkostemps) X(mkostemps64) X(mkstemps) X(mkstemps64)          \
  X(modify_ldt) X(mount) X(mount_setattr) X(move_mount) X(mq_close) X(mq_getattr) X(mq_notify)   \
  X(mq_open) X(mq_receive) X(mq_send) X(mq_setattr) X(mq_timedreceive) X(mq_timedsend)           \
  X(mq_unlink) X(msgctl) X(msgget) X(msgrcv) X(msgsnd) X(name_to_handle_at) X(netname2host)      \
  X(netname2user) X(nfsservctl) X(nftw) X(nftw64) X(nice) X(ntp_adjtime) X(ntp_gettime)          \
  X(ntp_gettimex) X(on_exit) X(open_by_handle_at) X(open_tree) X(openlog) X(openpty) X(pathconf) \
  X(pclose) X(personality) X(pidfd_getfd) X(pidfd_open) X(pidfd_send_signal) X(pivot_root)       \
  X(pmap_getmaps) X(pmap_getport) X(pmap_rmtcall) X(pmap_set) X(pmap_unset) X(posix_openpt)      \
  X(prctl) X(preadv2) X(preadv64v2) X(prlimit) X(prlimit64) X(process_madvise)                   \
  X(process_mrelease) X(process_vm_readv) X(process_vm_writev) X(profil) X(ptrace) X(putgrent)   \
  X(putmsg) X(putpmsg) X(putpwent) X(putspent) X(pwritev2) X(pwritev64v2) X(query_module)        \
  X(quotactl) X(rcmd) X(rcmd_af) X(readahead) X(reboot) X(registerrpc) X(removexattr)            \
  X(renameat2) X(res_nquery) X(res_nquerydomain) X(res_nsearch) X(res_nsend) X(res_query)        \
  X(res_querydomain) X(res_search) X(res_send) X(revoke) X(rexec) X(rexec_af) X(rresvport)       \
  X(rresvport_af) X(rtime) X(ruserok) X(ruserok_af) X(ruserpass) X(scandirat) X(scandirat64)     \
  X(sched_getparam) X(sched_getscheduler) X(sched_rr_get_interval) X(sched_setaffinity)          \
  X(sched_setparam) X(sched_setscheduler) X(semctl) X(semget) X(semop) X(semtimedop)             \
  X(setdomainname) X(setegid) X(seteuid) X(setfsgid) X(setfsuid) X(setgid) X(setgrent)           \
  X(setgroups) X(sethostent) X(sethostid) X(sethostname) X(setipv4sourcefilter) X(setlogin)      \
  X(setlogmask) X(setnetent) X(setnetgrent) X(setns) X(setpgrp) X(setpriority) X(setprotoent)    \
  X(setpwent) X(setregid) X(setresgid) X(setresuid) X(setreuid) X(setservent) X(setsid)          \
  X(setsourcefilter) X(setspent) X(setuid) X(setusershell) X(setutent) X(setutxent) X(setxattr)  \
  X(shm_open) X(shm_unlink) X(shmat) X(shmctl) X(shmdt) X(shmget) X(sigblock) X(siggetmask)      \
  X(sighold) X(sigignore) X(siginterrupt) X(sigpause) X(sigqueue) X(sigrelse) X(sigreturn)       \
  X(sigset) X(sigsetmask) X(sigstack) X(sigtimedwait) X(sigvec) X(sigwaitinfo) X(splice)         \
  X(sprofil) X(ssignal) X(statfs) X(statfs64) X(statvfs) X(statvfs64) X(statx) X(stime) X(stty)  \
  X(svc_run) X(swapoff) X(swapon) X(symlink) X(symlinkat) X(sync) X(sync_file_range) X(syncfs)   \
  X(sysctl) X(sysinfo) X(system) X(sysv_signal) X(tcdrain) X(tcflow) X(tcflush) X(tcgetattr)     \
  X(tcgetpgrp) X(tcgetsid) X(tcsendbreak) X(tcsetattr) X(tcsetpgrp) X(tee) X(tgkill)             \
  X(timer_create) X(timer_delete) X(timer_getoverrun) X(timer_gettime) X(timer_settime)          \
  X(timespec_getres) X(ualarm) X(ulckpwdf) X(ulimit) X(umount) X(umount2) X(unlockpt) X(unshare) \
  X(updwtmp) X(updwtmpx) X(uselib) X(user2netname) X(ustat) X(utime) X(utimensat) X(utimes)      \
  X(utmpname) X(utmpxname) X(vhangup) X(vlimit) X(vmsplice) X(vsyslog) X(vtimes) X(wait3)        \
  X(waitid)

// They return a null pointer.
#define SOCKBED_REFUSED_NULL(X)                                                                  \
  X(__getmntent_r) X(__getwd_chk) X(__setmntent) X(authdes_create) X(authdes_pk_create)          \
  X(authunix_create_default) X(clnt_create) X(clntraw_create) X(clnttcp_create)                  \
  X(clntudp_bufcreate) X(clntudp_create) X(clntunix_create) X(ctermid) X(cuserid) X(endaliasent) \
  X(endfsent) X(endrpcent) X(endsgent) X(endttyent) X(freopen) X(freopen64) X(fts64_open)        \
  X(fts_open) X(getaliasbyname) X(getaliasent) X(getdate) X(getfsent) X(getfsfile) X(getfsspec)  \
  X(getgrent) X(getgrgid) X(getgrnam) X(gethostent) X(getlogin) X(getmntent) X(getnetbyaddr)     \
  X(getnetbyname) X(getnetent) X(getpass) X(getprotoent) X(getpwent) X(getpwnam) X(getpwuid)     \
  X(getrpcbyname) X(getrpcbynumber) X(getrpcent) X(getservent) X(getsgent) X(getsgnam)           \
  X(getspent) X(getspnam) X(getttyent) X(getttynam) X(getusershell) X(getutent) X(getutid)       \
  X(getutline) X(getutxent) X(getutxid) X(getutxline) X(getwd) X(if_nameindex) X(mktemp)         \
  X(popen) X(ptsname) X(pututline) X(pututxline) X(setaliasent) X(setfsent) X(setmntent)         \
  X(setrpcent) X(setsgent) X(setttyent) X(svcfd_create) X(svcraw_create) X(svctcp_create)        \
  X(svcudp_bufcreate) X(svcudp_create) X(svcunix_create) X(svcunixfd_create) X(tempnam)          \
  X(tmpfile) X(tmpfile64) X(tmpnam) X(tmpnam_r) X(ttyname)

// They return the errno itself.
#define SOCKBED_REFUSED_ERRNO(X)                                                                 \
  X(__getlogin_r_chk) X(__ptsname_r_chk) X(__ttyname_r_chk) X(getaliasbyname_r) X(getaliasent_r) \
  X(getgrent_r) X(getgrgid_r) X(getgrnam_r) X(gethostent_r) X(getlogin_r) X(getmntent_r)         \
  X(getnetbyaddr_r) X(getnetbyname_r) X(getnetent_r) X(getprotoent_r) X(getpwent_r)              \
  X(getpwnam_r) X(getpwuid_r) X(getrpcbyname_r) X(getrpcbynumber_r) X(getrpcent_r)               \
  X(getservent_r) X(getsgent_r) X(getsgnam_r) X(getspent_r) X(getspnam_r) X(getutent_r)          \
  X(getutid_r) X(getutline_r) X(glob) X(glob64) X(posix_fadvise) X(posix_fadvise64)              \
  X(posix_fallocate) X(posix_fallocate64) X(posix_spawn) X(posix_spawnp)                         \
  X(pthread_getaffinity_np) X(pthread_getattr_np) X(pthread_getcpuclockid)                       \
  X(pthread_getschedparam) X(pthread_mutex_getprioceiling) X(pthread_mutex_setprioceiling)       \
  X(pthread_setaffinity_np) X(pthread_setschedparam) X(pthread_setschedprio) X(pthread_sigqueue) \
  X(ptsname_r) X(readdir64_r) X(readdir_r) X(sigwait) X(ttyname_r) X(wordexp)

// They return -1. They take more words than registers hold, return twice, or are refused in part.
#define SOCKBED_REFUSED_SPECIAL(X)                                                           \
  X(__clone) X(__syslog_chk) X(__vfork) X(clone) X(execl) X(execle) X(execlp) X(sigaltstack) \
  X(syslog) X(vfork)

#endif  // SOCKBED_UAPI_POSIX_REFUSED_H_
