"""Chat templates: the part of Jinja 2 that published models write them in, interpreted without reaching any Python.

>>> turns = Template("{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}")
>>> turns.render(messages=[{"role": "user", "content": " hi "}])
'<user>hi'
"""

from tinylm.templates.limits import TemplateError
from tinylm.templates.template import Template

__all__ = ["Template", "TemplateError"]
