import COpenSSL

/// A key of AES-256-GCM (NIST SP 800-38D). Safe to share between threads.
///
/// The nonce of every message is random; a key is good for 2^32 messages, then the chance that two share a nonce is no
/// longer negligible.
package final class AEADKey: Sendable {
  /// Bytes of a key.
  package static let byteCount = 32
  /// Bytes that sealing adds: nonce and tag.
  package static let overheadBytes = nonceBytes + tagBytes

  private static let nonceBytes = 12
  private static let tagBytes = 16

  private let key: SecretBytes

  /// Takes a key of 32 bytes.
  ///
  /// - Throws: `CryptoError.invalidArgument` for any other length.
  package init(_ key: SecretBytes) throws(CryptoError) {
    guard key.count == Self.byteCount else { throw .invalidArgument("an AES-256 key has 32 bytes") }
    self.key = key
  }

  /// Takes a key of 32 bytes.
  package convenience init(bytes: [UInt8]) throws(CryptoError) { try self.init(SecretBytes(bytes)) }

  /// Encrypts `plaintext` and binds it to `associatedData`, which is not part of the result.
  ///
  /// - Returns: nonce (12) ‖ ciphertext (as long as the plaintext) ‖ tag (16).
  package func seal(_ plaintext: [UInt8], associatedData: [UInt8] = []) throws(CryptoError) -> [UInt8] {
    let context = try CipherContext()
    let nonce = SecureRandom.bytes(Self.nonceBytes)
    try key.withBytes { (key) throws(CryptoError) in try context.start(encrypting: true, key: key, nonce: nonce) }
    try context.authenticate(associatedData)
    var sealed = nonce
    sealed.reserveCapacity(plaintext.count + Self.overheadBytes)
    sealed += try context.update(plaintext[...])
    try context.finish()
    sealed += try context.tag(Self.tagBytes)
    return sealed
  }

  /// Decrypts what `seal` made with the same key and the same `associatedData`.
  ///
  /// - Throws: `CryptoError.authenticationFailed` when a single bit of either is different; no plaintext is given out.
  package func open(_ sealed: [UInt8], associatedData: [UInt8] = []) throws(CryptoError) -> [UInt8] {
    guard sealed.count >= Self.overheadBytes else { throw .authenticationFailed }
    let context = try CipherContext()
    let nonce = Array(sealed.prefix(Self.nonceBytes))
    try key.withBytes { (key) throws(CryptoError) in try context.start(encrypting: false, key: key, nonce: nonce) }
    try context.authenticate(associatedData)
    var plaintext = try context.update(sealed.dropFirst(Self.nonceBytes).dropLast(Self.tagBytes))
    do {
      try context.expect(tag: Array(sealed.suffix(Self.tagBytes)))
      try context.finish()
    } catch {
      wipe(&plaintext)
      throw CryptoError.authenticationFailed
    }
    return plaintext
  }
}

/// Owns one `EVP_CIPHER_CTX` set to AES-256-GCM.
private struct CipherContext: ~Copyable {
  private let context: OpaquePointer

  init() throws(CryptoError) {
    guard let context = EVP_CIPHER_CTX_new() else { throw .library("EVP_CIPHER_CTX_new") }
    self.context = context
  }

  // Also wipes the key schedule.
  deinit { EVP_CIPHER_CTX_free(context) }

  func start(encrypting: Bool, key: UnsafeRawBufferPointer, nonce: [UInt8]) throws(CryptoError) {
    let key = key.baseAddress?.assumingMemoryBound(to: UInt8.self)
    try check(
      EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key, nonce, encrypting ? 1 : 0, nil), "EVP_CipherInit_ex2")
  }

  func authenticate(_ associatedData: [UInt8]) throws(CryptoError) {
    guard !associatedData.isEmpty else { return }
    guard let count = Int32(exactly: associatedData.count) else {
      throw .invalidArgument("associated data above 2 GiB")
    }
    var written: Int32 = 0
    // Without an output buffer the bytes are taken as associated data.
    try check(EVP_CipherUpdate(context, nil, &written, associatedData, count), "EVP_CipherUpdate")
  }

  func update(_ input: ArraySlice<UInt8>) throws(CryptoError) -> [UInt8] {
    guard !input.isEmpty else { return [] }
    guard let count = Int32(exactly: input.count) else { throw .invalidArgument("a message above 2 GiB") }
    var output = [UInt8](repeating: 0, count: input.count)
    var written: Int32 = 0
    let result = input.withUnsafeBufferPointer {
      EVP_CipherUpdate(context, &output, &written, $0.baseAddress, count)
    }
    try check(result, "EVP_CipherUpdate")
    guard written == count else { throw .library("EVP_CipherUpdate") }
    return output
  }

  func finish() throws(CryptoError) {
    // GCM has no block to fill up: nothing is written, but the function wants a place.
    var rest = [UInt8](repeating: 0, count: 16)
    var written: Int32 = 0
    try check(EVP_CipherFinal_ex(context, &rest, &written), "EVP_CipherFinal_ex")
  }

  func tag(_ count: Int) throws(CryptoError) -> [UInt8] {
    var tag = [UInt8](repeating: 0, count: count)
    let result = tag.withUnsafeMutableBytes {
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32($0.count), $0.baseAddress)
    }
    try check(result, "EVP_CTRL_AEAD_GET_TAG")
    return tag
  }

  func expect(tag: [UInt8]) throws(CryptoError) {
    var tag = tag
    let result = tag.withUnsafeMutableBytes {
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32($0.count), $0.baseAddress)
    }
    try check(result, "EVP_CTRL_AEAD_SET_TAG")
  }
}
