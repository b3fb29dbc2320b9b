/// The argument arrays that libpq wants for parameters, reused from query to query.
struct ParameterScratch {
  private var values: [UnsafePointer<CChar>?] = []
  private var lengths: [Int32] = []
  private var formats: [Int32] = []

  mutating func withArguments<Result>(
    _ parameters: ParameterBytes,
    _ send: (Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Result
  ) -> Result {
    guard parameters.count > 0 else { return send(0, nil, nil, nil) }
    values.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
    while formats.count < parameters.count { formats.append(1) }
    return parameters.bytes.withUnsafeBytes { bytes in
      for slot in parameters.slots {
        lengths.append(Int32(truncatingIfNeeded: max(0, slot.length)))
        values.append(slot.length < 0 ? nil : Self.address(in: bytes, at: slot.offset))
      }
      return send(Int32(truncatingIfNeeded: parameters.count), values, lengths, formats)
    }
  }

  // An empty value needs an address too: libpq takes a null pointer for NULL.
  private static func address(in bytes: UnsafeRawBufferPointer, at offset: Int) -> UnsafePointer<CChar> {
    let base = bytes.baseAddress ?? UnsafeRawPointer(("" as StaticString).utf8Start)
    return base.advanced(by: offset).assumingMemoryBound(to: CChar.self)
  }
}
