// The bytes of a program, taken one after the other.
//
// Lives here:  Program.
// Called by:   hostile_peer.cc.
// Invariants:  behind its end a program is zeros.
#ifndef SOCKBED_TESTS_FUZZ_PROGRAM_H_
#define SOCKBED_TESTS_FUZZ_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sockbed::fuzz {

class Program {
 public:
  explicit Program(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool done() const { return at_ >= bytes_.size(); }
  uint8_t Take8() { return done() ? 0 : bytes_[at_++]; }
  uint16_t Take16() { return static_cast<uint16_t>(Take8() << 8 | Take8()); }
  uint32_t Take32() { return uint32_t{Take16()} << 16 | Take16(); }
  // A number below `bound`, which is at most 256.
  uint32_t Below(uint32_t bound) { return Take8() % bound; }
  bool Flip() { return (Take8() & 1) != 0; }
  std::vector<uint8_t> TakeBytes(size_t n) {
    std::vector<uint8_t> out(n);
    for (uint8_t& byte : out) byte = Take8();
    return out;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

}  // namespace sockbed::fuzz

#endif  // SOCKBED_TESTS_FUZZ_PROGRAM_H_
