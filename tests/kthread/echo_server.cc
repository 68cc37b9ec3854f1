#include "tests/kthread/echo_server.h"

#include <netinet/in.h>

#include "kernel/sched/proc.h"
#include "kernel/sched/uio.h"
#include "tests/kthread/calls.h"

namespace sockbed {
namespace {

// Sends back what arrives, until the peer has said all. Returns 0 then, or what went wrong.
int Echo(socket* so) {
  for (;;) {
    // With mp0, the uio holds no memory: only how much may be taken. No more than so_snd can hold,
    // for sosend sends a packet as a whole.
    uio limit = {.uio_resid = so->so_snd.sb_hiwat, .uio_rw = UIO_READ};
    mbuf* chain = nullptr;
    if (const int error = soreceive(so, nullptr, &limit, &chain, nullptr, nullptr)) return error;
    if (chain == nullptr) return 0;  // the end of the stream
    // The mbufs that the network brought go back to it as they are.
    MbufPtr top = AsPacket(MbufPtr(chain));
    if (const int error = sosend(so, nullptr, nullptr, top.release() /*taken*/, nullptr, 0)) {
      return error;
    }
  }
}

int Serve(socket* head, uint16_t port, int count) {
  const MbufPtr nam = PortName({INADDR_ANY}, port);
  if (const int error = sobind(head, nam.get(), curproc())) return error;
  if (const int error = solisten(head, count)) return error;
  for (int i = 0; i < count; ++i) {
    socket* so = nullptr;
    if (const int error = AcceptNext(head, &so)) return error;
    const int error = Echo(so);
    soclose(so);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

int ServeEchoes(uint16_t port, int count) {
  socket* head = nullptr;
  if (const int error = socreate(AF_INET, &head, SOCK_STREAM, 0)) return error;
  const int error = Serve(head, port, count);
  soclose(head);
  return error;
}

}  // namespace sockbed
