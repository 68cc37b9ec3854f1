#include "kernel/inet/in_cksum.h"

#include <string>

#include "gtest/gtest.h"
#include "kernel/inet/inet_test_net.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

// Word by word, as RFC 1071 defines it.
uint16_t Model(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint32_t byte = static_cast<uint8_t>(bytes[i]);
    sum += i % 2 == 0 ? byte << 8 : byte;
    sum = (sum >> 16) + (sum & 0xffff);
  }
  return static_cast<uint16_t>(~sum);
}

class InCksumTest : public InetTestNet {
 protected:
  InCksumTest() : host_(AddHost("a")), scope_(host_), draws_(99, Site::kProgram, 1, 0) {}

  std::string Random(size_t size) {
    std::string bytes(size, '\0');
    draws_.Fill(std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }
  int Below(int bound) { return static_cast<int>(draws_.NextBelow(static_cast<uint64_t>(bound))); }

  HostBase& host_;
  HostScope scope_;
  Stream draws_;
};

TEST_F(InCksumTest, AgreesWithTheExampleOfRfc1071) {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(in_cksum_bytes(bytes, sizeof bytes), static_cast<uint16_t>(~0xddf2));
}

TEST_F(InCksumTest, AgreesWithTheModelAtEveryLengthAndAlignment) {
  const std::string bytes = Random(300);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t size = 0; size + start <= 200; ++size) {
      ASSERT_EQ(in_cksum_bytes(bytes.data() + start, size), Model(bytes.substr(start, size)))
          << start << " " << size;
    }
  }
}

TEST_F(InCksumTest, CarriesSurviveTheLargestWords) {
  const std::string ones(4096, '\xff');
  EXPECT_EQ(in_cksum_bytes(ones.data(), ones.size()), Model(ones));
  EXPECT_EQ(in_cksum_bytes(ones.data(), 4095), Model(ones.substr(1)));
}

TEST_F(InCksumTest, DoesNotDependOnHowAChainIsCut) {
  for (int round = 0; round < 300; ++round) {
    const std::string bytes = Random(static_cast<size_t>(Below(3000)) + 1);
    MbufPtr chain = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    for (int cuts = Below(6); cuts > 0 && chain->m_pkthdr.len > 2; --cuts) {
      MbufPtr tail = m_split(chain.get(), 1 + Below(chain->m_pkthdr.len - 1), M_DONTWAIT);
      m_catpkt(chain.get(), std::move(tail));
    }
    const int size = static_cast<int>(bytes.size());
    ASSERT_EQ(in_cksum(chain.get(), size), Model(bytes));
    const int off = Below(size);
    const int len = Below(size - off + 1);
    ASSERT_EQ(in4_cksum(chain.get(), 0, off, len),
              Model(bytes.substr(static_cast<size_t>(off), static_cast<size_t>(len))));
  }
}

TEST_F(InCksumTest, PseudoHeaderIsPartOfTheSum) {
  const Packet packet = {.src = Addr("10.1.2.3"), .dst = Addr("10.4.5.6"), .payload = Random(101)};
  const std::string bytes = packet.Bytes();
  MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
  std::string summed = bytes.substr(12, 8) + std::string("\0\x11\0\x65", 4) + packet.payload;
  EXPECT_EQ(in4_cksum(m.get(), IPPROTO_UDP, 20, 101), Model(summed));
}

TEST_F(InCksumTest, AdjustingGivesWhatComputingWould) {
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = Random(20);
    bytes[10] = bytes[11] = 0;
    const uint16_t before = Model(bytes);
    const std::string old_word = bytes.substr(8, 2);
    const std::string new_word = Random(2);
    bytes.replace(8, 2, new_word);
    const uint16_t adjusted =
        in_cksum_adjust(before, LoadBe16(reinterpret_cast<const uint8_t*>(old_word.data())),
                        LoadBe16(reinterpret_cast<const uint8_t*>(new_word.data())));
    StoreBe16(reinterpret_cast<uint8_t*>(bytes.data()) + 10, adjusted);
    ASSERT_EQ(in_cksum_bytes(bytes.data(), bytes.size()), 0);
  }
}

}  // namespace
}  // namespace sockbed
