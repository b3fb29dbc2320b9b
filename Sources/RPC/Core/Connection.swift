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
  /// When bytes last went either way.
  private(set) var lastRead: MonotonicTime
  private(set) var lastWriteProgress: MonotonicTime
  private let fd: Int32
  private var watch: Watch?
  private var isFlushPlanned = false
  private var isWriteBlocked = false
  private let outboundBytesMax: Int
  /// Streams answered before their request had ended; they are reset when the answer is out.
  private var answeredEarly: [HTTP2Stream] = []
  /// Holds the connection, like its watch, until it closes. A weak reference would make every use of the connection by
  /// others slower, since reference counts then move to a place of their own.
  private var flushAtEndOfTurn: (() -> Void)?

  /// Streams that nobody reads fill their own window long before they fill the connection's and hold up the others.
  static func setWindows(_ configuration: inout HTTP2Configuration) {
    configuration.streamWindowBytes = 256 << 10
    configuration.connectionWindowBytes = 16 << 20
  }

  private static let bytesPerRead = 64 << 10
  private static let bytesPerWrite = 256 << 10
  private static let writesPerTurn = 16

  /// Takes over a connected descriptor, and closes it in ``close()``.
  init(_ fd: Int32, on loop: EventLoop, session: HTTP2Session, outboundBytesMax: Int) {
    self.fd = fd
    self.loop = loop
    self.session = session
    self.outboundBytesMax = outboundBytesMax
    lastRead = loop.now
    lastWriteProgress = loop.now
  }

  /// Starts to watch the socket and sends the preface. The loop's watch keeps the connection alive until it closes.
  func open() {
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

  /// Closes at once: streams are reported closed, what is staged gets one try to be written.
  func close(_ code: HTTP2ErrorCode = .cancel) {
    guard !isClosed else { return }
    isClosed = true
    _ = session.withOutput { $0.isEmpty ? .wouldBlock : Socket.send(fd, $0) }
    watch?.cancel()
    watch = nil
    flushAtEndOfTurn = nil
    Socket.close(fd)
    session.abandonStreams(code)
    answeredEarly = []
    closed()
  }

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
    let outcome = loop.withScratch(Self.bytesPerRead) { room in
      let outcome = Socket.receive(fd, room)
      if case .bytes(let count) = outcome, count > 0 {
        lastRead = loop.now
        // A failure is kept by the session; `flush` sends its GOAWAY and closes.
        try? session.receive(UnsafeRawBufferPointer(rebasing: room[..<count]), now: loop.now.nanoseconds)
      }
      return outcome
    }
    switch outcome {
    case .bytes(0), .failed: close()
    case .bytes, .wouldBlock: planFlush()
    }
  }

  private func flush() {
    isFlushPlanned = false
    guard !isClosed else { return }
    if !isWriteBlocked { writeOut() }
    guard !isClosed else { return }
    if session.failure != nil || session.isFinished { return close(session.failure?.code ?? .noError) }
    let isClogged = isWriteBlocked && session.outputBytes > outboundBytesMax
    watch?.update(isWriteBlocked ? (isClogged ? .write : [.read, .write]) : .read)
  }

  private func writeOut() {
    for _ in 0..<Self.writesPerTurn {
      if session.failure == nil { try? session.collectOutput(bytesMax: Self.bytesPerWrite) }
      if !answeredEarly.isEmpty, session.outputBytes < Self.bytesPerWrite { resetAnswered() }
      let staged = session.outputBytes
      guard staged > 0 else { return }
      switch session.withOutput({ Socket.send(fd, $0) }) {
      case .bytes(let count):
        session.outputWritten(count)
        lastWriteProgress = loop.now
        guard count == staged else {
          isWriteBlocked = true
          return
        }
      case .wouldBlock:
        isWriteBlocked = true
        return
      case .failed: return close()
      }
    }
    // The rest is for the next turn, so that one connection cannot hold up the others.
    isWriteBlocked = true
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
