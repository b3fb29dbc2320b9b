import COpenSSL

/// What one end of TLS connections is made from: its certificate and key, whom it trusts, TLS 1.2 or newer and ALPN
/// `h2` only. Unchanging; safe to share between threads.
// @unchecked: the `SSL_CTX` is set up in `init`, and OpenSSL locks what connections share of it afterwards.
package final class TLSContext: @unchecked Sendable {
  /// Whether a server's clients must show a certificate.
  package enum ClientCertificates: Sendable {
    /// None is asked for.
    case ignored
    /// One is asked for, and verified when it comes.
    case accepted
    /// Nobody gets in without one.
    case required
  }

  /// When the own certificate expires, in seconds since 1970; nil without one.
  package let expireTime: Int64?
  let handle: OpaquePointer
  let role: TLSRole

  // HTTP/2 forbids the other ciphers of TLS 1.2 (RFC 9113, appendix A); those of 1.3 are all right.
  private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"

  deinit { SSL_CTX_free(handle) }

  /// The context of a server.
  ///
  /// - Parameters:
  ///   - identity: what the server shows.
  ///   - authorities: certificates in PEM of those whose clients are let in; empty only with `ignored`.
  /// - Throws: ``TLSError`` when one of the texts is no such thing, has expired, or does not fit the others.
  package init(
    server identity: TLSIdentity, clients: ClientCertificates, authorities: [UInt8] = []
  ) throws(TLSError) {
    role = .server
    handle = try Self.make()
    expireTime = try Self.use(identity, handle)
    guard clients != .ignored else { return }
    try Self.trust(authorities, handle, asServer: true)
    let required = clients == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
    SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | required, TLSSession.verified)
  }

  /// The context of a client.
  ///
  /// - Parameters:
  ///   - authorities: certificates in PEM of those who vouch for servers.
  ///   - identity: what the client shows to a server that asks; nil for none.
  /// - Throws: ``TLSError`` when one of the texts is no such thing, has expired, or does not fit the others.
  package init(clientOf authorities: [UInt8], identity: TLSIdentity? = nil) throws(TLSError) {
    role = .client
    handle = try Self.make()
    expireTime = if let identity { try Self.use(identity, handle) } else { nil }
    try Self.trust(authorities, handle, asServer: false)
    SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, TLSSession.verified)
    // Channels live long: what resuming a session would save does not pay for keeping it.
    _ = SSL_CTX_set_alpn_protos(handle, ALPN.offer, UInt32(ALPN.offer.count))
  }

  private static func make() throws(TLSError) -> OpaquePointer {
    guard let handle = handoff_tls_context() else { throw .library("no TLS context") }
    guard SSL_CTX_set_cipher_list(handle, ciphers) == 1 else { throw .library("the ciphers are not known") }
    SSL_CTX_set_alpn_select_cb(handle, ALPN.select, nil)
    // Resumed sessions carry the client's certificate with them; the name keeps those of other programs out.
    _ = SSL_CTX_set_session_id_context(handle, Array("handoff".utf8), 7)
    return handle
  }

  private static func use(_ identity: TLSIdentity, _ handle: OpaquePointer) throws(TLSError) -> Int64 {
    let chain = try Certificate.all(pem: identity.certificate)
    guard let own = chain.first else { throw TLSError("the certificate file holds no certificate in PEM form") }
    guard own.expireTime > CertificateTime.now else {
      throw TLSError("the certificate has expired (on \(own.expireDate))")
    }
    guard SSL_CTX_use_certificate(handle, own.handle) == 1 else { throw .library("the certificate is not usable") }
    for issuer in chain.dropFirst() where handoff_tls_add_chain(handle, issuer.handle) != 1 {
      throw .library("the certificate's chain is not usable")
    }
    let key = try PrivateKey(pem: identity.privateKey)
    guard SSL_CTX_use_PrivateKey(handle, key.handle) == 1, SSL_CTX_check_private_key(handle) == 1 else {
      ERR_clear_error()
      throw TLSError("the private key is not the one of the certificate")
    }
    return own.expireTime
  }

  private static func trust(
    _ authorities: [UInt8], _ handle: OpaquePointer, asServer: Bool
  ) throws(TLSError) {
    let certificates = try Certificate.all(pem: authorities)
    guard !certificates.isEmpty else { throw TLSError("the CA file holds no certificate in PEM form") }
    let store = SSL_CTX_get_cert_store(handle)
    for certificate in certificates {
      guard X509_STORE_add_cert(store, certificate.handle) == 1 else { throw .library("the CA file is not usable") }
      if asServer { SSL_CTX_add_client_CA(handle, certificate.handle) }
    }
  }
}

/// A certificate with those that vouch for it, and its private key, both in PEM.
package struct TLSIdentity: Sendable {
  /// The certificate first, then its chain up to, but without, the authority.
  package let certificate: [UInt8]
  /// The private key, not encrypted.
  package let privateKey: SecretBytes

  /// Takes the texts; they are read when a context is made of them.
  package init(certificate: [UInt8], privateKey: SecretBytes) {
    self.certificate = certificate
    self.privateKey = privateKey
  }
}

/// The one protocol that is spoken over TLS (RFC 7301, RFC 9113 §3.2).
private enum ALPN {
  static let offer: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]

  static let select: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenLength, offered, offeredLength, _ in
    guard let chosen, let chosenLength, let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    var index = 0
    while index < Int(offeredLength) {
      let length = Int(offered[index])
      let name = UnsafeBufferPointer(start: offered + index, count: min(length + 1, Int(offeredLength) - index))
      if name.elementsEqual(ALPN.offer) {
        chosen.pointee = offered + index + 1
        chosenLength.pointee = 2
        return SSL_TLSEXT_ERR_OK
      }
      index += length + 1
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
  }
}
