package import ServiceKit

extension CanonicalText {
  /// Brings a request's text into canonical form.
  ///
  /// - Parameters:
  ///   - field: the request's field, for the error.
  ///   - charactersMax: in Unicode scalars.
  ///   - mayBeBlank: whether a text is accepted in which there is nothing to read.
  /// - Throws: REQUEST_INVALID naming the field; TEXT_REQUIRED for a blank text that must not be.
  package static func text(
    _ text: String, field: String, charactersMax: Int, mayBeBlank: Bool = false
  ) throws(ServiceError) -> String {
    let canonical = try bounded(try readable(text, field, charactersMax), field, charactersMax)
    guard mayBeBlank || !isBlank(canonical) else { throw ServiceError(.textRequired, "\(field) must not be empty") }
    return canonical
  }

  /// Brings a request's one-line text, such as a title or a name, into canonical form without outer white space.
  ///
  /// - Throws: REQUEST_INVALID naming the field, also for a line break, a tab, or a blank text that must not be.
  package static func line(
    _ text: String, field: String, charactersMax: Int, mayBeBlank: Bool = false
  ) throws(ServiceError) -> String {
    let canonical = try bounded(trimmed(try readable(text, field, charactersMax)), field, charactersMax)
    guard !canonical.utf8.contains(where: { $0 == 0x0A || $0 == 0x09 }) else {
      throw .invalid(field, "must be one line without tabs")
    }
    guard mayBeBlank || !isBlank(canonical) else { throw .invalid(field, "must not be empty") }
    return canonical
  }

  private static func readable(_ text: String, _ field: String, _ charactersMax: Int) throws(ServiceError) -> String {
    // A character has four bytes at most and canonical composition saves a few; what is far too long is refused unread.
    guard text.utf8.count <= charactersMax * 12 + 1000 else { throw tooLong(field, charactersMax) }
    do throws(Problem) {
      return try canonical(text)
    } catch {
      throw .invalid(field, "must not hold control characters")
    }
  }

  private static func bounded(_ text: String, _ field: String, _ charactersMax: Int) throws(ServiceError) -> String {
    guard text.utf8.count <= charactersMax || count(text) <= charactersMax else { throw tooLong(field, charactersMax) }
    return text
  }

  private static func tooLong(_ field: String, _ charactersMax: Int) -> ServiceError {
    .invalid(field, "must have at most \(charactersMax) characters")
  }

  private static func trimmed(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }
}
