// A server in the kernel without a thread: everything it does, it does in upcalls.
//
// Lives here:  ByteCounter.
// Called by:   kthread_test.
// Context:     Start in a process. All else in interrupt context: nothing may sleep there.
// Owns:        the listener and the connections, until they are closed.
#ifndef SOCKBED_TESTS_KTHREAD_BYTE_COUNTER_H_
#define SOCKBED_TESTS_KTHREAD_BYTE_COUNTER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/sched/timeout.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

// Counts what each connection sends; when it has sent all, answers with the number, as eight bytes
// of the host's order, and closes.
class ByteCounter {
 public:
  ByteCounter() = default;
  ~ByteCounter();
  ByteCounter(const ByteCounter&) = delete;
  ByteCounter& operator=(const ByteCounter&) = delete;

  // Listens on `port`. Returns 0, or why it cannot.
  int Start(uint16_t port);
  // Closes everything. REQUIRES: Start.
  void Stop();

 private:
  struct Connection {
    socket* so;
    uint64_t bytes = 0;
    timeout close_to = {};
  };

  static void ConnectionArrived(socket* head, void* counter, int how);
  static void DataArrived(socket* so, void* connection, int how);
  static void CloseSoon(void* connection);

  socket* head_ = nullptr;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_KTHREAD_BYTE_COUNTER_H_
