import COpenSSL

/// What a verified certificate says of its holder.
package final class PeerCertificate: Sendable {
  /// The DNS names and URIs of its subject alternative names, in their order. The subject itself counts for nothing.
  package let names: [String]

  /// Names that were read elsewhere, for a transport without TLS.
  package init(names: [String]) { self.names = names }

  /// Reads a certificate.
  init(_ certificate: OpaquePointer) { names = AlternativeNames(certificate).names }
}

/// The subject alternative names of a certificate.
struct AlternativeNames {
  /// DNS names and URIs; those with a zero byte or outside of ASCII are left out.
  private(set) var names: [String] = []

  init(_ certificate: OpaquePointer) {
    guard let extensions = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return }
    let list = OpaquePointer(extensions)
    defer { GENERAL_NAMES_free(list) }
    for index in 0..<OPENSSL_sk_num(list) {
      guard let entry = OPENSSL_sk_value(list, index)?.assumingMemoryBound(to: GENERAL_NAME.self) else { continue }
      switch entry.pointee.type {
      case GEN_DNS: names += Self.text(entry.pointee.d.dNSName).map { [$0] } ?? []
      case GEN_URI: names += Self.text(entry.pointee.d.uniformResourceIdentifier).map { [$0] } ?? []
      default: continue
      }
    }
  }

  private static func text(_ string: UnsafePointer<ASN1_STRING>?) -> String? {
    guard let string, let start = ASN1_STRING_get0_data(string) else { return nil }
    let bytes = UnsafeBufferPointer(start: start, count: Int(ASN1_STRING_length(string)))
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
