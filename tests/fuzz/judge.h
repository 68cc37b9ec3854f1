// What no segment and no ICMP error may do to a connection.
//
// Lives here:  Forbidden, ForbiddenByIcmp.
// Called by:   hostile_peer.cc.
// Source:      RFC 5961 3.2 (resets), 4.2 (SYNs), 5.2 (acknowledgements); RFC 9293 3.10.7.3 (before
//              the connection stands), 3.10.7.4 (windows); RFC 5927 5.2 (ICMP).
#ifndef SOCKBED_TESTS_FUZZ_JUDGE_H_
#define SOCKBED_TESTS_FUZZ_JUDGE_H_

#include <string_view>

#include "tests/fuzz/victim.h"

namespace sockbed::fuzz {

// What of the change from `before` to `after`, which `packet` has brought, is forbidden. Empty:
// nothing.
std::string_view Forbidden(const View& before, const View& after,
                           const packetdrill::WirePacket& packet, bool freebsd);
// The same of an ICMP error.
std::string_view ForbiddenByIcmp(const View& before, const View& after);

}  // namespace sockbed::fuzz

#endif  // SOCKBED_TESTS_FUZZ_JUDGE_H_
