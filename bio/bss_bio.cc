// A pair, each half with the chain of what it has written and the other has not read:
//
//        half a                                  half b
//   write -> [m][m][m] --------------------------> read
//   read <-------------------------- [m] <- write
//
// A chain may begin with empty mbufs (consumed, but BIO_nread's caller may still look at them) and
// its last mbuf, if nobody shares it, takes what is written next.
#include "bio/bss_bio.h"

#include <openssl/bioerr.h>
#include <string.h>

#include <algorithm>
#include <new>
#include <utility>

#include "bio/bio_stack.h"
#include "bio/methods.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

constexpr char kName[] = "mbuf BIO pair";

struct PairHalf {
  BIO* bio = nullptr;        // [I] whose data this is
  PairHalf* peer = nullptr;  // null: not joined
  size_t size = kPairBytes;  // what the chain may hold
  size_t len = 0;            // what it holds
  MbufPtr chain;
  mbuf* tail = nullptr;  // its last mbuf
  MbufPtr spare;         // the cluster that nwrite0 has shown and nobody has committed to
  bool shut = false;     // nothing more is written
  size_t request = 0;    // how much the peer last asked for in vain
  int waiters = 0;       // processes in BioPairWait
  char channel = 0;      // its address is what they sleep on

  size_t room() const { return size - len; }
};

PairHalf& HalfOf(BIO* bio) { return *static_cast<PairHalf*>(BIO_get_data(bio)); }

bool IsHalf(BIO* bio) { return bio != nullptr && strcmp(BIO_method_name(bio), kName) == 0; }

void WakePeer(const PairHalf& half) {
  if (half.peer != nullptr && half.peer->waiters > 0) wakeup(&half.peer->channel);
}

int OutOfMemory() {
  RaiseBio(ERR_R_MALLOC_FAILURE);
  return -1;
}

// --- The chain. ---

// Frees what has been read; keeps the last mbuf for the next write.
void FreeConsumed(PairHalf* half) {
  while (half->chain != nullptr && half->chain->m_len == 0 && half->chain.get() != half->tail) {
    half->chain.reset(m_free(half->chain.release() /*taken*/));
  }
}

void Forget(PairHalf* half) {
  half->chain.reset();
  half->tail = nullptr;
  half->len = 0;
}

// Before a write: an empty chain begins again at the front of its last mbuf.
void Rewind(PairHalf* half) {
  if (half->len > 0 || half->chain == nullptr) return;
  FreeConsumed(half);
  half->tail->m_data -= m_leadingspace(half->tail);
}

// The first mbuf that has data. REQUIRES: len > 0.
mbuf* FirstRun(PairHalf* half) {
  FreeConsumed(half);
  KASSERT(half->chain != nullptr && half->chain->m_len > 0);
  return half->chain.get();
}

void Consume(PairHalf* half, size_t n) {
  mbuf* const m = half->chain.get();
  m->m_data += n;
  m->m_len -= static_cast<int>(n);
  half->len -= n;
}

// Appends an mbuf or a chain that has data.
void Link(PairHalf* half, MbufPtr m) {
  if (half->chain == nullptr) {
    half->tail = m.get();
    half->chain = std::move(m);
  } else {
    m_cat(half->tail, std::move(m));
  }
  while (half->tail->m_next != nullptr) half->tail = half->tail->m_next;
}

// An empty mbuf with room for `n` bytes or as many as a cluster has.
MbufPtr NewRun(PairHalf* half, size_t n) {
  if (half->spare != nullptr) return std::move(half->spare);
  MbufPtr m = m_get(M_DONTWAIT, MT_DATA);
  const size_t bytes = std::clamp<size_t>(n, MCLBYTES, MAXMCLBYTES);
  if (m != nullptr && !m_clget(m.get(), M_DONTWAIT, static_cast<uint32_t>(bytes))) m.reset();
  return m;
}

// Before a write of `n` bytes to an empty chain: its mbuf makes way for a larger one if it is too
// small, so that one record after the other goes through the same one. If there is no memory, it
// takes what it can.
void Widen(PairHalf* half, size_t n) {
  const auto room = static_cast<size_t>(m_trailingspace(half->tail));
  if (room >= std::min<size_t>(n, MAXMCLBYTES)) return;
  MbufPtr m = NewRun(half, n);
  if (m == nullptr) return;
  half->chain = std::move(m);
  half->tail = half->chain.get();
}

// Copies up to `n` bytes in; returns how many found memory. REQUIRES: n <= room.
size_t Append(PairHalf* half, const char* data, size_t n) {
  size_t done = 0;
  Rewind(half);
  if (half->tail != nullptr) {
    if (half->len == 0) Widen(half, n);
    done = std::min(n, static_cast<size_t>(m_trailingspace(half->tail)));
    memcpy(half->tail->m_data + half->tail->m_len, data, done);
    half->tail->m_len += static_cast<int>(done);
  }
  while (done < n) {
    MbufPtr m = NewRun(half, n - done);
    if (m == nullptr) break;
    const size_t part = std::min(n - done, static_cast<size_t>(m_trailingspace(m.get())));
    memcpy(m->m_data, data + done, part);
    m->m_len = static_cast<int>(part);
    Link(half, std::move(m));
    done += part;
  }
  half->len += done;
  return done;
}

// --- Reading and writing. ---

// Whether there is something to read at `half`; else stores what a read returns.
bool Readable(PairHalf* half, size_t wanted, int* result) {
  PairHalf* const writer = half->peer;
  writer->request = 0;
  if (writer->len > 0) return true;
  *result = 0;  // the end
  if (!writer->shut) {
    BIO_set_retry_read(half->bio);
    writer->request = std::min(wanted, writer->size);
    *result = -1;
  }
  return false;
}

// Whether something can be written at `half`; else -1 is the answer, and this has said why.
bool Writable(PairHalf* half) {
  half->request = 0;
  if (half->shut) {
    RaiseBio(BIO_R_BROKEN_PIPE);
    return false;
  }
  if (half->room() > 0) return true;
  BIO_set_retry_write(half->bio);
  return false;
}

int Read(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  PairHalf& half = HalfOf(bio);
  if (half.peer == nullptr) return 0;
  PairHalf* const writer = half.peer;
  writer->request = 0;
  if (out == nullptr || size == 0) return 0;
  int result;
  if (!Readable(&half, static_cast<size_t>(size), &result)) return result;
  const size_t total = std::min(static_cast<size_t>(size), writer->len);
  for (size_t done = 0; done < total;) {
    const mbuf* const m = FirstRun(writer);
    const size_t part = std::min(total - done, static_cast<size_t>(m->m_len));
    memcpy(out + done, m->m_data, part);
    Consume(writer, part);
    done += part;
  }
  WakePeer(half);
  return static_cast<int>(total);
}

int Write(BIO* bio, const char* in, int size) {
  BIO_clear_retry_flags(bio);
  PairHalf& half = HalfOf(bio);
  if (half.peer == nullptr || in == nullptr || size == 0) return 0;
  if (!Writable(&half)) return -1;
  const size_t done = Append(&half, in, std::min(static_cast<size_t>(size), half.room()));
  if (done == 0) return OutOfMemory();
  WakePeer(half);
  return static_cast<int>(done);
}

int Puts(BIO* bio, const char* text) { return Write(bio, text, static_cast<int>(strlen(text))); }

// --- Without a copy. ---

long NRead0(BIO* bio, char** out) {
  BIO_clear_retry_flags(bio);
  PairHalf& half = HalfOf(bio);
  int result;
  if (!Readable(&half, 1, &result)) return result;
  const mbuf* const m = FirstRun(half.peer);
  if (out != nullptr) *out = m->m_data;
  return m->m_len;
}

long NRead(BIO* bio, char** out, long wanted) {
  const long n = std::min(wanted, NRead0(bio, out));
  if (n <= 0) return n;
  PairHalf& half = HalfOf(bio);
  Consume(half.peer, static_cast<size_t>(n));
  WakePeer(half);
  return n;
}

long NWrite0(BIO* bio, char** out) {
  BIO_clear_retry_flags(bio);
  PairHalf& half = HalfOf(bio);
  if (!Writable(&half)) return -1;
  Rewind(&half);
  mbuf* m = half.tail;
  if (m == nullptr || m_trailingspace(m) == 0) {
    half.spare = NewRun(&half, half.room());
    if (half.spare == nullptr) return OutOfMemory();
    m = half.spare.get();
  }
  if (out != nullptr) *out = m->m_data + m->m_len;
  return static_cast<long>(std::min(half.room(), static_cast<size_t>(m_trailingspace(m))));
}

long NWrite(BIO* bio, char** out, long wanted) {
  const long n = std::min(wanted, NWrite0(bio, out));
  if (n <= 0) return n;
  PairHalf& half = HalfOf(bio);
  mbuf* const m = half.spare != nullptr ? half.spare.get() : half.tail;
  m->m_len += static_cast<int>(n);
  if (half.spare != nullptr) Link(&half, std::move(half.spare));
  half.len += static_cast<size_t>(n);
  WakePeer(half);
  return n;
}

// --- Joining and parting. ---

void Reopen(PairHalf* half, PairHalf* peer) {
  half->peer = peer;
  half->shut = false;
  half->request = 0;
  Forget(half);
  BIO_set_init(half->bio, 1);
}

long Join(BIO* bio, BIO* other) {
  if (!IsHalf(other)) {
    RaiseBio(ERR_R_PASSED_INVALID_ARGUMENT);
    return 0;
  }
  PairHalf &a = HalfOf(bio), &b = HalfOf(other);
  if (a.peer != nullptr || b.peer != nullptr || bio == other) {
    RaiseBio(BIO_R_IN_USE);
    return 0;
  }
  Reopen(&a, &b);
  Reopen(&b, &a);
  return 1;
}

void Part(PairHalf* half) {
  PairHalf* const peer = half->peer;
  if (peer == nullptr) return;
  WakePeer(*half);
  for (PairHalf* const each : {half, peer}) {
    each->peer = nullptr;
    Forget(each);
    each->spare.reset();
    BIO_set_init(each->bio, 0);
  }
}

long SetSize(PairHalf* half, long size) {
  if (half->peer != nullptr || size <= 0) {
    RaiseBio(half->peer != nullptr ? BIO_R_IN_USE : BIO_R_INVALID_ARGUMENT);
    return 0;
  }
  half->size = static_cast<size_t>(size);
  return 1;
}

long ShutWrite(PairHalf* half) {
  half->shut = true;
  WakePeer(*half);
  return 1;
}

// Controls about the pair.
long PairControl(BIO* bio, int command, long number, void* pointer) {
  PairHalf& half = HalfOf(bio);
  switch (command) {
    case BIO_C_SET_WRITE_BUF_SIZE: return SetSize(&half, number);
    case BIO_C_GET_WRITE_BUF_SIZE: return static_cast<long>(half.size);
    case BIO_C_MAKE_BIO_PAIR: return Join(bio, static_cast<BIO*>(pointer));
    case BIO_C_DESTROY_BIO_PAIR: Part(&half); return 1;
    case BIO_C_GET_WRITE_GUARANTEE:
      return half.peer == nullptr || half.shut ? 0 : static_cast<long>(half.room());
    case BIO_C_GET_READ_REQUEST: return static_cast<long>(half.request);
    case BIO_C_RESET_READ_REQUEST: half.request = 0; return 1;
    case BIO_C_SHUTDOWN_WR: return ShutWrite(&half);
    case BIO_C_NREAD0: return NRead0(bio, static_cast<char**>(pointer));
    case BIO_C_NREAD: return NRead(bio, static_cast<char**>(pointer), number);
    case BIO_C_NWRITE0: return NWrite0(bio, static_cast<char**>(pointer));
    case BIO_C_NWRITE: return NWrite(bio, static_cast<char**>(pointer), number);
    default: return 0;
  }
}

long Pending(const PairHalf& half) {
  return half.peer == nullptr ? 0 : static_cast<long>(half.peer->len);
}

bool AtEnd(const PairHalf& half) {
  return half.peer == nullptr || (half.peer->shut && half.peer->len == 0);
}

// TLS asks some eight times a record for what only sockets have: that is told first.
long Control(BIO* bio, int command, long number, void* pointer) {
  constexpr int kFirstOfKinds = BIO_C_SET_CONNECT;  // from here on each kind of BIO has its own
  switch (command) {
    case BIO_CTRL_RESET: Forget(&HalfOf(bio)); return 0;
    case BIO_CTRL_GET_CLOSE: return BIO_get_shutdown(bio);
    case BIO_CTRL_SET_CLOSE: BIO_set_shutdown(bio, static_cast<int>(number)); return 1;
    case BIO_CTRL_PENDING: return Pending(HalfOf(bio));
    case BIO_CTRL_WPENDING: return static_cast<long>(HalfOf(bio).len);
    case BIO_CTRL_DUP: HalfOf(static_cast<BIO*>(pointer)).size = HalfOf(bio).size; return 1;
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return AtEnd(HalfOf(bio));
    default: return command < kFirstOfKinds ? 0 : PairControl(bio, command, number, pointer);
  }
}

int Create(BIO* bio) {
  void* const memory = OPENSSL_malloc(sizeof(PairHalf));
  if (memory == nullptr) return 0;
  auto* const half = new (memory) PairHalf;
  half->bio = bio;
  BIO_set_data(bio, half);
  return 1;
}

int Destroy(BIO* bio) {
  if (bio == nullptr) return 0;
  PairHalf& half = HalfOf(bio);
  KASSERT(half.waiters == 0);
  Part(&half);
  half.~PairHalf();
  OPENSSL_free(&half);
  return 1;
}

// Whether `bio` is joined; leaves the entry that BIO_read and BIO_write leave if not.
bool CheckJoined(BIO* bio) {
  KASSERT(IsHalf(bio));
  if (BIO_get_init(bio) != 0) return true;
  RaiseBio(BIO_R_UNINITIALIZED);
  return false;
}

}  // namespace

const BIO_METHOD* MakePairMethod() {
  return NewMethod(BIO_TYPE_BIO, kName, {Create, Destroy, Read, Write, Puts, Control});
}

const BIO_METHOD* BIO_s_bio() { return Methods().pair; }

int BIO_new_bio_pair(BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2) {
  return NewPair(sockbed::BIO_s_bio(), bio1, writebuf1, bio2, writebuf2);
}

int BioPairTake(BIO* bio, int max, MbufPtr* packet) {
  KASSERT(max > 0);
  if (!CheckJoined(bio)) return -1;
  BIO_clear_retry_flags(bio);
  PairHalf& half = HalfOf(bio);
  int result;
  if (!Readable(&half, static_cast<size_t>(max), &result)) return result;
  PairHalf* const writer = half.peer;
  (void)FirstRun(writer);
  const size_t n = std::min(static_cast<size_t>(max), writer->len);
  MbufPtr header = m_gethdr(M_DONTWAIT, MT_DATA);
  if (header == nullptr) return OutOfMemory();
  MbufPtr rest;
  if (n < writer->len) {
    rest = m_split(writer->chain.get(), static_cast<int>(n), M_DONTWAIT);
    if (rest == nullptr) return OutOfMemory();
  }
  header->m_pkthdr.len = static_cast<int>(n);
  m_align(header.get(), 0);  // at the very end of its space, or m_cat would copy a short chain
  m_cat(header.get(), std::move(writer->chain));
  const size_t left = writer->len - n;
  Forget(writer);
  if (rest != nullptr) Link(writer, std::move(rest));
  writer->len = left;
  *packet = std::move(header);
  WakePeer(half);
  return static_cast<int>(n);
}

int BioPairPut(BIO* bio, MbufPtr* chain) {
  if (!CheckJoined(bio)) return -1;
  BIO_clear_retry_flags(bio);
  const size_t size = *chain == nullptr ? 0 : static_cast<size_t>(m_length(chain->get()));
  if (size == 0) {
    chain->reset();
    return 0;
  }
  PairHalf& half = HalfOf(bio);
  if (!Writable(&half)) return -1;
  const size_t n = std::min(size, half.room());
  MbufPtr rest;
  if (n < size) {
    rest = m_split(chain->get(), static_cast<int>(n), M_DONTWAIT);
    if (rest == nullptr) return OutOfMemory();
  }
  if (half.len == 0) Forget(&half);
  MbufPtr part = std::move(*chain);
  *chain = std::move(rest);
  if ((part->m_flags & M_PKTHDR) != 0) m_removehdr(part.get());
  Link(&half, std::move(part));
  half.len += n;
  WakePeer(half);
  return static_cast<int>(n);
}

int BioPairWait(BIO* bio, int timo) {
  KASSERT(IsHalf(bio));
  PairHalf& half = HalfOf(bio);
  ++half.waiters;
  const int error = tsleep(&half.channel, PSOCK | PCATCH, "biopair", timo);
  --half.waiters;
  return error;
}

}  // namespace sockbed
