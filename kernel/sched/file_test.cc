// Open files: references, the last close, the limit of the host.
#include "kernel/sched/file.h"

#include <errno.h>

#include "kernel/sched/one_host.h"

namespace sockbed {
namespace {

class FileTest : public OneHost {
 protected:
  FileTest() {
    ops_.fo_close = [](file* fp) {
      ++*static_cast<int*>(fp->f_data);
      return EIO;
    };
  }

  file* Open() {
    file* fp = nullptr;
    EXPECT_EQ(falloc_file(&fp), 0);
    fp->f_ops = &ops_;
    fp->f_data = &closed_;
    return fp;
  }

  fileops ops_ = {};
  int closed_ = 0;
};

TEST_F(FileTest, LastReferenceClosesAndReportsItsError) {
  const HostScope on_host(host());
  file* fp = Open();
  FREF(fp);
  EXPECT_EQ(FRELE(fp), 0);
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(FRELE(fp), EIO);
  EXPECT_EQ(closed_, 1);
}

TEST_F(FileTest, FileWithoutOperationsIsJustFreed) {
  const HostScope on_host(host());
  file* fp = nullptr;
  ASSERT_EQ(falloc_file(&fp), 0);
  EXPECT_EQ(FRELE(fp), 0);
  EXPECT_EQ(file_first(), nullptr);
}

TEST_F(FileTest, ListIsInOrderOfCreation) {
  const HostScope on_host(host());
  file* first = Open();
  file* second = Open();
  file* third = Open();
  EXPECT_EQ(first->f_id, 1u);
  EXPECT_EQ(third->f_id, 3u);
  (void)FRELE(second);
  EXPECT_EQ(file_first(), first);
  EXPECT_EQ(first->f_next, third);
  EXPECT_EQ(third->f_prev, first);
  (void)FRELE(first);
  EXPECT_EQ(file_first(), third);
  (void)FRELE(third);
}

TEST_F(FileTest, LimitOfTheHostIsEnfile) {
  const HostScope on_host(host());
  int64_t value = 0;
  ASSERT_EQ(host().sysctls.Get("kern.maxfiles", &value), 0);
  EXPECT_EQ(value, 7030);
  ASSERT_EQ(host().sysctls.Set("kern.maxfiles", 1), 0);
  file* fp = Open();
  file* refused = nullptr;
  EXPECT_EQ(falloc_file(&refused), ENFILE);
  ASSERT_EQ(host().sysctls.Get("kern.nfiles", &value), 0);
  EXPECT_EQ(value, 1);
  (void)FRELE(fp);
}

TEST_F(FileTest, CarriesTheCredentialsOfItsOpener) {
  SpawnWith({.name = "user",
             .main =
                 [&] {
                   file* fp = Open();
                   EXPECT_EQ(fp->f_cred.cr_uid, 1000u);
                   (void)FRELE(fp);
                   return 0;
                 },
             .cred = {.cr_uid = 1000}});
  Run();
  EXPECT_EQ(closed_, 1);
}

}  // namespace
}  // namespace sockbed
