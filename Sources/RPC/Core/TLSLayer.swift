import Crypto
import EventLoop
import HTTP2

/// What lies between a connection's socket and its HTTP/2 session when the connection is encrypted. Loop-confined.
///
/// Plain text goes from the session straight into records, and records into one buffer, which leaves in one write; the
/// buffer's memory is used again.
final class TLSLayer {
  private let records: Records
  private let tls: TLSSession

  /// Records for the peer. Apart, because the session writes into it while the layer waits for the session.
  private final class Records {
    var bytes = ByteBuffer()
  }

  // More memory than one turn's output needs is given back.
  private static let bufferBytesKept = 512 << 10

  /// - Parameter serverName: for whom the server's certificate must be; nil on a server.
  init(_ context: TLSContext, serverName: String? = nil) throws(TLSError) {
    let records = Records()
    self.records = records
    tls = try TLSSession(context, serverName: serverName) { bytes in records.bytes.append(bytes) }
  }

  var isEstablished: Bool { tls.isEstablished }
  var failure: TLSError? { tls.failure }
  var peerCertificate: PeerCertificate? { tls.peerCertificate }
  /// The peer sends nothing more.
  var hasEnded: Bool { tls.hasEnded }

  /// Begins the handshake.
  func start() { tls.start() }

  /// Takes in what the socket gave and hands on its plain text, for which `room` is lent.
  func receive(
    _ bytes: UnsafeRawBufferPointer, room: UnsafeMutableRawBufferPointer, _ deliver: (UnsafeRawBufferPointer) -> Void
  ) {
    tls.receive(bytes, room: room, deliver)
  }

  /// The socket has ended.
  func receiveEnd() { tls.receiveEnd() }

  /// Encrypts what the session has staged, unless earlier records still wait; returns the bytes to be written.
  func stage(_ session: HTTP2Session) -> Int {
    if records.bytes.isEmpty { encrypt(session) }
    return records.bytes.count
  }

  /// Adds what is left to say before the socket closes.
  func finish(_ session: HTTP2Session) {
    encrypt(session)
    tls.shutDown()
  }

  /// Bytes that wait for the socket.
  var outputBytes: Int { records.bytes.count }

  /// Lends the bytes for the socket.
  func withOutput<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { body(records.bytes.readable) }

  /// Takes the first `count` bytes as written.
  func outputWritten(_ count: Int) {
    records.bytes.consume(count)
    if records.bytes.isEmpty { records.bytes.clear(keepingAtMost: Self.bufferBytesKept) }
  }

  private func encrypt(_ session: HTTP2Session) {
    guard tls.isEstablished, tls.failure == nil, session.outputBytes > 0 else { return }
    session.withOutput { tls.send($0) }
    session.outputWritten(session.outputBytes)
  }
}
