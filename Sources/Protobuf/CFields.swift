package import CProtobufC
import Glibc

/// Reads the members of C structs; used by generated code only.
package enum CFields {
  /// A string member; nil and "" both mean the default.
  package static func string(_ text: UnsafePointer<CChar>?) -> String {
    guard let text, text.pointee != 0 else { return "" }
    let count = strlen(text)
    // The scan found the text to be UTF-8, so nothing is repaired here.
    return String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
  }

  /// A bytes member.
  package static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
  }

  /// A repeated number.
  @inlinable
  package static func numbers<Number>(_ values: UnsafePointer<Number>?, _ count: Int) -> [Number] {
    count == 0 ? [] : [Number](UnsafeBufferPointer(start: values, count: count))
  }

  /// A repeated bool, which C holds as an int each.
  package static func bools(_ values: UnsafePointer<protobuf_c_boolean>?, _ count: Int) -> [Bool] {
    UnsafeBufferPointer(start: values, count: count).map { $0 != 0 }
  }

  /// A repeated enum; every C enum of protoc-c is as large as an int.
  @inlinable
  package static func enums<Value: ProtoEnum>(_ values: UnsafeRawPointer?, _ count: Int) -> [Value] {
    guard let values else { return [] }
    return (0..<count).map { Value(rawValue: values.load(fromByteOffset: $0 * 4, as: Int32.self)) }
  }

  /// A repeated string.
  package static func strings(_ values: UnsafePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int) -> [String] {
    UnsafeBufferPointer(start: values, count: count).map { string($0) }
  }

  /// A repeated bytes field.
  package static func byteArrays(_ values: UnsafePointer<ProtobufCBinaryData>?, _ count: Int) -> [[UInt8]] {
    UnsafeBufferPointer(start: values, count: count).map { bytes($0) }
  }

  /// A message member.
  @inlinable
  package static func message<Value: Message>(_ value: UnsafeRawPointer?) -> Value? {
    guard let value else { return nil }
    return Value(cMessage: value)
  }

  /// A repeated message: an array of pointers, none of them null after unpacking.
  @inlinable
  package static func messages<Value: Message>(_ values: UnsafeRawPointer?, _ count: Int) -> [Value] {
    guard let values, count > 0 else { return [] }
    let pointers = UnsafeBufferPointer(start: values.assumingMemoryBound(to: UnsafeRawPointer?.self), count: count)
    return pointers.map { pointer in pointer.map { Value(cMessage: $0) } ?? Value() }
  }
}

/// Writes the members of C structs; used by generated code only.
extension Arena {
  /// A C struct of this type, not initialized.
  @inlinable
  package func make<Struct>(_ type: Struct.Type) -> UnsafeMutablePointer<Struct> {
    allocate(byteCount: MemoryLayout<Struct>.size).bindMemory(to: Struct.self, capacity: 1)
  }

  /// A NUL-terminated copy; `field` names the field in the error.
  ///
  /// - Throws: the string holds a NUL character, which C would cut it at.
  package func string(_ value: String, _ field: StaticString) throws(ProtobufError) -> UnsafeMutablePointer<CChar> {
    guard let copy = copyText(value) else { throw ProtobufError(.nulInString, path: field.description) }
    return copy
  }

  /// A NUL-terminated copy, or nil when the string holds a NUL character.
  func copyText(_ value: String) -> UnsafeMutablePointer<CChar>? {
    var value = value
    return value.withUTF8 { utf8 in
      let copy = allocate(byteCount: utf8.count + 1)
      if let start = utf8.baseAddress, utf8.count > 0 {
        if memchr(start, 0, utf8.count) != nil { return nil }
        copy.copyMemory(from: start, byteCount: utf8.count)
      }
      copy.storeBytes(of: 0, toByteOffset: utf8.count, as: UInt8.self)
      return copy.assumingMemoryBound(to: CChar.self)
    }
  }

  /// A copy of the bytes.
  package func bytes(_ value: [UInt8]) -> ProtobufCBinaryData {
    guard !value.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    return ProtobufCBinaryData(len: value.count, data: numbers(value))
  }

  /// A copy of the numbers.
  @inlinable
  package func numbers<Number>(_ values: [Number]) -> UnsafeMutablePointer<Number> {
    let copy = allocate(byteCount: values.count * MemoryLayout<Number>.stride)
    values.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count) }
    return copy.bindMemory(to: Number.self, capacity: values.count)
  }

  /// The bools as C ints.
  package func bools(_ values: [Bool]) -> UnsafeMutablePointer<protobuf_c_boolean> {
    numbers(values.map { $0 ? 1 : 0 })
  }

  /// The enums as C ints.
  @inlinable
  package func enums<Value: ProtoEnum>(_ values: [Value]) -> UnsafeMutableRawPointer {
    let copy = allocate(byteCount: values.count * 4)
    for index in values.indices {
      copy.storeBytes(of: values[index].rawValue, toByteOffset: index * 4, as: Int32.self)
    }
    return copy
  }

  /// Copies of the strings.
  package func strings(
    _ values: [String], _ field: StaticString
  ) throws(ProtobufError) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    typealias Element = UnsafeMutablePointer<CChar>?
    let copies = allocate(byteCount: values.count * MemoryLayout<Element>.stride)
      .bindMemory(to: Element.self, capacity: values.count)
    for index in values.indices { copies[index] = try string(values[index], field) }
    return copies
  }

  /// Copies of the byte arrays.
  package func byteArrays(_ values: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData> {
    numbers(values.map { bytes($0) })
  }

  /// The C structs of the messages, as the array of pointers that protobuf-c wants.
  @inlinable
  package func messages<Value: Message>(_ values: [Value]) throws(ProtobufError) -> UnsafeMutableRawPointer {
    let pointers = allocate(byteCount: values.count * MemoryLayout<UnsafeMutableRawPointer>.stride)
    let slots = pointers.bindMemory(to: UnsafeMutableRawPointer.self, capacity: values.count)
    for index in values.indices { slots[index] = try values[index].makeCMessage(self) }
    return pointers
  }
}
