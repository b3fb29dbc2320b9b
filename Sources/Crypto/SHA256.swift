import COpenSSL

/// SHA-256 (FIPS 180-4) of bytes that come in pieces; `SHA256.hash` for bytes in one piece.
package struct SHA256: ~Copyable {
  /// Bytes of a hash.
  package static let byteCount = 32

  // Asked for by name once: OpenSSL looks the name up anew in each call that is given `EVP_sha256()`.
  // nonisolated(unsafe): an algorithm is never changed, and counts its references itself.
  private nonisolated(unsafe) static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

  private let context: OpaquePointer

  /// A hash of nothing yet.
  package init() {
    guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    self.context = context
    require(EVP_DigestInit_ex2(context, Self.algorithm, nil), "EVP_DigestInit_ex2")
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Takes in more bytes.
  package mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// Takes in more bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    require(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count), "EVP_DigestUpdate")
  }

  /// The hash of all bytes taken in; the end of this value.
  package consuming func finish() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, initialized in
      require(EVP_DigestFinal_ex(context, buffer.baseAddress, nil), "EVP_DigestFinal_ex")
      initialized = Self.byteCount
    }
  }

  /// The hash of `bytes`, 32 bytes long.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
      require(EVP_Digest(bytes, bytes.count, buffer.baseAddress, nil, algorithm, nil), "EVP_Digest")
      initialized = byteCount
    }
  }

  /// The hash of the text's UTF-8 bytes.
  package static func hash(_ text: String) -> [UInt8] { hash(Array(text.utf8)) }
}
