"""All harnesses, in the order in which they run: importing one registers it."""
import kill  # noqa: F401
import history  # noqa: F401
import power  # noqa: F401
import storage  # noqa: F401
