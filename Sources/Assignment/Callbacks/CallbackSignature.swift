import Crypto

/// What a callback proves its origin with: the headers of the Standard Webhooks convention.
struct CallbackSignature: Sendable {
  /// In front of a secret's base64.
  static let secretPrefix = "whsec_"
  /// Bytes of a secret.
  static let secretByteCount = 32

  private let keys: [HMACSHA256]

  /// Signs with keys, the newest first.
  init(keys: [SecretBytes]) { self.keys = keys.map { HMACSHA256(key: $0) } }

  /// The header lines of one attempt.
  ///
  /// - Parameter seconds: the time of the attempt, since 1970; it is signed, so that nobody can send an old request
  ///   again as a new one.
  func headers(id: String, seconds: Int64, body: [UInt8]) -> [String] {
    let signatures = keys.map { key in
      var code = key.begin()
      code.update(Array("\(id).\(seconds).".utf8))
      code.update(body)
      return "v1,\(Base64.encode(code.finish()))"
    }
    return [
      "webhook-id: \(id)", "webhook-timestamp: \(seconds)",
      "webhook-signature: \(signatures.joined(separator: " "))",
    ]
  }
}
