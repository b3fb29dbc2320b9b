import Crypto
import EventLoop
import FoundationEssentials
import Glibc
import HandoffAPI
import RPC
import ServiceKit

/// The public API of a cluster as a command calls it: gRPC through the edge.
struct ClientConnection: Sendable {
  /// Authorities that the system trusts.
  private static let systemAuthorities = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
  private static let timeLimit: Duration = .seconds(60)

  let sessions: SessionServiceClient
  let api: HandoffServiceClient
  let channel: RPCChannel
  private let group: EventLoopGroup
  private let token: String?

  /// Connects to the edge at a URL.
  ///
  /// - Throws: `OperatorError` for a URL or an authority that is none.
  init(url: String, authority: String?, token: String?) throws(OperatorError) {
    guard let target = DemoPlace.target(of: url) else {
      throw .usage("the URL is \"\(url)\"", advice: "It is like http://127.0.0.1:8080 or https://desk.example.com.")
    }
    var configuration = RPCChannelConfiguration()
    if url.hasPrefix("https:") { configuration.tls = RPCChannelTLS(TLSSource(try Self.context(authority))) }
    do {
      group = try EventLoopGroup.start(count: 1)
    } catch {
      throw OperatorError("no event loop: \(error)", advice: "Check: ulimit -n, ulimit -u")
    }
    channel = RPCChannel(group: group, target: target, configuration: configuration)
    sessions = SessionServiceClient(channel)
    api = HandoffServiceClient(channel)
    self.token = token
  }

  /// Connects as who is signed in.
  init(_ session: ClientSession) throws(OperatorError) {
    try self.init(url: session.url, authority: session.authority, token: session.token)
  }

  /// What goes with a call; `limit` nil: it takes as long as it takes.
  func options(limit: Duration? = timeLimit) -> CallOptions {
    let metadata = token.map { Metadata([("authorization", "Bearer \($0)")]) } ?? Metadata()
    return CallOptions(deadline: limit.map { .after($0) } ?? .never, metadata: metadata)
  }

  func close() async {
    await channel.close()
    group.shutdown()
  }

  /// What an error of a call means to the person at the terminal and to a script.
  static func words(_ error: any Error) -> OperatorError {
    guard let error = error as? RPCError else {
      return error as? OperatorError ?? OperatorError("\(error)")
    }
    let meaning = ServiceError(error)
    let violations = meaning.violations.map { "\($0.field): \($0.description)" }.joined(separator: "\n")
    let text = "\(meaning.message) (\(meaning.reason.rawValue))"
    switch meaning.reason {
    case .sessionExpired, .credentialMissing:
      return OperatorError(text, advice: "Sign in again: handoff login", exitCode: EX_NOPERM)
    case .permissionDenied, .signInFailed: return OperatorError(text, advice: violations, exitCode: EX_NOPERM)
    case .backendUnavailable, .databaseUnavailable, .deadlineExceeded:
      let reached = error.details.isEmpty ? "the cluster does not answer: \(error.message)" : text
      return OperatorError(reached, advice: "Try again in a moment.", exitCode: EX_UNAVAILABLE)
    case .staleVersion, .conflict, .tooManyAttempts, .tooManyRequests, .ticketAlreadyHeld:
      return OperatorError(text, advice: violations, exitCode: EX_TEMPFAIL)
    case let reason where reason.entry.code == .notFound:
      return OperatorError(text, advice: violations, exitCode: EX_NOINPUT)
    default: return OperatorError(text, advice: violations, exitCode: 1)
    }
  }

  private static func context(_ authority: String?) throws(OperatorError) -> TLSContext {
    let path = authority ?? systemAuthorities.first { access($0, R_OK) == 0 }
    guard let path, let data = FileManager.default.contents(atPath: path) else {
      throw OperatorError(
        "\(authority ?? "the list of trusted authorities") cannot be read", advice: "Name a file: --ca FILE")
    }
    do {
      return try TLSContext(clientOf: Array(data))
    } catch {
      throw OperatorError("\(path) does not vouch for anybody: \(error)", advice: "Name another file: --ca FILE")
    }
  }
}
