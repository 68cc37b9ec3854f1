// The unit tests' host with the loop protocol, and calls with its addresses.
//
// Lives here:  LoopTestHost; Create, Connect, Accept and kin.
// Called by:   *_test.cc here.
#ifndef SOCKBED_KERNEL_SOCKET_LOOP_TEST_HOST_H_
#define SOCKBED_KERNEL_SOCKET_LOOP_TEST_HOST_H_

#include <string_view>
#include <utility>

#include "kernel/sched/spl.h"
#include "kernel/socket/loop_protocol.h"
#include "kernel/socket/socket_test_host.h"

namespace sockbed {

class LoopTestHost : public SocketTestHost {
 protected:
  LoopTestHost() { loop_boot(host()); }

  LoopHost& loop() { return HostLocal<LoopHost>::Of(host()); }
};

inline socket* Create(int type) {
  socket* so = nullptr;
  EXPECT_EQ(socreate(AF_INET, &so, type, 0), 0);
  return so;
}

// Two sockets connected to each other.
inline std::pair<socket*, socket*> CreatePair(int type) {
  socket* a = Create(type);
  socket* b = Create(type);
  EXPECT_EQ(soconnect2(a, b), 0);
  return {a, b};
}

inline void ClosePair(std::pair<socket*, socket*> pair) {
  soclose(pair.first);
  soclose(pair.second);
}

inline socket* CreateBound(int type, uint16_t port) {
  socket* so = Create(type);
  const MbufPtr nam = LoopAddress(port);
  EXPECT_EQ(sobind(so, nam.get(), curproc()), 0);
  return so;
}

inline socket* CreateListener(uint16_t port, int backlog = 5) {
  socket* so = CreateBound(SOCK_STREAM, port);
  EXPECT_EQ(solisten(so, backlog), 0);
  return so;
}

// sonewconn at the level at which a protocol calls it.
inline socket* NewConnection(socket* head, int connstatus) {
  const SplScope spl(IPL_SOFTNET);
  return sonewconn(head, connstatus);
}

// A blocking connect, made as socreate(9) tells a caller in the kernel to make it.
inline int Connect(socket* so, uint16_t port) {
  const MbufPtr nam = LoopAddress(port);
  int error = soconnect(so, nam.get());
  while (error == 0 && (so->so_state & SS_ISCONNECTING) != 0 && so->so_error == 0) {
    error = tsleep(&so->so_timeo, PSOCK | PCATCH, "netcon", 0);
  }
  if (error == 0) error = std::exchange(so->so_error, 0);
  if (error != 0) so->so_state &= ~SS_ISCONNECTING;
  return error;
}

// A blocking accept. Null: the listener was shut down or the connection is dead (*error says
// which).
inline socket* Accept(socket* head, int* error, uint16_t* port = nullptr) {
  *error = 0;
  while (head->so_qlen == 0) {
    if ((head->so_state & SS_CANTRCVMORE) != 0) {
      *error = ECONNABORTED;
    } else {
      *error = tsleep(&head->so_timeo, PSOCK | PCATCH, "netacc", 0);
    }
    if (*error != 0) return nullptr;
  }
  socket* so = head->so_q.first;
  EXPECT_EQ(soqremque(so, 1), 1);
  const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
  *error = soaccept(so, nam.get());
  if (*error != 0) {
    soclose(so);
    return nullptr;
  }
  if (port != nullptr) *port = LoopPort(nam.get());
  return so;
}

// sosend of bytes, to a port if given.
inline int Send(socket* so, std::string_view bytes, int flags = 0, uint16_t port = 0,
                size_t* sent = nullptr) {
  MbufPtr nam;
  if (port != 0) nam = LoopAddress(port);
  return SendTo(so, bytes, nam.get(), flags, sent);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_LOOP_TEST_HOST_H_
