// Packets in pieces, to and from one host: the notation of scripts has no word for them.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "gtest/gtest.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/ip_var.h"
#include "tools/packetdrill/live_host.h"
#include "tools/packetdrill/peer.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr int64_t kSecondUs = 1'000'000;
constexpr size_t kIpBytes = 20;

int LengthOf(const Bytes& packet) { return packet[2] << 8 | packet[3]; }
int OffsetOf(const Bytes& packet) { return (packet[6] << 8 | packet[7]) % 0x2000 * 8; }
bool MoreFollow(const Bytes& packet) { return (packet[6] & 0x20) != 0; }

class Fragments : public testing::Test {
 protected:
  Fragments() : live_(std::move(*LiveHost::Boot(DefaultHost(), nullptr))) {
    Do([this] {
      udp_ = uapi::socket(AF_INET, SOCK_DGRAM, 0);
      tcp_ = uapi::socket(AF_INET, SOCK_STREAM, 0);
      for (const int fd : {udp_, tcp_}) {
        const sockaddr_in name = Port(INADDR_ANY, 8080);
        EXPECT_EQ(uapi::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
      }
      EXPECT_EQ(uapi::listen(tcp_, 1), 0);
    });
  }
  ~Fragments() override {
    Do([this] {
      EXPECT_EQ(uapi::close(udp_), 0);
      EXPECT_EQ(uapi::close(tcp_), 0);
    });
    EXPECT_EQ(live_->Finish(), "");
  }
  void Do(std::function<void()> body) { EXPECT_TRUE(live_->Do(std::move(body), live_->now_us())); }
  static sockaddr_in Port(in_addr_t address, uint16_t port) {
    return {.sin_family = AF_INET,
            .sin_port = htons(port),
            .sin_addr = {htonl(address)},
            .sin_zero = {}};
  }

  // A packet of the peer's.
  static Bytes Packet(uint8_t protocol, size_t payload) {
    WirePacket packet;
    packet.source = *ParseAddressText("192.0.2.1");
    packet.destination = *ParseAddressText("192.168.0.1");
    packet.protocol = protocol;
    packet.source_port = 9;
    packet.destination_port = 8080;
    packet.tcp.flags = 2;  // SYN
    packet.payload.assign(payload, 'x');
    return EncodePacket(packet);
  }
  // Bytes [from, to) of its payload as a fragment.
  static Bytes Piece(const Bytes& whole, size_t from, size_t to) {
    Bytes piece(whole.begin(), whole.begin() + kIpBytes);
    piece.insert(piece.end(), whole.begin() + static_cast<ptrdiff_t>(kIpBytes + from),
                 whole.begin() + static_cast<ptrdiff_t>(kIpBytes + to));
    const bool more = to != whole.size() - kIpBytes;
    piece[2] = static_cast<uint8_t>(piece.size() >> 8);
    piece[3] = static_cast<uint8_t>(piece.size());
    piece[5] = 77;  // the identification that joins them
    piece[6] = static_cast<uint8_t>(from / 8 >> 8 | (more ? 0x20 : 0));
    piece[7] = static_cast<uint8_t>(from / 8);
    piece[10] = piece[11] = 0;
    const uint16_t sum = in_cksum_bytes(piece.data(), kIpBytes);
    piece[10] = static_cast<uint8_t>(sum >> 8);
    piece[11] = static_cast<uint8_t>(sum);
    return piece;
  }
  void Arrives(const Bytes& packet) {
    live_->Inject(packet);
    live_->RunTo(live_->now_us());
  }
  ssize_t Receive() {
    ssize_t n = 0;
    Do([&] {
      Bytes data(70'000);
      n = uapi::recv(udp_, data.data(), data.size(), MSG_DONTWAIT);
    });
    return n;
  }
  uint64_t Stat(ipstat_counters counter) { return ipstat_get(live_->host(), counter); }

  std::unique_ptr<LiveHost> live_;
  int udp_ = -1, tcp_ = -1;
};

TEST_F(Fragments, ALargeDatagramLeavesInPieces) {
  Do([this] {
    const Bytes data(3000);
    const sockaddr_in peer = Port(0xc0000201, 9);
    EXPECT_EQ(uapi::sendto(udp_, data.data(), data.size(), 0,
                           reinterpret_cast<const sockaddr*>(&peer), sizeof peer),
              3000);
  });
  ASSERT_EQ(live_->sent().size(), 3u);
  int at = 0;
  for (const SentPacket& sent : live_->sent()) {
    EXPECT_EQ(OffsetOf(sent.bytes), at);
    at += LengthOf(sent.bytes) - static_cast<int>(kIpBytes);
    EXPECT_EQ(MoreFollow(sent.bytes), at != 3008);
  }
  EXPECT_EQ(at, 3008) << "with the UDP header";
}

TEST_F(Fragments, PiecesInAnyOrderAreOneDatagram) {
  const Bytes whole = Packet(kUdp, 3000);
  for (const size_t from : {2000u, 0u, 1000u}) {
    EXPECT_EQ(Receive(), -1);
    Arrives(Piece(whole, from, from == 2000 ? 3008 : from + 1000));
  }
  EXPECT_EQ(Receive(), 3000);
  EXPECT_EQ(Stat(ips_reassembled), 1u);
}

// Not even a TCP header has to be in one piece.
TEST_F(Fragments, ASynInPiecesIsAnswered) {
  const Bytes whole = Packet(kTcp, 0);
  Arrives(Piece(whole, 8, 20));
  EXPECT_TRUE(live_->sent().empty());
  Arrives(Piece(whole, 0, 8));
  ASSERT_EQ(live_->sent().size(), 1u);
  EXPECT_EQ(DecodePacket(live_->sent()[0].bytes, false)->tcp.flags, 0x12) << "SYN, ACK";
}

TEST_F(Fragments, WhatIsNotCompletedIsForgotten) {
  const Bytes whole = Packet(kUdp, 3000);
  Arrives(Piece(whole, 0, 1000));
  live_->RunTo(live_->now_us() + 120 * kSecondUs);
  EXPECT_EQ(Stat(ips_fragtimeout), 1u);
  Arrives(Piece(whole, 1000, 3008));
  EXPECT_EQ(Receive(), -1);
}

}  // namespace
}  // namespace sockbed::packetdrill
