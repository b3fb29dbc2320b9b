import CCurl
package import EventLoop
import Synchronization

/// Whom an IMAP client may call, and whom it believes.
package struct IMAPLimits: Sendable {
  /// The addresses that may be connected to.
  package var policy: AddressPolicy
  /// A PEM file of authorities to trust instead of the system's; nil: the system's.
  package var authoritiesFile: String?
  /// Longest time for name, connection and TLS.
  package var connectTimeout: Duration
  /// Longest silence of the server.
  package var answerTimeout: Duration

  /// Limits for hosts that administrators name.
  package init(
    policy: AddressPolicy, authoritiesFile: String? = nil, connectTimeout: Duration = .seconds(10),
    answerTimeout: Duration = .seconds(20)
  ) {
    self.policy = policy
    self.authoritiesFile = authoritiesFile
    self.connectTimeout = connectTimeout
    self.answerTimeout = answerTimeout
  }
}

/// One visit to a mailbox, over one connection.
///
/// Calls block threads of a `BlockingPool`, never an event loop, and one at a time belongs to a session. A cancelled
/// task ends its call within about a second. ``close()`` takes leave.
package final class IMAPSession: Sendable {
  private struct State {
    /// Nil while a call uses it, and before the first.
    var handle: CurlHandle?
    var isConnected = false
    var capabilities: Set<String> = []
  }

  private let server: IMAPServer
  private let pool: BlockingPool
  private let limits: IMAPLimits
  private let state = Mutex(State())
  /// Bytes of an answer that is no mail.
  private static let answerBytesMax = 1 << 20
  /// Mails that one command names; commands have their length.
  private static let uidsMax = 200
  /// Longest time for taking leave.
  private static let leaveTimeout: Duration = .seconds(5)

  /// Opens no connection yet.
  package init(server: IMAPServer, pool: BlockingPool, limits: IMAPLimits) {
    self.server = server
    self.pool = pool
    self.limits = limits
  }

  /// Connects and signs in.
  ///
  /// - Throws: ``IMAPFailure``, `CancellationError`, or the pool's refusal when its queue is full. So do all others.
  package func signIn(deadline: Deadline) async throws {
    let exchange = try await transfer(Order(url: server.url(inMailbox: false), command: "CAPABILITY"), deadline)
    let words = String(decoding: exchange.body, as: UTF8.self).uppercased().split { $0 == " " || $0.isNewline }
    state.withLock { $0.capabilities = Set(words.map(String.init)) }
  }

  /// Opens the mailbox; for a session that has signed in and opened nothing yet.
  package func select(deadline: Deadline) async throws -> IMAPMailbox {
    let order = Order(url: server.url(inMailbox: true), command: "NOOP", opensMailbox: true)
    return IMAPMailbox(lines: try await transfer(order, deadline).lines)
  }

  /// The UID of the mail at a place, from 1; nil when there is none.
  package func uid(at place: Int, deadline: Deadline) async throws -> UInt32? {
    let order = Order(url: server.url(inMailbox: true), command: "FETCH \(place) (UID)", opensMailbox: true)
    return Self.lines(try await transfer(order, deadline).body).lazy.compactMap { IMAPMessage.uid(line: $0) }.first
  }

  /// Lists the mails at some places, ascending; at most 1,000.
  package func messages(at places: ClosedRange<Int>, deadline: Deadline) async throws -> [IMAPMessage] {
    let command = "FETCH \(places.lowerBound):\(places.upperBound) (UID RFC822.SIZE INTERNALDATE)"
    let order = Order(url: server.url(inMailbox: true), command: command, opensMailbox: true)
    let found = Self.lines(try await transfer(order, deadline).body).compactMap { IMAPMessage(line: $0) }
    return found.sorted { $0.uid < $1.uid }
  }

  /// Fetches a mail's bytes; the server marks it as read.
  ///
  /// - Parameter bytesMax: a longer one is refused (``IMAPFailure/messageTooLong``).
  package func message(
    _ uid: UInt32, uidValidity: UInt32, bytesMax: Int, deadline: Deadline
  ) async throws -> [UInt8] {
    let url = server.url(inMailbox: true, uidValidity: uidValidity, uid: uid)
    return try await transfer(Order(url: url, opensMailbox: true, bodyBytesMax: bytesMax), deadline).body
  }

  /// Fetches the beginning of a mail's header.
  package func head(_ uid: UInt32, uidValidity: UInt32, bytesMax: Int, deadline: Deadline) async throws -> [UInt8] {
    let section = "/;SECTION=HEADER/;PARTIAL=0.\(bytesMax)"
    let url = server.url(inMailbox: true, uidValidity: uidValidity, uid: uid, section: section)
    return try await transfer(Order(url: url, opensMailbox: true, bodyBytesMax: bytesMax), deadline).body
  }

  /// Removes mails for good; those that are gone already do no harm.
  ///
  /// A server without UIDPLUS (RFC 4315) can remove only all that are marked as deleted. There they stay marked while
  /// somebody else has marked others.
  ///
  /// - Returns: whether they are gone; else to be tried again.
  @discardableResult
  package func delete(_ uids: [UInt32], uidValidity: UInt32, deadline: Deadline) async throws -> Bool {
    guard !uids.isEmpty else { return true }
    let url = server.url(inMailbox: true, uidValidity: uidValidity)
    func say(_ command: String) async throws -> CurlExchange {
      try await transfer(Order(url: url, command: command, opensMailbox: true), deadline)
    }
    let sets = stride(from: 0, to: uids.count, by: Self.uidsMax).map { start in
      uids[start..<min(start + Self.uidsMax, uids.count)].map(String.init).joined(separator: ",")
    }
    for set in sets { _ = try await say("UID STORE \(set) +FLAGS.SILENT (\\Deleted)") }
    if state.withLock({ $0.capabilities.contains("UIDPLUS") }) {
      for set in sets { _ = try await say("UID EXPUNGE \(set)") }
      return true
    }
    let marked = IMAPSearch.uids(lines: Self.lines(try await say("UID SEARCH DELETED").body))
    guard !marked.isEmpty else { return true }
    guard marked.isSubset(of: uids) else { return false }
    _ = try await say("EXPUNGE")
    return true
  }

  /// Takes leave of the server; after that the session connects anew.
  package func close() async {
    let order = Order(url: server.url(inMailbox: false), command: "LOGOUT", isLast: true)
    if state.withLock({ $0.isConnected }) { _ = try? await transfer(order, .after(Self.leaveTimeout)) }
    // libcurl says good-bye once more when a handle goes, which is no loop's work.
    _ = try? await pool.run { [self] in
      state.withLock { state in
        defer { state = State() }
        return state.handle
      } != nil
    }
  }

  /// What one call asks for.
  private struct Order: Sendable {
    var url: String
    /// In the place of fetching what the URL names.
    var command: String?
    /// Whether a refusal concerns the mailbox.
    var opensMailbox = false
    var bodyBytesMax = IMAPSession.answerBytesMax
    /// Whether the connection ends with it.
    var isLast = false
  }

  private func transfer(_ order: Order, _ deadline: Deadline) async throws -> CurlExchange {
    let isCancelled = CancelFlag()
    return try await withTaskCancellationHandler {
      try await pool.run { try self.transfer(order, deadline, isCancelled) }
    } onCancel: {
      isCancelled.set()
    }
  }

  private func transfer(
    _ order: Order, _ deadline: Deadline, _ isCancelled: CancelFlag
  ) throws -> CurlExchange {
    let idle = state.withLock { state in
      defer { state.handle = nil }
      return state.handle
    }
    guard let handle = idle ?? CurlHandle() else { throw IMAPFailure.server("out of memory") }
    defer { state.withLock { $0.handle = handle } }
    let remaining = min(deadline.remaining, .seconds(86_400))
    guard remaining > .zero else { throw IMAPFailure.timeout }
    handle.reset()
    handle.set(CURLOPT_PROTOCOLS_STR, "imap,imaps")
    handle.set(CURLOPT_URL, order.url)
    handle.set(CURLOPT_USE_SSL, Int((server.security == .none ? CURLUSESSL_NONE : CURLUSESSL_ALL).rawValue))
    if let file = limits.authoritiesFile { handle.set(CURLOPT_CAINFO, file) }
    handle.set(CURLOPT_USERNAME, server.user)
    handle.set(CURLOPT_PASSWORD, server.password)
    if let command = order.command { handle.set(CURLOPT_CUSTOMREQUEST, command) }
    if order.isLast { handle.set(CURLOPT_FORBID_REUSE, 1) }
    handle.set(CURLOPT_TIMEOUT_MS, Self.milliseconds(remaining))
    handle.set(CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(min(remaining, limits.connectTimeout)))
    // Counts for taking leave, too, so that no server keeps a thread.
    let answer = order.isLast ? Self.leaveTimeout : limits.answerTimeout
    handle.set(CURLOPT_SERVER_RESPONSE_TIMEOUT, max(1, Int(answer.components.seconds)))
    let exchange = CurlExchange(
      upload: [], bodyBytesMax: order.bodyBytesMax, linesMax: 2_000, policy: limits.policy, isCancelled: isCancelled)
    let (code, words) = handle.perform(exchange)
    state.withLock { $0.isConnected = code == CURLE_OK && !order.isLast }
    if code == CURLE_OK { return exchange }
    if isCancelled.isSet { throw CancellationError() }
    throw IMAPFailure(code, words: words, exchange: exchange, opensMailbox: order.opensMailbox)
  }

  private static func lines(_ body: [UInt8]) -> [Substring] {
    String(decoding: body, as: UTF8.self).split { $0.isNewline }
  }

  private static func milliseconds(_ duration: Duration) -> Int { max(1, Int(duration / .milliseconds(1))) }
}
