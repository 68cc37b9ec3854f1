// The room as a whole: what kernel/host calls to have local sockets on a machine and on a host.
//
// Lives here:  unix_describe, unix_boot, unix_collect, unix_names.
// Called by:   kernel/host; tests. File operations on names (unlink, mkdir ...) go through
//              unix_names.
#ifndef SOCKBED_KERNEL_UNIX_UNIX_H_
#define SOCKBED_KERNEL_UNIX_UNIX_H_

#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"
#include "kernel/unix/unix_names.h"

namespace sockbed {

// Tells `trace` how the records of this room read.
void unix_describe(Trace& trace);

// Gives `host` the family AF_UNIX; adds its sysctls (net.unix.stream.sendspace, .recvspace, the
// same of dgram and seqpacket; kern.maxvnodes) and the live counts "unpcb" and "file in flight".
// REQUIRES: once per host, after socket_boot.
void unix_boot(HostBase& host);

// Closes the files in flight that nobody can receive any more. Closing any local socket does this;
// to be called when the last process of `host` has ended, since its descriptors may have been of
// files that live on in messages.
void unix_collect(HostBase& host);

// The tree of names of that host.
NameSpace& unix_names(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UNIX_UNIX_H_
