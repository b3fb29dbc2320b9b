import EventLoop
import HTTP2

/// The part of a server that lives on one loop: its connections and the watch over their times. Loop-confined.
final class ServerLoop {
  let loop: EventLoop
  private let core: ServerCore
  private let connectionClosed: () -> Void
  private var connections: [ObjectIdentifier: ServerConnection] = [:]
  private var sweep: LoopTimer?
  private var isDraining = false
  private var whenEmpty: UnsafeContinuation<Void, Never>?

  init(_ loop: EventLoop, core: ServerCore, connectionClosed: @escaping () -> Void) {
    self.loop = loop
    self.core = core
    self.connectionClosed = connectionClosed
  }

  /// Serves an accepted descriptor, which now belongs to this loop.
  func adopt(_ fd: Int32, peer: String) {
    guard !isDraining, let connection = try? ServerConnection(fd, peer: peer, owner: self, core: core) else {
      Socket.close(fd)
      return connectionClosed()
    }
    connections[ObjectIdentifier(connection)] = connection
    connection.open()
    planSweep()
  }

  func removed(_ connection: ServerConnection) {
    connections[ObjectIdentifier(connection)] = nil
    connectionClosed()
    if connections.isEmpty {
      sweep?.cancel()
      sweep = nil
      whenEmpty?.resume()
      whenEmpty = nil
    }
  }

  func beginDrain() {
    isDraining = true
    for connection in Array(connections.values) { connection.beginDrain() }
  }

  /// Waits until the drain has come to its end; the connections left at the deadline are terminated.
  func finishDrain(_ deadline: Deadline) async {
    defer { core.handlers.endIdle() }
    guard !connections.isEmpty else { return }
    let timer = loop.schedule(at: deadline.time) { [unowned self] in
      for connection in Array(connections.values) { connection.terminate() }
    }
    await withUnsafeContinuation { whenEmpty = $0 }
    timer.cancel()
  }

  private func planSweep() {
    guard sweep == nil, !connections.isEmpty else { return }
    sweep = loop.schedule(after: core.limits.sweepInterval) { [weak self] in
      guard let self else { return }
      sweep = nil
      core.bytesWaiting = 0
      for connection in Array(connections.values) { core.bytesWaiting += connection.checkTimes() }
      planSweep()
    }
  }
}

extension RPCServerLimits {
  /// How often times are looked at: a quarter of the shortest, at least every second.
  var sweepInterval: Duration {
    let optional = [idleTimeout, connectionAgeMax, connectionAgeGrace].compactMap { $0 }
    let times = [handshakeTimeout, requestTimeout, writeTimeout, stallTimeout, keepaliveTime, keepaliveTimeout]
    let shortest = (times + optional).min() ?? .seconds(1)
    return min(.seconds(1), max(.milliseconds(1), shortest / 4))
  }
}
