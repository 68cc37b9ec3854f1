// A half with the queue of what it has written and the other has not read. Each datagram is a
// packet of mbufs:
//
//   [ source | destination | data ...... ]
//
// A memory BIO is a half that is its own peer.
#include "bio/bss_dgram_pair.h"

#include <openssl/bioerr.h>
#include <string.h>

#include <algorithm>
#include <new>
#include <utility>

#include "bio/addr.h"
#include "bio/bio_stack.h"
#include "bio/dgram_data.h"
#include "bio/methods.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/mbuf/mbuf_list.h"

namespace sockbed {
namespace {

constexpr char kPairName[] = "mbuf datagram BIO pair";
constexpr char kMemName[] = "mbuf datagram BIO";

constexpr long kMtu = 1472;  // Ethernet's, less the headers
constexpr long kSizeMin = 1024, kSizeMax = 1 << 30;

// What stands before the data of each datagram; an address that nobody named is not set.
struct Names {
  AddrStorage from;
  AddrStorage to;
};
static_assert(kDatagramHeaderBytes == sizeof(size_t) + sizeof(Names));

struct DgramHalf {
  DgramHalf* peer = nullptr;  // null: not joined; itself: a memory BIO
  BIO* bio = nullptr;         // [I] whose data this is
  size_t size = 9 * (kDatagramHeaderBytes + kMtu);
  size_t used = 0;
  mbuf_list queue;
  long mtu = kMtu;
  uint32_t caps = 0;           // BIO_DGRAM_CAP_*, of whoever reads and writes here
  AddrPtr local;               // the source of what names none
  bool local_enabled = false;  // BIO_MSG::local may be used
  bool no_trunc = false;
  bool grows = false;

  bool IsMemory() const { return peer == this; }
};

DgramHalf& HalfOf(BIO* bio) { return *static_cast<DgramHalf*>(BIO_get_data(bio)); }

bool IsPairHalf(BIO* bio) { return bio != nullptr && strcmp(BIO_method_name(bio), kPairName) == 0; }

size_t CostOf(size_t bytes) { return kDatagramHeaderBytes + bytes; }

size_t DataLength(const mbuf* m) { return static_cast<size_t>(m->m_pkthdr.len) - sizeof(Names); }

void Forget(DgramHalf* half) {
  ml_purge(&half->queue);
  half->used = 0;
}

// --- One datagram in, one out. Both return 0, or the reason why not. ---

// Whether there is room for a datagram of so many bytes; makes some if it may.
bool HasRoom(DgramHalf* half, size_t bytes) {
  if (bytes > kSizeMax) return false;
  const size_t wanted = half->used + CostOf(bytes);
  if (half->grows && wanted <= kSizeMax) half->size = std::max(half->size, wanted);
  return wanted <= half->size;
}

int Put(BIO* bio, const void* data, size_t bytes, const BIO_ADDR* from, const BIO_ADDR* to) {
  DgramHalf& half = HalfOf(bio);
  if (half.peer == nullptr) return BIO_R_UNINITIALIZED;
  if (from != nullptr && !half.local_enabled) return BIO_R_LOCAL_ADDR_NOT_AVAILABLE;
  if (to != nullptr && (half.peer->caps & BIO_DGRAM_CAP_HANDLES_DST_ADDR) == 0) {
    return BIO_R_PEER_ADDR_NOT_AVAILABLE;
  }
  if (!HasRoom(&half, bytes)) return BIO_R_NON_FATAL;
  Names names{};
  if (from == nullptr) from = half.local.get();
  if (from != nullptr) memcpy(&names.from, SockaddrOf(from), sizeof names.from);
  if (to != nullptr) memcpy(&names.to, SockaddrOf(to), sizeof names.to);
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  if (m == nullptr || m_copyback(m.get(), 0, sizeof names, &names, M_DONTWAIT) != 0 ||
      m_copyback(m.get(), sizeof names, static_cast<int>(bytes), data, M_DONTWAIT) != 0) {
    return ERR_R_MALLOC_FAILURE;
  }
  ml_enqueue(&half.queue, std::move(m));
  half.used += CostOf(bytes);
  return 0;
}

// `room` bytes at `out`; stores how many came. `to` is the reader's own address.
int Take(BIO* bio, void* out, size_t room, size_t* bytes, BIO_ADDR* from, BIO_ADDR* to) {
  DgramHalf& half = HalfOf(bio);
  DgramHalf* const writer = half.peer;
  if (writer == nullptr) return BIO_R_UNINITIALIZED;
  if (to != nullptr && !half.local_enabled) return BIO_R_LOCAL_ADDR_NOT_AVAILABLE;
  const mbuf* const first = MBUF_LIST_FIRST(&writer->queue);
  if (first == nullptr) return BIO_R_NON_FATAL;
  const size_t length = DataLength(first);
  if (room < length && half.no_trunc) return BIO_R_NON_FATAL;
  Names names;
  m_copydata(first, 0, sizeof names, &names);
  *bytes = std::min(room, length);
  m_copydata(first, sizeof names, static_cast<int>(*bytes), out);
  if (from != nullptr) memcpy(SockaddrOf(from), &names.from, sizeof names.from);
  if (to != nullptr) memcpy(SockaddrOf(to), &names.to, sizeof names.to);
  ml_dequeue(&writer->queue).reset();
  writer->used -= CostOf(length);
  return 0;
}

int Read(BIO* bio, char* out, int room) {
  BIO_clear_retry_flags(bio);
  size_t bytes = 0;
  const int reason = Take(bio, out, static_cast<size_t>(room), &bytes, nullptr, nullptr);
  if (reason == 0) return static_cast<int>(bytes);
  if (reason != BIO_R_NON_FATAL) {
    RaiseBio(reason);
  } else if (ml_empty(&HalfOf(bio).peer->queue)) {
    BIO_set_retry_read(bio);
  }
  return -1;
}

int Write(BIO* bio, const char* in, int bytes) {
  BIO_clear_retry_flags(bio);
  const int reason = Put(bio, in, static_cast<size_t>(bytes), nullptr, nullptr);
  if (reason == 0) return bytes;
  if (reason == BIO_R_NON_FATAL) BIO_set_retry_write(bio);
  RaiseBio(reason);
  return -1;
}

// --- Joining and parting. ---

long Join(BIO* bio, BIO* other) {
  if (!IsPairHalf(other)) {
    RaiseBio(BIO_R_INVALID_ARGUMENT);
    return 0;
  }
  DgramHalf &a = HalfOf(bio), &b = HalfOf(other);
  if (a.peer != nullptr || b.peer != nullptr || bio == other) {
    RaiseBio(BIO_R_IN_USE);
    return 0;
  }
  a.peer = &b;
  b.peer = &a;
  BIO_set_init(bio, 1);
  BIO_set_init(other, 1);
  return 1;
}

void Part(DgramHalf* half) {
  DgramHalf* const peer = half->peer;
  if (peer == nullptr) return;
  for (DgramHalf* const each : {half, peer}) {
    each->peer = nullptr;
    Forget(each);
    BIO_set_init(each->bio, 0);
  }
}

// --- Controls. ---

long SetSize(DgramHalf* half, long size) {
  if (half->peer != nullptr && !half->IsMemory()) {
    RaiseBio(BIO_R_IN_USE);
    return 0;
  }
  const long wanted = std::max(size, kSizeMin);
  if (wanted > kSizeMax || static_cast<size_t>(wanted) < half->used) {
    RaiseBio(BIO_R_INVALID_ARGUMENT);
    return 0;
  }
  half->size = static_cast<size_t>(wanted);
  half->grows = false;
  return 1;
}

// How long a datagram may be that is sure to fit; 0 if one of the MTU would not.
long Guarantee(const DgramHalf& half) {
  const size_t room = half.size - half.used;
  const long bytes = static_cast<long>(room) - static_cast<long>(kDatagramHeaderBytes);
  return half.peer == nullptr || bytes < half.mtu ? 0 : bytes;
}

long Pending(const DgramHalf& half) {
  if (half.peer == nullptr || ml_empty(&half.peer->queue)) return 0;
  return static_cast<long>(DataLength(MBUF_LIST_FIRST(&half.peer->queue)));
}

long SetMtu(DgramHalf* half, long mtu) {
  half->mtu = mtu;
  if (half->peer != nullptr) half->peer->mtu = mtu;
  return 1;
}

// Whether the other side knows of source and destination.
bool HasLocalAddr(const DgramHalf& half) {
  constexpr uint32_t kWanted = BIO_DGRAM_CAP_HANDLES_SRC_ADDR | BIO_DGRAM_CAP_PROVIDES_DST_ADDR;
  return half.peer != nullptr && (half.peer->caps & kWanted) == kWanted;
}

long EnableLocalAddr(DgramHalf* half, bool on) {
  if (!HasLocalAddr(*half)) return 0;
  half->local_enabled = on;
  return 1;
}

// Controls about addresses and datagrams.
long DgramControl(BIO* bio, int command, long number, void* pointer) {
  DgramHalf& half = HalfOf(bio);
  switch (command) {
    case BIO_CTRL_DGRAM_GET_MTU: return half.mtu;
    case BIO_CTRL_DGRAM_SET_MTU: return SetMtu(&half, number);
    case BIO_CTRL_DGRAM_GET_NO_TRUNC: return half.no_trunc;
    case BIO_CTRL_DGRAM_SET_NO_TRUNC: half.no_trunc = number > 0; return 1;
    case BIO_CTRL_DGRAM_GET_CAPS: return half.caps;
    case BIO_CTRL_DGRAM_SET_CAPS: half.caps = static_cast<uint32_t>(number); return 1;
    case BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS: return half.peer != nullptr ? half.peer->caps : 0;
    case BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP: return HasLocalAddr(half);
    case BIO_CTRL_DGRAM_GET_LOCAL_ADDR_ENABLE:
      *static_cast<int*>(pointer) = half.local_enabled;
      return 1;
    case BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE: return EnableLocalAddr(&half, number != 0);
    case BIO_CTRL_DGRAM_SET0_LOCAL_ADDR:
      half.local.reset(static_cast<BIO_ADDR*>(pointer));
      return 1;
    default: return 0;
  }
}

long Control(BIO* bio, int command, long number, void* pointer) {
  DgramHalf& half = HalfOf(bio);
  switch (command) {
    case BIO_C_SET_WRITE_BUF_SIZE: return SetSize(&half, number);
    case BIO_C_GET_WRITE_BUF_SIZE: return static_cast<long>(half.size);
    case BIO_C_GET_WRITE_GUARANTEE: return Guarantee(half);
    case BIO_C_MAKE_BIO_PAIR: return IsPairHalf(bio) ? Join(bio, static_cast<BIO*>(pointer)) : 0;
    case BIO_C_DESTROY_BIO_PAIR: return IsPairHalf(bio) ? (Part(&half), 1) : 0;
    case BIO_CTRL_RESET: Forget(&half); return 1;
    case BIO_CTRL_PENDING: return Pending(half);
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return half.peer == nullptr;
    default: return DgramControl(bio, command, number, pointer);
  }
}

int Create(BIO* bio) {
  void* const memory = OPENSSL_malloc(sizeof(DgramHalf));
  if (memory == nullptr) return 0;
  auto* const half = new (memory) DgramHalf;
  half->bio = bio;
  BIO_set_data(bio, half);
  return 1;
}

int CreateMemory(BIO* bio) {
  if (Create(bio) == 0) return 0;
  DgramHalf& half = HalfOf(bio);
  half.peer = &half;
  half.grows = true;
  BIO_set_init(bio, 1);
  return 1;
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  DgramHalf& half = HalfOf(bio);
  Part(&half);
  half.~DgramHalf();
  OPENSSL_free(&half);
  return 1;
}

}  // namespace

const BIO_METHOD* MakeDgramPairMethod() {
  return NewMethod(BIO_TYPE_DGRAM_PAIR, kPairName,
                   {Create, Destroy, Read, Write, nullptr, Control});
}

const BIO_METHOD* MakeDgramMemMethod() {
  return NewMethod(BIO_TYPE_DGRAM_MEM, kMemName,
                   {CreateMemory, Destroy, Read, Write, nullptr, Control});
}

const BIO_METHOD* BIO_s_dgram_pair() { return Methods().dgram_pair; }

const BIO_METHOD* BIO_s_dgram_mem() { return Methods().dgram_mem; }

int BIO_new_bio_dgram_pair(BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2) {
  return NewPair(sockbed::BIO_s_dgram_pair(), bio1, writebuf1, bio2, writebuf2);
}

bool IsDgramQueue(BIO* bio) {
  return IsPairHalf(bio) || (bio != nullptr && strcmp(BIO_method_name(bio), kMemName) == 0);
}

int PutMessage(BIO* bio, BIO_MSG* m) {
  const int reason = Put(bio, m->data, m->data_len, m->local, m->peer);
  if (reason == 0) m->flags = 0;
  return reason;
}

int TakeMessage(BIO* bio, BIO_MSG* m) {
  const int reason = Take(bio, m->data, m->data_len, &m->data_len, m->peer, m->local);
  if (reason == 0) m->flags = 0;
  return reason;
}

}  // namespace sockbed
