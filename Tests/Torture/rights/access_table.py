"""Who may what, written down by hand from PROTOCOL.md, DESIGN.md and the methods' meaning.

Nothing here is read from the server's code: a cell that differs from what a real call gets is a
fault of one of the two.
"""

# Whoever has no good credential gets one answer to every method, whatever it is.
STRANGERS = {
    "nobody": "TOKEN_MISSING",            # no token over TCP
    "other user": "TOKEN_MISSING",        # no token, another user's Unix socket
    "malformed key": "TOKEN_INVALID",     # cut, or its checksum is wrong
    "unknown key": "TOKEN_INVALID",       # well formed, of another server
    "wrong secret": "TOKEN_INVALID",      # the name of a live key, another secret
    "unknown token": "TOKEN_INVALID",
    "revoked key": "TOKEN_REVOKED",
    "expired key": "TOKEN_REVOKED",       # the old one after a rotation
    "revoked token": "TOKEN_REVOKED",
    "expired token": "TOKEN_REVOKED",
}

# The code that belongs to each reason in this table.
CODES = {
    "TOKEN_MISSING": "UNAUTHENTICATED", "TOKEN_INVALID": "UNAUTHENTICATED",
    "TOKEN_REVOKED": "UNAUTHENTICATED", "OPERATOR_ONLY": "PERMISSION_DENIED",
    "AGENT_ONLY": "PERMISSION_DENIED", "ROLE_MISSING": "PERMISSION_DENIED",
    "LOG_UNKNOWN": "NOT_FOUND", "STORE_NOT_EMPTY": "FAILED_PRECONDITION",
}

# What stands in a cell: `yes`, the call is done; `none`, it is answered and touches nothing of the
# other integration; else the reason with which it is refused. Short for the usual ones:
SHORT = {"op": "OPERATOR_ONLY", "ag": "AGENT_ONLY", "role": "ROLE_MISSING"}

# `own` and `other` are agents' keys: of the integration that the call is about, and of another one.
# `local` is the server's own user, and root, on the Unix socket without a token.
# `audit` says whether the call, when it is done, leaves an entry in the audit.
CALLERS = ("own", "other", "viewer", "operator", "admin", "local")
METHODS = """
method             own   other        viewer operator admin            local            audit
RegisterAction     yes   none         ag     ag       ag               ag               no
ReportLog          yes   LOG_UNKNOWN  ag     ag       ag               ag               no
PollRequests       yes   none         ag     ag       ag               ag               no
Heartbeat          yes   none         ag     ag       ag               ag               no
ReportLogBatch     yes   none         ag     ag       ag               ag               no

GetServerInfo      op    op           yes    yes      yes              yes              no
GetStatus          op    op           yes    yes      yes              yes              no
ListIntegrations   op    op           yes    yes      yes              yes              no
GetIntegration     op    op           yes    yes      yes              yes              no
ListKeys           op    op           yes    yes      yes              yes              no
ListActions        op    op           yes    yes      yes              yes              no
GetAction          op    op           yes    yes      yes              yes              no
ListLogs           op    op           yes    yes      yes              yes              no
GetLog             op    op           yes    yes      yes              yes              no
TailLogs           op    op           yes    yes      yes              yes              no
CountLogs          op    op           yes    yes      yes              yes              no
ChartLogs          op    op           yes    yes      yes              yes              no
GroupFailures      op    op           yes    yes      yes              yes              no
ListRequests       op    op           yes    yes      yes              yes              no
ListAgents         op    op           yes    yes      yes              yes              no
GetAgent           op    op           yes    yes      yes              yes              no
ListSchedules      op    op           yes    yes      yes              yes              no
GetSchedule        op    op           yes    yes      yes              yes              no
PreviewSchedule    op    op           yes    yes      yes              yes              no
GetRetention       op    op           yes    yes      yes              yes              no

PauseIntegration   op    op           role   yes      yes              yes              yes
ResumeIntegration  op    op           role   yes      yes              yes              yes
PauseAction        op    op           role   yes      yes              yes              yes
ResumeAction       op    op           role   yes      yes              yes              yes
RetryLog           op    op           role   yes      yes              yes              yes
RetryLogs          op    op           role   yes      yes              yes              yes
AddNote            op    op           role   yes      yes              yes              yes
MarkHandled        op    op           role   yes      yes              yes              yes
CreateRequest      op    op           role   yes      yes              yes              yes
CreateRequests     op    op           role   yes      yes              yes              yes
CancelRequest      op    op           role   yes      yes              yes              yes
CancelRequests     op    op           role   yes      yes              yes              yes
DrainAgent         op    op           role   yes      yes              yes              yes
CreateSchedule     op    op           role   yes      yes              yes              yes
UpdateSchedule     op    op           role   yes      yes              yes              yes
PauseSchedule      op    op           role   yes      yes              yes              yes
ResumeSchedule     op    op           role   yes      yes              yes              yes
TriggerSchedule    op    op           role   yes      yes              yes              yes
DeleteSchedule     op    op           role   yes      yes              yes              yes

CreateIntegration  op    op           role   role     yes              yes              yes
UpdateIntegration  op    op           role   role     yes              yes              yes
DeleteIntegration  op    op           role   role     yes              yes              yes
CreateKey          op    op           role   role     yes              yes              yes
RevokeKey          op    op           role   role     yes              yes              yes
RevealKey          op    op           role   role     yes              yes              yes
RotateKey          op    op           role   role     yes              yes              yes
UpdateAction       op    op           role   role     yes              yes              yes
CreateToken        op    op           role   role     yes              yes              yes
ListTokens         op    op           role   role     yes              yes              no
RevokeToken        op    op           role   role     yes              yes              yes
ListAudit          op    op           role   role     yes              yes              no
SetRetention       op    op           role   role     yes              yes              yes
PruneLogs          op    op           role   role     yes              yes              yes
BackUp             op    op           role   role     yes              yes              yes
CheckStore         op    op           role   role     yes              yes              no
ExportData         op    op           role   role     yes              yes              yes
ImportData         op    op           role   role     STORE_NOT_EMPTY  STORE_NOT_EMPTY  no
"""

# Whose answers have a secret in them; no other answer has one, to whomever it goes.
SHOW_SECRETS = {"CreateIntegration", "CreateKey", "RevealKey", "RotateKey", "CreateToken"}


def rows():
    """The table as {method: {caller: cell, "audit": bool}}."""
    lines = [line.split() for line in METHODS.split("\n") if line.strip()]
    assert tuple(lines[0]) == ("method", *CALLERS, "audit"), "the heading of the table"
    table = {}
    for method, *cells in lines[1:]:
        assert len(cells) == len(CALLERS) + 1, f"the row of {method}"
        assert method not in table, f"{method} has two rows"
        table[method] = {
            caller: SHORT.get(cell, cell) for caller, cell in zip(CALLERS, cells)}
        table[method]["audit"] = cells[-1] == "yes"
    return table
