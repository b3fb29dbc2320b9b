import Protobuf
import Synchronization

/// A message type as its JSON has it: what would otherwise be looked up or made for each message anew.
///
/// Made once per type and kept for good.
final class MessagePlan: Sendable {
  /// Types that are texts in JSON.
  enum TextForm: Sendable {
    case timestamp, duration, fieldMask
  }

  /// One field of a type. An object, so that going over the fields copies no texts.
  final class Field: Sendable {
    let schema: FieldSchema
    /// The JSON name in quotes, with its colon.
    let key: [UInt8]
    /// The names of enum values in quotes, by their numbers, which begin at 0 and are dense by the style of the protos.
    private let valueNames: [[UInt8]?]
    private let inner = AtomicLazyReference<MessagePlan>()

    private static let valuesMax: Int32 = 256

    fileprivate init(_ schema: FieldSchema) {
      self.schema = schema
      key = Array("\"\(schema.jsonName)\":".utf8)
      var names: [[UInt8]?] = []
      for value in schema.enumeration?.values ?? [] where (0..<Self.valuesMax).contains(value.number) {
        while names.count <= Int(value.number) { names.append(nil) }
        names[Int(value.number)] = Self.quoted(value.name)
      }
      valueNames = names
    }

    /// The plan of a field of kind `message`; nil for others.
    var message: MessagePlan? {
      if let plan = inner.load() { return plan }
      return schema.message.map { inner.storeIfNil(MessagePlan.of($0)) }
    }

    /// The name of an enum value in quotes; nil for a number that has none.
    func quotedName(ofValue number: Int64) -> [UInt8]? {
      if valueNames.indices.contains(Int(number)) { return valueNames[Int(number)] }
      return schema.enumeration?.name(of: Int32(truncatingIfNeeded: number)).map(Self.quoted)
    }

    private static func quoted(_ name: String) -> [UInt8] { Array("\"\(name)\"".utf8) }
  }

  /// What messages of the type are instead of objects; nil: objects.
  let textForm: TextForm?
  /// The fields in the order of their numbers.
  let fields: [Field]
  private let indexByName: [String: Int]

  private init(_ schema: MessageSchema) {
    textForm =
      switch schema.fullName {
      case "google.protobuf.Timestamp": .timestamp
      case "google.protobuf.Duration": .duration
      case "google.protobuf.FieldMask": .fieldMask
      default: nil
      }
    fields = schema.fields.map { Field($0) }
    var indexByName: [String: Int] = [:]
    for (index, field) in schema.fields.enumerated() {
      indexByName[field.name] = index
      indexByName[field.jsonName] = index
    }
    self.indexByName = indexByName
  }

  /// Finds a field by its JSON name or its proto name: JSON readers must take both.
  func field(named name: String) -> Field? { indexByName[name].map { fields[$0] } }

  private static let known = Mutex<[MessageDescriptor: MessagePlan]>([:])

  /// The plan of a type.
  static func of(_ descriptor: MessageDescriptor) -> MessagePlan {
    known.withLock { known in
      if let plan = known[descriptor] { return plan }
      let plan = MessagePlan(descriptor.schema)
      known[descriptor] = plan
      return plan
    }
  }
}
