// The internet domain: the one place that knows which protocols a host has.
//
// Lives here:  inetdomain.
// Called by:   kernel/host at boot.
// Source:      OpenBSD sys/netinet/in_proto.c.
#ifndef SOCKBED_KERNEL_HOST_IN_PROTO_H_
#define SOCKBED_KERNEL_HOST_IN_PROTO_H_

#include "kernel/socket/protosw.h"

namespace sockbed {

extern const domain inetdomain;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_HOST_IN_PROTO_H_
