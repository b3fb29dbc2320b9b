/// The form in which IMAP writes names of mailboxes (RFC 3501, 5.1.3).
package enum ModifiedUTF7 {
  /// A mailbox's name as IMAP writes it: ASCII, with everything else as base64 of UTF-16 between `&` and `-`.
  package static func encoded(_ name: String) -> String {
    var result = ""
    var units: [UInt16] = []
    func flush(_ units: inout [UInt16], _ result: inout String) {
      guard !units.isEmpty else { return }
      result += "&\(base64(units))-"
      units = []
    }
    for scalar in name.unicodeScalars {
      if (0x20...0x7E).contains(scalar.value) {
        flush(&units, &result)
        result += scalar == "&" ? "&-" : String(scalar)
      } else {
        units += String(scalar).utf16
      }
    }
    flush(&units, &result)
    return result
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,")

  /// Without padding, the most significant bits first.
  private static func base64(_ units: [UInt16]) -> String {
    var result = ""
    var bits: UInt32 = 0
    var count: UInt32 = 0
    for unit in units {
      bits = bits << 16 | UInt32(unit)
      count += 16
      while count >= 6 {
        count -= 6
        result.append(alphabet[Int(bits >> count & 0x3F)])
      }
      bits &= (1 << count) - 1
    }
    if count > 0 { result.append(alphabet[Int(bits << (6 - count) & 0x3F)]) }
    return result
  }
}
