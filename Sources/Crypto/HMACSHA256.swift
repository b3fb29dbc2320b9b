import COpenSSL

/// A key of HMAC-SHA-256 (RFC 2104), set up once and used for many messages. Safe to share between threads.
// @unchecked: the context holds the keyed state, is never changed after `init`, and is only copied from.
package final class HMACSHA256: @unchecked Sendable {
  /// Bytes of a code.
  package static let byteCount = 32

  private let keyed: OpaquePointer

  /// Takes a key of any length; 32 random bytes are right.
  package init(key: SecretBytes) {
    let mac = EVP_MAC_fetch(nil, "HMAC", nil)
    defer { EVP_MAC_free(mac) }
    guard let keyed = EVP_MAC_CTX_new(mac) else { preconditionFailure("libcrypto: no HMAC") }
    self.keyed = keyed
    var digest = Array("SHA256".utf8CString)
    // A parameter points to its name and value and copies neither: both must live until they are read.
    let name = Array(OSSL_MAC_PARAM_DIGEST.utf8CString)
    name.withUnsafeBufferPointer { name in
      digest.withUnsafeMutableBufferPointer { digest in
        let parameters = [
          OSSL_PARAM_construct_utf8_string(name.baseAddress, digest.baseAddress, 0), OSSL_PARAM_construct_end(),
        ]
        // A nil key would mean "the key of before", so an empty one needs an address too.
        var none: UInt8 = 0
        key.withBytes { key in
          withUnsafePointer(to: &none) { none in
            let start = key.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? none
            require(EVP_MAC_init(keyed, start, key.count, parameters), "EVP_MAC_init")
          }
        }
      }
    }
  }

  /// Takes a key of any length.
  package convenience init(key: [UInt8]) { self.init(key: SecretBytes(key)) }

  deinit { EVP_MAC_CTX_free(keyed) }

  /// The code of `message`, 32 bytes long.
  package func authenticate(_ message: [UInt8]) -> [UInt8] {
    var computation = begin()
    computation.update(message)
    return computation.finish()
  }

  /// Whether `code` is the code of `message`; takes the same time for every wrong code.
  package func isValid(_ code: [UInt8], for message: [UInt8]) -> Bool {
    constantTimeEqual(code, authenticate(message))
  }

  /// A code of a message that comes in pieces.
  package func begin() -> Computation { Computation(keyed) }

  /// One message in the making; confined to the thread that began it.
  package struct Computation: ~Copyable {
    private let context: OpaquePointer

    init(_ keyed: OpaquePointer) {
      guard let context = EVP_MAC_CTX_dup(keyed) else { preconditionFailure("out of memory") }
      self.context = context
    }

    deinit { EVP_MAC_CTX_free(context) }

    /// Takes in more bytes.
    package mutating func update(_ bytes: [UInt8]) {
      require(EVP_MAC_update(context, bytes, bytes.count), "EVP_MAC_update")
    }

    /// The code of all bytes taken in; the end of this value.
    package consuming func finish() -> [UInt8] {
      var written = 0
      let code = [UInt8](unsafeUninitializedCapacity: HMACSHA256.byteCount) { buffer, initialized in
        require(EVP_MAC_final(context, buffer.baseAddress, &written, buffer.count), "EVP_MAC_final")
        initialized = written
      }
      precondition(written == HMACSHA256.byteCount, "libcrypto: a code of a wrong length")
      return code
    }
  }
}
