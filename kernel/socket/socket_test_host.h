// A machine with one booted host that has sockets, for unit tests of this room and of protocols.
//
// Lives here:  SocketTestHost and the few calls that every test makes.
// Called by:   *_test.cc here and in unix/.
// Invariants:  after each test every process is gone and every live count of the host is zero.
#ifndef SOCKBED_KERNEL_SOCKET_SOCKET_TEST_HOST_H_
#define SOCKBED_KERNEL_SOCKET_SOCKET_TEST_HOST_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/sched.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/records.h"
#include "kernel/socket/socket.h"
#include "kernel/socket/socket_trace.h"

namespace sockbed {

class SocketTestHost : public testing::Test {
 protected:
  SocketTestHost()
      : machine_({.seed = 7, .fault_plan = &plan_}), scope_(machine_), host_(1, "host") {
    machine_.trace().set_sink(&records_);
    sched_describe(machine_.trace());
    mbuf_describe(machine_.trace());
    socket_describe(machine_.trace());
    sched_boot(host_);
    mbuf_boot(host_);
    socket_boot(host_);
  }

  ~SocketTestHost() override {
    proc_killall(host_);
    machine_.Run();  // what the protocols still have to say to each other
    socket_halt(host_);
    for (const LiveCount& live : host_.live_counts) EXPECT_EQ(*live.count, 0) << live.what;
    EXPECT_EQ(mbuf_leaks(host_), "");
    machine_.trace().set_sink(nullptr);
  }

  // A process of the host.
  proc* Spawn(std::string name, std::function<void()> main, ucred cred = {}) {
    const HostScope on_host(host_);
    return proc_spawn({.name = std::move(name),
                       .main =
                           [main = std::move(main)] {
                             main();
                             return 0;
                           },
                       .cred = cred});
  }
  Machine::End Run(SimTime deadline = kForever) { return machine_.Run(deadline); }

  // Runs `body` as a process, and everything else, until nothing is left to do.
  void InProcess(std::function<void()> body, ucred cred = {}) {
    bool ended = false;
    Spawn(
        "test",
        [&] {
          body();
          ended = true;
        },
        cred);
    Run();
    EXPECT_TRUE(ended) << "the test's process still sleeps";
  }

  // The records of one type so far, in order.
  std::vector<Record> RecordsOf(Room room, uint8_t type) {
    machine_.trace().Flush();
    std::vector<Record> found;
    for (const Record& record : records_.all) {
      if (record.room == room && record.type == type) found.push_back(record);
    }
    return found;
  }
  std::vector<Record> RecordsOf(SocketEvent type) {
    return RecordsOf(Room::kSocket, static_cast<uint8_t>(type));
  }

  // From now on these sites fail; with no rules, none.
  void Fail(std::vector<fault::Rule> rules) { plan_ = fault::Plan(std::move(rules)); }

  Machine& machine() { return machine_; }
  HostBase& host() { return host_; }
  SocketHost& sockets() { return HostLocal<SocketHost>::Of(host_); }

 private:
  Records records_;
  fault::Plan plan_{{}};
  Machine machine_;
  MachineScope scope_;
  HostBase host_;
};

// Sleeps for that long.
inline void Pause(SimTime ns) {
  EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "pause", static_cast<uint64_t>(ns)), EWOULDBLOCK);
}

// sosend of bytes, to `nam` if given, with a control message if given (taken). `sent` gets how many
// bytes were taken.
inline int SendTo(socket* so, std::string_view bytes, mbuf* nam, int flags = 0,
                  size_t* sent = nullptr, MbufPtr control = nullptr) {
  iovec iov = {const_cast<char*>(bytes.data()), bytes.size()};
  uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = bytes.size(), .uio_rw = UIO_WRITE};
  const int error = sosend(so, nam, &uio, nullptr, control.release(), flags);
  if (sent != nullptr) *sent = bytes.size() - uio.uio_resid;
  return error;
}

// What a soreceive of at most `size` bytes gave.
struct Received {
  int error = 0;
  std::string data;
  int flags = 0;
  MbufPtr name;
  MbufPtr control;
};

inline Received Receive(socket* so, size_t size, int flags = 0, bool want_control = false) {
  Received got;
  std::string space(size, '\0');
  iovec iov = {space.data(), size};
  uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = size, .uio_rw = UIO_READ};
  mbuf* nam = nullptr;
  mbuf* control = nullptr;
  got.flags = flags;
  got.error = soreceive(so, &nam, &uio, nullptr, want_control ? &control : nullptr, &got.flags);
  got.name = MbufPtr(nam);
  got.control = MbufPtr(control);
  got.data = space.substr(0, size - uio.uio_resid);
  sbcheck(&so->so_rcv);
  return got;
}

// An mbuf with these bytes.
inline MbufPtr MbufWith(std::string_view bytes, int type = MT_DATA) {
  MbufPtr m = m_get(M_DONTWAIT, type);
  EXPECT_LE(bytes.size(), static_cast<size_t>(MLEN));
  bytes.copy(m->m_data, bytes.size());
  m->m_len = static_cast<int32_t>(bytes.size());
  return m;
}

// A packet of `size` bytes in one mbuf, with a cluster if it does not fit without.
inline MbufPtr PacketOf(int size, char fill = 'x') {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  if (size > MHLEN && !m_clget(m.get(), M_DONTWAIT, static_cast<uint32_t>(size))) return nullptr;
  std::fill_n(m->m_data, size, fill);
  m->m_len = m->m_pkthdr.len = size;
  return m;
}

inline std::string BytesOf(const mbuf* m) {
  std::string bytes(static_cast<size_t>(m_length(m)), '\0');
  m_copydata(m, 0, static_cast<int>(bytes.size()), bytes.data());
  return bytes;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKET_TEST_HOST_H_
