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

// Numeric addresses; the host's own table of names, "localhost", the simulation's hosts; its name
// servers (resolver.h). Numeric ports and the services of a small table. AI_PASSIVE, AI_CANONNAME,
// AI_NUMERICHOST, AI_NUMERICSERV, AI_ADDRCONFIG, AI_V4MAPPED, AI_ALL. [sleeps] "poll", while it
// asks.
// Returns 0 or EAI_NONAME, EAI_NODATA (the name has no such address), EAI_ADDRFAMILY (nor has the
// number), EAI_SERVICE, EAI_FAMILY, EAI_SOCKTYPE, EAI_BADFLAGS, EAI_MEMORY, EAI_AGAIN (no name
// server spoke; fault point resolv.fail), EAI_FAIL (none would answer).
int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);
void freeaddrinfo(addrinfo* list);
// NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD, NI_NOFQDN, NI_DGRAM. A name that is not found is
// given in figures. [sleeps] Returns 0 or EAI_BADFLAGS, EAI_FAMILY, EAI_OVERFLOW, EAI_NONAME, and
// with NI_NAMEREQD EAI_AGAIN, EAI_FAIL.
int getnameinfo(const sockaddr* sa, socklen_t len, char* host, socklen_t hostlen, char* service,
                socklen_t servicelen, int flags);
// The result is the process's own, until its next call of the three. Null: h_errno is
// HOST_NOT_FOUND, TRY_AGAIN, NO_DATA or NO_RECOVERY. [sleeps]
hostent* gethostbyname(const char* name);
hostent* gethostbyname2(const char* name, int family);
hostent* gethostbyaddr(const void* address, socklen_t len, int family);
// The same into `space`; *error is the h_errno. Returns 0 (*result is `host`, or null), or ERANGE.
int gethostbyname_r(const char* name, hostent* host, char* space, size_t size, hostent** result,
                    int* error);
int gethostbyname2_r(const char* name, int family, hostent* host, char* space, size_t size,
                     hostent** result, int* error);
int gethostbyaddr_r(const void* address, socklen_t len, int family, hostent* host, char* space,
                    size_t size, hostent** result, int* error);
int gethostname(char* name, size_t len);

// The services and protocols of a small table (services.h); `protocol` "tcp", "udp" or null. The
// result is the process's own, until its next call for one of the kind; null: there is none.
servent* getservbyname(const char* name, const char* protocol);
servent* getservbyport(int port, const char* protocol);  // `port` in network byte order
protoent* getprotobyname(const char* name);
protoent* getprotobynumber(int number);
// The same into `space`. Returns 0 (*result is `entry`, or null), or ERANGE.
int getservbyname_r(const char* name, const char* protocol, servent* entry, char* space,
                    size_t size, servent** result);
int getservbyport_r(int port, const char* protocol, servent* entry, char* space, size_t size,
                    servent** result);
int getprotobyname_r(const char* name, protoent* entry, char* space, size_t size,
                     protoent** result);
int getprotobynumber_r(int number, protoent* entry, char* space, size_t size, protoent** result);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_NAMES_H_
