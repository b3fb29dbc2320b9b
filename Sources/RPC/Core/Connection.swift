import Crypto
import EventLoop
import Glibc
import HTTP2

/// A socket that carries an HTTP/2 session: bytes between the two, once per turn, for servers and clients.
/// Loop-confined; a subclass is the session's delegate.
///
/// One receive feeds the session as much as there is; everything a turn submits leaves in one write at its end.
class Connection {
  let loop: EventLoop
  let session: HTTP2Session
  private(set) var isClosed = false
  /// Why the peer cannot be talked to, in words; nil when the connection just ended.
  private(set) var fault: String?
  /// When bytes last went either way.
  private(set) var lastRead: MonotonicTime
  private(set) var lastWriteProgress: MonotonicTime
  private let fd: Int32
  private let tls: TLSLayer?
  private var watch: Watch?
  private var hasRead = false
  private var isFlushPlanned = false
  private var isWriteBlocked = false
  private let outboundBytesMax: Int
  /// Streams answered before their request had ended; they are reset when the answer is out.
  private var answeredEarly: [HTTP2Stream] = []
  /// Holds the connection, like its watch, until it closes. A weak reference would make every use of the connection by
  /// others slower, since reference counts then move to a place of their own.
  private var flushAtEndOfTurn: (() -> Void)?

  /// Streams that nobody reads fill their own windows, and never the connection's, which would hold up the others.
  ///
  /// - Parameter streams: how many there may be; on a client as many as the server allows, of which few are not read.
  static func setWindows(_ configuration: inout HTTP2Configuration, streams: Int = 200) {
    configuration.streamWindowBytes = 256 << 10
    // Twice, because the library tells the peer of bytes that were taken when they are half of a window.
    configuration.connectionWindowBytes = Int32(clamping: 2 * (streams + 1) * Int(configuration.streamWindowBytes))
  }

  /// The other end of a connected descriptor.
  static func peerAddress(_ fd: Int32) throws(SocketError) -> SocketAddress { try Socket.peerAddress(fd) }

  private static let bytesPerRead = 64 << 10
  private static let bytesPerWrite = 256 << 10
  private static let writesPerTurn = 16

  /// Takes over a connected descriptor, and closes it in ``close()``. Without `tls` the bytes go in the clear.
  init(_ fd: Int32, on loop: EventLoop, session: HTTP2Session, outboundBytesMax: Int, tls: TLSLayer?) {
    self.fd = fd
    self.tls = tls
    self.loop = loop
    self.session = session
    self.outboundBytesMax = outboundBytesMax
    lastRead = loop.now
    lastWriteProgress = loop.now
  }

  /// Starts to watch the socket and sends the preface. The loop's watch keeps the connection alive until it closes.
  func open() {
    tls?.start()
    watch = loop.watch(fd, .read) { told in self.ready(told) }
    flushAtEndOfTurn = { self.flush() }
    planFlush()
  }

  /// The connection is over; called once, after every stream was reported closed.
  func closed() {}

  /// Does something to the session and sees to it that its output leaves at the end of the turn. Misfortunes of the
  /// session end the connection there, too.
  func act(_ act: (HTTP2Session) throws(HTTP2Error) -> Void) {
    guard !isClosed else { return }
    // The session keeps its failure and `flush` closes for it.
    try? act(session)
    planFlush()
  }

  /// Has the output written at the end of this turn.
  func planFlush() {
    guard !isFlushPlanned, !isClosed, let flushAtEndOfTurn else { return }
    isFlushPlanned = true
    loop.atEndOfTurn(flushAtEndOfTurn)
  }

  /// An answer was given; if the peer still sends its request, it is told to stop when the answer has left.
  func answered(_ stream: HTTP2Stream) {
    if !stream.remoteEnded { answeredEarly.append(stream) }
  }

  /// Closes at once: streams are reported closed, what is staged gets one try to be written. `reason` becomes the
  /// ``fault`` when there is none yet.
  func close(_ code: HTTP2ErrorCode = .cancel, because reason: String? = nil) {
    guard !isClosed else { return }
    isClosed = true
    fault = fault ?? reason
    if let tls {
      tls.finish(session)
      _ = tls.withOutput { $0.isEmpty ? .wouldBlock : Socket.send(fd, $0) }
      fault = fault ?? tls.failure?.description
    } else {
      _ = session.withOutput { $0.isEmpty ? .wouldBlock : Socket.send(fd, $0) }
    }
    watch?.cancel()
    watch = nil
    flushAtEndOfTurn = nil
    Socket.close(fd)
    session.abandonStreams(code)
    answeredEarly = []
    closed()
  }

  /// What the peer has proved to be by its certificate.
  var peerCertificate: PeerCertificate? { tls?.peerCertificate }

  /// Bytes that wait for the peer to take them.
  var outboundBytes: Int { session.outputBytes + (tls?.outputBytes ?? 0) }

  private func ready(_ told: IOInterest) {
    if told.contains(.write) {
      isWriteBlocked = false
      planFlush()
    }
    if told.contains(.read) {
      read()
    } else if told.contains(.hangup) {
      close()
    }
  }

  private func read() {
    let outcome = loop.withScratch(Self.bytesPerRead + (tls == nil ? 0 : TLSSession.recordBytesMax)) { room in
      let outcome = Socket.receive(fd, UnsafeMutableRawBufferPointer(rebasing: room[..<Self.bytesPerRead]))
      if case .bytes(let count) = outcome, count > 0 {
        received(
          UnsafeRawBufferPointer(rebasing: room[..<count]),
          plainRoom: UnsafeMutableRawBufferPointer(rebasing: room[Self.bytesPerRead...]))
        lastRead = loop.now
      }
      return outcome
    }
    switch outcome {
    case .bytes(0), .failed:
      // Without open streams nothing can have been cut off, and many a client just goes.
      if session.streamCount > 0 || tls?.isEstablished == false { tls?.receiveEnd() }
      close()
    case .bytes, .wouldBlock: planFlush()
    }
  }

  // Failures are kept by session and layer; `flush` sends what explains them and closes.
  private func received(_ bytes: UnsafeRawBufferPointer, plainRoom: UnsafeMutableRawBufferPointer) {
    let now = loop.now.nanoseconds
    if let tls {
      tls.receive(bytes, room: plainRoom) { plain in try? session.receive(plain, now: now) }
    } else {
      if session.failure == nil, !hasRead, TLSRecord.begins(bytes) {
        fault = "the peer speaks TLS, and this side does not: set up TLS on both sides or on none"
      }
      try? session.receive(bytes, now: now)
    }
    hasRead = true
  }

  private func flush() {
    isFlushPlanned = false
    guard !isClosed else { return }
    if !isWriteBlocked { writeOut() }
    guard !isClosed else { return }
    if session.failure != nil || session.isFinished { return close(session.failure?.code ?? .noError) }
    if let tls, tls.failure != nil || tls.hasEnded { return close() }
    let isClogged = isWriteBlocked && outboundBytes > outboundBytesMax
    watch?.update(isWriteBlocked ? (isClogged ? .write : [.read, .write]) : .read)
  }

  private func writeOut() {
    for _ in 0..<Self.writesPerTurn {
      if session.failure == nil { try? session.collectOutput(bytesMax: Self.bytesPerWrite) }
      if !answeredEarly.isEmpty, session.outputBytes < Self.bytesPerWrite { resetAnswered() }
      let staged = tls?.stage(session) ?? session.outputBytes
      guard staged > 0 else { return }
      switch send() {
      case .bytes(let count):
        if let tls { tls.outputWritten(count) } else { session.outputWritten(count) }
        lastWriteProgress = loop.now
        guard count == staged else {
          isWriteBlocked = true
          return
        }
      case .wouldBlock:
        isWriteBlocked = true
        return
      case .failed:
        // What the peer said before it went may tell why.
        read()
        return close()
      }
    }
    // The rest is for the next turn, so that one connection cannot hold up the others.
    isWriteBlocked = true
  }

  private func send() -> Socket.Transfer {
    guard let tls else { return session.withOutput { Socket.send(fd, $0) } }
    return tls.withOutput { Socket.send(fd, $0) }
  }

  // A peer that is answered while it still sends is told by RST_STREAM(NO_ERROR) behind the answer (RFC 9113 §8.1).
  private func resetAnswered() {
    let ready = answeredEarly.filter { $0.outboundBytes == 0 || !$0.isOpen }
    guard !ready.isEmpty else { return }
    answeredEarly.removeAll { $0.outboundBytes == 0 || !$0.isOpen }
    for stream in ready where stream.isOpen && !stream.remoteEnded { try? session.reset(stream, .noError) }
    if session.failure == nil { try? session.collectOutput(bytesMax: Self.bytesPerWrite) }
  }
}
