import COpenSSL

/// Random bytes for keys, tokens and nonces.
package enum SecureRandom {
  /// Makes `count` bytes that cannot be foretold.
  ///
  /// Ends the process if the system has no randomness to give: nothing secret could be made from there on.
  package static func bytes(_ count: Int) -> [UInt8] {
    precondition(count >= 0 && count <= Int(Int32.max), "a count of random bytes")
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      if count > 0 { require(RAND_bytes(buffer.baseAddress, Int32(count)), "RAND_bytes") }
      initialized = count
    }
  }
}
