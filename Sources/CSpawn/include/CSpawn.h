#pragma once

#include <stddef.h>
#include <sys/types.h>

// Starting programs in a way that neither Foundation's Process nor posix_spawn(3) offers: as another user, with a signal
// that reaches the program when the thread that started it ends, and with a descriptor by which to wait for it.

/// What to start, and how. Strings and arrays are borrowed for the call.
typedef struct handoff_spawn_request {
  /// Absolute path of the program.
  const char *_Nonnull path;
  /// argv and envp, each ended by NULL.
  char *_Nullable const *_Nonnull arguments;
  char *_Nullable const *_Nonnull environment;
  /// Working directory.
  const char *_Nonnull directory;
  /// Becomes standard input; -1: /dev/null.
  int input;
  /// Becomes standard output and standard error; -1: /dev/null.
  int output;
  /// Nonzero: become `user`, `group` and `groups` first. Needs root.
  int changes_user;
  uid_t user;
  gid_t group;
  const gid_t *_Nullable groups;
  size_t group_count;
  /// Sent to the program when the calling thread ends, however it ends (PR_SET_PDEATHSIG of prctl(2)).
  int death_signal;
} handoff_spawn_request;

/// Starts a program in a process group of its own, with default signal handling and no other descriptor than 0, 1 and 2.
///
/// Returns 0 and the process with its pidfd (close it after the process was waited for), or an errno value of the first
/// step that failed, in which case there is no process.
int handoff_spawn(const handoff_spawn_request *_Nonnull request, pid_t *_Nonnull pid, int *_Nonnull pidfd);

/// Whether a user could open `path` in `mode` (R_OK, W_OK, X_OK of access(2)), checked by becoming that user in a child.
///
/// Returns 0 or an errno value. Needs root unless the user is the caller.
int handoff_access_as(uid_t user, gid_t group, const gid_t *_Nullable groups, size_t group_count,
                      const char *_Nonnull path, int mode);

/// pipe2(2) with O_CLOEXEC; 0 or an errno value.
int handoff_pipe(int ends[_Nonnull 2]);

/// Keeps SIGINT, SIGTERM and SIGHUP from ending the process, and makes a descriptor that tells of them; -errno on failure.
///
/// By handlers that write into a pipe, not by blocking: libdispatch parks the main thread of a program that awaits with
/// nothing blocked, where a blocked signal would end the process all the same. To be called once.
int handoff_stop_signals(void);

/// The next signal that `handoff_stop_signals`' descriptor tells of; 0 when there is none.
int handoff_stop_signal_next(int descriptor);
