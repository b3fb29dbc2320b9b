import EventLoop

/// One attempt to connect: every address in turn, until one speaks HTTP/2. Loop-confined.
final class Connector {
  private(set) var connection: ClientConnection?
  private let timeout: Duration
  private let loop: EventLoop
  private let make: (Int32) throws -> ClientConnection
  private var failed: ((Connector, String) -> Void)?
  private var addresses: [SocketAddress]
  private var reason = "no address"
  private var fd: Int32 = -1
  private var watch: Watch?
  private var timer: LoopTimer?

  init(
    _ addresses: [SocketAddress], timeout: Duration, _ loop: EventLoop,
    make: @escaping (Int32) throws -> ClientConnection
  ) {
    self.addresses = addresses
    self.timeout = timeout
    self.loop = loop
    self.make = make
  }

  /// Begins; `failed` is called at most once, with this attempt and a text for people, unless the connection becomes
  /// ready or ``cancel()`` comes first.
  func start(failed: @escaping (Connector, String) -> Void) {
    self.failed = failed
    tryNext()
  }

  /// The connection has become ready: the attempt is over.
  func succeeded() {
    timer?.cancel()
    failed = nil
  }

  /// The connection was lost before it was ready.
  func connectionFailed() {
    reason = connection?.fault ?? "the connection ended before the server spoke HTTP/2"
    connection = nil
    tryNext()
  }

  /// Gives up silently.
  func cancel() {
    failed = nil
    addresses = []
    dropSocket()
    timer?.cancel()
    let connection = self.connection
    self.connection = nil
    connection?.close()
  }

  private func tryNext() {
    timer?.cancel()
    guard failed != nil else { return }
    guard !addresses.isEmpty else {
      // Never from within `start`, so that its caller has a state to fail from.
      return loop.executeLocally { [self] in
        let failed = self.failed
        self.failed = nil
        failed?(self, reason)
      }
    }
    do {
      fd = try Socket.connect(addresses.removeFirst())
    } catch {
      reason = "\(error)"
      return tryNext()
    }
    watch = loop.watch(fd, .write) { [unowned self] _ in connected() }
    timer = loop.schedule(after: timeout) { [unowned self] in timedOut() }
  }

  private func connected() {
    watch?.cancel()
    watch = nil
    if let error = Socket.connectError(fd) {
      reason = "\(error)"
      dropSocket()
      return tryNext()
    }
    do {
      let connection = try make(fd)
      fd = -1
      self.connection = connection
      connection.open()
    } catch {
      reason = "\(error)"
      dropSocket()
      tryNext()
    }
  }

  private func timedOut() {
    reason = "timed out"
    if let connection {
      self.connection = nil
      connection.close()
    }
    dropSocket()
    tryNext()
  }

  private func dropSocket() {
    watch?.cancel()
    watch = nil
    if fd >= 0 { Socket.close(fd) }
    fd = -1
  }
}
