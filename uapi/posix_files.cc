// The shim's names of files and directories.
#undef _FORTIFY_SOURCE

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <string>

#include "uapi/posix_real.h"
#include "uapi/uapi.h"

using sockbed::Discarding;
using sockbed::InProcess;
using sockbed::Real;
using sockbed::WithoutUnwinding;
namespace uapi = sockbed::uapi;

namespace {

// The mode behind open's fixed arguments, where the flags say that there is one.
#define SOCKBED_OPTIONAL_MODE(flags, mode)        \
  mode_t mode = 0;                                \
  if (((flags) & (O_CREAT | __O_TMPFILE)) != 0) { \
    va_list args;                                 \
    va_start(args, flags);                        \
    mode = va_arg(args, mode_t);                  \
    va_end(args);                                 \
  }

uapi::dirstream* Ours(DIR* dir) { return reinterpret_cast<uapi::dirstream*>(dir); }
DIR* Theirs(uapi::dirstream* dir) { return reinterpret_cast<DIR*>(dir); }

// scandir(3) over our own readdir: what is kept is malloc'ed, the list and each entry.
int Scan(const char* path, dirent*** list, int (*wanted)(const dirent*),
         int (*order)(const dirent**, const dirent**)) {
  uapi::dirstream* const dir = uapi::opendir(path);
  if (dir == nullptr) return -1;
  auto** kept = static_cast<dirent**>(malloc((dir->entries.size() + 1) * sizeof(dirent*)));
  int count = 0;
  while (const dirent* entry = uapi::readdir(dir)) {
    if (wanted != nullptr && wanted(entry) == 0) continue;
    kept[count] = static_cast<dirent*>(malloc(sizeof *entry));
    *kept[count++] = *entry;
  }
  uapi::closedir(dir);
  if (order != nullptr) {
    qsort(kept, static_cast<size_t>(count), sizeof *kept,
          reinterpret_cast<int (*)(const void*, const void*)>(order));
  }
  *list = kept;
  return count;
}

static_assert(sizeof(dirent) == sizeof(dirent64));
static_assert(sizeof(struct stat) == sizeof(struct stat64));
struct stat* Plain(struct stat64* st) {
  return reinterpret_cast<struct stat*>(st);
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// --- Opening. ---
int open(const char* path, int flags, ...) {
  SOCKBED_OPTIONAL_MODE(flags, mode);
  return InProcess() ? uapi::open(path, flags, mode) : Real().open(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  SOCKBED_OPTIONAL_MODE(flags, mode);
  return InProcess() ? uapi::open(path, flags, mode) : Real().open64(path, flags, mode);
}
int openat(int dir, const char* path, int flags, ...) {
  SOCKBED_OPTIONAL_MODE(flags, mode);
  return InProcess() ? uapi::openat(dir, path, flags, mode) : Real().openat(dir, path, flags, mode);
}
int openat64(int dir, const char* path, int flags, ...) {
  SOCKBED_OPTIONAL_MODE(flags, mode);
  return InProcess() ? uapi::openat(dir, path, flags, mode)
                     : Real().openat64(dir, path, flags, mode);
}
int __open_2(const char* path, int flags) { return open(path, flags); }
int __open64_2(const char* path, int flags) { return open64(path, flags); }
int __openat_2(int dir, const char* path, int flags) { return openat(dir, path, flags); }
int __openat64_2(int dir, const char* path, int flags) { return openat64(dir, path, flags); }
int creat(const char* path, mode_t mode) { return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char* path, mode_t mode) { return creat(path, mode); }
int mkostemp(char* path, int flags) {
  return InProcess() ? uapi::mkostemp(path, flags) : Real().mkostemp(path, flags);
}
int mkostemp64(char* path, int flags) { return mkostemp(path, flags); }
int mkstemp(char* path) { return mkostemp(path, 0); }
int mkstemp64(char* path) { return mkostemp(path, 0); }
char* mkdtemp(char* path) noexcept {
  if (!InProcess()) return Real().mkdtemp(path);
  return WithoutUnwinding([&] { return uapi::mkdtemp(path); });
}

// --- What stands under a name. ---
SOCKBED_SHIM_NOTHROW(int, stat, (const char* path, struct stat* st), (path, st))
SOCKBED_SHIM_NOTHROW(int, lstat, (const char* path, struct stat* st), (path, st))
SOCKBED_SHIM_NOTHROW(int, fstatat, (int dir, const char* path, struct stat* st, int flags),
                     (dir, path, st, flags))
int stat64(const char* path, struct stat64* st) noexcept { return stat(path, Plain(st)); }
int lstat64(const char* path, struct stat64* st) noexcept { return lstat(path, Plain(st)); }
int fstatat64(int dir, const char* path, struct stat64* st, int flags) noexcept {
  return fstatat(dir, path, Plain(st), flags);
}
// The names that programs built for older C libraries call.
int __xstat(int, const char* path, struct stat* st) noexcept { return stat(path, st); }
int __xstat64(int, const char* path, struct stat64* st) noexcept { return stat64(path, st); }
int __lxstat(int, const char* path, struct stat* st) noexcept { return lstat(path, st); }
int __lxstat64(int, const char* path, struct stat64* st) noexcept { return lstat64(path, st); }
int __fxstat(int, int fd, struct stat* st) noexcept { return fstat(fd, st); }
int __fxstat64(int, int fd, struct stat64* st) noexcept { return fstat64(fd, st); }
int __fxstatat(int, int dir, const char* path, struct stat* st, int flags) noexcept {
  return fstatat(dir, path, st, flags);
}
int __fxstatat64(int, int dir, const char* path, struct stat64* st, int flags) noexcept {
  return fstatat64(dir, path, st, flags);
}
SOCKBED_SHIM_NOTHROW(int, access, (const char* path, int mode), (path, mode))
SOCKBED_SHIM_NOTHROW(int, faccessat, (int dir, const char* path, int mode, int flags),
                     (dir, path, mode, flags))
int euidaccess(const char* path, int mode) noexcept {
  if (!InProcess()) return Real().euidaccess(path, mode);
  return WithoutUnwinding([&] { return uapi::access(path, mode); });
}
int eaccess(const char* path, int mode) noexcept { return euidaccess(path, mode); }
SOCKBED_SHIM_NOTHROW(ssize_t, readlink, (const char* path, char* text, size_t len),
                     (path, text, len))
SOCKBED_SHIM_NOTHROW(ssize_t, readlinkat, (int dir, const char* path, char* text, size_t len),
                     (dir, path, text, len))
ssize_t __readlink_chk(const char* path, char* text, size_t len, size_t) noexcept {
  return readlink(path, text, len);
}
ssize_t __readlinkat_chk(int dir, const char* path, char* text, size_t len, size_t) noexcept {
  return readlinkat(dir, path, text, len);
}
char* realpath(const char* path, char* resolved) noexcept {
  if (!InProcess()) return Real().realpath(path, resolved);
  return WithoutUnwinding([&] { return uapi::realpath(path, resolved); });
}
char* __realpath_chk(const char* path, char* resolved, size_t) noexcept {
  return realpath(path, resolved);
}
char* canonicalize_file_name(const char* path) noexcept { return realpath(path, nullptr); }

// --- Changing names. ---
SOCKBED_SHIM_NOTHROW(int, mkdir, (const char* path, mode_t mode), (path, mode))
SOCKBED_SHIM_NOTHROW(int, mkdirat, (int dir, const char* path, mode_t mode), (dir, path, mode))
SOCKBED_SHIM_NOTHROW(int, rmdir, (const char* path), (path))
SOCKBED_SHIM_NOTHROW(int, unlink, (const char* path), (path))
SOCKBED_SHIM_NOTHROW(int, unlinkat, (int dir, const char* path, int flags), (dir, path, flags))
int remove(const char* path) noexcept {
  if (!InProcess()) return Real().remove(path);
  return WithoutUnwinding([&] {
    const int removed = uapi::unlink(path);
    return removed == 0 || errno != EISDIR ? removed : uapi::rmdir(path);
  });
}
SOCKBED_SHIM_NOTHROW(int, rename, (const char* from, const char* to), (from, to))
SOCKBED_SHIM_NOTHROW(int, renameat, (int from_dir, const char* from, int to_dir, const char* to),
                     (from_dir, from, to_dir, to))
SOCKBED_SHIM_NOTHROW(mode_t, umask, (mode_t mask), (mask))
SOCKBED_SHIM_NOTHROW(int, chdir, (const char* path), (path))
SOCKBED_SHIM_NOTHROW(int, fchdir, (int fd), (fd))
char* getcwd(char* path, size_t size) noexcept {
  if (!InProcess()) return Real().getcwd(path, size);
  return WithoutUnwinding([&] { return uapi::getcwd(path, size); });
}
char* __getcwd_chk(char* path, size_t size, size_t) noexcept { return getcwd(path, size); }
char* get_current_dir_name() noexcept { return getcwd(nullptr, 0); }

// --- Contents. ---
SOCKBED_SHIM_NOTHROW(int, truncate, (const char* path, off_t size), (path, size))
SOCKBED_SHIM_NOTHROW(int, ftruncate, (int fd, off_t size), (fd, size))
int truncate64(const char* path, off64_t size) noexcept { return truncate(path, size); }
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
SOCKBED_SHIM(int, fsync, (int fd), (fd))
int fdatasync(int fd) { return InProcess() ? uapi::fsync(fd) : Real().fdatasync(fd); }
SOCKBED_SHIM_NOTHROW(ssize_t, sendfile, (int out, int in, off_t* offset, size_t len),
                     (out, in, offset, len))
ssize_t sendfile64(int out, int in, off64_t* offset, size_t len) noexcept {
  return sendfile(out, in, offset, len);
}
// Memory that is nobody's file is the C library's business.
void* mmap(void* addr, size_t len, int prot, int flags, int fd, off_t offset) noexcept {
  if ((flags & MAP_ANONYMOUS) != 0 || !InProcess()) {
    return Real().mmap(addr, len, prot, flags, fd, offset);
  }
  // As a number: what it gives where it may not unwind is -1, MAP_FAILED.
  return reinterpret_cast<void*>(WithoutUnwinding([&] {
    return reinterpret_cast<intptr_t>(uapi::mmap(addr, len, prot, flags, fd, offset));
  }));
}
void* mmap64(void* addr, size_t len, int prot, int flags, int fd, off64_t offset) noexcept {
  return mmap(addr, len, prot, flags, fd, offset);
}

// --- Directories. ---
DIR* opendir(const char* path) {
  return InProcess() ? Theirs(uapi::opendir(path)) : Real().opendir(path);
}
DIR* fdopendir(int fd) { return InProcess() ? Theirs(uapi::fdopendir(fd)) : Real().fdopendir(fd); }
int closedir(DIR* dir) { return InProcess() ? uapi::closedir(Ours(dir)) : Real().closedir(dir); }
dirent* readdir(DIR* dir) { return InProcess() ? uapi::readdir(Ours(dir)) : Real().readdir(dir); }
dirent64* readdir64(DIR* dir) { return reinterpret_cast<dirent64*>(readdir(dir)); }
int dirfd(DIR* dir) noexcept { return InProcess() ? Ours(dir)->fd : Real().dirfd(dir); }
void rewinddir(DIR* dir) noexcept {
  if (!InProcess()) return Real().rewinddir(dir);
  Ours(dir)->next = 0;
}
long telldir(DIR* dir) noexcept {
  return InProcess() ? static_cast<long>(Ours(dir)->next) : Real().telldir(dir);
}
void seekdir(DIR* dir, long position) noexcept {
  if (!InProcess()) return Real().seekdir(dir, position);
  Ours(dir)->next = static_cast<size_t>(std::max(position, 0L));
}
int scandir(const char* path, dirent*** list, int (*wanted)(const dirent*),
            int (*order)(const dirent**, const dirent**)) {
  return InProcess() ? Scan(path, list, wanted, order) : Real().scandir(path, list, wanted, order);
}
int scandir64(const char* path, dirent64*** list, int (*wanted)(const dirent64*),
              int (*order)(const dirent64**, const dirent64**)) {
  return scandir(path, reinterpret_cast<dirent***>(list),
                 reinterpret_cast<int (*)(const dirent*)>(wanted),
                 reinterpret_cast<int (*)(const dirent**, const dirent**)>(order));
}

}  // extern "C"
#pragma GCC visibility pop
