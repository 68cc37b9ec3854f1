#include "kernel/socket/socket_trace.h"

#include <array>

#include "kernel/socket/socket.h"

namespace sockbed {
namespace {

constexpr std::array kTypes = std::to_array<EventType>({
    {"SOCKET", "so#{o} {0:@family} {1:@type} head so#{2}"},
    {"FREE", "so#{o}"},
    {"STATE", "so#{o} {0:|state} -> {1:|state} error {2:e}"},
    {"ERROR", "so#{o} {0:e} -> {1:e}"},
    {"LISTEN", "so#{o} backlog {0}"},
    {"QUEUE", "so#{o} on so#{0} {1:@queue}, now {2}"},
    {"DEQUEUE", "so#{o} off so#{0} {1:@queue}, now {2}"},
    {"SEND", "so#{o} {0} bytes {1:e}, {2} in so_snd"},
    {"RECEIVE", "so#{o} {0} bytes {1:e}, {2} in so_rcv"},
    {"BUFFER", "so#{o} {0:@buffer} holds {1} bytes in {2} of mbufs: wake"},
    {"FLUSH", "so#{o} {0} bytes of so_rcv"},
    {"OPTION", "so#{o} level {0} option {1} {2:e}"},
    {"URGENT", "so#{o} mark in {0} bytes"},
    {"SPLICE", "so#{o} to so#{0}, at most {1} bytes"},
    {"MOVE", "so#{o} to so#{0} {1} bytes after {2}"},
    {"UNSPLICE", "so#{o} from so#{0} after {1} bytes {2:e}"},
});
static_assert(kTypes.size() == static_cast<size_t>(SocketEvent::kUnsplice) + 1);

constexpr std::array kFamilies = std::to_array<ValueName>({
    {AF_UNIX, "AF_UNIX"},
    {AF_INET, "AF_INET"},
    {AF_INET6, "AF_INET6"},
});

constexpr std::array kSocketTypes = std::to_array<ValueName>({
    {SOCK_STREAM, "SOCK_STREAM"},
    {SOCK_DGRAM, "SOCK_DGRAM"},
    {SOCK_RAW, "SOCK_RAW"},
    {SOCK_SEQPACKET, "SOCK_SEQPACKET"},
});

constexpr std::array kStates = std::to_array<ValueName>({
    {SS_NOFDREF, "NOFDREF"},
    {SS_ISCONNECTED, "CONNECTED"},
    {SS_ISCONNECTING, "CONNECTING"},
    {SS_ISDISCONNECTING, "DISCONNECTING"},
    {SS_CANTSENDMORE, "CANTSENDMORE"},
    {SS_CANTRCVMORE, "CANTRCVMORE"},
    {SS_RCVATMARK, "RCVATMARK"},
    {SS_PRIV, "PRIV"},
    {SS_NBIO, "NBIO"},
    {SS_ASYNC, "ASYNC"},
    {SS_ISCONFIRMING, "CONFIRMING"},
    {SS_ISDISCONNECTED, "DISCONNECTED"},
    {SS_CONNECTOUT, "CONNECTOUT"},
    {SS_ISSENDING, "SENDING"},
});

constexpr std::array kQueues = std::to_array<ValueName>({{0, "so_q0"}, {1, "so_q"}});
constexpr std::array kBuffers = std::to_array<ValueName>({{0, "so_rcv"}, {1, "so_snd"}});

constexpr std::array kTables = std::to_array<ValueTable>({
    {"family", kFamilies},
    {"type", kSocketTypes},
    {"state", kStates},
    {"queue", kQueues},
    {"buffer", kBuffers},
});

}  // namespace

void socket_describe(Trace& trace) { trace.Describe(Room::kSocket, {kTypes, kTables}); }

}  // namespace sockbed
