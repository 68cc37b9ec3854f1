#include "tests/determinism/process.h"

#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

// In the child: becomes `command` in `world`.
[[noreturn]] void Become(const std::vector<std::string>& command, const Perturbation& world,
                         int output) {
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (world.fixed_addresses) personality(ADDR_NO_RANDOMIZE);
  if (world.directory != nullptr && chdir(world.directory) != 0) _exit(126);
  std::vector<std::string> settings;
  for (const auto& [name, value] : world.environment) settings.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& setting : settings) environment.push_back(setting.data());
  environment.push_back(nullptr);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execve(arguments[0], arguments.data(), environment.data());
  _exit(127);
}

}  // namespace

std::vector<Perturbation> Worlds() {
  return {
      {.name = "plain", .environment = {{"PATH", "/usr/bin:/bin"}}},
      {.name = "again", .environment = {{"PATH", "/usr/bin:/bin"}}},
      {.name = "fixed addresses", .environment = {}, .fixed_addresses = true},
      {.name = "allocator fill", .environment = {{"MALLOC_PERTURB_", "165"}}},
      {.name = "other allocator fill",
       .environment = {{"MALLOC_PERTURB_", "90"}, {"MALLOC_TOP_PAD_", "12345678"}}},
      {.name = "environment",
       .environment = {{"LC_ALL", "tr_TR.UTF-8"},
                       {"TZ", "Pacific/Kiritimati"},
                       {"OPENSSL_CONF", "/dev/null"},
                       {"FILLER", std::string(50'000, 'x')}}},
      {.name = "directory", .environment = {}, .directory = "/"},
  };
}

ProcessResult RunProcess(const std::vector<std::string>& command, const Perturbation& world) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    Become(command, world, ends[1]);
  }
  close(ends[1]);
  ProcessResult result;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(ends[0], buffer, sizeof(buffer))) > 0) result.output.append(buffer, n);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

std::string Runfile(const std::string& path) {
  return std::string(getenv("TEST_SRCDIR")) + "/sockbed/" + path;
}

}  // namespace sockbed
