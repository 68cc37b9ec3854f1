// gethostbyname(3) and kin: the look-ups of getaddrinfo under their old names.
//
// A result is laid out in one buffer: the caller's (the _r forms), or the process's own, which its
// next call overwrites.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include <span>
#include <string>
#include <vector>

#include "uapi/arena.h"
#include "uapi/resolver.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

// What a hostent tells.
struct HostEntry {
  std::string name;
  int family = AF_INET;
  std::vector<std::string> addresses;  // their bytes
};

// The h_errno for an EAI_*; 0 for 0.
int HostError(int eai) {
  switch (eai) {
    case 0: return 0;
    case EAI_NONAME: return HOST_NOT_FOUND;
    case EAI_AGAIN: return TRY_AGAIN;
    case EAI_NODATA:
    case EAI_ADDRFAMILY: return NO_DATA;
    default: return NO_RECOVERY;
  }
}

std::string BytesOf(const InetAddress& address) {
  const bool v4 = address.sa.sa_family == AF_INET;
  return v4 ? std::string(reinterpret_cast<const char*>(&address.sin.sin_addr), sizeof(in_addr))
            : std::string(reinterpret_cast<const char*>(&address.sin6.sin6_addr), sizeof(in6_addr));
}

// Errors: ERANGE (the buffer is too small).
int LayOut(const HostEntry& entry, std::span<char> space, hostent* result) {
  Arena arena(space);
  const size_t count = entry.addresses.size();
  auto** const addresses =
      static_cast<char**>(arena.Take((count + 1) * sizeof(char*), alignof(char*)));
  auto** const aliases = static_cast<char**>(arena.Take(sizeof(char*), alignof(char*)));
  char* const name = arena.Copy(entry.name, 1);
  if (arena.full()) return ERANGE;
  for (size_t i = 0; i < count; ++i) addresses[i] = arena.Copy(entry.addresses[i], 4);
  if (arena.full()) return ERANGE;
  addresses[count] = aliases[0] = nullptr;
  *result = {.h_name = name,
             .h_aliases = aliases,
             .h_addrtype = entry.family,
             .h_length = entry.family == AF_INET ? int{sizeof(in_addr)} : int{sizeof(in6_addr)},
             .h_addr_list = addresses};
  return 0;
}

// Returns an EAI_*.
int EntryOfName(const char* name, int family, HostEntry* entry) {
  if (name == nullptr) return EAI_NONAME;
  if (family != AF_INET && family != AF_INET6) return EAI_FAMILY;
  addrinfo hints{};
  hints.ai_family = family;
  std::vector<InetAddress> found;
  if (const int error = FindAddresses(name, hints, &found, &entry->name)) return error;
  entry->family = family;
  for (const InetAddress& address : found) entry->addresses.push_back(BytesOf(address));
  return 0;
}
int EntryOfAddress(const void* bytes, socklen_t len, int family, HostEntry* entry) {
  InetAddress address;
  if (bytes != nullptr && family == AF_INET && len == sizeof(in_addr)) {
    in_addr v4;
    memcpy(&v4, bytes, sizeof v4);
    address = InetAddress::Of(v4);
  } else if (bytes != nullptr && family == AF_INET6 && len == sizeof(in6_addr)) {
    in6_addr v6;
    memcpy(&v6, bytes, sizeof v6);
    address = InetAddress::Of(v6);
  } else {
    return EAI_FAMILY;
  }
  if (const int error = FindName(address, &entry->name)) return error;
  entry->family = family;
  entry->addresses = {BytesOf(address)};
  return 0;
}

// Runs `find`, lays out what it found. As the _r functions: returns an errno (0: *result says).
template <typename Find>
int Reentrant(Sys sys, const CallArgs& args, Find&& find, hostent* host, std::span<char> space,
              hostent** result, int* error) {
  *result = nullptr;
  return static_cast<int>(SystemCallValue(sys, args, [&](proc*) -> int64_t {
    HostEntry entry;
    *error = HostError(find(&entry));
    if (*error != 0) return 0;
    if (const int small = LayOut(entry, space, host)) {
      *error = NETDB_INTERNAL;
      return small;
    }
    *result = host;
    return 0;
  }));
}

// The same into the process's own buffer, which grows as it must.
template <typename Find>
hostent* Static(Sys sys, const CallArgs& args, Find&& find) {
  hostent* result = nullptr;
  int error = 0;
  SystemCallValue(sys, args, [&](proc* p) -> int64_t {
    HostEntry entry;
    error = HostError(find(&entry));
    if (error != 0) return 0;
    std::vector<char>& space = p->p_fd->fd_hostent;
    if (space.empty()) space.resize(1024);
    auto* host = reinterpret_cast<hostent*>(space.data());
    while (LayOut(entry, std::span(space).subspan(sizeof *host), host) != 0) {
      space.resize(space.size() * 2);
      host = reinterpret_cast<hostent*>(space.data());
    }
    result = host;
    return 0;
  });
  h_errno = error;
  return result;
}

CallArgs NameArgs(const char* name) { return {.a0 = Shown(name, 0), .a1 = Shown(name, 1)}; }

}  // namespace

hostent* gethostbyname(const char* name) { return uapi::gethostbyname2(name, AF_INET); }

hostent* gethostbyname2(const char* name, int family) {
  return Static(Sys::kGethostbyname, NameArgs(name),
                [&](HostEntry* entry) { return EntryOfName(name, family, entry); });
}

hostent* gethostbyaddr(const void* address, socklen_t len, int family) {
  return Static(Sys::kGethostbyaddr, {.a0 = Shown(family)},
                [&](HostEntry* entry) { return EntryOfAddress(address, len, family, entry); });
}

int gethostbyname_r(const char* name, hostent* host, char* space, size_t size, hostent** result,
                    int* error) {
  return uapi::gethostbyname2_r(name, AF_INET, host, space, size, result, error);
}

int gethostbyname2_r(const char* name, int family, hostent* host, char* space, size_t size,
                     hostent** result, int* error) {
  return Reentrant(
      Sys::kGethostbyname, NameArgs(name),
      [&](HostEntry* entry) { return EntryOfName(name, family, entry); }, host, {space, size},
      result, error);
}

int gethostbyaddr_r(const void* address, socklen_t len, int family, hostent* host, char* space,
                    size_t size, hostent** result, int* error) {
  return Reentrant(
      Sys::kGethostbyaddr, {.a0 = Shown(family)},
      [&](HostEntry* entry) { return EntryOfAddress(address, len, family, entry); }, host,
      {space, size}, result, error);
}

}  // namespace sockbed::uapi
