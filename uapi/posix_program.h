// Programs that were written for real sockets, run as simulated processes.
//
// Lives here:  ProgramStart, CheckProgram, ProgramMain.
// Called by:   tools (a scenario's "run: FILE"), tests.
// May touch:   the dynamic linker, the program's file.
// Context:     CheckProgram and ProgramMain: anywhere. What ProgramMain returns is for Host::Spawn.
// Owns:        each process has an image of its own, and of the libraries that it needs, static
//              variables included. Those that this executable has, too (the C library, libstdc++,
//              OpenSSL), are shared by all.
// Source:      execve(2), exit(3).
// Differs:     a program is a shared object with a main: compile it with -fPIC and link it with
//              -shared -Wl,-Bsymbolic (Bazel: posix_program in posix_program.bzl). It begins in
//              /cwd, with its own streams 0, 1 and 2, environment, variables of getopt and state of
//              rand. exit() ends the simulated process; of a thread other than the main one it
//              unwinds, and a C++ frame that it meets ends the process by SIGABRT.
#ifndef SOCKBED_UAPI_POSIX_PROGRAM_H_
#define SOCKBED_UAPI_POSIX_PROGRAM_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sockbed {

// A fiber's default is too little for programs that think they have megabytes.
inline constexpr size_t kProgramStackBytes = 512 * 1024;

struct ProgramStart {
  std::string file;                      // of the real host
  std::vector<std::string> args;         // argv, from argv[0] on; empty: the file's name
  std::vector<std::string> environment;  // "NAME=value", before those that every program has
};

// What keeps the file from being a program; empty if nothing does.
std::string CheckProgram(const std::string& file);

// A main for Host::Spawn, which wants kProgramStackBytes. The file is read when it starts. Exit
// status 127: it cannot be loaded; the console says why.
std::function<int()> ProgramMain(ProgramStart start);

}  // namespace sockbed

#endif  // SOCKBED_UAPI_POSIX_PROGRAM_H_
