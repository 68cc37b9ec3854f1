#include "kernel/net/arrival_queue.h"

#include <utility>

#include "kernel/sched/spl.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/prefetch.h"

namespace sockbed {

namespace {

// So many packets of full size do not fit into the second-level cache.
constexpr uint32_t kCacheful = 512;

}  // namespace

ArrivalQueue::ArrivalQueue(Receiver receive, void* owner) : receive_(receive), owner_(owner) {
  handler = &ArrivalQueue::Arrive;
  ipl = IPL_SOFTNET;
}

ArrivalQueue::~ArrivalQueue() { KASSERT(size() == 0); }

void ArrivalQueue::set_host(HostBase& to) {
  KASSERT(size() == 0);
  host = &to;
  host_id = to.id;
}

// Before those that arrive later: the queue goes round once.
void ArrivalQueue::AddAmong(MbufPtr m) {
  for (uint32_t n = size(); n > 0; --n) {
    MbufPtr other = ml_dequeue(&packets_);
    if (m != nullptr && m->m_pkthdr.ph_due < other->m_pkthdr.ph_due) {
      ml_enqueue(&packets_, std::move(m));
    }
    ml_enqueue(&packets_, std::move(other));
  }
  Here().machine->Cancel(this);
  AwaitFirst();
}

void ArrivalQueue::Clear() {
  ml_purge(&packets_);
  Here().machine->Cancel(this);
}

void ArrivalQueue::AwaitFirst() { Await(*Here().machine, MBUF_LIST_FIRST(&packets_)->m_pkthdr); }

// A burst is worked on in one go, unless something else comes between its packets.
void ArrivalQueue::Arrive(Event* event) {
  ArrivalQueue& queue = *static_cast<ArrivalQueue*>(event);
  for (;;) {
    if (queue.size() > kCacheful) [[unlikely]]
      queue.FetchAhead();
    queue.receive_(queue.owner_, ml_dequeue(&queue.packets_));
    if (queue.size() == 0 || queue.pending()) return;
    const pkthdr& next = MBUF_LIST_FIRST(&queue.packets_)->m_pkthdr;
    if (!Here().machine->GoesOnWith(next.ph_due, next.ph_place, next.ph_cause)) {
      return queue.AwaitFirst();
    }
  }
}

// Fetches what coming arrivals will touch, while another is being worked on: only a simulator
// knows. With more on its way than the caches hold, a packet comes from far. What the third one
// points at was fetched an arrival ago.
void ArrivalQueue::FetchAhead() const {
  const mbuf* const third = MBUF_LIST_FIRST(&packets_)->m_nextpkt->m_nextpkt;
  Prefetch(third->m_nextpkt, sizeof(mbuf));
  Prefetch(third->m_next, 2 * kCacheLine);
}

}  // namespace sockbed
