// What the shim keeps of a simulated process: its streams and the program it runs.
//
// Lives here:  posix_process, program, posix_stream; the switch of what libc has one of.
// Called by:   posix_stdio.cc, posix_program.cc, posix_process.cc.
// May touch:   the C library's variables.
// Owns:        a process's table of descriptors owns its posix_process; with its last thread go the
//              streams, unflushed, and the program's image.
// Invariants:  while a program's process runs, the C library's variables are the program's; at all
//              other times they are those of the OS process.
#ifndef SOCKBED_UAPI_POSIX_PROCESS_H_
#define SOCKBED_UAPI_POSIX_PROCESS_H_

#include <setjmp.h>
#include <stdio.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "kernel/sched/proc.h"
#include "uapi/posix_image.h"

namespace sockbed {

struct posix_process;

// A FILE over a descriptor of a simulated process.
struct posix_stream {
  posix_process* owner = nullptr;  // null: it has ended, and nothing is written any more
  int fd = -1;                     // owned
  FILE* file = nullptr;
};

// What the C library has one of per OS process, and every program expects to have for itself.
struct libc_globals {
  FILE* in = nullptr;
  FILE* out = nullptr;
  FILE* err = nullptr;
  char** env = nullptr;
  char* name = nullptr;  // program_invocation_name
  char* short_name = nullptr;
  char* rand_state = nullptr;  // of rand(3) and random(3)
  char* opt_arg = nullptr;
  int opt_ind = 0;  // 0: getopt begins anew, whatever another program has left
  int opt_err = 1;
  int opt_opt = '?';
};

// A program that was written for real sockets, as one process runs it.
struct program {
  struct AtExit {
    void (*call)(void*);
    void* arg;
  };
  ~program();

  libc_globals globals;
  std::array<char, 128> rand_bytes{};
  std::vector<std::string> texts;  // argv, then the environment
  std::vector<char*> words;        // the same, null after each
  program_image image;
  std::vector<AtExit> at_exit;  // run from the last to the first
  pthread_t locals_of = 0;      // the thread whose thread_local variables are in place
  proc* main_thread = nullptr;
  jmp_buf start;  // where exit() of the main thread goes
  int status = 0;
  bool at_once = false;  // _exit: nothing is run, nothing flushed
};

struct posix_process {
  ~posix_process();
  std::vector<posix_stream*> streams;  // open ones, in order of opening
  std::unique_ptr<program> running;    // null: a function of this executable
};

// The current process's, or null if it has none yet; the same, made if need be.
posix_process* FindPosixProcess();
posix_process& CurrentPosixProcess();

// A FILE of the current process over a descriptor, which it takes; null: `mode` is none.
FILE* OpenStream(int fd, const char* mode);
// The descriptor of a FILE of the current process, or -1.
int DescriptorOfStream(const FILE* file);
// Writes out what the current process's streams hold.
void FlushStreams();

// Makes the C library's variables those of `next`; null: the OS process's.
void UseGlobalsOf(program* next);

// Runs what the program has registered for its end, flushes, and unloads the image unless other
// threads go on in it.
void FinishProgram(program& ending);
// exit(3), and _exit(2) if `at_once`: of the current process, whatever it runs.
[[noreturn]] void EndProcess(int status, bool at_once);

}  // namespace sockbed

#endif  // SOCKBED_UAPI_POSIX_PROCESS_H_
