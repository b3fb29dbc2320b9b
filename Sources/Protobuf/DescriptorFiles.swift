/// The proto files of a program by name and by what they declare, for server reflection: protobuf-c itself keeps no
/// file descriptors, so they come from a `FileDescriptorSet` that protoc wrote.
package struct DescriptorFiles: Sendable {
  /// One proto file.
  package struct File: Sendable {
    /// The name that other files import it by, such as `handoff/tickets/v1/ticket.proto`.
    package let name: String
    /// The names of the files it imports.
    package let imports: [String]
    /// The serialized `google.protobuf.FileDescriptorProto`.
    package let serialized: [UInt8]
    let symbols: [String]
    let extensions: [Extension]
  }

  struct Extension: Sendable, Hashable {
    /// The full name of the message that is extended.
    let extendee: String
    let number: Int32
  }

  private var byName: [String: File] = [:]
  private var nameBySymbol: [String: String] = [:]
  private var nameByExtension: [Extension: String] = [:]

  /// Reads a serialized `google.protobuf.FileDescriptorSet`.
  ///
  /// - Throws: the bytes are malformed.
  package init(descriptorSet: UnsafeRawBufferPointer) throws(ProtobufError) {
    var cursor = WireCursor(descriptorSet)
    while !cursor.isAtEnd {
      let (field, wireType) = try cursor.tag()
      guard field == 1, wireType == WireType.delimited else {
        try cursor.skipValue(wireType)
        continue
      }
      let file = try FileReader.read(try cursor.delimited())
      byName[file.name] = file
      for symbol in file.symbols { nameBySymbol[symbol] = file.name }
      for found in file.extensions { nameByExtension[found] = file.name }
    }
  }

  /// The file with this name.
  package func file(named name: String) -> File? { byName[name] }

  /// The file that declares this message, field, enum, service or method, by its full name.
  package func file(declaring symbol: String) -> File? {
    nameBySymbol[symbol].flatMap { byName[$0] }
  }

  /// The file that declares the extension with this number of the message with this full name.
  package func file(extending message: String, number: Int32) -> File? {
    nameByExtension[Extension(extendee: message, number: number)].flatMap { byName[$0] }
  }

  /// The numbers of all known extensions of a message, ascending; nil when there is no such message.
  package func extensionNumbers(of message: String) -> [Int32]? {
    guard nameBySymbol[message] != nil else { return nil }
    return nameByExtension.keys.filter { $0.extendee == message }.map(\.number).sorted()
  }

  /// The file and all that it imports, directly or not; the file itself first, each one once.
  package func closure(of file: File) -> [File] {
    var result = [file]
    var known: Set<String> = [file.name]
    var index = 0
    while index < result.count {
      for name in result[index].imports where known.insert(name).inserted {
        if let file = byName[name] { result.append(file) }
      }
      index += 1
    }
    return result
  }
}

/// Takes from a serialized `FileDescriptorProto` what the index needs; the numbers are those of descriptor.proto.
private struct FileReader {
  private var name = ""
  private var package = ""
  private var imports: [String] = []
  private var symbols: [String] = []
  private var extensions: [DescriptorFiles.Extension] = []

  static func read(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> DescriptorFiles.File {
    var reader = FileReader()
    try each(bytes) { (field, value) throws(ProtobufError) in
      switch field {
      case 1: reader.name = text(value)
      case 2: reader.package = text(value)
      case 3: reader.imports.append(text(value))
      default: break
      }
    }
    let scope = reader.package
    try each(bytes) { (field, value) throws(ProtobufError) in
      switch field {
      case 4: try reader.message(value, scope)
      case 5: try reader.enumeration(value, scope)
      case 6: try reader.service(value, scope)
      case 7: try reader.extension(value, scope)
      default: break
      }
    }
    return DescriptorFiles.File(
      name: reader.name, imports: reader.imports, serialized: [UInt8](bytes), symbols: reader.symbols,
      extensions: reader.extensions)
  }

  private mutating func message(_ bytes: UnsafeRawBufferPointer, _ scope: String) throws(ProtobufError) {
    let fullName = Self.join(scope, try Self.nameOf(bytes))
    symbols.append(fullName)
    var reader = self
    try Self.each(bytes) { (field, value) throws(ProtobufError) in
      switch field {
      case 3: try reader.message(value, fullName)
      case 4: try reader.enumeration(value, fullName)
      case 2, 8: try reader.named(value, fullName)
      case 6: try reader.extension(value, fullName)
      default: break
      }
    }
    self = reader
  }

  /// The values of an enum are declared beside it, not inside it.
  private mutating func enumeration(_ bytes: UnsafeRawBufferPointer, _ scope: String) throws(ProtobufError) {
    try named(bytes, scope)
    try children(of: bytes, scope)
  }

  private mutating func service(_ bytes: UnsafeRawBufferPointer, _ scope: String) throws(ProtobufError) {
    try named(bytes, scope)
    try children(of: bytes, Self.join(scope, try Self.nameOf(bytes)))
  }

  private mutating func `extension`(_ bytes: UnsafeRawBufferPointer, _ scope: String) throws(ProtobufError) {
    try named(bytes, scope)
    var extendee = ""
    var number: Int32 = 0
    var cursor = WireCursor(bytes)
    while !cursor.isAtEnd {
      switch try cursor.tag() {
      case (2, WireType.delimited): extendee = Self.text(try cursor.delimited())
      case (3, WireType.varint): number = Int32(truncatingIfNeeded: try cursor.varint())
      case (_, let wireType): try cursor.skipValue(wireType)
      }
    }
    // A full name, with the dot in front that says so.
    extensions.append(DescriptorFiles.Extension(extendee: String(extendee.dropFirst()), number: number))
  }

  /// Adds the values of an enum or the methods of a service: both are in field 2.
  private mutating func children(of bytes: UnsafeRawBufferPointer, _ scope: String) throws(ProtobufError) {
    var reader = self
    try Self.each(bytes) { (field, value) throws(ProtobufError) in
      if field == 2 { try reader.named(value, scope) }
    }
    self = reader
  }

  private mutating func named(_ bytes: UnsafeRawBufferPointer, _ scope: String) throws(ProtobufError) {
    symbols.append(Self.join(scope, try Self.nameOf(bytes)))
  }

  private static func nameOf(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> String {
    var name = ""
    try each(bytes) { (field, value) throws(ProtobufError) in
      if field == 1 { name = text(value) }
    }
    return name
  }

  private static func each(
    _ bytes: UnsafeRawBufferPointer, _ body: (UInt32, UnsafeRawBufferPointer) throws(ProtobufError) -> Void
  ) throws(ProtobufError) {
    var cursor = WireCursor(bytes)
    while !cursor.isAtEnd {
      let (field, wireType) = try cursor.tag()
      if wireType == WireType.delimited {
        try body(field, try cursor.delimited())
      } else {
        try cursor.skipValue(wireType)
      }
    }
  }

  private static func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

  private static func join(_ scope: String, _ name: String) -> String { scope.isEmpty ? name : "\(scope).\(name)" }
}
