// The files of a simulated host: what of the real ones shows, what is written, what is generated.
#include "uapi/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "uapi/resolver.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::ElementsAre;

class RealFiles : public TwoHosts {
 protected:
  RealFiles() {
    folder_ = testing::TempDir() + "/files-XXXXXX";
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    Write("b", "second");
    Write("a", "first");
    ::mkdir((folder_ + "/sub").c_str(), 0700);
    SetFiles(server_, {.mounts = {{.at = "/ro", .from = folder_},
                                  {.at = "/rw", .from = folder_, .writable = true}},
                       .bytes_max = 1000});
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string RealText(const std::string& name) {
    std::ifstream in(folder_ + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Runs `main` on the server.
  void On(std::function<void()> main) {
    server_.Spawn("prog", std::move(main));
    Run();
  }

  std::string folder_;
};

std::string ReadAll(int fd) {
  std::string text;
  char piece[4];
  ssize_t n;
  while ((n = uapi::read(fd, piece, sizeof piece)) > 0) text.append(piece, static_cast<size_t>(n));
  return text;
}

std::string Text(const char* path) {
  const int fd = uapi::open(path, O_RDONLY);
  if (fd < 0) return "";
  const std::string text = ReadAll(fd);
  uapi::close(fd);
  return text;
}

std::vector<std::string> Names(const char* path) {
  std::vector<std::string> names;
  uapi::dirstream* const dir = uapi::opendir(path);
  if (dir == nullptr) return names;
  while (const dirent* entry = uapi::readdir(dir)) names.push_back(entry->d_name);
  uapi::closedir(dir);
  return names;
}

TEST_F(RealFiles, AreReadAtAPosition) {
  On([] {
    const int fd = uapi::open("/ro/a", O_RDONLY);
    EXPECT_EQ(fd, 3);
    EXPECT_EQ(ReadAll(fd), "first");
    EXPECT_EQ(uapi::lseek(fd, -2, SEEK_END), 3);
    int left = 0;
    EXPECT_THAT(uapi::ioctl(fd, FIONREAD, &left), Works());
    EXPECT_EQ(left, 2);
    char two[2];
    EXPECT_EQ(uapi::pread(fd, two, 2, 1), 2);
    EXPECT_EQ(std::string(two, 2), "ir");
    EXPECT_EQ(ReadAll(fd), "st");
    EXPECT_THAT(uapi::lseek(fd, -1, SEEK_SET), FailsWith(EINVAL));
    EXPECT_THAT(uapi::write(fd, "x", 1), FailsWith(EBADF));
    const int twin = uapi::dup(fd);  // shares the position
    EXPECT_EQ(uapi::lseek(fd, 4, SEEK_SET), 4);
    EXPECT_EQ(ReadAll(twin), "t");
    const int socket = uapi::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(socket, 5);  // one table for both kinds
    EXPECT_THAT(uapi::lseek(socket, 0, SEEK_SET), FailsWith(ESPIPE));
    EXPECT_THAT(uapi::pread(socket, two, 2, 0), FailsWith(ESPIPE));
  });
}

TEST_F(RealFiles, LookTheSameOnEveryMachine) {
  On([] {
    struct stat st;
    ASSERT_THAT(uapi::stat("/ro/b", &st), Works());
    EXPECT_EQ(st.st_mode, S_IFREG | 0444u);
    EXPECT_EQ(st.st_size, 6);
    EXPECT_EQ(st.st_ino, 1u);
    EXPECT_EQ(st.st_dev, 1u);
    EXPECT_EQ(st.st_mtime, kBootEpochSeconds);
    const int fd = uapi::open("/ro/a", O_RDONLY);
    ASSERT_THAT(uapi::fstat(fd, &st), Works());
    EXPECT_EQ(st.st_ino, 2u);
    EXPECT_EQ(st.st_size, 5);
    EXPECT_THAT(Names("/ro"), ElementsAre(".", "..", "a", "b", "sub"));
    char name[PATH_MAX];
    EXPECT_STREQ(uapi::getcwd(name, sizeof name), "/");
    EXPECT_THAT(uapi::chdir("/cwd"), Works());
    EXPECT_EQ(uapi::getcwd(name, 4), nullptr);
    EXPECT_EQ(errno, ERANGE);
    EXPECT_THAT(uapi::chdir("/ro/sub/.."), Works());
    EXPECT_EQ(Text("a"), "first");
    EXPECT_STREQ(uapi::realpath("sub/../b", name), "/ro/b");
  });
}

TEST_F(RealFiles, AreNeverChanged) {
  On([] {
    EXPECT_THAT(uapi::open("/ro/a", O_WRONLY), FailsWith(EROFS));
    EXPECT_THAT(uapi::open("/ro/new", O_WRONLY | O_CREAT, 0600), FailsWith(EROFS));
    EXPECT_THAT(uapi::unlink("/ro/a"), FailsWith(EROFS));
    EXPECT_THAT(uapi::mkdir("/ro/d", 0700), FailsWith(EROFS));
    EXPECT_THAT(uapi::access("/ro/a", W_OK), FailsWith(EROFS));
    EXPECT_THAT(uapi::access("/ro/a", R_OK), Works());
    EXPECT_THAT(uapi::rename("/ro/a", "/ro/c"), FailsWith(EROFS));

    const int fd = uapi::open("/rw/a", O_RDWR | O_APPEND);
    EXPECT_EQ(uapi::write(fd, "!", 1), 1);
    EXPECT_EQ(uapi::fcntl(fd, F_GETFL), O_RDWR | O_APPEND);
    EXPECT_EQ(Text("/rw/a"), "first!");
    EXPECT_EQ(Text("/ro/a"), "first");  // another place of the tree
    EXPECT_THAT(uapi::ftruncate(fd, 2), Works());
    EXPECT_EQ(Text("/rw/a"), "fi");
    EXPECT_THAT(uapi::unlink("/rw/b"), Works());
    EXPECT_THAT(uapi::open("/rw/b", O_RDONLY), FailsWith(ENOENT));
    EXPECT_THAT(Names("/rw"), ElementsAre(".", "..", "a", "sub"));
  });
  EXPECT_EQ(RealText("a"), "first");
  EXPECT_EQ(RealText("b"), "second");
}

TEST_F(RealFiles, ErrorsAreTheManualsOnes) {
  On([] {
    EXPECT_THAT(uapi::open("/ro/none", O_RDONLY), FailsWith(ENOENT));
    EXPECT_THAT(uapi::open("", O_RDONLY), FailsWith(ENOENT));
    EXPECT_THAT(uapi::open(nullptr, O_RDONLY), FailsWith(EFAULT));
    EXPECT_THAT(uapi::open("/ro/a/x", O_RDONLY), FailsWith(ENOTDIR));
    EXPECT_THAT(uapi::open("/ro/a/", O_RDONLY), FailsWith(ENOTDIR));
    EXPECT_THAT(uapi::open(std::string(PATH_MAX, 'x').c_str(), O_RDONLY), FailsWith(ENAMETOOLONG));
    EXPECT_THAT(uapi::open("/ro/a", O_RDONLY | O_DIRECTORY), FailsWith(ENOTDIR));
    EXPECT_THAT(uapi::open("/ro/sub", O_WRONLY), FailsWith(EISDIR));
    EXPECT_THAT(uapi::open("/rw/a", O_RDWR | O_CREAT | O_EXCL, 0600), FailsWith(EEXIST));
    EXPECT_THAT(uapi::openat(1, "a", O_RDONLY), FailsWith(ENOTDIR));
    EXPECT_THAT(uapi::openat(77, "a", O_RDONLY), FailsWith(EBADF));
    EXPECT_THAT(uapi::open("/proc/self/exe", O_RDONLY), FailsWith(ENOENT));
    EXPECT_THAT(uapi::rmdir("/rw/a"), FailsWith(ENOTDIR));
    EXPECT_THAT(uapi::rmdir("/tmp"), FailsWith(EBUSY));
    EXPECT_THAT(uapi::unlink("/rw/sub"), FailsWith(EISDIR));
    EXPECT_THAT(uapi::rename("/rw/sub", "/rw/other"), FailsWith(EXDEV));
    EXPECT_THAT(uapi::rename("/rw/a", "/rw/sub"), FailsWith(EISDIR));
    const int fd = uapi::open("/ro/sub", O_RDONLY);
    char byte;
    EXPECT_THAT(uapi::read(fd, &byte, 1), FailsWith(EISDIR));
    epoll_event event{};
    EXPECT_THAT(uapi::epoll_ctl(uapi::epoll_create1(0), EPOLL_CTL_ADD, fd, &event),
                FailsWith(EPERM));
    flock lock{};
    EXPECT_THAT(uapi::fcntl(fd, F_SETLK, reinterpret_cast<long>(&lock)), FailsWith(ENOLCK));
  });
}

TEST_F(RealFiles, WhatIsWrittenHasRoomAndALife) {
  On([] {
    EXPECT_THAT(uapi::mkdir("/tmp/d", 0755), Works());
    const int fd = uapi::open("/tmp/d/f", O_RDWR | O_CREAT, 0666);
    EXPECT_EQ(uapi::pwrite(fd, "abc", 3, 2), 3);
    EXPECT_EQ(Text("/tmp/d/f"), std::string("\0\0abc", 5));
    struct stat st;
    EXPECT_THAT(uapi::fstat(fd, &st), Works());
    EXPECT_EQ(st.st_mode & 0777, 0644u);
    EXPECT_THAT(uapi::rmdir("/tmp/d"), FailsWith(ENOTEMPTY));
    EXPECT_THAT(uapi::rename("/tmp/d", "/tmp/e"), Works());
    EXPECT_THAT(Names("/tmp/e"), ElementsAre(".", "..", "f"));
    EXPECT_THAT(uapi::open("/tmp/d/f", O_RDONLY), FailsWith(ENOENT));
    const std::string much(994, 'x');
    EXPECT_THAT(uapi::pwrite(fd, much.data(), much.size(), 7), FailsWith(ENOSPC));
    EXPECT_EQ(uapi::pwrite(fd, much.data(), much.size(), 0), 994);
    EXPECT_THAT(uapi::unlink("/tmp/e/f"), Works());
    char two[2];
    EXPECT_EQ(uapi::pread(fd, two, 2, 0), 2);  // it lives on, and takes its room
    EXPECT_THAT(uapi::truncate("/rw/a", 5), Works());
    EXPECT_THAT(uapi::truncate("/rw/a", 50), FailsWith(ENOSPC));
    EXPECT_THAT(uapi::close(fd), Works());
    EXPECT_THAT(uapi::truncate("/rw/a", 50), Works());
    char pattern[] = "/tmp/name-XXXXXX";
    EXPECT_THAT(uapi::mkostemp(pattern, 0), Works());
    EXPECT_THAT(uapi::access(pattern, R_OK), Works());
  });
}

TEST_F(RealFiles, EachHostHasItsOwn) {
  server_.Spawn("one", [] {
    EXPECT_EQ(uapi::write(uapi::open("/tmp/x", O_WRONLY | O_CREAT, 0600), "1", 1), 1);
  });
  client_.Spawn("two", [] {
    uapi::sleep(1);
    EXPECT_THAT(uapi::open("/tmp/x", O_RDONLY), FailsWith(ENOENT));
  });
  Run();
}

TEST_F(RealFiles, DevicesAndConfigurationAreTheSimulations) {
  ResolverConf conf;
  conf.nameservers.push_back(InetAddress::Of(in_addr{htonl(0x0a000135)}, 53));
  conf.search = {"example.org"};
  SetResolver(server_, conf);
  On([] {
    const int null = uapi::open("/dev/null", O_RDWR);
    EXPECT_EQ(uapi::write(null, "x", 1), 1);
    EXPECT_EQ(ReadAll(null), "");
    char zeros[2] = {1, 1};
    EXPECT_EQ(uapi::read(uapi::open("/dev/zero", O_RDONLY), zeros, 2), 2);
    EXPECT_EQ(zeros[1], 0);
    char drawn[8] = {};
    EXPECT_EQ(uapi::read(uapi::open("/dev/urandom", O_RDONLY), drawn, 8), 8);
    EXPECT_NE(std::string(drawn, 8), std::string(8, '\0'));
    EXPECT_THAT(Names("/dev"), ElementsAre(".", "..", "null", "random", "urandom", "zero"));
    EXPECT_EQ(uapi::write(uapi::open("/dev/fd/1", O_WRONLY), "said\n", 5), 5);
    EXPECT_THAT(Text("/etc/hosts"), testing::HasSubstr(" client\n"));
    EXPECT_EQ(Text("/etc/resolv.conf"),
              "nameserver 10.0.1.53\nsearch example.org\noptions ndots:1 timeout:5 attempts:2\n");
    EXPECT_THAT(Text("/etc/services"), testing::HasSubstr("https 443/tcp\n"));
    EXPECT_THAT(Text("/etc/nsswitch.conf"), testing::HasSubstr("hosts: files dns"));
  });
  EXPECT_EQ(sim_.console().back().text, "said");
}

TEST_F(RealFiles, AreMappedAndSent) {
  On([] {
    const int fd = uapi::open("/ro/b", O_RDONLY);
    void* const made = uapi::mmap(nullptr, 6, PROT_READ, MAP_PRIVATE, fd, 0);
    ASSERT_NE(made, MAP_FAILED);
    EXPECT_EQ(std::string(static_cast<char*>(made), 6), "second");
    ::munmap(made, 6);
    EXPECT_EQ(uapi::mmap(nullptr, 6, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(uapi::mmap(nullptr, 6, PROT_READ, MAP_PRIVATE, 1, 0), MAP_FAILED);
    EXPECT_EQ(errno, ENODEV);
    int ends[2];
    ASSERT_THAT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), Works());
    off_t at = 2;
    EXPECT_EQ(uapi::sendfile(ends[0], fd, &at, 100), 4);
    EXPECT_EQ(at, 6);
    EXPECT_EQ(uapi::sendfile(ends[0], fd, nullptr, 1), 1);
    char text[5];
    EXPECT_EQ(uapi::recv(ends[1], text, 5, MSG_WAITALL), 5);
    EXPECT_EQ(std::string(text, 5), "conds");
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
  });
}

TEST_F(RealFiles, LocalSocketsHaveNames) {
  On([] {
    sockaddr_un sun{.sun_family = AF_UNIX, .sun_path = "/tmp/d/sock"};
    const auto* const name = reinterpret_cast<const sockaddr*>(&sun);
    EXPECT_THAT(uapi::mkdir("/tmp/d", 0755), Works());
    EXPECT_THAT(uapi::unlink(sun.sun_path), FailsWith(ENOENT));
    EXPECT_THAT(uapi::bind(uapi::socket(AF_UNIX, SOCK_STREAM, 0), name, sizeof sun), Works());
    struct stat st;
    EXPECT_THAT(uapi::stat(sun.sun_path, &st), Works());
    EXPECT_TRUE(S_ISSOCK(st.st_mode));
    EXPECT_THAT(Names("/tmp/d"), ElementsAre(".", "..", "sock"));
    EXPECT_THAT(uapi::open(sun.sun_path, O_RDWR), FailsWith(ENXIO));
    EXPECT_THAT(uapi::rmdir("/tmp/d"), FailsWith(ENOTEMPTY));
    const int again = uapi::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::bind(again, name, sizeof sun), FailsWith(EADDRINUSE));
    EXPECT_THAT(uapi::unlink(sun.sun_path), Works());
    EXPECT_THAT(uapi::bind(again, name, sizeof sun), Works());
    sockaddr_un readonly{.sun_family = AF_UNIX, .sun_path = "/ro/sock"};
    EXPECT_THAT(uapi::bind(uapi::socket(AF_UNIX, SOCK_STREAM, 0),
                           reinterpret_cast<const sockaddr*>(&readonly), sizeof readonly),
                FailsWith(EROFS));
  });
}

TEST_F(RealFiles, AnotherUserMeetsPermissions) {
  server_.Spawn("root", [] { uapi::close(uapi::open("/tmp/secret", O_WRONLY | O_CREAT, 0600)); });
  server_.Spawn("user",
                [] {
                  EXPECT_THAT(uapi::open("/tmp/secret", O_RDONLY), FailsWith(EACCES));
                  const int fd = uapi::open("/tmp/own", O_RDWR | O_CREAT, 0600);
                  EXPECT_GE(fd, 0);
                  struct stat st;
                  EXPECT_THAT(uapi::fstat(fd, &st), Works());
                  EXPECT_EQ(st.st_uid, 1000u);
                },
                {.start_at = kSecond, .cred = {.cr_uid = 1000, .cr_ruid = 1000, .cr_svuid = 1000}});
  Run();
}

}  // namespace
}  // namespace sockbed
