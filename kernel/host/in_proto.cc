#include "kernel/host/in_proto.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "kernel/udp/udp_var.h"

namespace sockbed {
namespace {

constexpr protosw kInetsw[] = {
    {SOCK_DGRAM, &inetdomain, IPPROTO_UDP, kUdpPrFlags, &udp_usrreqs, udp_ctloutput},
};

}  // namespace

const domain inetdomain = {
    .dom_family = AF_INET,
    .dom_name = "internet",
    .dom_externalize = nullptr,
    .dom_dispose = nullptr,
    .dom_protosw = kInetsw,
};

}  // namespace sockbed
