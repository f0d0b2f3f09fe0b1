"""What a test does in an open page, as a person would."""


def step_of(page):
    """The id of the step that is shown."""
    return page.evaluate("tinylm.app.step.id")


def go(page, step):
    """Open a step by its entry in the outline, as a person does."""
    tab = "training" if step in page.evaluate("tinylm.app.steps.training.map((s) => s.id)") else "token"
    if page.evaluate("tinylm.app.tab") != tab:
        page.click(f"#tab-{tab}")
        page.wait_for_selector(f"body[data-tab={tab}]")
    page.evaluate("document.querySelector('#outline details').open = true")
    page.click(f"#outline [data-step='{step}']")
    assert step_of(page) == step


def set_number(page, name, value):
    """Type a setting of the funnel."""
    page.fill(f"[data-setting={name}]", repr(value))
