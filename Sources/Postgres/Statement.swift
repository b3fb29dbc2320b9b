/// A statement known to a loop: its text, its parameters' types, and whether it may share a connection.
final class Statement {
  /// The text, ended by a zero.
  let text: [CChar]
  let parameterTypes: [UInt32]
  let isSharable: Bool

  init(_ shape: QueryShape) {
    let utf8 = shape.renderedText()
    // A zero would end the text early for libpq; SQL has no use for one.
    text = utf8.filter { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
    parameterTypes = shape.parameterTypes()
    isSharable = Self.onlyReads(utf8)
  }

  /// Whether a statement may be queued behind others' on one connection: it begins as a read and no word in it changes
  /// data, locks rows, waits or changes the session. Words inside literals count too: an error costs only the sharing.
  static func onlyReads(_ text: [UInt8]) -> Bool {
    var isFirst = true
    for word in words(of: text) {
      if isFirst {
        guard ["select", "with", "values", "table"].contains(word) else { return false }
        isFirst = false
      } else if changingWords.contains(word) || word.hasPrefix("pg_advisory") || word.hasPrefix("pg_try_advisory") {
        return false
      }
    }
    return !isFirst
  }

  private static let changingWords: Set<String> = [
    "insert", "update", "delete", "merge", "into", "share", "nextval", "setval", "set_config", "pg_notify", "pg_sleep",
    "pg_terminate_backend", "pg_cancel_backend", "lo_import", "lo_create", "dblink",
  ]

  private static func words(of text: [UInt8]) -> [String] {
    var words: [String] = []
    var word: [UInt8] = []
    for byte in text + [0] {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte | 0x20)
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        word.append(byte)
      default:
        if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
        word.removeAll(keepingCapacity: true)
      }
    }
    return words
  }
}

/// The statements a loop has met, so that a query's text is built once; bounded.
final class StatementCatalog {
  private var statements: [QueryShape: Statement] = [:]
  private static let statementsMax = 2048

  func statement(for shape: QueryShape) -> Statement {
    if let known = statements[shape] { return known }
    // Texts made at run time could fill it; starting over costs one rendering per statement.
    if statements.count >= Self.statementsMax { statements.removeAll(keepingCapacity: true) }
    let statement = Statement(shape)
    statements[shape] = statement
    return statement
  }
}

/// The prepared statements of one connection, by the statement they were made from.
struct PreparedStatements {
  /// A statement that the server knows by name, or will when its answer arrives.
  final class Entry {
    let statement: Statement
    /// The server's name for it, ended by a zero. A name is never used twice on a connection.
    let name: [CChar]
    var isReady = false
    var lastUse: UInt64 = 0

    init(_ statement: Statement, number: UInt64) {
      self.statement = statement
      name = "s\(number)".utf8.map { CChar(bitPattern: $0) } + [0]
    }

    /// `DEALLOCATE` for the name, ended by a zero.
    var deallocation: [CChar] { "DEALLOCATE ".utf8.map { CChar(bitPattern: $0) } + name }
  }

  private var entries: [ObjectIdentifier: Entry] = [:]
  private var clock: UInt64 = 0
  private let entriesMax: Int

  init(max: Int) { entriesMax = Swift.max(8, max) }

  var count: Int { entries.count }

  /// The entry for `statement`, marked as used.
  mutating func use(_ statement: Statement) -> Entry? {
    guard let entry = entries[ObjectIdentifier(statement)] else { return nil }
    clock &+= 1
    entry.lastUse = clock
    return entry
  }

  /// Makes an entry with a new name.
  mutating func add(_ statement: Statement) -> Entry {
    clock &+= 1
    let entry = Entry(statement, number: clock)
    entry.lastUse = clock
    entries[ObjectIdentifier(statement)] = entry
    return entry
  }

  /// Drops an entry that the server does not know, or no longer.
  mutating func forget(_ entry: Entry) {
    if entries[ObjectIdentifier(entry.statement)] === entry { entries[ObjectIdentifier(entry.statement)] = nil }
  }

  /// Drops all entries and returns those that the server knows.
  mutating func removeAll() -> [Entry] {
    defer { entries.removeAll(keepingCapacity: true) }
    return entries.values.filter(\.isReady)
  }

  /// Takes out the least recently used entries beyond the limit.
  mutating func overflow() -> [Entry] {
    var evicted: [Entry] = []
    while entries.count > entriesMax,
      let oldest = entries.values.filter(\.isReady).min(by: { $0.lastUse < $1.lastUse })
    {
      entries[ObjectIdentifier(oldest.statement)] = nil
      evicted.append(oldest)
    }
    return evicted
  }
}
