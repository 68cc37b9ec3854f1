// Whom DTLS listeners have served.
//
// Lives here:  ServedPeers.
// Called by:   Context, whose cookies contain the numbers; DtlsListener adds.
// Source:      RFC 6347 4.2.1 has the secret of all cookies change now and then, lest one be used
//              much later. A number for each peer keeps one from being used twice.
#ifndef SOCKBED_SSL_SERVED_PEERS_H_
#define SOCKBED_SSL_SERVED_PEERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "bio/addr.h"

namespace sockbed::ssl {

class ServedPeers {
 public:
  // The number of the last association that `peer` had from the listening socket `fd`, from 1; 0:
  // it has had none that is remembered.
  uint64_t LastOf(int fd, const AddrStorage& peer) const {
    for (const Numbers* numbers : {&recent_, &before_}) {
      const auto found = numbers->find({fd, std::to_array(peer.bytes)});
      if (found != numbers->end()) return found->second;
    }
    return 0;
  }

  // It has one more. The last kRemembered peers at least are remembered.
  void Add(int fd, const AddrStorage& peer) {
    if (recent_.size() == kRemembered) before_ = std::exchange(recent_, {});
    recent_[{fd, std::to_array(peer.bytes)}] = ++associations_;
  }

 private:
  static constexpr size_t kRemembered = 1024;
  using Numbers = std::map<std::pair<int, std::array<unsigned char, kBioAddrBytes>>, uint64_t>;

  Numbers recent_, before_;
  uint64_t associations_ = 0;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_SERVED_PEERS_H_
