import CGMime
import Crypto

/// Encoded words in header fields (RFC 2047).
///
/// GMime would decode them, too; but it ends a run of words at the first one that is padded, as most programs write
/// them, and knows only the charset that a word names, not the larger one that is meant (``CharsetText``).
enum EncodedWords {
  /// A field's value with its encoded words decoded.
  static func decoded(_ value: [UInt8]) -> String { replacing(value) { $0 } }

  /// A field's value in which every run of encoded words is one word in UTF-8, so that names may hold commas and quotes
  /// until addresses are taken apart.
  static func rewritten(_ value: [UInt8]) -> String {
    replacing(value) { "=?UTF-8?B?\(Base64.encode(Array($0.utf8)))?=" }
  }

  private struct Word {
    let charset: String
    let bytes: [UInt8]
  }

  private static func replacing(_ value: [UInt8], _ write: (String) -> String) -> String {
    // Some programs write other charsets into header fields as they are.
    let bytes = Array(CharsetText.decode(value, charset: "").utf8)
    var result: [UInt8] = []
    var run: [Word] = []
    var at = 0
    func end() {
      guard !run.isEmpty else { return }
      result += Array(write(text(of: run)).utf8)
      run = []
    }
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "="), let (word, next) = word(in: bytes, at: at) {
        run.append(word)
        at = next
        // White space between encoded words is not part of the text.
        var ahead = at
        while ahead < bytes.count, isSpace(bytes[ahead]) { ahead += 1 }
        if ahead < bytes.count, bytes[ahead] == UInt8(ascii: "="), self.word(in: bytes, at: ahead) != nil { at = ahead }
      } else {
        end()
        result.append(bytes[at])
        at += 1
      }
    }
    end()
    return String(decoding: result, as: UTF8.self)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }

  /// Words of one charset are decoded together, because some programs break them inside a character.
  private static func text(of run: [Word]) -> String {
    var text = ""
    var piece: [UInt8] = []
    for (index, word) in run.enumerated() {
      piece += word.bytes
      guard index + 1 == run.count || run[index + 1].charset != word.charset else { continue }
      text += CharsetText.decode(piece, charset: word.charset)
      piece = []
    }
    return text
  }

  private static let wordBytesMax = 4_000

  /// The encoded word that begins here, and what is behind it.
  private static func word(in bytes: [UInt8], at start: Int) -> (Word, next: Int)? {
    guard start + 1 < bytes.count, bytes[start + 1] == UInt8(ascii: "?") else { return nil }
    let end = min(bytes.count, start + wordBytesMax)
    guard let first = bytes[(start + 2)..<end].firstIndex(of: UInt8(ascii: "?")), first + 2 < end,
      bytes[first + 2] == UInt8(ascii: "?")
    else { return nil }
    let charset = String(decoding: bytes[(start + 2)..<first].prefix { $0 != UInt8(ascii: "*") }, as: UTF8.self)
    guard !charset.isEmpty, charset.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    var stop = first + 3
    while stop + 1 < end, !(bytes[stop] == UInt8(ascii: "?") && bytes[stop + 1] == UInt8(ascii: "=")) {
      guard bytes[stop] != 0x0A else { return nil }
      stop += 1
    }
    guard stop + 1 < end else { return nil }
    let content = Array(bytes[(first + 3)..<stop])
    let decoded: [UInt8]
    switch bytes[first + 1] | 0x20 {
    case UInt8(ascii: "b"): decoded = self.decoded(content, GMIME_CONTENT_ENCODING_BASE64)
    case UInt8(ascii: "q"):
      decoded = self.decoded(
        content.map { $0 == UInt8(ascii: "_") ? 0x20 : $0 }, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)
    default: return nil
    }
    return (Word(charset: charset.lowercased(), bytes: decoded), stop + 2)
  }

  private static func decoded(_ content: [UInt8], _ encoding: GMimeContentEncoding) -> [UInt8] {
    var state = GMimeEncoding()
    g_mime_encoding_init_decode(&state, encoding)
    let room = g_mime_encoding_outlen(&state, content.count)
    return content.withUnsafeBytes { source in
      [UInt8](unsafeUninitializedCapacity: Int(room) + 8) { target, count in
        target.withMemoryRebound(to: CChar.self) { target in
          count = Int(
            g_mime_encoding_flush(
              &state, source.baseAddress?.assumingMemoryBound(to: CChar.self), content.count, target.baseAddress))
        }
      }
    }
  }
}
