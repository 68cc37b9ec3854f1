// The files that a simulated process sees, and the calls on them.
//
// Lives here:  FileMount, FilesConf, SetFiles; open, stat, rename, opendir ... and mmap of a file.
// Called by:   set-up (tests, tools) before a run; simulated programs; //uapi:posix.
// May touch:   the real host's files, to read them and nothing else.
// Context:     SetFiles: outside a run. The calls: a simulated process.
// Owns:        each host has a tree of its own; what its programs write lives and dies with it.
// Units:       bytes; times are the host's wall clock.
// Invariants:  1. No call of a program changes a real file.
//              2. A real file's bytes, kind and size are input of the run. Its times, owner, mode,
//                 inode and device are not seen: stat(2) answers with numbers that no machine
//                 changes. Directories are listed in order of name.
//              3. A local socket is seen under the name it is bound to.
// Source:      the manual pages of sections 2 and 3; OpenBSD sys/kern/vfs_*.c.
// Differs:     a real file is read as a whole when it is opened. ".." goes up by name, not through
//              symbolic links; no link can be made; reading locks and waits for nobody.
#ifndef SOCKBED_UAPI_FILES_H_
#define SOCKBED_UAPI_FILES_H_

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sockbed {

class Host;

// What stands at one place of a host's tree, and below it.
struct FileMount {
  std::string at;         // "/srv": absolute
  std::string from;       // the real directory that is shown there; empty: an empty one
  bool writable = false;  // what is written stays in memory; otherwise writing fails with EROFS
};

struct FilesConf {
  // The deepest that leads to a name counts; of two at one place the later. Before these there are
  // "/" (from "/"), "/cwd" (from the directory the simulation was started in), "/tmp" (empty,
  // writable), and "/dev", "/proc" and "/sys" (empty). A process begins in "/".
  std::vector<FileMount> mounts;
  int64_t bytes_max = 64 << 20;  // of written files; beyond: ENOSPC
};

// Says what `host` sees. REQUIRES: outside a run; each `at` is absolute.
void SetFiles(Host& host, FilesConf conf);

namespace uapi {

// Errors of every call with a path: EFAULT, ENOENT, ENOTDIR, ENAMETOOLONG, EACCES; of those with a
// directory's descriptor, EBADF; of those that change something, EROFS.

// O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_NONBLOCK.
// /dev/null, /dev/zero, /dev/random and /dev/urandom (the host's stream "getrandom"), /dev/fd/N;
// /etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf, /etc/services say what the simulation knows.
// Errors: EEXIST, EISDIR (writing), ENOTDIR, ELOOP (O_NOFOLLOW), ENXIO (a real device, socket or
// pipe), EMFILE, ENFILE, EINVAL (O_PATH, a bad mode), EOPNOTSUPP (O_TMPFILE).
int open(const char* path, int flags, mode_t mode = 0);
int openat(int dir, const char* path, int flags, mode_t mode = 0);
int stat(const char* path, struct stat* st);
int lstat(const char* path, struct stat* st);
int fstatat(int dir, const char* path, struct stat* st, int flags);  // AT_SYMLINK_NOFOLLOW,
                                                                     // AT_EMPTY_PATH
int access(const char* path, int mode);
int faccessat(int dir, const char* path, int mode, int flags);
// Errors: EINVAL (no link).
ssize_t readlink(const char* path, char* text, size_t len);
ssize_t readlinkat(int dir, const char* path, char* text, size_t len);
int mkdir(const char* path, mode_t mode);  // Errors: EEXIST.
int mkdirat(int dir, const char* path, mode_t mode);
int rmdir(const char* path);                         // Errors: ENOTEMPTY, EBUSY.
int unlink(const char* path);                        // Errors: EISDIR.
int unlinkat(int dir, const char* path, int flags);  // AT_REMOVEDIR
// Errors: EXDEV (a link, or a directory that shows a real one), EISDIR, ENOTEMPTY, EINVAL (into
// itself).
int rename(const char* from, const char* to);
int renameat(int from_dir, const char* from, int to_dir, const char* to);
// A new file or directory whose name ends in six letters in the place of `path`'s last six, XXXXXX.
// Errors: EINVAL (they are others), EEXIST (a hundred names were taken).
int mkostemp(char* path, int flags);
char* mkdtemp(char* path);                   // null on failure
int truncate(const char* path, off_t size);  // Errors: EISDIR, EINVAL, ENOSPC.
int ftruncate(int fd, off_t size);           // Errors: EINVAL (not a file to write).
int fsync(int fd);                           // Errors: EINVAL (a socket, a pipe).
int chdir(const char* path);
int fchdir(int fd);
char* getcwd(char* path, size_t size);  // null: malloc'ed. Errors: ERANGE, EINVAL.
mode_t umask(mode_t mask);
// The bytes of a file as memory of the process's own: MAP_PRIVATE, or MAP_SHARED to read. `fd` is a
// file's. Errors: EBADF, ENODEV (no file), EACCES (a shared mapping to write), EINVAL.
void* mmap(void* addr, size_t len, int prot, int flags, int fd, off_t offset);
// From a file to a socket or pipe. [sleeps] as a write does. Errors: as read and write; EINVAL
// (`in` is no file).
ssize_t sendfile(int out, int in, off_t* offset, size_t len);

// A directory that is being read: its entries as they were when it was opened, "." and ".." first.
struct dirstream {
  int fd = -1;  // owned
  std::vector<dirent> entries;
  size_t next = 0;
};
dirstream* opendir(const char* path);  // null on failure. Errors: also ENOTDIR.
dirstream* fdopendir(int fd);          // takes `fd`, on success
dirent* readdir(dirstream* dir);       // null at the end; errno stays
int closedir(dirstream* dir);
// The absolute name of what `path` leads to: malloc'ed unless `resolved` is given (PATH_MAX bytes).
char* realpath(const char* path, char* resolved);

}  // namespace uapi
}  // namespace sockbed

#endif  // SOCKBED_UAPI_FILES_H_
