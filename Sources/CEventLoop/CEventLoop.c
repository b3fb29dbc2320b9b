#define _GNU_SOURCE
#include "CEventLoop.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Static_assert((int)EPOLLIN == (int)HANDOFF_POLL_READ && (int)EPOLLOUT == (int)HANDOFF_POLL_WRITE &&
                   (int)EPOLLERR == (int)HANDOFF_POLL_ERROR && (int)EPOLLHUP == (int)HANDOFF_POLL_HANGUP,
               "poll bits are epoll's");

_Thread_local void *handoff_loop_current_pointer = NULL;

int handoff_poll_create(void) {
  int poll = epoll_create1(EPOLL_CLOEXEC);
  return poll >= 0 ? poll : -errno;
}

int handoff_wakeup_create(int poll, uint64_t token) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return -errno;
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = token};
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

void handoff_wakeup_signal(int wakeup) { eventfd_write(wakeup, 1); }

int handoff_poll_control(int poll, enum handoff_poll_operation operation, int fd, uint32_t bits, uint64_t token) {
  static const int operations[] = {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
  struct epoll_event event = {.events = bits, .data.u64 = token};
  return epoll_ctl(poll, operations[operation], fd, &event) == 0 ? 0 : errno;
}

int handoff_poll_wait(int poll, struct handoff_poll_event *events, int count, int timeout_ms) {
  struct epoll_event raw[256];
  int got = epoll_wait(poll, raw, count > 256 ? 256 : count, timeout_ms);
  if (got < 0) return errno == EINTR ? 0 : -errno;
  for (int i = 0; i < got; i++) {
    events[i].token = raw[i].data.u64;
    events[i].bits = raw[i].events;
  }
  return got;
}

int handoff_accept(int fd, struct sockaddr *peer, socklen_t *length) {
  return accept4(fd, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void handoff_thread_block_signals(void) {
  sigset_t all;
  sigfillset(&all);
  static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) sigdelset(&all, kept[i]);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
}

void handoff_memory_keep_freed(void) {
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  // Setting the first one ends the growth of this one, and blocks above it are mapped and unmapped one by one.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

void handoff_thread_set_name(const char *name) {
  char short_name[16] = {0};
  strncpy(short_name, name, sizeof short_name - 1);
  pthread_setname_np(pthread_self(), short_name);
}
