#pragma once

#include <stdint.h>
#include <sys/socket.h>

// What Swift cannot say itself: a thread-local variable, the packed `epoll_event`, and macros with casts.

/// The loop whose thread runs this code, or NULL.
extern _Thread_local void *handoff_loop_current_pointer;

static inline void *handoff_loop_current(void) { return handoff_loop_current_pointer; }
static inline void handoff_loop_set_current(void *loop) { handoff_loop_current_pointer = loop; }

/// One event of a poll: the token given at registration and the EPOLL* bits.
struct handoff_poll_event {
  uint64_t token;
  uint32_t bits;
};

enum handoff_poll_bits {
  HANDOFF_POLL_READ = 0x001,
  HANDOFF_POLL_WRITE = 0x004,
  HANDOFF_POLL_ERROR = 0x008,
  HANDOFF_POLL_HANGUP = 0x010,
};

enum handoff_poll_operation { HANDOFF_POLL_ADD, HANDOFF_POLL_MODIFY, HANDOFF_POLL_REMOVE };

/// Returns 0 or an errno.
int handoff_poll_control(int poll, enum handoff_poll_operation operation, int fd, uint32_t bits, uint64_t token);

/// Makes an epoll descriptor. Returns it or a negative errno.
int handoff_poll_create(void);

/// Makes an eventfd registered edge-triggered, so that it never has to be read. Returns it or a negative errno.
int handoff_wakeup_create(int poll, uint64_t token);

/// Ends the present or the next wait of the poll, from any thread.
void handoff_wakeup_signal(int wakeup);

/// Waits for at most `count` (up to 256) events; a signal counts as no event. Returns the number of events or a negative errno.
int handoff_poll_wait(int poll, struct handoff_poll_event *events, int count, int timeout_ms);

/// Accepts a connection as a non-blocking, close-on-exec descriptor. Returns it, or -1 with errno set.
int handoff_accept(int fd, struct sockaddr *peer, socklen_t *length);

/// Blocks every signal on this thread save the synchronous ones: signals are the main thread's business.
void handoff_thread_block_signals(void);

/// Has malloc keep what is freed, up to 4 MiB of it for each thread. By default it gives the end of a heap back to the
/// system at once, so that every message of 64 KiB begins with page faults: half of the cost of a stream of them.
void handoff_memory_keep_freed(void);

/// Names this thread (at most 15 bytes are kept).
void handoff_thread_set_name(const char *name);
