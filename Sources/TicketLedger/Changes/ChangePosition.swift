package import ServiceKit

/// Where a change stands in the change stream of its service; what readers resume behind.
package struct ChangePosition: Hashable, Sendable, CustomStringConvertible {
  /// The numbering that ``number`` belongs to.
  package let epoch: Int64
  /// 1 for the first change; 0: before all of them.
  package var number: Int64

  /// Names a place.
  package init(epoch: Int64, number: Int64) {
    self.epoch = epoch
    self.number = number
  }

  /// Reads what ``description`` writes.
  ///
  /// - Throws: REQUEST_INVALID naming the field.
  package init(_ text: String, field: String) throws(ServiceError) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let epoch = Int64(parts[0]), let number = Int64(parts[1]), epoch > 0, number >= 0,
      text == "\(epoch)-\(number)"
    else { throw .invalid(field, "must be the id of a change or heartbeat of this stream, or empty") }
    self.init(epoch: epoch, number: number)
  }

  /// As the API writes it: `1764115200000-4711`.
  package var description: String { "\(epoch)-\(number)" }
}
