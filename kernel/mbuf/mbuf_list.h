// Queues of packets: mbuf_list without a limit, mbuf_queue with one.
//
// Lives here:  mbuf_list (ml_*), mbuf_queue (mq_*).
// Called by:   interfaces, protocols' input queues, ARP and ND holding packets.
// Context:     any; never sleeps.
// Owns:        a list owns its packets; one that dies with packets frees them.
// Units:       packets.
// Invariants:  ml_len counts the packets; ml_tail's m_nextpkt is null.
// Source:      OpenBSD sys/sys/mbuf.h; ml_init(9).
// Differs:     ownership is in the signatures. An interrupt level is recorded, not raised: one CPU.
#ifndef SOCKBED_KERNEL_MBUF_MBUF_LIST_H_
#define SOCKBED_KERNEL_MBUF_MBUF_LIST_H_

#include <cstdint>
#include <utility>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/spl.h"

namespace sockbed {

struct mbuf_list {
  mbuf* ml_head = nullptr;
  mbuf* ml_tail = nullptr;
  uint32_t ml_len = 0;

  mbuf_list() = default;
  ~mbuf_list();
  mbuf_list(const mbuf_list&) = delete;
  mbuf_list& operator=(const mbuf_list&) = delete;
};

// Empties the list without freeing: for memory not yet a list. A list is born initialised.
void ml_init(mbuf_list* ml);
// Appends m. Takes.
void ml_enqueue(mbuf_list* ml, MbufPtr m);
// Takes the first packet off; null when empty. m_nextpkt is cleared.
MbufPtr ml_dequeue(mbuf_list* ml);
// Moves all packets of b behind those of a.
void ml_enlist(mbuf_list* a, mbuf_list* b);
// Returns the packets as a queue linked by m_nextpkt, which the caller owns (m_purge); leaves none.
[[nodiscard]] mbuf* ml_dechain(mbuf_list* ml);
// Frees all; returns how many there were.
uint32_t ml_purge(mbuf_list* ml);
// Length in bytes of the first packet; 0 when empty.
int ml_hdatalen(const mbuf_list* ml);

inline uint32_t ml_len(const mbuf_list* ml) { return ml->ml_len; }
inline bool ml_empty(const mbuf_list* ml) { return ml->ml_len == 0; }

// Walking: for (mbuf* m = MBUF_LIST_FIRST(ml); m != nullptr; m = MBUF_LIST_NEXT(m)). Both borrow.
inline mbuf* MBUF_LIST_FIRST(const mbuf_list* ml) { return ml->ml_head; }
inline mbuf* MBUF_LIST_NEXT(const mbuf* m) { return m->m_nextpkt; }
#define MBUF_LIST_FOREACH(ml, m) \
  for ((m) = MBUF_LIST_FIRST(ml); (m) != nullptr; (m) = MBUF_LIST_NEXT(m))

struct mbuf_queue {
  mbuf_list mq_list;
  uint32_t mq_maxlen = 0;
  uint32_t mq_drops = 0;
  int mq_ipl = IPL_NONE;  // recorded, not raised
};

// REQUIRES: empty.
void mq_init(mbuf_queue* mq, uint32_t maxlen, int ipl);
// Appends m, or frees it and counts a drop when full. Takes. Returns 1 if it was dropped, else 0.
int mq_enqueue(mbuf_queue* mq, MbufPtr m);
// Appends m, freeing the oldest first when full. Takes. Returns 1 if one was dropped, else 0.
int mq_push(mbuf_queue* mq, MbufPtr m);
// Takes all of ml if there is room for one packet (the limit may be overshot); else frees all of
// it. Returns how many were dropped.
int mq_enlist(mbuf_queue* mq, mbuf_list* ml);
MbufPtr mq_dequeue(mbuf_queue* mq);
// Moves everything to ml. REQUIRES: ml is empty.
void mq_delist(mbuf_queue* mq, mbuf_list* ml);
// Frees all; returns how many there were.
uint32_t mq_purge(mbuf_queue* mq);
int mq_hdatalen(const mbuf_queue* mq);
// Drops nothing that is queued already.
void mq_set_maxlen(mbuf_queue* mq, uint32_t maxlen);

inline uint32_t mq_len(const mbuf_queue* mq) { return mq->mq_list.ml_len; }
inline bool mq_empty(const mbuf_queue* mq) { return mq_len(mq) == 0; }
inline bool mq_full(const mbuf_queue* mq) { return mq_len(mq) >= mq->mq_maxlen; }
inline uint32_t mq_drops(const mbuf_queue* mq) { return mq->mq_drops; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_LIST_H_
