import COpenSSL

/// The TLS of one connection: bytes in, bytes out; it knows no socket and no clock. Confined to one thread.
///
/// It is joined to OpenSSL by a BIO of its own, which reads from the bytes that ``receive(_:room:_:)`` lends and hands
/// what it writes to the owner: a memory BIO would copy both once more.
package final class TLSSession {
  /// Both sides have proved what they must, and bytes can be sent.
  package private(set) var isEstablished = false
  /// The peer has said that it sends nothing more (`close_notify`).
  package private(set) var hasEnded = false
  /// Why the connection is of no use any more; the first reason stays.
  package private(set) var failure: TLSError?
  /// What the peer has proved to be; nil when it was not asked or showed nothing.
  package private(set) var peerCertificate: PeerCertificate?

  private let ssl: OpaquePointer
  private let role: TLSRole
  private let expectedName: String?
  fileprivate let output: (UnsafeRawBufferPointer) -> Void
  fileprivate var input = UnsafeRawBufferPointer(start: nil, count: 0)
  /// What to say of the peer's certificate that was found wanting: OpenSSL forgets it before it reports the failure.
  fileprivate var refusedCertificate: (names: [String], expireDate: String)?
  private var handshakeBytes = 0
  private var isShut = false

  /// Bytes that a peer may send before the handshake is through: long chains of certificates are a tenth of it.
  package static let handshakeBytesMax = 64 << 10
  /// Room for one record's plain text (RFC 8446 §5.1).
  package static let recordBytesMax = 16 << 10

  /// Sets a session up.
  ///
  /// - Parameters:
  ///   - serverName: the name or numeric address that the server's certificate must be for; nil on a server.
  ///   - output: takes bytes for the peer, during calls of this session only.
  /// - Throws: ``TLSError`` without memory, or for a name that cannot be one.
  package init(
    _ context: TLSContext, serverName: String? = nil, output: @escaping (UnsafeRawBufferPointer) -> Void
  ) throws(TLSError) {
    guard let ssl = SSL_new(context.handle) else { throw .library("no TLS session") }
    self.ssl = ssl
    self.output = output
    role = context.role
    expectedName = serverName
    guard let bio = BIO_new(SessionBIO.method) else { throw .library("no TLS session") }
    BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
    SSL_set_bio(ssl, bio, bio)
    switch role {
    case .server: SSL_set_accept_state(ssl)
    case .client:
      SSL_set_connect_state(ssl)
      guard let serverName, expect(serverName) else {
        throw TLSError("\"\(serverName ?? "")\" is no name that a server's certificate can be for")
      }
    }
  }

  deinit { SSL_free(ssl) }

  private func expect(_ name: String) -> Bool {
    let bare = name.hasPrefix("[") && name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : name
    // Numeric addresses are looked for among the certificate's addresses, and are not sent as a name (RFC 6066 §3).
    if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), bare) == 1 { return true }
    ERR_clear_error()
    SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    return !bare.isEmpty && SSL_set1_host(ssl, bare) == 1 && handoff_tls_set_server_name(ssl, bare) == 1
  }

  /// Begins the handshake: a client has something to say at once.
  package func start() {
    guard role == .client else { return }
    ERR_clear_error()
    _ = advanceHandshake()
  }

  /// Takes in what came from the peer, all of it.
  ///
  /// - Parameters:
  ///   - room: for plain text; ``recordBytesMax`` bytes are right.
  ///   - deliver: gets the plain text in pieces, valid during the call. It may call ``send(_:)`` and ``shutDown()``.
  package func receive(
    _ bytes: UnsafeRawBufferPointer, room: UnsafeMutableRawBufferPointer, _ deliver: (UnsafeRawBufferPointer) -> Void
  ) {
    guard failure == nil, !hasEnded, !isShut, !bytes.isEmpty else { return }
    if !isEstablished, handshakeBytes == 0, let stranger = TLSRecord.stranger(bytes, role) {
      if role == .server { TLSRecord.alert.withUnsafeBytes { output($0) } }
      failure = stranger
      return
    }
    input = bytes
    defer { input = UnsafeRawBufferPointer(start: nil, count: 0) }
    // What another user of the library left behind in this thread would be taken for an error of ours.
    ERR_clear_error()
    if !isEstablished, !advanceHandshake() {
      handshakeBytes += bytes.count
      if handshakeBytes > Self.handshakeBytesMax {
        fail(TLSError("\(role.peer) sent more than \(Self.handshakeBytesMax) bytes before the handshake was through"))
      }
      return
    }
    while failure == nil, !isShut {
      let count = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
      if count > 0 {
        deliver(UnsafeRawBufferPointer(rebasing: room[..<Int(count)]))
        continue
      }
      switch SSL_get_error(ssl, count) {
      case SSL_ERROR_WANT_READ: return
      case SSL_ERROR_ZERO_RETURN:
        hasEnded = true
        return
      default: return fail(sessionError())
      }
    }
  }

  /// The connection ended without a word: what came may be only a part of what was sent.
  package func receiveEnd() {
    guard !hasEnded else { return }
    fail(
      TLSError(
        isEstablished
          ? "\(role.peer) ended the connection without TLS's close_notify"
          : "\(role.peer) ended the connection during the TLS handshake"))
  }

  /// Encrypts bytes for the peer; only once ``isEstablished``.
  package func send(_ bytes: UnsafeRawBufferPointer) {
    precondition(isEstablished, "nothing can be sent before the handshake is through")
    var rest = bytes[...]
    while !rest.isEmpty, failure == nil, !isShut {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let count = SSL_write(ssl, piece.baseAddress, Int32(clamping: piece.count))
      guard count > 0 else { return fail(sessionError()) }
      rest = rest.dropFirst(Int(count))
    }
  }

  /// Says that nothing more will be sent (`close_notify`); nothing is received from here on either.
  package func shutDown() {
    guard !isShut else { return }
    isShut = true
    guard isEstablished, failure == nil else { return }
    _ = SSL_shutdown(ssl)
    ERR_clear_error()
  }

  private func advanceHandshake() -> Bool {
    let result = SSL_do_handshake(ssl)
    guard result == 1 else {
      if SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ { fail(sessionError()) }
      return false
    }
    var protocolName: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &protocolName, &length)
    guard length == 2 else {
      fail(.noHTTP2(role))
      return false
    }
    if let certificate = SSL_get1_peer_certificate(ssl) {
      peerCertificate = PeerCertificate(certificate)
      X509_free(certificate)
    }
    isEstablished = true
    return true
  }

  private func sessionError() -> TLSError {
    let expected = expectedName ?? "this name"
    return .session(ssl, role, refused: refusedCertificate, expected: expected)
  }

  private func fail(_ error: TLSError) {
    if failure == nil { failure = error }
  }
}

/// The few facts of TLS records that must be known without OpenSSL (RFC 8446 §5.1).
package enum TLSRecord {
  private static let alertType: UInt8 = 21
  private static let handshakeType: UInt8 = 22

  /// A fatal alert `unexpected_message`, by which a client without TLS can tell that the port has it.
  static let alert: [UInt8] = [alertType, 3, 3, 0, 2, 2, 10]

  /// Whether a peer that ought to speak in the clear has sent a TLS record instead of the start of HTTP/2.
  package static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (bytes.first == handshakeType || bytes.first == alertType) && (bytes.count < 2 || bytes[1] == 3)
  }

  /// What to say of a peer whose first bytes are no TLS record.
  static func stranger(_ bytes: UnsafeRawBufferPointer, _ role: TLSRole) -> TLSError? {
    guard !begins(bytes) else { return nil }
    guard role == .server else {
      return TLSError("the server does not speak TLS at this address; it answered in plain text")
    }
    let isText = bytes.prefix(3).allSatisfy { (0x41...0x5a).contains($0) }
    return TLSError(
      isText
        ? "the client spoke plain text to a port that has TLS" : "the client sent something that is not TLS")
  }
}

extension TLSSession {
  /// Leaves OpenSSL's judgement of a certificate as it is, and keeps what there is to say of a bad one.
  static let verified: SSL_verify_cb = { isGood, store in
    if isGood == 1 { return 1 }
    guard let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
      let session = SessionBIO.session(SSL_get_rbio(OpaquePointer(ssl))),
      let certificate = X509_STORE_CTX_get_current_cert(store)
    else { return 0 }
    session.refusedCertificate = (
      PeerCertificate(certificate).names, CertificateTime.date(X509_get0_notAfter(certificate))
    )
    return 0
  }
}

/// The BIO that joins a session to its owner.
private enum SessionBIO {
  // Made once and never freed; OpenSSL only reads it.
  nonisolated(unsafe) static let method: OpaquePointer? = {
    let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "handoff")
    BIO_meth_set_write(method) { bio, bytes, count in
      guard let session = SessionBIO.session(bio), count > 0 else { return 0 }
      session.output(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return count
    }
    BIO_meth_set_read(method) { bio, room, count in
      handoff_bio_clear_retry(bio)
      guard let session = SessionBIO.session(bio), let room, count > 0 else { return 0 }
      guard !session.input.isEmpty else {
        handoff_bio_set_retry_read(bio)
        return -1
      }
      let taken = min(Int(count), session.input.count)
      UnsafeMutableRawBufferPointer(start: room, count: taken)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: session.input[..<taken]))
      session.input = UnsafeRawBufferPointer(rebasing: session.input[taken...])
      return Int32(taken)
    }
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    BIO_meth_set_create(method) { bio in
      BIO_set_init(bio, 1)
      return 1
    }
    return method
  }()

  static func session(_ bio: OpaquePointer?) -> TLSSession? {
    BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
  }
}
