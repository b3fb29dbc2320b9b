/// What a value of a field looks like; raw values and order as in the API.
enum FieldKind: String, CaseIterable, Sendable {
  case text = "TEXT"
  case textarea = "TEXTAREA"
  case checkbox = "CHECKBOX"
  case dropdown = "DROPDOWN"
  case radio = "RADIO"
  case date = "DATE"
  case datetime = "DATETIME"
  case datePeriod = "DATE_PERIOD"
  case datetimePeriod = "DATETIME_PERIOD"
  case agree = "AGREE"
  case file = "FILE"
  case caption = "CAPTION"

  /// Whether its values are chosen from options.
  var hasOptions: Bool { self == .checkbox || self == .dropdown || self == .radio }

  /// The longest value that a field of the kind can allow, in characters; 0: its values have a form of their own.
  var charactersMax: Int {
    switch self {
    case .text: 1_000
    case .textarea: 5_000
    default: 0
    }
  }

  /// Most values of one ticket.
  var valuesMax: Int {
    switch self {
    case .checkbox: 100
    case .file: 5
    case .caption: 0
    default: 1
    }
  }
}

/// Whose form a field is on; raw values and order as in the API.
enum FieldAudience: String, CaseIterable, Sendable {
  case customer = "CUSTOMER"
  case agent = "AGENT"
}

/// What the check of a value needs to know of its field.
struct FieldRule: Sendable, Equatable {
  var code: String
  var kind: FieldKind
  var isRequired = false
  /// 0: the longest of its kind.
  var lengthMax = 0
  var options: [String] = []
}

/// What is wrong with the value of a field.
struct FieldProblem: Error, Equatable, Sendable {
  /// Which rule is broken; the words of the product's own API.
  enum Rule: String, Sendable {
    case invalid
    case length
    case required
  }

  let code: String
  let rule: Rule
  /// What would be right.
  let text: String
}

/// The rules for values of fields. Texts are in canonical form already.
enum FieldRules {
  /// The value as it is stored, of several one a line; empty when the field is left empty.
  static func stored(_ values: [String], in field: FieldRule) throws(FieldProblem) -> String {
    func problem(_ rule: FieldProblem.Rule, _ text: String) -> FieldProblem {
      FieldProblem(code: field.code, rule: rule, text: text)
    }
    let values = values.filter { !$0.isEmpty }
    if values.isEmpty { return "" }
    guard field.kind != .caption else { throw problem(.invalid, "is a text of the form and takes no value") }
    guard values.count <= field.kind.valuesMax else {
      throw problem(.length, "takes at most \(field.kind.valuesMax) value\(field.kind.valuesMax == 1 ? "" : "s")")
    }
    let limit = field.lengthMax > 0 ? field.lengthMax : field.kind.charactersMax
    if limit > 0, let value = values.first, value.unicodeScalars.count > limit {
      throw problem(.length, "must have at most \(limit) characters")
    }
    guard let expectation = expectation(of: values, in: field) else {
      return ordered(values, field).joined(separator: "\n")
    }
    throw problem(.invalid, expectation)
  }

  /// What is wrong with a stored text under a field's rule of today; nil: nothing.
  static func problem(ofStored text: String, in field: FieldRule) -> FieldProblem? {
    do throws(FieldProblem) {
      _ = try stored(values(text, of: field.kind), in: field)
      return nil
    } catch {
      return error
    }
  }

  /// The values of a stored text.
  static func values(_ stored: String, of kind: FieldKind) -> [String] {
    if stored.isEmpty { return [] }
    guard kind == .checkbox || kind == .file else { return [stored] }
    return stored.split(separator: "\n").map(String.init)
  }

  /// What the values should be; nil when they are.
  private static func expectation(of values: [String], in field: FieldRule) -> String? {
    let value = values[0]
    switch field.kind {
    case .text: return value.contains("\n") || value.contains("\t") ? "must be one line without tabs" : nil
    case .textarea: return nil
    case .checkbox, .dropdown, .radio:
      let isKnown = values.allSatisfy { field.options.contains($0) } && Set(values).count == values.count
      return isKnown ? nil : "must be \(field.kind == .checkbox ? "some" : "one") of the field's options"
    case .date: return isDate(value[...]) ? nil : "must be a date such as 2026-01-31"
    case .datetime: return isDatetime(value[...]) ? nil : "must be a date and time such as 2026-01-31 09:30"
    case .datePeriod:
      return isPeriod(value, isDate) ? nil : "must be two dates in order, such as 2026-01-01 ~ 2026-01-31"
    case .datetimePeriod:
      return isPeriod(value, isDatetime)
        ? nil : "must be two times in order, such as 2026-01-01 09:30 ~ 2026-01-31 18:00"
    case .agree:
      guard value == "true" || value == "false" else { return "must be true or false" }
      return field.isRequired && value == "false" ? "must be agreed to" : nil
    case .file: return Set(values).count == values.count ? nil : "must name each attachment once"
    case .caption: return nil
    }
  }

  /// Choices in the order of the options, so that the same choice is stored the same.
  private static func ordered(_ values: [String], _ field: FieldRule) -> [String] {
    field.kind == .checkbox ? field.options.filter(values.contains) : values
  }

  /// Whether a text is one time in the form of a field's values.
  static func isMoment(_ text: String, of kind: FieldKind) -> Bool {
    kind.isOfDays ? isDate(text[...]) : isDatetime(text[...])
  }

  private static func isPeriod(_ text: String, _ isMoment: (Substring) -> Bool) -> Bool {
    let parts = text.split(separator: "~", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].last == " ", parts[1].first == " " else { return false }
    let (from, to) = (parts[0].dropLast(), parts[1].dropFirst())
    // Both are of fixed width, so their order as texts is that of their times.
    return isMoment(from) && isMoment(to) && from <= to
  }

  private static func isDatetime(_ text: Substring) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 16, bytes[10] == UInt8(ascii: " "), bytes[13] == UInt8(ascii: ":"),
      let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16])
    else { return false }
    return isDate(text.prefix(10)) && hour < 24 && minute < 60
  }

  private static func isDate(_ text: Substring) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
      year >= 1, (1...12).contains(month)
    else { return false }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...days[month - 1]).contains(day)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    digits.reduce(0) { (sum: Int?, digit) in
      guard let sum, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      return sum * 10 + Int(digit - UInt8(ascii: "0"))
    }
  }
}
