// The sleep queues of one host: who sleeps on which ident, in order of going to sleep.
//
// Lives here:  SleepQueues.
// Called by:   synch.cc only.
// Owns:        nothing; a proc carries its links (p_slpq_*), so going to sleep allocates nothing.
// Invariants:  1. Sleepers on one ident form one queue. Its head, the leader, stands in the hash
//                 table.
//              2. p_slpq_next is null at the tail; p_slpq_prev of the leader is the tail.
// Cost:        O(1) for each operation, with a million sleepers on one ident or on a million.
// Source:      OpenBSD sys/kern/kern_synch.c (slpque).
// Differs:     the original hashes into 128 lists and skips other idents while scanning; the order
//              of waking is the same.
#ifndef SOCKBED_KERNEL_SCHED_SLEEPQ_H_
#define SOCKBED_KERNEL_SCHED_SLEEPQ_H_

#include <cstdint>

#include "kernel/sched/hash_chains.h"
#include "kernel/sched/proc.h"

namespace sockbed {

class SleepQueues {
 public:
  // Who sleeps on one ident, in order: from first() on by p_slpq_next.
  struct Queue {
    proc* first() const { return *link; }
    bool empty() const { return *link == nullptr; }
    // How many there are, of the first `most`; all if that is negative. REQUIRES: not empty.
    int CountUpTo(int most) const {
      int count = 1;
      const proc* p = first();
      while (count != most && (p = p->p_slpq_next) != nullptr) ++count;
      return count;
    }
    proc** link;
  };

  // Puts `p` at the tail of the queue of `ident`. REQUIRES: on no queue.
  void Append(proc* p, const volatile void* ident) {
    KASSERT(p->p_wchan == nullptr);
    p->p_wchan = ident;
    p->p_slpq_next = nullptr;
    proc** link = leaders_.Find(KeyOf(ident));
    proc* leader = *link;
    if (leader == nullptr) {
      p->p_slpq_prev = p;
      leaders_.Insert(link, p);
      return;
    }
    proc* tail = leader->p_slpq_prev;
    tail->p_slpq_next = p;
    p->p_slpq_prev = tail;
    leader->p_slpq_prev = p;
  }

  // Takes `p` off its queue, wherever it stands. REQUIRES: on one.
  [[gnu::noinline]] void Remove(proc* p) {
    KASSERT(p->p_wchan != nullptr);
    proc** link = leaders_.Find(KeyOf(p->p_wchan));
    proc* leader = *link;
    if (p == leader) {
      TakeLeader(link);
    } else {
      p->p_slpq_prev->p_slpq_next = p->p_slpq_next;
      proc* next = p->p_slpq_next != nullptr ? p->p_slpq_next : leader;
      next->p_slpq_prev = p->p_slpq_prev;
    }
    p->p_wchan = nullptr;
  }

  // The queue of `ident`. Valid until the next Append or Remove.
  Queue Find(const volatile void* ident) { return Queue{leaders_.Find(KeyOf(ident))}; }

  // Takes off and returns the first sleeper of a queue. REQUIRES: not empty.
  proc* TakeFirst(Queue queue) {
    proc* const p = queue.first();
    KASSERT(p->p_wchan != nullptr);
    TakeLeader(queue.link);
    p->p_wchan = nullptr;
    return p;
  }

 private:
  struct ByIdent {
    static uint64_t Key(const proc* p) { return KeyOf(p->p_wchan); }
    static proc*& Next(proc* p) { return p->p_slpq_chain; }
  };
  static uint64_t KeyOf(const volatile void* ident) { return reinterpret_cast<uintptr_t>(ident); }

  // Makes the second sleeper the leader, or drops the queue if there is none.
  void TakeLeader(proc** link) {
    proc* leader = *link;
    proc* second = leader->p_slpq_next;
    if (second == nullptr) {
      leaders_.Remove(link);
      return;
    }
    second->p_slpq_prev = leader->p_slpq_prev;
    leaders_.Replace(link, second);
  }

  HashChains<proc, ByIdent> leaders_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SLEEPQ_H_
