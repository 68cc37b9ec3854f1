#include "kernel/mbuf/mbuf_host.h"

#include <cerrno>
#include <map>
#include <utility>

#include "kernel/mbuf/mbuf_account.h"
#include "kernel/mbuf/mbuf_trace.h"

namespace sockbed {
namespace {

constexpr EventType kTypes[] = {
    {"LIMIT", "{0:s} refused, {1} of {2} bytes in use"},
    {"MWAIT", "{0:s} waited for, {1} of {2} bytes in use"},
    {"MWAKE", "{0:s} to the first who waits, {1} of {2} bytes in use"},
    {"DEFRAG", "packet {o}, {0} bytes, into one mbuf"},
    {"MAXCL", "limit is now {0} clusters"},
};

const MbufAccount& AccountOf(const HostBase& host) {
  return *HostLocal<MbufHost>::Of(const_cast<HostBase&>(host)).account;
}

}  // namespace

void mbuf_describe(Trace& trace) { trace.Describe(Room::kMbuf, {kTypes, {}}); }

void mbuf_boot(HostBase& host) {
  MbufPool& pool = MachineLocal<MbufPool>::Of(Here().machine->store());
  MbufAccount* const account = pool.OpenAccount(host);
  HostLocal<MbufHost>::Make(host, account);
  host.sysctls.Add("kern.maxclusters",
                   {.value = &account->nmbclust, .check = [account](int64_t clusters) {
                      if (clusters <= 0 || clusters > INT64_MAX / MCLBYTES) return ERANGE;
                      account->SetLimit(clusters);
                      return 0;
                    }});
  host.live_counts.push_back({"mbuf", &account->pools[kMbufs].live});
  host.live_counts.push_back({"cluster", &account->live_clusters});
  host.live_counts.push_back({"mbuf tag", &account->live_tags});
}

const mbstat& mbuf_stat(const HostBase& host) { return AccountOf(host).stat; }

std::vector<MbufPoolStat> mbuf_pools(const HostBase& host) {
  const MbufAccount& account = AccountOf(host);
  std::vector<MbufPoolStat> stats;
  for (int pool = 0; pool < kPools; ++pool) {
    const MbufAccount::Pool& p = account.pools[pool];
    const PoolClass& c = kPoolClasses[pool];
    const int64_t pages = c.page_bytes / kMbufPageBytes;
    stats.push_back({c.name, static_cast<int32_t>(c.size), p.live, account.PagesUsed(pool) * pages,
                     p.pages_max * pages, p.pages_max * c.per_page, p.failures});
  }
  return stats;
}

std::optional<fault::Rule> mbuf_pool_rule(std::string_view pool) {
  for (int i = 0; i < kPools; ++i) {
    if (pool != kPoolClasses[i].name) continue;
    return fault::Rule{.site = PoolFault(i), .only_object = static_cast<uint64_t>(i)};
  }
  return std::nullopt;
}

std::vector<std::string> mbuf_pool_names() {
  std::vector<std::string> names;
  for (const PoolClass& pool : kPoolClasses) names.emplace_back(pool.name);
  return names;
}

int m_pool_used() {
  const MbufAccount& account = CurrentAccount();
  // Of pages that are kept some are used: mostly that says it, without a division for each pool.
  if (account.bytes * 100 < account.limit) return 0;
  return static_cast<int>(account.bytes_used() * 100 / account.limit);
}

std::string mbuf_leaks(const HostBase& host) {
  const MbufAccount& account = AccountOf(host);
  // By place and type, so that the order owes nothing to addresses.
  std::map<std::string, int64_t> places;
  account.memory->items[kMbufs].ForEachMade([&](const void* item) {
    const mbuf* m = static_cast<const mbuf*>(item);
    if (m->m_type == kFreed || m->m_account != &account) return;
    std::string place = std::string(m->m_site.file) + ":" + std::to_string(m->m_site.line) +
                        " type " + std::to_string(m->m_type);
    if ((m->m_flags & M_EXT) != 0) place += " with " + std::to_string(m->m_ext.ext_size) + " bytes";
    ++places[place];
  });
  std::string report;
  for (const auto& [place, count] : places) {
    report += std::to_string(count) + (count == 1 ? " mbuf" : " mbufs") + " from " + place + "\n";
  }
  return report;
}

}  // namespace sockbed
