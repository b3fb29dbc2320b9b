import CTestProtos
package import Protobuf

/// The proto files of tests, of gRPC's health and reflection services, and what they import.
package enum TestProtoFiles {
  /// All of them, for server reflection.
  package static let all: DescriptorFiles = {
    var count = 0
    let start = handoff_test_descriptors(&count)
    do {
      return try DescriptorFiles(descriptorSet: UnsafeRawBufferPointer(start: start, count: count))
    } catch {
      preconditionFailure("the descriptors compiled in are broken: \(error)")
    }
  }()
}
