import CCurl

/// An `https` URL that an administrator has named: read by the parser of the library that will call it, so that what
/// is checked is what is called.
package struct HTTPSURL: Sendable, Equatable {
  /// Most characters.
  package static let charactersMax = 2000

  /// As it was given.
  package let text: String
  /// A name in lower case, or an address without brackets.
  package let host: String
  /// 443 unless the URL names another.
  package let port: UInt16

  /// Host and port: whom to be patient with.
  package var destination: String { "\(host):\(port)" }

  /// Reads a URL of visible ASCII characters; nil for any other text, another scheme, a user or a fragment.
  package init?(_ text: String) {
    guard text.utf8.count <= Self.charactersMax, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
      let url = curl_url()
    else { return nil }
    defer { curl_url_cleanup(url) }
    guard curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK, Self.part(url, CURLUPART_SCHEME) == "https",
      Self.part(url, CURLUPART_USER) == nil, Self.part(url, CURLUPART_PASSWORD) == nil,
      Self.part(url, CURLUPART_FRAGMENT) == nil, let host = Self.part(url, CURLUPART_HOST),
      let portText = Self.part(url, CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)), let port = UInt16(portText), port > 0
    else { return nil }
    self.text = text
    self.host = (host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host).lowercased()
    self.port = port
  }

  private static func part(_ url: OpaquePointer, _ part: CURLUPart, _ flags: UInt32 = 0) -> String? {
    var value: UnsafeMutablePointer<CChar>?
    guard curl_url_get(url, part, &value, flags) == CURLUE_OK, let value else { return nil }
    defer { curl_free(value) }
    return String(cString: value)
  }
}
