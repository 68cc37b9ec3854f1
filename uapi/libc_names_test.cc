// Walks the C library's names: each function that could reach the real kernel on behalf of a
// simulated process must be the shim's, simulated or refused. A name that a new C library brings
// fails the test until somebody has said what it is.
#include <dlfcn.h>
#include <elf.h>
#include <fnmatch.h>
#include <fts.h>
#include <resolv.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "uapi/posix.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

struct Harmless {
  const char* why;
  const char* names;  // patterns of fnmatch(3)
};

constexpr Harmless kHarmless[] = {
    {"text and numbers",
     "str* mem* wcs* wmem* wcp* stp* is* tow* to* mb* wc* c8rtomb c16rtomb c32rtomb btowc bcmp "
     "bcopy bzero explicit_bzero rawmemchr index rindex ffs* swab a64l l64a ato* abs labs llabs "
     "imax* div ldiv lldiv copysign* frexp* ldexp* modf* scalb* finite* ecvt* fcvt* gcvt qecvt* "
     "qfcvt* qgcvt nan* *printf *scanf parse_printf_format printf_size* htonl htons ntohl ntohs "
     "inet_* inet6_* ether_* ns_* dn_* hstrerror herror gai_strerror _tolower _toupper basename "
     "dirname getsubopt fmtmsg addseverity rpmatch des_setparity ecb_crypt cbc_crypt xencrypt "
     "xdecrypt passwd2des advance step"},
    {"memory of the process, and tables in it",
     "malloc* calloc realloc* free cfree aligned_alloc posix_memalign valloc pvalloc mall* mcheck* "
     "mprobe mtrace muntrace tr_break qsort* bsearch lfind lsearch hcreate* hdestroy* hsearch* "
     "tsearch tfind tdelete tdestroy twalk* insque remque obstack_* _obstack_* argz_* envz_* "
     "argp_* wordfree globfree* glob_pattern_p mprotect munmap mremap madvise posix_madvise msync "
     "mincore mlock* munlock* brk sbrk remap_file_pages pkey_*"},
    {"streams: a program's are over simulated descriptors",
     "f* *_unlocked getc getchar getw getwc getwchar getdelim getline gets put[csw]* setbuf* "
     "setvbuf setlinebuf unget* "
     "rewind perror psignal psiginfo vwarn* warn* open_memstream open_wmemstream clearerr "
     "_flushlbf *fw* _IO_* sgetspent* sgetsgent* putpwent hasmntopt"},
    {"the program's environment, locale and time zone",
     "getenv secure_getenv setenv putenv unsetenv clearenv getopt* setlocale localeconv newlocale "
     "duplocale freelocale uselocale nl_* cat* iconv* *gettext bind* textdomain ctime* asctime* "
     "gmtime* localtime* mktime timegm timelocal difftime dysize tzset reg* re_*"},
    {"chance from a state that the program has, or gives",
     "rand rand_r random* srand* initstate* setstate* *rand48* seed48* lcong48*"},
    {"attributes and sets",
     "pthread_*attr_* pthread_equal pthread_*_init pthread_*_destroy pthread_getattr_default_np "
     "pthread_setattr_default_np pthread_setconcurrency pthread_getconcurrency "
     "pthread_mutex_consistent_np pthread_atfork pthread_yield sem_init sem_destroy sem_getvalue "
     "mtx_init cnd_init thrd_equal sig*set sigismember sigabbrev_np sigdescr_np posix_spawn*_* "
     "sched_get_priority_* cf* gnu_* getutmp* group_member alphasort* versionsort* "
     "if_freenameindex freeifaddrs"},
    {"jumps within the program",
     "*setjmp *longjmp* getcontext setcontext makecontext swapcontext backtrace*"},
    {"what the hardware is",
     "confstr getauxval getpagesize gnu_dev_* get_kernel_syms __getauxval __getpagesize "
     "__x86_get_cpuid_feature_leaf"},
    {"what compilers and fortified headers make of the above",
     "__str* __mem* __wcs* __wmem* __wcp* __stp* __is* __mb* __argz* __*printf* __v*scanf* __isoc* "
     "__wc*_chk __f[gr]*_chk __gets_chk __confstr_chk __explicit_bzero_chk __longjmp_chk "
     "__*_l __to* __ctype_* __finite* __signbit* __bzero __ffs __rawmemchr __xpg_basename "
     "__xpg_strerror_r __asprintf __errno_location __h_errno_location __cmsg_nxthdr __sigsetjmp "
     "__sig*set __sigismember __libc_current_sigrt* __sched_cpu* __sched_get_priority_* "
     "__stack_chk_fail __chk_fail __fdelt_warn __assert __assert_perror_fail __cxa_* "
     "__register_atfork __pthread_mutexattr_* __pthread_*_init __pthread_*_destroy "
     "__pthread_cleanup_routine"},
    {"what streams are made of",
     "__fbufsize __flbf __fpending __fpurge __f*able __f*ing __fsetlocking __getdelim __overflow "
     "__uflow __underflow __w*flow __printf_fp __endmntent"},
    {"memory, locales and the rest of the above, under a second name",
     "__libc_*alloc* __libc_mall* __libc_memalign __libc_free* __sbrk __default_morecore "
     "__backtrace* __*locale __*gettext __gmtime_r __posix_getopt __secure_getenv __dn_* "
     "__res_*ok __res_nclose __res_*mkquery __res_randomid __res_state __twalk* __tfind "
     "__tsearch __tdelete __libc_sa_len"},
    {"internal: no header declares them",
     "__nss_* __rpc_* __libc_init_first __libc_start_main __libc_allocate_rtsig __ivaliduser "
     "__cyg_profile_* __fentry__ __monstartup __profile_frequency _nss_* _dl_* _rpc_dtablesize "
     "_seterr_reply _authenticate _mcleanup _mcount mcount moncontrol monstartup "
     "_pthread_cleanup_* pthread_kill_other_threads_np sstk ttyslot"},
    {"what works on what refused names would have made",
     "xdr* svc* clnt* auth* xprt_* putsg* endmntent addmntent res_*ok res_mkquery res_nmkquery "
     "fts*"},
    {"the dynamic linker: libraries are the OS process's", "dl*"},
};

bool IsHarmless(const std::string& name) {
  for (const Harmless& group : kHarmless) {
    std::istringstream patterns(group.names);
    for (std::string pattern; patterns >> pattern;) {
      if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
    }
  }
  return false;
}

// The dynamic symbols of an ELF file.
class Symbols {
 public:
  explicit Symbols(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    elf_.assign(std::istreambuf_iterator<char>(in), {});
    const auto* const header = At<Elf64_Ehdr>(0);
    sections_ = At<Elf64_Shdr>(header->e_shoff);
    for (int i = 0; i < header->e_shnum; ++i) {
      if (sections_[i].sh_type == SHT_DYNSYM) symbols_ = &sections_[i];
      if (sections_[i].sh_type == SHT_GNU_versym) versions_ = &sections_[i];
      if (sections_[i].sh_type == SHT_GNU_verdef) FindPrivateVersion(sections_[i]);
    }
  }
  // The names of the functions that it defines for others than the C library's own parts.
  std::set<std::string> Functions() const {
    std::set<std::string> names;
    const auto* const symbols = At<Elf64_Sym>(symbols_->sh_offset);
    for (size_t i = 0; i < symbols_->sh_size / sizeof *symbols; ++i) {
      const int type = ELF64_ST_TYPE(symbols[i].st_info);
      const bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
      if (!function || symbols[i].st_shndx == SHN_UNDEF || IsPrivate(i)) continue;
      names.insert(At<char>(sections_[symbols_->sh_link].sh_offset) + symbols[i].st_name);
    }
    return names;
  }

 private:
  template <typename T>
  const T* At(size_t offset) const {
    return reinterpret_cast<const T*>(elf_.data() + offset);
  }
  void FindPrivateVersion(const Elf64_Shdr& section) {
    const char* const texts = At<char>(sections_[section.sh_link].sh_offset);
    size_t at = section.sh_offset;
    for (unsigned i = 0; i < section.sh_info; ++i) {
      const auto* const version = At<Elf64_Verdef>(at);
      const auto* const name = At<Elf64_Verdaux>(at + version->vd_aux);
      if (texts + name->vda_name == std::string("GLIBC_PRIVATE")) private_ = version->vd_ndx;
      at += version->vd_next;
    }
  }
  bool IsPrivate(size_t symbol) const {
    return versions_ != nullptr && At<Elf64_Half>(versions_->sh_offset)[symbol] == private_;
  }

  std::string elf_;
  const Elf64_Shdr* sections_ = nullptr;
  const Elf64_Shdr* symbols_ = nullptr;
  const Elf64_Shdr* versions_ = nullptr;
  int private_ = -1;
};

// Where a library that asks for that name finds it.
std::string OwnerOf(const std::string& name) {
  Dl_info info;
  void* const found = dlsym(RTLD_DEFAULT, name.c_str());
  return found != nullptr && dladdr(found, &info) != 0 ? info.dli_fname : "";
}

TEST(LibcNames, NoneLeadsPastTheShim) {
  const std::string libc = OwnerOf("gnu_get_libc_version");
  const std::set<std::string> names = Symbols(libc).Functions();
  ASSERT_GT(names.size(), 2000u) << libc;
  std::string open;
  for (const std::string& name : names) {
    if (OwnerOf(name) == libc && !IsHarmless(name)) open += " " + name;
  }
  EXPECT_EQ(open, "");
}

class Refused : public TwoHosts {};

// Nobody is answered by the real kernel, and the console says what was asked for, and by whom.
TEST_F(Refused, FailsAndIsNamed) {
  server_.Spawn("prog", [] {
    EXPECT_THAT(::fork(), FailsWith(ENOSYS));
    EXPECT_THAT(::vfork(), FailsWith(ENOSYS));
    EXPECT_THAT(::execl("/bin/true", "true", nullptr), FailsWith(ENOSYS));
    EXPECT_THAT(::inotify_init1(0), FailsWith(ENOSYS));
    EXPECT_THAT(::memfd_create("x", 0), FailsWith(ENOSYS));
    EXPECT_THAT(::system("true"), FailsWith(ENOSYS));
    stack_t stack{};
    EXPECT_THAT(::sigaltstack(&stack, nullptr), FailsWith(ENOSYS));
    EXPECT_EQ(::sigaltstack(nullptr, &stack), 0) << "one may look";
    EXPECT_THAT(::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0), FailsWith(ENOSYS));
    EXPECT_EQ(::popen("true", "r"), nullptr);
    clockid_t clock;
    EXPECT_EQ(::pthread_getcpuclockid(::pthread_self(), &clock), ENOSYS);
    unsigned char answer[512];
    EXPECT_THAT(::res_query("example.org", 1, 1, answer, sizeof answer), FailsWith(ENOSYS));
  });
  Run();
  ASSERT_EQ(sim_.console().size(), 11u);
  EXPECT_EQ(sim_.console().front().text, "fork() is not simulated");
  EXPECT_EQ(sim_.console().front().process, "prog");
}

TEST_F(Refused, IsTheCLibrarysOutside) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(7);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  const int fd = ::memfd_create("x", 0);
  EXPECT_EQ(::dprintf(fd, "%d %s", 5, "words"), 7);
  ::close(fd);
}

}  // namespace
}  // namespace sockbed
