import CCurl
package import EventLoop
import Synchronization

/// A request of an HTTP client.
package struct HTTPRequest: Sendable {
  /// `GET`, `POST`, `PATCH` or `DELETE`.
  package var method: String
  /// An `http` or `https` URL.
  package var url: String
  /// Header lines: `authorization: Bearer …`.
  package var headers: [String]
  /// Sent when not empty.
  package var body: [UInt8]
  /// Whether it may go over a connection that is open already. If that one turns out to be dead, libcurl may send the
  /// request again, which is of harm when the first one was heard.
  package var mayReuseConnection = true

  /// A request without headers and body of its own.
  package init(_ method: String, _ url: String, headers: [String] = [], body: [UInt8] = []) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
  }
}

/// What an HTTP server answered.
package struct HTTPReply: Sendable {
  /// 200, 404 …
  package let status: Int
  /// The body, at most what the client allows.
  package let body: [UInt8]
  /// Whether the body was longer than that.
  package var isCut = false
  /// The answer's header lines, at most 100 of at most 1000 bytes.
  package var headerLines: [String] = []

  /// The value of a header; nil when there is none. Of several, the last.
  ///
  /// - Parameter name: in lower case.
  package func header(_ name: String) -> String? {
    for line in headerLines.reversed() {
      guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else { continue }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      return String(value.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
    return nil
  }
}

/// Why there is no answer.
package struct HTTPFailure: Error, Sendable, CustomStringConvertible {
  /// libcurl's words.
  package let description: String
  /// What kind of address it was that must not be called; nil: that was not the reason.
  package var addressRefusal: String?
}

/// Whom an HTTP client may call, and how long it listens.
package struct HTTPLimits: Sendable {
  /// Most bytes of an answer's body.
  package var bodyBytesMax: Int
  /// Longest time for name, connection and TLS.
  package var connectTimeout: Duration
  /// For hosts that an administrator named: HTTPS only, and only to these addresses; of an answer that is too long the
  /// beginning counts. Nil: the operator chose the host.
  package var policy: AddressPolicy?
  /// A PEM file of authorities to trust instead of the system's; nil: the system's.
  package var authoritiesFile: String?

  /// For a host that the operator chose.
  package init(
    bodyBytesMax: Int = 4 << 20, connectTimeout: Duration = .seconds(10), policy: AddressPolicy? = nil,
    authoritiesFile: String? = nil
  ) {
    self.bodyBytesMax = bodyBytesMax
    self.connectTimeout = connectTimeout
    self.policy = policy
    self.authoritiesFile = authoritiesFile
  }
}

/// Calls HTTP servers; redirects are not followed, no proxy is asked.
///
/// Transfers run on the threads of a `BlockingPool`, never on an event loop.
package final class HTTPClient: Sendable {
  private let pool: BlockingPool
  private let limits: HTTPLimits
  private let idle = Mutex<[CurlHandle]>([])
  private static let idleMax = 8

  /// A client that keeps to limits.
  package init(pool: BlockingPool, limits: HTTPLimits = HTTPLimits()) {
    self.pool = pool
    self.limits = limits
  }

  /// Sends a request and returns the answer, whatever its status. A cancelled task stops it within about a second.
  ///
  /// - Throws: `HTTPFailure`, `CancellationError`, or the pool's refusal when its queue is full.
  package func send(_ request: HTTPRequest, deadline: Deadline) async throws -> HTTPReply {
    let isCancelled = CancelFlag()
    return try await withTaskCancellationHandler {
      try await pool.run { try self.transfer(request, deadline, isCancelled) }
    } onCancel: {
      isCancelled.set()
    }
  }

  private func transfer(_ request: HTTPRequest, _ deadline: Deadline, _ isCancelled: CancelFlag) throws -> HTTPReply {
    guard let handle = idle.withLock({ $0.popLast() }) ?? CurlHandle() else {
      throw HTTPFailure(description: "out of memory")
    }
    defer {
      idle.withLock { if $0.count < Self.idleMax { $0.append(handle) } }
    }
    let remaining = deadline.remaining
    guard remaining > .zero else { throw HTTPFailure(description: "no time was left for the request") }
    handle.reset()
    handle.set(CURLOPT_PROTOCOLS_STR, limits.policy == nil ? "http,https" : "https")
    if let file = limits.authoritiesFile { handle.set(CURLOPT_CAINFO, file) }
    handle.set(CURLOPT_URL, request.url)
    handle.set(CURLOPT_CUSTOMREQUEST, request.method)
    if !request.mayReuseConnection { handle.set(CURLOPT_FRESH_CONNECT, 1) }
    if !request.body.isEmpty {
      handle.set(CURLOPT_UPLOAD, 1)
      handle.set(CURLOPT_INFILESIZE_LARGE, offset: Int64(request.body.count))
    }
    // Without this, a body above 1 KiB would wait for a "100 Continue" that small servers never send.
    handle.set(CURLOPT_HTTPHEADER, list: request.headers + ["expect:"])
    handle.set(CURLOPT_TIMEOUT_MS, Self.milliseconds(remaining))
    handle.set(CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(min(remaining, limits.connectTimeout)))
    let exchange = CurlExchange(
      upload: request.body, bodyBytesMax: limits.bodyBytesMax, policy: limits.policy, isCancelled: isCancelled)
    let (code, words) = handle.perform(exchange)
    if code == CURLE_OK {
      return HTTPReply(status: handle.responseStatus, body: exchange.body, headerLines: exchange.lines)
    }
    if isCancelled.isSet { throw CancellationError() }
    if exchange.isBodyTooLong, limits.policy != nil {
      return HTTPReply(status: handle.responseStatus, body: exchange.body, isCut: true)
    }
    throw HTTPFailure(description: words, addressRefusal: exchange.addressRefusal)
  }

  private static func milliseconds(_ duration: Duration) -> Int { max(1, Int(duration / .milliseconds(1))) }
}
