package import Postgres

/// A promise to call a customer back.
package struct CallBackRecord: Hashable, Sendable {
  /// The number to call, normalised.
  package var phone: String
  /// When to call.
  package var time: Instant
  /// False once the call is done or no longer wanted.
  package var isActive: Bool
  /// Promises a call.
  package init(phone: String, time: Instant, isActive: Bool) {
    self.phone = phone
    self.time = time
    self.isActive = isActive
  }

  init?(_ row: Row, _ column: Int) throws(PostgresError) {
    guard let time: Instant = try row.value(column + 1) else { return nil }
    self.init(phone: try row.value(column), time: time, isActive: try row.value(column + 2))
  }
}

extension Instant {
  private static let secondsOfDay: Int64 = 86_400

  /// The moment as events write it, to the second: `2026-11-25T09:30:00Z` (RFC 3339).
  package var text: String {
    let days = seconds >= 0 ? seconds / Self.secondsOfDay : (seconds - Self.secondsOfDay + 1) / Self.secondsOfDay
    let rest = seconds - days * Self.secondsOfDay
    let (year, month, day) = Self.civil(days)
    func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let clock = [rest / 3600, rest / 60 % 60, rest % 60].map(two).joined(separator: ":")
    return "\(year)-\(two(month))-\(two(day))T\(clock)Z"
  }

  /// Year, month and day of a number of days since 1970-01-01; Howard Hinnant's `civil_from_days`.
  private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}
