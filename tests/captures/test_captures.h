// Captures of what the hosts of a unit test put on their wires, for whoever asks for them.
//
// Lives here:  TestCapture, TestCaptures.
// Called by:   the worlds that unit tests share: InetTestHosts, StreamTest, SegmentTest,
//              TestSimulation.
// May touch:   files, in the folder that the environment names in SOCKBED_CAPTURES; else nothing.
// Owns:        a world owns its captures, which are written when it ends; links borrow them.
#ifndef SOCKBED_TESTS_CAPTURES_TEST_CAPTURES_H_
#define SOCKBED_TESTS_CAPTURES_TEST_CAPTURES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernel/net/tap.h"
#include "tools/pcapng.h"

namespace sockbed {

// One file, of one wire.
class TestCapture : public PacketTap {
 public:
  // Every packet's comment is `test`.
  TestCapture(std::unique_ptr<tools::PcapngWriter> writer, std::string test)
      : writer_(std::move(writer)), test_(std::move(test)) {}
  ~TestCapture() override;

  void OnPacket(const TappedPacket& tapped) override;
  // A packet passes now, all checksums filled in: from the test's host or to it. Borrows.
  void Add(const mbuf* m, bool outbound);

 private:
  std::unique_ptr<tools::PcapngWriter> writer_;
  const std::string test_;
  std::vector<std::byte> bytes_;
};

// Those of the test that runs.
class TestCaptures {
 public:
  // The capture of the test's next wire, of frames or of bare packets. Null: nobody asks.
  TestCapture* Next(bool ethernet);

 private:
  std::vector<std::unique_ptr<TestCapture>> captures_;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_CAPTURES_TEST_CAPTURES_H_
