#include "kernel/host/in_proto.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "kernel/inet/raw_ip.h"
#include "kernel/tcp/tcp.h"
#include "kernel/udp/udp_var.h"

namespace sockbed {
namespace {

constexpr protosw kInetsw[] = {
    {SOCK_STREAM, &inetdomain, IPPROTO_TCP, kTcpPrFlags, &tcp_usrreqs, tcp_ctloutput},
    {SOCK_DGRAM, &inetdomain, IPPROTO_UDP, kUdpPrFlags, &udp_usrreqs, udp_ctloutput},
    {SOCK_RAW, &inetdomain, 0, kRawPrFlags, &rip_usrreqs, rip_ctloutput},
};

constexpr protosw kInet6sw[] = {
    {SOCK_STREAM, &inet6domain, IPPROTO_TCP, kTcpPrFlags, &tcp_usrreqs, tcp_ctloutput},
    {SOCK_DGRAM, &inet6domain, IPPROTO_UDP, kUdpPrFlags, &udp_usrreqs, udp_ctloutput},
    {SOCK_RAW, &inet6domain, 0, kRawPrFlags, &rip_usrreqs, rip6_ctloutput},
};

}  // namespace

const domain inetdomain = {
    .dom_family = AF_INET,
    .dom_name = "internet",
    .dom_externalize = nullptr,
    .dom_dispose = nullptr,
    .dom_protosw = kInetsw,
};

const domain inet6domain = {
    .dom_family = AF_INET6,
    .dom_name = "internet6",
    .dom_externalize = nullptr,
    .dom_dispose = nullptr,
    .dom_protosw = kInet6sw,
};

}  // namespace sockbed
