import CDescriptorProtos
import Protobuf

/// Answers a serialized request; what goes wrong is said in the response's `error`, as protoc wants it.
func respond(
  to input: [UInt8], _ arena: Arena
) -> UnsafeMutablePointer<Google__Protobuf__Compiler__CodeGeneratorResponse> {
  let response = arena.make(Google__Protobuf__Compiler__CodeGeneratorResponse.self)
  google__protobuf__compiler__code_generator_response__init(response)
  do {
    guard let request = google__protobuf__compiler__code_generator_request__unpack(nil, input.count, input) else {
      throw GeneratorError("protoc-gen-handoff: the request on standard input is malformed")
    }
    defer { google__protobuf__compiler__code_generator_request__free_unpacked(request, nil) }
    let outputs = try generate(request)
    let files = try outputs.map { output in
      let file = arena.make(Google__Protobuf__Compiler__CodeGeneratorResponse__File.self)
      google__protobuf__compiler__code_generator_response__file__init(file)
      file.pointee.name = try arena.string(output.name, "name")
      file.pointee.content = try arena.string(output.content, "content")
      return Optional(file)
    }
    response.pointee.n_file = files.count
    response.pointee.file = arena.numbers(files)
  } catch let error as GeneratorError {
    response.pointee.error = try? arena.string(error.message, "error")
  } catch {
    response.pointee.error = try? arena.string("protoc-gen-handoff: \(error)", "error")
  }
  return response
}

private func generate(
  _ request: UnsafeMutablePointer<Google__Protobuf__Compiler__CodeGeneratorRequest>
) throws -> [Generator.Output] {
  let options = try Options(text(request.pointee.parameter))
  let files = list(request.pointee.proto_file, request.pointee.n_proto_file).map { DescriptorReader($0).read() }
  let names = UnsafeBufferPointer(start: request.pointee.file_to_generate, count: request.pointee.n_file_to_generate)
  return try Generator(options, files).generate(names.map { text($0) })
}
