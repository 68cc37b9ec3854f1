#include "kernel/tcp/tcp_syncookie.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel/sim/machine.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_syncache.h"

namespace sockbed {
namespace {

constexpr std::array<uint16_t, 8> kMss = {216, 536, 1200, 1360, 1400, 1440, 1452, 1460};
constexpr std::array<uint8_t, 8> kScales = {0, 0, 1, 2, 4, 6, 7, 8};  // the first: no option

// The place of the largest entry that is not above `value`; the first, if all are.
template <typename T>
uint32_t IndexOf(const std::array<T, 8>& table, uint32_t value) {
  uint32_t index = 7;
  while (index > 0 && table[index] > value) --index;
  return index;
}

// mss (bits 0 to 2), wscale (3 to 5), sack (6), which secret (7).
uint32_t Pack(const CookieOffer& offer, int secret) {
  const uint32_t scale = offer.has_wscale ? IndexOf(kScales, offer.wscale) : 0;
  return IndexOf(kMss, offer.mss) | scale << 3 |
         (offer.sack ? 1u << 6 : 0) | static_cast<uint32_t>(secret) << 7;
}

}  // namespace

SynCookies::SynCookies() : keys_drawn_(Site::kTcpCookie) {}

// The hash covers the bits, which lie in the low byte of the number, covered by its high byte.
uint32_t SynCookies::Number(uint32_t bits, const TcpEndpoints& ends, tcp_seq irs) const {
  const TcpName ends_name(ends);
  const size_t size = ends_name.bytes().size();
  std::array<uint8_t, 41> name;
  const uint32_t number = irs.value();
  std::copy(ends_name.bytes().begin(), ends_name.bytes().end(), name.begin());
  std::memcpy(name.data() + size, &number, 4);
  name[size + 4] = static_cast<uint8_t>(bits);
  const auto hash = static_cast<uint32_t>(SipHash24(keys_[bits >> 7], {name.data(), size + 5}));
  return (hash & ~0xffu) | (bits ^ hash >> 24);
}

tcp_seq SynCookies::Make(const TcpEndpoints& ends, tcp_seq irs, const CookieOffer& offer) {
  const int64_t period = Now() / kPeriod;
  const int secret = static_cast<int>(period & 1);
  if (periods_[secret] != period) {
    keys_[secret] = {keys_drawn_.Next64(), keys_drawn_.Next64()};
    periods_[secret] = period;
  }
  return tcp_seq(Number(Pack(offer, secret), ends, irs));
}

bool SynCookies::Check(const TcpEndpoints& ends, tcp_seq irs, tcp_seq iss, CookieOffer* offer) {
  const uint32_t bits = (iss.value() ^ iss.value() >> 24) & 0xff;
  const uint32_t secret = bits >> 7;
  if (periods_[secret] < 0 || Now() / kPeriod - periods_[secret] > 1) return false;
  if (Number(bits, ends, irs) != iss.value()) return false;
  const uint32_t scale = bits >> 3 & 7;
  *offer = {.mss = kMss[bits & 7],
            .has_wscale = scale != 0,
            .wscale = kScales[scale],
            .sack = (bits >> 6 & 1) != 0};
  return true;
}

}  // namespace sockbed
