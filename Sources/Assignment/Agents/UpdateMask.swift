import RPCProtos
import ServiceKit

/// The fields that an update changes: those that its mask names, all that can be changed when it names none.
struct UpdateMask: Sendable {
  private let paths: Set<String>

  /// Reads a mask.
  ///
  /// - Throws: REQUEST_INVALID for a field that cannot be changed.
  init(_ mask: FieldMask?, of known: [String]) throws(ServiceError) {
    let named = mask?.paths ?? []
    for path in named where !known.contains(path) {
      throw .invalid("update_mask", "cannot name \(path.prefix(100)); it may name \(known.joined(separator: ", "))")
    }
    paths = Set(named.isEmpty ? known : named)
  }

  /// Whether a field is changed.
  func has(_ path: String) -> Bool { paths.contains(path) }

  /// Whether nothing but this field is changed.
  func isOnly(_ path: String) -> Bool { paths == [path] }
}
