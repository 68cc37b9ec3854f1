// The image of a program: its file, and the libraries that it does not share with the executable.
//
// Lives here:  program_image, with its thread_local variables; CheckImage.
// Called by:   posix_program.cc.
// May touch:   the dynamic linker, ELF files.
// Owns:        the loaded objects: closing it unloads what nobody else uses.
// Source:      elf(5), ld.so(8); the System V ABI, chapter 5.
#ifndef SOCKBED_UAPI_POSIX_IMAGE_H_
#define SOCKBED_UAPI_POSIX_IMAGE_H_

#include <string>
#include <vector>

namespace sockbed {

// One process's own copy of a program. Libraries that the executable has (the C library, libstdc++,
// OpenSSL) are everybody's; all others are loaded anew, so that their static variables, too, are
// the process's own.
class program_image {
 public:
  program_image() = default;
  ~program_image() { Close(); }
  program_image(const program_image&) = delete;
  program_image& operator=(const program_image&) = delete;

  // Loads the file and runs its constructors, and those of its libraries. Returns what is wrong, or
  // nothing. REQUIRES: closed.
  std::string Load(const std::string& file);
  // Runs the destructors and unloads. Nothing if it is closed.
  void Close();

  bool is_open() const { return !handles_.empty(); }
  // Its main, or null.
  void* main() const;
  // Whether an address is one of its objects', libraries included.
  bool Holds(const void* address) const;

  // Its thread_local variables, which the C library has once, for the OS thread. Whether there are
  // any; keeps their values in *to; sets them to what was kept, or, if that is nothing, to what
  // they are at a thread's start.
  bool has_locals() const { return !locals_.empty(); }
  void SaveLocals(std::vector<char>* to) const;
  void LoadLocals(const std::vector<char>& from) const;

 private:
  // Those of one object.
  struct Locals {
    char* values;
    size_t size;
    const char* initial;  // the first of them; the others begin as 0
    size_t initial_size;
  };
  // A library as it calls itself, and what its copy here is called.
  struct Renamed {
    std::string name;
    std::string fresh;
  };

  std::string LoadObject(const std::string& file, std::string contents);
  const std::string* KnownAs(const std::string& library) const;
  void FindLocals();

  std::vector<void*> handles_;  // dlopen's, what is needed before who needs it
  std::vector<Renamed> renamed_;
  std::vector<std::string> paths_;  // the same objects', as the dynamic linker knows them
  std::vector<Locals> locals_;
};

// What keeps the file from being a program's; nothing if it is one.
std::string CheckImage(const std::string& file);

}  // namespace sockbed

#endif  // SOCKBED_UAPI_POSIX_IMAGE_H_
