#include "tools/worker_pool.h"

#include <unistd.h>

#include <map>

#include "gtest/gtest.h"

namespace sockbed::tools {
namespace {

TEST(WorkerPool, EveryJobIsDoneOnce) {
  std::map<size_t, std::string> results;
  const absl::Status status = RunInWorkers(
      50, 3, [](size_t job) { return std::string(job, 'x'); },
      [&](size_t job, const std::string& result, const std::string& died) {
        EXPECT_EQ(died, "");
        EXPECT_TRUE(results.emplace(job, result).second);
      });
  ASSERT_TRUE(status.ok());
  ASSERT_EQ(results.size(), 50u);
  EXPECT_EQ(results[49].size(), 49u);
}

TEST(WorkerPool, ACrashCostsOneJob) {
  int died_count = 0, done_count = 0;
  const absl::Status status = RunInWorkers(
      20, 2,
      [](size_t job) {
        if (job == 7) _exit(3);
        return std::string("done");
      },
      [&](size_t job, const std::string& result, const std::string& died) {
        if (died.empty()) {
          ++done_count;
          EXPECT_EQ(result, "done");
          return;
        }
        ++died_count;
        EXPECT_EQ(job, 7u);
        EXPECT_EQ(died, "the runner ended with status 3");
      });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(died_count, 1);
  EXPECT_EQ(done_count, 19);
}

TEST(WorkerPool, NoJobsNeedNoWorkers) {
  EXPECT_TRUE(RunInWorkers(
                  0, 4, [](size_t) { return std::string(); },
                  [](size_t, const std::string&, const std::string&) { ADD_FAILURE(); })
                  .ok());
}

}  // namespace
}  // namespace sockbed::tools
