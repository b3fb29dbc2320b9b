import Protobuf
import RPCProtos

/// `grpc-status-details-bin`: a `google.rpc.Status` beside the status itself.
enum StatusDetails {
  static let name: StaticString = "grpc-status-details-bin"
  /// Most bytes of a status with its details, see ``StatusMessage/bytesMax``; they become a third more on the wire.
  static let bytesMax = 4_400

  /// The value to send; nil when there are no details, when they cannot be written, or are too many to be taken by
  /// clients: then the status goes alone.
  static func encode(_ error: RPCError) -> [UInt8]? {
    guard !error.details.isEmpty else { return nil }
    let status = RPCStatusMessage(
      code: error.code.rawValue, message: error.message.beginning(bytesMax: StatusMessage.bytesMax),
      details: error.details)
    guard let bytes = try? status.serialized(), bytes.count <= bytesMax else { return nil }
    var text: [UInt8] = []
    BinaryValue.encode(bytes, into: &text)
    return text
  }

  /// The details a server sent; none when they are malformed.
  static func decode(_ metadata: Metadata) -> [ProtoAny] {
    guard !metadata.isEmpty, let bytes = metadata.binary("grpc-status-details-bin") else { return [] }
    return (try? RPCStatusMessage(serialized: bytes))?.details ?? []
  }
}
