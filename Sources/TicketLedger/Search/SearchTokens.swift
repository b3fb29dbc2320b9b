package import Postgres

/// A text that can be searched, among the texts of a ticket.
package enum SearchPlace: Hashable, Sendable {
  /// What the ticket is about.
  case title
  /// The customer's name.
  case customerName
  /// An entry of the history.
  case entry(EntryID)
  /// What the ticket has in a field of its service.
  case field(FieldID)

  /// The row's key in `ticket_search`.
  package var key: String {
    switch self {
    case .title: "title"
    case .customerName: "customer_name"
    case .entry(let id): "entry/\(id)"
    case .field(let id): "field/\(id)"
    }
  }

  /// The place of a text in the registry of copies; nil for one that is not searched.
  ///
  /// - Parameter row: the copy's row among the ticket's rows.
  package init?(_ copy: TextCopy, row: String) {
    switch copy.name {
    case "ticket.title": self = .title
    case "ticket.customer_name": self = .customerName
    case "ticket_entry.body":
      guard let id = Int64(row) else { return nil }
      self = .entry(EntryID(id))
    case "ticket_field_value.value":
      guard let id = Int64(row) else { return nil }
      self = .field(FieldID(id))
    default: return nil
    }
  }

  /// What kind of text it is.
  package var scope: SearchScope {
    switch self {
    case .title: .title
    case .customerName: .customerName
    case .entry: .entry
    case .field(let id): .field(id)
    }
  }
}

/// Where a phrase is looked for.
package enum SearchScope: Hashable, Sendable {
  /// In titles.
  case title
  /// In customers' names.
  case customerName
  /// In any entry of the history.
  case entry
  /// In a field of the service.
  case field(FieldID)

  fileprivate func writeMark(into prefix: inout [UInt8]) {
    switch self {
    case .title: prefix.append(UInt8(ascii: "T"))
    case .customerName: prefix.append(UInt8(ascii: "N"))
    case .entry: prefix.append(UInt8(ascii: "E"))
    case .field(let id):
      prefix.append(UInt8(ascii: "F"))
      SearchTokens.write(id.rawValue, into: &prefix)
      prefix.append(UInt8(ascii: ":"))
    }
  }
}

/// What a text is found by, bound as a `tsvector`: what stands before a gram says in which kind of text, of which
/// service, and on which day the ticket was received, so that one search of the index finds one day's texts, and newer
/// rows lie close together.
package struct SearchTokens: Sendable, Equatable {
  /// A `tsvector` has at most 2^20 - 1 bytes of tokens (PostgreSQL manual, 12.11), which 50,000 letters that are all
  /// different keep within.
  private static let byteCountMax = (1 << 20) - 1
  /// Bytes of the longest gram, which is two scalars in UTF-8.
  private static let gramByteCountMax = 8

  private let prefix: [UInt8]
  private let grams: ArraySlice<UInt64>

  /// Works out the tokens of a text; as many as a `tsvector` holds.
  package init(_ text: String, in scope: SearchScope, of service: ServiceID, receivedAt time: Instant) {
    prefix = Self.prefix(scope, service, day: Self.day(of: time))
    grams = SearchText(text).grams().prefix(Self.byteCountMax / (prefix.count + Self.gramByteCountMax))
  }

  /// The tokens, ascending by their bytes, each once.
  package var words: [String] { grams.map { Self.word(prefix, UInt32($0 >> 32), UInt32(truncatingIfNeeded: $0)) } }

  /// The day that an instant lies in, counted from 1970 in UTC.
  package static func day(of time: Instant) -> Int64 {
    let length: Int64 = 86_400_000_000
    let days = time.microsecondsSinceEpoch / length
    return time.microsecondsSinceEpoch % length < 0 ? days - 1 : days
  }

  /// A `tsquery` for texts that may have a phrase, of tickets received on any of some days.
  package static func query(
    _ phrase: SearchPhrase, in scopes: [SearchScope], of service: ServiceID, days: ClosedRange<Int64>
  ) -> String {
    let grams = phrase.grams
    return days.flatMap { day in
      scopes.map { scope in
        let prefix = prefix(scope, service, day: day)
        // Letters and digits alone are in a gram: nothing that would have to be escaped.
        let terms = grams.map { "'\(word(prefix, $0.first, $0.second))'\($0.second == 0 ? ":*" : "")" }
        return "(\(terms.joined(separator: "&")))"
      }
    }.joined(separator: "|")
  }

  private static func prefix(_ scope: SearchScope, _ service: ServiceID, day: Int64) -> [UInt8] {
    var prefix: [UInt8] = []
    prefix.reserveCapacity(16)
    scope.writeMark(into: &prefix)
    write(service.rawValue, into: &prefix)
    prefix.append(UInt8(ascii: "."))
    // Three digits reach for 650 years, so that a prefix of one day is no prefix of another.
    write(max(0, day), atLeast: 3, into: &prefix)
    return prefix
  }

  private static func word(_ prefix: [UInt8], _ first: UInt32, _ second: UInt32) -> String {
    String(unsafeUninitializedCapacity: prefix.count + gramByteCountMax) { bytes in
      var end = bytes.initialize(fromContentsOf: prefix)
      for scalar in [first, second] where scalar != 0 { put(scalar, bytes, at: &end) }
      return end
    }
  }

  private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

  /// Writes a number in 62 digits, to be short.
  fileprivate static func write(_ number: Int64, atLeast digits: Int = 1, into bytes: inout [UInt8]) {
    let start = bytes.count
    var rest = number
    repeat {
      bytes.append(alphabet[Int(rest % 62)])
      rest /= 62
    } while rest > 0 || bytes.count - start < digits
    bytes[start...].reverse()
  }

  /// Puts a scalar in UTF-8 at an offset, and moves that behind it. There must be room for four bytes.
  private static func put(_ scalar: UInt32, _ bytes: UnsafeMutableBufferPointer<UInt8>, at offset: inout Int) {
    func put(_ bits: UInt32) {
      bytes[offset] = UInt8(truncatingIfNeeded: bits)
      offset += 1
    }
    if scalar < 0x80 { return put(scalar) }
    if scalar < 0x800 {
      put(0xC0 | scalar >> 6)
    } else {
      if scalar < 0x10000 {
        put(0xE0 | scalar >> 12)
      } else {
        put(0xF0 | scalar >> 18)
        put(0x80 | scalar >> 12 & 0x3F)
      }
      put(0x80 | scalar >> 6 & 0x3F)
    }
    put(0x80 | scalar & 0x3F)
  }
}

extension SearchTokens: PostgresBindable {
  /// `tsvector`.
  package static var postgresType: PostgresType { .tsvector }
  /// `tsvector[]`.
  package static var postgresArrayType: PostgresType { .tsvectorArray }

  /// Writes how many tokens there are, and each with a zero behind it and no position (`tsvectorrecv` in PostgreSQL's
  /// `tsvector.c`). UTF-8 keeps the order of scalars, so they come as the server keeps them.
  package func encode(into parameters: inout ParameterBytes) {
    parameters.write(Int32(truncatingIfNeeded: grams.count))
    let room = grams.count * (prefix.count + Self.gramByteCountMax + 3)
    let bytes = [UInt8](unsafeUninitializedCapacity: room) { bytes, end in
      for gram in grams {
        for byte in prefix {
          bytes[end] = byte
          end += 1
        }
        Self.put(UInt32(truncatingIfNeeded: gram >> 32), bytes, at: &end)
        let second = UInt32(truncatingIfNeeded: gram)
        if second != 0 { Self.put(second, bytes, at: &end) }
        // The end of the token, and a count of positions of two bytes.
        for _ in 0..<3 {
          bytes[end] = 0
          end += 1
        }
      }
    }
    parameters.write(contentsOf: bytes)
  }
}

/// A row of `ticket_search` to be.
package struct SearchRow: Sendable, Equatable {
  /// Which text of the ticket.
  package let place: SearchPlace
  /// What it is found by.
  package let tokens: SearchTokens

  /// Works out the row of a text.
  package init(_ place: SearchPlace, _ text: String, of service: ServiceID, receivedAt time: Instant) {
    self.place = place
    tokens = SearchTokens(text, in: place.scope, of: service, receivedAt: time)
  }
}
