import Protobuf

/// The messages of a method, and what every answer in JSON is asked for.
final class JSONMethod: Sendable {
  /// The type of the request.
  let input: MessageDescriptor
  /// The type of the answer.
  let output: MessageDescriptor
  /// The field of the answer that is its version; nil when it has none.
  let version: FieldSchema?
  /// The field of the answer that leads to the next page; nil when it is no page.
  let nextPageToken: FieldSchema?

  init(_ method: MethodDescriptor) {
    input = method.input
    output = method.output
    let version = output.schema.field(named: "version")
    self.version = version?.kind == .int64 && version?.isRepeated == false ? version : nil
    nextPageToken = output.schema.field(named: "next_page_token")
  }

  /// The version of an answer as its tag; nil when it has none.
  func entityTag(of message: DynamicMessage) -> String? {
    let number = version.map { message.int64($0) } ?? 0
    return number > 0 ? EntityTag.text(version: number) : nil
  }
}
