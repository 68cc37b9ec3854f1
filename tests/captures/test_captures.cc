#include "tests/captures/test_captures.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"
#include "kernel/mbuf/chain.h"
#include "kernel/sim/machine.h"

namespace sockbed {

TestCapture::~TestCapture() {
  const absl::Status status = writer_->Finish("");
  EXPECT_TRUE(status.ok()) << status;
}

void TestCapture::OnPacket(const TappedPacket& tapped) {
  if (tapped.fate != PacketFate::kDelivered) Add(tapped.packet, tapped.direction == 0);
}

void TestCapture::Add(const mbuf* m, bool outbound) {
  bytes_.resize(static_cast<size_t>(m->m_pkthdr.len));
  m_copydata(m, 0, m->m_pkthdr.len, bytes_.data());
  writer_->Add(Now(), bytes_, outbound, test_);
}

namespace {

bool IsBeingWritten(const std::string& path) { return std::filesystem::exists(path + ".part"); }

}  // namespace

TestCapture* TestCaptures::Next(bool ethernet) {
  const char* folder = std::getenv("SOCKBED_CAPTURES");
  if (folder == nullptr) return nullptr;
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(test->test_suite_name()) + "." + test->name();
  std::ranges::replace(name, '/', '-');
  // A test may have several worlds, and a world several wires.
  std::string path;
  for (int n = 1; path.empty() || std::filesystem::exists(path) || IsBeingWritten(path); ++n) {
    path = std::string(folder) + "/" + name + "." + std::to_string(n) + ".pcapng";
  }
  using LinkType = tools::PcapngWriter::LinkType;
  auto writer =
      tools::PcapngWriter::Create(path, name, ethernet ? LinkType::kEthernet : LinkType::kRawIp);
  KASSERT(writer.ok());
  captures_.push_back(std::make_unique<TestCapture>(*std::move(writer), name));
  return captures_.back().get();
}

}  // namespace sockbed
