/// Stands for what generated code of version 1 needs of this module.
///
/// Generated files name it, so that code from another version of the generator fails to compile
/// here instead of misbehaving. Whoever changes what generated code relies on raises the number
/// here and in `StubGenerator.version`, and runs Scripts/generate.
public enum ProtobufRuntimeVersion1 {}
