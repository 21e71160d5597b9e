/// Finds services that the transport cannot carry.
struct ServiceRules {
  /// A CALL frame has 16 bits for the method.
  static let maximumMethodID: UInt64 = 65535

  let table: TypeTable

  func check(_ files: [SchemaFile]) -> [SchemaFault] {
    var faults: [SchemaFault] = []
    var owners: [UInt64: String] = [:]
    for file in files {
      for service in file.services {
        for method in service.methods {
          let name = "\(service.name).\(method.name)"
          faults += checkID(of: method, name, &owners, file)
          faults += (faultsOfForm(method) + faultsOfTypes(method, package: file.package)).map {
            SchemaFault(file, method.origin, "method \(name): \($0)")
          }
        }
      }
    }
    return faults
  }

  private func checkID(
    of method: SchemaMethod, _ name: String, _ owners: inout [UInt64: String], _ file: SchemaFile
  ) -> [SchemaFault] {
    func fault(_ text: String) -> [SchemaFault] {
      [SchemaFault(file, method.origin, "method \(name): \(text)")]
    }
    guard let id = method.id else {
      return fault("it has no number; add option (rpc.v1.method_id)")
    }
    guard id > 0, id <= Self.maximumMethodID else {
      return fault("method_id \(id) must be from 1 to \(Self.maximumMethodID)")
    }
    if let other = owners.updateValue(name, forKey: id) {
      return fault("method_id \(id) belongs to \(other); numbers are never shared or reused")
    }
    return []
  }

  private func faultsOfForm(_ method: SchemaMethod) -> [String] {
    var faults: [String] = []
    let cName = Naming.cFunctionPrefix(method.name)
    if Naming.cKeywords.contains(cName) {
      faults.append("\(cName) is a word of C and C++, which breaks protoc-c's header")
    }
    if method.isClientStreaming {
      faults.append("the client cannot send a stream; send a repeated field")
    }
    return faults
  }

  private func faultsOfTypes(_ method: SchemaMethod, package: String) -> [String] {
    [method.input, method.output].compactMap { name in
      table.message(name) == nil || !name.hasPrefix(package + ".")
        ? "\(name) must be a message of package \(package)" : nil
    }
  }
}
