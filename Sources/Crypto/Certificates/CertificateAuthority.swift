import COpenSSL

/// Issues certificates on keys of the curve P-256: for a cluster that has no authority of its company's own.
package struct CertificateAuthority: Sendable {
  /// The authority's own certificate, which those who trust it keep.
  package let certificate: Certificate
  /// What it signs with.
  package let key: PrivateKey

  /// What a certificate is to say of its holder.
  package struct Subject: Sendable {
    /// The common name, for people.
    package var commonName: String
    /// DNS names.
    package var names: [String]
    /// Numeric addresses.
    package var addresses: [String]
    /// Whether the holder may show it as a server, as a client, or as both.
    package var usage: Set<Usage>

    /// Names a holder.
    package init(
      _ commonName: String, names: [String], addresses: [String] = [], usage: Set<Usage> = [.server, .client]
    ) {
      self.commonName = commonName
      self.names = names
      self.addresses = addresses
      self.usage = usage
    }
  }

  /// What a certificate is good for.
  package enum Usage: String, Sendable {
    case server = "serverAuth"
    case client = "clientAuth"
  }

  /// When a certificate is valid, in seconds since 1970.
  package struct Validity: Sendable {
    /// The first second.
    package var start: Int64
    /// The last one.
    package var end: Int64

    /// From one second to another.
    package init(start: Int64, end: Int64) {
      self.start = start
      self.end = end
    }

    /// From now, less an hour for clocks that are behind, for so many days.
    package static func days(_ count: Int64) -> Validity {
      Validity(start: CertificateTime.now - 3600, end: CertificateTime.now + count * 86_400)
    }
  }

  /// A new authority with a new key.
  ///
  /// - Throws: ``TLSError`` when the name is refused.
  package init(named name: String, _ validity: Validity) throws(TLSError) {
    key = PrivateKey()
    let draft = try CertificateDraft(commonName: name, validity, key: key)
    draft.setIssuer(draft.handle)
    try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", issuer: draft.handle)
    try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: draft.handle)
    try draft.add(NID_subject_key_identifier, "hash", issuer: draft.handle)
    certificate = try draft.sign(key)
  }

  /// An authority that was made before.
  ///
  /// - Throws: ``TLSError`` when the two do not belong together.
  package init(certificate: Certificate, key: PrivateKey) throws(TLSError) {
    guard key.fits(certificate) else { throw TLSError("the authority's key is not the one of its certificate") }
    self.certificate = certificate
    self.key = key
  }

  /// Issues a certificate for a new key.
  ///
  /// - Throws: ``TLSError`` when a name is refused.
  package func issue(
    _ subject: Subject, _ validity: Validity
  ) throws(TLSError) -> (certificate: Certificate, key: PrivateKey) {
    let names = subject.names.map { "DNS:\($0)" } + subject.addresses.map { "IP:\($0)" }
    // The texts of extensions have a small language of their own.
    guard names.allSatisfy({ !$0.contains(",") && !$0.contains("\n") }) else {
      throw TLSError("a certificate cannot be for these names: \(names.joined(separator: " "))")
    }
    let holder = PrivateKey()
    let draft = try CertificateDraft(commonName: subject.commonName, validity, key: holder)
    draft.setIssuer(certificate.handle)
    try draft.add(NID_basic_constraints, "critical,CA:FALSE", issuer: certificate.handle)
    try draft.add(NID_key_usage, "critical,digitalSignature", issuer: certificate.handle)
    let usage = subject.usage.map(\.rawValue).sorted().joined(separator: ",")
    try draft.add(NID_ext_key_usage, usage, issuer: certificate.handle)
    try draft.add(NID_subject_key_identifier, "hash", issuer: certificate.handle)
    try draft.add(NID_authority_key_identifier, "keyid", issuer: certificate.handle)
    if !names.isEmpty {
      try draft.add(NID_subject_alt_name, names.joined(separator: ","), issuer: certificate.handle)
    }
    return (try draft.sign(key), holder)
  }
}

/// A certificate in the making; owns the `X509` until it is signed.
private struct CertificateDraft: ~Copyable {
  let handle: OpaquePointer

  init(
    commonName: String, _ validity: CertificateAuthority.Validity, key: PrivateKey
  ) throws(TLSError) {
    guard let handle = X509_new() else { preconditionFailure("out of memory") }
    self.handle = handle
    require(X509_set_version(handle, 2), "X509_set_version")
    // 127 random bits; the first bit of a serial number is its sign.
    var serial = SecureRandom.bytes(16)
    serial[0] = serial[0] & 0x7f | 0x40
    let number = BN_bin2bn(serial, Int32(serial.count), nil)
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(handle))
    BN_free(number)
    ASN1_TIME_set(X509_getm_notBefore(handle), Int(validity.start))
    ASN1_TIME_set(X509_getm_notAfter(handle), Int(validity.end))
    require(X509_set_pubkey(handle, key.handle), "X509_set_pubkey")
    let text = Array(commonName.utf8)
    let result = X509_NAME_add_entry_by_NID(
      X509_get_subject_name(handle), NID_commonName, MBSTRING_UTF8, text, Int32(text.count), -1, 0)
    guard result == 1 else { throw .library("a certificate cannot be for \"\(commonName)\"") }
  }

  deinit { X509_free(handle) }

  borrowing func setIssuer(_ issuer: OpaquePointer) {
    require(X509_set_issuer_name(handle, X509_get_subject_name(issuer)), "X509_set_issuer_name")
  }

  borrowing func add(_ kind: Int32, _ value: String, issuer: OpaquePointer) throws(TLSError) {
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, issuer, handle, nil, nil, 0)
    guard let made = X509V3_EXT_conf_nid(nil, &context, kind, value) else {
      throw .library("a certificate cannot say \"\(value)\"")
    }
    defer { X509_EXTENSION_free(made) }
    require(X509_add_ext(handle, made, -1), "X509_add_ext")
  }

  borrowing func sign(_ key: PrivateKey) throws(TLSError) -> Certificate {
    guard X509_sign(handle, key.handle, EVP_sha256()) > 0 else { throw .library("a certificate cannot be signed") }
    X509_up_ref(handle)
    return Certificate(owning: handle)
  }
}
