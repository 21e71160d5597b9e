/// Finds what the runtime cannot carry, so that it is refused with file and line instead of
/// failing in a compiler or, worse, at run time.
struct SchemaRules {
  let schema: Schema
  let table: TypeTable

  init(_ schema: Schema) {
    self.schema = schema
    table = TypeTable(schema)
  }

  func check() -> [SchemaFault] {
    let files = schema.files.filter { schema.filesToGenerate.contains($0.name) }
    var faults: [SchemaFault] = []
    for file in files {
      faults += checkFile(file)
      for message in file.messages where !message.isMapEntry {
        faults += checkMessage(message, in: file)
      }
      for type in file.enums { faults += checkEnum(type, in: file) }
    }
    faults += checkTypeNames(files)
    faults += ServiceRules(table: table).check(files)
    return faults
  }

  private func checkFile(_ file: SchemaFile) -> [SchemaFault] {
    var faults: [SchemaFault] = []
    if file.syntax != "proto3" {
      faults.append(
        SchemaFault(file, SchemaOrigin(line: 1, column: 1), "write syntax = \"proto3\""))
    }
    if file.package.isEmpty {
      faults.append(
        SchemaFault(file, SchemaOrigin(line: 1, column: 1), "the file needs a package"))
    }
    return faults
  }

  // MARK: Messages

  private func checkMessage(_ message: SchemaMessage, in file: SchemaFile) -> [SchemaFault] {
    var faults: [SchemaFault] = []
    if let path = recursion(of: message) {
      faults.append(
        SchemaFault(
          file, message.origin,
          "message \(message.path.joined(separator: ".")) contains itself (\(path)); no message "
            + "may be recursive, because its depth would have no limit"))
    }
    for field in message.fields {
      if let text = fault(of: field, in: message, file) {
        faults.append(
          SchemaFault(
            file, field.origin,
            "field \(message.path.joined(separator: ".")).\(field.name): \(text)"))
      }
    }
    return faults
  }

  /// The way from a message back to itself, "a.b"; nil for one that is not recursive.
  private func recursion(of message: SchemaMessage) -> String? {
    var visited: Set<String> = []
    func search(_ name: String, _ path: [String]) -> [String]? {
      for field in table.message(name)?.fields ?? [] {
        guard case .message(let inner) = field.type else { continue }
        if inner == message.fullName { return path + [field.name] }
        if visited.insert(inner).inserted, let found = search(inner, path + [field.name]) {
          return found
        }
      }
      return nil
    }
    return search(message.fullName, [])?.joined(separator: ".")
  }

  private func fault(
    of field: SchemaField, in message: SchemaMessage, _ file: SchemaFile
  ) -> String? {
    if let text = faultOfLabel(field) ?? faultOfName(field) { return text }
    switch field.type {
    case .bytes: return "bytes are not carried; text and JSON are string"
    case .group: return "groups are not carried; use a message"
    case .message(let name), .enumeration(let name):
      if name != TypeTable.timestamp, !isOwn(name, of: file) {
        return "type \(name) is of another package than \(file.package); only "
          + "google.protobuf.Timestamp may be"
      }
    default: break
    }
    return faultOfMap(field)
  }

  private func faultOfMap(_ field: SchemaField) -> String? {
    guard case .map(_, let key, let value) = table.shape(of: field) else { return nil }
    if key != .text { return "a map's key must be string" }
    return value.isOptional
      ? "a map's value must not be a message; use a repeated message with a key" : nil
  }

  private func faultOfLabel(_ field: SchemaField) -> String? {
    switch field.label {
    case .proto3Optional:
      return "optional is not carried, protoc-c 1.4.1 refuses it; use a message, or a value that "
        + "means unset"
    case .required: return "required is not carried; proto3 has none"
    case .repeated where field.type == .message(TypeTable.timestamp):
      return "repeated google.protobuf.Timestamp is not carried; repeat a message that has one"
    case .repeated, .single: return nil
    }
  }

  /// Names of members that every message or view has.
  private static let takenMembers: Set<String> = [
    "unknownFields", "messageName", "descriptor", "reference", "record", "makeMessage", "assign",
    "encode", "serializedBytes", "encodedByteCount", "init", "self", "Type",
  ]

  private func faultOfName(_ field: SchemaField) -> String? {
    let member = Naming.member(field.name)
    guard Self.takenMembers.contains(member) else { return nil }
    return "the name is taken: every generated message has a member \(member)"
  }

  private func isOwn(_ fullName: String, of file: SchemaFile) -> Bool {
    schema.files.contains { other in
      other.package == file.package
        && (other.messages.contains { $0.fullName == fullName }
          || other.enums.contains { $0.fullName == fullName })
    }
  }

  // MARK: Enums

  private func checkEnum(_ type: SchemaEnum, in file: SchemaFile) -> [SchemaFault] {
    var numbers: Set<Int32> = []
    var cases: Set<String> = ["unrecognized"]
    var faults: [SchemaFault] = []
    for value in type.values {
      let name = Naming.enumCase(
        Naming.jsonName(ofValue: value.name, in: type.path.last ?? ""))
      if !numbers.insert(value.number).inserted {
        faults.append(
          SchemaFault(
            file, value.origin, "\(value.name): number \(value.number) is used twice in the enum"))
      } else if !cases.insert(name).inserted || name == "self" || name == "init" {
        faults.append(
          SchemaFault(
            file, value.origin, "\(value.name): its name in Swift, \(name), is taken"))
      }
    }
    return faults
  }

  // MARK: Names

  /// All files' types stand in one Swift module beside what is made for them.
  private func checkTypeNames(_ files: [SchemaFile]) -> [SchemaFault] {
    var taken: [String: String] = ["Timestamp": "google.protobuf.Timestamp"]
    var faults: [SchemaFault] = []
    func claim(_ names: [String], for owner: String, _ file: SchemaFile, _ origin: SchemaOrigin) {
      for name in names {
        if let other = taken.updateValue(owner, forKey: name) {
          faults.append(
            SchemaFault(file, origin, "\(owner): its Swift name \(name) belongs to \(other)"))
        }
      }
    }
    for file in files {
      for message in file.messages {
        let name = message.path.joined()
        let names = message.isMapEntry ? [name + "View"] : [name, name + "View"]
        claim(names, for: message.fullName, file, message.origin)
      }
      for type in file.enums {
        claim([type.path.joined()], for: type.fullName, file, type.origin)
      }
      for service in file.services {
        claim(
          ["Methods", "Client", "Handler"].map { service.name + $0 }, for: service.name, file,
          service.origin)
      }
    }
    return faults
  }
}
