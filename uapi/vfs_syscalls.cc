// Calls on files by name, and what else only files have.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "uapi/files.h"
#include "uapi/inode.h"
#include "uapi/outside.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

// The last 16 characters of a path, which the trace has room for.
CallArgs PathArgs(const char* path, uint64_t a2 = 0) {
  if (path == nullptr) return {.a2 = a2};
  const size_t len = strnlen(path, PATH_MAX);
  const char* const tail = path + (len > 16 ? len - 16 : 0);
  return {.a0 = Shown(tail, 0), .a1 = Shown(tail, 1), .a2 = a2};
}

std::string ParentOf(const std::string& absolute) {
  return absolute.substr(0, std::max<size_t>(absolute.rfind('/'), 1));
}

// Whether the process may change the directory that holds that name.
int MayChange(const proc* p, Files& files, const std::string& absolute) {
  std::shared_ptr<inode> parent;
  if (const int error = namei(files, ParentOf(absolute), true, &parent)) return error;
  if (parent->i_kind != inode::Kind::kDirectory) return ENOTDIR;
  if (const int error = vn_writable(files, absolute)) return error;
  return suser(p->p_ucred) ? 0 : vn_access(p, *parent, W_OK | X_OK);
}

int Create(const proc* p, Files& files, const std::string& absolute, inode::Kind kind, mode_t mode,
           std::shared_ptr<inode>* ip) {
  if (const int error = MayChange(p, files, absolute)) return error;
  auto made = std::make_shared<inode>();
  made->i_kind = kind;
  made->i_mode = mode & 07777 & ~p->p_fd->fd_cmask;
  made->i_uid = p->p_ucred.cr_uid;
  made->i_gid = p->p_ucred.cr_gid;
  made->i_mtime = files.host.wall_clock_ns();
  made->i_charged = &files.bytes_used;
  files.nodes[absolute] = made;
  return namei(files, absolute, false, ip);  // which numbers it
}

// /dev/fd/N and its other names: the descriptor that is meant, or -1.
int DescriptorOf(const std::string& absolute) {
  if (absolute == "/dev/stdin") return STDIN_FILENO;
  if (absolute == "/dev/stdout") return STDOUT_FILENO;
  if (absolute == "/dev/stderr") return STDERR_FILENO;
  constexpr std::string_view kFolder = "/dev/fd/";
  int fd = -1;
  if (absolute.starts_with(kFolder)) {
    std::from_chars(absolute.data() + kFolder.size(), absolute.data() + absolute.size(), fd);
  }
  return fd;
}

// As fd(4): the same open file once more.
int OpenDescriptor(proc* p, int fd, bool close_on_exec, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  int newfd;
  if (const int error = fdalloc(p, 0, fp, close_on_exec, &newfd)) return error;
  FREF(fp);
  *value = newfd;
  return 0;
}

// The inode that open(2) opens, made if need be.
int FindToOpen(const proc* p, Files& files, const std::string& absolute, int flags, mode_t mode,
               std::shared_ptr<inode>* ip) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  const int error = namei(files, absolute, (flags & O_NOFOLLOW) == 0, ip);
  if (error == ENOENT && (flags & O_CREAT) != 0) {
    return Create(p, files, absolute, inode::Kind::kRegular, mode, ip);
  }
  if (error != 0) return error;
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return EEXIST;
  const inode::Kind kind = (*ip)->i_kind;
  if (kind == inode::Kind::kLink) return ELOOP;
  if (kind == inode::Kind::kSocket) return ENXIO;
  if (kind != inode::Kind::kDirectory && (flags & O_DIRECTORY) != 0) return ENOTDIR;
  if (kind == inode::Kind::kDirectory && (writes || (flags & O_CREAT) != 0)) return EISDIR;
  if (kind == inode::Kind::kRegular && writes) {
    if (const int readonly = vn_own(files, absolute, *ip)) return readonly;
  }
  const int want = ((flags & O_ACCMODE) != O_WRONLY ? R_OK : 0) | (writes ? W_OK : 0);
  return vn_access(p, **ip, want);
}

int sys_open(proc* p, int dir, const char* path, int flags, mode_t mode, int64_t* value) {
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_ACCMODE) return EINVAL;
  if ((flags & O_TMPFILE) == O_TMPFILE) return EOPNOTSUPP;
  std::string absolute;
  if (const int error = vn_path(p, dir, path, &absolute)) return error;
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  if (const int fd = DescriptorOf(absolute); fd >= 0) {
    return OpenDescriptor(p, fd, close_on_exec, value);
  }
  Files& files = CurrentFiles();
  auto open = std::make_unique<OpenInode>();
  if (const int error = FindToOpen(p, files, absolute, flags, mode, &open->ip)) return error;
  if (const int error = vn_load(files, open->ip.get())) return error;
  const inode::Kind kind = open->ip->i_kind;
  if (kind == inode::Kind::kRegular && (flags & O_TRUNC) != 0 && open->ip->i_charged != nullptr) {
    if (const int error = vn_resize(files, open->ip.get(), 0)) return error;
  }
  open->path = std::move(absolute);
  const int flag = ((flags & O_ACCMODE) + 1) | (flags & (O_NONBLOCK | O_APPEND));
  const bool has_contents = kind == inode::Kind::kRegular || kind == inode::Kind::kDirectory;
  int fd;
  const int error = fdcreate(p, FileType::kVnode, has_contents ? &inode_ops : &device_ops,
                             open.get(), flag, close_on_exec, &fd);
  if (error != 0) return error;
  (void)open.release() /*taken*/;
  *value = fd;
  return 0;
}

int sys_stat(proc* p, int dir, const char* path, bool follow, struct stat* st) {
  if (st == nullptr) return EFAULT;
  std::string absolute;
  if (const int error = vn_path(p, dir, path, &absolute)) return error;
  std::shared_ptr<inode> ip;
  if (const int error = namei(CurrentFiles(), absolute, follow, &ip)) return error;
  vn_stat(*ip, st);
  return 0;
}

int sys_access(proc* p, int dir, const char* path, int mode, bool follow) {
  if ((mode & ~(R_OK | W_OK | X_OK)) != 0) return EINVAL;
  std::string absolute;
  if (const int error = vn_path(p, dir, path, &absolute)) return error;
  Files& files = CurrentFiles();
  std::shared_ptr<inode> ip;
  if (const int error = namei(files, absolute, follow, &ip)) return error;
  const bool changes = (mode & W_OK) != 0 && (ip->i_kind == inode::Kind::kRegular ||
                                              ip->i_kind == inode::Kind::kDirectory);
  if (changes && vn_writable(files, absolute) != 0) return EROFS;
  return vn_access(p, *ip, mode);
}

int sys_unlink(proc* p, int dir, const char* path, bool directory) {
  std::string absolute;
  if (const int error = vn_path(p, dir, path, &absolute)) return error;
  Files& files = CurrentFiles();
  std::shared_ptr<inode> ip;
  if (const int error = namei(files, absolute, false, &ip)) return error;
  if (directory != (ip->i_kind == inode::Kind::kDirectory)) return directory ? ENOTDIR : EISDIR;
  if (ip->i_kind == inode::Kind::kSocket) return files.sockets.Unlink(absolute);
  for (const FileMount& mount : files.conf.mounts) {
    if (absolute == "/" || mount.at == absolute || mount.at.starts_with(absolute + "/")) {
      return EBUSY;
    }
  }
  if (const int error = MayChange(p, files, absolute)) return error;
  std::vector<std::string> names;
  if (directory) {
    if (const int error = vn_list(files, absolute, &names)) return error;
    if (!names.empty()) return ENOTEMPTY;
    (void)files.sockets.Rmdir(absolute);  // which knows it if a program has made it
  }
  vn_forget(files, absolute);
  return 0;
}

// Whether what stands at `to` may give way to `ip`.
int MayReplace(Files& files, const inode& ip, const std::string& to) {
  std::shared_ptr<inode> old;
  const int error = namei(files, to, false, &old);
  if (error != 0) return error == ENOENT ? 0 : error;
  const bool was_directory = old->i_kind == inode::Kind::kDirectory;
  if (was_directory != (ip.i_kind == inode::Kind::kDirectory)) {
    return was_directory ? EISDIR : ENOTDIR;
  }
  std::vector<std::string> names;
  if (was_directory) {
    if (const int listing = vn_list(files, to, &names)) return listing;
  }
  return names.empty() ? 0 : ENOTEMPTY;
}

// Renames all that programs made below a directory that one of them made.
void MoveBelow(Files& files, const std::string& from, const std::string& to) {
  const std::string prefix = from + "/";
  for (auto it = files.nodes.lower_bound(prefix);
       it != files.nodes.end() && it->first.starts_with(prefix);) {
    auto moved = files.nodes.extract(it++);
    moved.key() = to + moved.key().substr(from.size());
    files.nodes.erase(moved.key());
    files.nodes.insert(std::move(moved));
  }
}

int sys_rename(proc* p, int from_dir, const char* from, int to_dir, const char* to) {
  std::string old_name, new_name;
  if (const int error = vn_path(p, from_dir, from, &old_name)) return error;
  if (const int error = vn_path(p, to_dir, to, &new_name)) return error;
  Files& files = CurrentFiles();
  std::shared_ptr<inode> ip;
  if (const int error = namei(files, old_name, false, &ip)) return error;
  if (old_name == new_name) return 0;
  if (ip->i_kind == inode::Kind::kSocket) return files.sockets.Rename(old_name, new_name);
  if (new_name.starts_with(old_name + "/")) return EINVAL;
  if (const int error = MayChange(p, files, old_name)) return error;
  if (const int error = MayChange(p, files, new_name)) return error;
  if (const int error = MayReplace(files, *ip, new_name)) return error;
  if (ip->i_kind == inode::Kind::kRegular) {
    if (const int error = vn_own(files, old_name, ip)) return error;
  }
  if (ip->i_charged == nullptr) return EXDEV;
  vn_forget(files, old_name);
  files.nodes[new_name] = ip;
  if (ip->i_kind == inode::Kind::kDirectory) {
    MoveBelow(files, old_name, new_name);
    return files.sockets.Rename(old_name, new_name);
  }
  return 0;
}

int sys_chdir(proc* p, std::string absolute) {
  std::shared_ptr<inode> ip;
  if (const int error = namei(CurrentFiles(), absolute, true, &ip)) return error;
  if (ip->i_kind != inode::Kind::kDirectory) return ENOTDIR;
  if (const int error = vn_access(p, *ip, X_OK)) return error;
  (void)CurrentFiles().sockets.Chdir(absolute);  // which does not know all real ones
  p->p_fd->fd_cdir = std::move(absolute);
  return 0;
}

int sys_truncate(proc* p, const char* path, off_t size) {
  if (size < 0) return EINVAL;
  std::string absolute;
  if (const int error = vn_path(p, AT_FDCWD, path, &absolute)) return error;
  Files& files = CurrentFiles();
  std::shared_ptr<inode> ip;
  if (const int error = FindToOpen(p, files, absolute, O_WRONLY, 0, &ip)) return error;
  if (ip->i_kind != inode::Kind::kRegular) return EINVAL;
  return vn_resize(files, ip.get(), static_cast<size_t>(size));
}

int sys_ftruncate(proc* p, int fd, off_t size) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  OpenInode* const open = vn_of(fp);
  if (size < 0 || open == nullptr || (fp->f_flag & FWRITE) == 0) return EINVAL;
  return vn_resize(CurrentFiles(), open->ip.get(), static_cast<size_t>(size));
}

// The file's bytes are copied: nobody else can change them, so a shared mapping to read is as good
// as a private one.
int sys_mmap(proc* p, int fd, void* addr, size_t len, int prot, int flags, off_t offset,
             int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  const OpenInode* const open = vn_of(fp);
  if (open == nullptr || open->ip->i_kind != inode::Kind::kRegular) return ENODEV;
  const bool shared = (flags & MAP_PRIVATE) == 0;
  if ((fp->f_flag & FREAD) == 0 || (shared && (prot & PROT_WRITE) != 0)) return EACCES;
  if (offset < 0 || len == 0) return EINVAL;
  const OutsideProcess outside;
  void* const made = ::mmap(addr, len, PROT_READ | PROT_WRITE,
                            (flags & MAP_FIXED) | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return errno;
  const std::string& data = open->ip->i_data;
  const auto from = static_cast<size_t>(offset);
  if (from < data.size()) std::memcpy(made, data.data() + from, std::min(len, data.size() - from));
  if (::mprotect(made, len, prot) != 0) return errno;
  *value = reinterpret_cast<int64_t>(made);
  return 0;
}

constexpr size_t kSendfilePiece = 64 * 1024;  // what one call moves at most

int sys_sendfile(proc* p, int out, int in, off_t* offset, size_t len, int64_t* value) {
  file *from, *to;
  if (const int error = getfile(p, in, &from)) return error;
  if (const int error = getfile(p, out, &to)) return error;
  if ((from->f_flag & FREAD) == 0 || (to->f_flag & FWRITE) == 0) return EBADF;
  OpenInode* const open = vn_of(from);
  if (open == nullptr || open->ip->i_kind != inode::Kind::kRegular) return EINVAL;
  const off_t at = offset != nullptr ? *offset : open->offset;
  if (at < 0) return EINVAL;
  const std::string& data = open->ip->i_data;
  const auto begin = std::min(static_cast<size_t>(at), data.size());
  // A copy: others may change the file while this one sleeps.
  const std::string piece = data.substr(begin, std::min(len, kSendfilePiece));
  UserBuffer bytes(piece.data(), piece.size(), UIO_WRITE);
  bytes.MaybeShorten(to);
  const int error = bytes.Finish(to->f_ops->fo_write(to, bytes.get()), value);
  if (error == EPIPE) psignal(p, SIGPIPE);
  if (error == 0) (offset != nullptr ? *offset : open->offset) = at + *value;
  return error;
}

unsigned char DirentType(inode::Kind kind) {
  switch (kind) {
    case inode::Kind::kRegular: return DT_REG;
    case inode::Kind::kDirectory: return DT_DIR;
    case inode::Kind::kLink: return DT_LNK;
    case inode::Kind::kSocket: return DT_SOCK;
    default: return DT_CHR;
  }
}

void AddEntry(Files& files, const std::string& absolute, const std::string& name,
              std::vector<dirent>* entries) {
  std::shared_ptr<inode> ip;
  if (namei(files, absolute, false, &ip) != 0) return;  // a device of the real host, or just gone
  dirent& entry = entries->emplace_back();
  entry = {};
  entry.d_ino = ip->i_number;
  entry.d_off = static_cast<off_t>(entries->size());
  entry.d_reclen = sizeof entry;
  entry.d_type = DirentType(ip->i_kind);
  name.copy(entry.d_name, sizeof entry.d_name - 1);
}

int sys_getdents(proc* p, int fd, std::vector<dirent>* entries) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  const OpenInode* const open = vn_of(fp);
  if (open == nullptr || open->ip->i_kind != inode::Kind::kDirectory) return ENOTDIR;
  Files& files = CurrentFiles();
  std::vector<std::string> names;
  if (const int error = vn_list(files, open->path, &names)) return error;
  AddEntry(files, open->path, ".", entries);
  AddEntry(files, ParentOf(open->path), "..", entries);
  const std::string prefix = open->path == "/" ? "/" : open->path + "/";
  for (const std::string& name : names) AddEntry(files, prefix + name, name, entries);
  return 0;
}

// Draws names until one is free. Each attempt is a system call of its own.
int MakeTemporary(char* path, auto make) {
  constexpr std::string_view kPattern = "XXXXXX", kLetters = "abcdefghijklmnopqrstuvwxyz012345";
  constexpr int kAttempts = 100;
  const size_t len = strlen(path);
  if (len < kPattern.size() || kPattern != path + len - kPattern.size()) {
    errno = EINVAL;
    return -1;
  }
  for (int i = 0; i < kAttempts; ++i) {
    unsigned char drawn[kPattern.size()];
    if (uapi::getrandom(drawn, sizeof drawn, 0) < 0) return -1;
    for (size_t k = 0; k < sizeof drawn; ++k) {
      path[len - sizeof drawn + k] = kLetters[drawn[k] % kLetters.size()];
    }
    if (const int made = make(); made >= 0 || errno != EEXIST) return made;
  }
  return -1;
}

int PathCall(Sys sys, const char* path, uint64_t a2, auto body) {
  return static_cast<int>(
      SystemCall(sys, PathArgs(path, a2), [&](proc* p, int64_t*) { return body(p); }));
}

// The name of what `path` leads to.
int sys_realpath(proc* p, const char* path, std::string* absolute) {
  if (const int error = vn_path(p, AT_FDCWD, path, absolute)) return error;
  std::shared_ptr<inode> ip;
  return namei(CurrentFiles(), *absolute, true, &ip);
}

}  // namespace

int open(const char* path, int flags, mode_t mode) {
  return uapi::openat(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char* path, int flags, mode_t mode) {
  return static_cast<int>(SystemCall(
      Sys::kOpen, PathArgs(path, Shown(flags)),
      [&](proc* p, int64_t* value) { return sys_open(p, dir, path, flags, mode, value); }));
}

int stat(const char* path, struct stat* st) { return uapi::fstatat(AT_FDCWD, path, st, 0); }

int lstat(const char* path, struct stat* st) {
  return uapi::fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int fstatat(int dir, const char* path, struct stat* st, int flags) {
  if ((flags & AT_EMPTY_PATH) != 0 && path != nullptr && *path == '\0') return uapi::fstat(dir, st);
  return PathCall(Sys::kStat, path, 0, [&](proc* p) {
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) != 0) return EINVAL;
    return sys_stat(p, dir, path, (flags & AT_SYMLINK_NOFOLLOW) == 0, st);
  });
}

int access(const char* path, int mode) { return uapi::faccessat(AT_FDCWD, path, mode, 0); }

int faccessat(int dir, const char* path, int mode, int flags) {
  return PathCall(Sys::kAccess, path, Shown(mode), [&](proc* p) {
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EACCESS)) != 0) return EINVAL;
    return sys_access(p, dir, path, mode, (flags & AT_SYMLINK_NOFOLLOW) == 0);
  });
}

ssize_t readlink(const char* path, char* text, size_t len) {
  return uapi::readlinkat(AT_FDCWD, path, text, len);
}

ssize_t readlinkat(int dir, const char* path, char* text, size_t len) {
  return SystemCall(Sys::kReadlink, PathArgs(path), [&](proc* p, int64_t* value) {
    std::string absolute;
    if (const int error = vn_path(p, dir, path, &absolute)) return error;
    std::shared_ptr<inode> ip;
    if (const int error = namei(CurrentFiles(), absolute, false, &ip)) return error;
    if (ip->i_kind != inode::Kind::kLink) return EINVAL;
    if (text == nullptr) return EFAULT;
    *value = static_cast<int64_t>(ip->i_data.copy(text, len));
    return 0;
  });
}

int mkdir(const char* path, mode_t mode) { return uapi::mkdirat(AT_FDCWD, path, mode); }

int mkdirat(int dir, const char* path, mode_t mode) {
  return PathCall(Sys::kMkdir, path, mode, [&](proc* p) {
    std::string absolute;
    if (const int error = vn_path(p, dir, path, &absolute)) return error;
    Files& files = CurrentFiles();
    std::shared_ptr<inode> ip;
    const int error = namei(files, absolute, false, &ip);
    if (error != ENOENT) return error == 0 ? EEXIST : error;
    const int made = Create(p, files, absolute, inode::Kind::kDirectory, mode, &ip);
    // Local sockets can be bound there, too, unless the folder stands in one of the real host's.
    if (made == 0) (void)files.sockets.Mkdir(absolute, mode);
    return made;
  });
}

int rmdir(const char* path) {
  return PathCall(Sys::kRmdir, path, 0,
                  [&](proc* p) { return sys_unlink(p, AT_FDCWD, path, true); });
}

int unlink(const char* path) { return uapi::unlinkat(AT_FDCWD, path, 0); }

int unlinkat(int dir, const char* path, int flags) {
  return PathCall(Sys::kUnlink, path, 0, [&](proc* p) {
    if ((flags & ~AT_REMOVEDIR) != 0) return EINVAL;
    return sys_unlink(p, dir, path, flags != 0);
  });
}

int rename(const char* from, const char* to) {
  return uapi::renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_dir, const char* from, int to_dir, const char* to) {
  return PathCall(Sys::kRename, from, Shown(to, 0),
                  [&](proc* p) { return sys_rename(p, from_dir, from, to_dir, to); });
}

int mkostemp(char* path, int flags) {
  return static_cast<int>(MakeTemporary(
      path, [&] { return uapi::open(path, flags | O_RDWR | O_CREAT | O_EXCL, 0600); }));
}

char* mkdtemp(char* path) {
  return MakeTemporary(path, [&] { return uapi::mkdir(path, 0700); }) == 0 ? path : nullptr;
}

int truncate(const char* path, off_t size) {
  return PathCall(Sys::kTruncate, path, Shown(size),
                  [&](proc* p) { return sys_truncate(p, path, size); });
}

int ftruncate(int fd, off_t size) {
  return static_cast<int>(
      SystemCall(Sys::kFtruncate, {.fd = fd, .a0 = Shown(size)},
                 [&](proc* p, int64_t*) { return sys_ftruncate(p, fd, size); }));
}

int fsync(int fd) {
  return static_cast<int>(SystemCall(Sys::kFsync, {.fd = fd}, [&](proc* p, int64_t*) {
    file* fp;
    if (const int error = getfile(p, fd, &fp)) return error;
    return vn_of(fp) != nullptr ? 0 : EINVAL;
  }));
}

int chdir(const char* path) {
  return PathCall(Sys::kChdir, path, 0, [&](proc* p) {
    std::string absolute;
    if (const int error = vn_path(p, AT_FDCWD, path, &absolute)) return error;
    return sys_chdir(p, std::move(absolute));
  });
}

int fchdir(int fd) {
  return static_cast<int>(SystemCall(Sys::kFchdir, {.fd = fd}, [&](proc* p, int64_t*) {
    file* fp;
    if (const int error = getfile(p, fd, &fp)) return error;
    const OpenInode* const open = vn_of(fp);
    return open != nullptr ? sys_chdir(p, open->path) : ENOTDIR;
  }));
}

char* getcwd(char* path, size_t size) {
  const auto give_back = [](void* memory) { free(memory); };
  std::unique_ptr<void, decltype(give_back)> made(nullptr, give_back);  // if the call unwinds
  char* result = nullptr;
  SystemCall(Sys::kGetcwd, {}, [&](const proc* p, int64_t*) {
    const std::string& name = p->p_fd->fd_cdir;
    if (path != nullptr && size == 0) return EINVAL;
    if (size != 0 && size <= name.size()) return ERANGE;
    if (path == nullptr) made.reset(malloc(std::max(size, name.size() + 1)));
    result = path != nullptr ? path : static_cast<char*>(made.get());
    if (result == nullptr) return ENOMEM;
    name.copy(result, name.size());
    result[name.size()] = '\0';
    return 0;
  });
  (void)made.release() /*taken*/;
  return result;
}

mode_t umask(mode_t mask) {
  return static_cast<mode_t>(SystemCallValue(Sys::kUmask, {.a0 = mask}, [&](const proc* p) {
    (void)CurrentFiles().sockets.Umask(mask & 0777);  // the same one as ours
    return std::exchange(p->p_fd->fd_cmask, mask & 0777);
  }));
}

void* mmap(void* addr, size_t len, int prot, int flags, int fd, off_t offset) {
  const CallArgs args{.fd = fd, .a0 = len, .a1 = Shown(offset)};
  // The trace says that it worked, not where: addresses are no part of a run.
  void* made = MAP_FAILED;
  SystemCall(Sys::kMmap, args, [&](proc* p, int64_t*) {
    int64_t value = 0;
    const int error = sys_mmap(p, fd, addr, len, prot, flags, offset, &value);
    if (error == 0) made = reinterpret_cast<void*>(value);
    return error;
  });
  return made;
}

ssize_t sendfile(int out, int in, off_t* offset, size_t len) {
  return SystemCall(
      Sys::kSendfile, {.fd = out, .a0 = Shown(in), .a1 = len},
      [&](proc* p, int64_t* value) { return sys_sendfile(p, out, in, offset, len, value); });
}

dirstream* fdopendir(int fd) {
  auto dir = std::make_unique<dirstream>();
  const int64_t result = SystemCall(Sys::kGetdents, {.fd = fd}, [&](proc* p, int64_t*) {
    return sys_getdents(p, fd, &dir->entries);
  });
  if (result < 0) return nullptr;
  dir->fd = fd;
  return dir.release() /*taken*/;
}

dirstream* opendir(const char* path) {
  const int fd = uapi::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 ? uapi::fdopendir(fd) : nullptr;
}

dirent* readdir(dirstream* dir) {
  return dir->next < dir->entries.size() ? &dir->entries[dir->next++] : nullptr;
}

int closedir(dirstream* dir) {
  const std::unique_ptr<dirstream> owned(dir);
  return uapi::close(owned->fd);
}

char* realpath(const char* path, char* resolved) {
  std::string absolute;
  const int64_t result = SystemCall(Sys::kStat, PathArgs(path), [&](proc* p, int64_t*) {
    return sys_realpath(p, path, &absolute);
  });
  if (result < 0) return nullptr;
  if (resolved == nullptr) return strdup(absolute.c_str());
  absolute.copy(resolved, absolute.size());
  resolved[absolute.size()] = '\0';
  return resolved;
}

}  // namespace sockbed::uapi
