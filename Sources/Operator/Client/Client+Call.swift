import HandoffAPI
import MessageJSON
import Protobuf
import RPC

/// Any method of the API, with JSON.
extension Client {
  private static let services = HandoffAPI.services.filter { $0.fullName.hasPrefix("handoff.gateway.") }

  /// Calls the method that the words name, and prints what comes back, a line a message.
  func call() async throws {
    guard let name = arguments.words.first else {
      for method in Self.services.flatMap(\.methods).map(\.name).sorted() { console.line(method) }
      return
    }
    let found = Self.services.compactMap { service in
      service.methods.first { $0.name == name }.map { (path: "/\(service.fullName)/\(name)", method: $0) }
    }.first
    guard let (path, method) = found else {
      throw OperatorError.usage("there is no method \(name)", advice: "See: handoff call")
    }
    guard !method.clientStreaming else {
      throw OperatorError.usage("\(name) takes a file", advice: "Send it over HTTP; docs/api.md shows how.")
    }
    let word = arguments.words.dropFirst().first ?? "{}"
    let request = DynamicMessage(method.input, in: Arena())
    do {
      let text = word == "-" ? try StandardInput.text() : word
      try MessageReader.read(try JSONParser.parse(Array(text.utf8)), into: request)
    } catch let error as JSONSyntaxError {
      throw OperatorError.usage("that is no JSON \(error)", advice: "")
    } catch let error as JSONMappingError {
      throw OperatorError.usage("\(error.path): \(error.problem)", advice: "The reference has the fields of \(name).")
    }
    let bytes = request.serialized()
    if method.serverStreaming {
      for try await message in try await connection.channel.serverStreaming(path, bytes, connection.options(limit: nil))
      {
        try show(message, as: method.output)
      }
    } else {
      try show(try await connection.channel.unary(path, bytes, connection.options()).message, as: method.output)
    }
  }

  private func show(_ bytes: [UInt8], as type: MessageDescriptor) throws {
    let message = try DynamicMessage(serialized: bytes, as: type, in: Arena())
    console.line(String(decoding: MessageWriter.json(message), as: UTF8.self))
  }
}
