// Running a program's main in a world of its own.
#undef _FORTIFY_SOURCE

#include "uapi/posix_program.h"

#include <getopt.h>
#include <string.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "kernel/host/simulation.h"
#include "uapi/filedesc.h"
#include "uapi/posix_process.h"
#include "uapi/posix_real.h"
#include "uapi/posix_trap.h"
#include "uapi/rthread_private.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr int kCannotLoad = 127;  // as a shell has it

// Every program's, unless it is given others. The real environment differs between machines.
constexpr const char* kEnvironment[] = {"HOME=/cwd",          "LANG=C",   "LOGNAME=root",
                                        "PATH=/usr/bin:/bin", "PWD=/cwd", "TZ=UTC0",
                                        "TERM=dumb",          "USER=root"};

// Follows which program runs. One per OS process, as the C library's variables are.
struct ProgramSwitch : SwitchHook {
  libc_globals outside;
  program* current = nullptr;  // whose the variables are now; null: the OS process's
};
constinit ProgramSwitch program_switch;

void Save(libc_globals* to) {
  to->in = stdin;
  to->out = stdout;
  to->err = stderr;
  to->env = environ;
  to->name = program_invocation_name;
  to->short_name = program_invocation_short_name;
  to->opt_arg = optarg;
  to->opt_ind = optind;
  to->opt_err = opterr;
  to->opt_opt = optopt;
}

void Load(const libc_globals& from) {
  stdin = from.in;
  stdout = from.out;
  stderr = from.err;
  environ = from.env;
  program_invocation_name = from.name;
  program_invocation_short_name = from.short_name;
  optarg = from.opt_arg;
  optind = from.opt_ind;
  opterr = from.opt_err;
  optopt = from.opt_opt;
}

program* ProgramOf(const Fiber* fiber) {
  if (fiber == nullptr || fiber->process == nullptr || fiber->process->p_fd == nullptr) {
    return nullptr;
  }
  const auto* const self = static_cast<posix_process*>(fiber->process->p_fd->fd_posix.get());
  return self != nullptr ? self->running.get() : nullptr;
}

// Puts a thread's own values into the program's thread_local variables. Those of the thread that
// had them before are kept, if it is still there.
void UseLocalsOf(program* running, rthread* thread) {
  if (!running->image.has_locals() || thread == nullptr || running->locals_of == thread->id) return;
  const auto& threads = thread->process->threads;
  const auto before = threads.find(running->locals_of);
  if (before != threads.end() && before->second->thr_proc != nullptr) {
    running->image.SaveLocals(&before->second->locals);
  }
  running->image.LoadLocals(thread->locals);
  running->locals_of = thread->id;
}

void Switched(SwitchHook*, Fiber*, Fiber* to) {
  program* const next = ProgramOf(to);
  UseGlobalsOf(next);
  if (next != nullptr) UseLocalsOf(next, to->process->p_rthread);
}

// The machine tells of its switches from its first program on.
void WatchSwitches() {
  for (const auto& host : CurrentHost().simulation().hosts()) {
    if (HostLocal<uapi::UapiHost>::Has(*host) &&
        HostLocal<uapi::UapiHost>::Of(*host).runs_programs) {
      return;
    }
  }
  HostLocal<uapi::UapiHost>::Get().runs_programs = true;
  program_switch.switched = Switched;
  Here().machine->AddSwitchHook(&program_switch);
  TrapCalls();
}

// The words of argv and of the environment, as main takes them.
void SetWords(const ProgramStart& start, program* into) {
  into->texts = start.args.empty() ? std::vector{start.file} : start.args;
  const size_t args = into->texts.size();
  std::ranges::copy(start.environment, std::back_inserter(into->texts));
  for (const std::string_view usual : kEnvironment) {
    const std::string_view name = usual.substr(0, usual.find('=') + 1);
    const auto is_it = [name](const std::string& given) { return given.starts_with(name); };
    if (std::ranges::none_of(start.environment, is_it)) into->texts.emplace_back(usual);
  }
  for (size_t i = 0; i < into->texts.size(); ++i) {
    if (i == args) into->words.push_back(nullptr);
    into->words.push_back(into->texts[i].data());
  }
  into->words.push_back(nullptr);
  into->globals.env = &into->words[args + 1];
  into->globals.name = into->words[0];
  char* const slash = strrchr(into->words[0], '/');
  into->globals.short_name = slash != nullptr ? slash + 1 : into->words[0];
}

// Streams 0, 1 and 2, and rand's state as it is at a program's start.
void SetGlobals(program* into) {
  into->globals.in = OpenStream(0, "r");
  into->globals.out = OpenStream(1, "w");
  into->globals.err = OpenStream(2, "w");
  setvbuf(into->globals.out, nullptr, _IOLBF, BUFSIZ);  // the console shows whole lines
  setvbuf(into->globals.err, nullptr, _IONBF, 0);
  char* const before = initstate(1, into->rand_bytes.data(), into->rand_bytes.size());
  into->globals.rand_state = into->rand_bytes.data();
  setstate(before);
}

using Main = int (*)(int, char**, char**);

// No object with a destructor may live here: exit() comes back by a jump.
int RunMain(program* running, Main main, int argc) {
  if (_setjmp(running->start) == 0) {
    running->status = main(argc, running->words.data(), environ);
  }
  // A handler that calls exit comes back here, too, and the rest is run.
  if (!running->at_once) FinishProgram(*running);
  return running->status;
}

int Run(const ProgramStart& start) {
  proc* const p = curproc();
  uapi::fdinit(p);
  posix_process& self = CurrentPosixProcess();
  self.running = std::make_unique<program>();
  program* const running = self.running.get();
  running->main_thread = p;
  running->locals_of = static_cast<pthread_t>(p->p_pid);
  SetWords(start, running);
  SetGlobals(running);
  WatchSwitches();
  UseGlobalsOf(running);
  (void)uapi::chdir("/cwd");  // it is always there
  const std::string wrong = running->image.Load(start.file);
  if (!wrong.empty()) {
    CurrentHost().Say("cannot run " + start.file + ": " + wrong);
    return kCannotLoad;
  }
  // To begin takes time. A clock that counts from boot and shows 0 is one that no program has met:
  // libcurl takes it for no time at all.
  (void)uapi::usleep(1);
  const auto main = reinterpret_cast<Main>(running->image.main());
  const auto args = std::ranges::find(running->words, nullptr) - running->words.begin();
  return RunMain(running, main, static_cast<int>(args));
}

}  // namespace

void UseGlobalsOf(program* next) {
  program*& current = program_switch.current;
  if (next == current) return;
  libc_globals& old = current != nullptr ? current->globals : program_switch.outside;
  const libc_globals& wanted = next != nullptr ? next->globals : program_switch.outside;
  Save(&old);
  old.rand_state = setstate(wanted.rand_state);
  Load(wanted);
  TrapWhile(next != nullptr);
  current = next;
}

// A killed program's destructors would not run in life: their words go to streams that are dead by
// now, and what they ask of threads is discarded.
program::~program() {
  UseGlobalsOf(this);
  real_calls.discarding = true;
  image.Close();
  real_calls.discarding = false;
  UseGlobalsOf(nullptr);
}

std::string CheckProgram(const std::string& file) { return CheckImage(file); }

std::function<int()> ProgramMain(ProgramStart start) {
  return [start = std::move(start)] { return Run(start); };
}

}  // namespace sockbed
