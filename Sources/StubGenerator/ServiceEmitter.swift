/// Writes a service: its method table, a client and the protocol of its handlers.
struct ServiceEmitter {
  /// What clients use when the schema names no deadline, in milliseconds.
  static let defaultDeadlineMs: UInt64 = 30000

  let service: SchemaService
  let package: String
  let table: TypeTable

  func emit(into out: inout SourceWriter) {
    emitMethods(into: &out)
    emitClient(into: &out)
    emitCallers(into: &out)
    emitHandler(into: &out)
  }

  private func name(_ method: SchemaMethod) -> String {
    Naming.escaped(Naming.method(method.name))
  }

  private func emitMethods(into out: inout SourceWriter) {
    out.line("/// The methods of `\(service.name)`.")
    out.block("public enum \(service.name)Methods") { out in
      for method in service.methods {
        out.docs(method.origin, or: "`\(method.name)` of the schema.")
        out.line("public static let \(name(method)) = MethodDescriptor(")
        out.line(
          "  id: \(method.id ?? 0), service: \"\(package).\(service.name)\", "
            + "name: \"\(method.name)\",")
        out.line(
          "  isServerStreaming: \(method.isServerStreaming), "
            + "defaultDeadlineMs: \(method.defaultDeadlineMs ?? Self.defaultDeadlineMs))")
      }
      out.line("/// All of them, in the order of the schema.")
      out.line("public static let all: [MethodDescriptor] = [")
      for method in service.methods { out.line("  \(name(method)),") }
      out.line("]")
    }
    out.line()
  }

  private func emitClient(into out: inout SourceWriter) {
    out.docs(service.origin, or: "Calls `\(service.name)`.")
    out.line("///")
    out.line("/// This is the client; it may be copied and used from any task.")
    out.block("public struct \(service.name)Client: Sendable") { out in
      out.line("/// What carries the calls.")
      out.line("public var channel: any RPCChannel")
      out.line()
      out.line("/// Makes a client over a channel.")
      out.line("public init(channel: any RPCChannel) { self.channel = channel }")
      for method in service.methods {
        out.line()
        emitCall(method, into: &out)
      }
    }
    out.line()
  }

  private func emitCall(_ method: SchemaMethod, into out: inout SourceWriter) {
    let input = table.swiftName(method.input)
    let output = table.swiftName(method.output)
    let descriptor = "\(service.name)Methods.\(name(method))"
    out.docs(method.origin, or: "`\(method.name)` of the schema.")
    out.line("public func \(name(method))(")
    out.line("  _ request: \(input), options: CallOptions = CallOptions()")
    if method.isServerStreaming {
      out.block(") -> RPCStream<\(output)>") { out in
        out.line("channel.stream(\(descriptor), request, options)")
      }
    } else {
      out.block(") async throws(RPCError) -> \(output)") { out in
        out.line("try await channel.call(\(descriptor), request, options)")
      }
    }
  }

  /// The form for very many calls; a service of streams alone has none.
  private func emitCallers(into out: inout SourceWriter) {
    let methods = service.methods.filter { !$0.isServerStreaming }
    guard !methods.isEmpty else { return }
    out.docs(service.origin, or: "Calls `\(service.name)`.")
    out.line("///")
    out.line("/// This is the client for very many calls on one connection: see `MethodCaller`.")
    out.block("public struct \(service.name)Callers: Sendable") { out in
      out.line("/// What carries the calls.")
      out.line("public var connection: RPCConnection")
      out.line()
      out.line("/// Makes callers for a connection.")
      out.line("public init(_ connection: RPCConnection) { self.connection = connection }")
      for method in methods {
        out.line()
        emitCaller(method, into: &out)
      }
    }
    out.line()
  }

  private func emitCaller(_ method: SchemaMethod, into out: inout SourceWriter) {
    let types = "<\(table.swiftName(method.input))View, \(table.swiftName(method.output))View>"
    out.docs(method.origin, or: "`\(method.name)` of the schema.")
    out.line("///")
    out.line("/// Each reply goes to `onReply`, on the connection's reactor; it must not block.")
    out.line("public func \(name(method))(")
    out.line("  options: CallOptions = CallOptions(),")
    out.line("  onReply: @escaping @Sendable (CallReply\(types)) -> Void")
    out.block(") -> MethodCaller\(types)") { out in
      out.line("MethodCaller(")
      out.line(
        "  connection, \(service.name)Methods.\(name(method)), options: options, onReply: onReply)")
    }
  }

  private func emitHandler(into out: inout SourceWriter) {
    out.docs(service.origin, or: "Answers `\(service.name)`.")
    out.line("///")
    out.line(
      "/// Handlers run on the reactor that read the call and must not block. A request's view is")
    out.line(
      "/// valid until the handler returns; the call may be kept and answered from any thread.")
    out.block("public protocol \(service.name)Handler: Sendable") { out in
      for method in service.methods {
        let call = method.isServerStreaming ? "ServerStream" : "ServerCall"
        out.docs(method.origin, or: "`\(method.name)` of the schema.")
        out.line("func \(name(method))(")
        out.line(
          "  _ request: \(table.swiftName(method.input))View, "
            + "_ call: \(call)<\(table.swiftName(method.output))>)")
      }
    }
    out.line()
    out.block("extension \(service.name)Handler") { out in
      out.line("/// Adds every method of the service to a router.")
      out.block("public func register\(service.name)(in router: inout ServiceRouter)") { out in
        for method in service.methods {
          out.line(
            "router.handle(\(service.name)Methods.\(name(method))) { self.\(name(method))($0, $1) }"
          )
        }
      }
    }
    out.line()
  }
}
