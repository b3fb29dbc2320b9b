#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Between fork and exec only async-signal-safe calls are allowed: the parent has threads. Identities are changed by
// plain system calls, because glibc's wrappers would try to change every thread's, which a forked child does not have.

static int become(uid_t user, gid_t group, const gid_t *groups, size_t count) {
  if (syscall(SYS_setgroups, count, groups) != 0) return errno;
  if (syscall(SYS_setresgid, group, group, group) != 0) return errno;
  if (syscall(SYS_setresuid, user, user, user) != 0) return errno;
  return 0;
}

static void reset_signals(void) {
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) {
    if (number != SIGKILL && number != SIGSTOP) sigaction(number, &standard, NULL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/// Gives the child its three descriptors and none beside them but `report`, which exec closes.
static int arrange_descriptors(const handoff_spawn_request *request, int *report) {
  // Lift all three above 2 first, so that no dup2 below can overwrite one that is still needed.
  int input = request->input >= 0 ? fcntl(request->input, F_DUPFD, 3) : open("/dev/null", O_RDONLY);
  if (input < 0) return errno;
  int output = request->output >= 0 ? fcntl(request->output, F_DUPFD, 3) : open("/dev/null", O_WRONLY);
  if (output < 0) return errno;
  int lifted = fcntl(*report, F_DUPFD, 3);
  if (lifted < 0) return errno;
  if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) return errno;
  if (dup2(lifted, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0) return errno;
  *report = 3;
  syscall(SYS_close_range, 4u, ~0u, 0u);
  return 0;
}

static void run_child(const handoff_spawn_request *request, int report, pid_t parent) {
  int code = setpgid(0, 0) == 0 ? 0 : errno;
  if (code == 0) code = arrange_descriptors(request, &report);
  if (code == 0 && request->changes_user) {
    code = become(request->user, request->group, request->groups, request->group_count);
  }
  // After the change of user, which clears it. A parent that ended before this line is noticed by the check below.
  if (code == 0 && request->death_signal != 0 && prctl(PR_SET_PDEATHSIG, request->death_signal) != 0) code = errno;
  if (code == 0 && getppid() != parent) _exit(127);
  if (code == 0 && chdir(request->directory) != 0) code = errno;
  if (code == 0) {
    umask(077);
    reset_signals();
    execve(request->path, request->arguments, request->environment);
    code = errno;
  }
  ssize_t ignored = write(report, &code, sizeof code);
  (void)ignored;
  _exit(127);
}

int handoff_spawn(const handoff_spawn_request *request, pid_t *pid, int *pidfd) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return errno;
  pid_t parent = getpid();
  // No signal may reach a handler of the parent's while the child still has it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t child = fork();
  int code = child < 0 ? errno : 0;
  if (child == 0) run_child(request, report[1], parent);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(report[1]);
  if (child > 0) {
    ssize_t got;
    int failure = 0;
    do got = read(report[0], &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof failure) code = failure;
  }
  close(report[0]);
  if (code == 0) {
    *pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (*pidfd >= 0) {
      *pid = child;
      return 0;
    }
    code = errno;
    kill(child, SIGKILL);
  }
  if (child > 0) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  return code;
}

int handoff_access_as(uid_t user, gid_t group, const gid_t *groups, size_t group_count, const char *path, int mode) {
  if (user == geteuid()) return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno;
  pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    int code = become(user, group, groups, group_count);
    if (code == 0 && access(path, mode) != 0) code = errno;
    _exit(code);
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int handoff_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno; }

// Written by the handler, which may run on any thread.
static int stop_pipe[2] = {-1, -1};

static void report_stop(int number) {
  int saved = errno;
  unsigned char byte = (unsigned char)number;
  ssize_t ignored = write(stop_pipe[1], &byte, 1);
  (void)ignored;
  errno = saved;
}

int handoff_stop_signals(void) {
  if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  struct sigaction report = {.sa_handler = report_stop, .sa_flags = SA_RESTART};
  sigemptyset(&report.sa_mask);
  static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
    struct sigaction before;
    if (sigaction(stops[i], NULL, &before) != 0) return -errno;
    // nohup(1) wants a closed terminal to change nothing.
    if (stops[i] == SIGHUP && before.sa_handler == SIG_IGN) continue;
    if (sigaction(stops[i], &report, NULL) != 0) return -errno;
  }
  return stop_pipe[0];
}

int handoff_stop_signal_next(int descriptor) {
  unsigned char byte;
  return read(descriptor, &byte, 1) == 1 ? byte : 0;
}
