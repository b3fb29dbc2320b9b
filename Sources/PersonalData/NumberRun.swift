/// Groups of digits that separators hold together: `+82 10-1234-5678` has four.
struct NumberRun {
  /// How tightly a group hangs on the one before it.
  enum Separator {
    /// It is the first.
    case none
    /// A space: the groups may belong together or not.
    case space
    /// A dash or a dot: the groups are one number.
    case dash, dot
    /// A closing parenthesis, as behind an area code.
    case parenthesis
    /// A slash or a low line: the groups may belong together, as those of a phone number, or be a list or a date.
    case mark
    /// A comma, which may also stand between thousands.
    case comma
  }

  struct Group {
    /// Bytes of the text.
    var start: Int
    var end: Int
    /// Its digits in ``NumberRun/digits``.
    var first: Int
    var count: Int
    /// What stands before it.
    var separator: Separator
  }

  /// Longest run that is looked at; what follows starts a new run.
  private static let groupsMax = 64
  private static let digitsPerGroupMax = 40
  /// Characters between two groups: `) `, ` - `.
  private static let separatorUnitsMax = 6

  private(set) var digits: [UInt8] = []
  private(set) var groups: [Group] = []
  /// Where to go on.
  private(set) var end: Int
  /// The character before the run; ``ScannedText/invisible`` at the start of the text.
  let before: ScannedText.Unit
  let beforeStart: Int

  /// Reads the run that begins with the digit at `start`.
  init(_ text: ScannedText, at start: Int) {
    let previous = text.visible(before: start)
    before = previous?.unit ?? ScannedText.invisible
    beforeStart = previous?.start ?? start
    end = start
    digits.reserveCapacity(16)
    groups.reserveCapacity(4)
    var position = start
    var separator = Separator.none
    while groups.count < Self.groupsMax {
      position = readGroup(text, position, separator)
      end = position
      guard let next = Self.separator(text, position) else { return }
      (separator, position) = next
    }
  }

  private mutating func readGroup(_ text: ScannedText, _ start: Int, _ separator: Separator) -> Int {
    var group = Group(start: start, end: start, first: digits.count, count: 0, separator: separator)
    var position = start
    while position < text.end, group.count < Self.digitsPerGroupMax {
      let (unit, next) = text.unit(at: position)
      if ScannedText.isDigit(unit) {
        digits.append(unit - 0x30)
        group.count += 1
        group.end = next
      } else if unit != ScannedText.invisible {
        break
      }
      position = next
    }
    groups.append(group)
    return group.end
  }

  /// What stands between a group and the digit after it; nil when they do not belong together.
  private static func separator(_ text: ScannedText, _ start: Int) -> (Separator, Int)? {
    var found = Separator.none
    var position = start
    for _ in 0..<separatorUnitsMax {
      guard position < text.end else { return nil }
      let (unit, next) = text.unit(at: position)
      switch unit {
      case 0x30...0x39: return found == .none ? nil : (found, position)
      case UInt8(ascii: " "):
        // Behind a comma something else begins.
        guard found != .comma else { return nil }
        found = found == .none ? .space : found
      case UInt8(ascii: "-"):
        guard found == .none || found == .space else { return nil }
        found = .dash
      case UInt8(ascii: "."):
        guard found == .none else { return nil }
        found = .dot
      case UInt8(ascii: "/"), UInt8(ascii: "_"):
        guard found == .none || found == .space else { return nil }
        found = .mark
      case UInt8(ascii: ","):
        guard found == .none else { return nil }
        found = .comma
      case UInt8(ascii: ")"):
        guard found == .none else { return nil }
        found = .parenthesis
      case UInt8(ascii: "("):
        guard found == .space || found == .none else { return nil }
        found = .space
      case ScannedText.invisible: break
      default: return nil
      }
      position = next
    }
    return nil
  }

  /// The digits of groups.
  func digits(of range: Range<Int>) -> ArraySlice<UInt8> {
    guard let last = range.last else { return [] }
    return digits[groups[range.lowerBound].first..<(groups[last].first + groups[last].count)]
  }
}
