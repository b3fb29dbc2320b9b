/// Blanks what is not code, so that rules do not trip over texts and comments.
enum SwiftCode {
  private enum State: Equatable {
    case code
    case blockComment(depth: Int)
    case string(hashes: Int, isMultiline: Bool, interpolations: Int)
  }

  /// Keeps the number of lines; a comment goes, a string becomes `""`.
  static func strip(_ lines: [String]) -> [String] {
    var state = State.code
    return lines.map { strip(Array($0.utf8), &state) }
  }

  private static func strip(_ line: [UInt8], _ state: inout State) -> String {
    var kept: [UInt8] = []
    var index = 0
    kept.reserveCapacity(line.count)
    while index < line.count {
      if state == .code, !startsSomething(line[index]) {
        kept.append(line[index])
        index += 1
        continue
      }
      switch state {
      case .code: index = code(line, index, &kept, &state)
      case .blockComment(let depth): index = comment(line, index, depth, &state)
      case .string: index = string(line, index, &kept, &state)
      }
    }
    // Only a string in three quotes goes on behind the end of a line.
    if case .string(_, false, _) = state { state = .code }
    return String(decoding: kept, as: UTF8.self)
  }

  private static func startsSomething(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "/") || byte == UInt8(ascii: "#") || byte == UInt8(ascii: "\"")
  }

  private static func code(_ line: [UInt8], _ index: Int, _ kept: inout [UInt8], _ state: inout State) -> Int {
    if starts(line, index, "//") { return line.count }
    if starts(line, index, "/*") {
      state = .blockComment(depth: 1)
      return index + 2
    }
    var hashes = 0
    while index + hashes < line.count, line[index + hashes] == UInt8(ascii: "#") { hashes += 1 }
    let quote = index + hashes
    if quote < line.count, line[quote] == UInt8(ascii: "\"") {
      let isMultiline = starts(line, quote, "\"\"\"")
      state = .string(hashes: hashes, isMultiline: isMultiline, interpolations: 0)
      kept += Array("\"\"".utf8)
      return quote + (isMultiline ? 3 : 1)
    }
    kept.append(line[index])
    return index + 1
  }

  private static func comment(_ line: [UInt8], _ index: Int, _ depth: Int, _ state: inout State) -> Int {
    if starts(line, index, "/*") {
      state = .blockComment(depth: depth + 1)
      return index + 2
    }
    guard starts(line, index, "*/") else { return index + 1 }
    state = depth == 1 ? .code : .blockComment(depth: depth - 1)
    return index + 2
  }

  // Text inside an interpolation is dropped with the string: parentheses are counted to find its end.
  private static func string(_ line: [UInt8], _ index: Int, _ kept: inout [UInt8], _ state: inout State) -> Int {
    guard case .string(let hashes, let isMultiline, let interpolations) = state else { return index + 1 }
    let marks = String(repeating: "#", count: hashes)
    if interpolations > 0 {
      var depth = interpolations
      if line[index] == UInt8(ascii: "(") { depth += 1 }
      if line[index] == UInt8(ascii: ")") { depth -= 1 }
      state = .string(hashes: hashes, isMultiline: isMultiline, interpolations: depth)
      // A string inside the interpolation ends before it does; its own interpolations are not looked into.
      if line[index] == UInt8(ascii: "\"") { return endOfPlainString(line, index + 1) }
      return index + 1
    }
    if starts(line, index, "\\\(marks)(") {
      state = .string(hashes: hashes, isMultiline: isMultiline, interpolations: 1)
      return index + 2 + hashes
    }
    if hashes == 0, line[index] == UInt8(ascii: "\\") { return index + 2 }
    let end = isMultiline ? "\"\"\"\(marks)" : "\"\(marks)"
    guard starts(line, index, end) else { return index + 1 }
    state = .code
    return index + end.utf8.count
  }

  private static func endOfPlainString(_ line: [UInt8], _ start: Int) -> Int {
    var index = start
    while index < line.count, line[index] != UInt8(ascii: "\"") {
      index += line[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    return index + 1
  }

  private static func starts(_ line: [UInt8], _ index: Int, _ text: String) -> Bool {
    line[index...].starts(with: text.utf8)
  }

  /// Whether `word` stands in the line with no letter, digit or underscore at either side.
  static func contains(_ line: String, word: StaticString) -> Bool {
    var line = line
    return line.withUTF8 { line in
      word.withUTF8Buffer { word in
        guard let initial = word.first, line.count >= word.count else { return false }
        for first in 0...line.count - word.count where line[first] == initial {
          guard UnsafeBufferPointer(rebasing: line[first..<first + word.count]).elementsEqual(word) else { continue }
          let opens = first == 0 || !isPartOfWord(initial) || !isPartOfWord(line[first - 1])
          let last = first + word.count - 1
          let closes = last + 1 == line.count || !isPartOfWord(line[last]) || !isPartOfWord(line[last + 1])
          if opens && closes { return true }
        }
        return false
      }
    }
  }

  private static func isPartOfWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...: true
    default: false
    }
  }

  /// A function, initializer or subscript with a body, and how many lines it takes from its first to its last brace.
  struct Function: Equatable {
    let line: Int
    var lineCount: Int
  }

  /// Finds the functions of stripped code by counting braces.
  static func functions(_ code: [String]) -> [Function] {
    var found: [Function] = []
    // For each open brace the index of the function that it opens, if it does.
    var open: [Int?] = []
    var pending: Int?
    var parentheses = 0
    for (index, line) in code.enumerated() {
      if keywords.contains(where: { contains(line, word: $0) && isDeclaration(line, $0) }) { pending = index + 1 }
      for byte in line.utf8 {
        switch byte {
        case UInt8(ascii: "("): parentheses += 1
        case UInt8(ascii: ")"): parentheses -= 1
        case UInt8(ascii: "{"):
          let opensFunction = pending != nil && parentheses == 0
          open.append(opensFunction ? found.count : nil)
          guard opensFunction else { break }
          found.append(Function(line: pending ?? index + 1, lineCount: -index))
          pending = nil
        case UInt8(ascii: "}"):
          if let function = open.popLast() ?? nil { found[function].lineCount += index + 1 }
          // A declaration without a body, as in a protocol, ends here at the latest.
          if parentheses == 0 { pending = nil }
        default: break
        }
      }
    }
    return found
  }

  private static let keywords: [StaticString] = ["func", "init", "deinit", "subscript"]

  private static let modifiers: Set<Substring> = [
    "package", "private", "fileprivate", "internal", "static", "class", "final", "override", "mutating", "consuming",
    "borrowing", "nonisolated", "convenience", "required", "isolated", "@concurrent", "@discardableResult",
    "@inline(__always)", "@inlinable", "prefix", "postfix", "infix", "nonisolated(nonsending)", "@Sendable",
  ]

  // Behind anything but modifiers the word is part of an expression, such as `self.init`.
  private static func isDeclaration(_ line: String, _ keyword: StaticString) -> Bool {
    for word in line.split(separator: " ") {
      if modifiers.contains(word) || word.hasPrefix("@") { continue }
      return word.hasPrefix(keyword.description)
    }
    return false
  }
}
