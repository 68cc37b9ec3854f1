#include "kernel/sched/uio.h"

#include <errno.h>

#include <string>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

TEST(UiomoveTest, FillsVectorsInOrderAndCountsDown) {
  char first[3], second[4];
  iovec iov[] = {{first, 3}, {nullptr, 0}, {second, 4}};
  uio to = {.uio_iov = iov, .uio_iovcnt = 3, .uio_resid = 7};
  char hello[] = "hello";
  EXPECT_EQ(uiomove(hello, 5, &to), 0);
  EXPECT_EQ(std::string(first, 3) + std::string(second, 2), "hello");
  EXPECT_EQ(to.uio_resid, 2u);
  EXPECT_EQ(to.uio_iov, &iov[2]);
}

TEST(UiomoveTest, GathersFromVectors) {
  char first[] = "ab", second[] = "cd";
  iovec iov[] = {{first, 2}, {second, 2}};
  uio from = {.uio_iov = iov, .uio_iovcnt = 2, .uio_resid = 4, .uio_rw = UIO_WRITE};
  char bytes[8] = {};
  EXPECT_EQ(uiomove(bytes, 8, &from), 0);  // no more than there is
  EXPECT_STREQ(bytes, "abcd");
  EXPECT_EQ(from.uio_resid, 0u);
  EXPECT_EQ(from.uio_iovcnt, 0);
}

TEST(UiomoveTest, NullVectorIsEfaultAfterTheBytesBeforeIt) {
  char first[2];
  iovec iov[] = {{first, 2}, {nullptr, 2}};
  uio to = {.uio_iov = iov, .uio_iovcnt = 2, .uio_resid = 4};
  char bytes[] = "abcd";
  EXPECT_EQ(uiomove(bytes, 4, &to), EFAULT);
  EXPECT_EQ(std::string(first, 2), "ab");
  EXPECT_EQ(to.uio_resid, 2u);
}

}  // namespace
}  // namespace sockbed
