/* What a program does to its process: behaviour WHAT... */
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int calls = 40;

static void first(void) { puts("registered first"); }
static void last(void) { puts("registered last"); }
static void *leave(void *arg) { exit(*(int *)arg); }
static void *wait_for_ever(void *arg) {
  pause();
  return arg;
}
static __attribute__((constructor)) void begin(void) { calls++; }
static __attribute__((destructor)) void end(void) { puts("destructor"); }

static int options(int argc, char **argv) {
  int c;
  while ((c = getopt(argc, argv, "ab:")) != -1) {
    if (c == 'a') puts("option a");
    if (c == 'b') printf("option b %s\n", optarg);
  }
  printf("then %s\n", argv[optind]);
  return 0;
}

static int words(char **argv) {
  time_t t = time(NULL);
  printf("%s %s %s %d\n", argv[0], getenv("HOME"), getenv("MORE"), rand());
  printf("%s", asctime(localtime(&t)));
  fprintf(stderr, "%d calls, no newline", ++calls);
  return 3;
}

static int threads(int detached) {
  pthread_t thread;
  pthread_create(&thread, NULL, wait_for_ever, NULL);
  if (detached) pthread_detach(thread);
  usleep(1000);
  return 0;
}

int main(int argc, char **argv) {
  static int status = 9;
  const char *what = argc > 1 ? argv[1] : "";
  pthread_t thread;
  if (strcmp(what, "words") == 0) return words(argv);
  if (strcmp(what, "options") == 0) return options(argc - 1, argv + 1);
  if (strcmp(what, "threads") == 0) return threads(0);
  if (strcmp(what, "detached") == 0) return threads(1);
  if (strcmp(what, "abort") == 0) abort();
  if (strcmp(what, "assert") == 0) assert(calls == 0);
  if (strcmp(what, "err") == 0) errno = ENOENT, err(4, "no %s", "file");
  if (strcmp(what, "sleep") == 0) sleep(1000);
  if (strcmp(what, "thread") == 0) {
    pthread_create(&thread, NULL, leave, &status);
    pthread_join(thread, NULL);
  }
  atexit(first);
  atexit(last);
  if (strcmp(what, "at once") == 0) _exit(5);
  exit(6);
}
