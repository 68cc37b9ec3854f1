#include "kernel/net/net_trace.h"

#include "kernel/net/if.h"
#include "kernel/sim/sites.h"
#include "kernel/sim/trace.h"

namespace sockbed {

namespace {

constexpr EventType kTypes[] = {
    {"OUT", "link direction {o}: packet {0:h}, {0:l} bytes, arrives {1:t}"},
    {"LOST", "link direction {o}: packet {0:h}, {0:l} bytes: {1:@why}"},
    {"FAULT", "link direction {o}: packet {0:h}, {0:l} bytes, {1:@fault}, arrives {2:t}"},
    {"LOOP", "interface {o}: {0} bytes"},
    {"DROP", "interface {o}: {0} bytes: {1:@why}"},
    {"IFACE", "{0:s}: {1:|ifflags}"},
    {"BYTES", "link direction {o}: packet {0:h}, {0:l} bytes, hash {1:x}"},
};

constexpr ValueName kDrops[] = {
    {static_cast<uint64_t>(NetDrop::kLoss), "lost on the wire"},
    {static_cast<uint64_t>(NetDrop::kQueue), "transmit queue full"},
    {static_cast<uint64_t>(NetDrop::kMemory), "no memory for a copy"},
    {static_cast<uint64_t>(NetDrop::kDown), "interface down"},
    {static_cast<uint64_t>(NetDrop::kLoopQueue), "input queue full"},
    {static_cast<uint64_t>(NetDrop::kLoops), "looped too often"},
    {static_cast<uint64_t>(NetDrop::kNoFamily), "unknown address family"},
    {static_cast<uint64_t>(NetDrop::kRunt), "no Ethernet header"},
    {static_cast<uint64_t>(NetDrop::kNotForUs), "for another station"},
    {static_cast<uint64_t>(NetDrop::kOwnFrame), "our own frame"},
};

constexpr ValueName kFaults[] = {
    {static_cast<uint64_t>(Site::kLinkDuplicate), "duplicated"},
    {static_cast<uint64_t>(Site::kLinkReorder), "held back"},
    {static_cast<uint64_t>(Site::kLinkCorrupt), "corrupted"},
    {static_cast<uint64_t>(Site::kLinkTruncate), "truncated"},
    {static_cast<uint64_t>(Site::kLinkDelay), "delayed"},
};

constexpr ValueName kFlags[] = {
    {IFF_UP, "UP"},
    {IFF_BROADCAST, "BROADCAST"},
    {IFF_LOOPBACK, "LOOPBACK"},
    {IFF_POINTOPOINT, "POINTOPOINT"},
    {IFF_RUNNING, "RUNNING"},
    {IFF_NOARP, "NOARP"},
    {IFF_PROMISC, "PROMISC"},
    {IFF_SIMPLEX, "SIMPLEX"},
    {IFF_MULTICAST, "MULTICAST"},
};

constexpr ValueTable kTables[] = {{"why", kDrops}, {"fault", kFaults}, {"ifflags", kFlags}};

}  // namespace

void net_describe(Trace& trace) { trace.Describe(Room::kNet, {kTypes, kTables}); }

}  // namespace sockbed
