// Names and addresses: getaddrinfo(3) and kin.
//
// Lives here:  looking up hosts, addresses and services.
// Called by:   through uapi.h; //uapi:posix.
// May touch:   host, sim.
// Context:     a simulated process.
// Owns:        a result belongs to the caller, who gives it to freeaddrinfo.
// Source:      getaddrinfo(3), getnameinfo(3), gethostname(3); RFC 3493 section 6.
#ifndef SOCKBED_UAPI_NAMES_H_
#define SOCKBED_UAPI_NAMES_H_

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace sockbed::uapi {

// Host names of the simulation, "localhost", numeric addresses; numeric ports and the services of a
// small table. Returns 0 or EAI_NONAME, EAI_SERVICE, EAI_FAMILY, EAI_SOCKTYPE, EAI_BADFLAGS,
// EAI_AGAIN (fault point resolv.fail).
int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);
void freeaddrinfo(addrinfo* list);
int getnameinfo(const sockaddr* sa, socklen_t len, char* host, socklen_t hostlen, char* service,
                socklen_t servicelen, int flags);
int gethostname(char* name, size_t len);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_NAMES_H_
