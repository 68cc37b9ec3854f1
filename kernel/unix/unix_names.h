// The names that local sockets are bound to: a small tree of files in memory, per host.
//
// Lives here:  struct vnode, NameSpace.
// Called by:   uipc_usrreq.cc (bind, connect); kernel/host, uapi and tests for the other file
//              operations.
// May touch:   sched. Knows no socket but as the pointer that a node carries.
// Context:     a process, whose ids, current directory and root decide; in interrupt context the
//              superuser's in "/". Never sleeps.
// Owns:        the tree owns its nodes; a bound socket holds one more reference (vref), so that a
//              node may outlive its name.
// Invariants:  1. A node is in the tree under exactly one name, or v_unlinked.
//              2. An unlinked node without references is gone.
// Source:      OpenBSD sys/kern/vfs_lookup.c, vfs_syscalls.c; path_resolution as namei(9) has it.
// Differs:     directories hold names only; regular files hold no bytes; no hard links.
#ifndef SOCKBED_KERNEL_UNIX_UNIX_NAMES_H_
#define SOCKBED_KERNEL_UNIX_UNIX_NAMES_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "kernel/sched/proc.h"

namespace sockbed {

struct socket;

enum class VnodeType : uint8_t { kDirectory, kRegular, kSymlink, kSocket };

struct vnode {
  VnodeType v_type = VnodeType::kRegular;  // [I]
  mode_t v_mode = 0;                       // permission bits
  uid_t v_uid = 0;
  gid_t v_gid = 0;
  uint64_t v_ino = 0;          // [I] counts from 2 per host ("/")
  int v_refs = 0;              // held by bound sockets
  bool v_unlinked = false;     // has no name any more
  bool v_readonly = false;     // directory: root of a read-only mount
  socket* v_socket = nullptr;  // the socket bound to it; null once that is closed
  std::string v_target;        // [I] symlink: where to
  vnode* v_parent = nullptr;   // directory it stands in; of "/" itself
  std::map<std::string, vnode*, std::less<>> v_entries;  // directory: owned
};

class NameSpace {
 public:
  static constexpr size_t kNameMax = 255;   // of a component
  static constexpr size_t kPathMax = 1024;  // of a path, with what symlinks bring in
  static constexpr int kSymlinksMax = 32;   // followed in one look-up

  // Starts with "/", "/tmp" (everybody's), "/var" and "/var/run" (the superuser's).
  NameSpace();
  ~NameSpace();
  NameSpace(const NameSpace&) = delete;
  NameSpace& operator=(const NameSpace&) = delete;

  // All functions return 0 or an errno. Any path may fail with ENOENT, ENOTDIR, EACCES (a directory
  // on the way may not be searched), ELOOP, ENAMETOOLONG.

  // The node of that path, symlinks followed. Borrowed.
  [[nodiscard]] int Lookup(std::string_view path, vnode** node);
  // Makes a socket node; the last component is not followed. Errors: EADDRINUSE (exists in any
  // form), EACCES (the directory may not be written), EROFS, ENOSPC (kern.maxvnodes).
  [[nodiscard]] int MakeSocket(std::string_view path, vnode** node);

  // As the system calls of the same names.
  [[nodiscard]] int Mkdir(std::string_view path, mode_t mode);  // EEXIST, EACCES, EROFS, ENOSPC
  [[nodiscard]] int Creat(std::string_view path, mode_t mode);  // likewise
  [[nodiscard]] int Symlink(std::string_view target, std::string_view path);  // likewise
  [[nodiscard]] int Unlink(std::string_view path);  // EPERM (directory), EACCES, EROFS
  [[nodiscard]] int Rmdir(std::string_view path);   // ENOTEMPTY, EBUSY, EACCES, EROFS
  // EISDIR, ENOTEMPTY, EBUSY, EINVAL (into itself), EACCES, EROFS.
  [[nodiscard]] int Rename(std::string_view from, std::string_view to);
  [[nodiscard]] int Chmod(std::string_view path, mode_t mode);  // EPERM (not the owner), EROFS
  [[nodiscard]] int Chown(std::string_view path, uid_t uid, gid_t gid);  // EPERM (not superuser)
  [[nodiscard]] int Chdir(std::string_view path);
  [[nodiscard]] int Chroot(std::string_view path);  // EPERM (not superuser)
  mode_t Umask(mode_t mask);                        // returns the old one
  // Makes the directory the root of a read-only mount, or no longer.
  [[nodiscard]] int SetReadOnly(std::string_view path, bool read_only);

  // Whether the process may write the node: 0 or EACCES.
  [[nodiscard]] int MayWrite(const vnode* node) const;

  void vref(vnode* node) {
    ++node->v_refs;
    ++references;
  }
  void vrele(vnode* node);

  // Forgets what it kept of an ended process.
  void ProcessEnded(pid_t pid) { views_.erase(pid); }

  int64_t nodes_max = 16384;  // kern.maxvnodes
  int64_t references = 0;     // of all nodes, by bound sockets [d]

 private:
  // How one process sees the tree.
  struct View {
    vnode* cwd;
    vnode* root;
    mode_t umask;
  };
  // Where a path leads, its last component not looked at.
  struct Place {
    vnode* directory;
    std::string name;       // the last component; empty if the path is a directory's own ("/", ".")
    vnode* node = nullptr;  // what stands under that name, if anything
  };

  View& ViewOfCaller();
  int Find(std::string_view path, bool follow_last, Place* place);
  int FindExisting(std::string_view path, bool follow_last, Place* place);
  int Make(std::string_view path, VnodeType type, mode_t mode, int exists_error, vnode** node);
  int MayChange(const vnode* directory) const;
  bool IsReadOnly(const vnode* node) const;
  bool IsSomebodysPlace(const vnode* directory) const;
  vnode* NewNode(VnodeType type, mode_t mode, vnode* parent);
  void Remove(const Place& place);
  void FreeTree(vnode* node);

  uint64_t last_ino_ = 1;
  int64_t nodes_ = 0;
  vnode* root_;  // made from the above: stands behind them
  std::map<pid_t, View> views_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UNIX_UNIX_NAMES_H_
