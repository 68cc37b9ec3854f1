#include "kernel/host/simulation.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "kernel/host/host_trace.h"
#include "kernel/host/rooms.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_var.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/net/link.h"
#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

constexpr uint32_t kLinksMax = 65535;  // automatic networks: 10.0.1.0 .. 10.255.255.0
constexpr uint8_t kAutomaticPrefixLen = 30;

// A probability as the nearest fraction of 2^32.
Chance ToChance(double probability) {
  if (!(probability >= 0 && probability <= 1)) KPANIC("a probability outside 0 .. 1");
  return static_cast<Chance>(std::llround(probability * static_cast<double>(kAlways)));
}

SimTime ToNs(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) KPANIC("a negative duration");
  return absl::ToInt64Nanoseconds(duration);
}

LinkOptions ToLinkOptions(const LinkSpec& spec) {
  return {
      .latency_ns = ToNs(spec.latency),
      .rate_bps = spec.rate_bps,
      .loss = ToChance(spec.loss),
      .duplicate = ToChance(spec.duplicate),
      .reorder = ToChance(spec.reorder),
      .corrupt = ToChance(spec.corrupt),
      .reorder_delay_ns = ToNs(spec.reorder_delay),
      .jitter_ns = ToNs(spec.jitter),
      .queue_len = spec.queue_len,
      .mtu = spec.mtu,
      .ethernet = spec.ethernet,
  };
}

AddressSpec EndAddress(const std::string& wanted, uint32_t link, uint32_t end) {
  if (wanted.empty()) return {{htonl(10u << 24 | link << 8 | (end + 1))}, kAutomaticPrefixLen};
  const std::optional<AddressSpec> parsed = ParseAddress(wanted);
  if (!parsed) KPANIC("not an address with its prefix length: " + wanted);
  return *parsed;
}

// "client: process 1 "echo""
std::string Name(const ProcessRecord& process) {
  return process.host_name + ": process " + std::to_string(process.pid) + " \"" + process.name +
         "\"";
}

std::string HowItEnded(const ProcessRecord& process) {
  std::string text = Name(process);
  if (WIFSIGNALED(process.status)) {
    text += " was ended by SIG" + std::string(sigabbrev_np(WTERMSIG(process.status)));
    if (!process.what.empty()) text += " (exception: " + process.what + ")";
  } else {
    text += " exited with status " + std::to_string(WEXITSTATUS(process.status));
  }
  return text + " at " + SecondsText(process.exit_time) + " s";
}

}  // namespace

namespace {

// "ADDRESS/LENGTH" of a family.
template <typename Spec>
std::optional<Spec> ParseWithPrefix(int family, std::string_view text, int length_most) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  Spec spec;
  if (inet_pton(family, std::string(text.substr(0, slash)).c_str(), &spec.address) != 1) {
    return std::nullopt;
  }
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + slash + 1, end, spec.prefix_len);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == end;
  if (!whole || spec.prefix_len > length_most) return std::nullopt;
  return spec;
}

}  // namespace

std::optional<AddressSpec> ParseAddress(std::string_view text) {
  return ParseWithPrefix<AddressSpec>(AF_INET, text, 32);
}

std::optional<AddressSpec6> ParseAddress6(std::string_view text) {
  return ParseWithPrefix<AddressSpec6>(AF_INET6, text, 128);
}

bool RunResult::AllEnded() const {
  return std::all_of(processes.begin(), processes.end(),
                     [](const ProcessRecord& process) { return process.exited || process.daemon; });
}

bool RunResult::ok() const { return Complaints().empty(); }

std::string RunResult::Complaints() const {
  std::string text;
  for (const ProcessRecord& process : processes) {
    if (process.exited && process.status != 0) text += HowItEnded(process) + "\n";
    if (!process.exited && !process.daemon) text += Name(process) + " has not ended\n";
  }
  for (const SleeperInfo& sleeper : sleepers) text += SleeperText(sleeper) + "\n";
  return text + leaks;
}

Simulation::Simulation(const Machine::Options& options) : machine_(options) {
  describe_rooms(machine_.trace());
}

Simulation::~Simulation() {
  const MachineScope scope(machine_);
  if (!finished_) {
    TearDown();
    if (const std::string leaks = Leaks(); !leaks.empty()) KPANIC("leaked:\n" + leaks);
  }
  links_.clear();
  hosts_.clear();
}

Host& Simulation::AddHost(std::string name, const HostOptions& options) {
  KASSERT(!finished_ && machine_.events_run() == 0);
  if (name.empty() || FindHost(name) != nullptr) KPANIC("a host needs a name of its own: " + name);
  const MachineScope scope(machine_);
  const HostId id = static_cast<HostId>(hosts_.size() + 1);
  hosts_.push_back(std::make_unique<Host>(*this, id, std::move(name), options));
  Host& host = *hosts_.back();
  trace().NameHost(id, host.name);
  const HostScope on_host(host);
  boot_rooms(host);
  Emit(Room::kHost, static_cast<uint8_t>(HostRecord::kBoot), id,
       static_cast<uint64_t>(options.clock_offset));
  return host;
}

Link& Simulation::Connect(Host& first, Host& second, const LinkSpec& spec, PacketTap* tap) {
  KASSERT(!finished_ && links_.size() < kLinksMax);
  const MachineScope scope(machine_);
  const uint32_t number = static_cast<uint32_t>(links_.size() + 1);
  links_.push_back(std::make_unique<Link>(first, second, number, ToLinkOptions(spec), tap));
  Link& link = *links_.back();
  Host* const ends[] = {&first, &second};
  const AddressSpec addresses[] = {EndAddress(spec.first_address, number, 0),
                                   EndAddress(spec.second_address, number, 1)};
  for (int end = 0; end < 2; ++end) {
    const HostScope on_host(*ends[end]);
    const AddressSpec& a = addresses[end];
    if (in_ifadd(link.interface(end), a.address, a.prefix_len) != 0) {
      KPANIC("an address that the interface cannot have, or the host has already");
    }
    ends[end]->addresses_.push_back(
        {link.interface(end)->if_xname, a.address, a.prefix_len, ends[1 - end]->id});
  }
  const std::string* const wanted6[] = {&spec.first_address6, &spec.second_address6};
  for (int end = 0; end < 2; ++end) {
    if (wanted6[end]->empty()) continue;
    const std::optional<AddressSpec6> a = ParseAddress6(*wanted6[end]);
    if (!a) KPANIC("not an IPv6 address with its prefix length: " + *wanted6[end]);
    const HostScope on_host(*ends[end]);
    if (in6_ifadd(link.interface(end), a->address, a->prefix_len) != 0) {
      KPANIC("an address that the interface cannot have, or the host has already");
    }
    ends[end]->addresses6_.push_back(
        {link.interface(end)->if_xname, a->address, a->prefix_len, ends[1 - end]->id});
  }
  Emit(Room::kHost, static_cast<uint8_t>(HostRecord::kLink), number, PackPair(first.id, second.id),
       PackEndpoint(ntohl(addresses[0].address.s_addr), 0),
       PackEndpoint(ntohl(addresses[1].address.s_addr), 0));
  return link;
}

RunResult Simulation::Run(const RunLimits& limits) {
  RunUntil(limits);
  return Finish();
}

Machine::End Simulation::RunUntil(const RunLimits& limits) {
  KASSERT(!finished_);
  last_end_ = machine_.Run(limits.deadline, limits.progress);
  return last_end_;
}

RunResult Simulation::Finish() {
  KASSERT(!finished_);
  const MachineScope scope(machine_);
  RunResult result{
      .end = last_end_,
      .digest = trace().digest(),
      .time = machine_.now(),
      .events = machine_.events_run(),
      .processes = Processes(),
      .sleepers = UnexpectedSleepers(),
  };
  for (const ProcessRecord& process : result.processes) {
    result.last_exit = std::max(result.last_exit, process.exit_time);
  }
  trace().Flush();
  TearDown();
  result.leaks = Leaks();
  finished_ = true;
  return result;
}

Host* Simulation::FindHost(std::string_view name) {
  const auto found =
      std::ranges::find_if(hosts_, [&](const auto& host) { return host->name == name; });
  return found != hosts_.end() ? found->get() : nullptr;
}

Host* Simulation::FindHost(in_addr address) {
  const auto owns = [&](const std::unique_ptr<Host>& host) {
    return std::ranges::any_of(host->addresses(), [&](const HostAddress& a) {
      return a.address.s_addr == address.s_addr;
    });
  };
  const auto found = std::ranges::find_if(hosts_, owns);
  return found != hosts_.end() ? found->get() : nullptr;
}

Host* Simulation::FindHost(const in6_addr& address) {
  const auto owns = [&](const std::unique_ptr<Host>& host) {
    return std::ranges::any_of(
        host->addresses6(), [&](const HostAddress6& a) { return in6_equal(a.address, address); });
  };
  const auto found = std::ranges::find_if(hosts_, owns);
  return found != hosts_.end() ? found->get() : nullptr;
}

void Simulation::AddConsoleLine(ConsoleLine line) {
  if (console_sink_ != nullptr) console_sink_->Print(line);
  console_.push_back(std::move(line));
}

std::vector<ProcessRecord> Simulation::Processes() {
  std::vector<ProcessRecord> all;
  for (const std::unique_ptr<Host>& host : hosts_) {
    const size_t begin = all.size();
    all.insert(all.end(), host->exits_.begin(), host->exits_.end());
    proc_foreach(*host, [&](proc* p) {
      if (p->p_stat != ProcState::kZombie) all.push_back(host->RecordOf(*p));
    });
    std::ranges::sort(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end(), {},
                      &ProcessRecord::pid);
  }
  return all;
}

std::vector<SleeperInfo> Simulation::UnexpectedSleepers() {
  std::vector<SleeperInfo> all;
  for (const std::unique_ptr<Host>& host : hosts_) {
    for (SleeperInfo& sleeper : sleepers(*host)) {
      if (!host->IsDaemon(sleeper.pid)) all.push_back(std::move(sleeper));
    }
  }
  return all;
}

// Cuts the wires first: what the dying say on the network reaches nobody.
void Simulation::TearDown() {
  for (const std::unique_ptr<Link>& link : links_) {
    link->SetConnected(false);
    link->Halt();
  }
  for (const std::unique_ptr<Host>& host : hosts_) proc_killall(*host);
  for (const std::unique_ptr<Host>& host : hosts_) {
    const HostScope on_host(*host);
    halt_rooms(*host);
  }
}

std::string Simulation::Leaks() {
  std::string text;
  for (const std::unique_ptr<Host>& host : hosts_) {
    for (const LiveCount& live : host->live_counts) {
      if (*live.count == 0) continue;
      text += host->name + ": leaked " + std::to_string(*live.count) + " x " + live.what + "\n";
    }
    text += mbuf_leaks(*host);
  }
  return text;
}

}  // namespace sockbed
