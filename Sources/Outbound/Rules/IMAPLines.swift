/// A mail in a mailbox, as the server lists it.
package struct IMAPMessage: Sendable, Equatable {
  /// Names the mail for as long as the mailbox's UIDVALIDITY stays; ascending.
  package let uid: UInt32
  /// Its place in the mailbox when it was listed, from 1.
  package let place: Int
  /// Bytes, as the server says; some servers only estimate them. 0 when it does not say.
  package let sizeBytes: Int64
  /// When it arrived in the mailbox, in seconds since 1970; far in the future when the server does not say.
  package let arrivalSeconds: Int64

  /// A mail of which only the number is known.
  package init(uid: UInt32, place: Int) {
    (self.uid, self.place, sizeBytes, arrivalSeconds) = (uid, place, 0, .max)
  }

  /// Reads an answer to `FETCH (UID RFC822.SIZE INTERNALDATE)`; nil for any other line.
  init?(line: some StringProtocol) {
    var values: [String: String] = [:]
    var tokens = IMAPTokens(line)
    guard tokens.next() == "*", let place = tokens.next().flatMap({ UInt32($0) }),
      tokens.next()?.uppercased() == "FETCH", tokens.next() == "("
    else { return nil }
    while let name = tokens.next(), name != ")" {
      guard let value = tokens.nextValue() else { return nil }
      values[name.uppercased()] = value
    }
    guard let uid = values["UID"].flatMap({ UInt32($0) }), let size = values["RFC822.SIZE"].flatMap({ Int64($0) }),
      size >= 0, let arrival = values["INTERNALDATE"].flatMap({ IMAPDate.seconds($0) })
    else { return nil }
    self.uid = uid
    self.place = Int(place)
    sizeBytes = size
    arrivalSeconds = arrival
  }

  /// Reads the UID of an answer to `FETCH (UID)`; nil for any other line.
  static func uid(line: some StringProtocol) -> UInt32? {
    var tokens = IMAPTokens(line)
    guard tokens.next() == "*", tokens.next() != nil, tokens.next()?.uppercased() == "FETCH" else { return nil }
    while let token = tokens.next() {
      if token.uppercased() == "UID" { return tokens.next().flatMap { UInt32($0) } }
    }
    return nil
  }
}

/// What a search finds.
enum IMAPSearch {
  /// Reads answers to `UID SEARCH`: the UIDs.
  static func uids(lines: [some StringProtocol]) -> Set<UInt32> {
    Set(
      lines.flatMap { line -> [UInt32] in
        let words = line.split { $0 == " " || $0.isNewline }
        guard words.count > 2, words[0] == "*", words[1].uppercased() == "SEARCH" else { return [] }
        return words.dropFirst(2).compactMap { UInt32($0) }
      })
  }
}

/// A mailbox, as the server describes it when it is opened (RFC 3501, 6.3.1).
package struct IMAPMailbox: Sendable, Equatable {
  /// How many mails are in it.
  package private(set) var messageCount = 0
  /// While this number stays, a UID names the same mail.
  package private(set) var uidValidity: UInt32?
  /// The next mail gets no lower UID.
  package private(set) var uidNext: UInt32?
  /// Whether nothing in it can be changed.
  package private(set) var isReadOnly = false

  /// Reads what the server sent.
  init(lines: [String]) {
    for line in lines {
      let words = line.split(separator: " ")
      if words.count >= 3, words[0] == "*", words[2].uppercased() == "EXISTS", let count = UInt32(words[1]) {
        messageCount = Int(count)
      }
      guard words.count >= 3, words[1].uppercased() == "OK", words[2].hasPrefix("[") else { continue }
      let number = words.count > 3 ? UInt32(words[3].prefix { $0 != "]" }) : nil
      switch words[2].uppercased() {
      case "[UIDVALIDITY": uidValidity = number ?? uidValidity
      case "[UIDNEXT": uidNext = number ?? uidNext
      case "[READ-ONLY]": isReadOnly = true
      default: break
      }
    }
  }
}

/// Walks over the words of one line of a server: atoms, quoted strings, and parentheses.
struct IMAPTokens {
  private var rest: Substring

  init(_ line: some StringProtocol) { rest = Substring(line) }

  /// The next word, without its quotation marks; nil at the end of the line.
  mutating func next() -> String? {
    rest = rest.drop { $0 == " " || $0 == "\r" || $0 == "\n" || $0 == "\r\n" }
    guard let first = rest.first else { return nil }
    if first == "(" || first == ")" {
      rest.removeFirst()
      return String(first)
    }
    guard first == "\"" else {
      let word = rest.prefix { $0 != " " && $0 != "(" && $0 != ")" && !$0.isNewline }
      rest = rest.dropFirst(word.count)
      return String(word)
    }
    rest.removeFirst()
    var word = ""
    while let character = rest.popFirst(), character != "\"" {
      if character == "\\", let escaped = rest.popFirst() { word.append(escaped) } else { word.append(character) }
    }
    return word
  }

  /// The next word, or all of a list; nil at the end of the line.
  mutating func nextValue() -> String? {
    guard let word = next() else { return nil }
    guard word == "(" else { return word }
    var depth = 1
    while depth > 0, let word = next() { depth += word == "(" ? 1 : word == ")" ? -1 : 0 }
    return ""
  }
}

/// Times as IMAP writes them (RFC 3501, 9, `date-time`).
enum IMAPDate {
  private static let months = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  ]

  /// Seconds since 1970 of `26-Nov-2026 15:04:05 +0900`; nil for any other text.
  static func seconds(_ text: String) -> Int64? {
    let parts = text.split(separator: " ")
    guard parts.count == 3 else { return nil }
    let date = parts[0].split(separator: "-")
    let time = parts[1].split(separator: ":").compactMap { Int64($0) }
    guard date.count == 3, time.count == 3, let day = Int64(date[0]), let year = Int64(date[2]),
      let month = months.firstIndex(of: date[1].lowercased()), (1...31).contains(day), (1900...9999).contains(year),
      let zone = Int64(parts[2]), (-1400...1400).contains(zone), (0...23).contains(time[0]),
      (0...59).contains(time[1]), (0...60).contains(time[2])
    else { return nil }
    let offset = (zone / 100 * 60 + zone % 100) * 60
    return days(year, Int64(month) + 1, day) * 86_400 + time[0] * 3600 + time[1] * 60 + time[2] - offset
  }

  /// Days since 1970-01-01 in the Gregorian calendar.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    // Years begin in March, so that a leap day is a year's last.
    let year = month > 2 ? year : year - 1
    let era = year / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
