import Crypto
import EventLoop
import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

/// The passwords of mailbox accounts: sealed by masking, opened for as long as a mailbox is read.
package struct AccountPasswords: Sendable {
  private static let callTimeout: Duration = .seconds(5)

  private let masking: MaskingServiceClient

  /// Seals through the masking daemon.
  package init(masking: any RPCTransport) {
    self.masking = MaskingServiceClient(masking)
  }

  /// A password that never opens again: its key is gone, or what is stored of it is damaged.
  struct Lost: Error {}

  /// What a password is for: it opens for the same server and user only, so nobody who can write into the database can
  /// have it sent elsewhere.
  struct Purpose: Sendable {
    let service: ServiceID
    let host: String
    let port: Int32
    let security: MailSecurity
    let user: String

    /// Under which the password is sealed.
    var name: String {
      let way = "\(host)\n\(port)\n\(security.rawValue)\n\(user)"
      return "mail-account/\(service)/\(Hex.encode(SHA256.hash(Array(way.utf8))))"
    }
  }

  /// Seals a password.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func seal(_ password: String, for purpose: Purpose, deadline: Deadline) async throws -> [UInt8] {
    try await worded {
      try await masking.sealSecret(
        SealSecretRequest(name: purpose.name, secret: Array(password.utf8)), Self.options(deadline))
    }.sealed
  }

  /// Opens what ``seal(_:for:deadline:)`` sealed.
  ///
  /// - Returns: the password, and the same sealed with a newer key when masking advises that.
  /// - Throws: BACKEND_UNAVAILABLE and the like; ``Lost``.
  func open(
    _ sealed: [UInt8], for purpose: Purpose, deadline: Deadline
  ) async throws -> (password: String, resealed: [UInt8]?) {
    let answer: OpenSecretResponse
    do {
      answer = try await worded {
        try await masking.openSecret(OpenSecretRequest(name: purpose.name, sealed: sealed), Self.options(deadline))
      }
    } catch let error as ServiceError where error.reason == .maskKeyLost || error.reason == .maskDamaged {
      throw Lost()
    }
    let password = String(decoding: answer.secret, as: UTF8.self)
    return (password, answer.resealAdvised ? try await seal(password, for: purpose, deadline: deadline) : nil)
  }

  private static func options(_ deadline: Deadline) -> CallOptions {
    CallOptions(deadline: min(deadline, .after(callTimeout)))
  }

  private func worded<T>(_ call: () async throws -> T) async throws -> T {
    do {
      return try await call()
    } catch let error as RPCError {
      throw ServiceError(error)
    }
  }
}

extension MailAccountRecord {
  /// What its password is for.
  var purpose: AccountPasswords.Purpose {
    AccountPasswords.Purpose(service: serviceID, host: host, port: port, security: security, user: user)
  }
}

extension MailAccountDraft {
  /// What its password is for.
  func purpose(in service: ServiceID) -> AccountPasswords.Purpose {
    AccountPasswords.Purpose(service: service, host: host, port: port, security: security, user: user)
  }
}
