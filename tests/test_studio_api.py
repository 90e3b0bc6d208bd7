"""The studio's OpenAPI document is true: whatever it allows is answered as it says, and nothing breaks the server."""

import hypothesis
import schemathesis
from schemathesis.checks import CHECKS

UNKNOWN = ("positive_data_acceptance",)  # ids and files are of the right form, and of nothing that is there


def test_every_operation_answers_as_the_document_says(studio):
    async def as_visitor(scope, receive, send):
        await studio.guard.app._api.result()({**scope, "visitor": "script"}, receive, send)

    studio.visit().get("/api/photos")
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", as_visitor)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 20
    for operation in operations:

        @hypothesis.given(case=operation.as_strategy())
        @hypothesis.settings(
            max_examples=10, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), derandomize=True
        )
        def answers(case):
            case.call_and_validate(excluded_checks=[CHECKS.get_one(name) for name in UNKNOWN])

        answers()
