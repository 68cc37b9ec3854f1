// MLD version 1, the listener's side: telling routers which IPv6 groups are listened to.
//
// Lives here:  mld6_start_listening, mld6_stop_listening, mld6_input.
// Called by:   in6_mcast.cc (joining and leaving), icmp6.cc (messages).
// May touch:   ip6_output through icmp6_send, the rest of inet.
// Context:     any; reports are sent in interrupt context. Never sleeps.
// Units:       delays in virtual ns, drawn from nd.jitter: one name for each group and delay.
// Invariants:  1. ff02::1, groups of an interface's scope, solicited-node groups and groups of lo0
//                 are never reported.
//              2. A group's timer runs exactly while a report of it is due.
// Source:      RFC 2710, RFC 3590; OpenBSD sys/netinet6/mld6.c.
// Differs:     no router functions; solicited-node groups stay unsaid, as no switch here listens.
#ifndef SOCKBED_KERNEL_INET_MLD6_H_
#define SOCKBED_KERNEL_INET_MLD6_H_

#include "kernel/inet/in6_mcast.h"
#include "kernel/mbuf/mbuf.h"

namespace sockbed {

// A group has its first member: reports it now and, in case that is lost, once more later.
void mld6_start_listening(in6_multi* in6m);
// Its last member goes: if nobody else has reported it since we did, tells the routers.
void mld6_stop_listening(in6_multi* in6m);

// A query, report or departure, `hlen` bytes of headers before it. Takes m.
void mld6_input(MbufPtr m, int hlen);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_MLD6_H_
