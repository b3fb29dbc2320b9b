import EventLoop
import HTTP2

/// What a connection's client may take its time for, looked at now and then.
extension ServerConnection {
  /// Ends what has waited too long: the connection, or calls of it. Answers how many bytes wait for the client.
  func checkTimes() -> Int {
    let now = loop.now
    let limits = core.limits
    if !hasSettings, now.since(opened) >= limits.handshakeTimeout {
      terminate(.settingsTimeout, because: "the client did not begin to speak HTTP/2 in time")
      return 0
    }
    if let (code, reason) = verdict(now, limits) {
      terminate(code, reason)
      return 0
    }
    if let idle = limits.idleTimeout, session.streamCount == 0, now.since(idleSince) >= idle { beginDrain("max_idle") }
    if let expires, now >= expires { beginDrain("max_age") }
    if let drainBegan, now.since(drainBegan) >= limits.keepaliveTimeout { finishDrain() }
    if !pings.isAlive(lastRead: lastRead, now: now, limits) {
      act { session throws(HTTP2Error) in try session.ping(Self.keepalivePing) }
    }
    endIncomplete(now, limits)
    return outboundBytes + endStalled(now, limits)
  }

  /// Why the connection has to be closed; nil while it need not.
  private func verdict(_ now: MonotonicTime, _ limits: RPCServerLimits) -> (HTTP2ErrorCode, StaticString)? {
    if let began = headerBlockBegan, now.since(began) >= limits.requestTimeout { return (.noError, "request_timeout") }
    if outboundBytes > 0, now.since(lastWriteProgress) >= limits.writeTimeout {
      return (.cancel, "write_timeout")
    }
    if pings.isLost(lastRead: lastRead, now: now, limits) { return (.noError, "keepalive_timeout") }
    if let grace = limits.connectionAgeGrace, let expires, let drainBegan, drainBegan >= expires,
      now.since(drainBegan) >= grace
    {
      return (.noError, "max_age")
    }
    return nil
  }

  /// Ends the streams whose only message, or plain HTTP request, has not come in time.
  private func endIncomplete(_ now: MonotonicTime, _ limits: RPCServerLimits) {
    session.forEachStream { stream in
      guard !stream.remoteEnded, let served = served(stream), let since = served.requestAwaitedSince,
        now.since(since) >= limits.requestTimeout, served.requestTimedOut()
      else { return }
      act { session throws(HTTP2Error) in try session.reset(stream, .cancel) }
    }
  }

  /// Resets the streams whose client takes nothing of what waits; answers how much waits in all.
  private func endStalled(_ now: MonotonicTime, _ limits: RPCServerLimits) -> Int {
    var waiting = 0
    session.forEachStream { stream in
      guard stream.outboundBytes > 0 else {
        stream.stall = nil
        return
      }
      waiting += stream.outboundBytes
      guard let stall = stream.stall, stall.bytesFramed == stream.bytesFramed else {
        stream.stall = (stream.bytesFramed, now.nanoseconds)
        return
      }
      guard now.since(MonotonicTime(nanoseconds: stall.since)) >= limits.stallTimeout else { return }
      act { session throws(HTTP2Error) in try session.reset(stream, .cancel) }
    }
    return waiting
  }

  private static let keepalivePing: UInt64 = 0x616c_6976_653f_0002
}

/// The PINGs of one connection: how many the client may send, and those that find out whether it is alive (gRPC
/// proposals A8 and A9).
struct PingPolicy {
  private var lastReceived: MonotonicTime?
  private var strikes = 0
  private var sent: MonotonicTime?

  /// Counts a PING of the client; false when it was one too many.
  mutating func allows(now: MonotonicTime, hasCalls: Bool, _ limits: RPCServerLimits) -> Bool {
    defer { lastReceived = now }
    guard let lastReceived else { return true }
    let least = hasCalls ? limits.pingIntervalMin : limits.pingIntervalMinWithoutCalls
    if now.since(lastReceived) < least { strikes += 1 }
    return strikes <= limits.pingStrikesMax
  }

  /// A part of an answer was sent: the client may want to know how fast it travels.
  mutating func answered() {
    strikes = 0
    lastReceived = nil
  }

  /// Whether there is no need to ask the client for a sign of life; when false, it is to be asked now.
  mutating func isAlive(lastRead: MonotonicTime, now: MonotonicTime, _ limits: RPCServerLimits) -> Bool {
    if let sent, lastRead < sent { return true }
    sent = nil
    guard now.since(lastRead) >= limits.keepaliveTime else { return true }
    sent = now
    return false
  }

  /// Whether the client has not answered in time.
  func isLost(lastRead: MonotonicTime, now: MonotonicTime, _ limits: RPCServerLimits) -> Bool {
    guard let sent, lastRead < sent else { return false }
    return now.since(sent) >= limits.keepaliveTimeout
  }
}
