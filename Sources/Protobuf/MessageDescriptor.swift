import CProtobufC

/// The type of a message, as protoc-c compiled it in; equal when it is the same type.
///
/// Only a pointer: what is worth computing once is in `schema`.
package struct MessageDescriptor: Hashable, @unchecked Sendable {
  // Sendable: points to a constant of the executable.
  let pointer: UnsafePointer<ProtobufCMessageDescriptor>

  /// Takes the type of a C struct that its own `…__init` function has initialized.
  package init(cMessage: UnsafeRawPointer) {
    pointer = cMessage.assumingMemoryBound(to: ProtobufCMessage.self).pointee.descriptor
  }

  init(_ pointer: UnsafePointer<ProtobufCMessageDescriptor>) {
    self.pointer = pointer
  }

  /// The full name, such as `handoff.tickets.v1.Ticket`.
  package var fullName: String { String(cString: pointer.pointee.name) }

  /// The fields by number and by name.
  package var schema: MessageSchema { MessageSchema.of(self) }
}

/// The type of an enum, as protoc-c compiled it in.
package struct EnumDescriptor: Hashable, @unchecked Sendable {
  // Sendable: points to a constant of the executable.
  let pointer: UnsafePointer<ProtobufCEnumDescriptor>

  /// The full name, such as `handoff.tickets.v1.Ticket.State`.
  package var fullName: String { String(cString: pointer.pointee.name) }

  /// The name of the value with this number in the proto file, or nil.
  package func name(of number: Int32) -> String? {
    protobuf_c_enum_descriptor_get_value(pointer, number).map { String(cString: $0.pointee.name) }
  }

  /// The number of the value with this name in the proto file, or nil.
  package func number(of name: String) -> Int32? {
    protobuf_c_enum_descriptor_get_value_by_name(pointer, name).map { $0.pointee.value }
  }

  /// Every declared number with its name, in the order of the numbers, aliases left out.
  package var values: [(name: String, number: Int32)] {
    UnsafeBufferPointer(start: pointer.pointee.values, count: Int(pointer.pointee.n_values))
      .map { (String(cString: $0.name), $0.value) }
  }
}
