import COpenSSL

/// Password hashing by scrypt (RFC 7914).
///
/// One hash takes about 0.1 s of a core and 32 MiB with the default parameters: call it on a pool for blocking work,
/// never on an event loop.
package enum Scrypt {
  /// What a hash costs.
  package struct Parameters: Equatable, Sendable {
    /// N: rounds, and blocks held in memory; a power of two from 2 to 2^20.
    package var cost: Int
    /// r: size of a block in units of 128 bytes, 1 to 32.
    package var blockSize: Int
    /// p: how often the work is done, 1 to 16.
    package var parallelization: Int

    /// The parameters for new passwords: N = 2^15, r = 8, p = 1.
    package static let standard = Parameters(cost: 1 << 15, blockSize: 8, parallelization: 1)

    /// Takes any numbers; they are checked when used.
    package init(cost: Int, blockSize: Int, parallelization: Int) {
      self.cost = cost
      self.blockSize = blockSize
      self.parallelization = parallelization
    }

    // A hash that came from outside must not make us spend minutes or gigabytes.
    var areAllowed: Bool {
      (2...1 << 20).contains(cost) && cost & (cost - 1) == 0 && (1...32).contains(blockSize)
        && (1...16).contains(parallelization) && memoryBytes <= 1 << 30
    }

    var memoryBytes: Int { 128 * blockSize * (cost + parallelization + 2) }
  }

  private static let saltBytes = 16
  private static let hashBytes = 32

  /// Hashes a new password with a random salt.
  ///
  /// - Returns: `scrypt$N$r$p$salt$hash`, salt and hash in base64url without padding.
  package static func hash(_ password: String, parameters: Parameters = .standard) throws(CryptoError) -> String {
    let salt = SecureRandom.bytes(saltBytes)
    var hash = try derive(Array(password.utf8), salt: salt, parameters: parameters, byteCount: hashBytes)
    defer { wipe(&hash) }
    return encode(Encoded(parameters: parameters, salt: salt, hash: hash))
  }

  /// What `hash` could have given, but made from no password: verifying against it takes as long, and fails.
  package static func decoy(parameters: Parameters = .standard) -> String {
    encode(
      Encoded(
        parameters: parameters, salt: SecureRandom.bytes(saltBytes), hash: SecureRandom.bytes(hashBytes)))
  }

  /// Whether `encoded` was made from `password`.
  ///
  /// - Throws: `CryptoError.invalidArgument` when `encoded` is not of the form that `hash` gives.
  package static func verify(_ password: String, against encoded: String) throws(CryptoError) -> Bool {
    let encoded = try decode(encoded)
    var hash = try derive(
      Array(password.utf8), salt: encoded.salt, parameters: encoded.parameters, byteCount: encoded.hash.count)
    defer { wipe(&hash) }
    return constantTimeEqual(hash, encoded.hash)
  }

  /// Whether `encoded` was made with other parameters than `parameters`, so that the next sign-in should renew it.
  package static func isOutdated(_ encoded: String, parameters: Parameters = .standard) throws(CryptoError) -> Bool {
    try decode(encoded).parameters != parameters
  }

  /// Derives `byteCount` bytes from a password and a salt.
  ///
  /// - Throws: `CryptoError.invalidArgument` for parameters out of bounds.
  package static func derive(
    _ password: [UInt8], salt: [UInt8], parameters: Parameters, byteCount: Int
  ) throws(CryptoError) -> [UInt8] {
    guard parameters.areAllowed, (16...1024).contains(byteCount) else {
      throw .invalidArgument("scrypt parameters out of bounds")
    }
    var password = password
    defer { wipe(&password) }
    var derived = [UInt8](repeating: 0, count: byteCount)
    let result = password.withUnsafeBytes { password in
      // An empty password is a password: nil would ask libcrypto for no more than a check of the parameters.
      withUnsafeBytes(of: 0 as UInt8) { none in
        EVP_PBE_scrypt(
          (password.baseAddress ?? none.baseAddress)?.assumingMemoryBound(to: CChar.self), password.count,
          salt, salt.count, UInt64(parameters.cost), UInt64(parameters.blockSize), UInt64(parameters.parallelization),
          UInt64(parameters.memoryBytes), &derived, derived.count)
      }
    }
    try check(result, "EVP_PBE_scrypt")
    return derived
  }

  private struct Encoded {
    let parameters: Parameters
    let salt: [UInt8]
    let hash: [UInt8]
  }

  private static func encode(_ encoded: Encoded) -> String {
    let parameters = encoded.parameters
    let numbers = "\(parameters.cost)$\(parameters.blockSize)$\(parameters.parallelization)"
    return "scrypt$\(numbers)$\(Base64URL.encode(encoded.salt))$\(Base64URL.encode(encoded.hash))"
  }

  private static func decode(_ text: String) throws(CryptoError) -> Encoded {
    let parts = text.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0] == "scrypt",
      let cost = Int(parts[1]), let blockSize = Int(parts[2]), let parallelization = Int(parts[3]),
      let salt = Base64URL.decode(String(parts[4])), let hash = Base64URL.decode(String(parts[5])),
      (8...64).contains(salt.count), (16...64).contains(hash.count)
    else { throw .invalidArgument("a password hash that is not of the form scrypt$N$r$p$salt$hash") }
    let parameters = Parameters(cost: cost, blockSize: blockSize, parallelization: parallelization)
    return Encoded(parameters: parameters, salt: salt, hash: hash)
  }
}
