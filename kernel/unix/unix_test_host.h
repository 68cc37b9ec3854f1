// The unit tests' host with local sockets, descriptors, and calls with paths.
//
// Lives here:  UnixTestHost, a small table of descriptors; Create, Bind, Connect, Accept and kin.
// Called by:   *_test.cc here.
#ifndef SOCKBED_KERNEL_UNIX_UNIX_TEST_HOST_H_
#define SOCKBED_KERNEL_UNIX_UNIX_TEST_HOST_H_

#include <errno.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/socket/fdops.h"
#include "kernel/socket/socket_test_host.h"
#include "kernel/unix/unix.h"
#include "kernel/unix/unpcb.h"

namespace sockbed {

// What uapi's tables do for this room: a process's descriptors, by number.
struct TestDescriptors {
  static constexpr HostSlot kHostSlot = HostSlot::kUapi;
  static constexpr int kMax = 256;

  std::map<pid_t, std::map<int, file*>> files;
  int limit = kMax;
};

inline std::map<int, file*>& FilesOf(const proc* p) {
  return HostLocal<TestDescriptors>::Get().files[p->p_pid];
}

inline file* TestGetFile(proc* p, int fd) {
  const auto found = FilesOf(p).find(fd);
  return found != FilesOf(p).end() ? found->second : nullptr;
}

inline int TestInstall(proc* p, std::span<file* const> files, bool, int* fds) {
  std::map<int, file*>& table = FilesOf(p);
  if (table.size() + files.size() > static_cast<size_t>(HostLocal<TestDescriptors>::Get().limit)) {
    return EMFILE;
  }
  for (file* fp : files) {
    int fd = 0;
    while (table.count(fd) != 0) ++fd;
    FREF(fp);
    table[fd] = fp;
    *fds++ = fd;
  }
  return 0;
}

inline constexpr fdops kTestFdops = {.fd_getfile = TestGetFile, .fd_install = TestInstall};

// Closes a descriptor of the current process.
inline void CloseFd(int fd) {
  file* fp = TestGetFile(curproc(), fd);
  ASSERT_NE(fp, nullptr);
  FilesOf(curproc()).erase(fd);
  EXPECT_EQ(FRELE(fp), 0);
}

inline void CloseAllFds(proc* p) {
  while (!FilesOf(p).empty()) {
    file* fp = FilesOf(p).begin()->second;
    FilesOf(p).erase(FilesOf(p).begin());
    (void)FRELE(fp);
  }
}

// Gives `so` a file and a descriptor of the current process; closing that closes the socket.
inline int NewFd(socket* so) {
  file* fp = nullptr;
  EXPECT_EQ(sofile(so, FREAD | FWRITE, &fp), 0);
  int fd = -1;
  EXPECT_EQ(TestInstall(curproc(), {&fp, 1}, false, &fd), 0);
  (void)FRELE(fp);  // the table holds it
  return fd;
}

inline socket* SocketOfFd(int fd) {
  return static_cast<socket*>(TestGetFile(curproc(), fd)->f_data);
}

class UnixTestHost : public SocketTestHost {
 protected:
  UnixTestHost() {
    unix_describe(machine().trace());
    unix_boot(host());
    HostLocal<TestDescriptors>::Make(host());
    sockets().fd_ops = &kTestFdops;
    proc_at_exit(host(), CloseAllFds);
  }

  ~UnixTestHost() override {
    proc_killall(host());
    unix_collect(host());
  }

  NameSpace& names() { return unix_names(host()); }
  UnixHost& local() { return HostLocal<UnixHost>::Of(host()); }
};

inline MbufPtr UnixAddress(std::string_view path) {
  sockaddr_un sun = {};
  sun.sun_family = AF_UNIX;
  path.copy(sun.sun_path, sizeof(sun.sun_path));
  MbufPtr m = m_get(M_DONTWAIT, MT_SONAME);
  std::memcpy(m->m_data, &sun, sizeof(sun));
  m->m_len = static_cast<int32_t>(offsetof(sockaddr_un, sun_path) + path.size());
  return m;
}

// The path in a name that the kernel gave; "-" for the nameless.
inline std::string PathIn(const mbuf* nam) {
  if (nam == nullptr) return "none";
  if (nam->m_len == sizeof(sockaddr)) return "-";
  EXPECT_EQ(nam->m_len, static_cast<int>(sizeof(sockaddr_un)));
  return mtod<sockaddr_un>(nam)->sun_path;
}

inline socket* CreateLocal(int type) {
  socket* so = nullptr;
  EXPECT_EQ(socreate(AF_UNIX, &so, type, 0), 0);
  return so;
}

inline int Bind(socket* so, std::string_view path) {
  const MbufPtr nam = UnixAddress(path);
  return sobind(so, nam.get(), curproc());
}

inline int ConnectTo(socket* so, std::string_view path) {
  const MbufPtr nam = UnixAddress(path);
  return soconnect(so, nam.get());
}

inline socket* CreateLocalListener(std::string_view path, int type = SOCK_STREAM) {
  socket* so = CreateLocal(type);
  EXPECT_EQ(Bind(so, path), 0);
  EXPECT_EQ(solisten(so, 1), 0);
  return so;
}

// The connection that waits; *peer gets its name.
inline socket* AcceptWaiting(socket* head, std::string* peer = nullptr) {
  socket* so = head->so_q.first;
  EXPECT_NE(so, nullptr);
  EXPECT_EQ(soqremque(so, 1), 1);
  const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
  EXPECT_EQ(soaccept(so, nam.get()), 0);
  if (peer != nullptr) *peer = PathIn(nam.get());
  return so;
}

inline std::pair<socket*, socket*> CreateLocalPair(int type) {
  socket* a = CreateLocal(type);
  socket* b = CreateLocal(type);
  EXPECT_EQ(soconnect2(a, b), 0);
  const bool one_way = type == SOCK_DGRAM;
  EXPECT_EQ(one_way ? soconnect2(b, a) : 0, 0);
  return {a, b};
}

inline void CloseLocalPair(std::pair<socket*, socket*> pair) {
  soclose(pair.first);
  soclose(pair.second);
}

inline int Write(socket* so, std::string_view bytes, int flags = 0, size_t* sent = nullptr) {
  return SendTo(so, bytes, nullptr, flags, sent);
}

// A message of descriptors, as sendmsg takes it from a program.
inline MbufPtr RightsMessage(const std::vector<int>& fds) {
  return sbcreatecontrol(fds.data(), fds.size() * sizeof(int), SCM_RIGHTS, SOL_SOCKET);
}

inline int SendFds(socket* so, std::string_view bytes, const std::vector<int>& fds) {
  return SendTo(so, bytes, nullptr, 0, nullptr, RightsMessage(fds));
}

// The descriptors in a message that the kernel gave.
inline std::vector<int> FdsIn(const mbuf* control) {
  if (control == nullptr) return {};
  std::vector<int> fds((mtod<cmsghdr>(control)->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  const size_t bytes = fds.size() * sizeof(int);
  if (bytes > 0) std::memcpy(fds.data(), control->m_data + CMSG_LEN(0), bytes);
  return fds;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UNIX_UNIX_TEST_HOST_H_
