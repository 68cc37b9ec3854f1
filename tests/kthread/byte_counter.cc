#include "tests/kthread/byte_counter.h"

#include <netinet/in.h>

#include <cstring>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/proc.h"
#include "tests/kthread/calls.h"

namespace sockbed {

int ByteCounter::Start(uint16_t port) {
  KASSERT(head_ == nullptr);
  if (const int error = socreate(AF_INET, &head_, SOCK_STREAM, 0)) return error;
  // Before the socket can hear anything: an upcall that is set late has missed something.
  head_->so_upcall = ConnectionArrived;
  head_->so_upcallarg = this;
  const MbufPtr nam = PortName({INADDR_ANY}, port);
  if (const int error = sobind(head_, nam.get(), curproc())) return error;
  return solisten(head_, 5);
}

// sorwakeup of the listener: a handshake has ended. One call may stand for several connections.
void ByteCounter::ConnectionArrived(socket* head, void* counter, int how) {
  auto* self = static_cast<ByteCounter*>(counter);
  while (socket* so = head->so_q.first) {
    (void)soqremque(so, 1);  // it was on that queue: taken from there
    const MbufPtr nam = m_get(how, MT_SONAME);
    self->connections_.push_back(std::make_unique<Connection>(Connection{.so = so}));
    Connection* connection = self->connections_.back().get();
    timeout_set(&connection->close_to, CloseSoon, connection);
    if (nam == nullptr || soaccept(so, nam.get()) != 0) {
      so->so_state &= ~SS_NOFDREF;  // ours, accepted or not
      timeout_add(&connection->close_to, 1);
      continue;
    }
    so->so_upcall = DataArrived;
    so->so_upcallarg = connection;
    DataArrived(so, connection, how);  // for what came before the upcall was set
  }
}

// sorwakeup of a connection: bytes, the end, or an error. Takes all there is.
void ByteCounter::DataArrived(socket* so, void* connection, int how) {
  auto* self = static_cast<Connection*>(connection);
  for (;;) {
    mbuf* chain = nullptr;
    int flags = MSG_DONTWAIT;
    const int error = soreceive(so, nullptr, nullptr, &chain, nullptr, &flags);
    if (error == EWOULDBLOCK) return;  // the next upcall goes on
    const MbufPtr bytes(chain);
    if (error != 0 || bytes == nullptr) break;
    self->bytes += static_cast<uint64_t>(m_length(bytes.get()));
  }
  so->so_upcall = nullptr;
  MbufPtr answer = m_gethdr(how, MT_DATA);
  if (answer != nullptr) {
    std::memcpy(answer->m_data, &self->bytes, sizeof self->bytes);
    answer->m_len = answer->m_pkthdr.len = sizeof self->bytes;
    // Eight bytes into an empty buffer: there is room, or the connection is dead.
    (void)sosend(so, nullptr, nullptr, answer.release() /*taken*/, nullptr, MSG_DONTWAIT);
  }
  timeout_add(&self->close_to, 1);
}

// A socket is not closed in its own upcall: who called that still works on it.
void ByteCounter::CloseSoon(void* connection) {
  auto* self = static_cast<Connection*>(connection);
  soclose(self->so);
  self->so = nullptr;
}

void ByteCounter::Stop() {
  // Closing is a change that sorwakeup tells of: no upcall may come any more.
  head_->so_upcall = nullptr;
  for (const auto& connection : connections_) {
    timeout_del(&connection->close_to);
    if (connection->so == nullptr) continue;
    connection->so->so_upcall = nullptr;
    soclose(connection->so);
  }
  connections_.clear();
  soclose(head_);
  head_ = nullptr;
}

ByteCounter::~ByteCounter() { KASSERT(head_ == nullptr && connections_.empty()); }

}  // namespace sockbed
