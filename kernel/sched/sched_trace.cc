#include "kernel/sched/sched_trace.h"

#include <errno.h>
#include <signal.h>

#include <array>

#include "kernel/sched/event.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

constexpr std::array kTypes = std::to_array<EventType>({
    {"SPAWN", "process {o} \"{0:s}{1:s}\" parent {2}"},
    {"START", "process {o}"},
    {"SLEEP", "on \"{0:s}\" {1:@priority} timo {2}"},
    {"WAKE", "{0} sleeping, first process {o}"},
    {"RESUME", "{0:@result}"},
    {"TIMEOUT", ""},
    {"POST", "{0:@signal} to process {o}"},
    {"DELIVER", "{0:@signal} {1:@deed}"},
    {"STOP", "process {o}"},
    {"CONT", "process {o}"},
    {"THROW", "\"{0:s}{1:s}{2:s}\""},
    {"EXIT", "status {0:d} {1:@signal}"},
    {"WAIT", "process {o}"},
    {"KNOTE", "kq#{o} {1:@filter} {0:d}"},
    {"THREAD", "{o} of process {0}"},
    {"THREXIT", "{o}"},
    {"TMOADD", "in {0} ticks{1:@moved}"},
    {"TMODEL", "#{o}"},
});
static_assert(kTypes.size() == static_cast<size_t>(SchedEvent::kTimeoutDel) + 1);

constexpr std::array kResults = std::to_array<ValueName>({
    {0, "woken"},
    {EWOULDBLOCK, "EWOULDBLOCK"},
    {EINTR, "EINTR"},
    {static_cast<uint64_t>(kERESTART), "ERESTART"},
});

constexpr std::array kPriorities = std::to_array<ValueName>({
    {PSWP, "PSWP"},
    {PVM, "PVM"},
    {PINOD, "PINOD"},
    {PRIBIO, "PRIBIO"},
    {PVFS, "PVFS"},
    {PZERO, "PZERO"},
    {PSOCK, "PSOCK"},
    {PWAIT, "PWAIT"},
    {PLOCK, "PLOCK"},
    {PPAUSE, "PPAUSE"},
    {PUSER, "PUSER"},
    {PSWP | PCATCH, "PSWP|PCATCH"},
    {PVM | PCATCH, "PVM|PCATCH"},
    {PINOD | PCATCH, "PINOD|PCATCH"},
    {PRIBIO | PCATCH, "PRIBIO|PCATCH"},
    {PVFS | PCATCH, "PVFS|PCATCH"},
    {PZERO | PCATCH, "PZERO|PCATCH"},
    {PSOCK | PCATCH, "PSOCK|PCATCH"},
    {PWAIT | PCATCH, "PWAIT|PCATCH"},
    {PLOCK | PCATCH, "PLOCK|PCATCH"},
    {PPAUSE | PCATCH, "PPAUSE|PCATCH"},
    {PUSER | PCATCH, "PUSER|PCATCH"},
});

constexpr std::array kSignalNames = std::to_array<ValueName>({
    {0, ""},
    {SIGHUP, "SIGHUP"},
    {SIGINT, "SIGINT"},
    {SIGQUIT, "SIGQUIT"},
    {SIGABRT, "SIGABRT"},
    {SIGKILL, "SIGKILL"},
    {SIGSEGV, "SIGSEGV"},
    {SIGPIPE, "SIGPIPE"},
    {SIGALRM, "SIGALRM"},
    {SIGTERM, "SIGTERM"},
    {SIGURG, "SIGURG"},
    {SIGSTOP, "SIGSTOP"},
    {SIGTSTP, "SIGTSTP"},
    {SIGCONT, "SIGCONT"},
    {SIGCHLD, "SIGCHLD"},
    {SIGTTIN, "SIGTTIN"},
    {SIGTTOU, "SIGTTOU"},
    {SIGIO, "SIGIO"},
    {SIGWINCH, "SIGWINCH"},
    {SIGUSR1, "SIGUSR1"},
    {SIGUSR2, "SIGUSR2"},
});

constexpr std::array kDeeds = std::to_array<ValueName>({
    {static_cast<uint64_t>(SignalDeed::kTerminate), "terminates"},
    {static_cast<uint64_t>(SignalDeed::kHandler), "runs its handler"},
});

constexpr std::array kFilters = std::to_array<ValueName>({
    {static_cast<uint64_t>(EVFILT_READ), "EVFILT_READ"},
    {static_cast<uint64_t>(EVFILT_WRITE), "EVFILT_WRITE"},
    {static_cast<uint64_t>(EVFILT_SIGNAL), "EVFILT_SIGNAL"},
    {static_cast<uint64_t>(EVFILT_TIMER), "EVFILT_TIMER"},
    {static_cast<uint64_t>(EVFILT_EXCEPT), "EVFILT_EXCEPT"},
    {static_cast<uint64_t>(EVFILT_USER), "EVFILT_USER"},
});

constexpr std::array kMoved = std::to_array<ValueName>({
    {0, ""},
    {1, ", moved"},
});

constexpr std::array kTables = std::to_array<ValueTable>({
    {"result", kResults},
    {"priority", kPriorities},
    {"signal", kSignalNames},
    {"deed", kDeeds},
    {"filter", kFilters},
    {"moved", kMoved},
});

}  // namespace

void sched_describe(Trace& trace) { trace.Describe(Room::kSched, {kTypes, kTables}); }

}  // namespace sockbed
