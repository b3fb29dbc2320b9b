import COpenSSL

/// Why a TLS connection or a set of certificates is of no use, in words for an operator.
package struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A phrase that can follow a colon: `the server's certificate has expired (on 2026-01-31)`.
  package let description: String

  /// Takes the words.
  package init(_ description: String) { self.description = description }
}

/// One of the two ends of a TLS connection.
enum TLSRole: Sendable {
  case client, server

  /// What the other end is called in messages.
  var peer: String { self == .client ? "the server" : "the client" }
}

extension TLSError {
  /// What the library says last in this thread, without the rest of its queue.
  static func library(_ act: String) -> TLSError {
    let code = ERR_peek_last_error()
    let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "no reason given"
    ERR_clear_error()
    return TLSError("\(act): \(reason)")
  }

  /// Why the session of `ssl` has failed just now.
  static func session(
    _ ssl: OpaquePointer, _ role: TLSRole, refused: (names: [String], expireDate: String)?, expected: String
  ) -> TLSError {
    let code = ERR_peek_last_error()
    defer { ERR_clear_error() }
    let reason = ERR_GET_REASON(code)
    let verification = Int32(truncatingIfNeeded: SSL_get_verify_result(ssl))
    if reason == SSL_R_CERTIFICATE_VERIFY_FAILED, verification != X509_V_OK {
      return .verification(verification, role, refused ?? ([], "an unknown date"), expected: expected)
    }
    if reason > SSL_AD_REASON_OFFSET { return .alert(reason - SSL_AD_REASON_OFFSET, role) }
    switch reason {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TLSError("the client sent no certificate; it must have one that the CA file vouches for")
    case SSL_R_NO_SHARED_CIPHER: return TLSError("\(role.peer) knows none of the ciphers that this side takes")
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE:
      return TLSError("\(role.peer) speaks a version of TLS older than 1.2")
    case SSL_R_NO_APPLICATION_PROTOCOL: return .noHTTP2(role)
    default:
      let text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "no reason given"
      return TLSError("\(role.peer) broke the rules of TLS (\(text))")
    }
  }

  static func noHTTP2(_ role: TLSRole) -> TLSError {
    TLSError("\(role.peer) does not offer HTTP/2 over TLS (ALPN h2)")
  }

  private static func verification(
    _ result: Int32, _ role: TLSRole, _ refused: (names: [String], expireDate: String), expected: String
  ) -> TLSError {
    let whose = "\(role.peer)'s certificate"
    switch result {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return TLSError("\(whose) has expired (on \(refused.expireDate))")
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TLSError("\(whose) is not valid yet; compare the clocks of the two machines")
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      let names = refused.names.isEmpty ? "no name" : refused.names.joined(separator: ", ")
      return TLSError("\(whose) is for \(names), not for \(expected)")
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return TLSError("\(whose) was not issued by an authority of the CA file")
    case X509_V_ERR_INVALID_PURPOSE:
      return TLSError("\(whose) is not made for a \(role == .client ? "server" : "client")")
    default:
      return TLSError("\(whose) is not acceptable (\(String(cString: X509_verify_cert_error_string(Int(result)))))")
    }
  }

  /// What the peer's fatal alert of RFC 8446 §6.2 means for this side.
  private static func alert(_ number: Int32, _ role: TLSRole) -> TLSError {
    let own = "this side's certificate"
    switch number {
    case SSL3_AD_HANDSHAKE_FAILURE: return TLSError("\(role.peer) found no common ground for a TLS connection")
    case SSL3_AD_BAD_CERTIFICATE, SSL3_AD_CERTIFICATE_UNKNOWN, SSL3_AD_UNSUPPORTED_CERTIFICATE:
      return TLSError("\(role.peer) does not accept \(own)")
    case SSL3_AD_CERTIFICATE_REVOKED: return TLSError("\(role.peer) says that \(own) was revoked")
    case SSL3_AD_CERTIFICATE_EXPIRED: return TLSError("\(role.peer) says that \(own) has expired")
    case TLS1_AD_UNKNOWN_CA:
      return TLSError("\(role.peer) does not know the authority that issued \(own)")
    case TLS13_AD_CERTIFICATE_REQUIRED:
      return TLSError("\(role.peer) demands a certificate, and this side has sent none")
    case TLS1_AD_PROTOCOL_VERSION: return TLSError("\(role.peer) does not take this version of TLS")
    case TLS1_AD_NO_APPLICATION_PROTOCOL: return .noHTTP2(role)
    case SSL3_AD_UNEXPECTED_MESSAGE: return TLSError("\(role.peer) did not understand what it was sent")
    default:
      let text = SSL_alert_desc_string_long(number).map { String(cString: $0) } ?? "\(number)"
      return TLSError("\(role.peer) ended the TLS connection (alert: \(text))")
    }
  }
}
