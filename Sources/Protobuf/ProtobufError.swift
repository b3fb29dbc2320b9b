/// Why a message could not be read or written.
package struct ProtobufError: Error, Equatable, CustomStringConvertible {
  /// The kinds of failure; limits carry the bound that was passed.
  package enum Reason: Equatable, Sendable {
    /// The bytes end inside a tag, a number or a length-delimited field.
    case truncated
    /// A tag of more than 32 bits, or with the field number 0.
    case malformedTag
    /// A number of more than ten bytes.
    case malformedVarint
    /// A start-group or end-group tag; groups are not part of proto3.
    case groupNotSupported
    /// The field is known but written with a wire type that its declared type cannot have.
    case wrongWireType
    /// A packed field whose length is not a multiple of its element size.
    case malformedPackedField
    /// A string field that is not UTF-8, as proto3 demands.
    case invalidUTF8
    /// A string with a NUL character, which the C structs cannot carry.
    case nulInString
    /// A number outside the range of the field's type.
    case outOfRange
    /// Messages nested deeper than the limit.
    case tooDeep(max: Int)
    /// More bytes than the limit.
    case tooLarge(bytesMax: Int)
    /// More fields and elements than the limit.
    case tooManyElements(max: Int)
    /// The decoded message would need more memory than the limit.
    case tooMuchMemory(bytesMax: Int)
    /// protobuf-c refused the message, as it does when a proto2 `required` field is missing.
    case refused
  }

  /// What is wrong.
  package let reason: Reason
  /// The full name of the message, then the names of the fields that lead to the fault, joined by dots; may be empty.
  package internal(set) var path: String

  /// Makes an error for the field at `path`.
  package init(_ reason: Reason, path: String = "") {
    self.reason = reason
    self.path = path
  }

  /// The fault as one English clause that begins with the path; holds no value of the message.
  package var description: String {
    path.isEmpty ? explanation : "\(path): \(explanation)"
  }

  private var explanation: String {
    switch reason {
    case .truncated: "the message ends in the middle of a field"
    case .malformedTag: "malformed field tag"
    case .malformedVarint: "number of more than ten bytes"
    case .groupNotSupported: "groups are not supported"
    case .wrongWireType: "wire type does not match the field's type"
    case .malformedPackedField: "packed field of a broken length"
    case .invalidUTF8: "string is not valid UTF-8"
    case .nulInString: "string contains a NUL character"
    case .outOfRange: "number out of range"
    case .tooDeep(let max): "messages nested deeper than \(max)"
    case .tooLarge(let bytesMax): "message larger than \(bytesMax) bytes"
    case .tooManyElements(let max): "message with more than \(max) fields and elements"
    case .tooMuchMemory(let bytesMax): "message needs more than \(bytesMax) bytes of memory"
    case .refused: "message is incomplete or malformed"
    }
  }

  /// The same error seen from the message that holds the field `name`.
  func inside(_ name: UnsafePointer<CChar>) -> ProtobufError {
    inside(String(cString: name))
  }

  func inside(_ name: String) -> ProtobufError {
    ProtobufError(reason, path: path.isEmpty ? name : "\(name).\(path)")
  }
}
