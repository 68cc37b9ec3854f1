#include "tests/two_arms/arms.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <utility>

#include "tests/captures/test_simulation.h"

namespace sockbed::two_arms {
namespace {

constexpr int kSimulatedSettleUs = 300'000;
constexpr unsigned kRealSecondsMax = 10;
constexpr rlim_t kDescriptors = 1024;

// Memory that parent and child share: where the child leaves its notes. All zero at first.
class Slate {
 public:
  Slate()
      : text_(static_cast<char*>(
            mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Slate() { munmap(text_, kBytes); }
  Slate(const Slate&) = delete;
  Slate& operator=(const Slate&) = delete;

  bool ok() const { return text_ != MAP_FAILED; }

  // Each note as its label and its text, each behind its length.
  void Write(const std::vector<Note>& notes) {
    std::string all;
    for (const Note& note : notes) {
      for (const std::string& part : {note.label, note.text}) {
        all += std::to_string(part.size()) + ":" + part;
      }
    }
    all.copy(text_, kBytes - 1);
  }

  std::vector<Note> Read() const {
    std::vector<Note> notes;
    std::string_view left(text_);
    while (!left.empty()) {
      std::string label = Part(&left);
      std::string text = Part(&left);
      notes.push_back({std::move(label), std::move(text)});
    }
    return notes;
  }

 private:
  static constexpr size_t kBytes = 16 << 20;

  static std::string Part(std::string_view* left) {
    const size_t colon = left->find(':');
    if (colon == std::string_view::npos) {
      *left = {};
      return {};
    }
    const size_t size = strtoul(left->data(), nullptr, 10);
    std::string part(left->substr(colon + 1, size));
    left->remove_prefix(std::min(left->size(), colon + 1 + size));
    return part;
  }

  char* const text_;
};

// An empty directory that is gone again afterwards.
class EmptyDirectory {
 public:
  EmptyDirectory() : path_(std::filesystem::temp_directory_path() / "two_arms_XXXXXX") {
    std::string name = path_.string();
    path_ = mkdtemp(name.data()) != nullptr ? name : std::string();
  }
  ~EmptyDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  EmptyDirectory(const EmptyDirectory&) = delete;
  EmptyDirectory& operator=(const EmptyDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

[[noreturn]] void BeChild(const std::function<void(Notes&)>& body, int settle_us,
                          const EmptyDirectory& directory, Slate* slate) {
  const rlimit limit{kDescriptors, kDescriptors};
  if (chdir(directory.path().c_str()) != 0 || setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(2);
  closefrom(3);
  for (int signo = 1; signo < NSIG; ++signo) signal(signo, SIG_DFL);
  alarm(kRealSecondsMax);
  Notes notes(settle_us);
  body(notes);
  slate->Write(notes.all());
  _exit(0);
}

}  // namespace

Seen OnSimulatedKernel(const std::function<void(Notes&)>& body) {
  TestSimulation sim({.seed = 1});
  Host& host = sim.AddHost("host");
  Notes notes(kSimulatedSettleUs);
  const uid_t uid = getuid();
  const gid_t gid = getgid();
  host.Spawn(
      "prog", [&] { body(notes); },
      {.cred = {.cr_uid = uid, .cr_ruid = uid, .cr_svuid = uid, .cr_gid = gid, .cr_rgid = gid}});
  std::string trouble = sim.Run().Complaints();
  return {.notes = notes.all(), .trouble = std::move(trouble)};
}

Seen OnRealKernel(const std::function<void(Notes&)>& body, int settle_us) {
  Slate slate;
  const EmptyDirectory directory;
  if (!slate.ok() || directory.path().empty()) return {.trouble = "no memory, or no directory"};
  const pid_t child = fork();
  if (child < 0) return {.trouble = "fork: " + ErrnoName(errno)};
  if (child == 0) BeChild(body, settle_us, directory, &slate);
  int status = 0;
  if (waitpid(child, &status, 0) != child) return {.trouble = "waitpid: " + ErrnoName(errno)};
  Seen seen{.notes = slate.Read(), .trouble = {}};
  if (WIFSIGNALED(status)) {
    seen.trouble = WTERMSIG(status) == SIGALRM
                       ? "it hangs"
                       : std::string("ended by SIG") + sigabbrev_np(WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0) {
    seen.trouble = "exit status " + std::to_string(WEXITSTATUS(status));
  }
  return seen;
}

std::string WhyNoRealArm() {
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  const bool bound =
      fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&loopback), sizeof loopback) == 0;
  if (fd >= 0) close(fd);
  return bound ? "" : "the host has no IPv6 loopback (::1)";
}

}  // namespace sockbed::two_arms
