// The first lesson about sleeping: two processes and a pipe that holds one character.
//
// It shows all that a blocking call needs. A process that cannot go on puts itself to sleep on an
// *ident*, some address that both sides know. Whoever changes what it waits for calls wakeup on
// that address. A wakeup is only a hint ("look again"), so the sleeper tests its condition in a
// loop. sosend and soreceive do just this with a socket buffer.
#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

struct Pipe {
  char slot = 0;
  bool full = false;
  bool closed = false;
};

// Puts one character into the pipe; waits while it is full. [sleeps]
int PipeWrite(Pipe* pipe, char c) {
  while (pipe->full) {
    // Asleep here until the reader's wakeup. Others run meanwhile, so `full` must be read again.
    // With PCATCH a signal ends the sleep too; then the call gives up.
    if (const int error = tsleep(pipe, PSOCK | PCATCH, "pipewr", 0)) return error;
  }
  pipe->slot = c;
  pipe->full = true;
  wakeup(pipe);  // the reader, if it sleeps; nothing is remembered if it does not
  return 0;
}

// Takes one character out; waits while there is none. False at the end of the pipe. [sleeps]
bool PipeRead(Pipe* pipe, char* c) {
  while (!pipe->full) {
    if (pipe->closed || tsleep(pipe, PSOCK | PCATCH, "piperd", 0) != 0) return false;
  }
  *c = pipe->slot;
  pipe->full = false;
  wakeup(pipe);
  return true;
}

void PipeClose(Pipe* pipe) {
  pipe->closed = true;
  wakeup(pipe);
}

using PipeTest = OneHost;

TEST_F(PipeTest, CarriesEveryCharacterInOrder) {
  Pipe pipe;
  std::string received;

  Spawn("reader", [&] {
    char c;
    while (PipeRead(&pipe, &c)) received += c;
  });
  Spawn("writer", [&] {
    for (const char c : std::string("hello, pipe")) EXPECT_EQ(PipeWrite(&pipe, c), 0);
    PipeClose(&pipe);
  });

  // Nothing has happened yet: processes run when the machine does. It goes on until nobody can.
  EXPECT_EQ(Run(), Machine::End::kQuiescent);
  EXPECT_EQ(received, "hello, pipe");
}

TEST_F(PipeTest, WriterThatNobodyReadsIsInTheReportOfSleepers) {
  Pipe pipe;
  Spawn("writer", [&] {
    EXPECT_EQ(PipeWrite(&pipe, 'a'), 0);
    (void)PipeWrite(&pipe, 'b');  // there is no reader: for ever
  });

  EXPECT_EQ(Run(), Machine::End::kQuiescent);
  const std::vector<SleeperInfo> asleep = sleepers(host());
  ASSERT_EQ(asleep.size(), 1u);
  EXPECT_EQ(SleeperText(asleep[0]),
            "host: process 1 \"writer\" sleeps on \"pipewr\" since 0.000000000 s");
}

TEST_F(PipeTest, TraceTellsWhatHappenedAndWhy) {
  Pipe pipe;
  Spawn("reader", [&] {
    char c;
    EXPECT_TRUE(PipeRead(&pipe, &c));
  });
  Spawn("writer", [&] { EXPECT_EQ(PipeWrite(&pipe, 'a'), 0); });
  Run();

  // The reader came first and slept; the writer's wakeup is the cause of all it did afterwards.
  const Record sleep = RecordsOf(SchedEvent::kSleep).at(0);
  const Record wake = RecordsOf(SchedEvent::kWake).at(0);
  const Record exit = RecordsOf(SchedEvent::kExit).at(1);
  EXPECT_EQ(sleep.pid, 1u);
  EXPECT_EQ(wake.pid, 2u);
  EXPECT_EQ(exit.pid, 1u);
  EXPECT_EQ(exit.cause, wake.id);
}

}  // namespace
}  // namespace sockbed
