/// A value that may be interpolated into a ``Query``: it travels as a parameter of a declared type, in binary.
///
/// A typed id declares the conformance and nothing else when it is `RawRepresentable` by a bindable value.
package protocol PostgresBindable: PostgresArrayElement {
  /// The type declared for the parameter; a value's type never depends on the value.
  static var postgresType: PostgresType { get }
  /// The type of an array of such values.
  static var postgresArrayType: PostgresType { get }
  /// Whether the value is NULL; `encode` is not called then.
  var isPostgresNull: Bool { get }
  /// Writes the value's binary form.
  func encode(into parameters: inout ParameterBytes)
}

extension PostgresBindable {
  /// A value is not NULL unless it is an empty optional.
  package var isPostgresNull: Bool { false }
}

extension PostgresBindable where Self: RawRepresentable, RawValue: PostgresBindable {
  /// The raw value's type.
  package static var postgresType: PostgresType { RawValue.postgresType }
  /// The raw value's array type.
  package static var postgresArrayType: PostgresType { RawValue.postgresArrayType }
  /// Writes the raw value.
  package func encode(into parameters: inout ParameterBytes) { rawValue.encode(into: &parameters) }
}

extension Int64: PostgresBindable {
  /// `bigint`.
  package static var postgresType: PostgresType { .int8 }
  /// `bigint[]`.
  package static var postgresArrayType: PostgresType { .int8Array }
  /// Writes 8 bytes.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(self) }
}

extension Int: PostgresBindable {
  /// `bigint`.
  package static var postgresType: PostgresType { .int8 }
  /// `bigint[]`.
  package static var postgresArrayType: PostgresType { .int8Array }
  /// Writes 8 bytes.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(Int64(self)) }
}

extension Int32: PostgresBindable {
  /// `integer`.
  package static var postgresType: PostgresType { .int4 }
  /// `integer[]`.
  package static var postgresArrayType: PostgresType { .int4Array }
  /// Writes 4 bytes.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(self) }
}

extension Int16: PostgresBindable {
  /// `smallint`.
  package static var postgresType: PostgresType { .int2 }
  /// `smallint[]`.
  package static var postgresArrayType: PostgresType { .int2Array }
  /// Writes 2 bytes.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(self) }
}

extension Bool: PostgresBindable {
  /// `boolean`.
  package static var postgresType: PostgresType { .bool }
  /// `boolean[]`.
  package static var postgresArrayType: PostgresType { .boolArray }
  /// Writes one byte.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(UInt8(self ? 1 : 0)) }
}

extension Double: PostgresBindable {
  /// `double precision`.
  package static var postgresType: PostgresType { .float8 }
  /// `double precision[]`.
  package static var postgresArrayType: PostgresType { .float8Array }
  /// Writes 8 bytes.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(bitPattern) }
}

extension String: PostgresBindable {
  /// `text`.
  package static var postgresType: PostgresType { .text }
  /// `text[]`.
  package static var postgresArrayType: PostgresType { .textArray }
  /// Writes the UTF-8 bytes; a zero among them is refused by the server (22021).
  package func encode(into parameters: inout ParameterBytes) { parameters.write(contentsOf: utf8) }
}

extension Instant: PostgresBindable {
  /// `timestamptz`.
  package static var postgresType: PostgresType { .timestamptz }
  /// `timestamptz[]`.
  package static var postgresArrayType: PostgresType { .timestamptzArray }
  /// Writes 8 bytes.
  package func encode(into parameters: inout ParameterBytes) { parameters.write(serverMicroseconds) }
}

extension JSONText: PostgresBindable {
  /// `jsonb`; the server assigns it to a `json` column too.
  package static var postgresType: PostgresType { .jsonb }
  /// `jsonb[]`.
  package static var postgresArrayType: PostgresType { .jsonbArray }
  /// Writes the version byte of `jsonb_recv` and the text.
  package func encode(into parameters: inout ParameterBytes) {
    parameters.write(UInt8(1))
    parameters.write(contentsOf: text.utf8)
  }
}

extension Optional: PostgresBindable where Wrapped: PostgresBindable {
  /// The wrapped type, so that NULL has one too.
  package static var postgresType: PostgresType { Wrapped.postgresType }
  /// The wrapped type's array.
  package static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
  /// Whether there is no value.
  package var isPostgresNull: Bool { self?.isPostgresNull ?? true }
  /// Writes the value.
  package func encode(into parameters: inout ParameterBytes) { self?.encode(into: &parameters) }
}

/// What arrays of may be bound; `UInt8` makes `bytea` of them, everything else a one-dimensional array.
package protocol PostgresArrayElement: Sendable {
  /// The type of an array of these.
  static var postgresTypeOfArray: PostgresType { get }
  /// The type of an array of arrays of these.
  static var postgresTypeOfNestedArray: PostgresType { get }
  /// Writes an array's binary form.
  static func encode(array: [Self], into parameters: inout ParameterBytes)
}

extension PostgresArrayElement where Self: PostgresBindable {
  /// The element's array type.
  package static var postgresTypeOfArray: PostgresType { postgresArrayType }
  /// PostgreSQL's arrays of arrays have the same type; binding them is not supported.
  package static var postgresTypeOfNestedArray: PostgresType { postgresArrayType }
  /// Writes a one-dimensional array.
  package static func encode(array: [Self], into parameters: inout ParameterBytes) { parameters.write(array: array) }
}

extension Array: PostgresBindable where Element: PostgresArrayElement {
  /// An array type, or `bytea` for bytes.
  package static var postgresType: PostgresType { Element.postgresTypeOfArray }
  /// An array of these.
  package static var postgresArrayType: PostgresType { Element.postgresTypeOfNestedArray }
  /// Writes the elements.
  package func encode(into parameters: inout ParameterBytes) { Element.encode(array: self, into: &parameters) }
}

extension UInt8: PostgresArrayElement {
  /// `bytea`.
  package static var postgresTypeOfArray: PostgresType { .bytea }
  /// `bytea[]`.
  package static var postgresTypeOfNestedArray: PostgresType { .byteaArray }
  /// Writes the bytes as they are.
  package static func encode(array: [UInt8], into parameters: inout ParameterBytes) {
    parameters.write(contentsOf: array)
  }
}

extension Array: PostgresArrayElement where Element: PostgresArrayElement {}
extension Optional: PostgresArrayElement where Wrapped: PostgresBindable {}
