#include "kernel/mbuf/mbuf_list.h"

#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

mbuf_list::~mbuf_list() { ml_purge(this); }

void ml_init(mbuf_list* ml) {
  ml->ml_head = nullptr;
  ml->ml_tail = nullptr;
  ml->ml_len = 0;
}

void ml_enqueue(mbuf_list* ml, MbufPtr m) {
  mbuf* const packet = m.release();
  KASSERT(packet != nullptr);
  packet->m_nextpkt = nullptr;
  (ml->ml_tail != nullptr ? ml->ml_tail->m_nextpkt : ml->ml_head) = packet;
  ml->ml_tail = packet;
  ++ml->ml_len;
}

MbufPtr ml_dequeue(mbuf_list* ml) {
  mbuf* const packet = ml->ml_head;
  if (packet == nullptr) [[unlikely]]
    return nullptr;
  ml->ml_head = packet->m_nextpkt;
  if (ml->ml_head == nullptr) ml->ml_tail = nullptr;
  --ml->ml_len;
  packet->m_nextpkt = nullptr;
  return MbufPtr(packet);
}

void ml_enlist(mbuf_list* a, mbuf_list* b) {
  KASSERT(a != b);
  if (ml_empty(b)) return;
  (a->ml_tail != nullptr ? a->ml_tail->m_nextpkt : a->ml_head) = b->ml_head;
  a->ml_tail = b->ml_tail;
  a->ml_len += b->ml_len;
  ml_init(b);
}

mbuf* ml_dechain(mbuf_list* ml) {
  mbuf* const packets = ml->ml_head;
  ml_init(ml);
  return packets;
}

uint32_t ml_purge(mbuf_list* ml) {
  const uint32_t purged = ml->ml_len;
  m_purge(ml_dechain(ml));
  return purged;
}

int ml_hdatalen(const mbuf_list* ml) {
  if (ml_empty(ml)) return 0;
  KASSERT((ml->ml_head->m_flags & M_PKTHDR) != 0);
  return ml->ml_head->m_pkthdr.len;
}

void mq_init(mbuf_queue* mq, uint32_t maxlen, int ipl) {
  KASSERT(mq_empty(mq));
  mq->mq_maxlen = maxlen;
  mq->mq_drops = 0;
  mq->mq_ipl = ipl;
}

int mq_enqueue(mbuf_queue* mq, MbufPtr m) {
  if (mq_full(mq)) {
    ++mq->mq_drops;
    return 1;
  }
  ml_enqueue(&mq->mq_list, std::move(m));
  return 0;
}

int mq_push(mbuf_queue* mq, MbufPtr m) {
  MbufPtr oldest;
  if (mq_full(mq)) {
    ++mq->mq_drops;
    oldest = mq_dequeue(mq);
  }
  ml_enqueue(&mq->mq_list, std::move(m));
  return oldest ? 1 : 0;
}

int mq_enlist(mbuf_queue* mq, mbuf_list* ml) {
  if (mq_full(mq)) {
    const uint32_t dropped = ml_purge(ml);
    mq->mq_drops += dropped;
    return static_cast<int>(dropped);
  }
  ml_enlist(&mq->mq_list, ml);
  return 0;
}

MbufPtr mq_dequeue(mbuf_queue* mq) { return ml_dequeue(&mq->mq_list); }

void mq_delist(mbuf_queue* mq, mbuf_list* ml) {
  KASSERT(ml_empty(ml));
  ml_enlist(ml, &mq->mq_list);
}

uint32_t mq_purge(mbuf_queue* mq) { return ml_purge(&mq->mq_list); }

int mq_hdatalen(const mbuf_queue* mq) { return ml_hdatalen(&mq->mq_list); }

void mq_set_maxlen(mbuf_queue* mq, uint32_t maxlen) { mq->mq_maxlen = maxlen; }

}  // namespace sockbed
