/// The names that protoc-c gives to C declarations.
enum CName {
  /// `handoff.tickets.v1.Ticket` → `Handoff__Tickets__V1__Ticket`.
  static func type(_ fullName: String) -> String {
    fullName.split(separator: ".").map { camel($0) }.joined(separator: "__")
  }

  /// `handoff.tickets.v1.Ticket` → `handoff__tickets__v1__ticket`.
  static func function(_ fullName: String) -> String {
    fullName.split(separator: ".").map { lower($0) }.joined(separator: "__")
  }

  /// The struct member of a field: lower case, with an underscore behind a keyword of C++.
  static func member(_ fieldName: String) -> String {
    let name = fieldName.lowercased()
    return keywords.contains(name) ? name + "_" : name
  }

  /// The struct member that tells which member of a oneof is set.
  static func oneofCase(_ oneofName: String) -> String {
    lower(Substring(oneofName)) + "_case"
  }

  private static func camel(_ piece: Substring) -> String {
    var result = ""
    var capitalize = true
    for character in piece {
      if character == "_" {
        capitalize = true
      } else {
        result += capitalize ? character.uppercased() : String(character)
        capitalize = false
      }
    }
    return result
  }

  private static func lower(_ piece: Substring) -> String {
    var result = ""
    var wasUpper = true
    for character in piece {
      if character.isUppercase && !wasUpper { result += "_" }
      wasUpper = character.isUppercase
      result += character.lowercased()
    }
    return result
  }

  private static let keywords: Set<String> = [
    "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl",
    "const", "const_cast", "continue", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
    "explicit", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
    "namespace", "new", "not", "not_eq", "operator", "or", "or_eq", "private", "protected", "public", "register",
    "reinterpret_cast", "return", "short", "signed", "sizeof", "static", "static_cast", "struct", "switch",
    "template", "this", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using",
    "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
  ]
}

/// The names of Swift declarations.
enum SwiftName {
  /// Messages whose own name says too little, or is taken, outside their proto package.
  static let renamed = [
    "google.protobuf.Duration": "ProtoDuration",
    "google.protobuf.Any": "ProtoAny",
    "google.rpc.Status": "RPCStatusMessage",
  ]

  /// Names that generated code uses with another meaning.
  static let taken: Set<String> = [
    "Any", "Arena", "Array", "Bool", "Box", "CFields", "CallContext", "CallOptions", "Double", "Duration", "Float",
    "Int", "Int32", "Int64", "Message", "MessageDescriptor", "MethodDescriptor", "Optional", "ProtoEnum",
    "ProtobufError", "RPCService", "RPCTransport", "RequestStream", "RequestWriter", "ResponseStream", "ResponseWriter",
    "Self", "ServiceDescriptor", "String", "Type",
    "UInt32", "UInt64", "UInt8", "UnsafeMutableRawPointer", "UnsafeRawPointer",
  ]

  /// `create_time` → `createTime`; words of Swift in backticks, and `init` as `initValue`, since those do not help it.
  static func property(_ name: String) -> String {
    let camel = lowerCamel(name)
    if unescapable.contains(camel) { return camel + "Value" }
    return keywords.contains(camel) ? "`\(camel)`" : camel
  }

  /// `DOORAY_IN_PROGRESS` of `State` → `doorayInProgress`; the enum's own name in front is dropped.
  static func enumValue(_ value: String, of enumName: String) -> String {
    let prefix = upperSnake(enumName) + "_"
    var rest = value[...]
    if value.hasPrefix(prefix), value.count > prefix.count { rest = value.dropFirst(prefix.count) }
    if rest.first?.isNumber == true { rest = value[...] }
    return property(rest.lowercased())
  }

  /// `submission_type` → `SubmissionType`.
  static func pascal(_ name: String) -> String {
    let camel = lowerCamel(name)
    return camel.prefix(1).uppercased() + camel.dropFirst()
  }

  /// `GetTicket` → `getTicket`, `URLOf` → `urlOf`.
  static func method(_ name: String) -> String {
    let capitals = name.prefix { $0.isUppercase }
    let head = capitals.count > 1 && capitals.count < name.count ? capitals.dropLast() : capitals
    let result = head.lowercased() + name.dropFirst(head.count)
    return keywords.contains(result) || unescapable.contains(result) ? "`\(result)`" : result
  }

  static func lowerCamel(_ name: String) -> String {
    let words = name.split(separator: "_")
    guard let first = words.first else { return name }
    let rest = words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }
    return first.prefix(1).lowercased() + first.dropFirst() + rest.joined()
  }

  private static func upperSnake(_ name: String) -> String {
    var result = ""
    var wasLower = false
    for character in name {
      if character.isUppercase && wasLower { result += "_" }
      wasLower = character.isLowercase || character.isNumber
      result += character.uppercased()
    }
    return result
  }

  private static let unescapable: Set<String> = ["init", "self"]

  private static let keywords: Set<String> = [
    "as", "associatedtype", "await", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do",
    "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if", "import", "in",
    "inout", "internal", "is", "let", "nil", "operator", "precedencegroup", "private", "protocol", "public", "repeat",
    "rethrows", "return", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try",
    "typealias", "var", "where", "while",
  ]
}
