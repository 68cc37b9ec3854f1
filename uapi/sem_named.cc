// Named semaphores: sem_open(3) and kin. The processes of a host share them, as a real host's do;
// no other host, and no file, knows of them.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "kernel/host/host.h"
#include "kernel/sim/fault.h"
#include "uapi/filedesc.h"
#include "uapi/rthread.h"
#include "uapi/rthread_private.h"

namespace sockbed::uapi {
namespace {

using Semaphores = std::vector<std::unique_ptr<NamedSemaphore>>;

// What the name is without the slashes that it may begin with. Errors: EINVAL, ENAMETOOLONG.
int PlainName(const char* name, std::string_view* plain) {
  if (name == nullptr) return EINVAL;
  *plain = name;
  plain->remove_prefix(std::min(plain->find_first_not_of('/'), plain->size()));
  if (plain->empty() || plain->find('/') != std::string_view::npos) return EINVAL;
  constexpr size_t kPrefix = 4;  // of the file that a real host would keep it in
  return plain->size() + kPrefix > NAME_MAX ? ENAMETOOLONG : 0;
}

NamedSemaphore* Find(const Semaphores& all, std::string_view name) {
  const auto found = std::ranges::find_if(all, [name](const auto& s) { return s->name == name; });
  return found != all.end() ? found->get() : nullptr;
}

// One that nobody can open again and nobody has open is gone.
void Reap(Semaphores* all) {
  std::erase_if(*all, [](const auto& s) { return s->name.empty() && s->opens == 0; });
}

int Open(const char* name, int flags, unsigned value, sem_t** sem) {
  std::string_view plain;
  if (const int error = PlainName(name, &plain)) return error;
  Semaphores& all = attach_host(CurrentHost()).semaphores;
  NamedSemaphore* found = Find(all, plain);
  if (found != nullptr && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return EEXIST;
  if (found == nullptr) {
    if ((flags & O_CREAT) == 0) return ENOENT;
    if (value > SEM_VALUE_MAX) return EINVAL;
    if (fault::Fires(Site::kPoolGet, Here().pid)) return ENOMEM;
    all.push_back(std::make_unique<NamedSemaphore>());
    found = all.back().get();
    found->name = plain;
    (void)::sem_init(&found->sem, 1, value);  // it fails for too large a value only
  }
  ++found->opens;
  *sem = &found->sem;
  return 0;
}

}  // namespace

sem_t* sem_open(const char* name, int flags, mode_t, unsigned value) {
  BeginThreadCall();
  sem_t* sem = SEM_FAILED;
  ThreadErrno(Open(name, flags, value, &sem));
  return sem;
}

int sem_close(sem_t* sem) {
  BeginThreadCall();
  Semaphores& all = attach_host(CurrentHost()).semaphores;
  const auto found = std::ranges::find_if(all, [sem](const auto& s) { return &s->sem == sem; });
  if (found == all.end() || (*found)->opens == 0) return ThreadErrno(EINVAL);
  --(*found)->opens;
  Reap(&all);
  return ThreadErrno(0);
}

int sem_unlink(const char* name) {
  BeginThreadCall();
  std::string_view plain;
  if (const int error = PlainName(name, &plain)) {
    return ThreadErrno(error == EINVAL ? ENOENT : error);
  }
  Semaphores& all = attach_host(CurrentHost()).semaphores;
  NamedSemaphore* const found = Find(all, plain);
  if (found == nullptr) return ThreadErrno(ENOENT);
  found->name.clear();
  Reap(&all);
  return ThreadErrno(0);
}

}  // namespace sockbed::uapi
