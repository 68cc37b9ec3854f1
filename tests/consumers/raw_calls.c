/* A program that does not ask the C library. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long raw(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

static char drawn[8];
static const char unchanged[8];

__attribute__((constructor)) static void begin(void) {
  printf("socket: %ld\n", raw(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

int main(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  printf("gettid: %ld\n", raw(SYS_gettid, 0, 0, 0));
  printf("getrandom: %ld\n", raw(SYS_getrandom, (long)drawn, sizeof drawn, 0));
  printf("close: %ld\n", raw(SYS_close, fd, 0, 0));
  printf("close: %ld\n", raw(SYS_close, fd, 0, 0));
  printf("connect: %ld\n", raw(SYS_connect, fd, 0, 0));
  return memcmp(drawn, unchanged, sizeof drawn) == 0;
}
