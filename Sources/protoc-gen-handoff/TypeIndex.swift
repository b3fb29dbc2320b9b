import CDescriptorProtos

/// What is wrong with a proto file for this generator; protoc prints it.
struct GeneratorError: Error {
  let message: String

  init(_ message: String) {
    self.message = message
  }
}

/// Every message and enum of the request by full name.
struct TypeIndex {
  private var swiftNames: [String: String] = [:]
  private var messages: [String: ProtoMessage] = [:]
  /// The messages that hold themselves through message fields that are not lists.
  private var embeds: [String: Set<String>] = [:]

  init(_ files: [ProtoFile]) throws {
    var owners: [String: String] = [:]
    for file in files {
      for name in file.messages.map(\.fullName) + file.enums.map(\.fullName) {
        let simple = SwiftName.renamed[name] ?? String(name.split(separator: ".").last ?? "")
        if SwiftName.taken.contains(simple) {
          throw GeneratorError("\(name): the Swift name \(simple) is taken; choose another")
        }
        if let other = owners.updateValue(name, forKey: simple) {
          throw GeneratorError("\(name) and \(other) would both be named \(simple) in Swift; rename one")
        }
        swiftNames[name] = simple
      }
      for message in file.messages { addNested(message) }
    }
    for name in messages.keys { embeds[name] = reachable(from: name) }
  }

  private mutating func addNested(_ message: ProtoMessage) {
    messages[message.fullName] = message
    let scope = swiftNames[message.fullName] ?? message.name
    for nested in message.messages {
      swiftNames[nested.fullName] = "\(scope).\(nested.name)"
      addNested(nested)
    }
    for nested in message.enums { swiftNames[nested.fullName] = "\(scope).\(nested.name)" }
  }

  private func reachable(from name: String) -> Set<String> {
    var found: Set<String> = []
    var waiting = [name]
    while let next = waiting.popLast() {
      for field in messages[next]?.fields ?? [] where field.isEmbedded && found.insert(field.typeName).inserted {
        waiting.append(field.typeName)
      }
    }
    return found
  }

  /// The Swift type of a message or enum, as written anywhere in the module.
  func swiftType(_ fullName: String) throws -> String {
    guard let name = swiftNames[fullName] else { throw GeneratorError("\(fullName): no such type") }
    return name
  }

  /// Whether a field of `message` must be boxed because its type holds `message` again.
  func isRecursive(_ field: ProtoField, in message: ProtoMessage) -> Bool {
    guard field.isEmbedded else { return false }
    return field.typeName == message.fullName || embeds[field.typeName]?.contains(message.fullName) == true
  }
}

extension ProtoField {
  /// Whether the field's value is part of the message's struct, as a list's elements are not.
  var isEmbedded: Bool {
    kind == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE && !isRepeated
  }
}
