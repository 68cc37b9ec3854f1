// The internet domains: the one place that knows which protocols a host has.
//
// Lives here:  inetdomain, inet6domain.
// Called by:   kernel/host at boot.
// Source:      OpenBSD sys/netinet/in_proto.c, sys/netinet6/in6_proto.c.
#ifndef SOCKBED_KERNEL_HOST_IN_PROTO_H_
#define SOCKBED_KERNEL_HOST_IN_PROTO_H_

#include "kernel/socket/protosw.h"

namespace sockbed {

extern const domain inetdomain;
extern const domain inet6domain;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_HOST_IN_PROTO_H_
