import Glibc

/// Turns bytes into text by the charset that a mail names, or by a better one where the name cannot be right.
package enum CharsetText {
  /// Decodes bytes; what no charset explains becomes U+FFFD.
  ///
  /// Mails often name a smaller charset than the one they are written in (EUC-KR for CP949, ISO-8859-1 for
  /// Windows-1252), or none, or a wrong one. So bytes that are UTF-8 beyond doubt are read as that, the larger charset
  /// stands in for the smaller, and when the named one does not fit, others are tried.
  package static func decode(_ bytes: [UInt8], charset label: String) -> String {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return String(decoding: bytes.dropFirst(3), as: UTF8.self) }
    let isSevenBit = !bytes.contains { $0 >= 0x80 }
    let label = isASCII(label) && !isSevenBit ? "" : label
    let named = known(label)
    // An escape sequence is ASCII, too.
    if isSevenBit, named == nil || named == "UTF-8" || !stateful.contains(named ?? "") {
      if named != nil || !bytes.contains(0x1B) { return String(decoding: bytes, as: UTF8.self) }
    }
    if !isSevenBit, named != "UTF-16", named != "UTF-32", let text = String(validating: bytes, as: UTF8.self) {
      return text
    }
    for charset in [named].compactMap({ $0 }) + guesses where charset != "UTF-8" {
      if let text = convert(bytes, from: charset) { return text }
    }
    guard let named, named != "UTF-8", let text = convert(bytes, from: named, isLossy: true) else {
      return String(decoding: bytes, as: UTF8.self)
    }
    return text
  }

  /// Charsets that are tried when the named one does not fit, the likelier first. The last one takes nearly anything.
  private static let guesses = ["ISO-2022-KR", "ISO-2022-JP-2", "CP949", "CP932", "GB18030", "CP1252"]
  private static let stateful: Set<String> = ["ISO-2022-KR", "ISO-2022-JP-2", "UTF-7", "UTF-16", "UTF-32", "HZ"]

  /// Whether a mail names ASCII, which cannot be true of bytes above 127.
  private static func isASCII(_ label: String) -> Bool {
    ["us-ascii", "ascii", "ansi_x3.4-1968"].contains(label.lowercased())
  }

  /// The name by which iconv knows a charset or the larger one that stands in for it; nil when a mail names none.
  private static func known(_ label: String) -> String? {
    let name = label.lowercased().filter { !$0.isWhitespace && $0 != "\"" && $0 != "'" && $0 != "_" && $0 != "-" }
    if name.isEmpty || name == "default" || name == "unknown8bit" || name == "xunknown" { return nil }
    if let larger = larger[name] { return larger }
    let plain = label.uppercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.:".contains($0)) }
    return plain.isEmpty ? nil : plain
  }

  // By names without `-` and `_`.
  private static let larger: [String: String] = [
    "ascii": "CP1252", "usascii": "CP1252", "ansix3.41968": "CP1252", "iso88591": "CP1252", "latin1": "CP1252",
    "windows1252": "CP1252", "iso88599": "CP1254", "windows1254": "CP1254",
    "utf8": "UTF-8", "unicode11utf8": "UTF-8", "utf7": "UTF-7", "unicode11utf7": "UTF-7", "utf16": "UTF-16",
    "utf16le": "UTF-16LE", "utf16be": "UTF-16BE", "utf32": "UTF-32",
    "euckr": "CP949", "ksc56011987": "CP949", "ksc5601": "CP949", "ksc5601(1987)": "CP949", "ks_c": "CP949",
    "cp949": "CP949", "ms949": "CP949", "uhc": "CP949", "windows949": "CP949", "xwindows949": "CP949",
    "korean": "CP949",
    "cseuckr": "CP949", "iso2022kr": "ISO-2022-KR", "csiso2022kr": "ISO-2022-KR", "johab": "JOHAB",
    "shiftjis": "CP932", "sjis": "CP932", "xsjis": "CP932", "windows31j": "CP932", "cp932": "CP932", "ms932": "CP932",
    "iso2022jp": "ISO-2022-JP-2", "csiso2022jp": "ISO-2022-JP-2", "iso2022jp2": "ISO-2022-JP-2",
    "iso2022jpms": "ISO-2022-JP-2", "eucjp": "EUC-JP-MS", "xeucjp": "EUC-JP-MS",
    "gb2312": "GB18030", "gbk": "GB18030", "cp936": "GB18030", "euccn": "GB18030", "gb18030": "GB18030",
    "big5": "BIG5-HKSCS", "big5hkscs": "BIG5-HKSCS", "tis620": "CP874", "windows874": "CP874",
    "macintosh": "MACINTOSH", "xmacroman": "MACINTOSH",
  ]

  /// Nil when iconv does not know the charset, or, unless lossy, when the bytes are none of it.
  private static func convert(_ bytes: [UInt8], from charset: String, isLossy: Bool = false) -> String? {
    guard let converter = iconv_open("UTF-8", charset), converter != iconv_t(bitPattern: -1) else { return nil }
    defer { iconv_close(converter) }
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count * 3 / 2 + 16)
    var input = bytes.map { CChar(bitPattern: $0) }
    var room = [CChar](repeating: 0, count: 16_384)
    let isWhole = input.withUnsafeMutableBufferPointer { source in
      room.withUnsafeMutableBufferPointer { target in
        var from = source.baseAddress
        var left = source.count
        while left > 0 {
          var to = target.baseAddress
          var free = target.count
          let result = iconv(converter, &from, &left, &to, &free)
          let failure = errno
          output.append(contentsOf: target.prefix(target.count - free).lazy.map { UInt8(bitPattern: $0) })
          guard result == -1, failure != E2BIG else { continue }
          guard isLossy, left > 0 else { return false }
          output.append(contentsOf: [0xEF, 0xBF, 0xBD])
          from = from.map { $0 + 1 }
          left -= 1
        }
        return true
      }
    }
    guard isWhole else { return nil }
    return String(decoding: output, as: UTF8.self)
  }
}
