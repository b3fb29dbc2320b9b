// The limit: an echo in plain C on epoll and libnghttp2, one thread, no protobuf, no routing, no checks beyond those of
// the library. What a server on libnghttp2 costs more than this is the price of being a gRPC server.
//
//   limit PORT      (0: any; prints the port)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_BYTES_MAX = 4096, READ_BYTES = 65536, WRITE_BYTES = 262144 };

struct stream {
  size_t received, sent;
  uint8_t body[BODY_BYTES_MAX];
};

struct connection {
  int fd, is_blocked;
  nghttp2_session *session;
  size_t staged, written;
  uint8_t out[WRITE_BYTES + 32768];
};

#define NV(name, value) \
  { (uint8_t *)name, (uint8_t *)value, sizeof name - 1, sizeof value - 1, \
    NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE }
static const nghttp2_nv headers[] = {NV(":status", "200"), NV("content-type", "application/grpc")};
static const nghttp2_nv trailers[] = {NV("grpc-status", "0")};

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  struct stream *stream = malloc(sizeof *stream);
  if (!stream) return NGHTTP2_ERR_CALLBACK_FAILURE;
  stream->received = stream->sent = 0;
  return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count, void *user) {
  (void)flags, (void)user;
  struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
  if (!stream || stream->received + count > BODY_BYTES_MAX) return NGHTTP2_ERR_CALLBACK_FAILURE;
  memcpy(stream->body + stream->received, bytes, count);
  stream->received += count;
  return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *room, size_t count, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
  (void)user;
  struct stream *stream = source->ptr;
  size_t left = stream->received - stream->sent;
  if (count > left) count = left;
  memcpy(room, stream->body + stream->sent, count);
  stream->sent += count;
  if (stream->sent == stream->received) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, id, trailers, sizeof trailers / sizeof *trailers);
  }
  return (ssize_t)count;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (frame->hd.type > NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!stream) return 0;
  nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
  return nghttp2_submit_response(session, frame->hd.stream_id, headers, sizeof headers / sizeof *headers, &body);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
  (void)code, (void)user;
  free(nghttp2_session_get_stream_user_data(session, id));
  return 0;
}

static void adopt(int poll, int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option *option;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_closed_streams(option, 1);
  connection->fd = fd;
  nghttp2_session_server_new2(&connection->session, callbacks, connection, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
  nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

// Everything that one read has brought about leaves in one write. False when the connection is over.
static int flush(int poll, struct connection *connection) {
  for (;;) {
    const uint8_t *chunk;
    ssize_t count;
    while (connection->staged < WRITE_BYTES && (count = nghttp2_session_mem_send(connection->session, &chunk)) > 0) {
      memcpy(connection->out + connection->staged, chunk, (size_t)count);
      connection->staged += (size_t)count;
    }
    if (connection->written == connection->staged) break;
    ssize_t sent = send(connection->fd, connection->out + connection->written,
                        connection->staged - connection->written, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    if (sent > 0) connection->written += (size_t)sent;
    int is_blocked = connection->written < connection->staged;
    if (is_blocked != connection->is_blocked) {
      struct epoll_event event = {.events = is_blocked ? EPOLLOUT : EPOLLIN, .data.ptr = connection};
      epoll_ctl(poll, EPOLL_CTL_MOD, connection->fd, &event);
      connection->is_blocked = is_blocked;
    }
    if (is_blocked) return 1;
    connection->staged = connection->written = 0;
  }
  return nghttp2_session_want_read(connection->session) || nghttp2_session_want_write(connection->session);
}

static int serve(int poll, struct connection *connection, uint32_t events) {
  if (events & EPOLLIN) {
    static uint8_t room[READ_BYTES];
    ssize_t count = recv(connection->fd, room, sizeof room, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return 0;
    if (count > 0 && nghttp2_session_mem_recv(connection->session, room, (size_t)count) < 0) return 0;
  }
  return flush(poll, connection);
}

int main(int argc, char **argv) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 0),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024)) return perror("listen"), 1;
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      int fd;
      if (!connection) {
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) adopt(poll, fd);
      } else if (!serve(poll, connection, events[i].events)) {
        close(connection->fd);
        nghttp2_session_del(connection->session);
        free(connection);
      }
    }
  }
}
