import COpenSSL

/// Bytes that are wiped from memory when the last reference goes: keys and what they are made from.
///
/// Safe to share between threads.
// @unchecked: the memory is written in `init` and wiped in `deinit`, and only read in between.
package final class SecretBytes: @unchecked Sendable {
  private let storage: UnsafeMutableRawBufferPointer

  /// Copies `bytes`; the caller's copy stays for the caller to `wipe`.
  package init(_ bytes: [UInt8]) {
    storage = .allocate(byteCount: bytes.count, alignment: 16)
    storage.copyBytes(from: bytes)
  }

  /// Makes a new secret of `count` random bytes.
  package static func random(_ count: Int) -> SecretBytes {
    var bytes = SecureRandom.bytes(count)
    defer { wipe(&bytes) }
    return SecretBytes(bytes)
  }

  deinit {
    if let base = storage.baseAddress { OPENSSL_cleanse(base, storage.count) }
    storage.deallocate()
  }

  /// The number of bytes.
  package var count: Int { storage.count }

  /// Lends the bytes for the time of the call.
  package func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(storage))
  }
}

/// Overwrites bytes in a way the compiler does not leave out, and empties the array.
///
/// Other copies of the array, if there are any, are not reached.
package func wipe(_ bytes: inout [UInt8]) {
  bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
  bytes.removeAll()
}

/// Compares in a time that depends on the lengths only.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  if left.isEmpty { return true }
  return left.withUnsafeBytes { left in
    right.withUnsafeBytes { right in CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0 }
  }
}

/// Compares the UTF-8 bytes of two texts in a time that depends on the lengths only.
package func constantTimeEqual(_ left: String, _ right: String) -> Bool {
  var (left, right) = (left, right)
  return left.withUTF8 { left in
    right.withUTF8 { right in
      left.count == right.count
        && (left.isEmpty || CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0)
    }
  }
}
