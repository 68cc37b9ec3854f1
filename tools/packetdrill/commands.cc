#include "tools/packetdrill/commands.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "kernel/inet/in6.h"
#include "kernel/inet/route.h"
#include "kernel/tcp/tcp.h"
#include "kernel/tcp/tcp_netstat.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

absl::Status Failed(const std::string& why) { return absl::FailedPreconditionError(why); }
absl::Status Unknown(const std::string& command) {
  return absl::UnimplementedError(
      absl::StrCat("'", command, "' is none of the commands that the simulated host knows"));
}

// One pipeline, and the sign in front of it: ';', '&' for "&&", '|' for "||".
struct Step {
  char sign = ';';
  std::vector<std::vector<std::string>> stages;
};

// The words of a shell's command line, as far as the known forms need them.
class ShellReader {
 public:
  explicit ShellReader(const std::string& text) : text_(text) {}

  std::vector<Step> Read() {
    Begin(';');
    while (at_ < text_.size()) Next();
    EndStage();
    std::erase_if(steps_, [](const Step& step) { return step.stages.empty(); });
    return std::move(steps_);
  }

 private:
  bool Starts(const char* what) const { return text_.compare(at_, strlen(what), what) == 0; }
  void Begin(char sign) {
    EndStage();
    steps_.push_back({sign, {}});
  }
  void EndWord() {
    if (in_word_) words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }
  void EndStage() {
    EndWord();
    DropRedirections();
    if (!words_.empty()) steps_.back().stages.push_back(std::move(words_));
    words_.clear();
  }
  // "> /dev/null", "2>&1", "&> file".
  void DropRedirections() {
    for (size_t i = 0; i < words_.size();) {
      const size_t sign = words_[i].find('>');
      if (sign == std::string::npos || sign > 1) {
        ++i;
        continue;
      }
      const bool alone = sign + 1 == words_[i].size();
      const size_t n = alone && i + 1 < words_.size() ? 2 : 1;
      words_.erase(words_.begin() + static_cast<ptrdiff_t>(i),
                   words_.begin() + static_cast<ptrdiff_t>(i + n));
    }
  }
  void Quoted(char quote) {
    in_word_ = true;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) word_ += text_[at_];
    ++at_;
  }
  void Next() {
    const char c = text_[at_];
    if (c == '\'' || c == '"') return Quoted(c);
    if (c == '#' && !in_word_) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (Starts("&&") || Starts("||")) {
      at_ += 2;
      Begin(c);
    } else if (c == ';' || c == '\n') {
      ++at_;
      Begin(';');
    } else if (c == '|') {
      ++at_;
      EndStage();
    } else if (Starts("\\\n")) {  // the line goes on
      at_ += 2;
    } else if (c == ' ' || c == '\t') {
      ++at_;
      EndWord();
    } else {
      word_ += c;
      in_word_ = true;
      ++at_;
    }
  }

  const std::string& text_;
  size_t at_ = 0;
  std::string word_;
  bool in_word_ = false;
  std::vector<std::string> words_;
  std::vector<Step> steps_;
};

constexpr const char* kStateNames[] = {"CLOSED",      "LISTEN",     "SYN_SENT",   "SYN_RCVD",
                                       "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "CLOSING",
                                       "LAST_ACK",    "FIN_WAIT_2", "TIME_WAIT"};

std::optional<TcpState> StateOf(const std::string& name) {
  for (size_t i = 0; i < std::size(kStateNames); ++i) {
    if (name == kStateNames[i]) return static_cast<TcpState>(i);
  }
  return std::nullopt;
}

// Linux's names for what this host has, too.
struct LinuxName {
  const char* linux_name;
  const char* name;
};
constexpr LinuxName kLinuxNames[] = {{"net.ipv4.tcp_timestamps", "net.inet.tcp.rfc1323"},
                                     {"net.ipv4.tcp_sack", "net.inet.tcp.sack"},
                                     {"net.ipv4.tcp_ecn", "net.inet.tcp.ecn"},
                                     {"net.ipv4.tcp_wmem", "net.inet.tcp.sendspace"},
                                     {"net.ipv4.tcp_rmem", "net.inet.tcp.recvspace"}};

// An address of either family.
std::optional<inpaddru> KeyAddress(const std::string& text) {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return inpaddru(v4);
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return inpaddru(v6);
  return std::nullopt;
}

}  // namespace

absl::Status Commands::Run(const std::string& text) {
  absl::Status status;
  for (const Step& step : ShellReader(text).Read()) {
    if ((step.sign == '&' && !status.ok()) || (step.sign == '|' && status.ok())) continue;
    status = RunPipeline(step.stages);
    if (absl::IsUnimplemented(status)) return status;
  }
  return status;
}

absl::Status Commands::RunPipeline(const std::vector<Words>& stages) {
  const Words& words = stages[0];
  const std::string& name = words[0];
  if (ignored_commands_.count(name) != 0) return absl::OkStatus();
  if (name == "sockstat") return Sockstat(stages);
  if (name == "echo" && stages.size() == 2 && stages[1] == Words{"setkey", "-c"}) {
    return Setkey(absl::StrJoin(words.begin() + 1, words.end(), " "));
  }
  if (stages.size() != 1) return Unknown(absl::StrCat(name, " ... | ", stages[1][0], " ..."));
  if (name == "sysctl") return Sysctl(words);
  if (name == "tcpdrop") return Tcpdrop(words);
  if (words == Words{"setkey", "-F"}) {
    tcp_md5_flush(host_->host());
    return absl::OkStatus();
  }
  if (name == "kldstat" || name == "kldload") {
    // What scripts ask for is built in.
    return words.back() == "tcpmd5" ? absl::OkStatus() : Unknown(absl::StrJoin(words, " "));
  }
  // google's suite: every host starts from its defaults, and is gone at the end.
  if (absl::EndsWith(name, "defaults.sh")) return absl::OkStatus();
  if (absl::StrContains(name, "sysctl_restore")) return absl::OkStatus();
  if (absl::EndsWith(name, "set_sysctls.py")) return Sysctl(words);
  return Unknown(name);
}

absl::Status Commands::Sysctl(const Words& words) {
  bool lenient = false;
  bool assigned = false;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    lenient |= word == "-e";
    if (word == "-w" || word == "-q" || word == "-e" || word == "-n") continue;
    const size_t equals = word.find('=');
    if (equals == std::string::npos) return Unknown(absl::StrCat("sysctl ", word));
    absl::Status status = SetSysctl(word.substr(0, equals), word.substr(equals + 1), lenient);
    if (!status.ok()) return status;
    assigned = true;
  }
  return assigned ? absl::OkStatus() : Unknown(absl::StrJoin(words, " "));
}

absl::Status Commands::SetSysctl(std::string name, const std::string& text, bool lenient) {
  if (absl::StartsWith(name, "/proc/sys/")) name = name.substr(strlen("/proc/sys/"));
  name = absl::StrReplaceAll(name, {{"/", "."}});
  if (ignored_sysctls_.count(name) != 0) return absl::OkStatus();
  std::string value = text;
  if (name == "net.ipv4.tcp_wmem" || name == "net.ipv4.tcp_rmem") {
    // "LEAST DEFAULT MOST": a socket starts with the second.
    const Words sizes = absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (sizes.size() == 3) value = sizes[1];
  }
  for (const auto& known : kLinuxNames) {
    if (name == known.linux_name) name = known.name;
  }
  if (ignored_sysctls_.count(name) != 0) return absl::OkStatus();
  if (name == "net.inet.tcp.hostcache.purgenow") {
    PurgeHostCache();
    return absl::OkStatus();
  }
  const HostScope scope(host_->host());
  SysctlTable& sysctls = host_->host().sysctls;
  const int error = sysctls.SetText(name, value);
  if (error == 0) return absl::OkStatus();
  if (error == ENOENT && lenient) return absl::OkStatus();
  if (error == ENOENT) return Failed(absl::StrCat("sysctl: the host has no ", name));
  const std::string why = error == EINVAL ? "it is " + sysctls.Wants(name) : strerror(error);
  return Failed(absl::StrCat("sysctl ", name, "=", value, ": ", why));
}

// What the host has learnt of single peers: the routes that ICMP messages made.
void Commands::PurgeHostCache() {
  const HostScope scope(host_->host());
  std::vector<rtentry*> learnt;
  rt_foreach([&](const rtentry& rt) {
    if ((rt.rt_flags & RTF_DYNAMIC) == 0) return;
    learnt.push_back(rt_get(rt.rt_family, rt.rt_dest, rt.rt_plen, rt.rt_priority));
  });
  for (rtentry* rt : learnt) rt_delete(rt);
}

// "sockstat -4 -P tcp -s [-p PORT] [| grep packetdril] | grep -c STATE | grep N": N stands in the
// number of sockets.
absl::Status Commands::Sockstat(const std::vector<Words>& stages) {
  int family = 0;
  std::optional<uint32_t> port;
  for (size_t i = 1; i < stages[0].size(); ++i) {
    const std::string& word = stages[0][i];
    uint32_t number;
    if (word == "-4" || word == "-6") {
      family = word == "-4" ? AF_INET : AF_INET6;
    } else if (word == "-P" && i + 1 < stages[0].size() && stages[0][i + 1] == "tcp") {
      ++i;
    } else if (word == "-p" && i + 1 < stages[0].size() &&
               absl::SimpleAtoi(stages[0][i + 1], &number)) {
      port = number;
      ++i;
    } else if (word != "-s") {
      return Unknown(absl::StrCat("sockstat ", word));
    }
  }
  if (family == 0) return Unknown("sockstat without -4 or -6");
  bool owned = false;
  size_t at = 1;
  if (stages.size() == 4 && stages[1].size() == 2 && stages[1][0] == "grep" &&
      absl::StartsWith("packetdrill", stages[1][1])) {
    owned = true;
    ++at;
  }
  const bool shape = stages.size() == at + 2 && stages[at].size() == 3 && stages[at][0] == "grep" &&
                     stages[at][1] == "-c" && stages[at + 1].size() == 2 &&
                     stages[at + 1][0] == "grep";
  const std::optional<TcpState> state = shape ? StateOf(stages[at][2]) : std::nullopt;
  if (!state) return Unknown("sockstat | grep ... of this shape");
  int count = 0;
  for (const TcpEndpoint& endpoint : tcp_endpoints(host_->host())) {
    if (endpoint.state != *state || endpoint.family != family) continue;
    if (owned && !endpoint.owned) continue;
    if (port && endpoint.lport != *port && endpoint.fport != *port) continue;
    ++count;
  }
  // A socket whose connection has ended has no endpoint any more, and is shown as closed.
  if (*state == TCPS_CLOSED && !port) {
    const auto count_ended = [&] {
      for (const auto& [script, live] : calls_->descriptors()) {
        int value;
        socklen_t length = sizeof value;
        const int result = uapi::getsockopt(live, IPPROTO_TCP, TCP_NODELAY, &value, &length);
        if (result < 0 && errno == ECONNRESET) ++count;
      }
    };
    if (!host_->Do(count_ended, host_->now_us())) {
      return Failed("which sockets are closed cannot be told while a call sleeps");
    }
  }
  if (absl::StrContains(absl::StrCat(count), stages[at + 1][1])) return absl::OkStatus();
  return Failed(absl::StrCat("the number of sockets in ", stages[at][2], " is ", count));
}

absl::Status Commands::Tcpdrop(const Words& words) {
  if (words.size() != 3 || words[1] != "-s") return Unknown("tcpdrop of this shape");
  const std::optional<TcpState> state = StateOf(words[2]);
  if (!state) return Unknown(absl::StrCat("tcpdrop -s ", words[2]));
  (void)tcp_drop_all(host_->host(), *state);  // none is no failure
  return absl::OkStatus();
}

// setkey(8): statements that end in a semicolon.
absl::Status Commands::Setkey(const std::string& input) {
  for (const absl::string_view statement : absl::StrSplit(input, ';')) {
    const Words words = absl::StrSplit(statement, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
    if (words.empty()) continue;
    if (absl::Status status = AddKey(words); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// "add SRC DST tcp SPI -A tcp-md5 "KEY"".
absl::Status Commands::AddKey(const Words& words) {
  const bool shape = words.size() == 8 && words[0] == "add" && words[3] == "tcp" &&
                     words[5] == "-A" && words[6] == "tcp-md5" && words[7].size() >= 2 &&
                     words[7].front() == '"' && words[7].back() == '"';
  const std::optional<inpaddru> src = shape ? KeyAddress(words[1]) : std::nullopt;
  const std::optional<inpaddru> dst = shape ? KeyAddress(words[2]) : std::nullopt;
  uint32_t spi;
  const bool has_spi = shape && (absl::SimpleAtoi(words[4], &spi) ||
                                 (absl::StartsWith(words[4], "0x") &&
                                  absl::SimpleHexAtoi(words[4], &spi)));
  if (!src || !dst || !has_spi) return Unknown(absl::StrCat("setkey: ", absl::StrJoin(words, " ")));
  tcp_md5_add(host_->host(), *src, *dst, words[7].substr(1, words[7].size() - 2));
  return absl::OkStatus();
}

}  // namespace sockbed::packetdrill
