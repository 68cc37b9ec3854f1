#include "tests/kthread/calls.h"

#include <errno.h>

#include <cstring>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/spl.h"
#include "kernel/sched/synch.h"

namespace sockbed {

MbufPtr PortName(in_addr address, uint16_t port) {
  sockaddr_in sin = {};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  sin.sin_addr = address;
  MbufPtr nam = m_get(M_WAIT, MT_SONAME);
  std::memcpy(nam->m_data, &sin, sizeof sin);
  nam->m_len = sizeof sin;
  return nam;
}

int ConnectAndWait(socket* so, mbuf* nam, int timo) {
  const SplScope spl(IPL_SOFTNET);  // the handshake must not end between a look and the sleep
  // soconnect starts the handshake and returns; SS_ISCONNECTING stays until it has ended.
  int error = soconnect(so, nam);
  while (error == 0 && (so->so_state & SS_ISCONNECTING) != 0 && so->so_error == 0) {
    error = tsleep(&so->so_timeo, PSOCK | PCATCH, "netcon", timo);
  }
  if (error == 0) error = std::exchange(so->so_error, 0);
  // BUGS of socreate(9): after a failure nobody clears the bit but the caller.
  if (error != 0) so->so_state &= ~SS_ISCONNECTING;
  return error;
}

int AcceptNext(socket* head, socket** conn) {
  // The queue is also the protocol's: nothing may come between the look at it and soqremque.
  const SplScope spl(IPL_SOFTNET);
  while (head->so_qlen == 0) {
    if ((head->so_state & SS_CANTRCVMORE) != 0) return ECONNABORTED;
    if (const int error = tsleep(&head->so_timeo, PSOCK | PCATCH, "netacc", 0)) return error;
  }
  socket* so = head->so_q.first;
  (void)soqremque(so, 1);  // it was on that queue: taken from there
  const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
  if (const int error = soaccept(so, nam.get())) {
    soclose(so);  // a connection that failed to be accepted is ours all the same
    return error;
  }
  *conn = so;
  return 0;
}

MbufPtr AsPacket(MbufPtr chain) {
  MbufPtr packet = m_gethdr(M_WAIT, MT_DATA);
  packet->m_pkthdr.len = m_length(chain.get());
  m_align(packet.get(), 0);  // at the very end of its space, or m_cat would copy a short chain
  m_cat(packet.get(), std::move(chain));
  return packet;
}

}  // namespace sockbed
