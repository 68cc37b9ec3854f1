// getservbyname(3), getprotobyname(3) and kin: tables that every host has.
//
// An entry is laid out in one buffer: the caller's (the _r forms), or the process's own, one for
// services and one for protocols, which its next call of that kind overwrites.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "uapi/arena.h"
#include "uapi/filedesc.h"
#include "uapi/names.h"
#include "uapi/services.h"

namespace sockbed::uapi {
namespace {

constexpr size_t kEntryBytes = 256;  // more than any of the tables needs

// The aliases of an entry: one, or none (null).
char** Aliases(Arena* arena, const char* alias) {
  auto** const list = static_cast<char**>(arena->Take(2 * sizeof(char*), alignof(char*)));
  char* const text = alias != nullptr ? arena->Copy(alias, 1) : nullptr;
  if (arena->full()) return nullptr;
  list[0] = text;
  list[1] = nullptr;
  return list;
}

// Errors: ERANGE (the buffer is too small).
int LayOut(const Service& service, const char* protocol, std::span<char> space, servent* result) {
  Arena arena(space);
  char** const aliases = Aliases(&arena, nullptr);
  *result = {.s_name = arena.Copy(service.name, 1),
             .s_aliases = aliases,
             .s_port = htons(service.port),
             .s_proto = arena.Copy(protocol, 1)};
  return arena.full() ? ERANGE : 0;
}
int LayOut(const Protocol& protocol, std::span<char> space, protoent* result) {
  Arena arena(space);
  char** const aliases = Aliases(&arena, protocol.alias);
  *result = {
      .p_name = arena.Copy(protocol.name, 1), .p_aliases = aliases, .p_proto = protocol.number};
  return arena.full() ? ERANGE : 0;
}

// The protocol that a caller means; without one the first that the service is there over. Null:
// services are not there over that.
const char* ProtocolOf(const char* wanted) {
  if (wanted == nullptr) return "tcp";
  const std::string_view name = wanted;
  return name == "tcp" ? "tcp" : name == "udp" ? "udp" : nullptr;
}

// The entry of a table that `is` holds for, or null.
template <typename Table, typename Is>
auto Find(const Table& table, Is is) -> decltype(std::begin(table)) {
  const auto* const found = std::find_if(std::begin(table), std::end(table), is);
  return found != std::end(table) ? found : nullptr;
}

const Service* ServiceNamed(const char* name) {
  if (name == nullptr) return nullptr;
  return Find(kServices, [name](const Service& s) { return strcmp(s.name, name) == 0; });
}
const Service* ServiceAt(int port) {
  return Find(kServices, [port](const Service& s) { return htons(s.port) == port; });
}
const Protocol* ProtocolNamed(const char* name) {
  if (name == nullptr) return nullptr;
  return Find(kProtocols, [name](const Protocol& p) {
    return strcmp(p.name, name) == 0 || strcmp(p.alias, name) == 0;
  });
}
const Protocol* ProtocolNumbered(int number) {
  return Find(kProtocols, [number](const Protocol& p) { return p.number == number; });
}

// As the _r functions: 0 (*result says whether there is one), or an errno.
int Give(const Service* service, const char* protocol, servent* entry, std::span<char> space,
         servent** result) {
  *result = nullptr;
  const char* const over = ProtocolOf(protocol);
  if (service == nullptr || over == nullptr) return 0;
  if (const int error = LayOut(*service, over, space, entry)) return error;
  *result = entry;
  return 0;
}
int Give(const Protocol* protocol, protoent* entry, std::span<char> space, protoent** result) {
  *result = nullptr;
  if (protocol == nullptr) return 0;
  if (const int error = LayOut(*protocol, space, entry)) return error;
  *result = entry;
  return 0;
}

// The process's own buffer: an entry, and what it points at.
struct Own {
  void* entry;
  std::span<char> space;
};
Own OwnBuffer(std::vector<char> filedesc::*buffer) {
  proc* const p = curproc();
  fdinit(p);
  std::vector<char>& bytes = p->p_fd->*buffer;
  bytes.resize(kEntryBytes);
  constexpr size_t kHead = std::max(sizeof(servent), sizeof(protoent));
  return {bytes.data(), std::span(bytes).subspan(kHead)};
}

servent* GiveOwn(const Service* service, const char* protocol) {
  const Own own = OwnBuffer(&filedesc::fd_servent);
  servent* result;
  (void)Give(service, protocol, static_cast<servent*>(own.entry), own.space, &result);  // it fits
  return result;
}
protoent* GiveOwn(const Protocol* protocol) {
  const Own own = OwnBuffer(&filedesc::fd_protoent);
  protoent* result;
  (void)Give(protocol, static_cast<protoent*>(own.entry), own.space, &result);  // it fits
  return result;
}

}  // namespace

servent* getservbyname(const char* name, const char* protocol) {
  return GiveOwn(ServiceNamed(name), protocol);
}
servent* getservbyport(int port, const char* protocol) {
  return GiveOwn(ServiceAt(port), protocol);
}
protoent* getprotobyname(const char* name) { return GiveOwn(ProtocolNamed(name)); }
protoent* getprotobynumber(int number) { return GiveOwn(ProtocolNumbered(number)); }

int getservbyname_r(const char* name, const char* protocol, servent* entry, char* space,
                    size_t size, servent** result) {
  return Give(ServiceNamed(name), protocol, entry, {space, size}, result);
}
int getservbyport_r(int port, const char* protocol, servent* entry, char* space, size_t size,
                    servent** result) {
  return Give(ServiceAt(port), protocol, entry, {space, size}, result);
}
int getprotobyname_r(const char* name, protoent* entry, char* space, size_t size,
                     protoent** result) {
  return Give(ProtocolNamed(name), entry, {space, size}, result);
}
int getprotobynumber_r(int number, protoent* entry, char* space, size_t size, protoent** result) {
  return Give(ProtocolNumbered(number), entry, {space, size}, result);
}

}  // namespace sockbed::uapi
