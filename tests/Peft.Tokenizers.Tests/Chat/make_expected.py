"""Writes what Jinja2 makes of the templates, conversations and statements in Data/chat: run with Python 3 and Jinja2 3.1.6.

The environment is that of transformers' apply_chat_template: ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop controls, the generation
tag, tojson by json.dumps without ASCII escapes, raise_exception, strftime_now (here of a fixed day).
"""

import datetime
import json
import pathlib
import re

import jinja2
import jinja2.ext
import jinja2.sandbox

folder = pathlib.Path(__file__).parent.parent / "Data" / "chat"
NOW = datetime.datetime(2025, 3, 7, 16, 5, 9)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


class Raised(jinja2.exceptions.TemplateError):
    """What a template raises itself."""


class Generation(jinja2.ext.Extension):
    """{% generation %}: its body is a call block, as in transformers."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("marked"), [], [], body).set_lineno(line)

    def marked(self, caller):
        # The borders are characters that no text has: their places are taken out of the rendered text.
        return "\ue000" + caller() + "\ue001"


def make(kind=jinja2.sandbox.ImmutableSandboxedEnvironment):
    environment = kind(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment.filters["tojson"] = tojson
    environment.globals.update(raise_exception=raise_exception, strftime_now=NOW.strftime)
    return environment


def outcome(environment, source, variables):
    """The text and the borders of generation blocks (in UTF-16 units), or the error."""
    try:
        rendered = environment.from_string(source).render(**variables)
    except Exception as error:  # whatever Jinja or Python raises, a template that fails must fail here
        if isinstance(error, Raised):
            return {"error": str(error), "raised": True}
        return {"error": f"{type(error).__name__}: {error}"}
    text, spans = "", []
    for character in rendered:
        if character == "\ue000":
            spans.append([len(text.encode("utf-16-le")) // 2])
        elif character == "\ue001":
            spans[-1].append(len(text.encode("utf-16-le")) // 2)
        else:
            text += character
    return {"text": text, "spans": spans} if spans else {"text": text}


def write(name, value):
    (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def conversations():
    environment = make()
    cases = []
    given = json.loads((folder / "conversations.json").read_text(encoding="utf-8"))
    for path in sorted((folder / "templates").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for conversation in given:
            for prompt in (False, True):
                variables = TOKENS | {"messages": conversation["messages"], "tools": None, "documents": None, "add_generation_prompt": prompt} | conversation.get("variables", {})
                cases.append({"template": path.stem, "conversation": conversation["name"], "prompt": prompt} | outcome(environment, source, variables))
    write("expected.json", cases)
    return cases


def statements():
    variables = json.loads((folder / "variables.json").read_text(encoding="utf-8"))
    cases = []
    for kind, name in ((jinja2.sandbox.ImmutableSandboxedEnvironment, "statements.txt"), (jinja2.sandbox.SandboxedEnvironment, "mutations.txt")):
        environment = make(kind)
        # A case a line; "\n" and "\t" within stand for themselves as in a JSON string where a line begins with a quote.
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#!"):
                continue
            source = json.loads(line) if line.startswith('"') else line
            # A line of expressions only is a case for each.
            alone = [source] if "{%" in source else re.split(r"(?<=\}\})\|? (?=\{\{)", source)
            for part in alone:
                # Values are read anew: some statements change them.
                cases.append({"source": part} | outcome(environment, part, TOKENS | json.loads(json.dumps(variables))))
    write("statements.json", cases)
    return cases


for cases in (conversations(), statements()):
    print(len(cases), "cases,", sum("error" in case for case in cases), "of them errors")
