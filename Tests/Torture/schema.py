"""The schema as Python modules, made by protoc, and every method by name with its id."""
import os, shutil, subprocess, sys

from harness import BUILD, ROOT

FILES = sorted(
    str(path.relative_to(ROOT / "Protos"))
    for folder in ("rpc/v1", "integrationmanager/v1")
    for path in (ROOT / "Protos" / folder).glob("*.proto"))


def _compile():
    modules = BUILD / "python"
    newest = max((ROOT / "Protos" / name).stat().st_mtime for name in FILES)
    if not (modules / "done").exists() or (modules / "done").stat().st_mtime < newest:
        fresh = BUILD / f"python.{os.getpid()}"
        fresh.mkdir(parents=True)
        subprocess.run(
            ["protoc", "-I", ROOT / "Protos", f"--python_out={fresh}", *FILES], check=True)
        (fresh / "done").touch()
        shutil.rmtree(modules, ignore_errors=True)
        fresh.rename(modules)
    sys.path.insert(0, str(modules))


_compile()

from google.protobuf import symbol_database  # noqa: E402
from integrationmanager.v1 import (  # noqa: E402,F401
    access_pb2, agent_pb2, integrations_pb2, keeping_pb2, logs_pb2, operator_pb2, schedules_pb2,
    types_pb2)
from rpc.v1 import envelope_pb2, options_pb2  # noqa: E402,F401

_CLASSES = symbol_database.Default()


class Method:
    """One method of the schema: its id, its messages, how long a call may take, and whether it
    brings a stream."""

    def __init__(self, service, descriptor):
        options = descriptor.GetOptions()
        self.service, self.name = service, descriptor.name
        self.id = options.Extensions[options_pb2.method_id]
        self.request = _CLASSES.GetPrototype(descriptor.input_type)
        self.response = _CLASSES.GetPrototype(descriptor.output_type)
        self.is_stream = descriptor.server_streaming
        self.deadline_ms = (
            options.Extensions[options_pb2.default_deadline_ms]
            if options.HasExtension(options_pb2.default_deadline_ms) else 30000)


METHODS = {
    method.name: Method(service.name, method)
    for module in (agent_pb2, operator_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods}
STATUS = types_pb2
