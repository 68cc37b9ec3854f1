#include "tools/worker_pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sockbed::tools {
namespace {

struct Worker {
  pid_t pid = -1;
  int to = -1, from = -1;  // pipes
  size_t job = 0;
};

bool WriteAll(int fd, const void* data, size_t size) {
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = write(fd, p, size);
    if (n <= 0) return false;
    p += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool ReadAll(int fd, void* data, size_t size) {
  char* p = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = read(fd, p, size);
    if (n <= 0) return false;
    p += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// The life of a child: a job's number comes in, the size of its result and the result go out.
[[noreturn]] void ServeJobs(int from, int to, const std::function<std::string(size_t)>& work) {
  size_t job;
  while (ReadAll(from, &job, sizeof job)) {
    const std::string result = work(job);
    const size_t size = result.size();
    if (!WriteAll(to, &size, sizeof size) || !WriteAll(to, result.data(), size)) break;
  }
  _exit(0);
}

class Pool {
 public:
  Pool(size_t count, const std::function<std::string(size_t)>& work,
       const std::function<void(size_t, const std::string&, const std::string&)>& done)
      : count_(count), work_(work), done_(done) {}
  ~Pool() {
    for (Worker& worker : workers_) (void)End(&worker);
  }

  absl::Status Run(int workers) {
    for (int i = 0; i < workers && next_ < count_; ++i) {
      workers_.emplace_back();
      if (absl::Status status = Start(&workers_.back()); !status.ok()) return status;
    }
    while (finished_ < count_) {
      if (absl::Status status = Wait(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Start(Worker* worker) {
    int down[2], up[2];
    if (pipe(down) != 0) return absl::InternalError(strerror(errno));
    if (pipe(up) != 0) return absl::InternalError(strerror(errno));
    fflush(nullptr);  // or the child would write it once more
    worker->pid = fork();
    if (worker->pid < 0) return absl::InternalError(strerror(errno));
    if (worker->pid == 0) {
      for (const Worker& other : workers_) {  // their ends are the parent's
        if (other.to >= 0) close(other.to);
        if (other.from >= 0) close(other.from);
      }
      close(down[1]);
      close(up[0]);
      ServeJobs(down[0], up[1], work_);
    }
    close(down[0]);
    close(up[1]);
    worker->to = down[1];
    worker->from = up[0];
    Give(worker);
    return absl::OkStatus();
  }

  // The next job, or its end. A child that is dead by then is noticed by its silence.
  void Give(Worker* worker) {
    if (next_ == count_) {
      (void)End(worker);
      return;
    }
    worker->job = next_++;
    (void)WriteAll(worker->to, &worker->job, sizeof worker->job);
  }

  // Returns how it ended, in words.
  std::string End(Worker* worker) {
    if (worker->pid < 0) return "";
    close(worker->to);
    close(worker->from);
    int status = 0;
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    *worker = Worker{};
    if (WIFSIGNALED(status))
      return absl::StrCat("the runner died of SIG", sigabbrev_np(WTERMSIG(status)));
    return absl::StrCat("the runner ended with status ", WEXITSTATUS(status));
  }

  absl::Status Wait() {
    std::vector<pollfd> fds;
    std::vector<Worker*> waiting;
    for (Worker& worker : workers_) {
      if (worker.pid < 0) continue;
      fds.push_back({worker.from, POLLIN, 0});
      waiting.push_back(&worker);
    }
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
      return absl::InternalError(strerror(errno));
    }
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents == 0) continue;
      if (absl::Status status = Collect(waiting[i]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Collect(Worker* worker) {
    size_t size = 0;
    std::string result;
    bool whole = ReadAll(worker->from, &size, sizeof size);
    if (whole) {
      result.resize(size);
      whole = ReadAll(worker->from, result.data(), size);
    }
    const size_t job = worker->job;
    ++finished_;
    if (whole) {
      Give(worker);
      done_(job, result, "");
      return absl::OkStatus();
    }
    done_(job, "", End(worker));
    return next_ < count_ ? Start(worker) : absl::OkStatus();
  }

  const size_t count_;
  const std::function<std::string(size_t)>& work_;
  const std::function<void(size_t, const std::string&, const std::string&)>& done_;
  std::vector<Worker> workers_;
  size_t next_ = 0;
  size_t finished_ = 0;
};

}  // namespace

absl::Status RunInWorkers(size_t count, int workers,
                          const std::function<std::string(size_t job)>& work,
                          const std::function<void(size_t job, const std::string& result,
                                                   const std::string& died)>& done) {
  // A child that has died must not end us when we write to it.
  struct sigaction ignore = {}, before = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &before);
  absl::Status status = Pool(count, work, done).Run(std::max(workers, 1));
  sigaction(SIGPIPE, &before, nullptr);
  return status;
}

}  // namespace sockbed::tools
