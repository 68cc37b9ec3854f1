// The packets that a hostile peer makes, out of the bytes of its program.
//
// Lives here:  Harm.
// Called by:   hostile_peer.cc.
// Owns:        nothing; borrows the program and the victim, whose numbers it aims at.
// Source:      RFC 791, 8200 (fragments, options, extension headers), 792, 4443, 9293.
#ifndef SOCKBED_TESTS_FUZZ_HARM_H_
#define SOCKBED_TESTS_FUZZ_HARM_H_

#include <cstdint>
#include <vector>

#include "tests/fuzz/program.h"
#include "tests/fuzz/victim.h"
#include "tools/packetdrill/wire.h"

namespace sockbed::fuzz {

using Bytes = std::vector<uint8_t>;

class Harm {
 public:
  Harm(Program* program, Victim* victim) : program_(program), victim_(victim) {}

  // A segment near the numbers that matter; now and then from another port.
  packetdrill::WirePacket Segment();
  // An ICMP error about a segment that the host may have sent, or any other message.
  packetdrill::WirePacket Icmp();
  // A packet as it is, with IP options or extension headers, or in honest fragments.
  std::vector<Bytes> Delivery(const Bytes& packet);
  // Pieces of a packet, which may overlap, be missing, or come in any order.
  std::vector<Bytes> Fragments(const Bytes& packet);
  // Some bytes changed. The checksums are wrong then, or may be mended.
  Bytes Spoiled(Bytes packet);
  // Whatever the program says.
  Bytes Noise();

 private:
  uint32_t Near(const View& view, bool ack);
  Bytes TcpOptions(const View& view);
  Bytes SackOption(const View& view);
  Bytes WithIpOptions(const Bytes& packet);
  Bytes WithExtensionHeaders(const Bytes& packet);
  Bytes Fragment(const Bytes& packet, size_t from, size_t size, uint16_t id, bool more);

  Program* program_;
  Victim* victim_;
  unsigned wholes_ = 0;  // packets that were delivered in pieces
};

}  // namespace sockbed::fuzz

#endif  // SOCKBED_TESTS_FUZZ_HARM_H_
