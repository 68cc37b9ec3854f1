// The files that every host has: devices, and what the simulation says in the place of the real
// host's configuration.
//
// Lives here:  AddGenerated.
// Called by:   a new tree (vfs_lookup.cc).
// Source:      null(4), zero(4), random(4); hosts(5), resolv.conf(5),
//              nsswitch.conf(5), services(5).
#ifndef SOCKBED_UAPI_GENERATED_FILES_H_
#define SOCKBED_UAPI_GENERATED_FILES_H_

#include "uapi/inode.h"

namespace sockbed::uapi {

// Puts them into a new tree.
void AddGenerated(Files& files);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_GENERATED_FILES_H_
