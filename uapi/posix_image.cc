// Loading a program so that nothing of it is shared.
//
//   prog.so --copy--> memory file --dlopen-->  an object of its own: the dynamic linker tells
//     NEEDED libuv.so.1  becomes  libu00001x   objects apart by inode, path and SONAME
//   libuv.so.1 --copy--> memory file, SONAME libu00001x, loaded first: found by that name
//
// Names keep their length, so that they are written over where they stand. Undefined names are
// looked up in the executable first, and find the shim.
#undef _FORTIFY_SOURCE

#include "uapi/posix_image.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "uapi/outside.h"
#include "uapi/posix_real.h"

// The dynamic linker's: where a thread_local variable of the calling thread is. Makes an object's
// if they are asked for the first time.
struct tls_index {
  unsigned long module;
  unsigned long offset;
};
extern "C" void* __tls_get_addr(tls_index* index);

namespace sockbed {
namespace {

// How many names and paths were given out: none may be met again, even by what was never unloaded.
constinit uint64_t names_given;

// What `call` does with real files, wherever it is called.
template <typename Call>
auto Outside(Call call) {
  if (!InProcess()) return call();
  const uapi::OutsideProcess outside;
  return call();
}

std::optional<std::string> Contents(const std::string& file) {
  return Outside([&file]() -> std::optional<std::string> {
    std::ifstream in(file, std::ios::binary);
    if (!in) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(in), {});
  });
}

// The parts of an ELF file of 64 bits that loading it needs. Every offset of it is checked.
class Elf {
 public:
  explicit Elf(std::string& bytes) : bytes_(bytes) {}

  bool IsObject() const {
    return bytes_.size() >= sizeof(Elf64_Ehdr) && bytes_.starts_with(ELFMAG) &&
           bytes_[EI_CLASS] == ELFCLASS64;
  }
  int type() const { return header().e_type; }

  // The names of a tag of the dynamic section (DT_NEEDED, DT_SONAME), in the file.
  std::vector<char*> Names(int64_t tag) const {
    std::vector<char*> names;
    const char* const table = At(Dynamic(DT_STRTAB).value_or(0));
    for (const Elf64_Dyn* entry = FirstDynamic(); entry != nullptr; entry = Next(entry)) {
      if (entry->d_tag == tag && table != nullptr) names.push_back(Text(table, entry->d_un.d_val));
    }
    std::erase(names, nullptr);
    return names;
  }

  // Whether one of the dynamic symbols that it defines is called so.
  bool Defines(std::string_view name) const {
    const auto* const sections = Table<Elf64_Shdr>(header().e_shoff, header().e_shnum);
    if (sections == nullptr) return false;
    for (int i = 0; i < header().e_shnum; ++i) {
      const Elf64_Shdr& section = sections[i];
      if (section.sh_type != SHT_DYNSYM || section.sh_link >= header().e_shnum) continue;
      const size_t count = section.sh_size / sizeof(Elf64_Sym);
      const auto* const symbols = Table<Elf64_Sym>(section.sh_offset, count);
      const uint64_t names = sections[section.sh_link].sh_offset;
      if (symbols == nullptr || names >= bytes_.size()) continue;
      for (size_t k = 0; k < count; ++k) {
        const char* const text = Text(bytes_.data() + names, symbols[k].st_name);
        if (symbols[k].st_shndx != SHN_UNDEF && text != nullptr && name == text) return true;
      }
    }
    return false;
  }

 private:
  const Elf64_Ehdr& header() const { return *reinterpret_cast<const Elf64_Ehdr*>(bytes_.data()); }

  template <typename T>
  const T* Table(uint64_t offset, uint64_t count) const {
    const bool inside = offset <= bytes_.size() && count <= (bytes_.size() - offset) / sizeof(T);
    return inside ? reinterpret_cast<const T*>(bytes_.data() + offset) : nullptr;
  }

  // A text that ends within the file, or null.
  char* Text(const char* table, uint64_t offset) const {
    const auto base = static_cast<uint64_t>(table - bytes_.data());
    if (offset >= bytes_.size() - base) return nullptr;
    char* const text = bytes_.data() + base + offset;
    const size_t room = bytes_.size() - base - offset;
    return strnlen(text, room) < room ? text : nullptr;
  }

  const Elf64_Phdr* Segment(auto is_it) const {
    const auto* const segments = Table<Elf64_Phdr>(header().e_phoff, header().e_phnum);
    if (segments == nullptr) return nullptr;
    const auto* const end = segments + header().e_phnum;
    const auto* const found = std::find_if(segments, end, is_it);
    return found != end ? found : nullptr;
  }

  // Where in the file an address of the object is, or null.
  const char* At(uint64_t address) const {
    const Elf64_Phdr* const segment = Segment([address](const Elf64_Phdr& s) {
      return s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr < s.p_filesz;
    });
    if (segment == nullptr) return nullptr;
    return Table<char>(segment->p_offset + (address - segment->p_vaddr), 1);
  }

  const Elf64_Dyn* FirstDynamic() const {
    const Elf64_Phdr* const segment =
        Segment([](const Elf64_Phdr& s) { return s.p_type == PT_DYNAMIC; });
    return segment != nullptr ? Table<Elf64_Dyn>(segment->p_offset, 1) : nullptr;
  }
  const Elf64_Dyn* Next(const Elf64_Dyn* entry) const {
    const auto at = static_cast<uint64_t>(reinterpret_cast<const char*>(entry + 1) - bytes_.data());
    const auto* const next = Table<Elf64_Dyn>(at, 1);
    return next != nullptr && next->d_tag != DT_NULL ? next : nullptr;
  }
  std::optional<uint64_t> Dynamic(int64_t tag) const {
    for (const Elf64_Dyn* entry = FirstDynamic(); entry != nullptr; entry = Next(entry)) {
      if (entry->d_tag == tag) return entry->d_un.d_val;
    }
    return std::nullopt;
  }

  std::string& bytes_;
};

// The file of a library, where the dynamic linker would look for it.
std::optional<std::string> LibraryFile(const std::string& name) {
  void* const self = dlopen(nullptr, RTLD_LAZY);
  Dl_serinfo size;
  if (dlinfo(self, RTLD_DI_SERINFOSIZE, &size) != 0) return std::nullopt;
  std::vector<char> space(size.dls_size);
  auto* const dirs = reinterpret_cast<Dl_serinfo*>(space.data());
  *dirs = size;
  if (dlinfo(self, RTLD_DI_SERINFO, dirs) != 0) return std::nullopt;
  for (unsigned i = 0; i < dirs->dls_cnt; ++i) {
    const std::string file = std::string(dirs->dls_serpath[i].dls_name) + "/" + name;
    if (Outside([&file] { return std::ifstream(file).good(); })) return file;
  }
  return std::nullopt;
}

bool IsShared(const char* name) {
  void* const loaded = dlopen(name, RTLD_NOLOAD | RTLD_LAZY);
  if (loaded != nullptr) dlclose(loaded);
  return loaded != nullptr;
}

// A name of the same length that nothing else has.
std::string FreshName(const std::string& name) {
  constexpr size_t kFigures = 7;
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string fresh = name;
  uint64_t n = ++names_given;
  for (size_t i = 0; i < std::min(kFigures, fresh.size()); ++i, n /= kDigits.size()) {
    fresh[fresh.size() - 1 - i] = kDigits[n % kDigits.size()];
  }
  return fresh;
}

// A path to an open file that no object has been loaded by. There are many ways to write one.
std::string FreshPath(int fd) {
  std::string path = "/proc/self/fd/";
  for (uint64_t n = ++names_given; n != 0; n >>= 1) path += (n & 1) != 0 ? ".//" : "./";
  return path + std::to_string(fd);
}

// The contents as a file in memory, or -1.
int MemoryFile(const std::string& contents) {
  const int fd = memfd_create("program", MFD_CLOEXEC);
  if (fd < 0) return -1;
  for (size_t done = 0; done < contents.size();) {
    const ssize_t n = write(fd, contents.data() + done, contents.size() - done);
    if (n <= 0) {
      close(fd);
      return -1;
    }
    done += static_cast<size_t>(n);
  }
  return fd;
}

}  // namespace

std::string CheckImage(const std::string& file) {
  std::optional<std::string> contents = Contents(file);
  if (!contents.has_value()) return strerror(errno);
  const Elf elf(*contents);
  if (!elf.IsObject()) return "it is no ELF file of 64 bits";
  if (elf.type() != ET_DYN) {
    return "it is no shared object: compile it with -fPIC and link it with -shared";
  }
  if (!elf.Defines("main")) {
    return "it does not export main: link it with -shared, not as an executable";
  }
  return "";
}

std::string program_image::Load(const std::string& file) {
  std::string wrong = CheckImage(file);
  if (!wrong.empty()) return wrong;
  std::optional<std::string> contents = Contents(file);
  if (!contents.has_value()) return strerror(errno);
  wrong = LoadObject(file, *std::move(contents));
  wrong.empty() ? FindLocals() : Close();
  return wrong;
}

// Its libraries first, as deep as they go.
std::string program_image::LoadObject(const std::string& file, std::string contents) {
  const Elf elf(contents);
  if (!elf.IsObject()) return file + ": no ELF file of 64 bits";
  for (char* const needed : elf.Names(DT_NEEDED)) {
    const std::string name = needed;
    if (IsShared(needed)) continue;
    const std::string* const known = KnownAs(name);
    std::string fresh = known != nullptr ? *known : FreshName(name);
    if (known == nullptr) {
      const std::optional<std::string> library = LibraryFile(name);
      std::optional<std::string> bytes = library ? Contents(*library) : std::nullopt;
      if (!bytes.has_value()) return file + " needs " + name + ", which is not there";
      Elf dependency(*bytes);
      if (!dependency.IsObject()) return *library + ": no ELF file of 64 bits";
      for (char* const soname : dependency.Names(DT_SONAME)) {
        if (name == soname) fresh.copy(soname, fresh.size());
      }
      renamed_.push_back({name, fresh});
      const std::string wrong = LoadObject(*library, *std::move(bytes));
      if (!wrong.empty()) return wrong;
    }
    fresh.copy(needed, fresh.size());
  }
  const int fd = Outside([&contents] { return MemoryFile(contents); });
  if (fd < 0) return file + ": " + strerror(errno);
  paths_.push_back(FreshPath(fd));
  // Constructors are the program's own code: they run in its process.
  void* const handle = dlopen(paths_.back().c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string wrong = handle == nullptr ? dlerror() : "";
  if (handle != nullptr) handles_.push_back(handle);
  Outside([fd] { return close(fd); });
  return wrong;
}

const std::string* program_image::KnownAs(const std::string& library) const {
  const auto found = std::ranges::find(renamed_, library, &Renamed::name);
  return found != renamed_.end() ? &found->fresh : nullptr;
}

// The System V ABI calls them an object's TLS: a template (PT_TLS) and a copy of it per thread.
void program_image::FindLocals() {
  struct Search {
    program_image* image;
    std::vector<unsigned long> modules;
  } search{this, {}};
  const auto look = [](dl_phdr_info* object, size_t, void* arg) {
    auto* const found = static_cast<Search*>(arg);
    const std::vector<std::string>& paths = found->image->paths_;
    if (std::ranges::find(paths, object->dlpi_name) == paths.end()) return 0;
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const Elf64_Phdr& segment = object->dlpi_phdr[i];
      if (segment.p_type != PT_TLS || segment.p_memsz == 0) continue;
      found->modules.push_back(object->dlpi_tls_modid);
      found->image->locals_.push_back(
          {.values = nullptr,
           .size = segment.p_memsz,
           .initial = reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr),
           .initial_size = segment.p_filesz});
    }
    return 0;
  };
  dl_iterate_phdr(look, &search);
  for (size_t i = 0; i < locals_.size(); ++i) {
    tls_index index{.module = search.modules[i], .offset = 0};
    locals_[i].values = static_cast<char*>(__tls_get_addr(&index));
  }
}

void program_image::SaveLocals(std::vector<char>* to) const {
  to->clear();
  for (const Locals& one : locals_) to->insert(to->end(), one.values, one.values + one.size);
}

void program_image::LoadLocals(const std::vector<char>& from) const {
  size_t done = 0;
  for (const Locals& one : locals_) {
    if (from.empty()) {
      memcpy(one.values, one.initial, one.initial_size);
      memset(one.values + one.initial_size, 0, one.size - one.initial_size);
    } else {
      memcpy(one.values, from.data() + done, one.size);
    }
    done += one.size;
  }
}

void program_image::Close() {
  locals_.clear();
  while (!handles_.empty()) {
    void* const last = handles_.back();
    handles_.pop_back();
    dlclose(last);
  }
}

void* program_image::main() const { return dlsym(handles_.back(), "main"); }

bool program_image::Holds(const void* address) const {
  Dl_info info;
  return address != nullptr && dladdr(address, &info) != 0 &&
         std::ranges::find(paths_, info.dli_fname) != paths_.end();
}

}  // namespace sockbed
