import COpenSSL

/// An X.509 certificate. Safe to share between threads.
// @unchecked: the `X509` is complete before it is shared and only read afterwards.
package final class Certificate: @unchecked Sendable {
  let handle: OpaquePointer

  /// Takes over a reference.
  init(owning handle: OpaquePointer) { self.handle = handle }

  deinit { X509_free(handle) }

  /// Every certificate of a PEM text, in its order; other parts of the text are skipped.
  ///
  /// - Throws: ``TLSError`` for a part that claims to be a certificate and is none.
  package static func all(pem: [UInt8]) throws(TLSError) -> [Certificate] {
    let bio = BIO_new_mem_buf(pem, Int32(clamping: pem.count))
    defer { BIO_free(bio) }
    var found: [Certificate] = []
    ERR_clear_error()
    while let handle = PEM_read_bio_X509(bio, nil, nil, nil) { found.append(Certificate(owning: handle)) }
    // The text always ends with "no start line"; anything else is damage.
    guard ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE else {
      throw .library("a certificate cannot be read")
    }
    ERR_clear_error()
    return found
  }

  /// When it expires, in seconds since 1970.
  package var expireTime: Int64 { CertificateTime.seconds(X509_get0_notAfter(handle)) }

  /// The day on which it expires: `2026-01-31`.
  package var expireDate: String { CertificateTime.date(X509_get0_notAfter(handle)) }

  /// Its DNS names and URIs.
  package var names: [String] { AlternativeNames(handle).names }

  /// Whether it is for a numeric address.
  package func isFor(address: String) -> Bool { X509_check_ip_asc(handle, address, 0) == 1 }

  /// Whether the key of `authority` has signed it.
  package func isIssued(by authority: Certificate) -> Bool {
    defer { ERR_clear_error() }
    return X509_verify(handle, X509_get0_pubkey(authority.handle)) == 1
  }

  /// Its PEM text.
  package var pem: String { pemText { PEM_write_bio_X509($0, handle) } }
}

/// A private key. Safe to share between threads.
// @unchecked: the `EVP_PKEY` is complete before it is shared and only read afterwards.
package final class PrivateKey: @unchecked Sendable {
  let handle: OpaquePointer

  /// A new key on the curve P-256.
  package init() {
    guard let handle = handoff_new_p256_key() else { preconditionFailure("libcrypto: no P-256") }
    self.handle = handle
  }

  /// Reads a PEM text.
  ///
  /// - Throws: ``TLSError`` when it is none, or is encrypted.
  package init(pem: SecretBytes) throws(TLSError) {
    ERR_clear_error()
    let handle = pem.withBytes { bytes in
      let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
      defer { BIO_free(bio) }
      // Without this, the library would ask for a password at the terminal.
      return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in 0 }, nil)
    }
    ERR_clear_error()
    guard let handle else { throw TLSError("the key file holds no private key in PEM form that is not encrypted") }
    self.handle = handle
  }

  deinit { EVP_PKEY_free(handle) }

  /// Its PEM text (PKCS #8); to be kept where nobody else can read.
  package var pem: String { pemText { PEM_write_bio_PrivateKey($0, handle, nil, nil, 0, nil, nil) } }

  /// Whether `certificate` is for this key.
  package func fits(_ certificate: Certificate) -> Bool {
    defer { ERR_clear_error() }
    return X509_check_private_key(certificate.handle, handle) == 1
  }
}

private func pemText(_ write: (OpaquePointer) -> Int32) -> String {
  guard let bio = BIO_new(BIO_s_secmem()) else { preconditionFailure("out of memory") }
  defer { BIO_free(bio) }
  require(write(bio), "PEM_write_bio")
  var start: UnsafeMutablePointer<CChar>?
  let count = handoff_bio_memory(bio, &start)
  return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
}
