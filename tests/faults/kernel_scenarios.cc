#include "tests/faults/kernel_scenarios.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/uio.h"
#include "kernel/socket/socketvar.h"
#include "tests/kthread/calls.h"

namespace sockbed::faults {
namespace {

// A kernel thread of the current host.
void Thread(const char* name, std::function<void()> main) {
  proc_spawn({.name = name,
              .main =
                  [main = std::move(main)] {
                    main();
                    return 0;
                  },
              .system = true});
}

// A packet of the first `size` bytes of stream `salt`.
MbufPtr PacketOf(char salt, int size) {
  MbufPtr m = m_gethdr(M_WAIT, MT_DATA);
  const std::string bytes = Story::Bytes(salt, 0, static_cast<size_t>(size));
  if (m_copyback(m.get(), 0, size, bytes.data(), M_WAIT) != 0) return nullptr;
  return m;
}

// The next mbufs of a stream, no more than can be sent back at once; a null chain is its end.
bool ReceiveChain(Story* s, socket* so, MbufPtr* chain) {
  uio limit = {.uio_resid = so->so_snd.sb_hiwat, .uio_rw = UIO_READ};
  mbuf* m = nullptr;
  const bool done = s->Done("soreceive", soreceive(so, nullptr, &limit, &m, nullptr, nullptr));
  chain->reset(m);
  return done;
}

bool SendPacket(Story* s, socket* so, MbufPtr top) {
  return s->Done("sosend", sosend(so, nullptr, nullptr, top.release() /*taken*/, nullptr, 0));
}

// Sends back what arrives, until the peer has said all.
void Echo(Story* s, socket* so) {
  MbufPtr chain;
  while (ReceiveChain(s, so, &chain) && chain != nullptr) {
    if (!SendPacket(s, so, AsPacket(std::move(chain)))) return;
  }
}

// Sends packets of sizes around those of mbufs and clusters, and waits for each to come back.
void Ask(Story* s, socket* so) {
  for (const int size : {1, 200, 300, 2048, 4096}) {
    if (!SendPacket(s, so, PacketOf('k', size))) return;
    MbufPtr answer;
    while (answer == nullptr || m_length(answer.get()) < size) {
      MbufPtr more;
      if (!ReceiveChain(s, so, &more)) return;
      if (more == nullptr) {
        ++s->incomplete;
        return;
      }
      if (answer == nullptr) {
        answer = std::move(more);
      } else {
        m_cat(answer.get(), std::move(more));
      }
    }
    std::string got(static_cast<size_t>(m_length(answer.get())), '\0');
    m_copydata(answer.get(), 0, static_cast<int>(got.size()), got.data());
    if (got != Story::Bytes('k', 0, static_cast<size_t>(size))) ++s->corrupt;
  }
  MbufPtr end;
  if (!s->Done("soshutdown", soshutdown(so, SHUT_WR)) || !ReceiveChain(s, so, &end)) return;
  if (end != nullptr) ++s->corrupt;
}

// A pair of local sockets; false: there is none, and nothing is left of it.
bool MakePair(Story* s, socket* pair[2]) {
  if (!s->Done("socreate", socreate(AF_UNIX, &pair[0], SOCK_STREAM, 0))) return false;
  if (s->Done("socreate", socreate(AF_UNIX, &pair[1], SOCK_STREAM, 0))) {
    if (s->Done("soconnect2", soconnect2(pair[0], pair[1]))) return true;
    soclose(pair[1]);
  }
  soclose(pair[0]);
  return false;
}

// sorwakeup: takes all there is and sends it back. What cannot be sent back ends the connection.
void AnswerInUpcall(socket* so, void* story, int how) {
  auto* s = static_cast<Story*>(story);
  for (;;) {
    mbuf* raw = nullptr;
    int flags = MSG_DONTWAIT;
    const int error = soreceive(so, nullptr, nullptr, &raw, nullptr, &flags);
    if (error == EWOULDBLOCK) return;
    MbufPtr chain(raw);
    if (!s->Done("soreceive", error) || chain == nullptr) break;
    MbufPtr top = m_gethdr(how, MT_DATA);
    if (!s->Done("upcall", top != nullptr ? 0 : ENOBUFS)) break;
    top->m_pkthdr.len = m_length(chain.get());
    m_cat(top.get(), std::move(chain));
    if (!s->Done("sosend",
                 sosend(so, nullptr, nullptr, top.release() /*taken*/, nullptr, MSG_DONTWAIT))) {
      break;
    }
  }
  so->so_upcall = nullptr;
  (void)s->Done("soshutdown", soshutdown(so, SHUT_RDWR));
}

void Serve(Story* s, socket* head, uint16_t port) {
  const MbufPtr nam = PortName({INADDR_ANY}, port);
  if (!s->Done("sobind", sobind(head, nam.get(), curproc()))) return;
  if (!s->Done("solisten", solisten(head, 1))) return;
  // A connection inherits it: of a peer that is gone without a word one hears by asking.
  MbufPtr on = m_get(M_WAIT, MT_SOOPTS);
  const int yes = 1;
  std::memcpy(on->m_data, &yes, sizeof yes);
  on->m_len = sizeof yes;
  if (!s->Done("sosetopt", sosetopt(head, SOL_SOCKET, SO_KEEPALIVE, on.release() /*taken*/)))
    return;
  socket* so = nullptr;
  const int error = AcceptNext(head, &so);
  if (error == EINTR) return;  // nobody has come, and the host ends
  if (!s->Done("soaccept", error)) return;
  Echo(s, so);
  soclose(so);
}

}  // namespace

void KernelPair(TestSimulation& sim, Story* story) {
  sim.AddHost("host").Spawn("starter", [story] {
    Thread("asker", [story] {
      socket* pair[2];
      if (!MakePair(story, pair)) return;
      Thread("echo", [story, so = pair[1]] {
        Echo(story, so);
        soclose(so);
      });
      Ask(story, pair[0]);
      soclose(pair[0]);
    });
  });
}

void KernelUpcall(TestSimulation& sim, Story* story) {
  sim.AddHost("host").Spawn("starter", [story] {
    Thread("asker", [story] {
      socket* pair[2];
      if (!MakePair(story, pair)) return;
      pair[1]->so_upcallarg = story;
      pair[1]->so_upcall = AnswerInUpcall;
      Ask(story, pair[0]);
      pair[1]->so_upcall = nullptr;
      soclose(pair[0]);
      soclose(pair[1]);
    });
  });
}

void KernelServer(Host& host, Story* story, uint16_t port) {
  host.Spawn("starter", [story, port] {
    Thread("kechod", [story, port] {
      socket* head = nullptr;
      if (!story->Done("socreate", socreate(AF_INET, &head, SOCK_STREAM, 0))) return;
      Serve(story, head, port);
      soclose(head);
    });
  });
}

}  // namespace sockbed::faults
