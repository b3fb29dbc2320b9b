import Crypto
import EventLoop
import Glibc
import HTTP2

/// A server that takes one connection over TLS and leaves as soon as a request has come, with or without a word. Blocks
/// its thread, with a bound on every wait.
final class TLSServerPeer: Sendable {
  struct Lost: Error {}

  let address: SocketAddress
  private let listener: Int32

  init() throws {
    listener = try Socket.listen(.ipv4(0x7F00_0001, port: 0))
    address = try Socket.boundAddress(listener)
  }

  deinit { Socket.close(listener) }

  /// Serves one client; `saysGoodbye` is whether TLS's close_notify comes before the end of the connection.
  func serve(_ context: TLSContext, saysGoodbye: Bool) throws {
    try wait(listener, POLLIN)
    let fd = accept(listener, nil, nil)
    guard fd >= 0 else { throw Lost() }
    defer { Socket.close(fd) }
    let tls = try TLSSession(context) { bytes in _ = Socket.send(fd, bytes) }
    let session = try HTTP2Session(HTTP2Configuration(role: .server))
    let requests = RequestWatch()
    session.delegate = requests
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    var plain = [UInt8](repeating: 0, count: TLSSession.recordBytesMax)
    while !requests.hasCome {
      try wait(fd, POLLIN)
      let count = read(fd, &bytes, bytes.count)
      guard count > 0 else { throw Lost() }
      bytes[..<count].withUnsafeBytes { received in
        plain.withUnsafeMutableBytes { room in
          tls.receive(received, room: room) { try? session.receive($0, now: MonotonicTime.current.nanoseconds) }
        }
      }
      guard tls.isEstablished else { continue }
      var output: [UInt8] = []
      try session.takeOutput(into: &output)
      output.withUnsafeBytes { tls.send($0) }
    }
    if saysGoodbye { tls.shutDown() }
    shutdown(fd, Int32(SHUT_WR))
    // Until the client has gone: closing with unread bytes would reset the connection.
    repeat { try wait(fd, POLLIN) } while read(fd, &bytes, bytes.count) > 0
  }

  private func wait(_ fd: Int32, _ event: Int32) throws {
    var entry = pollfd(fd: fd, events: Int16(event), revents: 0)
    guard poll(&entry, 1, 60_000) == 1 else { throw Lost() }
  }
}

/// Notices the first request.
private final class RequestWatch: HTTP2SessionDelegate {
  private(set) var hasCome = false

  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool) { hasCome = true }

  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind) {}

  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {}

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {}

  func streamEnded(_ stream: HTTP2Stream) {}

  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) {}
}
