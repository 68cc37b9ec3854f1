// One file of a host's tree, and how its name leads to it. (What the name of a local socket leads
// to is kernel/unix's vnode.)
//
// Lives here:  inode, the tree (Files), namei and what changes the tree; an open inode.
// Called by:   vfs_syscalls.cc, sys_generic.cc (calls that know positions), filedesc.
// Owns:        the tree holds what was written and what is generated, by name; a real file is
//              looked at anew each time. An open file holds its inode, which may outlive its
//              name.
// Invariants:  1. Names in the tree are absolute and have no ".", ".." or empty part.
//              2. bytes_used is the sum of i_data of the inodes that programs wrote, of open ones
//                 without a name, too.
// Source:      OpenBSD sys/ufs/ufs/inode.h, sys/kern/vfs_lookup.c, sys/kern/vfs_vnops.c.
#ifndef SOCKBED_UAPI_INODE_H_
#define SOCKBED_UAPI_INODE_H_

#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel/host/host.h"
#include "kernel/sched/file.h"
#include "kernel/sched/proc.h"
#include "kernel/unix/unix.h"
#include "uapi/files.h"

namespace sockbed::uapi {

struct Files;

struct inode {
  enum class Kind : uint8_t { kRegular, kDirectory, kLink, kSocket, kNull, kZero, kRandom };

  inode() = default;
  ~inode() {
    if (i_charged != nullptr) *i_charged -= static_cast<int64_t>(i_data.size());
  }
  inode(const inode&) = delete;
  inode& operator=(const inode&) = delete;

  Kind i_kind = Kind::kRegular;
  mode_t i_mode = 0;  // permission bits
  uid_t i_uid = 0;
  gid_t i_gid = 0;
  ino_t i_number = 0;   // counts from 1 per host, in order of first sight of the name
  off_t i_size = 0;     // of a real file that has not been read; otherwise i_data's
  int64_t i_mtime = 0;  // wall clock, ns
  std::string i_data;   // a regular file's bytes, once read; a link's target
  std::string i_real;   // the real file that is still to be read; empty: i_data counts
  std::string (*i_make)(Host& host) = nullptr;  // says the bytes anew at each look-up
  int64_t* i_charged = nullptr;                 // bytes_used, if a program has made or changed it
};

// The tree of one host.
struct Files {
  explicit Files(Host& host);

  Host& host;
  NameSpace& sockets;  // the names of local sockets, and the directories that hold some
  FilesConf conf;      // with the mounts that every host has in front
  int64_t bytes_used = 0;
  std::map<std::string, std::shared_ptr<inode>> nodes;  // by name; null: a real one, removed
  std::map<std::string, ino_t> numbers;                 // every name that was ever found
};

// The absolute form of `path`, which is taken from `dir` (AT_FDCWD: the current directory).
// Errors: EFAULT, ENOENT (empty), ENAMETOOLONG, EBADF, ENOTDIR.
[[nodiscard]] int vn_path(proc* p, int dir, const char* path, std::string* absolute);
// What stands at an absolute name. Follows a link that is the last part only if asked; what a real
// one leads to is the real host's business. Errors: ENOENT, ENOTDIR, EACCES, ENXIO, ELOOP.
[[nodiscard]] int namei(Files& files, const std::string& absolute, bool follow,
                        std::shared_ptr<inode>* ip);
// Reads a real file's bytes into i_data, unless they are there. Errors: as read(2) of the real one.
[[nodiscard]] int vn_load(Files& files, inode* ip);
// Makes `ip` the tree's own under that name, with its bytes: it can be changed then. Errors: EROFS,
// ENOSPC, as vn_load.
[[nodiscard]] int vn_own(Files& files, const std::string& absolute, std::shared_ptr<inode> ip);
// Whether names under it may change. Errors: EROFS.
[[nodiscard]] int vn_writable(const Files& files, const std::string& absolute);
// Whether a process may do that: R_OK, W_OK, X_OK or'ed. Errors: EACCES.
[[nodiscard]] int vn_access(const proc* p, const inode& ip, int want);
// Makes a regular file's bytes so many. Errors: ENOSPC.
[[nodiscard]] int vn_resize(Files& files, inode* ip, size_t size);
// The names in a directory, sorted, without "." and "..". Errors: ENOENT, ENOTDIR, EACCES.
[[nodiscard]] int vn_list(Files& files, const std::string& absolute,
                          std::vector<std::string>* names);
// Takes a name away.
void vn_forget(Files& files, const std::string& absolute);
void vn_stat(const inode& ip, struct stat* st);

// An open inode: f_data of a file of kVnode that is no console.
struct OpenInode {
  std::shared_ptr<inode> ip;
  std::string path;
  off_t offset = 0;
};
extern const fileops inode_ops;   // regular files and directories
extern const fileops device_ops;  // /dev/null and kin
// Of a regular file or directory, or null.
OpenInode* vn_of(const file* fp);
// Moves data at *offset, which moves on. Errors: EISDIR, ENOSPC, EFAULT, EFBIG.
[[nodiscard]] int vn_rdwr(file* fp, uio* uio, off_t* offset);

// Puts a place into the tree, and what leads to it.
void vn_mount(Files& files, FileMount mount);

// The tree of the current host.
Files& CurrentFiles();

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_INODE_H_
