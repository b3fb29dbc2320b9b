import CProtobufC

/// Rewrites a scanned message so that each singular message field occurs once.
///
/// The protobuf encoding says that a parser merges several occurrences of an embedded message, which is the same as
/// parsing their bytes joined together. protobuf-c's own merge loses proto3 scalars and fails on unset oneofs.
enum WireMerger {
  static func merge(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws(ProtobufError) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    // The joined bytes of each singular message field, by field number.
    var joined: [UInt32: [UInt8]] = [:]
    var cursor = WireCursor(bytes)
    while !cursor.isAtEnd {
      let start = cursor.next
      let (number, wireType) = try cursor.tag()
      let field = descriptor.field(number)
      if let field, field.isInOneof {
        for other in joined.keys where other != number && descriptor.field(other)?.isSameOneof(as: field) == true {
          joined[other] = nil
        }
      }
      guard let field, field.pointee.type == PROTOBUF_C_TYPE_MESSAGE else {
        try cursor.skipValue(wireType)
        output.append(contentsOf: UnsafeBufferPointer(start: start, count: cursor.next - start))
        continue
      }
      let message = try cursor.delimited()
      if field.pointee.label == PROTOBUF_C_LABEL_REPEATED {
        append(try merge(message, field.messageDescriptor), number, &output)
      } else {
        joined[number, default: []].append(contentsOf: message)
      }
    }
    // After everything else, so that of a oneof's members the one that came last on the wire is last here too.
    for (number, message) in joined.sorted(by: { $0.key < $1.key }) {
      guard let field = descriptor.field(number) else { continue }
      do {
        let merged = try message.withTypedThrows { (bytes) throws(ProtobufError) in
          try merge(bytes, field.messageDescriptor)
        }
        append(merged, number, &output)
      }
    }
    return output
  }

  private static func append(_ message: [UInt8], _ number: UInt32, _ output: inout [UInt8]) {
    appendVarint(UInt64(number) << 3 | UInt64(WireType.delimited), &output)
    appendVarint(UInt64(message.count), &output)
    output.append(contentsOf: message)
  }

  private static func appendVarint(_ value: UInt64, _ output: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    output.append(UInt8(rest))
  }
}

extension UnsafePointer<ProtobufCFieldDescriptor> {
  fileprivate var isInOneof: Bool { pointee.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0 }

  fileprivate func isSameOneof(as other: Self) -> Bool {
    isInOneof && pointee.quantifier_offset == other.pointee.quantifier_offset
  }

  fileprivate var messageDescriptor: UnsafePointer<ProtobufCMessageDescriptor> {
    pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
  }
}

extension [UInt8] {
  /// `withUnsafeBytes` that keeps the type of what is thrown.
  func withTypedThrows<R>(
    _ body: (UnsafeRawBufferPointer) throws(ProtobufError) -> R
  ) throws(ProtobufError) -> R {
    let result: Result<R, ProtobufError> = withUnsafeBytes { bytes in
      do throws(ProtobufError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
