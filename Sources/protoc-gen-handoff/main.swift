// A protoc plugin: reads a CodeGeneratorRequest from standard input and writes a CodeGeneratorResponse to standard
// output. See protos/README.md for its options; scripts/generate-protos is the only caller.
import CDescriptorProtos
import Glibc
import Protobuf

var input: [UInt8] = []
var chunk = [UInt8](repeating: 0, count: 1 << 16)
while true {
  let count = read(STDIN_FILENO, &chunk, chunk.count)
  guard count > 0 else { break }
  input.append(contentsOf: chunk[..<count])
}

let arena = Arena()
let response = respond(to: input, arena)
let size = google__protobuf__compiler__code_generator_response__get_packed_size(response)
var output = [UInt8](repeating: 0, count: size)
google__protobuf__compiler__code_generator_response__pack(response, &output)
var written = 0
while written < output.count {
  let count = output[written...].withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  guard count > 0 else { exit(1) }
  written += count
}
