import CCurl
package import EventLoop
import Synchronization

/// Hands mails to one relay.
///
/// Transfers run on the threads of a `BlockingPool`, never on an event loop; each thread at work uses a connection of
/// its own, and connections stay open for the next mail.
package final class SMTPClient: Sendable {
  private let server: SMTPServer
  private let pool: BlockingPool
  private let idle = Mutex<[CurlHandle]>([])
  private static let idleMax = 64
  private static let connectTimeout = Duration.seconds(10)

  /// Opens no connection yet; transfers block threads of `pool`, so it bounds how many connections there are.
  package init(server: SMTPServer, pool: BlockingPool) {
    self.server = server
    self.pool = pool
  }

  /// Sends one mail and returns the server's final reply once the server has taken responsibility for it.
  ///
  /// All recipients are accepted or none. A cancelled task stops the transfer within about a second.
  ///
  /// - Throws: `SMTPFailure`, `CancellationError`, or the pool's refusal when its queue is full.
  package func send(_ message: SMTPMessage, deadline: Deadline) async throws -> SMTPReply {
    let isCancelled = CancelFlag()
    return try await withTaskCancellationHandler {
      try await pool.run { try self.transfer(message, deadline, isCancelled) }
    } onCancel: {
      isCancelled.set()
    }
  }

  /// Says good-bye on the idle connections; the client may be used again afterwards.
  package func close() async throws {
    try await pool.run { self.idle.withLock { $0.removeAll() } }
  }

  private func transfer(_ message: SMTPMessage, _ deadline: Deadline, _ isCancelled: CancelFlag) throws -> SMTPReply {
    guard let handle = idle.withLock({ $0.popLast() }) ?? CurlHandle() else {
      throw SMTPFailure.transient(reason: "out of memory", reply: nil)
    }
    defer {
      idle.withLock { if $0.count < Self.idleMax { $0.append(handle) } }
    }
    var (code, words, exchange) = try attempt(message, handle, deadline, isCancelled, onNewConnection: false)
    if code != CURLE_OK, handle.reusedConnection, exchange.lines.isEmpty {
      // The server closed the idle connection just as we took it up; it has seen nothing of the mail.
      (code, words, exchange) = try attempt(message, handle, deadline, isCancelled, onNewConnection: true)
    }
    guard code == CURLE_OK else {
      if isCancelled.isSet { throw CancellationError() }
      throw SMTPFailure(code, words: words, exchange: exchange)
    }
    return SMTPReply.all(in: exchange.lines).last { $0.code == 250 } ?? SMTPReply(code: 250, text: "")
  }

  private func attempt(
    _ message: SMTPMessage, _ handle: CurlHandle, _ deadline: Deadline, _ isCancelled: CancelFlag,
    onNewConnection: Bool
  ) throws -> (CURLcode, String, CurlExchange) {
    let remaining = deadline.remaining
    guard remaining > .zero else {
      throw SMTPFailure.transient(reason: "no time was left to send the mail", reply: nil)
    }
    handle.reset()
    handle.set(CURLOPT_PROTOCOLS_STR, "smtp,smtps")
    handle.set(CURLOPT_URL, server.curlURL)
    handle.set(CURLOPT_USE_SSL, Int((server.security == .none ? CURLUSESSL_NONE : CURLUSESSL_ALL).rawValue))
    if let file = server.certificatesFile { handle.set(CURLOPT_CAINFO, file) }
    if let user = server.user, let password = server.password {
      handle.set(CURLOPT_USERNAME, user)
      handle.set(CURLOPT_PASSWORD, password)
    }
    handle.set(CURLOPT_MAIL_FROM, message.sender)
    handle.set(CURLOPT_MAIL_RCPT, list: message.recipients)
    handle.set(CURLOPT_UPLOAD, 1)
    handle.set(CURLOPT_INFILESIZE_LARGE, offset: Int64(message.content.count))
    handle.set(CURLOPT_TIMEOUT_MS, milliseconds(remaining))
    handle.set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(min(remaining, Self.connectTimeout)))
    if onNewConnection { handle.set(CURLOPT_FRESH_CONNECT, 1) }
    let exchange = CurlExchange(upload: message.content, isCancelled: isCancelled)
    let (code, words) = handle.perform(exchange)
    return (code, words, exchange)
  }
}

/// At least one, because zero means "for ever" to libcurl; at most a day.
private func milliseconds(_ duration: Duration) -> Int {
  Int(min(max(duration.wholeNanoseconds / 1_000_000, 1), 86_400_000))
}
