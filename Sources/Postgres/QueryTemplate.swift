/// A statement put together once and asked again with other values: for one whose text is made of many pieces, where
/// putting it together costs more than sending it.
package struct QueryTemplate: Sendable {
  /// Collects the values of a statement's parameters, in its order.
  package struct Values {
    fileprivate var parameters = ParameterBytes()
    fileprivate var types: [UInt32] = []

    /// Appends the next value.
    package mutating func append<Value: PostgresBindable>(_ value: Value) {
      types.append(Value.postgresType.oid)
      parameters.append(value)
    }
  }

  private let shape: QueryShape
  private let types: [UInt32]

  /// Keeps a query's statement; its values only show the types.
  package init(_ query: Query) {
    shape = query.shape
    types = query.shape.parameterTypes()
  }

  /// The statement with values of its parameters' types.
  ///
  /// Stops the program when they are others: which values a statement has stands in the program and never in its input.
  package func query(_ bind: (inout Values) -> Void) -> Query {
    var values = Values()
    values.parameters.reserve(values: types.count)
    values.types.reserveCapacity(types.count)
    bind(&values)
    precondition(values.types == types, "a statement was bound to values of other types than its own")
    return Query(shape: shape, parameters: values.parameters)
  }
}
