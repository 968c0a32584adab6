"""The registry: which function runs an operation, and what it says about it."""

from __future__ import annotations

import pytest

from docqueue import handlers
from docqueue.exceptions import ConfigurationError, UnknownOperation
from docqueue.retry import Exponential, Fixed

pytestmark = pytest.mark.usefixtures("registry")


def test_handlers_of_installed_apps_are_found_by_themselves():
    assert {"test.noop", "test.echo"} <= set(handlers.operations())
    assert handlers.get("test.sleep").timeout_seconds == 1


def test_the_decorated_function_stays_itself_and_is_found_under_its_name():
    @handlers.handler("mine", queue="q", max_attempts=3, timeout_seconds=9, memory_mb=64, retry=Fixed(1))
    def mine(ctx):
        return ctx

    found = handlers.get("mine")
    assert mine(5) == 5
    assert (found.function, found.queue, found.max_attempts, found.memory_mb) == (mine, "q", 3, 64)
    assert found.policy == Fixed(1)
    assert found.where.endswith("mine")


def test_without_a_policy_of_its_own_the_settings_policy_holds(register, settings):
    settings.DOCQUEUE = {"RETRY_BASE_SECONDS": 1}
    register("plain")
    assert handlers.get("plain").policy == Exponential(base_seconds=1)


def test_two_functions_for_one_operation_are_refused(register):
    register("mine")
    with pytest.raises(ConfigurationError, match=r"'mine' has two handlers: .*noop and .*other"):

        @handlers.handler("mine")
        def other(ctx):
            """Another one."""


def test_the_same_function_may_be_registered_again_as_a_reload_does(register):
    register("mine")
    register("mine", queue="elsewhere")
    assert handlers.get("mine").queue == "elsewhere"


@pytest.mark.parametrize("operation", ["", "x" * 201, "a\0b", None, 5])
def test_an_operation_that_can_not_be_stored_is_refused_when_it_is_registered(operation):
    with pytest.raises(ConfigurationError, match="operation"):
        handlers.handler(operation)


def test_an_unknown_operation_names_the_nearest(register):
    register("letter.print")
    with pytest.raises(UnknownOperation, match=r"Did you mean 'letter\.print'\?"):
        handlers.get("letters.print")
    assert handlers.find("letters.print") is None


def test_a_hook_for_the_dead_is_found_by_its_operation(register):
    register("mine")

    @handlers.on_dead("mine")
    def hook(item_id, code, message):
        """Somebody listens."""

    assert handlers.dead_hook("mine") is hook
    assert handlers.dead_hook("other") is None
    handlers.forget("mine")
    assert handlers.find("mine") is None
    assert handlers.dead_hook("mine") is None


def test_a_payload_that_can_not_be_compared_is_refused_at_registration():
    with pytest.raises(ConfigurationError, match=r"of 'test.any' can not be compared"):
        handlers.handler("test.any", payload=dict)(lambda ctx: None)
