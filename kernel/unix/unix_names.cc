#include "kernel/unix/unix_names.h"

#include <errno.h>

#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

constexpr mode_t kWrite = 2, kSearch = 1;
constexpr mode_t kUmaskDefault = 022;
constexpr mode_t kPermissions = 0777;

ucred CallerCred() {
  const proc* p = curproc();
  return p != nullptr ? p->p_ucred : ucred{};
}

// Whether `cred` may do `want` (kRead | kWrite | kSearch) to the node. Errors: EACCES.
int Access(const vnode* node, const ucred& cred, mode_t want) {
  if (suser(cred)) return 0;
  int shift = 0;
  if (cred.cr_uid == node->v_uid) {
    shift = 6;
  } else if (cred.cr_gid == node->v_gid) {
    shift = 3;
  }
  return ((node->v_mode >> shift) & want) == want ? 0 : EACCES;
}

// Cuts the first component off `rest`, and the slashes on both sides of it.
std::string TakeComponent(std::string* rest) {
  const size_t start = rest->find_first_not_of('/');
  if (start == std::string::npos) {
    rest->clear();
    return "";
  }
  const size_t end = rest->find('/', start);
  std::string component = rest->substr(start, end - start);
  const size_t next = end == std::string::npos ? end : rest->find_first_not_of('/', end);
  // A slash behind the last component asks for a directory: "." of what precedes it.
  if (end != std::string::npos && next == std::string::npos) {
    *rest = ".";
  } else {
    *rest = next == std::string::npos ? "" : rest->substr(next);
  }
  return component;
}

bool IsInside(const vnode* node, const vnode* directory) {
  for (; node != directory; node = node->v_parent) {
    if (node->v_parent == node) return false;
  }
  return true;
}

}  // namespace

NameSpace::NameSpace() : root_(NewNode(VnodeType::kDirectory, 0755, nullptr)) {
  root_->v_parent = root_;
  const auto add = [this](vnode* in, const char* name, mode_t mode) {
    vnode* node = NewNode(VnodeType::kDirectory, mode, in);
    in->v_entries.emplace(name, node);
    return node;
  };
  add(root_, "tmp", kPermissions);
  add(add(root_, "var", 0755), "run", 0755);
}

NameSpace::~NameSpace() { FreeTree(root_); }

void NameSpace::FreeTree(vnode* node) {
  for (const auto& [name, child] : node->v_entries) FreeTree(child);
  delete node;
}

vnode* NameSpace::NewNode(VnodeType type, mode_t mode, vnode* parent) {
  auto* node = new vnode;
  node->v_type = type;
  node->v_mode = mode;
  node->v_ino = ++last_ino_;
  node->v_parent = parent;
  ++nodes_;
  return node;
}

NameSpace::View& NameSpace::ViewOfCaller() {
  const proc* p = curproc();
  const pid_t pid = p != nullptr ? p->p_pid : 0;
  const auto found = views_.find(pid);
  if (found != views_.end()) return found->second;
  const auto parent = views_.find(p != nullptr ? p->p_ppid : 0);
  const View view = parent != views_.end() ? parent->second : View{root_, root_, kUmaskDefault};
  return views_.emplace(pid, view).first->second;
}

// --- Finding. ---

int NameSpace::Find(std::string_view path, bool follow_last, Place* place) {
  if (path.empty()) return ENOENT;
  const View& view = ViewOfCaller();
  const ucred cred = CallerCred();
  std::string rest(path);
  vnode* directory = rest[0] == '/' ? view.root : view.cwd;
  for (int links = 0;;) {
    if (rest.size() > kPathMax) return ENAMETOOLONG;
    const std::string name = TakeComponent(&rest);
    if (name.size() > kNameMax) return ENAMETOOLONG;
    if (directory->v_type != VnodeType::kDirectory) return ENOTDIR;
    if (const int error = Access(directory, cred, kSearch)) return error;
    if (name.empty() || name == "." || name == "..") {
      if (name == ".." && directory != view.root) directory = directory->v_parent;
      if (!rest.empty()) continue;
      *place = {directory, "", directory};
      return 0;
    }
    const auto entry = directory->v_entries.find(name);
    vnode* child = entry != directory->v_entries.end() ? entry->second : nullptr;
    const bool last = rest.empty();
    const bool link = child != nullptr && child->v_type == VnodeType::kSymlink;
    if (last && !(link && follow_last)) {
      *place = {directory, name, child};
      return 0;
    }
    if (child == nullptr) return ENOENT;
    if (!link) {
      directory = child;
      continue;
    }
    if (++links > kSymlinksMax) return ELOOP;
    if (child->v_target.empty()) return ENOENT;
    rest = last ? child->v_target : child->v_target + "/" + rest;
    if (rest[0] == '/') directory = view.root;
  }
}

int NameSpace::FindExisting(std::string_view path, bool follow_last, Place* place) {
  if (const int error = Find(path, follow_last, place)) return error;
  return place->node != nullptr ? 0 : ENOENT;
}

int NameSpace::Lookup(std::string_view path, vnode** node) {
  Place place;
  if (const int error = FindExisting(path, true, &place)) return error;
  *node = place.node;
  return 0;
}

bool NameSpace::IsReadOnly(const vnode* node) const {
  for (;; node = node->v_parent) {
    if (node->v_readonly) return true;
    if (node->v_parent == node) return false;
  }
}

int NameSpace::MayChange(const vnode* directory) const {
  if (IsReadOnly(directory)) return EROFS;
  return Access(directory, CallerCred(), kWrite | kSearch);
}

int NameSpace::MayWrite(const vnode* node) const { return Access(node, CallerCred(), kWrite); }

// --- Making. ---

int NameSpace::Make(std::string_view path, VnodeType type, mode_t mode, int exists_error,
                    vnode** node) {
  Place place;
  if (const int error = Find(path, false, &place)) return error;
  if (place.node != nullptr) return exists_error;
  if (const int error = MayChange(place.directory)) return error;
  if (nodes_ >= nodes_max) return ENOSPC;
  *node = NewNode(type, mode & kPermissions, place.directory);
  (*node)->v_uid = CallerCred().cr_uid;
  (*node)->v_gid = place.directory->v_gid;
  place.directory->v_entries.emplace(place.name, *node);
  return 0;
}

int NameSpace::MakeSocket(std::string_view path, vnode** node) {
  return Make(path, VnodeType::kSocket, kPermissions & ~ViewOfCaller().umask, EADDRINUSE, node);
}

int NameSpace::Mkdir(std::string_view path, mode_t mode) {
  vnode* node = nullptr;
  // A directory may be named with a slash behind it.
  const size_t end = path.find_last_not_of('/');
  if (end != std::string_view::npos) path = path.substr(0, end + 1);
  return Make(path, VnodeType::kDirectory, mode & ~ViewOfCaller().umask, EEXIST, &node);
}

int NameSpace::Creat(std::string_view path, mode_t mode) {
  vnode* node = nullptr;
  return Make(path, VnodeType::kRegular, mode & ~ViewOfCaller().umask, EEXIST, &node);
}

int NameSpace::Symlink(std::string_view target, std::string_view path) {
  vnode* node = nullptr;
  if (target.size() > kPathMax) return ENAMETOOLONG;
  if (const int error = Make(path, VnodeType::kSymlink, kPermissions, EEXIST, &node)) return error;
  node->v_target = target;
  return 0;
}

// --- Removing and renaming. ---

void NameSpace::vrele(vnode* node) {
  KASSERT(node->v_refs > 0 && references > 0);
  --references;
  if (--node->v_refs == 0 && node->v_unlinked) delete node;
}

void NameSpace::Remove(const Place& place) {
  KASSERT(place.node->v_entries.empty());
  place.directory->v_entries.erase(place.name);
  place.node->v_unlinked = true;
  --nodes_;
  if (place.node->v_refs == 0) delete place.node;
}

bool NameSpace::IsSomebodysPlace(const vnode* directory) const {
  for (const auto& [pid, view] : views_) {
    if (view.cwd == directory || view.root == directory) return true;
  }
  return false;
}

int NameSpace::Unlink(std::string_view path) {
  Place place;
  if (const int error = FindExisting(path, false, &place)) return error;
  if (const int error = MayChange(place.directory)) return error;
  if (place.node->v_type == VnodeType::kDirectory) return EPERM;
  Remove(place);
  return 0;
}

int NameSpace::Rmdir(std::string_view path) {
  Place place;
  if (const int error = FindExisting(path, false, &place)) return error;
  if (place.node->v_type != VnodeType::kDirectory) return ENOTDIR;
  if (place.name.empty()) return EBUSY;
  if (const int error = MayChange(place.directory)) return error;
  if (!place.node->v_entries.empty()) return ENOTEMPTY;
  if (IsSomebodysPlace(place.node)) return EBUSY;
  Remove(place);
  return 0;
}

int NameSpace::Rename(std::string_view from, std::string_view to) {
  Place old_place, new_place;
  if (const int error = FindExisting(from, false, &old_place)) return error;
  if (const int error = Find(to, false, &new_place)) return error;
  if (old_place.name.empty() || new_place.name.empty()) return EINVAL;
  if (const int error = MayChange(old_place.directory)) return error;
  if (const int error = MayChange(new_place.directory)) return error;
  vnode* node = old_place.node;
  const bool directory = node->v_type == VnodeType::kDirectory;
  if (directory && IsInside(new_place.directory, node)) return EINVAL;
  if (new_place.node == node) return 0;
  if (new_place.node != nullptr) {
    const bool onto_directory = new_place.node->v_type == VnodeType::kDirectory;
    if (onto_directory != directory) return onto_directory ? EISDIR : ENOTDIR;
    if (!new_place.node->v_entries.empty()) return ENOTEMPTY;
    if (IsSomebodysPlace(new_place.node)) return EBUSY;
    Remove(new_place);
  }
  old_place.directory->v_entries.erase(old_place.name);
  new_place.directory->v_entries.emplace(new_place.name, node);
  node->v_parent = new_place.directory;
  return 0;
}

// --- Changing. ---

int NameSpace::Chmod(std::string_view path, mode_t mode) {
  Place place;
  if (const int error = FindExisting(path, true, &place)) return error;
  const ucred cred = CallerCred();
  if (!suser(cred) && cred.cr_uid != place.node->v_uid) return EPERM;
  if (IsReadOnly(place.directory)) return EROFS;
  place.node->v_mode = mode & kPermissions;
  return 0;
}

int NameSpace::Chown(std::string_view path, uid_t uid, gid_t gid) {
  Place place;
  if (const int error = FindExisting(path, true, &place)) return error;
  if (!suser(CallerCred())) return EPERM;
  if (IsReadOnly(place.directory)) return EROFS;
  place.node->v_uid = uid;
  place.node->v_gid = gid;
  return 0;
}

int NameSpace::Chdir(std::string_view path) {
  vnode* node = nullptr;
  if (const int error = Lookup(path, &node)) return error;
  if (node->v_type != VnodeType::kDirectory) return ENOTDIR;
  if (const int error = Access(node, CallerCred(), kSearch)) return error;
  ViewOfCaller().cwd = node;
  return 0;
}

int NameSpace::Chroot(std::string_view path) {
  if (!suser(CallerCred())) return EPERM;
  vnode* node = nullptr;
  if (const int error = Lookup(path, &node)) return error;
  if (node->v_type != VnodeType::kDirectory) return ENOTDIR;
  ViewOfCaller().root = node;
  return 0;
}

mode_t NameSpace::Umask(mode_t mask) {
  return std::exchange(ViewOfCaller().umask, mask & kPermissions);
}

int NameSpace::SetReadOnly(std::string_view path, bool read_only) {
  vnode* node = nullptr;
  if (const int error = Lookup(path, &node)) return error;
  if (node->v_type != VnodeType::kDirectory) return ENOTDIR;
  node->v_readonly = read_only;
  return 0;
}

}  // namespace sockbed
