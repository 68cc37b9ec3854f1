#include "kernel/mbuf/mbuf_account.h"

#include <algorithm>
#include <utility>

#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/mbuf/mbuf_trace.h"
#include "kernel/sched/spl.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

void EmitPool(MbufRecord type, int pool, const MbufAccount& account) {
  Emit(Room::kMbuf, static_cast<uint8_t>(type), 0, PackText(kPoolClasses[pool].name),
       static_cast<uint64_t>(account.bytes_used()), static_cast<uint64_t>(account.limit));
}

constexpr size_t RoundUp(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

// Waits in one line with all waiters of the account. A process that ends with its host while it
// waits unwinds through the destructor.
class MbufAccount::Waiter {
 public:
  // Not inline: g++ 12 would warn that the address stored outlives the object, not seeing that the
  // destructor takes it back.
  [[gnu::noinline]] Waiter(MbufAccount& account, int pool) : account_(account), pool_(pool) {
    (account.last_waiter != nullptr ? account.last_waiter->next_ : account.first_waiter) = this;
    previous_ = std::exchange(account.last_waiter, this);
    account.SetBounds();
  }
  ~Waiter() {
    if (!granted_) Leave();
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Takes this out of the line: the item is paid for.
  void Grant() {
    Leave();
    granted_ = true;
  }

  int pool() const { return pool_; }
  bool granted() const { return granted_; }
  Waiter* next() const { return next_; }

 private:
  void Leave() {
    (previous_ != nullptr ? previous_->next_ : account_.first_waiter) = next_;
    (next_ != nullptr ? next_->previous_ : account_.last_waiter) = previous_;
    account_.SetBounds();
  }

  MbufAccount& account_;
  const int pool_;
  bool granted_ = false;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
};

void MbufAccount::SetBounds(int pool) {
  Pool& p = pools[pool];
  const int64_t per_page = kPoolClasses[pool].per_page;
  p.room = watched() ? 0 : p.pages * per_page;
  p.floor = watched() || bytes > limit ? INT64_MAX : -1;
}

void MbufAccount::SetBounds() {
  for (int pool = 0; pool < kPools; ++pool) SetBounds(pool);
}

int64_t MbufAccount::PagesUsed(int pool) const {
  const int64_t per_page = kPoolClasses[pool].per_page;
  return (pools[pool].live + per_page - 1) / per_page;
}

int64_t MbufAccount::bytes_used() const {
  int64_t used = 0;
  for (int pool = 0; pool < kPools; ++pool) used += PagesUsed(pool) * kPoolClasses[pool].page_bytes;
  return used;
}

void MbufAccount::GiveEmptyPagesBack() {
  for (int pool = 0; pool < kPools; ++pool) pools[pool].pages = PagesUsed(pool);
  bytes = bytes_used();
  SetBounds();
}

bool MbufAccount::PageFits(int pool) {
  const int32_t page_bytes = kPoolClasses[pool].page_bytes;
  if (bytes + page_bytes > limit) GiveEmptyPagesBack();
  return bytes + page_bytes <= limit;
}

void MbufAccount::TakePage(int pool) {
  Pool& p = pools[pool];
  bytes += kPoolClasses[pool].page_bytes;
  ++p.pages;
  p.pages_max = std::max(p.pages_max, p.pages);
  bytes > limit ? SetBounds() : SetBounds(pool);
}

bool MbufAccount::TryCharge(int pool) {
  Pool& p = pools[pool];
  if (p.live == p.pages * kPoolClasses[pool].per_page) {
    if (!PageFits(pool)) return false;
    TakePage(pool);
  }
  ++p.live;
  return true;
}

void MbufAccount::ChargeArrived(int pool) {
  if (MayCharge(pool)) [[likely]]
    return ChargeAtOnce(pool);
  Pool& p = pools[pool];
  if (p.live == p.pages * kPoolClasses[pool].per_page) {
    (void)PageFits(pool);  // it has come, whether it does or not
    TakePage(pool);
  }
  ++p.live;
}

bool MbufAccount::Refuse(int pool) {
  ++pools[pool].failures;
  ++stat.m_drops;
  return false;
}

// Whether somebody already waits for this pool. Who waits for another, larger item does not count:
// pools queue separately.
bool MbufAccount::Awaited(int pool) const {
  for (const Waiter* w = first_waiter; w != nullptr; w = w->next()) {
    if (w->pool() == pool) return true;
  }
  return false;
}

bool MbufAccount::ChargeSlowly(int pool, int how) {
  if (how == M_DONTWAIT && fault::Fires(PoolFault(pool), static_cast<uint64_t>(pool))) {
    return Refuse(pool);
  }
  // Who may not wait need not queue either.
  if ((how == M_DONTWAIT || !Awaited(pool)) && TryCharge(pool)) return true;
  if (how == M_WAIT) {
    Wait(pool);
    return true;
  }
  EmitPool(MbufRecord::kLimit, pool, *this);
  return Refuse(pool);
}

void MbufAccount::Wait(int pool) {
  EmitPool(MbufRecord::kWait, pool, *this);
  ++pools[pool].failures;
  ++stat.m_drops;
  Waiter waiter(*this, pool);
  while (!waiter.granted()) {
    // Not interruptible and without limit of time: the result says nothing.
    (void)tsleep(&waiter, PSWP, kPoolClasses[pool].name, 0);
  }
}

void MbufAccount::AfterRelease(int pool) {
  KASSERT(pools[pool].live >= 0);  // nothing is given back twice
  if (bytes > limit) GiveEmptyPagesBack();
  if (first_waiter != nullptr) WakeSoon();
  if (host == nullptr && idle()) memory->RecycleAccount(this);
}

void MbufAccount::ReleaseTag() {
  KASSERT(live_tags > 0);
  --live_tags;
  if (host == nullptr && idle()) memory->RecycleAccount(this);
}

// One scheduling step after the free: whoever frees is in the middle of something, maybe on another
// host.
void MbufAccount::WakeSoon() {
  if (wake_event.pending()) return;
  wake_event.handler = &Wake;
  wake_event.ipl = IPL_VM;
  wake_event.account = this;
  Here().machine->Schedule(&wake_event, Now());
  wake_event.host = host;
  wake_event.host_id = host->id;
}

// Gives what there is to the waiters, first come, first served within each pool.
void MbufAccount::Wake(Event* event) {
  MbufAccount& account = *static_cast<WakeEvent*>(event)->account;
  std::array<bool, kPools> short_of{};
  for (Waiter* w = account.first_waiter; w != nullptr;) {
    Waiter* const next = w->next();
    const int pool = w->pool();
    if (!short_of[pool]) {
      if (account.TryCharge(pool)) {
        EmitPool(MbufRecord::kWake, pool, account);
        w->Grant();
        wakeup(w);
      } else {
        short_of[pool] = true;
      }
    }
    w = next;
  }
}

void MbufAccount::SetLimit(int64_t clusters) {
  KASSERT(clusters > 0 && clusters <= INT64_MAX / MCLBYTES);
  limit = clusters * MCLBYTES;
  GiveEmptyPagesBack();
  Emit(Room::kMbuf, static_cast<uint8_t>(MbufRecord::kSetLimit), 0,
       static_cast<uint64_t>(clusters));
  if (first_waiter != nullptr) WakeSoon();
}

void MbufAccount::Open(MbufPool* memory_in, HostBase& host_in) {
  *this = MbufAccount{};
  memory = memory_in;
  host = &host_in;
  faulty = Here().fault_plan != nullptr;
  SetBounds();
}

void MbufAccount::Close() {
  KASSERT(first_waiter == nullptr);
  if (wake_event.pending()) Here().machine->Cancel(&wake_event);
  host = nullptr;
  SetBounds();
  if (idle()) memory->RecycleAccount(this);
}

bool MbufAccount::idle() const {
  return live_tags == 0 &&
         std::all_of(pools.begin(), pools.end(), [](const Pool& p) { return p.live == 0; });
}

namespace {

// Of a free mbuf the fields before m_ext may be looked at: to catch who frees it twice, and to list
// those in use.
constexpr size_t kMbufReadable = 56;

ItemPool MakePool(int pool) {
  if (pool == kMbufs) return ItemPool(RoundUp(sizeof(mbuf), 64), kMbufReadable);
  return ItemPool(RoundUp(kPoolClasses[pool].size, 64), 0);
}

template <int... kPool>
std::array<ItemPool, kPools> MakePools(std::integer_sequence<int, kPool...>) {
  return {{MakePool(kPool)...}};
}

}  // namespace

MbufPool::MbufPool()
    : items(MakePools(std::make_integer_sequence<int, kPools>())),
      tags(RoundUp(sizeof(m_tag), 64), 0) {}

MbufAccount* MbufPool::OpenAccount(HostBase& host) {
  // The first host of a machine: release functions are registered anew.
  if (idle_accounts.size() == accounts.size()) ext_free_count = 1;
  if (idle_accounts.empty()) {
    accounts.push_back(std::make_unique<MbufAccount>());
    idle_accounts.push_back(accounts.back().get());
  }
  MbufAccount* const account = idle_accounts.back();
  idle_accounts.pop_back();
  account->Open(this, host);
  return account;
}

void MbufPool::RecycleAccount(MbufAccount* account) {
  KASSERT(account->idle() && !account->wake_event.pending());
  idle_accounts.push_back(account);
}

}  // namespace sockbed
