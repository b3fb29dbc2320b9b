import Crypto
import Glibc

/// Looks into the mails that were written, without understanding MIME: whatever form a word takes in a file, it is
/// found.
enum MailScan {
  /// The text of the mail with this Message-ID in `directory`; nil while it is not there.
  static func mail(_ messageID: String, in directory: String) throws(OperatorError) -> String? {
    guard let stream = opendir(directory) else {
      throw OperatorError("\(directory) cannot be read: \(errorText(errno))")
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasSuffix(".eml"), let text = try PrivateFile.read("\(directory)/\(name)") else { continue }
      if text.contains(messageID) { return text }
    }
    return nil
  }

  /// The mail as it is, and what its lines say in base64 and quoted-printable.
  static func readings(of mail: String) -> String {
    let lines = mail.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    var readings = [mail]
    var run = ""
    for line in lines + [""] {
      let text = String(line).trimmed
      if isBase64(text) {
        run += text
      } else {
        if let bytes = Base64.decode(run) { readings.append(String(decoding: bytes, as: UTF8.self)) }
        run = ""
      }
    }
    readings.append(quotedPrintable(lines.map { String($0).trimmed }))
    return readings.joined(separator: "\n")
  }

  /// The address that a mail asks for replies to; nil when it names none.
  static func replyAddress(of mail: String) -> String? {
    var field: String?
    for line in mail.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }) {
      if let begun = field {
        guard line.first == " " || line.first == "\t" else { break }
        field = begun + line
      } else if line.lowercased().hasPrefix("reply-to:") {
        field = String(line.dropFirst("reply-to:".count))
      } else if line.isEmpty {
        break
      }
    }
    guard let field else { return nil }
    let inner = field.lastIndex(of: "<").map { field[field.index(after: $0)...].prefix { $0 != ">" } } ?? field[...]
    let address = inner.filter { !$0.isWhitespace }
    return address.contains("@") ? address : nil
  }

  private static func isBase64(_ line: String) -> Bool {
    !line.isEmpty && line.utf8.count.isMultiple(of: 4)
      && line.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2f, 0x3d: true
        default: false
        }
      }
  }

  private static func quotedPrintable(_ lines: [String]) -> String {
    var bytes: [UInt8] = []
    for line in lines {
      var rest = Array(line.utf8)[...]
      let continues = rest.last == 0x3d
      if continues { rest.removeLast() }
      while let byte = rest.popFirst() {
        let digits = rest.prefix(2)
        if byte == 0x3d, digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) {
          bytes.append(value)
          rest = rest.dropFirst(2)
        } else {
          bytes.append(byte)
        }
      }
      if !continues { bytes.append(0x0a) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension String {
  fileprivate var trimmed: String {
    var text = self[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text)
  }
}
