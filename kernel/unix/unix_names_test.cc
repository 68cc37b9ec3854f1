// The file tree that local sockets are bound in: spec unix-domain.md section 4.
#include "kernel/unix/unix_names.h"

#include <errno.h>

#include <string>

#include "kernel/unix/unix_test_host.h"

namespace sockbed {
namespace {

class NamesTest : public UnixTestHost {
 protected:
  vnode* Node(std::string_view path) {
    vnode* node = nullptr;
    EXPECT_EQ(names().Lookup(path, &node), 0) << path;
    return node;
  }
  int Look(std::string_view path) {
    vnode* node = nullptr;
    return names().Lookup(path, &node);
  }
  int Sock(std::string_view path) {
    vnode* node = nullptr;
    return names().MakeSocket(path, &node);
  }
};

constexpr ucred kUser = {.cr_uid = 1000, .cr_ruid = 1000, .cr_gid = 100, .cr_rgid = 100};

TEST_F(NamesTest, TreeStartsWithTheUsualDirectories) {
  InProcess([this] {
    for (const char* path : {"/", "/tmp", "/var", "/var/run", "/tmp/..", "//tmp///", "/./tmp/."}) {
      EXPECT_EQ(Node(path)->v_type, VnodeType::kDirectory) << path;
    }
    EXPECT_EQ(Node("/.."), Node("/"));
    EXPECT_EQ(Node("/tmp/."), Node("/tmp"));
    EXPECT_NE(Node("/tmp")->v_ino, Node("/var")->v_ino);
    EXPECT_EQ(Node("/var/run/"), Node("/var/run"));
    EXPECT_EQ(Node("/var/run/../../tmp"), Node("/tmp"));
  });
}

TEST_F(NamesTest, NothingThereIsEnoent) {
  InProcess([this] {
    EXPECT_EQ(Look(""), ENOENT);
    EXPECT_EQ(Look("/nothing"), ENOENT);
    EXPECT_EQ(Look("/nothing/below"), ENOENT);
    EXPECT_EQ(Sock(""), ENOENT);
    EXPECT_EQ(Sock("/nothing/below"), ENOENT);
    EXPECT_EQ(Sock("/tmp/slash/"), ENOENT);
  });
}

TEST_F(NamesTest, FileOnTheWayIsEnotdir) {
  InProcess([this] {
    ASSERT_EQ(names().Creat("/tmp/file", 0644), 0);
    EXPECT_EQ(Look("/tmp/file/below"), ENOTDIR);
    EXPECT_EQ(Look("/tmp/file/"), ENOTDIR);
    EXPECT_EQ(Look("/tmp/file/."), ENOTDIR);
    EXPECT_EQ(names().Chdir("/tmp/file"), ENOTDIR);
    EXPECT_EQ(names().SetReadOnly("/tmp/file", true), ENOTDIR);
  });
}

TEST_F(NamesTest, LongNamesAreRefused) {
  InProcess([this] {
    EXPECT_EQ(Sock("/tmp/" + std::string(255, 'n')), 0);
    EXPECT_EQ(Sock("/tmp/" + std::string(256, 'n')), ENAMETOOLONG);
    std::string path;
    while (path.size() <= 1024) path += "/tmp/..";
    EXPECT_EQ(Look(path), ENAMETOOLONG);
    EXPECT_EQ(Look("/tmp" + std::string(1020, '/')), 0);
    EXPECT_EQ(Look("/tmp" + std::string(1021, '/')), ENAMETOOLONG);
    EXPECT_EQ(names().Symlink(std::string(1025, 'x'), "/tmp/link"), ENAMETOOLONG);
  });
}

TEST_F(NamesTest, ExistingNameInAnyFormIsInUse) {
  InProcess([this] {
    ASSERT_EQ(names().Creat("/tmp/file", 0644), 0);
    ASSERT_EQ(names().Symlink("/nowhere", "/tmp/dangling"), 0);
    for (const char* path : {"/tmp/file", "/tmp/dangling", "/tmp", "/"}) {
      EXPECT_EQ(Sock(path), EADDRINUSE) << path;
      EXPECT_EQ(names().Creat(path, 0644), EEXIST) << path;
    }
  });
}

TEST_F(NamesTest, SymlinksAreFollowedAndBounded) {
  InProcess([this] {
    ASSERT_EQ(Sock("/tmp/socket"), 0);
    ASSERT_EQ(names().Symlink("/tmp/socket", "/tmp/absolute"), 0);
    ASSERT_EQ(names().Symlink("socket", "/tmp/relative"), 0);
    ASSERT_EQ(names().Symlink("tmp", "/alias"), 0);
    EXPECT_EQ(Node("/tmp/absolute"), Node("/tmp/socket"));
    EXPECT_EQ(Node("/tmp/relative"), Node("/tmp/socket"));
    EXPECT_EQ(Node("/alias/socket"), Node("/tmp/socket"));
    ASSERT_EQ(names().Symlink("/tmp/loop", "/tmp/loop"), 0);
    EXPECT_EQ(Look("/tmp/loop"), ELOOP);
    ASSERT_EQ(names().Symlink("", "/tmp/empty"), 0);
    EXPECT_EQ(Look("/tmp/empty"), ENOENT);
  });
}

TEST_F(NamesTest, ThirtyTwoSymlinksMayBeFollowed) {
  InProcess([this] {
    ASSERT_EQ(Sock("/tmp/0"), 0);
    for (int i = 1; i <= 33; ++i) {
      ASSERT_EQ(names().Symlink(std::to_string(i - 1), "/tmp/" + std::to_string(i)), 0);
    }
    EXPECT_EQ(Look("/tmp/32"), 0);
    EXPECT_EQ(Look("/tmp/33"), ELOOP);
  });
}

TEST_F(NamesTest, PermissionsOfOwnerGroupAndOthers) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/d", 0750), 0);
    ASSERT_EQ(names().Chown("/d", 1000, 100), 0);
    ASSERT_EQ(Sock("/d/socket"), 0) << "the superuser may";
  });
  const auto as = [this](uid_t uid, gid_t gid, int search, int make) {
    InProcess(
        [&] {
          EXPECT_EQ(Look("/d/socket"), search);
          EXPECT_EQ(Sock("/d/by" + std::to_string(uid)), make);
        },
        {.cr_uid = uid, .cr_gid = gid});
  };
  as(1000, 1, 0, 0);
  as(2000, 100, 0, EACCES);
  as(3000, 1, EACCES, EACCES);
}

TEST_F(NamesTest, NewNodeBelongsToItsMakerUnderTheUmask) {
  InProcess(
      [this] {
        ASSERT_EQ(Sock("/tmp/default"), 0);
        EXPECT_EQ(Node("/tmp/default")->v_mode, 0755u);
        EXPECT_EQ(Node("/tmp/default")->v_uid, 1000u);
        EXPECT_EQ(Node("/tmp/default")->v_gid, 0u) << "the directory's";
        EXPECT_EQ(names().Umask(077), 022u);
        ASSERT_EQ(Sock("/tmp/private"), 0);
        EXPECT_EQ(Node("/tmp/private")->v_mode, 0700u);
      },
      kUser);
}

TEST_F(NamesTest, NewNodeIsOfItsDirectorysGroup) {
  InProcess([this] {
    ASSERT_EQ(names().Chown("/tmp", 0, 55), 0);
    ASSERT_EQ(Sock("/tmp/socket"), 0);
    EXPECT_EQ(Node("/tmp/socket")->v_gid, 55u);
  });
}

TEST_F(NamesTest, EachProcessHasItsOwnDirectory) {
  InProcess([this] {
    ASSERT_EQ(names().Chdir("/tmp"), 0);
    ASSERT_EQ(Sock("here"), 0);
    EXPECT_EQ(Look("/tmp/here"), 0);
  });
  InProcess([this] { EXPECT_EQ(Look("here"), ENOENT); });
}

TEST_F(NamesTest, ChildStartsWhereItsParentIs) {
  InProcess([this] {
    ASSERT_EQ(names().Chdir("/tmp"), 0);
    ASSERT_EQ(Sock("here"), 0);
    proc_spawn({.name = "child",
                .main =
                    [this] {
                      EXPECT_EQ(Look("here"), 0);
                      return 0;
                    },
                .parent = curproc()->p_pid});
    pid_t child = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(-1, false, &child, &status), 0);
  });
}

TEST_F(NamesTest, ChangedRootHidesTheRest) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/jail", 0755), 0);
    ASSERT_EQ(names().Chroot("/jail"), 0);
    EXPECT_EQ(Look("/tmp"), ENOENT);
    EXPECT_EQ(Look("/../tmp"), ENOENT);
  });
  InProcess([this] { EXPECT_EQ(names().Chroot("/tmp"), EPERM); }, kUser);
}

TEST_F(NamesTest, ReadOnlyMountCannotBeChanged) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/mnt", 0777), 0);
    ASSERT_EQ(names().Mkdir("/mnt/in", 0777), 0);
    ASSERT_EQ(Sock("/mnt/socket"), 0);
    ASSERT_EQ(names().SetReadOnly("/mnt", true), 0);
    EXPECT_EQ(Sock("/mnt/in/new"), EROFS);
    EXPECT_EQ(names().Unlink("/mnt/socket"), EROFS);
    EXPECT_EQ(names().Rename("/mnt/socket", "/tmp/socket"), EROFS);
    EXPECT_EQ(names().Chmod("/mnt/socket", 0), EROFS);
    EXPECT_EQ(Look("/mnt/socket"), 0);
  });
}

TEST_F(NamesTest, FullFileSystemHasNoSpace) {
  InProcess([this] {
    ASSERT_EQ(host().sysctls.Set("kern.maxvnodes", 5), 0);
    EXPECT_EQ(Sock("/tmp/fifth"), 0);
    EXPECT_EQ(Sock("/tmp/sixth"), ENOSPC);
    EXPECT_EQ(names().Unlink("/tmp/fifth"), 0);
    EXPECT_EQ(Sock("/tmp/sixth"), 0);
  });
}

TEST_F(NamesTest, DirectoriesAreRemovedWhenEmptyAndUnused) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/d/", 0755), 0);
    ASSERT_EQ(names().Creat("/d/file", 0644), 0);
    EXPECT_EQ(names().Unlink("/d"), EPERM);
    EXPECT_EQ(names().Rmdir("/d/file"), ENOTDIR);
    EXPECT_EQ(names().Rmdir("/d"), ENOTEMPTY);
    EXPECT_EQ(names().Unlink("/d/file"), 0);
    EXPECT_EQ(names().Unlink("/d/file"), ENOENT);
    ASSERT_EQ(names().Chdir("/d"), 0);
    EXPECT_EQ(names().Rmdir("/d"), EBUSY);
    ASSERT_EQ(names().Chdir("/"), 0);
    EXPECT_EQ(names().Rmdir("/d"), 0);
    EXPECT_EQ(Look("/d"), ENOENT);
    EXPECT_EQ(names().Rmdir("/"), EBUSY);
  });
}

TEST_F(NamesTest, RenameMovesAndReplaces) {
  InProcess([this] {
    ASSERT_EQ(Sock("/tmp/a"), 0);
    ASSERT_EQ(names().Creat("/tmp/b", 0644), 0);
    ASSERT_EQ(names().Mkdir("/d", 0755), 0);
    vnode* a = Node("/tmp/a");
    EXPECT_EQ(names().Rename("/tmp/a", "/tmp/b"), 0);
    EXPECT_EQ(Node("/tmp/b"), a);
    EXPECT_EQ(Look("/tmp/a"), ENOENT);
    EXPECT_EQ(names().Rename("/tmp/b", "/tmp/b"), 0);
    EXPECT_EQ(names().Rename("/tmp/b", "/d"), EISDIR);
    EXPECT_EQ(names().Rename("/d", "/tmp/b"), ENOTDIR);
    EXPECT_EQ(names().Rename("/d", "/d/below"), EINVAL);
    EXPECT_EQ(names().Rename("/d", "/tmp"), ENOTEMPTY);
    EXPECT_EQ(names().Rename("/d", "/tmp/."), EINVAL);
    EXPECT_EQ(names().Rename("/.", "/tmp/root"), EINVAL);
    ASSERT_EQ(names().Mkdir("/d/sub", 0755), 0);
    EXPECT_EQ(names().Rename("/d", "/d/sub/below"), EINVAL) << "it would be cut off from the tree";
    EXPECT_EQ(names().Rename("/tmp/b", "/d/sub/b"), 0) << "a file may go anywhere";
    EXPECT_EQ(names().Rename("/d/sub/b", "/tmp/b"), 0);
    EXPECT_EQ(names().Rename("/d", "/tmp/d"), 0);
    EXPECT_EQ(Node("/tmp/d/.."), Node("/tmp"));
  });
}

TEST_F(NamesTest, RenameSparesADirectoryThatSomebodyIsIn) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/tmp/mine", 0755), 0);
    ASSERT_EQ(names().Mkdir("/tmp/other", 0755), 0);
    ASSERT_EQ(names().Chdir("/tmp/mine"), 0);
    EXPECT_EQ(names().Rename("/tmp/other", "/tmp/mine"), EBUSY);
    ASSERT_EQ(names().Chdir("/"), 0);
    EXPECT_EQ(names().Rename("/tmp/other", "/tmp/mine"), 0);
  });
}

TEST_F(NamesTest, DirectoryThatIsSomebodysRootStays) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/jail", 0755), 0);
    Spawn("jailed", [this] {
      ASSERT_EQ(names().Chroot("/jail"), 0);
      Pause(kSecond);
    });
    Pause(kTickNs);
    EXPECT_EQ(names().Rmdir("/jail"), EBUSY);
    Pause(2 * kSecond);
    EXPECT_EQ(names().Rmdir("/jail"), 0);
  });
}

// What the way to a name says, each operation passes on.
TEST_F(NamesTest, EveryOperationNeedsItsWayThroughTheTree) {
  InProcess([this] {
    ASSERT_EQ(names().Creat("/tmp/file", 0644), 0);
    for (const auto& [path, error] : {std::pair{"/none/x", ENOENT}, {"/tmp/file/x", ENOTDIR}}) {
      EXPECT_EQ(names().Mkdir(path, 0755), error);
      EXPECT_EQ(names().Creat(path, 0644), error);
      EXPECT_EQ(names().Symlink("x", path), error);
      EXPECT_EQ(names().Unlink(path), error);
      EXPECT_EQ(names().Rmdir(path), error);
      EXPECT_EQ(names().Rename(path, "/tmp/new"), error);
      EXPECT_EQ(names().Rename("/tmp/file", path), error);
      EXPECT_EQ(names().Chmod(path, 0644), error);
      EXPECT_EQ(names().Chown(path, 1, 1), error);
      EXPECT_EQ(names().Chdir(path), error);
      EXPECT_EQ(names().Chroot(path), error);
      EXPECT_EQ(names().SetReadOnly(path, true), error);
    }
    EXPECT_EQ(names().Chroot("/tmp/file"), ENOTDIR);
  });
}

TEST_F(NamesTest, EveryChangeNeedsPermissionToWriteTheDirectory) {
  InProcess([this] {
    ASSERT_EQ(names().Mkdir("/d", 0755), 0);
    ASSERT_EQ(names().Mkdir("/d/empty", 0755), 0);
    ASSERT_EQ(names().Mkdir("/secret", 0700), 0);
    ASSERT_EQ(names().SetReadOnly("/d/empty", true), 0);
    EXPECT_EQ(names().Chown("/d/empty/.", 1, 1), EROFS);
    ASSERT_EQ(names().SetReadOnly("/d/empty", false), 0);
  });
  InProcess(
      [this] {
        ASSERT_EQ(names().Creat("/tmp/mine", 0600), 0);
        EXPECT_EQ(names().Unlink("/d/empty"), EACCES);
        EXPECT_EQ(names().Rmdir("/d/empty"), EACCES);
        EXPECT_EQ(names().Rename("/d/empty", "/tmp/taken"), EACCES);
        EXPECT_EQ(names().Rename("/tmp/mine", "/d/mine"), EACCES);
        EXPECT_EQ(names().Chdir("/secret"), EACCES);
      },
      kUser);
  InProcess([this] { EXPECT_EQ(names().Chmod("/tmp/mine", 0644), 0) << "the superuser may"; });
}

TEST_F(NamesTest, ModeIsItsOwnersToChange) {
  InProcess([this] { ASSERT_EQ(names().Creat("/tmp/file", 0644), 0); });
  InProcess([this] { EXPECT_EQ(names().Chmod("/tmp/file", 0666), EPERM); }, kUser);
  InProcess([this] { EXPECT_EQ(names().Chown("/tmp/file", 1000, 100), EPERM); }, kUser);
  InProcess([this] { EXPECT_EQ(names().Chown("/tmp/file", 1000, 100), 0); });
  InProcess(
      [this] {
        EXPECT_EQ(names().Chmod("/tmp/file", 0400), 0);
        EXPECT_EQ(names().MayWrite(Node("/tmp/file")), EACCES);
      },
      kUser);
}

}  // namespace
}  // namespace sockbed
