import CHandoffProtos
package import Protobuf

/// The proto files that are compiled in.
package enum ProtoFiles {
  /// The files of all services, of gRPC's health and reflection services, and what they import.
  package static let all: DescriptorFiles = {
    var count = 0
    let start = handoff_descriptors(&count)
    do {
      return try DescriptorFiles(descriptorSet: UnsafeRawBufferPointer(start: start, count: count))
    } catch {
      preconditionFailure("the descriptors compiled in are broken: \(error)")
    }
  }()
}
