/// The words of an HTML text, such as that of a mail, as plain text.
///
/// Reads tags one after the other and builds no tree, so its time and memory follow the length of the text, however its
/// tags are nested or broken. Quotations get `> ` before their lines, list items `- `, links their address in angle
/// brackets where it says more than their text.
package enum HTMLToText {
  /// Turns a document or a fragment into text; lines end with `\n`.
  package static func text(_ html: String) -> String {
    var reader = Reader(Array(html.utf8))
    reader.run()
    return reader.result
  }

  /// Elements whose content is no text for readers.
  private static let skipped: Set<String> = ["head", "script", "style", "title", "template", "noscript", "object"]
  /// Elements that begin on a line of their own.
  private static let blocks: Set<String> = [
    "address", "article", "aside", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form",
    "header", "html", "main", "nav", "section", "table", "tbody", "tfoot", "thead", "tr", "ul", "ol", "li", "hr",
  ]
  /// Elements with an empty line around them.
  private static let paragraphs: Set<String> = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"]
  private static let quoteDepthMax = 10

  private struct Reader {
    let bytes: [UInt8]
    var at = 0
    var lines: [String] = []
    var line = ""
    /// White space that stands before the next word, if one follows on the same line.
    var pendingSpace = false
    var blankWanted = false
    var quoteDepth = 0
    /// How deep the last line stood.
    var lastDepth = 0
    var preDepth = 0
    /// The element whose end is waited for, and how many of its kind are open.
    var skippedName = ""
    var skippedDepth = 0
    var links: [(target: String, line: Int, start: Int)] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var result: String {
      var kept = lines[...]
      while kept.first?.isEmpty == true { kept.removeFirst() }
      while kept.last?.isEmpty == true { kept.removeLast() }
      return kept.joined(separator: "\n")
    }

    mutating func run() {
      while at < bytes.count {
        if bytes[at] == UInt8(ascii: "<"), at + 1 < bytes.count, isTagStart(bytes[at + 1]) {
          readTag()
        } else {
          readText()
        }
      }
      endLine()
    }

    private func isTagStart(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: "/") || byte == UInt8(ascii: "!") || byte == UInt8(ascii: "?") || isLetter(byte)
    }

    private func isLetter(_ byte: UInt8) -> Bool {
      byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }

    private mutating func readText() {
      let start = at
      at += 1
      while at < bytes.count, bytes[at] != UInt8(ascii: "<") { at += 1 }
      guard skippedName.isEmpty else { return }
      let text = HTMLEntities.decoded(String(decoding: bytes[start..<at], as: UTF8.self))
      if preDepth > 0 { return appendPreformatted(text) }
      var word = ""
      for scalar in text.unicodeScalars {
        switch scalar {
        case " ", "\t", "\n", "\r", "\u{0C}":
          append(word)
          word = ""
          pendingSpace = true
        case "\u{AD}", "\u{200B}", "\u{FEFF}": continue
        default: word.unicodeScalars.append(scalar == "\u{A0}" ? " " : scalar)
        }
      }
      append(word)
    }

    private mutating func append(_ word: String) {
      guard !word.isEmpty else { return }
      if line.isEmpty { beginLine() } else if pendingSpace { line += " " }
      pendingSpace = false
      line += word
    }

    private mutating func appendPreformatted(_ text: String) {
      for (index, part) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
        if index > 0 { breakLine() }
        if line.isEmpty { beginLine() }
        line += part
      }
    }

    private mutating func beginLine() {
      let isParted = blankWanted && lines.last.map { !isBlank($0) } ?? false
      // An empty line between a quotation and its surroundings belongs to the surroundings.
      if isParted { lines.append(min(lastDepth, quoteDepth) == 0 ? "" : ">") }
      blankWanted = false
      line = prefix
    }

    private var prefix: String { quoteDepth == 0 ? "" : String(repeating: ">", count: quoteDepth) + " " }

    private func isBlank(_ line: String) -> Bool { line.utf8.allSatisfy { $0 == 0x20 || $0 == 0x3E } }

    /// Ends the line, if anything stands on it.
    private mutating func endLine() {
      pendingSpace = false
      guard !line.isEmpty else { return }
      while line.last == " " || line.last == "\t" { line.removeLast() }
      lines.append(line)
      lastDepth = quoteDepth
      line = ""
    }

    /// Ends the line even when it is empty, though never makes two empty ones follow each other.
    private mutating func breakLine() {
      if line.isEmpty {
        if lines.last.map({ !isBlank($0) }) ?? false { lines.append(quoteDepth == 0 ? "" : ">") }
        pendingSpace = false
      } else {
        endLine()
      }
    }

    private mutating func readTag() {
      if bytes[at + 1] == UInt8(ascii: "!") || bytes[at + 1] == UInt8(ascii: "?") { return skipDeclaration() }
      at += 1
      let isEnd = bytes[at] == UInt8(ascii: "/")
      if isEnd { at += 1 }
      let start = at
      while at < bytes.count, at - start < 32, isNameByte(bytes[at]) { at += 1 }
      let name = String(decoding: bytes[start..<at], as: UTF8.self).lowercased()
      let (attributes, isClosed) = readAttributes(wanted: !isEnd && (name == "a" || name == "img" || !name.isEmpty))
      if !skippedName.isEmpty {
        if name == skippedName, !isClosed { skippedDepth += isEnd ? -1 : 1 }
        if skippedDepth == 0 { skippedName = "" }
        return
      }
      if isEnd { close(name) } else { open(name, attributes, isClosed: isClosed) }
    }

    private func isNameByte(_ byte: UInt8) -> Bool {
      isLetter(byte) || (byte >= 0x30 && byte <= 0x39) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ":")
    }

    private mutating func skipDeclaration() {
      if bytes[at...].starts(with: "<!--".utf8) {
        at += 4
        while at < bytes.count, !(bytes[at] == UInt8(ascii: "-") && bytes[at...].starts(with: "-->".utf8)) { at += 1 }
        at = min(at + 3, bytes.count)
      } else {
        while at < bytes.count, bytes[at] != UInt8(ascii: ">") { at += 1 }
        at += 1
      }
    }

    /// Reads up to the end of the tag; the few attributes that matter, and whether it closes itself.
    private mutating func readAttributes(wanted: Bool) -> ([String: String], isClosed: Bool) {
      var found: [String: String] = [:]
      var isClosed = false
      while at < bytes.count, bytes[at] != UInt8(ascii: ">") {
        guard isLetter(bytes[at]) else {
          isClosed = bytes[at] == UInt8(ascii: "/")
          if bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") { _ = readQuoted() } else { at += 1 }
          continue
        }
        let start = at
        while at < bytes.count, isNameByte(bytes[at]) || bytes[at] == UInt8(ascii: "_") { at += 1 }
        let name = String(decoding: bytes[start..<min(at, start + 16)], as: UTF8.self).lowercased()
        skipSpace()
        guard at < bytes.count, bytes[at] == UInt8(ascii: "=") else { continue }
        at += 1
        skipSpace()
        let value = readValue()
        if wanted, name == "href" || name == "alt" || name == "style" || name == "hidden" {
          found[name] = String(decoding: value.prefix(2_000), as: UTF8.self)
        }
      }
      at = min(at + 1, bytes.count)
      return (found, isClosed)
    }

    private mutating func skipSpace() {
      while at < bytes.count, bytes[at] == 0x20 || (bytes[at] >= 0x09 && bytes[at] <= 0x0D) { at += 1 }
    }

    private mutating func readValue() -> ArraySlice<UInt8> {
      guard at < bytes.count else { return [] }
      if bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") { return readQuoted() }
      let start = at
      while at < bytes.count, bytes[at] != UInt8(ascii: ">"), bytes[at] > 0x20 { at += 1 }
      return bytes[start..<at]
    }

    private mutating func readQuoted() -> ArraySlice<UInt8> {
      let quote = bytes[at]
      at += 1
      let start = at
      while at < bytes.count, bytes[at] != quote { at += 1 }
      let value = bytes[start..<at]
      at = min(at + 1, bytes.count)
      return value
    }

    private mutating func open(_ name: String, _ attributes: [String: String], isClosed: Bool) {
      if HTMLToText.skipped.contains(name) || isHidden(name, attributes), !isClosed, !Self.isVoid(name) {
        skippedName = name
        skippedDepth = 1
        return
      }
      switch name {
      case "br": breakLine()
      case "img":
        let words = HTMLEntities.decoded(attributes["alt"] ?? "")
        if words.contains(where: { !$0.isWhitespace }) { append("[\(words)]") }
      case "td", "th": if !line.isEmpty { pendingSpace = true }
      case "a":
        if links.count < 100 { links.append((attributes["href"] ?? "", lines.count, line.utf8.count)) }
      default:
        separate(name)
        if name == "blockquote" { quoteDepth = min(quoteDepth + 1, HTMLToText.quoteDepthMax) }
        if name == "pre" { preDepth += 1 }
        if name == "li" {
          append("-")
          pendingSpace = true
        }
      }
    }

    private mutating func separate(_ name: String) {
      if HTMLToText.paragraphs.contains(name) {
        beginParagraph()
      } else if HTMLToText.blocks.contains(name) {
        endLine()
      }
    }

    private mutating func beginParagraph() {
      endLine()
      blankWanted = true
    }

    private mutating func close(_ name: String) {
      switch name {
      case "a": closeLink()
      case "td", "th": if !line.isEmpty { pendingSpace = true }
      default:
        separate(name)
        if name == "blockquote" { quoteDepth = max(0, quoteDepth - 1) }
        if name == "pre" { preDepth = max(0, preDepth - 1) }
      }
    }

    private mutating func closeLink() {
      guard let (target, lineNumber, start) = links.popLast() else { return }
      let address = HTMLEntities.decoded(target)
      guard address.hasPrefix("http://") || address.hasPrefix("https://"), lineNumber == lines.count else { return }
      let words = String(decoding: line.utf8.dropFirst(start), as: UTF8.self).drop { $0 == " " }
      let plain = address.hasSuffix("/") ? address.dropLast() : address[...]
      guard !words.isEmpty, words != address, !plain.hasSuffix(words) else { return }
      line += " <\(address)>"
    }

    /// Text that is in the mail for preview panes or trackers only.
    private func isHidden(_ name: String, _ attributes: [String: String]) -> Bool {
      guard let style = attributes["style"] else { return false }
      let plain = style.lowercased().filter { !$0.isWhitespace }
      return plain.contains("display:none") || plain.contains("visibility:hidden")
    }

    private static func isVoid(_ name: String) -> Bool {
      ["br", "img", "hr", "input", "meta", "link", "area", "base", "col", "wbr"].contains(name)
    }
  }
}

/// Character references of HTML.
enum HTMLEntities {
  /// Replaces numeric references and the common named ones; what is none stays as it stands.
  static func decoded(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
    var result = ""
    var rest = text[...]
    while let start = rest.firstIndex(of: "&") {
      result += rest[..<start]
      rest = rest[start...]
      // The longest known name has eight letters.
      if let end = rest.prefix(12).firstIndex(of: ";"), let value = value(of: rest[rest.index(after: start)..<end]) {
        result += value
        rest = rest[rest.index(after: end)...]
      } else {
        result += "&"
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }

  private static func value(of name: Substring) -> String? {
    guard name.first == "#" else { return named[String(name)] }
    let digits = name.dropFirst()
    let number = digits.first == "x" || digits.first == "X" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
    guard let number, number != 0 else { return nil }
    // Numbers of the C1 block mean Windows-1252 (HTML, 13.2.5.80).
    if (0x80...0x9F).contains(number) { return windows[Int(number) - 0x80] }
    return Unicode.Scalar(number).map { String($0) }
  }

  private static let windows: [String] = [
    "€", "", "‚", "ƒ", "„", "…", "†", "‡", "ˆ", "‰", "Š", "‹", "Œ", "", "Ž", "", "", "‘", "’", "“", "”", "•", "–", "—",
    "˜", "™", "š", "›", "œ", "", "ž", "Ÿ",
  ]

  private static let named: [String: String] = [
    "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": "\u{A0}", "copy": "©", "reg": "®",
    "trade": "™", "hellip": "…", "mdash": "—", "ndash": "–", "lsquo": "‘", "rsquo": "’", "ldquo": "“", "rdquo": "”",
    "laquo": "«", "raquo": "»", "bull": "•", "middot": "·", "times": "×", "divide": "÷", "deg": "°", "plusmn": "±",
    "euro": "€", "pound": "£", "yen": "¥", "cent": "¢", "sect": "§", "para": "¶", "larr": "←", "rarr": "→",
    "uarr": "↑", "darr": "↓", "harr": "↔", "ne": "≠", "le": "≤", "ge": "≥", "infin": "∞", "szlig": "ß", "auml": "ä",
    "ouml": "ö", "uuml": "ü", "Auml": "Ä", "Ouml": "Ö", "Uuml": "Ü", "eacute": "é", "egrave": "è", "ecirc": "ê",
    "agrave": "à", "aacute": "á", "acirc": "â", "ccedil": "ç", "iacute": "í", "oacute": "ó", "uacute": "ú",
    "ntilde": "ñ", "oslash": "ø", "aring": "å", "aelig": "æ", "thinsp": "\u{2009}", "ensp": "\u{2002}",
    "emsp": "\u{2003}", "shy": "\u{AD}", "zwnj": "\u{200C}", "zwj": "\u{200D}", "iexcl": "¡", "iquest": "¿",
  ]
}
