// The insides of a table of pcbs: how pcbs are linked by port and by connection.
//
// Lives here:  struct inpport, InpcbTableAccess.
// Called by:   in_pcb.cc (life, look-up), in_pcb_bind.cc (ports and connections).
// Owns:        an inpport exists while a pcb has its port; the table owns it.
// Invariants:  those of in_pcb.h; every change of inp_lport or inp_faddr goes through here.
#ifndef SOCKBED_KERNEL_INET_IN_PCB_PRIVATE_H_
#define SOCKBED_KERNEL_INET_IN_PCB_PRIVATE_H_

#include <string>

#include "kernel/inet/in_pcb.h"

namespace sockbed {

// All pcbs with one local port.
struct inpport {
  in_port_t port;
  inpport* next = nullptr;       // in the table's bucket
  inpcb* unconnected = nullptr;  // newest first
  inpcb* connected = nullptr;
};

struct InpcbTableAccess {
  // The list of all pcbs.
  static void Enter(inpcbtable* table, inpcb* inp);
  static void Leave(inpcb* inp);

  // Gives a pcb its local names. REQUIRES: it has no port.
  static void SetLocal(inpcb* inp, const inpaddru& laddr, in_port_t lport);
  // Gives a bound pcb its peer, or a zero peer. Errors: EADDRINUSE (the 4-tuple is taken): nothing
  // has changed.
  [[nodiscard]] static int SetPeer(inpcb* inp, const inpaddru& laddr, const inpaddru& faddr,
                                   in_port_t fport);
  // Both at once. The same errors. REQUIRES: it has no port.
  [[nodiscard]] static int SetNames(inpcb* inp, const inpaddru& laddr, in_port_t lport,
                                    const inpaddru& faddr, in_port_t fport);
  static void ClearPeer(inpcb* inp);
  // Takes back port and peer.
  static void Unlink(inpcb* inp);

  static inpcb* Find(inpcbtable* table, const inpaddru& faddr, in_port_t fport,
                     const inpaddru& laddr, in_port_t lport);
  static void Expect(inpcb* inp);
  static inpport* FindPort(const inpcbtable* table, in_port_t lport);

  // A number for automatic ports, below `bound`.
  static uint64_t DrawPort(inpcbtable* table, uint64_t bound) {
    return table->ports_drawn_.NextBelow(bound);
  }
  static std::span<const uint16_t> BadDynamic(const inpcbtable* table) {
    return table->baddynamic_;
  }
  static std::span<const uint16_t> RootOnly(const inpcbtable* table) { return table->rootonly_; }
  // Makes both sysctls.
  static void AddSysctls(inpcbtable* table, const std::string& prefix);

 private:
  // Where the connected pcbs of that hash begin. REQUIRES: there are connected ones.
  static inpcb*& Bucket(inpcbtable* table, uint32_t hash) {
    return table->hash_[hash & (table->hash_.size() - 1)];
  }
  static void Bind(inpcb* inp, const inpaddru& laddr, in_port_t lport);
  static void ChangePeer(inpcb* inp, const inpaddru& faddr, in_port_t fport);
  static void LinkPort(inpcb* inp);
  static void UnlinkPort(inpcb* inp);
  static bool Takes(inpcb* inp, const inpaddru& laddr, in_port_t lport, const inpaddru& faddr,
                    in_port_t fport);
  static void LinkHash(inpcb* inp);
  static void UnlinkHash(inpcb* inp);
  static void GrowHash(inpcbtable* table);
  static void GrowPorts(inpcbtable* table);
  static inpport* MakePort(inpcbtable* table, in_port_t lport);
  static void DropPort(inpcbtable* table, inpport* port);
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_PCB_PRIVATE_H_
