import Crypto
package import EventLoop
package import Postgres
import ServiceKit

/// Who calls: sessions of people who are signed in, and keys of programs.
///
/// A token is 32 random bytes, that of a key behind ``keyPrefix``; the database has only its hash. A token that was
/// good is believed for ``beliefDuration`` without asking again, so signing out, ending a key or deactivating an agent
/// is effective within a second.
package final class Sessions: Sendable {
  /// How long a token is believed without asking the database.
  package static let beliefDuration: Duration = .milliseconds(800)
  private static let beliefsMax = 10_000
  /// How tokens of keys begin, so that one that was published by mistake is recognized.
  static let keyPrefix = "hk_"

  private let store: SessionStore
  private let lifetime: Duration
  private let beliefs = ExpiringCache<String, GatewayCaller>(
    lifetime: beliefDuration, entriesMax: beliefsMax, clock: { EventLoop.current?.now ?? MonotonicTime.current })

  /// Creates the sessions of a gateway.
  ///
  /// - Parameter lifetime: How long a session lasts; it is not prolonged by use.
  package init(pool: PostgresPool, lifetime: Duration) {
    store = SessionStore(pool: pool)
    self.lifetime = lifetime
  }

  /// Opens a session for an agent.
  ///
  /// - Parameters:
  ///   - client: what the client calls itself; cut at 200 characters.
  ///   - address: where it is.
  func open(
    for agent: AgentID, client: String, address: String, deadline: Deadline
  ) async throws -> (token: String, opened: SessionStore.Opened) {
    let token = Base64URL.encode(SecureRandom.bytes(32))
    let opened = try await store.insert(
      tokenHash: SHA256.hash(token), agent: agent, client: client, address: address, lifetime: lifetime,
      deadline: deadline)
    return (token, opened)
  }

  /// Who calls, by the session or the key that a call's `authorization` field names.
  ///
  /// - Throws: CREDENTIAL_MISSING without the field, SESSION_EXPIRED when it names nothing that is open.
  package func caller(authorization: String?, deadline: Deadline) async throws -> GatewayCaller {
    let token = try Self.token(authorization)
    return try await beliefs.value(token) {
      let hash = SHA256.hash(token)
      let caller =
        token.hasPrefix(Self.keyPrefix)
        ? try await store.key(tokenHash: hash, deadline: deadline)
        : try await store.session(tokenHash: hash, deadline: deadline)
      guard let caller else { throw ServiceError(.sessionExpired) }
      return caller
    }
  }

  /// The hash by which the database knows the session that a call's `authorization` field names.
  ///
  /// - Throws: CREDENTIAL_MISSING without the field.
  static func tokenHash(_ authorization: String?) throws(ServiceError) -> [UInt8] {
    SHA256.hash(try token(authorization))
  }

  /// Ends the session that a call's `authorization` field names. Throws as ``caller(authorization:deadline:)``.
  func close(authorization: String?, deadline: Deadline) async throws {
    let token = try Self.token(authorization)
    let wasOpen = try await store.delete(tokenHash: SHA256.hash(token), deadline: deadline)
    // Afterwards: what was asked before it was gone is not believed either.
    beliefs.forget(token)
    guard wasOpen else { throw ServiceError(.sessionExpired) }
  }

  /// Removes what has ended from the database; to be called every few minutes by any gateway.
  package func removeExpired(deadline: Deadline) async throws {
    try await store.deleteExpired(windowSeconds: SignInThrottle.windowSeconds, deadline: deadline)
  }

  /// Starts a task that removes what has ended every five minutes, until it is cancelled.
  package func removeExpiredRegularly(
    on loop: EventLoop, failed: @escaping @Sendable (any Error) -> Void
  ) -> Task<Void, Never> {
    Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          try await self.removeExpired(deadline: .after(.seconds(30)))
        } catch {
          if !Task.isCancelled { failed(error) }
        }
        do { try await loop.sleep(for: .seconds(300)) } catch { return }
      }
    }
  }

  /// RFC 6750 §2.1: `authorization: Bearer <token>`; the scheme's case does not matter.
  private static func token(_ authorization: String?) throws(ServiceError) -> String {
    guard let authorization else { throw ServiceError(.credentialMissing) }
    let bytes = authorization.utf8
    // A letter and its capital differ in one bit, which a space has anyway.
    let isBearer = bytes.count > scheme.count && zip(bytes, scheme).allSatisfy { $0 | 0x20 == $1 }
    let token = bytes.dropFirst(scheme.count).drop { $0 == 0x20 }
    guard isBearer, (1...128).contains(token.count), !token.contains(0x20) else {
      throw ServiceError(
        .credentialMissing, "The authorization field is not of the form \"Bearer <token>\"; sign in to get a token.")
    }
    return String(Substring(token))
  }

  private static let scheme = Array("bearer ".utf8)
}

/// Slows down whoever tries passwords: so many failures in a quarter of an hour for an account, and for an address.
struct SignInThrottle: Sendable {
  static let windowSeconds: Int64 = 900
  static let accountFailuresMax: Int64 = 10
  static let addressFailuresMax: Int64 = 100

  let store: SessionStore

  init(pool: PostgresPool) { store = SessionStore(pool: pool) }

  private func account(_ email: String) -> [UInt8] { SHA256.hash("account:" + email.lowercased()) }
  private func address(_ address: String) -> [UInt8] { SHA256.hash("address:" + address) }

  /// Lets an attempt through.
  ///
  /// - Throws: TOO_MANY_ATTEMPTS.
  func admit(email: String, from peer: String, deadline: Deadline) async throws {
    let counts = try await store.failures(
      [account(email), address(peer)], windowSeconds: Self.windowSeconds, deadline: deadline)
    guard counts[0] < Self.accountFailuresMax, counts[1] < Self.addressFailuresMax else {
      throw ServiceError(.tooManyAttempts, metadata: ["retry_after_seconds": String(Self.windowSeconds)])
    }
  }

  /// Counts a failed attempt.
  func failed(email: String, from peer: String, deadline: Deadline) async throws {
    try await store.countFailure(account(email), windowSeconds: Self.windowSeconds, deadline: deadline)
    try await store.countFailure(address(peer), windowSeconds: Self.windowSeconds, deadline: deadline)
  }

  /// Forgets the account's failures after a good attempt; those of the address stay.
  func succeeded(email: String, deadline: Deadline) async throws {
    try await store.forgetFailures(account(email), deadline: deadline)
  }
}
