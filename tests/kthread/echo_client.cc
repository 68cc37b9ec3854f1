#include "tests/kthread/echo_client.h"

#include <utility>

#include "kernel/mbuf/chain.h"
#include "tests/kthread/calls.h"

namespace sockbed {
namespace {

int Ask(socket* so, mbuf* nam, MbufPtr question, MbufPtr* answer) {
  if (const int error = ConnectAndWait(so, nam, 0)) return error;
  if (const int error = sosend(so, nullptr, nullptr, question.release() /*taken*/, nullptr, 0)) {
    return error;
  }
  if (const int error = soshutdown(so, SHUT_WR)) return error;  // that was all; we still listen
  for (;;) {
    mbuf* chain = nullptr;
    if (const int error = soreceive(so, nullptr, nullptr, &chain, nullptr, nullptr)) return error;
    if (chain == nullptr) return 0;
    if (*answer == nullptr) {
      answer->reset(chain);
    } else {
      m_cat(answer->get(), MbufPtr(chain));
    }
  }
}

}  // namespace

int AskForEcho(in_addr address, uint16_t port, MbufPtr question, MbufPtr* answer) {
  socket* so = nullptr;
  if (const int error = socreate(AF_INET, &so, SOCK_STREAM, 0)) return error;
  const MbufPtr nam = PortName(address, port);
  const int error = Ask(so, nam.get(), std::move(question), answer);
  soclose(so);
  return error;
}

}  // namespace sockbed
