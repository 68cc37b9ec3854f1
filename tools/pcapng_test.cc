#include "tools/pcapng.h"

#include <cstdio>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "tools/program.h"

namespace sockbed::tools {
namespace {

// The blocks of a pcapng file: type and body.
struct Block {
  uint32_t type;
  std::string body;
};

uint32_t Read32(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

std::vector<Block> Blocks(const std::string& file) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < file.size();) {
    const uint32_t length = Read32(file, at + 4);
    EXPECT_EQ(length % 4, 0u);
    EXPECT_EQ(Read32(file, at + length - 4), length) << "both lengths of a block agree";
    blocks.push_back({Read32(file, at), file.substr(at + 8, length - 12)});
    at += length;
  }
  return blocks;
}

class Pcapng : public testing::Test {
 protected:
  const std::string path_ = testing::TempDir() + "/link.pcapng";

  std::vector<Block> Written(const std::string& keys) {
    auto writer = PcapngWriter::Create(path_, "wan");
    EXPECT_TRUE(writer.ok());
    const std::vector<std::byte> packet(21, std::byte{0x45});
    (*writer)->Add(kSecond, packet, true, "");
    (*writer)->Add(2 * kSecond, packet, false, "dropped");
    EXPECT_TRUE((*writer)->Finish(keys).ok());
    return Blocks(*ReadRealFile(path_));
  }
};

TEST_F(Pcapng, SecretsStandBeforeThePackets) {
  const std::vector<Block> blocks = Written("CLIENT_RANDOM a b\n");
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(blocks[0].type, 0x0A0D0D0Au);
  EXPECT_EQ(blocks[1].type, 1u);
  EXPECT_EQ(blocks[2].type, 10u);
  EXPECT_EQ(Read32(blocks[2].body, 4), 18u);
  EXPECT_EQ(blocks[2].body.substr(8, 18), "CLIENT_RANDOM a b\n");
  EXPECT_EQ(blocks[3].type, 6u);
}

TEST_F(Pcapng, PacketsKeepTimeLengthAndComment) {
  const std::vector<Block> blocks = Written("");
  ASSERT_EQ(blocks.size(), 4u);
  const std::string& packet = blocks[3].body;
  const uint64_t stamp = uint64_t{Read32(packet, 4)} << 32 | Read32(packet, 8);
  EXPECT_EQ(stamp, static_cast<uint64_t>((kBootEpochSeconds + 2) * kSecond));
  EXPECT_EQ(Read32(packet, 12), 21u);
  EXPECT_NE(packet.find("dropped"), std::string::npos);
  EXPECT_EQ(blocks[2].body.find("dropped"), std::string::npos);
}

TEST_F(Pcapng, LeavesNoSpoolBehind) {
  Written("");
  EXPECT_FALSE(ReadRealFile(path_ + ".part").ok());
}

TEST_F(Pcapng, SaysWhereItCannotWrite) {
  EXPECT_FALSE(PcapngWriter::Create("/no/such/folder/x.pcapng", "wan").ok());
}

}  // namespace
}  // namespace sockbed::tools
