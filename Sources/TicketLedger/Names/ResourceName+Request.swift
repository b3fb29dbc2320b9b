package import ServiceKit

extension ResourceName {
  /// Reads a name that a request must carry.
  ///
  /// - Throws: REQUEST_INVALID naming the field and the form.
  package init(_ text: String, field: String) throws(ServiceError) {
    guard let name = Self(text) else { throw .invalid(field, "is not of the form \(Self.pattern)") }
    self = name
  }

  /// Reads a name that a request may leave out; nil when the text is empty.
  ///
  /// - Throws: REQUEST_INVALID naming the field and the form.
  package static func optional(_ text: String, field: String) throws(ServiceError) -> Self? {
    text.isEmpty ? nil : try Self(text, field: field)
  }
}
