// Names of files: a host's tree, which shows parts of the real one through its mounts.
//
//   /cwd/a.pem --+-- nodes["/cwd/a.pem"]?   written by a program, generated, or removed
//                 +-- mounts: "/cwd" from "." --> the real ./a.pem, which is only ever read
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "kernel/host/simulation.h"
#include "kernel/sim/kassert.h"
#include "uapi/filedesc.h"
#include "uapi/generated_files.h"
#include "uapi/inode.h"
#include "uapi/outside.h"

namespace sockbed {

void SetFiles(Host& host, FilesConf conf) {
  KASSERT(!InSimulation() || curproc() == nullptr);
  const MachineScope on_machine(host.simulation().machine());
  const HostScope on_host(host);
  uapi::Files& files = uapi::attach_host(host).files;
  for (FileMount& mount : conf.mounts) {
    if (mount.at.empty() || mount.at[0] != '/') KPANIC("a mount needs an absolute name");
    uapi::vn_mount(files, std::move(mount));
  }
  files.conf.bytes_max = conf.bytes_max;
}

namespace uapi {
namespace {

bool IsUnder(std::string_view name, std::string_view folder) {
  if (folder == "/") return true;
  return name.starts_with(folder) && (name.size() == folder.size() || name[folder.size()] == '/');
}

// The part of `name` below `folder`, with its slash; empty: itself.
std::string_view Below(std::string_view name, std::string_view folder) {
  if (folder == "/") return name == "/" ? "" : name;
  return name.substr(folder.size());
}

const FileMount& MountOf(const Files& files, std::string_view absolute) {
  const FileMount* best = nullptr;
  for (const FileMount& mount : files.conf.mounts) {
    if (!IsUnder(absolute, mount.at)) continue;
    if (best == nullptr || mount.at.size() >= best->at.size()) best = &mount;
  }
  KASSERT(best != nullptr);  // "/" is always there
  return *best;
}

// Without ".", "..", empty parts and a slash at the end.
std::string Clean(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  std::string clean;
  for (const std::string_view part : parts) clean.append("/").append(part);
  return clean.empty() ? "/" : clean;
}

ino_t NumberOf(Files& files, const std::string& absolute) {
  return files.numbers.try_emplace(absolute, files.numbers.size() + 1).first->second;
}

// A mount, or what a mount stands in.
bool LeadsToMount(const Files& files, std::string_view absolute) {
  return std::ranges::any_of(files.conf.mounts,
                             [&](const FileMount& m) { return IsUnder(m.at, absolute); });
}

int RealStat(const std::string& path, bool follow, struct stat* st) {
  const OutsideProcess outside;
  return (follow ? ::stat(path.c_str(), st) : ::lstat(path.c_str(), st)) == 0 ? 0 : errno;
}

// What the real host has there, as this one shows it.
int RealNode(Files& files, const std::string& absolute, const std::string& real, bool follow,
             std::shared_ptr<inode>* ip) {
  struct stat st;
  if (const int error = RealStat(real, follow, &st)) return error;
  auto made = std::make_shared<inode>();
  made->i_mtime = kBootEpochSeconds * kSecond;
  made->i_number = NumberOf(files, absolute);
  made->i_mode = S_ISDIR(st.st_mode) || (st.st_mode & S_IXUSR) != 0 ? 0555 : 0444;
  if (S_ISDIR(st.st_mode)) {
    made->i_kind = inode::Kind::kDirectory;
  } else if (S_ISREG(st.st_mode)) {
    made->i_size = st.st_size;
    made->i_real = real;
  } else if (S_ISLNK(st.st_mode)) {
    made->i_kind = inode::Kind::kLink;
    made->i_mode = 0777;
    std::string target(PATH_MAX, '\0');
    const OutsideProcess outside;
    const ssize_t len = ::readlink(real.c_str(), target.data(), target.size());
    if (len < 0) return errno;
    made->i_data = target.substr(0, static_cast<size_t>(len));
  } else {
    return ENXIO;
  }
  *ip = std::move(made);
  return 0;
}

std::shared_ptr<inode> Folder(Files& files, const std::string& absolute) {
  auto made = std::make_shared<inode>();
  made->i_kind = inode::Kind::kDirectory;
  made->i_mode = MountOf(files, absolute).writable ? 0777 : 0555;
  made->i_mtime = kBootEpochSeconds * kSecond;
  made->i_number = NumberOf(files, absolute);
  return made;
}

// The socket that is bound to that name, if one is.
bool SocketNode(Files& files, const std::string& absolute, std::shared_ptr<inode>* ip) {
  vnode* node;
  if (files.sockets.Lookup(absolute, &node) != 0 || node->v_type != VnodeType::kSocket)
    return false;
  auto made = std::make_shared<inode>();
  made->i_kind = inode::Kind::kSocket;
  made->i_mode = node->v_mode;
  made->i_uid = node->v_uid;
  made->i_gid = node->v_gid;
  made->i_mtime = kBootEpochSeconds * kSecond;
  made->i_number = NumberOf(files, absolute);
  *ip = std::move(made);
  return true;
}

// The entries of a real directory, in no order.
int RealList(const std::string& real, std::vector<std::string>* names) {
  const OutsideProcess outside;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(real.c_str()), ::closedir);
  if (dir == nullptr) return errno;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names->emplace_back(name);
  }
  return 0;
}

int RealRead(const std::string& real, std::string* data) {
  const OutsideProcess outside;
  const int fd = ::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  std::string piece(size_t{1} << 16, '\0');
  ssize_t n;
  while ((n = ::read(fd, piece.data(), piece.size())) > 0) {
    data->append(piece, 0, static_cast<size_t>(n));
  }
  const int error = n < 0 ? errno : 0;
  ::close(fd);
  return error;
}

}  // namespace

Files::Files(Host& host_in) : host(host_in), sockets(unix_names(host_in)) {
  const HostScope on_host(host);
  conf.mounts.push_back({.at = "/", .from = "/"});
  vn_mount(*this, {.at = "/cwd", .from = "."});
  vn_mount(*this, {.at = "/tmp", .writable = true});
  for (const char* const empty : {"/dev", "/proc", "/sys"}) vn_mount(*this, {.at = empty});
  AddGenerated(*this);
}

// A socket may be bound where a file may be made. Both trees know the place from now on; it may
// have been there before.
void vn_mount(Files& files, FileMount mount) {
  mount.at = Clean(mount.at);
  for (size_t end = 1; end != mount.at.npos;) {
    end = mount.at.find('/', end + 1);
    (void)files.sockets.Mkdir(mount.at.substr(0, end), 0777);
  }
  if (mount.at != "/") (void)files.sockets.SetReadOnly(mount.at, !mount.writable);
  files.conf.mounts.push_back(std::move(mount));
}

Files& CurrentFiles() { return HostLocal<UapiHost>::Get().files; }

int vn_path(proc* p, int dir, const char* path, std::string* absolute) {
  if (path == nullptr) return EFAULT;
  if (*path == '\0') return ENOENT;
  if (strnlen(path, PATH_MAX) == PATH_MAX) return ENAMETOOLONG;
  std::string from;
  if (*path != '/' && dir == AT_FDCWD) {
    from = p->p_fd->fd_cdir;
  } else if (*path != '/') {
    file* fp;
    if (const int error = getfile(p, dir, &fp)) return error;
    const OpenInode* const open = vn_of(fp);
    if (open == nullptr || open->ip->i_kind != inode::Kind::kDirectory) return ENOTDIR;
    from = open->path;
  }
  *absolute = Clean(from + "/" + path);
  const std::string_view text = path;
  if (text.back() != '/' && !text.ends_with("/.")) return 0;
  std::shared_ptr<inode> ip;  // a name that ends so is a directory's, if it is anybody's
  const int error = namei(CurrentFiles(), *absolute, true, &ip);
  return error == 0 && ip->i_kind != inode::Kind::kDirectory ? ENOTDIR : 0;
}

int namei(Files& files, const std::string& absolute, bool follow, std::shared_ptr<inode>* ip) {
  if (const auto known = files.nodes.find(absolute); known != files.nodes.end()) {
    if (known->second == nullptr) return ENOENT;
    *ip = known->second;
    if ((*ip)->i_make != nullptr) (*ip)->i_data = (*ip)->i_make(files.host);
    if ((*ip)->i_number == 0) (*ip)->i_number = NumberOf(files, absolute);
    return 0;
  }
  if (SocketNode(files, absolute, ip)) return 0;
  if (absolute != "/") {  // what was removed or is no directory has nothing below
    const auto parent =
        files.nodes.find(absolute.substr(0, std::max<size_t>(absolute.rfind('/'), 1)));
    if (parent != files.nodes.end() && parent->second == nullptr) return ENOENT;
    if (parent != files.nodes.end() && parent->second->i_kind != inode::Kind::kDirectory) {
      return ENOTDIR;
    }
  }
  const FileMount& mount = MountOf(files, absolute);
  if (!mount.from.empty()) {
    const std::string_view below = Below(absolute, mount.at);
    const std::string real = below.empty() ? mount.from : mount.from + std::string(below);
    const int error = RealNode(files, absolute, real, follow, ip);
    if (error == 0 || !LeadsToMount(files, absolute)) return error;
  }
  if (!LeadsToMount(files, absolute)) return ENOENT;
  *ip = Folder(files, absolute);
  return 0;
}

int vn_load(Files& files, inode* ip) {
  if (ip->i_real.empty()) return 0;
  if (const int error = RealRead(ip->i_real, &ip->i_data)) return error;
  ip->i_real.clear();
  return 0;
}

int vn_writable(const Files& files, const std::string& absolute) {
  const auto known = files.nodes.find(absolute);
  const bool generated =
      known != files.nodes.end() && known->second != nullptr && known->second->i_charged == nullptr;
  return MountOf(files, absolute).writable && !generated ? 0 : EROFS;
}

int vn_own(Files& files, const std::string& absolute, std::shared_ptr<inode> ip) {
  if (ip->i_charged != nullptr) return 0;
  if (const int error = vn_writable(files, absolute)) return error;
  if (const int error = vn_load(files, ip.get())) return error;
  const auto size = static_cast<int64_t>(ip->i_data.size());
  if (files.bytes_used + size > files.conf.bytes_max) return ENOSPC;
  files.bytes_used += size;
  ip->i_charged = &files.bytes_used;
  ip->i_number = NumberOf(files, absolute);
  if (ip->i_mode == 0444 || ip->i_mode == 0555) ip->i_mode |= 0200;
  files.nodes[absolute] = std::move(ip);
  return 0;
}

int vn_access(const proc* p, const inode& ip, int want) {
  const ucred& cred = p->p_ucred;
  if (suser(cred)) return (want & X_OK) == 0 || (ip.i_mode & 0111) != 0 ? 0 : EACCES;
  const int shift = cred.cr_uid == ip.i_uid ? 6 : cred.cr_gid == ip.i_gid ? 3 : 0;
  return (static_cast<int>(ip.i_mode >> shift) & want) == want ? 0 : EACCES;
}

int vn_resize(Files& files, inode* ip, size_t size) {
  const int64_t more = static_cast<int64_t>(size) - static_cast<int64_t>(ip->i_data.size());
  if (files.bytes_used + more > files.conf.bytes_max) return ENOSPC;
  files.bytes_used += more;
  ip->i_data.resize(size);
  ip->i_mtime = files.host.wall_clock_ns();
  return 0;
}

int vn_list(Files& files, const std::string& absolute, std::vector<std::string>* names) {
  std::shared_ptr<inode> ip;
  if (const int error = namei(files, absolute, true, &ip)) return error;
  if (ip->i_kind != inode::Kind::kDirectory) return ENOTDIR;
  const FileMount& mount = MountOf(files, absolute);
  if (!mount.from.empty() && ip->i_charged == nullptr) {
    const int error = RealList(mount.from + std::string(Below(absolute, mount.at)), names);
    if (error != 0 && !LeadsToMount(files, absolute)) return error;
  }
  const std::string prefix = absolute == "/" ? "/" : absolute + "/";
  const auto add = [&](std::string_view name) {
    const std::string_view rest = name.substr(prefix.size());
    if (!rest.empty()) names->emplace_back(rest.substr(0, rest.find('/')));
  };
  for (auto it = files.nodes.lower_bound(prefix); it != files.nodes.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    if (it->second != nullptr) add(it->first);
  }
  for (const FileMount& m : files.conf.mounts) {
    if (m.at.starts_with(prefix)) add(m.at);
  }
  if (vnode * node; files.sockets.Lookup(absolute, &node) == 0) {
    for (const auto& [name, entry] : node->v_entries) {
      if (entry->v_type == VnodeType::kSocket) names->push_back(name);
    }
  }
  std::ranges::sort(*names);
  names->erase(std::unique(names->begin(), names->end()), names->end());
  std::erase_if(*names, [&](const std::string& name) {
    const auto known = files.nodes.find(prefix + name);
    return known != files.nodes.end() && known->second == nullptr;
  });
  return 0;
}

void vn_forget(Files& files, const std::string& absolute) {
  // A real one would show again.
  if (MountOf(files, absolute).from.empty()) {
    files.nodes.erase(absolute);
  } else {
    files.nodes[absolute] = nullptr;
  }
}

void vn_stat(const inode& ip, struct stat* st) {
  *st = {};
  switch (ip.i_kind) {
    case inode::Kind::kRegular: st->st_mode = S_IFREG; break;
    case inode::Kind::kDirectory: st->st_mode = S_IFDIR; break;
    case inode::Kind::kLink: st->st_mode = S_IFLNK; break;
    case inode::Kind::kSocket: st->st_mode = S_IFSOCK; break;
    default: st->st_mode = S_IFCHR; break;
  }
  st->st_mode |= ip.i_mode;
  st->st_dev = 1;
  st->st_ino = ip.i_number;
  st->st_nlink = ip.i_kind == inode::Kind::kDirectory ? 2 : 1;
  st->st_uid = ip.i_uid;
  st->st_gid = ip.i_gid;
  st->st_size = ip.i_real.empty() ? static_cast<off_t>(ip.i_data.size()) : ip.i_size;
  st->st_blksize = 4096;
  st->st_blocks = (st->st_size + 511) / 512;
  st->st_mtim = {.tv_sec = ip.i_mtime / kSecond, .tv_nsec = ip.i_mtime % kSecond};
  st->st_atim = st->st_ctim = st->st_mtim;
}

}  // namespace uapi
}  // namespace sockbed
