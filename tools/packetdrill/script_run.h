// One run of one script, event by event.
//
// Lives here:  ScriptRun.
// Called by:   runner.
// Units:       microseconds since the script's start.
#ifndef SOCKBED_TOOLS_PACKETDRILL_SCRIPT_RUN_H_
#define SOCKBED_TOOLS_PACKETDRILL_SCRIPT_RUN_H_

#include <memory>
#include <optional>
#include <string>

#include "tools/packetdrill/calls.h"
#include "tools/packetdrill/commands.h"
#include "tools/packetdrill/config.h"
#include "tools/packetdrill/runner.h"
#include "tools/packetdrill/snippet.h"
#include "tools/packetdrill/tracked.h"

namespace sockbed::packetdrill {

class ScriptRun {
 public:
  // Borrows all but `live`.
  ScriptRun(const std::string& path, const Script& script, const Config& config,
            const RunOptions& options, std::unique_ptr<LiveHost> live, Verdict* verdict);

  // From the init command to the end.
  void Run();

 private:
  // When an event is to happen: [start, end], equal but for ranges.
  struct When {
    int64_t start = 0, end = 0;
    bool any = false;
  };
  // A call that sleeps.
  struct Outstanding {
    const ScriptEvent* event;
    std::shared_ptr<PendingCall> pending;
    int64_t start_us, return_us;
  };

  // Commands outside of the events: false, and told, if they fail.
  bool RunAside(const std::string& what, const std::string& commands);
  bool RunInit();
  bool RunEvents();
  bool RunEvent(const ScriptEvent& event);
  When WhenOf(const Time& time) const;

  bool Inbound(const ScriptEvent& event, const Packet& line, const When& when);
  bool Outbound(const ScriptEvent& event, const Packet& line, const When& when);
  bool Compare(const ScriptEvent& event, const Packet& line, const When& when,
               const SentPacket& sent, Tracked* tracked);
  // For reports.
  std::string PendingTimers() const;
  // The next packet of the host that belongs to `tracked`. False: none came; *why says it.
  bool NextPacket(const When& when, const Packet& line, Tracked* tracked, SentPacket* sent,
                  std::string* why);
  bool MakeCall(const ScriptEvent& event, const Call& call, const When& when);
  bool Block(const ScriptEvent& event, const Call& call, const When& when,
             std::shared_ptr<PendingCall> pending);
  bool FinishOutstanding();
  bool RunCommand(const ScriptEvent& event, const Command& command, const When& when);
  bool RunCode(const ScriptEvent& event, const Code& code, const When& when);
  absl::Status ReadTcpInfo(Scope* scope);

  // Compares a time and remembers the deviation. Returns "" or what is wrong.
  std::string TimingError(const ScriptEvent& event, const char* what, const When& when,
                          int64_t actual, int64_t since);
  bool CheckTime(const ScriptEvent& event, const char* what, const When& when, int64_t actual);

  bool Fail(const ScriptEvent& event, const std::string& what);
  bool FailCall(const ScriptEvent& event, const Call& call, const absl::Status& status);
  bool FailPacket(const ScriptEvent& event, const std::string& detail, const std::string& dumps);
  void Warn(const ScriptEvent& event, const std::string& what);
  void Log(const std::string& what);
  std::string Unread(Tracked* tracked);
  std::string At(const ScriptEvent& event) const;

  const std::string& path_;
  const Script& script_;
  const Config& config_;
  const RunOptions& options_;
  const bool verbose_;
  std::unique_ptr<LiveHost> live_;
  Verdict* const verdict_;
  Connections connections_;
  Calls calls_;
  Commands commands_;
  Scope scope_;
  std::optional<Outstanding> outstanding_;
  std::optional<int64_t> previous_us_;  // when the event before was to happen
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_SCRIPT_RUN_H_
