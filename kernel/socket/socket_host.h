// What the socket layer keeps per host: families, limits, the list of sockets.
//
// Lives here:  SocketHost.
// Called by:   this room; kernel/host (families), uapi (somaxconn, fd_ops), unix (fd_ops).
// Owns:        every socket's memory.
// Units:       sb_max in bytes.
// Source:      OpenBSD sys/kern/uipc_socket.c (the globals of the same names).
#ifndef SOCKBED_KERNEL_SOCKET_SOCKET_HOST_H_
#define SOCKBED_KERNEL_SOCKET_SOCKET_HOST_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/sched/host_local.h"
#include "kernel/sched/timeout.h"
#include "kernel/socket/bsd_socket.h"
#include "kernel/socket/protosw.h"

namespace sockbed {

struct fdops;
struct socket;
struct SocketMemory;  // socket_host.cc

struct SocketHost {
  static constexpr HostSlot kHostSlot = HostSlot::kSocket;

  SocketHost();
  ~SocketHost();
  SocketHost(const SocketHost&) = delete;
  SocketHost& operator=(const SocketHost&) = delete;

  DomainList domains;
  timeout pffasttimo_to;  // runs every pr_fasttimo; set going when there is one
  timeout pfslowtimo_to;
  const fdops* fd_ops = nullptr;  // the way to descriptor tables; uapi's, set at boot

  socket* sockets_first = nullptr;  // in use, in order of creation
  socket* sockets_last = nullptr;
  std::vector<std::unique_ptr<SocketMemory>> memory;  // by the room behind sockets
  uint64_t next_id = 0;            // of the last socket made
  int64_t live_sockets = 0;

  int64_t sb_max = sb_max_default;        // kern.sbmax: the largest SO_SNDBUF, SO_RCVBUF
  int64_t somaxconn = somaxconn_default;  // kern.somaxconn: the largest backlog
  int64_t sominconn = sominconn_default;  // kern.sominconn: the smallest
  int64_t poll_hup = 0;                   // kern.poll_hup: 1: POLLHUP as later releases report it
  bool memory_low = false;                // the latch of sbcheckreserve
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKET_HOST_H_
