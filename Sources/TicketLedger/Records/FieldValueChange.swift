/// What a change sets in one of the fields that a service adds to its tickets.
package struct FieldValueChange: Sendable, Equatable {
  /// The field.
  package let fieldID: FieldID
  /// The field's code; the event names it `field.{code}`.
  package let code: String
  /// The stored value before; nil: none.
  package let before: String?
  /// The stored value after, in canonical form; nil: none.
  package let after: String?
  /// The value before parts of it were masked on arrival: not stored, but what the chain covers. Nil: ``after``.
  package var original: String?

  /// Describes a change.
  package init(_ fieldID: FieldID, code: String, before: String?, after: String?) {
    self.fieldID = fieldID
    self.code = code
    self.before = before
    self.after = after
  }
}
