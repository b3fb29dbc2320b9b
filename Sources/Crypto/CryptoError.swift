import COpenSSL

/// Why a cryptographic act failed. It says nothing about the bytes involved.
package enum CryptoError: Error, Equatable {
  /// The sealed bytes, their associated data or the key are not the ones that were sealed together.
  case authenticationFailed
  /// An argument is outside what the function takes; the text names it.
  case invalidArgument(StaticString)
  /// libcrypto refused; the text names the function.
  case library(StaticString)

  /// Compares the cases and their texts.
  package static func == (left: CryptoError, right: CryptoError) -> Bool {
    switch (left, right) {
    case (.authenticationFailed, .authenticationFailed): true
    case (.invalidArgument(let left), .invalidArgument(let right)): left.description == right.description
    case (.library(let left), .library(let right)): left.description == right.description
    default: false
    }
  }
}

/// Checks the result of a libcrypto function, which is 1 for success.
func check(_ result: Int32, _ function: StaticString) throws(CryptoError) {
  guard result == 1 else {
    // What is left in the thread's queue would be taken for an error of the next user of libcrypto, libpq for one.
    ERR_clear_error()
    throw CryptoError.library(function)
  }
}

/// For functions that fail only for want of memory or of a libcrypto that has the algorithm.
func require(_ result: Int32, _ function: StaticString) {
  precondition(result == 1, "libcrypto: \(function) failed")
}
